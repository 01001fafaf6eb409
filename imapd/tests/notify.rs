//! What a session is told without asking: searches that are kept up, and news of NOTIFY when there are too many.
//!
//! A client that follows ADDTO, REMOVEFROM and EXPUNGE must have the results that the same search gives when it is asked again,
//! whatever three sessions do and however the client listens.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use imapd::auth::Authenticator;
use imapd::mailstore::news::{Board, MessageNews, News, Posted};
use imapd::mailstore::{MailStore, SessionId};
use imapd::session::{About, Out, Server, Session};
use imapd::syntax::mailbox_name::MailboxName;
use proptest::prelude::*;
use support::memory::Memory;
use support::{Secret, Sink, run, user};

struct Tester {
    session: Session,
    tag: u32,
    contexts: Vec<Followed>,
}

/// Results that a client keeps up by what it is told.
struct Followed {
    tag: String,
    by_uid: bool,
    search: &'static str,
    results: Vec<u32>,
}

fn numbers(set: &str) -> Vec<u32> {
    let part = |part: &str| {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        low.parse::<u32>().unwrap()..=high.parse().unwrap()
    };
    set.split(',').flat_map(part).collect()
}

impl Followed {
    fn take(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("* ")
            && let Some(gone) = rest.strip_suffix(" EXPUNGE")
            && !self.by_uid
        {
            let gone: u32 = gone.parse().unwrap();
            assert!(!self.results.contains(&gone), "{} still has {gone}", self.tag);
            self.results.iter_mut().filter(|n| **n > gone).for_each(|n| *n -= 1);
        }
        let head = format!("* ESEARCH (TAG \"{}\")", self.tag);
        let Some(rest) = line.strip_prefix(&head) else { return };
        for (word, adds) in [(" REMOVEFROM (", false), (" ADDTO (", true)] {
            let Some((_, list)) = rest.split_once(word) else { continue };
            let words: Vec<&str> = list.split(')').next().unwrap().split(' ').collect();
            for pair in words.chunks(2) {
                self.change(pair[0].parse().unwrap(), &numbers(pair[1]), adds);
            }
        }
    }

    fn change(&mut self, position: usize, numbers: &[u32], adds: bool) {
        for (i, n) in numbers.iter().enumerate() {
            match (adds, position) {
                (true, 0) => {
                    assert!(!self.results.contains(n), "{} has {n} twice", self.tag);
                    self.results.push(*n);
                    self.results.sort_unstable();
                }
                (false, 0) => {
                    let at = self.results.iter().position(|r| r == n);
                    self.results.remove(at.unwrap_or_else(|| panic!("{} has no {n}", self.tag)));
                }
                (true, position) => self.results.insert(position - 1 + i, *n),
                (false, position) => assert_eq!(self.results.remove(position - 1), *n, "{}", self.tag),
            }
        }
    }
}

impl Tester {
    async fn new(server: &Arc<Server>) -> Self {
        let mut tester = Self::of(server, "alice").await;
        tester.run("SELECT INBOX").await;
        tester
    }

    async fn of(server: &Arc<Server>, name: &str) -> Self {
        let session = Session::new(server.clone(), [127, 0, 0, 1].into(), false);
        let mut tester = Self { session, tag: 0, contexts: Vec::new() };
        tester.run(&format!("LOGIN {name} secret")).await;
        tester
    }

    async fn run(&mut self, command: &str) -> String {
        self.tag += 1;
        let sent = run(&mut self.session, self.tag, command).await;
        self.follow(sent)
    }

    async fn listen(&mut self) -> String {
        let (mut buf, mut sink) = (Vec::new(), Sink(Vec::new()));
        let mut out = Out::new(&mut buf, &mut sink);
        self.session.update(&mut out).await.unwrap();
        out.flush().await.unwrap();
        self.follow(sink.0)
    }

    fn follow(&mut self, sent: Vec<u8>) -> String {
        let text = String::from_utf8(sent).unwrap();
        for line in text.lines() {
            self.contexts.iter_mut().for_each(|context| context.take(line));
        }
        text
    }

