//! Several users on each other's mailboxes: every answer is what the rights allow, every view what the mailboxes hold.
//!
//! Random commands of four sessions of three users, SETACL, DELETEACL and publications among them, beside a model that knows RFC
//! 4314 section 4 and nothing of the server. After each command the session's client has been told what the model has, as far as
//! it may be told; a user for whom `\Seen` is his own sees his own.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod rights {
    pub mod model;
}
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use imapd::auth::Authenticator;
use imapd::mailstore::{AccessChange, Backend, Identifier, MailStore, Published, RightsChange};
use imapd::session::{Out, Server, Session};
use imapd::syntax::mailbox_name::MailboxName;
use imapd::syntax::rights::Rights;
use proptest::prelude::*;
use rights::model::{Id, Message, Model, USERS};
use support::memory::Memory;
use support::sfs_pool::MailPool;
use support::{Secret, Sink, user};

/// Which user each session is of.
const SESSIONS: [usize; 4] = [0, 1, 1, 2];
/// The letter of a message has fifteen octets.
const LETTER: &str = "{15}\r\nSubject: x\r\n\r\ny";

type Flags = BTreeSet<String>;

struct Tester {
    session: Session,
    user: usize,
    /// What is selected, and whether the client was told that nothing can be changed there.
    selected: Option<(Id, bool)>,
    examined: bool,
    /// UIDs that the client knows of.
    known: BTreeSet<u32>,
    /// Flags that it was told.
    flags: BTreeMap<u32, Flags>,
    tag: u32,
}

impl Tester {
    async fn new(server: &Arc<Server>, user: usize) -> Self {
        let session = Session::new(server.clone(), [127, 0, 0, 1].into(), false);
        let (known, flags) = (BTreeSet::new(), BTreeMap::new());
        let mut t = Self { session, user, selected: None, examined: false, known, flags, tag: 0 };
        t.run(&format!("LOGIN {} secret", USERS[user])).await;
        t.run("ENABLE QRESYNC").await;
        t
    }

    async fn run(&mut self, command: &str) -> String {
        self.tag += 1;
        let frame = Bytes::from(format!("t{} {command}", self.tag));
        let (mut buf, mut sink) = (Vec::new(), Sink(Vec::new()));
        let mut out = Out::new(&mut buf, &mut sink);
        self.session.command(frame, &mut out).await.unwrap();
        out.flush().await.unwrap();
        // The one literal there is, "y", goes on in the line that announces it.
        let text = String::from_utf8(sink.0).unwrap().replace("}\r\n", "} ");
        text.lines().for_each(|line| self.take(line));
        for (code, told) in [("* OK [READ-ONLY]", true), ("* OK [READ-WRITE]", false)] {
            if let Some((_, read_only)) = self.selected.as_mut().filter(|_| text.contains(code)) {
                assert_ne!(*read_only, told, "{text}");
                *read_only = told;
            }
        }
        if self.selected.is_some() && text.contains(" EXISTS\r\n") {
            // Which they are is only told when it is asked for.
            Box::pin(self.run("UID FETCH 1:* (UID)")).await;
        }
        text
    }

    /// With QRESYNC every FETCH has the UID, and VANISHED names UIDs, so that a client needs no numbers.
    fn take(&mut self, line: &str) {
        if let Some(gone) = line.strip_prefix("* VANISHED ") {
            for part in gone.split(',') {
                let (low, high) = part.split_once(':').unwrap_or((part, part));
                let gone = low.parse::<u32>().unwrap()..=high.parse().unwrap();
                self.known.retain(|uid| !gone.contains(uid));
                self.flags.retain(|uid, _| !gone.contains(uid));
            }
        } else if line.contains(" FETCH (")
            && let Some(at) = line.find("UID ")
        {
            let uid: String = line[at + 4..].chars().take_while(char::is_ascii_digit).collect();
            let uid = uid.parse().unwrap();
            self.known.insert(uid);
            if let Some(at) = line.find("FLAGS (") {
                let words = line[at + 7..].split(')').next().unwrap().split(' ');
                let words = words.filter(|f| !f.is_empty() && *f != "\\Recent").map(str::to_owned);
                self.flags.insert(uid, words.collect());
            }
        }
    }

    /// Leaves the mailbox, as far as the client is concerned.
    fn leave(&mut self) {
        self.selected = None;
        self.known.clear();
        self.flags.clear();
    }

