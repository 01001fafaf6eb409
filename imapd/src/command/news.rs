//! Tells a session what happened elsewhere than in its selected mailbox, as NOTIFY asked (RFC 5465 section 5).
//!
//! What waits is gathered first, so that messages and annotations of a mailbox are told once however much happened to them: names
//! as LIST, one after the other as they changed, then annotations as METADATA and messages as STATUS, as things are when they are
//! told. A session is not told of what it did itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::getmetadata::TOUCH;
use super::notify::{NEEDED, gone_is_fine, items};
use super::{list, place, status, user};
use crate::mailstore::news::{MessageNews, News, Overflow, Posted, Visible};
use crate::mailstore::{Attributes, MailboxId, UserStore};
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
    let mut digest = Digest { own: &own, wanted: &notify.wanted, told: Told::default() };
    let by_others = |posted: &Posted| posted.by != session.id;
    if let Some(listener) = &mut notify.own {
        for posted in listener.take()?.into_iter().filter(by_others) {
            digest.take(0, posted.news);
        }
    }
    for (i, (_, listener)) in notify.others.iter_mut().enumerate() {
        for posted in listener.take()?.into_iter().filter(by_others) {
            digest.take(i + 1, posted.news);
        }
    }
    if let Some(listener) = &mut notify.everybody {
        for posted in listener.take()?.into_iter().filter(by_others) {
            digest.take(0, posted.news);
        }
    }
    let mut told = digest.told;
    if notify.reaches_others {
        join(session, notify, &told.newcomers).await?;
        // What happened between the grant and now was not heard.
        for (owner, mailbox) in told.gained {
            if let Some(i) = notify.others.iter().position(|(other, _)| other.id() == owner) {
                told.messages.insert((i + 1, mailbox), MessageNews { messages: true, flags: true });
            }
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
    for (name, entries) in told.annotations {
        annotations(session, name.as_ref(), &entries, out.buf);
        out.room().await?;
    }
    for ((whose, mailbox), news) in told.messages {
        let owner = if whose == 0 { &own } else { &notify.others[whose - 1].0 };
        figures(session, &notify.wanted, (&own, owner), mailbox, news, out.buf).await?;
        out.room().await?;
    }
    Ok(())
}

/// Listens to users who have given something to this one.
async fn join(
    session: &Session,
    notify: &mut Notify,
    newcomers: &BTreeSet<UserId>,
) -> Result<(), Undelivered> {
    for newcomer in newcomers {
        if notify.others.iter().any(|(owner, _)| owner.id() == *newcomer) {
            continue;
        }
        if notify.others.len() >= Notify::MAX_OTHERS {
            return Err(Undelivered::Overflow);
        }
        if let Some(owner) = place::owner_store(session, *newcomer).await? {
            let listener = owner.news().listen(notify.bell.clone());
            notify.others.push((owner, listener));
        }
    }
    Ok(())
}

/// What is to be told.
#[derive(Default)]
struct Told {
    /// What became of names, one after the other: a client that follows comes to what there is.
    names: Vec<(MailboxName, list::Told)>,
    /// Names that are told as they are in the end.
    also: BTreeSet<MailboxName>,
    /// By mailbox, or of the server.
    annotations: BTreeMap<Option<MailboxName>, BTreeSet<String>>,
    /// By whose they are: 0 the user's own, others by their place in the list.
    messages: BTreeMap<(usize, MailboxId), MessageNews>,
    newcomers: BTreeSet<UserId>,
    /// Mailboxes of others that may be read from now on.
    gained: Vec<(UserId, MailboxId)>,
}

/// Gathers what is to be told.
struct Digest<'a> {
    own: &'a Arc<UserStore>,
    wanted: &'a Wanted,
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
                self.renamed(whose == 0, old, new, Events::NAMES, false);
            }
            News::Access { before, after } => self.access(before.as_ref(), after.as_ref()),
            News::Subscription(name) => {
                let own = !place::is_foreign(&name);
                let events = self.wanted.of(Candidate { name: &name, own, subscribed: true });
                if whose == 0 && events.has(Events::SUBSCRIPTIONS) {
                    self.told.also.insert(name);
                }
            }
            News::Annotations(None, entries) if whose == 0 => self.of_server(&entries),
            News::Annotations(None, _) => {}
            News::Annotations(Some(of), entries) => self.of_mailbox(&of, &entries),
            News::Server(entries) => self.of_server(&entries),
        }
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
        if new.is_some() {
            self.told.newcomers.insert(owner);
        }
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
            let known = self.told.annotations.entry(None).or_default();
            known.extend(entries.iter().filter(|name| name.starts_with('/')).cloned());
        }
    }

    fn of_mailbox(&mut self, of: &Visible, entries: &[String]) {
        let who = self.who();
        let rights = of.rights(who);
        let own = of.owner == who;
        let Some(name) = self.name(Some(of)).filter(|_| rights.has(NEEDED) && rights.has_any(TOUCH)) else {
            return;
        };
        if !self.events(&name, own).has(Events::METADATA) {
            return;
        }
        // Private ones of others than the owner are kept under their names.
        let mine = format!("@{who}");
        let shown = entries.iter().filter_map(|entry| match entry.strip_prefix(mine.as_str()) {
            Some(private) if !own => Some(private),
            _ if own || entry.starts_with("/shared") => entry.starts_with('/').then_some(entry.as_str()),
            _ => None,
        });
        let shown: Vec<String> = shown.map(str::to_owned).collect();
        if !shown.is_empty() {
            self.told.annotations.entry(Some(name)).or_default().extend(shown);
        }
    }
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
    let is_own = owner.id() == who;
    let (row, name) = {
        let catalog = owner.catalog();
        let Some(row) = catalog.row(mailbox).filter(|row| row.selectable()) else { return Ok(()) };
        let visible = (!is_own).then(|| Visible::new(owner.id(), &catalog, row));
        let name = match &visible {
            None => Some(row.name.clone()),
            Some(visible) if visible.rights(who).has(NEEDED) => place::name_for(visible, who),
            Some(_) => None,
        };
        let Some(name) = name else { return Ok(()) };
        (row.clone(), name)
    };
    let subscribed = own.catalog().get(&name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
    let events = wanted.of(Candidate { name: &name, own: is_own, subscribed });
    if (news.messages && events.has(Events::MESSAGES)) || (news.flags && events.has(Events::FLAGS)) {
        let items = items(events, session.enabled.condstore);
        let form = session.enabled.name_form();
        gone_is_fine(status::show(out, (owner, who, &name), &row, &items, form, None).await)?;
    }
    Ok(())
}
