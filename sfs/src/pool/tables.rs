//! The changes of a commit, made in a state of the catalog that nobody sees yet.

use std::collections::HashSet;

use super::apply::Live;
use super::catalog::{BodyId, BodyRec, Counted, Extent, SpaceRec, Storage, named_key};
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
    fn count(&mut self, at: Extent, sign: i64) {
        let key = (at.storage, self.store.segment_of(at.storage, at.addr));
        *self.live.entry(key).or_default() += sign * self.store.footprint(at.storage, at.len);
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
    let mut references = Vec::new();
    for op in ops {
        // Of a copied or erased directory there are many, one behind the other: they are counted together.
        if !matches!(op, Op::RefBody { .. }) {
            count_references(draft, &mut references, account)?;
        }
        apply_one(draft, op, bodies, &mut references, account)?;
    }
    count_references(draft, &mut references, account)
}

/// Makes one change; references of bodies are only gathered.
fn apply_one(
    draft: &mut Snapshot,
    op: &Op,
    bodies: u64,
    references: &mut Vec<(BodyId, i32)>,
    account: &mut Account<'_>,
) -> Result<(), PoolError> {
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
            account.count(rec.extent(), 1);
            put_body(draft, *id, &rec.encode())?;
        }
        Op::RefBody { id, delta } => references.push((*id, *delta)),
        Op::MoveBody { id, from, to } => {
            if let Some(mut rec) = draft.body(*id)?.filter(|r| (r.storage, r.addr) == *from) {
                account.count(rec.extent(), -1);
                (rec.storage, rec.addr) = (Storage::Volume, *to);
                account.count(rec.extent(), 1);
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

/// More or fewer references of bodies, which are taken out of `references`; a body without any is gone.
fn count_references(
    draft: &mut Snapshot,
    references: &mut Vec<(BodyId, i32)>,
    account: &mut Account<'_>,
) -> Result<(), PoolError> {
    // One of a body at a time: the second finds what the first has made of it.
    while !references.is_empty() {
        let ascend = references.windows(2).take_while(|pair| pair[0].0 < pair[1].0).count() + 1;
        let part: Vec<_> = references.drain(..ascend).collect();
        let mut counted = vec![None; part.len()];
        let ids: Vec<[u8; 8]> = part.iter().map(|(id, _)| id.0.to_be_bytes()).collect();
        draft.walk(TableId::Body, &ids, |at, row| {
            counted[at] = Some(BodyRec::counted(row, part[at].1)?);
            Ok(())
        })?;
        for ((id, key), counted) in part.iter().zip(&ids).zip(counted) {
            match counted {
                Some(Counted::Gone(extent)) => {
                    account.count(extent, -1);
                    draft.remove(TableId::Body, key)?;
                }
                Some(Counted::Kept(row)) => draft.put_shared(TableId::Body, key, row)?,
                None => {
                    let why = format!("body {} is not in the catalog", id.0.0);
                    return Err(PoolError::Damaged(why.into()));
                }
            }
        }
    }
    Ok(())
}
