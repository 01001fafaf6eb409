//! LISTFILE: the files of one file mode, of all, or of a directory that need not be accessed.

use std::sync::Arc;

use cp::name::{DirName, ModeLetter};
use jiff::{Timestamp, tz::TimeZone};
use sfs::types::{EntryType, FileStatus, Stamp};

use super::create::csl_message;
use super::object::entries;
use super::options::{Output, flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::store_message;
use crate::files::{Accessed, DirectoryStore, FilePattern, FileStore, Place};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "LST";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "LISTFILE",
    min: 1,
    syntax: "Listfile [fn [ft [fm|dirid]]] [( Header|NOHeader FName|FType|FMode|FOrmat|ALloc|Date|Label ALLFILE STACK [FIFO|LIFO]]",
    summary: "Lists the files of a file mode or directory",
    run: |call| Box::pin(run(call)),
};

/// How much of each file is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    Name,
    Type,
    Mode,
    Format,
    Alloc,
    Date,
    Label,
}

async fn run(call: CmsCall<'_>) -> CmsResult {
    let mut words = split(call.args);
    let output = Output::take(MODULE, &mut words.options, Output::Terminal)?;
    let known = [
        ("HEADER", 1),
        ("NOHEADER", 3),
        ("FNAME", 2),
        ("FTYPE", 2),
        ("FMODE", 2),
        ("FORMAT", 2),
        ("ALLOC", 2),
        ("DATE", 1),
        ("LABEL", 1),
        ("ALLFILE", 7),
    ];
    let options = flags(MODULE, &words.options, &known)?;
    let detail = options.iter().filter_map(|o| detail_of(o)).max().unwrap_or(Detail::Mode);
    let header = detail >= Detail::Format && !options.contains(&"NOHEADER") || options.contains(&"HEADER");
    let all = options.contains(&"ALLFILE");
    let (pattern, sources) = sources(&call, &words.operands).await?;
    let zone = call.cms.guest.cp().clock.zone();
    let mut shown = 0;
    for source in sources {
        let files = match &source.dir {
            Some(dir) if all => {
                entries(call.cms, dir).await.map_err(|e| csl_message(MODULE, &e, &source.named))?
            }
            _ => source.store.list().await.map_err(|e| store_message(MODULE, &e, &source.named))?,
        };
        for file in files.iter().filter(|f| pattern.fits(f)) {
            if shown == 0 && header {
                output.heading(call.cms, &heading(detail)).await;
            }
            output.line(call.cms, MODULE, &row(file, &source, detail, &zone)).await?;
            shown += 1;
        }
    }
    if shown == 0 {
        let wanted = words.operands.join(" ").to_ascii_uppercase();
        return Err(dms(MODULE, 2, 28, &[&wanted]));
    }
    Ok(0)
}

/// Where files are looked for, and how that is shown.
struct Source {
    store: Arc<dyn FileStore>,
    /// The directory, if it is one.
    dir: Option<DirName>,
    /// The letter, or `-` for a directory that is not accessed.
    mode: String,
    /// The label of a minidisk, or `-`.
    label: String,
    /// What messages call it.
    named: String,
}

impl From<Arc<Accessed>> for Source {
    fn from(accessed: Arc<Accessed>) -> Self {
        let label = match &accessed.place {
            Place::Minidisk { label, .. } => label.clone(),
            Place::Directory(_) => "-".to_owned(),
        };
        let mode = accessed.mode.to_string();
        let dir = match &accessed.place {
            Place::Directory(dir) => Some(dir.clone()),
            Place::Minidisk { .. } => None,
        };
        Self { store: accessed.store.clone(), dir, named: mode.clone(), mode, label }
    }
}

