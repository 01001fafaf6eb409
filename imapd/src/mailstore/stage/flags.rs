//! Flags: the bits of keywords, and STORE.
//!
//! A keyword is defined in a mailbox when a message gets it, in the same work unit, and not before. It stays defined when no message
//! has it any more, so that clients go on offering it, until all bits are given out: then one that no message has makes room.

use std::borrow::Cow;
use std::sync::Arc;

use super::{BoxStage, Stage};
use crate::mailstore::backend::{DefinedKeyword, Op};
use crate::mailstore::change_log::{Change, Entry};
use crate::mailstore::columns::Columns;
use crate::mailstore::error::StoreError;
use crate::mailstore::flag_runs::{Alike, FlagMask};
use crate::mailstore::open::{OpenMailbox, State};
use crate::mailstore::touches::{FlagBits, Touch};
use crate::mailstore::types::{MessageRecord, ModSeq, SessionId, Uid};
use crate::mailstore::user::{FlagsAsked, Outcome, Untouchable};
use crate::syntax::ast::FlagChange;
use crate::syntax::flag::{FlagList, Keyword, SystemFlags};

/// Keywords that a mailbox does not know yet, with the bits they would have, and the records of those that make room for them.
type Fresh = Vec<(u8, Option<u32>, Keyword)>;

impl BoxStage {
    /// The bits of keywords, given out as needed; `None` when there are too many.
    pub(super) fn keyword_bits(&mut self, keywords: &[Keyword], ops: &mut Vec<Op>) -> Option<u64> {
        let (bits, fresh) = self.choose_bits(keywords)?;
        self.define(fresh, ops);
        Some(bits)
    }

    /// The bits that keywords have, and those that new ones would have; `None` when there are too many.
    fn choose_bits(&self, keywords: &[Keyword]) -> Option<(u64, Fresh)> {
        let mut fresh = Vec::new();
        if keywords.is_empty() {
            return Some((0, fresh));
        }
        let mut table = self.keyword_table();
        let known = table.iter().enumerate();
        let known = known.filter(|(_, k)| k.as_ref().is_some_and(|k| keywords.contains(k)));
        let mut bits = known.fold(0u64, |bits, (bit, _)| bits | 1 << bit);
        let mut in_use = None;
        for keyword in keywords {
            if table.iter().any(|k| k.as_ref() == Some(keyword)) {
                continue;
            }
            let bit = match table.iter().position(Option::is_none) {
                Some(free) => free,
                // Those that are asked for now are in use in a moment.
                None => (!(*in_use.get_or_insert_with(|| self.keywords_in_use()) | bits)).trailing_zeros()
                    as usize,
            };
            *table.get_mut(bit)? = Some(keyword.clone());
            fresh.push((u8::try_from(bit).unwrap_or(u8::MAX), self.keyword_slot(bit), keyword.clone()));
            bits |= 1 << bit;
        }
        Some((bits, fresh))
    }

    /// The record of the keyword that has a bit.
    fn keyword_slot(&self, bit: usize) -> Option<u32> {
        let here = self.keywords.iter().rfind(|k| usize::from(k.bit) == bit).map(|k| k.slot);
        here.or_else(|| self.mailbox.state().keyword_slots[bit])
    }

    /// The bits of keywords that some message has, or had before this work unit.
    fn keywords_in_use(&self) -> u64 {
        let records = self.changed.values().chain(self.added.values());
        self.mailbox.state().columns.keywords_in_use()
            | records.fold(0, |bits, record| bits | record.keywords)
            | self.alike.iter().fold(0, |bits, alike| bits | alike.mask.keywords_set)
    }

    /// The keywords of the mailbox by bit, as they are now.
    fn keyword_table(&self) -> Vec<Option<Keyword>> {
        let mut table = self.mailbox.state().keywords.clone();
        for defined in &self.keywords {
            table[usize::from(defined.bit)] = Some(defined.keyword.clone());
        }
        table
    }

