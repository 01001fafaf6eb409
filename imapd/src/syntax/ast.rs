//! Commands as the parser hands them over: one variant a command, arguments validated, nothing looked up.

use bytes::Bytes;

use crate::mailstore::{ModSeq, RightsChange};

use super::date::InternalDate;
use super::flag::FlagList;
use super::partial_range::PartialRange;
use super::rights::Rights;
use super::search_key::{SearchKey, SearchReturn};
use super::section::Section;
use super::seqset::SequenceSet;
use super::sort_key::{SortKey, ThreadAlgorithm};

/// A mailbox argument as it came: the session knows in which form its names are. A name that breaks a rule of ours is
/// well formed on the wire, so it is answered NO, not BAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxArg(pub Vec<u8>);

/// What a client says of itself with ID (RFC 2971).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientId {
    /// Its `name`.
    pub name: Option<Bytes>,
    /// Its `version`.
    pub version: Option<Bytes>,
}

/// A parsed command without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the command of its name")]
pub enum Command {
    Capability,
    Noop,
    Logout,
    StartTls,
    Id(ClientId),
    Enable(Vec<Vec<u8>>),
    Login {
        user: Vec<u8>,
        password: Vec<u8>,
    },
    Authenticate {
        mechanism: Vec<u8>,
        initial: Option<Vec<u8>>,
    },
    Unauthenticate,
    Language(Vec<Vec<u8>>),
    Compress(Vec<u8>),
    Select {
        mailbox: MailboxArg,
        args: SelectArgs,
    },
    Create {
        mailbox: MailboxArg,
        uses: Vec<Vec<u8>>,
    },
    Delete(MailboxArg),
    Rename(MailboxArg, MailboxArg),
    Subscribe(MailboxArg),
    Unsubscribe(MailboxArg),
    List(ListArgs),
    Lsub {
        reference: Vec<u8>,
        pattern: Vec<u8>,
        /// Whether it is RLSUB.
        remote: bool,
    },
    Status {
        mailbox: MailboxArg,
        items: Vec<StatusItem>,
    },
    Append {
        mailbox: MailboxArg,
        messages: Vec<AppendMessage>,
    },
    Replace {
        message: SequenceSet,
        mailbox: MailboxArg,
        by: AppendMessage,
        uid: bool,
    },
    GetMetadata {
        mailbox: MailboxArg,
        options: MetadataOptions,
        entries: Vec<String>,
    },
    SetMetadata {
        mailbox: MailboxArg,
        values: Vec<(String, Option<Bytes>)>,
    },
    GetAcl(MailboxArg),
    SetAcl {
        mailbox: MailboxArg,
        who: Vec<u8>,
        how: RightsChange,
        rights: Rights,
    },
    DeleteAcl {
        mailbox: MailboxArg,
        who: Vec<u8>,
    },
    ListRights {
        mailbox: MailboxArg,
        who: Vec<u8>,
    },
    MyRights(MailboxArg),
    GetQuota {
        root: Vec<u8>,
    },
    GetQuotaRoot {
        mailbox: MailboxArg,
    },
    SetQuota {
        root: Vec<u8>,
        limits: Vec<(QuotaResource, u64)>,
    },
    Namespace,
    Idle,
    /// Nothing for NOTIFY NONE.
    Notify(Option<NotifySet>),
    Check,
    Close,
    Unselect,
    Expunge,
    UidExpunge(SequenceSet),
    Search {
        returns: Option<SearchReturn>,
        /// Shown of new messages that come to match, with UPDATE (RFC 5465 section 7).
        attributes: Vec<FetchItem>,
        charset: Option<Vec<u8>>,
        key: SearchKey,
        uid: bool,
    },
    Esearch {
        sources: Vec<SearchSource>,
        returns: SearchReturn,
        /// As of SEARCH.
        attributes: Vec<FetchItem>,
        charset: Option<Vec<u8>>,
        key: SearchKey,
    },
    Sort {
        returns: Option<SearchReturn>,
        /// As of SEARCH.
        attributes: Vec<FetchItem>,
        keys: Vec<SortKey>,
        charset: Vec<u8>,
        key: SearchKey,
        uid: bool,
    },
    Thread {
        algorithm: ThreadAlgorithm,
        charset: Vec<u8>,
        key: SearchKey,
        uid: bool,
    },
    Fetch {
        set: SequenceSet,
        items: Vec<FetchItem>,
        since: Option<ChangedSince>,
        partial: Option<PartialRange>,
        uid: bool,
    },
    /// Tags of searches whose updates are to end.
    CancelUpdate(Vec<Vec<u8>>),
    UidBatches {
        size: u32,
        range: Option<(u32, u32)>,
    },
    Store {
        set: SequenceSet,
        args: StoreArgs,
        uid: bool,
    },
    Copy {
        set: SequenceSet,
        mailbox: MailboxArg,
        uid: bool,
    },
    Move {
        set: SequenceSet,
        mailbox: MailboxArg,
        uid: bool,
    },
}

