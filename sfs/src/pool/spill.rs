//! Uncommitted octets of a work unit that go to the volume before the commit, so that memory holds only a part of them.
//!
//! What is spilled becomes bodies that only the work unit knows. Its commit enters those that its files still name into the catalog;
//! a rollback leaves dead space, which the cleaner gives back as any other. The mark of a writer keeps the cleaner away from them
//! until then.
//!
//! The disk is written without holding the work unit: what is to be spilled is frozen first and exchanged for its place afterwards,
//! wherever it still is.
//!
//! Files of short records, which are kept in the catalog, cannot wait on the volume as what they are. When their uncommitted records take
//! too much memory, the one with the most becomes a file as others are, until it is replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Inner;
use super::catalog::{BodyId, BodyRec, DirId, Name16, Storage, checksums};
use super::commit::{append_blocking, body_piece};
use super::draft::{Content, Draft};
use super::error::PoolError;
use super::file::{self, Cursor, Env};
use super::image::Image;
use super::op::Op;
use super::store::OpenBody;
use super::unit::{State, WorkUnit};
use super::writers::Writing;

/// Uncommitted octets of files that a work unit keeps in memory before it spills: above what most work units write at all.
pub const SPILL_AT: u64 = 8 << 20;
/// A shorter stretch is not worth a body of its own.
const MIN_STRETCH: usize = 32 << 10;

/// Octets of uncommitted records of files of short records, and what they need besides, that stay in memory over a spill.
const RECORDS_KEPT: u64 = SPILL_AT / 2;

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
        let contents = self.overlay.files.values().filter_map(|change| change.now.as_ref());
        let octets = contents.map(|draft| match &draft.content {
            Content::Image(image) => image.in_memory(),
            Content::Keyed(keyed) => keyed.puts.in_memory(),
            Content::Slices => 0,
        });
        octets.sum()
    }

    /// The file that keeps most of the records in memory, with the count of its changes, while all take more than [`RECORDS_KEPT`].
    fn most_records(&self) -> Option<((DirId, Name16), u64, Draft)> {
        let mut all = 0;
        let mut most: Option<(u64, (DirId, Name16), u64, &Draft)> = None;
        for (key, draft) in self.overlay.files.iter().filter_map(|(k, c)| Some((k, c.now.as_ref()?))) {
            let Content::Keyed(keyed) = &draft.content else { continue };
            let octets = keyed.puts.in_memory();
            all += octets;
            if most.is_none_or(|(than, ..)| octets > than) {
                most = Some((octets, *key, keyed.changes, draft));
            }
        }
        let (octets, key, changes, draft) = most.filter(|_| all > RECORDS_KEPT)?;
        (octets >= MIN_STRETCH as u64).then(|| (key, changes, draft.clone()))
    }

    fn add_spilled(&mut self, bodies: Vec<Arc<OpenBody>>, writing: Writing) {
        let mut bodies = bodies.iter().map(|body| (body.id, body.rec.clone())).collect();
        match &mut self.overlay.spilled {
            // The earlier mark keeps what was written later too.
            Some(spilled) => spilled.bodies.append(&mut bodies),
            none => *none = Some(Spilled { bodies, writing }),
        }
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
    /// [`PoolError::StorageFull`], [`PoolError::Offline`]: what is not written stays in memory as it is.
    pub fn spill(&self) -> Result<(), PoolError> {
        self.spill_images()?;
        while self.spill_records()? {}
        let mut state = self.state.lock();
        if !state.busy {
            state.memory = state.in_memory();
            state.spill_at = state.memory + SPILL_AT;
        }
        Ok(())
    }

    fn spill_images(&self) -> Result<(), PoolError> {
        let inner = &self.inner;
        let (serial, frozen) = {
            let mut state = self.state.lock();
            if state.busy {
                return Ok(());
            }
            let frozen = state.freeze(body_piece(inner));
            if frozen.is_empty() {
                return Ok(());
            }
            (state.locks.unit(), frozen)
        };
        let writing = mark(inner);
        let bodies = write_out(inner, &frozen)?;
        let mut state = self.state.lock();
        // Committed or rolled back meanwhile: what was written is dead.
        if state.busy || state.locks.unit() != serial {
            return Ok(());
        }
        let places: Vec<_> = frozen.into_iter().zip(bodies.iter().cloned()).collect();
        for change in state.overlay.files.values_mut() {
            if let Some(Content::Image(image)) = change.now.as_mut().map(|d| &mut d.content) {
                image.exchange(&places);
            }
        }
        state.add_spilled(bodies, writing);
        Ok(())
    }

    /// Makes the file with the most records in memory one that is kept as other files are: all of it goes to the volume, what is
    /// committed of it too. False when there is none that is worth it.
    fn spill_records(&self) -> Result<bool, PoolError> {
        let inner = &self.inner;
        let (serial, key, changes, Draft { rec, content }) = {
            let state = self.state.lock();
            if state.busy {
                return Ok(false);
            }
            let Some((key, changes, draft)) = state.most_records() else { return Ok(false) };
            (state.locks.unit(), key, changes, draft)
        };
        let writing = mark(inner);
        let current = inner.current();
        let env = Env { store: &inner.store, current: &current };
        let (mut cursor, mut at, mut bodies) = (Cursor::new(rec.records), 0, Vec::new());
        while at < rec.bytes {
            let data = file::read_image(env, &rec, &content, &mut cursor, at, body_piece(inner))?;
            if data.is_empty() {
                return Err(PoolError::Damaged("a file is shorter than its record says".into()));
            }
            at += data.len() as u64;
            bodies.append(&mut write_out(inner, &[data])?);
        }
        let mut state = self.state.lock();
        let same = |d: &&mut Box<Draft>| matches!(&d.content, Content::Keyed(now) if now.changes == changes && d.rec.file == rec.file);
        let open = !state.busy && state.locks.unit() == serial;
        let draft = state.overlay.files.get_mut(&key).and_then(|change| change.now.as_mut());
        // Changed meanwhile: what was written is dead.
        let Some(draft) = draft.filter(same).filter(|_| open) else { return Ok(false) };
        let mut image = Image::default();
        for body in &bodies {
            image.push_stored(body.clone(), 0, body.rec.len);
        }
        draft.rec.keyed = false;
        draft.content = Content::Image(image);
        state.add_spilled(bodies, writing);
        Ok(true)
    }
}

/// Keeps the cleaner away from what is written now and later: that goes to the newest segment or behind it.
fn mark(inner: &Inner) -> Writing {
    let newest = inner.store.volume.segments().ok().and_then(|all| all.last().map(|(seq, _)| *seq));
    inner.writers.enter_from(newest.unwrap_or(0))
}

/// Writes octets to the volume, a body each.
fn write_out(inner: &Inner, pieces: &[Bytes]) -> Result<Vec<Arc<OpenBody>>, PoolError> {
    let extents: Vec<_> = pieces.iter().map(|data| (inner.new_number(), data.clone())).collect();
    let addrs = append_blocking(inner, &extents)?;
    let opened = extents.into_iter().zip(addrs).map(|((number, data), addr)| {
        let (len, crcs) = (data.len() as u32, checksums(&data));
        let rec = BodyRec { refs: 0, storage: Storage::Volume, addr: addr.0, len, crcs };
        // Just written, and kept by the mark of a writer.
        let body = inner.store.open(BodyId(number), rec);
        body.ok_or_else(|| PoolError::Damaged("a spilled body cannot be found".into()))
    });
    opened.collect()
}
