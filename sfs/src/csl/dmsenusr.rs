//! DMSENUSR - Enroll File Space: gives users file spaces. With the user id PUBLIC it lets everybody connect to the pool, who gets no
//! file space by it. For administrators. Source: "ENROLL USER"; that PUBLIC is enrolled by this routine is ours.

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
    /// As [`Self::dmsenusr`], and `GroupUnknown`, `Disabled`; `DirectoryInvalid` for the user id PUBLIC, which stands for everybody.
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

    /// DMSENUSR of PUBLIC, and commits: from now on everybody may connect to the pool, be he enrolled or not.
    ///
    /// # Errors
    /// `NotAdministrator`, `SpaceExists` when it is enrolled already, `Locked`.
    pub async fn dmsenusr_public(&self, filepoolid: FilePoolId) -> Result<(), CslError> {
        self.set_public(filepoolid, true).await
    }

    pub(super) async fn set_public(&self, filepoolid: FilePoolId, enroll: bool) -> Result<(), CslError> {
        let unit = self.dmsgetwu()?;
        let done = self.do_call(filepoolid, unit, CommitOption::Commit, Call::Public { enroll }).await;
        let returned = self.dmsretwu(unit).await;
        done?;
        returned.map(|_| ())
    }

    /// Whether PUBLIC is enrolled in a file pool. Source: QUERY ENROLL PUBLIC.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn public_enrolled(&self, filepoolid: FilePoolId) -> Result<bool, CslError> {
        let (unit, commit) = (WorkUnitId::DEFAULT, CommitOption::NoCommit);
        let sent = self.call(filepoolid, unit, commit, Call::QueryPublic, bytes::Bytes::new());
        match sent.await?.0.answer {
            Answer::Enrolled(enrolled) => Ok(enrolled),
            _ => Err(ReasonCode::ProtocolError.into()),
        }
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
