//! Another machine has a file of a mail user open, or has locked it: clients wait for it for a while and are then told INUSE, and
//! arriving mail waits. Nothing is lost, nothing is half done, and other users notice nothing.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imapd::auth::Authenticator;
use imapd::mailstore::{MailStore, NewMessage, Origin, StoreError};
use imapd::session::{Out, Server, Session};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use sfs::csl::{Csl, Intent, LockDuration, LockType, OpenOptions, SfsObject, WorkUnitId};
use support::sfs_pool::MailPool;
use support::{Secret, Sink, user};

/// How long the server waits for others: each refusal takes so long.
const SHORT: Duration = Duration::from_secs(1);
/// Long enough for ever.
const LONG: Duration = support::SOON;
const LETTER: &str = "{15}\r\nSubject: x\r\n\r\ny";

async fn server(pool: &MailPool, longest: Duration) -> Arc<Server> {
    let store = Arc::new(MailStore::new(pool.backend_waiting(longest), Arc::new(|| 1_000_000_000)));
    for name in ["ALICE", "BOB"] {
        match store.enroll(user(name), 1000).await {
            Ok(()) | Err(StoreError::AlreadyExists) => {}
            Err(e) => panic!("{e}"),
        }
    }
    let clock = Arc::new(|| Duration::ZERO);
    let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
    Arc::new(Server::new("vm.localhost".into(), store, auth, 1))
}

struct Client(Session);

impl Client {
    async fn new(server: &Arc<Server>, name: &str) -> Self {
        let mut client = Self(Session::new(server.clone(), [127, 0, 0, 1].into(), false));
        client.ok(&format!("LOGIN {name} secret")).await;
        client
    }

    async fn run(&mut self, command: &str) -> String {
        let (mut buf, mut sink) = (Vec::new(), Sink(Vec::new()));
        let mut out = Out::new(&mut buf, &mut sink);
        self.0.command(Bytes::from(format!("t {command}")), &mut out).await.unwrap();
        out.flush().await.unwrap();
        String::from_utf8(sink.0).unwrap()
    }

    async fn ok(&mut self, command: &str) -> String {
        let text = self.run(command).await;
        assert!(text.contains("t OK"), "{command}: {text}");
        text
    }

    async fn in_use(&mut self, command: &str) {
        let text = self.run(command).await;
        assert!(text.contains("t NO [INUSE] "), "{command}: {text}");
    }
}

fn letter() -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: Bytes::from_static(b"Subject: arrives\r\n\r\nx\r\n"),
    }
}

fn origin() -> Origin {
    Origin { owner: user("IMAP"), spool_id: 7, created: 1 }
}

/// Opens ALICE's NOTE INDEX as an editor does, and leaves it open.
async fn open(csl: &Csl, intent: Intent) -> WorkUnitId {
    let unit = csl.dmsgetwu().unwrap();
    let file = MailPool::alices(Some("INBOX"), "NOTE", "INDEX");
    csl.dmsopen(&file, intent, &OpenOptions::fixed(128), unit).await.unwrap();
    unit
}

#[tokio::test]
async fn a_file_that_another_machine_has_open() {
    let pool = MailPool::generate();
    let server = server(&pool, SHORT).await;
    let (mut alice, mut bob) = (Client::new(&server, "ALICE").await, Client::new(&server, "BOB").await);
    for client in [&mut alice, &mut bob] {
        client.ok(&format!("APPEND INBOX (\\Deleted) {LETTER}")).await;
        client.ok("CREATE Folder").await;
        client.ok("SELECT INBOX").await;
    }
    let maint = pool.administrator();
    let unit = open(&maint, Intent::Write).await;
    for command in ["STORE 1 +FLAGS (\\Flagged)", "MOVE 1 Folder", "EXPUNGE"] {
        alice.in_use(command).await;
    }
    alice.in_use(&format!("APPEND INBOX {LETTER}")).await;
    let owner = server.store.user(user("ALICE")).await.unwrap();
    assert_eq!(owner.deliver(letter(), origin()).await, Err(StoreError::InUse));
    // What does not need it goes on, and other users notice nothing.
    assert!(!alice.ok("FETCH 1 (FLAGS BODY[])").await.contains("\\Seen"));
    alice.ok(&format!("APPEND Folder {LETTER}")).await;
    bob.ok("STORE 1 +FLAGS (\\Flagged)").await;
    // Nothing is left of what failed, and everything can be done afterwards; the mail that waited arrives once.
    maint.dmsrollb(unit).await.unwrap();
    assert!(alice.ok("STORE 1 +FLAGS (\\Answered)").await.contains("FLAGS (\\Answered \\Deleted \\Recent)"));
    assert_eq!(owner.deliver(letter(), origin()).await, Ok(true));
    assert_eq!(owner.deliver(letter(), origin()).await, Ok(false));
    assert!(alice.ok("UID FETCH 1:* FLAGS").await.contains("* 2 EXISTS"));
    alice.ok("CLOSE").await;
    assert!(alice.ok("STATUS INBOX (MESSAGES UIDNEXT)").await.contains("(MESSAGES 1 UIDNEXT 3)"));
}

