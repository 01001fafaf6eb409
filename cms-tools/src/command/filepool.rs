//! FILEPOOL: administration of a running file pool: minidisks, disabling and enabling of storage groups and file spaces.

use cp::name::{FilePoolId, UserId};
use sfs::types::{DisableMode, PoolPart, StorageGroup};

use super::create::csl_message;
use super::enroll::pool_or_default;
use super::options::{abbreviates, none, split};
use super::{CmsCall, CmsCommand, CmsResult};
use crate::Cms;
use crate::message::{DmsMessage, dms};

const MODULE: &str = "FPC";

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "FILEPOOL",
    min: 8,
    syntax: "FILEPOOL MINIdisk filepoolid: vdev GROup n [BLOcks n] | {DISable|ENAble} {GROup n|FILESPace userid} [filepoolid:] [( SHAre|EXClusive]",
    summary: "Adds minidisks to a file pool, disables and enables its storage groups and file spaces",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let [what, operands @ ..] = &words.operands[..] else { return Err(dms(MODULE, 47, 24, &[])) };
    if abbreviates(what, "MINIDISK", 4) {
        none(MODULE, &words.options)?;
        let [pool, layout @ ..] = operands else { return Err(dms(MODULE, 5, 24, &["filepoolid"])) };
        return minidisk(call.cms, Some(pool), layout).await;
    }
    let disable = abbreviates(what, "DISABLE", 3);
    if !disable && !abbreviates(what, "ENABLE", 3) {
        return Err(dms(MODULE, 14, 24, &[what]));
    }
    let (part, pool) = match operands {
        [kind, name] => (pool_part(kind, name)?, None),
        [kind, name, pool] => (pool_part(kind, name)?, Some(*pool)),
        [_, _, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
        _ => return Err(dms(MODULE, 5, 24, &["storage group or file space"])),
    };
    let pool = pool_or_default(call.cms, MODULE, pool)?;
    let mut mode = DisableMode::Share;
    for option in &words.options {
        mode = match option {
            w if disable && abbreviates(w, "SHARE", 3) => DisableMode::Share,
            w if disable && abbreviates(w, "EXCLUSIVE", 3) => DisableMode::Exclusive,
            other => return Err(dms(MODULE, 3, 24, &[other])),
        };
    }
    switch(call.cms, &part, pool, disable.then_some(mode)).await
}

async fn switch(cms: &Cms, part: &PoolPart, pool: FilePoolId, disable: Option<DisableMode>) -> CmsResult {
    let csl = &cms.csl;
    let done = match (part, disable) {
        (PoolPart::Group(group), Some(mode)) => csl.dmsdissg(*group, pool, mode).await,
        (PoolPart::Group(group), None) => csl.dmsenasg(*group, pool).await,
        (PoolPart::Space(name), disable) => {
            let user = UserId::new(name).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?;
            match disable {
                Some(mode) => csl.dmsdisfs(user, pool, mode).await,
                None => csl.dmsenafs(user, pool).await,
            }
        }
    };
    done.map(|()| 0).map_err(|e| csl_message(MODULE, &e, &part.to_string()))
}

async fn minidisk(cms: &Cms, pool: Option<&str>, layout: &[&str]) -> CmsResult {
    let pool = pool_or_default(cms, MODULE, pool)?;
    let Layout { device, group, blocks } = layout_of(layout)?;
    let done = cms.csl.filepool_minidisk(pool, group, device, blocks).await;
    let added = done.map_err(|e| csl_message(MODULE, &e, &format!("minidisk {device:04X}")))?;
    cms.say(&added_line(&added)).await;
    Ok(0)
}

/// What is said of a minidisk that was added: its line of the POOLDEF.
pub fn added_line(minidisk: &sfs::types::Minidisk) -> String {
    let blocks = minidisk.blocks.map_or(String::new(), |b| format!(" BLOCKS={b}"));
    format!("DDNAME=MDK{:05} VDEV={:04X} GROUP={}{blocks}", minidisk.number, minidisk.device, minidisk.group)
}

/// A minidisk as it is given: `vdev GROUP n [BLOCKS n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Virtual device number.
    pub device: u16,
    /// Storage group.
    pub group: StorageGroup,
    /// Size; `None`: it grows with the host's disk.
    pub blocks: Option<u64>,
}

/// Reads `vdev GROUP n [BLOCKS n]`.
///
/// # Errors
/// The message about the operand that is wrong.
pub fn layout_of(operands: &[&str]) -> Result<Layout, DmsMessage> {
    let (device, group, blocks) = match operands {
        [device, word, group] if abbreviates(word, "GROUP", 3) => (device, group, None),
        [device, word, group, size, blocks]
            if abbreviates(word, "GROUP", 3) && abbreviates(size, "BLOCKS", 3) =>
        {
            (device, group, Some(blocks))
        }
        [] | [_] => return Err(dms(MODULE, 5, 24, &["GROUP"])),
        [.., last] => return Err(dms(MODULE, 29, 24, &[last])),
    };
    let wrong = |token: &str| dms(MODULE, 29, 24, &[token]);
    Ok(Layout {
        device: u16::from_str_radix(device, 16).map_err(|_| wrong(device))?,
        group: storage_group(group)?,
        blocks: blocks.map(|b| b.parse().map_err(|_| wrong(b))).transpose()?,
    })
}

fn storage_group(token: &str) -> Result<StorageGroup, DmsMessage> {
    let number = token.parse().ok().and_then(StorageGroup::new);
    number.ok_or_else(|| dms(MODULE, 29, 24, &[token]))
}

/// Reads `GROUP n` or `FILESPACE userid`.
///
/// # Errors
/// The message about the operand that is wrong.
pub fn pool_part(kind: &str, name: &str) -> Result<PoolPart, DmsMessage> {
    if abbreviates(kind, "GROUP", 3) {
        Ok(PoolPart::Group(storage_group(name)?))
    } else if abbreviates(kind, "FILESPACE", 6) {
        let user = UserId::new(name).map_err(|e| dms(MODULE, 1020, 24, &[&e.to_string()]))?;
        Ok(PoolPart::Space(user.to_string()))
    } else {
        Err(dms(MODULE, 29, 24, &[kind]))
    }
}
