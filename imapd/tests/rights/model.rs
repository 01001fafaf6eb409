//! Mailboxes and rights as RFC 4314 has them, in the plainest form.

use std::collections::{BTreeMap, BTreeSet};

/// The users, by number.
pub const USERS: [&str; 3] = ["ALICE", "BOB", "CAROL"];
/// All rights in their order.
const ALL: &str = "lrswipkxtea";
/// Those that an owner keeps.
const OWNERS: &str = "lrka";

/// A mailbox, whatever it is called.
pub type Id = u32;

/// A message: `\Seen` among its flags is the owner's, and everybody's where it is not each reader's own.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub flags: BTreeSet<String>,
    pub seen_by: BTreeSet<usize>,
}

/// A mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    pub owner: usize,
    pub name: &'static str,
    pub messages: BTreeMap<u32, Message>,
    pub last_uid: u32,
    /// By identifier in upper case.
    pub acl: BTreeMap<String, BTreeSet<char>>,
    pub own_seen: bool,
}

impl Mailbox {
    pub fn rights(&self, who: usize) -> String {
        let of = |id: &str| self.acl.get(id).cloned().unwrap_or_default();
        let name = USERS[who];
        let mut given: BTreeSet<char> = &of(name) | &of("ANYONE");
        if who == self.owner && !self.acl.contains_key(name) {
            given = ALL.chars().collect();
        }
        let taken: BTreeSet<char> = &of(&format!("-{name}")) | &of("-ANYONE");
        given = &given - &taken;
        if who == self.owner {
            given.extend(OWNERS.chars());
        }
        ALL.chars().filter(|r| given.contains(r)).collect()
    }

    pub fn has(&self, who: usize, rights: &str) -> bool {
        let has = self.rights(who);
        rights.chars().all(|r| has.contains(r))
    }

    pub fn set_acl(&mut self, who: &str, how: &str, rights: &str) {
        let id = who.to_ascii_uppercase();
        let is_owner = id == USERS[self.owner];
        let implied: BTreeSet<char> = if is_owner { ALL.chars().collect() } else { BTreeSet::new() };
        let old = self.acl.get(&id).cloned().unwrap_or(implied);
        let rights: BTreeSet<char> = rights.chars().collect();
        let new = match how {
            "+" => &old | &rights,
            "-" => &old - &rights,
            _ => rights,
        };
        if new.is_empty() && !is_owner {
            self.acl.remove(&id);
        } else {
            self.acl.insert(id, new);
        }
    }

    /// Whether a user has a `\Seen` of his own.
    pub fn own(&self, who: usize) -> bool {
        self.own_seen && who != self.owner
    }

    /// The flags of a message as a user sees them.
    pub fn flags(&self, who: usize, message: &Message) -> BTreeSet<String> {
        let mut flags = message.flags.clone();
        if self.own(who) {
            flags.remove("\\Seen");
            flags.extend(message.seen_by.contains(&who).then(|| "\\Seen".to_owned()));
        }
        flags
    }

    fn may_keep(&self, who: usize, flag: &str) -> bool {
        self.has(
            who,
            match flag {
                "\\Seen" => "s",
                "\\Deleted" => "t",
                _ => "w",
            },
        )
    }

    /// Whether a STORE of these flags is allowed: when one of them is, or, of none, when any flag is.
    pub fn may_store(&self, who: usize, flags: &BTreeSet<String>) -> bool {
        match flags.is_empty() {
            true => self.rights(who).chars().any(|r| "stw".contains(r)),
            false => flags.iter().any(|f| self.may_keep(who, f)),
        }
    }

    pub fn store(&mut self, who: usize, uids: &BTreeSet<u32>, how: &str, flags: &BTreeSet<String>) {
        let keep = |f: &&String| self.may_keep(who, f);
        let allowed: BTreeSet<String> = flags.iter().filter(keep).cloned().collect();
        let mut changed = Vec::new();
        for (uid, message) in self.messages.iter().filter(|(uid, _)| uids.contains(uid)) {
            let old = self.flags(who, message);
            let new = match &how[..1] {
                "+" => &old | &allowed,
                "-" => &old - &allowed,
                _ => old
                    .iter()
                    .filter(|f| !self.may_keep(who, f))
                    .cloned()
                    .chain(allowed.iter().cloned())
                    .collect(),
            };
            changed.push((*uid, new));
        }
        for (uid, flags) in changed {
            self.put(who, uid, flags);
        }
    }

    /// Sets the flags of a message as a user sees them.
    fn put(&mut self, who: usize, uid: u32, mut flags: BTreeSet<String>) {
        let own = self.own(who);
        let message = self.messages.entry(uid).or_default();
        if own {
            match flags.remove("\\Seen") {
                true => message.seen_by.insert(who),
                false => message.seen_by.remove(&who),
            };
            flags.extend(message.flags.get("\\Seen").cloned());
        }
        message.flags = flags;
    }

