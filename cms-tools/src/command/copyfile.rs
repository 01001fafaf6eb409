//! COPYFILE: copies a file, within a mode or from one to another.

use bytes::Bytes;
use cp::codepage;
use cp::name::{FileName, FileType};
use sfs::types::{Attributes, FileId, FileStatus, MAX_LRECL_F, RecordFormat};

use super::options::split;
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::{FilePattern, append_record, pad_record, records};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "CPY";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "COPYFILE",
    min: 4,
    syntax: "COPYfile fn ft fm [fn ft fm] [( Type NOType REPlace NEWFile RECfm F|V LRecl n TRUnc APpend]",
    summary: "Copies a file",
    run: |call| Box::pin(run(call)),
};

#[derive(Default)]
struct Options {
    replace: bool,
    append: bool,
    recfm: Option<RecordFormat>,
    lrecl: Option<u32>,
}

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let options = parse_options(&words.options)?;
    if words.operands.len() < 3 {
        return Err(dms(MODULE, 54, 24, &[]));
    }
    let from = FilePattern::parse(MODULE, &words.operands[..3], None)?;
    let source = from.file_id().ok_or_else(|| dms(MODULE, 62, 20, &["*", &words.operands.join(" ")]))?;
    let shown = words.operands[..3].join(" ").to_ascii_uppercase();
    let found =
        call.cms.modes.find(source, from.mode).await.map_err(|e| store_message(MODULE, &e, &shown))?;
    let (input, status) = found.ok_or_else(|| dms(MODULE, 2, 28, &[&shown]))?;
    let (target, mode) = target_of(&words.operands[3..], source, input.mode.as_char())?;
    let output = call.cms.writable(MODULE, mode)?;
    let target_shown = format!("{target} {mode}");
    let same = target == source && output.mode == input.mode;
    if same && !options.replace {
        return Err(dms(MODULE, 19, 24, &[]));
    }
    let fail = |e| store_message(MODULE, &e, &target_shown);
    let existing = output.store.state(target).await.map_err(fail)?;
    if existing.is_some() && !options.replace && !options.append {
        return Err(dms(MODULE, 24, 28, &[&target_shown]));
    }
    let kept = existing.filter(|_| options.append);
    let attributes = attributes_of(&options, kept.as_ref().unwrap_or(&status));
    let mut writer = output.store.create(target, attributes).await.map_err(fail)?;
    if kept.is_some() {
        copy_records(&*output.store, target, &mut *writer, &attributes, &target_shown).await?;
    }
    copy_records(&*input.store, source, &mut *writer, &attributes, &shown).await?;
    writer.close().await.map_err(fail)?;
    Ok(0)
}

async fn copy_records(
    from: &dyn crate::files::FileStore,
    id: FileId,
    to: &mut dyn crate::files::WriteFile,
    attributes: &Attributes,
    shown: &str,
) -> Result<(), DmsMessage> {
    let mut file = from.open(id).await.map_err(|e| store_message(MODULE, &e, shown))?;
    loop {
        let status = file.status().clone();
        let image = file.next().await.map_err(|e| store_message(MODULE, &e, shown))?;
        if image.is_empty() {
            return Ok(());
        }
        let converted = convert(&image, &status, attributes).map_err(|()| dms(MODULE, 44, 32, &[]))?;
        to.write(converted).await.map_err(|e| store_message(MODULE, &e, shown))?;
    }
}

/// The records of an image in another record format; `Err` for a record that does not fit.
fn convert(image: &Bytes, status: &FileStatus, to: &Attributes) -> Result<Bytes, ()> {
    if status.recfm == to.recfm && (to.recfm == RecordFormat::Variable || status.lrecl == to.lrecl) {
        return Ok(image.clone());
    }
    let mut out = Vec::with_capacity(image.len());
    for record in records(image, status.recfm, status.lrecl) {
        match to.recfm {
            RecordFormat::Variable => append_record(&mut out, codepage::trim_end(record)),
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

fn target_of(
    tokens: &[&str],
    source: FileId,
    mode: char,
) -> Result<(FileId, cp::name::ModeLetter), DmsMessage> {
    let token = |i: usize| tokens.get(i).copied().unwrap_or("=");
    let bad = |t: &str| dms(MODULE, 62, 20, &[t, &tokens.join(" ").to_ascii_uppercase()]);
    let name =
        if token(0) == "=" { source.name } else { FileName::new(token(0)).map_err(|_| bad(token(0)))? };
    let kind =
        if token(1) == "=" { source.kind } else { FileType::new(token(1)).map_err(|_| bad(token(1)))? };
    let letter = if token(2) == "=" { mode } else { token(2).chars().next().unwrap_or(mode) };
    let letter = cp::name::ModeLetter::new(letter).ok_or_else(|| dms(MODULE, 48, 24, &[token(2)]))?;
    Ok((FileId::new(name, kind), letter))
}

fn parse_options(words: &[String]) -> Result<Options, DmsMessage> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "REP" | "REPL" | "REPLA" | "REPLAC" | "REPLACE" => options.replace = true,
            "AP" | "APP" | "APPE" | "APPEN" | "APPEND" => options.append = true,
            "REC" | "RECF" | "RECFM" => {
                options.recfm = Some(match rest.next().map(String::as_str) {
                    Some("F") => RecordFormat::Fixed,
                    Some("V") => RecordFormat::Variable,
                    other => return Err(dms(MODULE, 26, 24, &[other.unwrap_or(""), "RECFM"])),
                });
            }
            "LR" | "LREC" | "LRECL" => {
                let value = rest.next().map_or("", String::as_str);
                let number = value.parse::<u32>().ok().filter(|n| (1..=MAX_LRECL_F).contains(n));
                options.lrecl = Some(number.ok_or_else(|| dms(MODULE, 26, 24, &[value, "LRECL"]))?);
            }
            "T" | "TYPE" | "NOT" | "NOTYPE" | "NEWF" | "NEWFILE" | "TRU" | "TRUNC" => {}
            other => return Err(dms(MODULE, 3, 24, &[other])),
        }
    }
    Ok(options)
}
