//! What is kept of a user beside mail: annotations of mailboxes and of the user (RFC 5464), limits in messages and
//! mailboxes (RFC 9208), and what others may do with the mailboxes (RFC 4314). Small by its limits, so all of it is in memory and
//! is written as a whole.
//!
//! As records, one an entry, the first of them the header:
//!
//! | octets | |
//! |---|---|
//! | 0 | C`H` header, C`A` annotation, C`Q` limit, C`R` rights, C`S` published mailbox |
//! | header: 2-3 | format 160 |
//! | annotation: 4-7, 8-9, 10 on | mailbox number or 0 for the user, length of the name, name and value |
//! | limit: 1, 4-11 | 1 messages, 2 mailboxes; the limit |
//! | rights: 4-7, 8-9, 10 on | mailbox number, bits of the rights, identifier |
//! | published: 4-7, 8 on | mailbox number, name |
//!
//! Numbers are little-endian, names of entries lower case. A record of another kind is of a later program: the file is not read
//! then, lest it be cut short when it is written again.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::access::{Access, Identifier, Published};
use super::error::StoreError;
use super::types::MailboxId;
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;

/// Most annotations of one user: many times what clients keep.
pub const MAX_ANNOTATIONS: usize = 1000;
/// Longest value of an annotation in octets; RFC 5464 section 4.1 lets a server choose. With its name it must fit a record.
pub const MAX_VALUE: usize = 32 << 10;
/// Longest name of an annotation in octets.
pub const MAX_NAME: usize = 512;
/// Octets of all annotations of one user, since they are written as a whole.
pub const MAX_TOTAL: usize = 1 << 20;

/// The annotation of a mailbox that tells its special uses (RFC 6154 section 4). It is kept as attributes of the mailbox.
pub const SPECIAL_USE: &str = "/private/specialuse";

const HEADER: u8 = 0xC8;
const ANNOTATION: u8 = 0xC1;
const LIMIT: u8 = 0xD8;
const RIGHTS: u8 = 0xD9;
const PUBLISHED: u8 = 0xE2;
const FORMAT: u16 = 160;
const MESSAGES: u8 = 1;
const MAILBOXES: u8 = 2;

/// The annotations of the user, not of a mailbox.
pub const OF_USER: MailboxId = MailboxId(0);

/// Limits beside the blocks of the file space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Messages in all mailboxes together.
    pub messages: Option<u64>,
    /// Mailboxes.
    pub mailboxes: Option<u64>,
}

/// All entries of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    annotations: BTreeMap<(MailboxId, String), Bytes>,
    /// Limits.
    pub limits: Limits,
    /// What others may do.
    pub access: Access,
}

impl Entries {
    /// Reads the records of the file; none at all is a user without entries.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] naming the record.
    pub fn read(records: &[Bytes]) -> Result<Self, StoreError> {
        let mut entries = Self::default();
        for (i, record) in records.iter().enumerate() {
            let known = if i == 0 { is_header(record) } else { entries.take(record).is_some() };
            if !known {
                return Err(StoreError::Damaged(format!("MAILBOX ENTRIES record {}: unknown", i + 1)));
            }
        }
        Ok(entries)
    }

    fn take(&mut self, record: &Bytes) -> Option<()> {
        match *record.first()? {
            ANNOTATION => {
                let id = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
                let len = usize::from(u16::from_le_bytes(record.get(8..10)?.try_into().ok()?));
                let name = std::str::from_utf8(record.get(10..10 + len)?).ok()?.to_owned();
                self.annotations.insert((MailboxId(id), name), record.slice(10 + len..));
            }
            LIMIT => {
                let limit = u64::from_le_bytes(record.get(4..12)?.try_into().ok()?);
                match record[1] {
                    MESSAGES => self.limits.messages = Some(limit),
                    MAILBOXES => self.limits.mailboxes = Some(limit),
                    _ => return None,
                }
            }
            RIGHTS => {
                let id = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
                let rights = Rights::from_bits(u16::from_le_bytes(record.get(8..10)?.try_into().ok()?))?;
                let who = Identifier::parse(record.get(10..)?).ok()?;
                self.access.restore(MailboxId(id), who, rights);
            }
            PUBLISHED => {
                let id = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
                let name = MailboxName::new(std::str::from_utf8(record.get(8..)?).ok()?).ok()?;
                self.access.publish(MailboxId(id), Some(Published { name })).ok()?;
            }
            _ => return None,
        }
        Some(())
    }

    /// The records of the file; none when there is nothing to keep.
    pub fn records(&self) -> Vec<Bytes> {
        let mut records = Vec::new();
        for ((id, name), value) in &self.annotations {
            let mut record = vec![ANNOTATION, 0, 0, 0];
            record.extend_from_slice(&id.0.to_le_bytes());
            record.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
            record.extend_from_slice(name.as_bytes());
            record.extend_from_slice(value);
            records.push(record.into());
        }
        for (kind, limit) in [(MESSAGES, self.limits.messages), (MAILBOXES, self.limits.mailboxes)] {
            if let Some(limit) = limit {
                let mut record = vec![LIMIT, kind, 0, 0];
                record.extend_from_slice(&limit.to_le_bytes());
                records.push(record.into());
            }
        }
        for (id, who, rights) in self.access.all() {
            let mut record = vec![RIGHTS, 0, 0, 0];
            record.extend_from_slice(&id.0.to_le_bytes());
            record.extend_from_slice(&rights.bits().to_le_bytes());
            record.extend_from_slice(who.to_string().as_bytes());
            records.push(record.into());
        }
        for (id, published) in self.access.all_published() {
            let mut record = vec![PUBLISHED, 0, 0, 0];
            record.extend_from_slice(&id.0.to_le_bytes());
            record.extend_from_slice(published.name.as_str().as_bytes());
            records.push(record.into());
        }
        if !records.is_empty() {
            let [low, high] = FORMAT.to_le_bytes();
            records.insert(0, Bytes::copy_from_slice(&[HEADER, 0, low, high]));
        }
        records
    }

