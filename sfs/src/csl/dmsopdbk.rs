//! DMSOPDBK - Open Data Block: a file to be read or written as blocks of its stored image.
//!
//! The image of a RECFM F file is its records one behind the other; that of a RECFM V file has a big-endian halfword with the length
//! in front of each record. A data block is [`BLKSIZE`] octets of it; they count from 0, and only a file's last one may be shorter.
//! What DMSRDDBK reads of one file and DMSWRDBK writes to another is the same file, whatever its record format.

use super::{Csl, CslError, FileRef, FileStatus, Intent, OpenOptions, Token, WorkUnitId};
use crate::server::protocol::OpenWay;

/// Octets of a data block. Source: SFS files are formatted in blocks of 4 KB.
pub const BLKSIZE: u32 = crate::types::BLOCK as u32;

/// Intent and options of DMSOPDBK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockOpen {
    intent: Intent,
    options: OpenOptions,
    records: Option<u32>,
}

impl BlockOpen {
    /// READ: the file must exist.
    pub fn read() -> Self {
        Self { intent: Intent::Read, options: OpenOptions::default(), records: None }
    }

    /// NEW: the file must not exist. F or V with LRECL, mode number, RECOVER or NORECOVER, NOTINPLACE or INPLACE, and ALLOWEMPTY are
    /// in `options`.
    pub fn new(options: OpenOptions) -> Self {
        Self { intent: Intent::New, options, records: None }
    }

    /// REPLACE: the file is created, or replaced as a new file.
    pub fn replace(options: OpenOptions) -> Self {
        Self { intent: Intent::Replace, options, records: None }
    }

    /// With OLDDATEREF: the open does not count as a reference of the file.
    #[must_use]
    pub fn old_dateref(self) -> Self {
        Self { options: self.options.old_dateref(), ..self }
    }

    /// With a number of records, which the blocks must have when the file is closed.
    #[must_use]
    pub fn numrecs(self, records: u32) -> Self {
        Self { records: Some(records), ..self }
    }
}

/// A successful open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedBlocks {
    /// For DMSRDDBK, DMSWRDBK and DMSCLDBK.
    pub token: Token,
    /// Octets of a block, the last one apart.
    pub blksize: u32,
    /// Record format, length and number, octets of the image, dates; what is being written has no records yet.
    pub status: FileStatus,
    /// Whether the open created the file.
    pub created: bool,
}

impl Csl {
    /// DMSOPDBK. An open for READ keeps the version of the file it found; any other locks the file until the work unit ends.
    ///
    /// # Errors
    /// As DMSOPEN.
    pub async fn dmsopdbk(
        &self,
        fileid: &FileRef,
        open: &BlockOpen,
        workunitid: WorkUnitId,
    ) -> Result<OpenedBlocks, CslError> {
        let way = OpenWay::Blocks { records: open.records };
        let opened = self.open(fileid, open.intent, &open.options, way, workunitid).await?;
        Ok(OpenedBlocks {
            token: opened.token,
            blksize: BLKSIZE,
            status: opened.status,
            created: opened.created,
        })
    }
}
