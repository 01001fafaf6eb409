//! How many connections an address and a user may have, and all together.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::vm::UserId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    All,
    Peer(IpAddr),
    User(UserId),
}

/// Counts connections.
#[derive(Debug)]
pub struct ConnectionLimits {
    /// Connections together.
    pub total: usize,
    /// Connections from one address: many clients may sit behind one.
    pub per_address: usize,
    /// Connections of one user: some clients open one a folder.
    pub per_user: usize,
    counts: Mutex<HashMap<Key, usize>>,
}

/// A place that is taken; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    limits: Arc<ConnectionLimits>,
    key: Key,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self::new(50_000, 20_000, 1_000)
    }
}

impl ConnectionLimits {
    /// With these limits.
    pub fn new(total: usize, per_address: usize, per_user: usize) -> Self {
        Self { total, per_address, per_user, counts: Mutex::default() }
    }

    fn take(self: &Arc<Self>, key: Key, most: usize) -> Option<Slot> {
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Slot { limits: self.clone(), key })
    }

    /// A place for a connection from `peer`: one of all, one of its address.
    pub fn connection(self: &Arc<Self>, peer: IpAddr) -> Option<(Slot, Slot)> {
        Some((self.take(Key::All, self.total)?, self.take(Key::Peer(peer), self.per_address)?))
    }

    /// A place for a session of `user`.
    pub fn user(self: &Arc<Self>, user: UserId) -> Option<Slot> {
        self.take(Key::User(user), self.per_user)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.limits.counts.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_and_past_and_given_back() {
        let limits = Arc::new(ConnectionLimits::new(3, 2, 1));
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let one = limits.connection(a).unwrap();
        let _two = limits.connection(a).unwrap();
        assert!(limits.connection(a).is_none());
        let _three = limits.connection(b).unwrap();
        assert!(limits.connection(b).is_none());
        drop(one);
        assert!(limits.connection(b).is_some());
        let user = UserId::new("ALICE").unwrap();
        let held = limits.user(user).unwrap();
        assert!(limits.user(user).is_none());
        drop(held);
        assert!(limits.user(user).is_some());
    }
}
