//! Dates of reference: the day on which a file was last opened.
//!
//! Only the day is kept, as SFS does, so a file costs at most one small change a day however often it is read. Days are noted in
//! memory and written in one log entry by the mover and at close; a crash loses those of the last moments, nothing else.

use std::collections::HashMap;

use super::Inner;
use super::apply::Commit;
use super::catalog::{DirId, FileNo, FileRec, Name16};
use super::commit::log_error;
use super::error::PoolError;
use super::group::GroupCharge;
use super::op::{self, Op};
use crate::types::Stamp;

/// Files whose day waits in memory. Beyond it days are not noted until the next write: a bound, not a promise.
pub const MAX_REFERENCES_WAITING: usize = 50_000;
const DAY: i64 = 24 * 3600 * 1_000_000;

/// Files referenced, with the day.
pub(crate) type References = HashMap<(DirId, Name16), (FileNo, Stamp)>;

/// The day of a moment.
pub(crate) fn day(now: Stamp) -> Stamp {
    Stamp(now.0.div_euclid(DAY) * DAY)
}

/// Notes that `rec` is read today.
pub(crate) fn note(inner: &Inner, key: (DirId, Name16), rec: &FileRec) {
    let today = day(inner.now());
    if rec.referenced >= today {
        return;
    }
    let mut waiting = inner.referenced.lock();
    if waiting.len() < MAX_REFERENCES_WAITING || waiting.contains_key(&key) {
        waiting.insert(key, (rec.file, today));
    }
}

/// Writes what waits. Not from an async task.
pub(crate) fn flush(inner: &Inner) -> Result<(), PoolError> {
    let waiting = std::mem::take(&mut *inner.referenced.lock());
    if waiting.is_empty() || inner.log.offline().is_some() {
        return Ok(());
    }
    let ops: Vec<_> =
        waiting.into_iter().map(|((dir, name), (file, day))| Op::Touch { dir, name, file, day }).collect();
    // One change is below 50 octets.
    for some in ops.chunks((inner.log.max_entry() / 64).max(1) as usize) {
        let head = op::direct(some);
        let bodies_at = head.len() as u64;
        let commit = Commit {
            ops: some.to_vec(),
            payload: vec![head],
            bodies_at,
            gives_back: true,
            charges: Vec::new(),
            locks: None,
            writing: None,
            groups: GroupCharge::default(),
        };
        inner.log.submit_blocking(commit).map_err(log_error)??;
    }
    Ok(())
}
