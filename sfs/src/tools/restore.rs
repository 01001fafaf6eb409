//! Restoring from a backup: through work units, as a user's program would write the same files.
//!
//! A file space is replaced as a whole, in several commits: after a crash in the middle the restore is to be repeated.

use std::io::Read;

use bytes::{Bytes, BytesMut};

use super::frame::{BasePath, FileItem, Item, Items, SpaceItem};
use super::{Progress, Selection, Summary, ToolError};
use crate::pool::{DirPath, FileChanges, OpenRequest, Pool, PoolError, Token, WorkUnit};
use crate::types::{Attributes, DisableInfo, FileId, Intent, LockInfo, Minidisk, PoolPart, RecordFormat};

/// Octets written between two commits.
const COMMIT_BYTES: usize = 64 << 20;
/// Files written between two commits.
const COMMIT_FILES: u64 = 1000;

/// Brings back what `selection` names, and commits it.
///
/// # Errors
/// [`ToolError::NotThere`], [`ToolError::Damaged`]; those of work units, such as a file that is locked.
pub async fn restore(
    pool: &Pool,
    input: &mut (dyn Read + Send),
    selection: &Selection,
    progress: Progress<'_>,
) -> Result<Summary, ToolError> {
    let mut job = Job {
        pool,
        unit: pool.begin(),
        selection,
        space: String::new(),
        within: false,
        file: None,
        aliases: Vec::new(),
        locks: Vec::new(),
        disabled: Vec::new(),
        // Everybody could connect to the pools of which a backup does not say it.
        public: true,
        since: (0, 0),
        sum: Summary::default(),
    };
    let mut items = Items::begin(input)?;
    loop {
        match items.next()? {
            Item::End(_) => break,
            item => job.take(item, progress).await?,
        }
    }
    job.close_file()?;
    job.commit().await?;
    job.make_aliases(progress).await?;
    job.make_locks(progress).await?;
    job.set_public().await?;
    job.disable(progress).await;
    let found = match selection {
        Selection::Pool => true,
        Selection::Space(_) => job.sum.spaces > 0,
        Selection::File(..) => job.sum.files > 0,
    };
    if !found {
        return Err(ToolError::NotThere);
    }
    progress(&format!("Done: {}", job.sum));
    Ok(job.sum)
}

/// A file being written.
struct Writing {
    item: FileItem,
    token: Token,
    /// Octets that are not a whole record yet.
    rest: BytesMut,
}

struct Alias {
    space: String,
    levels: Vec<String>,
    id: FileId,
    base: BasePath,
}

struct Lock {
    space: String,
    levels: Vec<String>,
    id: Option<FileId>,
    lock: LockInfo,
}

struct Job<'a> {
    pool: &'a Pool,
    unit: WorkUnit,
    selection: &'a Selection,
    space: String,
    /// The space is one that is restored.
    within: bool,
    file: Option<Writing>,
    aliases: Vec<Alias>,
    locks: Vec<Lock>,
    disabled: Vec<(PoolPart, DisableInfo)>,
    /// Whether PUBLIC was enrolled.
    public: bool,
    /// Octets and files since the last commit.
    since: (usize, u64),
    sum: Summary,
}

fn dir<'a>(space: &'a str, levels: &'a [String]) -> DirPath<'a> {
    DirPath { space, levels }
}

