//! QUERY FILEPOOL: the reports on a file pool, as CMS and the console of its server show them.
//!
//! One table has the reports. CONNECT and CONFLICT are for everybody, the others for administrators; which figures a report has is
//! ours where no layout is known.

use cp::codepage;
use cp::name::UserId;
use jiff::tz::TimeZone;
use sfs::csl::{ConnectedUser, ConnectionState, FilePoolReport};
use sfs::types::{GroupStatus, LockResource, LockType, StorageGroup, WantedLock};

use super::create::csl_message;
use super::enroll::pool_or_default;
use super::listfile::date_time;
use super::options::{Output, abbreviates};
use super::{CmsCall, CmsResult, namefind};
use crate::message::{DmsMessage, dms};

const MODULE: &str = "QRY";

/// A report.
pub struct Report {
    /// The word that asks for it.
    pub name: &'static str,
    /// Letters of it that are enough.
    pub min: usize,
    /// What it shows.
    pub lines: fn(&FilePoolReport, &TimeZone) -> Vec<String>,
}

/// All reports; REPORT is all others together.
pub const REPORTS: &[Report] = &[
    Report { name: "AGENT", min: 2, lines: |r, _| agents(r) },
    Report { name: "CATALOG", min: 3, lines: |r, _| catalog(r) },
    Report { name: "CONFLICT", min: 4, lines: |r, _| conflicts(r) },
    Report { name: "CONNECT", min: 4, lines: |r, _| connected(&r.connections) },
    Report { name: "COUNTER", min: 3, lines: |r, _| counters(r) },
    Report { name: "DISABLE", min: 4, lines: |r, _| disabled(r) },
    Report { name: "LOG", min: 3, lines: |r, _| log(r) },
    Report { name: "MINIDISK", min: 4, lines: |r, _| minidisks(&r.groups) },
    Report { name: "OVERVIEW", min: 4, lines: |r, _| overview(r) },
    Report { name: "REPORT", min: 3, lines: everything },
    Report { name: "STATUS", min: 4, lines: status },
    Report { name: "STORGRP", min: 4, lines: |r, _| storage_groups(r) },
];

/// The report that a word asks for.
pub fn find(word: &str) -> Option<&'static Report> {
    REPORTS.iter().find(|report| abbreviates(word, report.name, report.min))
}

/// The reports of REPORT, in its order.
const WHOLE: [&str; 9] =
    ["STATUS", "OVERVIEW", "CATALOG", "STORGRP", "LOG", "AGENT", "CONNECT", "DISABLE", "COUNTER"];

fn everything(report: &FilePoolReport, zone: &TimeZone) -> Vec<String> {
    let mut lines = Vec::new();
    for part in WHOLE.iter().filter_map(|name| find(name)) {
        lines.push(format!("{} {}", part.name, "-".repeat(70 - part.name.len())));
        lines.extend((part.lines)(report, zone));
    }
    lines
}

/// A figure with its name.
fn figure(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<36}{value}")
}

fn status(report: &FilePoolReport, zone: &TimeZone) -> Vec<String> {
    let administrators: Vec<&str> = report.administrators.iter().map(UserId::as_str).collect();
    vec![
        figure("File pool identifier", format_args!("{}:", report.id)),
        figure("File pool server", report.machine.map_or("-".to_owned(), |m| m.to_string())),
        figure("State", report.offline.as_deref().unwrap_or("Online")),
        figure("Connections are", if report.enabled { "accepted" } else { "refused (DISABLE)" }),
        figure("Started", date_time(report.since, zone)),
        figure("ADMIN", administrators.join(" ")),
        figure("GROUPTHRESH", report.group_threshold),
    ]
}

fn overview(report: &FilePoolReport) -> Vec<String> {
    vec![
        figure("Enrolled users", report.users),
        figure("Files", report.files),
        figure("4K blocks allowed to users", report.blocks_allowed),
        figure("4K blocks committed", report.blocks_used),
        figure("Storage groups", report.groups.len()),
        figure("Minidisks", report.groups.iter().map(|g| g.minidisks.len()).sum::<usize>()),
        figure("Connections", report.connections.len()),
        figure("Active work units (connections)", in_state(report, ConnectionState::Active)),
        figure("Prepared work units", report.prepared),
        figure("Locks held", report.locks),
        figure("Explicit locks", report.explicit_locks),
        figure("Waits for locks", report.conflicts.len()),
    ]
}

fn in_state(report: &FilePoolReport, state: ConnectionState) -> usize {
    report.connections.iter().filter(|c| c.state == state).count()
}

fn agents(report: &FilePoolReport) -> Vec<String> {
    vec![figure("Agents in use", report.agents), figure("Most agents in use at once", report.most_agents)]
}

