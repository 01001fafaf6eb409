//! What is done to files: purge, change, order, transfer, and the seen marks.
//!
//! Each marks the files it changes, logs the change, and the mark ends with it; a file that is read or changed by
//! somebody else is left alone.

use std::collections::HashMap;

use bytes::Bytes;
use cp::name::UserId;

use super::layout::Op;
use super::{Event, MAX_OPS, Spool};
use crate::error::SpoolError;
use crate::file::{Queue, SharedFile, SpoolFile, UniqueId};

impl Spool {
    /// Purges files; those that are in use stay. Returns how many are gone.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk; files of earlier entries may be gone then.
    pub async fn purge(&self, files: &[SharedFile]) -> Result<usize, SpoolError> {
        let mut done = 0;
        for part in files.chunks(MAX_OPS) {
            let marked = part.iter().filter_map(|f| self.begin_change(f).ok());
            let ops: Vec<Op> = marked.map(|f| Op::Purge(f.unique)).collect();
            if ops.is_empty() {
                continue;
            }
            let count = ops.len();
            self.commit(ops, Bytes::new(), |_, done| done).await??;
            done += count;
        }
        Ok(done)
    }

    /// Purges a file that the caller has open.
    pub(crate) async fn purge_active(&self, unique: UniqueId) -> Result<(), SpoolError> {
        self.commit(vec![Op::Purge(unique)], Bytes::new(), |_, done| done).await?
    }

    /// Replaces a file that has been marked as changing (or that the caller has open) by `changed`.
    pub(crate) async fn replace(&self, changed: SpoolFile) -> Result<(), SpoolError> {
        self.commit(vec![Op::Put(Box::new(changed))], Bytes::new(), |_, done| done).await?
    }

    /// Changes attributes of files; those in use stay as they are. Returns how many were changed.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk.
    pub async fn change(
        &self,
        files: &[SharedFile],
        change: impl Fn(&mut SpoolFile) + Send + Sync,
    ) -> Result<usize, SpoolError> {
        let mut done = 0;
        for part in files.chunks(MAX_OPS) {
            let mut released = Vec::new();
            let mut ops = Vec::new();
            for file in part {
                let Ok(current) = self.begin_change(file) else { continue };
                let mut changed = (*current).clone();
                change(&mut changed);
                if current.hold.is_held() && !changed.hold.is_held() {
                    released.push(changed.unique);
                }
                ops.push(Op::Put(Box::new(changed)));
            }
            let count = ops.len();
            if count == 0 {
                continue;
            }
            self.commit(ops, Bytes::new(), move |spool, done| {
                done?;
                for unique in released {
                    let file = spool.index.lock().held(unique).map(|held| held.file.clone());
                    if let Some(file) = file {
                        spool.notify(&file, Event::Released);
                    }
                }
                Ok::<(), SpoolError>(())
            })
            .await??;
            done += count;
        }
        Ok(done)
    }

    /// Moves files to the head of their queue, in the order given. Returns how many were moved.
    ///
    /// # Errors
    /// [`SpoolError`] of the disk.
    pub async fn order(&self, files: &[SharedFile]) -> Result<usize, SpoolError> {
        // The last of them goes to the head first, so that the first ends up before it.
        let mut orders: HashMap<UniqueId, i64> = HashMap::new();
        {
            let mut index = self.index.lock();
            for file in files.iter().rev() {
                orders.insert(file.unique, index.head_order());
            }
        }
        self.change(files, |file| {
            if let Some(order) = orders.get(&file.unique) {
                file.order = *order;
            }
        })
        .await
    }

    /// Gives a file to another user or queue: it gets a number of the new owner's, keeps origin, data and attributes,
    /// and stands last in its new queue. Durable and announced on return. `by` is who does it.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::NoFile`], [`SpoolError::TooMany`], or of the disk.
    pub async fn transfer(
        &self,
        file: &SharedFile,
        by: UserId,
        to: UserId,
        queue: Queue,
    ) -> Result<SharedFile, SpoolError> {
        let limit = self.limit_of(to);
        let current = self.begin_change(file)?;
        let mut changed = (*current).clone();
        let moved = to != current.owner;
        {
            let mut index = self.index.lock();
            if moved {
                let Some(id) = index.reserve_id(to, limit) else {
                    drop(index);
                    self.end_change(file.unique);
                    return Err(SpoolError::TooMany(to));
                };
                changed.id = id;
            }
            changed.order = index.new_order();
        }
        changed.owner = to;
        changed.queue = queue;
        let (unique, id) = (changed.unique, changed.id);
        let event = Event::Transferred { by, from: current.owner, was: current.id, queue: current.queue };
        self.commit(vec![Op::Put(Box::new(changed))], Bytes::new(), move |spool, done| {
            if let Err(error) = done {
                if moved {
                    spool.index.lock().release_id(to, id);
                }
                return Err(error);
            }
            let file = spool.index.lock().held(unique).map(|held| held.file.clone());
            let file = file.ok_or(SpoolError::NoFile(id))?;
            spool.notify(&file, event);
            Ok(file)
        })
        .await?
    }
}

/// The marks of files that have been looked at.
impl Spool {
    /// The first file of a queue that nobody has looked at and that may be read.
    pub(crate) fn next_unseen(&self, owner: UserId, queue: Queue) -> Option<SharedFile> {
        let index = self.index.lock();
        let eligible = |file: &&SharedFile| {
            let held = index.held(file.unique);
            held.is_some_and(|held| !held.seen && !held.active && !held.changing) && !file.hold.is_held()
        };
        index.queue(owner, queue).find(eligible).cloned()
    }

    /// Marks a file as looked at.
    pub(crate) fn mark_seen(&self, unique: UniqueId) {
        if let Some(held) = self.index.lock().held_mut(unique) {
            held.seen = true;
        }
    }

    /// Whether nobody has looked at a file yet.
    pub(crate) fn is_unseen(&self, unique: UniqueId) -> bool {
        self.index.lock().held(unique).is_some_and(|held| !held.seen)
    }

    /// Makes all files of a queue unseen again.
    pub(crate) fn reset_seen(&self, owner: UserId, queue: Queue) {
        let mut index = self.index.lock();
        let files: Vec<UniqueId> = index.queue(owner, queue).map(|file| file.unique).collect();
        for unique in files {
            if let Some(held) = index.held_mut(unique) {
                held.seen = false;
            }
        }
    }
}