impl Job<'_> {
    async fn take(&mut self, item: Item, progress: Progress<'_>) -> Result<(), ToolError> {
        if !matches!(item, Item::Data(_)) {
            self.close_file()?;
        }
        let whole = self.within && !matches!(self.selection, Selection::File(..));
        match item {
            Item::Space(space) => self.begin_space(space, progress).await?,
            Item::File(file) if self.wants(&file) => self.begin_file(file).await?,
            Item::Data(data) => self.data(&data).await?,
            Item::Directory { levels, control } if whole && !levels.is_empty() => {
                self.unit.create_dir_as(dir(&self.space, &levels), control)?;
                self.sum.directories += 1;
            }
            Item::Grant { levels, id, to, rights } if whole => {
                self.unit.grant(dir(&self.space, &levels), id, to, rights)?;
            }
            Item::External { levels, id, data } if whole => {
                self.unit.create_external(dir(&self.space, &levels), id, &data)?;
            }
            Item::Alias { levels, id, base: Some(base) } if whole => {
                self.aliases.push(Alias { space: self.space.clone(), levels, id, base });
            }
            Item::Alias { levels, id, base: None } if whole => {
                self.unit.create_erased_alias(dir(&self.space, &levels), id)?;
            }
            Item::Lock { levels, id, lock } if whole => {
                self.locks.push(Lock { space: self.space.clone(), levels, id, lock });
            }
            Item::Disabled(part, info) if *self.selection == Selection::Pool => {
                self.disabled.push((part, info));
            }
            Item::Public(enrolled) => self.public = enrolled,
            Item::Minidisk(minidisk) if *self.selection == Selection::Pool => self.define(minidisk).await?,
            _ => {}
        }
        Ok(())
    }

    /// A minidisk of the pool that was backed up; one that the pool has already stays as it is.
    async fn define(&self, minidisk: Minidisk) -> Result<(), ToolError> {
        match self.pool.add_minidisk(minidisk.group, minidisk.device, minidisk.blocks).await {
            Ok(_) | Err(PoolError::MinidiskExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Enrols the file space in the storage group that it was in, or, in a pool without it, in the first one.
    fn enroll(&self, space: &SpaceItem, progress: Progress<'_>) -> Result<(), ToolError> {
        match self.unit.enroll_in(space.group, &space.name, space.limit, &space.label) {
            Err(PoolError::NoGroup) => {
                progress(&format!("{}: no storage group {}; enrolled in group 2", space.name, space.group));
                Ok(self.unit.enroll(&space.name, space.limit, &space.label)?)
            }
            done => Ok(done?),
        }
    }

    async fn begin_space(&mut self, space: SpaceItem, progress: Progress<'_>) -> Result<(), ToolError> {
        self.commit().await?;
        self.within = match self.selection {
            Selection::Pool => true,
            Selection::Space(name) | Selection::File(name, ..) => *name == space.name,
        };
        self.space.clone_from(&space.name);
        if !self.within || matches!(self.selection, Selection::File(..)) {
            return Ok(());
        }
        if matches!(self.selection, Selection::Space(_)) {
            match self.unit.remove_space(&self.space) {
                Ok(()) => self.commit().await?,
                Err(PoolError::NoSpace) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.enroll(&space, progress)?;
        self.unit.set_threshold(&self.space, space.threshold.min(crate::pool::MAX_THRESHOLD))?;
        self.sum.spaces += 1;
        progress(&self.space);
        self.commit().await
    }

    fn wants(&self, file: &FileItem) -> bool {
        match self.selection {
            Selection::File(_, levels, id) => self.within && *levels == file.levels && *id == file.status.id,
            _ => self.within,
        }
    }

    async fn begin_file(&mut self, item: FileItem) -> Result<(), ToolError> {
        if self.since.1 >= COMMIT_FILES {
            self.commit().await?;
        }
        let token = self.open(&item, Intent::Replace)?;
        self.file = Some(Writing { item, token, rest: BytesMut::new() });
        self.since.1 += 1;
        self.sum.files += 1;
        Ok(())
    }

    fn open(&self, item: &FileItem, intent: Intent) -> Result<Token, ToolError> {
        let status = &item.status;
        let attributes = Attributes {
            recfm: status.recfm,
            lrecl: status.lrecl,
            mode: status.mode,
            recover: status.recover,
            in_place: status.in_place,
        };
        let dir = dir(&self.space, &item.levels);
        let request = OpenRequest { dir, id: status.id, intent, attributes, allow_empty: true };
        Ok(self.unit.open(&request)?.token)
    }

    async fn data(&mut self, data: &Bytes) -> Result<(), ToolError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.rest.extend_from_slice(data);
        let (len, records) = whole_records(&file.rest, &file.item);
        if records > 0 {
            let records_image = file.rest.split_to(len).freeze();
            // One record alone is written without the halfword in front.
            let alone = records == 1 && file.item.status.recfm == RecordFormat::Variable;
            let image = if alone { records_image.slice(2..) } else { records_image };
            self.unit.write(file.token, &image, records)?;
            if self.unit.wants_spill() {
                self.unit.spill()?;
            }
        }
        self.sum.bytes += data.len() as u64;
        self.since.0 += data.len();
        if self.since.0 < COMMIT_BYTES {
            return Ok(());
        }
        // A commit closes the file; writing goes on at its end.
        self.commit().await?;
        if let Some(mut file) = self.file.take() {
            file.token = self.open(&file.item, Intent::Write)?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), ToolError> {
        let Some(Writing { item, token, .. }) = self.file.take() else { return Ok(()) };
        self.unit.close(token)?;
        let FileItem { levels, status } = item;
        let dates = FileChanges {
            created: Some(status.created),
            updated: Some(status.updated),
            ..FileChanges::default()
        };
        self.unit.change_attributes(dir(&self.space, &levels), status.id, &dates)?;
        Ok(self.unit.set_referenced(dir(&self.space, &levels), status.id, status.referenced)?)
    }

    async fn commit(&mut self) -> Result<(), ToolError> {
        self.since = (0, 0);
        self.unit.commit().await?;
        Ok(())
    }

    /// Last, when all base files are there.
    async fn make_aliases(&mut self, progress: Progress<'_>) -> Result<(), ToolError> {
        for alias in std::mem::take(&mut self.aliases) {
            let (space, levels, id) = &alias.base;
            let made =
                self.unit.create_alias(dir(space, levels), *id, dir(&alias.space, &alias.levels), alias.id);
            if let Err(error) = made {
                progress(&format!("alias {} in {}: {error}; left out", alias.id, alias.space));
            }
        }
        self.commit().await
    }
}

impl Job<'_> {
    /// Behind everything else: a lock keeps the restore itself out.
    async fn make_locks(&mut self, progress: Progress<'_>) -> Result<(), ToolError> {
        for Lock { space, levels, id, lock } in std::mem::take(&mut self.locks) {
            let user = lock.user;
            let made = self.pool.put_lock(&self.unit, (dir(&space, &levels), id), lock).await;
            if let Err(error) = made {
                progress(&format!("lock of {user} in {space}: {error}; left out"));
            }
        }
        Ok(())
    }
}

impl Job<'_> {
    /// With a whole pool.
    async fn set_public(&mut self) -> Result<(), ToolError> {
        if *self.selection == Selection::Pool && self.pool.public_enrolled()? != self.public {
            self.unit.set_public(self.public)?;
            self.commit().await?;
        }
        Ok(())
    }

    /// At the very end, as it was: what is disabled is not to be changed.
    async fn disable(&mut self, progress: Progress<'_>) {
        for (part, info) in std::mem::take(&mut self.disabled) {
            if let Err(error) = self.pool.put_disabled(&self.unit, &part, info).await {
                let what = match part {
                    PoolPart::Group(group) => format!("storage group {group}"),
                    PoolPart::Space(name) => format!("file space {name}"),
                };
                progress(&format!("{what} was disabled: {error}; left as it is"));
            }
        }
    }
}

/// Octets and number of the whole records that `image` begins with.
fn whole_records(image: &[u8], item: &FileItem) -> (usize, u32) {
    match item.status.recfm {
        RecordFormat::Fixed => {
            let lrecl = item.status.lrecl.max(1) as usize;
            let records = image.len() / lrecl;
            (records * lrecl, records as u32)
        }
        RecordFormat::Variable => {
            let (mut at, mut records) = (0, 0);
            while let Some(head) = image.get(at..at + 2) {
                let end = at + 2 + usize::from(u16::from_be_bytes([head[0], head[1]]));
                if end > image.len() {
                    break;
                }
                (at, records) = (end, records + 1);
            }
            (at, records)
        }
    }
}
