//! LSUB, and RLSUB (RFC 2193 section 5.2)

use std::collections::BTreeMap;

use super::list::{Pattern, line};
use super::{Done, place, user};
use crate::mailstore::Attributes;
use crate::mailstore::catalog::Catalog;
use crate::session::{Out, Reply, Session};
use crate::syntax::mailbox_name::MailboxName;

/// Shows the subscribed names that match.
///
/// # Errors
/// When the client is gone.
pub async fn run(
    session: &Session,
    reference: &[u8],
    pattern: &[u8],
    remote: bool,
    out: &mut Out<'_>,
) -> Done {
    let done = if remote { "RLSUB completed" } else { "LSUB completed" };
    let form = session.enabled.name_form();
    let is_too_much = Pattern::is_too_much(reference, pattern);
    let Some(pattern) = Pattern::new(reference, pattern, form) else {
        return Ok(Pattern::done(is_too_much, done));
    };
    let mut found = names(&user(session)?.catalog(), &pattern);
    // Other systems keep what the user has subscribed to there: all that are known are taken as such (RFC 2193 section 4).
    for name in if remote { session.remote_names() } else { Vec::new() } {
        if pattern.matches(&name) {
            found.insert(name, true);
        } else {
            levels(&name, &pattern).for_each(|n| _ = found.entry(n).or_insert(false));
        }
    }
    let others = match found.keys().any(place::is_foreign) {
        true => place::foreign(session).await?,
        false => BTreeMap::new(),
    };
    for (name, own) in found {
        let own = own || others.get(&name).is_some_and(|foreign| foreign.row.selectable());
        line(out.buf, "LSUB", if own { "" } else { "\\Noselect" }, &name, "", form);
        out.room().await?;
    }
    Ok(Reply::ok(done))
}

/// The names above one that `%` matches while the name itself does not (RFC 3501 section 6.3.9). A pattern without it asks for
/// what is subscribed to and nothing else.
fn levels<'a>(name: &'a MailboxName, pattern: &'a Pattern) -> impl Iterator<Item = MailboxName> + 'a {
    name.ancestors().filter(|n| pattern.has_percent() && pattern.matches(n))
}

/// Subscribed names, and the levels above them that are asked for.
fn names(catalog: &Catalog, pattern: &Pattern) -> BTreeMap<MailboxName, bool> {
    let mut found: BTreeMap<MailboxName, bool> = BTreeMap::new();
    for row in catalog.iter().filter(|r| r.attributes.has(Attributes::SUBSCRIBED)) {
        if pattern.matches(&row.name) {
            found.insert(row.name.clone(), row.selectable());
        } else {
            // One that is subscribed to itself is there already, for names come in order.
            levels(&row.name, pattern).for_each(|above| _ = found.entry(above).or_insert(false));
        }
    }
    found
}
