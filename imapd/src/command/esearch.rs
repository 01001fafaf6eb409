//! ESEARCH: SEARCH in several mailboxes (RFC 7377)

use std::collections::BTreeSet;

use super::search::{self, SearchKeys};
use super::{Done, name, user};
use crate::mailstore::{Attributes, StoreError};
use crate::session::{Out, Reply, Session, View};
use crate::syntax::ast::{MailboxArg, SearchSource};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::search_key::SearchReturn;

/// Shows for each mailbox that has any which messages match, always by UID, mailboxes in order of their names.
///
/// # Errors
/// When the mail store fails or the client is gone.
pub async fn run(
    session: &mut Session,
    asked: &SearchKeys<'_>,
    sources: &[SearchSource],
    returns: SearchReturn,
    out: &mut Out<'_>,
) -> Done {
    if let Some(refusal) = search::charset_refused(session, asked) {
        return Ok(refusal);
    }
    let here = sources.iter().all(|s| matches!(s, SearchSource::Selected));
    if sources.contains(&SearchSource::Selected) && session.view.is_none() {
        return Ok(Reply::bad("No mailbox is selected"));
    }
    if !here && returns.save {
        return Ok(Reply::bad("SAVE is for the selected mailbox alone"));
    }
    if !here && (asked.key.uses_sequence_numbers() || asked.key.uses_saved()) {
        return Ok(Reply::bad("Message numbers have a meaning in the selected mailbox alone"));
    }
    let names = match wanted(session, sources)? {
        Ok(names) => names,
        Err(reply) => return Ok(reply),
    };
    session.enabled.condstore |= asked.key.uses_modseq();
    let user = user(session)?;
    let selected = session.view.as_ref().map(|view| view.mailbox.clone());
    for name in names {
        let mailbox = match user.open(&name).await {
            Ok(mailbox) => mailbox,
            // Deleted since the names were looked at.
            Err(StoreError::NoSuchMailbox | StoreError::NotSelectable) => continue,
            Err(e) => return Err(e.into()),
        };
        let is_selected = selected.as_ref().is_some_and(|s| std::sync::Arc::ptr_eq(s, &mailbox));
        let other;
        // The selected mailbox is searched as the client knows it.
        let view = match &session.view {
            Some(view) if is_selected => view,
            _ => {
                other = View::new(mailbox, true, false);
                &other
            }
        };
        let hits = match search::find_in(session, view, asked, out).await? {
            Ok(hits) => hits,
            Err(reply) => return Ok(reply),
        };
        if !hits.is_empty() && returns.shows() {
            let modseq = search::modseq_in(view, asked, &hits, Some(returns));
            let place = (&name, view.mailbox.uid_validity, session.enabled.name_form());
            let head = search::correlator(asked.tag, Some(place));
            search::esearch(out.buf, &head, &hits, returns, true, true, modseq);
        }
        out.room().await?;
        if here {
            search::keep(session, &hits, returns);
        }
    }
    Ok(Reply::ok("ESEARCH completed"))
}

/// The mailboxes that the sources name, or the answer to a name that breaks a rule.
fn wanted(
    session: &Session,
    sources: &[SearchSource],
) -> Result<Result<BTreeSet<MailboxName>, Reply>, crate::session::Failure> {
    let named =
        |args: &[MailboxArg]| args.iter().map(|arg| name(session, arg)).collect::<Result<Vec<_>, _>>();
    let user = user(session)?;
    let catalog = user.catalog();
    let there = || catalog.iter().filter(|row| row.selectable());
    let mut names = BTreeSet::new();
    for source in sources {
        match source {
            SearchSource::Selected => {
                let row = session.view.as_ref().and_then(|view| catalog.row(view.mailbox.id));
                names.extend(row.map(|row| row.name.clone()));
            }
            SearchSource::Inboxes => {
                names.insert(MailboxName::inbox());
            }
            SearchSource::Personal => names.extend(there().map(|row| row.name.clone())),
            SearchSource::Subscribed => {
                let rows = there().filter(|row| row.attributes.has(Attributes::SUBSCRIBED));
                names.extend(rows.map(|row| row.name.clone()));
            }
            SearchSource::Mailboxes(args) => match named(args) {
                Ok(list) => names.extend(list),
                Err(reply) => return Ok(Err(reply)),
            },
            SearchSource::Subtree { roots, one_level } => match named(roots) {
                Ok(roots) => {
                    let depth = |n: &MailboxName| n.ancestors().count();
                    let below = |n: &MailboxName, root: &MailboxName| {
                        n == root || (n.is_below(root) && (!one_level || depth(n) == depth(root) + 1))
                    };
                    let rows = there().filter(|row| roots.iter().any(|root| below(&row.name, root)));
                    names.extend(rows.map(|row| row.name.clone()));
                }
                Err(reply) => return Ok(Err(reply)),
            },
        }
    }
    Ok(Ok(names))
}
