//! System generation: a folder with everything that a system needs, and its first users.
//!
//! The directory, the disks, the pools and the spool volume are made first; then the system is started without listeners
//! and the users are enrolled by the same commands that an administrator would type. What is generated last is the object
//! directory: a folder without it holds no system, so a generation that was cut short is simply done again.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use cp::codepage;
use cp::console::Captured;
use cp::directory::{object, source};
use cp::name::{FileName, FileType, UserId, Vdev};
use dasd::{Dasd, HostDasd};
use sfs::csl::OpenOptions;
use sfs::minidisk::{LinkMode, Minidisk, MinidiskStore};
use sfs::pool::{Pool, PoolConfig};
use sfs::types::{FileId, Intent};
use spool::{Spool, SpoolConfig};

use crate::config::{HostConfig, TEMPLATE};
use crate::directxa;
use crate::folder::Folder;
use crate::host::{self, HostClock};
use crate::ipl::{POOLS, System};

/// Blocks of a mail user in the mail pool.
const MAIL_BLOCKS: u64 = 1_000_000;

/// Blocks of a CMS user in the users' pool.
const USER_BLOCKS: u64 = 10_000;

/// Blocks of a minidisk: enough for programs and configuration, and for the notes of the SMTP machine.
const MINIDISK_BLOCKS: u64 = 4_000_000;

/// Longest password that fits a record of USER DIRECT with its quotes.
const LONGEST_PASSWORD: usize = 60;

/// System users whose passwords are in the template.
const SYSTEM_USERS: &[&str] = &["MAINT", "OPERATOR", "VMSERVU", "IMAPSF", "IMAP", "SMTP", "POSTMSTR"];

/// Mail users of a system that was generated without being told any.
pub const SAMPLE_MAIL_USERS: &[&str] = &["VMUSER1", "VMUSER2", "VMUSER3"];

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// User id.
    pub userid: UserId,
    /// Password; a random one when absent.
    pub password: Option<String>,
    /// Enrolled for mail.
    pub mail: bool,
}

impl NewUser {
    /// Reads `NAME=PASSWORD`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, mail: bool) -> anyhow::Result<Self> {
        let (name, password) = text.split_once('=').context(format!("'{text}' is not NAME=PASSWORD"))?;
        let userid = UserId::new(name)?;
        let length = password.chars().count();
        if length == 0 || length > LONGEST_PASSWORD || password.chars().any(char::is_control) {
            bail!("the password of {userid} must have 1 to {LONGEST_PASSWORD} printable characters");
        }
        Ok(Self { userid, password: Some(password.to_owned()), mail })
    }
}

/// A user with his password as it was made.
#[derive(Clone, Debug)]
pub struct MadeUser {
    /// User id.
    pub userid: UserId,
    /// Password.
    pub password: String,
    /// Enrolled for mail.
    pub mail: bool,
}

/// Generates a system; returns all users with their passwords.
///
/// # Errors
/// What is wrong, with the file it is wrong in.
pub async fn generate(folder: &Folder, wanted: &[NewUser]) -> anyhow::Result<Vec<MadeUser>> {
    if folder.is_generated() {
        bail!("{} holds a system already", folder.path().display());
    }
    folder.make(folder.path()).with_context(|| folder.path().display().to_string())?;
    clear_leftovers(folder)?;
    let users = passwords(wanted)?;
    let text = directory_source(&users);
    let checked = source::read(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("USER DIRECT: {}", lines.join("; "))
    })?;
    let sealing = tokio::task::spawn_blocking(move || directxa::seal(checked));
    write_config(folder)?;
    let pool_folder = folder.clone();
    tokio::task::spawn_blocking(move || make_stores(&pool_folder)).await??;
    write_minidisks(folder, &text).await?;
    let image = sealing.await?.map_err(anyhow::Error::msg)?;
    let draft = folder.path().join("cp").join("directory.first");
    folder.replace(&draft, &object::store(&image))?;
    enroll(folder, &draft, &users).await?;
    write_passwords(folder, &users)?;
    std::fs::rename(&draft, folder.directory_object())?;
    Ok(users)
}

