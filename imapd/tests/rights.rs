//! Several users on each other's mailboxes: every answer is what the rights allow, every view what the mailboxes hold.
//!
//! Random commands of four sessions of three users, SETACL, DELETEACL and publications among them, beside a model that knows RFC
//! 4314 section 4 and nothing of the server. After each command the session's client has been told what the model has, as far as
//! it may be told; a user for whom `\Seen` is his own sees his own.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod rights {
    pub mod messages;
    pub mod model;
    pub mod names;
    pub mod turn;
}
mod support;

use std::sync::Arc;

use imapd::auth::Authenticator;
use imapd::mailstore::{AccessChange, Backend, Identifier, MailStore, Published, RightsChange};
use imapd::session::Server;
use imapd::syntax::mailbox_name::MailboxName;
use imapd::syntax::rights::Rights;
use proptest::prelude::*;
use rights::model::{Model, USERS};
use rights::turn::{FLAGS, Tester, Turn, answer};
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::{Secret, user};

/// Which user each session is of.
const SESSIONS: [usize; 4] = [0, 1, 1, 2];
#[derive(Debug, Clone)]
enum Do {
    Select { mailbox: usize, examine: bool },
    Close,
    Noop,
    Append { mailbox: usize, flags: Vec<usize> },
    Store { uids: (u32, u32), how: &'static str, flags: Vec<usize> },
    Read { uids: (u32, u32) },
    Copy { uids: (u32, u32), to: usize, remove: bool },
    Replace { uid: u32, to: usize, flags: Vec<usize> },
    Expunge,
    SetAcl { mailbox: usize, who: &'static str, how: &'static str, rights: String },
    DeleteAcl { mailbox: usize, who: &'static str },
    MyRights { mailbox: usize },
    Status { mailbox: usize },
    Ask { command: &'static str, mailbox: usize },
    List,
    Create,
    Delete,
    Rename { back: bool },
    Share { on: bool, own: bool, rights: String },
}

fn action() -> impl Strategy<Value = Do> {
    let mailbox = 0usize..Model::NAMES.len();
    let uids = (1u32..8, 0u32..4).prop_map(|(low, more)| (low, low + more));
    let flags = prop::collection::vec(0usize..FLAGS.len(), 0..3);
    let who = prop::sample::select(vec!["bob", "carol", "anyone", "-bob", "-anyone", "alice"]);
    // Mostly enough to do something with.
    let rights = prop_oneof![
        prop::sample::subsequence("lrswipkxtea".chars().collect::<Vec<_>>(), 0..=11)
            .prop_map(|l| l.into_iter().collect::<String>()),
        Just("lr".to_owned()),
        Just("lrs".to_owned()),
        Just("lrswite".to_owned()),
        Just("lrswipkxte".to_owned()),
    ];
    let changes = prop_oneof![
        4 => (mailbox.clone(), flags.clone()).prop_map(|(mailbox, flags)| Do::Append { mailbox, flags }),
        4 => (uids.clone(), prop::sample::select(vec!["+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT"]), flags.clone())
            .prop_map(|(uids, how, flags)| Do::Store { uids, how, flags }),
        3 => uids.clone().prop_map(|uids| Do::Read { uids }),
        3 => (uids, mailbox.clone(), any::<bool>()).prop_map(|(uids, to, remove)| Do::Copy { uids, to, remove }),
        1 => (1u32..8, mailbox.clone(), flags).prop_map(|(uid, to, flags)| Do::Replace { uid, to, flags }),
        2 => Just(Do::Expunge),
    ];
    let names = prop_oneof![
        2 => Just(Do::Create),
        1 => Just(Do::Delete),
        1 => any::<bool>().prop_map(|back| Do::Rename { back }),
        1 => Just(Do::List),
    ];
    let asked = prop::sample::select(vec![
        "GETACL #",
        "LISTRIGHTS # carol",
        "GETQUOTAROOT #",
        "GETMETADATA # /shared/comment",
        "SETMETADATA # (/private/comment \"x\")",
    ]);
    let looks = prop_oneof![
        2 => mailbox.clone().prop_map(|mailbox| Do::MyRights { mailbox }),
        1 => mailbox.clone().prop_map(|mailbox| Do::Status { mailbox }),
        2 => (asked, mailbox.clone()).prop_map(|(command, mailbox)| Do::Ask { command, mailbox }),
    ];
    prop_oneof![
        5 => (mailbox.clone(), prop::bool::weighted(0.2)).prop_map(|(mailbox, examine)| Do::Select { mailbox, examine }),
        1 => Just(Do::Close),
        2 => Just(Do::Noop),
        14 => changes,
        3 => names,
        3 => looks,
        6 => (mailbox.clone(), who.clone(), prop::sample::select(vec!["", "+", "-"]), rights.clone())
            .prop_map(|(mailbox, who, how, rights)| Do::SetAcl { mailbox, who, how, rights }),
        1 => (mailbox, who).prop_map(|(mailbox, who)| Do::DeleteAcl { mailbox, who }),
        1 => (prop::bool::weighted(0.8), any::<bool>(), rights).prop_map(|(on, own, rights)| Do::Share { on, own, rights }),
    ]
}

struct Play {
    store: Arc<MailStore>,
    testers: Vec<Tester>,
    model: Model,
}

impl Play {
    async fn new(backend: Arc<dyn Backend>) -> Self {
        let store = Arc::new(MailStore::new(backend, Arc::new(|| 1_000_000_000)));
        for name in USERS {
            store.enroll(user(name), 10_000).await.unwrap();
        }
        let clock = Arc::new(|| std::time::Duration::ZERO);
        let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
        let server = Arc::new(Server::new("vm.localhost".into(), store.clone(), auth, 1));
        let mut testers = Vec::new();
        for user in SESSIONS {
            testers.push(Tester::new(&server, user).await);
        }
        for name in ["desk", "desk/sub", "team"] {
            assert_eq!(answer(&testers[0].run(&format!("CREATE {name}")).await), "OK");
        }
        assert_eq!(answer(&testers[1].run("CREATE post").await), "OK");
        Self { store, testers, model: Model::new() }
    }

    async fn step(&mut self, who: usize, action: &Do) {
        match action {
            Do::Share { on, own, rights } => self.share(*on, *own, rights).await,
            _ => self.command(who, action).await,
        }
        // Whatever it was: every session that asks is told what there is, and whether it can change that.
        let tester = &mut self.testers[who];
        if !matches!(action, Do::Share { .. })
            && let Some((id, read_only)) = tester.selected
            && let Some(mailbox) = self.model.boxes.get(&id)
        {
            let changes = mailbox.rights(tester.user).chars().any(|r| "iestw".contains(r));
            assert_eq!(read_only, tester.examined || !changes, "{action:?}");
        }
        if tester.selected.is_some()
            && matches!(action, Do::Noop | Do::Store { .. } | Do::Copy { .. } | Do::Read { .. })
        {
            tester.look(&self.model).await;
        }
    }

    /// What SHAREFOLDER does with `team`.
    async fn share(&mut self, on: bool, own: bool, rights: &str) {
        let owner = self.store.user(user("ALICE")).await.unwrap();
        self.store.sharers().await.unwrap();
        let name = MailboxName::new("team").unwrap();
        let changes = if on {
            let anyone = Identifier::parse(b"anyone").unwrap();
            let published = Published { name: MailboxName::new("Team").unwrap() };
            let rights = Rights::parse(rights.as_bytes()).unwrap();
            vec![
                AccessChange::Publish(Some(published)),
                AccessChange::Rights(anyone, RightsChange::Replace, rights),
            ]
        } else {
            vec![AccessChange::Publish(None), AccessChange::Clear]
        };
        owner.set_seen_mode(name.clone(), on && own).await.unwrap();
        owner.change_access_below(name, changes).await.unwrap();
        self.model.share(on, own, rights);
    }

    async fn command(&mut self, who: usize, action: &Do) {
        let tester = &mut self.testers[who];
        let me = tester.user;
        let mut turn = Turn { tester, model: &mut self.model, me };
        match action {
            Do::Select { mailbox, examine } => turn.select(*mailbox, *examine).await,
            Do::Close => turn.close().await,
            Do::Append { mailbox, flags } => turn.append(*mailbox, flags).await,
            Do::Store { uids, how, flags } => turn.store(*uids, how, flags).await,
            Do::Read { uids } => turn.read(*uids).await,
            Do::Copy { uids, to, remove } => turn.copy(*uids, *to, *remove).await,
            Do::Replace { uid, to, flags } => turn.replace(*uid, *to, flags).await,
            Do::Expunge => turn.expunge().await,
            Do::SetAcl { mailbox, who, how, rights } => turn.set_acl(*mailbox, who, how, rights).await,
            Do::DeleteAcl { mailbox, who } => turn.delete_acl(*mailbox, who).await,
            Do::MyRights { mailbox } => turn.my_rights(*mailbox).await,
            Do::Status { mailbox } => turn.status(*mailbox).await,
            Do::Ask { command, mailbox } => turn.ask(command, *mailbox).await,
            Do::List => turn.list().await,
            Do::Create => turn.create().await,
            Do::Delete => turn.delete().await,
            Do::Rename { back } => turn.rename(*back).await,
            Do::Noop => drop(turn.tester.run("NOOP").await),
            Do::Share { .. } => {}
        }
    }
}

async fn play(backend: Arc<dyn Backend>, script: Vec<(usize, Do)>) {
    let mut play = Play::new(backend).await;
    for (who, action) in script {
        play.step(who, &action).await;
    }
    for tester in &mut play.testers {
        tester.run("NOOP").await;
        tester.look(&play.model).await;
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_and_views_are_what_rights_allow(script in prop::collection::vec((0..SESSIONS.len(), action()), 1..80)) {
        block_on(play(Arc::new(Memory::default()), script));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn over_a_file_pool_too(script in prop::collection::vec((0..SESSIONS.len(), action()), 1..80)) {
        let pool = MailPool::generate();
        block_on(play(pool.backend(), script));
    }
}
