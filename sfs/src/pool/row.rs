//! Rows of the catalog's `row` table: what is kept beside directories and files.
//!
//! | kind | key behind the kind octet | row |
//! |---|---|---|
//! | 1 special entry | directory, name | alias: object number of its base; external object: its data |
//! | 2 object | object number of a file that has aliases | where the file is: directory, name, file space |
//! | 3 authority | object or directory number, user id (zeros: PUBLIC) | set of authorities |
//! | 4 LASTING lock | object or directory number, user id | type, moment |
//! | 5 prepared | coordinator's pool, number | changes of a prepared work unit and who prepared them |
//! | 6 decided | number | pools that have not been told yet that the work unit is committed |
//! | 7 DIRCONTROL | directory number | nothing: the row says it |
//! | 8 minidisk | storage group, number | device number, size |
//! | 9 disabled | 1 and storage group, or 2 and file space | how, by whom, since when |
//! | 10 PUBLIC | | that it is enrolled |
//!
//! Every row that is not empty begins with its version. Whether an alias is ERASED or REVOKED is not stored: it is erased when
//! its base has no object row, and revoked when its owner has no authority on the base.

use cp::name::{FilePoolId, UserId};
use redb::{ReadableTable, StorageError};

use super::catalog::{DirId, Name16, ObjectNo, named_key};
use super::codec::{Malformed, Reader, Writer};
use super::lock::{LockKey, LockMode};
use super::prepare::KeptLock;
use crate::types::{
    DisableInfo, DisableMode, Grantee, LockType, Minidisk, PoolPart, Rights, Stamp, StorageGroup,
};

const VERSION: u8 = 1;
const SPECIAL: u8 = 1;
const OBJECT: u8 = 2;
const GRANT: u8 = 3;
const LOCK: u8 = 4;
const PREPARED: u8 = 5;
const DECIDED: u8 = 6;
const CONTROL: u8 = 7;
const MINIDISK: u8 = 8;
const DISABLED: u8 = 9;
const PUBLIC: u8 = 10;

/// A key of the `row` table.
pub(crate) type RowKey = Vec<u8>;

/// The kinds of which a table has rows, found with a look-up for each: so that most questions about rows need none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kinds(u64);

impl Kinds {
    /// Those in `table`.
    pub(crate) fn of(table: &impl ReadableTable<&'static [u8], &'static [u8]>) -> Result<Self, StorageError> {
        let (mut kinds, mut from) = (0u64, 0u8);
        while let Some((key, _)) = table.range([from].as_slice()..)?.next().transpose()? {
            // One that is not known is asked about as if it were there.
            let kind = key.value().first().copied().filter(|kind| *kind < 64);
            let Some(kind) = kind else { return Ok(Self(u64::MAX)) };
            kinds |= 1 << kind;
            from = kind + 1;
        }
        Ok(Self(kinds))
    }

    /// The kind of one key.
    pub(crate) fn of_key(key: &[u8]) -> Self {
        match key.first() {
            Some(kind) if *kind < 64 => Self(1 << kind),
            _ => Self(u64::MAX),
        }
    }

    /// These and those.
    pub(crate) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there may be keys that begin so.
    pub(crate) fn may_have(self, prefix: &[u8]) -> bool {
        prefix.first().is_none_or(|kind| *kind >= 64 || self.0 >> kind & 1 == 1)
    }
}

fn key(kind: u8, parts: &[&[u8]]) -> RowKey {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len()).sum::<usize>());
    key.push(kind);
    parts.iter().for_each(|p| key.extend_from_slice(p));
    key
}

/// A number that a key uses up: that of a commit over several pools.
pub(crate) fn number(key: &[u8]) -> u64 {
    match (key.first(), key.get(1..9).and_then(|b| b.try_into().ok())) {
        (Some(&DECIDED), Some(bytes)) => u64::from_be_bytes(bytes),
        _ => 0,
    }
}

/// The least key behind all that begin with `prefix`.
pub(crate) fn behind(prefix: &[u8]) -> RowKey {
    let mut high = prefix.to_vec();
    while let Some(last) = high.pop() {
        if let Some(more) = last.checked_add(1) {
            high.push(more);
            break;
        }
    }
    // Nothing is behind all keys; no kind is 255.
    if high.is_empty() {
        high.push(u8::MAX);
    }
    high
}

fn user8(name: &str) -> [u8; 8] {
    let mut out = [b' '; 8];
    out[..name.len()].copy_from_slice(name.as_bytes());
    out
}

fn read_user(bytes: &[u8]) -> Result<UserId, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("user id"))?;
    UserId::new(text.trim_end()).map_err(|_| Malformed("user id"))
}

