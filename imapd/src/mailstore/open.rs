//! A mailbox that is open somewhere: its messages, its change log, its cached views.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::watch;

use super::backend::{DefinedKeyword, LoadedMailbox};
use super::catalog::Slots;
use super::change_log::{ChangeLog, Since};
use super::columns::Columns;
use super::error::StoreError;
use super::flag_runs::FlagRuns;
use super::note_cache::InMemory;
use super::orders::Orders;
use super::own_seen::OwnSeen;
use super::summaries::Places;
use super::texts::Texts;
use super::tombstones::Tombstones;
use super::touches::Touches;
use super::types::{MailboxId, MailboxRow, MessageRecord, ModSeq, Uid, UidValidity};
use super::user::UserStore;
use crate::mail::NoteView;
use crate::mail::head::Head;
use crate::mail::summary::Summary;
use crate::syntax::flag::Keyword;
use crate::vm::UserId;

/// What changes with each commit.
#[derive(Debug, Default)]
pub struct State {
    /// The messages.
    pub columns: Columns,
    /// What happened lately.
    pub log: ChangeLog,
    /// Which flags changed lately.
    pub touches: Touches,
    /// Keywords by bit.
    pub keywords: Vec<Option<Keyword>>,
    /// Their records of NOTE INDEX, by bit.
    pub(super) keyword_slots: Vec<Option<u32>>,
    /// How often a keyword was made known since the mailbox was opened.
    pub keyword_changes: u64,
    /// The next UID.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// What was expunged when.
    pub tombstones: Tombstones,
    /// Flags that NOTE INDEX tells beside the messages' records.
    pub flag_runs: FlagRuns,
    /// Whether NOTE INDEX is of a format whose records name the user who kept a message first.
    pub has_owners: bool,
    /// Whether the mailbox was deleted under its sessions.
    pub deleted: bool,
}

impl State {
    /// The bit of a keyword.
    pub fn keyword_bit(&self, keyword: &Keyword) -> Option<u64> {
        self.keywords.iter().position(|k| k.as_ref() == Some(keyword)).map(|i| 1 << i)
    }

    /// Whether a keyword that is not known can be made so: there is room for one, or one that no message has gives way.
    pub fn takes_keywords(&self) -> bool {
        self.keywords.iter().any(Option::is_none) || self.columns.keywords_in_use() != u64::MAX
    }

    /// Makes a keyword known, in place of one that has its bit.
    pub(super) fn define(&mut self, defined: DefinedKeyword) {
        let bit = usize::from(defined.bit);
        if let (Some(place), Some(slot)) = (self.keywords.get_mut(bit), self.keyword_slots.get_mut(bit)) {
            *place = Some(defined.keyword);
            *slot = Some(defined.slot);
            self.keyword_changes += 1;
        }
    }
}

/// What was made of messages and is worth keeping, oldest out first.
#[derive(Debug)]
struct Kept<T> {
    by_uid: HashMap<u32, (T, usize)>,
    order: VecDeque<u32>,
    weight: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { by_uid: HashMap::new(), order: VecDeque::new(), weight: 0 }
    }
}

impl<T: Clone> Kept<T> {
    fn get(&self, uid: Uid) -> Option<T> {
        self.by_uid.get(&uid.0).map(|(kept, _)| kept.clone())
    }

    /// Keeps one of `weight` octets, all together at most `most`; gives back by how much all grew.
    fn keep(&mut self, uid: Uid, new: T, weight: usize, most: usize) -> isize {
        let before = self.weight;
        self.weight += weight;
        match self.by_uid.insert(uid.0, (new, weight)) {
            Some((_, old)) => self.weight -= old,
            None => self.order.push_back(uid.0),
        }
        while self.weight > most
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some((_, old)) = self.by_uid.remove(&oldest) {
                self.weight -= old;
            }
        }
        self.weight.cast_signed() - before.cast_signed()
    }

    /// Forgets all; gives back how much that was.
    fn clear(&mut self) -> usize {
        std::mem::take(self).weight
    }
}