    /// A message as it is now, and whether nothing was done to any; `next` is where it is looked for first, and then where the one
    /// behind it is.
    #[inline]
    fn next_record(&self, columns: &Columns, uid: Uid, next: &mut usize) -> (Option<MessageRecord>, bool) {
        // Mostly all messages are asked for, or neighbours.
        let same = self.is_untouched() && columns.uids().get(*next) == Some(&uid.0);
        let position = if same { Some(*next) } else { columns.position(uid) };
        *next = position.map_or(*next, |p| p + 1);
        let found = match position.filter(|_| same) {
            Some(position) => self.record_at(columns, position),
            None => self.record_over(columns, uid),
        };
        (found, same)
    }

    /// Makes keywords known.
    fn define(&mut self, fresh: Fresh, ops: &mut Vec<Op>) {
        for (bit, former, keyword) in fresh {
            // The record of one that makes room is written anew, so that no bit has two.
            let slot = former.unwrap_or_else(|| self.slot());
            let defined = DefinedKeyword { bit, slot, keyword };
            ops.push(Op::PutKeyword { dir: self.mailbox.dir.clone(), defined: defined.clone() });
            self.keywords.push(defined);
        }
    }

    /// The bits of keywords that a STORE names, and which of them are new.
    fn bits_to_store(&self, change: FlagChange, keywords: &[Keyword]) -> Result<(u64, Fresh), StoreError> {
        if change != FlagChange::Remove {
            return self.choose_bits(keywords).ok_or(StoreError::Limit("too many keywords in the mailbox"));
        }
        if keywords.is_empty() {
            return Ok((0, Vec::new()));
        }
        // Removing a keyword nobody knows must not define it.
        let table = self.keyword_table();
        let known =
            table.iter().enumerate().filter(|(_, k)| k.as_ref().is_some_and(|k| keywords.contains(k)));
        Ok((known.fold(0, |bits, (bit, _)| bits | 1 << bit), Vec::new()))
    }
}

/// A STORE as it is carried out.
struct Storing {
    change: FlagChange,
    /// The flags that the client names, as far as it may change them.
    named: FlagBits,
    unchanged_since: Option<ModSeq>,
}

impl Storing {
    /// Whether the message was changed after what the client knows (RFC 7162 section 3.1.3).
    #[inline]
    fn is_refused(&self, stage: &BoxStage, state: &State, record: &MessageRecord) -> bool {
        let changed = self.unchanged_since.filter(|limit| record.modseq > *limit);
        changed.is_some_and(|limit| self.was_changed(limit, stage, state, record))
    }

    /// Whether what it is about was among what changed.
    fn was_changed(&self, limit: ModSeq, stage: &BoxStage, state: &State, record: &MessageRecord) -> bool {
        // To say what all flags are, one must know all (section 3.1.12).
        if self.change == FlagChange::Replace {
            return true;
        }
        // What a message has not is there for nobody to have changed, but for system flags (section 3.1.3, example 8).
        let keywords_alone = self.named.system == SystemFlags::default();
        if limit == ModSeq(0) && keywords_alone && record.keywords & self.named.keywords == 0 {
            return false;
        }
        let Some(touches) = state.touches.since(limit) else { return true };
        let mut last = None;
        for touch in touches.chain(&stage.touches).filter(|t| t.modseq > limit && t.has(record.uid)) {
            if touch.flags.meet(self.named) {
                return true;
            }
            last = Some(touch.modseq);
        }
        // What is not explained may have been a change of any flag.
        last != Some(record.modseq)
    }
}

