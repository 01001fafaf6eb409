//! Disks in memory that fail the way real ones may, for crash tests.
//!
//! The model: every sector of 512 octets is written whole or not at all. Until a sync, each sector may at a crash hold its
//! durable content or that of any write since; sectors choose independently, so writes are torn, dropped and reordered.
//! A length set since the last sync may be lost; a disk created or removed since the last [`Dasd::sync_names`] may be
//! missing or back.
//!
//! Not modelled: bit rot on its own (see [`FaultyDasd::flip_bit`] for an explicit one) and misdirected writes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::io::{Dasd, Disk};

/// Octets that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// Faults to come. All counters count down over all disks of one [`FaultyDasd`].
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Crash at the n-th write from now (0 = the next): it and everything later fails until [`FaultyDasd::restart`].
    pub crash_at_write: Option<u64>,
    /// The n-th sync from now returns an error.
    pub fail_sync: Option<u64>,
    /// The n-th write from now returns an error.
    pub fail_write: Option<u64>,
    /// Octets that all disks together may hold.
    pub capacity: Option<u64>,
}

#[derive(Debug, Default, Clone)]
struct Image {
    durable: Vec<u8>,
    current: Vec<u8>,
    // (first sector, whole sectors as they were after the write)
    pending: Vec<(usize, Vec<u8>)>,
    // The name is there in the durable directory / in the current one.
    name_durable: bool,
    name_current: bool,
}

#[derive(Debug, Default)]
struct State {
    disks: BTreeMap<String, Arc<Mutex<Image>>>,
    faults: Faults,
    crashed: bool,
    writes: u64,
    syncs: u64,
}

/// Disks in memory that fail on demand. Clones are the same disks.
#[derive(Debug, Clone, Default)]
pub struct FaultyDasd {
    state: Arc<Mutex<State>>,
}

impl FaultyDasd {
    /// No disks, no faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the faults to come, replacing the earlier ones.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// Writes done so far.
    pub fn writes(&self) -> u64 {
        self.state.lock().writes
    }

    /// Syncs done so far.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// True once the crash point has been reached.
    pub fn crashed(&self) -> bool {
        self.state.lock().crashed
    }

    /// Power fails now: every operation of disks opened before fails from here on.
    pub fn crash(&self) {
        self.state.lock().crashed = true;
    }

    /// Power is back: what the disks now hold is decided by `random`, once for every sector and name that was not synced.
    ///
    /// Returns fresh disks; handles of before the crash stay dead.
    pub fn restart(&self, mut random: impl FnMut() -> u32) -> FaultyDasd {
        let mut old = self.state.lock();
        old.crashed = true;
        let mut disks = BTreeMap::new();
        for (name, image) in &old.disks {
            let image = image.lock();
            let there =
                if image.name_durable == image.name_current { image.name_durable } else { random() & 1 == 0 };
            if there {
                let data = settle(&image, &mut random);
                let image = Image {
                    durable: data.clone(),
                    current: data,
                    pending: Vec::new(),
                    name_durable: true,
                    name_current: true,
                };
                disks.insert(name.clone(), Arc::new(Mutex::new(image)));
            }
        }
        let state = State { disks, ..State::default() };
        FaultyDasd { state: Arc::new(Mutex::new(state)) }
    }

    /// Flips one bit of what disk `name` holds durably; false when there is no such octet.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u8) -> bool {
        let state = self.state.lock();
        let Some(image) = state.disks.get(name) else { return false };
        let mut image = image.lock();
        let mask = 1u8 << (bit & 7);
        if offset >= image.current.len() {
            return false;
        }
        image.current[offset] ^= mask;
        if let Some(byte) = image.durable.get_mut(offset) {
            *byte ^= mask;
        }
        true
    }

    /// Everything disk `name` holds as readers see it.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let image = self.state.lock().disks.get(name).cloned()?;
        let data = image.lock().current.clone();
        Some(data)
    }

    fn dead() -> io::Error {
        io::Error::other("the simulated disk has lost power")
    }
}

/// What a disk holds after the crash.
fn settle(image: &Image, random: &mut impl FnMut() -> u32) -> Vec<u8> {
    let mut data = image.durable.clone();
    let len = if image.current.len() != image.durable.len() && random() & 1 == 0 {
        image.current.len()
    } else if image.pending.is_empty() {
        image.durable.len()
    } else {
        // A kept write keeps the length it needs.
        image.durable.len().max(image.current.len())
    };
    data.resize(len, 0);
    for sector in 0..len.div_ceil(SECTOR) {
        let versions: Vec<&[u8]> = image
            .pending
            .iter()
            .filter_map(|(first, bytes)| {
                let at = sector.checked_sub(*first)? * SECTOR;
                bytes.get(at..(at + SECTOR).min(bytes.len())).filter(|b| !b.is_empty())
            })
            .collect();
        if versions.is_empty() {
            continue;
        }
        let pick = random() as usize % (versions.len() + 1);
        if let Some(version) = versions.get(pick) {
            let at = sector * SECTOR;
            let n = version.len().min(len - at);
            data[at..at + n].copy_from_slice(&version[..n]);
        }
    }
    data
}

