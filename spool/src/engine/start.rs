//! Making a spool, and the starts: WARM, FORCE, COLD, CLEAN.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use cp::clock::Clock;
use dasd::{Anchor, Dasd, LogAddr, LogFound, Recovered, Volume, format};
use parking_lot::{Mutex, RwLock};

use super::damage::Damage;
use super::layout::{self, Op};
use super::{INLINE_OCTETS, Index, MAX_OPS, Owner, SPILL_OCTETS, Spool, SpoolConfig, SpoolEntry};
use crate::error::SpoolStartError;
use crate::file::UniqueId;
use crate::record::{FRAME, MAX_RECORD};

/// The disk that says from where the log is to be read.
const ANCHOR: &str = "SPANCHOR";

/// How the spool is started. Source: facts of CP, "System start".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKind {
    /// All files are there. A record of another version stops the start; damage does not, what it touches is held.
    Warm,
    /// All files that can be read are there.
    Force,
    /// No spool files; system data files stay, of which there are none yet.
    Cold,
    /// No files of any kind.
    Clean,
}

/// What a start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartReport {
    /// Files in all queues.
    pub files: usize,
    /// Files that a COLD or CLEAN start deleted.
    pub deleted: usize,
    /// What is damaged, and what a FORCE start left out; one line each.
    pub lost: Vec<String>,
}

impl StartReport {
    /// What CP writes at the operator's console.
    pub fn messages(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.deleted > 0 {
            lines.push(format!("HCPWRS2513I Total files to be deleted {}", self.deleted));
        }
        lines.extend(self.lost.iter().cloned());
        lines.push("HCPWRS2512I Spooling initialization is complete.".into());
        lines
    }
}

/// What the anchor holds: a recovery position and the next unique id.
pub(super) fn anchor_value(from: LogAddr, next_unique: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&from.0.to_le_bytes());
    value[8..].copy_from_slice(&next_unique.to_le_bytes());
    value
}

fn read_anchor(value: &[u8]) -> Result<(LogAddr, u64), SpoolStartError> {
    let bad = SpoolStartError::BadRecord { at: 0, reason: "the anchor is not of this version" };
    let (Some(from), Some(next)) = (value.get(..8), value.get(8..16)) else { return Err(bad) };
    let word = |b: &[u8]| b.try_into().map_or(0, u64::from_le_bytes);
    Ok((LogAddr(word(from)), word(next)))
}

/// What the disks hold.
struct Found {
    anchor: Anchor,
    recovered: Recovered,
    index: Index,
    volume: Arc<Volume>,
    damage: Damage,
    lost: Vec<String>,
}

/// Reads the log from the recovery position on.
fn recover(dasd: Arc<dyn Dasd>, config: &SpoolConfig, kind: StartKind) -> Result<Found, SpoolStartError> {
    let anchor = Anchor::open(&*dasd, ANCHOR)?;
    let (from, next_unique) = read_anchor(&anchor.get())?;
    let volume = Arc::new(Volume::open(dasd.clone(), config.volume.clone())?);
    let mut index = Index::new(config.log.segment_bytes, config.volume.segment_bytes);
    index.raise_unique(next_unique);
    let mut lost = Vec::new();
    let mut damage = Damage::default();
    let segment_bytes = config.log.segment_bytes;
    let recovered = Recovered::open::<SpoolStartError>(dasd, &config.log, from, |found| {
        let entry = match found {
            LogFound::Entry(entry) => entry,
            LogFound::Damage(stretch) => {
                damage.take(&mut index, &stretch, segment_bytes);
                return Ok(());
            }
        };
        index.ends.insert(entry.addr.0 / segment_bytes, entry.end);
        match layout::decode(entry.addr, &entry.payload) {
            Ok(ops) => {
                for op in ops {
                    match op {
                        Op::Put(file) => {
                            damage.settle(file.unique);
                            index.put(*file, entry.addr);
                        }
                        Op::Purge(unique) => index.remove(unique),
                    }
                }
            }
            Err(reason) if kind == StartKind::Warm => {
                return Err(SpoolStartError::BadRecord { at: entry.addr.0, reason });
            }
            Err(reason) => lost.push(format!("a log record at {:#x} was left out: {reason}", entry.addr.0)),
        }
        Ok(())
    })?;
    Ok(Found { anchor, recovered, index, volume, damage, lost })
}

impl Spool {
    /// Makes an empty spool on `dasd`. `ring_id` tells its log from others; take it at random. Blocks.
    ///
    /// # Errors
    /// When there is one already, and of the disk.
    pub fn generate(dasd: &Arc<dyn Dasd>, config: &SpoolConfig, ring_id: u64) -> Result<(), SpoolStartError> {
        format(dasd.clone(), &config.log, ring_id)?;
        Anchor::create(&**dasd, ANCHOR, &anchor_value(LogAddr::START, 1))?;
        Ok(())
    }

