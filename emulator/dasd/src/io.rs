//! The narrow trait through which everything touches a disk.
//!
//! Invariants that implementations keep and users rely on: a write is visible to reads at once; it is durable only after
//! [`Disk::sync`] has returned `Ok`; a file's name is durable only after [`Dasd::sync_names`]; after an error of `sync`
//! nothing is known about what was written since the last good one.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// A flat collection of named disks (on the host: files in one folder).
pub trait Dasd: Send + Sync + Debug + 'static {
    /// Opens an existing disk.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name; any error of the host.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>>;

    /// Creates an empty disk.
    ///
    /// # Errors
    /// `AlreadyExists`; any error of the host.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>>;

    /// The names of all disks, sorted.
    ///
    /// # Errors
    /// Any error of the host.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a disk. Whoever has it open can still read it.
    ///
    /// # Errors
    /// `NotFound`; any error of the host.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// Any error of the host.
    fn sync_names(&self) -> io::Result<()>;
}

/// One disk: an array of octets that can grow.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Length in octets.
    ///
    /// # Errors
    /// Any error of the host.
    fn len(&self) -> io::Result<u64>;

    /// True when the length is zero.
    ///
    /// # Errors
    /// Any error of the host.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the disk ends before; any error of the host.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills `buf` from `offset` if that needs no waiting for a device, and returns whether it did. For callers that must not
    /// block; on `false` they read in a thread that may.
    ///
    /// # Errors
    /// As [`Disk::read_at`].
    fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_at(buf, offset).map(|()| true)
    }

    /// Writes all of `data` at `offset`, growing the disk if need be.
    ///
    /// # Errors
    /// `StorageFull`; any error of the host.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Writes parts one behind the other, as [`Disk::write_at`] of all of them together.
    ///
    /// # Errors
    /// As [`Disk::write_at`].
    fn write_parts(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write_at(&parts.concat(), offset)
    }

    /// [`Disk::write_parts`] past the host's cache, where it has one and can: for much at once that is not worth a place in it. Offset and
    /// length are best whole blocks.
    ///
    /// # Errors
    /// As [`Disk::write_at`].
    fn write_parts_past_cache(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write_parts(parts, offset)
    }

    /// Cuts or grows the disk; new octets read as zero.
    ///
    /// # Errors
    /// `StorageFull`; any error of the host.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes zeros over `[0, len)` and so allocates it: later writes there need no allocation.
    ///
    /// # Errors
    /// `StorageFull`; any error of the host.
    fn zero(&self, len: u64) -> io::Result<()> {
        const CHUNK: usize = 1 << 20;
        let zeros = vec![0u8; CHUNK];
        let mut at = 0;
        while at < len {
            let n = usize::try_from((len - at).min(CHUNK as u64)).unwrap_or(CHUNK);
            self.write_at(&zeros[..n], at)?;
            at += n as u64;
        }
        Ok(())
    }

    /// Makes every write before this call durable (data, and the length if it changed).
    ///
    /// # Errors
    /// Any error of the host; afterwards nothing is known of the writes since the last good sync.
    fn sync(&self) -> io::Result<()>;
}
