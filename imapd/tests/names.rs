//! A mailbox is deleted whose name becomes that of another one while DELETE waits for its turn: what the name stands for then is
//! deleted, with its own messages, and nothing of either stays behind.
//!
//! The first of the commands is held when its work unit is done but not yet known; the others have looked at the names as they were
//! before, and wait in the order in which they are given.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use futures::future::join_all;
use imapd::auth::Authenticator;
use imapd::mailstore::types::{MailboxId, MailboxRow, UidValidity};
use imapd::mailstore::{Backend, MailStore, Op, StoreError, UserHeader, UserStore};
use imapd::session::{Server, Session};
use imapd::syntax::mailbox_name::MailboxName;
use support::memory::Memory;
use support::{Secret, run, user};
use tokio::sync::Semaphore;

struct Mailboxes {
    memory: Arc<Memory>,
    server: Arc<Server>,
}

impl Mailboxes {
    async fn new() -> Self {
        let memory = Arc::new(Memory::default());
        let store = Arc::new(MailStore::new(memory.clone(), Arc::new(|| 1_000_000_000)));
        store.enroll(user("ALICE"), 1000).await.unwrap();
        let clock = Arc::new(|| std::time::Duration::ZERO);
        let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
        let server = Arc::new(Server::new("vm.localhost".into(), store, auth, 1));
        Self { memory, server }
    }

    async fn session(&self) -> Session {
        let mut session = Session::new(self.server.clone(), [127, 0, 0, 1].into(), false);
        run(&mut session, 1, "LOGIN alice secret").await;
        session
    }

    /// All must be answered OK, one after the other.
    async fn all(&self, commands: &[&str]) -> String {
        let mut session = self.session().await;
        let mut answers = String::new();
        for command in commands {
            let answer = String::from_utf8(run(&mut session, 2, command).await).unwrap();
            assert!(answer.contains("t2 OK"), "{command}: {answer}");
            answers += &answer;
        }
        answers
    }

    /// All must be answered OK, the first held until the others wait, each from a session of its own.
    async fn together(&self, commands: &[&str]) {
        let mut sessions = Vec::new();
        for _ in commands {
            sessions.push(self.session().await);
        }
        let hold = Arc::new(Semaphore::new(0));
        *self.memory.hold.lock() = Some(hold.clone());
        let asked = sessions.iter_mut().zip(commands).map(|(session, command)| run(session, 3, command));
        let release = async {
            self.memory.held.notified().await;
            hold.add_permits(Semaphore::MAX_PERMITS / 2);
        };
        let (answers, ()) = tokio::join!(join_all(asked), release);
        *self.memory.hold.lock() = None;
        for (command, answer) in commands.iter().zip(answers) {
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("t3 OK"), "{command}: {answer}");
        }
    }
}

const LETTER: &str = "{15}\r\nSubject: x\r\n\r\ny";

#[tokio::test]
async fn a_name_that_could_not_be_selected_comes_to_life() {
    let it = Mailboxes::new().await;
    it.all(&["CREATE a/b", "DELETE a"]).await;
    it.together(&["CREATE a", "DELETE a"]).await;
    let listed = it.all(&["LIST \"\" a*"]).await;
    assert!(listed.contains("(\\Noselect \\HasChildren) \"/\" a\r\n"), "{listed}");
    // Nothing of the mailbox that lived for a moment is in the way.
    it.all(&["CREATE a", "SELECT a", "DELETE a/b", "DELETE a"]).await;
}

#[tokio::test]
async fn a_mailbox_is_made_anew() {
    let it = Mailboxes::new().await;
    it.all(&["CREATE a", &format!("APPEND a {LETTER}")]).await;
    it.together(&["DELETE a", "CREATE a", "DELETE a"]).await;
    let listed = it.all(&["LIST \"\" *", "CREATE a", "SELECT a"]).await;
    assert!(!listed.contains(" a\r\n"), "{listed}");
    assert!(listed.contains("* 0 EXISTS"), "{listed}");
}

