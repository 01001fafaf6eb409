//! A mail store in a file pool on faulty disks, reached over IUCV as in a whole system.

use std::sync::Arc;

use cp::Guest;
use cp::clock::ManualClock;
use cp::directory::{
    DirectoryEntry, DirectoryImage, IdentResource, IdentScope, IucvStatement, IucvTarget as Statement,
    Password,
};
use cp::name::{DirName, FileName, FilePoolId, FileType};
use cp::system::{Cp, CpConfig, LogonKind};
use dasd::{BLOCK, Dasd, FaultyDasd, LogConfig, VolumeConfig};
use futures::FutureExt;
use futures::future::BoxFuture;
use imapd::mailstore::sfs::{SecondCopy, SfsBackend};
use imapd::vm::UserId;
use jiff::Timestamp;
use sfs::csl::{CommitOption, Csl, EraseScope, FileId, FileRef, Intent, OpenOptions, SfsObject};
use sfs::pool::{Pool, PoolConfig};
use sfs::server::FilePoolServer;
use sfs::tools::{self, Selection};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn config() -> PoolConfig {
    PoolConfig {
        log: LogConfig { segment_bytes: 256 * BLOCK, ahead: 0, keep_free: 2, ..LogConfig::default() },
        volume: VolumeConfig { segment_bytes: 16 << 20, ..VolumeConfig::default() },
        reserve_bytes: BLOCK,
        background: false,
        ..PoolConfig::default()
    }
}

