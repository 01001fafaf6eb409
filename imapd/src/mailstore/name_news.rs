//! What sessions are told of changes of names, annotations and rights: noted before the change, completed after it.

use std::sync::Arc;

use super::backend::Op;
use super::catalog::Catalog;
use super::entries;
use super::news::{News, Posted, Visible};
use super::types::{Attributes, MailboxId, MailboxRow, SessionId};
use super::user::{Request, UserStore};
use crate::syntax::mailbox_name::MailboxName;

/// What is known before the change.
pub(super) struct Draft {
    by: SessionId,
    /// Mailboxes as they are before it.
    mailboxes: Vec<(MailboxId, Option<Visible>)>,
    /// What goes with a name that becomes another, as it is before it.
    below: Vec<(MailboxId, Option<Visible>)>,
    /// Whether rights change, not names.
    rights: bool,
    /// The name that INBOX is renamed to, and INBOX, which stays all the same.
    inbox: Option<(MailboxName, Visible)>,
    /// What is known already.
    news: Option<News>,
}

fn exists(row: &&MailboxRow) -> bool {
    row.attributes.has(Attributes::EXISTS)
}

/// The mailbox of whose name nothing stays.
fn dropped(op: &Op) -> Option<MailboxId> {
    match op {
        Op::DropRow { id, .. } => Some(*id),
        _ => None,
    }
}

impl UserStore {
    /// Notes what a change is about to do; nothing, when nobody listens.
    pub(super) fn draft(&self, request: &Request, ops: &[Op], rows: &[MailboxRow]) -> Option<Draft> {
        let rights = matches!(request, Request::Access { .. } | Request::SeenMode { .. });
        if !(if rights { self.everybody() } else { self.news() }).is_heard() {
            return None;
        }
        let catalog = self.catalog();
        let (mut ids, mut with_it, mut news, mut inbox) = (Vec::new(), Vec::new(), None, None);
        let visible = |row: &MailboxRow| Visible::new(self.id(), &catalog, row);
        let by = match request {
            Request::Create { by, .. } => {
                ids.extend(rows.iter().map(|row| row.id));
                *by
            }
            Request::RenameInbox { inbox: from, to, by } => {
                inbox = catalog.row(from.id).map(|row| (to.clone(), visible(row)));
                ids.extend(rows.iter().map(|row| row.id));
                *by
            }
            Request::Delete { by, .. } => {
                ids.extend(rows.iter().map(|row| row.id));
                ids.extend(ops.iter().filter_map(dropped));
                *by
            }
            Request::Rename { from, by, .. } => {
                // What is below goes with it and is not told of (RFC 5465 section 5.4), but to those who do not see the other.
                let below =
                    |row: &&MailboxRow| catalog.row(row.id).is_some_and(|old| old.name.is_below(from));
                let root = catalog.get(from).map(visible);
                let alike = |row: &&MailboxRow| root.as_ref().is_some_and(|r| r.is_given_as(&visible(row)));
                ids.extend(rows.iter().filter(|row| !below(row)).map(|row| row.id));
                with_it.extend(rows.iter().filter(below).filter(|row| !alike(row)).map(|row| row.id));
                ids.extend(ops.iter().filter_map(dropped));
                *by
            }
            Request::Subscribe { name, by, .. } => {
                news = Some(News::Subscription(name.clone()));
                *by
            }
            Request::Annotate { name, by, .. } => {
                news = annotations(self, &catalog, name.as_ref(), (ops, rows));
                *by
            }
            Request::Access { name, .. } | Request::SeenMode { name, .. } => {
                ids.extend(catalog.get(name).into_iter().chain(catalog.below(name)).map(|row| row.id));
                SessionId::NOBODY
            }
            _ => return None,
        };
        let of = |id| catalog.row(id).filter(exists).map(visible);
        let as_it_is = |ids: Vec<MailboxId>| ids.into_iter().map(|id| (id, of(id))).collect();
        let (mailboxes, below) = (as_it_is(ids), as_it_is(with_it));
        Some(Draft { by, mailboxes, below, rights, inbox, news })
    }

    /// Tells what a change has done.
    pub(super) fn tell(&self, draft: Draft) {
        let Draft { by, mailboxes, below, rights, mut inbox, news } = draft;
        let posted = {
            let catalog = self.catalog();
            let of_mailbox = |(id, before): (MailboxId, Option<Visible>)| {
                let row = catalog.row(id).filter(exists);
                let after = row.map(|row| Visible::new(self.id(), &catalog, row));
                let from_inbox = row.is_some_and(|row| inbox.as_ref().is_some_and(|(to, _)| row.name == *to));
                let before = if from_inbox { inbox.take().map(|(_, inbox)| inbox) } else { before };
                match rights {
                    _ if before.is_none() && after.is_none() => None,
                    true if before == after => None,
                    true => Some(News::Access { before, after }),
                    false => Some(News::Name { before, after }),
                }
            };
            let below = below.into_iter().map(|(id, before)| {
                let after = catalog.row(id).filter(exists).map(|row| Visible::new(self.id(), &catalog, row));
                News::Below { before, after }
            });
            let all = mailboxes.into_iter().filter_map(of_mailbox).chain(below).chain(news);
            all.map(|news| Posted { news, by }).collect::<Vec<_>>()
        };
        if rights { self.everybody() } else { self.news() }.post(posted);
    }

    /// Tells that nobody can see anything of this user any more.
    pub(super) fn tell_gone(&self) {
        if !self.everybody().is_heard() {
            return;
        }
        let posted: Vec<Posted> = {
            let catalog = self.catalog();
            let before = catalog.iter().filter(exists).map(|row| Visible::new(self.id(), &catalog, row));
            let news = before.map(|before| News::Access { before: Some(before), after: None });
            news.map(|news| Posted { news, by: SessionId::NOBODY }).collect()
        };
        self.everybody().post(posted);
    }
}

/// Which annotations change.
fn annotations(
    user: &UserStore,
    catalog: &Catalog,
    name: Option<&MailboxName>,
    (ops, rows): (&[Op], &[MailboxRow]),
) -> Option<News> {
    let row = name.map(|name| catalog.get(name));
    let id = match row {
        None => entries::OF_USER,
        Some(row) => row?.id,
    };
    let new = ops.iter().find_map(|op| match op {
        Op::PutEntries(entries) => Some(entries),
        _ => None,
    });
    let new = new.unwrap_or(&catalog.entries);
    let old: Vec<_> = catalog.entries.annotations(id).collect();
    let now: Vec<_> = new.annotations(id).collect();
    let changed =
        old.iter().filter(|pair| !now.contains(pair)).chain(now.iter().filter(|pair| !old.contains(pair)));
    let mut names: Vec<String> = changed.map(|(name, _)| (*name).to_owned()).collect();
    let uses = |row: &MailboxRow| row.attributes.0 & Attributes::ALL_USES;
    if rows.iter().any(|new| row.flatten().is_some_and(|old| uses(old) != uses(new))) {
        names.push(entries::SPECIAL_USE.to_owned());
    }
    names.sort_unstable();
    names.dedup();
    let of = row.flatten().map(|row| Visible::new(user.id(), catalog, row));
    Some(News::Annotations(of, Arc::from(names)))
}
