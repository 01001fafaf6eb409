//! Output on its way to becoming a spool file.
//!
//! Records collect in storage up to a bound and then go to the volume. Until [`OutputFile::close`] returns there is no
//! file: what was written is forgotten when the output is dropped, the machine ends, or the system does.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use cp::name::{SpoolId, UserId};
use jiff::Timestamp;

use crate::engine::layout::Op;
use crate::engine::{Event, Spool};
use crate::error::SpoolError;
use crate::file::{
    Chunk, DEFAULT_DEST, DEFAULT_FORM, DeviceType, Hold, MAX_NAME, MAX_TAG, MAX_WORD, Place, Queue,
    SharedFile, SpoolFile, check_length,
};
use crate::record::{self, FRAME, MAX_RECORD};

/// Where output goes and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputAttributes {
    /// Whose it is to be; `None` is one's own, in the queue of the device.
    pub to: Option<UserId>,
    /// The queue at the receiver: the reader unless something else is said.
    pub queue: Option<Queue>,
    /// Class.
    pub class: char,
    /// File name and file type.
    pub name: Option<(String, String)>,
    /// Tag.
    pub tag: String,
    /// Distribution code; the origin's own when absent.
    pub dist: Option<String>,
    /// Form.
    pub form: String,
    /// Destination.
    pub dest: String,
    /// User hold.
    pub hold: bool,
    /// Keep after processing.
    pub keep: bool,
    /// Whether sender and receiver get a message.
    pub msg: bool,
    /// Copies, 1 to 255.
    pub copies: u8,
    /// Copies by duplication.
    pub copy_star: bool,
}

impl Default for OutputAttributes {
    fn default() -> Self {
        Self {
            to: None,
            queue: None,
            class: 'A',
            name: None,
            tag: String::new(),
            dist: None,
            form: DEFAULT_FORM.into(),
            dest: DEFAULT_DEST.into(),
            hold: false,
            keep: false,
            msg: true,
            copies: 1,
            copy_star: false,
        }
    }
}

impl OutputAttributes {
    fn check(&self) -> Result<(), SpoolError> {
        check_length("tag", &self.tag, MAX_TAG)?;
        check_length("form", &self.form, MAX_WORD)?;
        check_length("destination", &self.dest, MAX_WORD)?;
        check_length("distribution code", self.dist.as_deref().unwrap_or_default(), MAX_WORD)?;
        let (name, ftype) = self.name.as_ref().map_or(("", ""), |(n, t)| (n, t));
        check_length("file name", name, MAX_NAME)?;
        check_length("file type", ftype, MAX_NAME)
    }
}

/// A spool file that is being written.
pub struct OutputFile {
    spool: Arc<Spool>,
    origin: UserId,
    origin_id: SpoolId,
    device: DeviceType,
    attributes: OutputAttributes,
    buffer: Vec<u8>,
    chunks: Vec<Chunk>,
    records: u64,
    record_size: u32,
    octets: u64,
    /// A write was broken off: records are missing.
    broken: bool,
    /// The file that is being made has the number; whoever makes it gives it back if it comes to nothing.
    id_given: bool,
}

