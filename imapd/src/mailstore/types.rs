//! Numbers and records of the mail store.

use bytes::Bytes;

use super::summaries::SummaryPlace;
use crate::syntax::date::InternalDate;
use crate::syntax::flag::{Keyword, SystemFlags};
use crate::syntax::mailbox_name::MailboxName;
use crate::vm::UserId;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// Unique identifier of a message in its mailbox; never zero, never used twice.
    Uid(u32)
);
number!(
    /// Value that tells whether UIDs of an earlier visit still hold.
    UidValidity(u32)
);
number!(
    /// Modification sequence: grows with every change of a mailbox (RFC 7162).
    ModSeq(u64)
);
number!(
    /// Number of a mailbox within its user, never used twice; its directory is named after it.
    MailboxId(u32)
);
number!(
    /// A session, so that changes can be told from one's own.
    SessionId(u64)
);

impl ModSeq {
    /// Greatest that a client may name (RFC 7162 section 7).
    pub const MAX: Self = Self(i64::MAX as u64);
}

/// What a message and its copies have in common, wherever they are, and no other message (RFC 8474 section 5.1): a number, and
/// among whose messages that is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EmailId {
    /// Made where the message was first kept.
    pub number: u64,
    /// Whose mailbox that was; `None` for the user from whom one looks: in a record he in whose mailboxes it is.
    pub owner: Option<UserId>,
}

impl EmailId {
    /// Of a message of the user from whom one looks.
    pub fn own(number: u64) -> Self {
        Self { number, owner: None }
    }

    /// That of a message that first stood there: UIDVALIDITY and UID never repeat together.
    pub fn of(uid_validity: UidValidity, uid: Uid) -> Self {
        Self::own((u64::from(uid_validity.0) << 32) | u64::from(uid.0))
    }

    /// The same one looked at from another user.
    #[must_use]
    pub fn seen_from(self, before: UserId, now: UserId) -> Self {
        let owner = self.owner.unwrap_or(before);
        Self { owner: (owner != now).then_some(owner), ..self }
    }

    /// What tells its message from the others in a mailbox, in 8 octets: the number, into which the user id goes where there is one.
    /// Numbers of two users may be the same, and often are; these only by chance.
    pub fn mark(self) -> u64 {
        let mut name = [0; 8];
        if let Some(owner) = self.owner {
            name.iter_mut().zip(owner.as_str().bytes()).for_each(|(place, octet)| *place = octet);
        }
        self.number ^ u64::from_le_bytes(name)
    }
}

/// How the records of a note stand for its octets; see [`crate::mailstore::sfs::note_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoteMarks(pub u8);

impl NoteMarks {
    /// The last line has no CRLF on the wire.
    pub const NO_FINAL_CRLF: u8 = 1;
    /// A line is longer than a record can be: records are plain pieces of the octets.
    pub const PIECES: u8 = 2;
    /// A line feed stands without a carriage return before it, so a line of text may begin within a record.
    pub const BARE_LF: u8 = 4;

    /// Whether that mark is set.
    pub fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// One message as NOTE INDEX has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its UID, which is also the name of its note file.
    pub uid: Uid,
    /// When it was last changed.
    pub modseq: ModSeq,
    /// System flags.
    pub flags: SystemFlags,
    /// Keywords, bits of the mailbox's keyword table.
    pub keywords: u64,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// When it was put into this mailbox, seconds since 1970 UTC.
    pub saved: i64,
    /// Octets on the wire.
    pub size: u64,
    /// Records of the note file.
    pub records: u32,
    /// How the records stand for the octets.
    pub marks: NoteMarks,
    /// EMAILID.
    pub email: EmailId,
    /// Record number in NOTE INDEX.
    pub slot: u32,
    /// Where its summary is kept.
    pub summary: SummaryPlace,
}

impl MessageRecord {
    /// When it was put into this mailbox.
    pub fn save_date(&self) -> InternalDate {
        InternalDate { seconds: self.saved, zone_minutes: 0 }
    }
}

/// What is true of a mailbox name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub u32);

impl Attributes {
    /// The name exists; without it the row only keeps a subscription.
    pub const EXISTS: u32 = 1;
    /// The name cannot be selected.
    pub const NOSELECT: u32 = 2;
    /// The name is subscribed to.
    pub const SUBSCRIBED: u32 = 4;

    /// Readers have a `\Seen` of their own.
    pub const OWN_SEEN: u32 = 256;

