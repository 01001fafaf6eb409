//! Changes of one work unit before it is committed: overlays over the committed state, and the steps they come to.
//!
//! Requests of one batch see each other's changes here. Nothing outside does: [`Stage::publish`] is called after the
//! commit, [`Stage::discard`] when it failed. A request that fails leaves no trace in the stage.

mod flags;
mod take;

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::sync::Arc;

use self::flags::mask;
pub(super) use self::take::allowed;
use super::backend::{DefinedKeyword, Op};
use super::change_log::{Change, Entry};
use super::columns::Columns;
use super::error::StoreError;
use super::flag_runs::{Alike, FlagRuns};
use super::news;
use super::open::OpenMailbox;
use super::own_seen::OwnSeen;
use super::summaries::{self, Made, Ready, SummaryPlace};
use super::tombstones::Tombstones;
use super::touches::{FlagBits, Touch};
use super::types::{
    Attributes, EmailId, MailboxId, MailboxRow, MessageRecord, ModSeq, NewMessage, Origin, SessionId, Uid,
    UserHeader,
};
use super::user::{CopyHow, Outcome, Untouchable, UserStore};
use crate::mail::summary::Summary;
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::{FlagList, Keyword, SystemFlags};
use crate::syntax::seqset::NumberSet;
use crate::vm::UserId;

struct BoxStage {
    mailbox: Arc<OpenMailbox>,
    row: MailboxRow,
    changed: BTreeMap<u32, MessageRecord>,
    added: BTreeMap<u32, MessageRecord>,
    /// Changes of many messages alike, in order; these are not in `changed`, unless something else happened to them later.
    alike: Vec<Alike>,
    removed: BTreeSet<u32>,
    keywords: Vec<DefinedKeyword>,
    taken: Vec<u32>,
    freed: Vec<u32>,
    taken_places: Vec<SummaryPlace>,
    freed_places: Vec<SummaryPlace>,
    /// Summaries of messages added here, for the memory.
    summaries: Made,
    log: Vec<Entry>,
    /// The same by flags, ascending by modification sequence.
    touches: Vec<Touch>,
    /// What readers see or see no more.
    seen: BTreeMap<UserId, BTreeMap<u32, bool>>,
    /// What readers have seen afterwards, when that changes.
    own_seen: Option<OwnSeen>,
    /// Whether readers have a `\Seen` of their own afterwards, when that changes.
    seen_mode: Option<bool>,
    /// What is known of expunged messages afterwards, when that changes.
    tombstones: Option<Tombstones>,
    /// Which flags are told by runs afterwards, when that changes.
    flag_runs: Option<FlagRuns>,
    /// Whether NOTE INDEX gets the header of a format whose records name the user who kept a message first.
    names_owners: bool,
}

impl BoxStage {
    fn new(mailbox: Arc<OpenMailbox>, row: MailboxRow) -> Self {
        Self {
            mailbox,
            row,
            changed: BTreeMap::new(),
            added: BTreeMap::new(),
            alike: Vec::new(),
            removed: BTreeSet::new(),
            keywords: Vec::new(),
            taken: Vec::new(),
            freed: Vec::new(),
            taken_places: Vec::new(),
            freed_places: Vec::new(),
            summaries: Vec::new(),
            log: Vec::new(),
            touches: Vec::new(),
            seen: BTreeMap::new(),
            own_seen: None,
            seen_mode: None,
            tombstones: None,
            flag_runs: None,
            names_owners: false,
        }
    }

    fn record(&self, uid: Uid) -> Option<MessageRecord> {
        self.record_over(&self.mailbox.state().columns, uid)
    }

    /// A message as it is now; `columns` are those of the mailbox.
    fn record_over(&self, columns: &Columns, uid: Uid) -> Option<MessageRecord> {
        if self.removed.contains(&uid.0) {
            return None;
        }
        let staged = self.added.get(&uid.0).or_else(|| self.changed.get(&uid.0));
        staged.copied().or_else(|| self.record_at(columns, columns.position(uid)?))
    }

