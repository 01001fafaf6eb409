//! The way in: users by name, enrolment, and what is kept in memory between sessions.

mod brought_back;
mod rest;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::access::Access;
use super::backend::{Backend, Op};
use super::error::StoreError;
use super::news::Board;
use super::note_cache::{InMemory, NoteCache};
use super::open::OpenMailbox;
use super::sharers::Sharers;
use super::types::{Attributes, MailboxId, MailboxRow, UserHeader};
use super::user::UserStore;
use crate::syntax::mailbox_name::MailboxName;
use crate::vm::UserId;

/// Seconds since 1970 UTC; passed in so that tests own the time.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Octets that all mailboxes together keep in memory beside their indexes: summaries, views, texts that were searched.
pub const MAX_CACHED: usize = 384 * 1024 * 1024;

/// What all users share.
pub(super) struct Shared {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Clock,
    /// Mailboxes opened lately, held so that the next SELECT finds them in memory.
    warm: Mutex<VecDeque<Arc<OpenMailbox>>>,
    /// Octets that all mailboxes keep in memory beside their indexes.
    pub(super) cached_octets: AtomicUsize,
    /// Notes read lately.
    pub(super) notes: NoteCache,
    /// Mailboxes that came into memory so far.
    brought: AtomicU64,
    /// Turns of what is done when nothing else is to be done: one mailbox at a time.
    pub(super) background: Arc<Semaphore>,
    /// Who lets others at his mailboxes.
    pub(super) sharers: Sharers,
    /// Held while a mailbox is published, or is no longer.
    publishing: tokio::sync::Mutex<()>,
    /// What happens that concerns users whoever they are.
    pub(super) everybody: Arc<Board>,
}

impl Shared {
    /// Mailboxes kept in memory after their last session left.
    const WARM: usize = 256;

    pub(super) fn keep(&self, mailbox: &Arc<OpenMailbox>) {
        let cold = {
            let mut warm = self.warm.lock();
            warm.push_back(mailbox.clone());
            if warm.len() > Self::WARM { warm.pop_front() } else { None }
        };
        // Dropped outside the lock: an index of a large mailbox takes its time.
        drop(cold);
    }

