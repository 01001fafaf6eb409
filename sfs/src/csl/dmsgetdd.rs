//! DMSGETDD - Get Directory - Dir: the next subdirectory of a directory opened with intent DIR.

use super::{Csl, CslError, DirControl, DirIntent, DirRecord, ReasonCode, Token};
use cp::name::DirName;

impl Csl {
    /// DMSGETDD: the full name and the attribute of the next directory right below.
    ///
    /// # Errors
    /// `EndOfDirectory`, `NotOpen`, `WrongIntent` for a directory opened with another intent.
    pub async fn dmsgetdd(&self, token: Token) -> Result<(DirName, DirControl), CslError> {
        let dir = self.opened_for(token, |intent| *intent == DirIntent::Dir)?;
        match self.dmsgetdi(token).await? {
            DirRecord::Directory(below) => {
                let name = format!("{}.{}", dir.name, below.level).replace("..", ".");
                Ok((DirName::parse(&name, None, dir.name.owner)?, below.control))
            }
            DirRecord::File(_) => Err(ReasonCode::ProtocolError.into()),
        }
    }
}
