//! EXPUNGE and UID EXPUNGE (RFC 4315)

use super::{Done, place, read_only, view};
use crate::mailstore::{OpenMailbox, Uid};
use crate::session::{Reply, Session};
use crate::syntax::rights::Rights;
use crate::syntax::seqset::SequenceSet;

/// Removes messages with `\Deleted`; the session's own view tells of them as of everybody's.
///
/// # Errors
/// When the mail store fails.
pub async fn run(session: &Session, only: Option<&SequenceSet>) -> Done {
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    place::need_in(session, view, Rights::EXPUNGE)?;
    let only = only.map(|set| view.resolve_uids(set));
    let gone = view.mailbox.user.expunge(&view.mailbox, only, session.id).await?;
    Ok(done(session, &view.mailbox, &gone, "EXPUNGE completed"))
}

/// The answer to a command that expunged: with HIGHESTMODSEQ for clients that keep it (RFC 7162 section 3.2.7).
pub(super) fn done(session: &Session, mailbox: &OpenMailbox, gone: &[Uid], text: &'static str) -> Reply {
    session.meter.expunged.add(gone.len());
    if gone.is_empty() || !session.enabled.condstore {
        return Reply::ok(text);
    }
    Reply::ok_code(format!("HIGHESTMODSEQ {}", mailbox.state().highest_modseq), text)
}