impl Stage<'_> {
    /// Changes flags; gives back the UIDs that are there, ascending, and those left alone because they were changed
    /// after `unchanged_since`.
    pub(in crate::mailstore) fn store(
        &mut self,
        mailbox: &Arc<OpenMailbox>,
        uids: &[Uid],
        asked: &FlagsAsked,
        by: SessionId,
    ) -> Result<Outcome, StoreError> {
        let mut each: Cow<'_, [Uid]> = uids.into();
        if !uids.is_sorted_by(|a, b| a < b) {
            each.to_mut().sort_unstable();
            each.to_mut().dedup();
        }
        let FlagsAsked { change, flags, unchanged_since, kept, reader } = asked;
        let (change, flags) = (*change, kept.of(flags.clone()));
        let (stage, ops) = self.open(mailbox)?;
        let (bits, fresh) = stage.bits_to_store(change, &flags.keywords)?;
        let reader = stage.own_reader(*reader);
        let state = mailbox.state();
        let mask = mask(change, &flags, *kept, bits);
        let named = FlagBits { system: flags.system, keywords: bits };
        let storing = Storing { change, named, unchanged_since: *unchanged_since };
        // Messages that nothing else was done to, by UID, and all that are changed, as they are afterwards.
        let (mut alike, mut altered) = (Vec::new(), Vec::new());
        let (mut modseq, mut touched) = (None, FlagBits::default());
        let mut next = 0;
        let mut present = Vec::with_capacity(uids.len());
        let mut refused = Vec::new();
        for uid in each.iter() {
            let (found, same) = stage.next_record(&state.columns, *uid, &mut next);
            let Some(mut record) = found else { continue };
            if storing.is_refused(stage, &state, &record) {
                refused.push(*uid);
                continue;
            }
            present.push(*uid);
            let before = FlagBits { system: stage.flags_for(reader, &record), keywords: record.keywords };
            let after =
                FlagBits { system: mask.system(before.system), keywords: mask.keywords(before.keywords) };
            if before == after {
                continue;
            }
            touched.add_changed(before, after);
            stage.count(&record, -1);
            stage.set_flags(reader, &mut record, after.system);
            record.keywords = after.keywords;
            record.modseq = *modseq.get_or_insert_with(|| {
                // Where one is changed, mostly all are.
                alike.reserve(each.len());
                altered.reserve(each.len());
                stage.log.reserve(each.len());
                stage.next_modseq()
            });
            stage.count(&record, 1);
            if same || !(stage.changed.contains_key(&uid.0) || stage.added.contains_key(&uid.0)) {
                alike.push(uid.0);
            }
            altered.push(record);
            stage.log.push(Entry::one(Change::Flags, *uid, by));
        }
        if let Some(modseq) = modseq {
            stage.define(fresh, ops);
            stage.touches.push(match alike.len() == altered.len() {
                true => Touch::new(modseq, touched, alike.iter().copied()),
                false => Touch::new(modseq, touched, altered.iter().map(|r| r.uid.0)),
            });
        }
        let ascending = reader.is_none() && alike.is_sorted();
        let alike = modseq.filter(|_| ascending).and_then(|m| Alike::new(m, mask, &alike, &state.columns));
        let told = |uid: Uid| alike.as_ref().is_some_and(|a| a.uids.contains(uid.0));
        altered.into_iter().filter(|r| !told(r.uid)).for_each(|r| stage.put(r));
        stage.alike.extend(alike);
        Ok(Outcome::Stored { present, refused })
    }
}

/// What a STORE does to the flags of a message. `bits` are those of its keywords.
pub(super) fn mask(change: FlagChange, flags: &FlagList, kept: Untouchable, bits: u64) -> FlagMask {
    match change {
        FlagChange::Replace => FlagMask {
            stay: kept.system,
            set: flags.system,
            keywords_stay: if kept.keywords { u64::MAX } else { 0 },
            keywords_set: bits,
        },
        FlagChange::Add => FlagMask {
            stay: SystemFlags::ALL,
            set: flags.system,
            keywords_stay: u64::MAX,
            keywords_set: bits,
        },
        FlagChange::Remove => FlagMask {
            stay: SystemFlags::ALL.without(flags.system),
            set: SystemFlags::default(),
            keywords_stay: !bits,
            keywords_set: 0,
        },
    }
}
