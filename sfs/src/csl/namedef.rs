//! Namedefs: temporary names of a virtual machine for a directory, or for a file name and type.
//!
//! They stand wherever a routine takes a directory name or `fn ft`, live in the machine and end with its session; no server knows of
//! them. A namedef of one letter that is also a file mode is taken as the namedef. Source: the parameters of DMSOPDBK and DMSOPDIR.

use std::fmt;

use cp::name::DirName;

use super::{Csl, CslError, ReasonCode};
use crate::types::FileId;

/// Greatest length of a namedef. Source: DMSOPDBK, `namedef1`.
pub const MAX_NAMEDEF_LENGTH: usize = 16;
/// Namedefs that one machine may have: far more than programs define, little memory.
pub const MAX_NAMEDEFS: usize = 1000;

/// What a namedef stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namedef {
    /// A directory.
    Directory(DirName),
    /// A file name and file type.
    File(FileId),
}

impl fmt::Display for Namedef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.fmt(f),
            Self::File(id) => id.fmt(f),
        }
    }
}

/// The name in upper case, if it can be one: 1 to 16 letters, digits, `$ # @ _ + -`.
fn checked(name: &str) -> Result<String, CslError> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"$#@_+-".contains(&b);
    if (1..=MAX_NAMEDEF_LENGTH).contains(&name.len()) && name.bytes().all(sound) {
        Ok(name.to_ascii_uppercase())
    } else {
        Err(ReasonCode::NameInvalid.into())
    }
}

impl Csl {
    /// CREATE NAMEDEF. With `replace` an earlier meaning of the name is forgotten.
    ///
    /// # Errors
    /// `NameInvalid`, `NamedefExists`, `LimitExceeded` beyond [`MAX_NAMEDEFS`].
    pub fn create_namedef(&self, name: &str, meaning: Namedef, replace: bool) -> Result<(), CslError> {
        let name = checked(name)?;
        let namedefs = &mut self.inner.settings.lock().namedefs;
        match namedefs.contains_key(&name) {
            true if !replace => return Err(ReasonCode::NamedefExists.into()),
            false if namedefs.len() >= MAX_NAMEDEFS => return Err(ReasonCode::LimitExceeded.into()),
            _ => namedefs.insert(name, meaning),
        };
        Ok(())
    }

    /// DELETE NAMEDEF.
    ///
    /// # Errors
    /// `NamedefUnknown`.
    pub fn delete_namedef(&self, name: &str) -> Result<Namedef, CslError> {
        let removed = self.inner.settings.lock().namedefs.remove(&name.to_ascii_uppercase());
        removed.ok_or_else(|| ReasonCode::NamedefUnknown.into())
    }

    /// All namedefs, by name. Source: QUERY NAMEDEF.
    pub fn namedefs(&self) -> Vec<(String, Namedef)> {
        self.inner.settings.lock().namedefs.iter().map(|(name, n)| (name.clone(), n.clone())).collect()
    }

    /// The directory that a namedef stands for.
    pub fn namedef_directory(&self, name: &str) -> Option<DirName> {
        match self.inner.settings.lock().namedefs.get(&name.to_ascii_uppercase()) {
            Some(Namedef::Directory(dir)) => Some(dir.clone()),
            _ => None,
        }
    }

    /// The file name and type that a namedef stands for.
    pub fn namedef_file(&self, name: &str) -> Option<FileId> {
        match self.inner.settings.lock().namedefs.get(&name.to_ascii_uppercase()) {
            Some(Namedef::File(id)) => Some(*id),
            _ => None,
        }
    }
}