/// What happens to the summaries of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Their file is erased.
    Erased,
    /// An octet of each is another one.
    Damaged,
    /// Each stands where another should.
    Exchanged,
    /// They were never made, as before there were any.
    NeverMade,
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
        let machines = ["IMAP", "MAINT"].map(|name| DirectoryEntry::new(user(name), Password::NoPass));
        let entries: Vec<DirectoryEntry> = std::iter::once(pool_machine).chain(machines).collect();
        let cp_config = CpConfig { system_id: "TESTVM".into(), operator: user("OPERATOR") };
        let clock = clock();
        let cp = Cp::new(cp_config, clock.clone(), DirectoryImage::new(entries));
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        let engine = Pool::open(&disks, &config(), clock).unwrap();
        let id = FilePoolId::new("MAIL").unwrap();
        let server =
            FilePoolServer::start(&guest(&cp, "IMAPSF"), id, engine, &[user("IMAP"), user("MAINT")]).unwrap();
        Self { dasd, cp, server }
    }

    pub fn backend(&self) -> Arc<SfsBackend> {
        Arc::new(self.new_backend())
    }

    /// One that can be changed yet.
    pub fn new_backend(&self) -> SfsBackend {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        SfsBackend::new(csl, FilePoolId::new("MAIL").unwrap())
    }

    /// The same, with a second UIDVALID HISTORY outside the file pool.
    pub fn backend_beside(&self, second: &Arc<Second>) -> Arc<SfsBackend> {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let backend = SfsBackend::new(csl, FilePoolId::new("MAIL").unwrap());
        Arc::new(backend.with_second_copy(second.clone()))
    }

    /// The same, that waits so long for files which others have open.
    pub fn backend_waiting(&self, longest: std::time::Duration) -> Arc<SfsBackend> {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        Arc::new(SfsBackend::waiting(csl, FilePoolId::new("MAIL").unwrap(), longest))
    }

    /// The CSL of another administrator's machine.
    pub fn administrator(&self) -> Csl {
        Csl::for_guest(&guest(&self.cp, "MAINT"))
    }

    /// Makes the NOTE INDEX of ALICE's INBOX what format 160 wrote: no tombstones, no EMAILIDs.
    pub async fn former_note_index(&self) {
        self.change_records("INDEX", 128, |image| {
            for (i, record) in image.chunks_exact_mut(128).enumerate() {
                match (i, record[0]) {
                    (0, _) => {
                        record[2..].fill(0);
                        record[2..4].copy_from_slice(&160u16.to_le_bytes());
                    }
                    (_, 0xD4) => record[56..64].fill(0),
                    (_, 0xE3) => record.fill(0),
                    _ => {}
                }
            }
        })
        .await;
    }

    /// Does something to the summaries of ALICE's INBOX, which take one record each.
    pub async fn harm_summaries(&self, harm: Harm) {
        match harm {
            Harm::Erased => {
                let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
                let file = SfsObject::File(note_file("SUMMARY"));
                let unit = csl.dmsgetwu().unwrap();
                csl.dmserase(&file, EraseScope::Entire, CommitOption::Commit, unit).await.unwrap();
                csl.dmsretwu(unit).await.unwrap();
            }
            Harm::Damaged => {
                self.change_records("SUMMARY", 512, |image| {
                    image.chunks_exact_mut(512).for_each(|record| record[60] ^= 1);
                })
                .await;
            }
            Harm::Exchanged => self.change_records("SUMMARY", 512, |image| image.rotate_left(512)).await,
            Harm::NeverMade => {
                self.change_records("INDEX", 128, |image| {
                    for record in image.chunks_exact_mut(128).filter(|r| r[0] == 0xD4) {
                        record[25] = 0;
                        record[64..].fill(0);
                    }
                })
                .await;
            }
        }
    }

    /// Whether ALICE's INBOX has a file of summaries.
    pub async fn has_summaries(&self) -> bool {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        let opened =
            csl.dmsopen(&note_file("SUMMARY"), Intent::Read, &OpenOptions::default(), unit).await.is_ok();
        csl.dmsretwu(unit).await.unwrap();
        opened
    }

    /// Changes the records of a file `NOTE` of ALICE's INBOX.
    async fn change_records(&self, kind: &str, lrecl: usize, change: impl FnOnce(&mut [u8])) {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let file = note_file(kind);
        let unit = csl.dmsgetwu().unwrap();
        let opened = csl.dmsopen(&file, Intent::Read, &OpenOptions::default(), unit).await.unwrap();
        let count = opened.status.records;
        let mut image = csl.dmsread(opened.token, count, 1 << 20).await.unwrap().data.to_vec();
        csl.dmscomm(unit).await.unwrap();
        change(&mut image);
        let options = OpenOptions::fixed(lrecl as u32);
        let opened = csl.dmsopen(&file, Intent::Write, &options, unit).await.unwrap();
        csl.dmspoint(opened.token, None, Some(1)).await.unwrap();
        csl.dmswrite(opened.token, count, image.into(), CommitOption::NoCommit).await.unwrap();
        csl.dmsclose(opened.token, CommitOption::NoCommit).await.unwrap();
        csl.dmscomm(unit).await.unwrap();
        csl.dmsretwu(unit).await.unwrap();
    }

    /// A file of ALICE's: in a directory of hers, or the top one.
    pub fn alices(dir: Option<&str>, name: &str, kind: &str) -> FileRef {
        let top = DirName::top(FilePoolId::new("MAIL").unwrap(), user("ALICE"));
        let dir = match dir {
            Some(dir) => top.child(dir).unwrap(),
            None => top,
        };
        FileRef { id: FileId::new(FileName::new(name).unwrap(), FileType::new(kind).unwrap()), dir }
    }

    /// Whether a file is there.
    pub async fn exists(&self, file: FileRef) -> bool {
        self.octets(file).await > 0
    }

    /// Octets of a file; none where there is none.
    pub async fn octets(&self, file: FileRef) -> u64 {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        let octets = csl.dmsexifi(&file, unit).await.map_or(0, |status| status.bytes);
        csl.dmsretwu(unit).await.unwrap();
        octets
    }

    /// Erases a file.
    pub async fn erase(&self, file: FileRef) {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        csl.dmserase(&SfsObject::File(file), EraseScope::Entire, CommitOption::Commit, unit).await.unwrap();
        csl.dmsretwu(unit).await.unwrap();
    }

    /// Writes a file of fixed records anew with what `change` makes of it; the file stays the same one, unless it becomes shorter.
    pub async fn rewrite(&self, file: FileRef, lrecl: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut image = self.read_fixed(file.clone()).await;
        let before = image.len();
        change(&mut image);
        let intent = if image.len() < before { Intent::Replace } else { Intent::Write };
        self.write_fixed(file, lrecl, &image, intent).await;
    }

    /// The octets of a file of fixed records.
    pub async fn read_fixed(&self, file: FileRef) -> Vec<u8> {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        let opened = csl.dmsopen(&file, Intent::Read, &OpenOptions::default(), unit).await.unwrap();
        let mut image = Vec::new();
        while (image.len() as u64) < opened.status.bytes {
            image.extend_from_slice(&csl.dmsread(opened.token, 256, 1 << 20).await.unwrap().data);
        }
        csl.dmscomm(unit).await.unwrap();
        csl.dmsretwu(unit).await.unwrap();
        image
    }

    /// Writes a file of fixed records, as a new one.
    pub async fn put_fixed(&self, file: FileRef, lrecl: usize, image: &[u8]) {
        self.write_fixed(file, lrecl, image, Intent::Replace).await;
    }

    async fn write_fixed(&self, file: FileRef, lrecl: usize, image: &[u8], intent: Intent) {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        let options = OpenOptions::fixed(lrecl as u32);
        let opened = csl.dmsopen(&file, intent, &options, unit).await.unwrap();
        if intent == Intent::Write {
            csl.dmspoint(opened.token, None, Some(1)).await.unwrap();
        }
        let count = (image.len() / lrecl) as u32;
        let image = bytes::Bytes::copy_from_slice(image);
        csl.dmswrite(opened.token, count, image, CommitOption::NoCommit).await.unwrap();
        csl.dmsclose(opened.token, CommitOption::NoCommit).await.unwrap();
        csl.dmscomm(unit).await.unwrap();
        csl.dmsretwu(unit).await.unwrap();
    }

    /// Writes a file of one record of any length.
    pub async fn write_variable(&self, file: FileRef, record: &'static [u8]) {
        let csl = Csl::for_guest(&guest(&self.cp, "IMAP"));
        let unit = csl.dmsgetwu().unwrap();
        let opened = csl.dmsopen(&file, Intent::Replace, &OpenOptions::variable(), unit).await.unwrap();
        csl.dmswrite(opened.token, 1, record.into(), CommitOption::NoCommit).await.unwrap();
        csl.dmsclose(opened.token, CommitOption::NoCommit).await.unwrap();
        csl.dmscomm(unit).await.unwrap();
        csl.dmsretwu(unit).await.unwrap();
    }

    /// A backup of the whole pool, which goes down and comes up again for it.
    pub fn backed_up(self) -> (Self, Vec<u8>) {
        let (pool, dasd) = self.down();
        let mut backup = Vec::new();
        tools::backup(&pool, &mut backup, &mut |_| {}).unwrap();
        drop(pool);
        (Self::ipl(dasd.restart(|| u32::MAX)), backup)
    }

    /// Restores what `selection` names while the pool is down.
    pub async fn restored(self, backup: &[u8], selection: &Selection) -> Self {
        let (pool, dasd) = self.down();
        let mut input = backup;
        tools::restore(&pool, &mut input, selection, &mut |_| {}).await.unwrap();
        drop(pool);
        Self::ipl(dasd.restart(|| u32::MAX))
    }

    /// The pool without its server.
    fn down(self) -> (Pool, FaultyDasd) {
        let dasd = self.dasd.restart(|| u32::MAX);
        drop(self);
        let disks: Arc<dyn Dasd> = Arc::new(dasd.clone());
        (Pool::open(&disks, &config(), clock()).unwrap(), dasd)
    }

    /// Power goes, nothing unsynced survives; the pool comes up again.
    pub fn power_cut(self) -> Self {
        let dasd = self.dasd.restart(|| u32::MAX);
        drop(self);
        Self::ipl(dasd)
    }
}

/// UIDVALID HISTORY outside the file pool.
#[derive(Default)]
pub struct Second(pub parking_lot::Mutex<Option<String>>);

impl SecondCopy for Second {
    fn read(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        futures::future::ready(Ok(self.0.lock().clone())).boxed()
    }

    fn write(&self, record: String) -> BoxFuture<'_, Result<(), String>> {
        *self.0.lock() = Some(record);
        futures::future::ready(Ok(())).boxed()
    }
}

/// It stands still, as if all happened within a second: the first one.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_microsecond(1).unwrap()))
}

fn note_file(kind: &str) -> FileRef {
    let dir = DirName::top(FilePoolId::new("MAIL").unwrap(), user("ALICE")).child("INBOX").unwrap();
    FileRef { id: FileId::new(FileName::new("NOTE").unwrap(), FileType::new(kind).unwrap()), dir }
}

fn guest(cp: &Arc<Cp>, name: &str) -> Guest {
    let vm = cp.machine(user(name)).unwrap_or_else(|| cp.logon(user(name), &LogonKind::Autolog).unwrap());
    Guest::new(cp.clone(), vm)
}
