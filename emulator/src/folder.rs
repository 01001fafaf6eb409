//! The system folder: where everything that a system owns is.
//!
//!     endicott.toml        host settings
//!     passwords.txt        passwords made at generation, for their owner to read and delete
//!     cp/directory.obj     the object directory
//!     dasd/                minidisks
//!     pools/NAME/          one folder a file pool
//!     spool/               the spool volume
//!     tls/                 certificate and key
//!     run/                 lock, control socket, listeners.json, ready: only while the system runs

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A system folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Held while a system runs in a folder, so that no second one can.
pub struct Lock {
    _file: File,
}

impl Folder {
    /// The folder at `path`, whether it exists or not.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when a system has been generated in it.
    pub fn is_generated(&self) -> bool {
        self.directory_object().exists()
    }

    /// The object directory.
    pub fn directory_object(&self) -> PathBuf {
        self.path.join("cp").join("directory.obj")
    }

    /// Folder of the minidisks.
    pub fn dasd(&self) -> PathBuf {
        self.path.join("dasd")
    }

    /// Folder of a file pool.
    pub fn pool(&self, name: &str) -> PathBuf {
        self.path.join("pools").join(name)
    }

    /// Folder of the spool volume.
    pub fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// Folder of what exists only while the system runs.
    pub fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Makes a folder below that only the owner can enter.
    ///
    /// # Errors
    /// The host's error.
    pub fn make(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Takes the folder for one running system.
    ///
    /// # Errors
    /// `WouldBlock` when a system runs in it already.
    pub fn lock(&self) -> io::Result<Lock> {
        self.make(&self.run())?;
        let path = self.run().join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Lock { _file: file })
    }

    /// Writes a file so that it is there whole or not at all.
    ///
    /// # Errors
    /// The host's error.
    pub fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        use std::io::Write;
        let parent = path.parent().unwrap_or(&self.path);
        self.make(parent)?;
        let draft = path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(parent)?.sync_all()
    }

    /// Removes what a running system leaves in `run`.
    pub fn clear_run(&self) {
        for name in ["ready", "listeners.json", "control.sock"] {
            // What is not there need not go.
            let _absent = fs::remove_file(self.run().join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_system_a_folder() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = Folder::new(&place.path().join("vm"));
        let held = folder.lock().unwrap();
        assert!(folder.lock().is_err());
        drop(held);
        folder.lock().unwrap();
    }
}