impl std::fmt::Debug for OutputFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputFile")
            .field("id", &self.origin_id)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl OutputFile {
    /// Opens output of `origin`; it gets one of his spool ids.
    ///
    /// # Errors
    /// [`SpoolError::BadAttribute`], [`SpoolError::NoUser`], [`SpoolError::TooMany`].
    pub fn open(
        spool: &Arc<Spool>,
        origin: UserId,
        device: DeviceType,
        attributes: OutputAttributes,
    ) -> Result<Self, SpoolError> {
        attributes.check()?;
        if let (Some(to), Some(cp)) = (attributes.to, spool.cp.get().and_then(Weak::upgrade))
            && cp.entry(to).is_none()
        {
            return Err(SpoolError::NoUser(to));
        }
        let limit = spool.limit_of(origin);
        let origin_id = spool.index.lock().reserve_id(origin, limit).ok_or(SpoolError::TooMany(origin))?;
        Ok(Self {
            spool: spool.clone(),
            origin,
            origin_id,
            device,
            attributes,
            buffer: Vec::new(),
            chunks: Vec::new(),
            records: 0,
            record_size: 0,
            octets: 0,
            broken: false,
            id_given: false,
        })
    }

    /// Its number among the files of who writes it.
    pub fn origin_id(&self) -> SpoolId {
        self.origin_id
    }

    /// Records written so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// What is said of it so far; may be changed until it is closed.
    pub fn attributes_mut(&mut self) -> &mut OutputAttributes {
        &mut self.attributes
    }

    /// Writes a record with the device's plain write command; up to 65,535 octets, kept as they are.
    ///
    /// # Errors
    /// [`SpoolError::TooLong`], [`SpoolError::Full`], or of the disk.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), SpoolError> {
        self.write_op(self.device.write_op(), data).await
    }

    /// Writes a record with a command code.
    ///
    /// # Errors
    /// As [`OutputFile::write`].
    pub async fn write_op(&mut self, op: u8, data: &[u8]) -> Result<(), SpoolError> {
        if data.len() > MAX_RECORD {
            return Err(SpoolError::TooLong { len: data.len(), max: MAX_RECORD });
        }
        if self.buffer.len() + FRAME + data.len() > self.spool.spill_octets {
            self.spill().await?;
        }
        record::append(&mut self.buffer, op, data);
        self.records += 1;
        self.record_size = self.record_size.max(u32::try_from(data.len()).unwrap_or(u32::MAX));
        self.octets += (FRAME + data.len()) as u64;
        Ok(())
    }

    async fn spill(&mut self) -> Result<(), SpoolError> {
        // If the caller goes away before the chunk is noted, the output cannot be closed any more.
        self.broken = true;
        let data = std::mem::take(&mut self.buffer);
        let chunk = self.spool.write_chunk(data).await?;
        self.chunks.push(chunk);
        self.broken = false;
        Ok(())
    }

    /// Makes it a spool file: durable, in its queue and announced on return.
    ///
    /// # Errors
    /// [`SpoolError::TooMany`] when the receiver can have no more files, [`SpoolError::Full`], or of the disk. There is
    /// no file then.
    pub async fn close(mut self) -> Result<SharedFile, SpoolError> {
        self.attributes.check()?;
        if self.buffer.len() > self.spool.inline_octets {
            self.spill().await?;
        }
        if self.broken {
            return Err(SpoolError::Damaged(self.origin_id));
        }
        let inline = Bytes::from(std::mem::take(&mut self.buffer));
        let file = self.block(&inline)?;
        let (unique, owner, id) = (file.unique, file.owner, file.id);
        // From here on the commit is responsible for the chunks, also when the caller goes away.
        let chunks = std::mem::take(&mut self.chunks);
        self.id_given = owner == self.origin;
        self.spool
            .commit(vec![Op::Put(Box::new(file))], inline, move |spool, done| {
                spool.forget_chunks(&chunks);
                if let Err(error) = done {
                    spool.index.lock().release_id(owner, id);
                    return Err(error);
                }
                let file = spool.index.lock().held(unique).map(|held| held.file.clone());
                let file = file.ok_or(SpoolError::NoFile(id))?;
                spool.notify(&file, Event::Created);
                Ok(file)
            })
            .await?
    }

    fn block(&self, inline: &Bytes) -> Result<SpoolFile, SpoolError> {
        let attributes = &self.attributes;
        let owner = attributes.to.unwrap_or(self.origin);
        let own_queue = self.device.output_queue();
        let to_reader = if attributes.to.is_some() { Queue::Reader } else { own_queue };
        let queue = attributes.queue.unwrap_or(to_reader);
        let limit = self.spool.limit_of(owner);
        let now = self.spool.clock.now();
        let (unique, id, order) = {
            let mut index = self.spool.index.lock();
            self.spool.room_for(&index, inline.len() as u64)?;
            // One's own file keeps the number it was opened with.
            let id = if owner == self.origin {
                self.origin_id
            } else {
                index.reserve_id(owner, limit).ok_or(SpoolError::TooMany(owner))?
            };
            (index.new_unique(), id, index.new_order())
        };
        let mut chunks = self.chunks.clone();
        if !inline.is_empty() {
            let len = u32::try_from(inline.len()).unwrap_or(u32::MAX);
            chunks.push(Chunk { place: Place::Inline, len, crc: crc_fast::crc32_iscsi(inline) });
        }
        let (name, ftype) = attributes.name.clone().unwrap_or_default();
        let dist = attributes.dist.clone().unwrap_or_else(|| self.default_dist());
        Ok(SpoolFile {
            unique,
            owner,
            id,
            queue,
            origin: self.origin,
            origin_id: self.origin_id,
            device: self.device,
            class: attributes.class,
            records: self.records,
            record_size: self.record_size,
            octets: self.octets,
            copies: attributes.copies.max(1),
            copy_star: attributes.copy_star,
            form: attributes.form.clone(),
            dist,
            dest: attributes.dest.clone(),
            hold: Hold { user: attributes.hold, system: false },
            keep: attributes.keep,
            msg: attributes.msg,
            name,
            ftype,
            created: Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now),
            tag: attributes.tag.clone(),
            order,
            chunks,
        })
    }

    fn default_dist(&self) -> String {
        let cp = self.spool.cp.get().and_then(Weak::upgrade);
        let entry = cp.and_then(|cp| cp.entry(self.origin));
        entry.map_or_else(|| self.origin.to_string(), |entry| entry.dist_code().to_owned())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        self.spool.forget_chunks(&self.chunks);
        if !self.id_given {
            self.spool.index.lock().release_id(self.origin, self.origin_id);
        }
    }
}
