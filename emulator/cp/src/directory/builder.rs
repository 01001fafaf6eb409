//! An entry while it is being read: statements go in one by one, and at the end an entry comes out.
//!
//! A statement of the entry itself overrides what a profile said; the same statement or device twice from one origin
//! is a conflict.

use std::collections::HashMap;

use super::entry::{
    ConsoleStatement, DirectoryEntry, LinkPassword, MdiskPasswords, MdiskStatement, Password,
};
use super::grammar::{
    LinkPasswordSource, LinkVerifierSource, MdiskSource, OptionItem, PasswordSource, Statement, UserSource,
    VerifierPart,
};
use super::password::{ArgonHash, PasswordError, Salts, ScramSalt, Verifier};
use crate::name::{UserId, Vdev};

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Profile,
    User,
}

/// A statement that clashes with an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) token: String,
    pub(super) reason: String,
}

impl Conflict {
    fn new(token: impl ToString, reason: impl Into<String>) -> Self {
        Self { token: token.to_string(), reason: reason.into() }
    }
}

/// The link password that is asked for a kind of access, in the order read, write, multiple.
type Access = usize;

/// A link password still in the clear.
#[derive(Debug)]
struct LinkSecret {
    vdev: Vdev,
    access: Access,
    clear: String,
}

/// A logon password on its way to a verifier.
#[derive(Debug)]
enum Secret {
    /// Nothing to hash.
    None,
    Clear(String),
    Parts(Box<Parts>),
}

/// What `PWVERIFY` statements have said so far.
#[derive(Debug, Default)]
struct Parts {
    argon2: Option<ArgonHash>,
    sha1: Option<ScramSalt>,
    sha256: Option<ScramSalt>,
    made: Option<Verifier>,
}

/// An entry into which statements go.
#[derive(Debug)]
pub(super) struct Pending {
    entry: DirectoryEntry,
    secret: Secret,
    link_secrets: Vec<LinkSecret>,
    awaited: Vec<(Vdev, Access)>,
    devices: HashMap<Vdev, Origin>,
    single: HashMap<&'static str, Origin>,
}

/// A complete entry whose passwords may still be in the clear.
#[derive(Debug)]
pub(super) struct PendingUser {
    entry: DirectoryEntry,
    secret: Option<String>,
    link_secrets: Vec<LinkSecret>,
}

impl PendingUser {
    /// How many passwords there are to hash.
    pub(super) fn secrets(&self) -> usize {
        usize::from(self.secret.is_some()) + self.link_secrets.len()
    }

    /// Hashes them, with one of `salts` each.
    pub(super) fn seal(mut self, salts: &[Salts]) -> Result<DirectoryEntry, PasswordError> {
        let mut salts = salts.iter();
        let mut next = || salts.next().expect("there is a salt for each password");
        if let Some(clear) = &self.secret {
            self.entry.password = Password::Hashed(Box::new(Verifier::derive(clear, next())?));
        }
        for secret in &self.link_secrets {
            let hash = ArgonHash::derive(&secret.clear, next().argon2)?;
            set_link_password(&mut self.entry, secret.vdev, secret.access, hash);
        }
        Ok(self.entry)
    }
}

fn set_link_password(entry: &mut DirectoryEntry, vdev: Vdev, access: Access, hash: ArgonHash) {
    let Some(disk) = entry.mdisks.iter_mut().find(|d| d.vdev == vdev) else { return };
    let MdiskPasswords { read, write, multiple } = &mut disk.passwords;
    *[read, write, multiple][access] = LinkPassword::Hashed(Box::new(hash));
}

impl Pending {
    pub(super) fn new(user: UserSource) -> Self {
        let (password, secret) = match user.password {
            PasswordSource::Fixed(password) => (password, Secret::None),
            PasswordSource::Clear(clear) => (Password::NoLog, Secret::Clear(clear)),
            PasswordSource::Verifier => (Password::NoLog, Secret::Parts(Box::default())),
        };
        let mut entry = DirectoryEntry::new(user.userid, password);
        entry.editing = user.editing;
        if let Some(storage) = user.storage {
            entry.storage = storage;
            entry.max_storage = storage;
        }
        if let Some(max) = user.max_storage {
            entry.max_storage = max;
        }
        entry.classes = user.classes.unwrap_or(entry.classes);
        Self {
            entry,
            secret,
            link_secrets: Vec::new(),
            awaited: Vec::new(),
            devices: HashMap::new(),
            single: HashMap::new(),
        }
    }

