//! Spooling a note: one spool file a recipient, the records of the note, the delivery key in its TAG.
//!
//! Notes on the disk are in code page 1047; TRANSLATETABLE says what the records are written by that are punched, and the key names the
//! table, so that the other end makes the same octets of them whatever its own table is. A note that waits has no table yet.
//!
//! The data of the file is what the recipient would get in any case, so that whoever receives it for him can hand it on
//! with TRANSFER. Who it is for stands in the TAG only.

use bytes::Bytes;
use cms::cp::Guest;
use cms::cp::codepage::translated;
use cms::cp::name::UserId;
use cms::cp::translate_table::TranslateTable;
use cms::spool::{DeviceType, OutputAttributes, SpoolError, UnitRecord};

use crate::note::NoteNumber;
use crate::text::records;

/// File type of spooled mail.
pub const MAIL_TYPE: &str = "MAIL";

/// Why a note was not spooled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PunchError {
    /// The recipient has no directory entry any more.
    #[error("no such user")]
    NoSuchUser,
    /// The spool has no room, or is out of order: try again later.
    #[error("{0}")]
    Later(String),
}

impl From<SpoolError> for PunchError {
    fn from(error: SpoolError) -> Self {
        Self::Later(error.to_string())
    }
}

/// The punch of a machine, and the table by which it writes.
#[derive(Clone)]
pub struct Punch {
    guest: Guest,
    /// `/` and the table's name, behind the time in a key; nothing for the built-in table.
    mark: String,
    /// What becomes of each code of page 1047; `None` for the built-in table.
    codes: Option<Box<[u8; 256]>>,
}

impl Punch {
    /// The punch of this machine.
    pub fn new(guest: &Guest, table: &TranslateTable) -> Self {
        let codes = (!table.is_builtin()).then(|| Box::new(table.from_1047()));
        let mark = codes.as_ref().map_or_else(String::new, |_| format!("/{}", table.id()));
        Self { guest: guest.clone(), mark, codes }
    }

    /// The machine.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Names a delivery for all time, recipient, note number, and when the note was received, and the table of its records.
    pub fn key(&self, user: UserId, note: NoteNumber, received: i64) -> String {
        format!("{user} {note} {received}{}", self.mark)
    }

    /// Punches a note to the reader of `to`; the file is durable when this returns.
    ///
    /// # Errors
    /// [`PunchError`].
    pub async fn spool_note(
        &self,
        to: UserId,
        key: &str,
        note: NoteNumber,
        image: &[u8],
    ) -> Result<(), PunchError> {
        if self.guest.cp().entry(to).is_none() {
            return Err(PunchError::NoSuchUser);
        }
        let attributes = OutputAttributes {
            to: Some(to),
            name: Some((note.to_string(), MAIL_TYPE.to_owned())),
            tag: key.to_owned(),
            // A line at the receiver's console for every mail would drown everything else there.
            msg: false,
            ..OutputAttributes::default()
        };
        let mut output = UnitRecord::of(&self.guest)?.output(DeviceType::Punch, attributes)?;
        for record in records(image) {
            let record = match &self.codes {
                None => Bytes::copy_from_slice(record),
                Some(codes) => translated(record, codes, 0).into(),
            };
            output.write(&record).await?;
        }
        output.close().await?;
        Ok(())
    }
}
