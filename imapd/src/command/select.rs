//! SELECT and EXAMINE, with CONDSTORE and QRESYNC (RFC 7162)

use super::{Done, list, object_id, place};
use crate::mailstore::Uid;
use crate::mailstore::open::State;
use crate::mailstore::user::Untouchable;
use crate::session::view::{write_flags, write_flags_line, write_modseq};
use crate::session::{Enabled, Out, Reply, Session, View};
use crate::syntax::ast::{MailboxArg, Resync, SelectArgs};
use crate::syntax::flag::SystemFlags;
use crate::syntax::mailbox_name::{MailboxName, SEPARATOR};
use crate::syntax::rights::Rights;
use crate::syntax::seqset::{NumberSet, SequenceSet};

/// Opens a mailbox. Whatever happens, the one open before is left (RFC 3501 section 6.3.1).
///
/// # Errors
/// When the mailbox cannot be opened.
pub async fn run(session: &mut Session, mailbox: MailboxArg, args: &SelectArgs, out: &mut Out<'_>) -> Done {
    if args.resync.is_some() && !session.enabled.qresync {
        return Ok(Reply::client_bug("QRESYNC must be enabled first"));
    }
    if session.view.take().is_some() {
        // What follows belongs to the new mailbox (RFC 7162 section 3.2.11: whether CONDSTORE is on or not).
        out.buf.extend_from_slice(b"* OK [CLOSED] Former mailbox is closed\r\n");
    }
    let place = place::place(session, &mailbox).await?;
    let (open, rights) = place.open(Rights::READ).await?;
    if session.enabled.rev2 {
        list::named(session, out.buf, &place, supplied(&mailbox, &place.name))?;
    }
    session.enabled.condstore |= args.condstore;
    let read_only = args.read_only || !place::can_change(rights);
    let mut view = {
        let state = open.state();
        let mut view = View::new(&open, &state, read_only, !session.enabled.rev2);
        view.examined = args.read_only;
        view.rights = rights;
        view.reader = place.reader();
        view.foreign_name = view.reader.map(|_| place.name);
        figures(&view, &state, session.enabled.uid_only, out.buf);
        view
    };
    if let Some(resync) = &args.resync {
        changes(&view, resync, session.enabled, out).await?;
    }
    let read_only = args.read_only || place::is_read_only(rights, view.has_own_seen());
    view.told_read_only = read_only;
    session.view = Some(view);
    let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
    Ok(Reply::ok_code(code, if args.read_only { "EXAMINE completed" } else { "SELECT completed" }))
}

/// The name as the client wrote it, when the mailbox is called otherwise: `inbox`, too (RFC 9051 section 8).
fn supplied<'a>(mailbox: &'a MailboxArg, name: &MailboxName) -> &'a [u8] {
    match std::str::from_utf8(&mailbox.0) {
        Ok(text) if text.trim_end_matches(SEPARATOR) != name.as_str() => &mailbox.0,
        _ => b"",
    }
}

/// Appends the responses that every client gets, all of the moment of the view: a message that came just then is either counted by
/// EXISTS or has UIDNEXT before it.
fn figures(view: &View, state: &State, uid_only: bool, out: &mut Vec<u8>) {
    write_flags_line(out, state);
    let mut counts = format!("* {} EXISTS\r\n", view.len());
    if view.shows_recent() {
        counts += &format!("* {} RECENT\r\n", view.recent_count());
    }
    out.extend_from_slice(counts.as_bytes());
    write_permanent(out, if view.read_only { Rights::default() } else { view.rights }, state);
    let mut lines = String::new();
    // The code tells a message number, which means nothing under UIDONLY (RFC 9586 section 3).
    if view.shows_recent()
        && !uid_only
        && let Some(first) = first_unseen(view, state).filter(|i| *i < view.len() as usize)
    {
        lines += &format!("* OK [UNSEEN {}] First unseen message\r\n", first + 1);
    }
    lines += &format!(
        "* OK [UIDVALIDITY {}] UIDs are valid\r\n* OK [UIDNEXT {}] Next UID\r\n\
         * OK [HIGHESTMODSEQ {}] Highest modification sequence\r\n* OK [MAILBOXID ({})] Mailbox identifier\r\n",
        view.mailbox.uid_validity,
        state.uid_next,
        view.modseq(),
        object_id::mailbox_id(view.mailbox.uid_validity, view.reader.map(|_| view.mailbox.user.id()))
    );
    out.extend_from_slice(lines.as_bytes());
}

