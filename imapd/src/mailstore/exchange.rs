//! Messages that are added to a mailbox in exchange for others of another user's: both in one work unit, so that they are in one
//! mailbox or in the other whatever happens.
//!
//! A user's changes are made one work unit after the other ([`super::user`]). An exchange takes the turns of both users, always in
//! the order of their user ids, and so waits for nobody who waits for it. It does not go through their queues: a batch with it
//! would have to wait for two users, and fail for two.

use std::sync::Arc;

use super::error::StoreError;
use super::leave::Leave;
use super::open::OpenMailbox;
use super::stage::{Stage, allowed};
use super::summaries::Ready;
use super::text_room::commit_in_room;
use super::types::{NewMessage, SessionId, Uid};
use super::user::{Outcome, Untouchable, UserStore};
use crate::vm::UserId;

/// What is exchanged: each message of `from` for one that is added to `to`.
pub struct Exchange {
    /// Where messages go.
    pub from: Arc<OpenMailbox>,
    /// Those that go, with what comes for them.
    pub messages: Vec<(Uid, NewMessage)>,
    /// Where messages come.
    pub to: Arc<OpenMailbox>,
    /// Whose `\Seen` the flag of what comes is, when not that of the owner of `to`.
    pub reader: Option<UserId>,
    /// What comes is what goes: it has the flags that it has when that happens.
    pub moved: Option<Moved>,
    /// Who asks for it.
    pub by: SessionId,
}

/// On what terms an exchange is made, once the turns of both users have come.
#[derive(Clone, Default)]
pub struct Terms {
    /// What who asks must be allowed, on both sides.
    pub leave: Leave,
    /// Whether nothing goes when one of the messages is gone.
    pub all: bool,
}

/// How flags go with a message.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// Who reads, when he is not the owner of where it goes.
    pub reader: Option<UserId>,
    /// Flags that are left behind.
    pub kept: Untouchable,
}

impl Exchange {
    /// Carries it out, all or nothing; gives back old and new UIDs. A message that is gone already is not exchanged.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    pub async fn run(self) -> Result<Vec<(Uid, Uid)>, StoreError> {
        self.run_on(Terms::default()).await
    }

    /// The same, on terms.
    ///
    /// # Errors
    /// [`StoreError`], [`StoreError::Expunged`] among them; nothing is changed then.
    pub async fn run_on(self, terms: Terms) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let mut ready = Vec::with_capacity(self.messages.len());
        for (_, message) in &self.messages {
            ready.push(Ready::new(self.to.user.backend(), &message.octets).await);
        }
        // A task of its own: a client that goes away must not stop a commit half way.
        let done = tokio::spawn(self.in_turn(ready, terms)).await;
        done.map_err(|_| StoreError::Unavailable("mail store is stopping".into()))?
    }

    async fn in_turn(self, ready: Vec<Ready>, terms: Terms) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let (from, to) = (self.from.user.clone(), self.to.user.clone());
        let (first, second) = if from.id() <= to.id() { (&from, &to) } else { (&to, &from) };
        let second = (first.id() != second.id()).then_some(second);
        let _room = first.admit().await?;
        let _other_room = match second {
            Some(user) => Some(user.admit().await?),
            None => None,
        };
        let _turn = first.turn().await;
        let _other_turn = match second {
            Some(user) => Some(user.turn().await),
            None => None,
        };
        let done = self.commit((&from, &to), ready, &terms).await;
        from.make_spare().await;
        to.make_spare().await;
        done
    }

    async fn commit(
        mut self,
        (from, to): (&UserStore, &UserStore),
        ready: Vec<Ready>,
        terms: &Terms,
    ) -> Result<Vec<(Uid, Uid)>, StoreError> {
        from.grants(&terms.leave)?;
        let now = from.now();
        let mut source = Stage::new(from, now);
        let mut target = (from.id() != to.id()).then(|| Stage::new(to, now));
        let staged = self.stage(&mut source, target.as_mut(), ready, terms);
        let pairs = match staged {
            Ok(pairs) if !pairs.is_empty() => pairs,
            done => {
                target.into_iter().chain([source]).for_each(Stage::discard);
                return done;
            }
        };
        let mut parts = vec![(from, source.steps())];
        parts.extend(target.as_mut().map(|target| (to, target.steps())));
        match commit_in_room(parts).await {
            Ok(_turns) => {
                // What comes is seen before the other is gone.
                target.into_iter().chain([source]).for_each(Stage::publish);
                Ok(pairs)
            }
            Err(e) => {
                tracing::warn!(user = %from.id(), other = %to.id(), error = %e, "work unit rolled back");
                target.into_iter().chain([source]).for_each(Stage::discard);
                Err(e)
            }
        }
    }

    /// Stages the changes of both users; of one, when both are the same.
    fn stage(
        &mut self,
        source: &mut Stage<'_>,
        target: Option<&mut Stage<'_>>,
        ready: Vec<Ready>,
        terms: &Terms,
    ) -> Result<Vec<(Uid, Uid)>, StoreError> {
        let (mut gone, mut messages, mut made) = (Vec::new(), Vec::new(), Vec::new());
        for ((uid, mut message), ready) in std::mem::take(&mut self.messages).into_iter().zip(ready) {
            let reader = self.moved.and_then(|moved| moved.reader);
            let Some((system, keywords)) = source.flags(&self.from, uid, reader)? else {
                if terms.all {
                    return Err(StoreError::Expunged);
                }
                continue;
            };
            if let Some(Moved { kept, .. }) = self.moved {
                message.flags = system.without(kept.system);
                message.keywords = if kept.keywords { Vec::new() } else { keywords };
            }
            gone.push(uid);
            messages.push(message);
            made.push(ready);
        }
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let messages = allowed(&messages, terms.leave.untouchable(&self.to));
        let added = match target {
            Some(target) => target.append(&self.to, &messages, &made, (None, self.reader), self.by),
            None => {
                let how = (None, self.reader);
                source.append_instead(&self.to, &messages, &made, how, self.by, gone.len())
            }
        };
        let Outcome::Uids(added) = added? else { return Ok(Vec::new()) };
        source.remove(&self.from, &gone, self.by)?;
        Ok(gone.into_iter().zip(added).collect())
    }
}
