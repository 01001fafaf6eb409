//! The changes of a commit, made in a state of the catalog that nobody sees yet.

use std::collections::HashSet;

use super::apply::Live;
use super::catalog::{BodyId, BodyRec, Counted, SpaceRec, Storage, named_key};
use super::error::PoolError;
use super::op::Op;
use super::page;
use super::recent::TableId;
use super::snapshot::Snapshot;
use super::store::Store;

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

/// Makes the changes of a commit in `draft`, in order. `bodies` is where its bodies begin in the log.
pub(super) fn apply(
    draft: &mut Snapshot,
    ops: &[Op],
    bodies: u64,
    account: &mut Account<'_>,
) -> Result<(), PoolError> {
    ops.iter().try_for_each(|op| apply_one(draft, op, bodies, account))
}

fn apply_one(draft: &mut Snapshot, op: &Op, bodies: u64, account: &mut Account<'_>) -> Result<(), PoolError> {
    match op {
        Op::PutSpace { name, rec } => {
            let used = draft.space(name)?.map_or(0, |old| old.used);
            draft.put(TableId::Space, name.as_bytes(), &SpaceRec { used, ..rec.clone() }.encode())?;
        }
        Op::DelSpace { name } => draft.remove(TableId::Space, name.as_bytes())?,
        Op::Charge { name, delta } => {
            if let Some(mut rec) = draft.space(name)? {
                rec.used = rec.used.saturating_add_signed(*delta);
                draft.put(TableId::Space, name.as_bytes(), &rec.encode())?;
            }
        }
        Op::PutDir { parent, name, rec } => {
            draft.put(TableId::Dir, &named_key(*parent, *name), &rec.encode())?;
        }
        Op::DelDir { parent, name } => draft.remove(TableId::Dir, &named_key(*parent, *name))?,
        Op::PutFile { dir, name, rec } => {
            draft.put(TableId::Entry, &named_key(*dir, *name), &rec.encode())?;
        }
        Op::DelFile { dir, name } => draft.remove(TableId::Entry, &named_key(*dir, *name))?,
        Op::PutBody { id, rec } => {
            let mut rec = rec.clone();
            if rec.storage == Storage::Log {
                rec.addr += bodies;
            }
            account.count(&rec, 1);
            put_body(draft, *id, &rec.encode())?;
        }
        Op::RefBody { id, delta } => count_reference(draft, *id, *delta, account)?,
        Op::MoveBody { id, from, to } => {
            if let Some(mut rec) = draft.body(*id)?.filter(|r| (r.storage, r.addr) == *from) {
                account.count(&rec, -1);
                (rec.storage, rec.addr) = (Storage::Volume, *to);
                account.count(&rec, 1);
                put_body(draft, *id, &rec.encode())?;
            }
        }
        Op::PutRecords { file, first, lrecl, data } => page::put(draft, *file, *first, *lrecl, data)?,
        Op::CutRecords { file, from } => page::cut(draft, *file, *from)?,
        Op::Row { key, value: Some(value) } => draft.put(TableId::Row, key, value)?,
        Op::Row { key, value: None } => draft.remove(TableId::Row, key)?,
        Op::DropRows { prefix } => {
            for (key, _) in draft.rows(prefix)? {
                draft.remove(TableId::Row, &key)?;
            }
        }
        Op::Touch { dir, name, file, day } => {
            let old = draft.file(*dir, *name)?;
            if let Some(mut rec) = old.filter(|r| r.file == *file && r.referenced < *day) {
                rec.referenced = *day;
                draft.put(TableId::Entry, &named_key(*dir, *name), &rec.encode())?;
            }
        }
    }
    Ok(())
}

fn put_body(draft: &mut Snapshot, id: BodyId, row: &[u8]) -> Result<(), PoolError> {
    Ok(draft.put(TableId::Body, &id.0.to_be_bytes(), row)?)
}

/// More or fewer references of a body; one without any is gone.
fn count_reference(
    draft: &mut Snapshot,
    id: BodyId,
    delta: i32,
    account: &mut Account<'_>,
) -> Result<(), PoolError> {
    let key = id.0.to_be_bytes();
    let counted = draft.get(TableId::Body, &key, |row| BodyRec::counted(row, delta))?.transpose()?;
    match counted {
        Some(Counted::Gone(rec)) => {
            account.count(&rec, -1);
            draft.remove(TableId::Body, &key)?;
        }
        Some(Counted::Kept(row)) => put_body(draft, id, &row)?,
        None => return Err(PoolError::Damaged(format!("body {} is not in the catalog", id.0).into())),
    }
    Ok(())
}
