//! The end of a work unit: commit and rollback.
//!
//! A commit turns the unit's changes into one log entry. Bodies of up to [`MAX_INLINE_BODY`] ride in the entry; larger ones are
//! written to the volume and synced before the entry is queued, so that no commit waits behind another's large body. The locks
//! travel with the entry and are released when it has become visible: a caller that goes away while it waits changes nothing.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use dasd::LogError;

use super::Inner;
use super::apply::{Commit, Committed};
use super::body_counts::BodyCounts;
use super::catalog::{BodyId, BodyRec, DirId, FileNo, FileRec, ObjectNo, Slice, Slices, Storage, checksums};
use super::checksum::checksum;
use super::draft::{Content, FileChange, Keyed, Overlay};
use super::error::PoolError;
use super::group::GroupCharge;
use super::image::{Image, Source};
use super::lock::LockSet;
use super::op::{self, Op, OpExtent};
use super::row;
use super::spill::SPILL_AT;
use super::store::Store;
use super::unit::WorkUnit;
use super::writers::Writing;
use crate::types::{Grantee, Rights};

/// Largest body that rides in the log entry, in octets. Beyond it, writing by the unit itself is faster than sharing the log
/// writer, and the log would fill with what has to be moved out of it soon.
pub const MAX_INLINE_BODY: usize = 256 << 10;
/// Most octets of bodies in one log entry; what is more goes to the volume.
const MAX_INLINE_TOTAL: usize = 4 << 20;
/// Length of the bodies that a longer stretch is cut into.
const BODY_PIECE: usize = 4 << 20;

/// A commit being put together.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) ops: Vec<Op>,
    inline: Vec<Bytes>,
    inline_len: usize,
    /// Positions in `ops` of bodies that go to the volume, with their octets.
    large: Vec<(usize, BodyId, Bytes)>,
    refs: BodyCounts,
    pub(super) charges: BTreeMap<String, i64>,
    /// Objects and directories that go away.
    pub(super) gone: Vec<u64>,
    /// Files that are new objects, with their directories.
    fresh: Vec<(DirId, ObjectNo)>,
    /// Keeps what was spilled.
    pub(super) writing: Option<Writing>,
}

impl WorkUnit {
    /// Makes all changes durable and visible, all or none, and ends the unit's locks. Files open for writing are closed; files
    /// open for reading stay open. The unit can be used again.
    ///
    /// # Errors
    /// [`PoolError::SpaceLimit`], [`PoolError::StorageFull`], [`PoolError::Offline`]: everything was rolled back.
    pub async fn commit(&self) -> Result<Committed, PoolError> {
        let Some((overlay, locks, _free)) = self.take_changes()? else { return Ok(Committed::default()) };
        let mut plan = plan(&self.inner, overlay)?;
        let gone = std::mem::take(&mut plan.gone);
        let commit = finish(&self.inner, plan, locks).await?;
        let done = self.inner.log.submit(commit).await.map_err(log_error)??;
        gone.into_iter().for_each(|number| self.inner.explicit.drop_object(number));
        Ok(done)
    }

    /// Closes what is open for writing and takes the unit's changes and locks; `None` when there is nothing to commit. The unit
    /// can be used again when the guard is dropped.
    pub(super) fn take_changes(&self) -> Result<Option<(Overlay, LockSet, Free<'_>)>, PoolError> {
        let taken = {
            let state = self.state.lock();
            if state.busy {
                return Err(PoolError::Busy);
            }
            let tokens: Vec<_> = state.files.iter().filter(|(_, f)| f.writes).map(|(t, _)| *t).collect();
            drop(state);
            for token in tokens {
                if let Err(error) = self.close(super::unit::Token(token)) {
                    // A file that cannot be closed cannot be committed, and nothing can without it.
                    self.rollback();
                    return Err(error);
                }
            }
            let mut state = self.state.lock();
            let fresh = self.inner.new_locks();
            (state.pending, state.memory, state.spill_at) = (0, 0, SPILL_AT);
            if state.overlay.is_empty() {
                state.locks = fresh;
                return Ok(None);
            }
            state.busy = true;
            (std::mem::take(&mut state.overlay), std::mem::replace(&mut state.locks, fresh))
        };
        let (overlay, locks): (Overlay, LockSet) = taken;
        Ok(Some((overlay, locks, Free(self))))
    }

