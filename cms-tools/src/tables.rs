//! Translate tables on the accessed disks.
//!
//! As VM TCP/IP has it: a table that a configuration names must be there; STANDARD without a file is the built-in one. Source: "VM
//! TCP/IP Translation Tables", how a server finds its table.

use cp::name::{FileName, FileType};
use cp::translate_table::{CODES, STANDARD, TranslateTable};
use sfs::types::FileId;

use crate::Cms;
use crate::files::{read_all, records};

/// File type of a table.
pub const TABLE_TYPE: &str = "TCPXLBIN";

/// File type of its source.
pub const SOURCE_TYPE: &str = "TCPXLATE";

/// Octets of a file that may be a table: its records, and room to tell that there are too many.
const MAX_OCTETS: usize = 8 * CODES;

/// The table `name`, from the first accessed disk that has its file.
///
/// # Errors
/// What is wrong, in words: there is no such file, it cannot be read, or is no table that can be used.
pub async fn find(cms: &Cms, name: FileName) -> Result<TranslateTable, String> {
    let kind = FileType::new(TABLE_TYPE).map_err(|e| e.to_string())?;
    let id = FileId::new(name, kind);
    let found = cms.modes.find(id, None).await.map_err(|e| format!("{id} cannot be looked for: {e}"))?;
    let Some((accessed, _)) = found else {
        if name.as_str() == STANDARD {
            return Ok(TranslateTable::builtin());
        }
        return Err(format!("there is no file {id} on an accessed disk"));
    };
    let read = read_all(&*accessed.store, id, MAX_OCTETS).await;
    let (status, image) = read.map_err(|e| format!("{id} {} cannot be read: {e}", accessed.mode))?;
    let table = TranslateTable::read(name, records(&image, status.recfm, status.lrecl));
    table.map_err(|e| format!("{id} {} cannot be used: {e}", accessed.mode))
}
