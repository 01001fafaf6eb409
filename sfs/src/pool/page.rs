//! Pages of records: how files of short records (RECFM F, LRECL up to [`MAX_KEYED_LRECL`]) stand in the catalog.
//!
//! A row of the `page` table holds neighbouring records of one file, as many as [`per_page`] says for their length; its key names the
//! first of them, present or not. So replacing or adding a record is one small change, and doing it to many neighbours is not many.
//!
//! Invariants of a row: it begins with its version and the record length; whole records follow, at least one and at most
//! [`per_page`]. Records that were never written read as zeros, and stand so in front of others of their page; behind the
//! last one of a page nothing stands.

use std::ops::ControlFlow;

use redb::{ReadableTable, Table};

use super::catalog::{FileNo, record_key};
use super::codec::{Malformed, Reader};
use super::draft::MAX_KEYED_LRECL;
use super::error::PoolError;
use super::recent::TableId;
use super::snapshot::Snapshot;
use crate::types::MAX_RECORDS;

/// Most octets of records in a row: with its key and the tree's own figures a row then fills one page of 4 KiB. Part of the format.
const PAGE_OCTETS: u32 = 4000;
const VERSION: u8 = 1;
/// Octets in front of the records: version and record length.
const HEAD: usize = 3;

/// Most records in a page: those of one octet.
const MAX_PER_PAGE: u32 = PAGE_OCTETS;

/// Records in a full page.
pub(crate) fn per_page(lrecl: u32) -> u32 {
    (PAGE_OCTETS / lrecl.max(1)).max(1)
}

/// Number of the first record of the page that has record `number`, which counts from 1.
pub(crate) fn first_of(number: u32, lrecl: u32) -> u32 {
    let before = number.saturating_sub(1);
    before - before % per_page(lrecl) + 1
}

/// A row taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) lrecl: u32,
    /// Whole records.
    pub(crate) records: &'a [u8],
}

impl<'a> Page<'a> {
    pub(crate) fn decode(row: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new("page of records", row);
        if r.u8()? != VERSION {
            return Err(r.malformed());
        }
        let lrecl = u32::from(u16::from_le_bytes(r.array()?));
        let records = row.get(HEAD..).unwrap_or_default();
        let len = records.len() as u64;
        let sound = is_kept(lrecl)
            && len > 0
            && len.is_multiple_of(u64::from(lrecl))
            && len <= u64::from(lrecl) * u64::from(per_page(lrecl));
        if sound { Ok(Self { lrecl, records }) } else { Err(r.malformed()) }
    }

    /// How many records it holds.
    pub(crate) fn count(&self) -> u32 {
        // At most per_page().
        (self.records.len() / self.lrecl as usize) as u32
    }
}

/// Whether records of this length are kept in pages.
pub(crate) fn is_kept(lrecl: u32) -> bool {
    (1..=MAX_KEYED_LRECL).contains(&lrecl)
}

/// Whether `data` is whole records of that length that can stand from `first` on.
pub(crate) fn is_run(first: u32, lrecl: u32, data: &[u8]) -> bool {
    let count = data.len() as u64 / u64::from(lrecl.max(1));
    is_kept(lrecl)
        && first > 0
        && (data.len() as u64).is_multiple_of(u64::from(lrecl))
        && u64::from(first) + count <= u64::from(MAX_RECORDS) + 1
}

/// Where pages are kept: a state of the catalog, or while a catalog is upgraded its table.
pub(super) trait Pages {
    /// The row of a page, added to `row` without its head; nothing when there is none.
    fn add_records(&self, key: &[u8], lrecl: u32, row: &mut Vec<u8>) -> Result<(), PoolError>;
    /// Writes a row.
    fn put_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), PoolError>;
}

impl Pages for Snapshot {
    fn add_records(&self, key: &[u8], lrecl: u32, row: &mut Vec<u8>) -> Result<(), PoolError> {
        Ok(self.get(TableId::Page, key, |before| add_records(before, lrecl, row))?.unwrap_or(Ok(()))?)
    }

