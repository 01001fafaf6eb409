//! CLOSE

use super::{Done, place, view};
use crate::mailstore::StoreError;
use crate::session::{Reply, Session};
use crate::syntax::rights::Rights;

/// Expunges in silence, unless the mailbox was opened read-only, and leaves it.
///
/// # Errors
/// When the mail store fails; the mailbox stays selected then.
pub async fn run(session: &mut Session) -> Done {
    let view = view(session)?;
    // Who may not expunge just leaves (RFC 4314 section 4).
    let may_expunge = place::rights_in(session, view)?.has(Rights::EXPUNGE);
    if !view.read_only && may_expunge && !view.mailbox.state().deleted {
        let mailbox = view.mailbox.clone();
        let by = place::asker(session, &mailbox, Rights::EXPUNGE)?;
        match mailbox.user.expunge(&mailbox, None, by).await {
            Ok(gone) => session.meter.expunged.add(gone.len()),
            // Since a moment ago: that is no reason to stay.
            Err(StoreError::NoRight | StoreError::NoSuchMailbox | StoreError::MailboxDeleted) => {}
            Err(e) => return Err(e.into()),
        }
    }
    // What others did meanwhile was not told, so that HIGHESTMODSEQ must not be (RFC 7162 section 3.2.8).
    session.view = None;
    Ok(Reply::ok("CLOSE completed"))
}