    /// Adds a message with those of the flags that may be kept.
    pub fn add(&mut self, who: usize, flags: &BTreeSet<String>) {
        self.last_uid += 1;
        let flags = flags.iter().filter(|f| self.may_keep(who, f)).cloned().collect();
        self.put(who, self.last_uid, flags);
    }
}

/// What a command is to come to: a mailbox, or the code of the NO.
#[derive(Clone, Copy)]
pub struct Expected(pub Result<Id, &'static str>);

impl Expected {
    pub fn code(self) -> &'static str {
        self.0.err().unwrap_or("OK")
    }

    /// The same for commands that add messages.
    pub fn or_create(self) -> Self {
        Self(self.0.map_err(|code| if code == "NONEXISTENT" { "TRYCREATE" } else { code }))
    }

    /// Asks for one of these rights, too.
    pub fn and_any(self, model: &Model, who: usize, rights: &str) -> Self {
        Self(self.0.and_then(|id| {
            let has = model.boxes[&id].rights(who);
            if rights.chars().any(|r| has.contains(r)) { Ok(id) } else { Err("NOPERM") }
        }))
    }
}

/// All mailboxes that the test is about.
pub struct Model {
    pub boxes: BTreeMap<Id, Mailbox>,
    last_id: Id,
    published: bool,
}

impl Model {
    /// Their names, as their owners call them.
    pub const NAMES: [&'static str; 5] = ["desk", "desk/sub", "desk/alt", "team", "post"];
    /// Their owners.
    pub const OWNERS: [usize; 5] = [0, 0, 0, 0, 1];
    /// The one that comes and goes.
    pub const SUB: usize = 1;
    /// What it is called at other times.
    pub const ALT: usize = 2;
    const TEAM: usize = 3;

    pub fn new() -> Self {
        let mut model = Self { boxes: BTreeMap::new(), last_id: 0, published: false };
        for i in [0, Self::SUB, Self::TEAM, 4] {
            model.create(i);
        }
        model
    }

    fn create(&mut self, i: usize) -> &mut Mailbox {
        self.last_id += 1;
        let (owner, name) = (Self::OWNERS[i], Self::NAMES[i]);
        self.boxes.entry(self.last_id).or_insert(Mailbox { owner, name, ..Mailbox::default() })
    }

    /// Makes `desk/sub` with the rights of `desk`.
    pub fn create_sub(&mut self) {
        let acl = self.find(0).map(|id| self.boxes[&id].acl.clone()).unwrap_or_default();
        self.create(Self::SUB).acl = acl;
    }

    pub fn find(&self, i: usize) -> Option<Id> {
        let is = |m: &Mailbox| m.name == Self::NAMES[i] && m.owner == Self::OWNERS[i];
        self.boxes.iter().find(|(_, m)| is(m)).map(|(id, _)| *id)
    }

    /// What a user calls it.
    pub fn name(&self, who: usize, i: usize) -> String {
        match Self::NAMES[i] {
            name if who == Self::OWNERS[i] => name.to_owned(),
            "team" if self.published => "\"Shared Folders/Team\"".to_owned(),
            name => format!("\"Other Users/{}/{name}\"", USERS[Self::OWNERS[i]]),
        }
    }

    /// The mailbox for one who has these rights there; without `l` he is not to know that it exists.
    pub fn need(&self, who: usize, i: usize, rights: &str) -> Expected {
        Expected(match self.find(i) {
            Some(id) if self.boxes[&id].has(who, rights) => Ok(id),
            Some(id) if self.boxes[&id].has(who, "l") => Err("NOPERM"),
            _ => Err("NONEXISTENT"),
        })
    }

    /// UIDs of a range that a client knows of and that are still there.
    pub fn view(&self, id: Id, known: &BTreeSet<u32>, (low, high): (u32, u32)) -> BTreeSet<u32> {
        let there = |uid: &&u32| self.boxes.get(&id).is_some_and(|m| m.messages.contains_key(uid));
        known.range(low..=high).filter(there).copied().collect()
    }

    pub fn share(&mut self, on: bool, own: bool, rights: &str) {
        let Some(id) = self.find(Self::TEAM) else { return };
        self.published = on;
        if let Some(team) = self.boxes.get_mut(&id) {
            let own = on && own;
            if team.own_seen != own {
                team.own_seen = own;
                team.messages.values_mut().for_each(|m| m.seen_by.clear());
            }
            match on {
                true => team.set_acl("anyone", "", rights),
                false => team.acl.retain(|who, _| who == USERS[0]),
            }
        }
    }

    /// Copies or moves messages as a user sees them.
    pub fn copy(&mut self, who: usize, (from, uids): (Id, &BTreeSet<u32>), to: Id, remove: bool) {
        for uid in uids {
            let source = &self.boxes[&from];
            let flags = source.flags(who, &source.messages[uid]);
            self.boxes.get_mut(&to).into_iter().for_each(|m| m.add(who, &flags));
        }
        if let Some(source) = self.boxes.get_mut(&from).filter(|_| remove) {
            source.messages.retain(|uid, _| !uids.contains(uid));
        }
    }
}
