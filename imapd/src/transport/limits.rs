//! How many connections an address and a user may have, and all together.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    total: AtomicUsize,
    /// Connections from one address: many clients may sit behind one.
    per_address: AtomicUsize,
    /// Connections of one user: some clients open one a folder.
    per_user: AtomicUsize,
    counts: Mutex<HashMap<Key, usize>>,
}

/// Of what there are too many connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All together.
    All,
    /// Those of one address.
    Address,
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
        let limits = Self {
            total: AtomicUsize::default(),
            per_address: AtomicUsize::default(),
            per_user: AtomicUsize::default(),
            counts: Mutex::default(),
        };
        limits.set(total, per_address, per_user);
        limits
    }

    /// Puts other limits in force; connections that are there stay.
    pub fn set(&self, total: usize, per_address: usize, per_user: usize) {
        self.total.store(total, Ordering::Relaxed);
        self.per_address.store(per_address, Ordering::Relaxed);
        self.per_user.store(per_user, Ordering::Relaxed);
    }

    fn take(self: &Arc<Self>, key: Key, most: &AtomicUsize) -> Option<Slot> {
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        if *count >= most.load(Ordering::Relaxed) {
            return None;
        }
        *count += 1;
        Some(Slot { limits: self.clone(), key })
    }

    /// A place for a connection from `peer`: one of all, one of its address.
    ///
    /// # Errors
    /// Which of the two is not there.
    pub fn connection(self: &Arc<Self>, peer: IpAddr) -> Result<(Slot, Slot), Full> {
        let any = self.any().ok_or(Full::All)?;
        Ok((any, self.address(peer).ok_or(Full::Address)?))
    }

    /// A place for a connection of which it is not known yet where it comes from.
    pub fn any(self: &Arc<Self>) -> Option<Slot> {
        self.take(Key::All, &self.total)
    }

    /// A place for a connection from `peer`, which has one of all already.
    pub fn address(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        self.take(Key::Peer(peer), &self.per_address)
    }

    /// A place for a session of `user`.
    pub fn user(self: &Arc<Self>, user: UserId) -> Option<Slot> {
        self.take(Key::User(user), &self.per_user)
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
        assert_eq!(limits.connection(a).unwrap_err(), Full::Address);
        let _three = limits.connection(b).unwrap();
        assert_eq!(limits.connection(b).unwrap_err(), Full::All);
        drop(one);
        assert!(limits.connection(b).is_ok());
        let user = UserId::new("ALICE").unwrap();
        let held = limits.user(user).unwrap();
        assert!(limits.user(user).is_none());
        drop(held);
        let held = limits.user(user).unwrap();
        limits.set(3, 2, 2);
        let second = limits.user(user).unwrap();
        limits.set(3, 2, 1);
        drop(held);
        assert!(limits.user(user).is_none(), "one is there still");
        drop(second);
        assert!(limits.user(user).is_some());
    }
}
