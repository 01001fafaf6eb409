//! Where a mailbox name leads: whose mailbox it is, and what the user may do with it (RFC 2342, RFC 4314 section 4).
//!
//! Names without a prefix are the user's own. Below [`OTHERS`] stand the mailboxes of other users by their user ids, below
//! [`SHARED`] those that the administrator has published. What one may not look up is answered as if it were not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{name, user};
use crate::mailstore::catalog::Catalog;
use crate::mailstore::news::Visible;
use crate::mailstore::{Asker, Attributes, Leave, MailboxRow, OpenMailbox, StoreError, UserStore, leave};
use crate::session::mailbox_referrals::referral;
use crate::session::{Failure, Session, View};
use crate::syntax::ast::MailboxArg;
use crate::syntax::mailbox_name::{MailboxName, SEPARATOR};
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// The namespace of other users' mailboxes, without the separator.
pub const OTHERS: &str = "Other Users";
/// The namespace of published mailboxes, without the separator.
pub const SHARED: &str = "Shared Folders";

/// LINE SEPARATOR and PARAGRAPH SEPARATOR, which no new name may hold (RFC 9755 section 3, RFC 9051 section 5.1).
const SEPARATORS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// Rights to keep flags.
const FLAGS: Rights = Rights::SEEN.and(Rights::WRITE).and(Rights::DELETE_MESSAGES);
/// Rights that make a mailbox one that can be changed.
const CHANGES: Rights = FLAGS.and(Rights::INSERT).and(Rights::EXPUNGE);

/// A mailbox that a name leads to; it need not exist.
#[derive(Clone)]
pub struct Place {
    /// Whose it is.
    pub owner: Arc<UserStore>,
    /// What the owner calls it.
    pub inner: MailboxName,
    /// What the user calls it.
    pub name: MailboxName,
    who: UserId,
}

impl Place {
    /// Whether it is the user's own.
    pub fn is_own(&self) -> bool {
        self.owner.id() == self.who
    }

    /// Who asks, when he is not the owner.
    pub fn reader(&self) -> Option<UserId> {
        (!self.is_own()).then_some(self.who)
    }

    /// Who asks.
    pub fn who(&self) -> UserId {
        self.who
    }

    /// Its row and what the user may do; `None` when it does not exist.
    pub fn look(&self) -> Option<(MailboxRow, Rights)> {
        let catalog = self.owner.catalog();
        let row = catalog.get(&self.inner).filter(|r| r.attributes.has(Attributes::EXISTS))?;
        Some((row.clone(), catalog.entries.access.rights(row.id, self.who, self.owner.id())))
    }

    /// Whether something below it may be looked up (RFC 5258 section 4).
    pub fn shows_children(&self, catalog: &Catalog) -> bool {
        let access = &catalog.entries.access;
        catalog.below(&self.inner).any(|row| {
            row.attributes.has(Attributes::EXISTS)
                && access.rights(row.id, self.who, self.owner.id()).has(Rights::LOOKUP)
        })
    }

    /// Its row and rights, for one who has `needed`.
    ///
    /// # Errors
    /// [`StoreError::NoRight`]; [`StoreError::NoSuchMailbox`] for one who may not even know of it.
    pub fn need(&self, needed: Rights) -> Result<(MailboxRow, Rights), StoreError> {
        let (row, rights) = self.look().ok_or(StoreError::NoSuchMailbox)?;
        leave::need(rights, needed)?;
        Ok((row, rights))
    }

    /// Opens it for one who has `needed`, and says what else he may do.
    ///
    /// # Errors
    /// As [`Place::need`] and [`UserStore::open`].
    pub async fn open(&self, needed: Rights) -> Result<(Arc<OpenMailbox>, Rights), StoreError> {
        let (row, _) = self.need(needed)?;
        let mailbox = self.owner.open_row(&row).await?;
        // It may have taken its time to read it.
        let rights = self.owner.rights(mailbox.id, self.who);
        leave::need(rights, needed)?;
        Ok((mailbox, rights))
    }

    /// Whether a mailbox of that name may be made: what exists above it decides (RFC 4314 section 4).
    ///
    /// # Errors
    /// As [`Place::need`].
    pub fn may_create(&self) -> Result<(), StoreError> {
        // Of what names may not hold only this is let through where they are read: there may be such mailboxes of old.
        if self.inner.as_str().contains(SEPARATORS) {
            return Err(StoreError::Cannot("a mailbox name has no line or paragraph separator"));
        }
        self.owner.may_create(self.who, &self.inner)
    }