fn catalog(report: &FilePoolReport) -> Vec<String> {
    let Some(group) = report.groups.iter().find(|g| g.group == StorageGroup::CATALOG) else {
        return vec!["The catalog cannot be read".to_owned()];
    };
    let or_grows = |blocks: Option<u64>| blocks.map_or("grows with the disk".to_owned(), |b| b.to_string());
    vec![
        figure("4K blocks of the catalog", or_grows(group.blocks)),
        figure("4K blocks in use", group.used),
        figure("4K blocks free", or_grows(group.blocks.map(|b| b.saturating_sub(group.used)))),
    ]
}

fn log(report: &FilePoolReport) -> Vec<String> {
    let storage = &report.storage;
    vec![
        figure("Octets of log segments", storage.log_total),
        figure("Octets of files in the log", storage.log_live),
        figure("Octets of volume segments", storage.volume_total),
        figure("Octets of files on the volume", storage.volume_live),
    ]
}

fn counters(report: &FilePoolReport) -> Vec<String> {
    report.counters.iter().map(|(name, count)| figure(name, count)).collect()
}

/// Source: QUERY FILEPOOL CONNECT.
fn connected(connections: &[ConnectedUser]) -> Vec<String> {
    let rows = connections.iter().map(|c| connection_row(c.user, c.state.word()));
    std::iter::once("Userid   Connected".to_owned()).chain(rows).collect()
}

fn connection_row(user: UserId, state: &str) -> String {
    format!("{user:<8} {state}")
}

/// Source: "Finding an Implicit Lock".
fn conflicts(report: &FilePoolReport) -> Vec<String> {
    conflict_lines(&report.conflicts)
}

fn conflict_lines(conflicts: &[sfs::csl::Conflict]) -> Vec<String> {
    let mut lines = vec!["Requester   Holder     Wait          Lock        Lock Type".to_owned()];
    for conflict in conflicts {
        let (lock, kind) = wanted_words(conflict.wanted);
        lines.push(format!(
            "{:<11} {:<10} {:<13} {lock:<11} {kind}",
            conflict.waiter, conflict.holder, "Lock"
        ));
        // DMSUDATA: what the programs say that they do.
        for (who, data) in [("Requester", &conflict.waiter_data), ("Holder", &conflict.holder_data)] {
            let text = codepage::to_text(data.as_slice());
            if !text.trim().is_empty() {
                lines.push(format!("  {who}: {}", text.trim_end()));
            }
        }
    }
    lines
}

/// What a waiter wants to lock, and how. Of these words `File` and `Share` are known.
fn wanted_words(wanted: WantedLock) -> (&'static str, &'static str) {
    let resource = match wanted.resource {
        LockResource::File => "File",
        LockResource::Directory => "Directory",
        LockResource::FileSpace => "Filespace",
        LockResource::Authority => "Authority",
    };
    let kind = match wanted.kind {
        LockType::Share => "Share",
        LockType::Update => "Update",
        LockType::Exclusive => "Exclusive",
    };
    (resource, kind)
}

/// The word of an explicit lock's type.
pub(super) fn lock_word(kind: LockType) -> &'static str {
    match kind {
        LockType::Share => "SHARE",
        LockType::Update => "UPDATE",
        LockType::Exclusive => "EXCLUSIVE",
    }
}

fn disabled(report: &FilePoolReport) -> Vec<String> {
    if report.disabled.is_empty() {
        return vec!["Nothing is disabled".to_owned()];
    }
    report.disabled.iter().map(|(part, info)| format!("{part} {} by {}", info.mode.word(), info.by)).collect()
}

fn blocks_or_dash(blocks: Option<u64>) -> String {
    blocks.map_or("-".to_owned(), |b| b.to_string())
}

/// A line for each storage group, and their minidisks.
fn storage_groups(report: &FilePoolReport) -> Vec<String> {
    let threshold = report.group_threshold;
    let mut lines = vec!["Group  4K Blocks      In Use        Free  Used  File Spaces  State".to_owned()];
    for group in &report.groups {
        let percent = group.blocks.map(|b| (group.used * 100).checked_div(b).unwrap_or(0));
        let state = match group.disabled {
            Some(info) => format!("Disabled {}", info.mode.word()),
            None if percent.is_some_and(|p| threshold > 0 && p >= u64::from(threshold)) => {
                format!("Enabled, over {threshold}%")
            }
            None => "Enabled".to_owned(),
        };
        lines.push(format!(
            "{:>5} {:>10} {:>11} {:>11} {:>5} {:>12}  {state}",
            group.group,
            blocks_or_dash(group.blocks),
            group.used,
            blocks_or_dash(group.blocks.map(|b| b.saturating_sub(group.used))),
            percent.map_or("-".to_owned(), |p| format!("{p}%")),
            group.file_spaces,
        ));
    }
    lines.extend(minidisks(&report.groups));
    lines
}

