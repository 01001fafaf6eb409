//! Writes past the host's cache, where its file system can.
//!
//! The cache costs a copy into memory that has to be found for it, and holds the file against other writers meanwhile: of what
//! storing a megabyte takes of the processors, a third. Such a write is as durable as any other, which is after the next sync, and is seen
//! by reads through the cache at once.
//!
//! Invariant: what cannot be written so is not an error; the caller is told, and writes it through the cache. Not here: what is
//! worth it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::OFlags;

/// What memory, lengths and places must be multiples of: no block of a disk is larger.
const ALIGNMENT: usize = 4096;
/// Octets written at once. A body of a megabyte, which many clients allow at most, goes in one piece with its header.
const PIECE: usize = (1 << 20) + ALIGNMENT;

/// A file of the host, opened a second time for such writes when the first of them comes.
#[derive(Debug)]
pub(crate) struct DirectFile {
    path: PathBuf,
    /// `None` where the file system has refused.
    file: OnceLock<Option<File>>,
}

impl DirectFile {
    /// Of the file that is there now.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: OnceLock::new() }
    }

    fn open(&self) -> Option<File> {
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(&self.path);
        opened.inspect_err(|error| tracing::debug!(%error, "the host's cache cannot be passed by")).ok()
    }

    /// Writes parts one behind the other; false when that cannot be done so, and some of it may be written.
    ///
    /// # Errors
    /// `StorageFull`; any error of the host but that it cannot write so.
    pub(crate) fn write_parts(&self, parts: &[&[u8]], offset: u64) -> io::Result<bool> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if !len.is_multiple_of(ALIGNMENT) || !offset.is_multiple_of(ALIGNMENT as u64) {
            return Ok(false);
        }
        let Some(file) = self.file.get_or_init(|| self.open()) else { return Ok(false) };
        let mut piece = Piece::new(len.min(PIECE));
        let mut at = offset;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                rest = piece.take(rest);
                if piece.is_full() {
                    if !put(file, piece.octets(), &mut at)? {
                        return Ok(false);
                    }
                    piece.clear();
                }
            }
        }
        put(file, piece.octets(), &mut at)
    }

    /// Writes whole blocks of zeros from the beginning on, up to `len`; how many octets of it. The file is not kept open: a log has many.
    ///
    /// # Errors
    /// As [`Self::write_parts`].
    pub(crate) fn write_zeros(&self, len: u64) -> io::Result<u64> {
        let whole = len / ALIGNMENT as u64 * ALIGNMENT as u64;
        let Some(file) = self.open() else { return Ok(0) };
        let mut zeros = Piece::new(usize::try_from(whole).unwrap_or(PIECE).min(PIECE));
        zeros.fill();
        let mut at = 0;
        while at < whole {
            let n = zeros.octets().len().min(usize::try_from(whole - at).unwrap_or(PIECE));
            if !put(&file, &zeros.octets()[..n], &mut at)? {
                break;
            }
        }
        Ok(at)
    }
}

/// Writes one piece at `at`, which goes on behind it; false when that cannot be done so.
fn put(file: &File, octets: &[u8], at: &mut u64) -> io::Result<bool> {
    match file.write_all_at(octets, *at) {
        Ok(()) => {
            *at += octets.len() as u64;
            Ok(true)
        }
        // Lengths or memory that it cannot write so.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
        Err(error) => Err(error),
    }
}

/// Memory that begins where a block may begin.
struct Piece {
    room: Vec<u8>,
    /// Octets of `room` in front of it.
    skip: usize,
    size: usize,
}

impl Piece {
    fn new(size: usize) -> Self {
        let mut room: Vec<u8> = Vec::with_capacity(size + ALIGNMENT);
        let skip = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        // It has room for `size` more, so it stays where it is.
        room.resize(skip, 0);
        Self { room, skip, size }
    }

    fn octets(&self) -> &[u8] {
        &self.room[self.skip..]
    }

    fn is_full(&self) -> bool {
        self.octets().len() == self.size
    }

    fn clear(&mut self) {
        self.room.truncate(self.skip);
    }

    fn fill(&mut self) {
        self.room.resize(self.skip + self.size, 0);
    }

    /// Takes as much of `octets` as fits; the rest is given back.
    fn take<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let (now, rest) = octets.split_at(octets.len().min(self.size - self.octets().len()));
        self.room.extend_from_slice(now);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("A");
        std::fs::write(&path, vec![9; 3 * ALIGNMENT]).unwrap();
        (dir, path)
    }

    #[test]
    fn parts_of_any_length_come_out_as_they_were_put_together() {
        let block = ALIGNMENT;
        let head: Vec<u8> = (0..32).collect();
        for data in [block - 32, 5 * block - 32, PIECE - 32, PIECE + block - 32, 2 * PIECE - 32, 3 * PIECE] {
            let body: Vec<u8> = (0..data).map(|i| (i % 251) as u8).collect();
            let padding = vec![0; (32 + data).next_multiple_of(block) - 32 - data];
            let (_dir, path) = fresh();
            let parts = [&head[..], &body, &[], &padding];
            if DirectFile::new(path.clone()).write_parts(&parts, block as u64).unwrap() {
                let (found, wanted) = (std::fs::read(&path).unwrap(), parts.concat());
                assert!(found[block..].starts_with(&wanted), "{data}");
                assert_eq!(found[..block], [9; ALIGNMENT]);
            }
        }
    }

    #[test]
    fn what_is_no_whole_number_of_blocks_is_refused_and_nothing_written() {
        let (_dir, path) = fresh();
        let direct = DirectFile::new(path.clone());
        assert!(!direct.write_parts(&[&[1; ALIGNMENT], &[2; 1]], 0).unwrap());
        assert!(!direct.write_parts(&[&[1; ALIGNMENT]], 512).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), [9; 3 * ALIGNMENT]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_again_is_no_error() {
        let (_dir, path) = fresh();
        std::fs::remove_file(&path).unwrap();
        let direct = DirectFile::new(path);
        assert!(!direct.write_parts(&[&[1; ALIGNMENT]], 0).unwrap());
        assert_eq!(direct.write_zeros(ALIGNMENT as u64).unwrap(), 0);
    }
}
