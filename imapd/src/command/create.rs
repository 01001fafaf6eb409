//! CREATE, with special uses (RFC 6154 section 3)

use super::{Done, list, mailbox_id, name, old_name, user};
use crate::mailstore::Attributes;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::MailboxArg;

/// Makes a mailbox and its missing superiors.
///
/// # Errors
/// When it cannot be made.
pub async fn run(session: &Session, mailbox: MailboxArg, uses: &[Vec<u8>], out: &mut Out<'_>) -> Done {
    let name = match name(session, &mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    let mut bits = 0;
    for wanted in uses {
        match Attributes::USES.iter().find(|(_, n)| n.as_bytes().eq_ignore_ascii_case(wanted)) {
            Some((bit, _)) => bits |= bit,
            None => return Ok(Reply::no("USEATTR", "Special use is not known here")),
        }
    }
    let user = user(session)?;
    user.create_for(name.clone(), bits).await?;
    let old = old_name(&mailbox, &name);
    if session.enabled.rev2 && !old.is_empty() {
        // The mailbox is not called as the client wanted it (RFC 9051 section 6.3.4).
        list::named(out.buf, &user.catalog(), &name, old);
    }
    let made = user.catalog().get(&name).map(|row| row.uid_validity);
    Ok(match made {
        Some(made) => Reply::ok_code(format!("MAILBOXID ({})", mailbox_id(made)), "CREATE completed"),
        // Deleted again by another session.
        None => Reply::ok("CREATE completed"),
    })
}
