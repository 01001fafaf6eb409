//! A committed state of the catalog, as readers see it. Reading blocks nobody and is blocked by nobody.
//!
//! The state is what the catalog's disk has ([`Base`]), with the rows over it that are being folded, with the rows over those that
//! were changed since ([`Layer`]).

use std::ops::ControlFlow;
use std::sync::Arc;

use redb::{
    AccessGuard, Database, Key as RedbKey, ReadOnlyTable, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, StorageError,
};

use super::bulk::{MANY, SPARSE};
use super::catalog::{
    BODY, BodyId, BodyRec, DIR, DirId, DirRec, ENTRY, FileNo, FileRec, Name16, PAGE, ROW, SPACE, SpaceRec,
    file_id, level_name, named_key, record_key,
};
use super::codec::Malformed;
use super::error::PoolError;
use super::gaps::Gaps;
use super::page::{self, Page};
use super::recent::{Change, Key, Layer, MAX_KEY, TableId};
use super::row::{self, RowKey};
use crate::types::FileId;

/// Behind all keys of a table.
const BEHIND_ALL: [u8; MAX_KEY - 1] = [0xff; MAX_KEY - 1];

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What is done with each row of a stretch.
type Each<'e> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, PoolError> + 'e;

/// What the catalog's disk has.
pub(crate) struct Base {
    space: ReadOnlyTable<&'static str, &'static [u8]>,
    dir: Rows,
    entry: Rows,
    page: Rows,
    body: ReadOnlyTable<u64, &'static [u8]>,
    row: Rows,
    kinds: row::Kinds,
    gaps: Gaps,
}

impl Base {
    /// The state last folded.
    pub(crate) fn new(db: &Database) -> Result<Self, PoolError> {
        let txn = db.begin_read()?;
        let row = txn.open_table(ROW)?;
        let kinds = row::Kinds::of(&row)?;
        Ok(Self {
            space: txn.open_table(SPACE)?,
            dir: txn.open_table(DIR)?,
            entry: txn.open_table(ENTRY)?,
            page: txn.open_table(PAGE)?,
            body: txn.open_table(BODY)?,
            row,
            kinds,
            gaps: Gaps::default(),
        })
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<AccessGuard<'_, &'static [u8]>>, PoolError> {
        Ok(match table {
            TableId::Space => match std::str::from_utf8(key) {
                Ok(name) => self.space.get(name)?,
                Err(_) => None,
            },
            TableId::Dir => self.dir.get(key)?,
            TableId::Entry => return self.entry(key),
            TableId::Page => self.page.get(key)?,
            TableId::Body => self.body.get(number_of(key)?)?,
            TableId::Row => self.row.get(key)?,
        })
    }

    /// A file's row. Of names that ascend, as those of new notes do, only the first that is not there is looked for on the disk.
    fn entry(&self, key: &[u8]) -> Result<Option<AccessGuard<'_, &'static [u8]>>, PoolError> {
        if self.gaps.have(key) {
            return Ok(None);
        }
        let row = self.entry.get(key)?;
        if row.is_none() {
            let next = self.entry.range(key..)?.next().transpose()?;
            self.gaps.note(key, next.as_ref().map(|(next, _)| next.value()));
        }
        Ok(row)
    }

    /// Gives `each` the rows from `low` to before `high`, in order.
    fn scan(&self, table: TableId, low: &[u8], high: &[u8], each: &mut Each<'_>) -> Result<(), PoolError> {
        match table {
            // Names are only ever asked for singly or all together.
            TableId::Space => hand_out(self.space.iter()?, |name| name.as_bytes().to_vec(), each),
            TableId::Body => {
                let octets = |id: u64| id.to_be_bytes();
                // What is no number stands before or behind all of them.
                match (number_of(low), number_of(high)) {
                    (Ok(low), Ok(high)) => hand_out(self.body.range(low..high)?, octets, each),
                    _ => hand_out(self.body.iter()?, octets, each),
                }
            }
            TableId::Dir => hand_out_plain(self.dir.range(low..high)?, each),
            TableId::Entry => hand_out_plain(self.entry.range(low..high)?, each),
            TableId::Page => hand_out_plain(self.page.range(low..high)?, each),
            TableId::Row => hand_out_plain(self.row.range(low..high)?, each),
        }
    }
}

type Found<'r, K> = Result<(AccessGuard<'r, K>, AccessGuard<'r, &'static [u8]>), StorageError>;