    /// An entry that is only there to check statements against, and is thrown away.
    pub(super) fn scratch() -> Self {
        let nobody = UserSource {
            userid: UserId::SYSTEM,
            password: PasswordSource::Fixed(Password::NoLog),
            storage: None,
            max_storage: None,
            classes: None,
            editing: super::entry::EditingSymbols::default(),
        };
        Self::new(nobody)
    }

    /// Notes that the statement `name` says its one thing.
    fn once(&mut self, name: &'static str, origin: Origin) -> Result<(), Conflict> {
        match self.single.insert(name, origin) {
            Some(earlier) if earlier == origin => Err(Conflict::new(name, "is there already")),
            _ => Ok(()),
        }
    }

    /// Makes room for a device: one of a profile gives way, one of the entry does not.
    fn device(&mut self, vdev: Vdev, origin: Origin) -> Result<(), Conflict> {
        if let Some(earlier) = self.devices.insert(vdev, origin) {
            if earlier == origin {
                return Err(Conflict::new(vdev, "is defined already"));
            }
            self.entry.spool.retain(|s| s.vdev != vdev);
            self.entry.links.retain(|l| l.vdev != vdev);
            self.entry.mdisks.retain(|d| d.vdev != vdev);
            if self.entry.console.as_ref().is_some_and(|c| c.vdev == vdev) {
                self.entry.console = None;
            }
        }
        Ok(())
    }

    /// Takes one statement in.
    pub(super) fn apply(&mut self, statement: Statement, origin: Origin) -> Result<(), Conflict> {
        match statement {
            Statement::Directory | Statement::Profile(_) | Statement::User(_) | Statement::Include(_) => {}
            Statement::Account { number, dist } => {
                self.once("ACCOUNT", origin)?;
                self.entry.account = Some(number);
                self.entry.dist = dist;
            }
            Statement::Autolog(users) => add_new(&mut self.entry.autolog, users),
            Statement::Logonby(users) => add_new(&mut self.entry.logonby, users),
            Statement::Class(classes) => {
                self.once("CLASS", origin)?;
                self.entry.classes = classes;
            }
            Statement::Console(console) => self.console(console, origin)?,
            Statement::Ipl(ipl) => {
                self.once("IPL", origin)?;
                self.entry.ipl = Some(ipl);
            }
            Statement::Iucv(iucv) => {
                if self.entry.iucv.contains(&iucv) {
                    return Err(Conflict::new("IUCV", "is there already"));
                }
                self.entry.iucv.push(iucv);
            }
            Statement::Machine(machine) => {
                self.once("MACHINE", origin)?;
                self.entry.machine = machine;
            }
            Statement::Storage(size) => {
                self.once("STORAGE", origin)?;
                self.entry.storage = size;
                self.entry.max_storage = self.entry.max_storage.max(size);
            }
            Statement::Maxstorage(size) => {
                self.once("MAXSTORAGE", origin)?;
                self.entry.max_storage = size;
            }
            Statement::Option(items) => self.options(&items),
            Statement::Posixinfo(info) => {
                self.once("POSIXINFO", origin)?;
                self.entry.posix = Some(info);
            }
            Statement::Spoolfile { maxspool } => {
                self.once("SPOOLFILE", origin)?;
                self.entry.maxspool = maxspool;
            }
            Statement::Spool(spool) => {
                self.device(spool.vdev, origin)?;
                self.entry.spool.push(spool);
            }
            Statement::Link(link) => {
                self.device(link.vdev, origin)?;
                self.entry.links.push(link);
            }
            Statement::Mdisk(disk) => {
                self.device(disk.vdev, origin)?;
                self.mdisk(disk);
            }
            Statement::Pwverify(part) => self.pwverify(part)?,
            Statement::Linkverify(verifier) => self.linkverify(verifier)?,
            Statement::Other(other) => self.entry.others.push(other),
        }
        Ok(())
    }

    /// A machine has one console: that of the entry takes the place of the profile's.
    fn console(&mut self, console: ConsoleStatement, origin: Origin) -> Result<(), Conflict> {
        self.once("CONSOLE", origin)?;
        if let Some(earlier) = self.entry.console.take() {
            self.devices.remove(&earlier.vdev);
        }
        self.device(console.vdev, origin)?;
        self.entry.console = Some(console);
        Ok(())
    }

    fn options(&mut self, items: &[OptionItem]) {
        for item in items {
            match *item {
                OptionItem::Maxconn(n) => self.entry.maxconn = n,
                OptionItem::Word(word) if self.entry.has_option(word) => {}
                OptionItem::Word(word) => self.entry.options.push(word),
            }
        }
    }

