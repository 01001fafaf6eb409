//! Tells a session what happened elsewhere than in its selected mailbox, as NOTIFY asked (RFC 5465 section 5).
//!
//! What waits is gathered first, in the order in which it happened, so that messages and annotations of a mailbox are told once
//! however much happened to them: names as LIST, one after the other as they changed, then annotations as METADATA and messages as
//! STATUS, under the names and with the rights that there are when they are told. A session is not told of what it did itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::getmetadata::TOUCH;
use super::notify::{NEEDED, gone_is_fine, items};
use super::{list, place, status, user};
use crate::mailstore::news::{MessageNews, News, Overflow, Visible};
use crate::mailstore::{Attributes, MailboxId, MailboxRow, UserStore};
use crate::session::notify::{Candidate, Events, Notify, Wanted};
use crate::session::{Failure, Out, Session};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::quote;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// Tells what is new. A session that has fallen behind is told no more (RFC 5465 section 5.8).
///
/// # Errors
/// When the client cannot be written to.
pub(super) async fn tell(session: &mut Session, out: &mut Out<'_>) -> io::Result<()> {
    let Some(mut notify) = session.notify.take() else { return Ok(()) };
    match deliver(session, &mut notify, out).await {
        Ok(()) => {}
        Err(Undelivered::Failure(Failure::Io(e))) => return Err(e),
        Err(undelivered) => {
            if let Undelivered::Failure(failure) = undelivered {
                tracing::warn!(?failure, "what NOTIFY asked for cannot be told");
            }
            *notify = Notify::none();
            out.buf.extend_from_slice(b"* OK [NOTIFICATIONOVERFLOW] Too much happened; NOTIFY is off\r\n");
        }
    }
    session.notify = Some(notify);
    Ok(())
}

/// Why a session is told no more.
enum Undelivered {
    Overflow,
    Failure(Failure),
}

impl From<Overflow> for Undelivered {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}

impl<T: Into<Failure>> From<T> for Undelivered {
    fn from(e: T) -> Self {
        Self::Failure(e.into())
    }
}

async fn deliver(session: &Session, notify: &mut Notify, out: &mut Out<'_>) -> Result<(), Undelivered> {
    let own = user(session)?;
    let news = gather(session, notify)?;
    let joined = match notify.reaches_others {
        true => join(session, notify, newcomers(&news, own.id())).await?,
        false => BTreeSet::new(),
    };
    let mut digest = Digest { own: &own, wanted: &notify.wanted, joined: &joined, told: Told::default() };
    for (whose, news) in news {
        digest.take(whose, news);
    }
    for owner in &joined {
        if let Some((owner, _)) = notify.others.iter().find(|(other, _)| other.id() == *owner) {
            digest.all_of(owner);
        }
    }
    let mut told = digest.told;
    for (owner, mailbox) in told.gained {
        if let Some(i) = notify.others.iter().position(|(other, _)| other.id() == owner) {
            told.messages.insert((i + 1, mailbox), MessageNews { messages: true, flags: true });
        }
    }
    for (name, what) in &told.names {
        list::told(session, name, what, out.buf).await?;
        out.room().await?;
    }
    for (name, _) in &told.names {
        told.also.remove(name);
    }
    for name in &told.also {
        list::told(session, name, &list::Told::default(), out.buf).await?;
        out.room().await?;
    }
    annotations(session, None, &told.of_server, out.buf);
    for ((whose, mailbox), entries) in told.annotations {
        let owner = if whose == 0 { &own } else { &notify.others[whose - 1].0 };
        of_mailbox(session, &notify.wanted, (&own, owner), mailbox, &entries, out.buf);
        out.room().await?;
    }
    for ((whose, mailbox), news) in told.messages {
        let owner = if whose == 0 { &own } else { &notify.others[whose - 1].0 };
        figures(session, &notify.wanted, (&own, owner), mailbox, news, out.buf).await?;
        out.room().await?;
    }
    Ok(())
}

