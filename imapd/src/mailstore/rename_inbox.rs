//! RENAME of INBOX: a new mailbox with all messages of INBOX, which stays, empty (RFC 3501 section 6.3.5). Both are one work unit:
//! nobody finds the new one without the messages, whatever becomes of the client or of the system.

use std::sync::Arc;

use super::backend::LoadedMailbox;
use super::error::StoreError;
use super::open::OpenMailbox;
use super::own_seen::OwnSeen;
use super::stage::Stage;
use super::summaries;
use super::text_room::commit_in_room;
use super::types::{Attributes, MailboxRow, Uid};
use super::user::{CopyHow, Outcome, Request, UserStore};
use crate::syntax::mailbox_name::MailboxName;

impl UserStore {
    pub(super) async fn rename_inbox(&self, request: &Request) -> Result<Outcome, StoreError> {
        let Request::RenameInbox { inbox, to, by } = request else { return Ok(Outcome::Done) };
        let (mut ops, mut rows) = self.plan_create(to, 0, Some(&MailboxName::inbox()))?;
        let Some(made) = rows.last_mut() else { return Ok(Outcome::Done) };
        // Who opens it before it is known in memory waits.
        let mut place = self.place_in_memory(made.id).await;
        let target = Arc::new(self.empty_mailbox(inbox, made));
        let mut stage = Stage::new(self, self.now());
        stage.begin(&target, made.clone());
        let all = inbox.state().columns.uids().iter().map(|uid| Uid(*uid)).collect::<Vec<_>>();
        let copied = stage.copy(inbox, &all, &target, CopyHow { remove: true, ..CopyHow::default() }, *by);
        let Outcome::Copied { pairs, places } = copied? else { return Ok(Outcome::Done) };
        ops.extend(stage.steps());
        if let Some(filled) = stage.row(made.id) {
            *made = filled;
        }
        let _turns = match commit_in_room(vec![(self, ops.clone())]).await {
            Ok(turns) => turns,
            Err(error) => {
                stage.discard();
                return Err(error);
            }
        };
        let draft = self.draft(request, &ops, &rows);
        self.take_over(ops, rows);
        *place = Arc::downgrade(&target);
        self.keep_in_memory(&target);
        // The name is told before what is in it.
        draft.into_iter().for_each(|draft| self.tell(draft));
        stage.publish();
        drop(place);
        let copies = pairs.iter().map(|(_, new)| *new).zip(places).collect();
        summaries::complete_later(inbox, &target, copies);
        Ok(Outcome::Done)
    }

    /// A mailbox of this row as one reads it when it was just made.
    fn empty_mailbox(&self, inbox: &OpenMailbox, row: &MailboxRow) -> OpenMailbox {
        let own_seen = row.attributes.has(Attributes::OWN_SEEN).then(OwnSeen::default);
        let loaded = LoadedMailbox::empty(self.backend().first_slots().1);
        OpenMailbox::new(inbox.user.clone(), row, loaded, own_seen)
    }
}
