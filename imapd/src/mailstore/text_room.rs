//! `NOTE TEXT` gives way to mail.
//!
//! Texts count against the user's limit as all does that is in his file space, but nothing of his mail is refused for them:
//!
//! - a change that finds no room is tried once more in a work unit that erases all `NOTE TEXT` of the user as well, so that they are
//!   given up only where that helps;
//! - they are erased when a change was refused all the same, when a commit was told of the threshold, and when somebody asks for the
//!   figures, if less than a [`SPARE`]th of the limit is free then, or the threshold is reached: what QUOTA, SMTP and QUERY LIMITS
//!   see above that is never theirs;
//! - they are written only where that much stays free, of the limit and of the storage group; once they had to go, only where a
//!   [`SPARE_AGAIN`]th does, so that they do not come and go with each mail.
//!
//! Whoever writes `NOTE TEXT` of a user, or makes a work unit in which one goes, holds the user's turn of texts meanwhile. Not here:
//! which texts there are and when they are written ([`super::text_keep`]).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use super::backend::{Op, SpaceFigures};
use super::error::StoreError;
use super::user::UserStore;

/// One part in so many of the limit is free where there are texts.
pub const SPARE: u64 = 8;
/// The same for texts that had to go once.
pub const SPARE_AGAIN: u64 = 4;

/// What is known of a user's texts as a whole.
#[derive(Debug)]
pub(super) struct TextRoom {
    /// Held while texts are written or go.
    turn: Mutex<()>,
    /// How often all of them went: what a mailbox knows of its own it knows of one of these times.
    era: AtomicU64,
    /// There may be some.
    any: AtomicBool,
    /// They had to go once.
    went: AtomicBool,
    /// A change was refused for want of room, or a commit was told of the threshold.
    is_tight: AtomicBool,
}

impl Default for TextRoom {
    fn default() -> Self {
        Self {
            turn: Mutex::default(),
            era: AtomicU64::new(0),
            any: AtomicBool::new(true),
            went: AtomicBool::new(false),
            is_tight: AtomicBool::new(false),
        }
    }
}

/// Whether texts stay in a work unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// Those that the steps do not erase do.
    Stay,
    /// All of the users are erased first.
    Go,
}

/// Turns of texts, until what the work unit changed is seen.
pub(super) type Turns<'a> = Vec<MutexGuard<'a, ()>>;

/// Commits steps of one user, or of several, as one work unit.
///
/// # Errors
/// What the backend says; nothing is changed then.
pub(super) async fn commit<'a>(
    parts: Vec<(&'a UserStore, Vec<Op>)>,
    texts: Texts,
) -> Result<Turns<'a>, StoreError> {
    let Some(backend) = parts.first().map(|(user, _)| user.backend()) else { return Ok(Turns::new()) };
    let goes = |ops: &[Op]| texts == Texts::Go || ops.iter().any(Op::erases_texts);
    let mut erasing: Vec<&UserStore> =
        parts.iter().filter(|(_, ops)| goes(ops)).map(|(user, _)| *user).collect();
    // Always in the order of the user ids, so that two exchanges never wait for each other.
    erasing.sort_by_key(|user| user.id());
    let mut turns = Turns::with_capacity(erasing.len());
    for user in &erasing {
        turns.push(user.text_room.turn.lock().await);
    }
    let users: Vec<&UserStore> = parts.iter().map(|(user, _)| *user).collect();
    let steps = parts.into_iter().map(|(user, mut ops)| {
        if texts == Texts::Go {
            ops.insert(0, user.text_drops());
        }
        (user.id(), ops)
    });
    match backend.commit_together(steps.collect()).await {
        Ok(committed) => {
            if texts == Texts::Go {
                users.iter().for_each(|user| user.text_room.went());
            }
            if committed.is_above_threshold {
                users.iter().for_each(|user| user.text_room.is_tight.store(true, Ordering::Relaxed));
            }
            Ok(turns)
        }
        Err(error) => {
            if error.is_want_of_room() {
                users.iter().for_each(|user| user.text_room.is_tight.store(true, Ordering::Relaxed));
            }
            Err(error)
        }
    }
}

/// The same, and once more without texts when there is no room for it.
///
/// # Errors
/// What the backend says; nothing is changed then.
pub(super) async fn commit_in_room<'a>(
    parts: Vec<(&'a UserStore, Vec<Op>)>,
) -> Result<Turns<'a>, StoreError> {
    if !parts.iter().any(|(user, _)| user.text_room.any.load(Ordering::Relaxed)) {
        return commit(parts, Texts::Stay).await;
    }
    match commit(parts.clone(), Texts::Stay).await {
        Err(error) if error.is_want_of_room() => commit(parts, Texts::Go).await,
        done => done,
    }
}