pub(crate) fn special_key(dir: DirId, name: Name16) -> RowKey {
    key(SPECIAL, &[&named_key(dir, name)])
}

/// What all special entries of a directory begin with.
pub(crate) fn special_prefix(dir: DirId) -> RowKey {
    key(SPECIAL, &[&dir.0.to_be_bytes()])
}

/// The directory of a special entry's key; `None` for other keys.
pub(crate) fn special_dir(key: &[u8]) -> Option<DirId> {
    let dir = key.strip_prefix(&[SPECIAL])?.first_chunk()?;
    Some(DirId(u64::from_be_bytes(*dir)))
}

pub(crate) fn object_key(object: ObjectNo) -> RowKey {
    key(OBJECT, &[&object.0.to_be_bytes()])
}

pub(crate) fn grant_key(number: u64, to: Grantee) -> RowKey {
    let to = match to {
        Grantee::Public => [0; 8],
        Grantee::User(user) => user8(user.as_str()),
    };
    key(GRANT, &[&number.to_be_bytes(), &to])
}

/// What all authorities on an object or directory begin with.
pub(crate) fn grant_prefix(number: u64) -> RowKey {
    key(GRANT, &[&number.to_be_bytes()])
}

pub(crate) fn grantee(key: &[u8]) -> Result<Grantee, Malformed> {
    match key.get(9..17) {
        Some(to) if to == [0; 8] => Ok(Grantee::Public),
        Some(to) => Ok(Grantee::User(read_user(to)?)),
        None => Err(Malformed("authority key")),
    }
}

pub(crate) fn lock_key(number: u64, user: UserId) -> RowKey {
    key(LOCK, &[&number.to_be_bytes(), &user8(user.as_str())])
}

pub(crate) fn lock_prefix(number: u64) -> RowKey {
    key(LOCK, &[&number.to_be_bytes()])
}

/// What all lasting locks begin with.
pub(crate) fn all_locks() -> RowKey {
    vec![LOCK]
}

/// What all rows begin with that are of an object or directory and go with it.
pub(crate) fn of_objects() -> [RowKey; 3] {
    [vec![GRANT], vec![LOCK], vec![CONTROL]]
}

/// The kinds of rows that are of an object or say where it is.
pub(crate) const WITH_OBJECTS: [u8; 3] = [OBJECT, GRANT, LOCK];

/// Object or directory, and holder.
pub(crate) fn lock_of(key: &[u8]) -> Result<(u64, UserId), Malformed> {
    let bad = Malformed("lock key");
    let number = key.get(1..9).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).ok_or(bad)?;
    Ok((number, read_user(key.get(9..17).ok_or(bad)?)?))
}

pub(crate) fn control_key(dir: DirId) -> RowKey {
    key(CONTROL, &[&dir.0.to_be_bytes()])
}

/// Names a commit over several pools: the pool that decides it, and a number that pool gives out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct GlobalUnit {
    /// The pool that decides.
    pub coordinator: FilePoolId,
    /// Its number for the commit.
    pub number: u64,
}

pub(crate) fn prepared_key(global: GlobalUnit) -> RowKey {
    key(PREPARED, &[&user8(global.coordinator.as_str()), &global.number.to_be_bytes()])
}

pub(crate) fn all_prepared() -> RowKey {
    vec![PREPARED]
}

pub(crate) fn prepared_of(key: &[u8]) -> Result<GlobalUnit, Malformed> {
    let bad = Malformed("prepared key");
    let pool = std::str::from_utf8(key.get(1..9).ok_or(bad)?).map_err(|_| bad)?;
    let number = key.get(9..17).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).ok_or(bad)?;
    Ok(GlobalUnit { coordinator: FilePoolId::new(pool.trim_end()).map_err(|_| bad)?, number })
}

pub(crate) fn decided_key(number: u64) -> RowKey {
    key(DECIDED, &[&number.to_be_bytes()])
}

fn versioned<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, Malformed> {
    let mut r = Reader::new(what, bytes);
    if r.u8()? == VERSION { Ok(r) } else { Err(r.malformed()) }
}

/// An entry of a directory that is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecialRec {
    pub(crate) created: Stamp,
    pub(crate) what: Special,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Special {
    /// An alias of the file with that object number.
    Alias(ObjectNo),
    /// An external object with its data.
    External(Vec<u8>),
}

