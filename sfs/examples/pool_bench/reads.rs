//! Reading: one note through CSL and IUCV, and a large file from end to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cp::Guest;
use cp::clock::ManualClock;
use cp::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use cp::name::UserId;
use cp::system::{Cp, CpConfig, LogonKind};
use dasd::Dasd;
use jiff::Timestamp;
use sfs::csl::{CommitOption, Csl, OpenOptions, WorkUnitId};
use sfs::pool::Pool;
use sfs::server::FilePoolServer;
use sfs::types::{Attributes, Intent};

use super::{NOTE, open};

/// Rounds of reads of the note, and reads in each.
const ROUNDS: usize = 9;
const READS: u32 = 10_000;

/// Open, read and close through CSL, IUCV and the server, all of it on one core: caller and server share a thread. What it took in
/// each of some rounds, the shortest first.
pub fn through_csl(pool: &Pool) -> Vec<Duration> {
    let alone = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(on_this_thread(pool))
    };
    std::thread::scope(|scope| scope.spawn(alone).join().unwrap())
}

async fn on_this_thread(pool: &Pool) -> Vec<Duration> {
    let unit = pool.begin();
    unit.enroll("READER", u64::MAX / 4, "").unwrap();
    unit.commit().await.unwrap();
    let token = open(&unit, "READER", "5", "NOTE", Intent::New, Attributes::variable());
    unit.write(token, &Bytes::from(vec![b'n'; NOTE]), 1).unwrap();
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    let entry = |name: &str, target| {
        let mut entry = DirectoryEntry::new(UserId::new(name).unwrap(), Password::NoPass);
        entry.iucv = vec![IucvStatement { target, priority: false, msglimit: None }];
        entry
    };
    let ident =
        Statement::Ident { resource: IdentResource::AnyResource, scope: IdentScope::Global, revoke: false };
    let mut server = entry("SERVER", Statement::Allow);
    server.iucv.push(IucvStatement { target: ident, priority: false, msglimit: None });
    let users = [server, entry("READER", Statement::Any)];
    let config = CpConfig { system_id: "BENCH".into(), operator: UserId::new("OPERATOR").unwrap() };
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let cp = Cp::new(config, clock, DirectoryImage::new(users));
    let guest = |name: &str| {
        Guest::new(cp.clone(), cp.logon(UserId::new(name).unwrap(), &LogonKind::Autolog).unwrap())
    };
    let _server =
        FilePoolServer::start(&guest("SERVER"), "MAIL".parse().unwrap(), pool.clone(), &[]).unwrap();
    let csl = Csl::for_guest(&guest("READER"));
    let file = csl.fileid("5 NOTE MAIL:READER.").unwrap();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..READS {
            let open = csl
                .dmsopen(&file, Intent::Read, &OpenOptions::variable(), WorkUnitId::DEFAULT)
                .await
                .unwrap();
            let read = csl.dmsread(open.token, 1, 1 << 20).await.unwrap();
            assert_eq!(read.data.len(), NOTE);
            csl.dmsclose(open.token, CommitOption::NoCommit).await.unwrap();
        }
        rounds.push(start.elapsed() / READS);
    }
    rounds.sort();
    rounds
}

/// Octets of the large file.
const LARGE: usize = 256 << 20;
/// Octets of one read.
const PIECE: usize = 1 << 20;

/// Octets a second of a host file and of a file in the pool, both from cache.
pub async fn sequential(dasd: &Arc<dyn Dasd>, pool: &Pool) -> (f64, f64) {
    let piece = vec![5u8; PIECE];
    let disk = dasd.create("HOSTFILE").unwrap();
    for n in 0..LARGE / PIECE {
        disk.write_at(&piece, (n * PIECE) as u64).unwrap();
    }
    disk.sync().unwrap();
    let unit = pool.begin();
    let token = open(&unit, "READER", "LARGE", "FILE", Intent::New, Attributes::fixed(4096));
    for _ in 0..LARGE / PIECE {
        unit.write(token, &Bytes::from(piece.clone()), u32::try_from(PIECE / 4096).unwrap()).unwrap();
    }
    unit.close(token).unwrap();
    unit.commit().await.unwrap();
    let rate = |start: Instant| LARGE as f64 / start.elapsed().as_secs_f64();
    let mut best = (0f64, 0f64);
    for _ in 0..3 {
        let mut buffer = vec![0; PIECE];
        let start = Instant::now();
        for n in 0..LARGE / PIECE {
            disk.read_at(&mut buffer, (n * PIECE) as u64).unwrap();
        }
        best.0 = best.0.max(rate(start));
        let start = Instant::now();
        let token = open(&unit, "READER", "LARGE", "FILE", Intent::Read, Attributes::fixed(4096));
        let mut octets = 0;
        while octets < LARGE {
            octets += unit.read(token, u32::try_from(PIECE / 4096).unwrap(), PIECE).unwrap().data.len();
        }
        unit.close(token).unwrap();
        best.1 = best.1.max(rate(start));
    }
    dasd.remove("HOSTFILE").unwrap();
    best
}
