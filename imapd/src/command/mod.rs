//! What each command does, one file a command. [`run`] is the one place where a command meets its code.
//!
//! A command puts its untagged responses out and gives back its tagged answer. Updates of the selected mailbox are
//! sent by the session after it, so that no command has to think of them.

pub mod acl;
mod across;
pub mod append;
pub mod authenticate;
pub mod cancelupdate;
pub mod capability;
mod catenate;
pub mod close;
pub mod compress;
pub mod copy;
pub mod create;
pub mod delete;
pub mod enable;
pub mod esearch;
pub mod expunge;
pub mod fetch;
pub mod getmetadata;
pub mod getquota;
pub mod id;
pub mod idle;
pub mod language;
pub mod list;
pub mod login;
pub mod logout;
pub mod lsub;
pub mod namespace;
mod news;
pub mod noop;
pub mod notify;
mod object_id;
mod place;
pub mod rename;
pub mod replace;
pub mod search;
mod search_texts;
pub mod select;
pub mod setmetadata;
pub mod setquota;
pub mod sort;
mod source;
pub mod starttls;
pub mod status;
pub mod store;
pub mod subscribe;
pub mod uidbatches;
pub mod unauthenticate;
pub mod unselect;
pub mod updates;

use std::sync::Arc;

use bytes::Bytes;

use crate::mailstore::{StoreError, UserStore};
use crate::session::message_limit::Limited;
use crate::session::{Failure, Out, Reply, Session, Status, View};
use crate::syntax::ast::{Command, MailboxArg, SearchSource};
use crate::syntax::mailbox_name::{MailboxName, nfc};
use crate::syntax::search_key::SearchKey;
use crate::syntax::seqset::NumberSet;

/// How a command ends.
pub type Done = Result<Reply, Failure>;

/// Runs a command that is allowed in the session's state.
///
/// # Errors
/// [`Failure`] when the store failed or the client is gone.
pub async fn run(session: &mut Session, command: Command, tag: &Bytes, out: &mut Out<'_>) -> Done {
    match command {
        Command::Capability => capability::run(session, out),
        Command::Noop | Command::Check => noop::run(&command),
        Command::Logout => logout::run(session, out),
        Command::StartTls => starttls::run(session),
        Command::Id(client) => id::run(session, &client, out),
        Command::Enable(names) => enable::run(session, &names, out),
        Command::Login { user, password } => login::run(session, &user, &password).await,
        Command::Authenticate { mechanism, initial } => {
            authenticate::run(session, tag, &mechanism, initial, out).await
        }
        Command::Unauthenticate => unauthenticate::run(session),
        Command::Language(wanted) => language::run(session, &wanted, out),
        Command::Compress(algorithm) => compress::run(session, &algorithm),
        Command::Select { mailbox, args } => select::run(session, mailbox, &args, out).await,
        Command::Create { mailbox, uses } => create::run(session, mailbox, &uses, out).await,
        Command::Delete(name) => delete::run(session, name, out).await,
        Command::Rename(from, to) => rename::run(session, from, to, out).await,
        Command::Subscribe(name) => subscribe::run(session, name, true).await,
        Command::Unsubscribe(name) => subscribe::run(session, name, false).await,
        Command::List(args) => list::run(session, &args, out).await,
        Command::Lsub { reference, pattern, remote } => {
            lsub::run(session, &reference, &pattern, remote, out).await
        }
        Command::Status { mailbox, items } => status::run(session, mailbox, &items, out).await,
        Command::Append { mailbox, messages } => append::run(session, mailbox, messages, out).await,
        Command::Replace { message, mailbox, by, uid } => {
            replace::run(session, &message, mailbox, by, uid, out).await
        }
        Command::GetMetadata { mailbox, options, entries } => {
            getmetadata::run(session, mailbox, options, &entries, out).await
        }
        Command::SetMetadata { mailbox, values } => setmetadata::run(session, mailbox, values).await,
        command @ (Command::GetAcl(_)
        | Command::SetAcl { .. }
        | Command::DeleteAcl { .. }
        | Command::ListRights { .. }
        | Command::MyRights(_)) => acl::run(session, command, out).await,
        Command::GetQuota { root } => getquota::run(session, &root, out).await,
        Command::GetQuotaRoot { mailbox } => getquota::of_mailbox(session, mailbox, out).await,
        Command::SetQuota { root, limits } => setquota::run(session, &root, &limits, out).await,
        Command::Namespace => namespace::run(out),
        Command::Idle => idle::run(session, tag, out).await,
        Command::Notify(asked) => Box::pin(notify::run(session, asked, out)).await,
        Command::Close => close::run(session).await,
        Command::Unselect => unselect::run(session),
        Command::Expunge => expunge::run(session, None, out).await,
        Command::UidExpunge(set) => expunge::run(session, Some(&set), out).await,
        command @ (Command::Search { .. }
        | Command::Esearch { .. }
        | Command::Sort { .. }
        | Command::Thread { .. }) => Box::pin(searching(session, command, tag, out)).await,
        Command::CancelUpdate(tags) => cancelupdate::run(session, &tags),
        Command::UidBatches { size, range } => uidbatches::run(session, size, range, tag, out).await,
        Command::Fetch { set, items, since, partial, uid } => {
            fetch::run(session, &set, &fetch::Asked { items: &items, since, partial, uid }, out).await
        }
        Command::Store { set, args, uid } => store::run(session, &set, args, uid, out).await,
        Command::Copy { set, mailbox, uid } => copy::run(session, &set, mailbox, uid, false, out).await,
        Command::Move { set, mailbox, uid } => copy::run(session, &set, mailbox, uid, true, out).await,
    }
}