impl SpecialRec {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u8(VERSION);
        w.i64(self.created.0);
        match &self.what {
            Special::Alias(object) => {
                w.u8(1);
                w.u64(object.0);
            }
            Special::External(data) => {
                w.u8(2);
                w.bytes(data);
            }
        }
        w.out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = versioned("special entry", bytes)?;
        let created = Stamp(r.i64()?);
        let what = match r.u8()? {
            1 => Special::Alias(ObjectNo(r.u64()?)),
            2 => Special::External(r.bytes()?.to_vec()),
            _ => return Err(r.malformed()),
        };
        r.end()?;
        Ok(Self { created, what })
    }
}

/// Where a file with aliases is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) dir: DirId,
    pub(crate) name: Name16,
    pub(crate) space: String,
}

impl Place {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u8(VERSION);
        w.u64(self.dir.0);
        w.raw(&self.name);
        w.bytes(self.space.as_bytes());
        w.out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = versioned("object row", bytes)?;
        let (dir, name) = (DirId(r.u64()?), r.array()?);
        let space = String::from_utf8(r.bytes()?.to_vec()).map_err(|_| r.malformed())?;
        r.end()?;
        Ok(Self { dir, name, space })
    }
}

pub(crate) fn rights_row(rights: Rights) -> Vec<u8> {
    vec![VERSION, rights.bits()]
}

pub(crate) fn read_rights(bytes: &[u8]) -> Result<Rights, Malformed> {
    let mut r = versioned("authority", bytes)?;
    let rights = Rights::from_bits(r.u8()?).ok_or(r.malformed())?;
    r.end()?;
    Ok(rights)
}

pub(crate) fn lock_row(kind: LockType, created: Stamp) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(VERSION);
    w.u8(match kind {
        LockType::Share => 1,
        LockType::Update => 2,
        LockType::Exclusive => 3,
    });
    w.i64(created.0);
    w.out
}

pub(crate) fn read_lock(bytes: &[u8]) -> Result<(LockType, Stamp), Malformed> {
    let mut r = versioned("lock", bytes)?;
    let kind = match r.u8()? {
        1 => LockType::Share,
        2 => LockType::Update,
        3 => LockType::Exclusive,
        _ => return Err(r.malformed()),
    };
    let created = Stamp(r.i64()?);
    r.end()?;
    Ok((kind, created))
}

/// The pools that have not been told of a decision.
pub(crate) fn pools_row(pools: &[FilePoolId]) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(VERSION);
    pools.iter().for_each(|p| w.raw(&user8(p.as_str())));
    w.out
}

pub(crate) fn read_pools(bytes: &[u8]) -> Result<Vec<FilePoolId>, Malformed> {
    let mut r = versioned("decision", bytes)?;
    let mut pools = Vec::new();
    while !r.is_done() {
        let name = r.array::<8>()?;
        let text = std::str::from_utf8(&name).map_err(|_| r.malformed())?;
        pools.push(FilePoolId::new(text.trim_end()).map_err(|_| r.malformed())?);
    }
    Ok(pools)
}

/// What all minidisks begin with.
pub(crate) fn all_minidisks() -> RowKey {
    vec![MINIDISK]
}

pub(crate) fn is_minidisk(key: &[u8]) -> bool {
    key.first() == Some(&MINIDISK)
}

/// Key and row of a minidisk; size 0 stands for one that grows.
pub(crate) fn minidisk(minidisk: &Minidisk) -> (RowKey, Vec<u8>) {
    let mut w = Writer::default();
    w.u8(VERSION);
    w.raw(&minidisk.device.to_le_bytes());
    w.u64(minidisk.blocks.unwrap_or(0));
    (key(MINIDISK, &[&minidisk.group.get().to_be_bytes(), &minidisk.number.to_be_bytes()]), w.out)
}

pub(crate) fn read_minidisk(key: &[u8], bytes: &[u8]) -> Result<Minidisk, Malformed> {
    let bad = Malformed("minidisk key");
    let short = |at: usize| key.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    let group = short(1).and_then(StorageGroup::new).ok_or(bad)?;
    let number = short(3).filter(|_| key.len() == 5).ok_or(bad)?;
    let mut r = versioned("minidisk", bytes)?;
    let device = u16::from_le_bytes(r.array()?);
    let blocks = Some(r.u64()?).filter(|blocks| *blocks > 0);
    r.end()?;
    Ok(Minidisk { number, group, device, blocks })
}

/// What everything disabled begins with.
pub(crate) fn all_disabled() -> RowKey {
    vec![DISABLED]
}

pub(crate) fn disabled_key(part: &PoolPart) -> RowKey {
    match part {
        PoolPart::Group(group) => key(DISABLED, &[&[1], &group.get().to_be_bytes()]),
        PoolPart::Space(name) => key(DISABLED, &[&[2], name.as_bytes()]),
    }
}

