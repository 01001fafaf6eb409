//! Uncommitted octets of a work unit that go to the volume before the commit, so that memory holds only a part of them.
//!
//! What is spilled becomes bodies that only the work unit knows. Its commit enters those that its files still name into the catalog;
//! a rollback leaves dead space, which the cleaner gives back as any other. The mark of a writer keeps the cleaner away from them
//! until then.
//!
//! The disk is written without holding the work unit: what is to be spilled is frozen first and exchanged for its place afterwards,
//! wherever it still is. Records that are kept in the catalog stay in memory: they go into the catalog, not to the volume.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::catalog::{BodyId, BodyRec, Storage, checksums};
use super::commit::{append_blocking, body_piece};
use super::draft::Content;
use super::error::PoolError;
use super::op::Op;
use super::unit::{State, WorkUnit};
use super::writers::Writing;

/// Uncommitted octets of files that a work unit keeps in memory before it spills: above what most work units write at all.
pub const SPILL_AT: u64 = 8 << 20;
/// A shorter stretch is not worth a body of its own.
const MIN_STRETCH: usize = 32 << 10;

/// The bodies that a work unit has spilled.
#[derive(Debug)]
pub(crate) struct Spilled {
    pub(crate) bodies: BTreeMap<BodyId, BodyRec>,
    pub(crate) writing: Writing,
}

impl Spilled {
    /// Entries for those that are named.
    pub(crate) fn ops(&self, named: impl Fn(BodyId) -> bool) -> Vec<Op> {
        let kept = self.bodies.iter().filter(|(id, _)| named(**id));
        kept.map(|(id, rec)| Op::PutBody { id: *id, rec: rec.clone() }).collect()
    }
}

impl State {
    /// Freezes what can be spilled and returns it.
    fn freeze(&mut self, piece: usize) -> Vec<Bytes> {
        let mut all = Vec::new();
        for change in self.overlay.files.values_mut() {
            if let Some(Content::Image(image)) = change.now.as_mut().map(|d| &mut d.content) {
                image.freeze(MIN_STRETCH, piece, &mut all);
            }
        }
        all
    }

    fn in_memory(&self) -> u64 {
        let images = self.overlay.files.values().filter_map(|change| match &change.now.as_ref()?.content {
            Content::Image(image) => Some(image.in_memory()),
            Content::Keyed(_) => None,
        });
        images.sum()
    }
}

impl WorkUnit {
    /// Whether so much is in memory that [`Self::spill`] is due.
    pub fn wants_spill(&self) -> bool {
        let state = self.state.lock();
        !state.busy && state.memory >= state.spill_at
    }

    /// Octets of files in memory that are not committed, at most; exact right after a spill.
    pub fn memory(&self) -> u64 {
        self.state.lock().memory
    }

    /// Writes what can be spilled to the volume. Blocks: not for async tasks.
    ///
    /// # Errors
    /// [`PoolError::StorageFull`], [`PoolError::Offline`]: everything stays in memory as it is.
    pub fn spill(&self) -> Result<(), PoolError> {
        let inner = &self.inner;
        let (serial, frozen) = {
            let mut state = self.state.lock();
            if state.busy {
                return Ok(());
            }
            let frozen = state.freeze(body_piece(inner));
            if frozen.is_empty() {
                state.memory = state.in_memory();
                state.spill_at = state.memory + SPILL_AT;
                return Ok(());
            }
            (state.locks.unit(), frozen)
        };
        // What is written now and later goes to the newest segment or behind it.
        let newest = inner.store.volume.segments().ok().and_then(|all| all.last().map(|(seq, _)| *seq));
        let writing = inner.writers.enter_from(newest.unwrap_or(0));
        let extents: Vec<_> = frozen.iter().map(|data| (inner.new_number(), data.clone())).collect();
        let addrs = append_blocking(inner, &extents)?;
        let mut places = Vec::with_capacity(extents.len());
        let mut bodies = BTreeMap::new();
        for ((number, data), addr) in extents.into_iter().zip(addrs) {
            let len = data.len() as u32;
            let crcs = checksums(&data);
            let rec = BodyRec { refs: 0, storage: Storage::Volume, addr: addr.0, len, crcs };
            let id = BodyId(number);
            let body = inner.store.open(id, rec.clone());
            // Just written, and kept by the mark of a writer.
            let body = body.ok_or_else(|| PoolError::Damaged("a spilled body cannot be found".into()))?;
            places.push((data, body));
            bodies.insert(id, rec);
        }
        let mut state = self.state.lock();
        // Committed or rolled back meanwhile: what was written is dead.
        if state.busy || state.locks.unit() != serial {
            return Ok(());
        }
        for change in state.overlay.files.values_mut() {
            if let Some(Content::Image(image)) = change.now.as_mut().map(|d| &mut d.content) {
                image.exchange(&places);
            }
        }
        match &mut state.overlay.spilled {
            // The earlier mark keeps what was written later too.
            Some(spilled) => spilled.bodies.append(&mut bodies),
            none => *none = Some(Spilled { bodies, writing }),
        }
        state.memory = state.in_memory();
        state.spill_at = state.memory + SPILL_AT;
        Ok(())
    }
}