/// Who has it open only for a moment is waited for.
#[tokio::test]
async fn a_file_that_is_closed_in_time() {
    let pool = MailPool::generate();
    let server = server(&pool, LONG).await;
    let mut alice = Client::new(&server, "ALICE").await;
    alice.ok(&format!("APPEND INBOX {LETTER}")).await;
    alice.ok("SELECT INBOX").await;
    let maint = pool.administrator();
    let unit = open(&maint, Intent::Write).await;
    let waiting = tokio::spawn(async move {
        let told = alice.ok("STORE 1 +FLAGS (\\Flagged)").await;
        (alice, told)
    });
    while maint.filepool_conflicts(MailPool::alices(None, "NOTE", "INDEX").dir.pool).await.unwrap().is_empty()
    {
        tokio::task::yield_now().await;
    }
    maint.dmsrollb(unit).await.unwrap();
    let (mut alice, told) = waiting.await.unwrap();
    assert!(told.contains("FLAGS (\\Flagged \\Recent)"), "{told}");
    alice.ok(&format!("APPEND INBOX {LETTER}")).await;
}

/// Explicit locks: nobody changes what is shared, nobody reads what is held exclusively.
#[tokio::test]
async fn a_directory_that_is_locked() {
    let pool = MailPool::generate();
    let server = server(&pool, SHORT).await;
    let mut alice = Client::new(&server, "ALICE").await;
    alice.ok(&format!("APPEND INBOX {LETTER}")).await;
    alice.ok("CREATE Folder").await;
    alice.ok("SELECT INBOX").await;
    let maint = pool.administrator();
    let unit = maint.dmsgetwu().unwrap();
    let inbox = SfsObject::Directory(MailPool::alices(Some("INBOX"), "NOTE", "INDEX").dir);
    maint.dmscrloc(&inbox, LockType::Share, LockDuration::Session, unit).await.unwrap();
    maint.dmscomm(unit).await.unwrap();
    alice.ok("FETCH 1 BODY.PEEK[]").await;
    alice.in_use(&format!("APPEND INBOX {LETTER}")).await;
    alice.ok("RENAME Folder Other").await;
    maint.dmsdeloc(&inbox, None, unit).await.unwrap();
    alice.ok(&format!("APPEND INBOX {LETTER}")).await;
    // Of what is held exclusively not even the index can be read by a server that starts now.
    maint.dmscrloc(&inbox, LockType::Exclusive, LockDuration::Session, unit).await.unwrap();
    maint.dmscomm(unit).await.unwrap();
    let later = self::server(&pool, SHORT).await;
    let mut late = Client::new(&later, "ALICE").await;
    late.in_use("SELECT INBOX").await;
    late.ok("SELECT Other").await;
    maint.dmsdeloc(&inbox, None, unit).await.unwrap();
    assert!(late.ok("SELECT INBOX").await.contains("* 2 EXISTS"));
    // The mailbox that is to go is held by somebody.
    let dir = later.store.user(user("ALICE")).await.unwrap();
    let dir = dir.catalog().iter().find(|row| row.name.as_str() == "Other").unwrap().dir.clone();
    let other = MailPool::alices(Some(&dir), "NOTE", "INDEX").dir;
    maint
        .dmscrloc(&SfsObject::Directory(other), LockType::Update, LockDuration::Session, unit)
        .await
        .unwrap();
    maint.dmscomm(unit).await.unwrap();
    late.in_use("DELETE Other").await;
    assert!(late.ok("LIST \"\" *").await.contains("\"/\" Other\r\n"));
}
