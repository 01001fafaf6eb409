//! DMSENUSR - Enroll User: gives users file spaces. For administrators.

use super::{CommitOption, Csl, CslError, ReasonCode, SpaceStatus, StorageGroup, WorkUnitId};
use crate::server::protocol::{Answer, Call};
use cp::name::{FilePoolId, UserId};

/// An enrolled user with the figures of the file space.
pub type Enrolled = (UserId, SpaceStatus);

impl Csl {
    /// DMSENUSR: enrols `userids` with a limit of `blocks` 4096-byte blocks each, all or none, and commits. WUERROR's index names
    /// the user that is enrolled already.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceExists`, `Locked`.
    pub async fn dmsenusr(
        &self,
        userids: &[UserId],
        filepoolid: FilePoolId,
        blocks: u64,
    ) -> Result<(), CslError> {
        self.dmsenusr_in(userids, filepoolid, blocks, StorageGroup::FIRST).await
    }

    /// [`Self::dmsenusr`] in a storage group other than 2.
    ///
    /// # Errors
    /// As [`Self::dmsenusr`], and `GroupUnknown`, `Disabled`.
    pub async fn dmsenusr_in(
        &self,
        userids: &[UserId],
        filepoolid: FilePoolId,
        blocks: u64,
        group: StorageGroup,
    ) -> Result<(), CslError> {
        // A work unit of its own: enrolment commits, and must not commit what the caller has pending.
        let unit = self.dmsgetwu()?;
        let call = Call::Enroll { users: userids.to_vec(), blocks, group };
        let done = self.do_call(filepoolid, unit, CommitOption::Commit, call).await;
        let returned = self.dmsretwu(unit).await;
        done?;
        returned.map(|_| ())
    }

    /// Changes the limit of a file space, in blocks, and commits. Source: MODIFY USER. For administrators.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceNotFound`, `Locked`.
    pub async fn modify_user(
        &self,
        userid: UserId,
        filepoolid: FilePoolId,
        blocks: u64,
    ) -> Result<(), CslError> {
        let unit = self.dmsgetwu()?;
        let call = Call::SetLimit { user: userid, blocks };
        let done = self.do_call(filepoolid, unit, CommitOption::Commit, call).await;
        let returned = self.dmsretwu(unit).await;
        done?;
        returned.map(|_| ())
    }

    /// Changes the warning threshold of a file space in percent (0: none) and commits. Source: SET THRESHOLD. One's own, or as
    /// administrator anybody's.
    ///
    /// # Errors
    /// `NotAuthorized`, `SpaceNotFound`, `LimitExceeded` above 99, `Locked`.
    pub async fn set_threshold(
        &self,
        userid: UserId,
        filepoolid: FilePoolId,
        percent: u8,
    ) -> Result<(), CslError> {
        let unit = self.dmsgetwu()?;
        let call = Call::SetThreshold { user: userid, percent };
        let done = self.do_call(filepoolid, unit, CommitOption::Commit, call).await;
        let returned = self.dmsretwu(unit).await;
        done?;
        returned.map(|_| ())
    }

    /// The users enrolled in a file pool. Source: QUERY ENROLL USER.
    ///
    /// # Errors
    /// `NotAdministrator`.
    pub async fn enrolled_users(&self, filepoolid: FilePoolId) -> Result<Vec<Enrolled>, CslError> {
        let sent = self.call(
            filepoolid,
            WorkUnitId::DEFAULT,
            CommitOption::NoCommit,
            Call::ListUsers,
            bytes::Bytes::new(),
        );
        match sent.await?.0.answer {
            Answer::Users(users) => Ok(users),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