/// A mailbox in memory.
pub struct OpenMailbox {
    /// Its user.
    pub user: Arc<UserStore>,
    /// Its number.
    pub id: MailboxId,
    /// Its directory.
    pub dir: String,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// What its notes in memory are found by.
    in_memory: InMemory,
    pub(super) state: RwLock<State>,
    pub(super) slots: Mutex<Slots>,
    recent_from: AtomicU32,
    /// What readers have seen, when they have a `\Seen` of their own.
    own_seen: RwLock<Option<OwnSeen>>,
    changed: watch::Sender<u64>,
    views: Mutex<Kept<Arc<NoteView>>>,
    heads: Mutex<Kept<Arc<Head>>>,
    summaries: Mutex<Kept<Summary>>,
    pub(super) places: Mutex<Places>,
    /// Summaries made from messages could not be kept.
    pub(super) keeps_none: AtomicBool,
    pub(super) texts: Texts,
    pub(super) orders: Orders,
}

impl Drop for OpenMailbox {
    fn drop(&mut self) {
        self.clear_caches();
    }
}

impl OpenMailbox {
    /// Most keywords that messages of one mailbox have: one bit each in a record of NOTE INDEX.
    pub const MAX_KEYWORDS: usize = 64;
    /// Octets of cached views of one mailbox: about 10,000 messages.
    const MAX_VIEW_OCTETS: usize = 16 * 1024 * 1024;
    /// Octets of headers kept for SORT and THREAD of one mailbox: about 100,000 messages.
    const MAX_HEAD_OCTETS: usize = 40 * 1024 * 1024;
    /// Octets of summaries in memory of one mailbox: about 30,000 messages.
    const MAX_SUMMARY_OCTETS: usize = 32 * 1024 * 1024;
    /// Octets read first to find a header: enough for nearly all.
    const FIRST_READ: u64 = 8 * 1024;
    /// Octets of a header that are looked at.
    const MAX_HEAD: u64 = 1024 * 1024;

    pub(super) fn new(
        user: Arc<UserStore>,
        row: &MailboxRow,
        loaded: LoadedMailbox,
        own_seen: Option<OwnSeen>,
    ) -> Self {
        let mut columns = loaded.records;
        columns.complete(row.uid_validity);
        let places = Places::new(columns.summaries());
        let mut state = State {
            columns,
            log: ChangeLog::default(),
            touches: Touches::new(row.highest_modseq),
            keywords: vec![None; Self::MAX_KEYWORDS],
            keyword_slots: vec![None; Self::MAX_KEYWORDS],
            keyword_changes: 0,
            uid_next: row.uid_next,
            highest_modseq: row.highest_modseq,
            tombstones: Tombstones::new(loaded.tombstone_floor, loaded.tombstones, row.highest_modseq),
            flag_runs: FlagRuns::new(loaded.flag_runs, loaded.has_runs),
            has_owners: loaded.has_owners,
            deleted: false,
        };
        loaded.keywords.into_iter().for_each(|keyword| state.define(keyword));
        Self {
            in_memory: user.brings(),
            user,
            id: row.id,
            dir: row.dir.clone(),
            uid_validity: row.uid_validity,
            state: RwLock::new(state),
            slots: Mutex::new(Slots::new(loaded.free_slots, loaded.next_slot)),
            recent_from: AtomicU32::new(row.recent_from.0),
            own_seen: RwLock::new(own_seen),
            changed: watch::Sender::new(0),
            views: Mutex::default(),
            heads: Mutex::default(),
            summaries: Mutex::default(),
            places: Mutex::new(places),
            keeps_none: AtomicBool::new(false),
            texts: Texts::default(),
            orders: Orders::default(),
        }
    }

    /// The committed state. Never held across an await.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// Whether somebody else than the owner has seen a message; `None` when the flag of the message tells.
    pub fn seen_by(&self, reader: UserId, uid: Uid) -> Option<bool> {
        self.own_seen.read().as_ref().map(|own| own.has(reader, uid.0))
    }

    /// Whether readers have a `\Seen` of their own.
    pub fn has_own_seen(&self) -> bool {
        self.own_seen.read().is_some()
    }

    pub(super) fn own_seen(&self) -> Option<OwnSeen> {
        self.own_seen.read().clone()
    }

    pub(super) fn set_own_seen(&self, own: Option<OwnSeen>) {
        *self.own_seen.write() = own;
    }

    /// Wakes when something changed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What happened since a position, and the position now.
    pub fn since(&self, position: u64) -> (Since, u64) {
        let state = self.state();
        (state.log.since(position), state.log.end())
    }

