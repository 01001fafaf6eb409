//! What one session knows of its selected mailbox: which message has which number.
//!
//! Invariant: message numbers change only when this session is told so. Messages that others expunged stay in the view
//! as ghosts until [`View::sync`] may say EXPUNGE; new ones are appended with EXISTS. While the view is up to date it
//! shares the UID column of the mailbox and costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::Enabled;
use super::batches::AskedBatches;
use super::context::Contexts;
use crate::command::select;
use crate::mailstore::change_log::{Change, Since};
use crate::mailstore::open::State;
use crate::mailstore::{MessageRecord, ModSeq, OpenMailbox, SessionId, Uid};
use crate::syntax::flag::SystemFlags;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::syntax::seqset::{NumberSet, SequenceSet};
use crate::vm::UserId;

/// A selected mailbox.
pub struct View {
    /// The mailbox.
    pub mailbox: Arc<OpenMailbox>,
    /// Whether nothing can be changed.
    pub read_only: bool,
    /// Whether it was opened with EXAMINE.
    pub examined: bool,
    /// What the user may do, as far as the client was told.
    pub rights: Rights,
    /// Whether the client was told that it is read only.
    pub told_read_only: bool,
    /// As what it was opened, when it is somebody else's.
    pub foreign_name: Option<MailboxName>,
    /// Who reads, when he is not the owner.
    pub reader: Option<UserId>,
    /// Whether the client knows `\Recent`, which IMAP4rev2 does not have.
    shows_recent: bool,
    uids: Arc<Vec<u32>>,
    position: u64,
    modseq: ModSeq,
    ghosts: BTreeSet<u32>,
    /// What the client knew of before the first of them, while there are some.
    held_since: Option<ModSeq>,
    /// Whether the client is to be told up to where it knows once it was told all: it was told that something is held, or of what others
    /// expunged.
    owes_modseq: bool,
    /// UIDs that are recent in this session, as ranges.
    recent: Vec<(u32, u32)>,
    /// Up to which change of the mailbox's keywords the client was told. They are told while messages are shown.
    known_keywords: AtomicU64,
    /// What the last SEARCH with SAVE found, `$` (RFC 5182). UIDs never come back, so those expunged do no harm.
    saved: NumberSet,
    /// Searches that are to be kept up.
    pub contexts: Contexts,
    /// What was asked for by UIDBATCHES; few clients ask.
    asked_batches: Option<Box<AskedBatches>>,
    /// Since when the client is not told of flags, when it missed some.
    unflagged_since: Option<ModSeq>,
    /// Whether there may be messages that the client does not want to know of.
    withheld: bool,
    watch: watch::Receiver<u64>,
}

/// What a session wants to be told of its selected mailbox, and may be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// Whether EXPUNGE may be sent.
    pub expunge: bool,
    /// Whether new messages are wanted, and those expunged by others.
    pub messages: bool,
    /// Whether flags that others changed are wanted.
    pub flags: bool,
    /// Whether it is to be known what changed.
    pub details: bool,
    /// Whether expunged messages are told from the highest on (RFC 9738 section 3.1), else from the lowest.
    pub highest_first: bool,
}

/// What changed of a view, as far as it was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// UIDs of new messages.
    pub added: BTreeSet<u32>,
    /// Those of them that the session itself added.
    pub own: BTreeSet<u32>,
    /// UIDs of messages whose flags changed.
    pub flagged: BTreeSet<u32>,
}

impl View {
    /// Opens a view on the mailbox as it is now, which is in `state`: what is told of it with that is of the same moment.
    pub fn new(mailbox: &Arc<OpenMailbox>, state: &State, read_only: bool, shows_recent: bool) -> Self {
        let watch = mailbox.subscribe();
        let uid_next = state.uid_next;
        let from = match (shows_recent, read_only) {
            (false, _) => uid_next,
            (true, true) => mailbox.recent_from(),
            (true, false) => mailbox.claim_recent(uid_next),
        };
        Self {
            read_only,
            examined: read_only,
            rights: Rights::ALL,
            told_read_only: read_only,
            foreign_name: None,
            reader: None,
            shows_recent,
            uids: state.columns.uids().clone(),
            position: state.log.end(),
            modseq: state.highest_modseq,
            ghosts: BTreeSet::new(),
            held_since: None,
            owes_modseq: false,
            recent: if from < uid_next { vec![(from.0, uid_next.0 - 1)] } else { Vec::new() },
            known_keywords: AtomicU64::new(state.keyword_changes),
            saved: NumberSet::default(),
            contexts: Contexts::default(),
            asked_batches: None,
            unflagged_since: None,
            withheld: false,
            watch,
            mailbox: mailbox.clone(),
        }
    }