pub(crate) fn disabled_part(key: &[u8]) -> Result<PoolPart, Malformed> {
    let bad = Malformed("disabled key");
    match (key.get(1), key.get(2..)) {
        (Some(1), Some(&[high, low])) => {
            Ok(PoolPart::Group(StorageGroup::new(u16::from_be_bytes([high, low])).ok_or(bad)?))
        }
        (Some(2), Some(name)) => Ok(PoolPart::Space(std::str::from_utf8(name).map_err(|_| bad)?.to_owned())),
        _ => Err(bad),
    }
}

pub(crate) fn disabled_row(info: &DisableInfo) -> Vec<u8> {
    let mut w = Writer::default();
    w.u8(VERSION);
    w.u8(match info.mode {
        DisableMode::Share => 1,
        DisableMode::Exclusive => 2,
    });
    w.raw(&user8(info.by.as_str()));
    w.i64(info.since.0);
    w.out
}

pub(crate) fn read_disabled(bytes: &[u8]) -> Result<DisableInfo, Malformed> {
    let mut r = versioned("disabled", bytes)?;
    let mode = match r.u8()? {
        1 => DisableMode::Share,
        2 => DisableMode::Exclusive,
        _ => return Err(r.malformed()),
    };
    let info = DisableInfo { mode, by: read_user(&r.array::<8>()?)?, since: Stamp(r.i64()?) };
    r.end()?;
    Ok(info)
}

/// The row that says that PUBLIC is enrolled.
pub(crate) fn public_key() -> RowKey {
    vec![PUBLIC]
}

pub(crate) fn public_row() -> Vec<u8> {
    vec![VERSION]
}

pub(crate) fn is_prepared(key: &[u8]) -> bool {
    key.first() == Some(&PREPARED)
}

/// A prepared work unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreparedRow {
    pub(crate) locks: Vec<KeptLock>,
    /// Objects and directories that go away with it.
    pub(crate) gone: Vec<u64>,
    /// Its changes, encoded as in a log entry.
    pub(crate) ops: Vec<u8>,
}

impl PreparedRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u8(VERSION);
        w.u32(self.locks.len() as u32);
        for (key, mode) in &self.locks {
            w.u8(u8::from(*mode == LockMode::Exclusive));
            match key {
                LockKey::Space(name) => {
                    w.u8(1);
                    w.bytes(name.as_bytes());
                }
                LockKey::Directory(dir) => {
                    w.u8(2);
                    w.u64(dir.0);
                }
                LockKey::Level(dir, name) => {
                    w.u8(3);
                    w.u64(dir.0);
                    w.raw(name);
                }
                LockKey::File(dir, name) => {
                    w.u8(4);
                    w.u64(dir.0);
                    w.raw(name);
                }
                LockKey::Writer(dir) => {
                    w.u8(5);
                    w.u64(dir.0);
                }
                LockKey::Authority(number) => {
                    w.u8(6);
                    w.u64(*number);
                }
            }
        }
        w.u32(self.gone.len() as u32);
        self.gone.iter().for_each(|n| w.u64(*n));
        w.bytes(&self.ops);
        w.out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = versioned("prepared work unit", bytes)?;
        let mut locks = Vec::new();
        for _ in 0..r.u32()? {
            let mode = if r.u8()? == 0 { LockMode::Shared } else { LockMode::Exclusive };
            let key = match r.u8()? {
                1 => {
                    let name = std::str::from_utf8(r.bytes()?).map_err(|_| r.malformed())?;
                    LockKey::Space(name.into())
                }
                2 => LockKey::Directory(DirId(r.u64()?)),
                3 => LockKey::Level(DirId(r.u64()?), r.array()?),
                4 => LockKey::File(DirId(r.u64()?), r.array()?),
                5 => LockKey::Writer(DirId(r.u64()?)),
                6 => LockKey::Authority(r.u64()?),
                _ => return Err(r.malformed()),
            };
            locks.push((key, mode));
        }
        let mut gone = Vec::new();
        for _ in 0..r.u32()? {
            gone.push(r.u64()?);
        }
        let ops = r.bytes()?.to_vec();
        r.end()?;
        Ok(Self { locks, gone, ops })
    }
}

/// What the checker looks at of a row.
pub(crate) enum Meaning {
    Special(DirId, Name16),
    Object(ObjectNo, Place),
    /// What an object or directory of that number has.
    Of(u64),
    Other,
}

