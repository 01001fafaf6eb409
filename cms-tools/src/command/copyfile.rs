//! COPYFILE: copies files, one by one or several into one, within a place or from one to another.
//!
//! `*` and `%` in name or type of an input select files; `=` in the output id keeps what the input has. Inputs that come to the same
//! output id become one file, in their order. In a FILECONTROL directory that is accessed read-only an authorised user writes all the
//! same, unless SET RORESPECT is ON. Source for that: "Accessing Directories".
//!
//! The lists of SPECS and TRANS are read from the program stack, else from the terminal, and go on in the next line behind `++`.

mod copy;
mod options;
mod pack;
mod shape;
mod specs;
mod trans;

use std::sync::Arc;

use cp::name::{DirName, FileName, FileType};
use sfs::csl::WorkUnitId;
use sfs::types::{DirControl, FileId, FileStatus};

use self::copy::Job;
use self::options::{Existing, Options};
use self::specs::{MAX_SPECS, Specs, Wrong};
use super::options::split;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::cms::store_message;
use crate::files::{DirectoryStore, FilePattern, FileStore, Place, ReadFile, parse_mode};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "CPY";

/// Longest list of SPECS or TRANS: all pairs of characters that there can be, with room for blanks.
const MAX_LIST: usize = 4096;

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "COPYFILE",
    min: 4,
    syntax: "COPYfile fn ft fm|dirid [fn ft fm|dirid ...] [( Type|NOType NEWDate|OLDDate NEWFile|REPlace|OVly|APpend PRompt|NOPRompt FRom n|FRLabel label FOR n|TOLabel label SPecs|NOSPecs RECfm F|V LRecl n TRUnc|NOTRunc PAck|UNPack FIll c|hh EBcdic UPcase|LOwcase TRAns SIngle]",
    summary: "Copies files",
    run: |call| Box::pin(run(call)),
};

/// A place that files are in.
#[derive(Clone)]
struct Side {
    store: Arc<dyn FileStore>,
    shown: String,
}

/// A file that is copied.
struct Input {
    side: Side,
    status: FileStatus,
}

impl Input {
    fn shown(&self) -> String {
        format!("{} {}", self.status.id, self.side.shown)
    }

    async fn open(&self) -> Result<Box<dyn ReadFile>, DmsMessage> {
        let opened = self.side.store.open(self.status.id).await;
        opened.map_err(|e| store_message(MODULE, &e, &self.shown()))
    }
}

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options = options::parse(&words.options)?;
    let (inputs, target) = match words.operands.len() {
        0..=2 => return Err(dms(MODULE, 54, 24, &[])),
        3..=6 => words.operands.split_at(3),
        n if n.is_multiple_of(3) => words.operands.split_at(n - 3),
        _ => return Err(dms(MODULE, 54, 24, &[])),
    };
    let mut found = Vec::new();
    for id in inputs.chunks(3) {
        found.extend(find(call.cms, id).await?);
    }
    // A file that is named once, or whose copy has its own name, is to be changed.
    let in_place = target.iter().all(|token| *token == "=");
    let default = if in_place { Existing::Replaced } else { Existing::Refused };
    let copies = plan(call.cms, found, target, options.single).await?;
    let job = job(call.cms, options).await?;
    for (id, side, inputs) in copies {
        job.copy(call.cms, (id, &side), &inputs, default).await?;
    }
    Ok(0)
}

/// The options with the lists that they ask for.
async fn job(cms: &Arc<Cms>, options: Options) -> Result<Job, DmsMessage> {
    let specs = match options.specs {
        true => {
            let list = read_list(cms, options.prompt.then_some(601), "specification").await?;
            Some(Specs::parse(&list).map_err(|wrong| match wrong {
                Wrong::At(list) => dms(MODULE, 64, 24, &["", &list]),
                Wrong::TooMany => dms(MODULE, 103, 88, &[&MAX_SPECS.to_string()]),
            })?)
        }
        false => None,
    };
    let pairs = match options.trans {
        true => {
            let list = read_list(cms, options.prompt.then_some(602), "translation").await?;
            trans::pairs(&list).map_err(|at| dms(MODULE, 64, 24, &["translate ", &at]))?
        }
        false => Vec::new(),
    };
    let table = trans::table(&options, &pairs);
    Ok(Job { options, table, specs })
}

/// Reads a list; `++` at the end of a line says that another follows.
async fn read_list(cms: &Arc<Cms>, prompt: Option<u16>, kind: &str) -> Result<String, DmsMessage> {
    if let Some(number) = prompt {
        cms.say(&dms(MODULE, number, 0, &[]).to_string()).await;
    }
    let mut list = String::new();
    while add_line(&mut list, &cms.read_line().await) {}
    match list.trim().len() {
        0 => Err(dms(MODULE, 63, 40, &[kind])),
        1..=MAX_LIST => Ok(list),
        _ => Err(dms(MODULE, 101, 88, &[kind])),
    }
}

/// Adds a line to a list; whether another belongs to it.
fn add_line(list: &mut String, line: &str) -> bool {
    let line = line.trim_end();
    let before = line.strip_suffix("++");
    list.push_str(before.unwrap_or(line));
    list.push(' ');
    before.is_some() && list.len() <= MAX_LIST
}