/// Where ESEARCH looks (RFC 7377 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchSource {
    /// The selected mailbox.
    Selected,
    /// Where mail arrives.
    Inboxes,
    /// All mailboxes of the user.
    Personal,
    /// Those he has subscribed to.
    Subscribed,
    /// These.
    Mailboxes(Vec<MailboxArg>),
    /// These and what is below them.
    Subtree {
        /// The uppermost.
        roots: Vec<MailboxArg>,
        /// Whether only one level below is meant.
        one_level: bool,
    },
}

/// What NOTIFY SET asks for (RFC 5465 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySet {
    /// Whether figures of the mailboxes are wanted at once.
    pub status: bool,
    /// What is to be told of which mailboxes.
    pub groups: Vec<EventGroup>,
}

/// Events of some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// Which mailboxes.
    pub watched: Watched,
    /// Which events; none for `NONE`.
    pub events: Vec<NotifyEvent>,
}

/// Mailboxes of an event group (RFC 5465 section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The one that is selected.
    Selected {
        /// Whether expunged messages wait for a command that may tell of them.
        delayed: bool,
    },
    /// Those that are not; never [`SearchSource::Selected`].
    Others(SearchSource),
}

/// An event (RFC 5465 section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the event of its name")]
pub enum NotifyEvent {
    /// With what is shown of new messages.
    MessageNew(Vec<FetchItem>),
    MessageExpunge,
    FlagChange,
    MailboxName,
    SubscriptionChange,
    MailboxMetadataChange,
    ServerMetadataChange,
    /// One that this server does not have.
    Other,
}

/// What SELECT and EXAMINE ask for, the mailbox apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectArgs {
    /// Whether it is EXAMINE.
    pub read_only: bool,
    /// `CONDSTORE`
    pub condstore: bool,
    /// `QRESYNC`
    pub resync: Option<Resync>,
}

/// What a client knows of a mailbox it comes back to (RFC 7162 section 3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// UIDVALIDITY it saw.
    pub uid_validity: u32,
    /// HIGHESTMODSEQ it saw.
    pub modseq: ModSeq,
    /// UIDs it knows; all, when not given.
    pub known: Option<SequenceSet>,
    /// Some message numbers and the UIDs they had.
    pub matched: Option<(SequenceSet, SequenceSet)>,
}

/// `(CHANGEDSINCE n [VANISHED])` (RFC 7162 sections 3.1.4.1 and 3.2.6)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedSince {
    /// Messages changed after this are shown.
    pub modseq: ModSeq,
    /// Whether expunged messages are told.
    pub vanished: bool,
}

/// A message of APPEND or REPLACE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendMessage {
    /// Its flags.
    pub flags: FlagList,
    /// Its INTERNALDATE, when given.
    pub date: Option<InternalDate>,
    /// What it is made of.
    pub data: AppendData,
}

/// What a message of APPEND is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendData {
    /// These octets.
    Octets(Bytes, Carrier),
    /// Parts one behind the other (RFC 4469).
    Catenate(Vec<CatPart>),
}

