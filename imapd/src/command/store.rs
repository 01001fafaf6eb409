//! STORE, also on the condition that nothing changed (RFC 7162 section 3.1.3)

use super::{Done, no_such_number, place, read_only, some_expunged, view};
use crate::mailstore::user::{FlagsAsked, Untouchable};
use crate::mailstore::{StoreError, Uid};
use crate::session::message_limit;
use crate::session::view::{write_flags, write_modseq, write_number};
use crate::session::{Enabled, Out, Reply, Session, View};
use crate::syntax::ast::StoreArgs;
use crate::syntax::flag::{FlagList, SystemFlags};
use crate::syntax::rights::Rights;
use crate::syntax::seqset::{NumberSet, SequenceSet};

/// Changes flags in one work unit and shows them.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    set: &SequenceSet,
    asked: StoreArgs,
    by_uid: bool,
    out: &mut Out<'_>,
) -> Done {
    let Some(mut selected) = view(session)?.select(set, by_uid) else { return Ok(no_such_number()) };
    // Not before: what is answered BAD changes nothing (RFC 9051 section 6).
    if asked.unchanged_since.is_some() {
        session.keeps_modseqs(out.buf);
    }
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    let limited = session.limit(&mut selected);
    let uids: Vec<Uid> = selected.iter().map(|(_, uid)| *uid).collect();
    let StoreArgs { change, silent, flags, unchanged_since } = asked;
    let kept = Untouchable::within(place::rights_in(session, view)?);
    let allowed = kept.of(flags.clone());
    // As long as one of the flags may be changed, the others are passed over (RFC 4314 section 4).
    let none = allowed == FlagList::default();
    let everything = kept.keywords && SystemFlags::TABLE.iter().all(|(flag, _)| kept.system.contains(*flag));
    if none && (everything || flags != FlagList::default()) {
        return Err(StoreError::NoRight.into());
    }
    let asked = FlagsAsked { change, flags, unchanged_since, kept, reader: view.reader };
    let by = place::asker(session, &view.mailbox, Rights::NONE)?;
    let stored = view.mailbox.user.store_within(&view.mailbox, uids, asked, by);
    let (present, refused) = stored.await?;
    if limited.is_some() {
        message_limit::highest_first(&mut selected);
    }
    if !silent || session.enabled.condstore {
        show(session, view, &selected, &refused, silent, by_uid, out).await?;
    }
    let gone = !by_uid && present.len() + refused.len() < selected.len();
    let numbers = refused.iter().filter_map(|uid| if by_uid { Some(uid.0) } else { view.number_of(*uid) });
    let modified = || format!("MODIFIED {}", NumberSet::from_sorted(numbers));
    let reply = match (refused.is_empty(), gone) {
        (true, false) => Reply::ok("STORE completed"),
        // Who asked for silence is told that it was done where there was anything to do (RFC 2180 section 4.2.1).
        (true, true) if silent => {
            Reply::ok_code("EXPUNGEISSUED", "STORE completed but for messages that are gone")
        }
        (true, true) => some_expunged(),
        (false, false) => Reply::ok_code(modified(), "STORE completed but for messages that were changed"),
        // Which messages are gone the client is told anyway, which were changed it is not (RFC 7162 section 3.1.3).
        (false, true) => {
            Reply::no(modified(), "Some messages were changed, others expunged by another session")
        }
    };
    Ok(match limited {
        Some(limited) => limited.tell(reply, out.buf),
        None => reply,
    })
}

/// Messages shown before the client is written to: some tens of kilobytes.
const PIECE: usize = 512;

/// Shows the messages as they are now, those refused apart.
async fn show(
    session: &Session,
    view: &View,
    selected: &[(u32, Uid)],
    refused: &[Uid],
    silent: bool,
    by_uid: bool,
    out: &mut Out<'_>,
) -> std::io::Result<()> {
    let enabled = session.enabled;
    for piece in selected.chunks(PIECE) {
        show_piece(view, enabled, piece, refused, silent, by_uid, out.buf);
        out.room().await?;
    }
    Ok(())
}

fn show_piece(
    view: &View,
    enabled: Enabled,
    piece: &[(u32, Uid)],
    refused: &[Uid],
    silent: bool,
    by_uid: bool,
    out: &mut Vec<u8>,
) {
    let state = view.mailbox.state();
    if !silent {
        view.tell_keywords(&state, out);
    }
    for (number, uid) in piece.iter().filter(|(_, uid)| refused.binary_search(uid).is_err()) {
        let Some(record) = state.columns.get(*uid).map(|r| view.as_read(r)) else { continue };
        enabled.write_fetch(out, *number, *uid);
        let mut gap: &[u8] = b"";
        // RFC 7162 section 3.2.4: whoever keeps modification sequences gets UIDs with them.
        if (by_uid || enabled.condstore) && enabled.adds_uid() {
            out.extend_from_slice(b"UID ");
            write_number(out, uid.0.into());
            gap = b" ";
        }
        if !silent {
            out.extend_from_slice(gap);
            out.extend_from_slice(b"FLAGS ");
            write_flags(out, &record, &state, view.is_recent(*uid));
            gap = b" ";
        }
        if enabled.condstore {
            out.extend_from_slice(gap);
            write_modseq(out, &record);
        }
        out.extend_from_slice(b")\r\n");
    }
}
