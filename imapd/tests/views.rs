//! Several sessions on one mailbox: what each was told, put together by a client, is what is there.
//!
//! Random commands from three sessions. Every untagged response goes into a model of a client, which knows nothing of
//! the server: EXISTS adds messages, EXPUNGE takes one out, FETCH sets UID and flags. At the end all sessions have the
//! same messages, and no response was one that its command does not allow. What one answer to EXAMINE says is of one moment.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use imapd::auth::Authenticator;
use imapd::mailstore::MailStore;
use imapd::session::{Server, Session};
use proptest::prelude::*;
use support::memory::Memory;
use support::{Secret, run, user};

/// What a client makes of the responses.
#[derive(Default, Debug)]
struct Client {
    messages: Vec<(Option<u32>, Option<BTreeSet<String>>)>,
}

impl Client {
    fn take(&mut self, line: &str, expunge_allowed: bool) {
        let Some(rest) = line.strip_prefix("* ") else { return };
        let Some((number, rest)) = rest.split_once(' ') else { return };
        let Ok(number) = number.parse::<usize>() else { return };
        if rest == "EXISTS" {
            assert!(number >= self.messages.len(), "EXISTS takes nothing away: {line}");
            self.messages.resize(number, (None, None));
        } else if rest == "EXPUNGE" {
            assert!(expunge_allowed, "EXPUNGE is not allowed here");
            self.messages.remove(number - 1);
        } else if let Some(items) = rest.strip_prefix("FETCH ") {
            let message = &mut self.messages[number - 1];
            if let Some(at) = items.find("UID ") {
                let uid: String = items[at + 4..].chars().take_while(char::is_ascii_digit).collect();
                let uid = uid.parse().unwrap();
                assert!(message.0.is_none_or(|u| u == uid), "message {number} is another: {line}");
                message.0 = Some(uid);
            }
            if let Some(at) = items.find("FLAGS (") {
                let flags = items[at + 7..].split(')').next().unwrap();
                let words = flags.split(' ').filter(|f| !f.is_empty() && *f != "\\Recent").map(str::to_owned);
                message.1 = Some(words.collect());
            }
        }
    }
}

struct Tester {
    session: Session,
    client: Client,
    tag: u32,
}

impl Tester {
    async fn new(server: &Arc<Server>) -> Self {
        let session = Session::new(server.clone(), [127, 0, 0, 1].into(), false);
        let mut t = Self { session, client: Client::default(), tag: 0 };
        t.run("LOGIN alice secret").await;
        t.run("SELECT INBOX").await;
        t
    }

    async fn run(&mut self, command: &str) -> String {
        self.tag += 1;
        let sent = run(&mut self.session, self.tag, command).await;
        // The one literal there is, "y", goes on in the line that announces it.
        let text = String::from_utf8(sent).unwrap().replace("}\r\n", "} ");
        let numbered = ["FETCH", "STORE", "SEARCH"].iter().any(|w| command.starts_with(w));
        for line in text.lines() {
            self.client.take(line, !numbered);
        }
        if command.contains(".SILENT") {
            // What a client changed in silence it must know itself; this one does not reckon.
            self.client.messages.iter_mut().for_each(|m| m.1 = None);
        }
        assert!(text.lines().last().unwrap().starts_with(&format!("t{} ", self.tag)), "{text}");
        text
    }
}

