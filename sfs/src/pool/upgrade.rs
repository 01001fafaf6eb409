//! Brings a catalog of an earlier version to that of this program, in one durable transaction of its own.
//!
//! Version 2 brought the `row` table and file records of version 2, which are written as files change; version 3 brought storage groups,
//! of which older pools have the first two; version 4 keeps short records in pages instead of a row each; version 5 says who may connect,
//! which in older pools is everybody.

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::catalog::{CATALOG_VERSION, FileNo, META, META_VERSION, PAGE, RECORD, ROW};
use super::error::PoolError;
use super::group::FIRST_MINIDISKS;
use super::{page, row};
use crate::types::Minidisk;

/// Octets of neighbouring records that are gathered before they are written.
const GATHER: usize = 1 << 20;

/// Upgrades, if the catalog is of an earlier version that this program knows.
pub(super) fn upgrade(db: &Database) -> Result<(), PoolError> {
    let found = {
        let txn = db.begin_read()?;
        let meta = txn.open_table(META)?;
        meta.get(META_VERSION)?.map_or(0, |v| v.value())
    };
    if !(1..CATALOG_VERSION).contains(&found) {
        return Ok(());
    }
    let txn = db.begin_write()?;
    if found < 3 {
        define_minidisks(&txn, &FIRST_MINIDISKS)?;
    }
    if found < 4 {
        records_to_pages(&txn)?;
    }
    txn.open_table(ROW)?.insert(row::public_key().as_slice(), row::public_row().as_slice())?;
    txn.open_table(META)?.insert(META_VERSION, CATALOG_VERSION)?;
    Ok(txn.commit()?)
}

/// Makes the `row` table, if it is not there, with rows for minidisks.
pub(super) fn define_minidisks(txn: &WriteTransaction, minidisks: &[Minidisk]) -> Result<(), PoolError> {
    let mut rows = txn.open_table(ROW)?;
    for (key, value) in minidisks.iter().map(row::minidisk) {
        rows.insert(key.as_slice(), value.as_slice())?;
    }
    Ok(())
}

/// Neighbouring records of one file on their way into pages.
struct Gathered {
    file: FileNo,
    first: u32,
    lrecl: u32,
    data: Vec<u8>,
}

impl Gathered {
    fn takes(&self, file: FileNo, number: u32, data: &[u8]) -> bool {
        let next = u64::from(self.first) + (self.data.len() / self.lrecl as usize) as u64;
        self.file == file
            && next == u64::from(number)
            && self.lrecl as usize == data.len()
            && self.data.len() < GATHER
    }
}

