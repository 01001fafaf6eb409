//! Objects of a file pool as commands name them: `fn ft dirid`, `fn ft fm`, `dirid`, `fm`.

use std::sync::Arc;

use cp::name::{DirName, FileName, FileType, ModeLetter};
use sfs::csl::{self, CslError, DirIntent, DirRecord, FileRef, FileStatus, SfsObject, WorkUnitId};
use sfs::types::FileId;

use super::create::csl_message;
use crate::Cms;
use crate::cms::store_message;
use crate::files::{Accessed, FilePattern, NamePattern, Place, StoreError, from_csl, parse_mode};
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
        Place::Minidisk { .. } => Err(dms(module, 2617, 88, &[&letter.to_string()])),
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

/// The objects that operands name, where `*` and `%` in name and type select files of the directory.
///
/// # Errors
/// 002E when no file is selected; those of [`object`].
pub(super) async fn objects(
    cms: &Cms,
    module: &'static str,
    operands: &[&str],
) -> Result<Vec<SfsObject>, DmsMessage> {
    match *operands {
        [name, kind, place] if name.contains(['*', '%']) || kind.contains(['*', '%']) => {
            let dir = directory(cms, module, place)?;
            let found = selected(cms, module, [name, kind], &dir).await?;
            Ok(found.into_iter().map(|s| SfsObject::File(FileRef::new(s.id, dir.clone()))).collect())
        }
        _ => Ok(vec![object(cms, module, operands)?]),
    }
}

/// The files of a directory whose names fit, aliases and external objects among them, by name.
///
/// # Errors
/// 002E when there is none.
pub(super) async fn selected(
    cms: &Cms,
    module: &'static str,
    [name, kind]: [&str; 2],
    dir: &DirName,
) -> Result<Vec<FileStatus>, DmsMessage> {
    let (names, kinds) = (NamePattern::new(name), NamePattern::new(kind));
    let mut found = entries(cms, dir).await.map_err(|e| csl_message(module, &e, &dir.to_string()))?;
    found.retain(|s| names.matches(s.id.name.as_str()) && kinds.matches(s.id.kind.as_str()));
    if found.is_empty() {
        return Err(dms(module, 2, 28, &[&format!("{} {} {dir}", names.as_str(), kinds.as_str())]));
    }
    Ok(found)
}

/// All files of a directory, erased and revoked aliases and external objects among them.
///
/// # Errors
/// Those of DMSOPDIR and DMSGETDI.
pub(super) async fn entries(cms: &Cms, dir: &DirName) -> Result<Vec<FileStatus>, CslError> {
    let intent = DirIntent::Entries(csl::FilePattern::ALL);
    let token = cms.csl.dmsopdir(dir, intent, WorkUnitId::DEFAULT).await?;
    let found = cms.csl.dmsgetdi_all(token).await;
    cms.csl.dmscldir(token).await?;
    let file = |record| match record {
        DirRecord::File(status) => Some(status),
        DirRecord::Directory(_) => None,
    };
    Ok(found?.into_iter().filter_map(file).collect())
}

/// What messages call an object.
pub(super) fn shown(object: &SfsObject) -> String {
    match object {
        SfsObject::File(file) => file.to_string(),
        SfsObject::Directory(dir) => dir.to_string(),
    }
}

/// Where the files of a command are.
pub(super) enum Where {
    /// On a minidisk that is accessed.
    Minidisk(Arc<Accessed>),
    /// In a directory, named by its file mode or by its name.
    Directory { dir: DirName, mode: Option<ModeLetter> },
}

impl Where {
    /// The file mode, when one was given.
    pub(super) fn mode(&self) -> Option<ModeLetter> {
        match self {
            Self::Minidisk(accessed) => Some(accessed.mode),
            Self::Directory { mode, .. } => *mode,
        }
    }

    /// What messages call it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Minidisk(accessed) => accessed.mode.to_string(),
            Self::Directory { mode: Some(mode), .. } => mode.to_string(),
            Self::Directory { dir, .. } => dir.to_string(),
        }
    }

    /// Whether both are the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Minidisk(a), Self::Minidisk(b)) => a.mode == b.mode,
            (Self::Directory { dir: a, .. }, Self::Directory { dir: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// The place that a file mode (with or without a number) or a directory id names.
///
/// # Errors
/// 048E, 069E; 037E for a file mode that is read-only when it is to be written.
pub(super) fn place(
    cms: &Cms,
    module: &'static str,
    token: &str,
    to_write: bool,
) -> Result<Where, DmsMessage> {
    if token.contains(['.', ':']) || cms.csl.namedef_directory(token).is_some() {
        return Ok(Where::Directory { dir: cms.dir_name(module, token)?, mode: None });
    }
    let (letter, _) = parse_mode(token).ok_or_else(|| dms(module, 48, 24, &[token]))?;
    let accessed = match to_write {
        true => cms.writable(module, letter)?,
        false => cms.modes.get(letter).ok_or_else(|| dms(module, 69, 36, &[&letter.to_string()]))?,
    };
    Ok(match &accessed.place {
        Place::Directory(dir) => Where::Directory { dir: dir.clone(), mode: Some(letter) },
        Place::Minidisk { .. } => Where::Minidisk(accessed),
    })
}

/// The files there that fit a pattern, its mode number among it; of a directory also aliases and external objects.
///
/// # Errors
/// When they cannot be listed.
pub(super) async fn matching(
    module: &'static str,
    cms: &Cms,
    pattern: &FilePattern,
    place: &Where,
) -> Result<Vec<FileStatus>, DmsMessage> {
    let mut all = match place {
        Where::Minidisk(accessed) => {
            accessed.store.list().await.map_err(|e| store_message(module, &e, &place.shown()))?
        }
        Where::Directory { dir, .. } => {
            entries(cms, dir).await.map_err(|e| csl_message(module, &e, &dir.to_string()))?
        }
    };
    all.retain(|status| pattern.fits(status));
    Ok(all)
}

/// A CSL error as a file operation of a command has it, when it is one of those that have a message of their own.
pub(super) fn store_error(error: &CslError) -> Option<StoreError> {
    match from_csl(error) {
        StoreError::Other { .. } => None,
        known => Some(known),
    }
}
