//! A mail store in a file pool on faulty disks, reached over IUCV as in a whole system.

use std::sync::Arc;

use cp::Guest;
use cp::clock::ManualClock;
use cp::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use cp::name::FilePoolId;
use cp::system::{Cp, CpConfig, LogonKind};
use dasd::{BLOCK, Dasd, FaultyDasd, LogConfig, VolumeConfig};
use imapd::mailstore::sfs::SfsBackend;
use imapd::vm::UserId;
use jiff::Timestamp;
use sfs::csl::Csl;
use sfs::pool::{Pool, PoolConfig};
use sfs::server::FilePoolServer;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn config() -> PoolConfig {
    PoolConfig {
        log: LogConfig { segment_bytes: 256 * BLOCK, ahead: 0, keep_free: 2, ..LogConfig::default() },
        volume: VolumeConfig { segment_bytes: 16 << 20, ..VolumeConfig::default() },
        background: false,
        ..PoolConfig::default()
    }
}

/// A file pool server and the IMAP machine.
pub struct MailPool {
    pub dasd: FaultyDasd,
    pub cp: Arc<Cp>,
    pub server: FilePoolServer,
}

impl MailPool {
    pub fn generate() -> Self {
        let dasd = FaultyDasd::new();
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        Pool::generate(&disks, &config(), 1).unwrap();
        Self::ipl(dasd)
    }

    pub fn ipl(dasd: FaultyDasd) -> Self {
        let mut pool_machine = DirectoryEntry::new(user("IMAPSF"), Password::NoPass);
        let statements = [
            Statement::Ident {
                resource: IdentResource::AnyResource,
                scope: IdentScope::Global,
                revoke: false,
            },
            Statement::Allow,
        ];
        pool_machine.iucv = statements
            .into_iter()
            .map(|target| IucvStatement { target, priority: false, msglimit: None })
            .collect();
        let entries = vec![pool_machine, DirectoryEntry::new(user("IMAP"), Password::NoPass)];
        let cp_config = CpConfig { system_id: "TESTVM".into(), operator: user("OPERATOR") };
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let cp = Cp::new(cp_config, clock.clone(), DirectoryImage::new(entries));
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let engine = Pool::open(&disks, &config(), clock).unwrap();
        let id = FilePoolId::new("MAIL").unwrap();
        let server = FilePoolServer::start(&guest(&cp, "IMAPSF"), id, engine, &[user("IMAP")]).unwrap();
        Self { dasd, cp, server }
    }

    pub fn backend(&self) -> Arc<SfsBackend> {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        Arc::new(SfsBackend::new(csl, FilePoolId::new("MAIL").unwrap()))
    }

    /// Power goes, nothing unsynced survives; the pool comes up again.
    pub fn power_cut(self) -> Self {
        let dasd = self.dasd.restart(|| u32::MAX);
        drop(self);
        Self::ipl(dasd)
    }
}

fn guest(cp: &Arc<Cp>, name: &str) -> Guest {
    let vm = cp.machine(user(name)).unwrap_or_else(|| cp.logon(user(name), &LogonKind::Autolog).unwrap());
    Guest::new(cp.clone(), vm)
}
