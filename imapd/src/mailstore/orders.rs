//! Orders and threads of whole mailboxes, kept for the next SORT and THREAD.
//!
//! What messages are sorted and threaded by never changes, so an order holds as long as the messages are the same. Which
//! messages those are is told by the list of UIDs itself: it is shared by all sessions that are up to date, and another
//! one when anything comes or goes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::open::OpenMailbox;
use crate::syntax::sort_key::{SortKey, ThreadAlgorithm};

/// The messages of a session, in order of their numbers.
pub type Uids = Arc<Vec<u32>>;
/// Positions in the list of UIDs, in order of sort keys.
pub type Order = Arc<Vec<u32>>;

/// Orders, and threads, kept of one mailbox: those of one or two clients.
const MOST: usize = 4;

/// Threads as they were shown, of which messages, by which algorithm and whether as UIDs.
type KeptThread = ((ThreadAlgorithm, bool), Uids, Bytes);

/// Orders and threads of one mailbox, the latest last.
#[derive(Debug, Default)]
pub(super) struct Orders {
    orders: Mutex<VecDeque<(Vec<SortKey>, Uids, Order)>>,
    threads: Mutex<VecDeque<KeptThread>>,
}

fn find<K: PartialEq, T: Clone>(kept: &VecDeque<(K, Uids, T)>, key: &K, uids: &Uids) -> Option<T> {
    let same = |(k, u, _): &&(K, Uids, T)| k == key && Arc::ptr_eq(u, uids);
    kept.iter().find(same).map(|(_, _, made)| made.clone())
}

fn keep<K: PartialEq, T>(kept: &mut VecDeque<(K, Uids, T)>, key: K, uids: &Uids, made: T) {
    kept.retain(|(k, _, _)| *k != key);
    if kept.len() >= MOST {
        kept.pop_front();
    }
    kept.push_back((key, uids.clone(), made));
}

impl Orders {
    pub(super) fn clear(&self) {
        self.orders.lock().clear();
        self.threads.lock().clear();
    }
}

impl OpenMailbox {
    /// The order of all these messages by sort keys, when it was made before.
    pub fn known_order(&self, keys: &Vec<SortKey>, uids: &Uids) -> Option<Order> {
        find(&self.orders.orders.lock(), keys, uids)
    }

    /// Keeps the order of all these messages.
    pub fn keep_order(&self, keys: Vec<SortKey>, uids: &Uids, order: Order) {
        keep(&mut self.orders.orders.lock(), keys, uids, order);
    }

    /// The threads of all these messages as they are shown, when they were made before.
    pub fn known_threads(&self, algorithm: ThreadAlgorithm, by_uid: bool, uids: &Uids) -> Option<Bytes> {
        find(&self.orders.threads.lock(), &(algorithm, by_uid), uids)
    }

    /// Keeps the threads of all these messages as they are shown.
    pub fn keep_threads(&self, algorithm: ThreadAlgorithm, by_uid: bool, uids: &Uids, shown: Bytes) {
        keep(&mut self.orders.threads.lock(), (algorithm, by_uid), uids, shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_at_and_past_the_limit_and_for_the_same_messages_only() {
        let uids: Uids = Arc::new(vec![1, 2]);
        let mut kept = VecDeque::new();
        for n in 0..MOST {
            keep(&mut kept, n, &uids, n);
        }
        assert_eq!(find(&kept, &0, &uids), Some(0));
        keep(&mut kept, MOST, &uids, MOST);
        assert_eq!((find(&kept, &0, &uids), find(&kept, &MOST, &uids)), (None, Some(MOST)));
        // As many messages of the same UIDs, but of another moment.
        assert_eq!(find(&kept, &MOST, &Arc::new(vec![1, 2])), None);
        keep(&mut kept, MOST, &uids, 7);
        assert_eq!((find(&kept, &MOST, &uids), kept.len()), (Some(7), MOST));
    }
}