fn minidisks(groups: &[GroupStatus]) -> Vec<String> {
    let rows = groups.iter().flat_map(|g| &g.minidisks).map(|minidisk| {
        format!(
            "MDK{:05}  {:04X} {:>6} {:>10}",
            minidisk.number,
            minidisk.device,
            minidisk.group,
            blocks_or_dash(minidisk.blocks)
        )
    });
    std::iter::once("Minidisk  Vdev  Group  4K Blocks".to_owned()).chain(rows).collect()
}

/// `QUERY FILEPOOL report [filepoolid:]`.
pub(super) async fn run(call: &CmsCall<'_>, report: &Report, operands: &[&str], output: Output) -> CmsResult {
    let lines = match report.name {
        "CONNECT" => connect(call, operands).await?,
        "CONFLICT" => {
            let (who, pool) = match operands {
                [] => (None, None),
                [pool] if pool.ends_with(':') => (None, Some(*pool)),
                [who] => (Some(*who), None),
                [who, pool] => (Some(*who), Some(*pool)),
                [_, _, extra, ..] => return Err(dms(MODULE, 70, 24, &[extra])),
            };
            let pool = pool_or_default(call.cms, MODULE, pool)?;
            let who = user_of(call, who).await?;
            let found = call.cms.csl.filepool_conflicts(pool).await;
            let mut found = found.map_err(|e| csl_message(MODULE, &e, pool.as_str()))?;
            if let Some(who) = who {
                // Those who wait for whom he waits are before or behind him, and he may be the one they wait for.
                let holders: Vec<UserId> =
                    found.iter().filter(|c| c.waiter == who).map(|c| c.holder).chain([who]).collect();
                found.retain(|c| holders.contains(&c.holder));
            }
            conflict_lines(&found)
        }
        _ => {
            if let [_, extra, ..] = operands {
                return Err(dms(MODULE, 70, 24, &[extra]));
            }
            let pool = pool_or_default(call.cms, MODULE, operands.first().copied())?;
            let found = call.cms.csl.filepool_report(pool).await;
            let found = found.map_err(|e| csl_message(MODULE, &e, pool.as_str()))?;
            (report.lines)(&found, &call.cms.guest.cp().clock.zone())
        }
    };
    // Of the reports with figures all lines are data; the others begin with a header.
    let headed = matches!(report.name, "CONNECT" | "CONFLICT");
    for (n, line) in lines.iter().enumerate() {
        match headed && n == 0 {
            true => output.heading(call.cms, line).await,
            false => output.line(call.cms, MODULE, line).await?,
        }
    }
    Ok(0)
}

/// The user that a user id or nickname means; `None` for ALL, or when none is named.
async fn user_of(call: &CmsCall<'_>, word: Option<&str>) -> Result<Option<UserId>, DmsMessage> {
    let Some(word) = word.filter(|w| !w.eq_ignore_ascii_case("ALL")) else { return Ok(None) };
    let user = namefind::resolve(call.cms, word).await;
    UserId::new(&user).map(Some).map_err(|_| dms(MODULE, 657, 32, &[&user]))
}

/// `QUERY FILEPOOL CONNECT [FOR ALL|userid|nickname] [filepoolid:]`.
async fn connect(call: &CmsCall<'_>, operands: &[&str]) -> Result<Vec<String>, DmsMessage> {
    let (who, pool) = match operands {
        [word, who, rest @ ..] if word.eq_ignore_ascii_case("FOR") => (Some(*who), rest),
        [word] if word.eq_ignore_ascii_case("FOR") => return Err(dms(MODULE, 5, 24, &["FOR"])),
        rest => (None, rest),
    };
    if let [_, extra, ..] = pool {
        return Err(dms(MODULE, 70, 24, &[extra]));
    }
    let pool = pool_or_default(call.cms, MODULE, pool.first().copied())?;
    let who = user_of(call, who).await?;
    let found = call.cms.csl.filepool_connections(pool).await;
    let mut found = found.map_err(|e| csl_message(MODULE, &e, pool.as_str()))?;
    found.retain(|c| who.is_none_or(|who| who == c.user));
    let mut lines = connected(&found);
    if let Some(who) = who.filter(|_| found.is_empty()) {
        lines.push(connection_row(who, "No"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_have_one_name_each() {
        for report in REPORTS {
            assert_eq!(find(&report.name[..report.min]).map(|r| r.name), Some(report.name));
            assert!(find(&report.name[..report.min - 1]).is_none(), "{}", report.name);
        }
        assert!(WHOLE.iter().all(|name| find(name).is_some()));
    }
}