fn hand_out_plain<'r>(
    rows: impl Iterator<Item = Found<'r, &'static [u8]>>,
    each: &mut Each<'_>,
) -> Result<(), PoolError> {
    for row in rows {
        let (key, value) = row?;
        if each(key.value(), value.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

fn hand_out<'r, K: RedbKey + 'static, O: AsRef<[u8]>>(
    rows: impl Iterator<Item = Found<'r, K>>,
    octets: impl for<'k> Fn(K::SelfType<'k>) -> O,
    each: &mut Each<'_>,
) -> Result<(), PoolError> {
    for row in rows {
        let (key, value) = row?;
        if each(octets(key.value()).as_ref(), value.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

fn number_of(key: &[u8]) -> Result<u64, Malformed> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Malformed("body number"))
}

/// A committed state of the catalog.
#[derive(Clone)]
pub(crate) struct Snapshot {
    base: Arc<Base>,
    /// On their way to the disk.
    folding: Layer,
    /// Changed since.
    recent: Layer,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// The steps from one state to the next.
impl Snapshot {
    /// What the disk has.
    pub(crate) fn new(db: &Database) -> Result<Self, PoolError> {
        Ok(Self { base: Arc::new(Base::new(db)?), folding: Layer::default(), recent: Layer::default() })
    }

    /// Rows changed since the last fold began.
    pub(crate) fn recent(&self) -> &Layer {
        &self.recent
    }

    /// Rows on their way to the disk.
    #[cfg(test)]
    pub(crate) fn folding(&self) -> &Layer {
        &self.folding
    }

    /// The rows changed since the last fold began, out of a draft.
    pub(crate) fn into_recent(self) -> Layer {
        self.recent
    }

    /// The same with other rows changed since the last fold began.
    pub(crate) fn with_recent(&self, recent: Layer) -> Self {
        Self { recent, ..self.clone() }
    }

    /// The same with the recent rows on their way to the disk. Nothing else may be.
    pub(crate) fn begin_fold(&self) -> Self {
        debug_assert!(self.folding.is_empty(), "one fold at a time");
        Self { base: self.base.clone(), folding: self.recent.clone(), recent: Layer::default() }
    }

    /// The same when `base` has what was on its way.
    pub(crate) fn end_fold(&self, base: Arc<Base>) -> Self {
        Self { base, folding: Layer::default(), recent: self.recent.clone() }
    }

    /// Writes a row.
    pub(super) fn put(&mut self, table: TableId, key: &[u8], row: &[u8]) -> Result<(), Malformed> {
        self.recent.set(Key::new(table, key)?, Some(Arc::from(row)));
        Ok(())
    }

    /// Writes a row that is in memory as it is to stand there.
    pub(super) fn put_shared(&mut self, table: TableId, key: &[u8], row: Arc<[u8]>) -> Result<(), Malformed> {
        self.recent.set(Key::new(table, key)?, Some(row));
        Ok(())
    }

    /// Removes a row, which need not be there.
    pub(super) fn remove(&mut self, table: TableId, key: &[u8]) -> Result<(), Malformed> {
        self.recent.set(Key::new(table, key)?, None);
        Ok(())
    }
}

/// Rows as they are.
impl Snapshot {
    /// What the layers say of a row, if they do.
    fn changed(&self, key: &Key) -> Option<&Change> {
        self.recent.get(key).or_else(|| self.folding.get(key))
    }

    /// What `read` makes of a row.
    pub(super) fn get<R>(
        &self,
        table: TableId,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, PoolError> {
        match self.changed(&Key::new(table, key)?) {
            Some(change) => Ok(change.as_deref().map(read)),
            None => Ok(self.base.get(table, key)?.map(|row| read(row.value()))),
        }
    }

    fn decoded<R>(
        &self,
        table: TableId,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<R, Malformed>,
    ) -> Result<Option<R>, PoolError> {
        Ok(self.get(table, key, decode)?.transpose()?)
    }

    /// Gives `each` the rows from `low` to before `high`, in order, until it has enough.
    pub(super) fn scan(
        &self,
        table: TableId,
        low: &[u8],
        high: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), PoolError> {
        let over = self.layered(&Key::new(table, low)?, &Key::new(table, high)?);
        if over.is_empty() {
            return self.base.scan(table, low, high, each);
        }
        let mut over = over.into_iter().peekable();
        let mut enough = false;
        self.base.scan(table, low, high, &mut |key, row| {
            while let Some((changed, change)) = over.next_if(|(changed, _)| changed.row() <= key) {
                if let Some(row) = change
                    && each(changed.row(), row)?.is_break()
                {
                    enough = true;
                    return Ok(ControlFlow::Break(()));
                }
                if changed.row() == key {
                    return Ok(ControlFlow::Continue(()));
                }
            }
            let then = each(key, row)?;
            enough = then.is_break();
            Ok(then)
        })?;
        for (key, change) in over {
            if enough {
                break;
            }
            if let Some(row) = change {
                enough = each(key.row(), row)?.is_break();
            }
        }
        Ok(())
    }

    /// Calls `found` with the position of each key that has a row, and the row. Ascending keys that stand close together are found on
    /// one walk, others singly.
    pub(super) fn walk<K: AsRef<[u8]>>(
        &self,
        table: TableId,
        keys: &[K],
        mut found: impl FnMut(usize, &[u8]) -> Result<(), PoolError>,
    ) -> Result<(), PoolError> {
        let mut next = 0;
        let ascend = || keys.is_sorted_by(|a, b| a.as_ref() <= b.as_ref());
        if let (true, [first, .., last]) = (keys.len() >= MANY && ascend(), keys) {
            let (last, mut left) = (last.as_ref(), keys.len() * SPARSE);
            self.scan(table, first.as_ref(), last, &mut |key, row| {
                while keys.get(next).is_some_and(|wanted| wanted.as_ref() < key) {
                    next += 1;
                }
                while keys.get(next).is_some_and(|wanted| wanted.as_ref() == key) {
                    found(next, row)?;
                    next += 1;
                }
                left -= 1;
                Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if left > 0 {
                // Those that are there were found, but for the last one, before which the walk ends.
                next = next.max(keys.partition_point(|key| key.as_ref() < last));
            }
        }
        for (at, key) in keys.iter().enumerate().skip(next) {
            self.get(table, key.as_ref(), |row| found(at, row))?.transpose()?;
        }
        Ok(())
    }

    /// The changes of a stretch, in order.
    fn layered(&self, low: &Key, high: &Key) -> Vec<(&Key, &Change)> {
        let mut all: Vec<_> = self.recent.range(low, high).collect();
        let recent = all.len();
        all.extend(self.folding.range(low, high));
        if recent > 0 && recent < all.len() {
            // The sort is stable: of two changes of one row the recent one stands in front.
            all.sort_by_key(|(key, _)| **key);
            all.dedup_by_key(|(key, _)| **key);
        }
        all
    }

    /// Every row of a table.
    fn scan_all(&self, table: TableId, each: &mut Each<'_>) -> Result<(), PoolError> {
        self.scan(table, &[], &BEHIND_ALL, each)
    }
}

/// What the rows mean.
impl Snapshot {
    pub(crate) fn space(&self, name: &str) -> Result<Option<SpaceRec>, PoolError> {
        self.decoded(TableId::Space, name.as_bytes(), SpaceRec::decode)
    }

    pub(crate) fn spaces(&self) -> Result<Vec<(String, SpaceRec)>, PoolError> {
        let mut all = Vec::new();
        self.scan_all(TableId::Space, &mut |name, row| {
            all.push((String::from_utf8_lossy(name).into_owned(), SpaceRec::decode(row)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    pub(crate) fn dir(&self, parent: DirId, name: Name16) -> Result<Option<DirRec>, PoolError> {
        self.decoded(TableId::Dir, &named_key(parent, name), DirRec::decode)
    }

    /// The directories in `parent`, by name.
    pub(crate) fn dirs(&self, parent: DirId) -> Result<Vec<(String, DirRec)>, PoolError> {
        let mut all = Vec::new();
        self.scan_names(TableId::Dir, parent, &mut |key, row| {
            all.push((level_name(&key[8..]), DirRec::decode(row)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    pub(crate) fn file(&self, dir: DirId, name: Name16) -> Result<Option<FileRec>, PoolError> {
        self.decoded(TableId::Entry, &named_key(dir, name), FileRec::decode)
    }

    pub(crate) fn has_file(&self, dir: DirId, name: Name16) -> Result<bool, PoolError> {
        Ok(self.get(TableId::Entry, &named_key(dir, name), |_| ())?.is_some())
    }

    /// Calls `found` with the position and the record of each of these names that is a file in `dir`, in order of the names when they
    /// ascend.
    pub(crate) fn named(
        &self,
        dir: DirId,
        names: &[Name16],
        found: impl FnMut(usize, &[u8]) -> Result<(), PoolError>,
    ) -> Result<(), PoolError> {
        let keys: Vec<_> = names.iter().map(|name| named_key(dir, *name)).collect();
        self.walk(TableId::Entry, &keys, found)
    }

    /// Calls `each` with every file in `dir`, by name and type.
    pub(crate) fn files(&self, dir: DirId, mut each: impl FnMut(FileId, FileRec)) -> Result<(), PoolError> {
        self.scan_names(TableId::Entry, dir, &mut |key, row| {
            each(file_id(&key[8..])?, FileRec::decode(row)?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `each` with the directory of every name there is, of files and of directories.
    pub(crate) fn names(&self, mut each: impl FnMut(DirId)) -> Result<(), PoolError> {
        for table in [TableId::Entry, TableId::Dir] {
            self.scan_all(table, &mut |key, _| {
                each(DirId(number_of(key.get(..8).unwrap_or_default())?));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    /// True when `dir` holds neither files nor directories.
    pub(crate) fn is_empty(&self, dir: DirId) -> Result<bool, PoolError> {
        let mut empty = true;
        for table in [TableId::Entry, TableId::Dir] {
            self.scan_names(table, dir, &mut |_, _| {
                empty = false;
                Ok(ControlFlow::Break(()))
            })?;
        }
        Ok(empty)
    }

    /// The rows of a table whose keys begin with the number of a directory.
    fn scan_names(&self, table: TableId, dir: DirId, each: &mut Each<'_>) -> Result<(), PoolError> {
        self.scan(table, &named_key(dir, [0; 16]), &named_key(dir, [0xff; 16]), each)
    }

    pub(crate) fn body(&self, id: BodyId) -> Result<Option<BodyRec>, PoolError> {
        self.decoded(TableId::Body, &id.0.to_be_bytes(), BodyRec::decode)
    }

    /// Calls `each` with every body of the pool.
    pub(crate) fn bodies(&self, mut each: impl FnMut(BodyId, BodyRec)) -> Result<(), PoolError> {
        self.scan_all(TableId::Body, &mut |key, row| {
            each(BodyId(number_of(key)?), BodyRec::decode(row)?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `each` with the stored records of `file` numbered `from` to `to`, in order: runs of neighbours, the number of the
    /// first and their octets.
    pub(crate) fn records(
        &self,
        file: FileNo,
        lrecl: u32,
        from: u32,
        to: u32,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<(), PoolError> {
        let low = record_key(file, page::first_of(from, lrecl));
        let high = record_key(file, to.saturating_add(1));
        self.scan(TableId::Page, &low, &high, &mut |key, row| {
            let (_, start) = page::parts_of(key);
            let page = Page::decode(row)?;
            if page.lrecl != lrecl || start != page::first_of(start, lrecl) {
                return Err(PoolError::Damaged("records of another length than the file's".into()));
            }
            let skip = from.saturating_sub(start) as usize * lrecl as usize;
            let upto = (to - start + 1).min(page.count()) as usize * lrecl as usize;
            if let Some(part) = page.records.get(skip..upto).filter(|part| !part.is_empty()) {
                each(from.max(start), part);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `each` with every page of records of the pool: its file, the number of its first record, and the page if it can be
    /// read.
    pub(crate) fn pages(&self, mut each: impl FnMut(FileNo, u32, Option<Page<'_>>)) -> Result<(), PoolError> {
        self.scan_all(TableId::Page, &mut |key, row| {
            let (file, start) = page::parts_of(key);
            each(file, start, Page::decode(row).ok());
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Whether there may be rows of the `row` table that begin so. A pool of mail has minidisks and nothing else, and every change of
    /// a file asks for others.
    pub(crate) fn may_have(&self, prefix: &[u8]) -> bool {
        self.base.kinds.and(self.folding.kinds()).and(self.recent.kinds()).may_have(prefix)
    }

    /// A row of the `row` table.
    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PoolError> {
        if !self.may_have(key) {
            return Ok(None);
        }
        self.get(TableId::Row, key, <[u8]>::to_vec)
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub(crate) fn rows(&self, prefix: &[u8]) -> Result<Vec<(RowKey, Vec<u8>)>, PoolError> {
        let mut all = Vec::new();
        if self.may_have(prefix) {
            self.scan(TableId::Row, prefix, &row::behind(prefix), &mut |key, row| {
                all.push((key.to_vec(), row.to_vec()));
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(all)
    }

    /// Number of files in the pool.
    pub(crate) fn file_count(&self) -> Result<u64, PoolError> {
        let mut count = self.base.entry.len()?;
        let (low, high) = (Key::new(TableId::Entry, &[])?, Key::new(TableId::Entry, &BEHIND_ALL)?);
        for (key, change) in self.layered(&low, &high) {
            match (self.base.entry.get(key.row())?.is_some(), change.is_some()) {
                (false, true) => count += 1,
                (true, false) => count -= 1,
                _ => {}
            }
        }
        Ok(count)
    }
}
