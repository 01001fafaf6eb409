//! ACCESS: puts a minidisk or an SFS directory behind a file mode letter.
//!
//! NOPROF counts with the first command after IPL and is ignored later, as documented; NOSAVE concerns saved directories of disks,
//! which there are not here. An access of selected files (`fn ft`) is refused.

use std::sync::Arc;

use cp::name::{DirName, ModeLetter, Vdev};

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::cms::{Cms, store_message};
use crate::files::{Accessed, DirectoryStore, MinidiskFiles, Place};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "ACC";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "ACCESS",
    min: 2,
    syntax: "ACcess [vdev|dirid [fm[/ext]]] [( NOPROF NOSAVE ERASE FORCERO|FORCERW]",
    summary: "Puts a minidisk or an SFS directory behind a file mode letter",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let known = [("NOPROF", 6), ("FORCERO", 7), ("FORCERW", 7), ("ERASE", 5), ("NOSAVE", 6)];
    let options = flags(MODULE, &words.options, &known)?;
    let has = |option: &str| options.contains(&option);
    let (place, mode) = match words.operands[..] {
        [] => ("191", "A"),
        [place] => (place, "A"),
        [place, mode] => (place, mode),
        [_, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let (letter, extension) = letters(mode).ok_or_else(|| dms(MODULE, 48, 24, &[mode]))?;
    // An extension is read-only whatever it is.
    let read_only = match (has("FORCERO") || extension, has("FORCERW")) {
        (true, true) if extension => return Err(dms(MODULE, 66, 24, &[mode, "FORCERW"])),
        (true, true) => return Err(dms(MODULE, 66, 24, &["FORCERO", "FORCERW"])),
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    if has("ERASE") && read_only == Some(true) {
        return Err(dms(MODULE, 66, 24, &["ERASE", if extension { mode } else { "FORCERO" }]));
    }
    let before = call.cms.modes.get(letter);
    if place.contains('.') || place.contains(':') || call.cms.csl.namedef_directory(place).is_some() {
        let dir = call.cms.dir_name(MODULE, place)?;
        access_directory(call.cms, &dir, letter, read_only).await?;
    } else {
        let vdev = place.parse::<Vdev>().map_err(|_| dms(MODULE, 29, 24, &[place]))?;
        access_minidisk_as(call.cms, vdev, letter, read_only).await?;
    }
    if has("ERASE") {
        erase_all(call.cms, letter).await?;
    }
    report(call.cms, letter, before).await;
    Ok(0)
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
async fn report(cms: &Arc<Cms>, letter: ModeLetter, before: Option<Arc<Accessed>>) {
    let Some(now) = cms.modes.get(letter) else { return };
    let shown = place_name(&now.place);
    if let Some(before) = before.filter(|b| b.place != now.place) {
        let old = format!("{letter} ({})", place_name(&before.place));
        cms.say(&dms(MODULE, 724, 0, &[&shown, &old]).to_string()).await;
    }
    if now.read_only {
        cms.say(&dms(MODULE, 723, 0, &[&letter.to_string(), &shown]).to_string()).await;
    }
}

pub(super) fn place_name(place: &Place) -> String {
    match place {
        Place::Minidisk { vdev, .. } => format!("{:03X}", vdev.0),
        Place::Directory(dir) => dir.to_string(),
    }
}

/// Accesses a minidisk that the machine has.
///
/// # Errors
/// 113S when the machine has no such disk.
pub(crate) async fn access_minidisk(cms: &Arc<Cms>, vdev: Vdev, mode: ModeLetter) -> Result<(), DmsMessage> {
    access_minidisk_as(cms, vdev, mode, None).await
}

/// [`access_minidisk`], read-only if that is wanted; a disk that is linked read-only stays so.
async fn access_minidisk_as(
    cms: &Arc<Cms>,
    vdev: Vdev,
    mode: ModeLetter,
    wanted: Option<bool>,
) -> Result<(), DmsMessage> {
    let shown = format!("{:03X}", vdev.0);
    let found = MinidiskFiles::attach(cms.guest.cp(), cms.guest.vm(), vdev);
    let (store, label, read_only) = found
        .map_err(|e| store_message(MODULE, &e, &shown))?
        .ok_or_else(|| dms(MODULE, 113, 100, &[&format!("{mode}({shown})")]))?;
    cms.modes.set(Accessed {
        mode,
        place: Place::Minidisk { vdev, label },
        store: Arc::new(store),
        read_only: read_only || wanted == Some(true),
    });
    Ok(())
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
