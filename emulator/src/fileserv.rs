//! FILESERV: the program of a file pool server machine.
//!
//! `FILESERV START` reads the machine's `userid DMSPARMS`, opens the pool and serves it until STOP, SHUTDOWN of the
//! system, or a reset. What the machine does to a pool that it does not serve is [`dedicated`]. Operator commands are typed at the machine's console.
//!
//! Invariant: a pool is open at most once. A machine that is forced leaves its pool open in [`OpenPools`]; the next START
//! takes it over, so that what was acknowledged never depends on how the machine ended.

mod dedicated;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cms::Cms;
use cms::command::filepool::{Layout, added_line, layout_of, pool_part};
use cms::command::query_filepool;
use cms::cp::name::{FilePoolId, UserId};
use cms::message::{DmsMessage, dms};
use cms::program::Program;
use cp::Cp;
use dasd::{Dasd, HostDasd};
use futures::future::BoxFuture;
use sfs::pool::{Pool, PoolConfig, PoolError};
use sfs::server::{DEFAULT_GROUPTHRESH, FilePoolServer};
use sfs::types::DisableMode;

use crate::folder::Folder;

/// How long STOP waits for work that is under way: longer than a program needs for a work unit, shorter than an operator who wants
/// to go home.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Module code of the messages.
const MODULE: &str = "FSV";

/// Return code when the server cannot start.
const RC_CANNOT_START: i32 = 24;

/// Startup parameters that are taken and have no effect here, since there is nothing they would switch.
const WITHOUT_EFFECT: &[&str] = &[
    "USERS",
    "SAVESEGID",
    "FORMAT",
    "ACCOUNT",
    "NOACCOUNT",
    "AUDIT",
    "NOAUDIT",
    "LOCAL",
    "REMOTE",
    "SSI",
    "MSGS",
    "NOMSGS",
    "LUNAME",
    "CRR",
    "NOCRR",
    "DUMP",
    "NODUMP",
    "ESECURITY",
    "NOESECURITY",
    "FIFO",
    "CATBUFFERS",
    "CTLBUFFERS",
    "DFSMS",
    "NODFSMS",
    "TRACE",
    "BACKUP",
    "NOBACKUP",
];

/// Pools that are open in this system.
#[derive(Default)]
pub struct OpenPools {
    pools: parking_lot::Mutex<HashMap<FilePoolId, Pool>>,
}

impl OpenPools {
    /// The open pools of a system.
    pub fn of(cp: &Cp) -> Arc<Self> {
        cp.ext.get_or_insert_with(Self::default)
    }

    fn take(&self, id: FilePoolId) -> Option<Pool> {
        self.pools.lock().remove(&id)
    }

    fn keep(&self, id: FilePoolId, pool: Pool) {
        self.pools.lock().insert(id, pool);
    }

    /// Closes what is still open.
    pub async fn close_all(&self) {
        let left = std::mem::take(&mut *self.pools.lock());
        for pool in left.into_values() {
            pool.close().await;
        }
    }
}

/// The program.
pub struct Fileserv {
    /// Where the pools are.
    pub folder: Folder,
}

impl Program for Fileserv {
    fn summary(&self) -> &str {
        "Serves a file pool: FILESERV START, GENERATE, BACKUP, LIST, MINIDISK, MOVEUSER"
    }

