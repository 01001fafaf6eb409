//! Keeping the log short and the volume dense.
//!
//! The mover copies what is alive in the oldest log segments to the volume; the cleaner does the same with volume segments of
//! which much is dead. A copy is synced before its new address is logged, the address changes only if the body is still where it
//! was, and the old place is given back behind the next fold of the catalog. So a crash at any moment leaves the old copy, or both.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use super::apply::Commit;
use super::catalog::{BodyId, BodyRec, Storage};
use super::commit::log_error;
use super::error::PoolError;
use super::group::GroupCharge;
use super::op::{self, Op};
use super::{Inner, Pool};

/// How often the background thread looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// Octets copied with one sync and one log entry: small, so that no commit waits long behind the sync.
const CHUNK: usize = 1 << 20;
/// Log segments in use for each that the configuration leaves alone, up to which the mover waits while much is being logged: it would
/// take the disk from those who wait for it, and moves as well later.
const BUSY_SEGMENTS: usize = 16;
/// A volume segment with a smaller part alive, in percent, is cleaned.
const DENSE_PERCENT: u64 = 75;

/// The mover's thread.
#[derive(Debug)]
pub(crate) struct Background {
    stop: crossbeam_channel::Sender<()>,
    thread: JoinHandle<()>,
}

impl Background {
    pub(crate) fn start(pool: &Pool) -> io::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let inner = Arc::downgrade(&pool.inner);
        let work = move || {
            dasd::give_way();
            let mut newest = 0;
            while stopped.recv_timeout(INTERVAL) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                let Some(inner) = inner.upgrade() else { return };
                if is_busy(&inner, &mut newest) {
                    continue;
                }
                if let Err(error) = tidy(&inner) {
                    tracing::warn!(%error, "moving bodies failed");
                }
            }
        };
        let thread = std::thread::Builder::new().name("pool-mover".into()).spawn(work)?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the mover panicked");
        }
    }
}

/// Whether more than a segment was logged since the last look, and the log is not yet so long that it has to be shortened all the same.
fn is_busy(inner: &Inner, newest: &mut u64) -> bool {
    let segments = inner.log.space().segments();
    let before = std::mem::replace(newest, segments.last().map_or(0, |segment| segment.seq));
    *newest > before + 1 && segments.len() < inner.config.log_segments.max(1) * BUSY_SEGMENTS
}

impl Pool {
    /// Does what the background thread does, once, in the calling thread (which must not be an async task): empties log
    /// segments beyond the number that the configuration leaves alone, and sparse volume segments. Returns the bodies moved.
    ///
    /// # Errors
    /// [`PoolError`] of the disks.
    pub fn tidy(&self) -> Result<usize, PoolError> {
        tidy(&self.inner)
    }
}

fn tidy(inner: &Inner) -> Result<usize, PoolError> {
    super::references::flush(inner)?;
    let mut moved = 0;
    let segments = inner.log.space().segments();
    let surplus = segments.len().saturating_sub(inner.config.log_segments.max(1));
    for segment in segments.iter().take(surplus).filter(|s| !s.current) {
        let places = log_bodies(inner, segment.seq)?;
        moved += relocate(inner, &places)?;
    }
    let volume = &inner.store.volume;
    let all = volume.segments().map_err(|e| PoolError::Damaged(e.to_string().into()))?;
    let full = all.len().saturating_sub(1);
    for (seq, len) in all.iter().take(full) {
        let seq = *seq;
        let live = inner.log.call_blocking(move |a| a.live_in(Storage::Volume, seq)).map_err(log_error)?;
        if live > 0 && live as u64 * 100 < len * DENSE_PERCENT {
            let headers = volume.scan_segment(seq)?;
            let places: Vec<_> = headers.iter().map(|h| (BodyId(h.id), Storage::Volume, h.addr.0)).collect();
            moved += relocate(inner, &places)?;
        }
    }
    if moved > 0 {
        inner.checkpoint_blocking()?;
    }
    remove_dead_segments(inner)?;
    Ok(moved)
}