    /// [`Self::rollback`], except that changes of NORECOVER files which were there before the unit are kept: they are committed.
    /// What cannot be committed is lost. Source: "Recoverability".
    pub async fn rollback_recoverable(&self) {
        let keep = {
            let mut state = self.state.lock();
            if state.busy {
                return;
            }
            let half: Vec<_> = state.half_written().collect();
            let overlay = &mut state.overlay;
            // What is being written by blocks is no file yet.
            overlay.files.retain(|key, change| change.outlives_rollback() && !half.contains(key));
            let keep = !overlay.files.is_empty();
            if keep {
                overlay.spaces.clear();
                overlay.dirs.clear();
                overlay.rows.clear();
                overlay.drops.clear();
                overlay.gone.clear();
            }
            keep
        };
        if keep && let Err(error) = self.commit().await {
            tracing::debug!(%error, "changes of NORECOVER files are lost with the rollback");
        }
        self.rollback();
    }

    /// Whether something is pending that [`Self::rollback_recoverable`] would keep.
    pub fn outlives_rollback(&self) -> bool {
        let state = self.state.lock();
        let half: Vec<_> = state.half_written().collect();
        let mut kept = state.overlay.files.iter().filter(|(_, change)| change.outlives_rollback());
        !state.busy && kept.any(|(key, _)| !half.contains(key))
    }

    /// Ends the locks of a unit that has changed nothing and has nothing open: what a refused request took in vain.
    pub fn end_idle_locks(&self) {
        let mut state = self.state.lock();
        if !state.busy && state.overlay.is_empty() && state.files.is_empty() && state.locks.is_any() {
            state.locks = self.inner.new_locks();
        }
    }

    /// Forgets all changes, closes all files, and ends the unit's locks. Never fails.
    pub fn rollback(&self) {
        let mut state = self.state.lock();
        if state.busy {
            // A commit under way cannot be called back; it takes its locks with it.
            return;
        }
        state.overlay = Overlay::default();
        state.files.clear();
        (state.pending, state.memory, state.spill_at) = (0, 0, SPILL_AT);
        state.locks = self.inner.new_locks();
    }
}

/// Makes the unit usable again, also when the commit is abandoned half way.
pub(super) struct Free<'a>(pub(super) &'a WorkUnit);

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.state.lock().busy = false;
    }
}

pub(crate) fn log_error(error: LogError) -> PoolError {
    match error {
        LogError::Full => PoolError::StorageFull,
        LogError::TooLarge { .. } => PoolError::Limit("one log entry"),
        LogError::Offline(why) => PoolError::Offline(why),
        LogError::Closed => PoolError::Offline("the pool is closed".into()),
    }
}