    fn run(&self, cms: Arc<Cms>, args: String) -> BoxFuture<'static, i32> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let words: Vec<&str> = args.split_ascii_whitespace().collect();
            if let [word, operands @ ..] = &words[..] {
                match word.to_ascii_uppercase().as_str() {
                    "MINIDISK" => return dedicated::minidisk(&cms, &folder, operands).await,
                    "MOVEUSER" => return dedicated::move_user(&cms, &folder, operands).await,
                    _ => {}
                }
            }
            let upper = args.to_ascii_uppercase();
            match upper.split_ascii_whitespace().collect::<Vec<_>>()[..] {
                ["GENERATE"] => return dedicated::generate(&cms, &folder).await,
                // A host file is named as it is written.
                ["BACKUP", _] => return dedicated::backup(&cms, &folder, words[1]).await,
                ["LIST"] => return dedicated::list(&cms, &folder).await,
                ["STOP", ..] => {
                    return tell(&cms, &dms(MODULE, 1020, 24, &["No file pool is being served"])).await;
                }
                _ => {}
            }
            if !args.trim().eq_ignore_ascii_case("START") {
                return tell(&cms, &dms(MODULE, 14, RC_CANNOT_START, &[args.trim()])).await;
            }
            match start(&cms, &folder).await {
                Ok((server, id)) => serve(&cms, &folder, server, id).await,
                Err(reason) => {
                    cms.say(&format!("DMSFSV1034E The file pool server cannot start: {reason}")).await;
                    RC_CANNOT_START
                }
            }
        })
    }
}

/// What DMSPARMS says.
#[derive(Debug, PartialEq, Eq)]
struct Parameters {
    pool: FilePoolId,
    admins: Vec<UserId>,
    group_threshold: u8,
}

fn read_parameters(lines: &[String]) -> Result<Parameters, String> {
    let (mut pool, mut admins, mut group_threshold) = (None, Vec::new(), DEFAULT_GROUPTHRESH);
    for (index, line) in lines.iter().enumerate().filter(|(_, l)| !l.starts_with('*')) {
        let mut words = line.split_ascii_whitespace();
        let Some(word) = words.next() else { continue };
        let at = |e: String| format!("DMSPARMS record {}: {e}", index + 1);
        match word.to_ascii_uppercase().as_str() {
            "FILEPOOLID" => {
                let id = words.next().unwrap_or("").trim_end_matches(':');
                pool = Some(FilePoolId::new(id).map_err(|e| at(e.to_string()))?);
            }
            "ADMIN" => {
                for user in words {
                    admins.push(UserId::new(user).map_err(|e| at(e.to_string()))?);
                }
            }
            "GROUPTHRESH" => {
                let percent = words.next().and_then(|w| w.parse().ok()).filter(|p| *p <= 99);
                group_threshold = percent.ok_or_else(|| at("GROUPTHRESH is 0 to 99".into()))?;
            }
            known if WITHOUT_EFFECT.contains(&known) => {}
            other => return Err(at(format!("unknown startup parameter {other}"))),
        }
    }
    let pool = pool.ok_or("DMSPARMS has no FILEPOOLID")?;
    Ok(Parameters { pool, admins, group_threshold })
}

async fn start(cms: &Arc<Cms>, folder: &Folder) -> Result<(FilePoolServer, FilePoolId), String> {
    let lines = cms.read_text(MODULE, cms.userid().as_str(), "DMSPARMS", None).await;
    let Parameters { pool: id, admins, group_threshold } =
        read_parameters(&lines.map_err(|m| m.to_string())?)?;
    let open = OpenPools::of(cms.guest.cp());
    let pool = match open.take(id) {
        Some(pool) if pool.offline().is_none() => pool,
        left => {
            if let Some(broken) = left {
                broken.close().await;
            }
            open_pool(cms, folder, id).await?
        }
    };
    open.keep(id, pool.clone());
    let server = FilePoolServer::start(&cms.guest, id, pool, &admins)
        .map_err(|rc| format!("*IDENT refused the resource {id}: {rc} (IPRCODE {})", rc.code()))?;
    server.set_group_threshold(group_threshold);
    Ok((server, id))
}

