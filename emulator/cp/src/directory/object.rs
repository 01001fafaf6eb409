//! The object directory: what is kept of the user directory between one IPL and the next.
//!
//! It is text, so that it can be looked at: a header that says format, version and the SHA-256 of all that follows,
//! and then the entries as statements, with profiles taken in and passwords as `PWVERIFY` and `LINKVERIFY`. A changed
//! or cut file does not load. No clear password is ever in it.
//!
//! Not here: file input and output; the caller has the octets.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::entry::{
    ConsoleKind, DirectoryEntry, EditingSymbols, IdentResource, IdentScope, IucvStatement, IucvTarget,
    LinkPassword, MdiskExtent, MdiskStatement, Password, PosixInfo,
};
use super::grammar::{write_argon2, write_keys, write_scram};
use super::source::{Dialect, SourceError, read_dialect};
use super::{DirectoryImage, entry};

/// The version of the format that is written; the only one that is read.
pub const OBJECT_VERSION: u32 = 1;
const MAGIC: &str = "ENDICOTT OBJECT DIRECTORY";

/// Why an object directory does not load.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// The header is not one of an object directory.
    #[error("this is not an object directory")]
    NotAnObject,
    /// The version is not known.
    #[error("the object directory has version {0}, and this system reads version {OBJECT_VERSION}")]
    Version(u32),
    /// The checksum does not fit.
    #[error("the object directory is damaged: its checksum does not fit")]
    Damaged,
    /// The checksum fits and the statements do not: it was written by something else.
    #[error("the object directory cannot be read: {0}")]
    Statement(Box<SourceError>),
}

/// Writes `image` as an object directory.
pub fn store(image: &DirectoryImage) -> Vec<u8> {
    let mut body = String::new();
    for entry in image.iter() {
        write_entry(&mut body, entry);
    }
    let sum = hex(&Sha256::digest(&body));
    format!("{MAGIC} {OBJECT_VERSION} {sum}\n{body}").into_bytes()
}