    /// A message that nothing was done to but what was done to many.
    fn record_at(&self, columns: &Columns, position: usize) -> Option<MessageRecord> {
        let mut record = columns.at(position);
        for alike in &self.alike {
            if alike.uids.contains(record.uid.0) {
                alike.mask.apply(&mut record, alike.modseq);
            }
        }
        Some(record)
    }

    /// Who has a `\Seen` of his own here.
    fn own_reader(&self, reader: Option<UserId>) -> Option<UserId> {
        reader.filter(|_| self.mailbox.has_own_seen())
    }

    /// The flags of a message as a reader sees them.
    fn flags_for(&self, reader: Option<UserId>, record: &MessageRecord) -> SystemFlags {
        let Some(reader) = reader else { return record.flags };
        let staged = self.seen.get(&reader).and_then(|changes| changes.get(&record.uid.0)).copied();
        let seen = staged.or_else(|| self.mailbox.seen_by(reader, record.uid)).unwrap_or(false);
        let others = record.flags.without(SystemFlags::SEEN);
        if seen { others.with(SystemFlags::SEEN) } else { others }
    }

    /// Sets the flags of a message as a reader wants them.
    fn set_flags(&mut self, reader: Option<UserId>, record: &mut MessageRecord, flags: SystemFlags) {
        let Some(reader) = reader else {
            record.flags = flags;
            return;
        };
        self.seen.entry(reader).or_default().insert(record.uid.0, flags.contains(SystemFlags::SEEN));
        let owners = record.flags.contains(SystemFlags::SEEN);
        record.flags = flags.without(SystemFlags::SEEN);
        if owners {
            record.flags = record.flags.with(SystemFlags::SEEN);
        }
    }

    /// Steps that keep what readers have seen.
    fn keep_seen(&mut self, ops: &mut Vec<Op>) {
        let Some(old) = self.mailbox.own_seen() else { return };
        let mut own = old.clone();
        for (reader, changes) in &self.seen {
            if let Err(error) = own.change(*reader, changes) {
                // Reading must work all the same; who comes too late keeps nothing.
                tracing::warn!(reader = %reader, error = %error, "what was seen is not kept");
            }
        }
        let gone: Vec<u32> = self.removed.iter().copied().collect();
        own.forget(&gone);
        if own != old {
            ops.push(Op::PutSeen { dir: self.mailbox.dir.clone(), seen: own.clone() });
            self.own_seen = Some(own);
        }
    }

    /// Whether no message was added, changed by itself or removed.
    fn is_untouched(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }

    fn put(&mut self, record: MessageRecord) {
        let map = if self.added.contains_key(&record.uid.0) { &mut self.added } else { &mut self.changed };
        map.insert(record.uid.0, record);
    }

    fn count(&mut self, record: &MessageRecord, sign: i64) {
        let add = |n: u32, d: i64| u32::try_from((i64::from(n) + d).max(0)).unwrap_or(u32::MAX);
        self.row.messages = add(self.row.messages, sign);
        if !record.flags.contains(SystemFlags::SEEN) {
            self.row.unseen = add(self.row.unseen, sign);
        }
        self.row.octets = if sign < 0 {
            self.row.octets.saturating_sub(record.size)
        } else {
            self.row.octets.saturating_add(record.size)
        };
    }

    /// Messages more than there are in the committed state.
    fn growth(&self) -> i64 {
        let state = self.mailbox.state();
        let gone = self.removed.iter().filter(|uid| state.columns.get(Uid(**uid)).is_some()).count();
        self.added.len() as i64 - gone as i64
    }

    fn next_modseq(&mut self) -> ModSeq {
        self.row.highest_modseq.0 += 1;
        self.row.highest_modseq
    }

    fn slot(&mut self) -> u32 {
        let slot = self.mailbox.slots.lock().take();
        self.taken.push(slot);
        slot
    }