    /// Asks for everything, and compares it with the model.
    async fn look(&mut self, model: &Model) {
        let Some((id, _)) = self.selected else { return };
        let told = self.flags.clone();
        self.run("UID FETCH 1:* (FLAGS)").await;
        let there: BTreeMap<u32, Flags> = match model.boxes.get(&id) {
            Some(mailbox) => {
                mailbox.messages.iter().map(|(uid, m)| (*uid, mailbox.flags(self.user, m))).collect()
            }
            None => BTreeMap::new(),
        };
        assert_eq!(self.flags, there, "as {} sees it", USERS[self.user]);
        // It had been told of every change before it asked.
        for (uid, flags) in told {
            assert_eq!(there.get(&uid), Some(&flags), "message {uid} as {} was told", USERS[self.user]);
        }
    }
}

/// What is in the tagged line: OK, or the code of the NO.
fn answer(text: &str) -> &str {
    let line = text.lines().last().unwrap();
    let rest = line.split_once(' ').unwrap().1;
    match rest.strip_prefix("NO [") {
        Some(code) => code.split(']').next().unwrap(),
        None => rest.split(' ').next().unwrap(),
    }
}

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

const FLAGS: [&str; 5] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "key"];

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
        let (tester, model) = (&mut self.testers[who], &mut self.model);
        let me = tester.user;
        let flags = |flags: &[usize]| flags.iter().map(|f| FLAGS[*f].to_owned()).collect::<Flags>();
        let listed = |flags: &Flags| flags.iter().cloned().collect::<Vec<_>>().join(" ");
        match action {
            Do::Select { mailbox, examine } => {
                let word = if *examine { "EXAMINE" } else { "SELECT" };
                let expected = model.need(me, *mailbox, "r");
                tester.leave();
                let text = tester.run(&format!("{word} {}", model.name(me, *mailbox))).await;
                assert_eq!(answer(&text), expected.code());
                if let Ok(id) = expected.0 {
                    let rights = model.boxes[&id].rights(me);
                    let changes = rights.chars().any(|r| "iestw".contains(r));
                    let read_only = *examine || !changes;
                    assert_eq!(text.contains("[READ-ONLY]"), read_only, "{text}");
                    let kept = text.split_once("PERMANENTFLAGS (").unwrap().1.split(')').next().unwrap();
                    let kept: Vec<&str> = kept.split(' ').collect();
                    for (flag, right) in
                        [("\\Seen", 's'), ("\\Deleted", 't'), ("\\Flagged", 'w'), ("\\*", 'w')]
                    {
                        assert_eq!(kept.contains(&flag), !read_only && rights.contains(right), "{text}");
                    }
                    (tester.selected, tester.examined) = (Some((id, read_only)), *examine);
                    tester.look(model).await;
                }
            }
            Do::Close => {
                let Some((id, read_only)) = tester.selected else { return };
                assert_eq!(answer(&tester.run("CLOSE").await), "OK");
                if !read_only && let Some(mailbox) = model.boxes.get_mut(&id).filter(|m| m.has(me, "e")) {
                    mailbox.messages.retain(|_, m| !m.flags.contains("\\Deleted"));
                }
                tester.leave();
            }
            Do::Noop => drop(tester.run("NOOP").await),
            Do::Append { mailbox, flags: asked } => {
                let asked = flags(asked);
                let expected = model.need(me, *mailbox, "i").or_create();
                let command = format!("APPEND {} ({}) {LETTER}", model.name(me, *mailbox), listed(&asked));
                assert_eq!(answer(&tester.run(&command).await), expected.code());
                if let Ok(id) = expected.0 {
                    model.boxes.get_mut(&id).unwrap().add(me, &asked);
                }
            }
            Do::Store { uids, how, flags: asked } => {
                let Some((id, read_only)) = tester.selected else { return };
                let asked = flags(asked);
                let seen = model.view(id, &tester.known, *uids);
                let command = format!("UID STORE {}:{} {how} ({})", uids.0, uids.1, listed(&asked));
                let text = tester.run(&command).await;
                let allowed = match model.boxes.get(&id) {
                    _ if read_only => false,
                    Some(mailbox) => mailbox.may_store(me, &asked),
                    // Deleted by another session.
                    None => return assert!(["NONEXISTENT", "NOPERM"].contains(&answer(&text)), "{text}"),
                };
                assert_eq!(answer(&text), if allowed { "OK" } else { "NOPERM" }, "{text}");
                if allowed {
                    let mailbox = model.boxes.get_mut(&id).unwrap();
                    mailbox.store(me, &seen, how, &asked);
                    if how.ends_with("SILENT") {
                        // What a client changed in silence it must know itself; this one does not reckon.
                        seen.iter().for_each(|uid| drop(tester.flags.remove(uid)));
                    }
                }
            }
            Do::Read { uids } => {
                let Some((id, read_only)) = tester.selected else { return };
                let seen = model.view(id, &tester.known, *uids);
                let text = tester.run(&format!("UID FETCH {}:{} (BODY[TEXT])", uids.0, uids.1)).await;
                let Some(mailbox) = model.boxes.get_mut(&id) else { return };
                assert_eq!(answer(&text), "OK", "{text}");
                if !read_only && mailbox.has(me, "s") {
                    mailbox.store(me, &seen, "+FLAGS", &BTreeSet::from(["\\Seen".to_owned()]));
                }
            }
            Do::Copy { uids, to, remove } => {
                let Some((id, read_only)) = tester.selected else { return };
                let word = if *remove { "MOVE" } else { "COPY" };
                let command = format!("UID {word} {}:{} {}", uids.0, uids.1, model.name(me, *to));
                let seen = model.view(id, &tester.known, *uids);
                let target = model.need(me, *to, "i").or_create();
                let source = !remove || (!read_only && model.boxes.get(&id).is_some_and(|m| m.has(me, "te")));
                let text = tester.run(&command).await;
                if !model.boxes.contains_key(&id) {
                    // Deleted by another session; it is not the target that can be made.
                    let wrong = answer(&text) == "TRYCREATE" && target.0.is_ok();
                    return assert!(!wrong, "{text}");
                }
                match (target.0, source) {
                    (Ok(to), true) => {
                        assert_eq!(answer(&text), "OK", "{text}");
                        model.copy(me, (id, &seen), to, *remove);
                    }
                    // Either is reason enough.
                    (Err(code), false) => assert!([code, "NOPERM"].contains(&answer(&text)), "{text}"),
                    (Err(code), true) => assert_eq!(answer(&text), code),
                    (Ok(_), false) => assert_eq!(answer(&text), "NOPERM"),
                }
            }
            Do::Replace { uid, to, flags: asked } => {
                let Some((id, read_only)) = tester.selected else { return };
                let asked = flags(asked);
                let command =
                    format!("UID REPLACE {uid} {} ({}) {LETTER}", model.name(me, *to), listed(&asked));
                let seen = model.view(id, &tester.known, (*uid, *uid));
                let known = tester.known.contains(uid);
                let target = model.need(me, *to, "i").or_create();
                let source = !read_only && model.boxes.get(&id).is_some_and(|m| m.has(me, "te"));
                let text = tester.run(&command).await;
                let got = answer(&text);
                if !model.boxes.contains_key(&id) {
                    return assert!(got != "OK" && (got != "TRYCREATE" || target.0.is_err()), "{text}");
                }
                match (target.0, source) {
                    (Ok(to), true) if seen.contains(uid) => {
                        assert_eq!(got, "OK", "{text}");
                        model.boxes.get_mut(&id).unwrap().messages.remove(uid);
                        model.boxes.get_mut(&to).unwrap().add(me, &asked);
                    }
                    (Ok(_), true) => assert_eq!(got, if known { "EXPUNGEISSUED" } else { "NONEXISTENT" }),
                    (Err(code), false) => assert!([code, "NOPERM"].contains(&got), "{text}"),
                    (Err(code), true) => assert!([code, "NONEXISTENT"].contains(&got), "{text}"),
                    (Ok(_), false) => assert_eq!(got, "NOPERM"),
                }
            }
            Do::Expunge => {
                let Some((id, read_only)) = tester.selected else { return };
                let text = tester.run("EXPUNGE").await;
                let Some(mailbox) = model.boxes.get_mut(&id) else { return };
                let allowed = !read_only && mailbox.has(me, "e");
                assert_eq!(answer(&text), if allowed { "OK" } else { "NOPERM" }, "{text}");
                if allowed {
                    mailbox.messages.retain(|_, m| !m.flags.contains("\\Deleted"));
                }
            }
            _ => self.about_names(who, action).await,
        }
    }

    async fn about_names(&mut self, who: usize, action: &Do) {
        let (tester, model) = (&mut self.testers[who], &mut self.model);
        let me = tester.user;
        match action {
            Do::SetAcl { mailbox, who, how, rights } => {
                let expected = model.need(me, *mailbox, "a");
                let name = model.name(me, *mailbox);
                let text = tester.run(&format!("SETACL {name} {who} \"{how}{rights}\"")).await;
                assert_eq!(answer(&text), expected.code());
                if let Ok(id) = expected.0 {
                    model.boxes.get_mut(&id).unwrap().set_acl(who, how, rights);
                }
            }
            Do::DeleteAcl { mailbox, who } => {
                let expected = model.need(me, *mailbox, "a");
                let text = tester.run(&format!("DELETEACL {} {who}", model.name(me, *mailbox))).await;
                assert_eq!(answer(&text), expected.code());
                if let Ok(id) = expected.0 {
                    model.boxes.get_mut(&id).unwrap().acl.remove(&who.to_ascii_uppercase());
                }
            }
            Do::MyRights { mailbox } => {
                let text = tester.run(&format!("MYRIGHTS {}", model.name(me, *mailbox))).await;
                let rights = model.find(*mailbox).map(|id| model.boxes[&id].rights(me)).unwrap_or_default();
                if rights.chars().any(|r| "lrikxa".contains(r)) {
                    let shown = text.lines().next().unwrap().rsplit(' ').next().unwrap();
                    let shown: String = shown.chars().filter(|r| !"cd".contains(*r)).collect();
                    assert_eq!(shown, rights, "{text}");
                } else {
                    assert_eq!(answer(&text), "NONEXISTENT");
                }
            }
            Do::Status { mailbox } => {
                let expected = model.need(me, *mailbox, "r");
                let text =
                    tester.run(&format!("STATUS {} (MESSAGES UNSEEN)", model.name(me, *mailbox))).await;
                assert_eq!(answer(&text), expected.code());
                if let Ok(id) = expected.0 {
                    let mailbox = &model.boxes[&id];
                    let unseen = |m: &&Message| !mailbox.flags(me, m).contains("\\Seen");
                    let (all, unseen) =
                        (mailbox.messages.len(), mailbox.messages.values().filter(unseen).count());
                    assert!(text.contains(&format!("(MESSAGES {all} UNSEEN {unseen})")), "{text} {unseen}");
                }
            }
            Do::Ask { command, mailbox } => {
                let expected = match command.split_once(' ').unwrap().0 {
                    "GETACL" | "LISTRIGHTS" => model.need(me, *mailbox, "a"),
                    "GETQUOTAROOT" => model.need(me, *mailbox, "r"),
                    // Source: RFC 5464 section 3.3.
                    _ => model.need(me, *mailbox, "l").and_any(model, me, "rswip"),
                };
                let text = tester.run(&command.replace('#', &model.name(me, *mailbox))).await;
                // Source: RFC 9208 section 4.1.2. A mailbox of one's own has a quota root before it is there.
                let would_have = command.starts_with("GETQUOTAROOT")
                    && Model::OWNERS[*mailbox] == me
                    && model.find(*mailbox).is_none();
                assert_eq!(answer(&text), if would_have { "OK" } else { expected.code() }, "{text}");
            }
            Do::List => {
                let text = tester.run("LIST \"\" *").await;
                // A name above one that is seen is no mailbox to him who may not see it.
                let lines = || text.lines().filter(|l| !l.contains("\\Noselect"));
                let shown = |name: &str| lines().any(|l| l.ends_with(&format!("\"/\" {name}")));
                for i in 0..Model::NAMES.len() {
                    let seen = model
                        .find(i)
                        .is_some_and(|id| model.boxes[&id].has(me, "l") || Model::OWNERS[i] == me);
                    let name = model.name(me, i);
                    assert_eq!(shown(&name) || shown(name.trim_matches('"')), seen, "{name}: {text}");
                }
            }
            // The mailbox that comes and goes is `desk/sub`, once `desk/alt`.
            Do::Create => {
                let may = model.need(me, 0, "k");
                let exists = model.find(Model::SUB).is_some();
                let text = tester.run(&format!("CREATE {}", model.name(me, Model::SUB))).await;
                match may.0 {
                    Err(code) => assert_eq!(answer(&text), code),
                    Ok(_) if exists => assert_eq!(answer(&text), "ALREADYEXISTS"),
                    Ok(_) => {
                        assert!(text.contains(" OK ["), "{text}");
                        model.create_sub();
                    }
                }
            }
            Do::Delete => {
                let expected = model.need(me, Model::SUB, "x");
                let text = tester.run(&format!("DELETE {}", model.name(me, Model::SUB))).await;
                assert_eq!(answer(&text), expected.code());
                if let Ok(id) = expected.0 {
                    model.boxes.remove(&id);
                    if tester.selected.is_some_and(|(selected, _)| selected == id) {
                        tester.leave();
                    }
                }
            }
            Do::Rename { back } => {
                let (from, to) = if *back { (Model::ALT, Model::SUB) } else { (Model::SUB, Model::ALT) };
                let (source, parent) = (model.need(me, from, "x"), model.need(me, 0, "k"));
                let exists = model.find(to).is_some();
                let command = format!("RENAME {} {}", model.name(me, from), model.name(me, to));
                let text = tester.run(&command).await;
                match (source.0, parent.0) {
                    (Ok(_), Ok(_)) if exists => assert_eq!(answer(&text), "ALREADYEXISTS"),
                    (Ok(id), Ok(_)) => {
                        assert_eq!(answer(&text), "OK");
                        model.boxes.get_mut(&id).unwrap().name = Model::NAMES[to];
                    }
                    (Err(code), Ok(_)) | (Ok(_), Err(code)) => assert_eq!(answer(&text), code),
                    (Err(a), Err(b)) => assert!([a, b].contains(&answer(&text)), "{text}"),
                }
            }
            _ => {}
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
