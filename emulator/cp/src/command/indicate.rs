//! `INDICATE`: the load of the system and of a machine, as far as there is something to measure.

use futures::future::BoxFuture;

use super::common::{done, is_word};
use super::messages::hcp;
use super::{CpCall, CpCommand, CpResult, split_word};
use crate::console::ConsoleState;

/// `INDICATE`.
pub(super) const ROW: CpCommand = CpCommand {
    name: "INDICATE",
    min: 3,
    classes: "BCEG",
    syntax: "INDicate [LOAD | USER [userid | *]]",
    summary: "Shows how much processor time the system or a virtual machine takes.",
    run,
};

fn run(call: CpCall<'_>) -> BoxFuture<'_, CpResult> {
    done(indicate(call))
}

fn indicate(call: CpCall<'_>) -> CpResult {
    let (what, rest) = split_word(call.operands);
    if what.is_empty() || is_word(what, "LOAD", 1) {
        super::common::no_more("IND", rest)?;
        load(call);
        return Ok(());
    }
    if !is_word(what, "USER", 1) {
        return Err(hcp("IND", 3, &[&what.to_ascii_uppercase()]));
    }
    let (user, rest) = if rest.is_empty() {
        (call.vm.userid, "")
    } else {
        super::common::userid_operand("IND", call.vm, rest)?
    };
    super::common::no_more("IND", rest)?;
    let own = user == call.vm.userid;
    if !own && !['B', 'C', 'E'].iter().any(|c| call.vm.entry.classes.contains(*c)) {
        return Err(hcp("IND", 3, &[user.as_str()]));
    }
    let vm = super::common::machine("IND", call.cp, user)?;
    let entry = &vm.entry;
    let system = entry.ipl.as_ref().map_or_else(|| "*".into(), |ipl| ipl.target.to_string());
    let devices =
        entry.spool.len() + entry.mdisks.len() + entry.links.len() + usize::from(entry.console.is_some());
    let out = call.out;
    out.push(format!(
        "USERID={user:<8} MACH={} STOR={} VIRT=V XSTORE=NONE",
        entry.machine.mode.as_str(),
        entry.storage
    ));
    out.push(format!("IPLSYS={system:<8} DEVNUM={devices:05} PATHS={:05}", vm.iucv.paths()));
    let cpu = vm.cpu_time().as_secs();
    out.push(format!("VTIME={:03}:{:02} TTIME={:03}:{:02}", cpu / 60, cpu % 60, cpu / 60, cpu % 60));
    Ok(())
}

/// The mean share of one processor since IPL, and what the machines are doing.
fn load(call: CpCall<'_>) {
    let machines = call.cp.machines();
    let used: u128 = machines.iter().map(|vm| vm.cpu_time().as_millis()).sum();
    let elapsed = call.cp.clock.now().duration_since(call.cp.ipl_at).as_millis().max(1).unsigned_abs();
    let percent = used * 100 / elapsed;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let reading = |state| machines.iter().filter(|vm| vm.console.state() == state).count();
    call.out.push(format!("AVGPROC-{percent:03}% {processors:02}"));
    call.out.push(format!(
        "USERS-{:05} RUNNING-{:05} VMREAD-{:05} CPREAD-{:05}",
        machines.len(),
        reading(ConsoleState::Running),
        reading(ConsoleState::VmRead),
        reading(ConsoleState::CpRead)
    ));
}
