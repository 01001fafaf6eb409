//! One user's mailboxes, and the one writer that changes them.
//!
//! Requests wait in a queue; the commit task takes all that wait, stages them together and commits them as one work
//! unit, so one busy INBOX is as fast as many. The task exists only while there is work. Requests that change names
//! run alone. When a batch fails, its requests are tried one by one, so that one over the limit fails no other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};

use super::access::{Identifier, Published, RightsChange};
use super::backend::{Backend, LoadedUser, Op};
use super::catalog::Catalog;
use super::entries::Limits;
use super::error::StoreError;
use super::leave::Leave;
use super::news::Board;
use super::note_cache::{InMemory, NoteCache};
use super::open::OpenMailbox;
use super::stage::Stage;
use super::store::Shared;
use super::summaries::{Ready, SummaryPlace};
use super::text_room::{TextRoom, Texts, commit, commit_in_room};
use super::types::{
    Attributes, MailboxId, MailboxRow, MessageRecord, ModSeq, NewMessage, Origin, SessionId, Uid, UidValidity,
};
use crate::mail::summary::Summary;
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::{FlagList, SystemFlags};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::syntax::seqset::NumberSet;
use crate::vm::UserId;

/// A change asked for.
pub(super) enum Request {
    Append {
        mailbox: Arc<OpenMailbox>,
        messages: Vec<NewMessage>,
        ready: Vec<Ready>,
        origin: Option<Origin>,
        /// Whose `\Seen` the flag of the messages is, when not the owner's.
        reader: Option<UserId>,
        by: SessionId,
    },
    Store {
        mailbox: Arc<OpenMailbox>,
        uids: Vec<Uid>,
        asked: FlagsAsked,
        by: SessionId,
    },
    Expunge {
        mailbox: Arc<OpenMailbox>,
        only: Option<NumberSet>,
        by: SessionId,
    },
    Copy {
        from: Arc<OpenMailbox>,
        uids: Vec<Uid>,
        to: Arc<OpenMailbox>,
        how: CopyHow,
        by: SessionId,
    },
    Replace {
        from: Arc<OpenMailbox>,
        uid: Uid,
        to: Arc<OpenMailbox>,
        message: Box<NewMessage>,
        ready: Ready,
        by: SessionId,
    },
    /// Keeps summaries that were made from the messages.
    Summarize {
        mailbox: Arc<OpenMailbox>,
        made: Vec<(MessageRecord, Summary)>,
    },
    Create {
        name: MailboxName,
        uses: u32,
        by: SessionId,
    },
    Delete {
        mailbox: Option<Arc<OpenMailbox>>,
        name: MailboxName,
        by: SessionId,
    },
    Rename {
        from: MailboxName,
        to: MailboxName,
        by: SessionId,
    },
    /// Makes a mailbox with all messages of INBOX, which stays.
    RenameInbox {
        inbox: Arc<OpenMailbox>,
        to: MailboxName,
        by: SessionId,
    },
    Subscribe {
        name: MailboxName,
        on: bool,
        by: SessionId,
    },
    /// Annotations of a mailbox, or of the user.
    Annotate {
        name: Option<MailboxName>,
        values: Vec<(String, Option<Bytes>)>,
        by: SessionId,
    },
    /// Limits in messages and mailboxes, and in blocks where that one changes.
    Limit {
        limits: Limits,
        blocks: Option<u64>,
    },
    /// What others may do with a mailbox.
    Access {
        name: MailboxName,
        changes: Vec<AccessChange>,
        /// Whether rights change on what is below, too.
        below: bool,
    },
    /// Gives readers of a mailbox, and of those below, a `\Seen` of their own, or ends that; with what others may do there, on what is
    /// below, too.
    SeenMode {
        name: MailboxName,
        own: bool,
        /// Those of them that hold messages.
        mailboxes: Vec<Arc<OpenMailbox>>,
        changes: Vec<AccessChange>,
    },
    /// Removes messages whatever their flags are.
    Remove {
        mailbox: Arc<OpenMailbox>,
        uids: Vec<Uid>,
        by: SessionId,
    },
}

/// Flags that are not to be changed, for want of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Untouchable {
    /// These.
    pub system: SystemFlags,
    /// All keywords.
    pub keywords: bool,
}

impl Untouchable {
    /// Takes them from a message.
    pub(super) fn strip(self, record: &mut MessageRecord) {
        record.flags = record.flags.without(self.system);
        record.keywords = if self.keywords { 0 } else { record.keywords };
    }

