//! The file pool engine: a transactional store of file spaces, directories and record files.
//!
//! A pool is three things on one [`Dasd`]: a log ring (what SFS calls its log minidisks), a catalog (storage group 1) and a
//! volume (storage groups 2 to n). A commit is one log entry; commits that wait together share one write and one sync. The
//! entry is then applied to the catalog, becomes visible, and its locks are released. After a crash the log is redone from the
//! position that the catalog itself carries.
//!
//! Invariants:
//! - what is visible is durable; what was acknowledged survives;
//! - each file space's count of used blocks is the sum over its committed files;
//! - each body's reference count is the number of file stretches that name it; a body without any does not exist;
//! - a log segment is recycled only when no living body is in it and a fold of the catalog lies behind it;
//! - a number for a directory, file, object, body or commit over several pools is never used twice;
//! - a prepared work unit holds its locks, over restarts, until it is resolved.
//!
//! Authorities are kept here and decided on in the server. Not here: file pool commands.

mod apply;
mod backend;
mod blocks;
mod body_counts;
mod bulk;
pub(crate) mod catalog;
mod check;
mod checksum;
pub(crate) mod codec;
mod commit;
mod decoders;
mod disable;
mod draft;
mod error;
mod explicit;
mod file;
mod fold;
mod gaps;
mod group;
mod image;
mod inplace;
mod lock;
mod mover;
mod op;
mod page;
mod prepare;
mod rebuild;
mod recent;
mod redo;
mod references;
mod room;
pub(crate) mod row;
mod runs;
mod snapshot;
mod source;
mod spill;
mod store;
mod tables;
mod unit;
mod upgrade;
mod writers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use cp::clock::Clock;
use cp::name::UserId;
use dasd::{Dasd, Log, LogAddr, LogConfig, OpenError, Volume, VolumeConfig};
use redb::{Database, ReadableDatabase};

pub use apply::{Committed, MOST_WAITING, StorageFigures};
pub(crate) use blocks::Way;
pub use check::Findings;
pub use commit::MAX_INLINE_BODY;
pub use decoders::decode_anything;
pub use error::PoolError;
pub use explicit::MAX_LOCKS_PER_OBJECT;
pub use group::{FIRST_MINIDISKS, MAX_MINIDISKS};
pub(crate) use rebuild::rebuild;
pub(crate) use redo::Damage;
pub use references::MAX_REFERENCES_WAITING;
pub use row::GlobalUnit;
pub use spill::SPILL_AT;
pub use unit::{
    Access, AccessedDir, DirPath, FileChanges, MAX_CHANGES, MAX_EXTERNAL, MAX_LEVELS, MAX_OPEN, MAX_PENDING,
    MAX_THRESHOLD, OpenRequest, Opened, ReadOut, Token, Waiting, WorkUnit,
};

use crate::types::{Minidisk, SpaceStatus, Stamp};
use apply::{Applier, FoldRule};
use backend::{DiskBackend, Reserve};
use catalog::{
    BODY, CATALOG_VERSION, DIR, ENTRY, LIVE, META, META_NEXT, META_REDO, META_VERSION, PAGE, SPACE,
};
use explicit::ExplicitLocks;
pub use lock::{LockHolder, Obstacle};
use lock::{LockSet, LockTable};
use snapshot::Snapshot;
pub(crate) use source::BackupSource;
use store::Store;

/// Name of the catalog's disk.
pub(crate) const CATALOG: &str = "CATALOG";