    fn mdisk(&mut self, disk: MdiskSource) {
        let mut passwords = MdiskPasswords::default();
        let slots = [&mut passwords.read, &mut passwords.write, &mut passwords.multiple];
        for (access, (slot, source)) in slots.into_iter().zip(disk.passwords).enumerate() {
            match source {
                LinkPasswordSource::Nobody => {}
                LinkPasswordSource::Everybody => *slot = LinkPassword::Everybody,
                LinkPasswordSource::Clear(clear) => {
                    self.link_secrets.push(LinkSecret { vdev: disk.vdev, access, clear });
                }
                LinkPasswordSource::Verifier => self.awaited.push((disk.vdev, access)),
            }
        }
        self.entry.mdisks.push(MdiskStatement {
            vdev: disk.vdev,
            device: disk.device,
            extent: disk.extent,
            mode: disk.mode,
            passwords,
        });
    }

    fn linkverify(&mut self, verifier: LinkVerifierSource) -> Result<(), Conflict> {
        let LinkVerifierSource { vdev, which, hash } = verifier;
        let Some(at) = self.awaited.iter().position(|a| *a == (vdev, which)) else {
            return Err(Conflict::new("LINKVERIFY", "belongs to no VERIFIER operand of an MDISK above"));
        };
        self.awaited.remove(at);
        set_link_password(&mut self.entry, vdev, which, hash);
        Ok(())
    }

    fn pwverify(&mut self, part: VerifierPart) -> Result<(), Conflict> {
        let twice = || Conflict::new("PWVERIFY", "is there already");
        let Secret::Parts(parts) = &mut self.secret else {
            return Err(Conflict::new("PWVERIFY", "needs VERIFIER as the password of USER"));
        };
        let Parts { argon2, sha1, sha256, made } = &mut **parts;
        match part {
            VerifierPart::Argon2(hash) => argon2.replace(hash).map_or(Ok(()), |_| Err(twice())),
            VerifierPart::ScramSha1(salt) => sha1.replace(salt).map_or(Ok(()), |_| Err(twice())),
            VerifierPart::ScramSha256(salt) => sha256.replace(salt).map_or(Ok(()), |_| Err(twice())),
            VerifierPart::Keys(keys) => match made {
                Some(verifier) if verifier.challenge.len() == 2 => Err(twice()),
                Some(verifier) => {
                    verifier.challenge.push(*keys);
                    Ok(())
                }
                None => {
                    let (Some(argon2), Some(sha1), Some(sha256)) = (&argon2, &sha1, &sha256) else {
                        return Err(Conflict::new("KEYS", "must follow ARGON2ID and both SCRAM statements"));
                    };
                    *made = Some(Verifier {
                        argon2: argon2.clone(),
                        scram_sha1: sha1.clone(),
                        scram_sha256: sha256.clone(),
                        challenge: std::iter::once(*keys).collect(),
                    });
                    Ok(())
                }
            },
        }
    }

    /// The entry, or what is missing.
    pub(super) fn complete(mut self) -> Result<PendingUser, String> {
        if let Some((vdev, _)) = self.awaited.first() {
            return Err(format!("a LINKVERIFY statement for MDISK {vdev} is missing"));
        }
        self.entry.max_storage = self.entry.max_storage.max(self.entry.storage);
        let secret = match self.secret {
            Secret::None => None,
            Secret::Clear(clear) => Some(clear),
            Secret::Parts(parts) => {
                let Parts { argon2, sha1, sha256, made } = *parts;
                let verifier = made.or_else(|| only_shown(argon2?, sha1, sha256));
                let verifier = verifier.ok_or("PWVERIFY ARGON2ID is missing")?;
                self.entry.password = Password::Hashed(Box::new(verifier));
                None
            }
        };
        Ok(PendingUser { entry: self.entry, secret, link_secrets: self.link_secrets })
    }
}

/// A source may carry the argon2id hash alone: then the challenge mechanisms do not work for that user.
fn only_shown(argon2: ArgonHash, sha1: Option<ScramSalt>, sha256: Option<ScramSalt>) -> Option<Verifier> {
    let none = || ScramSalt { iterations: super::password::SCRAM_ITERATIONS, salt: argon2.salt.clone() };
    let (scram_sha1, scram_sha256) = (sha1.unwrap_or_else(none), sha256.unwrap_or_else(none));
    Some(Verifier { argon2, scram_sha1, scram_sha256, challenge: smallvec::SmallVec::new() })
}

fn add_new(list: &mut Vec<UserId>, users: Vec<UserId>) {
    for user in users {
        if !list.contains(&user) {
            list.push(user);
        }
    }
}