impl TextRoom {
    /// All texts are gone.
    fn went(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
        self.any.store(false, Ordering::Relaxed);
        self.went.store(true, Ordering::Relaxed);
    }

    /// Waits for the turn to write texts.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Goes up whenever all texts went.
    pub(super) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Texts were written.
    pub(super) fn came(&self) {
        self.any.store(true, Ordering::Relaxed);
    }

    /// Texts were refused.
    pub(super) fn refused(&self) {
        self.went.store(true, Ordering::Relaxed);
    }
}

/// Whether so much more leaves one part in `spare` of the limit free.
fn leaves(figures: SpaceFigures, more: u64, spare: u64) -> bool {
    figures.used.saturating_add(more).saturating_add(figures.limit / spare) <= figures.limit
}

impl SpaceFigures {
    /// Whether texts may be there, with so many blocks more, when one part in `spare` of the limit is to be free.
    fn has_spare(self, more: u64, spare: u64) -> bool {
        let used = u128::from(self.used.saturating_add(more));
        let is_warned =
            self.threshold > 0 && used * 100 >= u128::from(self.limit) * u128::from(self.threshold);
        !is_warned && leaves(self, more, spare)
    }
}

impl UserStore {
    /// Whether a change that failed so is worth another try without texts.
    pub(super) fn may_make_room(&self, error: &StoreError) -> bool {
        error.is_want_of_room() && self.text_room.any.load(Ordering::Relaxed)
    }

    /// The step that erases all texts. A mailbox without messages has none.
    fn text_drops(&self) -> Op {
        let catalog = self.catalog();
        let filled = catalog.iter().filter(|row| row.selectable() && row.messages > 0);
        Op::DropTexts { dirs: filled.map(|row| row.dir.clone()).collect() }
    }

    /// Blocks in use and allowed. What is in use of the last [`SPARE`]th, or above the threshold, is not for texts: they go first.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn space(&self) -> Result<SpaceFigures, StoreError> {
        self.is_there()?;
        let figures = self.backend().space(self.id()).await?;
        if figures.has_spare(0, SPARE) || !self.text_room.any.load(Ordering::Relaxed) {
            return Ok(figures);
        }
        let _room = self.beside().await?;
        self.drop_texts().await?;
        self.backend().space(self.id()).await
    }

    /// Erases texts, if it turned out that room is scarce. The caller keeps the user from being at rest.
    pub(super) async fn make_spare(&self) {
        let room = &self.text_room;
        if !room.is_tight.swap(false, Ordering::Relaxed) || !room.any.load(Ordering::Relaxed) {
            return;
        }
        let dropped = match self.backend().space(self.id()).await {
            Ok(figures) if figures.has_spare(0, SPARE) => Ok(()),
            Ok(_) => self.drop_texts().await,
            Err(error) => Err(error),
        };
        if let Err(error) = dropped {
            tracing::debug!(user = %self.id(), %error, "texts are not given up");
        }
    }

    async fn drop_texts(&self) -> Result<(), StoreError> {
        let _turn = self.text_room.turn.lock().await;
        if self.text_room.any.load(Ordering::Relaxed) {
            self.backend().commit(self.id(), vec![self.text_drops()]).await?;
            self.text_room.went();
        }
        Ok(())
    }

    /// Whether there is room for texts of that many blocks, and for more mail.
    ///
    /// # Errors
    /// What the backend says.
    pub(super) async fn has_room_for_texts(&self, blocks: u64) -> Result<bool, StoreError> {
        let spare = if self.text_room.went.load(Ordering::Relaxed) { SPARE_AGAIN } else { SPARE };
        if !self.space().await?.has_spare(blocks, spare) {
            return Ok(false);
        }
        let group = self.backend().group_space(self.id()).await?;
        Ok(group.is_none_or(|group| leaves(group, blocks, spare)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_at_and_past_the_bound() {
        let figures = |used, limit, threshold| SpaceFigures { used, limit, threshold };
        for (spare, most) in [(SPARE, 700), (SPARE_AGAIN, 600)] {
            assert!(figures(500, 800, 90).has_spare(most - 500, spare));
            assert!(!figures(500, 800, 90).has_spare(most - 500 + 1, spare));
        }
        // A threshold below that counts, none does not.
        assert!(figures(300, 800, 50).has_spare(99, SPARE) && !figures(300, 800, 50).has_spare(100, SPARE));
        assert!(figures(700, 800, 0).has_spare(0, SPARE) && !figures(701, 800, 0).has_spare(0, SPARE));
        assert!(!figures(u64::MAX, u64::MAX, 90).has_spare(u64::MAX, SPARE), "no overflow");
    }
}