    /// The flags that may be changed.
    pub fn of(self, flags: FlagList) -> FlagList {
        let keywords = if self.keywords { Vec::new() } else { flags.keywords };
        FlagList { system: flags.system.without(self.system), keywords }
    }
}

/// How messages are copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyHow {
    /// Whether they are moved.
    pub remove: bool,
    /// Flags that the copies do not get.
    pub kept: Untouchable,
    /// Whether nothing is to be copied when one of them is gone.
    pub all: bool,
}

/// How flags are to change.
#[derive(Debug, Clone)]
pub struct FlagsAsked {
    /// How.
    pub change: FlagChange,
    /// Which.
    pub flags: FlagList,
    /// Messages changed after this are left alone.
    pub unchanged_since: Option<ModSeq>,
    /// Flags that stay as they are.
    pub kept: Untouchable,
    /// Whose `\Seen` is meant, when not the owner's.
    pub reader: Option<UserId>,
}

/// A change of what others may do with a mailbox.
#[derive(Debug, Clone)]
pub enum AccessChange {
    /// Of the rights of an identifier.
    Rights(Identifier, RightsChange, Rights),
    /// Forgets an identifier.
    Remove(Identifier),
    /// Takes all rights of others away.
    Clear,
    /// Publishes the mailbox, or ends that.
    Publish(Option<Published>),
}

impl Request {
    /// Whether texts go for it, where room is wanting: not for what can be made again as well.
    fn is_worth_texts(&self) -> bool {
        !matches!(self, Self::Summarize { .. })
    }

    fn changes_names(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Delete { .. }
                | Self::Rename { .. }
                | Self::RenameInbox { .. }
                | Self::Subscribe { .. }
                | Self::Annotate { .. }
                | Self::Limit { .. }
                | Self::Access { .. }
                | Self::SeenMode { .. }
        )
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// A mailbox was made.
    Made(MailboxRow),
    Uids(Vec<Uid>),
    Stored {
        present: Vec<Uid>,
        refused: Vec<Uid>,
    },
    /// Source and new UIDs, and where the summaries of the sources are, or were.
    Copied {
        pairs: Vec<(Uid, Uid)>,
        places: Vec<SummaryPlace>,
    },
    AlreadyTaken,
}

type Reply = oneshot::Sender<Result<Outcome, StoreError>>;

/// A change, and what who asks for it must be allowed when it is made.
type Change = (Request, Leave);

/// A change that waits for its turn.
struct Waiting {
    change: Change,
    reply: Reply,
    /// It goes with the change and not with who asked for it: his session may end while the change is under way, and until it is done
    /// the user is not at rest.
    room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
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
    /// Held by whoever makes a work unit of this user's mailboxes: his commit task, or an exchange with another user.
    turn: tokio::sync::Mutex<()>,
    room: Arc<Semaphore>,
    /// Changes asked for so far.
    asked: AtomicU64,
    /// What happens, for sessions that asked to be told.
    news: Arc<Board>,
    /// What is known of NOTE TEXT files as a whole.
    pub(super) text_room: TextRoom,
    /// The user was removed: whoever still holds this must not touch what a new enrolment makes.
    gone: AtomicBool,
}

/// Ends the commit task however it ends, so that a defect in one change never stops all later ones.
struct Running<'a>(&'a UserStore);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.queue.lock();
            queue.running = false;
            // Who waits is told by the loss of the reply.
            queue.waiting.clear();
        }
    }
}

impl UserStore {
    /// Most requests that wait for one user; the next ones wait to be let in.
    const MAX_WAITING: usize = 1024;
    /// How long nothing is asked of a user who is quiet.
    const QUIET: Duration = Duration::from_millis(500);
    /// How often that is waited for: a user who is never quiet gets his summaries all the same.
    const QUIET_TRIES: u32 = 60;
    /// Most names of one user.
    pub const MAX_MAILBOXES: usize = 100_000;

    pub(super) fn new(id: UserId, shared: Arc<Shared>, loaded: LoadedUser) -> Self {
        Self {
            id,
            shared,
            catalog: RwLock::new(Catalog::new(loaded)),
            open: Mutex::default(),
            queue: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            room: Arc::new(Semaphore::new(Self::MAX_WAITING)),
            asked: AtomicU64::new(0),
            news: Arc::default(),
            text_room: TextRoom::default(),
            gone: AtomicBool::new(false),
        }
    }

    /// The user id.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// What happens to the mailboxes of this user.
    pub fn news(&self) -> &Arc<Board> {
        &self.news
    }

