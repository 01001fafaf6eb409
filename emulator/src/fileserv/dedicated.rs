//! FILESERV GENERATE, BACKUP, LIST, MINIDISK and MOVEUSER: what a server machine does to its pool while it does not serve it.
//!
//! The records of `poolid POOLDEF` are `MAXUSERS=n`, `MAXDISKS=n`, which bound nothing here, and `MINIDISK vdev GROUP n [BLOCKS n]`
//! (ours) for storage groups beside group 2; `*` begins a comment. GENERATE never touches a pool that is there.

use std::path::PathBuf;
use std::sync::Arc;

use cms::Cms;
use cms::command::filepool::{Layout, added_line, layout_of};
use cms::cp::name::{FilePoolId, UserId};
use cms::message::dms;
use sfs::pool::{Pool, PoolError};
use sfs::types::{SpaceStatus, StorageGroup};

use super::{MODULE, OpenPools, RC_CANNOT_START, open_pool, read_parameters};
use crate::folder::Folder;

/// What the machine's DMSPARMS names.
async fn pool_of(cms: &Arc<Cms>) -> Result<FilePoolId, String> {
    let lines = cms.read_text(MODULE, cms.userid().as_str(), "DMSPARMS", None).await;
    Ok(read_parameters(&lines.map_err(|m| m.to_string())?)?.pool)
}

/// The pool, opened; to be closed when all is done. `instead`: what to do while it is served.
async fn idle_pool(cms: &Arc<Cms>, folder: &Folder, instead: &str) -> Result<Pool, String> {
    let id = pool_of(cms).await?;
    if cms.guest.cp().exchange().resources().iter().any(|(pool, _)| *pool == id) {
        return Err(format!("file pool {id} is being served; {instead}"));
    }
    let kept = OpenPools::of(cms.guest.cp()).take(id).filter(|pool| pool.offline().is_none());
    match kept {
        Some(pool) => Ok(pool),
        None => open_pool(cms, folder, id).await,
    }
}

async fn definition(cms: &Arc<Cms>, id: FilePoolId) -> Result<Vec<String>, String> {
    cms.read_text(MODULE, id.as_str(), "POOLDEF", None).await.map_err(|m| m.to_string())
}

/// The minidisks that POOLDEF asks for.
fn layouts(lines: &[String]) -> Result<Vec<Layout>, String> {
    let mut all = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, l)| !l.starts_with('*')) {
        let upper = line.trim().to_ascii_uppercase();
        let at = |what: &str| format!("POOLDEF record {}: {what}", index + 1);
        let words: Vec<&str> = upper.split_ascii_whitespace().collect();
        match &words[..] {
            [] => {}
            ["MINIDISK", layout @ ..] => all.push(layout_of(layout).map_err(|m| at(&m.to_string()))?),
            [one] => match one.split_once('=') {
                Some(("MAXUSERS" | "MAXDISKS", number)) if number.parse::<u32>().is_ok() => {}
                _ => return Err(at(&format!("{one} is no statement of a pool"))),
            },
            [first, ..] => return Err(at(&format!("{first} is no statement of a pool"))),
        }
    }
    Ok(all)
}

/// `FILESERV GENERATE`: makes the empty pool that DMSPARMS and POOLDEF describe.
pub(super) async fn generate(cms: &Arc<Cms>, folder: &Folder) -> i32 {
    let made = async {
        let id = pool_of(cms).await?;
        let layouts = layouts(&definition(cms, id).await?)?;
        let path = folder.pool(id.as_str());
        if path.exists() {
            return Err(format!("file pool {id} is there already"));
        }
        let mut lines = make(cms, folder, id, &layouts).await.map_err(|reason| {
            // Half a pool is none, and would be in the way; it was made just now, and nothing is in it.
            match std::fs::remove_dir_all(&path) {
                Err(error) if path.exists() => format!("{reason}; what was made stays: {error}"),
                _ => reason,
            }
        })?;
        lines.push(format!("DMSFSV3103I File pool {id} has been generated"));
        Ok(lines)
    };
    answer(cms, made.await, "DMSFSV3104E The file pool was not generated").await
}

/// Makes a pool with its minidisks; the lines about these.
async fn make(
    cms: &Arc<Cms>,
    folder: &Folder,
    id: FilePoolId,
    layouts: &[Layout],
) -> Result<Vec<String>, String> {
    let (own, target) = (folder.clone(), folder.pool(id.as_str()));
    let generated = tokio::task::spawn_blocking(move || crate::generate::make_pool(&own, &target)).await;
    generated.map_err(|e| e.to_string())?.map_err(|e| crate::run::told(&e))?;
    let mut lines = Vec::new();
    if !layouts.is_empty() {
        let pool = open_pool(cms, folder, id).await?;
        let added = add(&pool, layouts, &mut lines).await;
        pool.close().await;
        added?;
    }
    Ok(lines)
}

async fn add(pool: &Pool, layouts: &[Layout], lines: &mut Vec<String>) -> Result<(), String> {
    for layout in layouts {
        let added = pool.add_minidisk(layout.group, layout.device, layout.blocks).await;
        lines.push(added_line(&added.map_err(|e| e.to_string())?));
    }
    Ok(())
}