async fn open_pool(cms: &Arc<Cms>, folder: &Folder, id: FilePoolId) -> Result<Pool, String> {
    let path = folder.pool(id.as_str());
    if !path.is_dir() {
        return Err(format!("file pool {id} has not been generated"));
    }
    let dasd: Arc<dyn Dasd> = Arc::new(HostDasd::new(path).map_err(|e| e.to_string())?);
    let clock = cms.guest.cp().clock.clone();
    let opened =
        tokio::task::spawn_blocking(move || Pool::open_telling(&dasd, &PoolConfig::default(), clock)).await;
    let (pool, damaged) = opened.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    for line in damaged {
        cms.say(&format!("DMSFSV3113W {id}: {line}")).await;
    }
    Ok(pool)
}

async fn serve(cms: &Arc<Cms>, folder: &Folder, server: FilePoolServer, id: FilePoolId) -> i32 {
    cms.say(&format!("DMS5BB3045I File pool {id} is ready for operator communications")).await;
    // Whoever has typed FILESERV START has the console for operator commands from now on.
    cms.guest.complete(0);
    let mut stopping: Option<Instant> = None;
    let mut watch = watch::Watch::default();
    loop {
        let line = tokio::select! {
            line = cms.guest.read() => line,
            () = cms.guest.shutdown_signalled() => break,
            () = quiet(cms, &server, stopping) => break,
            lines = watch.next(&server) => {
                say_all(cms, lines).await;
                continue;
            }
        };
        let line = operator_words(&line);
        let upper = line.to_ascii_uppercase();
        let words: Vec<&str> = upper.split_ascii_whitespace().collect();
        let rc = match words[..] {
            ["LIST"] => dedicated::list(cms, folder).await,
            ["START"] => {
                tell(cms, &dms(MODULE, 1020, 24, &[&format!("File pool {id} is being served")])).await
            }
            ["STOP", how] if abbreviates_immediate(how) => {
                cms.guest.complete(0);
                break;
            }
            ["STOP"] => {
                let under_way = server.begin_stop();
                if under_way > 0 {
                    cms.say(&format!(
                        "DMSFSV3111I The server ends with the last of {under_way} work units; STOP IMMEDIATE rolls them back"
                    ))
                    .await;
                }
                stopping.get_or_insert_with(|| Instant::now() + STOP_PATIENCE);
                cms.guest.complete(0);
                if under_way == 0 {
                    break;
                }
                continue;
            }
            // A host file is named as it is written.
            ["BACKUP", _] => backup(cms, &server, line.split_ascii_whitespace().nth(1).unwrap_or("")).await,
            _ => operator_command(cms, &server, &words).await,
        };
        cms.guest.complete(rc);
    }
    server.stop().await;
    // The pool is closed; it must not be taken over.
    drop(OpenPools::of(cms.guest.cp()).take(id));
    cms.say(&format!("DMS5FD3032I File pool server of {id} has terminated")).await;
    0
}

/// The operator command of a line; FILESERV may stand in front of those that are functions of it, too.
fn operator_words(line: &str) -> &str {
    const BOTH: [&str; 4] = ["BACKUP", "LIST", "START", "STOP"];
    let line = line.trim();
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) if word.eq_ignore_ascii_case("FILESERV") => {
            let function = rest.split_ascii_whitespace().next().unwrap_or("");
            if BOTH.iter().any(|name| name.eq_ignore_ascii_case(function)) { rest.trim() } else { line }
        }
        _ => line,
    }
}

/// A word that says IMMEDIATE.
fn abbreviates_immediate(word: &str) -> bool {
    word.len() >= 3 && "IMMEDIATE".starts_with(word)
}

/// Waits, while the server stops, until it may end: nothing is under way any more, or patience is over.
async fn quiet(cms: &Arc<Cms>, server: &FilePoolServer, stopping: Option<Instant>) {
    let Some(until) = stopping else { return std::future::pending().await };
    let left = server.quiet(until.saturating_duration_since(Instant::now())).await;
    if left > 0 {
        cms.say(&format!("DMSFSV3112W {left} work units did not end in time, and are rolled back")).await;
    }
}