/// Sizes and rules of a pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// The log ring.
    pub log: LogConfig,
    /// The volume.
    pub volume: VolumeConfig,
    /// Octets of log after which the changes of the catalog are brought to its disk.
    pub checkpoint_bytes: u64,
    /// Time after which they are.
    pub checkpoint_interval: Duration,
    /// Changed rows of the catalog after which they are.
    pub fold_rows: usize,
    /// Octets of disk kept for the catalog when the host is full.
    pub reserve_bytes: u64,
    /// Octets of memory for pages of the catalog.
    pub cache_bytes: usize,
    /// Log segments with living bodies that are left alone before the mover empties the oldest.
    pub log_segments: usize,
    /// Run the mover, the cleaner and folds of the catalog in threads of their own. Off: the first two only when [`Pool::tidy`] is
    /// called, folds in the log's writer.
    pub background: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            log: LogConfig::default(),
            volume: VolumeConfig::default(),
            // Each fold writes many pages anew, so few of them cost less; recovery reads this much in some tens of milliseconds.
            checkpoint_bytes: 64 << 20,
            checkpoint_interval: Duration::from_secs(5),
            fold_rows: 64 << 10,
            reserve_bytes: 8 << 20,
            cache_bytes: 64 << 20,
            log_segments: 4,
            background: true,
        }
    }
}

/// A file pool in use. Clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("log", &self.inner.log).finish_non_exhaustive()
    }
}

/// Which committed state a pool was in, to find out whether it is in another one.
#[derive(Debug, Clone, Default)]
pub struct Edition(Weak<Snapshot>);

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        // The place of a state is not used again while somebody remembers it.
        self.0.ptr_eq(&other.0)
    }
}

pub(crate) struct Inner {
    pub(crate) log: Log<Applier>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) folds: fold::FoldWaiter,
    pub(crate) store: Store,
    /// The same, for reads that must not wait.
    pub(crate) cached: Store,
    pub(crate) locks: Arc<LockTable>,
    pub(crate) explicit: ExplicitLocks,
    pub(crate) disables: Arc<disable::Disables>,
    pub(crate) prepared: prepare::PreparedUnits,
    /// Days of reference not yet noted in the catalog.
    pub(crate) referenced: parking_lot::Mutex<references::References>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: PoolConfig,
    next: Arc<AtomicU64>,
    next_unit: AtomicU64,
    pub(crate) writers: Arc<writers::Writers>,
    /// Volume segments seen dead, with the moment at which they were.
    pub(crate) dead_candidates: parking_lot::Mutex<std::collections::HashMap<u64, u64>>,
    mover: parking_lot::Mutex<Option<mover::Background>>,
}

impl Inner {
    /// A number for a directory, file or body. Numbers skipped by a rollback are not used again.
    pub(crate) fn new_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The number that is given out next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Locks for what a work unit does next.
    pub(crate) fn new_locks(&self) -> LockSet {
        LockSet::new(self.locks.clone(), self.next_unit.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn now(&self) -> Stamp {
        Stamp(self.clock.now().as_microsecond())
    }

    /// Waits until the catalog's disk has everything applied so far. Blocks the thread, which must not be an async task.
    pub(crate) fn checkpoint_blocking(&self) -> Result<(), PoolError> {
        let mut upto = None;
        loop {
            let asked = self.log.call_blocking(move |applier| applier.keep_all(upto));
            let (position, fold) = asked.map_err(commit::log_error)??;
            let Some(fold) = fold else { return Ok(()) };
            upto = Some(position);
            fold.wait();
        }
    }

    /// The last committed state, to be kept.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The last committed state, for a moment: without the count of references that all processors would pass around.
    pub(crate) fn glance(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }
}

/// Why a pool could not be generated or opened.
#[derive(Debug, thiserror::Error)]
pub enum PoolOpenError {
    /// The disks below.
    #[error(transparent)]
    Disk(#[from] OpenError),
    /// The catalog or a log entry.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The log is damaged where changes stand that the catalog does not have yet.
    #[error(
        "the log of the file pool is damaged ({from:#x} to {to:#x}), so the latest changes cannot be told; save \
         what is readable with endicott salvage, then bring that or a backup back with endicott restore"
    )]
    Damaged {
        /// Position behind the last sound batch before the damage.
        from: u64,
        /// Where the next sound batch begins.
        to: u64,
    },
    /// The catalog is of another version.
    #[error("the catalog has version {found}, this program knows {CATALOG_VERSION}")]
    Version {
        /// Version found.
        found: u64,
    },
}

impl From<std::io::Error> for PoolOpenError {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error.into())
    }
}

