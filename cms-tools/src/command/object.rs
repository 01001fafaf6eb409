//! Objects of a file pool as commands name them: `fn ft dirid`, `fn ft fm`, `dirid`, `fm`.

use cp::name::{DirName, FileName, FileType, ModeLetter};
use sfs::csl::{FileRef, SfsObject};
use sfs::types::FileId;

use crate::Cms;
use crate::files::Place;
use crate::message::{DmsMessage, dms};

/// The directory that a directory id or an accessed file mode names.
pub(super) fn directory(cms: &Cms, module: &'static str, token: &str) -> Result<DirName, DmsMessage> {
    // A namedef comes before a file mode of the same letter.
    if let Some(dir) = cms.csl.namedef_directory(token) {
        return Ok(dir);
    }
    let letter = token
        .chars()
        .next()
        .filter(|_| token.len() <= 2 && !token.contains(['.', ':']))
        .and_then(ModeLetter::new);
    let Some(letter) = letter else { return cms.dir_name(module, token) };
    let accessed = cms.modes.get(letter).ok_or_else(|| dms(module, 69, 36, &[&letter.to_string()]))?;
    match &accessed.place {
        Place::Directory(dir) => Ok(dir.clone()),
        Place::Minidisk { .. } => {
            Err(dms(module, 1240, 88, &[&format!("; file mode {letter} is a minidisk")]))
        }
    }
}

/// The file `fn ft` in a directory.
pub(super) fn file(cms: &Cms, module: &'static str, tokens: [&str; 3]) -> Result<FileRef, DmsMessage> {
    let [name, kind, place] = tokens;
    let bad = |t: &str| dms(module, 62, 20, &[t, &tokens.join(" ").to_ascii_uppercase()]);
    let id =
        FileId::new(FileName::new(name).map_err(|_| bad(name))?, FileType::new(kind).map_err(|_| bad(kind))?);
    Ok(FileRef::new(id, directory(cms, module, place)?))
}

/// The object that one or three operands name.
pub(super) fn object(cms: &Cms, module: &'static str, operands: &[&str]) -> Result<SfsObject, DmsMessage> {
    match *operands {
        [place] => directory(cms, module, place).map(SfsObject::Directory),
        [namedef, place] => {
            let id = cms.csl.namedef_file(namedef).ok_or_else(|| dms(module, 54, 24, &[]))?;
            Ok(SfsObject::File(FileRef::new(id, directory(cms, module, place)?)))
        }
        [name, kind, place] => file(cms, module, [name, kind, place]).map(SfsObject::File),
        _ => Err(dms(module, 54, 24, &[])),
    }
}
