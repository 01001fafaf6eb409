//! What happens to the mailboxes of a user, for the sessions that asked to be told (RFC 5465).
//!
//! One bounded ring a user, and one for what concerns users whoever they are: who may see what, and what the server says of
//! itself. A session keeps a position in each ring that it listens to and is rung for; what it makes of an entry is its own affair
//! and costs the same however many mailboxes there are. Nothing is kept while nobody listens, and a listener that falls behind the
//! ring is told so.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify as Bell;

use super::access::{Identifier, rights_among};
use super::catalog::Catalog;
use super::change_log::{Change, Entry};
use super::types::{MailboxId, MailboxRow, SessionId};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// A mailbox at one moment: what its owner called it, as what it was published, and who might do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// Whose it is.
    pub owner: UserId,
    /// Its number.
    pub id: MailboxId,
    /// What he calls it.
    pub inner: MailboxName,
    /// Its name below the namespace of shared mailboxes, when it or one above it is published.
    pub published: Option<String>,
    rights: BTreeMap<Identifier, Rights>,
}

impl Visible {
    /// A mailbox as the catalog of its owner has it.
    pub fn new(owner: UserId, catalog: &Catalog, row: &MailboxRow) -> Self {
        let access = &catalog.entries.access;
        let roots = access.all_published().filter_map(|(id, how)| Some((&catalog.row(id)?.name, &how.name)));
        let above = roots.filter(|(root, _)| row.name == **root || row.name.is_below(root));
        let nearest = above.max_by_key(|(root, _)| root.as_str().len());
        let published =
            nearest.map(|(root, shown)| format!("{shown}{}", &row.name.as_str()[root.as_str().len()..]));
        let rights = access.entries(row.id).collect();
        Self { owner, id: row.id, inner: row.name.clone(), published, rights }
    }

    /// Whether the same may be done with both, by whomever.
    pub(super) fn is_given_as(&self, other: &Self) -> bool {
        self.rights == other.rights
    }

    /// What `who` might do with it.
    pub fn rights(&self, who: UserId) -> Rights {
        rights_among(Some(&self.rights), who, self.owner)
    }

    fn weight(&self) -> usize {
        let published = self.published.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.inner.as_str().len() + published + self.rights.len() * 32
    }
}

/// How messages of a mailbox changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageNews {
    /// Some came or went.
    pub messages: bool,
    /// Flags of some changed.
    pub flags: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Messages of a mailbox changed.
    Messages(MailboxId, MessageNews),
    /// A name was made, went, became another, or is another kind of name.
    Name {
        /// What was.
        before: Option<Visible>,
        /// What is.
        after: Option<Visible>,
    },
    /// A name below one that became another, told behind that, which somebody may see who does not see the other.
    Below {
        /// What was.
        before: Option<Visible>,
        /// What is.
        after: Option<Visible>,
    },
    /// Others may do more or less with a mailbox, or it is published otherwise.
    Access {
        /// What was.
        before: Option<Visible>,
        /// What is.
        after: Option<Visible>,
    },
    /// The user has subscribed to a name, or no longer.
    Subscription(MailboxName),
    /// Annotations changed, of a mailbox or of the user; the names under which they are kept.
    Annotations(Option<Visible>, Arc<[String]>),
    /// What the server says of itself changed; the names of the annotations.
    Server(Arc<[String]>),
}

impl News {
    /// Octets that it takes to keep.
    fn weight(&self) -> usize {
        let visible = |v: &Option<Visible>| v.as_ref().map_or(0, Visible::weight);
        let names = |all: &[String]| all.iter().map(|name| name.len() + size_of::<String>()).sum::<usize>();
        size_of::<Self>()
            + match self {
                Self::Messages(..) => 0,
                Self::Name { before, after }
                | Self::Below { before, after }
                | Self::Access { before, after } => visible(before) + visible(after),
                Self::Subscription(name) => name.as_str().len(),
                Self::Annotations(of, entries) => visible(of) + names(entries),
                Self::Server(entries) => names(entries),
            }
    }
}

/// News and whose doing it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// What happened.
    pub news: News,
    /// The session that did it; nobody's, when several did.
    pub by: SessionId,
}

/// How much was posted so far, on whatever board: who listens at several learns from it in which order that happened.
static POSTED: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Kept {
    ring: VecDeque<(u64, Posted)>,
    /// Octets of what is in the ring.
    octets: usize,
    end: u64,
    listeners: HashMap<u64, Arc<Bell>>,
    next_listener: u64,
}

/// A ring of news.
#[derive(Default)]
pub struct Board(Mutex<Kept>);

impl Board {
    /// Most entries kept: more than a session that reads at all falls behind.
    pub const CAPACITY: usize = 2048;
    /// Most octets of them.
    pub const MAX_OCTETS: usize = 1 << 20;

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        !self.0.lock().listeners.is_empty()
    }

    /// Adds news and rings for all who listen.
    pub fn post(&self, news: impl IntoIterator<Item = Posted>) {
        let mut kept = self.0.lock();
        if kept.listeners.is_empty() {
            return;
        }
        let before = kept.end;
        for posted in news {
            kept.octets += posted.news.weight();
            kept.ring.push_back((POSTED.fetch_add(1, Ordering::Relaxed), posted));
            kept.end += 1;
            while (kept.ring.len() > Self::CAPACITY || kept.octets > Self::MAX_OCTETS)
                && let Some((_, oldest)) = kept.ring.pop_front()
            {
                kept.octets -= oldest.news.weight();
            }
        }
        if kept.end > before {
            kept.listeners.values().for_each(|bell| bell.notify_one());
        }
    }

    /// Listens from now on; `bell` is rung when there is something.
    pub fn listen(self: &Arc<Self>, bell: Arc<Bell>) -> Listener {
        let mut kept = self.0.lock();
        kept.next_listener += 1;
        let number = kept.next_listener;
        kept.listeners.insert(number, bell);
        Listener { board: self.clone(), number, position: kept.end }
    }
}