/// Compares what was with what is to be.
pub(super) fn plan(inner: &Inner, overlay: Overlay) -> Result<Plan, PoolError> {
    let mut plan = Plan::default();
    for (name, rec) in &overlay.spaces {
        plan.ops.push(match rec {
            Some(rec) => Op::PutSpace { name: name.clone(), rec: rec.clone() },
            None => Op::DelSpace { name: name.clone() },
        });
    }
    for ((parent, name), rec) in &overlay.dirs {
        plan.ops.push(match rec {
            Some(rec) => Op::PutDir { parent: *parent, name: *name, rec: rec.clone() },
            None => Op::DelDir { parent: *parent, name: *name },
        });
    }
    // What most files take: one change of the catalog, one of their body. Besides, there are records of an index or two.
    plan.ops.reserve(2 * overlay.files.len() + 64);
    plan.refs.reserve(overlay.files.len());
    // What has another name than before: files whose records stay in the catalog, and objects. Most units rename nothing.
    let keyed = |c: &FileChange| c.now.as_ref().filter(|d| d.rec.keyed).map(|d| d.rec.file);
    let moved_in = |c: &FileChange| keyed(c).filter(|file| c.base.as_ref().is_none_or(|b| b.file != *file));
    let kept: HashSet<FileNo> = overlay.files.values().filter_map(moved_in).collect();
    let moved_out = |c: &FileChange| {
        let now = c.now.as_ref().map(|d| d.rec.object);
        c.base.as_ref().map(|b| b.object).filter(|object| now != Some(*object))
    };
    let is_new = |c: &FileChange| {
        c.now.as_ref().is_some_and(|d| c.base.as_ref().is_none_or(|base| base.object != d.rec.object))
    };
    let known: HashSet<ObjectNo> = match overlay.files.values().any(is_new) {
        true => overlay.files.values().filter_map(moved_out).collect(),
        false => HashSet::new(),
    };
    for ((dir, name), change) in overlay.files {
        let mut delta = 0;
        let object = change.now.as_ref().map(|d| d.rec.object);
        let was = change.base.as_ref().map(|b| b.object);
        plan.fresh.extend(object.filter(|o| object != was && !known.contains(o)).map(|o| (dir, o)));
        if let Some(base) = &change.base {
            delta -= base.blocks() as i64;
            for slice in &base.slices {
                plan.refs.count(slice.body, -1);
            }
            if base.keyed && keyed(&change) != Some(base.file) && !kept.contains(&base.file) {
                plan.ops.push(Op::CutRecords { file: base.file, from: 0 });
            }
        }
        match change.now {
            Some(draft) => {
                let rec = plan_content(inner, &mut plan, draft.rec, draft.content)?;
                delta += rec.blocks() as i64;
                if change.base.as_deref() != Some(&rec) {
                    plan.ops.push(Op::PutFile { dir, name, rec: Box::new(rec) });
                }
            }
            None if change.base.is_some() => plan.ops.push(Op::DelFile { dir, name }),
            None => {}
        }
        if delta != 0 {
            match plan.charges.get_mut(&*change.space) {
                Some(charge) => *charge += delta,
                None => drop(plan.charges.insert(change.space.to_string(), delta)),
            }
        }
    }
    plan_grants(inner, &mut plan)?;
    plan.refs.settle();
    if let Some(spilled) = overlay.spilled {
        plan.ops.extend(spilled.ops(|id| plan.refs.of(id) > 0));
        plan.writing = Some(spilled.writing);
    }
    plan.ops.extend(overlay.drops.into_iter().map(|prefix| Op::DropRows { prefix }));
    plan.ops.extend(overlay.rows.into_iter().map(|(key, value)| Op::Row { key, value }));
    plan.gone = overlay.gone;
    plan_refs(&mut plan);
    plan.charges.retain(|_, delta| *delta != 0);
    let charges = plan.charges.iter().map(|(name, delta)| Op::Charge { name: name.clone(), delta: *delta });
    plan.ops.extend(charges);
    Ok(plan)
}

/// Files that come into a directory get what its NEWREAD and NEWWRITE say.
fn plan_grants(inner: &Inner, plan: &mut Plan) -> Result<(), PoolError> {
    let mut by_dir: HashMap<DirId, Vec<(Grantee, Rights)>> = HashMap::new();
    for (dir, object) in &plan.fresh {
        let grants = match by_dir.entry(*dir) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => {
                let mut grants = Vec::new();
                for (key, value) in inner.current().rows(&row::grant_prefix(dir.0))? {
                    let rights = row::read_rights(&value)?.inherited();
                    if !rights.is_none() {
                        grants.push((row::grantee(&key)?, rights));
                    }
                }
                slot.insert(grants)
            }
        };
        let row = |(to, rights): &(Grantee, Rights)| Op::Row {
            key: row::grant_key(object.0, *to),
            value: Some(row::rights_row(*rights)),
        };
        plan.ops.extend(grants.iter().map(row));
    }
    Ok(())
}

/// New bodies get their count of references; stored ones the difference.
fn plan_refs(plan: &mut Plan) {
    for op in &mut plan.ops {
        if let Op::PutBody { id, rec } = op {
            rec.refs = plan.refs.take(*id).max(0) as u32;
        }
    }
    let stored = std::mem::take(&mut plan.refs).into_counts();
    plan.ops.extend(stored.map(|(id, delta)| Op::RefBody { id, delta }));
}

fn plan_content(
    inner: &Inner,
    plan: &mut Plan,
    mut rec: FileRec,
    content: Content,
) -> Result<FileRec, PoolError> {
    match content {
        Content::Keyed(keyed) => {
            plan_records(plan, &rec, keyed);
            rec.slices = Slices::new();
        }
        Content::Image(image) => rec.slices = plan_image(inner, plan, image),
        Content::Slices => rec.slices.iter().for_each(|slice| plan.refer(slice.body)),
    }
    Ok(rec)
}