/// The `record` table of versions 1 to 3 has a row for each record.
fn records_to_pages(txn: &WriteTransaction) -> Result<(), PoolError> {
    {
        let records = txn.open_table(RECORD)?;
        let mut pages = txn.open_table(PAGE)?;
        let mut write = |run: Gathered| page::put(&mut pages, run.file, run.first, run.lrecl, &run.data);
        let mut run: Option<Gathered> = None;
        for entry in records.iter()? {
            let (key, data) = entry?;
            let ((file, number), data) = (page::parts_of(key.value()), data.value());
            match &mut run {
                Some(run) if run.takes(file, number, data) => run.data.extend_from_slice(data),
                _ => {
                    let lrecl = u32::try_from(data.len()).unwrap_or(u32::MAX);
                    if !page::is_run(number, lrecl, data) {
                        // No file can have shown it either.
                        tracing::error!(
                            file = file.0,
                            number,
                            "a row that is no record of a file is left out"
                        );
                        continue;
                    }
                    let next = Gathered { file, first: number, lrecl, data: data.to_vec() };
                    run.replace(next).map_or(Ok(()), &mut write)?;
                }
            }
        }
        run.map_or(Ok(()), &mut write)?;
    }
    txn.delete_table(RECORD)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::pool::catalog::{BODY, DIR, ENTRY, SPACE, record_key};
    use crate::pool::fold;
    use crate::pool::snapshot::{Base, Snapshot};

    /// Records by file and number.
    type Model = BTreeMap<(u64, u32), Vec<u8>>;

    fn lrecl(file: u64) -> u32 {
        [1024, 1000, 300, 128, 7][file as usize % 5]
    }

    /// A catalog of version 3 with these rows.
    fn version_3(model: &Model) -> Database {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(SPACE).unwrap();
        txn.open_table(DIR).unwrap();
        txn.open_table(ENTRY).unwrap();
        txn.open_table(BODY).unwrap();
        define_minidisks(&txn, &FIRST_MINIDISKS).unwrap();
        txn.open_table(META).unwrap().insert(META_VERSION, 3).unwrap();
        {
            let mut records = txn.open_table(RECORD).unwrap();
            for ((file, number), data) in model {
                records.insert(record_key(FileNo(*file), *number).as_slice(), data.as_slice()).unwrap();
            }
        }
        txn.commit().unwrap();
        db
    }

    /// Records as the pool shows them: those that were never written are zeros, and so is what is left of a page in front of others.
    fn shown(state: &Snapshot, file: u64, from: u32, to: u32) -> Vec<u8> {
        let size = lrecl(file) as usize;
        let mut image = vec![0; (to - from + 1) as usize * size];
        let each = |first: u32, data: &[u8]| {
            let at = (first - from) as usize * size;
            image[at..at + data.len()].copy_from_slice(data);
        };
        state.records(FileNo(file), lrecl(file), from, to, each).unwrap();
        image
    }

    fn expected(model: &Model, file: u64, from: u32, to: u32) -> Vec<u8> {
        let blank = vec![0; lrecl(file) as usize];
        (from..=to).flat_map(|n| model.get(&(file, n)).unwrap_or(&blank).clone()).collect()
    }

    fn runs() -> impl Strategy<Value = Vec<(u64, u32, u32, u8)>> {
        prop::collection::vec((0u64..5, prop_oneof![1u32..40, 1u32..1200], 0u32..50, 1u8..), 0..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn records_are_the_same_in_pages(before in runs(), after in runs(), from in 1u32..1200, more in 0u32..100) {
            let mut model = Model::new();
            let put = |model: &mut Model, (file, first, count, octet): (u64, u32, u32, u8)| {
                let data = vec![octet; lrecl(file) as usize];
                model.extend((first..first + count).map(|n| ((file, n), data.clone())));
            };
            before.into_iter().for_each(|run| put(&mut model, run));
            let db = version_3(&model);
            upgrade(&db).unwrap();
            let mut state = Snapshot::new(&db).unwrap();
            for file in 0..5 {
                prop_assert_eq!(shown(&state, file, 1, 1300), expected(&model, file, 1, 1300));
            }
            for (file, first, count, octet) in after {
                if count == 0 {
                    page::cut(&mut state, FileNo(file), first).unwrap();
                    model.retain(|(f, n), _| *f != file || *n < first);
                } else {
                    let data = vec![octet; (lrecl(file) * count) as usize];
                    page::put(&mut state, FileNo(file), first, lrecl(file), &data).unwrap();
                    put(&mut model, (file, first, count, octet));
                }
                // Now and then some of it lies on the disk, on its way there, and above.
                if octet % 5 == 0 && state.folding().is_empty() {
                    state = state.begin_fold();
                } else if octet % 5 == 1 {
                    let txn = db.begin_write().unwrap();
                    fold::write_rows(&txn, state.folding()).unwrap();
                    txn.commit().unwrap();
                    state = state.end_fold(Arc::new(Base::new(&db).unwrap()));
                }
            }
            for file in 0..5 {
                prop_assert_eq!(shown(&state, file, 1, 1300), expected(&model, file, 1, 1300));
                prop_assert_eq!(shown(&state, file, from, from + more), expected(&model, file, from, from + more));
            }
            // Nothing stands behind the last record, so that a file that grows again has zeros there.
            let mut ends = BTreeMap::new();
            state.pages(|file, start, page| {
                ends.insert(file.0, start + page.unwrap().count());
            }).unwrap();
            for (file, end) in ends {
                let last = model.range((file, 0)..=(file, u32::MAX)).next_back().map_or(0, |((_, n), _)| *n);
                prop_assert!(end > last);
            }
        }
    }

    #[test]
    fn a_row_that_no_file_can_show_is_left_out() {
        let mut model = Model::from([((3, 1), vec![7; 128]), ((3, 2), vec![8; 128])]);
        model.insert((3, 0), vec![9; 128]);
        model.insert((4, 1), Vec::new());
        model.insert((4, 2), vec![1; 1025]);
        let db = version_3(&model);
        upgrade(&db).unwrap();
        let mut pages = Vec::new();
        Snapshot::new(&db)
            .unwrap()
            .pages(|file, start, page| pages.push((file.0, start, page.unwrap().count())))
            .unwrap();
        assert_eq!(pages, [(3, 1, 2)]);
    }
}
