//! Opens of a work unit: tokens, and the record operations on them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::state::{load_committed, load_locked};
use super::{DirPath, MAX_OPEN, MAX_PENDING, State, WorkUnit};
use crate::pool::blocks::Way;
use crate::pool::catalog::{DirId, FileNo, FileRec, Name16, ObjectNo, Slices, file_id, file_key};
use crate::pool::draft::{Content, Draft, MAX_KEYED_LRECL};
use crate::pool::error::PoolError;
use crate::pool::explicit::Purpose;
use crate::pool::file::{self, Cursor, Env, ReadOut};
use crate::pool::references;
use crate::pool::runs::RUN_OCTETS;
use crate::pool::snapshot::Snapshot;
use crate::types::{
    Attributes, DateReference, FileId, FileStatus, Intent, LockResource, MAX_LRECL_F, ModeNumber,
    RecordFormat,
};

/// Identifies an open. Never used twice while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

static NEXT_TOKEN: AtomicU64 = AtomicU64::new(1);

/// Whether a read may wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// For threads that may block.
    Allowed,
    /// For async tasks.
    Refused,
}

/// What to open and how.
#[derive(Debug, Clone, Copy)]
pub struct OpenRequest<'a> {
    /// The directory.
    pub dir: DirPath<'a>,
    /// File name and type.
    pub id: FileId,
    /// What the open is for.
    pub intent: Intent,
    /// What a created or replaced file gets.
    pub attributes: Attributes,
    /// Keep the file when it is closed without a record.
    pub allow_empty: bool,
}

/// A successful open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// For the operations that follow.
    pub token: Token,
    /// The file as it is now.
    pub status: FileStatus,
    /// Whether the open created it.
    pub created: bool,
}

/// An open file.
pub(crate) struct OpenFile {
    pub(crate) key: (DirId, Name16),
    /// The name it was opened by.
    pub(crate) id: FileId,
    pub(crate) writes: bool,
    /// Erase it at close if it has no record.
    drop_empty: bool,
    changed: bool,
    pub(crate) way: Way,
    cursor: Cursor,
    /// What a reader sees; a writer sees the draft in the overlay.
    seen: Option<(FileRec, Content)>,
}

impl OpenFile {
    pub(super) fn reader(key: (DirId, Name16), id: FileId, seen: (FileRec, Content)) -> Self {
        let cursor = Cursor::new(seen.0.records);
        let way = Way::Records;
        Self { key, id, writes: false, drop_empty: false, changed: false, way, cursor, seen: Some(seen) }
    }
}

impl State {
    /// Keeps an open file of a reader.
    pub(super) fn add_open(&mut self, file: OpenFile) -> Result<Opened, PoolError> {
        self.room_for_open()?;
        let (rec, _) = view(&self.overlay, &file)?;
        let status = rec.status(file.id);
        let token = Token(NEXT_TOKEN.fetch_add(1, Ordering::Relaxed));
        self.files.insert(token.0, file);
        Ok(Opened { token, status, created: false })
    }

    fn room_for_open(&self) -> Result<(), PoolError> {
        if self.files.len() >= MAX_OPEN {
            return Err(PoolError::Limit("open files in one work unit"));
        }
        Ok(())
    }
}

impl WorkUnit {
    /// Opens a file.
    ///
    /// # Errors
    /// [`PoolError::NoFile`], [`PoolError::FileExists`] (NEW), [`PoolError::Locked`], [`PoolError::FileOpen`] when this unit
    /// has it open for writing already, [`PoolError::RecordLength`] for attributes that no file can have.
    pub fn open(&self, request: &OpenRequest<'_>) -> Result<Opened, PoolError> {
        self.open_as(request, DateReference::New)
    }

