//! NOTIFY (RFC 5465): takes what a session wants to be told. What happens then is told by [`super::news`] and [`super::updates`].

use std::collections::{BTreeMap, BTreeSet};

use super::place::{self, Foreign};
use super::{Done, list, name, status, updates, user};
use crate::mailstore::{Attributes, MailboxRow, StoreError};
use crate::session::capability::Token;
use crate::session::notify::{Candidate, Events, Filter, Group, Notify, Selected, Wanted};
use crate::session::{Failure, Out, Reply, Session};
use crate::syntax::ast::{EventGroup, NotifyEvent, NotifySet, SearchSource, StatusItem, Watched};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;

/// What a session needs of a mailbox to be told of it (RFC 5465 section 5).
pub(super) const NEEDED: Rights = Rights::LOOKUP.and(Rights::READ);

/// Replaces what the session wants to be told, or ends it.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(session: &mut Session, asked: Option<NotifySet>, out: &mut Out<'_>) -> Done {
    let Some(set) = asked else {
        session.notify = Some(Box::new(Notify::none()));
        return Ok(Reply::ok("NOTIFY completed"));
    };
    if let Some(refusal) = refused(&set, session.offers(Token::Metadata)) {
        return Ok(refusal);
    }
    let status = set.status;
    let Some(notify) = listen(session, wanted(session, set)).await? else {
        return Ok(too_much("Too many users share mailboxes with this one"));
    };
    // What has gathered is told as it was wanted until now (RFC 5465 section 3.1).
    updates::tell(session, true, out).await?;
    let shown = show(session, &notify, status, out).await;
    session.notify = Some(Box::new(notify));
    shown?;
    Ok(Reply::ok("NOTIFY completed"))
}

fn too_much(text: &'static str) -> Reply {
    Reply::no("NOTIFICATIONOVERFLOW", text)
}

/// The answer to what cannot be done or breaks a rule (RFC 5465 sections 3.1, 5 and 6.1).
fn refused(set: &NotifySet, metadata: bool) -> Option<Reply> {
    let events = || set.groups.iter().flat_map(|group| &group.events);
    let unknown = |event: &NotifyEvent| match event {
        NotifyEvent::Other => true,
        NotifyEvent::MailboxMetadataChange | NotifyEvent::ServerMetadataChange => !metadata,
        _ => false,
    };
    if events().any(unknown) {
        let more = if metadata { " MailboxMetadataChange ServerMetadataChange" } else { "" };
        let known = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange";
        return Some(Reply::no(format!("BADEVENT ({known}{more})"), "One of the events is not known here"));
    }
    let selected = set.groups.iter().filter(|g| matches!(g.watched, Watched::Selected { .. })).count();
    if selected > 1 {
        return Some(Reply::bad("The selected mailbox stands there once"));
    }
    if let Some(text) = set.groups.iter().find_map(broken) {
        return Some(Reply::bad(text));
    }
    let names = set.groups.iter().map(|group| match &group.watched {
        Watched::Others(SearchSource::Mailboxes(names) | SearchSource::Subtree { roots: names, .. }) => {
            names.len()
        }
        _ => 0,
    });
    let too_many = set.groups.len() > Notify::MAX_GROUPS || names.sum::<usize>() > Notify::MAX_NAMES;
    too_many.then(|| too_much("Too many event groups or names"))
}

/// The rule that an event group breaks.
fn broken(group: &EventGroup) -> Option<&'static str> {
    let has = |wanted: fn(&NotifyEvent) -> bool| group.events.iter().any(wanted);
    let (new, expunge) =
        (has(|e| matches!(e, NotifyEvent::MessageNew(_))), has(|e| *e == NotifyEvent::MessageExpunge));
    if new != expunge {
        return Some("MessageNew and MessageExpunge go together");
    }
    if has(|e| *e == NotifyEvent::FlagChange) && !new {
        return Some("FlagChange needs MessageNew and MessageExpunge");
    }
    let message = |e: &NotifyEvent| {
        matches!(e, NotifyEvent::MessageNew(_) | NotifyEvent::MessageExpunge | NotifyEvent::FlagChange)
    };
    match group.watched {
        Watched::Selected { .. } if !group.events.iter().all(message) => {
            Some("The selected mailbox has events of messages alone")
        }
        Watched::Others(_) if has(|e| matches!(e, NotifyEvent::MessageNew(items) if !items.is_empty())) => {
            Some("New messages are shown in the selected mailbox alone")
        }
        _ => None,
    }
}