fn plan_records(plan: &mut Plan, rec: &FileRec, keyed: Keyed) {
    if let Some(from) = keyed.cut {
        plan.ops.push(Op::CutRecords { file: rec.file, from });
    }
    let (file, lrecl) = (rec.file, rec.lrecl);
    let runs = keyed.puts.joined(lrecl).into_iter();
    plan.ops.extend(runs.map(|(first, data)| Op::PutRecords { file, first, lrecl, data }));
}

fn plan_image(inner: &Inner, plan: &mut Plan, image: Image) -> Slices {
    let mut slices = Slices::new();
    for (source, len) in image.into_stretches() {
        match source {
            Source::Stored { body, offset } => {
                // Stretches of one body that follow each other become one again.
                match slices.last_mut() {
                    Some(last) if last.body == body.id && last.offset + last.len == offset => {
                        last.len += len as u32;
                        continue;
                    }
                    _ => slices.push(Slice { body: body.id, offset, len: len as u32 }),
                }
            }
            Source::Fresh(buf) => plan_fresh(inner, plan, buf.freeze(), &mut slices),
            Source::Given(data) | Source::Frozen(data) => plan_fresh(inner, plan, data, &mut slices),
        }
    }
    slices.iter().for_each(|slice| plan.refer(slice.body));
    slices
}

/// Octets that are stored with this commit.
fn plan_fresh(inner: &Inner, plan: &mut Plan, mut octets: Bytes, slices: &mut Slices) {
    let small = octets.len() <= MAX_INLINE_BODY;
    while !octets.is_empty() {
        let data = octets.split_to(octets.len().min(body_piece(inner)));
        let len = data.len() as u32;
        slices.push(Slice { body: plan_body(inner, plan, data, small), offset: 0, len });
    }
}

fn plan_body(inner: &Inner, plan: &mut Plan, data: Bytes, small: bool) -> BodyId {
    let id = BodyId(inner.new_number());
    let mut rec =
        BodyRec { refs: 0, storage: Storage::Log, addr: 0, len: data.len() as u32, crcs: checksums(&data) };
    if small && plan.inline_len + data.len() <= inline_total(inner) {
        rec.addr = plan.inline_len as u64;
        plan.inline_len += data.len();
        plan.inline.push(data);
    } else {
        rec.storage = Storage::Volume;
        plan.large.push((plan.ops.len(), id, data));
    }
    plan.ops.push(Op::PutBody { id, rec });
    id
}

/// Length of the bodies that a longer stretch is cut into, on this pool's volume.
pub(super) fn body_piece(inner: &Inner) -> usize {
    BODY_PIECE.min(inner.store.volume.max_extent() as usize)
}

fn inline_total(inner: &Inner) -> usize {
    MAX_INLINE_TOTAL.min((inner.log.max_entry() / 2) as usize)
}

/// Writes what goes to the volume and builds the log entry.
pub(super) async fn finish(inner: &Arc<Inner>, mut plan: Plan, locks: LockSet) -> Result<Commit, PoolError> {
    let charges = std::mem::take(&mut plan.charges).into_iter().collect();
    // The mark of what was spilled began earlier and keeps all of it.
    let writing = Some(plan.writing.take().unwrap_or_else(|| inner.writers.enter()));
    let gives_back = !plan.ops.iter().any(|op| matches!(op, Op::PutBody { .. } | Op::PutRecords { .. }));
    plan.write_large(inner).await?;
    let head = op::direct(&plan.ops);
    let bodies_at = head.len() as u64;
    if bodies_at + plan.inline_len as u64 + 64 <= inner.log.max_entry() {
        let mut payload = vec![head];
        payload.append(&mut plan.inline);
        return Ok(Commit {
            ops: plan.ops,
            payload,
            bodies_at,
            gives_back,
            charges,
            locks: Some(locks),
            writing,
            groups: GroupCharge::default(),
        });
    }
    // Inline bodies have no place in an indirect entry: they go to the volume too.
    move_inline_out(inner, &mut plan.ops, &plan.inline).await?;
    let payload = bodiless_payload(inner, &plan.ops).await?;
    Ok(Commit {
        ops: plan.ops,
        payload,
        bodies_at: 0,
        gives_back,
        charges,
        locks: Some(locks),
        writing,
        groups: GroupCharge::default(),
    })
}