    /// What a search gives, and what is told behind it.
    async fn ask(&mut self, search: &str, returns: &str) -> (Vec<u32>, Vec<String>) {
        let text = self.run(&search.replace("RETURN", &format!("RETURN ({returns})"))).await;
        assert!(text.contains(&format!("t{} OK", self.tag)), "{text}");
        let mut lines = text.lines().skip_while(|l| !l.starts_with("* ESEARCH")).map(str::to_owned);
        let first = lines.next().unwrap();
        let results = first.split_once(" ALL ").map(|(_, set)| numbers(set));
        (results.unwrap_or_default(), lines.collect())
    }

    async fn keep_up(&mut self, search: &'static str) {
        let (results, lines) = self.ask(search, "UPDATE ALL").await;
        let tag = format!("t{}", self.tag);
        let mut context = Followed { tag, by_uid: search.starts_with("UID"), search, results };
        lines.iter().for_each(|line| context.take(line));
        self.contexts.push(context);
    }
}

async fn server() -> Arc<Server> {
    let store = Arc::new(MailStore::new(Arc::new(Memory::default()), Arc::new(|| 1_000_000_000)));
    for name in ["ALICE", "BOB"] {
        store.enroll(user(name), 10_000).await.unwrap();
    }
    let clock = Arc::new(|| std::time::Duration::ZERO);
    let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
    Arc::new(Server::new("vm.localhost".into(), store, auth, 1))
}

const SEARCHES: [&str; 6] = [
    "UID SEARCH RETURN FLAGGED",
    "SEARCH RETURN UNSEEN SUBJECT a",
    "UID SORT RETURN (SUBJECT REVERSE ARRIVAL) UTF-8 UNDELETED",
    "SORT RETURN (REVERSE SIZE) UTF-8 ALL",
    "SEARCH RETURN NOT KEYWORD $x",
    "UID SEARCH RETURN OR UID 1:4 RECENT",
];