/// A generation that was cut short leaves stores behind; they are made anew.
fn clear_leftovers(folder: &Folder) -> anyhow::Result<()> {
    for path in [folder.dasd(), folder.spool(), folder.path().join("pools")] {
        match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| path.display().to_string());
            }
            _ => {}
        }
    }
    Ok(())
}

/// All users with passwords: the system's own first, then the others in the order given.
fn passwords(wanted: &[NewUser]) -> anyhow::Result<Vec<MadeUser>> {
    let mut users: Vec<MadeUser> = Vec::new();
    for name in SYSTEM_USERS {
        let userid = UserId::new(name)?;
        users.push(MadeUser { userid, password: host::random_password()?, mail: false });
    }
    for new in wanted {
        let password = match &new.password {
            Some(p) => p.clone(),
            None => host::random_password()?,
        };
        match users.iter_mut().find(|u| u.userid == new.userid) {
            Some(known) => {
                known.password = password;
                known.mail |= new.mail;
            }
            None => users.push(MadeUser { userid: new.userid, password, mail: new.mail }),
        }
    }
    Ok(users)
}

fn quoted(password: &str) -> String {
    // A password that reads as a plain token stands as one; anything else is quoted.
    let plain = password.bytes().all(|b| b.is_ascii_alphanumeric()) && password.len() <= 8;
    let word = ["NOLOG", "NOPASS", "AUTOONLY", "LBYONLY"].contains(&password.to_ascii_uppercase().as_str());
    if plain && !word { password.to_owned() } else { format!("'{}'", password.replace('\'', "''")) }
}

fn directory_source(users: &[MadeUser]) -> String {
    let mut text = String::new();
    for line in include_str!("../templates/user.direct").lines() {
        let mut line = line.to_owned();
        for user in users {
            let mark = format!("&&{}&&", user.userid);
            if line.contains(&mark) && line.starts_with("USER ") {
                let rest = line.split_once(&mark).map_or("", |(_, r)| r.trim()).to_owned();
                line = format!("USER {} ,\n {} ,\n {rest}", user.userid, quoted(&user.password));
            }
        }
        text.push_str(&line);
        text.push('\n');
    }
    for user in users.iter().filter(|u| !SYSTEM_USERS.contains(&u.userid.as_str())) {
        let entry = include_str!("../templates/user.entry");
        let first = format!("{} ,\n {} ,\n", user.userid, quoted(&user.password));
        text.push_str(&entry.replace("&&USERID&& &&PASSWORD&&", &first));
    }
    text
}