/// What others did since this was asked last, in the order in which it happened, with whose mailboxes it is about: 0 the user's own,
/// others by their place in the list.
fn gather(session: &Session, notify: &mut Notify) -> Result<Vec<(usize, News)>, Overflow> {
    let mut all = Vec::new();
    let own = notify.own.iter_mut().map(|listener| (0, listener));
    let others = notify.others.iter_mut().enumerate().map(|(i, (_, listener))| (i + 1, listener));
    for (whose, listener) in own.chain(others).chain(notify.everybody.iter_mut().map(|l| (0, l))) {
        let news = listener.take()?.into_iter().filter(|(_, posted)| posted.by != session.id);
        all.extend(news.map(|(number, posted)| (number, whose, posted.news)));
    }
    all.sort_unstable_by_key(|(number, ..)| *number);
    Ok(all.into_iter().map(|(_, whose, news)| (whose, news)).collect())
}

/// Who has given something to this user.
fn newcomers(news: &[(usize, News)], who: UserId) -> BTreeSet<UserId> {
    let gives = |news: &News| match news {
        News::Access { after: Some(after), .. } => {
            (after.owner != who && after.rights(who).has(Rights::LOOKUP)).then_some(after.owner)
        }
        _ => None,
    };
    news.iter().filter_map(|(_, news)| gives(news)).collect()
}

/// Listens to users who have given something to this one; those who were not listened to before.
async fn join(
    session: &Session,
    notify: &mut Notify,
    newcomers: BTreeSet<UserId>,
) -> Result<BTreeSet<UserId>, Undelivered> {
    let mut joined = BTreeSet::new();
    for newcomer in newcomers {
        if notify.others.iter().any(|(owner, _)| owner.id() == newcomer) {
            continue;
        }
        if notify.others.len() >= Notify::MAX_OTHERS {
            return Err(Undelivered::Overflow);
        }
        if let Some(owner) = place::owner_store(session, newcomer).await? {
            let listener = owner.news().listen(notify.bell.clone());
            notify.others.push((owner, listener));
            joined.insert(newcomer);
        }
    }
    Ok(joined)
}

/// What is to be told.
#[derive(Default)]
struct Told {
    /// What became of names, one after the other: a client that follows comes to what there is.
    names: Vec<(MailboxName, list::Told)>,
    /// Names that are told as they are in the end.
    also: BTreeSet<MailboxName>,
    /// Annotations of the server.
    of_server: BTreeSet<String>,
    /// Those of mailboxes, under which they are kept. By whose they are: 0 the user's own, others by their place in the list.
    annotations: BTreeMap<(usize, MailboxId), BTreeSet<String>>,
    /// The same.
    messages: BTreeMap<(usize, MailboxId), MessageNews>,
    /// What a name has become, with which those below it went.
    moved: Option<(MailboxName, MailboxName)>,
    /// Mailboxes of others that may be read from now on.
    gained: Vec<(UserId, MailboxId)>,
}

/// Gathers what is to be told.
struct Digest<'a> {
    own: &'a Arc<UserStore>,
    wanted: &'a Wanted,
    /// Who was not listened to until now: what happened to the names meanwhile is not known, and all of them are told as they are.
    joined: &'a BTreeSet<UserId>,
    told: Told,
}