/// Reads an object directory.
///
/// # Errors
/// [`ObjectError`] says what is wrong with it.
pub fn load(octets: &[u8]) -> Result<DirectoryImage, ObjectError> {
    let text = std::str::from_utf8(octets).map_err(|_| ObjectError::NotAnObject)?;
    let (header, body) = text.split_once('\n').ok_or(ObjectError::NotAnObject)?;
    let mut words = header.strip_prefix(MAGIC).ok_or(ObjectError::NotAnObject)?.split_whitespace();
    let version: u32 = words.next().and_then(|w| w.parse().ok()).ok_or(ObjectError::NotAnObject)?;
    if version != OBJECT_VERSION {
        return Err(ObjectError::Version(version));
    }
    if words.next() != Some(hex(&Sha256::digest(body)).as_str()) {
        return Err(ObjectError::Damaged);
    }
    let source = read_dialect(body, Dialect::Object).map_err(|errors| {
        let first = errors.into_iter().next().expect("a failed read reports an error");
        ObjectError::Statement(Box::new(first))
    })?;
    // There is nothing to hash, hence nothing random.
    source.seal(&mut |_| {}).map_err(|_| ObjectError::Damaged)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Writes one entry as statements that [`super::source`] reads back to the same entry.
fn write_entry(out: &mut String, entry: &DirectoryEntry) {
    // Writing to a String cannot fail.
    let _ = write_user(out, entry);
    let _ = write_general(out, entry);
    let _ = write_devices(out, entry);
}

fn write_user(out: &mut String, entry: &DirectoryEntry) -> std::fmt::Result {
    let DirectoryEntry { userid, storage, max_storage, .. } = entry;
    let password = match entry.password {
        Password::NoLog => "NOLOG",
        Password::NoPass => "NOPASS",
        Password::AutoOnly => "AUTOONLY",
        Password::LbyOnly => "LBYONLY",
        Password::Hashed(_) => "VERIFIER",
    };
    let EditingSymbols { line_end, line_delete, char_delete, escape } = entry.editing;
    write!(out, "USER {userid} {password} {storage} {max_storage} * 64")?;
    for symbol in [line_end, line_delete, char_delete, escape] {
        match symbol {
            None => out.push_str(" OFF"),
            Some(c) => {
                let code = crate::codepage::from_text(c.encode_utf8(&mut [0; 4]));
                write!(out, " {:02X}", code.first().copied().unwrap_or(crate::codepage::EBCDIC_BLANK))?;
            }
        }
    }
    out.push('\n');
    if let Password::Hashed(verifier) = &entry.password {
        writeln!(out, " PWVERIFY ARGON2ID {}", write_argon2(&verifier.argon2))?;
        writeln!(out, " PWVERIFY SCRAM-SHA-1 {}", write_scram(&verifier.scram_sha1))?;
        writeln!(out, " PWVERIFY SCRAM-SHA-256 {}", write_scram(&verifier.scram_sha256))?;
        for keys in &verifier.challenge {
            writeln!(out, " PWVERIFY KEYS {}", write_keys(keys))?;
        }
    }
    if !entry.classes.is_empty() {
        writeln!(out, " CLASS {}", entry.classes)?;
    }
    Ok(())
}

fn write_general(out: &mut String, entry: &DirectoryEntry) -> std::fmt::Result {
    if let Some(number) = &entry.account {
        writeln!(out, " ACCOUNT {number} {}", entry.dist.as_deref().unwrap_or_default())?;
    }
    for (name, users) in [("AUTOLOG", &entry.autolog), ("LOGONBY", &entry.logonby)] {
        for user in users {
            writeln!(out, " {name} {user}")?;
        }
    }
    let entry::Machine { mode, processors } = entry.machine;
    writeln!(out, " MACHINE {} {}", mode.as_str(), processors.map(|n| n.to_string()).unwrap_or_default())?;
    if let Some(ipl) = &entry.ipl {
        let parm = ipl.parm.as_ref().map(|p| format!(" PARM {p}")).unwrap_or_default();
        writeln!(out, " IPL {}{parm}", ipl.target)?;
    }
    for iucv in &entry.iucv {
        write_iucv(out, iucv)?;
    }
    writeln!(out, " OPTION MAXCONN {}", entry.maxconn)?;
    for word in &entry.options {
        writeln!(out, " OPTION {}", word.as_str())?;
    }
    writeln!(out, " SPOOLFILE MAXSPOOL {}", entry.maxspool)?;
    if let Some(PosixInfo { uid, gid, gname, iwdir, iupgm }) = &entry.posix {
        write!(out, " POSIXINFO UID {uid} GID {gid}")?;
        for (name, value) in [("GNAME", gname), ("IWDIR", iwdir), ("IUPGM", iupgm)] {
            if let Some(value) = value {
                write!(out, " {name} {value}")?;
            }
        }
        out.push('\n');
    }
    for other in &entry.others {
        writeln!(out, " {} {}", other.keyword, other.operands.join(" "))?;
    }
    Ok(())
}

fn write_iucv(out: &mut String, iucv: &IucvStatement) -> std::fmt::Result {
    let target = match &iucv.target {
        IucvTarget::Allow => "ALLOW".into(),
        IucvTarget::Any => "ANY".into(),
        IucvTarget::User(userid) => userid.to_string(),
        IucvTarget::Service(name) => name.clone(),
        IucvTarget::Ident { resource, scope, revoke } => {
            let resource = match resource {
                IdentResource::AnyResource => "RESANY",
                IdentResource::AnyLocal => "LCLANY",
                IdentResource::AnyGateway => "GATEANY",
                IdentResource::Named(name) => name,
            };
            let scope = match scope {
                IdentScope::Local => "LOCAL",
                IdentScope::Global => "GLOBAL",
                IdentScope::Gateway => "GATEWAY",
                IdentScope::System => "SYSTEM",
            };
            format!("*IDENT {resource} {scope}{}", if *revoke { " REVOKE" } else { "" })
        }
    };
    let priority = if iucv.priority { " PRIORITY" } else { "" };
    let limit = iucv.msglimit.map(|n| format!(" MSGLIMIT {n}")).unwrap_or_default();
    writeln!(out, " IUCV {target}{priority}{limit}")
}

fn write_devices(out: &mut String, entry: &DirectoryEntry) -> std::fmt::Result {
    if let Some(console) = &entry.console {
        let kind = match console.kind {
            ConsoleKind::Line3215 => "3215",
            ConsoleKind::Full3270 => "3270",
        };
        let secuser = console.secuser.map(|s| format!(" {s}")).unwrap_or_default();
        let observer = if console.observer { " OBSERVER" } else { "" };
        writeln!(out, " CONSOLE {} {kind} {}{secuser}{observer}", console.vdev, console.class)?;
    }
    for device in &entry.spool {
        writeln!(out, " SPOOL {} {} {} {}", device.vdev, device.device, device.kind.as_str(), device.class)?;
    }
    for link in &entry.links {
        writeln!(out, " LINK {} {} {} {}", link.owner, link.owner_vdev, link.vdev, link.mode.as_str())?;
    }
    for disk in &entry.mdisks {
        write_mdisk(out, disk)?;
    }
    Ok(())
}

fn write_mdisk(out: &mut String, disk: &MdiskStatement) -> std::fmt::Result {
    let extent = match &disk.extent {
        MdiskExtent::Volume { start, count, volser } => {
            let count = count.map_or("END".into(), |n| n.to_string());
            format!("{start} {count} {volser}")
        }
        MdiskExtent::Temporary { count } => format!("T-DISK {count}"),
        MdiskExtent::InStorage { count } => format!("V-DISK {count}"),
    };
    write!(out, " MDISK {} {} {extent} {}", disk.vdev, disk.device, disk.mode.as_str())?;
    let passwords = [&disk.passwords.read, &disk.passwords.write, &disk.passwords.multiple];
    for password in passwords {
        match password {
            LinkPassword::Nobody => break,
            LinkPassword::Everybody => out.push_str(" ALL"),
            LinkPassword::Hashed(_) => out.push_str(" VERIFIER"),
        }
    }
    out.push('\n');
    for (access, password) in ["READ", "WRITE", "MULTIPLE"].into_iter().zip(passwords) {
        if let LinkPassword::Hashed(hash) = password {
            writeln!(out, " LINKVERIFY {} {access} {}", disk.vdev, write_argon2(hash))?;
        }
    }
    Ok(())
}
