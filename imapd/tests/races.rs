//! What a command looked at is another thing when its turn comes: names, rights, messages, keywords and users that change in between.
//! It is never another mailbox that is changed than the one that was named and permitted, and figures that belong together are of
//! one moment.
//!
//! Nothing depends on time. Commands given together look at things as they are before, and are carried out in their order: the first
//! is held when its work unit is done but not yet known. A command that is begun goes on only when it is waited for.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::poll;
use imapd::auth::Authenticator;
use imapd::mailstore::publish::{Shared, Sharing};
use imapd::mailstore::{Identifier, MailStore, NewMessage, Origin, SessionId, StoreError, Uid};
use imapd::session::{Server, Session};
use imapd::syntax::date::InternalDate;
use imapd::syntax::flag::SystemFlags;
use imapd::syntax::mailbox_name::MailboxName;
use imapd::syntax::rights::Rights;
use support::memory::Memory;
use support::{Secret, run, user};
use tokio::sync::Semaphore;

const LETTER: &str = "{15}\r\nSubject: x\r\n\r\ny";
const BOBS: &str = "Other Users/ALICE/a";

struct World {
    memory: Arc<Memory>,
    store: Arc<MailStore>,
    server: Arc<Server>,
}

/// One client.
struct Client(Session);

impl Client {
    async fn run(&mut self, command: &str) -> String {
        String::from_utf8(run(&mut self.0, 1, command).await).unwrap()
    }

    async fn ok(&mut self, command: &str) -> String {
        let answer = self.run(command).await;
        assert!(answer.contains("t1 OK"), "{command}: {answer}");
        answer
    }

    /// Waits until a mailbox is there.
    async fn until_there(&mut self, name: &str) {
        while !self.run(&format!("STATUS {name} (MESSAGES)")).await.contains("t1 OK") {
            tokio::task::yield_now().await;
        }
    }
}

impl World {
    async fn new() -> Self {
        Self::administered(false).await
    }

    /// The same; all are administrators, or nobody is.
    async fn administered(by_all: bool) -> Self {
        let world = Self::of(Arc::new(Memory::default()), by_all);
        for name in ["ALICE", "BOB"] {
            world.store.enroll(user(name), 1000).await.unwrap();
        }
        world
    }

    /// Begins anew with what is kept.
    fn over(memory: Arc<Memory>) -> Self {
        Self::of(memory, false)
    }

    fn of(memory: Arc<Memory>, by_all: bool) -> Self {
        let store = Arc::new(MailStore::new(memory.clone(), Arc::new(|| 1_000_000_000)));
        let clock = Arc::new(|| std::time::Duration::ZERO);
        let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
        let mut server = Server::new("vm.localhost".into(), store.clone(), auth, 1);
        server.administrators = Arc::new(move |_| by_all);
        Self { memory, store, server: Arc::new(server) }
    }

    async fn client(&self, name: &str) -> Client {
        let mut client = Client(Session::new(self.server.clone(), [127, 0, 0, 1].into(), false));
        client.ok(&format!("LOGIN {name} secret")).await;
        client
    }

