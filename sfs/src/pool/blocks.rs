//! Files written block by block: who writes puts the stored image together himself, and it is looked at when the file is closed.
//!
//! A block is 4096 octets of the image that [`super::file`] describes: of a RECFM F file its records one behind the other, of a
//! RECFM V file each record with a big-endian halfword of its length in front. Blocks count from 0 and none but the last one is
//! shorter. Records begin and end anywhere in them. Blocks are written in any order that leaves no gap, and again as long as the
//! file is open.
//!
//! Until the close the file has no records. An image that is not whole records is no file: the close fails, the file stays open, and
//! a commit rolls back. So nothing that is stored ever has a record cut short.

use bytes::Bytes;

use super::catalog::{DirId, FileRec, Name16};
use super::draft::{Content, Draft};
use super::error::PoolError;
use super::file::{HALFWORD, MAX_TRANSFER};
use super::image::Image;
use super::store::{ChunkCache, Store};
use super::unit::{MAX_PENDING, OpenRequest, Opened, State, Token, Waiting, WorkUnit};
use crate::types::{BLOCK, DateReference, Intent, MAX_RECORDS, RecordFormat};

const _: () = assert!(
    MAX_PENDING < MAX_RECORDS as u64,
    "what a work unit can write has no more records than a file may have"
);

/// What the calls on an open file are about.
#[derive(Debug)]
pub(crate) enum Way {
    /// Its records.
    Records,
    /// Its blocks, to be read.
    ReadBlocks,
    /// Its blocks, to be written.
    WriteBlocks(BlockWriter),
}

/// Where the writing of blocks has come to.
#[derive(Debug, Default)]
pub(crate) struct BlockWriter {
    /// How many records there are to be, if that was said.
    promised: Option<u32>,
    /// The records found so far.
    scan: Scan,
    /// Octets that were looked at have been written again: to be looked at once more, at the end.
    again: bool,
    cache: ChunkCache,
}

/// Records of a RECFM V image, as far as they are known.
#[derive(Debug, Default, Clone, Copy)]
struct Scan {
    /// Offset of the next record.
    at: u64,
    records: u32,
    longest: u32,
}

impl Scan {
    /// Goes on over all records that are whole.
    fn advance(&mut self, store: &Store, cache: &mut ChunkCache, image: &Image) -> Result<(), PoolError> {
        while self.at + HALFWORD <= image.len() {
            let head = image.read(store, cache, self.at, HALFWORD as usize)?;
            let &[high, low] = head.as_ref() else {
                return Err(PoolError::Damaged("image cut short".into()));
            };
            let length = u16::from_be_bytes([high, low]);
            let end = self.at + HALFWORD + u64::from(length);
            if end > image.len() {
                break;
            }
            self.at = end;
            self.records += 1;
            self.longest = self.longest.max(u32::from(length));
        }
        Ok(())
    }
}

impl BlockWriter {
    pub(crate) fn new(promised: Option<u32>) -> Self {
        Self { promised, ..Self::default() }
    }

    /// Writes octets from the beginning of a block on. Nothing is changed when that is refused.
    fn write(&mut self, store: &Store, draft: &mut Draft, block: u64, data: &[u8]) -> Result<(), PoolError> {
        let Content::Image(image) = &mut draft.content else {
            return Err(PoolError::Damaged("blocks of a file without image".into()));
        };
        let have = image.len();
        let offset = block.checked_mul(BLOCK).filter(|offset| *offset <= have);
        let offset = offset.ok_or(PoolError::BlockLength)?;
        let end = offset + data.len() as u64;
        // A shorter block is the last one, and the last one may become shorter.
        let whole = end.is_multiple_of(BLOCK);
        let last = end.div_ceil(BLOCK) >= have.div_ceil(BLOCK);
        if data.is_empty() || !(whole && end < have || last) {
            return Err(PoolError::BlockLength);
        }
        if last {
            image.truncate(offset);
            image.append(data);
        } else {
            image.replace(offset, data);
        }
        self.again |= offset < self.scan.at;
        if draft.rec.recfm == RecordFormat::Variable && !self.again {
            self.scan.advance(store, &mut self.cache, image)?;
        }
        Ok(())
    }

