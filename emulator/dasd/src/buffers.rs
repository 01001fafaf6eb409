//! Buffers for long reads, used again: a fresh one of that size costs the host more in new pages than the read itself.
//!
//! A buffer comes back when the last [`Bytes`] over it is dropped. What it held before is never seen: a read fills it as
//! far as it is given out, or fails. Short reads get memory of their own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Reads from this length on use a buffer of the pool.
const LONG: usize = 128 << 10;
/// Octets that may wait in the pool: some reads of the length that the file pool server and its callers use.
const KEEP: usize = 8 << 20;

/// Buffers that wait for the next read.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer in use.
struct Lent {
    octets: Vec<u8>,
    len: usize,
    pool: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock();
        let waiting: usize = free.iter().map(Vec::len).sum();
        if waiting + self.octets.len() <= KEEP {
            free.push(std::mem::take(&mut self.octets));
        }
    }
}

impl Buffers {
    /// `len` octets that `read` fills.
    ///
    /// # Errors
    /// That of `read`.
    pub(crate) fn fill(
        self: &Arc<Self>,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Bytes> {
        self.try_fill(len, |octets| read(octets).map(|()| true)).map(Option::unwrap_or_default)
    }

    /// The same; `None` when `read` says that it has not read.
    ///
    /// # Errors
    /// That of `read`.
    pub(crate) fn try_fill(
        self: &Arc<Self>,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<bool>,
    ) -> io::Result<Option<Bytes>> {
        if len < LONG {
            let mut octets = vec![0; len];
            return Ok(read(&mut octets)?.then(|| octets.into()));
        }
        let mut lent = Lent { octets: self.take(len), len, pool: self.clone() };
        Ok(read(&mut lent.octets[..len])?.then(|| Bytes::from_owner(lent)))
    }

    fn take(&self, len: usize) -> Vec<u8> {
        let mut free = self.free.lock();
        let found = free.iter().position(|octets| octets.len() >= len);
        match found {
            Some(at) => free.swap_remove(at),
            None => {
                drop(free);
                vec![0; len]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_show_nothing_old() {
        let pool = Arc::new(Buffers::default());
        let filled = |octet: u8, len: usize| {
            pool.fill(len, |octets| {
                octets.fill(octet);
                Ok(())
            })
            .unwrap()
        };
        let first = filled(1, 2 * LONG);
        let (at, part) = (first.as_ptr(), first.slice(5..10));
        drop(first);
        assert_eq!(pool.free.lock().len(), 0, "a part is in use");
        drop(part);
        let second = filled(2, LONG);
        assert_eq!((second.as_ptr(), &second[..]), (at, &[2; LONG][..]));
        assert!(pool.fill(LONG, |_| Err(io::ErrorKind::Other.into())).is_err());
        assert_eq!(pool.try_fill(LONG, |_| Ok(false)).unwrap(), None);
        drop(second);
        assert_eq!(filled(3, 10), &[3; 10][..]);
        drop((0..100).map(|_| filled(4, LONG)).collect::<Vec<_>>());
        assert!(pool.free.lock().iter().map(Vec::len).sum::<usize>() <= KEEP);
    }
}
