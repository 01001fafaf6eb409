//! The changes of a commit, made in the tables of one write transaction.

use std::collections::HashSet;

use redb::{ReadableTable, Table, WriteTransaction};

use super::apply::Live;
use super::bulk::{self, Fate, MANY};
use super::catalog::{
    BODY, BodyId, BodyRec, Counted, DIR, ENTRY, FileRec, PAGE, ROW, SPACE, SpaceRec, Storage, named_key,
};
use super::error::PoolError;
use super::op::Op;
use super::store::Store;
use super::{page, row};

/// What lives where, kept in step with the bodies.
pub(super) struct Account<'a> {
    pub(super) store: &'a Store,
    pub(super) live: &'a mut Live,
    pub(super) changed: &'a mut HashSet<(Storage, u64)>,
}

impl Account<'_> {
    fn count(&mut self, rec: &BodyRec, sign: i64) {
        let key = (rec.storage, self.store.segment_of(rec.storage, rec.addr));
        *self.live.entry(key).or_default() += sign * self.store.footprint(rec.storage, rec.len);
        self.changed.insert(key);
    }
}

/// Whether two changes are of one kind and the key of the second is the greater one.
fn follows(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::PutFile { dir: d1, name: n1, .. }, Op::PutFile { dir: d2, name: n2, .. })
        | (Op::DelFile { dir: d1, name: n1 }, Op::DelFile { dir: d2, name: n2 }) => (d1, n1) < (d2, n2),
        (Op::RefBody { id: a, .. }, Op::RefBody { id: b, .. }) => a < b,
        _ => false,
    }
}