impl Digest<'_> {
    fn who(&self) -> UserId {
        self.own.id()
    }

    /// What is wanted of a name.
    fn events(&self, name: &MailboxName, own: bool) -> Events {
        let subscribed =
            self.own.catalog().get(name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
        self.wanted.of(Candidate { name, own, subscribed })
    }

    /// The name that the user has, or had, for a mailbox that he may look up.
    fn name(&self, visible: Option<&Visible>) -> Option<MailboxName> {
        let visible = visible.filter(|v| v.rights(self.who()).has(Rights::LOOKUP))?;
        place::name_for(visible, self.who())
    }

    fn take(&mut self, whose: usize, news: News) {
        match news {
            News::Messages(mailbox, news) => {
                let known = self.told.messages.entry((whose, mailbox)).or_default();
                known.messages |= news.messages;
                known.flags |= news.flags;
            }
            News::Name { before, after } => {
                let (old, new) = (self.name(before.as_ref()), self.name(after.as_ref()));
                if let Some(after) = &after {
                    // Another UIDVALIDITY may have come to the name (RFC 5465 section 5.1).
                    self.told.messages.entry((whose, after.id)).or_default().flags = true;
                }
                let is_told = |name: &MailboxName| self.events(name, whose == 0).has(Events::NAMES);
                // INBOX that is renamed is there again: nothing is told of it, but that it was the name of the other.
                let stays = before.zip(after).is_some_and(|(before, after)| before.id != after.id);
                let old = old.filter(|_| !stays || new.as_ref().is_some_and(is_told));
                self.told.moved = old.clone().zip(new.clone()).filter(|(_, new)| is_told(new));
                self.renamed(whose == 0, old, new, Events::NAMES, false);
            }
            // The user has seen his own name above it go.
            News::Below { .. } if whose == 0 => {}
            News::Below { before, after } => {
                self.below(self.name(before.as_ref()), self.name(after.as_ref()))
            }
            News::Access { before, after } => {
                let owner = before.as_ref().or(after.as_ref()).map(|of| of.owner);
                if owner.is_some_and(|owner| !self.joined.contains(&owner)) {
                    self.access(before.as_ref(), after.as_ref());
                }
            }
            News::Subscription(name) => {
                let own = !place::is_foreign(&name);
                let events = self.wanted.of(Candidate { name: &name, own, subscribed: true });
                if whose == 0 && events.has(Events::SUBSCRIPTIONS) {
                    self.told.also.insert(name);
                }
            }
            News::Annotations(None, entries) if whose == 0 => self.of_server(&entries),
            News::Annotations(None, _) => {}
            News::Annotations(Some(of), entries) => {
                let known = self.told.annotations.entry((whose, of.id)).or_default();
                known.extend(entries.iter().cloned());
            }
            News::Server(entries) => self.of_server(&entries),
        }
    }

    /// A name went with the one above it. Who saw that one become another knows it; to others it is a name like any.
    fn below(&mut self, old: Option<MailboxName>, new: Option<MailboxName>) {
        let known = match (&self.told.moved, &old, &new) {
            (Some((from, to)), Some(old), Some(new)) => {
                matches!(old.moved(from, to), Some(Ok(moved)) if moved == *new)
            }
            _ => false,
        };
        if !known && old != new {
            self.renamed(false, old, new, Events::NAMES, false);
        }
    }

    /// All that there is of an owner.
    fn all_of(&mut self, owner: &UserStore) {
        let all: Vec<Visible> = {
            let catalog = owner.catalog();
            let rows = catalog.iter().filter(|row| row.attributes.has(Attributes::EXISTS));
            rows.map(|row| Visible::new(owner.id(), &catalog, row)).collect()
        };
        all.iter().for_each(|visible| self.access(None, Some(visible)));
    }

    /// A name came, went or became another.
    fn renamed(
        &mut self,
        own: bool,
        old: Option<MailboxName>,
        new: Option<MailboxName>,
        needed: Events,
        access: bool,
    ) {
        let wants = |digest: &Self, name: &Option<MailboxName>| {
            let events = name.as_ref().map(|name| digest.events(name, own)).unwrap_or_default();
            events.has(needed) && !events.is_empty()
        };
        let (old_wanted, new_wanted) = (wants(self, &old), wants(self, &new));
        let parents = match (&old, &new) {
            (Some(one), None) | (None, Some(one)) => one.ancestors().last(),
            _ => None,
        };
        // What is directly above has other children now (RFC 5465 section 5.4).
        if let Some(above) = parents
            && !place::is_namespace(&above)
            && self.events(&above, own).has(Events::NAMES)
        {
            self.told.also.insert(above);
        }
        match (old, new) {
            (old, Some(new)) if new_wanted => {
                let old = old.filter(|old| *old != new);
                self.told.names.push((new, list::Told { old, lost: None, exists: Some(true) }));
            }
            (Some(old), _) if old_wanted => {
                let lost = access.then_some(self.events(&old, own).has(Events::NAMES));
                self.told.names.push((old, list::Told { old: None, lost, exists: Some(false) }));
            }
            _ => {}
        }
    }

    /// Somebody may do more or less with a mailbox of somebody else.
    fn access(&mut self, before: Option<&Visible>, after: Option<&Visible>) {
        let who = self.who();
        let Some(owner) = before.or(after).map(|v| v.owner).filter(|owner| *owner != who) else { return };
        let (old, new) = (self.name(before), self.name(after));
        let reads = |v: Option<&Visible>| v.is_some_and(|v| v.rights(who).has(NEEDED));
        if let Some(after) = after.filter(|_| reads(after) && !reads(before)) {
            self.told.gained.push((owner, after.id));
        }
        if old != new || reads(before) != reads(after) {
            self.renamed(false, old, new, Events::default(), true);
        }
    }

    fn of_server(&mut self, entries: &[String]) {
        if self.wanted.all().has(Events::SERVER) {
            self.told.of_server.extend(entries.iter().filter(|name| name.starts_with('/')).cloned());
        }
    }
}

