//! Room in storage group 1: what the catalog takes of its disk, against the size that its minidisks may have.
//!
//! The catalog's disk grows in steps far larger than what is in use of it, and how much that is only a walk through all its tables
//! tells. So an upper bound is carried on: what the last walk found and what commits brought since. A commit that would pass the size by
//! that bound has the catalog folded and walked; then it is refused, if it brings anything and there is really no room for it.
//! Without a size none of this is done.
//!
//! With a million files a walk takes a quarter of a second, in which nothing is committed. So each must be worth it: group 1 is full
//! when less than a [`STEP`]th of it is left, and stays so until as much was given back.
//!
//! Commits of one batch do not wait for each other here: the last ones may take a few blocks too many.

use super::apply::{Applier, Commit};
use super::error::PoolError;
use super::op::Op;
use super::row;
use crate::types::{BLOCK, StorageGroup};

/// How much more of a tree's pages rows take than their octets: pages are at least about half full.
const SPREAD: u64 = 2;
/// Octets that a row takes beside key and value.
const PER_ROW: u64 = 24;
/// Parts of the size of group 1, one of which must have come or gone between two walks. With a million files that is a walk for some
/// thousand of them, so walks take less of the time than their commits do; and less than half a percent of the group stays empty.
const STEP: u64 = 256;

/// What is known of the catalog's use of its disk.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Octets that the last walk found in use; before the first one the length of the disk.
    found: Option<u64>,
    /// Octets that came since, at most.
    since: u64,
    /// Nothing was changed since the last walk.
    exact: bool,
    /// Octets given back since the last walk refused a commit; `None`: others were let through since.
    given_back: Option<u64>,
}

impl Room {
    /// The catalog has changed.
    pub(crate) fn note_change(&mut self) {
        self.exact = false;
    }
}

/// Octets of the catalog that a change may take.
fn octets(op: &Op) -> u64 {
    let row = match op {
        Op::PutSpace { .. } => 128,
        Op::PutDir { .. } => 24 + 17,
        Op::PutFile { rec, .. } => 24 + 63 + 16 * rec.slices.len() as u64,
        Op::PutBody { rec, .. } => 8 + 18 + 4 * rec.crcs.len() as u64,
        Op::PutRecords { data, .. } => data.len() as u64 + 16,
        Op::Row { key, value: Some(value) } => (key.len() + value.len()) as u64,
        _ => return 0,
    };
    row + PER_ROW
}

/// Octets of the catalog that a change gives back, about.
fn given_back(op: &Op) -> u64 {
    match op {
        Op::DelSpace { .. } => 128 + PER_ROW,
        Op::DelDir { .. } => 24 + 17 + PER_ROW,
        Op::DelFile { .. } => 24 + 63 + 16 + PER_ROW,
        Op::RefBody { delta, .. } if *delta < 0 => 8 + 18 + 4 + PER_ROW,
        Op::Row { value: None, .. } => 24 + PER_ROW,
        // However many there are.
        Op::CutRecords { .. } | Op::DropRows { .. } => u64::MAX,
        _ => 0,
    }
}

/// Whether a commit is let through in any case: the end of a prepared work unit, which had its room then, and a minidisk, which may be
/// what is missing.
fn is_needed(ops: &[Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Row { key, value: None } => row::is_prepared(key),
        Op::Row { key, value: Some(_) } => row::is_minidisk(key),
        _ => false,
    })
}

impl Applier {
    /// Octets of the catalog's disk that are in use, at most.
    pub(crate) fn catalog_in_use(&mut self) -> Result<u64, PoolError> {
        let found = match self.room.found {
            Some(found) => found,
            None => self.catalog_blocks()?.saturating_mul(BLOCK),
        };
        self.room.found = Some(found);
        Ok(found.saturating_add(self.room.since))
    }

    /// [`Self::catalog_in_use`], looked at when the bound is above what `size` blocks have room for.
    pub(super) fn catalog_in_use_of(&mut self, size: u64) -> Result<u64, PoolError> {
        if self.catalog_in_use()? > size.saturating_mul(BLOCK) && !self.room.exact {
            self.walk_catalog()?;
        }
        self.catalog_in_use()
    }

    /// Takes the room that a commit needs.
    ///
    /// # Errors
    /// [`PoolError::GroupFull`] when group 1 has a size, and the commit brings what would pass it.
    pub(super) fn take_room(&mut self, commit: &Commit) -> Result<(), PoolError> {
        let Some(size) = self.groups()?.catalog_size() else { return Ok(()) };
        let need = commit.ops.iter().map(octets).sum::<u64>().saturating_mul(SPREAD);
        let size = size.saturating_mul(BLOCK);
        if need > 0 && !is_needed(&commit.ops) {
            self.look_for_room(need, size)?;
        }
        self.room.since = self.room.since.saturating_add(need);
        self.room.given_back = match self.room.given_back {
            Some(octets) if need == 0 => {
                Some(commit.ops.iter().map(given_back).fold(octets, u64::saturating_add))
            }
            _ => None,
        };
        Ok(())
    }

    /// Whether there is room for `need` octets more.
    fn look_for_room(&mut self, need: u64, size: u64) -> Result<(), PoolError> {
        let step = size / STEP;
        let full = |in_use: u64| in_use.saturating_add(need).saturating_add(step) > size;
        let in_use = self.catalog_in_use()?;
        let refused = self.room.given_back;
        if in_use.saturating_add(need) <= size && !(refused.is_some() && full(in_use)) {
            return Ok(());
        }
        if !self.room.exact && refused.is_none_or(|octets| octets >= step) {
            self.walk_catalog()?;
            self.room.given_back = None;
        }
        if full(self.catalog_in_use()?) {
            self.room.given_back.get_or_insert(0);
            return Err(PoolError::GroupFull(StorageGroup::CATALOG));
        }
        Ok(())
    }

    /// Brings everything to the catalog's disk and looks how much of it is in use.
    fn walk_catalog(&mut self) -> Result<(), PoolError> {
        let mut upto = None;
        while let (position, Some(fold)) = self.keep_all(upto)? {
            upto = Some(position);
            fold.wait();
        }
        let found = self.folds().octets_in_use()?;
        self.room = Room { found: Some(found), since: 0, exact: true, given_back: self.room.given_back };
        Ok(())
    }
}