    /// Special uses (RFC 6154; `\\Important` is of RFC 8457), each with its name. `\\All` and `\\Flagged` are for mailboxes that show
    /// messages kept elsewhere, which there are none of here.
    pub const USES: [(u32, &'static str); 6] = [
        (8, "\\Archive"),
        (16, "\\Drafts"),
        (32, "\\Junk"),
        (64, "\\Sent"),
        (128, "\\Trash"),
        (512, "\\Important"),
    ];

    /// All of them.
    pub const ALL_USES: u32 = 8 | 16 | 32 | 64 | 128 | 512;

    /// The bit of a special use, by its name in any case.
    pub fn use_named(name: &[u8]) -> Option<u32> {
        Self::USES.iter().find(|(_, n)| n.as_bytes().eq_ignore_ascii_case(name)).map(|(bit, _)| *bit)
    }

    /// The bits of special uses separated by blanks (RFC 6154 section 4); `None` when one is not known.
    pub fn uses_in(text: &[u8]) -> Option<u32> {
        let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.try_fold(0, |bits, word| Some(bits | Self::use_named(word)?))
    }

    /// The special uses that are set.
    pub fn uses(self) -> impl Iterator<Item = &'static str> {
        Self::USES.into_iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| name)
    }

    /// Whether all of these bits are set.
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }

    /// Sets or clears bits.
    pub fn set(&mut self, bits: u32, on: bool) {
        if on {
            self.0 |= bits;
        } else {
            self.0 &= !bits;
        }
    }
}

/// One mailbox as MAILBOX INDEX has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRow {
    /// Its number.
    pub id: MailboxId,
    /// Its directory below the top directory.
    pub dir: String,
    /// Its name.
    pub name: MailboxName,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The next UID.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// What is true of the name.
    pub attributes: Attributes,
    /// Messages from this UID on are recent: no session was told of them.
    pub recent_from: Uid,
    /// When it was created, seconds since 1970 UTC.
    pub created: i64,
    /// Messages in it.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Octets of all messages.
    pub octets: u64,
    /// Record number in MAILBOX INDEX.
    pub slot: u32,
    /// Record number of the continuation of a long name, or 0.
    pub name_slot: u32,
}

impl MailboxRow {
    /// Octets of a name that fit the row itself; the rest goes into a continuation record.
    pub const INLINE_NAME: usize = 400;

    /// A mailbox without messages that exists in a directory of its own, made at `created`; its slots are still to be given.
    pub fn empty(id: MailboxId, name: MailboxName, uid_validity: UidValidity, created: i64) -> Self {
        let mut attributes = Attributes::default();
        attributes.set(Attributes::EXISTS, true);
        Self {
            id,
            dir: if name.is_inbox() { "INBOX".into() } else { format!("F{:08X}", id.0) },
            name,
            uid_validity,
            uid_next: Uid(1),
            highest_modseq: ModSeq(1),
            attributes,
            recent_from: Uid(1),
            created,
            messages: 0,
            unseen: 0,
            octets: 0,
            slot: 0,
            name_slot: 0,
        }
    }

    /// The row after a change that is none of its messages.
    #[must_use]
    pub fn changed(mut self) -> Self {
        self.highest_modseq.0 += 1;
        self
    }

    /// Whether it can be selected.
    pub fn selectable(&self) -> bool {
        self.attributes.has(Attributes::EXISTS) && !self.attributes.has(Attributes::NOSELECT)
    }
}

/// Where an arrived message came from: the spool file it was, so that none is taken twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Owner of the spool file.
    pub owner: UserId,
    /// Its number.
    pub spool_id: u16,
    /// Its creation time, in the unit that the spool gives, which tells files of one number apart.
    pub created: u64,
}

/// Which file space something was written in, as its backend tells them apart: a restored one is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceId(pub i64);

/// A moment as a UIDVALIDITY: these follow the clock, in seconds since 1970 UTC, unless mailboxes are made faster than seconds go by.
pub fn seconds(now: i64) -> u32 {
    u32::try_from(now.clamp(1, i64::from(u32::MAX))).unwrap_or(1)
}

/// What MAILBOX INDEX says of the user as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserHeader {
    /// Greatest UIDVALIDITY given so far.
    pub last_uid_validity: u32,
    /// Greatest mailbox number given so far.
    pub last_mailbox_id: u32,
    /// The file space; 0 in files of before that was noted.
    pub space: SpaceId,
    /// The last spool files taken, oldest first, at most [`UserHeader::ORIGINS`].
    pub origins: Vec<Origin>,
}

impl SessionId {
    /// Who changes mailboxes without being a session: arrival and administration.
    pub const NOBODY: Self = Self(0);
}

impl UserHeader {
    /// How many spool files are remembered: arrival may have as many taken but not yet purged for one user.
    pub const ORIGINS: usize = 24;
}

/// A message on its way into a mailbox.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// System flags.
    pub flags: SystemFlags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// The EMAILID that it has already, as it is from where it goes; without one it gets its own.
    pub email: Option<EmailId>,
    /// Its octets.
    pub octets: Bytes,
}