#[derive(Debug, Clone)]
enum Do {
    Append(String, bool),
    Many(u32),
    Run(&'static str, u32),
    Listen,
}

fn action() -> impl Strategy<Value = Do> {
    let commands = proptest::sample::select(vec![
        "FETCH # (UID FLAGS)",
        "STORE # +FLAGS (\\Deleted)",
        "STORE 1:# -FLAGS (\\Deleted \\Flagged)",
        "STORE # FLAGS.SILENT (\\Flagged $x)",
        "STORE 1:# +FLAGS ($x)",
        "FETCH # BODY[TEXT]",
        "COPY 1:# INBOX",
        "MOVE # Other",
        "UID STORE # +FLAGS (\\Seen \\Deleted)",
        "UID EXPUNGE #",
        "EXPUNGE",
        "NOOP",
    ]);
    prop_oneof![
        4 => ("[a-c]{1,3}", any::<bool>()).prop_map(|(s, f)| Do::Append(s, f)),
        1 => (30u32..40).prop_map(Do::Many),
        9 => (commands, 1u32..9).prop_map(|(c, n)| Do::Run(c, n)),
        3 => Just(Do::Listen),
    ]
}

async fn play(notify: Option<&str>, script: Vec<(usize, Do)>, begin: usize) {
    let server = server().await;
    let mut testers = Vec::new();
    for _ in 0..3 {
        testers.push(Tester::new(&server).await);
    }
    testers[1].run("CREATE Other").await;
    const EVENTS: &str = "(MessageNew (UID) MessageExpunge FlagChange)";
    if notify == Some("none") {
        testers[0].run("NOTIFY NONE").await;
    } else if let Some(notify) = notify {
        let text = testers[0].run(&format!("NOTIFY SET ({notify} {EVENTS})")).await;
        assert!(text.contains(" OK "), "{text}");
    }
    let append = |subject: &str, flags: &str| {
        let message = format!("Subject: {subject}\r\n\r\n{subject}");
        format!("APPEND INBOX {flags} {{{}}}\r\n{message}", message.len())
    };
    for (i, (who, action)) in script.into_iter().enumerate() {
        if i == begin {
            for search in SEARCHES {
                testers[0].keep_up(search).await;
            }
        }
        match action {
            Do::Append(subject, flagged) => {
                let flags = if flagged { "(\\Flagged)" } else { "()" };
                testers[who].run(&append(&subject, flags)).await;
            }
            Do::Many(n) => {
                for n in 0..n {
                    testers[who].run(&append(&format!("b{}", n % 7), "()")).await;
                }
            }
            Do::Run(text, n) => drop(testers[who].run(&text.replace('#', &n.to_string())).await),
            Do::Listen if notify.is_some() => drop(testers[0].listen().await),
            Do::Listen => {}
        }
    }
    if notify == Some("none") {
        testers[0].run(&format!("NOTIFY SET (selected {EVENTS})")).await;
    }
    check(&mut testers[0]).await;
}

/// What a client has followed is what there is.
async fn check(watcher: &mut Tester) {
    watcher.run("NOOP").await;
    for i in 0..watcher.contexts.len() {
        let (now, _) = watcher.ask(watcher.contexts[i].search, "ALL").await;
        let context = &watcher.contexts[i];
        assert_eq!(context.results, now, "{}", context.search);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_follows_has_the_results(
        notify in proptest::option::of(prop_oneof![Just("selected"), Just("selected-delayed"), Just("none")]),
        script in proptest::collection::vec((0usize..3, action()), 1..50), begin in 0usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(notify, script, begin));
    }
}

/// More changes than the log of the mailbox keeps: states are compared, and searches come to the same.
#[tokio::test]
async fn who_fell_behind_has_the_results() {
    let server = server().await;
    let (mut watcher, mut other) = (Tester::new(&server).await, Tester::new(&server).await);
    for n in 0..600 {
        let message = format!("Subject: {}\r\n\r\nx", n % 13);
        other.run(&format!("APPEND INBOX {{{}}}\r\n{message}", message.len())).await;
    }
    watcher.run("NOOP").await;
    for search in SEARCHES {
        watcher.keep_up(search).await;
    }
    // Every other message, so that each change is an entry of its own: 4,500 of them.
    let odd: Vec<String> = (0..300).map(|n| (2 * n + 1).to_string()).collect();
    let odd = odd.join(",");
    for i in 0..15 {
        let sign = if i % 2 == 0 { '+' } else { '-' };
        other.run(&format!("STORE {odd} {sign}FLAGS.SILENT ($x \\Flagged)")).await;
    }
    other.run("STORE 100:200 +FLAGS.SILENT (\\Deleted)").await;
    other.run("EXPUNGE").await;
    other.run("APPEND INBOX {15}\r\nSubject: 5\r\n\r\ny").await;
    check(&mut watcher).await;
}

/// What FETCH may not tell comes as soon as it is over.
#[tokio::test]
async fn expunged_messages_are_told_after_a_command_that_may_not() {
    use futures::FutureExt;
    let server = server().await;
    let (mut watcher, mut other) = (Tester::new(&server).await, Tester::new(&server).await);
    watcher.run("NOTIFY SET (selected (MessageNew MessageExpunge))").await;
    for _ in 0..2 {
        other.run("APPEND INBOX (\\Deleted) {15}\r\nSubject: x\r\n\r\nx").await;
    }
    assert!(watcher.listen().await.starts_with("* 2 EXISTS\r\n"));
    other.run("UID EXPUNGE 1").await;
    let text = watcher.run("FETCH 2 UID").await;
    assert!(!text.contains("EXPUNGE"), "{text}");
    assert!(watcher.session.changed().now_or_never().is_some());
    assert_eq!(watcher.listen().await, "* 1 EXPUNGE\r\n");
    // The mailbox has rung for it, too; after that all is quiet.
    assert!(watcher.session.changed().now_or_never().is_some());
    assert_eq!(watcher.listen().await, "");
    assert!(watcher.session.changed().now_or_never().is_none());
}

/// A session that is as far behind as can be is told all, and one that is farther is told that, once.
#[tokio::test]
async fn too_much_news() {
    let server = server().await;
    let mut tester = Tester::new(&server).await;
    let store = server.store.user(user("ALICE")).await.unwrap();
    store.create(MailboxName::new("far").unwrap()).await.unwrap();
    let far = store.catalog().get(&MailboxName::new("far").unwrap()).unwrap().id;
    let posted = || Posted {
        news: News::Messages(far, MessageNews { messages: true, flags: false }),
        by: SessionId::NOBODY,
    };
    let figures = |text: &str| text.lines().filter(|l| l.starts_with("* STATUS far (")).count();
    tester
        .run("NOTIFY SET (personal (MessageNew MessageExpunge)) (selected (MessageNew MessageExpunge))")
        .await;
    store.news().post((0..Board::CAPACITY).map(|_| posted()));
    let text = tester.listen().await;
    assert_eq!(figures(&text), 1, "{text}");
    store.news().post((0..=Board::CAPACITY).map(|_| posted()));
    let text = tester.listen().await;
    assert!(text.starts_with("* OK [NOTIFICATIONOVERFLOW] ") && text.lines().count() == 1, "{text}");
    // As after NOTIFY NONE.
    store.news().post([posted()]);
    assert_eq!(tester.listen().await, "");
    assert!(!store.news().is_heard());
    let inbox = store.open(&MailboxName::inbox()).await.unwrap();
    let message = imapd::mailstore::NewMessage {
        flags: Default::default(),
        keywords: Vec::new(),
        date: imapd::syntax::date::InternalDate { seconds: 0, zone_minutes: 0 },
        email: None,
        octets: Bytes::from_static(b"Subject: x\r\n\r\n"),
    };
    store.append(&inbox, vec![message], SessionId::NOBODY).await.unwrap();
    let text = tester.run("NOOP").await;
    assert_eq!(text.lines().count(), 1, "{text}");
    let text = tester.run("NOTIFY SET (selected (MessageNew MessageExpunge))").await;
    assert!(text.starts_with("* 1 EXISTS\r\n"), "{text}");
}

#[tokio::test]
async fn the_server_says_something_else_of_itself() {
    let running = support::start_plain(Arc::new(Memory::default())).await;
    let server = &running.service.server;
    let mut tester = Tester::new(server).await;
    tester.run("NOTIFY SET (personal (ServerMetadataChange))").await;
    let config = |statements: &str| {
        let text = format!("FilePoolID P\nBadFileID B\n{statements}");
        imapd::machine::config::read(text.lines()).unwrap()
    };
    server.about.store(Arc::new(About::default()));
    imapd::machine::inforce::apply(&running.service, &config("Comment hello\n"), None);
    assert_eq!(tester.listen().await, "* METADATA \"\" /shared/comment\r\n");
    imapd::machine::inforce::apply(&running.service, &config("Comment hello\n"), None);
    assert_eq!(tester.listen().await, "");
    imapd::machine::inforce::apply(&running.service, &config("AdminURI mailto:x@y\n"), None);
    assert_eq!(tester.listen().await, "* METADATA \"\" /shared/admin /shared/comment\r\n");
}

/// Users whose mailboxes a session listens to: as many as may be, one more when it asks, and one more later.
#[tokio::test]
async fn too_many_who_share() {
    use imapd::mailstore::{AccessChange, Identifier, RightsChange};
    use imapd::session::notify::Notify;
    use imapd::syntax::rights::Rights;
    let server = server().await;
    let share = async |n: usize| {
        let name = user(&format!("U{n}"));
        server.store.enroll(name, 10).await.unwrap();
        server.store.sharers().await.unwrap();
        let anyone = Identifier { user: None, negative: false };
        let rights = AccessChange::Rights(anyone, RightsChange::Add, Rights::parse(b"lr").unwrap());
        let owner = server.store.user(name).await.unwrap();
        owner.change_access(MailboxName::inbox(), vec![rights]).await.unwrap();
        owner
    };
    let mut owners = Vec::new();
    for n in 0..Notify::MAX_OTHERS {
        owners.push(share(n).await);
    }
    let mut tester = Tester::new(&server).await;
    let ask = "NOTIFY SET (subtree \"Other Users\" (MessageNew MessageExpunge))";
    assert!(tester.run(ask).await.contains(" OK NOTIFY completed"));
    assert!(owners.iter().all(|owner| owner.news().is_heard()));
    let last = share(Notify::MAX_OTHERS).await;
    let text = tester.listen().await;
    assert!(text.starts_with("* OK [NOTIFICATIONOVERFLOW] "), "{text}");
    assert!(owners.iter().all(|owner| !owner.news().is_heard()) && !last.news().is_heard());
    let text = tester.run(ask).await;
    assert!(text.contains(" NO [NOTIFICATIONOVERFLOW] "), "{text}");
}

/// What a client makes of LIST and STATUS responses: names, with their figures.
#[derive(Default)]
struct Names(std::collections::BTreeMap<String, String>);

impl Names {
    fn take(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("* STATUS ") {
            let (name, figures) = rest.split_once(" (").unwrap();
            self.0.insert(name.trim_matches('"').to_owned(), figures.to_owned());
        }
        let Some(rest) = line.strip_prefix("* LIST (") else { return };
        let (attributes, rest) = rest.split_once(") \"/\" ").unwrap();
        let (name, old) = rest.split_once(" (\"OLDNAME\" (").unwrap_or((rest, ""));
        let name = name.trim_matches('"');
        if attributes.contains("\\NonExistent") {
            self.0.remove(name);
            return;
        }
        let old = old.trim_end_matches("))").trim_matches('"');
        let below = |n: &String| !old.is_empty() && (n == old || n.starts_with(&format!("{old}/")));
        let moved: Vec<String> = self.0.keys().filter(|n| below(n)).cloned().collect();
        let moved: Vec<_> = moved.iter().map(|n| (&n[old.len()..], self.0.remove(n).unwrap())).collect();
        self.0.extend(moved.into_iter().map(|(rest, figures)| (format!("{name}{rest}"), figures)));
        self.0.entry(name.to_owned()).or_default();
    }

