//! NORECOVER files with INPLACE: a record that is rewritten is there for everybody as soon as it is written, whatever becomes of the
//! work unit. Records that are added become visible with the commit, as in any other file.
//!
//! The rewritten records are committed by themselves; the work unit keeps its lock on the file, and everything else it has changed.
//! Readers that have the file open go on seeing what they opened. Of a file that the same work unit has copied, rewritten records wait
//! for the commit: the copy shares what is stored. Source: "File Mode Number 6", "Recoverability".

use std::collections::HashSet;

use super::catalog::{BodyId, DirId, Name16};
use super::commit::{self, Free, log_error};
use super::draft::{Content, Draft, FileChange, Overlay};
use super::error::PoolError;
use super::image::{Image, Source};
use super::spill::Spilled;
use super::unit::{State, Token, WorkUnit, load_committed};

impl FileChange {
    /// An in-place file with nothing but rewritten records.
    fn rewritten(&self) -> bool {
        let (Some(base), Some(draft)) = (&self.base, &self.now) else { return false };
        let in_place = base.in_place && !base.recover && draft.rec.in_place && !draft.rec.recover;
        in_place && base.file == draft.rec.file && base.records == draft.rec.records
    }
}

impl State {
    fn rewritten(&self, token: Token) -> bool {
        let Some(file) = self.files.get(&token.0).filter(|f| f.writes) else { return false };
        let change = self.overlay.files.get(&file.key).filter(|change| change.rewritten());
        change.is_some_and(|change| !self.is_shared(&file.key, change))
    }

    /// Whether another file as this unit would leave it shares what is stored of a file.
    fn is_shared(&self, key: &(DirId, Name16), change: &FileChange) -> bool {
        let slices = change.base.iter().flat_map(|base| &base.slices);
        let stored: HashSet<BodyId> = slices.map(|slice| slice.body).collect();
        let mut others = self.overlay.files.iter().filter(|(other, _)| *other != key);
        others.any(|(_, other)| other.now.as_ref().is_some_and(|draft| draft.names_any(&stored)))
    }

    /// What of the spilled bodies an image names.
    fn spilled_in(&mut self, image: &Image, writing: super::writers::Writing) -> Option<Spilled> {
        let spilled = self.overlay.spilled.as_mut()?;
        let named = image.stretches().filter_map(|(source, _)| match source {
            Source::Stored { body, .. } => spilled.bodies.remove_entry(&body.id),
            _ => None,
        });
        // The mark that was there before stays with the work unit and keeps these too.
        Some(Spilled { bodies: named.collect(), writing })
    }
}

impl WorkUnit {
    /// Whether records of an in-place file were rewritten that [`Self::publish`] is to make visible.
    pub fn wants_publishing(&self, token: Token) -> bool {
        let state = self.state.lock();
        !state.busy && state.rewritten(token)
    }

    /// Makes rewritten records of an in-place file durable and visible. The file stays open and locked. To be run to its end: who
    /// may be cancelled gives it a task of its own.
    ///
    /// # Errors
    /// As a commit; the work unit is to be rolled back then.
    pub async fn publish(&self, token: Token) -> Result<(), PoolError> {
        let inner = &self.inner;
        let (key, overlay, _free) = {
            let mut state = self.state.lock();
            if state.busy || !state.rewritten(token) {
                return Ok(());
            }
            let key = state.files.get(&token.0).ok_or(PoolError::NotOpen)?.key;
            let change = state.overlay.files.get(&key).ok_or(PoolError::NotOpen)?;
            let alone = FileChange {
                space: change.space.clone(),
                base: change.base.clone(),
                now: change.now.clone(),
            };
            let mut overlay = Overlay::default();
            if let Some(Content::Image(image)) = alone.now.as_ref().map(|d| &d.content) {
                overlay.spilled = state.spilled_in(image, inner.writers.enter());
            }
            overlay.files.insert(key, alone);
            state.busy = true;
            (key, overlay, Free(self))
        };
        let plan = commit::plan(inner, overlay)?;
        let commit = commit::finish(inner, plan, inner.new_locks()).await?;
        inner.log.submit(commit).await.map_err(log_error)??;
        let (rec, content) = load_committed(inner, key, false)?.ok_or(PoolError::NoFile)?;
        let mut state = self.state.lock();
        if let Some(change) = state.overlay.files.get_mut(&key) {
            change.base = Some(Box::new(rec.clone()));
            change.now = Some(Box::new(Draft { rec, content }));
        }
        Ok(())
    }
}
