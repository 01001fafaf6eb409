//! Recovery: what the log holds beyond the catalog is done again, and what is made of damage in it.
//!
//! The octets of files have checksums of their own in the changes that bring them. So it can often be proved that of a damaged
//! batch only octets of files are damaged; then the changes count, and who reads such a file is told. Where that cannot be
//! proved nothing behind the damage can be trusted to be whole, and the pool does not open. A salvage bears with it: it does
//! what can be done ([`Damage::Bear`]), on disks that it does not change.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dasd::{
    DamagedBatch, DamagedStretch, Dasd, Hole, LogAddr, LogConfig, LogFound, Recovered, RecoveredEntry,
};
use redb::{Database, ReadableDatabase, ReadableTable};

use super::catalog::{CRC_CHUNK, LIVE, Storage};
use super::error::PoolError;
use super::op::{self, Op, Payload};
use super::store::Store;
use super::{Applier, PoolOpenError, commit, prepare, row};

/// What to do about changes that are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Not open.
    Refuse,
    /// Do what can be done, and say what that was.
    Bear,
}

/// What the log holds beyond the catalog.
pub(super) struct Found {
    pub(super) recovered: Recovered,
    entries: Vec<RecoveredEntry>,
    damage: Damage,
    /// What was found to be damaged, a line each.
    pub(super) said: Vec<String>,
}

/// Reads the log from `from` on.
pub(super) fn read_log(
    dasd: Arc<dyn Dasd>,
    config: &LogConfig,
    from: LogAddr,
    damage: Damage,
) -> Result<Found, PoolOpenError> {
    let (mut entries, mut said) = (Vec::new(), Vec::new());
    let recovered = Recovered::open::<PoolOpenError>(dasd, config, from, |found| {
        match found {
            LogFound::Entry(entry) => entries.push(entry),
            LogFound::Damage(stretch) => {
                let proved = stretch.complete && stretch.batches.iter().all(only_bodies_are_damaged);
                let DamagedStretch { from, to, batches, .. } = stretch;
                if !proved && damage == Damage::Refuse {
                    return Err(PoolOpenError::Damaged { from: from.0, to: to.0 });
                }
                let what = if proved { "octets of files" } else { "changes" };
                let line = format!("the log is damaged from {:#x} to {:#x}: {what}", from.0, to.0);
                tracing::error!("{line}");
                said.push(line);
                entries.extend(batches.into_iter().flat_map(|batch| batch.entries));
            }
        }
        Ok(())
    })?;
    Ok(Found { recovered, entries, damage, said })
}

/// Whether all of a batch is as it was written, but for octets of the files it brings.
pub(super) fn only_bodies_are_damaged(batch: &DamagedBatch) -> bool {
    let mut holes = Vec::new();
    for entry in &batch.entries {
        match op::decode_payload(&entry.payload) {
            Ok(Payload::Direct { ops, bodies }) => {
                for op in &ops {
                    holes.extend(bodies_in(op, entry.addr.0 + bodies));
                }
            }
            Ok(Payload::Indirect(_)) => {}
            Err(_) => return false,
        }
    }
    holes.sort_by_key(|hole| hole.addr);
    batch.sound_but_for(&holes)
}

/// The stretches of the log with a checksum of their own that `op` names; `bodies` is where the entry's bodies begin.
fn bodies_in(op: &Op, bodies: u64) -> Vec<Hole> {
    let Op::PutBody { rec, .. } = op else { return Vec::new() };
    if rec.storage != Storage::Log {
        return Vec::new();
    }
    let pieces = (0u64..).step_by(CRC_CHUNK).zip(&rec.crcs);
    let hole = |(at, crc): (u64, &u32)| Hole {
        addr: LogAddr(bodies.saturating_add(rec.addr).saturating_add(at)),
        len: u64::from(rec.len).saturating_sub(at).min(CRC_CHUNK as u64),
        crc: *crc,
    };
    pieces.map(hole).collect()
}