fn write_config(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.path().join(crate::config::FILE_NAME);
    if !path.exists() {
        folder.replace(&path, TEMPLATE.as_bytes()).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn ring_id() -> anyhow::Result<u64> {
    let mut bytes = [0u8; 8];
    host::random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn host_dasd(folder: &Folder, path: &Path) -> anyhow::Result<Arc<dyn Dasd>> {
    folder.make(path).with_context(|| path.display().to_string())?;
    Ok(Arc::new(HostDasd::new(path)?))
}

fn make_stores(folder: &Folder) -> anyhow::Result<()> {
    let mut pools: Vec<std::path::PathBuf> = POOLS.iter().map(|(name, _)| folder.pool(name)).collect();
    pools.push(folder.dasd());
    for path in pools {
        make_pool(folder, &path)?;
    }
    let path = folder.spool();
    let dasd = host_dasd(folder, &path)?;
    Spool::generate(&dasd, &SpoolConfig::default(), ring_id()?).with_context(|| path.display().to_string())
}

/// Makes an empty file pool at `path`.
///
/// # Errors
/// When there is one, or the host's error.
pub fn make_pool(folder: &Folder, path: &std::path::Path) -> anyhow::Result<()> {
    let dasd = host_dasd(folder, path)?;
    Pool::generate(&dasd, &PoolConfig::default(), ring_id()?).with_context(|| path.display().to_string())
}

/// A file that a minidisk gets: owner, device, name, type, text.
type Supplied<'a> = (&'a str, u16, &'a str, &'a str, &'a str);

/// Sources of translate tables, by the code pages here and in the network.
const TABLES: [(&str, &str); 4] = [
    ("00370819", include_str!("../templates/tables/00370819.tcpxlate")),
    ("02730819", include_str!("../templates/tables/02730819.tcpxlate")),
    ("05000819", include_str!("../templates/tables/05000819.tcpxlate")),
    ("10470819", include_str!("../templates/tables/10470819.tcpxlate")),
];

async fn write_minidisks(folder: &Folder, directory: &str) -> anyhow::Result<()> {
    let dasd = host_dasd(folder, &folder.dasd())?;
    let clock = Arc::new(HostClock::new(None).map_err(anyhow::Error::msg)?);
    let pool = Pool::open(&dasd, &PoolConfig::default(), clock)?;
    let store = MinidiskStore::new(pool.clone());
    let disks = [
        ("MAINT", 0x190, "CMS190"),
        ("MAINT", 0x191, "MNT191"),
        ("MAINT", 0x19E, "MNT19E"),
        ("MAINT", 0x2CC, "MNT2CC"),
        ("OPERATOR", 0x191, "OPR191"),
        ("VMSERVU", 0x191, "SRU191"),
        ("IMAPSF", 0x191, "SRI191"),
        ("IMAP", 0x191, "IMP191"),
        ("SMTP", 0x191, "SMT191"),
    ];
    for (owner, vdev, label) in disks {
        store.define(UserId::new(owner)?, Vdev(vdev), label, MINIDISK_BLOCKS).await?;
    }
    let parameters =
        |pool: &str| format!("ADMIN MAINT OPERATOR IMAP\nFILEPOOLID {pool}\nNOBACKUP\nUSERS 1000\n");
    let definition = |pool: &str| {
        format!(
            "* {pool}: one log, the catalog in storage group 1, user data in storage group 2\nMAXUSERS=1000000\nMAXDISKS=500\n"
        )
    };
    let (users, mail) = (parameters("VMSYSU"), parameters("IMAPPOOL"));
    let (users_pool, mail_pool) = (definition("VMSYSU"), definition("IMAPPOOL"));
    let server = include_str!("../templates/filepool.profile");
    let files: [Supplied<'_>; 15] = [
        ("MAINT", 0x2CC, "USER", "DIRECT", directory),
        ("MAINT", 0x191, "USER", "DIRECT", directory),
        ("MAINT", 0x191, "PROFILE", "EXEC", include_str!("../templates/user.profile")),
        ("OPERATOR", 0x191, "PROFILE", "EXEC", include_str!("../templates/user.profile")),
        ("VMSERVU", 0x191, "PROFILE", "EXEC", server),
        ("VMSERVU", 0x191, "VMSERVU", "DMSPARMS", &users),
        ("VMSERVU", 0x191, "VMSYSU", "POOLDEF", &users_pool),
        ("IMAPSF", 0x191, "PROFILE", "EXEC", server),
        ("IMAPSF", 0x191, "IMAPSF", "DMSPARMS", &mail),
        ("IMAPSF", 0x191, "IMAPPOOL", "POOLDEF", &mail_pool),
        ("IMAP", 0x191, "PROFILE", "EXEC", include_str!("../templates/imap.profile")),
        ("IMAP", 0x191, "IMAP", "CONFIG", include_str!("../templates/imap.config")),
        ("IMAP", 0x191, "IMAP", "SCONFIG", include_str!("../templates/imap.sample")),
        ("IMAP", 0x191, "$SERVER$", "NAMES", include_str!("../templates/server.names")),
        ("SMTP", 0x191, "PROFILE", "EXEC", include_str!("../templates/smtp.profile")),
    ];
    let smtp: Supplied<'_> = ("SMTP", 0x191, "SMTP", "CONFIG", include_str!("../templates/smtp.config"));
    // Where every machine looks.
    let tables = TABLES.map(|(name, text)| ("MAINT", 0x19E, name, "TCPXLATE", text));
    for (owner, vdev, name, kind, text) in files.into_iter().chain([smtp]).chain(tables) {
        let disk = store.link(UserId::new(owner)?, Vdev(vdev), LinkMode::ReadWrite)?;
        write_text(&disk, name, kind, text)
            .await
            .with_context(|| format!("{owner} {vdev:03X} {name} {kind}"))?;
    }
    pool.close().await;
    Ok(())
}

async fn write_text(disk: &Minidisk, name: &str, kind: &str, text: &str) -> anyhow::Result<()> {
    let id = FileId::new(FileName::new(name)?, FileType::new(kind)?);
    let mut file = disk.open(id, Intent::Replace, &OpenOptions::variable()).await?;
    for line in text.lines() {
        file.write(&bytes::Bytes::from(codepage::from_text(line)), 1).await?;
    }
    file.close().await?;
    Ok(())
}

/// Starts the system without listeners and enrols the users.
async fn enroll(folder: &Folder, directory: &Path, users: &[MadeUser]) -> anyhow::Result<()> {
    let mut config = HostConfig::load(folder.path())?;
    config.system.timezone = None;
    let system = System::build_from(folder, directory, &config, std::collections::BTreeMap::new()).await?;
    system.autolog().await?;
    let maint = UserId::new("MAINT")?;
    let vm = system.cp.autolog(maint, None)?;
    // Every machine may use what is granted to it, or to PUBLIC, without a file space of its own.
    let mut commands: Vec<String> = POOLS.iter().map(|(pool, _)| format!("ENROLL PUBLIC {pool}:")).collect();
    for user in users {
        let userid = user.userid;
        if !["VMSERVU", "IMAPSF"].contains(&userid.as_str()) {
            commands.push(format!("ENROLL USER {userid} VMSYSU: (BLOCKS {USER_BLOCKS}"));
        }
        if user.mail {
            commands.push(format!("IMAP ENROLL {userid} {MAIL_BLOCKS}"));
        }
    }
    for command in commands {
        let answer = vm.console.input_captured(&command)?;
        let Captured { lines, rc } = answer.await.unwrap_or(Captured { lines: Vec::new(), rc: -1 });
        if rc != 0 {
            system.stop().await;
            bail!("{command} ended with return code {rc}: {}", lines.join("; "));
        }
    }
    system.stop().await;
    Ok(())
}

fn write_passwords(folder: &Folder, users: &[MadeUser]) -> anyhow::Result<()> {
    let path = folder.path().join("passwords.txt");
    let mut text = String::from("# Passwords of this system. Note them and delete this file.\n");
    for user in users {
        text.push_str(&format!("{:<8} {}\n", user.userid, user.password));
    }
    crate::tls::write_private(&path, &text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use cp::translate_table::TranslateTable;

    use super::*;

    #[test]
    fn the_sources_of_tables_are_tables() {
        for (name, text) in TABLES {
            let table = TranslateTable::read_source(FileName::new(name).unwrap(), text.lines()).unwrap();
            assert_eq!(table.is_builtin(), name == "10470819");
            assert!(text.contains(name) && text.lines().all(|line| line.len() < 132), "{name}");
        }
    }

    #[test]
    fn the_directory_reads_back_with_any_password() {
        let user = |name: &str, password: &str| MadeUser {
            userid: UserId::new(name).unwrap(),
            password: password.into(),
            mail: true,
        };
        let users = [
            user("MAINT", "NOLOG"),
            user("OPERATOR", "it's a phrase, with 'quotes'"),
            user("NEW", &"x".repeat(60)),
        ];
        let mut all: Vec<MadeUser> = users.to_vec();
        for name in SYSTEM_USERS.iter().skip(2) {
            all.push(user(name, "SECRET"));
        }
        let text = directory_source(&all);
        let read = source::read(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
        assert_eq!(read.len(), SYSTEM_USERS.len() + 1);
    }
}