impl Dasd for FaultyDasd {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let state = self.state.lock();
        if state.crashed {
            return Err(Self::dead());
        }
        let image = state.disks.get(name).filter(|d| d.lock().name_current).cloned();
        let image = image.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))?;
        Ok(Arc::new(FaultyDisk { state: self.state.clone(), image }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let mut state = self.state.lock();
        if state.crashed {
            return Err(Self::dead());
        }
        let mut fresh = Image { name_current: true, ..Image::default() };
        if let Some(old) = state.disks.get(name) {
            let old = old.lock();
            if old.name_current {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, name.to_owned()));
            }
            // A removal that is not durable yet: at a crash the name is there, with the new content.
            fresh.name_durable = old.name_durable;
        }
        let image = Arc::new(Mutex::new(fresh));
        state.disks.insert(name.to_owned(), image.clone());
        Ok(Arc::new(FaultyDisk { state: self.state.clone(), image }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        if state.crashed {
            return Err(Self::dead());
        }
        Ok(state.disks.iter().filter(|(_, d)| d.lock().name_current).map(|(n, _)| n.clone()).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let state = self.state.lock();
        if state.crashed {
            return Err(Self::dead());
        }
        let image = state.disks.get(name).filter(|d| d.lock().name_current);
        let image = image.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_owned()))?;
        image.lock().name_current = false;
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let state = self.state.lock();
        if state.crashed {
            return Err(Self::dead());
        }
        for image in state.disks.values() {
            let mut image = image.lock();
            image.name_durable = image.name_current;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyDisk {
    state: Arc<Mutex<State>>,
    image: Arc<Mutex<Image>>,
}

/// Counts `counter` down; true when this operation is the one.
fn hit(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    }
}

impl FaultyDisk {
    fn grow(&self, state: &State, image: &Image, new_len: usize) -> io::Result<()> {
        let Some(capacity) = state.faults.capacity else { return Ok(()) };
        let extra = new_len.saturating_sub(image.current.len()) as u64;
        if extra == 0 {
            return Ok(());
        }
        let others: u64 = state
            .disks
            .values()
            .filter(|d| !Arc::ptr_eq(d, &self.image))
            .map(|d| d.lock())
            .filter(|d| d.name_current)
            .map(|d| d.current.len() as u64)
            .sum();
        if others + image.current.len() as u64 + extra > capacity {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl Disk for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        if self.state.lock().crashed {
            return Err(FaultyDasd::dead());
        }
        Ok(self.image.lock().current.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.state.lock().crashed {
            return Err(FaultyDasd::dead());
        }
        let image = self.image.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let from = image.current.get(at..at.saturating_add(buf.len()));
        buf.copy_from_slice(from.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.crashed {
            return Err(FaultyDasd::dead());
        }
        let mut image = self.image.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let end = at + data.len();
        self.grow(&state, &image, end)?;
        if hit(&mut state.faults.fail_write) {
            return Err(io::Error::other("injected write error"));
        }
        let crash = hit(&mut state.faults.crash_at_write);
        state.writes += 1;
        if image.current.len() < end {
            image.current.resize(end, 0);
        }
        image.current[at..end].copy_from_slice(data);
        let first = at / SECTOR;
        let upto = (end.div_ceil(SECTOR) * SECTOR).min(image.current.len());
        let bytes = image.current[first * SECTOR..upto].to_vec();
        image.pending.push((first, bytes));
        if crash {
            state.crashed = true;
            return Err(FaultyDasd::dead());
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let state = self.state.lock();
        if state.crashed {
            return Err(FaultyDasd::dead());
        }
        let mut image = self.image.lock();
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.grow(&state, &image, len)?;
        image.current.resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.crashed {
            return Err(FaultyDasd::dead());
        }
        if hit(&mut state.faults.fail_sync) {
            return Err(io::Error::other("injected sync error"));
        }
        state.syncs += 1;
        let mut image = self.image.lock();
        image.durable = image.current.clone();
        image.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synced_writes_survive_and_others_may_not() {
        let dasd = FaultyDasd::new();
        let disk = dasd.create("A").unwrap();
        disk.write_at(&[1u8; 2048], 0).unwrap();
        disk.sync().unwrap();
        dasd.sync_names().unwrap();
        disk.write_at(&[2u8; 2048], 0).unwrap();
        let mut seed = 7u32;
        let after = dasd.restart(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        });
        let data = after.contents("A").unwrap();
        assert_eq!(data.len(), 2048);
        for sector in data.chunks(SECTOR) {
            assert!(sector.iter().all(|b| *b == sector[0]), "a sector was torn");
        }
        assert!(disk.sync().is_err(), "handles of before the crash are dead");
    }

    #[test]
    fn space_and_errors_on_demand() {
        let dasd = FaultyDasd::new();
        let disk = dasd.create("A").unwrap();
        dasd.set_faults(Faults { capacity: Some(100), fail_sync: Some(0), ..Faults::default() });
        disk.write_at(&[0; 100], 0).unwrap();
        assert_eq!(disk.write_at(&[0; 1], 100).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(disk.sync().is_err());
        assert!(disk.sync().is_ok());
        dasd.set_faults(Faults { crash_at_write: Some(1), ..Faults::default() });
        disk.write_at(&[0; 1], 0).unwrap();
        assert!(disk.write_at(&[0; 1], 0).is_err());
        assert!(dasd.crashed());
    }
}