/// Reads the whole catalog; true when it was damaged and its last sound state has been brought back.
fn mend(db: &mut Database) -> Result<bool, PoolOpenError> {
    db.check_integrity().map(|sound| !sound).map_err(redb_open)
}

fn redb_open<E: Into<PoolError>>(error: E) -> PoolOpenError {
    PoolOpenError::Pool(error.into())
}

impl Pool {
    /// Makes an empty pool on `dasd`. `ring_id` is a random number that tells its log from any other.
    ///
    /// # Errors
    /// [`PoolOpenError`], in particular when there is a pool already.
    pub fn generate(dasd: &Arc<dyn Dasd>, config: &PoolConfig, ring_id: u64) -> Result<(), PoolOpenError> {
        Self::generate_with(dasd, config, ring_id, &FIRST_MINIDISKS)
    }

    /// [`Self::generate`] with these minidisks, the layout of a POOLDEF.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn generate_with(
        dasd: &Arc<dyn Dasd>,
        config: &PoolConfig,
        ring_id: u64,
        minidisks: &[Minidisk],
    ) -> Result<(), PoolOpenError> {
        dasd::format(dasd.clone(), &config.log, ring_id)?;
        let disk = dasd.create(CATALOG)?;
        let reserve = Arc::new(Reserve::new(dasd.clone(), config.reserve_bytes));
        let backend = DiskBackend { disk, reserve };
        let db = Database::builder().create_with_backend(backend).map_err(redb_open)?;
        let txn = db.begin_write().map_err(redb_open)?;
        {
            txn.open_table(SPACE).map_err(redb_open)?;
            txn.open_table(DIR).map_err(redb_open)?;
            txn.open_table(ENTRY).map_err(redb_open)?;
            txn.open_table(PAGE).map_err(redb_open)?;
            txn.open_table(BODY).map_err(redb_open)?;
            txn.open_table(LIVE).map_err(redb_open)?;
            upgrade::define_minidisks(&txn, minidisks)?;
            let mut meta = txn.open_table(META).map_err(redb_open)?;
            for (name, value) in
                [(META_VERSION, CATALOG_VERSION), (META_REDO, LogAddr::START.0), (META_NEXT, 1)]
            {
                meta.insert(name, value).map_err(redb_open)?;
            }
        }
        txn.commit().map_err(redb_open)?;
        drop(db);
        dasd.sync_names()?;
        Ok(())
    }

    /// Opens the pool on `dasd`, redoing what the log holds beyond the catalog.
    ///
    /// # Errors
    /// [`PoolOpenError`].
    pub fn open(
        dasd: &Arc<dyn Dasd>,
        config: &PoolConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PoolOpenError> {
        Self::open_telling(dasd, config, clock).map(|(pool, _)| pool)
    }

    /// As [`Self::open`]; what was found to be damaged or lost all the same, a line each.
    ///
    /// # Errors
    /// [`PoolOpenError`].
    pub fn open_telling(
        dasd: &Arc<dyn Dasd>,
        config: &PoolConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<String>), PoolOpenError> {
        Self::open_bearing(dasd, config, clock, Damage::Refuse)
    }

    /// As [`Pool::open`]; what was found to be damaged in the log, a line each.
    pub(crate) fn open_bearing(
        dasd: &Arc<dyn Dasd>,
        config: &PoolConfig,
        clock: Arc<dyn Clock>,
        damage: Damage,
    ) -> Result<(Self, Vec<String>), PoolOpenError> {
        let disk = dasd.open(CATALOG)?;
        let reserve = Arc::new(Reserve::new(dasd.clone(), config.reserve_bytes));
        let mut db = Database::builder()
            .set_cache_size(config.cache_bytes)
            .create_with_backend(DiskBackend { disk, reserve: reserve.clone() })
            .map_err(redb_open)?;
        let mended = damage == Damage::Bear && mend(&mut db)?;
        let db = Arc::new(db);
        upgrade::upgrade(&db)?;
        let (version, redo, next) = {
            let txn = db.begin_read().map_err(redb_open)?;
            let meta = txn.open_table(META).map_err(redb_open)?;
            let get =
                |name| Ok::<_, PoolOpenError>(meta.get(name).map_err(redb_open)?.map_or(0, |v| v.value()));
            (get(META_VERSION)?, LogAddr(get(META_REDO)?), get(META_NEXT)?)
        };
        if version != CATALOG_VERSION {
            return Err(PoolOpenError::Version { found: version });
        }
        let volume = Arc::new(Volume::open(dasd.clone(), config.volume.clone())?);
        let mut found = redo::read_log(dasd.clone(), &config.log, redo, damage)?;
        let store = Store { log: found.recovered.space(), volume, cached_only: false, held: Arc::default() };
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::new(&db)?));
        let next = Arc::new(AtomicU64::new(next.max(1)));
        let rule = FoldRule {
            bytes: config.checkpoint_bytes,
            interval: config.checkpoint_interval,
            rows: config.fold_rows,
            background: config.background,
        };
        let mut applier =
            Applier::new(db.clone(), snapshot.clone(), store.clone(), next.clone(), rule, reserve)?;
        redo::redo(&mut found, &mut applier, &store, &next)?;
        let redo::Found { recovered, mut said, .. } = found;
        said.extend(redo::lost_segments(&db, &store)?);
        if mended {
            said.insert(
                0,
                "the catalog is damaged; its last sound state is used, with what the log adds".into(),
            );
        }
        let explicit = ExplicitLocks::load(&snapshot.load())?;
        let disables = Arc::new(disable::Disables::load(&snapshot.load())?);
        let folds = applier.folds();
        let log = recovered.start(applier)?;
        let pool = Self {
            inner: Arc::new(Inner {
                log,
                snapshot,
                folds,
                cached: Store { cached_only: true, ..store.clone() },
                store,
                locks: Arc::new(LockTable::default()),
                explicit,
                disables,
                prepared: prepare::PreparedUnits::default(),
                referenced: parking_lot::Mutex::default(),
                clock,
                config: config.clone(),
                next,
                next_unit: AtomicU64::new(1),
                writers: Arc::default(),
                dead_candidates: parking_lot::Mutex::default(),
                mover: parking_lot::Mutex::new(None),
            }),
        };
        prepare::hold_again(&pool.inner)?;
        if config.background {
            *pool.inner.mover.lock() = Some(mover::Background::start(&pool)?);
        }
        Ok((pool, said))
    }

    /// Begins a work unit.
    pub fn begin(&self) -> WorkUnit {
        WorkUnit::new(self.inner.clone(), None)
    }

    /// Begins a work unit of `user`, whom explicit locks of others keep out.
    pub fn begin_for(&self, user: UserId) -> WorkUnit {
        WorkUnit::new(self.inner.clone(), Some(user))
    }

    /// Waits until something that stood in `unit`'s way may be gone.
    ///
    /// # Errors
    /// [`PoolError::Deadlock`] when the wait would never end.
    pub async fn wait_for_lock(&self, unit: &WorkUnit, obstacle: Obstacle) -> Result<(), PoolError> {
        let (serial, user) = unit.waits_as();
        self.inner.locks.wait(serial, user, obstacle).await
    }

    /// Committed figures of a file space.
    ///
    /// # Errors
    /// [`PoolError::NoSpace`]; damage.
    pub fn space_status(&self, name: &str) -> Result<SpaceStatus, PoolError> {
        let rec = self.inner.current().space(name)?.ok_or(PoolError::NoSpace)?;
        Ok(SpaceStatus { limit: rec.limit, used: rec.used, threshold: rec.threshold, group: rec.group })
    }

    /// Whether there is a file space of that name.
    ///
    /// # Errors
    /// Damage.
    pub fn has_space(&self, name: &str) -> Result<bool, PoolError> {
        Ok(self.inner.current().space(name)?.is_some())
    }

    /// All file spaces with their committed figures, by name.
    ///
    /// # Errors
    /// Damage.
    pub fn spaces(&self) -> Result<Vec<(String, SpaceStatus)>, PoolError> {
        let all = self.inner.current().spaces()?;
        let status = |r: &catalog::SpaceRec| SpaceStatus {
            limit: r.limit,
            used: r.used,
            threshold: r.threshold,
            group: r.group,
        };
        Ok(all.iter().map(|(name, rec)| (name.clone(), status(rec))).collect())
    }

    /// Whether PUBLIC is enrolled: then everybody may connect to the pool, with or without a file space.
    ///
    /// # Errors
    /// Damage.
    pub fn public_enrolled(&self) -> Result<bool, PoolError> {
        Ok(self.inner.current().row(&row::public_key())?.is_some())
    }

    /// Number of committed files.
    ///
    /// # Errors
    /// Damage.
    pub fn file_count(&self) -> Result<u64, PoolError> {
        self.inner.current().file_count()
    }

    /// Number of locks held just now.
    pub fn lock_count(&self) -> usize {
        self.inner.locks.count()
    }

    /// Octets alive and in use on the pool's disks.
    ///
    /// # Errors
    /// When the pool is closed or offline.
    pub async fn storage(&self) -> Result<StorageFigures, PoolError> {
        self.inner.log.call(|applier| applier.storage_figures()).await.map_err(commit::log_error)
    }

    /// Makes the catalog durable, so that the next start has nothing to redo.
    ///
    /// # Errors
    /// When the pool is closed or offline.
    pub async fn checkpoint(&self) -> Result<(), PoolError> {
        let mut upto = None;
        loop {
            let asked = self.inner.log.call(move |applier| applier.keep_all(upto)).await;
            let (position, fold) = asked.map_err(commit::log_error)??;
            let Some(fold) = fold else { return Ok(()) };
            upto = Some(position);
            if let Err(error) = tokio::task::spawn_blocking(move || fold.wait()).await {
                return Err(PoolError::Offline(error.to_string().into()));
            }
        }
    }

    /// The committed state of now: another one after each commit, and when changes have come to the catalog's disk.
    pub fn edition(&self) -> Edition {
        Edition(Arc::downgrade(&self.inner.glance()))
    }

    /// Why the pool refuses work, if it does.
    pub fn offline(&self) -> Option<Arc<str>> {
        let inner = &self.inner;
        inner.log.offline().or_else(|| inner.store.volume.offline()).or_else(|| inner.folds.failed())
    }

    /// Takes a checkpoint and ends the pool's threads. Work units still open can read but not commit.
    pub async fn close(&self) {
        let inner = self.inner.clone();
        let noted = tokio::task::spawn_blocking(move || references::flush(&inner)).await;
        // A machine that is forced while its server closes the pool leaves the rest to whoever closes it again.
        let closed = || self.inner.log.is_closed();
        if let Ok(Err(error)) = noted
            && !closed()
        {
            tracing::warn!(%error, "dates of reference are lost");
        }
        if let Err(error) = self.checkpoint().await
            && !closed()
        {
            tracing::warn!(%error, "no checkpoint at close; the next start redoes the log");
        }
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            if let Some(mover) = inner.mover.lock().take() {
                mover.stop();
            }
            inner.log.close();
        });
        if done.await.is_err() {
            tracing::error!("closing the pool panicked");
        }
    }
}
