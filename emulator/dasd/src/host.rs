//! Disks as files in one folder of the host.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags};

use crate::direct::DirectFile;
use crate::io::{Dasd, Disk};

/// Octets of zeros written at once.
const ZEROS: usize = 1 << 20;

/// How much less of a processor that others want a thread gets which gives way: a third.
const WAY: i32 = 5;

/// From now on this thread takes processors that others want only for a small part of the time: for work that nobody waits for. A host
/// that refuses that is left as it is.
pub fn give_way() {
    if let Err(error) = rustix::process::nice(WAY) {
        tracing::debug!(%error, "a thread of the background does not give way");
    }
}

/// Disks as files in one folder of the host.
#[derive(Debug, Clone)]
pub struct HostDasd {
    folder: PathBuf,
}

impl HostDasd {
    /// The folder at `path`, created when it does not exist.
    ///
    /// # Errors
    /// Any error of the host.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let folder = path.as_ref().to_path_buf();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }
}

/// Names the file in an error of the host.
fn naming(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Dasd for HostDasd {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(naming(&path))?;
        Ok(Arc::new(HostDisk { file, direct: DirectFile::new(path) }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(naming(&path))?;
        Ok(Arc::new(HostDisk { file, direct: DirectFile::new(path) }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

#[derive(Debug)]
struct HostDisk {
    file: File,
    direct: DirectFile,
}

impl Disk for HostDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        let want = buf.len();
        let mut slices = [io::IoSliceMut::new(buf)];
        match rustix::io::preadv2(&self.file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
            // Fewer octets: the rest is not in memory, or behind the end; the waiting read tells which.
            Ok(n) => Ok(n == want),
            Err(Errno::AGAIN) => Ok(false),
            Err(Errno::OPNOTSUPP) => self.file.read_exact_at(buf, offset).map(|()| true),
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    /// Without putting them together in memory first.
    fn write_parts(&self, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut all: Vec<io::IoSlice<'_>> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
        let mut left = &mut all[..];
        // Parts without octets in front would look like a disk that takes none.
        io::IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match rustix::io::pwritev(&self.file, left, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    offset += n as u64;
                    io::IoSlice::advance_slices(&mut left, n);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_parts_past_cache(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        if self.direct.write_parts(parts, offset)? {
            return Ok(());
        }
        self.write_parts(parts, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Past the host's cache where its file system can: nobody will read the zeros, and half the work of filling the log would be to
    /// copy them.
    fn zero(&self, len: u64) -> io::Result<()> {
        let mut at = self.direct.write_zeros(len)?;
        let zeros = vec![0; ZEROS.min(usize::try_from(len - at).unwrap_or(ZEROS))];
        while at < len {
            let n = zeros.len().min(usize::try_from(len - at).unwrap_or(ZEROS));
            self.write_at(&zeros[..n], at)?;
            at += n as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.file).map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_one_behind_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = HostDasd::new(dir.path()).unwrap().create("A").unwrap();
        let long = vec![7; ZEROS];
        let empty: &[u8] = b"";
        for parts in [vec![], vec![empty], vec![empty, b"ab", empty, &long, b"c"], vec![b"xyz"]] {
            disk.write_parts(&parts, 5).unwrap();
            let mut found = vec![0; parts.concat().len()];
            disk.read_at(&mut found, 5).unwrap();
            assert_eq!(found, parts.concat());
        }
    }

    #[test]
    fn zeros_replace_what_was_there_whatever_the_length() {
        let dir = tempfile::tempdir().unwrap();
        let dasd = HostDasd::new(dir.path()).unwrap();
        for len in [0, 1, 4095, 4096, 4097, ZEROS + 5000] {
            let disk = dasd.create("A").unwrap();
            disk.write_at(&vec![7; len + 3], 0).unwrap();
            disk.zero(len as u64).unwrap();
            let mut found = vec![1; len + 3];
            disk.read_at(&mut found, 0).unwrap();
            assert_eq!(found, [vec![0; len], vec![7; 3]].concat());
            disk.write_at(b"x", 1).unwrap();
            dasd.remove("A").unwrap();
        }
    }

    #[test]
    fn a_disk_keeps_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let dasd = HostDasd::new(dir.path().join("sub")).unwrap();
        let disk = dasd.create("A").unwrap();
        disk.zero(10_000).unwrap();
        disk.write_at(b"hello", 9_998).unwrap();
        disk.sync().unwrap();
        dasd.sync_names().unwrap();
        assert_eq!(disk.len().unwrap(), 10_003);
        let mut buf = [9u8; 7];
        dasd.open("A").unwrap().read_at(&mut buf, 9_996).unwrap();
        assert_eq!(&buf, b"\0\0hello");
        assert!(disk.read_at(&mut buf, 9_999).is_err(), "a read past the end must fail");
        buf.fill(9);
        if disk.read_cached(&mut buf, 9_996).unwrap() {
            assert_eq!(&buf, b"\0\0hello");
        }
        assert!(
            !disk.read_cached(&mut buf, 9_999).unwrap(),
            "a read past the end is left to the waiting read"
        );
        assert!(dasd.create("A").is_err());
        assert_eq!(dasd.list().unwrap(), ["A"]);
        dasd.remove("A").unwrap();
        let missing = dasd.open("A").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(missing.to_string().contains("/A: "), "the file is named: {missing}");
    }
}