    /// What a change of this mailbox, which was looked up, needs when its turn comes: that the name stands for it still, with these
    /// rights.
    pub fn leave(&self, row: &MailboxRow, needed: Rights) -> Leave {
        Leave::default().on_name((self.who, self.owner.id()), row, needed)
    }
}

/// The session, for a change that needs these rights on a mailbox when its turn comes.
///
/// # Errors
/// When nobody has logged in.
pub fn asker(session: &Session, mailbox: &Arc<OpenMailbox>, needed: Rights) -> Result<Asker, Failure> {
    let leave = Leave::default().on(user(session)?.id(), mailbox, needed);
    Ok(Asker { session: session.id, leave })
}

/// The place of a mailbox argument.
///
/// # Errors
/// The answer to a name that breaks a rule, or leads nowhere.
pub async fn place(session: &Session, arg: &MailboxArg) -> Result<Place, Failure> {
    of_name(session, name(session, arg)?).await
}

/// The place of a name.
///
/// # Errors
/// [`StoreError::NoSuchMailbox`] for a name that leads nowhere, the answer to one that leads to another system, and what the
/// store says.
pub async fn of_name(session: &Session, name: MailboxName) -> Result<Place, Failure> {
    let remote = session.remote(&name);
    let found = here(session, name).await;
    match &found {
        _ if remote.is_empty() => found,
        Ok(place) if place.look().is_some() => found,
        // What is here all the same is used as it is.
        Ok(_) | Err(Failure::Store(StoreError::NoSuchMailbox)) => Err(referral(&remote).into()),
        Err(_) => found,
    }
}

/// The place of a name on this system.
async fn here(session: &Session, name: MailboxName) -> Result<Place, Failure> {
    let own = user(session)?;
    let who = own.id();
    if let Some(rest) = below(&name, OTHERS) {
        let (owner, inner) = rest.split_once(SEPARATOR).ok_or(StoreError::NoSuchMailbox)?;
        let owner = UserId::new(owner).map_err(|_| StoreError::NoSuchMailbox)?;
        let inner = MailboxName::new(inner).map_err(|_| StoreError::NoSuchMailbox)?;
        if !session.server.store.sharers().await?.shares(owner, who) {
            return Err(StoreError::NoSuchMailbox.into());
        }
        let owner = owner_store(session, owner).await?.ok_or(StoreError::NoSuchMailbox)?;
        let name = other_name(owner.id(), &inner).ok_or(StoreError::NoSuchMailbox)?;
        return Ok(Place { owner, inner, name, who });
    }
    if let Some(rest) = below(&name, SHARED) {
        let published = session.server.store.sharers().await?.published();
        let leads = |n: &MailboxName| rest == n.as_str() || below_text(rest, n.as_str()).is_some();
        let found = published.into_iter().filter(|(_, _, how)| leads(&how.name)).last();
        let (owner, id, how) = found.ok_or(StoreError::NoSuchMailbox)?;
        let owner = owner_store(session, owner).await?.ok_or(StoreError::NoSuchMailbox)?;
        let root = owner.catalog().row(id).map(|row| row.name.clone()).ok_or(StoreError::NoSuchMailbox)?;
        let inner = format!("{root}{}", &rest[how.name.as_str().len()..]);
        let inner = MailboxName::new(&inner).map_err(|_| StoreError::NoSuchMailbox)?;
        return Ok(Place { owner, inner, name, who });
    }
    Ok(Place { owner: own, inner: name.clone(), name, who })
}

/// The store of a user who shares; `None` when he is gone.
pub async fn owner_store(session: &Session, owner: UserId) -> Result<Option<Arc<UserStore>>, StoreError> {
    match session.server.store.user(owner).await {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::NotEnrolled) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What follows a namespace in a name.
fn below<'a>(name: &'a MailboxName, namespace: &str) -> Option<&'a str> {
    if name.as_str() == namespace {
        return Some("");
    }
    below_text(name.as_str(), namespace)
}

fn below_text<'a>(name: &'a str, above: &str) -> Option<&'a str> {
    name.strip_prefix(above)?.strip_prefix(SEPARATOR)
}

fn other_name(owner: UserId, inner: &MailboxName) -> Option<MailboxName> {
    MailboxName::new(&format!("{OTHERS}{SEPARATOR}{owner}{SEPARATOR}{inner}")).ok()
}

/// The name that `who` has for a mailbox that he may look up; nothing, when it would be too long.
pub fn name_for(visible: &Visible, who: UserId) -> Option<MailboxName> {
    match &visible.published {
        _ if visible.owner == who => Some(visible.inner.clone()),
        Some(shown) => MailboxName::new(&format!("{SHARED}{SEPARATOR}{shown}")).ok(),
        None => other_name(visible.owner, &visible.inner),
    }
}

