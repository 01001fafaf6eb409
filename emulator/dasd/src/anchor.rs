//! An anchor: a small value that is replaced as a whole, durably, in place.
//!
//! Two slots of one block each are written in turn; the newer sound one counts, so a crash while one is written leaves the
//! other. Used for what must be found before anything else can be read, such as a recovery position.
//!
//! | slot | octets |
//! |---|---|
//! | magic `DASDANC\x01` | 8 |
//! | CRC32C of everything after this field | 4 |
//! | length of the value | 4 |
//! | sequence number | 8 |
//! | value | at most [`Anchor::MAX`] |

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::BLOCK;
use crate::error::OpenError;
use crate::io::{Dasd, Disk};

const MAGIC: [u8; 8] = *b"DASDANC\x01";
const HEADER: usize = 24;

/// A small value that is replaced as a whole, durably.
#[derive(Debug)]
pub struct Anchor {
    disk: Arc<dyn Disk>,
    state: Mutex<(u64, Vec<u8>)>,
}

impl Anchor {
    /// Greatest length of the value in octets.
    pub const MAX: usize = BLOCK as usize - HEADER;

    /// Creates the disk `name` with a first value.
    ///
    /// # Errors
    /// `AlreadyExists`, `InvalidInput` for a value over [`Self::MAX`], any error of the host.
    pub fn create(dasd: &dyn Dasd, name: &str, value: &[u8]) -> io::Result<Self> {
        if value.len() > Self::MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let disk = dasd.create(name)?;
        disk.zero(2 * BLOCK)?;
        let anchor = Self { disk, state: Mutex::new((0, Vec::new())) };
        anchor.set(value)?;
        dasd.sync_names()?;
        Ok(anchor)
    }

    /// Opens the disk `name` and finds its value.
    ///
    /// # Errors
    /// [`OpenError::State`] when neither slot is sound; any error of the host.
    pub fn open(dasd: &dyn Dasd, name: &str) -> Result<Self, OpenError> {
        let disk = dasd.open(name)?;
        let mut best: Option<(u64, Vec<u8>)> = None;
        for slot in 0..2 {
            let mut block = vec![0; BLOCK as usize];
            match disk.read_at(&mut block, slot * BLOCK) {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => continue,
                other => other?,
            }
            if let Some(found) = decode(&block).filter(|(seq, _)| best.as_ref().is_none_or(|(b, _)| seq > b))
            {
                best = Some(found);
            }
        }
        let state = Mutex::new(best.ok_or(OpenError::State("neither copy of an anchor is sound"))?);
        Ok(Self { disk, state })
    }

    /// The value.
    pub fn get(&self) -> Vec<u8> {
        self.state.lock().1.clone()
    }

    /// Replaces the value; durable on return.
    ///
    /// # Errors
    /// `InvalidInput` for a value over [`Self::MAX`]; any error of the host, after which either value may be found.
    pub fn set(&self, value: &[u8]) -> io::Result<()> {
        if value.len() > Self::MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut state = self.state.lock();
        let seq = state.0 + 1;
        let mut block = Vec::with_capacity(BLOCK as usize);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&[0; 4]);
        block.extend_from_slice(&(value.len() as u32).to_le_bytes());
        block.extend_from_slice(&seq.to_le_bytes());
        block.extend_from_slice(value);
        block.resize(BLOCK as usize, 0);
        let crc = crc_fast::crc32_iscsi(&block[12..]);
        block[8..12].copy_from_slice(&crc.to_le_bytes());
        self.disk.write_at(&block, (seq % 2) * BLOCK)?;
        self.disk.sync()?;
        *state = (seq, value.to_vec());
        Ok(())
    }
}

fn decode(block: &[u8]) -> Option<(u64, Vec<u8>)> {
    let word = |at: usize| block.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if !block.starts_with(&MAGIC) || crc_fast::crc32_iscsi(&block[12..]) != word(8)? {
        return None;
    }
    let seq = block.get(16..24)?.try_into().ok().map(u64::from_le_bytes)?;
    let value = block.get(HEADER..HEADER + word(12)? as usize)?;
    Some((seq, value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Faults, FaultyDasd};

    #[test]
    fn the_old_or_the_new_value_survives_every_crash() {
        for seed in 0..200u32 {
            let dasd = FaultyDasd::new();
            let anchor = Anchor::create(&dasd, "ANCHOR", b"zero").unwrap();
            anchor.set(b"one").unwrap();
            dasd.set_faults(Faults { crash_at_write: Some(0), ..Faults::default() });
            assert!(anchor.set(b"two").is_err());
            let mut state = seed;
            let after = dasd.restart(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            });
            let found = Anchor::open(&after, "ANCHOR").unwrap();
            assert!([b"one".to_vec(), b"two".to_vec()].contains(&found.get()));
            found.set(b"three").unwrap();
            assert_eq!(Anchor::open(&after, "ANCHOR").unwrap().get(), b"three");
        }
    }

    #[test]
    fn the_value_has_a_limit() {
        let dasd = FaultyDasd::new();
        let anchor = Anchor::create(&dasd, "A", &vec![1; Anchor::MAX]).unwrap();
        assert_eq!(Anchor::open(&dasd, "A").unwrap().get().len(), Anchor::MAX);
        assert!(anchor.set(&vec![1; Anchor::MAX + 1]).is_err());
    }
}
