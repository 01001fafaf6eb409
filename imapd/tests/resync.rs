//! A client that comes and goes: what QRESYNC tells it, put together, is what a fresh client finds.
//!
//! Another session changes the mailbox in between; now and then the server starts anew, also with an index of the
//! format that kept no tombstones. HIGHESTMODSEQ never goes back.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use imapd::auth::Authenticator;
use imapd::mailstore::{Backend, MailStore};
use imapd::session::{Out, Server, Session};
use proptest::prelude::*;
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::{Secret, Sink, user};

fn server(backend: Arc<dyn Backend>) -> Arc<Server> {
    let store = Arc::new(MailStore::new(backend, Arc::new(|| 1_000_000_000)));
    let clock = Arc::new(|| std::time::Duration::ZERO);
    let auth = Authenticator::new(Arc::new(Secret), "vm.localhost".into(), [3; 32], clock);
    Arc::new(Server::new("vm.localhost".into(), store, auth, 1))
}

async fn run(session: &mut Session, command: &str) -> String {
    let (mut buf, mut sink) = (Vec::new(), Sink(Vec::new()));
    let mut out = Out::new(&mut buf, &mut sink);
    session.command(Bytes::from(format!("t {command}")), &mut out).await.unwrap();
    out.flush().await.unwrap();
    String::from_utf8(sink.0).unwrap()
}

async fn login(server: &Arc<Server>) -> Session {
    let mut session = Session::new(server.clone(), [127, 0, 0, 1].into(), false);
    assert!(run(&mut session, "LOGIN alice secret").await.contains("t OK"));
    assert!(run(&mut session, "ENABLE QRESYNC").await.contains("t OK"));
    session
}

/// What a client keeps between visits.
#[derive(Default, Debug)]
struct Cache {
    validity: u64,
    modseq: u64,
    messages: BTreeMap<u32, BTreeSet<String>>,
}

fn number_after(text: &str, word: &str) -> Option<u64> {
    let at = text.find(word)? + word.len();
    text[at..].chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn set(text: &str) -> impl Iterator<Item = u32> {
    text.split(',').flat_map(|part| {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        low.parse::<u32>().unwrap()..=high.parse::<u32>().unwrap()
    })
}

impl Cache {
    fn take(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(gone) = line.strip_prefix("* VANISHED (EARLIER) ") {
                set(gone).for_each(|uid| drop(self.messages.remove(&uid)));
            } else if let Some(uid) = number_after(line, "FETCH (UID ") {
                let flags = line.split_once("FLAGS (").unwrap().1.split(')').next().unwrap();
                let flags = flags.split(' ').filter(|f| !f.is_empty() && *f != "\\Recent").map(str::to_owned);
                self.messages.insert(u32::try_from(uid).unwrap(), flags.collect());
            }
        }
    }

    /// A visit; what is known afterwards must be what is there.
    async fn visit(&mut self, server: &Arc<Server>, with_known: bool) {
        let mut session = login(server).await;
        let known = match (with_known, self.messages.keys().next_back()) {
            (true, Some(last)) => format!(" 1:{last}"),
            _ => String::new(),
        };
        let text = if self.modseq == 0 {
            let text = run(&mut session, "SELECT INBOX").await;
            self.take(&run(&mut session, "UID FETCH 1:* FLAGS").await);
            text
        } else {
            let (validity, modseq) = (self.validity, self.modseq);
            let text =
                run(&mut session, &format!("SELECT INBOX (QRESYNC ({validity} {modseq}{known}))")).await;
            self.take(&text);
            if with_known {
                // New messages were not asked for; a client fetches them then.
                let next = self.messages.keys().next_back().copied().unwrap_or(0) + 1;
                let since = format!("UID FETCH {next}:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)");
                self.take(&run(&mut session, &since).await);
            }
            text
        };
        self.validity = number_after(&text, "UIDVALIDITY ").unwrap();
        let modseq = number_after(&text, "HIGHESTMODSEQ ").unwrap();
        assert!(modseq >= self.modseq, "HIGHESTMODSEQ never goes back");
        self.modseq = modseq;
        let mut fresh = Cache::default();
        fresh.take(&run(&mut session, "UID FETCH 1:* (FLAGS)").await);
        assert_eq!(self.messages, fresh.messages);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Other(String),
    Visit(bool),
    Restart { former: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let uids = (1u32..40, 0u32..6).prop_map(|(low, more)| format!("{low}:{}", low + more));
    let flags = prop_oneof![Just("\\Seen"), Just("\\Flagged"), Just("\\Deleted"), Just("$x")];
    prop_oneof![
        3 => Just(Step::Other("APPEND INBOX {15}\r\nSubject: x\r\n\r\ny".into())),
        4 => (uids.clone(), flags, "[+-]")
            .prop_map(|(u, f, sign)| Step::Other(format!("UID STORE {u} {sign}FLAGS.SILENT ({f})"))),
        1 => uids.clone().prop_map(|u| Step::Other(format!("UID COPY {u} INBOX"))),
        1 => uids.clone().prop_map(|u| Step::Other(format!("UID MOVE {u} Other"))),
        2 => Just(Step::Other("EXPUNGE".into())),
        1 => uids.prop_map(|u| Step::Other(format!("UID EXPUNGE {u}"))),
        2 => any::<bool>().prop_map(Step::Visit),
        1 => proptest::bool::weighted(0.5).prop_map(|former| Step::Restart { former }),
    ]
}

async fn play(steps: Vec<Step>, backend: Arc<dyn Backend>, forget: impl AsyncFn()) {
    let mut server = server(backend.clone());
    server.store.enroll(user("ALICE"), 10_000).await.unwrap();
    let mut other = login(&server).await;
    run(&mut other, "CREATE Other").await;
    run(&mut other, "SELECT INBOX").await;
    let mut cache = Cache::default();
    for step in steps {
        match step {
            Step::Other(command) => drop(run(&mut other, &command).await),
            Step::Visit(with_known) => cache.visit(&server, with_known).await,
            Step::Restart { former } => {
                drop(other);
                drop(server);
                if former {
                    forget().await;
                }
                server = self::server(backend.clone());
                other = login(&server).await;
                run(&mut other, "SELECT INBOX").await;
            }
        }
    }
    cache.visit(&server, false).await;
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn coming_back_is_as_good_as_coming_anew(steps in proptest::collection::vec(step(), 1..60)) {
        let memory = Arc::new(Memory::default());
        block_on(play(steps, memory.clone(), async || memory.forget_tombstones()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn over_a_file_pool_too(steps in proptest::collection::vec(step(), 1..60)) {
        let pool = MailPool::generate();
        block_on(play(steps, pool.backend(), async || pool.former_note_index().await));
    }
}
