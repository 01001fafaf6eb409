//! COPYFILE: copies files, one by one or several into one, within a place or from one to another.
//!
//! `*` and `%` in name or type of an input select files; `=` in the output id keeps what the input has. Inputs that come to the same
//! output id become one file, in their order. In a FILECONTROL directory that is accessed read-only an authorised user writes all the
//! same, unless SET RORESPECT is ON. Source for that: "Accessing Directories"; of the options the ones of [`Options`] are there.

use std::sync::Arc;

use bytes::Bytes;
use cp::codepage;
use cp::name::{DirName, FileName, FileType};
use sfs::csl::WorkUnitId;
use sfs::types::{Attributes, DirControl, FileId, FileStatus, MAX_LRECL_F, RecordFormat};

use super::options::{Output, abbreviates, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::cms::store_message;
use crate::files::{
    DirectoryStore, FilePattern, FileStore, Place, WriteFile, append_record, pad_record, parse_mode, records,
};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "CPY";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "COPYFILE",
    min: 4,
    syntax: "COPYfile fn ft fm|dirid [fn ft fm|dirid ...] [( Type|NOType REPlace|NEWFile|APpend RECfm F|V LRecl n TRUnc|NOTRunc FRom n FOR n NEWDate]",
    summary: "Copies files",
    run: |call| Box::pin(run(call)),
};