/// A listener has fallen behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// A place in a ring.
pub struct Listener {
    board: Arc<Board>,
    number: u64,
    position: u64,
}

impl Listener {
    /// What is new, each with a number that is greater than those of all that was posted before, on whatever board.
    ///
    /// # Errors
    /// [`Overflow`] when some of it is kept no more.
    pub fn take(&mut self) -> Result<Vec<(u64, Posted)>, Overflow> {
        let kept = self.board.0.lock();
        let missed = usize::try_from(kept.end - self.position).unwrap_or(usize::MAX);
        self.position = kept.end;
        if missed > kept.ring.len() {
            return Err(Overflow);
        }
        Ok(kept.ring.range(kept.ring.len() - missed..).cloned().collect())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut kept = self.board.0.lock();
        kept.listeners.remove(&self.number);
        if kept.listeners.is_empty() {
            kept.ring = VecDeque::new();
            kept.octets = 0;
        }
    }
}

/// What a commit did to the messages of a mailbox, and whose doing it was; nothing, when clients see none of it.
pub(super) fn of_messages(mailbox: MailboxId, log: &[Entry]) -> Option<Posted> {
    let first = log.first()?;
    let flags = log.iter().any(|e| e.change == Change::Flags);
    let messages = log.iter().any(|e| e.change != Change::Flags);
    let by = if log.iter().all(|e| e.by == first.by) { first.by } else { SessionId::NOBODY };
    Some(Posted { news: News::Messages(mailbox, MessageNews { messages, flags }), by })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(news: News) -> Posted {
        Posted { news, by: SessionId(1) }
    }

    fn messages() -> Posted {
        posted(News::Messages(MailboxId(1), MessageNews::default()))
    }

    #[test]
    fn capacity_at_and_past() {
        let board = Arc::new(Board::default());
        board.post([messages()]);
        let mut listener = board.listen(Arc::default());
        assert_eq!(listener.take(), Ok(vec![]));
        board.post((0..Board::CAPACITY).map(|_| messages()));
        assert!(listener.take().is_ok_and(|news| news.len() == Board::CAPACITY));
        board.post((0..=Board::CAPACITY).map(|_| messages()));
        assert_eq!(listener.take(), Err(Overflow));
        board.post([messages()]);
        assert!(listener.take().is_ok_and(|news| news.len() == 1 && news[0].1 == messages()));
    }

    #[test]
    fn what_happened_on_two_boards_has_an_order() {
        let boards: [Arc<Board>; 2] = Default::default();
        let mut listeners = boards.each_ref().map(|board| board.listen(Arc::default()));
        for at in [0, 1, 1, 0] {
            boards[at].post([messages()]);
        }
        let [first, second] = listeners.each_mut().map(|listener| listener.take().unwrap());
        let numbers = [first[0].0, second[0].0, second[1].0, first[1].0];
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn octets_at_and_past() {
        let names = |octets: usize| posted(News::Server(Arc::new(["x".repeat(octets)])));
        let empty = names(0).news.weight();
        let board = Arc::new(Board::default());
        let mut listener = board.listen(Arc::default());
        board.post([messages(), names(Board::MAX_OCTETS - empty - messages().news.weight())]);
        assert!(listener.take().is_ok_and(|news| news.len() == 2));
        board.post([messages(), names(Board::MAX_OCTETS - empty - messages().news.weight() + 1)]);
        assert_eq!(listener.take(), Err(Overflow));
    }

    #[tokio::test]
    async fn nothing_is_kept_for_nobody_and_all_are_rung_for() {
        let board = Arc::new(Board::default());
        assert!(!board.is_heard());
        let bells: [Arc<Bell>; 2] = [Arc::default(), Arc::default()];
        let listeners = bells.each_ref().map(|bell| board.listen(bell.clone()));
        board.post([messages()]);
        for bell in &bells {
            bell.notified().await;
        }
        drop(listeners);
        assert!(!board.is_heard() && board.0.lock().ring.is_empty());
    }

    #[test]
    fn several_hands_are_nobodys() {
        let entry = |change, by| Entry::one(change, crate::mailstore::Uid(1), SessionId(by));
        assert_eq!(of_messages(MailboxId(1), &[]), None);
        let one = of_messages(MailboxId(1), &[entry(Change::Flags, 5), entry(Change::Flags, 5)]).unwrap();
        assert_eq!(
            (one.by, &one.news),
            (SessionId(5), &News::Messages(MailboxId(1), MessageNews { messages: false, flags: true }))
        );
        let two = of_messages(MailboxId(1), &[entry(Change::Added, 5), entry(Change::Flags, 6)]).unwrap();
        assert_eq!(two.by, SessionId::NOBODY);
    }
}