#[derive(Debug, Clone)]
enum Do {
    Append,
    Numbered(&'static str, u32),
    Uid(&'static str, u32),
    Plain(&'static str),
}

fn action() -> impl Strategy<Value = Do> {
    let numbered = prop_oneof![
        Just("FETCH # (UID FLAGS)"),
        Just("STORE # +FLAGS (\\Deleted)"),
        Just("STORE # -FLAGS (\\Deleted)"),
        Just("STORE # FLAGS.SILENT (\\Flagged $x)"),
        Just("FETCH # BODY[TEXT]"),
        Just("SEARCH #"),
        Just("COPY # INBOX"),
        Just("MOVE # Other"),
    ];
    let uid = prop_oneof![
        Just("UID FETCH # FLAGS"),
        Just("UID STORE # +FLAGS (\\Seen \\Deleted)"),
        Just("UID EXPUNGE #"),
        Just("UID MOVE # Other"),
    ];
    prop_oneof![
        4 => Just(Do::Append),
        6 => (numbered, 1u32..8).prop_map(|(c, n)| Do::Numbered(c, n)),
        3 => (uid, 1u32..12).prop_map(|(c, n)| Do::Uid(c, n)),
        1 => Just(Do::Plain("EXPUNGE")),
        2 => Just(Do::Plain("NOOP")),
    ]
}

/// A server with one user, whose file space has that many blocks.
async fn server(blocks: u32) -> (Arc<MailStore>, Arc<Server>) {
    let store = Arc::new(MailStore::new(Arc::new(Memory::default()), Arc::new(|| 1_000_000_000)));
    store.enroll(user("ALICE"), blocks).await.unwrap();
    let clock = Arc::new(|| std::time::Duration::ZERO);
    let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
    let server = Arc::new(Server::new("vm.localhost".into(), store.clone(), auth, 1));
    (store, server)
}

async fn play(script: Vec<(usize, Do)>) {
    let (store, server) = server(10_000).await;
    let mut testers = Vec::new();
    for _ in 0..3 {
        testers.push(Tester::new(&server).await);
    }
    testers[0].run("CREATE Other").await;
    for (who, action) in script {
        let tester = &mut testers[who];
        match action {
            Do::Append => tester.run("APPEND INBOX {15}\r\nSubject: x\r\n\r\ny").await,
            Do::Numbered(text, n) => tester.run(&text.replace('#', &n.to_string())).await,
            Do::Uid(text, n) => tester.run(&text.replace('#', &n.to_string())).await,
            Do::Plain(text) => tester.run(text).await,
        };
    }
    let mailbox = store.user(user("ALICE")).await.unwrap();
    let inbox = mailbox.open(&imapd::syntax::mailbox_name::MailboxName::inbox()).await.unwrap();
    let there: Vec<u32> = inbox.state().columns.uids().to_vec();
    for tester in &mut testers {
        tester.run("NOOP").await;
        assert_eq!(tester.client.messages.len(), there.len());
        let told: Vec<_> = tester.client.messages.clone();
        for (message, uid) in told.iter().zip(&there) {
            assert!(message.0.is_none_or(|u| u == *uid), "{message:?} is {uid}");
        }
        // Flags a client knows of were kept up to date: asking again tells nothing new.
        tester.run("FETCH 1:* (UID FLAGS)").await;
        for (before, now) in told.iter().zip(&tester.client.messages) {
            assert!(before.1.is_none() || before.1 == now.1, "{before:?} is {now:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_view_comes_to_the_same(script in proptest::collection::vec((0usize..3, action()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(script));
    }
}

/// More changes than the log keeps: the session compares states instead.
#[tokio::test]
async fn a_session_that_fell_behind_is_told_all_the_same() {
    let mut script: Vec<(usize, Do)> = (0..600).map(|_| (0, Do::Append)).collect();
    script.push((1, Do::Plain("NOOP")));
    script.push((1, Do::Plain("FETCH 1:* (UID FLAGS)")));
    // 600 messages, eight times changed: beyond the 4,096 changes that are kept.
    for i in 0..8 {
        let text =
            if i % 2 == 0 { "STORE 1:600 +FLAGS.SILENT ($x)" } else { "STORE 1:600 -FLAGS.SILENT ($x)" };
        script.push((0, Do::Plain(text)));
    }
    script.push((0, Do::Plain("STORE 100:200 +FLAGS.SILENT (\\Deleted)")));
    script.push((0, Do::Plain("STORE 300 +FLAGS (\\Flagged)")));
    script.push((0, Do::Plain("EXPUNGE")));
    play(script).await;
}

/// The number in the line that holds `before` and `after` around it.
fn figure(text: &str, before: &str, after: &str) -> u32 {
    let found = text.lines().find_map(|line| line.strip_prefix(before)?.split_once(after)?.0.parse().ok());
    found.unwrap_or_else(|| panic!("{before}: {text}"))
}

/// A message that comes while a mailbox is opened is counted by EXISTS or has a UID from UIDNEXT on; one that were neither would stay
/// unseen by a client that later asks from UIDNEXT on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_examine_says_is_of_one_moment() {
    let (_store, server) = server(1_000_000).await;
    let mut adder = Tester::new(&server).await;
    let mut openers = Vec::new();
    for _ in 0..3 {
        let mut opener = Tester::new(&server).await.session;
        openers.push(tokio::spawn(async move {
            for tag in 0..5000 {
                let text = String::from_utf8(run(&mut opener, tag, "EXAMINE INBOX").await).unwrap();
                let (count, next) = (figure(&text, "* ", " EXISTS"), figure(&text, "* OK [UIDNEXT ", "]"));
                assert_eq!(count + 1, next, "{text}");
            }
        }));
    }
    let adding = tokio::spawn(async move {
        loop {
            run(&mut adder.session, 1, "APPEND INBOX {15}\r\nSubject: x\r\n\r\ny").await;
        }
    });
    for opener in openers {
        opener.await.unwrap();
    }
    adding.abort();
}