    /// What happens that concerns others.
    pub(super) fn everybody(&self) -> &Arc<Board> {
        &self.shared.everybody
    }

    /// Seconds since 1970 UTC.
    pub(super) fn now(&self) -> i64 {
        (self.shared.clock)()
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.shared.backend
    }

    /// Changes how many blocks there may be.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn set_space(&self, blocks: u64) -> Result<(), StoreError> {
        // One who was removed may have been enrolled anew, with room of his own.
        let _room = self.beside().await?;
        self.backend().set_space(self.id, blocks).await
    }

    /// Changes the count of octets that all mailboxes keep in memory beside their indexes.
    pub(super) fn cached_octets(&self, change: impl FnOnce(&AtomicUsize)) {
        change(&self.shared.cached_octets);
    }

    /// Notes read lately.
    pub(super) fn notes(&self) -> &NoteCache {
        &self.shared.notes
    }

    /// A number for a mailbox that comes into memory.
    pub(super) fn brings(&self) -> InMemory {
        self.shared.brings()
    }

    /// Octets that all mailboxes keep in memory beside their indexes.
    pub(super) fn cached_now(&self) -> usize {
        self.shared.cached_octets.load(Ordering::Relaxed)
    }

    /// The turns of what is done when nothing else is to be done.
    pub(super) fn background(&self) -> &Arc<Semaphore> {
        &self.shared.background
    }

    /// Drops what other mailboxes keep in memory while all together keep too much, and what `but` does if that is not enough.
    pub(super) fn shed_caches(&self, but: &OpenMailbox) {
        self.shared.shed_caches(but);
    }

    /// The names as committed. Never held across an await.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read()
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write()
    }

    /// What `who` may do with a mailbox.
    pub fn rights(&self, of: MailboxId, who: UserId) -> Rights {
        self.catalog().entries.access.rights(of, who, self.id)
    }

    /// Opens a mailbox, loading its index when nobody has it open.
    ///
    /// # Errors
    /// When the name does not exist, cannot be selected, or its index cannot be read.
    pub async fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<OpenMailbox>, StoreError> {
        self.is_there()?;
        let row = {
            let catalog = self.catalog();
            let row = catalog.get(name).filter(|r| r.attributes.has(Attributes::EXISTS));
            row.ok_or(StoreError::NoSuchMailbox)?.clone()
        };
        self.open_row(&row).await
    }

    /// The same for one that was looked up, whatever it is called by now.
    ///
    /// # Errors
    /// As [`UserStore::open`].
    pub async fn open_row(self: &Arc<Self>, row: &MailboxRow) -> Result<Arc<OpenMailbox>, StoreError> {
        self.is_there()?;
        if !row.selectable() {
            return Err(StoreError::NotSelectable);
        }
        let slot = self.open.lock().entry(row.id).or_default().clone();
        let mut held = slot.lock().await;
        if let Some(mailbox) = held.upgrade() {
            return Ok(mailbox);
        }
        let loaded = self.backend().load_mailbox(self.id, &row.dir).await;
        // Nothing can have changed its messages: whoever does has it open. It may not be there any more, or another in its place.
        let there = self.catalog().row(row.id).filter(|now| now.uid_validity == row.uid_validity).cloned();
        self.is_there()?;
        let row = there.filter(MailboxRow::selectable).ok_or(StoreError::NoSuchMailbox)?;
        let loaded = loaded?;
        let own_seen = match row.attributes.has(Attributes::OWN_SEEN) {
            true => Some(self.backend().load_seen(self.id, &row.dir).await?),
            false => None,
        };
        let mailbox = Arc::new(OpenMailbox::new(self.clone(), &row, loaded, own_seen));
        *held = Arc::downgrade(&mailbox);
        self.shared.keep(&mailbox);
        Ok(mailbox)
    }

    /// Where one is in memory that is being made; who opens it waits.
    pub(super) async fn place_in_memory(&self, id: MailboxId) -> OwnedMutexGuard<Weak<OpenMailbox>> {
        let slot = self.open.lock().entry(id).or_default().clone();
        slot.lock_owned().await
    }

    /// Keeps one in memory for a while.
    pub(super) fn keep_in_memory(&self, mailbox: &Arc<OpenMailbox>) {
        self.shared.keep(mailbox);
    }

    /// The mailboxes that are open somewhere.
    pub(super) async fn opened(&self) -> Vec<Arc<OpenMailbox>> {
        let slots: Vec<Slot> = self.open.lock().values().cloned().collect();
        let mut opened = Vec::new();
        for slot in slots {
            // One that is being opened just now was looked up before, and is told as well.
            opened.extend(slot.lock().await.upgrade());
        }
        opened
    }

    /// Has a change made that who asks may make when its turn comes.
    pub(super) async fn ask(self: &Arc<Self>, request: Request, leave: Leave) -> Result<Outcome, StoreError> {
        let room = self.room.clone().acquire_owned().await;
        let room = room.map_err(|_| Self::stopping())?;
        self.is_there()?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock();
            queue.waiting.push_back(Waiting { change: (request, leave), reply, room });
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            // A task of its own: a client that goes away must not stop a commit half way.
            tokio::spawn(self.clone().commit_all());
        }
        answer.await.map_err(|_| Self::stopping())?
    }

    /// Waits until one more change may be asked for; as long as what is returned lives, the user is not at rest.
    ///
    /// # Errors
    /// When the user was retired or removed.
    pub(super) async fn admit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let room = self.beside().await?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(room)
    }

    /// Fails when the user was removed.
    pub(super) fn is_there(&self) -> Result<(), StoreError> {
        if self.gone.load(Ordering::Acquire) { Err(StoreError::NotEnrolled) } else { Ok(()) }
    }

    fn stopping() -> StoreError {
        StoreError::Unavailable("mail store is stopping".into())
    }

    /// Waits for the turn to make a work unit.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until nothing was asked for a while, though not for ever, or until the user is not in memory any more.
    pub(super) async fn quiet(user: Weak<Self>) {
        let asked = || user.upgrade().map(|user| user.asked.load(Ordering::Relaxed));
        for _ in 0..Self::QUIET_TRIES {
            let before = asked();
            tokio::time::sleep(Self::QUIET).await;
            if asked() == before {
                return;
            }
        }
    }

    /// Whether somebody waits for a change of his mailboxes.
    pub(super) fn is_waited_for(&self) -> bool {
        self.room.available_permits() < Self::MAX_WAITING
    }

    /// Waits until no change is under way; none begins while what is returned lives.
    ///
    /// # Errors
    /// When the user was retired.
    pub(super) async fn at_rest(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let everybody = u32::try_from(Self::MAX_WAITING).unwrap_or(u32::MAX);
        let all = self.room.acquire_many(everybody).await;
        all.map_err(|_| Self::stopping())
    }

    /// Room for what changes no mailbox and goes beside the changes; as long as what is returned lives, the user is not at rest.
    ///
    /// # Errors
    /// When the user was retired or removed.
    pub(super) async fn beside(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let room = self.room.acquire().await.map_err(|_| Self::stopping())?;
        self.is_there()?;
        Ok(room)
    }

    /// Refuses every change from now on: what is kept is no longer what this knows.
    pub(super) fn retire(&self) {
        self.room.close();
    }

    /// Removes the user's file space once every change under way is done; later ones are refused.
    pub(super) async fn remove(&self) -> Result<(), StoreError> {
        self.gone.store(true, Ordering::Release);
        let _all = self.at_rest().await?;
        let last = UidValidity(self.catalog().header.last_uid_validity);
        let removed = self.backend().delete_user(self.id, last).await;
        if removed.is_err() {
            self.gone.store(false, Ordering::Release);
        }
        removed
    }

    async fn commit_all(self: Arc<Self>) {
        let _running = Running(&self);
        loop {
            let _turn = self.turn().await;
            let batch: Vec<Waiting> = {
                let mut queue = self.queue.lock();
                let together = |w: &&Waiting| !w.change.0.changes_names();
                let len = queue.waiting.iter().take_while(together).count();
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

    async fn commit_batch(&self, batch: Vec<Waiting>) {
        let (mut changes, mut replies) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Waiting { change, reply, room } in batch {
            changes.push(change);
            replies.push((reply, room));
        }
        let outcomes = self.outcomes(changes).await;
        // Before anybody is answered: until then the user is not at rest.
        self.make_spare().await;
        for ((reply, _room), outcome) in replies.into_iter().zip(outcomes) {
            // A receiver that is gone does not undo the change.
            let _ = reply.send(outcome);
        }
    }

    /// What the requests of a batch come to: all together, and each by itself when that cannot be.
    async fn outcomes(&self, mut changes: Vec<Change>) -> Vec<Result<Outcome, StoreError>> {
        if changes.len() == 1
            && let Some((request, leave)) = changes.pop_if(|(request, _)| request.changes_names())
        {
            return vec![self.change_names(request, &leave).await];
        }
        let all: Vec<&Change> = changes.iter().collect();
        let failed = match self.commit_requests(&all, Texts::Stay).await {
            Ok(outcomes) => return outcomes,
            Err(e) => e,
        };
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in &changes {
            let tried = match changes.len() {
                1 => Err(failed.clone()),
                _ => self.commit_request(change, Texts::Stay).await,
            };
            outcomes.push(match tried {
                Err(e) if change.0.is_worth_texts() && self.may_make_room(&e) => {
                    self.commit_request(change, Texts::Go).await
                }
                other => other,
            });
        }
        outcomes
    }

    async fn commit_request(&self, change: &Change, texts: Texts) -> Result<Outcome, StoreError> {
        let mut one = self.commit_requests(&[change], texts).await?;
        one.pop().unwrap_or(Ok(Outcome::Done))
    }

    /// Stages and commits requests as one work unit. The error is that of the commit, when nothing of it happened.
    async fn commit_requests(
        &self,
        changes: &[&Change],
        texts: Texts,
    ) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
        let mut stage = Stage::new(self, self.now());
        let mut staged =
            |(request, leave): &Change| self.grants(leave).and_then(|()| stage.take(request, leave));
        let outcomes = changes.iter().map(|change| staged(change)).collect();
        let ops = stage.steps();
        let done = match ops.is_empty() {
            true => Ok(Vec::new()),
            false => commit(vec![(self, ops)], texts).await,
        };
        match done {
            Ok(_turns) => {
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

    /// Makes a change that runs alone. Records of MAILBOX INDEX that it took are free again when nothing comes of it.
    async fn change_names(&self, request: Request, leave: &Leave) -> Result<Outcome, StoreError> {
        let done = self.make_change(request, leave).await;
        if done.is_err() {
            self.catalog_mut().slots.give_back();
        }
        done
    }

    async fn make_change(&self, request: Request, leave: &Leave) -> Result<Outcome, StoreError> {
        self.grants(leave)?;
        let (ops, rows) = match &request {
            Request::Create { name, uses, .. } => self.plan_create(name, *uses, None)?,
            Request::Delete { mailbox, name, .. } => self.plan_delete(mailbox.as_deref(), name)?,
            Request::Rename { from, to, .. } => self.plan_rename(from, to)?,
            Request::Subscribe { name, on, .. } => self.plan_subscribe(name, *on)?,
            Request::Annotate { name, values, .. } => self.plan_annotate(name.as_ref(), values)?,
            Request::Limit { limits, blocks } => return self.change_limits(*limits, *blocks).await,
            Request::RenameInbox { .. } => return self.rename_inbox(&request).await,
            Request::SeenMode { .. } => return self.change_seen_mode(&request).await,
            Request::Access { name, changes, below } => self.plan_access(name, changes, *below)?,
            _ => return Ok(Outcome::Done),
        };
        if ops.is_empty() {
            return Ok(Outcome::Done);
        }
        let _turns = commit_in_room(vec![(self, ops.clone())]).await?;
        let draft = self.draft(&request, &ops, &rows);
        let done = match &request {
            Request::Create { .. } => rows.last().cloned().map_or(Outcome::Done, Outcome::Made),
            _ => Outcome::Done,
        };
        self.take_over(ops, rows);
        if let Request::Annotate { .. } = request {
            self.opened().await.iter().for_each(|mailbox| mailbox.take_modseq());
        }
        if let Request::Access { .. } = request {
            // Sessions that have one of them selected may be able to change something now, or no more.
            self.opened().await.iter().for_each(|mailbox| mailbox.wake());
        }
        if let Request::Delete { mailbox: Some(mailbox), .. } = request {
            mailbox.mark_deleted();
            self.open.lock().remove(&mailbox.id);
        }
        draft.into_iter().for_each(|draft| self.tell(draft));
        Ok(done)
    }

    /// Makes committed steps and rows known.
    pub(super) fn take_over(&self, ops: Vec<Op>, rows: Vec<MailboxRow>) {
        let mut catalog = self.catalog_mut();
        catalog.slots.keep();
        for op in ops {
            match op {
                Op::PutHeader(header) => catalog.header = header,
                Op::PutEntries(entries) => {
                    self.shared.sharers.put(self.id, &entries.access);
                    catalog.entries = entries;
                }
                Op::DropRow { id, slot, name_slot } => {
                    catalog.remove(id);
                    catalog.slots.give(slot);
                    if name_slot != 0 {
                        catalog.slots.give(name_slot);
                    }
                }
                _ => {}
            }
        }
        rows.into_iter().for_each(|row| catalog.put(row));
    }
}
