//! Host tools for file pools: check, backup, restore, salvage.
//!
//! `check`, `restore` and `salvage` work on a stopped system, whose folder they take for themselves. `backup` works on
//! either: in a running system the pool's server machine writes it, from one committed state, while work goes on.

use std::fs::{File, Permissions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use cp::name::{DirName, FileName, FilePoolId, FileType, UserId};
use dasd::{Dasd, HostDasd};
use sfs::pool::{Pool, PoolConfig};
use sfs::tools::{self, Selection, Summary};
use sfs::types::FileId;

use crate::control::{self, Request};
use crate::folder::Folder;
use crate::host::HostClock;
use crate::ipl::POOLS;

/// Name under which the minidisks are addressed here.
const MINIDISKS: &str = "MINIDISK";

/// The pools that a name stands for: one, or all.
fn pools(folder: &Folder, name: Option<&str>) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut all: Vec<(String, PathBuf)> =
        POOLS.iter().map(|(n, _)| ((*n).to_owned(), folder.pool(n))).collect();
    all.push((MINIDISKS.to_owned(), folder.dasd()));
    let Some(name) = name else { return Ok(all) };
    let upper = name.trim_end_matches(':').to_ascii_uppercase();
    all.retain(|(n, _)| *n == upper);
    if all.is_empty() {
        bail!("there is no file pool {upper}; there are VMSYSU, IMAPPOOL and {MINIDISKS}");
    }
    Ok(all)
}

fn disks(path: &Path) -> anyhow::Result<Arc<dyn Dasd>> {
    // It would be made, and be in the way of a pool that is restored.
    if !path.is_dir() {
        bail!("there is no file pool in {}", path.display());
    }
    Ok(Arc::new(HostDasd::new(path).with_context(|| path.display().to_string())?))
}

fn clock() -> anyhow::Result<Arc<HostClock>> {
    HostClock::new(None).map(Arc::new).map_err(anyhow::Error::msg)
}

fn take(folder: &Folder) -> anyhow::Result<crate::folder::Lock> {
    if !folder.is_generated() {
        bail!("there is no system in {}", folder.path().display());
    }
    folder
        .lock()
        .map_err(|_| anyhow::anyhow!("a system is running in {}; stop it first", folder.path().display()))
}

