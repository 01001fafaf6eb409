//! SENDFILE: sends a file to the reader of another user, as NETDATA.

use bytes::Bytes;
use cp::name::{ModeLetter, UserId};
use spool::{DeviceType, OutputAttributes, UnitRecord};

use super::options::{flags, split};
use super::{CmsCall, CmsCommand, CmsResult, namefind};
use crate::cms::{MAX_TEXT_FILE, store_message};
use crate::files::{FilePattern, read_all, records};
use crate::message::dms;
use crate::netdata::{Heading, encode};

const MODULE: &str = "SEN";

/// Greatest file sent, in octets: the whole file is built in memory.
const MAX_SENT: usize = MAX_TEXT_FILE * 8;

pub(super) const ROW: CmsCommand = CmsCommand {
    name: "SENDFILE",
    min: 5,
    syntax: "SENDFile fn ft [fm] [TO] userid|nickname [AT node] [( NEw NOAck Type NOType LOG NOLOG]",
    summary: "Sends a file to the reader of another user",
    run: |call| Box::pin(run(call)),
};

async fn run(call: CmsCall<'_>) -> CmsResult {
    let words = split(call.args);
    let known = [
        ("NEW", 2),
        ("OLD", 3),
        ("ACK", 1),
        ("NOACK", 3),
        ("TYPE", 1),
        ("NOTYPE", 3),
        ("LOG", 3),
        ("NOLOG", 3),
    ];
    let options = flags(MODULE, &words.options, &known)?;
    let mut operands = words.operands.clone();
    if let Some(at) = operands.iter().position(|w| w.eq_ignore_ascii_case("AT")) {
        let node = operands.get(at + 1).copied().unwrap_or("");
        if !node.eq_ignore_ascii_case(&call.cms.guest.cp().config.system_id) {
            return Err(dms(MODULE, 81, 88, &[node, "there is no network to other systems"]));
        }
        operands.drain(at..(at + 2).min(operands.len()));
    }
    operands.retain(|w| !w.eq_ignore_ascii_case("TO"));
    let (file, to) = match &operands[..] {
        [name, kind, to] => (vec![*name, *kind], *to),
        [name, kind, mode, to] => (vec![*name, *kind, *mode], *to),
        _ => return Err(dms(MODULE, 54, 24, &[])),
    };
    let cms = call.cms;
    let shown = file.join(" ").to_ascii_uppercase();
    let pattern = FilePattern::parse(MODULE, &file, ModeLetter::new('A'))?;
    let id = pattern.file_id().ok_or_else(|| dms(MODULE, 62, 20, &["*", &shown]))?;
    let to = namefind::resolve(cms, to).await;
    let user = UserId::new(&to).ok().filter(|u| cms.guest.cp().entry(*u).is_some());
    let user = user.ok_or_else(|| dms(MODULE, 657, 32, &[&to]))?;
    let found = cms.modes.find(id, pattern.mode).await.map_err(|e| store_message(MODULE, &e, &shown))?;
    let (accessed, _) = found.ok_or_else(|| dms(MODULE, 2, 28, &[&shown]))?;
    let read = read_all(&*accessed.store, id, MAX_SENT).await;
    let (status, image) = read.map_err(|e| store_message(MODULE, &e, &shown))?;
    let node = cms.guest.cp().config.system_id.clone();
    let heading = Heading {
        from: cms.userid(),
        from_node: node.clone(),
        to: user,
        to_node: node,
        time: cms.guest.local_time().strftime("%Y%m%d%H%M%S").to_string(),
        file: (id.name.to_string(), id.kind.to_string()),
        recfm: status.recfm,
        lrecl: status.lrecl,
    };
    let cards = encode(&heading, records(&image, status.recfm, status.lrecl));
    let failed = |e: spool::SpoolError| dms(MODULE, 671, 100, &[&shown, "1", &e.to_string()]);
    let unit_record = UnitRecord::of(&cms.guest).map_err(failed)?;
    let attributes = OutputAttributes {
        to: Some(user),
        name: Some((id.name.to_string(), id.kind.to_string())),
        ..OutputAttributes::default()
    };
    let mut output = unit_record.output(DeviceType::Punch, attributes).map_err(failed)?;
    for card in cards {
        output.write(&Bytes::from(card)).await.map_err(failed)?;
    }
    output.close().await.map_err(failed)?;
    if !options.contains(&"NOTYPE") {
        cms.say(&format!(
            "File {id} {} sent to {user} at {} on {}",
            accessed.mode,
            heading.to_node,
            cms.guest.local_time().strftime("%m/%d/%y %H:%M:%S")
        ))
        .await;
    }
    Ok(0)
}
