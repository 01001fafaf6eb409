//! ACCESS: puts a minidisk or an SFS directory behind a file mode letter.

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
    syntax: "ACcess vdev|dirid fm [( NOPROF FORCERO FORCERW ERASE NODISK NOSAVE]",
    summary: "Puts a minidisk or an SFS directory behind a file mode letter",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let known = [("NOPROF", 6), ("FORCERO", 7), ("FORCERW", 7), ("NODISK", 6), ("NOSAVE", 6)];
    let options = flags(MODULE, &words.options, &known)?;
    let (place, mode) = match words.operands[..] {
        [] => ("191", "A"),
        [place] => (place, "A"),
        [place, mode] => (place, mode),
        [_, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let mut letters = mode.split('/');
    let letter =
        letters.next().and_then(|l| l.chars().next().filter(|_| l.len() == 1)).and_then(ModeLetter::new);
    let extension = letters.next();
    let letter = letter.ok_or_else(|| dms(MODULE, 48, 24, &[mode]))?;
    let read_only = match (options.contains(&"FORCERO") || extension.is_some(), options.contains(&"FORCERW"))
    {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    let before = call.cms.modes.get(letter);
    if place.contains('.') || place.contains(':') || call.cms.csl.namedef_directory(place).is_some() {
        let dir = call.cms.dir_name(MODULE, place)?;
        access_directory(call.cms, &dir, letter, read_only).await?;
    } else {
        let vdev = place.parse::<Vdev>().map_err(|_| dms(MODULE, 29, 24, &[place]))?;
        access_minidisk(call.cms, vdev, letter).await?;
    }
    report(call.cms, letter, before).await;
    Ok(0)
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
    let shown = format!("{:03X}", vdev.0);
    let found = MinidiskFiles::attach(cms.guest.cp(), cms.guest.vm(), vdev);
    let (store, label, read_only) = found
        .map_err(|e| store_message(MODULE, &e, &shown))?
        .ok_or_else(|| dms(MODULE, 113, 100, &[&format!("{mode}({shown})")]))?;
    cms.modes.set(Accessed {
        mode,
        place: Place::Minidisk { vdev, label },
        store: Arc::new(store),
        read_only,
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
