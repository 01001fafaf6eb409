//! STATUS

use std::sync::Arc;

use super::place::place;
use super::{Done, object_id};
use crate::mailstore::{Attributes, MailboxRow, StoreError, Uid, UserStore, leave};
use crate::session::{Out, Reply, Session, View};
use crate::syntax::ast::{MailboxArg, StatusItem};
use crate::syntax::flag::SystemFlags;
use crate::syntax::mailbox_name::{MailboxName, NameForm};
use crate::syntax::rights::Rights;
use crate::vm::UserId;
use crate::wire::MAX_MESSAGE;

/// Shows figures of a mailbox.
///
/// # Errors
/// When the mailbox does not exist.
pub async fn run(
    session: &mut Session,
    mailbox: MailboxArg,
    items: &[StatusItem],
    out: &mut Out<'_>,
) -> Done {
    let place = place(session, &mailbox).await?;
    if items.contains(&StatusItem::HighestModSeq) {
        session.keeps_modseqs(out.buf);
    }
    let (row, _) = place.need(Rights::READ)?;
    if !row.selectable() {
        return Err(StoreError::NotSelectable.into());
    }
    let of = (&place.owner, place.who(), &place.name);
    show(out.buf, of, &row, items, session.enabled.name_form(), session.view.as_ref()).await?;
    Ok(Reply::ok("STATUS completed"))
}

/// Appends the STATUS response. All but RECENT and DELETED come from MAILBOX INDEX alone; where these are asked for, all are of the moment at which the
/// messages were looked at. In the mailbox that is selected those
/// messages are recent which are so in the session.
///
/// # Errors
/// When the mailbox has to be opened and cannot be, or may be read no more when it is.
pub(super) async fn show(
    out: &mut Vec<u8>,
    (owner, who, name): (&Arc<UserStore>, UserId, &MailboxName),
    row: &MailboxRow,
    items: &[StatusItem],
    form: NameForm,
    selected: Option<&View>,
) -> Result<(), StoreError> {
    let mut row = row.clone();
    let (mut recent, mut deleted, mut deleted_storage, mut unseen) = (0, 0, 0, row.unseen as usize);
    let of_messages =
        |i: &StatusItem| matches!(i, StatusItem::Recent | StatusItem::Deleted | StatusItem::DeletedStorage);
    let own_seen =
        items.contains(&StatusItem::Unseen) && who != owner.id() && row.attributes.has(Attributes::OWN_SEEN);
    if row.messages > 0 && (own_seen || items.iter().any(of_messages)) {
        let open = owner.open_row(&row).await?;
        if who != owner.id() {
            // It may have taken its time to read it.
            leave::need(owner.rights(open.id, who), Rights::READ)?;
        }
        let from = open.recent_from();
        let state = open.state();
        if state.deleted {
            return Err(StoreError::NoSuchMailbox);
        }
        let uids = state.columns.uids();
        let size = |i: usize| state.columns.at(i).size;
        row.messages = u32::try_from(uids.len()).unwrap_or(u32::MAX);
        (row.uid_next, row.highest_modseq) = (state.uid_next, state.highest_modseq);
        if items.contains(&StatusItem::Size) {
            row.octets = (0..uids.len()).map(size).sum();
        }
        unseen = uids.len() - state.columns.count(SystemFlags::SEEN);
        let older = &uids[..uids.partition_point(|u| *u < from.0)];
        let here = selected.filter(|view| Arc::ptr_eq(&view.mailbox, &open));
        let told = here.map_or(0, |view| older.iter().filter(|uid| view.is_recent(Uid(**uid))).count());
        recent = uids.len() - older.len() + told;
        if own_seen {
            unseen = uids.iter().filter(|uid| open.seen_by(who, Uid(**uid)) == Some(false)).count();
        }
        deleted = state.columns.count(SystemFlags::DELETED);
        if items.contains(&StatusItem::DeletedStorage) {
            let all = (0..uids.len()).map(|i| state.columns.at(i));
            deleted_storage =
                all.filter(|r| r.flags.contains(SystemFlags::DELETED)).map(|r| r.size).sum::<u64>();
        }
    }
    out.extend_from_slice(b"* STATUS ");
    name.write(out, form);
    let shown: Vec<String> = items
        .iter()
        .map(|item| match item {
            StatusItem::Messages => format!("MESSAGES {}", row.messages),
            StatusItem::Recent => format!("RECENT {recent}"),
            StatusItem::UidNext => format!("UIDNEXT {}", row.uid_next),
            StatusItem::UidValidity => format!("UIDVALIDITY {}", row.uid_validity),
            StatusItem::Unseen => format!("UNSEEN {unseen}"),
            StatusItem::Size => format!("SIZE {}", row.octets),
            StatusItem::Deleted => format!("DELETED {deleted}"),
            StatusItem::DeletedStorage => format!("DELETED-STORAGE {deleted_storage}"),
            StatusItem::HighestModSeq => format!("HIGHESTMODSEQ {}", row.highest_modseq),
            StatusItem::MailboxId => {
                let of_another = Some(owner.id()).filter(|owner| *owner != who);
                format!("MAILBOXID ({})", object_id::mailbox_id(row.uid_validity, of_another))
            }
            StatusItem::AppendLimit => format!("APPENDLIMIT {MAX_MESSAGE}"),
        })
        .collect();
    out.extend_from_slice(format!(" ({})\r\n", shown.join(" ")).as_bytes());
    Ok(())
}
