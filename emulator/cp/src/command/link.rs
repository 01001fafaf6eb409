//! `LINK` and `DETACH`.

use super::common::{done, is_word, userid_operand};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::directory::{LinkMode, LinkPassword, OptionWord};
use crate::message::HcpMessage;
use crate::minidisk::{self, Linked, NotLinked};
use crate::name::{UserId, Vdev};

/// `LINK`.
pub(super) const LINK: CpCommand = CpCommand {
    name: "LINK",
    min: 3,
    classes: "G",
    syntax: "LINk [TO] {userid|*} vdev1 [AS] vdev2 [R|RR|W|WR|M|MR|MW] [[PASS=] password]",
    summary: "Gives one's machine a minidisk of another user.",
    run: |call| Box::pin(link(call)),
};
/// `DETACH`.
pub(super) const DETACH: CpCommand = CpCommand {
    name: "DETACH",
    min: 3,
    classes: "G",
    syntax: "DETach vdev ... | vdev-vdev",
    summary: "Takes minidisks away from one's machine.",
    run: |call| done(detach(call)),
};

/// What LINK is asked for.
struct Wanted<'a> {
    owner: UserId,
    owner_vdev: Vdev,
    vdev: Vdev,
    mode: LinkMode,
    password: &'a str,
}

fn vdev(word: &str) -> Result<Vdev, HcpMessage> {
    word.parse().map_err(|_| hcp("LNM", 22, &[]))
}

fn wanted<'a>(call: &CpCall<'a>) -> Result<Wanted<'a>, HcpMessage> {
    let (first, after) = split_word(call.operands);
    let operands = if is_word(first, "TO", 2) { after } else { call.operands };
    let (owner, rest) = userid_operand("LNM", call.vm, operands)?;
    let (owner_vdev, rest) = split_word(rest);
    let owner_vdev = vdev(owner_vdev)?;
    let (mut here, mut rest) = split_word(rest);
    if is_word(here, "AS", 2) {
        (here, rest) = split_word(rest);
    }
    let here = vdev(here)?;
    let (mode, mut rest) = split_word(rest);
    let mode = match mode {
        "" if owner == call.vm.userid => LinkMode::W,
        "" => LinkMode::R,
        word => LinkMode::parse(word).ok_or_else(|| hcp("LNM", 3, &[&word.to_ascii_uppercase()]))?,
    };
    if rest.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("PASS=")) {
        rest = rest[5..].trim_start();
    }
    let (password, extra) = split_word(rest);
    // A second word might be a part of the password: it is not shown.
    if !extra.is_empty() {
        return Err(hcp("LNM", 26, &[]));
    }
    Ok(Wanted { owner, owner_vdev, vdev: here, mode, password })
}

/// Whether the password, or the lack of one, is enough for the mode.
async fn authorised(call: &CpCall<'_>, wanted: &Wanted<'_>) -> bool {
    if wanted.owner == call.vm.userid || call.vm.entry.has_option(OptionWord::Lnknopas) {
        return true;
    }
    let Some(disk) = minidisk::statement(call.cp, wanted.owner, wanted.owner_vdev) else { return true };
    match minidisk::password_for(&disk, wanted.mode) {
        LinkPassword::Everybody => true,
        LinkPassword::Nobody => false,
        LinkPassword::Hashed(hash) => {
            let (hash, password) = (hash.clone(), wanted.password.to_owned());
            call.cp.check_slowly(move || hash.verify(&password)).await
        }
    }
}

async fn link(call: CpCall<'_>) -> CpResult {
    let wanted = wanted(&call)?;
    let (owner, shown) = (wanted.owner.as_str(), wanted.owner_vdev.to_string());
    let here = wanted.vdev.to_string();
    if call.cp.entry(wanted.owner).is_none() {
        return Err(hcp("LNM", 53, &[owner]));
    }
    if !authorised(&call, &wanted).await {
        return Err(hcp("LNM", 114, &[owner, &shown]));
    }
    let linked = minidisk::link(call.cp, call.vm, wanted.owner, wanted.owner_vdev, wanted.vdev, wanted.mode);
    let linked = linked.map_err(|refusal| match refusal {
        NotLinked::NotInDirectory => hcp("LNM", 107, &[owner, &shown]),
        NotLinked::Defined => hcp("LNM", 92, &[&here]),
        NotLinked::WrittenBy(user) => hcp("LNM", 101, &[owner, &shown, user.as_str()]),
        NotLinked::ReadBy(user) => hcp("LNM", 102, &[owner, &shown, user.as_str()]),
        NotLinked::Mode => hcp("LNM", 3, &[wanted.mode.as_str()]),
    })?;
    call.out.push(answer(&linked));
    Ok(())
}

/// `DASD 0391 LINKED R/O; R/W BY IMAP`, with how many read it besides.
fn answer(linked: &Linked) -> String {
    let mut line = format!("DASD {} LINKED {}", linked.device.vdev, linked.device.access());
    for (access, writable) in [("R/W", true), ("R/O", false)] {
        let mut who = linked.others.iter().filter(|(_, device)| device.writable == writable);
        match (who.next(), who.count()) {
            (None, _) => {}
            (Some((user, _)), 0) => line.push_str(&format!("; {access} BY {user}")),
            (Some(_), more) => line.push_str(&format!("; {access} BY {} USERS", more + 1)),
        }
    }
    line
}

fn detach(call: CpCall<'_>) -> CpResult {
    if call.operands.is_empty() {
        return Err(hcp("DET", 22, &[]));
    }
    let mut gone = Vec::new();
    for word in call.operands.split_whitespace() {
        let range =
            word.split_once('-').map_or((word.parse(), word.parse()), |(a, b)| (a.parse(), b.parse()));
        let (Ok(first), Ok(last)) = range else {
            return Err(hcp("DET", 3, &[&word.to_ascii_uppercase()]));
        };
        let there = minidisk::devices(call.vm).into_iter().map(|device| device.vdev);
        let found: Vec<Vdev> = there.filter(|vdev| (first..=last).contains(vdev)).collect();
        if found.is_empty() {
            return Err(hcp("DTV", 40, &[&first.to_string()]));
        }
        gone.extend(found);
    }
    for vdev in gone {
        // A number that is named twice goes once.
        if minidisk::detach(call.vm, vdev).is_some() {
            call.out.push(format!("DASD {vdev} DETACHED"));
        }
    }
    Ok(())
}