/// What is asked for. Names that are none are passed over, as if there were no such mailbox.
fn wanted(session: &Session, set: NotifySet) -> Wanted {
    let mut wanted = Wanted::default();
    for group in set.groups {
        let events = group.events.iter().fold(Events::default(), |all, event| {
            all.and(match event {
                NotifyEvent::MessageNew(_) | NotifyEvent::MessageExpunge => Events::MESSAGES,
                NotifyEvent::FlagChange => Events::FLAGS,
                NotifyEvent::MailboxName => Events::NAMES,
                NotifyEvent::SubscriptionChange => Events::SUBSCRIPTIONS,
                NotifyEvent::MailboxMetadataChange => Events::METADATA,
                NotifyEvent::ServerMetadataChange => Events::SERVER,
                NotifyEvent::Other => Events::default(),
            })
        });
        let names = |args: Vec<_>| {
            let names = args.into_iter().filter_map(|arg| name(session, &arg).ok());
            names.map(place::canonical).collect::<Vec<MailboxName>>()
        };
        let filter = match group.watched {
            Watched::Selected { delayed } => {
                let shown = group.events.into_iter().find_map(|event| match event {
                    NotifyEvent::MessageNew(items) => Some(items),
                    _ => None,
                });
                wanted.selected = Selected { delayed, events, attributes: shown.unwrap_or_default() };
                continue;
            }
            Watched::Others(SearchSource::Inboxes) => Filter::Inboxes,
            Watched::Others(SearchSource::Personal | SearchSource::Selected) => Filter::Personal,
            Watched::Others(SearchSource::Subscribed) => Filter::Subscribed,
            Watched::Others(SearchSource::Mailboxes(args)) => {
                Filter::Names(names(args).into_iter().collect::<BTreeSet<_>>())
            }
            Watched::Others(SearchSource::Subtree { roots, one_level }) => {
                Filter::Below { roots: names(roots), one_level }
            }
        };
        wanted.groups.push(Group { filter, events });
    }
    wanted
}

/// Whether mailboxes of others may be meant.
fn reaches_others(wanted: &Wanted) -> bool {
    let reaches = |filter: &Filter| match filter {
        Filter::Inboxes | Filter::Personal => false,
        Filter::Subscribed => true,
        Filter::Names(names) => names.iter().any(place::is_foreign),
        Filter::Below { roots, .. } => roots.iter().any(place::is_foreign),
    };
    wanted.groups.iter().any(|group| !group.events.is_empty() && reaches(&group.filter))
}

/// Listens from now on where something may happen that is wanted; nothing, when that would be too much.
async fn listen(session: &Session, wanted: Wanted) -> Result<Option<Notify>, Failure> {
    let own = user(session)?;
    let mut notify = Notify { reaches_others: reaches_others(&wanted), wanted, ..Notify::none() };
    let all = notify.wanted.all();
    if !all.is_empty() {
        notify.own = Some(own.news().listen(notify.bell.clone()));
    }
    if notify.reaches_others || all.has(Events::SERVER) {
        notify.everybody = Some(session.server.store.everybody().listen(notify.bell.clone()));
    }
    if notify.reaches_others {
        let owners = session.server.store.sharers().await?.of(own.id());
        if owners.len() > Notify::MAX_OTHERS {
            return Ok(None);
        }
        for owner in owners {
            if let Some(owner) = place::owner_store(session, owner).await? {
                let listener = owner.news().listen(notify.bell.clone());
                notify.others.push((owner, listener));
            }
        }
    }
    Ok(Some(notify))
}

