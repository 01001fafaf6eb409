//! Disks as they are, with changes that stay in memory: for tools that must open and recover what they look at, and must not
//! change it.
//!
//! Nothing is ever written below. Memory grows with what is written, by 4 KB block; a block of zeros takes none. There is
//! nothing to make durable, so syncs do nothing.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::BLOCK;
use crate::io::{Dasd, Disk};

/// The disks of another [`Dasd`], with changes in memory.
#[derive(Debug)]
pub struct OverlayDasd {
    below: Arc<dyn Dasd>,
    // A name that is known here is not looked up below; `None` has been removed.
    disks: Mutex<HashMap<String, Option<Arc<OverlayDisk>>>>,
}

impl OverlayDasd {
    /// Over `below`, with nothing changed yet.
    pub fn new(below: Arc<dyn Dasd>) -> Self {
        Self { below, disks: Mutex::default() }
    }
}

impl Dasd for OverlayDasd {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let mut disks = self.disks.lock();
        match disks.get(name) {
            Some(Some(disk)) => return Ok(disk.clone()),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let below = self.below.open(name)?;
        let len = below.len()?;
        let changed = Changed { len, visible: len, blocks: BTreeMap::new() };
        let disk = Arc::new(OverlayDisk { below: Some(below), changed: Mutex::new(changed) });
        disks.insert(name.to_owned(), Some(disk.clone()));
        Ok(disk)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        if self.list()?.iter().any(|n| n == name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let disk = Arc::new(OverlayDisk { below: None, changed: Mutex::default() });
        self.disks.lock().insert(name.to_owned(), Some(disk.clone()));
        Ok(disk)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.below.list()?;
        let disks = self.disks.lock();
        names.retain(|name| !disks.contains_key(name));
        names.extend(disks.iter().filter(|(_, disk)| disk.is_some()).map(|(name, _)| name.clone()));
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.list()?.iter().any(|n| n == name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.disks.lock().insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What differs from the disk below.
#[derive(Debug, Default)]
struct Changed {
    len: u64,
    /// Octets of the disk below that are still seen where no block is; behind them are zeros.
    visible: u64,
    /// Blocks that were written, by number; `None` is all zeros.
    blocks: BTreeMap<u64, Option<Box<[u8]>>>,
}

#[derive(Debug)]
struct OverlayDisk {
    below: Option<Arc<dyn Disk>>,
    changed: Mutex<Changed>,
}

/// The parts of `[offset, offset + len)` by block: block number, offset in the block, range in the whole.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let inside = usize::try_from(at % BLOCK).unwrap_or(0);
        let count = (BLOCK as usize - inside).min(len - done);
        let range = done..done + count;
        done += count;
        Some((at / BLOCK, inside, range))
    })
}

impl OverlayDisk {
    fn read_below(&self, changed: &Changed, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let seen = usize::try_from(changed.visible.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (old, new) = buf.split_at_mut(seen.min(buf.len()));
        new.fill(0);
        match &self.below {
            Some(below) if !old.is_empty() => below.read_at(old, offset),
            _ => {
                old.fill(0);
                Ok(())
            }
        }
    }
}

impl Disk for OverlayDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed.lock().len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let changed = self.changed.lock();
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > changed.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(&changed, buf, offset)?;
        for (block, inside, range) in parts(offset, buf.len()) {
            match changed.blocks.get(&block) {
                Some(Some(data)) => {
                    let count = range.len();
                    buf[range].copy_from_slice(&data[inside..inside + count]);
                }
                Some(None) => buf[range].fill(0),
                None => {}
            }
        }
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut changed = self.changed.lock();
        for (block, inside, range) in parts(offset, data.len()) {
            let mut octets = match changed.blocks.remove(&block) {
                Some(Some(octets)) => octets,
                Some(None) => vec![0; BLOCK as usize].into_boxed_slice(),
                None => {
                    let mut octets = vec![0; BLOCK as usize].into_boxed_slice();
                    self.read_below(&changed, &mut octets, block * BLOCK)?;
                    octets
                }
            };
            octets[inside..inside + range.len()].copy_from_slice(&data[range]);
            changed.blocks.insert(block, Some(octets));
        }
        changed.len = changed.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.changed.lock();
        changed.visible = changed.visible.min(len);
        let _cut = changed.blocks.split_off(&len.div_ceil(BLOCK));
        let inside = usize::try_from(len % BLOCK).unwrap_or(0);
        if let Some(Some(last)) = changed.blocks.get_mut(&(len / BLOCK)) {
            last[inside..].fill(0);
        }
        changed.len = len;
        Ok(())
    }