/// Applies what was found in the log and folds it into the catalog.
pub(super) fn redo(
    found: &mut Found,
    applier: &mut Applier,
    store: &Store,
    next: &AtomicU64,
) -> Result<(), PoolError> {
    let Found { entries, damage, said, .. } = found;
    let mut left_out = 0usize;
    let mut i = 0;
    while i < entries.len() {
        // All entries of one batch go together: `end` is the only position between batches.
        let upto = entries[i].end;
        let n = entries[i..].iter().take_while(|e| e.end == upto).count();
        let mut commits = Vec::with_capacity(n);
        for entry in &entries[i..i + n] {
            match read_entry(entry, store, next) {
                Err(_) if *damage == Damage::Bear => left_out += 1,
                other => commits.push(other?),
            }
        }
        let refs: Vec<_> = commits.iter().map(|(bodies, ops)| (*bodies, ops.as_slice())).collect();
        match applier.apply(upto, &refs) {
            Err(_) if *damage == Damage::Bear => {
                // One after the other, so that only those are left out that need what is not there.
                left_out += refs.iter().filter(|one| applier.apply(upto, &[**one]).is_err()).count();
            }
            other => other?,
        }
        i += n;
    }
    if left_out > 0 {
        said.push(format!("{left_out} commits of the log were left out"));
    }
    if entries.is_empty() {
        return Ok(());
    }
    applier.apply(found.recovered.end(), &[])?;
    let mut upto = None;
    loop {
        match applier.keep_all(upto)? {
            (_, None) => return Ok(()),
            (position, Some(fold)) => {
                upto = Some(position);
                fold.wait();
            }
        }
    }
}

/// What the catalog, with all of the log in it, knows of and the disks have no more: segments with bodies in them, a line each. The
/// volume makes none of a lost one's number again.
pub(super) fn lost_segments(db: &Database, store: &Store) -> Result<Vec<String>, PoolError> {
    let of_log: HashSet<u64> = store.log.segments().iter().map(|segment| segment.seq).collect();
    let volume = store.volume.segments().map_err(|e| PoolError::Damaged(e.to_string().into()))?;
    let of_volume: HashSet<u64> = volume.iter().map(|(seq, _)| *seq).collect();
    let mended = store.volume.mended().iter();
    let mut said: Vec<_> =
        mended.map(|name| format!("{name}: the header is damaged; opening the pool mends it")).collect();
    for row in db.begin_read()?.open_table(LIVE)?.iter()? {
        let (key, octets) = row?;
        let ((code, seq), octets) = (key.value(), octets.value());
        let of_this_log = code == Storage::Log.code();
        if !of_this_log {
            store.volume.pass_over(seq);
        }
        let there = if of_this_log { &of_log } else { &of_volume };
        if octets > 0 && !there.contains(&seq) {
            let which = if of_this_log { "log" } else { "volume" };
            said.push(format!(
                "segment {seq} of the {which} is missing, with {octets} octets of files in it"
            ));
        }
    }
    said.iter().for_each(|line| tracing::error!("{line}"));
    Ok(said)
}

/// The changes of an entry, and where its bodies begin.
fn read_entry(entry: &RecoveredEntry, store: &Store, next: &AtomicU64) -> Result<(u64, Vec<Op>), PoolError> {
    let (bodies, ops) = match op::decode_payload(&entry.payload)? {
        Payload::Direct { ops, bodies } => (entry.addr.0 + bodies, ops),
        Payload::Indirect(extents) => (0, commit::read_indirect(store, &extents)?),
    };
    let mut nested = Vec::new();
    for op in &ops {
        nested.extend(prepare::changes_of(op)?);
    }
    for op in ops.iter().chain(&nested) {
        next.fetch_max(highest_number(op).saturating_add(1), Ordering::Relaxed);
    }
    Ok((bodies, ops))
}

/// The greatest number for a directory, file or body that `op` uses.
pub(super) fn highest_number(op: &Op) -> u64 {
    match op {
        Op::PutSpace { rec, .. } => rec.top.0,
        Op::PutDir { rec, .. } => rec.id.0,
        Op::PutFile { rec, .. } => rec.file.0,
        Op::PutBody { id, .. } => id.0,
        Op::Row { key, .. } => row::number(key),
        _ => 0,
    }
}
