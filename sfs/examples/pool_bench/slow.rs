//! A disk whose syncs take as long as those of a disk with moving parts or of a network: what commits gain by sharing one shows there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dasd::{Dasd, Disk};

/// Disks below, each sync of which takes this much longer.
#[derive(Debug)]
pub struct Slow(pub Arc<dyn Dasd>, pub Duration);

struct SlowDisk(Arc<dyn Disk>, Duration);

impl Slow {
    fn disk(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(SlowDisk(disk, self.1))
    }
}

impl Dasd for Slow {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        Ok(self.disk(self.0.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        Ok(self.disk(self.0.create(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }
}

impl std::fmt::Debug for SlowDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlowDisk").finish_non_exhaustive()
    }
}

impl Disk for SlowDisk {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buf, offset)
    }

    fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.0.read_cached(buf, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(data, offset)
    }

    fn write_parts(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.0.write_parts(parts, offset)
    }

    fn zero(&self, len: u64) -> io::Result<()> {
        self.0.zero(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()?;
        std::thread::sleep(self.1);
        Ok(())
    }
}