/// `BACKUP hostfile`: writes the committed state of now while work goes on.
async fn backup(cms: &Arc<Cms>, server: &FilePoolServer, to: &str) -> i32 {
    let (pool, to) = (server.pool().clone(), std::path::PathBuf::from(to));
    let done = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        let sum = crate::pooltool::write_backup(&pool, &to, &mut |line| lines.push(line.to_owned()));
        sum.map(|sum| (lines, sum))
    });
    match done.await {
        Ok(Ok((lines, sum))) => {
            for line in lines {
                cms.say(&line).await;
            }
            cms.say(&format!(
                "DMSFSV3100I Backup complete: {} file spaces, {} files, {} octets",
                sum.spaces, sum.files, sum.bytes
            ))
            .await;
            0
        }
        Ok(Err(error)) => {
            cms.say(&format!("DMSFSV3101E The backup was not written: {}", crate::run::told(&error))).await;
            100
        }
        Err(_) => 100,
    }
}

async fn operator_command(cms: &Arc<Cms>, server: &FilePoolServer, words: &[&str]) -> i32 {
    match words {
        [] => 0,
        ["QUERY" | "Q", "FILEPOOL"] => report(cms, server, "REPORT").await,
        ["QUERY" | "Q", "FILEPOOL", what] => report(cms, server, what).await,
        ["FORCE", user] => force(cms, server, user).await,
        ["GRANT" | "REVOKE", "ADMIN", user] => administrator(cms, server, words[0] == "GRANT", user).await,
        ["MINIDISK", layout @ ..] => add_minidisk(cms, server, layout).await,
        ["DISABLE" | "ENABLE", kind, name, mode @ ..] => {
            switch(cms, server, words[0], kind, name, mode).await
        }
        ["DISABLE"] | ["ENABLE"] => {
            server.set_disabled(words[0] == "DISABLE");
            0
        }
        ["STOP", operand, ..] => tell(cms, &dms(MODULE, 29, 24, &[operand])).await,
        ["HELP"] => {
            let commands = [
                "QUERY FILEPOOL [AGENT|CATALOG|CONFLICT|CONNECT|COUNTER|DISABLE|LOG|MINIDISK|OVERVIEW|REPORT|STATUS|STORGRP]",
                "GRANT ADMIN userid   REVOKE ADMIN userid   FORCE userid   BACKUP file   STOP [IMMEDIATE]",
                "MINIDISK vdev GROUP n [BLOCKS n]   DISABLE   ENABLE   {DISABLE|ENABLE} {GROUP n|FILESPACE userid} [SHARE|EXCLUSIVE]",
            ];
            say_all(cms, commands.map(str::to_owned).to_vec()).await
        }
        other => {
            tell(cms, &dms(MODULE, 14, 24, &[&format!("{}; HELP lists the commands", other.join(" "))])).await
        }
    }
}

/// Says a message; its return code.
async fn tell(cms: &Arc<Cms>, message: &DmsMessage) -> i32 {
    cms.say(&message.to_string()).await;
    message.rc
}

/// `FORCE userid`: ends the connections of a user.
async fn force(cms: &Arc<Cms>, server: &FilePoolServer, user: &str) -> i32 {
    let id = match UserId::new(user) {
        Ok(id) => id,
        Err(error) => return tell(cms, &dms(MODULE, 1020, 24, &[&error.to_string()])).await,
    };
    let (line, rc) = match server.force(Some(id)) {
        0 => (format!("DMSFSV3108E User {id} is not connected"), 28),
        ended => (format!("DMSFSV3109I {ended} connections of {id} ended, their work rolled back"), 0),
    };
    cms.say(&line).await;
    rc
}

/// `GRANT ADMIN userid` and `REVOKE ADMIN userid`.
async fn administrator(cms: &Arc<Cms>, server: &FilePoolServer, grant: bool, user: &str) -> i32 {
    let id = match UserId::new(user) {
        Ok(id) => id,
        Err(error) => return tell(cms, &dms(MODULE, 1020, 24, &[&error.to_string()])).await,
    };
    if grant {
        server.grant_admin(id);
    } else if !server.revoke_admin(id) {
        cms.say(&format!("DMSFSV3110E User {id} is not an administrator")).await;
        return 28;
    }
    0
}

