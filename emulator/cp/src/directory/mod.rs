//! The user directory: who may log on, with what machine and which authorities.
//!
//! [`source`] reads USER DIRECT, [`object`] writes and reads the object directory, [`entry`] is what both give:
//! a [`DirectoryImage`] that CP holds and swaps as a whole when a new one goes on line. Nothing here opens a file.

use std::collections::HashMap;
use std::sync::Arc;

use crate::name::UserId;

mod builder;
pub mod challenge;
pub mod entry;
mod grammar;
mod md5;
pub mod object;
pub mod password;
pub mod source;

pub use entry::*;
pub use password::Verifier;

/// The directory as CP uses it: immutable, shared, replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryImage {
    entries: HashMap<UserId, Arc<DirectoryEntry>>,
    order: Vec<UserId>,
}

impl DirectoryImage {
    /// An image of `entries`, in their order; a second entry of the same user id replaces the first.
    pub fn new(entries: impl IntoIterator<Item = DirectoryEntry>) -> Self {
        let mut image = Self::default();
        for entry in entries {
            let userid = entry.userid;
            if image.entries.insert(userid, Arc::new(entry)).is_none() {
                image.order.push(userid);
            }
        }
        image
    }

    /// The entry of `userid`.
    pub fn get(&self, userid: UserId) -> Option<Arc<DirectoryEntry>> {
        self.entries.get(&userid).cloned()
    }

    /// All entries in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DirectoryEntry>> {
        self.order.iter().filter_map(|userid| self.entries.get(userid))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Spends the time that checking a password takes, for a user who is not there: nobody learns from the time of an
/// answer which users there are.
pub fn spend_check(password: &str) {
    password::ArgonHash::spend(password);
}

impl Password {
    /// Whether `password` is the user's own. Costs what [`password::ArgonHash::verify`] costs.
    pub fn verify(&self, password: &str) -> bool {
        match self {
            Password::Hashed(verifier) => verifier.verify(password),
            Password::NoLog | Password::NoPass | Password::AutoOnly | Password::LbyOnly => false,
        }
    }
}