    /// The mailbox is gone from the store: to its sessions all messages are.
    pub(super) fn mark_deleted(&self) {
        {
            let mut state = self.state.write();
            state.deleted = true;
            state.columns = Columns::default();
        }
        // The log did not move, but sessions must look.
        self.changed.send_modify(|_| {});
    }

    /// Whether a message that could not be read is gone. Its note goes a moment before the state says so, and whoever removes it has
    /// the turn until then.
    pub async fn is_gone(&self, uid: Uid) -> bool {
        let gone = || self.state().columns.position(uid).is_none();
        if gone() {
            return true;
        }
        drop(self.user.turn().await);
        gone()
    }

    /// Whether a mailbox that could not be read was deleted, in the same way.
    pub async fn is_deleted(&self) -> bool {
        if !self.state().deleted {
            drop(self.user.turn().await);
        }
        self.state().deleted
    }

    /// Takes the modification sequence over that the mailbox has got without a change of its messages.
    pub(super) fn take_modseq(&self) {
        let row = self.user.catalog().row(self.id).map(|row| row.highest_modseq);
        let mut state = self.state.write();
        state.highest_modseq = row.map_or(state.highest_modseq, |modseq| state.highest_modseq.max(modseq));
    }

    pub(super) fn wake(&self) {
        let end = self.state().log.end();
        self.changed.send_replace(end);
    }

    /// First UID that no session was told of.
    pub fn recent_from(&self) -> Uid {
        Uid(self.recent_from.load(Ordering::Relaxed))
    }

    /// Takes all messages below `uid_next` as told: those from the answer on are recent in the caller's session and in
    /// no other.
    pub fn claim_recent(&self, uid_next: Uid) -> Uid {
        Uid(self.recent_from.fetch_max(uid_next.0, Ordering::Relaxed))
    }

