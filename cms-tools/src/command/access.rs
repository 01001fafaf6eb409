//! ACCESS: puts a minidisk or an SFS directory behind a file mode letter.
//!
//! Of a minidisk some files may be selected (`fn [ft [fm]]`), of a directory never; the mode is read-only then. Of a minidisk that is
//! accessed read-only the files with mode number 0 are not seen without MODE0. NOPROF counts with the first command after IPL and is
//! ignored later, NODISK is an option of no other command; NOSAVE concerns saved directories of disks, which there are not here, so
//! SAVEONLY is no option. Source: "ACCESS".

use std::sync::Arc;

use cp::command::split_word;
use cp::name::{DirName, ModeLetter, Vdev};

use super::options::{Words, abbreviates, flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::{Cms, store_message};
use crate::files::{Accessed, DirectoryStore, FilePattern, FileStore, MinidiskFiles, Place, SelectedFiles};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "ACC";

/// The minidisk that is meant when none is named.
const FIRST_DISK: Vdev = Vdev(0x191);

const DISK_OPTIONS: [(&str, usize); 5] =
    [("NOPROF", 6), ("ERASE", 5), ("NOSAVE", 6), ("NODISK", 6), ("MODE0", 5)];
const DIRECTORY_OPTIONS: [(&str, usize); 3] = [("NOPROF", 6), ("FORCERO", 7), ("FORCERW", 7)];

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ACCESS",
    min: 2,
    syntax: "ACcess [vdev [fm[/ext] [fn [ft [fm]]]] [( NOPROF ERASE|NOSAVE NODISK MODE0] | dirid [fm[/ext]] [( NOPROF FORCERO|FORCERW]]",
    summary: "Puts a minidisk, some files of one, or an SFS directory behind a file mode letter",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    if words.options.iter().any(|option| option == "NODISK") {
        return Err(dms(MODULE, 3, 24, &["NODISK"]));
    }
    access(call.cms, &words).await?;
    Ok(0)
}

/// The operands and options of a line that is an ACCESS command.
pub(crate) fn operands(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once('(').map_or_else(
        || split_word(line),
        |(before, _)| {
            let (word, _) = split_word(before);
            (word, line.trim_start().get(word.len()..).unwrap_or_default())
        },
    );
    abbreviates(word, ROW.name, ROW.min).then_some(rest)
}

/// ACCESS as the first command after IPL, when nothing but the system's disks is accessed. Returns its return code and whether PROFILE
/// EXEC is to be run.
pub(crate) async fn first(cms: &Arc<Cms>, args: &str) -> (i32, bool) {
    let words = split(args);
    let has = |name: &str| words.options.iter().any(|option| option == name);
    match access(cms, &words).await {
        Ok(()) => (0, !has("NOPROF") && !has("NODISK")),
        Err(message) => {
            cms.say(&message.to_string()).await;
            (message.rc, false)
        }
    }
}

/// How a file mode is given: `fm`, or `fm/ext` for one that is read-only whatever it is.
struct Mode<'a> {
    letter: ModeLetter,
    extension: bool,
    shown: &'a str,
}

async fn access(cms: &Arc<Cms>, words: &Words<'_>) -> Result<(), DmsMessage> {
    let (place, shown, selected) = match words.operands[..] {
        [] => (None, "A", &[][..]),
        [place] => (Some(place), "A", &[][..]),
        [place, mode, ref selected @ ..] => (Some(place), mode, selected),
    };
    let (letter, extension) = letters(shown).ok_or_else(|| dms(MODULE, 48, 24, &[shown]))?;
    let mode = Mode { letter, extension, shown };
    let directory = match place {
        Some(place) if place.contains(['.', ':']) || cms.csl.namedef_directory(place).is_some() => {
            Some(cms.dir_name(MODULE, place)?)
        }
        Some(_) => None,
        None => top_directory(cms).await,
    };
    let before = cms.modes.get(letter);
    let others = match (directory, place) {
        (Some(dir), _) => {
            directory_as(cms, words, &dir, mode, selected).await?;
            Vec::new()
        }
        (None, Some(place)) => {
            let vdev = place.parse().map_err(|_| dms(MODULE, 29, 24, &[place]))?;
            disk_as(cms, words, vdev, mode, selected).await?
        }
        (None, None) => disk_as(cms, words, FIRST_DISK, mode, selected).await?,
    };
    if !words.options.iter().any(|option| option == "NODISK") {
        report(cms, letter, before, others).await;
    }
    Ok(())
}