    /// [`Self::open`], which counts as a reference of the file or not.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_as(&self, request: &OpenRequest<'_>, dates: DateReference) -> Result<Opened, PoolError> {
        self.open_way(request, dates, Way::Records)
    }

    pub(crate) fn open_way(
        &self,
        request: &OpenRequest<'_>,
        dates: DateReference,
        way: Way,
    ) -> Result<Opened, PoolError> {
        self.with(|state, snapshot| {
            state.room_for_open()?;
            let found = state.resolve(snapshot, request.dir)?;
            let name = file_key(request.id);
            let there = state.exists(snapshot, (found.id, name))?;
            let special = if there { None } else { state.special(snapshot, (found.id, name))? };
            if request.intent == Intent::New && (there || special.is_some()) {
                return Err(PoolError::FileExists);
            }
            let target = state.follow_special(snapshot, found, name, special)?;
            let key = target.key();
            let (mut file, created) = match request.intent {
                Intent::Read if state.in_blocks(key) => return Err(PoolError::FileOpen),
                Intent::Read => (self.open_reader(state, target.dir.id, key, dates)?, false),
                _ => {
                    if state.files.values().any(|f| f.key == key && f.writes) {
                        return Err(PoolError::FileOpen);
                    }
                    let creates = !there && target.alias.is_none();
                    if request.intent == Intent::Replace || creates {
                        check_attributes(&request.attributes)?;
                    }
                    state.change_file(&self.inner, &target.dir, key.1, Purpose::Write)?;
                    let now =
                        state.overlay.files.get(&key).and_then(|c| c.now.as_ref()).map(|d| d.rec.object);
                    // Looked at again under the lock: the name may be another thing by now.
                    if now.is_none() && state.special(&self.inner.glance(), key)?.is_some() {
                        return Err(PoolError::FileExists);
                    }
                    if target.alias.is_some_and(|object| now != Some(object)) {
                        return Err(PoolError::NoFile);
                    }
                    self.open_writer(state, key, request, dates)?
                }
            };
            file.id = request.id;
            if let Way::WriteBlocks(_) = way
                && let Some(draft) = state.overlay.files.get_mut(&key).and_then(|c| c.now.as_mut())
            {
                // Blocks are blocks of an image, also of a file whose records would be kept in the catalog.
                (draft.rec.keyed, draft.content) = (false, Content::empty(false));
            }
            file.way = way;
            Ok(Opened { created, ..state.add_open(file)? })
        })
    }

    fn open_reader(
        &self,
        state: &State,
        dir: DirId,
        key: (DirId, Name16),
        dates: DateReference,
    ) -> Result<OpenFile, PoolError> {
        self.inner.explicit.check((LockResource::Directory, dir.0), state.user, Purpose::Read)?;
        let seen = match state.overlay.files.get(&key) {
            Some(change) => {
                let draft = change.now.clone().ok_or(PoolError::NoFile)?;
                let mut content = draft.content;
                match &mut content {
                    Content::Keyed(keyed) => keyed.seen = Some(self.inner.current()),
                    Content::Slices => content = load_locked(&self.inner, &draft.rec)?,
                    Content::Image(_) => {}
                }
                (draft.rec, content)
            }
            None => load_committed(&self.inner, key, true)?.ok_or(PoolError::NoFile)?,
        };
        self.inner.explicit.check((LockResource::File, seen.0.object.0), state.user, Purpose::Read)?;
        if dates == DateReference::New {
            references::note(&self.inner, key, &seen.0);
        }
        Ok(OpenFile::reader(key, file_id(&key.1)?, seen))
    }

    /// The name is locked and in the overlay.
    fn open_writer(
        &self,
        state: &mut State,
        key: (DirId, Name16),
        request: &OpenRequest<'_>,
        dates: DateReference,
    ) -> Result<(OpenFile, bool), PoolError> {
        let change = state.overlay.files.get_mut(&key).ok_or(PoolError::NoFile)?;
        let fresh = match request.intent {
            Intent::New if change.now.is_some() => return Err(PoolError::FileExists),
            Intent::Write => change.now.is_none(),
            _ => true,
        };
        if fresh {
            let attributes = request.attributes;
            let now = self.inner.now();
            let keyed = attributes.recfm == RecordFormat::Fixed && attributes.lrecl <= MAX_KEYED_LRECL;
            let file = FileNo(self.inner.new_number());
            // A replaced file is a new file and the same object.
            let object = change.now.as_ref().map_or(ObjectNo(file.0), |d| d.rec.object);
            let rec = FileRec {
                file,
                object,
                recover: attributes.recover,
                in_place: attributes.in_place,
                referenced: match (dates, &change.now) {
                    (DateReference::Old, Some(replaced)) => replaced.rec.referenced,
                    _ => references::day(now),
                },
                recfm: attributes.recfm,
                keyed,
                mode: attributes.mode,
                lrecl: if attributes.recfm == RecordFormat::Fixed { attributes.lrecl } else { 0 },
                records: 0,
                bytes: 0,
                created: now,
                updated: now,
                slices: Slices::new(),
            };
            change.now = Some(Box::new(Draft { rec, content: Content::empty(keyed) }));
        }
        if let (false, Some(draft)) = (fresh, change.now.as_mut()) {
            if dates == DateReference::New {
                draft.rec.referenced = draft.rec.referenced.max(references::day(self.inner.now()));
            }
            if matches!(draft.content, Content::Slices) {
                draft.content = load_locked(&self.inner, &draft.rec)?;
            }
        }
        let records = change.now.as_ref().map_or(0, |d| d.rec.records);
        let file = OpenFile {
            key,
            id: request.id,
            writes: true,
            drop_empty: fresh && !request.allow_empty,
            changed: fresh,
            way: Way::Records,
            cursor: Cursor::new(records),
            seen: None,
        };
        Ok((file, fresh))
    }

    /// Reads up to `count` records that fit into `max` octets, and moves the read position behind them.
    ///
    /// # Errors
    /// [`PoolError::EndOfFile`], [`PoolError::BufferTooShort`], [`PoolError::NotOpen`], damage.
    pub fn read(&self, token: Token, count: u32, max: usize) -> Result<ReadOut, PoolError> {
        self.read_in(token, count, max, Waiting::Allowed)
    }

    /// [`Self::read`] that, without leave to wait, fails with [`PoolError::WouldWait`] and changes nothing when octets are not in
    /// memory.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_in(&self, token: Token, count: u32, max: usize, wait: Waiting) -> Result<ReadOut, PoolError> {
        self.on_records(token, wait, |env, rec, content, cursor| {
            file::read(env, rec, content, cursor, count, max)
        })
    }

    /// Octets of the file's image from `offset` on; fewer than `len` only at its end.
    ///
    /// # Errors
    /// [`PoolError::NotOpen`], damage.
    pub fn read_image(&self, token: Token, offset: u64, len: usize) -> Result<Bytes, PoolError> {
        self.read_image_in(token, offset, len, Waiting::Allowed)
    }

    /// [`Self::read_image`] with or without leave to wait.
    ///
    /// # Errors
    /// As [`Self::read_image`], and [`PoolError::WouldWait`].
    pub fn read_image_in(
        &self,
        token: Token,
        offset: u64,
        len: usize,
        wait: Waiting,
    ) -> Result<Bytes, PoolError> {
        self.on_open(token, wait, |env, rec, content, cursor| {
            file::read_image(env, rec, content, cursor, offset, len)
        })
    }

    /// Moves the read or write position; numbers count from 1.
    ///
    /// # Errors
    /// [`PoolError::RecordNumber`], [`PoolError::NotOpen`].
    pub fn point(&self, token: Token, read: Option<u32>, write: Option<u32>) -> Result<(), PoolError> {
        self.on_records(token, Waiting::Allowed, |env, rec, content, cursor| {
            file::point(env, rec, content, cursor, read, write)
        })
    }

    /// The read and write positions.
    ///
    /// # Errors
    /// [`PoolError::NotOpen`].
    pub fn positions(&self, token: Token) -> Result<(u32, u32), PoolError> {
        self.on_open(token, Waiting::Allowed, |_, _, _, cursor| Ok((cursor.read, cursor.write)))
    }

    /// The file as it is open now.
    ///
    /// # Errors
    /// [`PoolError::NotOpen`].
    pub fn open_status(&self, token: Token) -> Result<FileStatus, PoolError> {
        self.with(|state, _| {
            let file = state.files.get(&token.0).ok_or(PoolError::NotOpen)?;
            let (rec, _) = view(&state.overlay, file)?;
            Ok(rec.status(file.id))
        })
    }

    /// Whether `token` is an open of this unit.
    pub fn is_open(&self, token: Token) -> bool {
        self.state.lock().files.contains_key(&token.0)
    }

    /// Writes `count` records at the write position and moves it behind them. For one record `data` is the record; for
    /// several it is their image: for V with the halfword in front of each.
    ///
    /// # Errors
    /// [`PoolError::WrongIntent`], [`PoolError::RecordLength`], [`PoolError::RecordNumber`], [`PoolError::NotOpen`].
    pub fn write(&self, token: Token, data: &Bytes, count: u32) -> Result<(), PoolError> {
        self.account(data.len())?;
        self.on_writer(token, |env, rec, content, cursor| file::write(env, rec, content, cursor, data, count))
    }

    /// Counts octets that are about to be written.
    pub(crate) fn account(&self, octets: usize) -> Result<(), PoolError> {
        let mut state = self.state.lock();
        let pending = state.pending + octets as u64;
        if pending > MAX_PENDING {
            return Err(PoolError::Limit("octets written in one work unit"));
        }
        state.pending = pending;
        // What replaces other octets is counted as if it did not, and everything as if it were a run; a spill counts afresh.
        state.memory += octets as u64 + RUN_OCTETS;
        Ok(())
    }

    /// Keeps the first `records` records of the file.
    ///
    /// # Errors
    /// [`PoolError::WrongIntent`], [`PoolError::RecordNumber`], [`PoolError::NotOpen`].
    pub fn truncate(&self, token: Token, records: u32) -> Result<(), PoolError> {
        self.on_writer(token, |env, rec, content, cursor| file::truncate(env, rec, content, cursor, records))
    }

    /// Closes a file. What was written stays pending until the unit is committed. A file that was there and is left without records
    /// goes, unless it may be empty.
    ///
    /// # Errors
    /// [`PoolError::NotOpen`]; the file stays open with [`PoolError::BlockData`] for blocks that are not whole records, and with
    /// [`PoolError::Locked`] when it would go and another unit changes its authorities.
    pub fn close(&self, token: Token) -> Result<(), PoolError> {
        self.close_as(token).map(|_| ())
    }

    /// [`Self::close`], and what the file is then.
    ///
    /// # Errors
    /// As [`Self::close`]; [`PoolError::NotOpen`] also for a file whose directory is gone.
    pub fn close_with_status(&self, token: Token) -> Result<FileStatus, PoolError> {
        self.close_as(token)?.ok_or(PoolError::NotOpen)
    }

    fn close_as(&self, token: Token) -> Result<Option<FileStatus>, PoolError> {
        self.with(|state, _| {
            state.finish_blocks(&self.inner.store, token)?;
            let file = state.files.get(&token.0).ok_or(PoolError::NotOpen)?;
            let (key, drop_empty) = (file.key, file.drop_empty);
            let status = view(&state.overlay, file).ok().map(|(rec, _)| rec.status(file.id));
            let change = state.overlay.files.get(&key);
            let empty = |d: &Draft| d.rec.records == 0;
            if let Some(change) = change.filter(|c| drop_empty && c.now.as_deref().is_some_and(empty)) {
                let known = change.now.as_ref().filter(|_| change.base.is_some()).map(|d| d.rec.object.0);
                if let Some(number) = known {
                    state.lock_object(number)?;
                    state.drop_object(&self.inner.current(), number)?;
                }
                if let Some(change) = state.overlay.files.get_mut(&key) {
                    change.now = None;
                }
            }
            state.files.remove(&token.0);
            Ok(status)
        })
    }

    fn on_records<R>(
        &self,
        token: Token,
        wait: Waiting,
        f: impl FnOnce(Env<'_>, &FileRec, &Content, &mut Cursor) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        self.with(|state, _| match state.files.get(&token.0).ok_or(PoolError::NotOpen)?.way {
            Way::Records => Ok(()),
            _ => Err(PoolError::WrongIntent),
        })?;
        self.on_open(token, wait, f)
    }

    fn on_open<R>(
        &self,
        token: Token,
        wait: Waiting,
        f: impl FnOnce(Env<'_>, &FileRec, &Content, &mut Cursor) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        self.with(|state, snapshot| {
            let State { overlay, files, .. } = state;
            let file = files.get_mut(&token.0).ok_or(PoolError::NotOpen)?;
            let (rec, content) = match &file.seen {
                Some((rec, content)) => (rec, content),
                None => {
                    let draft = overlay.files.get(&file.key).and_then(|c| c.now.as_ref());
                    draft.map(|d| (&d.rec, &d.content)).ok_or(PoolError::NotOpen)?
                }
            };
            let store = match wait {
                Waiting::Allowed => &self.inner.store,
                Waiting::Refused => &self.inner.cached,
            };
            let env = Env { store, current: snapshot };
            f(env, rec, content, &mut file.cursor)
        })
    }

    fn on_writer<R>(
        &self,
        token: Token,
        f: impl FnOnce(Env<'_>, &mut FileRec, &mut Content, &mut Cursor) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        self.with(|state, snapshot: &std::sync::Arc<Snapshot>| {
            let file = state.files.get_mut(&token.0).ok_or(PoolError::NotOpen)?;
            if !file.writes || !matches!(file.way, Way::Records) {
                return Err(PoolError::WrongIntent);
            }
            let draft = state.overlay.files.get_mut(&file.key).and_then(|c| c.now.as_mut());
            let draft = draft.ok_or(PoolError::NotOpen)?;
            let env = Env { store: &self.inner.store, current: snapshot };
            let done = f(env, &mut draft.rec, &mut draft.content, &mut file.cursor)?;
            file.changed = true;
            draft.rec.updated = self.inner.now();
            Ok(done)
        })
    }
}

/// What an open shows.
fn view<'a>(
    overlay: &'a crate::pool::draft::Overlay,
    file: &'a OpenFile,
) -> Result<(&'a FileRec, &'a Content), PoolError> {
    match &file.seen {
        Some((rec, content)) => Ok((rec, content)),
        None => {
            let draft = overlay.files.get(&file.key).and_then(|c| c.now.as_ref());
            draft.map(|d| (&d.rec, &d.content)).ok_or(PoolError::NotOpen)
        }
    }
}

fn check_attributes(attributes: &Attributes) -> Result<(), PoolError> {
    let sound = match attributes.recfm {
        RecordFormat::Fixed => (1..=MAX_LRECL_F).contains(&attributes.lrecl),
        RecordFormat::Variable => true,
    };
    let sound = sound && !(attributes.recover && attributes.in_place);
    if sound && ModeNumber::new(attributes.mode.get()).is_some() {
        Ok(())
    } else {
        Err(PoolError::RecordLength)
    }
}
