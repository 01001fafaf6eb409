//! The mailboxes of one user in memory: by name and by number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use super::backend::LoadedUser;
use super::entries::Entries;
use super::types::{Attributes, MailboxId, MailboxRow, UserHeader};
use crate::syntax::mailbox_name::{MailboxName, SEPARATOR};

/// Numbers of records in use and free.
#[derive(Debug, Default)]
pub struct Slots {
    free: Vec<u32>,
    next: u32,
}

impl Slots {
    /// Slots with these free, all from `next` on unused.
    pub fn new(free: Vec<u32>, next: u32) -> Self {
        Self { free, next }
    }

    /// Takes one.
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Gives one back.
    pub fn give(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

/// Numbers of records of MAILBOX INDEX. What the change under way has taken is its own once it is committed.
#[derive(Debug, Default)]
pub struct RowSlots {
    slots: Slots,
    taken: Vec<u32>,
}

impl RowSlots {
    /// Takes one.
    pub fn take(&mut self) -> u32 {
        let slot = self.slots.take();
        self.taken.push(slot);
        slot
    }

    /// Gives one back.
    pub fn give(&mut self, slot: u32) {
        self.taken.retain(|taken| *taken != slot);
        self.slots.give(slot);
    }

    /// The change is committed.
    pub fn keep(&mut self) {
        self.taken.clear();
    }

    /// Nothing came of the change.
    pub fn give_back(&mut self) {
        self.taken.drain(..).rev().for_each(|slot| self.slots.give(slot));
    }
}

/// All names of one user, as committed.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The user as a whole.
    pub header: UserHeader,
    by_name: BTreeMap<MailboxName, Arc<MailboxRow>>,
    rows: HashMap<MailboxId, Arc<MailboxRow>>,
    /// Records of MAILBOX INDEX.
    pub slots: RowSlots,
    /// What is kept beside mail.
    pub entries: Entries,
}

impl Catalog {
    /// From what was loaded.
    pub fn new(loaded: LoadedUser) -> Self {
        let mut catalog = Self {
            header: loaded.header,
            slots: RowSlots { slots: Slots::new(loaded.free_slots, loaded.next_slot), taken: Vec::new() },
            entries: loaded.entries,
            ..Self::default()
        };
        for row in loaded.rows {
            catalog.put(row);
        }
        catalog
    }

    /// The row of a name.
    pub fn get(&self, name: &MailboxName) -> Option<&MailboxRow> {
        self.by_name.get(name).map(|row| &**row)
    }

    /// The folder of that name, or the only one that is called so in another case: what people write who may not see the names.
    pub fn find(&self, wanted: &str) -> Option<&MailboxRow> {
        let exists = |row: &&MailboxRow| row.attributes.has(Attributes::EXISTS);
        if let Some(row) = MailboxName::new(wanted).ok().and_then(|name| self.get(&name).filter(exists)) {
            return Some(row);
        }
        let folded = wanted.to_lowercase();
        let mut same = self.iter().filter(exists).filter(|row| row.name.as_str().to_lowercase() == folded);
        same.next().filter(|_| same.next().is_none())
    }

    /// The row of a number.
    pub fn row(&self, id: MailboxId) -> Option<&MailboxRow> {
        self.rows.get(&id).map(|row| &**row)
    }

    /// Adds or replaces a row.
    pub fn put(&mut self, row: MailboxRow) {
        if let Some(old) = self.rows.get(&row.id)
            && old.name != row.name
            && self.by_name.get(&old.name).is_some_and(|there| there.id == row.id)
        {
            self.by_name.remove(&old.name);
        }
        let row = Arc::new(row);
        self.by_name.insert(row.name.clone(), row.clone());
        self.rows.insert(row.id, row);
    }

    /// Removes a row.
    pub fn remove(&mut self, id: MailboxId) {
        if let Some(row) = self.rows.remove(&id)
            && self.by_name.get(&row.name).is_some_and(|there| there.id == id)
        {
            self.by_name.remove(&row.name);
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Messages in all mailboxes.
    pub fn messages(&self) -> u64 {
        self.rows.values().map(|row| u64::from(row.messages)).sum()
    }

    /// Mailboxes that exist.
    pub fn mailboxes(&self) -> u64 {
        self.rows.values().filter(|row| row.attributes.has(Attributes::EXISTS)).count() as u64
    }

    /// All rows in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &MailboxRow> {
        self.by_name.values().map(|row| &**row)
    }

    /// The rows below a name, in order.
    pub fn below(&self, name: &MailboxName) -> impl Iterator<Item = &MailboxRow> {
        let prefix = format!("{name}{SEPARATOR}");
        self.by_name
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .take_while(move |(n, _)| n.as_str().starts_with(&prefix))
            .map(|(_, row)| &**row)
    }

    /// The names that have one below that exists, for those who ask about many of them.
    pub fn parents(&self) -> HashSet<&str> {
        let mut parents = HashSet::new();
        let mut last = "";
        for row in self.iter().filter(|r| r.attributes.has(Attributes::EXISTS)) {
            let mut above = row.name.as_str();
            while let Some((parent, _)) = above.rsplit_once(SEPARATOR) {
                // Names come in order: most have the parent of the one before. Where one is, those above it are too.
                if parent == last || !parents.insert(parent) {
                    break;
                }
                above = parent;
            }
            last = row.name.as_str().rsplit_once(SEPARATOR).map_or("", |(parent, _)| parent);
        }
        parents
    }

    /// Whether a name that exists lies below.
    pub fn has_children(&self, name: &MailboxName) -> bool {
        self.below(name).any(|r| r.attributes.has(Attributes::EXISTS))
    }
}
