//! A system with two file pools and their servers, and short ways to use them through CSL.

use std::sync::Arc;

use bytes::Bytes;
use cp::Guest;
use cp::clock::ManualClock;
use cp::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use cp::name::{FilePoolId, UserId};
use cp::system::{Cp, CpConfig, LogonKind};
use dasd::{Dasd, FaultyDasd};
use jiff::Timestamp;
use sfs::csl::*;
use sfs::pool::{Pool, PoolConfig};
use sfs::server::FilePoolServer;

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn pool_id(name: &str) -> FilePoolId {
    FilePoolId::new(name).unwrap()
}

pub fn entry(name: &str, iucv: Vec<Statement>) -> DirectoryEntry {
    let mut entry = DirectoryEntry::new(user(name), Password::NoPass);
    entry.iucv =
        iucv.into_iter().map(|target| IucvStatement { target, priority: false, msglimit: None }).collect();
    entry
}

/// A system with the pools MAIL and USERS, the administrator IMAP and the users JOE and ANN, enrolled in both; BOB is not enrolled.
pub struct System {
    pub cp: Arc<Cp>,
    pub servers: Vec<FilePoolServer>,
    pub dasd: Vec<FaultyDasd>,
    /// Shows 1970-01-01 at first.
    pub clock: Arc<ManualClock>,
}

impl System {
    pub async fn new() -> Self {
        Self::with(super::config()).await
    }

    pub async fn with(config: PoolConfig) -> Self {
        Self::boot(config, &[]).await
    }

    /// Loses power, and starts again from what the disks have kept.
    pub async fn restart(self, mut random: impl FnMut() -> u32) -> Self {
        let dasd = std::mem::take(&mut { self }.dasd);
        dasd.iter().for_each(FaultyDasd::crash);
        let dasd: Vec<_> = dasd.into_iter().map(|d| d.restart(&mut random)).collect();
        Self::boot(super::config(), &dasd).await
    }

    async fn boot(config: PoolConfig, old: &[FaultyDasd]) -> Self {
        let ident = || Statement::Ident {
            resource: IdentResource::AnyResource,
            scope: IdentScope::Global,
            revoke: false,
        };
        let mut entries = vec![
            entry("IMAPSF", vec![ident(), Statement::Allow]),
            entry("VMSERVU", vec![ident(), Statement::Allow]),
        ];
        entries.extend(["IMAP", "JOE", "ANN", "BOB"].map(|name| entry(name, vec![])));
        let cp_config = CpConfig { system_id: "TESTVM".into(), operator: user("OPERATOR") };
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let cp = Cp::new(cp_config, clock.clone(), DirectoryImage::new(entries));
        let mut system = Self { cp, servers: Vec::new(), dasd: Vec::new(), clock: clock.clone() };
        for (index, (machine, pool)) in [("IMAPSF", "MAIL"), ("VMSERVU", "USERS")].into_iter().enumerate() {
            let dasd = old.get(index).cloned().unwrap_or_default();
            let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
            if old.is_empty() {
                Pool::generate(&disks, &config, 1).unwrap();
            }
            let engine = Pool::open(&disks, &config, clock.clone()).unwrap();
            let guest = system.guest(machine);
            let server = FilePoolServer::start(&guest, pool_id(pool), engine, &[user("IMAP")]).unwrap();
            system.servers.push(server);
            system.dasd.push(dasd);
            if !old.is_empty() {
                continue;
            }
            let admin = system.csl("IMAP");
            admin.dmsenusr(&[user("JOE"), user("ANN")], pool_id(pool), 1000).await.unwrap();
        }
        system
    }

    pub fn guest(&self, name: &str) -> Guest {
        let vm = self.cp.machine(user(name));
        let vm = vm.unwrap_or_else(|| self.cp.logon(user(name), &LogonKind::Autolog).unwrap());
        Guest::new(self.cp.clone(), vm)
    }

    pub fn csl(&self, name: &str) -> Csl {
        let csl = Csl::for_guest(&self.guest(name));
        csl.set_default_pool(Some(pool_id("MAIL")));
        csl
    }
}

pub async fn put(csl: &Csl, file: &str, lines: &[&str], wu: WorkUnitId) -> Result<(), CslError> {
    let file = csl.fileid(file)?;
    let open = csl.dmsopen(&file, Intent::Replace, &OpenOptions::variable(), wu).await?;
    for line in lines {
        csl.dmswrite(open.token, 1, Bytes::copy_from_slice(line.as_bytes()), CommitOption::NoCommit).await?;
    }
    csl.dmsclose(open.token, CommitOption::NoCommit).await.map(|_| ())
}

pub async fn get(csl: &Csl, file: &str, wu: WorkUnitId) -> Result<Bytes, CslError> {
    let file = csl.fileid(file)?;
    let open = csl.dmsopdbk(&file, &BlockOpen::read(), wu).await?;
    let data = csl.dmsrddbk(open.token, 0, 1 << 20).await?;
    csl.dmscldbk(open.token, CommitOption::NoCommit).await?;
    Ok(data)
}

pub fn reason<T: std::fmt::Debug>(result: Result<T, CslError>) -> ReasonCode {
    result.unwrap_err().reason
}

pub const WU: WorkUnitId = WorkUnitId::DEFAULT;
