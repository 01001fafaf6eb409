//! CREATE, with special uses (RFC 6154 section 3)

use super::place::place;
use super::{Done, list, object_id};
use crate::mailstore::{Asker, Attributes, Leave};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Makes a mailbox and its missing superiors.
///
/// # Errors
/// When it cannot be made.
pub async fn run(session: &Session, mailbox: MailboxArg, uses: &[Vec<u8>], out: &mut Out<'_>) -> Done {
    let place = place(session, &mailbox).await?;
    let mut bits = 0;
    for wanted in uses {
        match Attributes::use_named(wanted) {
            Some(bit) => bits |= bit,
            None => return Ok(Reply::no("USEATTR", "Special use is not known here")),
        }
    }
    place.may_create()?;
    if bits != 0 && !place.is_own() {
        return Ok(Reply::no("USEATTR", "Special uses are for mailboxes of one's own"));
    }
    let leave = Leave::default().to_make(place.who(), &place.inner);
    let by = Asker { session: session.id, leave };
    let made = place.owner.create_for(place.inner.clone(), bits, by).await?;
    list::normalized(session, &mailbox, &place, out.buf)?;
    let id = object_id::mailbox_id(made.uid_validity, place.reader().map(|_| place.owner.id()));
    Ok(Reply::ok_code(format!("MAILBOXID ({id})"), "CREATE completed"))
}