    /// Makes records of the blocks.
    fn finish(&mut self, store: &Store, draft: &mut Draft) -> Result<(), PoolError> {
        let Content::Image(image) = &draft.content else {
            return Err(PoolError::Damaged("blocks of a file without image".into()));
        };
        let FileRec { recfm, lrecl, .. } = draft.rec;
        let (records, lrecl) = match recfm {
            RecordFormat::Fixed => {
                let whole = image.len().checked_rem(u64::from(lrecl)) == Some(0);
                let records = whole.then_some(image.len() / u64::from(lrecl.max(1)));
                (records.and_then(|n| u32::try_from(n).ok()).ok_or(PoolError::BlockData)?, lrecl)
            }
            RecordFormat::Variable => {
                if std::mem::take(&mut self.again) {
                    self.scan = Scan::default();
                }
                self.scan.advance(store, &mut self.cache, image)?;
                if self.scan.at != image.len() {
                    return Err(PoolError::BlockData);
                }
                (self.scan.records, self.scan.longest)
            }
        };
        if self.promised.is_some_and(|promised| promised != records) {
            return Err(PoolError::BlockData);
        }
        (draft.rec.records, draft.rec.lrecl, draft.rec.bytes) = (records, lrecl, image.len());
        Ok(())
    }
}

impl State {
    /// Whether this unit writes blocks of the file of that name, which is no file until it is closed.
    pub(crate) fn in_blocks(&self, key: (DirId, Name16)) -> bool {
        self.half_written().any(|half| half == key)
    }

    /// The files of which this unit writes blocks.
    pub(crate) fn half_written(&self) -> impl Iterator<Item = (DirId, Name16)> {
        self.files.values().filter(|f| matches!(f.way, Way::WriteBlocks(_))).map(|f| f.key)
    }

    /// Makes records of what was written to an open by blocks; of no effect for other opens.
    pub(crate) fn finish_blocks(&mut self, store: &Store, token: Token) -> Result<(), PoolError> {
        let file = self.files.get_mut(&token.0).ok_or(PoolError::NotOpen)?;
        let Way::WriteBlocks(writer) = &mut file.way else { return Ok(()) };
        match self.overlay.files.get_mut(&file.key).and_then(|c| c.now.as_mut()) {
            Some(draft) => writer.finish(store, draft),
            // Its directory has gone.
            None => Ok(()),
        }
    }
}

impl WorkUnit {
    /// Opens a file to read its blocks (READ) or to write them (NEW, REPLACE). `records`: how many there will be, if that is known.
    ///
    /// # Errors
    /// As [`Self::open_as`]; [`PoolError::WrongIntent`] for WRITE.
    pub fn open_blocks(
        &self,
        request: &OpenRequest<'_>,
        dates: DateReference,
        records: Option<u32>,
    ) -> Result<Opened, PoolError> {
        let way = match request.intent {
            Intent::Read => Way::ReadBlocks,
            Intent::New | Intent::Replace => Way::WriteBlocks(BlockWriter::new(records)),
            Intent::Write => return Err(PoolError::WrongIntent),
        };
        self.open_way(request, dates, way)
    }

    /// Octets of the image of a file that is open by blocks.
    ///
    /// # Errors
    /// [`PoolError::WrongIntent`] for another open; those of [`Self::read_image_in`].
    pub fn read_blocks(
        &self,
        token: Token,
        offset: u64,
        len: usize,
        wait: Waiting,
    ) -> Result<Bytes, PoolError> {
        self.with(|state, _| match state.files.get(&token.0).ok_or(PoolError::NotOpen)?.way {
            Way::Records => Err(PoolError::WrongIntent),
            _ => Ok(()),
        })?;
        self.read_image_in(token, offset, len, wait)
    }

    /// Writes blocks from number `block` on.
    ///
    /// # Errors
    /// [`PoolError::BlockLength`] for no octets, behind a gap or behind a shorter block, and for a part of a block that is not the last
    /// one; [`PoolError::WrongIntent`], [`PoolError::NotOpen`]; [`PoolError::Limit`].
    pub fn write_blocks(&self, token: Token, block: u64, data: &Bytes) -> Result<(), PoolError> {
        if data.len() > MAX_TRANSFER {
            return Err(PoolError::Limit("octets of blocks written at once"));
        }
        self.account(data.len())?;
        self.with(|state, _| {
            let file = state.files.get_mut(&token.0).ok_or(PoolError::NotOpen)?;
            let Way::WriteBlocks(writer) = &mut file.way else { return Err(PoolError::WrongIntent) };
            let draft = state.overlay.files.get_mut(&file.key).and_then(|c| c.now.as_mut());
            let draft = draft.ok_or(PoolError::NotOpen)?;
            writer.write(&self.inner.store, draft, block, data)?;
            draft.rec.updated = self.inner.now();
            Ok(())
        })
    }
}
