//! One committed state of a pool, to be read as a whole while the pool is used.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use redb::Database;

use super::Pool;
use super::catalog::{DirId, FileRec, file_id};
use super::draft::Content;
use super::error::PoolError;
use super::file::{self, Cursor, Env};
use super::row::{self, Place, Special, SpecialRec};
use super::snapshot::Snapshot;
use super::store::Store;
use crate::tools::{BasePath, SpaceItem};
use crate::types::{
    DirControl, DisableInfo, FileId, Grantee, LockDuration, LockInfo, Minidisk, PoolPart, Rights,
};

/// Octets read at once.
const PIECE: usize = 1 << 20;

/// One committed state; as long as it is held, nothing that it names is given back.
pub(crate) struct BackupSource {
    snapshot: Arc<Snapshot>,
    store: Store,
    _hold: Hold,
    /// What the snapshot reads from, if no pool has it open.
    _catalog: Option<Database>,
}

struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a directory holds.
pub(crate) struct SourceDir {
    pub(crate) control: DirControl,
    pub(crate) grants: Vec<(Grantee, Rights)>,
    pub(crate) locks: Vec<LockInfo>,
    pub(crate) files: Vec<(FileId, FileRec)>,
    /// With their bases; `None`: erased.
    pub(crate) aliases: Vec<(FileId, Option<BasePath>)>,
    pub(crate) externals: Vec<(FileId, Vec<u8>)>,
    pub(crate) below: Vec<String>,
}

impl Pool {
    pub(crate) fn backup_source(&self) -> BackupSource {
        BackupSource::new(self.inner.current(), self.inner.store.clone(), None)
    }
}

impl BackupSource {
    pub(super) fn new(snapshot: Arc<Snapshot>, store: Store, catalog: Option<Database>) -> Self {
        store.held.fetch_add(1, Ordering::SeqCst);
        let hold = Hold(store.held.clone());
        Self { snapshot, store, _hold: hold, _catalog: catalog }
    }

    pub(crate) fn spaces(&self) -> Result<Vec<String>, PoolError> {
        Ok(self.snapshot.spaces()?.into_iter().map(|(name, _)| name).collect())
    }

    pub(crate) fn space(&self, name: &str) -> Result<SpaceItem, PoolError> {
        let rec = self.snapshot.space(name)?.ok_or(PoolError::NoSpace)?;
        let (limit, threshold, label, group) = (rec.limit, rec.threshold, rec.label, rec.group);
        Ok(SpaceItem { name: name.to_owned(), limit, threshold, label, group })
    }

    /// Adds the paths of a file space's directories by their numbers.
    pub(crate) fn paths(
        &self,
        space: &str,
        paths: &mut HashMap<u64, (String, Vec<String>)>,
    ) -> Result<(), PoolError> {
        let top = self.snapshot.space(space)?.ok_or(PoolError::NoSpace)?.top;
        paths_below(&self.snapshot, space, top, paths)
    }

    pub(crate) fn grants(&self, number: u64) -> Result<Vec<(Grantee, Rights)>, PoolError> {
        let rows = self.snapshot.rows(&row::grant_prefix(number))?;
        rows.iter().map(|(key, value)| Ok((row::grantee(key)?, row::read_rights(value)?))).collect()
    }

    pub(crate) fn minidisks(&self) -> Result<Vec<Minidisk>, PoolError> {
        super::group::minidisks(&self.snapshot)
    }

    /// What is disabled.
    pub(crate) fn disabled(&self) -> Result<Vec<(PoolPart, DisableInfo)>, PoolError> {
        let rows = self.snapshot.rows(&row::all_disabled())?;
        rows.iter().map(|(key, value)| Ok((row::disabled_part(key)?, row::read_disabled(value)?))).collect()
    }

    /// Whether PUBLIC is enrolled.
    pub(crate) fn public_enrolled(&self) -> Result<bool, PoolError> {
        Ok(self.snapshot.row(&row::public_key())?.is_some())
    }