/// Shows figures of the mailboxes when these are wanted, and names those that the user may look up but not read.
async fn show(session: &Session, notify: &Notify, figures: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let wanted = &notify.wanted;
    let own = user(session)?;
    let form = session.enabled.name_form();
    let names: Vec<(MailboxName, Events)> = {
        let catalog = own.catalog();
        let events = |row: &MailboxRow| {
            let subscribed = row.attributes.has(Attributes::SUBSCRIBED);
            wanted.of(Candidate { name: &row.name, own: true, subscribed })
        };
        let rows = catalog.iter().filter(|row| figures && row.selectable());
        rows.map(|row| (row.name.clone(), events(row))).filter(|(_, e)| e.has(Events::MESSAGES)).collect()
    };
    for (name, events) in names {
        let row = own.catalog().get(&name).cloned();
        let Some(row) = row.filter(|row| session.selected() != Some((own.id(), row.id))) else { continue };
        let items = items(events, session.offers(Token::Condstore));
        gone_is_fine(status::show(out.buf, (&own, own.id(), &name), &row, &items, form, None).await)?;
        out.room().await?;
    }
    let others = if notify.reaches_others { place::foreign(session).await? } else { BTreeMap::new() };
    for (name, Foreign { place, row }) in others {
        let subscribed = own.catalog().get(&name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
        let events = wanted.of(Candidate { name: &name, own: false, subscribed });
        let rights = place.owner.rights(row.id, own.id());
        if events.is_empty() || !rights.has(Rights::LOOKUP) {
            continue;
        }
        if !rights.has(NEEDED) {
            list::told(session, &name, &list::Told::default(), out.buf).await?;
        } else if figures
            && row.selectable()
            && events.has(Events::MESSAGES)
            && session.selected() != Some((place.owner.id(), row.id))
        {
            let items = items(events, session.offers(Token::Condstore));
            gone_is_fine(
                status::show(out.buf, (&place.owner, own.id(), &name), &row, &items, form, None).await,
            )?;
        }
        out.room().await?;
    }
    Ok(())
}

/// The figures that tell of these events.
pub(super) fn items(events: Events, modseq: bool) -> Vec<StatusItem> {
    let mut items = vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
    if events.has(Events::FLAGS) {
        items.push(StatusItem::Unseen);
    }
    if modseq {
        items.push(StatusItem::HighestModSeq);
    }
    items
}

/// A mailbox that was deleted meanwhile, or may be read no more, has no figures.
pub(super) fn gone_is_fine(shown: Result<(), StoreError>) -> Result<(), StoreError> {
    match shown {
        Err(StoreError::NoSuchMailbox | StoreError::NotSelectable | StoreError::NoRight) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Status;
    use crate::syntax::ast::MailboxArg;

    fn set(groups: usize, names: usize) -> NotifySet {
        let all = vec![MailboxArg(b"x".to_vec()); names];
        let watched = Watched::Others(SearchSource::Mailboxes(all));
        let group = EventGroup { watched, events: vec![NotifyEvent::MailboxName] };
        let empty = EventGroup { watched: Watched::Others(SearchSource::Personal), events: Vec::new() };
        let mut groups = vec![empty; groups - 1];
        groups.push(group);
        NotifySet { status: false, groups }
    }

    #[test]
    fn limits_at_and_past() {
        assert_eq!(refused(&set(Notify::MAX_GROUPS, Notify::MAX_NAMES), true), None);
        for (groups, names) in [(Notify::MAX_GROUPS + 1, 1), (1, Notify::MAX_NAMES + 1)] {
            let reply = refused(&set(groups, names), true).unwrap();
            assert_eq!((reply.status, reply.code.as_deref()), (Status::No, Some("NOTIFICATIONOVERFLOW")));
        }
    }

    #[test]
    fn rules_of_events() {
        use NotifyEvent::{
            FlagChange, MailboxMetadataChange, MailboxName, MessageExpunge, MessageNew, Other,
        };
        let new = || MessageNew(Vec::new());
        let answer = |watched: Watched, events: Vec<NotifyEvent>| {
            let set = NotifySet { status: false, groups: vec![EventGroup { watched, events }] };
            refused(&set, false).map(|reply| reply.status)
        };
        let others = || Watched::Others(SearchSource::Personal);
        let selected = || Watched::Selected { delayed: true };
        assert_eq!(answer(others(), vec![]), None);
        assert_eq!(answer(others(), vec![new(), MessageExpunge, FlagChange, MailboxName]), None);
        assert_eq!(answer(others(), vec![new()]), Some(Status::Bad));
        assert_eq!(answer(others(), vec![MessageExpunge]), Some(Status::Bad));
        assert_eq!(answer(others(), vec![FlagChange]), Some(Status::Bad));
        let shown = MessageNew(vec![crate::syntax::ast::FetchItem::Uid]);
        assert_eq!(answer(others(), vec![shown.clone(), MessageExpunge]), Some(Status::Bad));
        assert_eq!(answer(selected(), vec![shown, MessageExpunge]), None);
        assert_eq!(answer(selected(), vec![MailboxName]), Some(Status::Bad));
        // What is not known comes before the rules.
        assert_eq!(answer(selected(), vec![Other]), Some(Status::No));
        assert_eq!(answer(others(), vec![MailboxMetadataChange]), Some(Status::No));
    }
}
