//! `IPL CMS`: the banner, the first disks, PROFILE EXEC, and the loop that reads commands.
//!
//! PARM words of IPL: AUTOCR (start without waiting for a null line; always so for a disconnected machine), NOSPROF
//! and NOPROF (no PROFILE EXEC), FILEPOOL pool (the default file pool; the user's top directory becomes file mode A
//! when there is no disk 191).
//!
//! When the line that is waited for is an ACCESS command, that is done in place of the access of file mode A; any other is carried out
//! behind PROFILE EXEC.

use std::sync::Arc;

use cp::Guest;
use cp::name::{DirName, FilePoolId, ModeLetter, Vdev};
use cp::system::NamedSystem;
use futures::future::BoxFuture;

use crate::cms::Cms;
use crate::command::access;

/// Version line of CMS.
pub const CMS_BANNER: &str = "VM/ESA V2.4.0";

/// CMS as a named saved system.
pub struct CmsSystem;

impl NamedSystem for CmsSystem {
    fn boot(&self, guest: Guest, parm: String) -> BoxFuture<'static, ()> {
        Box::pin(run(guest, parm))
    }
}

async fn run(guest: Guest, parm: String) {
    let cms = Cms::new(guest.clone());
    let words: Vec<String> = parm.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
    let has = |word: &str| words.iter().any(|w| w == word);
    let pool = words.iter().position(|w| w == "FILEPOOL").and_then(|i| words.get(i + 1));
    cms.settings.lock().filepool = pool.and_then(|p| FilePoolId::new(p.trim_end_matches(':')).ok());
    cms.say(&format!("{CMS_BANNER}    {}", guest.local_time().strftime("%m/%d/%y %H:%M"))).await;
    access_disks(&cms, &[(0x190, 'S'), (0x19E, 'Y')]).await;
    let first = match !has("AUTOCR") && guest.vm().console.is_connected() {
        true => guest.read().await,
        false => String::new(),
    };
    let own = access::operands(&first);
    let (rc, profile) = match own {
        Some(args) => access::first(&cms, args).await,
        None => {
            access_first(&cms).await;
            (0, true)
        }
    };
    let rc = if profile && !has("NOPROF") { run_profile(&cms).await } else { rc };
    ready(&cms, rc).await;
    if own.is_none() && !first.trim().is_empty() {
        let rc = cms.execute(first.trim()).await;
        ready(&cms, rc).await;
    }
    command_loop(&cms).await;
}

/// Accesses disks; a machine need not have every one.
async fn access_disks(cms: &Arc<Cms>, disks: &[(u16, char)]) {
    for (vdev, mode) in disks {
        let Some(mode) = ModeLetter::new(*mode) else { continue };
        let _absent = access::access_minidisk(cms, Vdev(*vdev), mode).await;
    }
}

/// Accesses 191 or the top directory as A.
async fn access_first(cms: &Arc<Cms>) {
    access_disks(cms, &[(0x191, 'A')]).await;
    let Some(a) = ModeLetter::new('A') else { return };
    let pool = cms.settings.lock().filepool;
    if let (None, Some(pool)) = (cms.modes.get(a), pool) {
        let top = DirName::top(pool, cms.userid());
        if let Err(message) = access::access_directory(cms, &top, a, None).await {
            cms.say(&message.to_string()).await;
        }
    }
}

async fn run_profile(cms: &Arc<Cms>) -> i32 {
    use sfs::types::FileId;
    let (Ok(name), Ok(kind)) = ("PROFILE".parse(), "EXEC".parse()) else { return 0 };
    match cms.modes.find(FileId::new(name, kind), None).await {
        Ok(Some(_)) => cms.execute("EXEC PROFILE").await,
        _ => 0,
    }
}

async fn command_loop(cms: &Arc<Cms>) {
    loop {
        let line = cms.guest.read().await;
        if line.trim().is_empty() {
            cms.say("CMS").await;
            cms.guest.complete(0);
            continue;
        }
        let rc = cms.execute(line.trim()).await;
        if cms.guest.vm().console.is_captured() {
            // The asker gets the return code by itself and wants no prompt.
            cms.guest.complete(rc);
        } else {
            ready(cms, rc).await;
        }
        // Lines that a command left on the stack are the next commands.
        while let Some(line) = cms.stack.pull() {
            let rc = cms.execute(line.trim()).await;
            ready(cms, rc).await;
        }
    }
}

async fn ready(cms: &Arc<Cms>, rc: i32) {
    // After LOGOFF there is nobody to be ready for.
    if cms.guest.vm().is_logging_off() {
        cms.guest.complete(rc);
        return;
    }
    let short = cms.settings.lock().short_ready;
    let cpu = cms.guest.vm().cpu_time().as_secs_f64();
    let clock = cms.guest.local_time().strftime("%H:%M:%S").to_string();
    cms.say(&ready_message(rc, (!short).then_some((cpu, clock.as_str())))).await;
    cms.guest.complete(rc);
}

/// `Ready; T=0.01/0.01 12:34:56`, `Ready(00028); ...`, `Ready(-0001); ...`; without times the short form.
///
/// Source: "How z/VM Responds to Your Commands".
pub fn ready_message(rc: i32, times: Option<(f64, &str)>) -> String {
    let code = match rc {
        0 => String::new(),
        n if n < 0 => format!("(-{:04})", i64::from(n).abs()),
        n => format!("({n:05})"),
    };
    match times {
        // Virtual and total time are the same: CP's own work on behalf of a machine is not metered.
        Some((cpu, clock)) => format!("Ready{code}; T={cpu:.2}/{cpu:.2} {clock}"),
        None => format!("Ready{code};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_messages() {
        assert_eq!(ready_message(0, None), "Ready;");
        assert_eq!(ready_message(28, None), "Ready(00028);");
        assert_eq!(ready_message(200_000, None), "Ready(200000);");
        assert_eq!(ready_message(-1, None), "Ready(-0001);");
        assert_eq!(ready_message(28, Some((0.014, "12:34:56"))), "Ready(00028); T=0.01/0.01 12:34:56");
    }
}
