//! STORE

use super::{Done, no_such_number, read_only, some_expunged, user, view};
use crate::mailstore::Uid;
use crate::session::view::write_flags;
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::FlagList;
use crate::syntax::seqset::SequenceSet;

/// What the command asks for, its messages apart.
pub struct Asked {
    /// How flags change.
    pub change: FlagChange,
    /// Whether the new flags are not to be shown.
    pub silent: bool,
    /// The flags.
    pub flags: FlagList,
    /// Whether it is UID STORE.
    pub uid: bool,
}

/// Changes flags in one work unit and shows them.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(session: &Session, set: &SequenceSet, asked: Asked, out: &mut Out<'_>) -> Done {
    let view = view(session)?;
    if view.read_only {
        return Ok(read_only());
    }
    let Some(selected) = view.select(set, asked.uid) else { return Ok(no_such_number()) };
    let uids: Vec<Uid> = selected.iter().map(|(_, uid)| *uid).collect();
    let mailbox = view.mailbox.clone();
    let present = user(session)?.store(&mailbox, uids, asked.change, asked.flags, session.id).await?;
    if !asked.silent {
        for (number, uid) in &selected {
            {
                let state = mailbox.state();
                let Some(record) = state.columns.get(*uid) else { continue };
                out.buf.extend_from_slice(format!("* {number} FETCH (").as_bytes());
                if asked.uid {
                    out.buf.extend_from_slice(format!("UID {uid} ").as_bytes());
                }
                out.buf.extend_from_slice(b"FLAGS ");
                write_flags(out.buf, &record, &state, view.is_recent(*uid));
                out.buf.extend_from_slice(b")\r\n");
            }
            out.room().await?;
        }
    }
    if !asked.uid && present.len() < selected.len() {
        return Ok(some_expunged());
    }
    Ok(Reply::ok("STORE completed"))
}
