//! Verified credentials, remembered as keyed digests so that a client that logs in often costs no password hash.
//!
//! Only what the password check accepted gets in; it leaves after [`CredentialCache::LIFE`], when it is forgotten, or
//! when the cache is full. The key never leaves the process, so a digest is of no use outside it.

use std::collections::HashMap;
use std::time::Duration;

use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::vm::UserId;

/// The cache.
pub struct CredentialCache {
    key: [u8; 32],
    known: Mutex<HashMap<UserId, ([u8; 32], Duration)>>,
}

impl CredentialCache {
    /// How long a credential is good: a password that was changed elsewhere works that much longer at most.
    pub const LIFE: Duration = Duration::from_secs(600);
    /// Most users remembered.
    pub const MAX_USERS: usize = 100_000;

    /// An empty cache with a random key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, known: Mutex::default() }
    }

    fn digest(&self, user: UserId, password: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .expect("HMAC takes keys of any length, this one of 32 octets");
        mac.update(user.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(password);
        mac.finalize().into_bytes().into()
    }

    /// Whether that password was accepted for that user lately.
    pub fn knows(&self, user: UserId, password: &[u8], now: Duration) -> bool {
        let held = self.known.lock().get(&user).copied();
        held.is_some_and(|(digest, until)| {
            now < until && bool::from(digest.ct_eq(&self.digest(user, password)))
        })
    }

    /// Remembers an accepted password.
    pub fn remember(&self, user: UserId, password: &[u8], now: Duration) {
        let digest = self.digest(user, password);
        let mut known = self.known.lock();
        if known.len() >= Self::MAX_USERS {
            known.retain(|_, (_, until)| now < *until);
            if known.len() >= Self::MAX_USERS {
                known.clear();
            }
        }
        known.insert(user, (digest, now + Self::LIFE));
    }

    /// Forgets one user, or all.
    pub fn forget(&self, user: Option<UserId>) {
        let mut known = self.known.lock();
        match user {
            Some(user) => {
                known.remove(&user);
            }
            None => known.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_its_life() {
        let cache = CredentialCache::new([7; 32]);
        let (a, b) = (UserId::new("ALICE").unwrap(), UserId::new("BOB").unwrap());
        cache.remember(a, b"pw", Duration::ZERO);
        assert!(cache.knows(a, b"pw", Duration::ZERO));
        assert!(cache.knows(a, b"pw", CredentialCache::LIFE - Duration::from_nanos(1)));
        assert!(!cache.knows(a, b"pw", CredentialCache::LIFE));
        assert!(!cache.knows(a, b"other", Duration::ZERO));
        assert!(!cache.knows(b, b"pw", Duration::ZERO));
        cache.forget(Some(a));
        assert!(!cache.knows(a, b"pw", Duration::ZERO));
    }
}