/// Runs a command that looks for messages.
///
/// # Errors
/// As [`run`].
async fn searching(session: &mut Session, command: Command, tag: &Bytes, out: &mut Out<'_>) -> Done {
    // A part of an order or of threads would be no use.
    if let Command::Sort { key, .. } | Command::Thread { key, .. } = &command
        && let Some(limited) = session.limit_search(key)
    {
        if let (Command::Sort { returns: Some(returns), .. }, Some(view)) = (&command, &mut session.view)
            && returns.save
        {
            view.save(NumberSet::default());
        }
        return Ok(limited.limit.refusal(None));
    }
    match command {
        Command::Search { returns, attributes, charset, key, uid } => {
            let limited = session.limit_search(&key);
            let key = above(limited, key);
            let asked = search::SearchKeys { charset: charset.as_deref(), key: &key, uid, tag };
            let reply = search::run(session, &asked, returns, attributes, out).await?;
            Ok(match limited.filter(|_| reply.status == Status::Ok) {
                Some(limited) => limited.tell(reply, out.buf),
                None => reply,
            })
        }
        Command::Esearch { sources, returns, attributes, charset, key } => {
            let here = sources.iter().all(|s| matches!(s, SearchSource::Selected));
            let limited = if here { session.limit_search(&key) } else { None };
            let key = above(limited, key);
            let asked = search::SearchKeys { charset: charset.as_deref(), key: &key, uid: true, tag };
            let reply = esearch::run(session, &asked, &sources, (returns, attributes), out).await?;
            Ok(match limited.filter(|_| reply.status == Status::Ok) {
                Some(limited) => limited.tell(reply, out.buf),
                None => reply,
            })
        }
        Command::Sort { returns, attributes, keys, charset, key, uid } => {
            let asked = search::SearchKeys { charset: Some(&charset), key: &key, uid, tag };
            sort::run(session, &asked, keys, (returns, attributes), out).await
        }
        Command::Thread { algorithm, charset, key, uid } => {
            let asked = search::SearchKeys { charset: Some(&charset), key: &key, uid, tag };
            sort::thread(session, &asked, algorithm, out).await
        }
        _ => Ok(Reply::bad("Command is none that searches")),
    }
}

/// What is looked for, where a search stops.
fn above(limited: Option<Limited>, key: SearchKey) -> SearchKey {
    match limited {
        Some(limited) => SearchKey::And(vec![SearchKey::UidAfter(limited.lowest.0.saturating_sub(1)), key]),
        None => key,
    }
}

/// The user, of whom the command table says that there is one.
fn user(session: &Session) -> Result<Arc<UserStore>, Failure> {
    session.user.clone().ok_or(Failure::Store(StoreError::NotEnrolled))
}

/// The view, of which the command table says that there is one.
fn view(session: &Session) -> Result<&View, Failure> {
    session.view.as_ref().ok_or(Failure::Store(StoreError::NoSuchMailbox))
}

/// The name, or the answer to one that breaks a rule.
fn name(session: &Session, arg: &MailboxArg) -> Result<MailboxName, Reply> {
    MailboxName::from_wire(&arg.0, session.enabled.name_form()).map_err(|e| {
        let mut text = e.to_string();
        text[..1].make_ascii_uppercase();
        Reply::no("CANNOT", text)
    })
}

/// The name as the client wrote it, when it is not in Normalization Form C and the mailbox is therefore called otherwise; else
/// nothing.
fn old_name<'a>(arg: &'a MailboxArg, name: &MailboxName) -> &'a [u8] {
    match std::str::from_utf8(&arg.0) {
        Ok(text) if nfc(text) != text && nfc(text).trim_end_matches('/') == name.as_str() => &arg.0,
        _ => b"",
    }
}

/// Answer to message numbers that do not exist (RFC 3501 section 9, `seq-number`).
fn no_such_number() -> Reply {
    Reply::client_bug("Message number is greater than the number of messages")
}

/// Answer to a change in a mailbox opened with EXAMINE.
fn read_only() -> Reply {
    Reply::no("NOPERM", "Mailbox was opened read-only")
}

/// Answer when messages of the command were gone (RFC 2180 section 4.1, RFC 5530).
fn some_expunged() -> Reply {
    Reply::no("EXPUNGEISSUED", "Some messages were expunged by another session")
}