    /// Starts the spool. Blocks while the log is read.
    ///
    /// # Errors
    /// [`SpoolStartError`]; a WARM start fails at a record of another version, which a FORCE start leaves out.
    pub fn start(
        dasd: Arc<dyn Dasd>,
        config: &SpoolConfig,
        kind: StartKind,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, StartReport), SpoolStartError> {
        let Found { anchor, recovered, index, volume, damage, mut lost } = recover(dasd, config, kind)?;
        let space = recovered.space();
        let index = Arc::new(Mutex::new(index));
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let owner = Owner {
            index: index.clone(),
            anchor,
            space: space.clone(),
            keep_segments: config.keep_segments,
            wake: config.auto_clean.then_some(wake),
        };
        let log = recovered.start(owner)?;
        let spill_octets = SPILL_OCTETS.min(usize::try_from(volume.max_extent()).unwrap_or(SPILL_OCTETS));
        let inline_octets = INLINE_OCTETS.min(usize::try_from(log.max_entry() / 2).unwrap_or(0));
        if spill_octets < 2 * (MAX_RECORD + FRAME) {
            return Err(dasd::OpenError::State("a volume segment is too short for the longest record").into());
        }
        let spool = Arc::new_cyclic(|own| Self {
            index,
            log,
            space,
            volume,
            clock,
            cp: OnceLock::new(),
            watchers: RwLock::default(),
            arrivals: Mutex::default(),
            config: config.clone(),
            next_extent: AtomicU64::new(1),
            extents: RwLock::default(),
            inline_octets,
            spill_octets,
            own: own.clone(),
        });
        let deleted = match kind {
            StartKind::Warm => 0,
            StartKind::Force => {
                lost.extend(spool.drop_unreadable()?);
                0
            }
            StartKind::Cold | StartKind::Clean => spool.delete_all()?,
        };
        let held = damage.to_hold(&spool.index.lock());
        spool.log_blocking(held.into_iter().map(|file| Op::Put(Box::new(file))))?;
        lost.splice(0..0, damage.messages(&spool.index.lock()));
        if config.auto_clean {
            start_cleaner(Arc::downgrade(&spool), woken)?;
        }
        let files = spool.index.lock().files().count();
        Ok((spool, StartReport { files, deleted, lost }))
    }

    fn delete_all(&self) -> Result<usize, SpoolStartError> {
        let all: Vec<UniqueId> = self.index.lock().files().map(|file| file.unique).collect();
        self.log_blocking(all.iter().map(|unique| Op::Purge(*unique)))?;
        Ok(all.len())
    }

    /// Makes changes durable, several in one entry.
    fn log_blocking(&self, ops: impl Iterator<Item = Op>) -> Result<(), SpoolStartError> {
        let mut ops = ops.peekable();
        while ops.peek().is_some() {
            let entry =
                SpoolEntry { ops: ops.by_ref().take(MAX_OPS).collect(), inline: Bytes::new(), head: 0 };
            self.log.submit_blocking(entry).map_err(|e| std::io::Error::other(e.to_string()))?;
        }
        Ok(())
    }

    /// Reads every file and deletes those that cannot be read.
    fn drop_unreadable(&self) -> Result<Vec<String>, SpoolStartError> {
        let all: Vec<_> = self.index.lock().files().cloned().collect();
        let mut lost = Vec::new();
        for file in all {
            let whole = self.pin(&file).and_then(|pins| {
                file.chunks
                    .iter()
                    .zip(&pins)
                    .try_for_each(|(chunk, pin)| self.read_chunk(&file, chunk, pin).map(|_| ()))
            });
            if whole.is_err() {
                lost.push(format!(
                    "{} {} of {} was deleted: it cannot be read",
                    file.queue, file.id, file.owner
                ));
                self.log_blocking(std::iter::once(Op::Purge(file.unique)))?;
            }
        }
        Ok(lost)
    }
}

/// Cleans whenever the log writer says that there is something to clean, until the spool is gone.
fn start_cleaner(spool: Weak<Spool>, woken: std::sync::mpsc::Receiver<()>) -> std::io::Result<()> {
    let work = move || {
        while woken.recv().is_ok() {
            let Some(spool) = spool.upgrade() else { return };
            if let Err(error) = spool.clean() {
                tracing::warn!(%error, "the spool log could not be cleaned");
            }
        }
    };
    // The thread ends by itself when the log's owner, and with it the sender, is dropped.
    std::thread::Builder::new().name("spool-cleaner".into()).spawn(work).map(drop)
}
