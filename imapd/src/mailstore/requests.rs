//! The changes that sessions, arrival and administration ask for, each as one call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::entries::Limits;
use super::error::StoreError;
use super::leave::{Asker, Leave};
use super::open::OpenMailbox;
use super::summaries::{self, Ready};
use super::types::{MailboxRow, MessageRecord, ModSeq, NewMessage, Origin, SessionId, Uid};
use super::user::{AccessChange, CopyHow, FlagsAsked, Outcome, Request, Untouchable, UserStore};
use crate::mail::summary::Summary;
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::FlagList;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::seqset::NumberSet;
use crate::vm::UserId;

/// The changes sessions ask for.
impl UserStore {
    /// Adds messages; gives back their UIDs.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is added then.
    pub async fn append(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        messages: Vec<NewMessage>,
        by: SessionId,
    ) -> Result<Vec<Uid>, StoreError> {
        self.append_for(mailbox, messages, None, by).await
    }

    /// The same; where readers have a `\Seen` of their own, the flag is that of `reader`, when he is not the owner.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is added then.
    pub async fn append_for(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        messages: Vec<NewMessage>,
        reader: Option<UserId>,
        by: impl Into<Asker>,
    ) -> Result<Vec<Uid>, StoreError> {
        let Asker { session: by, leave } = by.into();
        let mut ready = Vec::with_capacity(messages.len());
        for message in &messages {
            ready.push(Ready::new(self.backend(), &message.octets).await);
        }
        let mailbox = mailbox.clone();
        let request = Request::Append { mailbox, messages, ready, origin: None, reader, by };
        Ok(uids(self.ask(request, leave).await?))
    }

    /// Adds an arrived message to INBOX unless its origin was taken before; false then.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is added then.
    pub async fn deliver(self: &Arc<Self>, message: NewMessage, origin: Origin) -> Result<bool, StoreError> {
        self.deliver_to(self.open(&MailboxName::inbox()).await?, message, origin).await
    }

    /// The same, to the folder that is called so ([`super::catalog::Catalog::find`]), when there is one, else to INBOX.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is added then.
    pub async fn deliver_into(
        self: &Arc<Self>,
        message: NewMessage,
        origin: Origin,
        folder: &str,
    ) -> Result<bool, StoreError> {
        let named = self.catalog().find(folder).cloned();
        if let Some(row) = named.filter(MailboxRow::selectable) {
            let delivered = match self.open_row(&row).await {
                Ok(mailbox) => self.deliver_to(mailbox, message.clone(), origin).await,
                Err(e) => Err(e),
            };
            match delivered {
                // It went meanwhile.
                Err(StoreError::NoSuchMailbox | StoreError::MailboxDeleted) => {}
                done => return done,
            }
        }
        self.deliver(message, origin).await
    }

    async fn deliver_to(
        self: &Arc<Self>,
        mailbox: Arc<OpenMailbox>,
        message: NewMessage,
        origin: Origin,
    ) -> Result<bool, StoreError> {
        let ready = vec![Ready::new(self.backend(), &message.octets).await];
        let (messages, by) = (vec![message], SessionId::NOBODY);
        let request = Request::Append { mailbox, messages, ready, origin: Some(origin), reader: None, by };
        Ok(self.ask(request, Leave::default()).await? != Outcome::AlreadyTaken)
    }