/// Reads a row of whatever kind.
pub(crate) fn meaning(key: &[u8], value: &[u8]) -> Result<Meaning, Malformed> {
    let bad = Malformed("row key");
    let number = || key.get(1..9).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).ok_or(bad);
    match *key.first().ok_or(bad)? {
        SPECIAL => {
            SpecialRec::decode(value)?;
            let name = key.get(9..).and_then(|b| b.try_into().ok()).ok_or(bad)?;
            return Ok(Meaning::Special(DirId(number()?), name));
        }
        OBJECT => return Ok(Meaning::Object(ObjectNo(number()?), Place::decode(value)?)),
        GRANT => {
            grantee(key)?;
            read_rights(value)?;
            return Ok(Meaning::Of(number()?));
        }
        LOCK => {
            read_lock(value)?;
            return Ok(Meaning::Of(lock_of(key)?.0));
        }
        PREPARED => {
            prepared_of(key)?;
            PreparedRow::decode(value)?;
        }
        DECIDED => {
            number()?;
            read_pools(value)?;
        }
        CONTROL if value.is_empty() => return Ok(Meaning::Of(number()?)),
        MINIDISK => {
            read_minidisk(key, value)?;
        }
        DISABLED => {
            disabled_part(key)?;
            read_disabled(value)?;
        }
        PUBLIC if key.len() == 1 => versioned("PUBLIC", value)?.end()?,
        _ => return Err(bad),
    }
    Ok(Meaning::Other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_read_back(number: u64, stamp: i64, data in prop::collection::vec(any::<u8>(), 0..40), bits in 0u8..64) {
            for what in [Special::Alias(ObjectNo(number)), Special::External(data.clone())] {
                let rec = SpecialRec { created: Stamp(stamp), what };
                prop_assert_eq!(SpecialRec::decode(&rec.encode()).unwrap(), rec);
            }
            let place = Place { dir: DirId(number), name: [b'N'; 16], space: "JOE".into() };
            prop_assert_eq!(Place::decode(&place.encode()).unwrap(), place);
            let rights = Rights::from_bits(bits).unwrap();
            prop_assert_eq!(read_rights(&rights_row(rights)).unwrap(), rights);
            let lock = (LockType::Update, Stamp(stamp));
            prop_assert_eq!(read_lock(&lock_row(lock.0, lock.1)).unwrap(), lock);
            let joe = UserId::new("JOE").unwrap();
            prop_assert_eq!(lock_of(&lock_key(number, joe)).unwrap(), (number, joe));
            prop_assert_eq!(grantee(&grant_key(number, Grantee::User(joe))).unwrap(), Grantee::User(joe));
            let pools: Vec<FilePoolId> = vec!["MAIL".parse().unwrap(), "USERS".parse().unwrap()];
            prop_assert_eq!(read_pools(&pools_row(&pools)).unwrap(), pools.clone());
            let locks = vec![
                (LockKey::Space("JOE".into()), LockMode::Shared),
                (LockKey::File(DirId(number), [b'F'; 16]), LockMode::Exclusive),
                (LockKey::Level(DirId(number), [b'L'; 16]), LockMode::Exclusive),
                (LockKey::Authority(number), LockMode::Exclusive),
            ];
            let prepared = PreparedRow { locks, gone: vec![number], ops: data };
            prop_assert_eq!(PreparedRow::decode(&prepared.encode()).unwrap(), prepared);
            let disk = Minidisk {
                number: bits.into(), group: StorageGroup::FIRST, device: 0x310, blocks: Some(number).filter(|n| *n > 0),
            };
            let (key, value) = minidisk(&disk);
            prop_assert_eq!(read_minidisk(&key, &value).unwrap(), disk);
            let info = DisableInfo { mode: DisableMode::Exclusive, by: joe, since: Stamp(stamp) };
            prop_assert_eq!(read_disabled(&disabled_row(&info)).unwrap(), info);
            for part in [PoolPart::Group(StorageGroup::FIRST), PoolPart::Space("JOE".into())] {
                prop_assert_eq!(disabled_part(&disabled_key(&part)).unwrap(), part);
            }
            let global = GlobalUnit { coordinator: pools[0], number };
            prop_assert_eq!(prepared_of(&prepared_key(global)).unwrap(), global);
        }

        #[test]
        fn no_octets_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut row = vec![VERSION];
            row.extend_from_slice(&bytes);
            let _ = (SpecialRec::decode(&row), Place::decode(&row), read_rights(&row), read_lock(&row), read_pools(&row));
            let _ = PreparedRow::decode(&row);
            let _ = (grantee(&bytes), lock_of(&bytes), prepared_of(&bytes), disabled_part(&bytes));
            let _ = (read_minidisk(&bytes, &row), read_disabled(&row));
        }
    }
}
