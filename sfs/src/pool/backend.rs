//! redb's storage on one of our disks, so that the catalog runs on the faulty twin as everything else does.
//!
//! A catalog that cannot grow is a catalog that cannot even take a removal. So a reserve disk of some megabytes lies beside it: when
//! a write finds the host full, the reserve is given up, the write is tried again, and [`Reserve::is_low`] tells the pool to take
//! only commits that give space back until [`Reserve::restore`] has succeeded.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dasd::{Dasd, Disk};

/// Name of the reserve's disk.
const NAME: &str = "RESERVE";

/// Space kept for the catalog when the host's is used up.
#[derive(Debug)]
pub(crate) struct Reserve {
    dasd: Arc<dyn Dasd>,
    bytes: u64,
    low: AtomicBool,
}

impl Reserve {
    /// The reserve on `dasd`; made if it is not there.
    pub(crate) fn new(dasd: Arc<dyn Dasd>, bytes: u64) -> Self {
        let reserve = Self { dasd, bytes, low: AtomicBool::new(true) };
        let there = reserve.dasd.open(NAME).and_then(|disk| disk.len()).is_ok_and(|len| len == bytes);
        if there {
            reserve.low.store(false, Ordering::Relaxed);
        } else {
            reserve.restore();
        }
        reserve
    }

    /// True while the reserve is used up.
    pub(crate) fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Length in octets of the disk `name` beside the reserve.
    pub(crate) fn catalog_len(&self, name: &str) -> io::Result<u64> {
        self.dasd.open(name)?.len()
    }

    /// Makes the reserve anew; true when it is whole.
    pub(crate) fn restore(&self) -> bool {
        if !self.is_low() {
            return true;
        }
        // What is left of an earlier try.
        let _ = self.dasd.remove(NAME);
        let made = self
            .dasd
            .create(NAME)
            .and_then(|disk| disk.zero(self.bytes))
            .and_then(|()| self.dasd.sync_names());
        match made {
            Ok(()) => self.low.store(false, Ordering::Relaxed),
            Err(_) => {
                let _ = self.dasd.remove(NAME);
            }
        }
        made.is_ok()
    }

    /// Gives the reserve up; true when there was one.
    fn release(&self) -> bool {
        if self.low.swap(true, Ordering::Relaxed) {
            return false;
        }
        tracing::warn!("no space left for the catalog: its reserve is used, only removals are accepted");
        self.dasd.remove(NAME).is_ok()
    }
}

#[derive(Debug)]
pub(crate) struct DiskBackend {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) reserve: Arc<Reserve>,
}

impl DiskBackend {
    /// Tries `write` again with the reserve released if the host is full.
    fn with_reserve(&self, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && self.reserve.release() => write(),
            done => done,
        }
    }
}

impl redb::StorageBackend for DiskBackend {
    fn len(&self) -> Result<u64, io::Error> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.disk.read_at(out, offset)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.with_reserve(|| self.disk.set_len(len))
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.disk.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.with_reserve(|| self.disk.write_at(data, offset))
    }
}
