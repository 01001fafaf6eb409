//! A small system with a spool on a faulty disk.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test crate uses a part of it; a test stops at the first surprise"
)]

use std::sync::Arc;

use cp::clock::{Clock, ManualClock};
use cp::command::execute;
use cp::directory::source;
use cp::name::UserId;
use cp::system::CpConfig;
use cp::{Cp, Guest};
use dasd::{BLOCK, Dasd, FaultyDasd, LogConfig, VolumeConfig};
use spool::{OutputAttributes, Record, Spool, SpoolConfig, SpoolError, StartKind, UnitRecord};

pub const DIRECTORY: &str = "\
DIRECTORY 123 3390 ESARES
USER OPERATOR AUTOONLY 4M 8M ABCDEFG
USER SMTP AUTOONLY 4M 8M BG
USER IMAP AUTOONLY 4M 8M BG
 IUCV *SPL
 SPOOL 00C 2540 READER *
 SPOOL 00D 2540 PUNCH A
 SPOOL 00E 1403 A
USER FRED AUTOONLY 4M 8M G
USER SMITH AUTOONLY 4M 8M G
USER FEW AUTOONLY 4M 8M G
 SPOOLFILE MAXSPOOL 2
";

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new("2026-08-17T21:48:25.123456Z".parse().unwrap()))
}

/// Small segments, so that a few files fill several; no threads of its own.
pub fn config() -> SpoolConfig {
    SpoolConfig {
        log: LogConfig {
            prefix: "SPLOG".into(),
            segment_bytes: 16 * BLOCK,
            ahead: 0,
            keep_free: 2,
            batch_bytes: 8 * BLOCK,
            ..LogConfig::default()
        },
        volume: VolumeConfig { prefix: "SPVOL".into(), segment_bytes: 48 * BLOCK },
        max_octets: 4 << 20,
        keep_segments: 3,
        auto_clean: false,
    }
}

pub fn fresh() -> FaultyDasd {
    let disk = FaultyDasd::new();
    let dasd: Arc<dyn Dasd> = Arc::new(disk.clone());
    Spool::generate(&dasd, &config(), 7).unwrap();
    disk
}

pub fn warm(disk: &FaultyDasd) -> Arc<Spool> {
    Spool::start(Arc::new(disk.clone()), &config(), StartKind::Warm, clock()).unwrap().0
}

pub fn cp_with(spool: &Arc<Spool>) -> Arc<Cp> {
    let image = source::read(DIRECTORY).unwrap().seal(&mut |b| b.fill(7)).unwrap();
    let config = CpConfig { system_id: "ENDICOTT".into(), operator: user("OPERATOR") };
    let cp = Cp::new(config, clock(), image);
    cp::command::register(&cp.commands);
    cp::msg_service::register(&cp);
    spool::install(&cp, spool.clone());
    cp
}

pub fn guest(cp: &Arc<Cp>, name: &str) -> Guest {
    let vm = cp.machine(user(name)).unwrap_or_else(|| cp.autolog(user(name), None).unwrap());
    Guest::new(cp.clone(), vm)
}

pub async fn answer(guest: &Guest, line: &str) -> (i32, Vec<String>) {
    let answer = execute(guest.cp(), guest.vm(), line).await;
    (answer.rc, answer.lines)
}

/// Sends a file of these records to somebody's reader.
pub async fn send(from: &Guest, to: &str, records: &[&[u8]]) -> Result<Arc<spool::SpoolFile>, SpoolError> {
    let ur = UnitRecord::of(from)?;
    let attributes = OutputAttributes {
        to: Some(user(to)),
        name: Some(("NOTE".into(), "MAIL".into())),
        tag: "joe@example.com".into(),
        ..OutputAttributes::default()
    };
    let mut out = ur.output(spool::DeviceType::Punch, attributes)?;
    for record in records {
        out.write(record).await?;
    }
    out.close().await
}

pub async fn read_all(ur: &UnitRecord, id: cp::name::SpoolId) -> Vec<Record> {
    let mut reader = ur.open_file(id).await.unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        records.push(record);
    }
    records
}