#[derive(Default)]
struct Options {
    replace: bool,
    append: bool,
    recfm: Option<RecordFormat>,
    lrecl: Option<u32>,
    /// Blanks at the ends of records go, in a RECFM V file.
    trunc: bool,
    /// The first record that is copied, from 1.
    from: Option<u64>,
    /// How many of each input.
    count: Option<u64>,
}

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

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Nowhere)?;
    if matches!(output, Output::Fifo | Output::Lifo) {
        return Err(dms(MODULE, 3, 24, &["STACK"]));
    }
    let options = parse_options(&words.options)?;
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
    for (id, side, inputs) in plan(call.cms, found, target).await? {
        copy(call.cms, &options, (id, &side), &inputs, output).await?;
    }
    Ok(0)
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
async fn plan(cms: &Arc<Cms>, inputs: Vec<Input>, target: &[&str]) -> Result<Vec<Copy>, DmsMessage> {
    let token = |i: usize| target.get(i).copied().unwrap_or("=");
    let bad = |t: &str| dms(MODULE, 62, 20, &[t, &target.join(" ").to_ascii_uppercase()]);
    let mut copies: Vec<Copy> = Vec::new();
    for input in inputs {
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

/// Makes one file of its inputs.
async fn copy(
    cms: &Arc<Cms>,
    options: &Options,
    (id, side): (FileId, &Side),
    inputs: &[Input],
    output: Output,
) -> Result<(), DmsMessage> {
    let shown = format!("{id} {}", side.shown);
    let fail = |e| store_message(MODULE, &e, &shown);
    if inputs.iter().any(|i| i.status.id == id && i.side.shown == side.shown) && !options.replace {
        return Err(dms(MODULE, 19, 24, &[]));
    }
    let existing = side.store.state(id).await.map_err(fail)?;
    if existing.is_some() && !options.replace && !options.append {
        return Err(dms(MODULE, 24, 28, &[&shown]));
    }
    let state = if existing.is_some() { "old file" } else { "new file" };
    let kept = existing.filter(|_| options.append);
    let first = inputs.first().map(|i| &i.status);
    let Some(like) = kept.as_ref().or(first) else { return Ok(()) };
    let attributes = attributes_of(options, like);
    let mut writer = side.store.create(id, attributes).await.map_err(fail)?;
    if let Some(status) = kept {
        let all = Options::default();
        copy_records(&Input { side: side.clone(), status }, &mut *writer, &attributes, &all).await?;
    }
    for input in inputs {
        copy_records(input, &mut *writer, &attributes, options).await?;
        let from = format!("{} {}", input.status.id, input.side.shown);
        let line = dms(MODULE, 721, 0, &[&from, &shown, state]).to_string();
        output.line(cms, MODULE, &line).await?;
    }
    writer.close().await.map_err(fail)
}

async fn copy_records(
    input: &Input,
    to: &mut dyn WriteFile,
    attributes: &Attributes,
    options: &Options,
) -> Result<(), DmsMessage> {
    let shown = format!("{} {}", input.status.id, input.side.shown);
    let failed = |e| store_message(MODULE, &e, &shown);
    let mut file = input.side.store.open(input.status.id).await.map_err(failed)?;
    let status = file.status().clone();
    let first = options.from.unwrap_or(1);
    if first > u64::from(status.records).max(1) {
        let records = status.records.to_string();
        return Err(dms(MODULE, 156, 32, &[&first.to_string(), &shown, &records]));
    }
    let mut left = (first - 1, options.count.unwrap_or(u64::MAX));
    loop {
        let image = file.next().await.map_err(failed)?;
        if image.is_empty() || left.1 == 0 {
            return Ok(());
        }
        let converted = convert(&image, &status, attributes, options, &mut left);
        let converted = converted.map_err(|()| dms(MODULE, 44, 32, &[]))?;
        if !converted.is_empty() {
            to.write(converted).await.map_err(failed)?;
        }
    }
}

/// The records of an image in another form; `left`: how many are still to be passed over, and to be copied. `Err` for a record that
/// does not fit.
fn convert(
    image: &Bytes,
    status: &FileStatus,
    to: &Attributes,
    options: &Options,
    (skip, take): &mut (u64, u64),
) -> Result<Bytes, ()> {
    let whole = *skip == 0 && *take == u64::MAX;
    let like = status.recfm == to.recfm && (to.recfm == RecordFormat::Variable || status.lrecl == to.lrecl);
    if whole && like && !options.trunc && options.lrecl.is_none_or(|l| l >= status.lrecl) {
        return Ok(image.clone());
    }
    let mut out = Vec::with_capacity(image.len());
    for record in records(image, status.recfm, status.lrecl) {
        if *skip > 0 {
            *skip -= 1;
            continue;
        }
        if *take == 0 {
            break;
        }
        *take -= 1;
        // What is longer than was asked for is cut.
        let length = options.lrecl.map_or(record.len(), |lrecl| record.len().min(lrecl as usize));
        let record = &record[..length];
        match to.recfm {
            RecordFormat::Variable if options.trunc => append_record(&mut out, codepage::trim_end(record)),
            RecordFormat::Variable => append_record(&mut out, record),
            RecordFormat::Fixed => pad_record(&mut out, record, to.lrecl),
        }
        .map_err(|_| ())?;
    }
    Ok(Bytes::from(out))
}

fn attributes_of(options: &Options, like: &FileStatus) -> Attributes {
    let recfm = options.recfm.unwrap_or(like.recfm);
    match recfm {
        RecordFormat::Variable => Attributes { mode: like.mode, ..Attributes::variable() },
        RecordFormat::Fixed => {
            let lrecl = options.lrecl.unwrap_or(like.lrecl.max(1));
            Attributes { mode: like.mode, ..Attributes::fixed(lrecl) }
        }
    }
}

fn parse_options(words: &[String]) -> Result<Options, DmsMessage> {
    let mut options = Options::default();
    let (mut new_file, mut no_trunc) = (false, false);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let is = |name: &str, min: usize| abbreviates(word, name, min);
        let mut value = || rest.next().map_or("", String::as_str);
        if is("REPLACE", 3) {
            options.replace = true;
        } else if is("APPEND", 2) {
            options.append = true;
        } else if is("NEWFILE", 4) {
            new_file = true;
        } else if is("TRUNC", 3) {
            options.trunc = true;
        } else if is("NOTRUNC", 5) {
            no_trunc = true;
        } else if is("RECFM", 3) {
            options.recfm = Some(match value() {
                "F" => RecordFormat::Fixed,
                "V" => RecordFormat::Variable,
                other => return Err(dms(MODULE, 26, 24, &[other, "RECFM"])),
            });
        } else if is("LRECL", 2) {
            let value = value();
            let number = value.parse::<u32>().ok().filter(|n| (1..=MAX_LRECL_F).contains(n));
            options.lrecl = Some(number.ok_or_else(|| dms(MODULE, 26, 24, &[value, "LRECL"]))?);
        } else if is("FROM", 2) || is("FOR", 3) {
            let (name, value) = (if is("FROM", 2) { "FROM" } else { "FOR" }, value());
            let number = value.parse::<u64>().ok().filter(|n| *n > 0);
            let number = Some(number.ok_or_else(|| dms(MODULE, 26, 24, &[value, name]))?);
            *(if name == "FROM" { &mut options.from } else { &mut options.count }) = number;
        } else if !is("NEWDATE", 4) {
            return Err(dms(MODULE, 3, 24, &[word]));
        }
    }
    let how = [(options.replace, "REPLACE"), (options.append, "APPEND"), (new_file, "NEWFILE")];
    let how: Vec<&str> = how.into_iter().filter_map(|(given, name)| given.then_some(name)).collect();
    match how[..] {
        [one, other, ..] => Err(dms(MODULE, 66, 24, &[one, other])),
        _ if options.trunc && no_trunc => Err(dms(MODULE, 66, 24, &["TRUNC", "NOTRUNC"])),
        _ => Ok(options),
    }
}
