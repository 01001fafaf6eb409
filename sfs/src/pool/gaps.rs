//! Where the catalog's disk has no files: one stretch of names a directory, between two folds.
//!
//! A file that is made is looked for before, and is not there. Where names ascend, as those of notes do, the next one is not there
//! either, which is known without a look at the disk. The disk does not change while a [`Gaps`] is in use.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::catalog::DirId;

/// Octets of a directory's number in front of a name.
const DIR: usize = size_of::<DirId>();
/// Directories that are known at a time; with one more all are forgotten.
const MOST: usize = 4096;

/// A name as it stands in the catalog.
type Name = [u8; 16];

/// From the first name of a stretch without files to before the last; without one to the end of the directory.
type Gap = (Name, Option<Name>);

#[derive(Debug, Default)]
pub(super) struct Gaps(Mutex<HashMap<[u8; DIR], Gap>>);

/// Directory and name of a key of the table of files.
fn parts(key: &[u8]) -> Option<([u8; DIR], Name)> {
    let (dir, name) = key.split_first_chunk()?;
    Some((*dir, name.try_into().ok()?))
}

impl Gaps {
    /// Whether there is known to be no file of this key.
    pub(super) fn have(&self, key: &[u8]) -> bool {
        let Some((dir, name)) = parts(key) else { return false };
        self.0
            .lock()
            .get(&dir)
            .is_some_and(|(from, upto)| *from <= name && upto.is_none_or(|upto| name < upto))
    }

    /// There is no file of this key, and the next key of all that are there is `next`.
    pub(super) fn note(&self, key: &[u8], next: Option<&[u8]>) {
        let Some((dir, name)) = parts(key) else { return };
        let upto = next.and_then(parts).filter(|(of, _)| *of == dir).map(|(_, name)| name);
        let mut known = self.0.lock();
        if known.len() >= MOST && !known.contains_key(&dir) {
            known.clear();
        }
        known.insert(dir, (name, upto));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(dir: u8, name: u8) -> Vec<u8> {
        [[0; DIR - 1].as_slice(), &[dir], &[name; 16]].concat()
    }

    #[test]
    fn a_gap_reaches_from_what_was_missed_to_the_next_of_its_directory() {
        let gaps = Gaps::default();
        gaps.note(&key(1, 5), Some(&key(1, 9)));
        let have = |dir, name| gaps.have(&key(dir, name));
        assert_eq!([4, 5, 8, 9, 10].map(|name| have(1, name)), [false, true, true, false, false]);
        assert!(!have(2, 6));
        gaps.note(&key(1, 7), Some(&key(2, 1)));
        assert_eq!([6, 7, 255].map(|name| have(1, name)), [false, true, true]);
        gaps.note(&key(3, 7), None);
        assert_eq!([6, 7, 255].map(|name| have(3, name)), [false, true, true]);
        assert!(!gaps.have(b"short"));
    }

    #[test]
    fn what_is_known_has_an_end() {
        let gaps = Gaps::default();
        let key = |dir: usize| [&dir.to_be_bytes()[..], &[0; 16]].concat();
        (0..MOST).for_each(|dir| gaps.note(&key(dir), None));
        gaps.note(&key(3), None);
        assert!((0..MOST).all(|dir| gaps.have(&key(dir))));
        gaps.note(&key(MOST), None);
        assert_eq!(gaps.0.lock().len(), 1);
    }
}