#[tokio::test]
async fn a_mailbox_takes_the_name_of_another() {
    let it = Mailboxes::new().await;
    let letter = &format!("APPEND a {LETTER}");
    it.all(&["CREATE a", letter, letter, "CREATE b", &format!("APPEND b {LETTER}")]).await;
    it.together(&["RENAME a c", "RENAME b a", "DELETE a"]).await;
    let listed = it.all(&["LIST \"\" *", "SELECT c", "CREATE a", "CREATE b"]).await;
    assert!(!listed.contains(" a\r\n") && !listed.contains(" b\r\n"), "{listed}");
    assert!(listed.contains("* 2 EXISTS"), "{listed}");
}

/// As many names as a user may have, and one more: of mailboxes, of their superiors, of subscriptions.
#[tokio::test]
async fn a_user_has_so_many_names() {
    let it = Mailboxes::new().await;
    let rows = (2..UserStore::MAX_MAILBOXES as u32).map(|id| {
        let name = MailboxName::new(&format!("m{id}")).unwrap();
        let mut row = MailboxRow::empty(MailboxId(id), name, UidValidity(1_000_000_000 + id), 0);
        row.slot = id + 2;
        Op::PutRow(row)
    });
    let last = UserStore::MAX_MAILBOXES as u32 - 1;
    let header = UserHeader {
        last_uid_validity: 1_000_000_000 + last,
        last_mailbox_id: last,
        ..UserHeader::default()
    };
    it.memory.commit(user("ALICE"), rows.chain([Op::PutHeader(header)]).collect()).await.unwrap();
    let mut session = it.session().await;
    let mut refused = async |command: &str| {
        let answer = String::from_utf8(run(&mut session, 4, command).await).unwrap();
        assert!(answer.contains("t4 NO [LIMIT]"), "{command}: {answer}");
    };
    // One place is left.
    refused("CREATE a/b").await;
    refused("RENAME m2 a/b/c").await;
    it.all(&["SUBSCRIBE none", "UNSUBSCRIBE none", "CREATE a"]).await;
    for command in ["CREATE b", "SUBSCRIBE none", "RENAME INBOX b", "RENAME m2 b/c"] {
        refused(command).await;
    }
    // What is no name more still goes.
    it.all(&["SUBSCRIBE m2", "RENAME m3 b", "DELETE a", "CREATE c"]).await;
}

/// What a change took of MAILBOX INDEX is free again when nothing comes of it.
#[tokio::test]
async fn a_refused_change_takes_no_record() {
    let it = Mailboxes::new().await;
    it.all(&[&format!("CREATE a/{}", "x".repeat(300))]).await;
    let mut session = it.session().await;
    let mut refused = async |command: String, code: &str| {
        let answer = String::from_utf8(run(&mut session, 4, &command).await).unwrap();
        assert!(answer.contains(&format!("t4 NO [{code}]")), "{answer}");
    };
    for _ in 0..3 {
        // What is above the new name would have been made first.
        refused(format!("RENAME a p/q/{}", "y".repeat(500)), "LIMIT").await;
    }
    // A long name takes two.
    let long = "y".repeat(450);
    for command in [format!("CREATE {long}"), format!("RENAME a {long}"), "SUBSCRIBE none".into()] {
        *it.memory.failure.lock() = Some(StoreError::InUse);
        refused(command, "INUSE").await;
        *it.memory.failure.lock() = None;
    }
    it.all(&["CREATE b"]).await;
    let alice = it.server.store.user(user("ALICE")).await.unwrap();
    let slot = |name: &str| alice.catalog().get(&MailboxName::new(name).unwrap()).unwrap().slot;
    // INBOX, `a`, and what is below it.
    assert_eq!([slot("INBOX"), slot("a"), slot("b")], [3, 4, 6]);
}
