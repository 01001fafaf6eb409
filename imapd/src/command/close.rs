//! CLOSE

use super::{Done, expunge, user, view};
use crate::session::{Reply, Session};

/// Expunges in silence, unless the mailbox was opened read-only, and leaves it.
///
/// # Errors
/// When the mail store fails; the mailbox stays selected then.
pub async fn run(session: &mut Session) -> Done {
    let view = view(session)?;
    if !view.read_only && !view.mailbox.state().deleted {
        let mailbox = view.mailbox.clone();
        let gone = user(session)?.expunge(&mailbox, None, session.id).await?;
        session.view = None;
        return Ok(expunge::done(session, &mailbox, &gone, "CLOSE completed"));
    }
    session.view = None;
    Ok(Reply::ok("CLOSE completed"))
}
