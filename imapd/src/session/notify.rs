//! What a session has asked to be told at any time (RFC 5465), and where it listens for it.
//!
//! Filters are judged when something happens, so that names that come later and subscriptions that change count at once. All event
//! groups that fit a mailbox count together (RFC 5465 section 6). What happens in the selected mailbox is for the selected
//! mailbox' group alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify as Bell;

use crate::mailstore::UserStore;
use crate::mailstore::news::Listener;
use crate::syntax::ast::FetchItem;
use crate::syntax::mailbox_name::MailboxName;

/// A set of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events(u8);

impl Events {
    /// `MessageNew` and `MessageExpunge`, which go together.
    pub const MESSAGES: Self = Self(1);
    /// `FlagChange`
    pub const FLAGS: Self = Self(2);
    /// `MailboxName`
    pub const NAMES: Self = Self(4);
    /// `SubscriptionChange`
    pub const SUBSCRIPTIONS: Self = Self(8);
    /// `MailboxMetadataChange`
    pub const METADATA: Self = Self(16);
    /// `ServerMetadataChange`
    pub const SERVER: Self = Self(32);

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are in.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which mailboxes, other than the selected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Where mail arrives.
    Inboxes,
    /// The user's own.
    Personal,
    /// Those he has subscribed to.
    Subscribed,
    /// These.
    Names(BTreeSet<MailboxName>),
    /// These and what is below them; one level of it when `one_level`.
    Below {
        /// The uppermost.
        roots: Vec<MailboxName>,
        /// Whether only one level below is meant.
        one_level: bool,
    },
}

/// What is known of a name that a filter is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The name, as the user sees it.
    pub name: &'a MailboxName,
    /// Whether it is the user's own.
    pub own: bool,
    /// Whether he has, or just had, subscribed to it.
    pub subscribed: bool,
}

impl Filter {
    fn fits(&self, of: Candidate<'_>) -> bool {
        match self {
            Self::Inboxes => of.own && of.name.is_inbox(),
            Self::Personal => of.own,
            Self::Subscribed => of.subscribed,
            Self::Names(names) => names.contains(of.name),
            Self::Below { roots, one_level } => roots.iter().any(|root| {
                let levels = || of.name.ancestors().count() - root.ancestors().count();
                of.name == root || (of.name.is_below(root) && (!one_level || levels() == 1))
            }),
        }
    }
}

/// Events of mailboxes that a filter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which mailboxes.
    pub filter: Filter,
    /// Which events.
    pub events: Events,
}

/// What is told of the selected mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected {
    /// Whether expunged messages wait for a command that may tell of them.
    pub delayed: bool,
    /// Message events.
    pub events: Events,
    /// What is shown of new messages.
    pub attributes: Vec<FetchItem>,
}

/// What NOTIFY SET asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of the selected mailbox.
    pub selected: Selected,
    /// Of others.
    pub groups: Vec<Group>,
}

impl Wanted {
    /// What is told of a mailbox that is not selected.
    pub fn of(&self, candidate: Candidate<'_>) -> Events {
        let fitting = self.groups.iter().filter(|g| g.filter.fits(candidate));
        fitting.fold(Events::default(), |all, g| all.and(g.events))
    }

    /// All events of all groups.
    pub fn all(&self) -> Events {
        self.groups.iter().fold(Events::default(), |all, g| all.and(g.events))
    }
}

/// A session that has used NOTIFY.
pub struct Notify {
    /// What it wants to be told; nothing after NOTIFY NONE.
    pub wanted: Wanted,
    /// Whether mailboxes of others may be meant.
    pub reaches_others: bool,
    /// Rung when something happened.
    pub bell: Arc<Bell>,
    /// What happens to the user's own mailboxes, when that is wanted.
    pub own: Option<Listener>,
    /// What happens to those of others, when that is wanted.
    pub others: Vec<(Arc<UserStore>, Listener)>,
    /// What concerns users whoever they are, when that is wanted.
    pub everybody: Option<Listener>,
}

impl Notify {
    /// Most event groups of a session: each is asked about all that happens.
    pub const MAX_GROUPS: usize = 64;
    /// Most names in them.
    pub const MAX_NAMES: usize = 1000;
    /// Most other users whose mailboxes one session listens to.
    pub const MAX_OTHERS: usize = 256;

    /// Nothing is wanted.
    pub fn none() -> Self {
        Self {
            wanted: Wanted::default(),
            reaches_others: false,
            bell: Arc::default(),
            own: None,
            others: Vec::new(),
            everybody: None,
        }
    }

    /// Whether expunged messages of the selected mailbox are told at any time.
    pub fn expunges_at_once(&self) -> bool {
        let selected = &self.wanted.selected;
        selected.events.has(Events::MESSAGES) && !selected.delayed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    #[test]
    fn all_groups_that_fit_count_together() {
        let group = |filter, events| Group { filter, events };
        let wanted = Wanted {
            selected: Selected::default(),
            groups: vec![
                group(Filter::Names(BTreeSet::from([name("INBOX")])), Events::MESSAGES),
                group(Filter::Personal, Events::SUBSCRIPTIONS),
                group(Filter::Below { roots: vec![name("a")], one_level: true }, Events::NAMES),
                group(Filter::Below { roots: vec![name("b")], one_level: false }, Events::FLAGS),
                group(Filter::Subscribed, Events::METADATA),
                group(Filter::Inboxes, Events::default()),
            ],
        };
        let of = |text: &str, own, subscribed| wanted.of(Candidate { name: &name(text), own, subscribed });
        let and = |all: &[Events]| all.iter().fold(Events::default(), |a, b| a.and(*b));
        assert_eq!(of("inbox", true, false), and(&[Events::MESSAGES, Events::SUBSCRIPTIONS]));
        assert_eq!(of("a", false, false), Events::NAMES);
        assert_eq!(of("a/b", false, false), Events::NAMES);
        assert_eq!(of("a/b/c", false, true), Events::METADATA);
        assert_eq!(of("b/x/y", false, false), Events::FLAGS);
        assert!(of("bx", false, false).is_empty());
        assert!(wanted.all().has(Events::NAMES) && !wanted.all().has(Events::SERVER));
    }
}