/// A mailbox as it is now, with the name that the user has for it and what he wants to be told of it; nothing, when it is gone or he
/// may not read it.
fn now(
    wanted: &Wanted,
    (own, owner): (&Arc<UserStore>, &Arc<UserStore>),
    mailbox: MailboxId,
) -> Option<(MailboxRow, Visible, MailboxName, Events)> {
    let who = own.id();
    let is_own = owner.id() == who;
    let (row, visible, name) = {
        let catalog = owner.catalog();
        let row = catalog.row(mailbox).filter(|row| row.attributes.has(Attributes::EXISTS))?;
        let visible = Visible::new(owner.id(), &catalog, row);
        let name = place::name_for(&visible, who).filter(|_| is_own || visible.rights(who).has(NEEDED))?;
        (row.clone(), visible, name)
    };
    let subscribed = own.catalog().get(&name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
    let events = wanted.of(Candidate { name: &name, own: is_own, subscribed });
    Some((row, visible, name, events))
}

/// Appends the METADATA response of a mailbox whose annotations changed, when the user wants and may see it.
fn of_mailbox(
    session: &Session,
    wanted: &Wanted,
    (own, owner): (&Arc<UserStore>, &Arc<UserStore>),
    mailbox: MailboxId,
    entries: &BTreeSet<String>,
    out: &mut Vec<u8>,
) {
    let who = own.id();
    let is_own = owner.id() == who;
    let Some((_, visible, name, events)) = now(wanted, (own, owner), mailbox) else { return };
    let rights = visible.rights(who);
    if !events.has(Events::METADATA) || !rights.has(NEEDED) || !rights.has_any(TOUCH) {
        return;
    }
    // Private ones of others than the owner are kept under their names.
    let mine = format!("@{who}");
    let shown = entries.iter().filter_map(|entry| match entry.strip_prefix(mine.as_str()) {
        Some(private) if !is_own => Some(private),
        _ if is_own || entry.starts_with("/shared") => entry.starts_with('/').then_some(entry.as_str()),
        _ => None,
    });
    annotations(session, Some(&name), &shown.map(str::to_owned).collect(), out);
}

/// Appends the METADATA response without values (RFC 5464 section 4.4.2).
fn annotations(session: &Session, name: Option<&MailboxName>, entries: &BTreeSet<String>, out: &mut Vec<u8>) {
    if entries.is_empty() {
        return;
    }
    out.extend_from_slice(b"* METADATA ");
    match name {
        Some(name) => name.write(out, session.enabled.name_form()),
        None => out.extend_from_slice(b"\"\""),
    }
    for entry in entries {
        out.push(b' ');
        quote::astring(out, entry.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the STATUS response of a mailbox whose messages changed, when the user wants and may see it.
async fn figures(
    session: &Session,
    wanted: &Wanted,
    (own, owner): (&Arc<UserStore>, &Arc<UserStore>),
    mailbox: MailboxId,
    news: MessageNews,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    if session.selected() == Some((owner.id(), mailbox)) {
        return Ok(());
    }
    let who = own.id();
    let Some((row, _, name, events)) = now(wanted, (own, owner), mailbox) else { return Ok(()) };
    if !row.selectable() {
        return Ok(());
    }
    if (news.messages && events.has(Events::MESSAGES)) || (news.flags && events.has(Events::FLAGS)) {
        let items = items(events, session.enabled.condstore);
        let form = session.enabled.name_form();
        gone_is_fine(status::show(out, (owner, who, &name), &row, &items, form, None).await)?;
    }
    Ok(())
}
