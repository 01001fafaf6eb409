//! EXPUNGE and UID EXPUNGE (RFC 4315)

use super::{Done, place, read_only, view};
use crate::mailstore::{OpenMailbox, Uid};
use crate::session::message_limit::Limited;
use crate::session::{Out, Reply, Session, View};
use crate::syntax::flag::SystemFlags;
use crate::syntax::rights::Rights;
use crate::syntax::seqset::{NumberSet, SequenceSet};

/// Removes messages with `\Deleted`; the session's own view tells of them as of everybody's.
///
/// # Errors
/// When the mail store fails.
pub async fn run(session: &Session, only: Option<&SequenceSet>, out: &mut Out<'_>) -> Done {
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    place::need_in(session, view, Rights::EXPUNGE)?;
    let mut only = only.map(|set| view.resolve_uids(set));
    let limited = only.as_mut().and_then(|set| limit(session, view, set));
    let by = place::asker(session, &view.mailbox, Rights::EXPUNGE)?;
    let gone = view.mailbox.user.expunge(&view.mailbox, only, by).await?;
    let reply = done(session, &view.mailbox, gone.len(), "EXPUNGE completed");
    Ok(match limited {
        Some(limited) => limited.tell(reply, out.buf),
        None => reply,
    })
}

/// Cuts UIDs down so that no more messages are expunged than one command may work on.
fn limit(session: &Session, view: &View, only: &mut NumberSet) -> Option<Limited> {
    session.command_limit()?;
    let mut deleted: Vec<(u32, Uid)> = {
        let state = view.mailbox.state();
        let uids = state.columns.uids().iter().enumerate().filter(|(_, uid)| only.contains(**uid));
        let deleted = uids.filter(|(i, _)| state.columns.at(*i).flags.contains(SystemFlags::DELETED));
        deleted.map(|(i, uid)| (i as u32 + 1, Uid(*uid))).collect()
    };
    let limited = session.limit(&mut deleted)?;
    *only = only.intersection(&NumberSet::from_ranges([(limited.lowest.0, u32::MAX)]));
    Some(limited)
}

/// The answer to a command that expunged: with HIGHESTMODSEQ for clients that keep it (RFC 7162 section 3.2.7, RFC 6851
/// section 4.4, RFC 8508 section 4.5).
pub(super) fn done(session: &Session, mailbox: &OpenMailbox, gone: usize, text: &'static str) -> Reply {
    session.meter.expunged.add(gone);
    if gone == 0 || !session.enabled.condstore {
        return Reply::ok(text);
    }
    Reply::ok_code(format!("HIGHESTMODSEQ {}", mailbox.state().highest_modseq), text)
}
