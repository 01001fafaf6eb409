//! File spaces: enrolling users, their limits; PUBLIC.

use cp::name::UserId;

use super::{At, Outcome, Undone, done};
use crate::pool::PoolError;
use crate::server::handler::Session;
use crate::server::protocol::{Answer, Call};
use crate::types::{SpaceStatus, StorageGroup};

/// No user id: everybody.
const PUBLIC: &str = "PUBLIC";

/// Enrols all users or none; whatever else the unit holds stays.
pub(super) fn enroll(
    at: At<'_>,
    users: &[UserId],
    blocks: u64,
    group: StorageGroup,
) -> Result<Answer, Undone> {
    let fresh = !at.unit.is_active();
    for (user, index) in users.iter().zip(1u32..) {
        // Authorities could not be granted to him.
        let enrolled = match user.as_str() {
            PUBLIC => Err(PoolError::BadDirectory),
            name => at.unit.enroll_in(group, name, blocks, ""),
        };
        if let Err(error) = enrolled {
            if fresh {
                at.unit.rollback();
            }
            return Err(Undone { error, index });
        }
    }
    Ok(Answer::Done)
}

impl Session {
    pub(super) fn on_spaces(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        let unit = at.unit;
        Some(match call {
            Call::DeleteUser { user } => done(unit.remove_space(user.as_str())),
            Call::Public { enroll } => done(unit.set_public(*enroll)),
            Call::QueryPublic => self.shared.pool.public_enrolled().map(Answer::Enrolled),
            Call::SetLimit { user, blocks } => done(unit.set_limit(user.as_str(), *blocks)),
            Call::SetThreshold { user, percent } => done(unit.set_threshold(user.as_str(), *percent)),
            Call::QueryLimits { user } => self.shared.pool.space_status(user.as_str()).map(Answer::Limits),
            Call::ListUsers => self.users().map(Answer::Users),
            _ => return None,
        })
    }

    fn users(&self) -> Result<Vec<(UserId, SpaceStatus)>, PoolError> {
        let spaces = self.shared.pool.spaces()?;
        Ok(spaces.into_iter().filter_map(|(name, s)| UserId::new(&name).ok().map(|u| (u, s))).collect())
    }
}