    fn place(&mut self, pieces: u8) -> SummaryPlace {
        let place = self.mailbox.places.lock().take(pieces);
        self.taken_places.push(place);
        place
    }

    /// Keeps the summary of a message: where it is, in its record.
    fn summarize(&mut self, record: &mut MessageRecord, summary: &Summary, ops: &mut Vec<Op>) {
        record.summary = self.place(summaries::pieces(summary));
        ops.push(Op::PutSummary {
            dir: self.mailbox.dir.clone(),
            place: record.summary,
            email: record.email,
            summary: summary.clone(),
        });
        self.summaries.push((record.uid, summary.clone()));
    }

    /// Steps that keep what was removed.
    fn bury(&mut self, ops: &mut Vec<Op>) {
        if self.removed.is_empty() {
            return;
        }
        let mut tombstones = self.mailbox.state().tombstones.clone();
        let gone = NumberSet::from_sorted(self.removed.iter().copied());
        let added = tombstones.add(self.row.highest_modseq, &gone, || self.slot());
        let dir = || self.mailbox.dir.clone();
        ops.extend(added.written.into_iter().map(|tombstone| Op::PutTombstone { dir: dir(), tombstone }));
        // After what was written: a tombstone that was merged away again in the same turn is free in the end.
        if !added.freed.is_empty() {
            ops.push(Op::DropRecords { dir: dir(), slots: added.freed.clone() });
        }
        if let Some(floor) = added.floor {
            ops.push(Op::PutFloor { dir: dir(), floor });
            self.flag_runs.get_or_insert_with(|| self.mailbox.state().flag_runs.clone()).allow();
        }
        self.freed.extend(added.freed);
        self.tombstones = Some(tombstones);
    }

    /// Steps that keep what was changed alike.
    fn run_flags(&mut self, ops: &mut Vec<Op>) {
        let none = self.mailbox.state().flag_runs.is_empty();
        if self.alike.is_empty() && (none || self.row.messages > 0) {
            return;
        }
        let mut runs = self.flag_runs.take().unwrap_or_else(|| self.mailbox.state().flag_runs.clone());
        let dir = || self.mailbox.dir.clone();
        if self.row.messages == 0 && !runs.is_empty() {
            let slots = runs.clear();
            self.freed.extend(&slots);
            ops.push(Op::DropRecords { dir: dir(), slots });
        } else if !self.alike.is_empty() {
            let added = runs.add(&self.alike, || {
                let slot = self.mailbox.slots.lock().take();
                self.taken.push(slot);
                slot
            });
            if added.header {
                let mut tombstones =
                    self.tombstones.take().unwrap_or_else(|| self.mailbox.state().tombstones.clone());
                ops.push(Op::PutFloor { dir: dir(), floor: tombstones.keep_floor() });
                self.tombstones = Some(tombstones);
            }
            ops.extend(added.written.into_iter().map(|run| Op::PutFlagRun { dir: dir(), run }));
            if !added.freed.is_empty() {
                ops.push(Op::DropRecords { dir: dir(), slots: added.freed.clone() });
            }
            self.freed.extend(added.freed);
            let state = self.mailbox.state();
            let uids = state.columns.uids();
            for (low, high) in added.folded {
                let range = uids.partition_point(|u| *u < low)..uids.partition_point(|u| *u <= high);
                for i in range.filter(|i| !self.removed.contains(&uids[*i])) {
                    let record = self.record_over(&state.columns, Uid(uids[i]));
                    self.changed.extend(record.map(|r| (uids[i], r)));
                }
            }
        }
        self.flag_runs = Some(runs);
    }

    /// The header of today's format, with the first record that names the user who kept a message first.
    fn name_owners(&mut self, ops: &mut Vec<Op>) {
        let state = self.mailbox.state();
        if state.has_owners || self.added.values().all(|r| r.email.owner.is_none()) {
            return;
        }
        let mut tombstones = self.tombstones.take().unwrap_or_else(|| state.tombstones.clone());
        ops.push(Op::PutFloor { dir: self.mailbox.dir.clone(), floor: tombstones.keep_floor() });
        self.tombstones = Some(tombstones);
        self.flag_runs.get_or_insert_with(|| state.flag_runs.clone()).allow();
        self.names_owners = true;
    }

