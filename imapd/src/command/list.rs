//! LIST and LSUB

use std::collections::BTreeMap;

use super::{Done, user};
use crate::mailstore::Attributes;
use crate::mailstore::catalog::Catalog;
use crate::session::{Out, Reply, Session};
use crate::syntax::mailbox_name::{MailboxName, SEPARATOR, matches_pattern};
use crate::syntax::{quote, utf7};

/// Longest pattern taken, reference included: the cost of matching is pattern times name. Twice what the longest name
/// takes in modified UTF-7, wildcards included, is beyond any use.
const MAX_PATTERN: usize = 2 * MailboxName::MAX_OCTETS;
/// Most wildcards in a pattern, for the same reason.
const MAX_WILDCARDS: usize = 64;

/// Shows the names that match.
///
/// # Errors
/// When the client is gone.
pub async fn run(
    session: &Session,
    reference: &[u8],
    pattern: &[u8],
    subscribed: bool,
    out: &mut Out<'_>,
) -> Done {
    let word = if subscribed { "LSUB" } else { "LIST" };
    let done = if subscribed { "LSUB completed" } else { "LIST completed" };
    if pattern.is_empty() && !subscribed {
        // Asks for the separator and the root of the reference.
        out.buf.extend_from_slice(format!("* LIST (\\Noselect) \"{SEPARATOR}\" \"\"\r\n").as_bytes());
        return Ok(Reply::ok(done));
    }
    if reference.len() + pattern.len() > MAX_PATTERN {
        return Ok(Reply::no("LIMIT", "Pattern is too long"));
    }
    let full = [reference, pattern].concat();
    if full.iter().filter(|b| matches!(b, b'*' | b'%')).count() > MAX_WILDCARDS {
        return Ok(Reply::no("LIMIT", "Pattern has too many wildcards"));
    }
    // A pattern that is no valid name matches no name.
    let Ok(pattern) = utf7::decode(&full) else { return Ok(Reply::ok(done)) };
    let lines = {
        let user = user(session)?;
        let catalog = user.catalog();
        if subscribed { lsub(&catalog, &pattern) } else { list(&catalog, &pattern) }
    };
    for (attributes, name) in lines {
        out.buf.extend_from_slice(format!("* {word} ({attributes}) \"{SEPARATOR}\" ").as_bytes());
        quote::astring(out.buf, name.to_wire().as_bytes());
        out.buf.extend_from_slice(b"\r\n");
        out.room().await?;
    }
    Ok(Reply::ok(done))
}

fn matches(pattern: &str, name: &MailboxName) -> bool {
    matches_pattern(pattern, name.as_str())
        // INBOX in any case, also within a pattern.
        || (name.as_str().starts_with("INBOX") && pattern.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("INBOX"))
            && matches_pattern(&format!("INBOX{}", &pattern[5..]), name.as_str()))
}

fn list(catalog: &Catalog, pattern: &str) -> Vec<(String, MailboxName)> {
    catalog
        .iter()
        .filter(|r| r.attributes.has(Attributes::EXISTS) && matches(pattern, &r.name))
        .map(|r| {
            let children = if catalog.has_children(&r.name) { "\\HasChildren" } else { "\\HasNoChildren" };
            let noselect = if r.selectable() { "" } else { "\\Noselect " };
            (format!("{noselect}{children}"), r.name.clone())
        })
        .collect()
}

/// Subscribed names; and names above them that `%` matches while they themselves do not (RFC 3501 section 6.3.9).
fn lsub(catalog: &Catalog, pattern: &str) -> Vec<(String, MailboxName)> {
    let mut found: BTreeMap<MailboxName, bool> = BTreeMap::new();
    for row in catalog.iter().filter(|r| r.attributes.has(Attributes::SUBSCRIBED)) {
        if matches(pattern, &row.name) {
            found.insert(row.name.clone(), row.selectable());
        } else {
            for above in row.name.ancestors().filter(|n| matches(pattern, n)) {
                let own = catalog.get(&above).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
                found.entry(above).or_insert(own);
            }
        }
    }
    found.into_iter().map(|(n, ok)| (if ok { String::new() } else { "\\Noselect".into() }, n)).collect()
}