/// A part of a message that is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatPart {
    /// These octets.
    Text(Bytes, Carrier),
    /// What a URL leads to, as it came.
    Url(Bytes),
}

/// How octets come with APPEND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// A literal.
    #[default]
    Literal,
    /// A binary literal (RFC 3516 section 4.4).
    Literal8,
    /// A binary literal within `UTF8 (...)` (RFC 6855 section 4).
    Utf8,
}

/// What STORE asks for, its messages apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreArgs {
    /// How flags change.
    pub change: FlagChange,
    /// Whether the new flags are not to be shown.
    pub silent: bool,
    /// The flags.
    pub flags: FlagList,
    /// Messages changed after this are left alone (RFC 7162 section 3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// What STATUS can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the item of its name")]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Size,
    Deleted,
    AppendLimit,
    DeletedStorage,
    HighestModSeq,
    MailboxId,
}

/// How deep GETMETADATA looks (RFC 5464 section 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// The entries named alone.
    #[default]
    Zero,
    /// Those directly below too.
    One,
    /// All below too.
    Infinity,
}

/// Options of GETMETADATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetadataOptions {
    /// Longer values are left out.
    pub max_size: Option<u32>,
    /// Which entries.
    pub depth: Depth,
}

/// What a quota limits (RFC 9208 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaResource {
    /// Units of 1024 octets.
    Storage,
    /// Messages.
    Message,
    /// Mailboxes.
    Mailbox,
    /// One that this server does not have.
    Unknown,
}

/// What LIST asks for (RFC 5258).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListArgs {
    /// What names must be.
    pub select: ListSelect,
    /// What is put before the patterns.
    pub reference: Vec<u8>,
    /// Any of these matches.
    pub patterns: Vec<Vec<u8>>,
    /// What is shown.
    pub returns: ListReturn,
    /// Whether anything of RFC 5258 was used.
    pub extended: bool,
}

/// Selection options of LIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSelect {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `RECURSIVEMATCH`
    pub recursive: bool,
    /// `SPECIAL-USE` (RFC 6154)
    pub special_use: bool,
    /// `REMOTE`, and of RLIST
    pub remote: bool,
}

/// Return options of LIST. CHILDREN and SPECIAL-USE attributes are always shown, so they are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReturn {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `STATUS (items)` (RFC 5819)
    pub status: Option<Vec<StatusItem>>,
    /// `MYRIGHTS` (RFC 8440)
    pub my_rights: bool,
    /// METADATA (RFC 9590): the annotations of each.
    pub metadata: Vec<String>,
}

/// How STORE changes flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    /// `FLAGS`: these and no others.
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// What FETCH can be asked for; the macros are already taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the item of its name")]
pub enum FetchItem {
    Flags,
    InternalDate,
    Rfc822Size,
    Uid,
    ModSeq,
    Envelope,
    /// `BODY` without brackets: the structure without extension data.
    Body,
    BodyStructure,
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// `BODY[...]`, or `BODY.PEEK[...]`, with `<offset.length>`.
    BodySection {
        section: Section,
        peek: bool,
        partial: Option<(u64, u64)>,
    },
    /// `BINARY[...]`, or `BINARY.PEEK[...]`, with `<offset.length>` (RFC 3516).
    Binary {
        path: Vec<u32>,
        peek: bool,
        partial: Option<(u64, u64)>,
    },
    /// `BINARY.SIZE[...]`
    BinarySize {
        path: Vec<u32>,
    },
    EmailId,
    ThreadId,
    SaveDate,
    Preview {
        lazy: bool,
    },
}

impl FetchItem {
    /// Whether fetching this sets `\Seen`.
    pub fn sets_seen(&self) -> bool {
        matches!(
            self,
            Self::Rfc822
                | Self::Rfc822Text
                | Self::BodySection { peek: false, .. }
                | Self::Binary { peek: false, .. }
        )
    }
}