/// The pattern and the places that `[fn [ft [fm|dirid]]]` names.
async fn sources(call: &CmsCall<'_>, operands: &[&str]) -> Result<(FilePattern, Vec<Source>), DmsMessage> {
    if let [name, kind, dirid] = *operands
        && (dirid.contains(['.', ':']) || call.cms.csl.namedef_directory(dirid).is_some())
    {
        let pattern = FilePattern::parse(MODULE, &[name, kind], None)?;
        return Ok((pattern, vec![directory_source(call, dirid).await?]));
    }
    let pattern = FilePattern::parse(MODULE, operands, ModeLetter::new('A'))?;
    let modes = call.cms.modes.select(pattern.mode);
    if modes.is_empty() {
        let shown = pattern.mode.map_or("*".to_owned(), |m| m.to_string());
        return Err(dms(MODULE, 69, 36, &[&shown]));
    }
    Ok((pattern, modes.into_iter().map(Source::from).collect()))
}

/// A directory by its name: as accessed when it is, else directly.
async fn directory_source(call: &CmsCall<'_>, dirid: &str) -> Result<Source, DmsMessage> {
    let dir = call.cms.dir_name(MODULE, dirid)?;
    let here = Place::Directory(dir.clone());
    if let Some(accessed) = call.cms.modes.all().into_iter().find(|a| a.place == here) {
        return Ok(accessed.into());
    }
    let named = dir.to_string();
    let store = DirectoryStore::new(call.cms.csl.clone(), dir.clone());
    if !store.exists().await.map_err(|e| store_message(MODULE, &e, &named))? {
        return Err(dms(MODULE, 1184, 28, &[&named]));
    }
    let (mode, label) = ("-".to_owned(), "-".to_owned());
    Ok(Source { store: Arc::new(store), dir: Some(dir), mode, label, named })
}

fn detail_of(option: &str) -> Option<Detail> {
    Some(match option {
        "FNAME" => Detail::Name,
        "FTYPE" => Detail::Type,
        "FMODE" => Detail::Mode,
        "FORMAT" => Detail::Format,
        "ALLOC" => Detail::Alloc,
        "DATE" => Detail::Date,
        "LABEL" => Detail::Label,
        _ => return None,
    })
}

fn heading(detail: Detail) -> String {
    let mut line = String::from("Filename Filetype Fm");
    if detail >= Detail::Format {
        line += " Format      Lrecl";
    }
    if detail >= Detail::Alloc {
        line += "    Records     Blocks";
    }
    if detail >= Detail::Date {
        line += "   Date     Time";
    }
    if detail >= Detail::Label {
        line += "     Label";
    }
    line
}

fn row(file: &FileStatus, source: &Source, detail: Detail, zone: &TimeZone) -> String {
    let id = file.id;
    let mut line = format!("{:<8}", id.name);
    if detail >= Detail::Type {
        line += &format!(" {:<8}", id.kind);
    }
    if detail >= Detail::Mode {
        match source.mode.as_str() {
            "-" => line += " - ",
            mode => line += &format!(" {mode}{}", file.mode.get()),
        }
    }
    // What has no data of its own has no figures either.
    let bare = matches!(file.entry, EntryType::Erased | EntryType::Revoked | EntryType::External);
    if detail >= Detail::Format {
        line += &match bare {
            true => format!(" -      {:>10}", "-"),
            false => format!(" {}      {:>10}", file.recfm, file.lrecl),
        };
    }
    if detail >= Detail::Alloc {
        line += &match bare {
            true => format!(" {:>10} {:>10}", "-", "-"),
            false => format!(" {:>10} {:>10}", file.records, file.blocks),
        };
    }
    if detail >= Detail::Date {
        line += &if bare { format!(" {:<17}", "-") } else { format!(" {}", date_time(file.updated, zone)) };
    }
    if detail >= Detail::Label {
        line += &format!(" {}", source.label);
    }
    line.trim_end().to_owned()
}

/// `mm/dd/yy hh:mm:ss` with the hour right-justified.
pub(super) fn date_time(stamp: Stamp, zone: &TimeZone) -> String {
    let when = Timestamp::from_microsecond(stamp.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
    format!("{} {:>2}:{}", when.strftime("%m/%d/%y"), when.hour(), when.strftime("%M:%S"))
}
