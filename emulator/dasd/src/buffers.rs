//! Buffers for long reads, used again: a fresh one of that size costs the host more in new pages than the read itself.
//!
//! A buffer comes back when the last [`Bytes`] over it is dropped. What it held before is never seen: a read fills it as
//! far as it is given out, or fails. Short reads get memory of their own.
//!
//! Where in a page a buffer begins matters: see [`lead`].

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Reads from this length on use a buffer of the pool.
const LONG: usize = 128 << 10;
/// Octets that may wait in the pool: some reads of the length that the file pool server and its callers use.
const KEEP: usize = 8 << 20;

/// Octets of a page of memory and of the host's cache.
const PAGE: usize = 4096;
/// Reads from this length on are led past a slow place; a shorter one loses less than the longer buffer costs.
const LED: usize = 2048;
/// How far a copy's destination must be behind its source, modulo a page.
const APART: usize = 32;

/// Octets to leave free at the beginning of a buffer at `address` for what the host keeps at `offset`.
///
/// Processors of one make copy long strings four to thirty times slower when the destination begins 1 to 31 octets behind the source
/// modulo a page, and the host copies out of its cache in just this way. A buffer from the system's allocator often begins 16 octets
/// behind a page.
fn lead(address: usize, offset: u64) -> usize {
    // Only what is within a page counts.
    let behind = address.wrapping_sub(offset as usize) % PAGE;
    if (1..APART).contains(&behind) { APART } else { 0 }
}

/// Buffers that wait for the next read.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer in use.
struct Lent {
    octets: Vec<u8>,
    from: usize,
    len: usize,
    pool: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.octets[self.from..self.from + self.len]
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
    /// `len` octets that `read` fills with what the host keeps at `offset`.
    ///
    /// # Errors
    /// That of `read`.
    pub(crate) fn fill(
        self: &Arc<Self>,
        offset: u64,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Bytes> {
        self.try_fill(offset, len, |octets| read(octets).map(|()| true)).map(Option::unwrap_or_default)
    }

    /// The same; `None` when `read` says that it has not read.
    ///
    /// # Errors
    /// That of `read`.
    pub(crate) fn try_fill(
        self: &Arc<Self>,
        offset: u64,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<bool>,
    ) -> io::Result<Option<Bytes>> {
        if len < LED {
            let mut octets = vec![0; len];
            return Ok(read(&mut octets)?.then(|| octets.into()));
        }
        if len < LONG {
            let mut octets = vec![0; len + APART];
            let from = lead(octets.as_ptr() as usize, offset);
            let done = read(&mut octets[from..from + len])?;
            return Ok(done.then(|| Bytes::from(octets).slice(from..from + len)));
        }
        let octets = self.take(len + APART);
        let from = lead(octets.as_ptr() as usize, offset);
        let mut lent = Lent { octets, from, len, pool: self.clone() };
        Ok(read(&mut lent.octets[from..from + len])?.then(|| Bytes::from_owner(lent)))
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
            pool.fill(0, len, |octets| {
                assert_eq!(octets.len(), len);
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
        assert!(pool.fill(0, LONG, |_| Err(io::ErrorKind::Other.into())).is_err());
        assert_eq!(pool.try_fill(0, LONG, |_| Ok(false)).unwrap(), None);
        drop(second);
        assert_eq!(filled(3, 10), &[3; 10][..]);
        drop((0..100).map(|_| filled(4, LONG)).collect::<Vec<_>>());
        assert!(pool.free.lock().iter().map(Vec::len).sum::<usize>() <= KEEP);
    }

    #[test]
    fn no_buffer_begins_a_little_behind_what_is_read() {
        assert_eq!(lead(3 * PAGE + 16, 5 * PAGE as u64), APART);
        assert_eq!(lead(PAGE, 2 * PAGE as u64), 0);
        assert_eq!((lead(PAGE + APART - 1, 0), lead(PAGE + APART, 0)), (APART, 0));
        assert_eq!((lead(PAGE, 1), lead(PAGE, PAGE as u64 - 1)), (0, APART));
        let pool = Arc::new(Buffers::default());
        for len in [LED - 1, LED, LONG - 1, LONG, LONG + 1] {
            for offset in (0..PAGE as u64).step_by(8) {
                let read = pool.fill(offset, len, |octets| {
                    octets.fill(7);
                    Ok(())
                });
                let read = read.unwrap();
                assert_eq!(read, vec![7; len]);
                assert!(len < LED || lead(read.as_ptr() as usize, offset) == 0);
            }
        }
    }
}
