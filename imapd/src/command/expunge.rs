//! EXPUNGE and UID EXPUNGE (RFC 4315)

use super::{Done, read_only, user, view};
use crate::session::{Reply, Session};
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
    let only = only.map(|set| view.resolve_uids(set));
    user(session)?.expunge(&view.mailbox, only, session.id).await?;
    Ok(Reply::ok("EXPUNGE completed"))
}
