//! A committed state of the catalog, as readers see it. Reading blocks nobody and is blocked by nobody.

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::catalog::{
    BODY, BodyId, BodyRec, DIR, DirId, DirRec, ENTRY, FileNo, FileRec, Name16, PAGE, ROW, SPACE, SpaceRec,
    file_id, level_name, named_key, record_key,
};
use super::error::PoolError;
use super::page::{self, Page};
use super::row::{self, RowKey};
use crate::types::FileId;

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A committed state of the catalog.
pub(crate) struct Snapshot {
    space: ReadOnlyTable<&'static str, &'static [u8]>,
    dir: Rows,
    entry: Rows,
    page: Rows,
    body: ReadOnlyTable<u64, &'static [u8]>,
    row: Rows,
    /// Kinds of which there are rows. A pool of mail has minidisks and nothing else, and every change of a file asks for others.
    kinds: row::Kinds,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    /// The state last committed.
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
        })
    }

    pub(crate) fn space(&self, name: &str) -> Result<Option<SpaceRec>, PoolError> {
        Ok(self.space.get(name)?.map(|v| SpaceRec::decode(v.value())).transpose()?)
    }

    pub(crate) fn spaces(&self) -> Result<Vec<(String, SpaceRec)>, PoolError> {
        let mut all = Vec::new();
        for row in self.space.iter()? {
            let (name, rec) = row?;
            all.push((name.value().to_owned(), SpaceRec::decode(rec.value())?));
        }
        Ok(all)
    }

    pub(crate) fn dir(&self, parent: DirId, name: Name16) -> Result<Option<DirRec>, PoolError> {
        let key = named_key(parent, name);
        Ok(self.dir.get(key.as_slice())?.map(|v| DirRec::decode(v.value())).transpose()?)
    }

    /// The directories in `parent`, by name.
    pub(crate) fn dirs(&self, parent: DirId) -> Result<Vec<(String, DirRec)>, PoolError> {
        let (low, high) = (named_key(parent, [0; 16]), named_key(parent, [0xff; 16]));
        let mut all = Vec::new();
        for row in self.dir.range(low.as_slice()..=high.as_slice())? {
            let (key, rec) = row?;
            all.push((level_name(&key.value()[8..]), DirRec::decode(rec.value())?));
        }
        Ok(all)
    }

    pub(crate) fn file(&self, dir: DirId, name: Name16) -> Result<Option<FileRec>, PoolError> {
        let key = named_key(dir, name);
        Ok(self.entry.get(key.as_slice())?.map(|v| FileRec::decode(v.value())).transpose()?)
    }

    /// Calls `each` with every file in `dir`, by name and type.
    pub(crate) fn files(&self, dir: DirId, mut each: impl FnMut(FileId, FileRec)) -> Result<(), PoolError> {
        let (low, high) = (named_key(dir, [0; 16]), named_key(dir, [0xff; 16]));
        for row in self.entry.range(low.as_slice()..=high.as_slice())? {
            let (key, rec) = row?;
            each(file_id(&key.value()[8..])?, FileRec::decode(rec.value())?);
        }
        Ok(())
    }

    /// True when `dir` holds neither files nor directories.
    pub(crate) fn is_empty(&self, dir: DirId) -> Result<bool, PoolError> {
        let (low, high) = (named_key(dir, [0; 16]), named_key(dir, [0xff; 16]));
        Ok(self.entry.range(low.as_slice()..=high.as_slice())?.next().is_none()
            && self.dir.range(low.as_slice()..=high.as_slice())?.next().is_none())
    }

    pub(crate) fn body(&self, id: BodyId) -> Result<Option<BodyRec>, PoolError> {
        Ok(self.body.get(id.0)?.map(|v| BodyRec::decode(v.value())).transpose()?)
    }

    /// Calls `each` with every body of the pool.
    pub(crate) fn bodies(&self, mut each: impl FnMut(BodyId, BodyRec)) -> Result<(), PoolError> {
        for row in self.body.iter()? {
            let (id, rec) = row?;
            each(BodyId(id.value()), BodyRec::decode(rec.value())?);
        }
        Ok(())
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
        let (low, high) = (record_key(file, page::first_of(from, lrecl)), record_key(file, to));
        for row in self.page.range(low.as_slice()..=high.as_slice())? {
            let (key, row) = row?;
            let (_, start) = page::parts_of(key.value());
            let page = Page::decode(row.value())?;
            if page.lrecl != lrecl || start != page::first_of(start, lrecl) {
                return Err(PoolError::Damaged("records of another length than the file's".into()));
            }
            let skip = from.saturating_sub(start) as usize * lrecl as usize;
            let upto = (to - start + 1).min(page.count()) as usize * lrecl as usize;
            if let Some(part) = page.records.get(skip..upto).filter(|part| !part.is_empty()) {
                each(from.max(start), part);
            }
        }
        Ok(())
    }

    /// Calls `each` with every page of records of the pool: its file, the number of its first record, and the page if it can be
    /// read.
    pub(crate) fn pages(&self, mut each: impl FnMut(FileNo, u32, Option<Page<'_>>)) -> Result<(), PoolError> {
        for row in self.page.iter()? {
            let (key, row) = row?;
            let (file, start) = page::parts_of(key.value());
            each(file, start, Page::decode(row.value()).ok());
        }
        Ok(())
    }

    /// A row of the `row` table.
    pub(crate) fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PoolError> {
        if !self.kinds.may_have(key) {
            return Ok(None);
        }
        Ok(self.row.get(key)?.map(|v| v.value().to_vec()))
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub(crate) fn rows(&self, prefix: &[u8]) -> Result<Vec<(RowKey, Vec<u8>)>, PoolError> {
        if !self.kinds.may_have(prefix) {
            return Ok(Vec::new());
        }
        let high = row::behind(prefix);
        let mut all = Vec::new();
        for row in self.row.range(prefix..high.as_slice())? {
            let (key, value) = row?;
            all.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(all)
    }

    /// Number of files in the pool.
    pub(crate) fn file_count(&self) -> Result<u64, PoolError> {
        Ok(self.entry.len()?)
    }
}
