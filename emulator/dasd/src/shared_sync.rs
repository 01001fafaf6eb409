//! A disk whose syncs are shared: who asks while one is under way waits for the next one, together with all others who ask.
//!
//! Invariants: a sync that returns `Ok` began after it was asked for; one that fails fails all who waited for it, and nobody else. Not
//! here: putting off a sync so that more may share it. Who is alone waits for nobody.

use std::io;
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex};

use crate::io::Disk;

/// What became of a sync.
type Outcome = Result<(), (io::ErrorKind, Arc<str>)>;

/// One sync, for all who wait for it.
#[derive(Debug, Default)]
struct Turn {
    outcome: OnceLock<Outcome>,
}

#[derive(Debug, Default)]
struct State {
    is_under_way: bool,
    /// The sync that begins next.
    next: Arc<Turn>,
}

/// A disk with shared syncs.
#[derive(Debug)]
pub(crate) struct SharedSync {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    ended: Condvar,
}

impl SharedSync {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, state: Mutex::default(), ended: Condvar::new() }
    }
}

/// The end of a sync, also of one that panics.
struct Ends<'a> {
    of: &'a SharedSync,
    turn: Arc<Turn>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        // Without effect where it has an outcome.
        let _ = self.turn.outcome.set(Err((io::ErrorKind::Other, "a sync panicked".into())));
        self.of.state.lock().is_under_way = false;
        self.of.ended.notify_all();
    }
}

fn result(outcome: &Outcome) -> io::Result<()> {
    outcome.clone().map_err(|(kind, why)| io::Error::new(kind, why.to_string()))
}

impl Disk for SharedSync {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.disk.read_at(buf, offset)
    }

    fn read_cached(&self, buf: &mut [u8], offset: u64) -> io::Result<bool> {
        self.disk.read_cached(buf, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write_at(data, offset)
    }

    fn write_parts(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.disk.write_parts(parts, offset)
    }

    fn write_parts_past_cache(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.disk.write_parts_past_cache(parts, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(len)
    }

    fn zero(&self, len: u64) -> io::Result<()> {
        self.disk.zero(len)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        // One under way may have begun before what the caller wrote.
        let turn = state.next.clone();
        loop {
            if let Some(outcome) = turn.outcome.get() {
                return result(outcome);
            }
            if !state.is_under_way {
                break;
            }
            self.ended.wait(&mut state);
        }
        state.is_under_way = true;
        state.next = Arc::default();
        drop(state);
        let ends = Ends { of: self, turn: turn.clone() };
        let done = self.disk.sync();
        let kept = match &done {
            Ok(()) => Ok(()),
            Err(error) => Err((error.kind(), error.to_string().into())),
        };
        // Nobody else has this turn to make.
        let _ = turn.outcome.set(kept);
        drop(ends);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A disk whose syncs wait for leave, and fail when that says so.
    #[derive(Debug)]
    struct Gated {
        begun: mpsc::Sender<u64>,
        leave: Mutex<mpsc::Receiver<bool>>,
        syncs: AtomicU64,
    }

    impl Disk for Gated {
        fn len(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            let number = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
            self.begun.send(number).unwrap();
            match self.leave.lock().recv().unwrap() {
                true => Ok(()),
                false => Err(io::Error::from(io::ErrorKind::StorageFull)),
            }
        }
    }

    fn gated() -> (Arc<SharedSync>, mpsc::Receiver<u64>, mpsc::Sender<bool>) {
        let ((begun, begins), (gives, leave)) = (mpsc::channel(), mpsc::channel());
        let disk = Gated { begun, leave: Mutex::new(leave), syncs: AtomicU64::new(0) };
        (Arc::new(SharedSync::new(Arc::new(disk))), begins, gives)
    }

    /// Waits until so many threads wait for the next sync beside the state itself.
    fn until_waiting(disk: &SharedSync, count: usize) {
        while Arc::strong_count(&disk.state.lock().next) < count + 1 {
            thread::yield_now();
        }
    }

    #[test]
    fn all_who_ask_while_one_is_under_way_share_the_next_one() {
        for fails in [false, true] {
            let (disk, begins, gives) = gated();
            thread::scope(|scope| {
                let first = scope.spawn(|| disk.sync());
                assert_eq!(begins.recv(), Ok(1));
                let others: Vec<_> = (0..5).map(|_| scope.spawn(|| disk.sync())).collect();
                until_waiting(&disk, 5);
                gives.send(true).unwrap();
                assert!(first.join().unwrap().is_ok());
                // One sync for all five, which begins when the first has ended.
                assert_eq!(begins.recv(), Ok(2));
                gives.send(!fails).unwrap();
                for other in others {
                    let done = other.join().unwrap().map_err(|error| error.kind());
                    assert_eq!(done, if fails { Err(io::ErrorKind::StorageFull) } else { Ok(()) });
                }
                // What failed is over.
                let last = scope.spawn(|| disk.sync());
                assert_eq!(begins.recv(), Ok(3));
                gives.send(true).unwrap();
                assert!(last.join().unwrap().is_ok());
            });
        }
    }

    #[test]
    fn a_sync_that_panics_leaves_nobody_waiting() {
        let (disk, begins, gives) = gated();
        let (asks, asked) = (disk.clone(), disk.clone());
        let first = thread::spawn(move || asks.sync());
        assert_eq!(begins.recv(), Ok(1));
        let second = thread::spawn(move || asked.sync());
        until_waiting(&disk, 1);
        // Without leave the first panics, and so does the second, whose turn it is then.
        drop(gives);
        assert!(first.join().is_err());
        assert!(second.join().is_err());
        assert!(!disk.state.lock().is_under_way);
    }
}