impl Plan {
    /// One reference more.
    fn refer(&mut self, body: BodyId) {
        self.refs.count(body, 1);
    }

    /// Writes the bodies that go to the volume.
    async fn write_large(&mut self, inner: &Arc<Inner>) -> Result<(), PoolError> {
        if self.large.is_empty() {
            return Ok(());
        }
        let extents = self.large.iter().map(|(_, id, data)| (id.0, data.clone())).collect();
        let addrs = append(inner, extents).await?;
        for ((at, _, _), addr) in self.large.iter().zip(addrs) {
            if let Op::PutBody { rec, .. } = &mut self.ops[*at] {
                rec.addr = addr.0;
            }
        }
        self.large.clear();
        Ok(())
    }

    /// Writes all bodies to the volume.
    pub(super) async fn all_to_volume(&mut self, inner: &Arc<Inner>) -> Result<(), PoolError> {
        self.write_large(inner).await?;
        if self.inline.is_empty() {
            return Ok(());
        }
        let inline = std::mem::take(&mut self.inline);
        move_inline_out(inner, &mut self.ops, &inline).await
    }
}

/// The log entry for changes that bring no bodies with them: direct if it fits, else indirect.
pub(super) async fn bodiless_payload(inner: &Arc<Inner>, ops: &[Op]) -> Result<Vec<Bytes>, PoolError> {
    let head = op::direct(ops);
    if head.len() as u64 + 64 <= inner.log.max_entry() {
        return Ok(vec![head]);
    }
    let encoded = op::direct_changes(&head);
    let piece = body_piece(inner);
    let parts: Vec<_> = (0..encoded.len().div_ceil(piece))
        .map(|i| (0, encoded.slice(i * piece..encoded.len().min((i + 1) * piece))))
        .collect();
    let addrs = append(inner, parts.clone()).await?;
    let extents: Vec<_> = parts
        .iter()
        .zip(addrs)
        .map(|((_, data), addr)| OpExtent { addr, len: data.len() as u32, crc: checksum(data) })
        .collect();
    Ok(vec![op::indirect(&extents)])
}

async fn move_inline_out(inner: &Arc<Inner>, ops: &mut [Op], inline: &[Bytes]) -> Result<(), PoolError> {
    let mut offsets = HashMap::new();
    let mut at = 0;
    for data in inline {
        offsets.insert(at, data.clone());
        at += data.len() as u64;
    }
    let mut extents = Vec::new();
    let mut places = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        if let Op::PutBody { id, rec } = op
            && rec.storage == Storage::Log
            && let Some(data) = offsets.get(&rec.addr)
        {
            extents.push((id.0, data.clone()));
            places.push(i);
        }
    }
    let addrs = append(inner, extents).await?;
    for (i, addr) in places.into_iter().zip(addrs) {
        if let Op::PutBody { rec, .. } = &mut ops[i] {
            (rec.storage, rec.addr) = (Storage::Volume, addr.0);
        }
    }
    Ok(())
}

/// Appends to the volume without blocking the caller's task.
async fn append(inner: &Arc<Inner>, extents: Vec<(u64, Bytes)>) -> Result<Vec<dasd::VolAddr>, PoolError> {
    let inner = inner.clone();
    let done = tokio::task::spawn_blocking(move || append_blocking(&inner, &extents)).await;
    done.unwrap_or_else(|error| Err(PoolError::Offline(error.to_string().into())))
}

/// Appends to the volume, durably.
pub(super) fn append_blocking(
    inner: &Inner,
    extents: &[(u64, Bytes)],
) -> Result<Vec<dasd::VolAddr>, PoolError> {
    inner.store.volume.append(extents).map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => PoolError::StorageFull,
        _ => PoolError::Offline(error.to_string().into()),
    })
}

/// The changes of an indirect log entry.
pub(crate) fn read_indirect(store: &Store, extents: &[OpExtent]) -> Result<Vec<Op>, PoolError> {
    let mut all = Vec::new();
    for extent in extents {
        let data = store.volume.read(extent.addr, 0, extent.len as usize)?;
        if checksum(&data) != extent.crc {
            return Err(dasd::ReadError::Checksum(extent.addr.0).into());
        }
        all.extend_from_slice(&data);
    }
    Ok(op::decode_ops(&Bytes::from(all))?)
}
