//! What the mail store asks of whatever keeps it.

use std::ops::Range;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::access::Access;
use super::columns::Columns;
use super::entries::Entries;
use super::error::StoreError;
use super::flag_runs::FlagRun;
use super::own_seen::OwnSeen;
use super::summaries::SummaryPlace;
use super::tombstones::Tombstone;
use super::types::{
    EmailId, MailboxId, MailboxRow, MessageRecord, ModSeq, NoteMarks, SpaceId, Uid, UidValidity, UserHeader,
};
use crate::mail::summary::Summary;
use crate::syntax::flag::Keyword;
use crate::vm::UserId;

/// The answer of a backend.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// All that is known of a user's mailboxes.
#[derive(Debug, Clone, Default)]
pub struct LoadedUser {
    /// The user as a whole.
    pub header: UserHeader,
    /// One row a name.
    pub rows: Vec<MailboxRow>,
    /// Record numbers below `next_slot` that hold nothing.
    pub free_slots: Vec<u32>,
    /// First record number never used.
    pub next_slot: u32,
    /// MAILBOX ENTRIES.
    pub entries: Entries,
    /// Whether this was brought back from a backup since the mail store wrote it: nobody knows what was given and told after that.
    pub brought_back: bool,
}

impl LoadedUser {
    /// Gives the mailboxes these UIDVALIDITYs, in the order of their former ones.
    pub(super) fn renumber(&mut self, first: UidValidity) {
        self.rows.sort_by_key(|row| row.uid_validity);
        for (row, validity) in self.rows.iter_mut().zip(first.0..) {
            row.uid_validity = UidValidity(validity);
        }
        let last = self.rows.last().map_or(first, |row| row.uid_validity);
        self.header.last_uid_validity = self.header.last_uid_validity.max(last.0);
        self.brought_back = false;
    }
}

/// Blocks of 4 KB of a file space, or of a storage group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceFigures {
    /// In use.
    pub used: u64,
    /// How many there may be.
    pub limit: u64,
    /// From how many percent of these on commits warn; 0: never.
    pub threshold: u8,
}

/// How a commit went that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// A file space has grown and is above its warning threshold.
    pub is_above_threshold: bool,
}

/// A keyword that a mailbox knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedKeyword {
    /// Its bit in the records of messages.
    pub bit: u8,
    /// Its record of NOTE INDEX.
    pub slot: u32,
    /// The keyword.
    pub keyword: Keyword,
}

/// All that is known of a mailbox's messages.
#[derive(Debug, Clone, Default)]
pub struct LoadedMailbox {
    /// The messages.
    pub records: Columns,
    /// Keywords.
    pub keywords: Vec<DefinedKeyword>,
    /// What is known of expunged messages.
    pub tombstones: Vec<Tombstone>,
    /// From where on that is all; not known in files of the first format.
    pub tombstone_floor: Option<ModSeq>,
    /// Flags of many messages changed alike; what they say is in the records already.
    pub flag_runs: Vec<FlagRun>,
    /// Whether the file is of a format that has such.
    pub has_runs: bool,
    /// Whether it is of one whose records name the user who kept a message first.
    pub has_owners: bool,
    /// Record numbers below `next_slot` that hold nothing.
    pub free_slots: Vec<u32>,
    /// First record number never used.
    pub next_slot: u32,
}

impl LoadedMailbox {
    /// What is known of one that was just made, whose records begin at `next_slot`.
    pub(super) fn empty(next_slot: u32) -> Self {
        let tombstone_floor = Some(ModSeq(0));
        Self { tombstone_floor, has_runs: true, has_owners: true, next_slot, ..Self::default() }
    }
}

/// One step of a work unit. Directories are named by their one level below the user's top directory.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Op {
    /// Replaces the header of MAILBOX INDEX.
    PutHeader(UserHeader),
    /// Replaces MAILBOX ENTRIES.
    PutEntries(Entries),
    /// Writes a row of MAILBOX INDEX at its slots.
    PutRow(MailboxRow),
    /// Frees records of MAILBOX INDEX.
    DropRow { id: MailboxId, slot: u32, name_slot: u32 },
    /// Makes a directory with an empty NOTE INDEX.
    CreateDir { dir: String },
    /// Removes a directory with its NOTE INDEX and these notes, which are all it has.
    RemoveDir { dir: String, notes: Vec<Uid> },
    /// Writes a note.
    AddNote { dir: String, uid: Uid, octets: Bytes, shape: Shape },
    /// Makes notes from others, pairs of source and new UID, sharing blocks where the pool can.
    CopyNotes { from_dir: String, to_dir: String, pairs: Vec<(Uid, Uid)> },
    /// Gives notes the UIDs of another mailbox of the user, or of the same: pairs of old and new one.
    MoveNotes { from_dir: String, to_dir: String, pairs: Vec<(Uid, Uid)> },
    /// Writes a summary at its place.
    PutSummary { dir: String, place: SummaryPlace, email: EmailId, summary: Summary },
    /// Forgets all summaries of a mailbox, and all texts.
    DropSummaries { dir: String },
    /// Forgets all texts of mailboxes, as far as there are any.
    DropTexts { dirs: Vec<String> },
    /// Erases notes.
    RemoveNotes { dir: String, uids: Vec<Uid> },
    /// Writes records of NOTE INDEX at their slots.
    PutRecords { dir: String, records: Vec<MessageRecord> },
    /// Frees records of NOTE INDEX.
    DropRecords { dir: String, slots: Vec<u32> },
    /// Replaces NOTE SEEN.
    PutSeen { dir: String, seen: OwnSeen },
    /// Writes a keyword of NOTE INDEX at its slot; of another one that was there before, nothing stays.
    PutKeyword { dir: String, defined: DefinedKeyword },
    /// Writes a tombstone of NOTE INDEX at its slot.
    PutTombstone { dir: String, tombstone: Tombstone },
    /// Writes a record of NOTE INDEX at its slot: flags of many messages changed alike.
    PutFlagRun { dir: String, run: FlagRun },
    /// Writes the header of NOTE INDEX, of today's format: from where on tombstones are complete.
    PutFloor { dir: String, floor: ModSeq },
}