/// `FILESERV BACKUP hostfile`: writes a backup of the pool, which nobody uses meanwhile.
pub(super) async fn backup(cms: &Arc<Cms>, folder: &Folder, to: &str) -> i32 {
    let written = async {
        let pool = idle_pool(cms, folder, "use BACKUP at the server's console").await?;
        let (of, to) = (pool.clone(), PathBuf::from(to));
        let done = tokio::task::spawn_blocking(move || {
            let mut lines = Vec::new();
            let sum = crate::pooltool::write_backup(&of, &to, &mut |line| lines.push(line.to_owned()));
            sum.map(|sum| (lines, sum))
        });
        let done = done.await;
        pool.close().await;
        let (mut lines, sum) = done.map_err(|e| e.to_string())?.map_err(|e| crate::run::told(&e))?;
        lines.push(format!(
            "DMSFSV3100I Backup complete: {} file spaces, {} files, {} octets",
            sum.spaces, sum.files, sum.bytes
        ));
        Ok(lines)
    };
    answer(cms, written.await, "DMSFSV3101E The backup was not written").await
}

/// `FILESERV MINIDISK vdev GROUP n [BLOCKS n]`: adds a minidisk to the pool.
pub(super) async fn minidisk(cms: &Arc<Cms>, folder: &Folder, layout: &[&str]) -> i32 {
    let added = async {
        let layout = layout_of(layout).map_err(|m| m.to_string())?;
        let pool = idle_pool(cms, folder, "use MINIDISK at the server's console").await?;
        let done = pool.add_minidisk(layout.group, layout.device, layout.blocks).await;
        pool.close().await;
        done.map(|minidisk| vec![added_line(&minidisk)]).map_err(|e| e.to_string())
    };
    answer(cms, added.await, "DMSFSV3102E The minidisk was not added").await
}

/// `userid GROUP n`.
fn destination(words: &[&str]) -> Result<(UserId, StorageGroup), String> {
    let wrong = |at: &str| dms(MODULE, 29, RC_CANNOT_START, &[at]).to_string();
    let missing = |what: &str| dms(MODULE, 5, RC_CANNOT_START, &[what]).to_string();
    let [user, rest @ ..] = words else { return Err(missing("user ID")) };
    let user = UserId::new(user).map_err(|_| wrong(user))?;
    let group = match rest {
        [] => return Err(missing("GROUP")),
        [word, ..] if !word.eq_ignore_ascii_case("GROUP") => return Err(wrong(word)),
        [_] => return Err(missing("GROUP")),
        [_, number] => number.parse().ok().and_then(StorageGroup::new).ok_or_else(|| wrong(number))?,
        [_, _, more, ..] => return Err(wrong(more)),
    };
    Ok((user, group))
}

/// `FILESERV MOVEUSER userid GROUP n`: moves a user's file space to another storage group.
pub(super) async fn move_user(cms: &Arc<Cms>, folder: &Folder, words: &[&str]) -> i32 {
    let moved = async {
        let (user, group) = destination(words)?;
        let pool = idle_pool(cms, folder, "STOP it first").await?;
        let done = move_in(&pool, user, group).await;
        pool.close().await;
        let before = done.map_err(|e| e.to_string())?;
        Ok(vec![format!(
            "DMSFSV3106I File space {user} moved from storage group {} to {group}: {} blocks",
            before.group, before.used
        )])
    };
    answer(cms, moved.await, "DMSFSV3107E The file space was not moved").await
}

/// The file space as it was before.
async fn move_in(pool: &Pool, user: UserId, group: StorageGroup) -> Result<SpaceStatus, PoolError> {
    let before = pool.space_status(user.as_str())?;
    let unit = pool.begin();
    unit.move_space(user.as_str(), group)?;
    unit.commit().await?;
    Ok(before)
}

/// `FILESERV LIST`: the pool's definition, and whether there is a pool.
pub(super) async fn list(cms: &Arc<Cms>, folder: &Folder) -> i32 {
    let listed = async {
        let id = pool_of(cms).await?;
        let there = folder.pool(id.as_str()).is_dir();
        let state = if there { "generated" } else { "not generated" };
        let mut lines = vec![format!("File pool {id}: {state}"), format!("{id} POOLDEF:")];
        lines.extend(definition(cms, id).await?.iter().map(|l| format!("  {}", l.trim_end())));
        Ok(lines)
    };
    answer(cms, listed.await, "DMSFSV3105E The file pool cannot be listed").await
}

async fn answer(cms: &Arc<Cms>, done: Result<Vec<String>, String>, failure: &str) -> i32 {
    match done {
        Ok(lines) => super::say_all(cms, lines).await,
        Err(reason) => {
            cms.say(&format!("{failure}: {reason}")).await;
            RC_CANNOT_START
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_of_moveuser() {
        let read = |text: &str| destination(&text.split_ascii_whitespace().collect::<Vec<_>>());
        let (user, group) = read("JOE group 3").unwrap();
        assert_eq!((user.as_str(), group.get()), ("JOE", 3));
        for wrong in [
            "",
            "JOE",
            "JOE 3",
            "JOE GROUP",
            "JOE GROUP 0",
            "JOE GROUP 32768",
            "JOE GROUP 3 4",
            "NINECHARS GROUP 3",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn records_of_a_definition() {
        let read = |text: &str| layouts(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        let good = "* a pool\nMAXUSERS=10\nmaxdisks=5\n\nMINIDISK 0320 GROUP 3 BLOCKS 500\n\
            MINIDISK 0330 GROUP 1 BLOCKS 900\n";
        assert_eq!(read(good).unwrap().len(), 2);
        for wrong in ["MAXUSERS=X", "FROB", "FROB 1", "MINIDISK 0320", "MAXUSERS 10"] {
            let error = read(&format!("* x\n{wrong}\n")).map(|l| l.len()).unwrap_err();
            assert!(error.starts_with("POOLDEF record 2: "), "{wrong}: {error}");
        }
    }
}
