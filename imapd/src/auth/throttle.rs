//! Slowing down guesses: each failure from an address or for a user doubles the time of the next try.
//!
//! The table is bounded; when it is full the oldest quarter goes, which only makes us more patient.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::vm::UserId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Peer(IpAddr),
    User(UserId),
}

/// Failures of late.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: Mutex<HashMap<Who, (u32, Duration)>>,
    waiting: Mutex<HashMap<IpAddr, usize>>,
}

/// A login that waits; no longer when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    throttle: &'a Throttle,
    peer: IpAddr,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.throttle.waiting.lock();
        if let Some(count) = waiting.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}

impl Throttle {
    /// Failures that cost nothing: people mistype.
    pub const FREE: u32 = 2;
    /// Delay of the first failure that counts.
    pub const FIRST: Duration = Duration::from_millis(500);
    /// Longest delay.
    pub const LONGEST: Duration = Duration::from_secs(15);
    /// A failure is forgotten after this long without another.
    pub const MEMORY: Duration = Duration::from_secs(900);
    /// Most addresses and users remembered.
    pub const MAX_ENTRIES: usize = 20_000;

    /// Logins of one address that may wait at once; with more, waiting would slow nobody down who tries many at once.
    pub const MAX_WAITING: usize = 10;

    /// A place to wait in; `None` when too many of that address wait.
    pub fn wait(&self, peer: IpAddr) -> Option<Turn<'_>> {
        let mut waiting = self.waiting.lock();
        let count = waiting.entry(peer).or_insert(0);
        if *count == Self::MAX_WAITING {
            return None;
        }
        *count += 1;
        Some(Turn { throttle: self, peer })
    }

    /// How long the next try has to wait.
    pub fn delay(&self, peer: IpAddr, user: Option<UserId>, now: Duration) -> Duration {
        let failures = self.failures.lock();
        let count = |who: Who| match failures.get(&who) {
            Some((n, at)) if now.saturating_sub(*at) < Self::MEMORY => *n,
            _ => 0,
        };
        let worst = count(Who::Peer(peer)).max(user.map_or(0, |u| count(Who::User(u))));
        match worst.checked_sub(Self::FREE) {
            None | Some(0) => Duration::ZERO,
            Some(n) => Self::FIRST.saturating_mul(1 << (n - 1).min(10)).min(Self::LONGEST),
        }
    }

    /// Counts a failure.
    pub fn failed(&self, peer: IpAddr, user: Option<UserId>, now: Duration) {
        let mut failures = self.failures.lock();
        if failures.len() >= Self::MAX_ENTRIES {
            let mut times: Vec<Duration> = failures.values().map(|(_, at)| *at).collect();
            times.sort_unstable();
            let limit = times[times.len() / 4];
            failures.retain(|_, (_, at)| *at > limit);
        }
        for who in [Some(Who::Peer(peer)), user.map(Who::User)].into_iter().flatten() {
            let entry = failures.entry(who).or_insert((0, now));
            if now.saturating_sub(entry.1) >= Self::MEMORY {
                entry.0 = 0;
            }
            *entry = (entry.0.saturating_add(1), now);
        }
    }

    /// Forgives after a good login.
    pub fn succeeded(&self, peer: IpAddr, user: UserId) {
        let mut failures = self.failures.lock();
        failures.remove(&Who::Peer(peer));
        failures.remove(&Who::User(user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_forgets() {
        let t = Throttle::default();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(t.delay(peer, None, Duration::ZERO).as_millis());
            t.failed(peer, None, Duration::ZERO);
        }
        assert_eq!(seen, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
        assert!(t.delay(peer, None, Throttle::MEMORY).is_zero());
        t.succeeded(peer, UserId::new("A").unwrap());
        assert!(t.delay(peer, None, Duration::ZERO).is_zero());
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let t = Throttle::default();
        let (peer, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut turns: Vec<_> = (0..Throttle::MAX_WAITING).map(|_| t.wait(peer).unwrap()).collect();
        assert!(t.wait(peer).is_none() && t.wait(other).is_some());
        turns.pop();
        assert!(t.wait(peer).is_some());
        turns.clear();
        assert!(t.waiting.lock().is_empty());
    }

    #[test]
    fn table_is_bounded() {
        let t = Throttle::default();
        for i in 0..Throttle::MAX_ENTRIES as u32 + 10 {
            t.failed(IpAddr::from(i.to_be_bytes()), None, Duration::from_secs(u64::from(i)));
        }
        assert!(t.failures.lock().len() <= Throttle::MAX_ENTRIES);
    }
}