    /// Removes messages with their notes.
    fn remove_all(&mut self, records: &[MessageRecord], by: SessionId, ops: &mut Vec<Op>) {
        if records.is_empty() {
            return;
        }
        let uids = records.iter().map(|r| r.uid).collect();
        ops.push(Op::RemoveNotes { dir: self.mailbox.dir.clone(), uids });
        self.forget_all(records, by, ops);
    }

    /// Removes messages whose notes go elsewhere.
    fn forget_all(&mut self, records: &[MessageRecord], by: SessionId, ops: &mut Vec<Op>) {
        if records.is_empty() {
            return;
        }
        self.log.reserve(records.len());
        records.iter().for_each(|record| self.forget(record, by));
        let uids = records.iter().map(|record| record.uid.0);
        if self.removed.is_empty() {
            // A set made of all at once is made without looking for the place of each.
            self.removed = uids.collect();
        } else {
            self.removed.extend(uids);
        }
        let slots = records.iter().map(|r| r.slot).collect();
        ops.push(Op::DropRecords { dir: self.mailbox.dir.clone(), slots });
    }

    /// All of a removal but the note that it is removed.
    fn forget(&mut self, record: &MessageRecord, by: SessionId) {
        self.changed.remove(&record.uid.0);
        self.added.remove(&record.uid.0);
        self.freed.push(record.slot);
        self.freed_places.push(record.summary);
        self.count(record, -1);
        self.log.push(Entry::one(Change::Expunged, record.uid, by));
    }
}