    /// The LASTING locks on an object or directory.
    pub(crate) fn locks(&self, number: u64) -> Result<Vec<LockInfo>, PoolError> {
        let rows = self.snapshot.rows(&row::lock_prefix(number))?;
        let lock = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let (kind, created) = row::read_lock(value)?;
            Ok(LockInfo { user: row::lock_of(key)?.1, kind, duration: LockDuration::Lasting, created })
        };
        rows.iter().map(lock).collect()
    }

    pub(crate) fn directory(
        &self,
        space: &str,
        levels: &[String],
        paths: &HashMap<u64, (String, Vec<String>)>,
    ) -> Result<SourceDir, PoolError> {
        let mut dir: DirId = self.snapshot.space(space)?.ok_or(PoolError::NoSpace)?.top;
        for level in levels {
            let key = super::catalog::level_key(level).ok_or(PoolError::BadDirectory)?;
            dir = self.snapshot.dir(dir, key)?.ok_or(PoolError::NoDirectory)?.id;
        }
        let control = match self.snapshot.row(&row::control_key(dir))? {
            Some(_) => DirControl::Directory,
            None => DirControl::File,
        };
        let mut files = Vec::new();
        self.snapshot.files(dir, |id, rec| files.push((id, rec)))?;
        let (mut aliases, mut externals) = (Vec::new(), Vec::new());
        for (key, value) in self.snapshot.rows(&row::special_prefix(dir))? {
            let id = file_id(key.get(9..).unwrap_or_default())?;
            match SpecialRec::decode(&value)?.what {
                Special::External(data) => externals.push((id, data)),
                Special::Alias(object) => {
                    let place = self.snapshot.row(&row::object_key(object))?;
                    let place = place.map(|row| Place::decode(&row)).transpose()?;
                    let base = place.and_then(|p| {
                        let (space, levels) = paths.get(&p.dir.0)?.clone();
                        Some((space, levels, file_id(&p.name).ok()?))
                    });
                    aliases.push((id, base));
                }
            }
        }
        let below = self.snapshot.dirs(dir)?.into_iter().map(|(level, _)| level).collect();
        Ok(SourceDir {
            control,
            grants: self.grants(dir.0)?,
            locks: self.locks(dir.0)?,
            files,
            aliases,
            externals,
            below,
        })
    }

    /// Begins reading the image of a file.
    pub(crate) fn read<'a>(&'a self, rec: &'a FileRec) -> Result<SourceFile<'a>, PoolError> {
        let content = Content::load(rec, &self.snapshot, &self.store, true)?
            .ok_or_else(|| PoolError::Damaged("a body's storage cannot be found".into()))?;
        Ok(SourceFile { source: self, rec, content, cursor: Cursor::new(rec.records), at: 0 })
    }
}

/// Adds the paths of a file space's directories by their numbers.
pub(super) fn paths_below(
    snapshot: &Snapshot,
    space: &str,
    top: DirId,
    paths: &mut HashMap<u64, (String, Vec<String>)>,
) -> Result<(), PoolError> {
    let mut waiting = vec![(top, Vec::new())];
    while let Some((dir, levels)) = waiting.pop() {
        for (level, rec) in snapshot.dirs(dir)? {
            let mut below: Vec<String> = levels.clone();
            below.push(level);
            waiting.push((rec.id, below));
        }
        paths.insert(dir.0, (space.to_owned(), levels));
    }
    Ok(())
}

/// A file being read.
pub(crate) struct SourceFile<'a> {
    source: &'a BackupSource,
    rec: &'a FileRec,
    content: Content,
    cursor: Cursor,
    at: u64,
}

impl SourceFile<'_> {
    /// The next piece of the image.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, PoolError> {
        if self.at >= self.rec.bytes {
            return Ok(None);
        }
        let env = Env { store: &self.source.store, current: &self.source.snapshot };
        let data = file::read_image(env, self.rec, &self.content, &mut self.cursor, self.at, PIECE)?;
        if data.is_empty() {
            return Err(PoolError::Damaged("a file is shorter than its record says".into()));
        }
        self.at += data.len() as u64;
        Ok(Some(data))
    }
}