fn first_unseen(view: &View, state: &State) -> Option<usize> {
    if !view.has_own_seen() {
        return state.columns.first_unseen();
    }
    let seen = |i: &usize| view.as_read(state.columns.at(*i)).flags.contains(SystemFlags::SEEN);
    (0..state.columns.len()).find(|i| !seen(i))
}

/// Tells the flags that one with these rights can keep; the star says that new keywords can be made, as long as there is room for
/// one.
pub(crate) fn write_permanent(out: &mut Vec<u8>, rights: Rights, state: &State) {
    let star = state.takes_keywords().then_some("\\*");
    let kept = Untouchable::within(rights);
    let system = SystemFlags::TABLE.iter().filter(|(flag, _)| !kept.system.contains(*flag)).map(|(_, n)| *n);
    let keywords = state.keywords.iter().flatten().map(|k| k.as_str()).chain(star);
    let keywords = keywords.filter(|_| !kept.keywords);
    let flags = system.chain(keywords).collect::<Vec<_>>().join(" ");
    out.extend_from_slice(format!("* OK [PERMANENTFLAGS ({flags})] Flags that are kept\r\n").as_bytes());
}

/// Tells what happened since the client was here: what vanished, then what changed (RFC 7162 section 3.2.5).
async fn changes(
    view: &View,
    resync: &Resync,
    enabled: Enabled,
    out: &mut Out<'_>,
) -> Result<(), std::io::Error> {
    if resync.uid_validity != view.mailbox.uid_validity.0 {
        return Ok(());
    }
    let changed: Vec<(u32, Uid)> = {
        let state = view.mailbox.state();
        let last = state.uid_next.0 - 1;
        let known = resync.known.as_ref().map(|set| set.resolve(last));
        let mut gone = state.vanished(resync.modseq, known.as_ref()).without(view.uids());
        if state.tombstones.since(resync.modseq).is_none() {
            let sure = resync.matched.as_ref().map_or(0, |(numbers, uids)| matched(view, numbers, uids));
            gone = gone.intersection(&NumberSet::from_ranges([(sure + 1, u32::MAX)]));
        }
        if !gone.is_empty() {
            out.buf.extend_from_slice(format!("* VANISHED (EARLIER) {gone}\r\n").as_bytes());
        }
        let changed = state.columns.changed_since(resync.modseq);
        let asked = changed.filter(|u| known.as_ref().is_none_or(|k| k.contains(u.0)));
        asked.filter_map(|u| Some((view.number_of(u)?, u))).collect()
    };
    for (number, uid) in changed {
        {
            let state = view.mailbox.state();
            let Some(record) = state.columns.get(uid).map(|r| view.as_read(r)) else { continue };
            view.tell_keywords(&state, out.buf);
            enabled.write_told(out.buf, number, uid);
            out.buf.extend_from_slice(b"FLAGS ");
            write_flags(out.buf, &record, &state, view.is_recent(uid));
            out.buf.push(b' ');
            write_modseq(out.buf, &record);
            out.buf.extend_from_slice(b")\r\n");
        }
        out.room().await?;
    }
    Ok(())
}

/// The greatest UID up to which the client's numbering is ours, so that nothing of what is missing below is news to it
/// (RFC 7162 section 3.2.5.2). Used where it is not known when messages were expunged.
fn matched(view: &View, numbers: &SequenceSet, uids: &SequenceSet) -> u32 {
    let numbers = numbers.resolve(view.len());
    let uids = uids.resolve(view.uids().last().copied().unwrap_or(0));
    let pairs = numbers.iter().zip(uids.iter()).take(view.len() as usize);
    let same = pairs.take_while(|(n, uid)| view.uids().get(*n as usize - 1) == Some(uid));
    same.last().map_or(0, |(_, uid)| uid)
}
