//! One user's mailboxes, and the one writer that changes them.
//!
//! Requests wait in a queue; the commit task takes all that wait, stages them together and commits them as one work
//! unit, so one busy INBOX is as fast as many. The task exists only while there is work. Requests that change names
//! run alone. When a batch fails, its requests are tried one by one, so that one over the limit fails no other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Semaphore, oneshot};

use super::backend::{Backend, LoadedUser, Op};
use super::catalog::Catalog;
use super::error::StoreError;
use super::open::OpenMailbox;
use super::stage::Stage;
use super::store::Shared;
use super::types::{
    Attributes, MailboxId, MailboxRow, ModSeq, NewMessage, Origin, SessionId, Uid, UidValidity,
};
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::FlagList;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::seqset::NumberSet;
use crate::vm::UserId;

/// A change asked for.
pub(super) enum Request {
    Append { mailbox: Arc<OpenMailbox>, messages: Vec<NewMessage>, origin: Option<Origin>, by: SessionId },
    Store { mailbox: Arc<OpenMailbox>, uids: Vec<Uid>, change: FlagChange, flags: FlagList, by: SessionId },
    Expunge { mailbox: Arc<OpenMailbox>, only: Option<NumberSet>, by: SessionId },
    Copy { from: Arc<OpenMailbox>, uids: Vec<Uid>, to: Arc<OpenMailbox>, remove: bool, by: SessionId },
    Create { name: MailboxName },
    Delete { mailbox: Option<Arc<OpenMailbox>>, name: MailboxName },
    Rename { from: MailboxName, to: MailboxName },
    Subscribe { name: MailboxName, on: bool },
}

impl Request {
    fn changes_names(&self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::Delete { .. } | Self::Rename { .. } | Self::Subscribe { .. }
        )
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Uids(Vec<Uid>),
    Copied(Vec<(Uid, Uid)>),
    AlreadyTaken,
}

type Reply = oneshot::Sender<Result<Outcome, StoreError>>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Request, Reply)>,
    running: bool,
}

type Slot = Arc<tokio::sync::Mutex<Weak<OpenMailbox>>>;

/// One enrolled user.
pub struct UserStore {
    id: UserId,
    shared: Arc<Shared>,
    catalog: RwLock<Catalog>,
    open: Mutex<HashMap<MailboxId, Slot>>,
    queue: Mutex<Queue>,
    room: Semaphore,
}

impl UserStore {
    /// Most requests that wait for one user; the next ones wait to be let in.
    const MAX_WAITING: usize = 1024;
    /// Most names of one user.
    pub const MAX_MAILBOXES: usize = 100_000;

    pub(super) fn new(id: UserId, shared: Arc<Shared>, loaded: LoadedUser) -> Self {
        Self {
            id,
            shared,
            catalog: RwLock::new(Catalog::new(loaded)),
            open: Mutex::default(),
            queue: Mutex::default(),
            room: Semaphore::new(Self::MAX_WAITING),
        }
    }

    /// The user id.
    pub fn id(&self) -> UserId {
        self.id
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.shared.backend
    }

