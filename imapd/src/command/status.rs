//! STATUS

use super::{Done, name, user};
use crate::mailstore::{Attributes, StoreError};
use crate::session::{Out, Reply, Session};
use crate::syntax::ast::{MailboxArg, StatusItem};
use crate::syntax::quote;

/// Shows figures of a mailbox. All but RECENT come from MAILBOX INDEX alone.
///
/// # Errors
/// When the mailbox does not exist.
pub async fn run(session: &Session, mailbox: MailboxArg, items: &[StatusItem], out: &mut Out<'_>) -> Done {
    let name = match name(mailbox) {
        Ok(name) => name,
        Err(reply) => return Ok(reply),
    };
    let user = user(session)?;
    let row = user.catalog().get(&name).filter(|r| r.attributes.has(Attributes::EXISTS)).cloned();
    let row = row.ok_or(StoreError::NoSuchMailbox)?;
    if !row.selectable() {
        return Err(StoreError::NotSelectable.into());
    }
    let mut recent = 0;
    if items.contains(&StatusItem::Recent) && row.messages > 0 {
        let open = user.open(&name).await?;
        let from = open.recent_from();
        let state = open.state();
        let uids = state.columns.uids();
        recent = uids.len() - uids.partition_point(|u| *u < from.0);
    }
    out.buf.extend_from_slice(b"* STATUS ");
    quote::astring(out.buf, name.to_wire().as_bytes());
    let shown: Vec<String> = items
        .iter()
        .map(|item| match item {
            StatusItem::Messages => format!("MESSAGES {}", row.messages),
            StatusItem::Recent => format!("RECENT {recent}"),
            StatusItem::UidNext => format!("UIDNEXT {}", row.uid_next),
            StatusItem::UidValidity => format!("UIDVALIDITY {}", row.uid_validity),
            StatusItem::Unseen => format!("UNSEEN {}", row.unseen),
        })
        .collect();
    out.buf.extend_from_slice(format!(" ({})\r\n", shown.join(" ")).as_bytes());
    Ok(Reply::ok("STATUS completed"))
}