/// Removes volume segments in which nothing lives. A commit may have its extents there and its log entry still to come, so a
/// segment goes only when every writer of the time when it was first seen dead, and no longer the newest, has finished.
fn remove_dead_segments(inner: &Inner) -> Result<(), PoolError> {
    inner.checkpoint_blocking()?;
    let dead = inner.folds.dead_volume_segments();
    let mut candidates = inner.dead_candidates.lock();
    candidates.retain(|seq, _| dead.contains(seq));
    let mut remove = Vec::new();
    for seq in dead {
        match candidates.get(&seq) {
            Some(since) if inner.writers.leave_alone(seq, *since) => remove.push(seq),
            Some(_) => {}
            None => {
                candidates.insert(seq, inner.writers.now());
            }
        }
    }
    if inner.store.held.load(std::sync::atomic::Ordering::SeqCst) > 0 {
        return Ok(());
    }
    for seq in remove {
        let gone = inner.store.volume.remove_segment(seq);
        if gone.map_err(|e| PoolError::Damaged(e.to_string().into()))? {
            candidates.remove(&seq);
        }
    }
    Ok(())
}

/// The bodies that log segment `seq` brought, dead or alive.
fn log_bodies(inner: &Inner, seq: u64) -> Result<Vec<(BodyId, Storage, u64)>, PoolError> {
    let mut places = Vec::new();
    let mut bad = None;
    let scanned = inner.log.space().scan_segment(seq, |addr, payload| match op::decode_payload(&payload) {
        Ok(op::Payload::Direct { ops, bodies }) => {
            for op in ops {
                if let Op::PutBody { id, rec } = op
                    && rec.storage == Storage::Log
                {
                    places.push((id, Storage::Log, addr.0 + bodies + rec.addr));
                }
            }
        }
        Ok(op::Payload::Indirect(_)) => {}
        Err(error) => bad = Some(error),
    });
    match scanned {
        // The last living body in it died, and a fold has recycled it.
        Err(dasd::ReadError::NoSuchAddress(_)) => return Ok(Vec::new()),
        other => other?,
    }
    bad.map_or(Ok(places), |error| Err(error.into()))
}

/// Copies those of `places` that are alive to the volume's tail and logs their new addresses.
fn relocate(inner: &Inner, places: &[(BodyId, Storage, u64)]) -> Result<usize, PoolError> {
    let mut moved = 0;
    let mut batch: Vec<(BodyId, BodyRec, Bytes)> = Vec::new();
    let mut size = 0;
    for (id, storage, addr) in places {
        let rec = inner.current().body(*id)?.filter(|r| (r.storage, r.addr) == (*storage, *addr));
        let Some(rec) = rec else { continue };
        let Some(body) = inner.store.open(*id, rec.clone()) else { continue };
        let data = inner.store.read_all(&body)?;
        size += data.len();
        batch.push((*id, rec, data));
        if size >= CHUNK {
            moved += relocate_batch(inner, &mut batch)?;
            size = 0;
        }
    }
    moved += relocate_batch(inner, &mut batch)?;
    Ok(moved)
}

fn relocate_batch(inner: &Inner, batch: &mut Vec<(BodyId, BodyRec, Bytes)>) -> Result<usize, PoolError> {
    if batch.is_empty() {
        return Ok(0);
    }
    let writing = Some(inner.writers.enter());
    let extents: Vec<_> = batch.iter().map(|(id, _, data)| (id.0, data.clone())).collect();
    let addrs = inner.store.volume.append(&extents).map_err(|e| match e.kind() {
        io::ErrorKind::StorageFull => PoolError::StorageFull,
        _ => PoolError::Offline(e.to_string().into()),
    })?;
    let ops: Vec<_> = batch
        .drain(..)
        .zip(addrs)
        .map(|((id, rec, _), to)| Op::MoveBody { id, from: (rec.storage, rec.addr), to: to.0 })
        .collect();
    let n = ops.len();
    let head = op::direct(&ops);
    let bodies_at = head.len() as u64;
    let commit = Commit {
        ops,
        payload: vec![head],
        bodies_at,
        gives_back: true,
        charges: Vec::new(),
        locks: None,
        writing,
        groups: GroupCharge::default(),
    };
    inner.log.submit_blocking(commit).map_err(log_error)??;
    Ok(n)
}
