//! Files by name: creating, erasing, renaming, copying, asking; aliases and external objects.

use cp::name::DirName;

use super::{At, Outcome, done};
use crate::names::FileRef;
use crate::pool::{OpenRequest, PoolError, WorkUnit};
use crate::server::authority;
use crate::server::handler::{Session, path};
use crate::server::protocol::{Answer, Call, OpenWay};
use crate::types::{Attributes, DateReference, EntryType, FileId, Intent};

impl Session {
    pub(super) fn on_files(&self, at: At<'_>, call: &Call) -> Option<Outcome> {
        let unit = at.unit;
        Some(match call {
            Call::CreateFile { file, attributes } => self.create_file(at, file, *attributes),
            Call::EraseFile { file, data_only: false } => done(unit.erase_file(path(&file.dir), file.id)),
            Call::EraseFile { file, data_only: true } => done(erase_data(unit, file)),
            Call::RenameFile { old, new } => {
                done(unit.rename_file(path(&old.dir), old.id, path(&new.dir), new.id))
            }
            Call::EraseFiles { dir, ids } => done(unit.erase_files(path(dir), ids)),
            Call::CopyFiles { from, to, pairs } => done(unit.copy_files(path(from), path(to), pairs)),
            Call::RenameFiles { from, to, pairs } => done(unit.rename_files(path(from), path(to), pairs)),
            Call::CopyFile { source: s, target: t, replace } => {
                done(unit.copy_file(path(&s.dir), s.id, path(&t.dir), t.id, *replace))
            }
            Call::ChangeFile { file, changes } => {
                done(unit.change_attributes(path(&file.dir), file.id, changes))
            }
            Call::FileStatus { file } => self.file_status(unit, file),
            Call::CreateAlias { base: b, alias: a } => {
                done(unit.create_alias(path(&b.dir), b.id, path(&a.dir), a.id))
            }
            Call::BaseOf { alias } => self.base_of(unit, alias).map(Answer::Base),
            Call::CreateExternal { file, data } => done(unit.create_external(path(&file.dir), file.id, data)),
            Call::External { file } => unit.external(path(&file.dir), file.id).map(Answer::Data),
            _ => return None,
        })
    }

    fn create_file(&self, at: At<'_>, file: &FileRef, attributes: Attributes) -> Outcome {
        let new = (Intent::New, attributes, true);
        let opened = self.open(at, file, new, DateReference::New, OpenWay::Records)?;
        if let Answer::Opened { token, .. } = opened {
            self.close(at, token)?;
        }
        Ok(Answer::Done)
    }

    fn file_status(&self, unit: &WorkUnit, file: &FileRef) -> Outcome {
        let status = unit.status(path(&file.dir), file.id)?;
        if matches!(status.entry, EntryType::Erased | EntryType::Revoked) {
            return Err(PoolError::NoFile);
        }
        Ok(Answer::File(authority::masked(&self.shared, self.user(), unit, &file.dir, status)))
    }

    fn base_of(&self, unit: &WorkUnit, alias: &FileRef) -> Result<Option<FileRef>, PoolError> {
        let Some((space, levels, id)) = unit.base_of(path(&alias.dir), alias.id)? else { return Ok(None) };
        let levels: String = levels.iter().map(|l| format!(".{l}")).collect();
        let levels = if levels.is_empty() { "." } else { &levels };
        let dir = DirName::parse(&format!("{}:{space}{levels}", self.shared.id), None, self.user());
        dir.map(|dir| Some(FileRef::new(id, dir))).map_err(|_| PoolError::BadDirectory)
    }
}

/// Leaves the file without records.
fn erase_data(unit: &WorkUnit, file: &FileRef) -> Result<(), PoolError> {
    let FileRef { id, dir } = file;
    let id: FileId = *id;
    unit.status(path(dir), id)?;
    let (attributes, intent) = (Attributes::variable(), Intent::Write);
    let opened = unit.open(&OpenRequest { dir: path(dir), id, intent, attributes, allow_empty: true })?;
    let cut = unit.truncate(opened.token, 0);
    unit.close(opened.token)?;
    cut
}