    /// A message with the `\Seen` of who reads here.
    pub fn as_read(&self, mut record: MessageRecord) -> MessageRecord {
        match self.reader.and_then(|reader| self.mailbox.seen_by(reader, record.uid)) {
            Some(true) => record.flags = record.flags.with(SystemFlags::SEEN),
            Some(false) => record.flags = record.flags.without(SystemFlags::SEEN),
            None => {}
        }
        record
    }

    /// Whether the flags of messages tell what was seen.
    pub fn has_own_seen(&self) -> bool {
        self.reader.is_some() && self.mailbox.has_own_seen()
    }

    /// Tells which flags there are and which of them can be kept, when keywords came or went since the client was told: a flag that
    /// FLAGS did not name is a mistake of the server to some clients, so that this comes before it is shown (RFC 3501 sections 7.1
    /// and 7.2.6).
    pub fn tell_keywords(&self, state: &State, out: &mut Vec<u8>) {
        let now = state.keyword_changes;
        if self.known_keywords.swap(now, Ordering::Relaxed) == now {
            return;
        }
        write_flags_line(out, state);
        if !self.read_only {
            let user = &self.mailbox.user;
            let rights = user.rights(self.mailbox.id, self.reader.unwrap_or(user.id()));
            select::write_permanent(out, rights, state);
        }
    }

    /// Messages in the view.
    pub fn len(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    /// The modification sequence up to which the session knows of changes.
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }

    /// Tells a client that keeps modification sequences and may be cut off before it is told of expunged messages that it knows less
    /// than what it was shown (RFC 7162 section 3.2).
    pub fn write_held(&mut self, out: &mut Vec<u8>) {
        if let Some(modseq) = self.held_since {
            self.owes_modseq = true;
            let line = format!("* OK [HIGHESTMODSEQ {modseq}] Expunged messages are told later\r\n");
            out.extend_from_slice(line.as_bytes());
        }
    }

    /// Tells up to which modification sequence the session knows of changes.
    pub fn write_modseq(&self, out: &mut Vec<u8>) {
        let line = format!("* OK [HIGHESTMODSEQ {}] Highest modification sequence\r\n", self.modseq);
        out.extend_from_slice(line.as_bytes());
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The UIDs in order of their numbers.
    pub fn uids(&self) -> &Arc<Vec<u32>> {
        &self.uids
    }

    /// Whether the client knows `\Recent`.
    pub fn shows_recent(&self) -> bool {
        self.shows_recent
    }

    /// Whether a message is recent in this session.
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.iter().any(|(low, high)| (*low..=*high).contains(&uid.0))
    }

    /// How many messages are recent in this session.
    pub fn recent_count(&self) -> usize {
        self.recent
            .iter()
            .map(|(low, high)| {
                self.uids.partition_point(|u| u <= high) - self.uids.partition_point(|u| u < low)
            })
            .sum()
    }

    /// The messages a set names, as number and UID, ascending. `None` when it names a number that does not exist.
    pub fn select(&self, set: &SequenceSet, by_uid: bool) -> Option<Vec<(u32, Uid)>> {
        if by_uid || set.is_saved() {
            return Some(self.positions_of_uids(&self.resolve_uids(set)));
        }
        if set.greatest_named() > self.len() || (self.is_empty() && !set.0.is_empty()) {
            return None;
        }
        let numbers = set.resolve(self.len());
        Some(numbers.iter().map(|n| (n, Uid(self.uids[n as usize - 1]))).collect())
    }