    /// They must be those of this answer to LIST, with the same figures.
    fn compare(&self, listed: &str) {
        let mut there = Self::default();
        listed.lines().for_each(|line| there.take(line));
        // HIGHESTMODSEQ is told at the beginning alone, without CONDSTORE.
        let figures = |names: &Self| {
            let cut = |figures: &String| {
                figures.split(" HIGHESTMODSEQ").next().unwrap().trim_end_matches(')').to_owned()
            };
            names.0.iter().map(|(name, figures)| (name.clone(), cut(figures))).collect::<Vec<_>>()
        };
        let (told, there) = (figures(self), figures(&there));
        assert_eq!(
            told.iter().map(|n| n.0.clone()).collect::<Vec<_>>(),
            there.iter().map(|n| n.0.clone()).collect::<Vec<_>>()
        );
        for (told, there) in told.iter().zip(&there).filter(|(_, there)| !there.1.is_empty()) {
            assert_eq!(told, there);
        }
    }
}

const ITEMS: &str = "MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ";

async fn play_names(script: Vec<(usize, String, bool)>) {
    let server = server().await;
    let mut testers = Vec::new();
    for _ in 0..3 {
        testers.push(Tester::new(&server).await);
    }
    testers[0].run("UNSELECT").await;
    let mut names = Names::default();
    let events = "(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)";
    let text = testers[0].run(&format!("NOTIFY SET STATUS (personal {events})")).await;
    text.lines().for_each(|line| names.take(line));
    for (who, command, listen) in script {
        testers[who].run(&command).await;
        if listen {
            testers[0].listen().await.lines().for_each(|line| names.take(line));
        }
    }
    testers[0].listen().await.lines().for_each(|line| names.take(line));
    let listed = testers[1].run(&format!("LIST \"\" * RETURN (STATUS ({ITEMS}))")).await;
    names.compare(&listed);
}

fn name_command() -> impl Strategy<Value = String> {
    let names = ["a", "a/b", "a/b/c", "d", "d/e", "f"];
    let name = || proptest::sample::select(names.to_vec());
    prop_oneof![
        3 => name().prop_map(|n| format!("CREATE {n}")),
        2 => name().prop_map(|n| format!("DELETE {n}")),
        4 => (name(), name()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
        1 => name().prop_map(|n| format!("SUBSCRIBE {n}")),
        1 => name().prop_map(|n| format!("UNSUBSCRIBE {n}")),
        2 => name().prop_map(|n| format!("APPEND {n} {{15}}\r\nSubject: x\r\n\r\ny")),
        1 => Just("STORE 1:* +FLAGS (\\Seen)".to_owned()),
    ]
}

/// Somebody who listens to the mailboxes of another, which he may see and read now and then.
async fn play_others(script: Vec<(String, bool)>) {
    let server = server().await;
    let (mut alice, mut bob) = (Tester::new(&server).await, Tester::of(&server, "bob").await);
    let mut names = Names::default();
    let events = "(MessageNew MessageExpunge FlagChange MailboxName)";
    let ask = format!("NOTIFY SET STATUS (subtree \"Other Users/ALICE\" {events})");
    bob.run(&ask).await.lines().for_each(|line| names.take(line));
    for (command, listen) in script {
        alice.run(&command).await;
        if listen {
            bob.listen().await.lines().for_each(|line| names.take(line));
        }
    }
    bob.listen().await.lines().for_each(|line| names.take(line));
    let list = format!("LIST \"\" \"Other Users/ALICE/*\" RETURN (MYRIGHTS STATUS ({ITEMS}))");
    let listed = Tester::of(&server, "bob").await.run(&list).await;
    // What is only shown for the sake of what is below it is none of his.
    let is_his = |line: &&str| {
        let name = line.split('"').rfind(|part| part.starts_with("Other Users/"));
        name.is_some_and(|name| listed.contains(&format!("* MYRIGHTS \"{name}\"")))
    };
    names.compare(&listed.lines().filter(is_his).collect::<Vec<_>>().join("\n"));
}

fn others_command() -> impl Strategy<Value = String> {
    let name = || proptest::sample::select(vec!["a", "a/b", "a/b/c", "d", "d/e"]);
    let rights = proptest::sample::select(vec!["lr", "lr", "lrs", "l", "r"]);
    prop_oneof![
        4 => (name(), rights).prop_map(|(n, rights)| format!("SETACL {n} bob {rights}")),
        2 => name().prop_map(|n| format!("DELETEACL {n} bob")),
        4 => (name(), name()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
        6 => name_command(),
    ]
}

/// What was given and renamed before anybody was told of either is known by its last name.
#[tokio::test]
async fn news_of_several_boards_come_in_their_order() {
    // He listens to her for another mailbox, or not at all.
    for before in [&["CREATE x", "SETACL x bob lr"][..], &[]] {
        let server = server().await;
        let (mut alice, mut bob) = (Tester::new(&server).await, Tester::of(&server, "bob").await);
        for command in before.iter().chain(&["CREATE a", "CREATE a/b"]) {
            alice.run(command).await;
        }
        bob.run("NOTIFY SET (subtree \"Other Users/ALICE\" (MailboxName))").await;
        for command in ["SETACL a bob lr", "SETACL a/b bob lr", "RENAME a c", "CREATE c/d"] {
            alice.run(command).await;
        }
        let mut names = Names::default();
        bob.listen().await.lines().for_each(|line| names.take(line));
        let there = ["c", "c/b", "c/d"].map(|name| format!("Other Users/ALICE/{name}"));
        names.0.remove("Other Users/ALICE/x");
        assert!(names.0.keys().eq(&there), "{:?}", names.0);
    }
}

/// A name below one that became another is news to those who do not see the other.
#[tokio::test]
async fn the_name_above_is_not_seen() {
    let server = server().await;
    let (mut alice, mut bob) = (Tester::new(&server).await, Tester::of(&server, "bob").await);
    for command in ["CREATE a/b", "SETACL a/b bob lr"] {
        alice.run(command).await;
    }
    bob.run("NOTIFY SET (subtree \"Other Users/ALICE\" (MailboxName))").await;
    alice.run("RENAME a c").await;
    let told = bob.listen().await;
    assert!(told.contains("\"Other Users/ALICE/c/b\" (\"OLDNAME\" (\"Other Users/ALICE/a/b\"))"), "{told}");
}

/// Annotations are told of a mailbox as it is called when they are told, to those who may see them then.
#[tokio::test]
async fn annotations_are_told_under_the_name_of_now() {
    let server = server().await;
    let (mut alice, mut bob) = (Tester::new(&server).await, Tester::of(&server, "bob").await);
    for command in ["CREATE a", "SETACL a bob lr"] {
        alice.run(command).await;
    }
    bob.run("NOTIFY SET (subtree \"Other Users/ALICE\" (MailboxName MailboxMetadataChange))").await;
    let note = |text: &str| format!("SETMETADATA a (/shared/comment \"{text}\")");
    alice.run(&note("one")).await;
    alice.run("RENAME a b").await;
    let told = bob.listen().await;
    assert!(told.ends_with("* METADATA \"Other Users/ALICE/b\" /shared/comment\r\n"), "{told}");
    alice.run("RENAME b a").await;
    alice.run(&note("two")).await;
    alice.run("SETACL a bob l").await;
    let told = bob.listen().await;
    assert!(told.contains("\\NoAccess") && !told.contains("METADATA"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_listens_to_others_knows_their_names_and_figures(
        script in proptest::collection::vec((others_command(), any::<bool>()), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play_others(script));
    }

    #[test]
    fn who_listens_knows_all_names_and_figures(
        script in proptest::collection::vec((1usize..3, name_command(), any::<bool>()), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play_names(script));
    }
}