/// Verifies one pool or all; true when nothing is wrong.
///
/// # Errors
/// When there is no such pool, or the system runs.
pub fn check(
    folder: &Folder,
    pool: Option<&str>,
    bodies: bool,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<bool> {
    let _taken = take(folder)?;
    let mut sound = true;
    for (name, path) in pools(folder, pool)? {
        say(&format!("{name}:"));
        // One that does not open leaves the others to be looked at.
        match check_one(&path, bodies, &mut |line| say(&format!("  {line}"))) {
            Ok(problems) => sound &= problems == 0,
            Err(error) => {
                say(&format!("  It cannot be opened: {}", crate::run::told(&error)));
                say(
                    "  endicott salvage brings out what is readable, endicott restore brings that or a backup back",
                );
                sound = false;
            }
        }
    }
    Ok(sound)
}

/// How many problems a pool has.
fn check_one(path: &Path, bodies: bool, say: &mut (dyn FnMut(&str) + Send)) -> anyhow::Result<u64> {
    let found = tools::check(&disks(path)?, &PoolConfig::default(), clock()?, bodies, say)?;
    Ok(found.problem_count)
}

/// Writes a backup of a pool. A running system does it itself.
///
/// # Errors
/// What went wrong, in the running system's words if it was that.
pub fn backup(
    folder: &Folder,
    pool: &str,
    to: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let (name, path) = one(folder, pool)?;
    let server = POOLS.iter().find(|(n, _)| *n == name).map(|(_, server)| *server);
    let target = std::path::absolute(to)?;
    let request = |server: &str| Request::Cmd {
        user: server.to_owned(),
        password: None,
        command: format!("BACKUP {}", target.display()),
    };
    if let (Some(server), Err(_)) = (server, take(folder)) {
        let answer = control::ask(folder.path(), &request(server))?;
        answer.lines.iter().for_each(|l| say(l));
        if answer.rc != 0 {
            bail!("the file pool server ended the backup with return code {}", answer.rc);
        }
        return Ok(());
    }
    let _taken = take(folder)?;
    let pool = Pool::open(&disks(&path)?, &PoolConfig::default(), clock()?)?;
    let sum = write_backup(&pool, &target, say)?;
    say(&sum.to_string());
    Ok(())
}

fn one(folder: &Folder, pool: &str) -> anyhow::Result<(String, PathBuf)> {
    pools(folder, Some(pool))?.into_iter().next().context("no file pool of that name")
}

/// Writes a backup of an open pool to a new file; it is there whole or not at all.
///
/// # Errors
/// What went wrong.
pub fn write_backup(pool: &Pool, to: &Path, say: &mut (dyn FnMut(&str) + Send)) -> anyhow::Result<Summary> {
    write_whole(to, |out| Ok(tools::backup(pool, out, say)?))
}

/// Creates a file that nobody else may read: in it is what everybody stores in a pool.
fn create(path: &Path) -> anyhow::Result<File> {
    let mut how = File::options();
    how.write(true).create(true).truncate(true).mode(0o600);
    let file = how.open(path).with_context(|| path.display().to_string())?;
    // It may have been there, left by a backup that was cut off.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Makes a new file; it is there whole or not at all.
pub(crate) fn write_whole<T>(
    to: &Path,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if to.exists() {
        bail!("{} exists already", to.display());
    }
    let mut draft = to.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let mut out = BufWriter::new(create(&draft)?);
    let sum = write(&mut out)?;
    out.into_inner().map_err(|e| anyhow::anyhow!("{}: {e}", draft.display()))?.sync_all()?;
    std::fs::rename(&draft, to).with_context(|| to.display().to_string())?;
    Ok(sum)
}

/// What a salvage says of what it brought out stands beside that, in a file that ends so.
const REPORT: &str = "report";

/// Writes what is readable of a pool of a stopped system, and beside it a report of what is what.
///
/// # Errors
/// When nothing can be read or the files cannot be written.
pub fn salvage(
    folder: &Folder,
    pool: &str,
    to: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let _taken = take(folder)?;
    let (_, path) = one(folder, pool)?;
    let dasd = disks(&path)?;
    let clock = clock()?;
    if to.exists() {
        bail!("{} exists already", to.display());
    }
    let mut beside = to.as_os_str().to_owned();
    beside.push(".");
    beside.push(REPORT);
    let beside = PathBuf::from(beside);
    let mut report = BufWriter::new(create(&beside)?);
    let mut reported = Ok(());
    let mut line = |text: &str| {
        say(text);
        if reported.is_ok() {
            reported = writeln!(report, "{text}");
        }
    };
    let sum =
        write_whole(to, |out| Ok(tools::salvage(&dasd, &PoolConfig::default(), clock, out, &mut line)?))?;
    line(&sum.to_string());
    reported?;
    report.flush()?;
    say(&format!("What is what stands in {}", beside.display()));
    Ok(())
}

/// What of a backup is to come back: nothing is everything, `USER` a file space, `USER.DIR fn ft` a file.
///
/// # Errors
/// What is wrong with the words.
pub fn selection(words: &[String]) -> anyhow::Result<Selection> {
    match words {
        [] => Ok(Selection::Pool),
        [space] => Ok(Selection::Space(UserId::new(space)?.to_string())),
        [dir, name, kind] => {
            let any = FilePoolId::new("POOL")?;
            let dir = if dir.contains('.') { dir.clone() } else { format!("{dir}.") };
            let dir = DirName::parse(&dir, Some(any), UserId::new("NOBODY")?)?;
            let id = FileId::new(FileName::new(name)?, FileType::new(kind)?);
            Ok(Selection::File(dir.owner.to_string(), dir.levels().to_vec(), id))
        }
        _ => bail!("give nothing, a user id, or a directory, file name and file type"),
    }
}

/// Brings back what `selection` names into a pool of a stopped system. A pool that is not there is made, for all of a backup.
///
/// # Errors
/// What went wrong; what was brought back by then stays.
pub fn restore(
    folder: &Folder,
    pool: &str,
    from: &Path,
    selection: &Selection,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    let _taken = take(folder)?;
    let (_, path) = one(folder, pool)?;
    let open = || File::open(from).with_context(|| from.display().to_string());
    // A backup that is cut short is found before anything is changed.
    tools::verify(&mut BufReader::new(open()?))?;
    if *selection == Selection::Pool && !path.exists() {
        crate::generate::make_pool(folder, &path)?;
        say("The pool was not there: an empty one has been made");
    }
    let pool = Pool::open(&disks(&path)?, &PoolConfig::default(), clock()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut input = BufReader::new(open()?);
    let restored = runtime.block_on(tools::restore(&pool, &mut input, selection, say));
    runtime.block_on(pool.close());
    say(&restored?.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_come_back() {
        let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(selection(&[]).unwrap(), Selection::Pool);
        assert_eq!(selection(&words("joe")).unwrap(), Selection::Space("JOE".into()));
        let file = selection(&words("joe.sub.two a b")).unwrap();
        assert!(
            matches!(file, Selection::File(space, levels, _) if space == "JOE" && levels == ["SUB", "TWO"])
        );
        assert!(
            matches!(selection(&words("joe a b")).unwrap(), Selection::File(_, levels, _) if levels.is_empty())
        );
        assert!(selection(&words("a b")).is_err());
    }
}
