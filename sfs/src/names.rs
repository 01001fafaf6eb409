//! Names of SFS objects as CSL routines take them.

use std::fmt;

use cp::name::{DirName, FileName, FilePoolId, FileType, NameError, UserId};
use serde::{Deserialize, Serialize};

use crate::types::FileId;

/// A file: name, type, directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileRef {
    /// File name and file type.
    pub id: FileId,
    /// The directory it is in.
    pub dir: DirName,
}

impl FileRef {
    /// The file `id` in `dir`.
    pub fn new(id: FileId, dir: DirName) -> Self {
        Self { id, dir }
    }

    /// Parses `fn ft dirname`, blank separated, as the fileid parameter of the CSL routines.
    ///
    /// # Errors
    /// [`NameError`] naming the token.
    pub fn parse(
        text: &str,
        default_pool: Option<FilePoolId>,
        default_space: UserId,
    ) -> Result<Self, NameError> {
        let mut words = text.split_ascii_whitespace();
        let mut word = |what| words.next().ok_or(NameError::Empty { what });
        let name = FileName::new(word("file name")?)?;
        let kind = FileType::new(word("file type")?)?;
        let dir = DirName::parse(word("directory name")?, default_pool, default_space)?;
        if let Some(extra) = words.next() {
            let reason = "a file identifier has three words";
            return Err(NameError::BadDirectory { token: extra.into(), reason });
        }
        Ok(Self { id: FileId { name, kind }, dir })
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.dir)
    }
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SfsObject {
    /// A file.
    File(FileRef),
    /// A directory.
    Directory(DirName),
}

impl SfsObject {
    /// The file pool it is in.
    pub fn pool(&self) -> FilePoolId {
        match self {
            Self::File(file) => file.dir.pool,
            Self::Directory(dir) => dir.pool,
        }
    }
}

impl SfsObject {
    /// The directory: that of the file, or itself.
    pub fn dir(&self) -> &DirName {
        match self {
            Self::File(file) => &file.dir,
            Self::Directory(dir) => dir,
        }
    }

    /// The file's name and type.
    pub fn id(&self) -> Option<FileId> {
        match self {
            Self::File(file) => Some(file.id),
            Self::Directory(_) => None,
        }
    }
}

impl From<FileRef> for SfsObject {
    fn from(file: FileRef) -> Self {
        Self::File(file)
    }
}

impl From<DirName> for SfsObject {
    fn from(dir: DirName) -> Self {
        Self::Directory(dir)
    }
}

/// File name and type of a directory search, either of which may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePattern {
    /// The file name; `None`: all.
    pub name: Option<FileName>,
    /// The file type; `None`: all.
    pub kind: Option<FileType>,
}

impl FilePattern {
    /// `* *`.
    pub const ALL: FilePattern = FilePattern { name: None, kind: None };

    /// Whether `id` is meant.
    pub fn matches(&self, id: FileId) -> bool {
        self.name.is_none_or(|n| n == id.name) && self.kind.is_none_or(|k| k == id.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_identifiers_parse() {
        let pool = Some(FilePoolId::new("MAIL").unwrap());
        let me = UserId::new("JOE").unwrap();
        let file = FileRef::parse(" note  index .inbox ", pool, me).unwrap();
        assert_eq!(file.to_string(), "NOTE INDEX MAIL:JOE.INBOX");
        for bad in ["", "A", "A B", "A B C", "A B . D", "TOOLONGNAME B ."] {
            assert!(FileRef::parse(bad, pool, me).is_err(), "{bad} was accepted");
        }
    }
}