/// A name as it is shown: user ids in upper case.
pub fn canonical(name: MailboxName) -> MailboxName {
    let Some(rest) = below(&name, OTHERS).filter(|rest| !rest.is_empty()) else { return name };
    let (owner, inner) = rest.split_once(SEPARATOR).map_or((rest, None), |(o, i)| (o, Some(i)));
    let Ok(owner) = UserId::new(owner) else { return name };
    match inner {
        Some(inner) => MailboxName::new(inner).ok().and_then(|inner| other_name(owner, &inner)),
        None => MailboxName::new(&format!("{OTHERS}{SEPARATOR}{owner}")).ok(),
    }
    .unwrap_or(name)
}

/// Whether a name is that of a namespace or of a user in one, which is no mailbox.
pub fn is_namespace(name: &MailboxName) -> bool {
    below(name, SHARED) == Some("") || below(name, OTHERS).is_some_and(|rest| !rest.contains(SEPARATOR))
}

/// A mailbox of somebody else that the user may look up.
#[derive(Clone)]
pub struct Foreign {
    /// Where it is.
    pub place: Place,
    /// Its row.
    pub row: MailboxRow,
}

/// All mailboxes of others that the user may look up, by the names under which he sees them: a published one and what is
/// below it under the name it was published with, others under their owner.
///
/// # Errors
/// What the store says.
pub async fn foreign(session: &Session) -> Result<BTreeMap<MailboxName, Foreign>, Failure> {
    let who = user(session)?.id();
    let mut found = BTreeMap::new();
    for owner in session.server.store.sharers().await?.of(who) {
        let Some(owner) = owner_store(session, owner).await? else { continue };
        let catalog = owner.catalog();
        let access = &catalog.entries.access;
        let roots: Vec<_> = access
            .all_published()
            .filter_map(|(id, how)| Some((catalog.row(id)?.name.clone(), how.name.clone())))
            .collect();
        for row in catalog.iter().filter(|r| r.attributes.has(Attributes::EXISTS)) {
            let rights = access.rights(row.id, who, owner.id());
            if !rights.has(Rights::LOOKUP) {
                continue;
            }
            let root = roots.iter().filter(|(root, _)| row.name == *root || row.name.is_below(root));
            let name = match root.max_by_key(|(root, _)| root.as_str().len()) {
                Some((root, shown)) => {
                    let rest = &row.name.as_str()[root.as_str().len()..];
                    MailboxName::new(&format!("{SHARED}{SEPARATOR}{shown}{rest}")).ok()
                }
                None => other_name(owner.id(), &row.name),
            };
            // A name that would be too long is not shown.
            let Some(name) = name else { continue };
            let place = Place { owner: owner.clone(), inner: row.name.clone(), name: name.clone(), who };
            let mut row = row.clone();
            // What may be looked up and not read cannot be selected (RFC 9051 section 6.3.9.2).
            if !rights.has(Rights::READ) {
                row.attributes.set(Attributes::NOSELECT, true);
            }
            found.insert(name, Foreign { place, row });
        }
    }
    Ok(found)
}

/// Whether a name is in a namespace of others.
pub fn is_foreign(name: &MailboxName) -> bool {
    below(name, OTHERS).is_some() || below(name, SHARED).is_some()
}

/// What the user may do with the mailbox that he has selected, as things are now.
pub fn rights_in(session: &Session, view: &View) -> Result<Rights, Failure> {
    Ok(view.mailbox.user.rights(view.mailbox.id, user(session)?.id()))
}

/// Fails unless the user has all of `needed` in the mailbox that he has selected.
///
/// # Errors
/// [`StoreError::NoRight`]
pub fn need_in(session: &Session, view: &View, needed: Rights) -> Result<(), Failure> {
    if rights_in(session, view)?.has(needed) { Ok(()) } else { Err(StoreError::NoRight.into()) }
}

/// Whether one who has these rights can change anything.
pub fn can_change(rights: Rights) -> bool {
    rights.has_any(CHANGES)
}

/// Whether one who has these rights is told that the mailbox is read only: where `\Seen` is each reader's own, the right to it changes
/// nothing that others see (RFC 4314 section 5.2).
pub fn is_read_only(rights: Rights, own_seen: bool) -> bool {
    !can_change(if own_seen { rights.without(Rights::SEEN) } else { rights })
}

/// Whether other flags can be kept with these rights than with those.
pub fn keeps_other_flags(rights: Rights, former: Rights) -> bool {
    rights.without(former).and(former.without(rights)).has_any(FLAGS)
}
