//! ESEARCH: SEARCH in several mailboxes (RFC 7377)

use std::collections::BTreeMap;

use super::place::{self, Place};
use super::search::{self, SearchKeys};
use super::{Done, name, updates, user};
use crate::mailstore::{Attributes, MailboxRow, StoreError};
use crate::session::context::Matches;
use crate::session::{Failure, Out, Reply, Session, View, context, message_limit};
use crate::syntax::ast::{FetchItem, SearchSource};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::syntax::search_key::SearchReturn;

/// Shows for each mailbox that has any which messages match, always by UID, mailboxes in order of their names.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    sources: &[SearchSource],
    (returns, attributes): (SearchReturn, Vec<FetchItem>),
    out: &mut Out<'_>,
) -> Done {
    let here = sources.iter().all(|s| matches!(s, SearchSource::Selected));
    if let Some(refusal) = refused(session, asked, sources, returns) {
        return Ok(refusal);
    }
    let places = wanted(session, sources).await?;
    if asked.key.uses_modseq() {
        session.keeps_modseqs(out.buf);
    }
    let selected = session.view.as_ref().map(|view| view.mailbox.clone());
    let (mut looked_at, mut kept_up) = (0, None);
    for (name, place) in places {
        // What may not be read is passed over (RFC 7377 section 2.2).
        let mailbox = match place.open(Rights::READ).await {
            Ok((mailbox, _)) => mailbox,
            // Deleted since the names were looked at.
            Err(StoreError::NoSuchMailbox | StoreError::NotSelectable | StoreError::NoRight) => continue,
            Err(e) => return Err(e.into()),
        };
        let is_selected = selected.as_ref().is_some_and(|s| std::sync::Arc::ptr_eq(s, &mailbox));
        let other;
        // The selected mailbox is searched as the client knows it.
        let view = match &session.view {
            Some(view) if is_selected => view,
            _ => {
                let mut view = View::new(&mailbox, &mailbox.state(), true, false);
                view.reader = place.reader();
                other = view;
                &other
            }
        };
        if let Some(limit) = session.command_limit().filter(|_| !here) {
            looked_at += message_limit::looked_at(view, asked.key, 0).0;
            if looked_at > limit.messages as usize {
                return Ok(limit.refusal(None));
            }
        }
        let found = match search::find_in(session, view, asked, out).await? {
            Ok(found) => found,
            Err(reply) => return Ok(reply),
        };
        let place = (&name, view.mailbox.uid_validity, session.enabled.name_form());
        let head = search::correlator(asked.tag, Some(place));
        if !found.hits.is_empty() && returns.shows() {
            let modseq = search::modseq_in(view, asked, &found.hits, Some(returns));
            search::esearch(out.buf, &head, &found, returns, true, true, modseq);
        }
        if is_selected && returns.update {
            kept_up = Some((head, Matches::Plain(search::uids(&found.hits))));
        }
        out.room().await?;
        if here {
            search::keep(session, &found.hits, returns);
        }
    }
    match kept_up {
        Some((head, matches)) => updates::begin(session, asked, head, matches, attributes, out.buf),
        // In no other mailbox (RFC 7377 section 2.2).
        None if returns.update => context::write_refused(out.buf, asked.tag),
        None => {}
    }
    Ok(Reply::ok("ESEARCH completed"))
}

/// Why it cannot be searched, if so.
fn refused(
    session: &Session,
    asked: &SearchKeys<'_>,
    sources: &[SearchSource],
    returns: SearchReturn,
) -> Option<Reply> {
    let refusal = search::charset_refused(session, asked)
        .or_else(|| updates::refused(session, asked, Some(returns)))
        .or_else(|| search::relevancy_refused(asked, Some(returns), false));
    if refusal.is_some() {
        return refusal;
    }
    let here = sources.iter().all(|s| matches!(s, SearchSource::Selected));
    let why = if returns.update && session.view.is_none() {
        "UPDATE needs a selected mailbox"
    } else if sources.contains(&SearchSource::Selected) && session.view.is_none() {
        "No mailbox is selected"
    } else if !here && returns.save {
        "SAVE is for the selected mailbox alone"
    } else if !here && (asked.key.uses_sequence_numbers() || asked.key.uses_saved()) {
        "Message numbers have a meaning in the selected mailbox alone"
    } else {
        return None;
    };
    Some(Reply::client_bug(why))
}

