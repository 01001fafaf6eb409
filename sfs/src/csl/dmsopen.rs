//! DMSOPEN - Open: a file for record by record reading and writing.

use super::{Attributes, Csl, CslError, FileRef, FileStatus, Intent, Token, WorkUnitId};
use crate::csl::CommitOption;
use crate::reason::ReasonCode;
use crate::server::protocol::{Answer, Call, OpenWay};
pub use crate::types::DateReference;

/// Options of DMSOPEN and DMSOPDBK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// What a created or replaced file gets; of an existing one otherwise ignored.
    pub attributes: Attributes,
    /// ALLOWEMPTY: keep the file when it is closed without a record.
    pub allow_empty: bool,
    /// NEWDATEREF or OLDDATEREF.
    pub dates: DateReference,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { attributes: Attributes::variable(), allow_empty: false, dates: DateReference::New }
    }
}

impl OpenOptions {
    /// RECFM F with records of `lrecl` octets.
    pub fn fixed(lrecl: u32) -> Self {
        Self { attributes: Attributes::fixed(lrecl), ..Self::default() }
    }

    /// RECFM V.
    pub fn variable() -> Self {
        Self::default()
    }

    /// With ALLOWEMPTY.
    #[must_use]
    pub fn allow_empty(self) -> Self {
        Self { allow_empty: true, ..self }
    }

    /// With OLDDATEREF: the open does not count as a reference of the file.
    #[must_use]
    pub fn old_dateref(self) -> Self {
        Self { dates: DateReference::Old, ..self }
    }
}

/// A successful open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFile {
    /// For the calls that follow.
    pub token: Token,
    /// Record format, length and number, dates.
    pub status: FileStatus,
    /// Whether the open created the file.
    pub created: bool,
}

impl Csl {
    /// DMSOPEN. An open for READ keeps the version of the file it found; any other locks the file until the work unit ends.
    /// The read position is the first record, the write position behind the last.
    ///
    /// # Errors
    /// `FileNotFound` (READ), `FileExists` (NEW), `Locked`, `FileOpen`, `RecordLength`, `DirectoryNotFound`, `SpaceNotFound`.
    pub async fn dmsopen(
        &self,
        fileid: &FileRef,
        intent: Intent,
        options: &OpenOptions,
        workunitid: WorkUnitId,
    ) -> Result<OpenedFile, CslError> {
        self.open(fileid, intent, options, OpenWay::Records, workunitid).await
    }

    pub(super) async fn open(
        &self,
        fileid: &FileRef,
        intent: Intent,
        options: &OpenOptions,
        way: OpenWay,
        workunitid: WorkUnitId,
    ) -> Result<OpenedFile, CslError> {
        let OpenOptions { attributes, allow_empty, dates } = *options;
        let call = Call::Open { file: fileid.clone(), intent, attributes, allow_empty, dates, way };
        let pool = fileid.dir.pool;
        // Fixed here, since the default may change before the answer comes.
        let unit = self.inner.units.lock().resolve(workunitid)?;
        let (reply, _) = self.call(pool, unit, CommitOption::NoCommit, call, bytes::Bytes::new()).await?;
        let Answer::Opened { token, status, created } = reply.answer else {
            return Err(ReasonCode::ProtocolError.into());
        };
        let token = Token { pool, number: token };
        self.inner.units.lock().opened(token, unit);
        Ok(OpenedFile { token, status, created })
    }
}