/// The work unit under construction.
pub(super) struct Stage<'a> {
    user: &'a UserStore,
    now: i64,
    header: Option<UserHeader>,
    boxes: HashMap<MailboxId, BoxStage>,
    ops: Vec<Op>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(user: &'a UserStore, now: i64) -> Self {
        Self { user, now, header: None, boxes: HashMap::new(), ops: Vec::new() }
    }

    /// Takes a mailbox that is made in the same work unit, with its row.
    pub(super) fn begin(&mut self, mailbox: &Arc<OpenMailbox>, row: MailboxRow) {
        self.boxes.insert(mailbox.id, BoxStage::new(mailbox.clone(), row));
    }

    /// The row of a mailbox that was changed, as it is afterwards.
    pub(super) fn row(&self, of: MailboxId) -> Option<MailboxRow> {
        self.boxes.get(&of).map(|stage| stage.row.clone())
    }

    fn open(&mut self, mailbox: &Arc<OpenMailbox>) -> Result<(&mut BoxStage, &mut Vec<Op>), StoreError> {
        if mailbox.state().deleted {
            return Err(StoreError::MailboxDeleted);
        }
        let stage = match self.boxes.entry(mailbox.id) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => {
                let row = self.user.catalog().row(mailbox.id).cloned();
                let row = row.ok_or(StoreError::MailboxDeleted)?;
                place.insert(BoxStage::new(mailbox.clone(), row))
            }
        };
        Ok((stage, &mut self.ops))
    }

    /// Fails when `more` messages are over the limit of the user.
    fn room_for(&self, more: usize) -> Result<(), StoreError> {
        let catalog = self.user.catalog();
        let Some(most) = catalog.entries.limits.messages.filter(|_| more > 0) else { return Ok(()) };
        let staged: i64 = self.boxes.values().map(BoxStage::growth).sum();
        let after = catalog.messages().saturating_add_signed(staged).saturating_add(more as u64);
        if after > most { Err(StoreError::OverQuota) } else { Ok(()) }
    }

    /// Adds messages. With an origin that was taken before, adds nothing.
    pub(super) fn append(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        messages: &[NewMessage],
        ready: &[Ready],
        how: (Option<Origin>, Option<UserId>),
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        self.append_instead(mailbox, messages, ready, how, by, 0)
    }

    /// The same, where as many as `gone` messages of this user are removed afterwards: what counts for the limit is what is more than
    /// before (RFC 8508 section 3.4).
    pub(super) fn append_instead(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        messages: &[NewMessage],
        ready: &[Ready],
        (origin, reader): (Option<Origin>, Option<UserId>),
        by: SessionId,
        gone: usize,
    ) -> Result<Outcome, StoreError> {
        let mut new_header = None;
        if let Some(origin) = origin {
            let mut header = self.header.clone().unwrap_or_else(|| self.user.catalog().header.clone());
            if header.origins.contains(&origin) {
                return Ok(Outcome::AlreadyTaken);
            }
            if header.origins.len() >= UserHeader::ORIGINS {
                header.origins.drain(..=header.origins.len() - UserHeader::ORIGINS);
            }
            header.origins.push(origin);
            new_header = Some(header);
        }
        let now = self.now;
        self.room_for(messages.len().saturating_sub(gone))?;
        let (stage, ops) = self.open(mailbox)?;
        if u64::from(stage.row.uid_next.0) + messages.len() as u64 > u64::from(u32::MAX) {
            return Err(StoreError::Limit("mailbox has no UID left"));
        }
        let all: Vec<Keyword> = messages.iter().flat_map(|m| m.keywords.iter().cloned()).collect();
        stage.keyword_bits(&all, ops).ok_or(StoreError::Limit("too many keywords in the mailbox"))?;
        let modseq = stage.next_modseq();
        let mut uids = Vec::with_capacity(messages.len());
        for (message, Ready { summary, shape }) in messages.iter().zip(ready) {
            let keywords = stage.keyword_bits(&message.keywords, ops).unwrap_or(0);
            let mut record = MessageRecord {
                uid: stage.row.uid_next,
                modseq,
                flags: message.flags,
                keywords,
                date: message.date,
                saved: now,
                size: message.octets.len() as u64,
                records: shape.records,
                marks: shape.marks,
                email: message.email.unwrap_or_else(|| EmailId::of(mailbox.uid_validity, stage.row.uid_next)),
                slot: stage.slot(),
                summary: SummaryPlace::default(),
            };
            if let reader @ Some(_) = stage.own_reader(reader) {
                record.flags = SystemFlags::default();
                stage.set_flags(reader, &mut record, message.flags);
            }
            if let Some(summary) = summary {
                stage.summarize(&mut record, summary, ops);
            }
            ops.push(Op::AddNote {
                dir: mailbox.dir.clone(),
                uid: record.uid,
                octets: message.octets.clone(),
                shape: shape.clone(),
            });
            uids.push(record.uid);
            add(stage, record, by);
        }
        stage.touches.push(Touch::new(modseq, FlagBits::ALL, uids.iter().map(|uid: &Uid| uid.0)));
        if new_header.is_some() {
            self.header = new_header;
        }
        Ok(Outcome::Uids(uids))
    }

    /// Removes messages with `\Deleted`, all or those of a set.
    pub(super) fn expunge(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        only: Option<&NumberSet>,
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        let (stage, ops) = self.open(mailbox)?;
        let wanted = |r: &MessageRecord| {
            r.flags.contains(SystemFlags::DELETED) && only.is_none_or(|set| set.contains(r.uid.0))
        };
        let mut gone: Vec<MessageRecord> = {
            let state = mailbox.state();
            let uids = state.columns.uids().iter().enumerate();
            let committed =
                uids.filter(|(_, uid)| !stage.removed.contains(uid) && !stage.changed.contains_key(uid));
            committed.filter_map(|(i, _)| stage.record_at(&state.columns, i).filter(wanted)).collect()
        };
        let staged = stage.changed.values().chain(stage.added.values());
        gone.extend(staged.filter(|r| wanted(r)));
        gone.sort_unstable_by_key(|r| r.uid);
        if !gone.is_empty() {
            stage.next_modseq();
        }
        stage.remove_all(&gone, by, ops);
        Ok(Outcome::Uids(gone.iter().map(|r| r.uid).collect()))
    }

    /// Removes messages whatever their flags are; gives back those that were there.
    pub(super) fn remove(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        uids: &[Uid],
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        let (stage, ops) = self.open(mailbox)?;
        let records: Vec<MessageRecord> = uids.iter().filter_map(|uid| stage.record(*uid)).collect();
        if !records.is_empty() {
            stage.next_modseq();
        }
        stage.remove_all(&records, by, ops);
        Ok(Outcome::Uids(records.iter().map(|r| r.uid).collect()))
    }

    /// The flags of a message as a reader, or the owner, sees them; `None` when it is gone.
    pub(super) fn flags(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        uid: Uid,
        reader: Option<UserId>,
    ) -> Result<Option<(SystemFlags, Vec<Keyword>)>, StoreError> {
        let (stage, _) = self.open(mailbox)?;
        let Some(record) = stage.record(uid) else { return Ok(None) };
        let state = mailbox.state();
        let named = state.keywords.iter().enumerate().filter(|(bit, _)| record.keywords & (1 << bit) != 0);
        let keywords = named.filter_map(|(_, keyword)| keyword.clone()).collect();
        Ok(Some((stage.flags_for(stage.own_reader(reader), &record), keywords)))
    }

    /// Adds a message to `to` and removes one of `from`; gives back the new UID, none when the other is gone.
    pub(super) fn replace(
        &mut self,
        from: &Arc<OpenMailbox>,
        uid: Uid,
        to: &Arc<OpenMailbox>,
        (message, ready): (&NewMessage, &Ready),
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        let Some(old) = self.open(from)?.0.record(uid) else { return Ok(Outcome::Uids(Vec::new())) };
        let (message, ready) = (std::slice::from_ref(message), std::slice::from_ref(ready));
        let added = self.append_instead(to, message, ready, (None, None), by, 1)?;
        let (source, ops) = self.open(from)?;
        source.next_modseq();
        source.remove_all(&[old], by, ops);
        Ok(added)
    }

    /// Copies or moves messages; gives back pairs of source and new UID.
    pub(super) fn copy(
        &mut self,
        from: &Arc<OpenMailbox>,
        uids: &[Uid],
        to: &Arc<OpenMailbox>,
        CopyHow { remove, kept, all }: CopyHow,
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        let now = self.now;
        let (source, _) = self.open(from)?;
        let mut records: Vec<MessageRecord> = uids.iter().filter_map(|u| source.record(*u)).collect();
        if all && records.len() < uids.len() {
            return Err(StoreError::Expunged);
        }
        let old = records.clone();
        records.iter_mut().for_each(|record| kept.strip(record));
        let mut table = from.state().keywords.clone();
        for defined in &source.keywords {
            table[usize::from(defined.bit)] = Some(defined.keyword.clone());
        }
        let names = |bits: u64| {
            let named = table.iter().enumerate().filter(move |(i, _)| bits & (1 << i) != 0);
            named.filter_map(|(_, k)| k.clone()).collect::<Vec<_>>()
        };
        let used = records.iter().fold(0, |bits, r| bits | r.keywords);
        if !remove {
            self.room_for(records.len())?;
        }
        let (target, ops) = self.open(to)?;
        if u64::from(target.row.uid_next.0) + records.len() as u64 > u64::from(u32::MAX) {
            return Err(StoreError::Limit("mailbox has no UID left"));
        }
        target
            .keyword_bits(&names(used), ops)
            .ok_or(StoreError::Limit("too many keywords in the mailbox"))?;
        let mut pairs = Vec::with_capacity(records.len());
        // Bits there by bits here: most messages have the same few keywords.
        let mut translated = HashMap::from([(0, 0)]);
        if !records.is_empty() {
            let modseq = target.next_modseq();
            for r in &records {
                let keywords = *translated
                    .entry(r.keywords)
                    .or_insert_with(|| target.keyword_bits(&names(r.keywords), ops).unwrap_or(0));
                let record = MessageRecord {
                    uid: target.row.uid_next,
                    modseq,
                    keywords,
                    saved: now,
                    slot: target.slot(),
                    // It follows later: the copy is right without it.
                    summary: SummaryPlace::default(),
                    ..*r
                };
                pairs.push((r.uid, record.uid));
                add(target, record, by);
            }
            target.touches.push(Touch::new(modseq, FlagBits::ALL, pairs.iter().map(|(_, new)| new.0)));
            let known = from.cached_summaries(&records).into_iter().zip(&pairs);
            target.summaries.extend(known.filter_map(|(summary, (_, new))| Some((*new, summary?))));
            let (from_dir, to_dir) = (from.dir.clone(), to.dir.clone());
            let pairs = pairs.clone();
            ops.push(match remove {
                true => Op::MoveNotes { from_dir, to_dir, pairs },
                false => Op::CopyNotes { from_dir, to_dir, pairs },
            });
        }
        if remove {
            let (source, ops) = self.open(from)?;
            source.next_modseq();
            source.forget_all(&old, by, ops);
        }
        let places = old.iter().map(|r| r.summary).collect();
        Ok(Outcome::Copied { pairs, places })
    }

    /// Gives readers a `\Seen` of their own, or ends that; all begin anew. Every message counts as changed, since it may be another
    /// one to somebody.
    pub(super) fn set_seen_mode(&mut self, mailbox: &Arc<OpenMailbox>, own: bool) -> Result<(), StoreError> {
        let (stage, ops) = self.open(mailbox)?;
        stage.row.attributes.set(Attributes::OWN_SEEN, own);
        stage.seen_mode = Some(own);
        ops.push(Op::PutSeen { dir: mailbox.dir.clone(), seen: OwnSeen::default() });
        let state = mailbox.state();
        let uids = state.columns.uids();
        if uids.is_empty() {
            return Ok(());
        }
        let modseq = stage.next_modseq();
        let mask = mask(FlagChange::Add, &FlagList::default(), Untouchable::default(), 0);
        match Alike::new(modseq, mask, uids, &state.columns) {
            Some(alike) => stage.alike.push(alike),
            None => {
                for record in (0..uids.len()).map(|i| state.columns.at(i)) {
                    stage.put(MessageRecord { modseq, ..record });
                }
            }
        }
        let changed = |uid: &u32| Entry::one(Change::Flags, Uid(*uid), SessionId::NOBODY);
        stage.log.extend(uids.iter().map(changed));
        let seen = FlagBits { system: SystemFlags::SEEN, keywords: 0 };
        stage.touches.push(Touch::new(modseq, seen, uids.iter().copied()));
        Ok(())
    }

    /// Keeps summaries of messages that have none, or a damaged one. To clients nothing has changed.
    pub(super) fn summarize(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        made: &[(MessageRecord, Summary)],
    ) -> Result<Outcome, StoreError> {
        let (stage, ops) = self.open(mailbox)?;
        for (seen, summary) in made {
            let Some(mut record) = stage.record(seen.uid) else { continue };
            let former = record.summary;
            // Another session may have been faster.
            if former != seen.summary {
                continue;
            }
            stage.summarize(&mut record, summary, ops);
            stage.freed_places.push(former);
            stage.put(record);
        }
        Ok(Outcome::Done)
    }

    /// The steps of the work unit: one write a record, whatever was done to it.
    pub(super) fn steps(&mut self) -> Vec<Op> {
        let mut ops = std::mem::take(&mut self.ops);
        for stage in self.boxes.values_mut() {
            stage.bury(&mut ops);
            stage.keep_seen(&mut ops);
            stage.run_flags(&mut ops);
            stage.name_owners(&mut ops);
            if stage.row.messages == 0 && !stage.removed.is_empty() {
                // What is left of the messages is of no use any more.
                ops.push(Op::DropSummaries { dir: stage.mailbox.dir.clone() });
            }
            let dir = &stage.mailbox.dir;
            let records: Vec<MessageRecord> =
                stage.changed.values().chain(stage.added.values()).copied().collect();
            if !records.is_empty() {
                ops.push(Op::PutRecords { dir: dir.clone(), records });
            }
            if self.user.catalog().row(stage.mailbox.id) == Some(&stage.row) {
                continue;
            }
            // Nobody is told of them again after a restart, as far as a write is due anyway.
            stage.row.recent_from = stage.mailbox.recent_from();
            ops.push(Op::PutRow(stage.row.clone()));
        }
        ops.extend(self.header.clone().map(Op::PutHeader));
        ops
    }

    /// Makes the changes visible, after the commit.
    pub(super) fn publish(self) {
        {
            let mut catalog = self.user.catalog_mut();
            if let Some(header) = self.header {
                catalog.header = header;
            }
            for stage in self.boxes.values() {
                catalog.put(stage.row.clone());
            }
        }
        let heard = self.user.news().is_heard();
        let mut news = Vec::new();
        for stage in self.boxes.into_values() {
            if heard {
                news.extend(news::of_messages(stage.mailbox.id, &stage.log));
            }
            {
                let mut state = stage.mailbox.state.write();
                stage.alike.iter().for_each(|alike| state.columns.change(alike));
                for record in stage.changed.values() {
                    state.columns.update(record);
                }
                state.columns.remove(&stage.removed);
                for record in stage.added.values() {
                    state.columns.push(record);
                }
                stage.keywords.into_iter().for_each(|keyword| state.define(keyword));
                state.uid_next = stage.row.uid_next;
                state.highest_modseq = stage.row.highest_modseq;
                state.log.extend(stage.log);
                state.touches.extend(stage.touches);
                if let Some(tombstones) = stage.tombstones {
                    state.tombstones = tombstones;
                }
                if let Some(runs) = stage.flag_runs {
                    state.flag_runs = runs;
                }
                state.has_owners |= stage.names_owners;
            }
            if let Some(own) = stage.seen_mode {
                stage.mailbox.set_own_seen(own.then(OwnSeen::default));
            }
            if stage.own_seen.is_some() {
                stage.mailbox.set_own_seen(stage.own_seen);
            }
            let mut slots = stage.mailbox.slots.lock();
            stage.freed.into_iter().for_each(|s| slots.give(s));
            drop(slots);
            let mut places = stage.mailbox.places.lock();
            stage.freed_places.into_iter().for_each(|p| places.give(p));
            drop(places);
            for (uid, summary) in &stage.summaries {
                stage.mailbox.keep_summary(*uid, summary);
            }
            if stage.row.messages == 0 {
                // NOTE TEXT went with the summaries.
                stage.mailbox.texts.file_went();
            } else if !(stage.added.is_empty() && stage.removed.is_empty()) {
                stage.mailbox.keep_texts_later();
            }
            stage.mailbox.wake();
        }
        self.user.news().post(news);
    }

    /// Gives back what was reserved, after a commit that failed.
    pub(super) fn discard(self) {
        for stage in self.boxes.into_values() {
            let mut slots = stage.mailbox.slots.lock();
            stage.taken.into_iter().for_each(|s| slots.give(s));
            let mut places = stage.mailbox.places.lock();
            stage.taken_places.into_iter().for_each(|p| places.give(p));
        }
    }
}

fn add(stage: &mut BoxStage, record: MessageRecord, by: SessionId) {
    stage.row.uid_next.0 += 1;
    stage.count(&record, 1);
    stage.log.push(Entry::one(Change::Added, record.uid, by));
    stage.added.insert(record.uid.0, record);
}
