//! DMSVALDT - Validate: the form of a file identifier or directory name.

use super::{Csl, CslError, SfsObject};

impl Csl {
    /// DMSVALDT: `fn ft dirname` or `dirname`, completed from the defaults. Whether the object exists is not asked.
    ///
    /// # Errors
    /// `NameInvalid`.
    pub fn dmsvaldt(&self, text: &str) -> Result<SfsObject, CslError> {
        if text.split_ascii_whitespace().count() > 1 {
            self.fileid(text).map(SfsObject::File)
        } else {
            self.dirname(text.trim()).map(SfsObject::Directory)
        }
    }
}