    /// The annotations of a mailbox by name.
    pub fn annotations(&self, of: MailboxId) -> impl Iterator<Item = (&str, &Bytes)> {
        let first = (of, String::new());
        let all = self.annotations.range(first..).take_while(move |((id, _), _)| *id == of);
        all.map(|((_, name), value)| (name.as_str(), value))
    }

    /// Sets or removes an annotation.
    ///
    /// # Errors
    /// [`StoreError::TooManyEntries`]; nothing is changed then.
    pub fn set(&mut self, of: MailboxId, name: &str, value: Option<Bytes>) -> Result<(), StoreError> {
        let key = (of, name.to_owned());
        let Some(value) = value else {
            self.annotations.remove(&key);
            return Ok(());
        };
        let old = self.annotations.get(&key);
        let count = self.annotations.len() + usize::from(old.is_none());
        let size = |name: &str, value: &Bytes| name.len() + value.len();
        let others: usize =
            self.annotations.iter().filter(|(k, _)| **k != key).map(|((_, n), v)| size(n, v)).sum();
        if count > MAX_ANNOTATIONS || others + size(name, &value) > MAX_TOTAL {
            return Err(StoreError::TooManyEntries);
        }
        // A copy: as a part of a command it would hold all of that.
        self.annotations.insert(key, Bytes::copy_from_slice(&value));
        Ok(())
    }

    /// Forgets a mailbox; true when there was something to forget.
    pub fn forget(&mut self, of: MailboxId) -> bool {
        let before = self.annotations.len();
        self.annotations.retain(|(id, _), _| *id != of);
        let access = self.access.forget(of);
        self.annotations.len() != before || access
    }
}

fn is_header(record: &[u8]) -> bool {
    record.first() == Some(&HEADER) && record.get(2..4) == Some(&FORMAT.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_more_than_fits() {
        let mut entries = Entries::default();
        for n in 0..MAX_ANNOTATIONS {
            entries.set(MailboxId(1), &format!("/private/{n}"), Some(Bytes::from_static(b"x"))).unwrap();
        }
        let one_more = |e: &mut Entries| e.set(OF_USER, "/private/more", Some(Bytes::new()));
        assert_eq!(one_more(&mut entries), Err(StoreError::TooManyEntries));
        entries.set(MailboxId(1), "/private/0", Some(Bytes::from_static(b"y"))).unwrap();
        entries.set(MailboxId(1), "/private/0", None).unwrap();
        one_more(&mut entries).unwrap();

        let mut entries = Entries::default();
        let name = "/private/a";
        let big = Bytes::from(vec![b'x'; MAX_TOTAL - name.len()]);
        entries.set(OF_USER, name, Some(big)).unwrap();
        assert_eq!(entries.set(OF_USER, "/private/b", Some(Bytes::new())), Err(StoreError::TooManyEntries));
        assert!(entries.forget(OF_USER) && !entries.forget(OF_USER));
        assert!(entries.records().is_empty());
    }

    proptest! {
        #[test]
        fn there_and_back(
            all in prop::collection::vec((0u32..5, "/(private|shared)/[a-z/.]{1,20}", prop::collection::vec(any::<u8>(), 0..50)), 0..20),
            messages: Option<u64>,
            mailboxes: Option<u64>,
            given in prop::collection::vec((0u32..5, "-?([A-Z]{1,8}|anyone)", 0u16..1 << Rights::TABLE.len()), 0..20),
            shared in prop::collection::vec((0u32..5, "[a-z\u{e9}/]{0,9}[a-z]"), 0..5),
        ) {
            let mut entries = Entries { limits: Limits { messages, mailboxes }, ..Entries::default() };
            for (id, name, value) in all {
                entries.set(MailboxId(id), &name, Some(value.into())).unwrap();
            }
            for (id, who, bits) in given {
                let Ok(who) = Identifier::parse(who.as_bytes()) else { continue };
                entries.access.restore(MailboxId(id), who, Rights::from_bits(bits).unwrap());
            }
            for (id, name) in shared {
                let Ok(name) = MailboxName::new(&name) else { continue };
                entries.access.publish(MailboxId(id), Some(Published { name })).unwrap();
            }
            prop_assert_eq!(Entries::read(&entries.records()).unwrap(), entries);
        }

        #[test]
        fn any_records_get_an_answer(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..4)) {
            let records: Vec<Bytes> = records.into_iter().map(Bytes::from).collect();
            let _ = Entries::read(&records);
        }
    }
}
