//! Accessed file modes: which store is behind which letter.

use std::sync::Arc;

use cp::name::{DirName, ModeLetter, Vdev};
use parking_lot::RwLock;
use sfs::types::{FileId, FileStatus};

use super::{FileStore, StoreResult};

/// What is behind a file mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A minidisk.
    Minidisk {
        /// Virtual device number.
        vdev: Vdev,
        /// Label, six characters at most.
        label: String,
    },
    /// An SFS directory.
    Directory(DirName),
}

/// One accessed file mode.
#[derive(Clone)]
pub struct Accessed {
    /// The letter.
    pub mode: ModeLetter,
    /// What it is.
    pub place: Place,
    /// Where the files are.
    pub store: Arc<dyn FileStore>,
    /// True when nothing can be written.
    pub read_only: bool,
}

impl Accessed {
    /// `R/W` or `R/O`.
    pub fn access(&self) -> &'static str {
        if self.read_only { "R/O" } else { "R/W" }
    }
}

/// The letters A to Z of one CMS.
#[derive(Default)]
pub struct FileModes {
    slots: RwLock<[Option<Arc<Accessed>>; 26]>,
}

fn index(mode: ModeLetter) -> usize {
    (mode.as_char() as u8 - b'A') as usize
}

impl FileModes {
    /// Sets what is behind a letter; returns what was there.
    pub fn set(&self, accessed: Accessed) -> Option<Arc<Accessed>> {
        let slot = index(accessed.mode);
        self.slots.write()[slot].replace(Arc::new(accessed))
    }

    /// Releases a letter.
    pub fn release(&self, mode: ModeLetter) -> Option<Arc<Accessed>> {
        self.slots.write()[index(mode)].take()
    }

    /// What a letter stands for, be its disk detached or not.
    pub fn held(&self, mode: ModeLetter) -> Option<Arc<Accessed>> {
        self.slots.read()[index(mode)].clone()
    }

    /// What is behind a letter; a disk that has been detached is not there any more.
    pub fn get(&self, mode: ModeLetter) -> Option<Arc<Accessed>> {
        self.slots.read()[index(mode)].clone().filter(|a| !a.store.is_gone())
    }

    /// All accessed letters in search order.
    pub fn all(&self) -> Vec<Arc<Accessed>> {
        self.slots.read().iter().flatten().filter(|a| !a.store.is_gone()).cloned().collect()
    }

    /// The modes that `mode` names: one, or all for `None`.
    pub fn select(&self, mode: Option<ModeLetter>) -> Vec<Arc<Accessed>> {
        match mode {
            Some(mode) => self.get(mode).into_iter().collect(),
            None => self.all(),
        }
    }

    /// The first file of this id in search order.
    ///
    /// # Errors
    /// [`super::StoreError`] of the first store that fails.
    pub async fn find(
        &self,
        id: FileId,
        mode: Option<ModeLetter>,
    ) -> StoreResult<Option<(Arc<Accessed>, FileStatus)>> {
        for accessed in self.select(mode) {
            if let Some(status) = accessed.store.state(id).await? {
                return Ok(Some((accessed, status)));
            }
        }
        Ok(None)
    }
}
