//! A client whose turn it is, and what it was told so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imapd::session::{Server, Session};

use super::model::{Id, Model, USERS};
use crate::support::run;

/// Flags of a message.
pub type Flags = BTreeSet<String>;

/// Flags that are set and taken away.
pub const FLAGS: [&str; 5] = ["\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "key"];

/// A client, and what it was told.
pub struct Tester {
    session: Session,
    pub user: usize,
    /// What is selected, and whether the client was told that nothing can be changed there: by READ-ONLY and no flag that is kept.
    pub selected: Option<(Id, bool)>,
    pub told_read_only: bool,
    pub keeps_flags: bool,
    pub examined: bool,
    /// UIDs that the client knows of.
    pub known: BTreeSet<u32>,
    /// Flags that it was told.
    pub flags: BTreeMap<u32, Flags>,
    tag: u32,
}

impl Tester {
    pub async fn new(server: &Arc<Server>, user: usize) -> Self {
        let session = Session::new(server.clone(), [127, 0, 0, 1].into(), false);
        let (known, flags) = (BTreeSet::new(), BTreeMap::new());
        let mut t = Self {
            session,
            user,
            selected: None,
            told_read_only: false,
            keeps_flags: false,
            examined: false,
            known,
            flags,
            tag: 0,
        };
        t.run(&format!("LOGIN {} secret", USERS[user])).await;
        t.run("ENABLE QRESYNC").await;
        t
    }

    pub async fn run(&mut self, command: &str) -> String {
        self.tag += 1;
        let sent = run(&mut self.session, self.tag, command).await;
        // The one literal there is, "y", goes on in the line that announces it.
        let text = String::from_utf8(sent).unwrap().replace("}\r\n", "} ");
        text.lines().for_each(|line| self.take(line));
        if let Some((_, read_only)) = &mut self.selected {
            for (code, told) in [("* OK [READ-ONLY]", true), ("* OK [READ-WRITE]", false)] {
                if text.contains(code) {
                    assert_ne!(self.told_read_only, told, "{text}");
                    self.told_read_only = told;
                }
            }
            if let Some((_, kept)) = text.rsplit_once("PERMANENTFLAGS (") {
                self.keeps_flags = !kept.starts_with(')');
            }
            *read_only = self.told_read_only && !self.keeps_flags;
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
    pub fn leave(&mut self) {
        self.selected = None;
        self.known.clear();
        self.flags.clear();
    }

    /// Asks for everything, and compares it with the model.
    pub async fn look(&mut self, model: &Model) {
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
pub fn answer(text: &str) -> &str {
    let line = text.lines().last().unwrap();
    let rest = line.split_once(' ').unwrap().1;
    match rest.strip_prefix("NO [") {
        Some(code) => code.split(']').next().unwrap(),
        None => rest.split(' ').next().unwrap(),
    }
}

/// One command of one client.
pub struct Turn<'a> {
    /// The client.
    pub tester: &'a mut Tester,
    /// What there should be.
    pub model: &'a mut Model,
    /// Which user the client is of.
    pub me: usize,
}

impl Turn<'_> {
    /// The client, the model, and which user the client is of.
    pub fn parts(&mut self) -> (&mut Tester, &mut Model, usize) {
        (self.tester, self.model, self.me)
    }
}
