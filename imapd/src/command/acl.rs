//! GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314 section 3)

use super::Done;
use super::place::{Place, place};
use crate::mailstore::access::OWNER_KEEPS;
use crate::mailstore::{AccessChange, Identifier, RightsChange, StoreError};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::{Command, MailboxArg};
use crate::syntax::mailbox_name::NameForm;
use crate::syntax::quote;
use crate::syntax::rights::Rights;
use crate::syntax::saslprep::saslprep;

/// Rights of which one is enough to be told of one's rights (RFC 4314 section 4).
const ANY_OF: Rights = Rights::LOOKUP
    .and(Rights::READ)
    .and(Rights::INSERT)
    .and(Rights::CREATE)
    .and(Rights::DELETE_MAILBOX)
    .and(Rights::ADMINISTER);

/// Runs one of the five; any other command is none of this file's.
///
/// # Errors
/// As each of them.
pub async fn run(session: &Session, command: Command, out: &mut Out<'_>) -> Done {
    match command {
        Command::GetAcl(mailbox) => get(session, &mailbox, out).await,
        Command::SetAcl { mailbox, who, how, rights } => set(session, &mailbox, &who, how, rights).await,
        Command::DeleteAcl { mailbox, who } => delete(session, &mailbox, &who).await,
        Command::ListRights { mailbox, who } => list_rights(session, &mailbox, &who, out).await,
        Command::MyRights(mailbox) => my_rights(session, &mailbox, out).await,
        _ => Ok(Reply::bad("Command is not about access rights")),
    }
}

/// Shows who may do what.
///
/// # Errors
/// When the mailbox does not exist or the user may not administer it.
async fn get(session: &Session, mailbox: &MailboxArg, out: &mut Out<'_>) -> Done {
    let place = place(session, mailbox).await?;
    let (row, _) = place.need(Rights::ADMINISTER)?;
    let owner = place.owner.id();
    let mut line = b"* ACL ".to_vec();
    place.name.write(&mut line, session.enabled.name_form());
    let mut entry = |who: Identifier, rights: Rights| {
        line.push(b' ');
        quote::astring(&mut line, who.to_string().as_bytes());
        line.push(b' ');
        quote::astring(&mut line, rights.to_string().as_bytes());
    };
    let access = place.owner.catalog().entries.access.clone();
    let own = Identifier::of(owner);
    let kept = access.entries(row.id).find(|(who, _)| *who == own).map(|(_, rights)| rights);
    entry(own, kept.unwrap_or(Rights::ALL));
    access.entries(row.id).filter(|(who, _)| *who != own).for_each(|(who, rights)| entry(who, rights));
    out.buf.extend_from_slice(&line);
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("GETACL completed"))
}

/// Changes the rights of an identifier.
///
/// # Errors
/// When the mailbox does not exist or the user may not administer it.
async fn set(session: &Session, mailbox: &MailboxArg, who: &[u8], how: RightsChange, rights: Rights) -> Done {
    let who = identifier(who)?;
    change(session, mailbox, AccessChange::Rights(who, how, rights)).await?;
    Ok(Reply::ok("SETACL completed"))
}

/// Forgets an identifier.
///
/// # Errors
/// When the mailbox does not exist or the user may not administer it.
async fn delete(session: &Session, mailbox: &MailboxArg, who: &[u8]) -> Done {
    let who = identifier(who)?;
    change(session, mailbox, AccessChange::Remove(who)).await?;
    Ok(Reply::ok("DELETEACL completed"))
}

async fn change(
    session: &Session,
    mailbox: &MailboxArg,
    change: AccessChange,
) -> Result<(), crate::session::Failure> {
    let place = place(session, mailbox).await?;
    let (row, _) = place.need(Rights::ADMINISTER)?;
    let leave = place.leave(&row, Rights::ADMINISTER);
    // What is read later must not be older than this change.
    session.server.store.sharers().await?;
    Ok(place.owner.change_access_for(place.inner, vec![change], leave).await?)
}

/// Shows what rights an identifier has always, and what may be given to it.
///
/// # Errors
/// When the mailbox does not exist or the user may not administer it.
async fn list_rights(session: &Session, mailbox: &MailboxArg, who: &[u8], out: &mut Out<'_>) -> Done {
    let (said, who) = (who, identifier(who)?);
    let place = place(session, mailbox).await?;
    place.need(Rights::ADMINISTER)?;
    let always = if who == Identifier::of(place.owner.id()) { OWNER_KEEPS } else { Rights::NONE };
    let letters = Rights::TABLE.iter().filter(|(_, right)| always.has(*right)).map(|(l, _)| *l);
    let required: String = letters.collect();
    let optional =
        Rights::TABLE.iter().filter(|(_, right)| !always.has(*right)).map(|(letter, _)| format!(" {letter}"));
    out.buf.extend_from_slice(b"* LISTRIGHTS ");
    place.name.write(out.buf, session.enabled.name_form());
    out.buf.push(b' ');
    // As the client wrote it, who looks for it by that (RFC 4314 section 3.4).
    quote::astring(out.buf, said);
    out.buf.push(b' ');
    quote::astring(out.buf, required.as_bytes());
    out.buf.extend_from_slice(format!("{} c d\r\n", optional.collect::<String>()).as_bytes());
    Ok(Reply::ok("LISTRIGHTS completed"))
}

/// Shows what the user may do.
///
/// # Errors
/// When the mailbox does not exist or the user may do nothing with it.
async fn my_rights(session: &Session, mailbox: &MailboxArg, out: &mut Out<'_>) -> Done {
    let place = place(session, mailbox).await?;
    let (_, rights) = place.look().ok_or(StoreError::NoSuchMailbox)?;
    if !rights.has_any(ANY_OF) {
        return Err(StoreError::NoSuchMailbox.into());
    }
    show(out.buf, &place, rights, session.enabled.name_form());
    Ok(Reply::ok("MYRIGHTS completed"))
}

/// Appends the MYRIGHTS response, unless the user may not be told.
pub(super) fn show(out: &mut Vec<u8>, place: &Place, rights: Rights, form: NameForm) {
    if !rights.has_any(ANY_OF) {
        return;
    }
    out.extend_from_slice(b"* MYRIGHTS ");
    place.name.write(out, form);
    out.extend_from_slice(format!(" {rights}\r\n").as_bytes());
}

/// What an identifier means, prepared by SASLprep. One that nothing is left of, or that holds what is prohibited, is BAD (RFC 4314
/// section 3).
fn identifier(text: &[u8]) -> Result<Identifier, Reply> {
    let unknown = || Reply::no("CANNOT", "Identifier is neither a user id nor anyone");
    let text = std::str::from_utf8(text).map_err(|_| unknown())?;
    let Some(prepared) = saslprep(text) else {
        return Err(Reply::client_bug("Identifier is empty or holds what is prohibited"));
    };
    Identifier::parse(prepared.as_bytes()).map_err(|_| unknown())
}
