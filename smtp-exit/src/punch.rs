//! Spooling a note: one spool file a recipient, the records of the note as they are, the delivery key in its TAG.
//!
//! The data of the file is what the recipient would get in any case, so that whoever receives it for him can hand it on
//! with TRANSFER. Who it is for stands in the TAG only.

use bytes::Bytes;
use cms::cp::Guest;
use cms::cp::name::UserId;
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

/// Punches a note to the reader of `to`; the file is durable when this returns.
///
/// # Errors
/// [`PunchError`].
pub async fn spool_note(
    guest: &Guest,
    to: UserId,
    key: &str,
    note: NoteNumber,
    image: &[u8],
) -> Result<(), PunchError> {
    if guest.cp().entry(to).is_none() {
        return Err(PunchError::NoSuchUser);
    }
    let attributes = OutputAttributes {
        to: Some(to),
        name: Some((note.to_string(), MAIL_TYPE.to_owned())),
        tag: key.to_owned(),
        ..OutputAttributes::default()
    };
    let mut output = UnitRecord::of(guest)?.output(DeviceType::Punch, attributes)?;
    for record in records(image) {
        output.write(&Bytes::copy_from_slice(record)).await?;
    }
    output.close().await?;
    Ok(())
}
