//! Cleaning: what is alive in the oldest log segment is written again at the end, then the segment is recycled; volume
//! segments in which nothing is alive are removed.
//!
//! Records that have outlived a round of the log go to the volume, so that the next round moves only their blocks.

use bytes::Bytes;

use super::layout::Op;
use super::start::anchor_value;
use super::{Spool, SpoolEntry};
use crate::error::SpoolError;
use crate::file::{Chunk, Place, SpoolFile, UniqueId};

impl Spool {
    /// Recycles what can be recycled. Blocks; not for async tasks.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing is lost then, the log only stays longer.
    pub fn clean(&self) -> Result<(), SpoolError> {
        while self.log_is_long() {
            let Some(oldest) = self.space.segments().first().copied().filter(|s| !s.current) else { break };
            if !self.empty_segment(oldest.seq)? {
                break;
            }
        }
        let _no_appends = self.extents.write();
        for (seq, _) in self.volume.segments().map_err(SpoolError::from)? {
            let used = self.index.lock().volume_in_use(seq);
            if !used {
                // The newest segment stays, which the volume sees to.
                self.volume.remove_segment(seq).map_err(SpoolError::from)?;
            }
        }
        Ok(())
    }

    /// More segments than are kept, and at least half of them rubbish.
    fn log_is_long(&self) -> bool {
        let segments = self.space.segments().len();
        let live = self.index.lock().log_octets();
        segments > self.config.keep_segments && segments as u64 * self.space.segment_bytes() > 2 * live
    }

    /// Moves what is alive in segment `seq` and recycles it; false when a file in it is being changed just now.
    fn empty_segment(&self, seq: u64) -> Result<bool, SpoolError> {
        let files = self.index.lock().in_segment(seq);
        for unique in files {
            if !self.move_file(unique)? {
                return Ok(false);
            }
        }
        let recycled = self.log.call_blocking(move |owner| {
            let value = {
                let mut index = owner.index.lock();
                if !index.in_segment(seq).is_empty() {
                    return Ok(false);
                }
                let Some(end) = index.ends.get(&seq).copied() else {
                    // Nothing was ever logged in it after the recovery position.
                    return Ok(owner.space.recycle(seq));
                };
                index.ends.retain(|s, _| *s > seq);
                anchor_value(end, index.next_unique())
            };
            owner.anchor.set(&value)?;
            Ok(owner.space.recycle(seq))
        });
        recycled?.map_err(|error: std::io::Error| error.into())
    }

    /// Writes a file's block again, and its records to the volume; false when somebody else is changing it.
    fn move_file(&self, unique: UniqueId) -> Result<bool, SpoolError> {
        let file = {
            let mut index = self.index.lock();
            let Some(held) = index.held_mut(unique) else { return Ok(true) };
            if held.changing {
                return Ok(false);
            }
            held.changing = true;
            held.file.clone()
        };
        let moved = self.to_volume(&file).and_then(|(changed, new)| {
            let entry = SpoolEntry { ops: vec![Op::Put(Box::new(changed))], inline: Bytes::new(), head: 0 };
            let done = self.log.submit_blocking(entry).map_err(SpoolError::from);
            // The index counts the chunks of its files itself.
            let mut index = self.index.lock();
            new.iter().for_each(|chunk| index.drop_chunk(chunk.place));
            done
        });
        if moved.is_err() {
            self.end_change(unique);
        }
        match moved {
            // A file that the disk does not give back keeps its segment; a FORCE start gets rid of it.
            Err(SpoolError::Damaged(_)) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn to_volume(&self, file: &SpoolFile) -> Result<(SpoolFile, Vec<Chunk>), SpoolError> {
        let pins = self.pin(file)?;
        let mut changed = file.clone();
        let mut new = Vec::new();
        for (chunk, pin) in changed.chunks.iter_mut().zip(&pins) {
            if matches!(chunk.place, Place::Log(_)) {
                // Damage moves along: the checksum is the one from when the file was closed.
                let data = self.read_chunk_as_it_is(chunk, pin).map_err(|_| SpoolError::Damaged(file.id))?;
                let places = self.volume.append(&[(file.unique.0, data)])?;
                let place = places.first().copied().ok_or(SpoolError::Damaged(file.id))?;
                chunk.place = Place::Volume(place);
                self.index.lock().hold_chunk(chunk.place);
                new.push(*chunk);
            }
        }
        Ok((changed, new))
    }
}