    /// The names as committed. Never held across an await.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read()
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write()
    }

    /// Opens a mailbox, loading its index when nobody has it open.
    ///
    /// # Errors
    /// When the name does not exist, cannot be selected, or its index cannot be read.
    pub async fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<OpenMailbox>, StoreError> {
        let row = {
            let catalog = self.catalog();
            let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
            row.ok_or(StoreError::NoSuchMailbox)?.clone()
        };
        if !row.selectable() {
            return Err(StoreError::NotSelectable);
        }
        let slot = self.open.lock().entry(row.id).or_default().clone();
        let mut held = slot.lock().await;
        if let Some(mailbox) = held.upgrade() {
            return Ok(mailbox);
        }
        let loaded = self.backend().load_mailbox(self.id, &row.dir).await?;
        // Nothing can have changed it: whoever changes a mailbox has it open.
        let row = self.catalog().row(row.id).cloned().ok_or(StoreError::NoSuchMailbox)?;
        let mailbox = Arc::new(OpenMailbox::new(self.clone(), &row, loaded));
        *held = Arc::downgrade(&mailbox);
        self.shared.keep(&mailbox);
        Ok(mailbox)
    }

    /// The mailboxes that are open somewhere.
    pub(super) fn opened(&self) -> Vec<Arc<OpenMailbox>> {
        let slots: Vec<Slot> = self.open.lock().values().cloned().collect();
        slots.iter().filter_map(|s| s.try_lock().ok().and_then(|held| held.upgrade())).collect()
    }

    async fn ask(self: &Arc<Self>, request: Request) -> Result<Outcome, StoreError> {
        let gone = || StoreError::Unavailable("mail store is stopping".into());
        let _room = self.room.acquire().await.map_err(|_| gone())?;
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock();
            queue.waiting.push_back((request, reply));
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            // A task of its own: a client that goes away must not stop a commit half way.
            tokio::spawn(self.clone().commit_all());
        }
        answer.await.map_err(|_| gone())?
    }

    async fn commit_all(self: Arc<Self>) {
        loop {
            let batch: Vec<(Request, Reply)> = {
                let mut queue = self.queue.lock();
                let len = queue.waiting.iter().take_while(|(r, _)| !r.changes_names()).count();
                let len = if len == 0 { queue.waiting.len().min(1) } else { len };
                if len == 0 {
                    queue.running = false;
                    return;
                }
                queue.waiting.drain(..len).collect()
            };
            self.commit_batch(batch).await;
        }
    }

    async fn commit_batch(&self, batch: Vec<(Request, Reply)>) {
        if let [(request, _)] = &batch[..]
            && request.changes_names()
        {
            for (request, reply) in batch {
                // A receiver that is gone does not undo the change.
                let _ = reply.send(self.change_names(request).await);
            }
            return;
        }
        let requests: Vec<&Request> = batch.iter().map(|(r, _)| r).collect();
        match self.commit_requests(&requests).await {
            Ok(outcomes) => {
                for ((_, reply), outcome) in batch.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            Err(_) if batch.len() > 1 => {
                for (request, reply) in batch {
                    let outcome = match self.commit_requests(&[&request]).await {
                        Ok(mut one) => one.pop().unwrap_or(Ok(Outcome::Done)),
                        Err(e) => Err(e),
                    };
                    let _ = reply.send(outcome);
                }
            }
            Err(e) => {
                for (_, reply) in batch {
                    let _ = reply.send(Err(e.clone()));
                }
            }
        }
    }

    /// Stages and commits requests as one work unit. The error is that of the commit, when nothing of it happened.
    async fn commit_requests(
        &self,
        requests: &[&Request],
    ) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
        let mut stage = Stage::new(self, (self.shared.clock)());
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(match request {
                Request::Append { mailbox, messages, origin, by } => {
                    stage.append(mailbox, messages, *origin, *by)
                }
                Request::Store { mailbox, uids, change, flags, by } => {
                    stage.store(mailbox, uids, *change, flags, *by)
                }
                Request::Expunge { mailbox, only, by } => stage.expunge(mailbox, only.as_ref(), *by),
                Request::Copy { from, uids, to, remove, by } => stage.copy(from, uids, to, *remove, *by),
                _ => Ok(Outcome::Done),
            });
        }
        let ops = stage.steps();
        let done = if ops.is_empty() { Ok(()) } else { self.backend().commit(self.id, ops).await };
        match done {
            Ok(()) => {
                stage.publish();
                Ok(outcomes)
            }
            Err(e) => {
                tracing::warn!(user = %self.id, error = %e, "work unit rolled back");
                stage.discard();
                Err(e)
            }
        }
    }

    async fn change_names(&self, request: Request) -> Result<Outcome, StoreError> {
        let (ops, rows) = match &request {
            Request::Create { name } => self.plan_create(name)?,
            Request::Delete { mailbox, name } => self.plan_delete(mailbox.as_deref(), name)?,
            Request::Rename { from, to } => self.plan_rename(from, to)?,
            Request::Subscribe { name, on } => self.plan_subscribe(name, *on)?,
            _ => return Ok(Outcome::Done),
        };
        if ops.is_empty() {
            return Ok(Outcome::Done);
        }
        if let Err(e) = self.backend().commit(self.id, ops.clone()).await {
            let mut catalog = self.catalog_mut();
            for row in rows.iter().filter(|r| catalog.row(r.id).is_none()).cloned().collect::<Vec<_>>() {
                catalog.slots.give(row.slot);
            }
            return Err(e);
        }
        let mut catalog = self.catalog_mut();
        for op in ops {
            match op {
                Op::PutHeader(header) => catalog.header = header,
                Op::DropRow { slot, name_slot } => {
                    let id = catalog.iter().find(|r| r.slot == slot).map(|r| r.id);
                    if let Some(id) = id {
                        catalog.remove(id);
                    }
                    catalog.slots.give(slot);
                    if name_slot != 0 {
                        catalog.slots.give(name_slot);
                    }
                }
                _ => {}
            }
        }
        rows.into_iter().for_each(|row| catalog.put(row));
        drop(catalog);
        if let Request::Delete { mailbox: Some(mailbox), .. } = request {
            mailbox.mark_deleted();
            self.open.lock().remove(&mailbox.id);
        }
        Ok(Outcome::Done)
    }

    /// A new row of that name with numbers of its own; the header carries them on.
    fn new_row(
        &self,
        catalog: &mut Catalog,
        header: &mut super::types::UserHeader,
        name: &MailboxName,
    ) -> Result<MailboxRow, StoreError> {
        let now = (self.shared.clock)();
        header.last_mailbox_id += 1;
        let seconds = u32::try_from(now.clamp(1, i64::from(u32::MAX))).unwrap_or(1);
        let next = header.last_uid_validity.checked_add(1);
        let next = next.ok_or(StoreError::Limit("user has no UIDVALIDITY left"))?;
        header.last_uid_validity = seconds.max(next);
        let id = MailboxId(header.last_mailbox_id);
        let mut attributes = Attributes::default();
        attributes.set(Attributes::EXISTS, true);
        Ok(MailboxRow {
            id,
            dir: if name.is_inbox() { "INBOX".into() } else { format!("F{:08X}", id.0) },
            name: name.clone(),
            uid_validity: UidValidity(header.last_uid_validity),
            uid_next: Uid(1),
            highest_modseq: ModSeq(1),
            attributes,
            recent_from: Uid(1),
            created: now,
            messages: 0,
            unseen: 0,
            octets: 0,
            slot: catalog.slots.take(),
            name_slot: if name.as_str().len() > MailboxRow::INLINE_NAME { catalog.slots.take() } else { 0 },
        })
    }

    /// Rows and steps that make `name` and its missing superiors exist.
    fn plan_create(&self, name: &MailboxName) -> Result<(Vec<Op>, Vec<MailboxRow>), StoreError> {
        let mut catalog = self.catalog_mut();
        let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
        if catalog.get(name).filter(exists).is_some_and(MailboxRow::selectable) {
            return Err(StoreError::AlreadyExists);
        }
        if catalog.iter().count() >= Self::MAX_MAILBOXES {
            return Err(StoreError::Limit("user has too many mailboxes"));
        }
        let mut header = catalog.header.clone();
        let (mut ops, mut rows) = (Vec::new(), Vec::new());
        let missing: Vec<MailboxName> = name
            .ancestors()
            .filter(|n| catalog.get(n).is_none_or(|r| !r.attributes.has(Attributes::EXISTS)))
            .chain([name.clone()])
            .collect();
        for name in missing {
            let old = catalog.get(&name).cloned();
            let mut row = self.new_row(&mut catalog, &mut header, &name)?;
            if let Some(old) = old {
                // The row of a subscription or of a name that could not be selected comes to life.
                catalog.slots.give(row.slot);
                if row.name_slot != 0 {
                    catalog.slots.give(row.name_slot);
                }
                (row.id, row.dir) = (old.id, if old.dir.is_empty() { row.dir } else { old.dir });
                (row.slot, row.name_slot) = (old.slot, old.name_slot);
                let subscribed = old.attributes.has(Attributes::SUBSCRIBED);
                row.attributes.set(Attributes::SUBSCRIBED, subscribed);
            }
            ops.push(Op::CreateDir { dir: row.dir.clone() });
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        }
        ops.push(Op::PutHeader(header));
        Ok((ops, rows))
    }

    fn plan_delete(
        &self,
        mailbox: Option<&OpenMailbox>,
        name: &MailboxName,
    ) -> Result<(Vec<Op>, Vec<MailboxRow>), StoreError> {
        let catalog = self.catalog();
        let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
        let mut row = row.ok_or(StoreError::NoSuchMailbox)?.clone();
        let children = catalog.has_children(name);
        if !row.selectable() && children {
            return Err(StoreError::Cannot("mailbox has inferior names and cannot be selected"));
        }
        let mut ops = Vec::new();
        let mut rows = Vec::new();
        if let Some(mailbox) = mailbox.filter(|_| row.selectable()) {
            let notes = mailbox.state().columns.uids().iter().map(|u| Uid(*u)).collect();
            ops.push(Op::RemoveDir { dir: row.dir.clone(), notes });
        }
        row.messages = 0;
        row.unseen = 0;
        row.octets = 0;
        if children || row.attributes.has(Attributes::SUBSCRIBED) {
            row.attributes.set(Attributes::NOSELECT, children);
            row.attributes.set(Attributes::EXISTS, children);
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        } else {
            ops.push(Op::DropRow { slot: row.slot, name_slot: row.name_slot });
        }
        if !children {
            // Names that only stood for their inferiors go with the last of them.
            let above: Vec<MailboxName> = name.ancestors().collect();
            for above in above.iter().rev() {
                let Some(parent) = catalog.get(above).filter(|r| r.attributes.has(Attributes::NOSELECT))
                else {
                    break;
                };
                let alive = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
                let others =
                    catalog.below(above).filter(alive).any(|r| r.name != *name && !name.is_below(&r.name));
                if others || parent.attributes.has(Attributes::SUBSCRIBED) {
                    break;
                }
                ops.push(Op::DropRow { slot: parent.slot, name_slot: parent.name_slot });
            }
        }
        Ok((ops, rows))
    }

    fn plan_rename(
        &self,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<(Vec<Op>, Vec<MailboxRow>), StoreError> {
        let exists = |r: &&MailboxRow| r.attributes.has(Attributes::EXISTS);
        if to.is_below(from) {
            return Err(StoreError::Cannot("mailbox cannot be moved below itself"));
        }
        let moving: Vec<MailboxRow> = {
            let catalog = self.catalog();
            let first = catalog.get(from).filter(exists).ok_or(StoreError::NoSuchMailbox)?;
            std::iter::once(first).chain(catalog.below(from).filter(exists)).cloned().collect()
        };
        let (mut ops, mut rows) = (Vec::new(), Vec::new());
        // Superiors of the new name are made as CREATE makes them.
        let missing = {
            let catalog = self.catalog();
            to.ancestors().filter(|n| catalog.get(n).filter(exists).is_none()).last()
        };
        if let Some(parent) = missing {
            (ops, rows) = self.plan_create(&parent)?;
        }
        let mut catalog = self.catalog_mut();
        for mut row in moving {
            let name = match row.name.moved(from, to) {
                Some(Ok(name)) => name,
                _ => return Err(StoreError::Limit("a new mailbox name would be too long")),
            };
            let taken = catalog.get(&name).cloned();
            if taken.as_ref().is_some_and(|r| r.attributes.has(Attributes::EXISTS)) {
                return Err(StoreError::AlreadyExists);
            }
            if let Some(old) = taken {
                ops.push(Op::DropRow { slot: old.slot, name_slot: old.name_slot });
                row.attributes.set(Attributes::SUBSCRIBED, true);
            }
            row.name = name;
            if row.name.as_str().len() > MailboxRow::INLINE_NAME && row.name_slot == 0 {
                row.name_slot = catalog.slots.take();
            }
            ops.push(Op::PutRow(row.clone()));
            rows.push(row);
        }
        Ok((ops, rows))
    }

    fn plan_subscribe(&self, name: &MailboxName, on: bool) -> Result<(Vec<Op>, Vec<MailboxRow>), StoreError> {
        let mut catalog = self.catalog_mut();
        let mut row = match catalog.get(name).cloned() {
            Some(row) => row,
            None if !on => return Ok((Vec::new(), Vec::new())),
            None => {
                let mut header = catalog.header.clone();
                let mut row = self.new_row(&mut catalog, &mut header, name)?;
                row.attributes.set(Attributes::EXISTS, false);
                row.attributes.set(Attributes::SUBSCRIBED, true);
                return Ok((vec![Op::PutRow(row.clone()), Op::PutHeader(header)], vec![row]));
            }
        };
        if row.attributes.has(Attributes::SUBSCRIBED) == on {
            return Ok((Vec::new(), Vec::new()));
        }
        row.attributes.set(Attributes::SUBSCRIBED, on);
        if !on && !row.attributes.has(Attributes::EXISTS) {
            return Ok((vec![Op::DropRow { slot: row.slot, name_slot: row.name_slot }], Vec::new()));
        }
        Ok((vec![Op::PutRow(row.clone())], vec![row]))
    }
}

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
        let request = Request::Append { mailbox: mailbox.clone(), messages, origin: None, by };
        Ok(uids(self.ask(request).await?))
    }

    /// Adds an arrived message to INBOX unless its origin was taken before; false then.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is added then.
    pub async fn deliver(self: &Arc<Self>, message: NewMessage, origin: Origin) -> Result<bool, StoreError> {
        let mailbox = self.open(&MailboxName::inbox()).await?;
        let request =
            Request::Append { mailbox, messages: vec![message], origin: Some(origin), by: SessionId::NOBODY };
        Ok(self.ask(request).await? != Outcome::AlreadyTaken)
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
        let request = Request::Store { mailbox: mailbox.clone(), uids: uids_asked, change, flags, by };
        Ok(uids(self.ask(request).await?))
    }

    /// Removes messages with `\Deleted`; gives back their UIDs.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is removed then.
    pub async fn expunge(
        self: &Arc<Self>,
        mailbox: &Arc<OpenMailbox>,
        only: Option<NumberSet>,
        by: SessionId,
    ) -> Result<Vec<Uid>, StoreError> {
        Ok(uids(self.ask(Request::Expunge { mailbox: mailbox.clone(), only, by }).await?))
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
        let request = Request::Copy { from: from.clone(), uids: uids_asked, to: to.clone(), remove, by };
        match self.ask(request).await? {
            Outcome::Copied(pairs) => Ok(pairs),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes a mailbox and its missing superiors.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(self: &Arc<Self>, name: MailboxName) -> Result<(), StoreError> {
        self.ask(Request::Create { name }).await.map(drop)
    }

    /// Deletes a mailbox with its messages; a name with inferiors stays as one that cannot be selected.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(self: &Arc<Self>, name: MailboxName) -> Result<(), StoreError> {
        if name.is_inbox() {
            return Err(StoreError::Cannot("INBOX cannot be deleted"));
        }
        let mailbox = match self.open(&name).await {
            Ok(mailbox) => Some(mailbox),
            Err(StoreError::NotSelectable) => None,
            Err(e) => return Err(e),
        };
        self.ask(Request::Delete { mailbox, name }).await.map(drop)
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
        by: SessionId,
    ) -> Result<(), StoreError> {
        if !from.is_inbox() {
            return self.ask(Request::Rename { from, to }).await.map(drop);
        }
        self.create(to.clone()).await?;
        let inbox = self.open(&from).await?;
        let target = self.open(&to).await?;
        let all = inbox.state().columns.uids().iter().map(|u| Uid(*u)).collect();
        self.copy(&inbox, all, &target, true, by).await.map(drop)
    }

    /// Subscribes to a name or ends that; the name need not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn subscribe(self: &Arc<Self>, name: MailboxName, on: bool) -> Result<(), StoreError> {
        self.ask(Request::Subscribe { name, on }).await.map(drop)
    }
}

fn uids(outcome: Outcome) -> Vec<Uid> {
    match outcome {
        Outcome::Uids(uids) => uids,
        _ => Vec::new(),
    }
}