/// `QUERY FILEPOOL report`.
async fn report(cms: &Arc<Cms>, server: &FilePoolServer, what: &str) -> i32 {
    let Some(report) = query_filepool::find(what) else {
        return tell(cms, &dms(MODULE, 29, 24, &[what])).await;
    };
    match server.report().await {
        Ok(figures) => say_all(cms, (report.lines)(&figures, &cms.guest.cp().clock.zone())).await,
        Err(error) => refused(cms, &error).await,
    }
}

async fn say_all(cms: &Arc<Cms>, lines: Vec<String>) -> i32 {
    for line in lines {
        cms.say(&line).await;
    }
    0
}

async fn refused(cms: &Arc<Cms>, error: &PoolError) -> i32 {
    cms.say(&format!("DMSFSV1285S {error}")).await;
    104
}

/// `MINIDISK vdev GROUP n [BLOCKS n]` on the running server.
async fn add_minidisk(cms: &Arc<Cms>, server: &FilePoolServer, layout: &[&str]) -> i32 {
    match layout_of(layout) {
        Ok(Layout { device, group, blocks }) => match server.pool().add_minidisk(group, device, blocks).await
        {
            Ok(minidisk) => say_all(cms, vec![added_line(&minidisk)]).await,
            Err(error) => refused(cms, &error).await,
        },
        Err(message) => {
            cms.say(&message.to_string()).await;
            message.rc
        }
    }
}

/// `DISABLE` and `ENABLE` of a storage group or file space.
async fn switch(
    cms: &Arc<Cms>,
    server: &FilePoolServer,
    word: &str,
    kind: &str,
    name: &str,
    mode: &[&str],
) -> i32 {
    let part = match pool_part(kind, name) {
        Ok(part) => part,
        Err(message) => {
            cms.say(&message.to_string()).await;
            return message.rc;
        }
    };
    let pool = server.pool();
    let done = match (word, mode) {
        ("ENABLE", []) => pool.enable(&part).await,
        ("DISABLE", [] | ["SHARE"]) => {
            pool.disable(&pool.begin(), &part, DisableMode::Share, cms.userid()).await
        }
        ("DISABLE", ["EXCLUSIVE"]) => {
            pool.disable(&pool.begin(), &part, DisableMode::Exclusive, cms.userid()).await
        }
        _ => {
            cms.say(&cms::message::dms(MODULE, 29, 24, &[mode.last().unwrap_or(&word)]).to_string()).await;
            return 24;
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => refused(cms, &error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fileserv_in_front_of_operator_commands() {
        assert_eq!(operator_words(" fileserv  stop immediate "), "stop immediate");
        assert_eq!(operator_words("FILESERV BACKUP /tmp/Pool"), "BACKUP /tmp/Pool");
        for line in ["FILESERV", "FILESERV GENERATE", "STOP", "QUERY FILEPOOL"] {
            assert_eq!(operator_words(line), line);
        }
    }

    #[test]
    fn startup_parameters() {
        let lines = |t: &str| t.lines().map(str::to_owned).collect::<Vec<_>>();
        let read = read_parameters(&lines(
            "* comment\nADMIN MAINT IMAP\nadmin operator\nFILEPOOLID IMAPPOOL:\nNOBACKUP\n",
        ));
        let read = read.unwrap();
        assert_eq!(read.pool.as_str(), "IMAPPOOL");
        assert_eq!((read.admins.len(), read.group_threshold), (3, 90));
        assert!(read_parameters(&lines("ADMIN MAINT\n")).unwrap_err().contains("FILEPOOLID"));
        assert!(read_parameters(&lines("FROB\n")).unwrap_err().contains("record 1"));
    }
}