    /// Changes flags; gives back the UIDs that are still there.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn store(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        uids_asked: Vec<Uid>,
        change: FlagChange,
        flags: FlagList,
        by: SessionId,
    ) -> Result<Vec<Uid>, StoreError> {
        let stored = self.store_unchanged(mailbox, uids_asked, change, flags, None, by).await?;
        Ok(stored.0)
    }

    /// Changes flags of messages that were not changed after `unchanged_since` (RFC 7162 section 3.1.3); gives back the
    /// UIDs that are still there and were not refused, and those refused.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn store_unchanged(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        uids: Vec<Uid>,
        change: FlagChange,
        flags: FlagList,
        unchanged_since: Option<ModSeq>,
        by: SessionId,
    ) -> Result<(Vec<Uid>, Vec<Uid>), StoreError> {
        let asked = FlagsAsked { change, flags, unchanged_since, kept: Untouchable::default(), reader: None };
        self.store_within(mailbox, uids, asked, by).await
    }

    /// The same, for one who may not change all flags.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn store_within(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        uids: Vec<Uid>,
        asked: FlagsAsked,
        by: impl Into<Asker>,
    ) -> Result<(Vec<Uid>, Vec<Uid>), StoreError> {
        let Asker { session: by, leave } = by.into();
        match self.ask(Request::Store { mailbox: mailbox.clone(), uids, asked, by }, leave).await? {
            Outcome::Stored { present, refused } => Ok((present, refused)),
            _ => Ok((Vec::new(), Vec::new())),
        }
    }

    /// Removes messages with `\Deleted`; gives back their UIDs.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is removed then.
    pub async fn expunge(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        only: Option<NumberSet>,
        by: impl Into<Asker>,
    ) -> Result<Vec<Uid>, StoreError> {
        let Asker { session: by, leave } = by.into();
        Ok(uids(self.ask(Request::Expunge { mailbox: mailbox.clone(), only, by }, leave).await?))
    }

    /// Adds a message and removes another; gives back the new UID, or `None` when the other is gone.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn replace(
        self: &Arc<Self>,
        from: &Arc<OpenMailbox>,
        uid: Uid,
        to: &Arc<OpenMailbox>,
        message: NewMessage,
        by: impl Into<Asker>,
    ) -> Result<Option<Uid>, StoreError> {
        let Asker { session: by, leave } = by.into();
        let ready = Ready::new(self.backend(), &message.octets).await;
        let (from, to, message) = (from.clone(), to.clone(), Box::new(message));
        let request = Request::Replace { from, uid, to, message, ready, by };
        Ok(uids(self.ask(request, leave).await?).first().copied())
    }

    /// Keeps summaries beside their messages. Nobody waits for it, and nothing is lost when it fails: they are made again.
    pub(super) fn summarize(
        self: Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        made: Vec<(MessageRecord, Summary)>,
    ) {
        if mailbox.keeps_none.load(Ordering::Relaxed) {
            return;
        }
        let request = Request::Summarize { mailbox: mailbox.clone(), made };
        let mailbox = mailbox.clone();
        tokio::spawn(async move {
            if let Err(e) = self.ask(request, Leave::default()).await {
                // Most likely there is no room: it is not tried again while the mailbox is in memory.
                mailbox.keeps_none.store(true, Ordering::Relaxed);
                tracing::debug!(user = %self.id(), error = %e, "summaries are not kept");
            }
        });
    }

    /// The same, and says how it went.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is kept then.
    pub(super) async fn keep_summaries(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        made: Vec<(MessageRecord, Summary)>,
    ) -> Result<(), StoreError> {
        self.ask(Request::Summarize { mailbox: mailbox.clone(), made }, Leave::default()).await.map(drop)
    }

    /// Copies or moves messages within this user; gives back source and new UIDs.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is copied then.
    pub async fn copy(
        self: &Arc<Self>,
        from: &Arc<OpenMailbox>,
        uids_asked: Vec<Uid>,
        to: &Arc<OpenMailbox>,
        remove: bool,
        by: SessionId,
    ) -> Result<Vec<(Uid, Uid)>, StoreError> {
        self.copy_within(from, uids_asked, to, CopyHow { remove, ..CopyHow::default() }, by).await
    }

    /// The same, for one who may not set all flags there, or wants all or nothing.
    ///
    /// # Errors
    /// [`StoreError`], [`StoreError::Expunged`] among them; nothing is copied then.
    pub async fn copy_within(
        self: &Arc<Self>,
        from: &Arc<OpenMailbox>,
        uids: Vec<Uid>,
        to: &Arc<OpenMailbox>,
        how: CopyHow,
        by: impl Into<Asker>,
    ) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let Asker { session: by, leave } = by.into();
        let request = Request::Copy { from: from.clone(), uids, to: to.clone(), how, by };
        let Outcome::Copied { pairs, places } = self.ask(request, leave).await? else {
            return Ok(Vec::new());
        };
        let copies = pairs.iter().map(|(_, new)| *new).zip(places).collect();
        summaries::complete_later(from, to, copies);
        Ok(pairs)
    }

    /// Makes a mailbox and its missing superiors.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(self: &Arc<Self>, name: MailboxName) -> Result<(), StoreError> {
        self.create_for(name, 0, SessionId::NOBODY).await.map(drop)
    }

    /// Makes a mailbox with special uses, bits of [`super::Attributes::USES`], and its missing superiors; gives back what it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_for(
        self: &Arc<Self>,
        name: MailboxName,
        uses: u32,
        by: impl Into<Asker>,
    ) -> Result<MailboxRow, StoreError> {
        let Asker { session: by, leave } = by.into();
        match self.ask(Request::Create { name, uses, by }, leave).await? {
            Outcome::Made(row) => Ok(row),
            _ => Err(StoreError::Defect("a mailbox was made and is none".into())),
        }
    }

    /// Deletes a mailbox with its messages; a name with inferiors stays as one that cannot be selected.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(self: &Arc<Self>, name: MailboxName, by: impl Into<Asker>) -> Result<(), StoreError> {
        let Asker { session: by, leave } = by.into();
        if name.is_inbox() {
            return Err(StoreError::Cannot("INBOX cannot be deleted"));
        }
        loop {
            let mailbox = match self.open(&name).await {
                Ok(mailbox) => Some(mailbox),
                Err(StoreError::NotSelectable) => None,
                Err(e) => return Err(e),
            };
            match self.ask(Request::Delete { mailbox, name: name.clone(), by }, leave.clone()).await {
                // The name is that of another mailbox by now: of that one the messages have to be known.
                Err(StoreError::MailboxDeleted) => {}
                done => return done.map(drop),
            }
        }
    }

    /// Renames a mailbox and all below it. Of INBOX, moves the messages into a new mailbox and leaves INBOX empty
    /// (RFC 3501 section 6.3.5).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rename(
        self: &Arc<Self>,
        from: MailboxName,
        to: MailboxName,
        by: impl Into<Asker>,
    ) -> Result<(), StoreError> {
        let Asker { session: by, leave } = by.into();
        let request = match from.is_inbox() {
            true => Request::RenameInbox { inbox: self.open(&from).await?, to, by },
            false => Request::Rename { from, to, by },
        };
        self.ask(request, leave).await.map(drop)
    }

    /// Subscribes to a name or ends that; the name need not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn subscribe(
        self: &Arc<Self>,
        name: MailboxName,
        on: bool,
        by: SessionId,
    ) -> Result<(), StoreError> {
        self.ask(Request::Subscribe { name, on, by }, Leave::default()).await.map(drop)
    }

    /// Sets annotations of a mailbox, or without a name of the user, all or none; `None` removes one. Source: RFC 5464
    /// section 4.3.
    ///
    /// # Errors
    /// [`StoreError::TooManyEntries`] and others.
    pub async fn annotate(
        self: &Arc<Self>,
        name: Option<MailboxName>,
        values: Vec<(String, Option<Bytes>)>,
        by: impl Into<Asker>,
    ) -> Result<(), StoreError> {
        let Asker { session: by, leave } = by.into();
        self.ask(Request::Annotate { name, values, by }, leave).await.map(drop)
    }

    /// Changes what others may do with a mailbox, all or nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_access(
        self: &Arc<Self>,
        name: MailboxName,
        changes: Vec<AccessChange>,
    ) -> Result<(), StoreError> {
        self.change_access_for(name, changes, Leave::default()).await
    }

    /// The same, for one who must be allowed to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_access_for(
        self: &Arc<Self>,
        name: MailboxName,
        changes: Vec<AccessChange>,
        leave: Leave,
    ) -> Result<(), StoreError> {
        self.ask(Request::Access { name, changes, below: false }, leave).await.map(drop)
    }

    /// The same, where rights change on all mailboxes below, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_access_below(
        self: &Arc<Self>,
        name: MailboxName,
        changes: Vec<AccessChange>,
    ) -> Result<(), StoreError> {
        self.change_access_below_for(name, changes, Leave::default()).await
    }

    /// The same, on what is to be so when the turn comes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn change_access_below_for(
        self: &Arc<Self>,
        name: MailboxName,
        changes: Vec<AccessChange>,
        leave: Leave,
    ) -> Result<(), StoreError> {
        self.ask(Request::Access { name, changes, below: true }, leave).await.map(drop)
    }

    /// Gives readers of a mailbox, and of those below, a `\Seen` of their own, or ends that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_seen_mode(self: &Arc<Self>, name: MailboxName, own: bool) -> Result<(), StoreError> {
        self.share_for(name, own, Vec::new(), Leave::default()).await
    }

    /// The same, and changes what others may do there, as [`Self::change_access_below_for`] does: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn share_for(
        self: &Arc<Self>,
        name: MailboxName,
        own: bool,
        changes: Vec<AccessChange>,
        leave: Leave,
    ) -> Result<(), StoreError> {
        let names: Vec<MailboxName> = {
            let catalog = self.catalog();
            let rows = catalog.get(&name).into_iter().chain(catalog.below(&name));
            rows.filter(|row| row.selectable()).map(|row| row.name.clone()).collect()
        };
        let mut mailboxes = Vec::with_capacity(names.len());
        for name in &names {
            match self.open(name).await {
                Ok(mailbox) => mailboxes.push(mailbox),
                // Gone since the names were looked at.
                Err(StoreError::NoSuchMailbox | StoreError::NotSelectable) => {}
                Err(e) => return Err(e),
            }
        }
        self.ask(Request::SeenMode { name, own, mailboxes, changes }, leave).await.map(drop)
    }

    /// Removes messages whatever their flags are; gives back the UIDs of those that were there.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is removed then.
    pub async fn remove_messages(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        uids_asked: Vec<Uid>,
        by: SessionId,
    ) -> Result<Vec<Uid>, StoreError> {
        let request = Request::Remove { mailbox: mailbox.clone(), uids: uids_asked, by };
        Ok(uids(self.ask(request, Leave::default()).await?))
    }

    /// Sets the limits in messages and mailboxes, and in blocks where one is said, in one turn. Source: RFC 9208 section 4.1.3.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn limit(self: &Arc<Self>, limits: Limits, blocks: Option<u64>) -> Result<(), StoreError> {
        self.ask(Request::Limit { limits, blocks }, Leave::default()).await.map(drop)
    }
}

fn uids(outcome: Outcome) -> Vec<Uid> {
    match outcome {
        Outcome::Uids(uids) => uids,
        _ => Vec::new(),
    }
}
