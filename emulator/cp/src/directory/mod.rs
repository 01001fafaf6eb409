//! The user directory: entries by user id.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name::UserId;

mod entry;
mod password;

pub use entry::*;
pub use password::Verifier;

/// The directory in use: every entry by its user id.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub struct DirectoryImage {
    entries: BTreeMap<UserId, Arc<DirectoryEntry>>,
}

impl DirectoryImage {
    /// An image of these entries; a later entry of the same user id wins.
    pub fn new(entries: Vec<DirectoryEntry>) -> Self {
        Self { entries: entries.into_iter().map(|e| (e.userid, Arc::new(e))).collect() }
    }

    /// The entry of a user.
    pub fn get(&self, user: UserId) -> Option<Arc<DirectoryEntry>> {
        self.entries.get(&user).cloned()
    }
}

impl Password {
    /// Whether `password` is the user's own.
    pub fn verify(&self, password: &str) -> bool {
        match self {
            Password::Hashed(verifier) => verifier.verify(password),
            _ => false,
        }
    }
}