/// The mailboxes that the sources name, by the names that the user has for them.
async fn wanted(
    session: &Session,
    sources: &[SearchSource],
) -> Result<BTreeMap<MailboxName, Place>, Failure> {
    let mut found = BTreeMap::new();
    for source in sources {
        match source {
            SearchSource::Selected => {
                if let Some(view) = &session.view {
                    let here = selected(session, view).await?;
                    found.extend(here.map(|place| (place.name.clone(), place)));
                }
            }
            SearchSource::Inboxes => add(session, &mut found, [MailboxName::inbox()], Rights::LOOKUP).await?,
            SearchSource::Personal => {
                let names = own(session, |_| true)?;
                add(session, &mut found, names, Rights::LOOKUP).await?;
            }
            SearchSource::Subscribed => {
                let names = own(session, |row| row.attributes.has(Attributes::SUBSCRIBED))?;
                add(session, &mut found, names, Rights::LOOKUP).await?;
                let others = |row: &MailboxRow| {
                    row.attributes.has(Attributes::SUBSCRIBED) && place::is_foreign(&row.name)
                };
                let names: Vec<_> = {
                    let user = user(session)?;
                    let catalog = user.catalog();
                    catalog.iter().filter(|r| others(r)).map(|r| r.name.clone()).collect()
                };
                add(session, &mut found, names, Rights::LOOKUP).await?;
            }
            SearchSource::Mailboxes(args) => {
                let names: Result<Vec<_>, _> = args.iter().map(|arg| name(session, arg)).collect();
                add(session, &mut found, names?, Rights::NONE).await?;
            }
            SearchSource::Subtree { roots, one_level } => {
                let roots: Result<Vec<_>, _> = roots.iter().map(|arg| name(session, arg)).collect();
                let roots = roots?;
                let depth = |n: &MailboxName| n.ancestors().count();
                let below = |n: &MailboxName, root: &MailboxName| {
                    n == root || (n.is_below(root) && (!one_level || depth(n) == depth(root) + 1))
                };
                let named = |n: &MailboxName| roots.iter().any(|root| below(n, root));
                let names = own(session, |row| named(&row.name))?;
                add(session, &mut found, names, Rights::LOOKUP).await?;
                if roots.iter().any(place::is_foreign) {
                    let others = place::foreign(session).await?;
                    found.extend(others.into_iter().filter(|(n, _)| named(n)).map(|(n, f)| (n, f.place)));
                }
            }
        }
    }
    Ok(found)
}

/// The names of the user's own mailboxes that are there.
fn own(session: &Session, wanted: impl Fn(&MailboxRow) -> bool) -> Result<Vec<MailboxName>, Failure> {
    let user = user(session)?;
    let catalog = user.catalog();
    let rows = catalog.iter().filter(|row| row.selectable() && wanted(row));
    Ok(rows.map(|row| row.name.clone()).collect())
}

/// Adds the places of names; one that leads nowhere is passed over, and one where the user has not what is `needed`: `l` for names
/// that he has not said himself (RFC 7377 section 2.2).
async fn add(
    session: &Session,
    found: &mut BTreeMap<MailboxName, Place>,
    names: impl IntoIterator<Item = MailboxName>,
    needed: Rights,
) -> Result<(), Failure> {
    for name in names {
        match place::of_name(session, name).await {
            Ok(place) if place.look().is_some_and(|(_, rights)| rights.has(needed)) => {
                found.insert(place.name.clone(), place);
            }
            Ok(_) => {}
            Err(Failure::Store(StoreError::NoSuchMailbox)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The place of the selected mailbox, by the name that it has now.
async fn selected(session: &Session, view: &View) -> Result<Option<Place>, Failure> {
    let name = match &view.foreign_name {
        Some(name) => Some(name.clone()),
        None => user(session)?.catalog().row(view.mailbox.id).map(|row| row.name.clone()),
    };
    match name {
        Some(name) => place::of_name(session, name).await.map(Some),
        None => Ok(None),
    }
}