/// The user's own top directory in the default file pool, if there is one.
async fn top_directory(cms: &Cms) -> Option<DirName> {
    let pool = cms.settings.lock().filepool?;
    let top = DirName::top(pool, cms.userid());
    let there = DirectoryStore::new(cms.csl.clone(), top.clone()).exists().await;
    // A pool that cannot be asked has none that could be accessed.
    there.unwrap_or(false).then_some(top)
}

async fn directory_as(
    cms: &Arc<Cms>,
    words: &Words<'_>,
    dir: &DirName,
    mode: Mode<'_>,
    selected: &[&str],
) -> Result<(), DmsMessage> {
    if let [extra, ..] = selected {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    if let Some(option) = words.options.iter().find(|option| *option == "NODISK") {
        return Err(dms(MODULE, 3, 24, &[option]));
    }
    let options = flags(MODULE, &words.options, &DIRECTORY_OPTIONS)?;
    let has = |option: &str| options.contains(&option);
    let read_only = match (has("FORCERO") || mode.extension, has("FORCERW")) {
        (true, true) if mode.extension => return Err(dms(MODULE, 66, 24, &[mode.shown, "FORCERW"])),
        (true, true) => return Err(dms(MODULE, 66, 24, &["FORCERO", "FORCERW"])),
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    access_directory(cms, dir, mode.letter, read_only).await
}

async fn disk_as(
    cms: &Arc<Cms>,
    words: &Words<'_>,
    vdev: Vdev,
    mode: Mode<'_>,
    selected: &[&str],
) -> Result<Vec<DmsMessage>, DmsMessage> {
    let options = flags(MODULE, &words.options, &DISK_OPTIONS)?;
    let has = |option: &str| options.contains(&option);
    if has("ERASE") && has("NOSAVE") {
        return Err(dms(MODULE, 66, 24, &["ERASE", "NOSAVE"]));
    }
    let reads_only = if mode.extension { Some(mode.shown) } else { selected.first().copied() };
    if let Some(word) = reads_only.filter(|_| has("ERASE")) {
        return Err(dms(MODULE, 66, 24, &["ERASE", word]));
    }
    let selection = selection(mode.letter, selected)?;
    if has("NODISK") {
        return Ok(Vec::new());
    }
    let view = View { read_only: reads_only.is_some(), selection, private: has("MODE0") };
    let others = access_minidisk_as(cms, vdev, mode.letter, view).await?;
    if has("ERASE") {
        erase_all(cms, mode.letter).await?;
    }
    Ok(others)
}

/// `fn [ft [fm]]`, where fm has the letter of the mode, or is `*`; and how messages show it.
fn selection(letter: ModeLetter, selected: &[&str]) -> Result<Option<(FilePattern, String)>, DmsMessage> {
    match *selected {
        [] => return Ok(None),
        [_, _, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
        _ => {}
    }
    let pattern = FilePattern::parse(MODULE, selected, None)?;
    if let (Some(_), Some(token)) = (pattern.mode.filter(|mode| *mode != letter), selected.get(2)) {
        return Err(dms(MODULE, 48, 24, &[token]));
    }
    Ok(Some((pattern, selected.join(" ").to_ascii_uppercase())))
}

/// `fm` or `fm/ext`: the letter, and whether it extends another.
fn letters(mode: &str) -> Option<(ModeLetter, bool)> {
    let letter = |text: &str| text.chars().next().filter(|_| text.len() == 1).and_then(ModeLetter::new);
    match mode.split_once('/') {
        Some((first, of)) => letter(of).and_then(|_| letter(first)).map(|first| (first, true)),
        None => letter(mode).map(|first| (first, false)),
    }
}

/// ERASE: the files of what was accessed go.
async fn erase_all(cms: &Arc<Cms>, mode: ModeLetter) -> Result<(), DmsMessage> {
    let accessed = cms.writable(MODULE, mode)?;
    let shown = mode.to_string();
    for file in accessed.store.list().await.map_err(|e| store_message(MODULE, &e, &shown))? {
        let erased = accessed.store.erase(file.id).await;
        erased.map_err(|e| store_message(MODULE, &e, &format!("{} {mode}", file.id)))?;
    }
    Ok(())
}

/// The lines that ACCESS answers with.
async fn report(cms: &Arc<Cms>, letter: ModeLetter, before: Option<Arc<Accessed>>, others: Vec<DmsMessage>) {
    let Some(now) = cms.modes.get(letter) else { return };
    let shown = place_name(&now.place);
    if let Some(before) = before.filter(|b| b.place != now.place) {
        let old = format!("{letter} ({})", place_name(&before.place));
        cms.say(&dms(MODULE, 724, 0, &[&shown, &old]).to_string()).await;
    }
    if now.read_only {
        cms.say(&dms(MODULE, 723, 0, &[&letter.to_string(), &shown]).to_string()).await;
    }
    for message in others {
        cms.say(&message.to_string()).await;
    }
}

pub(super) fn place_name(place: &Place) -> String {
    match place {
        Place::Minidisk { vdev, .. } => format!("{:03X}", vdev.0),
        Place::Directory(dir) => dir.to_string(),
    }
}

/// What is seen of a minidisk.
#[derive(Default)]
struct View {
    read_only: bool,
    /// The files that are selected, and how messages show that.
    selection: Option<(FilePattern, String)>,
    /// MODE0.
    private: bool,
}

/// Accesses a minidisk that the machine has.
///
/// # Errors
/// 113S when the machine has no such disk.
pub(crate) async fn access_minidisk(cms: &Arc<Cms>, vdev: Vdev, mode: ModeLetter) -> Result<(), DmsMessage> {
    access_minidisk_as(cms, vdev, mode, View::default()).await.map(|_| ())
}

/// The other modes of a disk that is accessed once more. One that is written through stays the only one: accessed to be written, the
/// disk leaves it, and read-only it is not accessed at all, since what is written there would not be seen.
fn other_modes(
    cms: &Cms,
    vdev: Vdev,
    mode: ModeLetter,
    read_only: bool,
) -> Result<Vec<Arc<Accessed>>, DmsMessage> {
    let mut others = cms.modes.all();
    others.retain(|a| {
        a.mode != mode && matches!(a.place, Place::Minidisk { vdev: other, .. } if other == vdev)
    });
    match others.iter().find(|a| read_only && !a.read_only) {
        Some(written) => Err(dms(MODULE, 59, 36, &[&format!("{:03X}", vdev.0), &written.mode.to_string()])),
        None => Ok(others),
    }
}

/// [`access_minidisk`], of which only a part may be seen; a disk that is linked read-only stays so. Returns what is to be said of the
/// disk's other modes.
async fn access_minidisk_as(
    cms: &Arc<Cms>,
    vdev: Vdev,
    mode: ModeLetter,
    view: View,
) -> Result<Vec<DmsMessage>, DmsMessage> {
    let shown = format!("{:03X}", vdev.0);
    let named = format!("{mode}({shown})");
    let found = MinidiskFiles::attach(cms.guest.cp(), cms.guest.vm(), vdev);
    let (files, label, read_only) = found
        .map_err(|e| store_message(MODULE, &e, &shown))?
        .ok_or_else(|| dms(MODULE, 113, 100, &[&named]))?;
    let read_only = read_only || view.read_only;
    let others = other_modes(cms, vdev, mode, read_only)?;
    let store: Arc<dyn FileStore> = match (view.selection, read_only) {
        (None, false) => Arc::new(files),
        (None, true) => Arc::new(SelectedFiles::new(files, FilePattern::all(), view.private)),
        (Some((pattern, words)), _) => {
            let files = SelectedFiles::new(files, pattern, view.private);
            if files.list().await.map_err(|e| store_message(MODULE, &e, &shown))?.is_empty() {
                return Err(dms(MODULE, 60, 28, &[&words, &named]));
            }
            Arc::new(files)
        }
    };
    cms.modes.set(Accessed { mode, place: Place::Minidisk { vdev, label }, store, read_only });
    let told = |other: Arc<Accessed>| {
        if other.read_only {
            return dms(MODULE, 725, 0, &[&shown, &other.mode.to_string()]);
        }
        cms.modes.release(other.mode);
        dms(MODULE, 726, 0, &[&shown, &other.mode.to_string()])
    };
    Ok(others.into_iter().map(told).collect())
}

/// Accesses an SFS directory. Somebody else's is read-only unless `read_only` says otherwise; that does not bypass his
/// authorities.
///
/// # Errors
/// 1184E when there is no such directory for this user, or the message for an unreachable pool.
pub(crate) async fn access_directory(
    cms: &Arc<Cms>,
    dir: &DirName,
    mode: ModeLetter,
    read_only: Option<bool>,
) -> Result<(), DmsMessage> {
    let store = DirectoryStore::new(cms.csl.clone(), dir.clone());
    if !store.exists().await.map_err(|e| store_message(MODULE, &e, &dir.to_string()))? {
        return Err(dms(MODULE, 1184, 28, &[&dir.to_string()]));
    }
    let read_only = read_only.unwrap_or(dir.owner != cms.userid());
    // Accessing anew is seeing anew.
    if let Some(before) = cms.modes.get(mode) {
        before.store.release().await;
    }
    store.access(read_only).await.map_err(|e| store_message(MODULE, &e, &dir.to_string()))?;
    cms.modes.set(Accessed { mode, place: Place::Directory(dir.clone()), store: Arc::new(store), read_only });
    Ok(())
}