    fn zero(&self, len: u64) -> io::Result<()> {
        let whole = len / BLOCK;
        {
            let mut changed = self.changed.lock();
            for block in 0..whole {
                changed.blocks.insert(block, None);
            }
            changed.len = changed.len.max(whole * BLOCK);
        }
        let rest = usize::try_from(len % BLOCK).unwrap_or(0);
        self.write_at(&vec![0; rest], whole * BLOCK)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultyDasd;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Act {
        Write(u64, usize, u8),
        SetLen(u64),
        Zero(u64),
        Read(u64, usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        let at = || 0u64..20_000;
        prop_oneof![
            (at(), 0usize..9000, 1u8..).prop_map(|(at, len, fill)| Act::Write(at, len, fill)),
            at().prop_map(Act::SetLen),
            at().prop_map(Act::Zero),
            (at(), 0usize..9000).prop_map(|(at, len)| Act::Read(at, len)),
        ]
    }

    proptest! {
        #[test]
        fn it_reads_like_a_disk_and_the_one_below_stays(
            below in prop::collection::vec(any::<u8>(), 0..10_000),
            acts in prop::collection::vec(act(), 1..30),
        ) {
            let (real, model) = (FaultyDasd::new(), FaultyDasd::new());
            for dasd in [&real, &model] {
                dasd.create("D").unwrap().write_at(&below, 0).unwrap();
            }
            let overlay = OverlayDasd::new(Arc::new(real.clone()));
            let (disk, expected) = (overlay.open("D").unwrap(), model.open("D").unwrap());
            for act in acts {
                match act {
                    Act::Write(at, len, fill) => {
                        // Behind the end the disks of hosts read zeros.
                        disk.write_at(&vec![fill; len], at).unwrap();
                        expected.write_at(&vec![fill; len], at).unwrap();
                    }
                    Act::SetLen(len) => {
                        disk.set_len(len).unwrap();
                        expected.set_len(len).unwrap();
                    }
                    Act::Zero(len) => {
                        disk.zero(len).unwrap();
                        expected.zero(len).unwrap();
                    }
                    Act::Read(at, len) => {
                        let (mut one, mut two) = (vec![1; len], vec![1; len]);
                        let same = disk.read_at(&mut one, at).is_ok();
                        prop_assert_eq!(same, expected.read_at(&mut two, at).is_ok());
                        prop_assert!(!same || one == two);
                    }
                }
                prop_assert_eq!(disk.len().unwrap(), expected.len().unwrap());
            }
            let mut now = vec![0; below.len()];
            real.open("D").unwrap().read_at(&mut now, 0).unwrap();
            prop_assert_eq!(now, below);
        }
    }

    #[test]
    fn names_come_and_go_above_only() {
        let real = FaultyDasd::new();
        real.create("A").unwrap();
        let overlay = OverlayDasd::new(Arc::new(real.clone()));
        overlay.create("B").unwrap();
        assert!(overlay.create("A").is_err());
        overlay.remove("A").unwrap();
        assert!(overlay.remove("A").is_err() && overlay.open("A").is_err());
        assert_eq!(
            (overlay.list().unwrap(), real.list().unwrap()),
            (vec!["B".to_owned()], vec!["A".to_owned()])
        );
        assert_eq!(overlay.create("A").unwrap().len().unwrap(), 0);
    }
}