    /// The UIDs that a set of UIDs names.
    pub fn resolve_uids(&self, set: &SequenceSet) -> NumberSet {
        if set.is_saved() {
            return self.saved.clone();
        }
        set.resolve(self.uids.last().copied().unwrap_or(0))
    }

    /// `$`
    pub fn saved(&self) -> &NumberSet {
        &self.saved
    }

    /// Sets `$`.
    pub fn save(&mut self, uids: NumberSet) {
        self.saved = uids;
    }

    /// Takes note that batches of UIDs are asked for, those numbered from `first` to `last`; whether they may be shown.
    pub fn ask_batches(&mut self, size: u32, range: (u32, u32)) -> bool {
        let uids = self.uids.clone();
        self.asked_batches.get_or_insert_default().ask(size, range, &uids)
    }

    fn positions_of_uids(&self, set: &NumberSet) -> Vec<(u32, Uid)> {
        let mut out = Vec::new();
        for (low, high) in set.ranges() {
            let start = self.uids.partition_point(|u| u < low);
            let end = self.uids.partition_point(|u| u <= high);
            // A view holds at most u32::MAX messages, UIDs being 32 bits.
            out.extend((start..end).map(|i| (i as u32 + 1, Uid(self.uids[i]))));
        }
        out
    }

    /// The number of a UID.
    pub fn number_of(&self, uid: Uid) -> Option<u32> {
        self.uids.binary_search(&uid.0).ok().map(|i| i as u32 + 1)
    }