    /// A number for a mailbox that comes into memory.
    pub(super) fn brings(&self) -> InMemory {
        InMemory(self.brought.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn shed_caches(&self, but: &OpenMailbox) {
        let over = || self.cached_octets.load(Ordering::Relaxed) > MAX_CACHED;
        if !over() {
            return;
        }
        let warm: Vec<Arc<OpenMailbox>> = self.warm.lock().iter().cloned().collect();
        let others = warm.iter().filter(|m| !std::ptr::eq(&raw const ***m, but));
        for mailbox in others.take_while(|_| over()) {
            mailbox.clear_caches();
        }
        if over() {
            but.clear_caches();
        }
    }
}

type Slot = Arc<tokio::sync::Mutex<Weak<UserStore>>>;
type Held = tokio::sync::OwnedMutexGuard<Weak<UserStore>>;

/// The mail store.
pub struct MailStore {
    shared: Arc<Shared>,
    users: Mutex<HashMap<UserId, Slot>>,
}

impl MailStore {
    /// A mail store over a backend.
    pub fn new(backend: Arc<dyn Backend>, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                clock,
                warm: Mutex::default(),
                cached_octets: AtomicUsize::new(0),
                notes: NoteCache::default(),
                brought: AtomicU64::new(0),
                background: Arc::new(Semaphore::new(1)),
                sharers: Sharers::default(),
                publishing: tokio::sync::Mutex::default(),
                everybody: Arc::default(),
            }),
            users: Mutex::default(),
        }
    }

    /// Who lets others at his mailboxes; read from the backend the first time.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn sharers(&self) -> Result<&Sharers, StoreError> {
        self.shared.sharers.load(&*self.shared.backend).await?;
        Ok(&self.shared.sharers)
    }

    /// The turn to publish a mailbox.
    pub(super) async fn publishing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.publishing.lock().await
    }

    /// What happens that concerns users whoever they are: rights of others, and what the server says of itself.
    pub fn everybody(&self) -> &Arc<Board> {
        &self.shared.everybody
    }

    /// Seconds since 1970 UTC.
    pub fn now(&self) -> i64 {
        (self.shared.clock)()
    }

    /// Octets that all mailboxes keep in memory beside their indexes.
    pub fn cached_octets(&self) -> usize {
        self.shared.cached_octets.load(Ordering::Relaxed)
    }

    /// An enrolled user.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`], or what the backend says.
    pub async fn user(&self, id: UserId) -> Result<Arc<UserStore>, StoreError> {
        let mut held = self.hold(id).await;
        match self.load(id, &mut held).await? {
            Some(user) => Ok(user),
            None => {
                // Nothing is kept for names that anybody may have made up.
                self.forget(id, held);
                Err(StoreError::NotEnrolled)
            }
        }
    }

    /// Where a user is, for one at a time. Who waited while it was forgotten takes the new one: a user who is in memory twice has two
    /// who give out his UIDs.
    async fn hold(&self, id: UserId) -> Held {
        loop {
            let slot = self.users.lock().entry(id).or_default().clone();
            let held = slot.clone().lock_owned().await;
            if self.users.lock().get(&id).is_some_and(|there| Arc::ptr_eq(there, &slot)) {
                return held;
            }
        }
    }

    /// Forgets where a user is, while nobody else can look.
    fn forget(&self, id: UserId, held: Held) {
        self.users.lock().remove(&id);
        drop(held);
    }

    /// The user, from memory or the backend; none when he is not enrolled.
    async fn load(&self, id: UserId, held: &mut Held) -> Result<Option<Arc<UserStore>>, StoreError> {
        if let Some(user) = held.upgrade() {
            return Ok(Some(user));
        }
        let Some(mut loaded) = self.shared.backend.load_user(id).await? else { return Ok(None) };
        if loaded.brought_back {
            self.renumber(id, &mut loaded).await?;
        }
        let user = Arc::new(UserStore::new(id, self.shared.clone(), loaded));
        **held = Arc::downgrade(&user);
        Ok(Some(user))
    }

    /// Whether a user is enrolled.
    ///
    /// # Errors
    /// What the backend says, other than that the user is not enrolled.
    pub async fn is_enrolled(&self, id: UserId) -> Result<bool, StoreError> {
        match self.user(id).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotEnrolled) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Enrols a user with a limit in 4 KB blocks: file space, MAILBOX INDEX, INBOX. Of an enrolment that was cut short,
    /// does what is left.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] for one who is enrolled, or what the backend says.
    pub async fn enroll(&self, id: UserId, blocks: u32) -> Result<(), StoreError> {
        // Nobody else enrols or deletes him, or gets at what is half there, until this is over.
        let mut held = self.hold(id).await;
        if self.load(id, &mut held).await?.is_some() {
            return Err(StoreError::AlreadyExists);
        }
        let space = self.shared.backend.enroll(id, blocks).await?;
        let now = self.now();
        // He may have been here before, with mailboxes of the same names.
        let uid_validity = self.shared.backend.new_validities(1, now).await?;
        let mut inbox = MailboxRow::empty(MailboxId(1), MailboxName::inbox(), uid_validity, now);
        inbox.attributes.set(Attributes::SUBSCRIBED, true);
        inbox.slot = self.shared.backend.first_slots().0;
        let header =
            UserHeader { last_uid_validity: uid_validity.0, last_mailbox_id: 1, space, origins: Vec::new() };
        let ops = vec![Op::PutHeader(header), Op::CreateDir { dir: inbox.dir.clone() }, Op::PutRow(inbox)];
        let enrolled = self.shared.backend.commit(id, ops).await.map(drop);
        drop(held);
        enrolled
    }

    /// Removes a user with all mail. Sessions of the user find their mailboxes deleted.
    ///
    /// # Errors
    /// [`StoreError::NotEnrolled`], or what the backend says.
    pub async fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        // Nobody gets at the user, or enrols him anew, until this is over.
        let mut held = self.hold(id).await;
        let Some(user) = self.load(id, &mut held).await? else {
            self.forget(id, held);
            return Err(StoreError::NotEnrolled);
        };
        user.remove().await?;
        self.shared.sharers.put(id, &Access::default());
        user.tell_gone();
        self.forget(id, held);
        let gone = {
            let mut warm = self.shared.warm.lock();
            let (gone, keep): (Vec<_>, Vec<_>) = warm.drain(..).partition(|m| m.user.id() == id);
            warm.extend(keep);
            gone
        };
        for mailbox in user.opened().await.into_iter().chain(gone) {
            mailbox.mark_deleted();
        }
        Ok(())
    }
}
