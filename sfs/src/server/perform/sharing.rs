//! Authorities and explicit locks.

use std::sync::Arc;

use bytes::Bytes;
use cp::name::UserId;

use super::{At, Outcome, Undone};
use crate::names::SfsObject;
use crate::pool::{PoolError, WorkUnit};
use crate::server::handler::{Session, failure, path, plain};
use crate::server::protocol::{Answer, Call, Failure, Reply};
use crate::types::{Grantee, LockDuration, LockType, Rights};

pub(super) fn grant(
    at: At<'_>,
    object: &SfsObject,
    to: &[Grantee],
    rights: Rights,
) -> Result<Answer, Undone> {
    let (dir, id) = (path(object.dir()), object.id());
    for (to, index) in to.iter().zip(1u32..) {
        at.unit.grant(dir, id, *to, rights).map_err(|error| Undone { error, index })?;
    }
    Ok(Answer::Done)
}

pub(super) fn revoke(
    at: At<'_>,
    object: &SfsObject,
    from: &[Grantee],
    keep_read: bool,
) -> Result<Answer, Undone> {
    let (dir, id) = (path(object.dir()), object.id());
    for (from, index) in from.iter().zip(1u32..) {
        let error = match at.unit.revoke(dir, id, *from, keep_read) {
            Ok(true) => continue,
            Ok(false) => PoolError::NoGrant,
            Err(error) => error,
        };
        return Err(Undone { error, index });
    }
    Ok(Answer::Done)
}

impl Session {
    pub(super) fn on_sharing(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        Some(match call {
            Call::Grants { object } => at.unit.grants(path(object.dir()), object.id()).map(Answer::Grants),
            Call::Locks { object } => {
                let there = at.unit.find_dir(path(object.dir()));
                let locks = there.and_then(|()| self.shared.pool.locks_on(path(object.dir()), object.id()));
                locks.map(Answer::Locks)
            }
            _ => return None,
        })
    }

    pub(in crate::server) async fn lock(
        &self,
        unit: &Arc<WorkUnit>,
        object: &SfsObject,
        kind: LockType,
        duration: LockDuration,
        wait: bool,
    ) -> Result<(Reply, Bytes), Failure> {
        loop {
            let place = (path(object.dir()), object.id());
            let done = self.shared.pool.create_lock(unit, place, self.user(), kind, duration).await;
            let obstacle = match done {
                Ok(()) => return Ok(plain(Answer::Done)),
                Err(error) => match error.obstacle().filter(|_| wait) {
                    Some(obstacle) => obstacle,
                    None => return Err(failure(&error)),
                },
            };
            self.wait_for_lock(unit, obstacle).await?;
        }
    }

    pub(in crate::server) async fn unlock(
        &self,
        object: &SfsObject,
        user: Option<UserId>,
    ) -> Result<(Reply, Bytes), Failure> {
        let (place, user) = ((path(object.dir()), object.id()), user.unwrap_or(self.user()));
        let done = self.shared.pool.delete_lock(place, user).await;
        done.map(|()| plain(Answer::Done)).map_err(|e| failure(&e))
    }
}