    /// Octets of a message.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn read(&self, record: &MessageRecord) -> Result<Bytes, StoreError> {
        self.read_range(record, 0..record.size, 0).await
    }

    /// Whole messages; `None` for one that cannot be read, of which [`OpenMailbox::read`] says why.
    ///
    /// # Errors
    /// What the backend says of all of them.
    pub async fn read_several(&self, records: &[MessageRecord]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read_all(records, true).await
    }

    /// The same for a look at many messages that nobody will want again: what is in memory is used, and nothing is added to it.
    ///
    /// # Errors
    /// What the backend says of all of them.
    pub(super) async fn read_in_passing(
        &self,
        records: &[MessageRecord],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.read_all(records, false).await
    }

    async fn read_all(
        &self,
        records: &[MessageRecord],
        keep: bool,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut notes: Vec<Option<Bytes>> = records.iter().map(|r| self.note_in_memory(r)).collect();
        let lacking: Vec<usize> = (0..notes.len()).filter(|i| notes[*i].is_none()).collect();
        if lacking.is_empty() {
            return Ok(notes);
        }
        let wanted: Vec<MessageRecord> = lacking.iter().map(|i| records[*i]).collect();
        let read = self.user.backend().read_notes(self.user.id(), &self.dir, &wanted).await?;
        self.is_there()?;
        for (i, note) in lacking.into_iter().zip(read) {
            if let Some(note) = note.as_ref().filter(|_| keep) {
                self.user.notes().keep(self.in_memory, records[i].uid, note);
            }
            notes[i] = note;
        }
        Ok(notes)
    }

    /// Fails when the mailbox or its user is gone: what was read just now may be of one that has come in its place, in the same
    /// directory.
    fn is_there(&self) -> Result<(), StoreError> {
        self.user.is_there()?;
        if self.state().deleted { Err(StoreError::MailboxDeleted) } else { Ok(()) }
    }

    fn note_in_memory(&self, record: &MessageRecord) -> Option<Bytes> {
        self.user.notes().get(self.in_memory, record.uid, record.size)
    }

    /// Some octets of a message; a line of it begins at octet `line`, which is at or before the first of them.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn read_range(
        &self,
        record: &MessageRecord,
        octets: std::ops::Range<u64>,
        line: u64,
    ) -> Result<Bytes, StoreError> {
        let octets = octets.start.min(record.size)..octets.end.min(record.size);
        if octets.is_empty() {
            return Ok(Bytes::new());
        }
        let range = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        if let Some(note) = self.note_in_memory(record) {
            return Ok(note.slice(range(octets.start)..range(octets.end)));
        }
        let whole = octets == (0..record.size);
        let read = self.user.backend().read_note(self.user.id(), &self.dir, record, octets, line).await?;
        self.is_there()?;
        if whole {
            self.user.notes().keep(self.in_memory, record.uid, &read);
        }
        Ok(read)
    }

    /// The view of a message, when it is in memory.
    pub fn cached_view(&self, uid: Uid) -> Option<Arc<NoteView>> {
        self.views.lock().get(uid)
    }

    /// Keeps a view.
    pub fn keep_view(&self, uid: Uid, view: &Arc<NoteView>) {
        let grown = self.views.lock().keep(uid, view.clone(), view.weight(), Self::MAX_VIEW_OCTETS);
        self.grew(grown);
    }

    /// A message from its beginning on, its whole header at least.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn read_header(&self, record: &MessageRecord) -> Result<Bytes, StoreError> {
        self.beginning(record, record.size).await
    }

    /// A message from its beginning on: its header, or `most` octets of it.
    async fn beginning(&self, record: &MessageRecord, most: u64) -> Result<Bytes, StoreError> {
        let mut wanted = Self::FIRST_READ;
        loop {
            let octets = self.read_range(record, 0..wanted, 0).await?;
            let whole = memchr::memmem::find(&octets, b"\r\n\r\n").is_some();
            if whole || wanted >= record.size.min(most) {
                return Ok(octets);
            }
            wanted *= 16;
        }
    }

    /// What SORT and THREAD need of a message, when it is in memory.
    pub fn cached_head(&self, uid: Uid) -> Option<Arc<Head>> {
        self.heads.lock().get(uid)
    }

    /// Keeps what SORT and THREAD need of a message.
    pub fn keep_head(&self, uid: Uid, head: &Arc<Head>) {
        let grown = self.heads.lock().keep(uid, head.clone(), head.weight(), Self::MAX_HEAD_OCTETS);
        self.grew(grown);
    }

    /// What SORT and THREAD need of a message, from the beginning of the note.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn head(&self, record: &MessageRecord) -> Result<Arc<Head>, StoreError> {
        let head = Arc::new(Head::new(&self.beginning(record, Self::MAX_HEAD).await?));
        self.keep_head(record.uid, &head);
        Ok(head)
    }

    /// The summaries that are in memory.
    pub(super) fn cached_summaries(&self, records: &[MessageRecord]) -> Vec<Option<Summary>> {
        let kept = self.summaries.lock();
        records.iter().map(|r| kept.get(r.uid)).collect()
    }

    /// Keeps a summary in memory.
    pub(super) fn keep_summary(&self, uid: Uid, summary: &Summary) {
        let weight = summary.weight();
        let grown = self.summaries.lock().keep(uid, summary.clone(), weight, Self::MAX_SUMMARY_OCTETS);
        self.grew(grown);
    }

    fn grew(&self, octets: isize) {
        self.user.cached_octets(|all| {
            // It never falls below zero: what is subtracted was added before.
            all.fetch_add(octets.cast_unsigned(), Ordering::Relaxed);
        });
        self.user.shed_caches(self);
    }

    /// Drops what is kept in memory and can be made again.
    pub(super) fn clear_caches(&self) {
        self.orders.clear();
        let kept = self.views.lock().clear() + self.heads.lock().clear() + self.summaries.lock().clear();
        self.user.cached_octets(|all| {
            all.fetch_sub(kept, Ordering::Relaxed);
            self.texts.clear(all);
        });
    }
}

impl std::fmt::Debug for OpenMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenMailbox").field("user", &self.user.id()).field("id", &self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_at_and_past_its_bound() {
        let mut kept = Kept::default();
        for uid in 1..=4 {
            assert_eq!(kept.keep(Uid(uid), uid, 25, 100), 25);
        }
        assert!((1..=4).all(|uid| kept.get(Uid(uid)) == Some(uid)));
        // Another one of the same message takes its place; one more puts the oldest out.
        assert_eq!(kept.keep(Uid(2), 7, 25, 100), 0);
        assert_eq!(kept.keep(Uid(5), 5, 26, 100), -24);
        let all: Vec<Option<u32>> = (1..=5).map(|uid| kept.get(Uid(uid))).collect();
        assert_eq!(all, [None, None, Some(3), Some(4), Some(5)]);
        assert_eq!(kept.clear(), 76);
        assert_eq!(kept.get(Uid(5)), None);
    }
}