    /// Waits until something may have changed.
    pub async fn changed(&mut self) {
        // The sender lives as long as the mailbox, which this view holds.
        if self.watch.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether there are expunged messages of which the client was not told.
    pub fn has_ghosts(&self) -> bool {
        !self.ghosts.is_empty()
    }

    /// Tells the session what changed since it was last told. Searches that are kept up lose expunged messages first, while these
    /// have their numbers.
    pub fn sync(&mut self, out: &mut Vec<u8>, me: SessionId, enabled: Enabled, how: Telling) -> Changes {
        let mailbox = self.mailbox.clone();
        let state = mailbox.state();
        let end = state.log.end();
        let waiting = !self.ghosts.is_empty() && how.expunge && how.messages;
        let missed = (self.withheld && how.messages) || (self.unflagged_since.is_some() && how.flags);
        if end == self.position && !state.deleted && !waiting && !missed {
            return Changes::default();
        }
        let mut news = self.gather(&state, me, how);
        self.position = end;
        let former = std::mem::replace(&mut self.modseq, state.highest_modseq);
        if !self.contexts.is_empty() {
            let uids = &self.uids;
            let number = |uid: u32| uids.binary_search(&uid).ok().map(|i| i as u32 + 1);
            self.contexts.leave(&news.gone, number, out);
        }
        if self.ghosts.is_empty() && !news.gone.is_empty() {
            self.held_since = Some(former);
        }
        self.ghosts.append(&mut news.gone);
        if how.expunge {
            let told = match how.messages {
                true => std::mem::take(&mut self.ghosts),
                // Of what the session did itself it is told all the same.
                false => {
                    self.ghosts.retain(|uid| !news.own_gone.contains(uid));
                    std::mem::take(&mut news.own_gone)
                }
            };
            self.tell_expunged(&told, out, enabled, how.highest_first);
        }
        if self.ghosts.is_empty() {
            self.held_since = None;
        }
        let mut changes = Changes { flagged: news.by_me, own: news.own, ..Changes::default() };
        if how.messages {
            let from = self.tell_added(&state, out);
            if how.details {
                changes.added = self.uids[from..].iter().copied().collect();
            }
        }
        self.tell_keywords(&state, out);
        if how.flags {
            if let Some(since) = self.unflagged_since.take() {
                news.flagged.extend(state.columns.changed_since(since).map(|uid| uid.0));
            }
            for uid in &news.flagged {
                self.tell_flags(Uid(*uid), &state, out, enabled);
            }
        } else if !news.flagged.is_empty() {
            self.unflagged_since.get_or_insert(former);
        }
        self.withheld = !how.messages;
        self.owes_modseq |= news.gone_by_others && enabled.qresync;
        if !state.deleted {
            self.tell_modseq(out);
        }
        if how.details {
            changes.flagged.append(&mut news.flagged);
        }
        changes
    }

    /// Tells up to where the session knows of changes, when it was told all and could not know by that: VANISHED names no modification
    /// sequence, so that a client would be told once more of what others expunged, or would take nothing to have changed (RFC 7162
    /// section 3.2).
    fn tell_modseq(&mut self, out: &mut Vec<u8>) {
        let told_all = self.ghosts.is_empty() && !self.withheld && self.unflagged_since.is_none();
        if told_all && std::mem::take(&mut self.owes_modseq) {
            self.write_modseq(out);
        }
    }

    fn tell_flags(&self, uid: Uid, state: &State, out: &mut Vec<u8>, enabled: Enabled) {
        let (Some(number), Some(record)) = (self.number_of(uid), state.columns.get(uid)) else { return };
        let record = self.as_read(record);
        enabled.write_told(out, number, uid);
        out.extend_from_slice(b"FLAGS ");
        write_flags(out, &record, state, self.is_recent(uid));
        if enabled.condstore {
            out.push(b' ');
            write_modseq(out, &record);
        }
        out.extend_from_slice(b")\r\n");
    }

    /// Collects ghosts, and messages whose flags changed.
    fn gather(&self, state: &State, me: SessionId, how: Telling) -> News {
        let mut news = News::default();
        if state.deleted {
            news.gone.extend(self.uids.iter().filter(|uid| !self.ghosts.contains(uid)));
            return news;
        }
        let mut gone = Vec::new();
        match state.log.since(self.position) {
            Since::Entries(entries) => {
                for e in entries {
                    let mine = e.by == me;
                    match e.change {
                        Change::Added if mine && how.details => news.own.extend(e.uid.0..=e.last.0),
                        Change::Added => {}
                        Change::Flags if mine && !how.details => {}
                        Change::Flags => {
                            // Also of messages that the view learns of with this very sync.
                            let to = if mine { &mut news.by_me } else { &mut news.flagged };
                            to.extend(between(state.columns.uids(), e.uid, e.last));
                        }
                        Change::Expunged => {
                            let before = gone.len();
                            gone.extend(between(&self.uids, e.uid, e.last));
                            news.gone_by_others |= !mine && gone.len() > before;
                            if mine && !how.messages {
                                news.own_gone.extend(between(&self.uids, e.uid, e.last));
                            }
                        }
                    }
                }
            }
            Since::Resync => {
                let now = state.columns.uids();
                let absent = self.uids.iter().filter(|u| now.binary_search(u).is_err());
                gone.extend(absent.filter(|uid| !self.ghosts.contains(uid)));
                news.gone_by_others = !gone.is_empty();
                news.flagged.extend(state.columns.changed_since(self.modseq).map(|u| u.0));
            }
        }
        // At once: a whole mailbox may be gone.
        news.gone = gone.into_iter().collect();
        news
    }

    fn tell_expunged(
        &mut self,
        ghosts: &BTreeSet<u32>,
        out: &mut Vec<u8>,
        enabled: Enabled,
        highest_first: bool,
    ) {
        if ghosts.is_empty() {
            return;
        }
        if enabled.vanishes() {
            let gone = NumberSet::from_sorted(ghosts.iter().copied());
            out.extend_from_slice(format!("* VANISHED {gone}\r\n").as_bytes());
        }
        // What is gone and what was known ascend both: where each stood is found on one walk.
        let mut gone = ghosts.iter().copied().peekable();
        let (mut position, mut numbers) = (0, Vec::new());
        Arc::make_mut(&mut self.uids).retain(|uid| {
            position += 1;
            while gone.next_if(|ghost| ghost < uid).is_some() {}
            let stays = gone.next_if_eq(uid).is_none();
            if !stays {
                numbers.push(position);
            }
            stays
        });
        if enabled.vanishes() {
            return;
        }
        let mut tell = |number: u64| {
            out.extend_from_slice(b"* ");
            write_number(out, number);
            out.extend_from_slice(b" EXPUNGE\r\n");
        };
        match highest_first {
            true => numbers.into_iter().rev().for_each(tell),
            // Each comes down by those that went before it.
            false => numbers.into_iter().zip(0..).for_each(|(number, told)| tell(number - told)),
        }
    }

    /// Tells of new messages; where in the view they begin.
    fn tell_added(&mut self, state: &State, out: &mut Vec<u8>) -> usize {
        if state.deleted {
            return self.uids.len();
        }
        let known = self.uids.len();
        let now = state.columns.uids();
        let last = self.uids.last().copied().unwrap_or(0);
        let from = now.partition_point(|u| *u <= last);
        let added = now.len() > from;
        if self.ghosts.is_empty() {
            // Up to date: share the column.
            self.uids = now.clone();
        } else if added {
            Arc::make_mut(&mut self.uids).extend_from_slice(&now[from..]);
        }
        if !added {
            return self.uids.len();
        }
        if self.shows_recent {
            // One that only looks takes nothing from those who come after it (RFC 3501 section 2.3.2).
            let first = match self.read_only {
                true => self.mailbox.recent_from().max(Uid(last.saturating_add(1))),
                false => self.mailbox.claim_recent(state.uid_next),
            };
            let high = state.uid_next.0 - 1;
            match self.recent.last_mut() {
                Some(last) if first < state.uid_next && last.1 + 1 == first.0 => last.1 = high,
                _ if first < state.uid_next => self.recent.push((first.0, high)),
                _ => {}
            }
        }
        out.extend_from_slice(format!("* {} EXISTS\r\n", self.uids.len()).as_bytes());
        if self.shows_recent {
            out.extend_from_slice(format!("* {} RECENT\r\n", self.recent_count()).as_bytes());
        }
        known
    }
}

/// What a view has to be told.
#[derive(Default)]
struct News {
    gone: BTreeSet<u32>,
    /// Whether others expunged some of it: what the session expunges is answered with the modification sequence.
    gone_by_others: bool,
    /// What the session itself expunged, when that is all it wants to know.
    own_gone: BTreeSet<u32>,
    /// What the session itself added, when details are asked for.
    own: BTreeSet<u32>,
    /// Messages whose flags others changed.
    flagged: BTreeSet<u32>,
    /// Those whose flags the session changed, when details are asked for.
    by_me: BTreeSet<u32>,
}

/// Appends a number.
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the flags of a message in parentheses.
pub fn write_flags(out: &mut Vec<u8>, record: &MessageRecord, state: &State, recent: bool) {
    out.push(b'(');
    let mut first = true;
    let mut word = |w: &str| {
        if !std::mem::take(&mut first) {
            out.push(b' ');
        }
        out.extend_from_slice(w.as_bytes());
    };
    for (flag, name) in SystemFlags::TABLE {
        if record.flags.contains(flag) {
            word(name);
        }
    }
    if recent {
        word("\\Recent");
    }
    if record.keywords != 0 {
        for (i, keyword) in state.keywords.iter().enumerate() {
            if let Some(keyword) = keyword
                && record.keywords & (1 << i) != 0
            {
                word(keyword.as_str());
            }
        }
    }
    out.push(b')');
}

/// Appends the MODSEQ item.
pub fn write_modseq(out: &mut Vec<u8>, record: &MessageRecord) {
    out.extend_from_slice(b"MODSEQ (");
    write_number(out, record.modseq.0);
    out.push(b')');
}

/// All flags of the mailbox, without parentheses.
pub fn flag_names(state: &State) -> String {
    let system = SystemFlags::TABLE.iter().map(|(_, n)| *n);
    let keywords = state.keywords.iter().flatten().map(|k| k.as_str());
    system.chain(keywords).collect::<Vec<_>>().join(" ")
}

/// Appends the FLAGS response.
pub fn write_flags_line(out: &mut Vec<u8>, state: &State) {
    out.extend_from_slice(format!("* FLAGS ({})\r\n", flag_names(state)).as_bytes());
}

/// Of sorted UIDs those from `first` to `last`.
fn between(uids: &[u32], first: Uid, last: Uid) -> impl Iterator<Item = u32> + '_ {
    let start = uids.partition_point(|u| *u < first.0);
    let end = uids.partition_point(|u| *u <= last.0);
    uids[start..end.max(start)].iter().copied()
}