/// The files that an input id names.
async fn find(cms: &Arc<Cms>, id: &[&str]) -> Result<Vec<Input>, DmsMessage> {
    let shown = id.join(" ").to_ascii_uppercase();
    let failed = |e| store_message(MODULE, &e, &shown);
    let by_name = directory(cms, id[2])?;
    let pattern = FilePattern::parse(MODULE, if by_name.is_some() { &id[..2] } else { id }, None)?;
    let sides: Vec<Side> = match by_name {
        Some(dir) => vec![directory_side(cms, dir)],
        None => {
            let modes = cms.modes.select(pattern.mode).into_iter();
            modes.map(|a| Side { store: a.store.clone(), shown: a.mode.to_string() }).collect()
        }
    };
    let mut found = Vec::new();
    for side in sides {
        if let Some(id) = pattern.file_id() {
            let status = side.store.state(id).await.map_err(failed)?.filter(|s| pattern.fits(s));
            found.extend(status.map(|status| Input { side: side.clone(), status }));
            if !found.is_empty() {
                // The first in the search order is meant.
                break;
            }
            continue;
        }
        let files = side.store.list().await.map_err(failed)?.into_iter().filter(|s| pattern.fits(s));
        found.extend(files.map(|status| Input { side: side.clone(), status }));
    }
    if found.is_empty() { Err(dms(MODULE, 2, 28, &[&shown])) } else { Ok(found) }
}

/// The directory that a directory id or namedef names; `None` for a file mode.
fn directory(cms: &Cms, token: &str) -> Result<Option<DirName>, DmsMessage> {
    let named = token.contains(['.', ':']) || cms.csl.namedef_directory(token).is_some();
    named.then(|| cms.dir_name(MODULE, token)).transpose()
}

fn directory_side(cms: &Cms, dir: DirName) -> Side {
    let shown = dir.to_string();
    Side { store: Arc::new(DirectoryStore::new(cms.csl.clone(), dir)), shown }
}

type Copy = (FileId, Side, Vec<Input>);

/// What becomes of which inputs.
/// SINGLE: all of them become one file, whose id is that of the first where it says `=`.
async fn plan(
    cms: &Arc<Cms>,
    inputs: Vec<Input>,
    target: &[&str],
    single: bool,
) -> Result<Vec<Copy>, DmsMessage> {
    let token = |i: usize| target.get(i).copied().unwrap_or("=");
    let bad = |t: &str| dms(MODULE, 62, 20, &[t, &target.join(" ").to_ascii_uppercase()]);
    let mut copies: Vec<Copy> = Vec::new();
    for input in inputs {
        if single && let Some((_, _, inputs)) = copies.first_mut() {
            inputs.push(input);
            continue;
        }
        let old = input.status.id;
        let name = match token(0) {
            "=" => old.name,
            name => FileName::new(name).map_err(|_| bad(name))?,
        };
        let kind = match token(1) {
            "=" => old.kind,
            kind => FileType::new(kind).map_err(|_| bad(kind))?,
        };
        let place = if token(2) == "=" { input.side.shown.as_str() } else { token(2) };
        let side = output_side(cms, place).await?;
        let id = FileId::new(name, kind);
        match copies.iter_mut().find(|(known, at, _)| *known == id && at.shown == side.shown) {
            Some((_, _, inputs)) => inputs.push(input),
            None => copies.push((id, side, vec![input])),
        }
    }
    Ok(copies)
}

/// The place that an output id names, if it can be written.
async fn output_side(cms: &Arc<Cms>, token: &str) -> Result<Side, DmsMessage> {
    if let Some(dir) = directory(cms, token)? {
        let store = DirectoryStore::new(cms.csl.clone(), dir.clone());
        let there = store.exists().await.map_err(|e| store_message(MODULE, &e, token))?;
        return if there {
            Ok(directory_side(cms, dir))
        } else {
            Err(dms(MODULE, 1184, 28, &[&dir.to_string()]))
        };
    }
    let (letter, _) = parse_mode(token).ok_or_else(|| dms(MODULE, 48, 24, &[token]))?;
    let shown = letter.to_string();
    let accessed = cms.modes.get(letter).ok_or_else(|| dms(MODULE, 69, 36, &[&shown]))?;
    let may = !accessed.read_only || may_write(cms, &accessed.place).await;
    match may {
        true => Ok(Side { store: accessed.store.clone(), shown }),
        false => Err(dms(MODULE, 37, 36, &[&shown])),
    }
}

/// Whether a place that is accessed read-only is written all the same, as far as the user has authority.
async fn may_write(cms: &Arc<Cms>, place: &Place) -> bool {
    let Place::Directory(dir) = place else { return false };
    if cms.settings.lock().ro_respect {
        return false;
    }
    let status = cms.csl.dmsexidi(dir, WorkUnitId::DEFAULT).await;
    status.is_ok_and(|s| s.control == DirControl::File)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_in_the_next_line_up_to_its_limit() {
        let mut list = String::new();
        assert!(add_line(&mut list, "a b ++  "));
        assert!(!add_line(&mut list, "c d"));
        assert_eq!(list, "a b  c d ");
        let line = |octets: usize| "x".repeat(octets - 1) + "++";
        assert!(add_line(&mut String::new(), &line(MAX_LIST)));
        assert!(!add_line(&mut String::new(), &line(MAX_LIST + 1)));
    }
}

#[cfg(test)]
mod testing {
    use cp::name::{FileName, FileType};
    use sfs::types::{EntryType, FileId, FileStatus, ModeNumber, RecordFormat, Stamp};

    /// A file of that format, as far as copying looks at it.
    pub(super) fn status(recfm: RecordFormat, lrecl: u32) -> FileStatus {
        FileStatus {
            id: FileId::new(FileName::new("A").unwrap(), FileType::new("FILE").unwrap()),
            mode: ModeNumber::DEFAULT,
            recfm,
            lrecl,
            records: 0,
            blocks: 0,
            bytes: 0,
            created: Stamp(0),
            updated: Stamp(0),
            unique: 0,
            entry: EntryType::Base,
            referenced: Stamp(0),
            recover: true,
            in_place: false,
            readable: true,
            writable: true,
        }
    }
}
