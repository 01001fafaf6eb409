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
    let options = flags(MODULE, &words.options, &[("DETACH", 3)])?;
    let Some(token) = words.operands.first() else { return Err(dms(MODULE, 5, 24, &["filemode"])) };
    let modes = &call.cms.modes;
    let letter = match (token.len(), token.chars().next().and_then(ModeLetter::new)) {
        (1, Some(letter)) => Some(letter),
        _ => {
            let vdev = token.parse::<Vdev>().ok();
            let dir = call.cms.dir_name(MODULE, token).ok();
            let found = modes.all().into_iter().find(|a| match &a.place {
                Place::Minidisk { vdev: v, .. } => Some(*v) == vdev,
                Place::Directory(d) => Some(d) == dir.as_ref(),
            });
            found.map(|a| a.mode)
        }
    };
    let released = letter.and_then(|l| modes.release(l)).ok_or_else(|| dms(MODULE, 69, 36, &[token]))?;
    released.store.release().await;
    match &released.place {
        Place::Minidisk { vdev, .. } if !options.is_empty() => {
            Ok(call.cms.cp_command(&format!("DETACH {vdev}")).await)
        }
        _ => Ok(0),
    }
}
