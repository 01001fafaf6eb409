//! RELEASE: takes a file mode letter away from what is behind it.

use cp::name::{ModeLetter, Vdev};

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::files::Place;
use crate::message::dms;

const MODULE: &str = "ARE";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "RELEASE",
    min: 3,
    syntax: "RELease vdev|dirid|fm [( DETach]",
    summary: "Releases a file mode",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let detach = !flags(MODULE, &words.options, &[("DETACH", 3)])?.is_empty();
    let token = match words.operands[..] {
        [] => return Err(dms(MODULE, 5, 24, &["filemode"])),
        [token] => token,
        [_, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
    };
    let modes = &call.cms.modes;
    let meant: Vec<ModeLetter> = match (token.len(), token.chars().next().and_then(ModeLetter::new)) {
        (1, Some(letter)) => vec![letter],
        _ => {
            let vdev = token.parse::<Vdev>().ok();
            let dir = call.cms.dir_name(MODULE, token).ok();
            // All modes behind which it is.
            let is = |place: &Place| match place {
                Place::Minidisk { vdev: v, .. } => Some(*v) == vdev,
                Place::Directory(d) => Some(d) == dir.as_ref(),
            };
            modes.all().into_iter().filter(|a| is(&a.place)).map(|a| a.mode).collect()
        }
    };
    let found: Vec<_> = meant.into_iter().filter_map(|letter| modes.held(letter)).collect();
    let first = found.first().ok_or_else(|| dms(MODULE, 69, 36, &[token]))?;
    let disk = match first.place {
        Place::Minidisk { vdev, .. } => Some(vdev),
        Place::Directory(_) => None,
    };
    if detach && disk.is_none() {
        // A directory is no device.
        return Err(dms(MODULE, 3, 24, &["DETACH"]));
    }
    for accessed in &found {
        modes.release(accessed.mode);
        accessed.store.release().await;
    }
    match disk.filter(|_| detach) {
        Some(vdev) => Ok(call.cms.cp_command(&format!("DETACH {vdev}")).await),
        None => Ok(0),
    }
}