    /// All are given at once, and carried out one after the other.
    async fn together(&self, given: &mut [(&mut Client, &str)]) -> Vec<String> {
        let hold = Arc::new(Semaphore::new(0));
        *self.memory.hold.lock() = Some(hold.clone());
        let asked = given.iter_mut().map(|(client, command)| client.run(command));
        let release = async {
            self.memory.held.notified().await;
            hold.add_permits(Semaphore::MAX_PERMITS / 2);
        };
        let (answers, ()) = tokio::join!(join_all(asked), release);
        *self.memory.hold.lock() = None;
        answers
    }
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn message(text: &str) -> NewMessage {
    NewMessage {
        flags: SystemFlags::default(),
        keywords: Vec::new(),
        date: InternalDate { seconds: 1, zone_minutes: 0 },
        email: None,
        octets: Bytes::from(format!("Subject: {text}\r\n\r\n{text}\r\n")),
    }
}

/// ALICE's `a`, with a message, and BOB, who may do everything with it and has it selected.
async fn shared(world: &World) -> (Client, Client) {
    let (mut alice, mut bob) = (world.client("ALICE").await, world.client("BOB").await);
    for command in ["CREATE a", &format!("APPEND a (\\Deleted) {LETTER}"), "SETACL a bob lrswipkxtea"] {
        alice.ok(command).await;
    }
    bob.ok(&format!("APPEND INBOX {LETTER}")).await;
    bob.ok(&format!("SELECT \"{BOBS}\"")).await;
    (alice, bob)
}

#[tokio::test]
async fn rights_are_withdrawn_while_a_command_waits() {
    let given = [
        format!("APPEND \"{BOBS}\" {LETTER}"),
        "STORE 1 +FLAGS (\\Flagged)".into(),
        "STORE 1 +FLAGS (key)".into(),
        "EXPUNGE".into(),
        "UID EXPUNGE 1".into(),
        "MOVE 1 INBOX".into(),
        format!("MOVE 1 \"{BOBS}\""),
        format!("COPY 1 \"{BOBS}\""),
        format!("REPLACE 1 INBOX {LETTER}"),
        format!("REPLACE 1 \"{BOBS}\" {LETTER}"),
        format!("CREATE \"{BOBS}/x\""),
        format!("DELETE \"{BOBS}\""),
        format!("RENAME \"{BOBS}\" \"{BOBS}/x\""),
        format!("SETACL \"{BOBS}\" bob lrswipkxtea"),
        format!("DELETEACL \"{BOBS}\" anyone"),
    ];
    for command in given {
        let world = World::new().await;
        let (mut alice, mut bob) = shared(&world).await;
        let before = alice.ok("STATUS a (MESSAGES UIDNEXT)").await;
        let answers = world.together(&mut [(&mut alice, "SETACL a bob lr"), (&mut bob, &command)]).await;
        assert!(answers[0].contains("t1 OK"), "{}", answers[0]);
        assert!(answers[1].contains("t1 NO [NOPERM]"), "{command}: {}", answers[1]);
        assert_eq!(alice.ok("STATUS a (MESSAGES UIDNEXT)").await, before, "{command}");
        assert!(alice.ok("GETACL a").await.contains("BOB lr\r\n"), "{command}");
    }
}

/// What needs no right does not fail for want of one, and does without what needs it.
#[tokio::test]
async fn flags_are_those_that_may_be_set_when_the_turn_comes() {
    let world = World::new().await;
    let (mut alice, mut bob) = shared(&world).await;
    let append = format!("APPEND \"{BOBS}\" (\\Flagged \\Seen key) {LETTER}");
    let answers = world.together(&mut [(&mut alice, "SETACL a bob lrsi"), (&mut bob, &append)]).await;
    assert!(answers[1].contains("t1 OK"), "{}", answers[1]);
    alice.ok("SELECT a").await;
    let flags = alice.ok("FETCH 2 FLAGS").await;
    assert!(flags.contains("\\Seen") && !flags.contains("\\Flagged") && !flags.contains("key"), "{flags}");
    // CLOSE leaves, and reading goes on.
    alice.ok("SETACL a bob lrste").await;
    bob.ok("NOOP").await;
    let answers = world.together(&mut [(&mut alice, "SETACL a bob lr"), (&mut bob, "CLOSE")]).await;
    assert!(answers[1].contains("t1 OK"), "{}", answers[1]);
    assert!(alice.ok("STATUS a (MESSAGES)").await.contains("MESSAGES 2"));
    alice.ok("SETACL a bob lrs").await;
    bob.ok(&format!("SELECT \"{BOBS}\"")).await;
    let answers = world.together(&mut [(&mut alice, "SETACL a bob lr"), (&mut bob, "FETCH 1 BODY[]")]).await;
    assert!(answers[1].contains("t1 OK") && !answers[1].contains("\\Seen"), "{}", answers[1]);
}

#[tokio::test]
async fn a_name_becomes_that_of_another_mailbox() {
    let given = [
        format!("DELETE \"{BOBS}\""),
        format!("RENAME \"{BOBS}\" \"{BOBS}/x\""),
        format!("SETMETADATA \"{BOBS}\" (/shared/comment \"bob\")"),
        format!("SETACL \"{BOBS}\" anyone lr"),
    ];
    for command in given {
        let world = World::new().await;
        let (mut alice, mut bob) = shared(&world).await;
        let mut other = world.client("ALICE").await;
        for command in ["CREATE b", &format!("APPEND b {LETTER}"), &format!("APPEND b {LETTER}")] {
            alice.ok(command).await;
        }
        // Even one who has the same rights on the other has not named it.
        alice.ok("SETACL b bob lrswipkxtea").await;
        let mut given = [(&mut alice, "RENAME a c"), (&mut other, "RENAME b a"), (&mut bob, &command)];
        let answers = world.together(&mut given).await;
        assert!(answers[..2].iter().all(|answer| answer.contains("t1 OK")), "{answers:?}");
        assert!(answers[2].contains("t1 NO [NONEXISTENT]"), "{command}: {}", answers[2]);
        assert!(alice.ok("STATUS a (MESSAGES)").await.contains("MESSAGES 2"), "{command}");
        assert!(alice.ok("GETMETADATA a /shared/comment").await.contains("NIL"), "{command}");
        assert!(!alice.ok("GETACL a").await.contains("anyone"), "{command}");
    }
}

/// Nothing is made in somebody's file space that nobody may make there.
#[tokio::test]
async fn what_a_new_mailbox_is_below_goes() {
    let world = World::new().await;
    let (mut alice, mut bob) = shared(&world).await;
    let create = format!("CREATE \"{BOBS}/x\"");
    let answers = world.together(&mut [(&mut alice, "DELETE a"), (&mut bob, &create)]).await;
    assert!(answers[1].contains("t1 NO [NONEXISTENT]"), "{}", answers[1]);
    let listed = alice.ok("LIST \"\" *").await;
    assert_eq!(listed.matches("* LIST").count(), 1, "{listed}");
}

#[tokio::test]
async fn rights_are_withdrawn_while_a_mailbox_is_read() {
    let world = World::new().await;
    let mut alice = world.client("ALICE").await;
    alice.ok("CREATE a").await;
    alice.ok("SETACL a bob lr").await;
    let mut bob = world.client("BOB").await;
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold_loads.lock() = Some(hold.clone());
    let select = format!("SELECT \"{BOBS}\"");
    let mut selecting = Box::pin(bob.run(&select));
    assert!(poll!(&mut selecting).is_pending());
    let withdraw = async {
        let answer = alice.ok("DELETEACL a bob");
        let release = async { hold.add_permits(1) };
        tokio::join!(answer, release).0
    };
    // The session goes on once the rights are gone.
    let mut withdrawing = Box::pin(withdraw);
    let done = poll!(&mut withdrawing).is_ready();
    while !done && !world.store.sharers().await.unwrap().of(user("BOB")).is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = selecting.as_mut().await;
    assert!(answer.contains("t1 NO [NONEXISTENT]"), "{answer}");
    withdrawing.await;
}

#[tokio::test]
async fn rights_are_withdrawn_while_figures_are_read() {
    let first = World::new().await;
    let mut alice = first.client("ALICE").await;
    for command in ["CREATE a", &format!("APPEND a {LETTER}"), "SETACL a bob lr"] {
        alice.ok(command).await;
    }
    let asked =
        ["STATUS \"Other Users/ALICE/a\" (DELETED)", "LIST \"\" \"Other Users/*\" RETURN (STATUS (DELETED))"];
    for (command, code) in asked.into_iter().zip(["NO [NONEXISTENT]", "OK"]) {
        // Nobody has it in memory.
        let world = World::over(first.memory.clone());
        let (mut alice, mut bob) = (world.client("ALICE").await, world.client("BOB").await);
        alice.ok("SETACL a bob lr").await;
        let hold = Arc::new(Semaphore::new(0));
        *world.memory.hold_loads.lock() = Some(hold.clone());
        let mut asking = Box::pin(bob.run(command));
        assert!(poll!(&mut asking).is_pending());
        let mut withdrawing = Box::pin(alice.ok("DELETEACL a bob"));
        assert!(poll!(&mut withdrawing).is_pending());
        // It is done, and known to the sessions once the mailbox is read.
        while !world.store.sharers().await.unwrap().of(user("BOB")).is_empty() {
            tokio::task::yield_now().await;
        }
        hold.add_permits(1);
        let told = asking.await;
        withdrawing.await;
        assert!(told.contains(&format!("t1 {code}")) && !told.contains("* STATUS"), "{command}: {told}");
        *world.memory.hold_loads.lock() = None;
    }
}

/// What is read of others' mail is what may be read when the message is made of it.
#[tokio::test]
async fn rights_on_the_source_of_a_url_are_withdrawn() {
    let url = "\"/Other%20Users/ALICE/a/;UID=1\"";
    for command in
        [format!("APPEND INBOX CATENATE (URL {url})"), format!("REPLACE 1 INBOX CATENATE (URL {url})")]
    {
        let world = World::new().await;
        let (mut alice, mut bob) = shared(&world).await;
        let mut other = world.client("BOB").await;
        bob.ok("SELECT INBOX").await;
        // Somebody else's change comes first and is held; what waits behind it has read its source.
        let hold = Arc::new(Semaphore::new(0));
        *world.memory.hold.lock() = Some(hold.clone());
        let mut first = Box::pin(other.run("CREATE first"));
        assert!(poll!(&mut first).is_pending());
        world.memory.held.notified().await;
        *world.memory.hold.lock() = None;
        let mut making = Box::pin(bob.run(&command));
        assert!(poll!(&mut making).is_pending());
        alice.ok("DELETEACL a bob").await;
        hold.add_permits(1);
        first.await;
        let answer = making.await;
        assert!(answer.contains("t1 NO [BADURL /Other%20Users/ALICE/a/;UID=1]"), "{command}: {answer}");
        let there = other.ok("STATUS INBOX (MESSAGES UIDNEXT)").await;
        assert!(there.contains("MESSAGES 1 UIDNEXT 2"), "{command}: {there}");
    }
}

/// The limits of a root are those of one SETQUOTA, not some of one and some of the other.
#[tokio::test]
async fn limits_are_set_twice_at_once() {
    let world = World::administered(true).await;
    let (mut alice, mut bob) = (world.client("ALICE").await, world.client("BOB").await);
    let first = "SETQUOTA ALICE (STORAGE 400 MESSAGE 5)";
    let mut given = [(&mut alice, first), (&mut bob, "SETQUOTA ALICE (STORAGE 800)")];
    let answers = world.together(&mut given).await;
    assert!(answers.iter().all(|answer| answer.contains("t1 OK")), "{answers:?}");
    let limits = alice.ok("GETQUOTA ALICE").await;
    assert!(limits.contains("(STORAGE 0 800)"), "{limits}");
}

/// Of limits that cannot all be set none is.
#[tokio::test]
async fn limits_are_set_together() {
    let world = World::administered(true).await;
    let mut alice = world.client("ALICE").await;
    *world.memory.failure.lock() = Some(StoreError::InUse);
    let answer = alice.run("SETQUOTA ALICE (STORAGE 400 MESSAGE 5)").await;
    assert!(answer.contains("t1 NO [INUSE]"), "{answer}");
    let limits = alice.ok("GETQUOTA ALICE").await;
    assert!(limits.contains("(STORAGE 0 4000)"), "{limits}");
}

/// Two mailboxes are not shared under one name, however near to each other that is asked for.
#[tokio::test]
async fn two_are_shared_under_one_name() {
    let world = World::new().await;
    let mut mailboxes = Vec::new();
    for owner in ["ALICE", "BOB"] {
        let owner = world.store.user(user(owner)).await.unwrap();
        owner.create(name("a")).await.unwrap();
        let row = owner.catalog().get(&name("a")).unwrap().clone();
        mailboxes.push((owner, row));
    }
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold.lock() = Some(hold.clone());
    let shares = mailboxes.iter().map(|(owner, row)| world.store.publish(owner, row, anyone()));
    let release = async {
        world.memory.held.notified().await;
        hold.add_permits(2);
    };
    let (shared, ()) = tokio::join!(join_all(shares), release);
    let taken = Shared::Taken(user("ALICE"), name("Board"));
    assert_eq!(shared, [Ok(Shared::As(name("Board"))), Ok(taken)]);
    assert_eq!(world.store.sharers().await.unwrap().published().len(), 1);
}

/// What is shared is what was named, also when its name is that of another by then.
#[tokio::test]
async fn another_gets_the_name_of_what_is_shared() {
    let world = World::new().await;
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    alice.ok("CREATE a").await;
    alice.ok("CREATE b").await;
    let owner = world.store.user(user("ALICE")).await.unwrap();
    let row = owner.catalog().get(&name("a")).unwrap().clone();
    let mut given = [(&mut alice, "RENAME a c"), (&mut other, "RENAME b a")];
    let renames = world.together(&mut given);
    let (answers, shared) = tokio::join!(renames, world.store.publish(&owner, &row, anyone()));
    assert!(answers.iter().all(|answer| answer.contains("t1 OK")), "{answers:?}");
    assert_eq!(shared, Err(StoreError::NoSuchMailbox));
    assert!(world.store.sharers().await.unwrap().published().is_empty());
}

fn anyone() -> Sharing {
    let given = (Identifier::parse(b"anyone").unwrap(), Rights::parse(b"lr").unwrap());
    Sharing { name: Some(name("Board")), given, own_seen: None }
}

/// Mail is not lost, nor put off, with the folder that it was for.
#[tokio::test]
async fn a_folder_goes_while_mail_for_it_waits() {
    let world = World::new().await;
    let mut alice = world.client("ALICE").await;
    alice.ok("CREATE a").await;
    let owner = world.store.user(user("ALICE")).await.unwrap();
    let origin = Origin { owner: user("SMTP"), spool_id: 1, created: 1 };
    let mut given = [(&mut alice, "DELETE a")];
    let deleted = world.together(&mut given);
    let (answers, delivered) = tokio::join!(deleted, owner.deliver_into(message("x"), origin, "a"));
    assert!(answers[0].contains("t1 OK"), "{}", answers[0]);
    assert_eq!(delivered, Ok(true));
    assert!(alice.ok("STATUS INBOX (MESSAGES)").await.contains("MESSAGES 1"));
}

/// A client that goes away leaves nothing half done, and neither does a change that fails.
#[tokio::test]
async fn inbox_is_renamed_whole_or_not_at_all() {
    let world = World::new().await;
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    alice.ok(&format!("APPEND INBOX (\\Flagged key) {LETTER}")).await;
    *world.memory.failure.lock() = Some(StoreError::InUse);
    assert!(alice.run("RENAME INBOX old").await.contains("t1 NO [INUSE]"));
    *world.memory.failure.lock() = None;
    assert!(alice.run("STATUS old (MESSAGES)").await.contains("t1 NO [NONEXISTENT]"));
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold.lock() = Some(hold.clone());
    let mut renaming = Box::pin(alice.run("RENAME INBOX old"));
    assert!(poll!(&mut renaming).is_pending());
    world.memory.held.notified().await;
    drop(renaming);
    *world.memory.hold.lock() = None;
    hold.add_permits(1);
    other.until_there("old").await;
    let figures = other.ok("STATUS old (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ SIZE)").await;
    assert!(figures.contains("MESSAGES 1 UNSEEN 1 UIDNEXT 2 HIGHESTMODSEQ 2 SIZE 15"), "{figures}");
    assert!(other.ok("STATUS INBOX (MESSAGES UIDNEXT)").await.contains("MESSAGES 0 UIDNEXT 2"));
    other.ok("SELECT old").await;
    assert!(other.ok("FETCH 1 FLAGS").await.contains("\\Flagged \\Recent key"));
    // It is one mailbox in memory and in the store.
    other.ok(&format!("APPEND old {LETTER}")).await;
    assert!(other.ok("FETCH 2 UID").await.contains("UID 2"));
    let fresh = MailStore::new(world.memory.clone(), Arc::new(|| 1_000_000_000));
    let fresh = fresh.user(user("ALICE")).await.unwrap().open(&name("old")).await.unwrap();
    assert_eq!(**fresh.state().columns.uids(), [1, 2]);
}

/// CONFIG ends a referral while RENAME looks at the other name: what is told are two URLs, or the one that there was.
#[tokio::test]
async fn a_referral_ends_meanwhile() {
    let world = World::new().await;
    let config = "FilePoolID P\nBadFileID B\nMailboxReferral old imap://other.example/";
    let config = imapd::machine::config::read(config.lines()).unwrap();
    world.server.mailbox_referrals.store(Arc::new(config.mailbox_referrals));
    let (mut alice, mut bob) = (world.client("ALICE").await, world.client("BOB").await);
    bob.ok("SETACL INBOX alice lr").await;
    let rename = "RENAME old/x \"Other Users/BOB/y\"";
    let both = alice.run(rename).await;
    assert_eq!(both.matches("imap://").count(), 2, "{both}");
    // He is in memory no more.
    drop(bob);
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold_users.lock() = Some(hold.clone());
    let mut renaming = Box::pin(alice.run(rename));
    assert!(poll!(&mut renaming).is_pending());
    world.server.mailbox_referrals.store(Arc::default());
    hold.add_permits(1);
    let one = renaming.await;
    assert!(one.contains("t1 NO [REFERRAL imap://ALICE;AUTH=*@other.example/old/x]"), "{one}");
}

/// The messages of INBOX go where they were to go, whatever that is called by now.
#[tokio::test]
async fn the_new_inbox_is_renamed_at_once() {
    let world = World::new().await;
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    alice.ok(&format!("APPEND INBOX {LETTER}")).await;
    alice.ok("SETMETADATA INBOX (/private/comment \"mine\")").await;
    let mut renaming = Box::pin(alice.run("RENAME INBOX old"));
    assert!(poll!(&mut renaming).is_pending());
    other.until_there("old").await;
    other.ok("RENAME old older").await;
    other.ok("CREATE old").await;
    let answer = renaming.await;
    assert!(answer.contains("t1 OK"), "{answer}");
    assert!(other.ok("STATUS older (MESSAGES)").await.contains("MESSAGES 1"));
    assert!(other.ok("STATUS old (MESSAGES)").await.contains("MESSAGES 0"));
    assert!(other.ok("GETMETADATA older /private/comment").await.contains("mine"));
    assert!(other.ok("GETMETADATA old /private/comment").await.contains("NIL"));
}

#[tokio::test]
async fn the_identifier_of_a_new_mailbox_is_its_own() {
    let world = World::new().await;
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    let mut creating = Box::pin(alice.run("CREATE a"));
    assert!(poll!(&mut creating).is_pending());
    other.until_there("a").await;
    other.ok("RENAME a b").await;
    other.ok("CREATE a").await;
    let told = creating.await;
    let code = told.split("MAILBOXID (").nth(1).unwrap().split(')').next().unwrap().to_owned();
    assert!(other.ok("STATUS b (MAILBOXID)").await.contains(&code), "{told}");
}

/// A COPY is of all messages or of none (RFC 3501 section 6.4.7), also when one goes while it waits.
#[tokio::test]
async fn one_of_the_messages_goes() {
    // A COPY to another user is of the messages as they were read, which is before its turn.
    for (to, commands) in [("b", &["COPY", "MOVE"][..]), ("\"Other Users/BOB/c\"", &["MOVE"])] {
        for command in commands {
            let world = World::new().await;
            let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
            let mut bob = world.client("BOB").await;
            bob.ok("CREATE c").await;
            bob.ok("SETACL c alice lrswi").await;
            for command in ["CREATE a", "CREATE b"] {
                alice.ok(command).await;
            }
            for flags in ["()", "(\\Deleted)", "()"] {
                alice.ok(&format!("APPEND a {flags} {LETTER}")).await;
            }
            alice.ok("SELECT a").await;
            other.ok("SELECT a").await;
            let copy = format!("{command} 1:3 {to}");
            let answers = world.together(&mut [(&mut other, "EXPUNGE"), (&mut alice, &copy)]).await;
            assert!(answers[1].contains("t1 NO [EXPUNGEISSUED]"), "{copy}: {}", answers[1]);
            assert!(alice.ok(&format!("STATUS {to} (MESSAGES)")).await.contains("MESSAGES 0"), "{copy}");
            // By UID those that are there go.
            let copy = format!("UID {command} 1:3 {to}");
            assert!(alice.ok(&copy).await.contains("COPYUID"), "{copy}");
            assert!(alice.ok(&format!("STATUS {to} (MESSAGES)")).await.contains("MESSAGES 2"), "{copy}");
        }
    }
}

#[tokio::test]
async fn figures_of_a_status_are_of_one_moment() {
    let world = World::new().await;
    let mut first = world.client("ALICE").await;
    first.ok("CREATE a").await;
    first.ok(&format!("APPEND a {LETTER}")).await;
    // Nobody has it in memory.
    let world = World::over(world.memory);
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold_loads.lock() = Some(hold.clone());
    let append = format!("APPEND a (\\Deleted) {LETTER}");
    let mut appending = Box::pin(other.ok(&append));
    assert!(poll!(&mut appending).is_pending());
    let mut asking =
        Box::pin(alice.ok("STATUS a (MESSAGES UIDNEXT UNSEEN DELETED SIZE DELETED-STORAGE HIGHESTMODSEQ)"));
    assert!(poll!(&mut asking).is_pending());
    hold.add_permits(1);
    appending.await;
    let told = asking.await;
    let all = "MESSAGES 2 UIDNEXT 3 UNSEEN 2 DELETED 1 SIZE 30 DELETED-STORAGE 15 HIGHESTMODSEQ 3";
    assert!(told.contains(all), "{told}");
}

/// A keyword that no message has makes room, and the one that is looked for gets another bit, or none.
#[tokio::test]
async fn a_keyword_gets_the_bit_of_another() {
    let world = World::new().await;
    let (mut alice, mut other) = (world.client("ALICE").await, world.client("ALICE").await);
    let keywords: Vec<String> = (0..64).map(|n| format!("k{n}")).collect();
    alice.ok(&format!("APPEND INBOX ({}) {LETTER}", keywords.join(" "))).await;
    alice.ok(&format!("APPEND INBOX (k7) {LETTER}")).await;
    alice.ok("SELECT INBOX").await;
    other.ok("SELECT INBOX").await;
    let mut searching = Box::pin(alice.run("UID SEARCH KEYWORD k7 BODY y"));
    assert!(poll!(&mut searching).is_pending());
    other.ok("STORE 1:2 -FLAGS (k7)").await;
    other.ok("STORE 1 +FLAGS (another)").await;
    let found = searching.await;
    assert!(found.contains("* SEARCH\r\n"), "{found}");
}

/// Who waits for a user that is looked at gets the one that all others get.
#[tokio::test]
async fn a_user_is_in_memory_once() {
    for replaced in [false, true] {
        let world = World::new().await;
        let (gate, store) = (Semaphore::new(0), &world.store);
        let work = async { gate.acquire().await.unwrap().forget() };
        let rest = async {
            match replaced {
                true => store.replacing(user("ALICE"), work).await.unwrap(),
                false => store.at_rest(user("ALICE"), work).await.unwrap(),
            }
        };
        let mut rest = Box::pin(rest);
        assert!(poll!(&mut rest).is_pending());
        let mut waiting = Box::pin(store.user(user("ALICE")));
        assert!(poll!(&mut waiting).is_pending());
        gate.add_permits(1);
        rest.await;
        let one = waiting.await.unwrap();
        assert!(Arc::ptr_eq(&one, &store.user(user("ALICE")).await.unwrap()));
    }
}

#[tokio::test]
async fn a_user_is_enrolled_twice_at_once() {
    let world = World::new().await;
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold_spaces.lock() = Some(hold.clone());
    let mut first = Box::pin(world.store.enroll(user("CAROL"), 10));
    let mut second = Box::pin(world.store.enroll(user("CAROL"), 10));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    hold.add_permits(2);
    assert_eq!(tokio::join!(first, second), (Ok(()), Err(StoreError::AlreadyExists)));
}

/// A session that ends while its change is under way does not let anybody at the files before that is done.
#[tokio::test]
async fn a_session_ends_in_the_middle_of_a_change() {
    let world = World::new().await;
    let mut alice = world.client("ALICE").await;
    let hold = Arc::new(Semaphore::new(0));
    *world.memory.hold.lock() = Some(hold.clone());
    let append = format!("APPEND INBOX {LETTER}");
    let mut appending = Box::pin(alice.run(&append));
    assert!(poll!(&mut appending).is_pending());
    world.memory.held.notified().await;
    drop(appending);
    let mut rest = Box::pin(world.store.at_rest(user("ALICE"), async {}));
    assert!(poll!(&mut rest).is_pending(), "the user is at rest while he is changed");
    hold.add_permits(1);
    rest.await.unwrap();
    assert!(alice.ok("STATUS INBOX (MESSAGES)").await.contains("MESSAGES 1"));
}

/// A name that is subscribed to keeps its number and its directory.
#[tokio::test]
async fn a_message_is_read_after_its_mailbox_was_made_anew() {
    let world = World::new().await;
    let alice = world.store.user(user("ALICE")).await.unwrap();
    let me = SessionId(1);
    alice.create(name("a")).await.unwrap();
    alice.subscribe(name("a"), true, me).await.unwrap();
    let former = alice.open(&name("a")).await.unwrap();
    alice.append(&former, vec![message("former")], me).await.unwrap();
    let record = former.state().columns.get(Uid(1)).unwrap();
    alice.delete(name("a"), me).await.unwrap();
    alice.create(name("a")).await.unwrap();
    let new = alice.open(&name("a")).await.unwrap();
    alice.append(&new, vec![message("secret")], me).await.unwrap();
    assert_eq!(former.read(&record).await, Err(StoreError::MailboxDeleted));
    assert_eq!(former.read_several(&[record]).await, Err(StoreError::MailboxDeleted));
    let record = new.state().columns.get(Uid(1)).unwrap();
    assert!(new.read(&record).await.is_ok());
}

/// Nobody who knew a user has anything to do with one who is enrolled later by that name.
#[tokio::test]
async fn a_user_is_enrolled_anew() {
    let world = World::new().await;
    let former = world.store.user(user("ALICE")).await.unwrap();
    world.store.delete_user(user("ALICE")).await.unwrap();
    world.store.enroll(user("ALICE"), 1000).await.unwrap();
    assert_eq!(former.set_space(1).await, Err(StoreError::NotEnrolled));
    assert!(matches!(former.space().await, Err(StoreError::NotEnrolled)));
    let space = world.store.user(user("ALICE")).await.unwrap().space().await.unwrap();
    assert_eq!(space.limit, 1000);
}