    fn put_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), PoolError> {
        Ok(self.put(TableId::Page, key, row)?)
    }
}

impl Pages for Table<'_, &'static [u8], &'static [u8]> {
    fn add_records(&self, key: &[u8], lrecl: u32, row: &mut Vec<u8>) -> Result<(), PoolError> {
        Ok(self.get(key)?.map_or(Ok(()), |before| add_records(before.value(), lrecl, row))?)
    }

    fn put_row(&mut self, key: &[u8], row: &[u8]) -> Result<(), PoolError> {
        self.insert(key, row)?;
        Ok(())
    }
}

fn add_records(before: &[u8], lrecl: u32, row: &mut Vec<u8>) -> Result<(), Malformed> {
    let page = Page::decode(before)?;
    if page.lrecl != lrecl {
        return Err(Malformed("page of records"));
    }
    row.extend_from_slice(page.records);
    Ok(())
}

/// Writes neighbouring records, from number `first` on.
///
/// # Errors
/// The catalog's disk; [`PoolError::Damaged`] when the file has records of another length, or `data` is no run.
pub(super) fn put(
    pages: &mut impl Pages,
    file: FileNo,
    first: u32,
    lrecl: u32,
    data: &[u8],
) -> Result<(), PoolError> {
    if !is_run(first, lrecl, data) {
        return Err(Malformed("run of records").into());
    }
    let (size, full) = (lrecl as usize, per_page(lrecl));
    let mut row = Vec::with_capacity(HEAD + full as usize * size);
    let (mut number, mut rest) = (first, data);
    while !rest.is_empty() {
        let start = first_of(number, lrecl);
        let room = (start + full - number) as usize * size;
        let (now, later) = rest.split_at(room.min(rest.len()));
        put_in(pages, &record_key(file, start), lrecl, (number - start) as usize * size, now, &mut row)?;
        number += (now.len() / size) as u32;
        rest = later;
    }
    Ok(())
}

/// Writes `data` at an offset among the records of one page. `row` is any scratch.
fn put_in(
    pages: &mut impl Pages,
    key: &[u8],
    lrecl: u32,
    at: usize,
    data: &[u8],
    row: &mut Vec<u8>,
) -> Result<(), PoolError> {
    row.clear();
    row.push(VERSION);
    row.extend_from_slice(&(lrecl as u16).to_le_bytes());
    let end = HEAD + at + data.len();
    // A page that is written as a whole is not looked at before.
    if data.len() < (per_page(lrecl) * lrecl) as usize {
        pages.add_records(key, lrecl, row)?;
    }
    row.resize(row.len().max(end), 0);
    row[end - data.len()..end].copy_from_slice(data);
    pages.put_row(key, row)
}

/// Removes the records of a file numbered `from` and above.
///
/// # Errors
/// The catalog's disk; [`PoolError::Damaged`].
pub(super) fn cut(draft: &mut Snapshot, file: FileNo, from: u32) -> Result<(), PoolError> {
    // The page in front may reach into what goes.
    let before = from.saturating_sub(MAX_PER_PAGE);
    let (mut gone, mut kept) = (Vec::new(), None);
    draft.scan(TableId::Page, &record_key(file, before), &record_key(file, u32::MAX), &mut |key, row| {
        let start = number_of(key);
        if start >= from {
            gone.push(start);
        } else {
            let page = Page::decode(row)?;
            let keep = HEAD + (from - start) as usize * page.lrecl as usize;
            kept = row.get(..keep).filter(|kept| kept.len() < row.len()).map(|kept| (start, kept.to_vec()));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for start in gone {
        draft.remove(TableId::Page, &record_key(file, start))?;
    }
    if let Some((start, kept)) = kept {
        draft.put(TableId::Page, &record_key(file, start), &kept)?;
    }
    Ok(())
}

/// File and record number of a key; zeros where it is cut short.
pub(crate) fn parts_of(key: &[u8]) -> (FileNo, u32) {
    let file = key.get(..8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
    (FileNo(file), number_of(key))
}

fn number_of(key: &[u8]) -> u32 {
    key.get(8..).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}