impl Op {
    /// Whether a file of texts may go with it.
    pub fn erases_texts(&self) -> bool {
        matches!(self, Self::DropTexts { .. } | Self::DropSummaries { .. } | Self::RemoveDir { .. })
    }
}

/// How a message is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its records.
    pub records: u32,
    /// What they do not say.
    pub marks: NoteMarks,
    /// The octets that are written, unless they are made as they are written.
    pub image: Option<Bytes>,
}

/// Keeps mail. A `commit` is atomic and durable on return.
pub trait Backend: Send + Sync + 'static {
    /// Everything of MAILBOX INDEX; `None` when the user is not enrolled.
    fn load_user(&self, user: UserId) -> Answer<'_, Option<LoadedUser>>;
    /// The users who let others at their mailboxes, with what they let them.
    fn sharers(&self) -> Answer<'_, Vec<(UserId, Access)>>;
    /// Everything of a NOTE INDEX.
    fn load_mailbox<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, LoadedMailbox>;
    /// Everything of NOTE SEEN, which need not be there.
    fn load_seen<'a>(&'a self, user: UserId, dir: &'a str) -> Answer<'a, OwnSeen>;
    /// Octets of a note as they were on the wire. `line` is an octet at or before the first of them where a line of the
    /// message begins: reading may start there.
    fn read_note<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        record: &'a MessageRecord,
        octets: Range<u64>,
        line: u64,
    ) -> Answer<'a, Bytes>;
    /// Whole notes; `None` for one that cannot be read, of which [`Backend::read_note`] says why.
    fn read_notes<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        records: &'a [MessageRecord],
    ) -> Answer<'a, Vec<Option<Bytes>>> {
        async move {
            let mut out = Vec::with_capacity(records.len());
            for record in records {
                out.push(self.read_note(user, dir, record, 0..record.size, 0).await.ok());
            }
            Ok(out)
        }
        .boxed()
    }
    /// The records at places of summaries; less than asked for, or nothing, where the file has less.
    fn read_summaries<'a>(
        &'a self,
        user: UserId,
        dir: &'a str,
        places: &'a [SummaryPlace],
    ) -> Answer<'a, Vec<Bytes>>;
    /// Octets of the file of texts; fewer at its end, none where there is no such file.
    fn read_texts<'a>(&'a self, user: UserId, dir: &'a str, octets: Range<u64>) -> Answer<'a, Bytes>;
    /// Keeps the first `keep` octets of the file of texts and puts `then` behind them, both whole records of it; durable on
    /// return. Without an octet left there is no file. Fails when the file is shorter.
    fn write_texts<'a>(&'a self, user: UserId, dir: &'a str, keep: u64, then: Bytes) -> Answer<'a, ()>;
    /// All steps or none. The next slot of a mailbox that no step names is unchanged.
    fn commit(&self, user: UserId, ops: Vec<Op>) -> Answer<'_, Committed> {
        self.commit_together(vec![(user, ops)])
    }
    /// The same with the steps of several users: all or none of all of them.
    fn commit_together(&self, parts: Vec<(UserId, Vec<Op>)>) -> Answer<'_, Committed>;
    /// Makes a file space of that many 4 KB blocks, and says which it is; no error when there is one already.
    fn enroll(&self, user: UserId, blocks: u32) -> Answer<'_, SpaceId>;
    /// The blocks of a file space.
    fn space(&self, user: UserId) -> Answer<'_, SpaceFigures>;
    /// The blocks of the storage group that a file space is in; `None` when that grows with the host's disk.
    fn group_space(&self, user: UserId) -> Answer<'_, Option<SpaceFigures>>;
    /// Changes how many blocks a file space may have.
    fn set_space(&self, user: UserId, blocks: u64) -> Answer<'_, ()>;
    /// Removes a file space with all that is in it, and remembers `last`, the greatest UIDVALIDITY that its user had.
    fn delete_user(&self, user: UserId, last: UidValidity) -> Answer<'_, ()>;
    /// Gives so many UIDVALIDITYs, one after the other, beyond all that any user was ever given; the first of them. `now` is in seconds
    /// since 1970 UTC.
    fn new_validities(&self, count: u32, now: i64) -> Answer<'_, UidValidity>;
    /// How octets become records. Asked before the message waits for its turn, so that what takes long is done then.
    fn shape(&self, octets: &[u8]) -> Shape;
    /// First slot of MAILBOX INDEX and NOTE INDEX that is free in a new file.
    fn first_slots(&self) -> (u32, u32);
}
