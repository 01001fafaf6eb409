//! Looking after pools: check, backup, restore, salvage. For the server's operator and for the host's command line on a stopped
//! system.
//!
//! A backup is a stream of frames that names everything by path, never by number, so it can be restored into any pool: the whole
//! of it, one file space, or one file. It shows one committed state however long it takes, and disturbs nobody: while it runs,
//! stored octets are not given back. What is disabled comes back so with a whole pool, and PUBLIC enrolled or not. The layout is on the page docs/sfs-format.md.
//!
//! A salvage is a backup that leaves out what cannot be read and says what that is.

mod frame;
mod restore;
mod salvage;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

use cp::clock::Clock;
use dasd::{Dasd, LogConfig, OverlayDasd};
use thiserror::Error;

pub use restore::restore;
pub use salvage::salvage;

use crate::pool::{BackupSource, Damage, Findings, Pool, PoolConfig, PoolError, PoolOpenError};
use crate::types::FileId;
pub(crate) use frame::{BasePath, SpaceItem};
use frame::{FileItem, Frames, Item};

/// Why one of the tools ended.
#[derive(Debug, Error)]
pub enum ToolError {
    /// The pool cannot be opened.
    #[error("{0}")]
    Open(#[from] PoolOpenError),
    /// The pool.
    #[error("{0}")]
    Pool(#[from] PoolError),
    /// The backup cannot be written or read.
    #[error("{0}")]
    Backup(#[from] std::io::Error),
    /// What is read is no backup, is cut short, or is damaged.
    #[error("not a whole backup: {0}")]
    Damaged(&'static str),
    /// What is to be restored is not in the backup.
    #[error("not in the backup")]
    NotThere,
}

/// Where progress goes, line by line.
pub type Progress<'a> = &'a mut (dyn FnMut(&str) + Send);

/// What was written or read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// File spaces.
    pub spaces: u64,
    /// Directories below top directories.
    pub directories: u64,
    /// Files.
    pub files: u64,
    /// Octets of files.
    pub bytes: u64,
    /// Files left out, or cut, because they could not be read.
    pub damaged: u64,
}

impl Summary {
    /// What is in the file spaces.
    pub fn contents(&self) -> String {
        let Self { directories, files, bytes, damaged, .. } = self;
        format!("{directories} directories, {files} files, {bytes} bytes, {damaged} damaged")
    }

    fn add(&mut self, other: &Self) {
        self.spaces += other.spaces;
        self.directories += other.directories;
        self.files += other.files;
        self.bytes += other.bytes;
        self.damaged += other.damaged;
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} file spaces, {}", self.spaces, self.contents())
    }
}

/// What is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything, into a pool without any of the file spaces.
    Pool,
    /// One file space; one of the name is replaced.
    Space(String),
    /// One file: file space, directory levels, name; a file of the name is replaced.
    File(String, Vec<String>, FileId),
}

/// Verifies the pool on `dasd`, which no one has open: recovers it in memory, and looks at every record and, with `read_bodies`,
/// at every stored octet. Changes nothing.
///
/// # Errors
/// When it cannot be opened or its catalog not be read at all.
pub fn check(
    dasd: &Arc<dyn Dasd>,
    config: &PoolConfig,
    clock: Arc<dyn Clock>,
    read_bodies: bool,
    progress: Progress<'_>,
) -> Result<Findings, ToolError> {
    let (pool, damaged) = open(dasd, config, clock, Damage::Refuse)?;
    progress("The pool opens and its log is redone");
    let mut found = pool.check(read_bodies)?;
    found.problem_count += damaged.len() as u64;
    found.problems.splice(0..0, damaged);
    let Findings { spaces, directories, files, bodies, .. } = found;
    progress(&format!("{spaces} file spaces, {directories} directories, {files} files, {bodies} bodies"));
    for problem in &found.problems {
        progress(problem);
    }
    progress(&format!("{} problems", found.problem_count));
    Ok(found)
}

/// Opens a pool in memory: nothing of it changes on the disk.
fn open(
    dasd: &Arc<dyn Dasd>,
    config: &PoolConfig,
    clock: Arc<dyn Clock>,
    damage: Damage,
) -> Result<(Pool, Vec<String>), ToolError> {
    let quiet = PoolConfig { background: false, ..config.clone() };
    let quiet = PoolConfig { log: LogConfig { ahead: 0, ..quiet.log }, ..quiet };
    let overlay: Arc<dyn Dasd> = Arc::new(OverlayDasd::new(dasd.clone()));
    Ok(Pool::open_bearing(&overlay, &quiet, clock, damage)?)
}

/// Writes one committed state of a running pool. Blocks: not for async tasks.
///
/// # Errors
/// [`ToolError::Backup`] of `out`; damage, where salvage goes on.
pub fn backup(pool: &Pool, out: &mut dyn Write, progress: Progress<'_>) -> Result<Summary, ToolError> {
    write(&pool.backup_source(), out, false, progress)
}

fn write(
    source: &BackupSource,
    out: &mut dyn Write,
    salvage: bool,
    progress: Progress<'_>,
) -> Result<Summary, ToolError> {
    let mut frames = Frames::begin(out)?;
    let mut sum = Summary::default();
    let mut paths = HashMap::new();
    for space in source.spaces()? {
        source.paths(&space, &mut paths)?;
    }
    for minidisk in source.minidisks()? {
        frames.put(&Item::Minidisk(minidisk))?;
    }
    for space in source.spaces()? {
        frames.put(&Item::Space(source.space(&space)?))?;
        let mut own = Summary { spaces: 1, ..Summary::default() };
        write_directory(source, &paths, &mut frames, &mut own, (&space, &mut Vec::new()), salvage, progress)?;
        progress(&format!("{space}: {}", own.contents()));
        sum.add(&own);
    }
    frames.put(&Item::Public(source.public_enrolled()?))?;
    for (part, info) in source.disabled()? {
        frames.put(&Item::Disabled(part, info))?;
    }
    frames.put(&Item::End(sum.files))?;
    frames.finish()?;
    progress(&format!("Done: {sum}"));
    Ok(sum)
}

type Paths = HashMap<u64, (String, Vec<String>)>;

fn write_directory(
    source: &BackupSource,
    paths: &Paths,
    frames: &mut Frames<'_>,
    sum: &mut Summary,
    (space, levels): (&str, &mut Vec<String>),
    salvage: bool,
    progress: Progress<'_>,
) -> Result<(), ToolError> {
    let dir = source.directory(space, levels, paths)?;
    frames.put(&Item::Directory { levels: levels.clone(), control: dir.control })?;
    for (to, rights) in &dir.grants {
        frames.put(&Item::Grant { levels: levels.clone(), id: None, to: *to, rights: *rights })?;
    }
    for lock in &dir.locks {
        frames.put(&Item::Lock { levels: levels.clone(), id: None, lock: lock.clone() })?;
    }
    for (id, rec) in &dir.files {
        let name = || format!("{id} {space}.{}", levels.join("."));
        let mut reader = match source.read(rec) {
            Ok(reader) => reader,
            Err(error) if salvage => {
                sum.damaged += 1;
                progress(&format!("{}: {error}; left out", name()));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        frames.put(&Item::File(FileItem { levels: levels.clone(), status: rec.status(*id) }))?;
        sum.files += 1;
        loop {
            match reader.next() {
                Ok(Some(data)) => {
                    sum.bytes += data.len() as u64;
                    frames.put(&Item::Data(data))?;
                }
                Ok(None) => break,
                Err(error) if salvage => {
                    sum.damaged += 1;
                    progress(&format!("{}: {error}; cut there", name()));
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        for (to, rights) in source.grants(rec.object.0)? {
            frames.put(&Item::Grant { levels: levels.clone(), id: Some(*id), to, rights })?;
        }
        for lock in source.locks(rec.object.0)? {
            frames.put(&Item::Lock { levels: levels.clone(), id: Some(*id), lock })?;
        }
    }
    for (id, base) in dir.aliases {
        frames.put(&Item::Alias { levels: levels.clone(), id, base })?;
    }
    for (id, data) in dir.externals {
        frames.put(&Item::External { levels: levels.clone(), id, data })?;
    }
    for level in dir.below {
        sum.directories += 1;
        levels.push(level);
        write_directory(source, paths, frames, sum, (space, &mut *levels), salvage, progress)?;
        levels.pop();
    }
    Ok(())
}

/// Verifies that a backup is whole, without restoring it.
///
/// # Errors
/// [`ToolError::Damaged`], [`ToolError::Backup`].
pub fn verify(input: &mut dyn Read) -> Result<Summary, ToolError> {
    let mut sum = Summary::default();
    frame::each(input, |item| {
        match item {
            Item::Space(_) => sum.spaces += 1,
            Item::Directory { levels, .. } => sum.directories += u64::from(!levels.is_empty()),
            Item::File(_) => sum.files += 1,
            Item::Data(data) => sum.bytes += data.len() as u64,
            _ => {}
        }
        Ok(())
    })?;
    Ok(sum)
}