/// The tables of one write transaction.
pub(super) struct Tables<'t> {
    space: Table<'t, &'static str, &'static [u8]>,
    dir: Table<'t, &'static [u8], &'static [u8]>,
    entry: Table<'t, &'static [u8], &'static [u8]>,
    page: Table<'t, &'static [u8], &'static [u8]>,
    body: Table<'t, u64, &'static [u8]>,
    row: Table<'t, &'static [u8], &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, PoolError> {
        Ok(Self {
            space: txn.open_table(SPACE)?,
            dir: txn.open_table(DIR)?,
            entry: txn.open_table(ENTRY)?,
            page: txn.open_table(PAGE)?,
            body: txn.open_table(BODY)?,
            row: txn.open_table(ROW)?,
        })
    }

    /// Makes the changes of a commit, in order. `bodies` is where its bodies begin in the log.
    pub(super) fn apply(
        &mut self,
        ops: &[Op],
        bodies: u64,
        account: &mut Account<'_>,
    ) -> Result<(), PoolError> {
        for run in ops.chunk_by(follows) {
            let done = run.len() >= MANY && self.apply_many(run, account)?;
            if !done {
                run.iter().try_for_each(|op| self.apply_one(op, bodies, account))?;
            }
        }
        Ok(())
    }

    /// Makes changes of one kind whose keys ascend, if there is a way to make them at once.
    fn apply_many(&mut self, run: &[Op], account: &mut Account<'_>) -> Result<bool, PoolError> {
        match run[0] {
            Op::PutFile { .. } => {
                let row = |op: &Op| match op {
                    Op::PutFile { dir, name, rec } => Some((named_key(*dir, *name), rec.encode())),
                    _ => None,
                };
                let rows: Vec<_> = run.iter().filter_map(row).collect();
                bulk::put(&mut self.entry, &rows, |key| key.as_slice())?;
                Ok(true)
            }
            Op::DelFile { .. } => {
                let key = |op: &Op| match op {
                    Op::DelFile { dir, name } => Some(named_key(*dir, *name)),
                    _ => None,
                };
                let keys: Vec<_> = run.iter().filter_map(key).collect();
                bulk::sift(&mut self.entry, &keys, |key| key.as_slice(), |_, _| Fate::Remove)
            }
            Op::RefBody { .. } => self.count_references(run, account),
            _ => Ok(false),
        }
    }

    /// More or fewer references of many bodies. Their rows are taken out and put back changed, which costs two walks in all.
    fn count_references(&mut self, run: &[Op], account: &mut Account<'_>) -> Result<bool, PoolError> {
        let change = |op: &Op| match op {
            Op::RefBody { id, delta } => Some((*id, *delta)),
            _ => None,
        };
        let changes: Vec<_> = run.iter().filter_map(change).collect();
        let (mut gone, mut kept) = (Vec::new(), Vec::with_capacity(changes.len()));
        let mut wrong = None;
        let take = |(id, delta): &(BodyId, i32), row: &[u8]| {
            match BodyRec::counted(row, *delta) {
                Ok(Counted::Gone(rec)) => gone.push(rec),
                Ok(Counted::Kept(row)) => kept.push((*id, row)),
                Err(error) => wrong = Some(error),
            }
            Fate::Remove
        };
        if !bulk::sift(&mut self.body, &changes, |(id, _)| id.0, take)? {
            return Ok(false);
        }
        if let Some(error) = wrong {
            return Err(error.into());
        }
        if gone.len() + kept.len() < changes.len() {
            return Err(PoolError::Damaged("a body that a file names is not in the catalog".into()));
        }
        gone.iter().for_each(|rec| account.count(rec, -1));
        bulk::put(&mut self.body, &kept, |id| id.0)?;
        Ok(true)
    }

    fn apply_one(&mut self, op: &Op, bodies: u64, account: &mut Account<'_>) -> Result<(), PoolError> {
        match op {
            Op::PutSpace { name, rec } => {
                let used = match self.space.get(name.as_str())? {
                    Some(old) => SpaceRec::decode(old.value())?.used,
                    None => 0,
                };
                self.space.insert(name.as_str(), SpaceRec { used, ..rec.clone() }.encode().as_slice())?;
            }
            Op::DelSpace { name } => {
                self.space.remove(name.as_str())?;
            }
            Op::Charge { name, delta } => {
                let old = self.space.get(name.as_str())?.map(|v| SpaceRec::decode(v.value())).transpose()?;
                if let Some(mut rec) = old {
                    rec.used = rec.used.saturating_add_signed(*delta);
                    self.space.insert(name.as_str(), rec.encode().as_slice())?;
                }
            }
            Op::PutDir { parent, name, rec } => {
                self.dir.insert(named_key(*parent, *name).as_slice(), rec.encode().as_slice())?;
            }
            Op::DelDir { parent, name } => {
                self.dir.remove(named_key(*parent, *name).as_slice())?;
            }
            Op::PutFile { dir, name, rec } => {
                self.entry.insert(named_key(*dir, *name).as_slice(), rec.encode().as_slice())?;
            }
            Op::DelFile { dir, name } => {
                self.entry.remove(named_key(*dir, *name).as_slice())?;
            }
            Op::PutBody { id, rec } => {
                let mut rec = rec.clone();
                if rec.storage == Storage::Log {
                    rec.addr += bodies;
                }
                account.count(&rec, 1);
                self.body.insert(id.0, rec.encode().as_slice())?;
            }
            Op::RefBody { id, delta } => {
                let counted = match self.body.get(id.0)? {
                    Some(row) => BodyRec::counted(row.value(), *delta)?,
                    None => return Err(missing_body(*id)),
                };
                match counted {
                    Counted::Gone(rec) => {
                        account.count(&rec, -1);
                        self.body.remove(id.0)?;
                    }
                    Counted::Kept(row) => drop(self.body.insert(id.0, row.as_slice())?),
                }
            }
            Op::MoveBody { id, from, to } => {
                if let Some(mut rec) = self.body_rec(*id)?.filter(|r| (r.storage, r.addr) == *from) {
                    account.count(&rec, -1);
                    (rec.storage, rec.addr) = (Storage::Volume, *to);
                    account.count(&rec, 1);
                    self.body.insert(id.0, rec.encode().as_slice())?;
                }
            }
            Op::PutRecords { file, first, lrecl, data } => {
                page::put(&mut self.page, *file, *first, *lrecl, data)?;
            }
            Op::CutRecords { file, from } => page::cut(&mut self.page, *file, *from)?,
            Op::Row { key, value: Some(value) } => {
                self.row.insert(key.as_slice(), value.as_slice())?;
            }
            Op::Row { key, value: None } => {
                self.row.remove(key.as_slice())?;
            }
            Op::DropRows { prefix } => {
                let high = row::behind(prefix);
                self.row.retain_in(prefix.as_slice()..high.as_slice(), |_, _| false)?;
            }
            Op::Touch { dir, name, file, day } => {
                let key = named_key(*dir, *name);
                let old = self.entry.get(key.as_slice())?.map(|v| FileRec::decode(v.value())).transpose()?;
                if let Some(mut rec) = old.filter(|r| r.file == *file && r.referenced < *day) {
                    rec.referenced = *day;
                    self.entry.insert(key.as_slice(), rec.encode().as_slice())?;
                }
            }
        }
        Ok(())
    }

    fn body_rec(&self, id: BodyId) -> Result<Option<BodyRec>, PoolError> {
        Ok(self.body.get(id.0)?.map(|v| BodyRec::decode(v.value())).transpose()?)
    }
}

fn missing_body(id: BodyId) -> PoolError {
    PoolError::Damaged(format!("body {} is not in the catalog", id.0).into())
}
