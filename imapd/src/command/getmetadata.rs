//! GETMETADATA (RFC 5464): annotations of a mailbox, or with an empty name of the server.
//!
//! Private entries are each user's own, of the server as of mailboxes of others; shared ones of the server say what the
//! configuration says, those of a mailbox are seen by all who can see it.

use super::place::{Place, place};
use super::{Done, user};
use crate::mailstore::entries::{OF_USER, SPECIAL_USE};
use crate::mailstore::{MailboxId, StoreError, UserStore};
use crate::session::{About, Out, Reply, Session};
use crate::syntax::ast::{Depth, MailboxArg, MetadataOptions};
use crate::syntax::mailbox_name::NameForm;
use crate::syntax::quote;
use crate::syntax::rights::Rights;

/// Shows annotations.
///
/// # Errors
/// When the mailbox does not exist.
pub async fn run(
    session: &mut Session,
    mailbox: MailboxArg,
    options: MetadataOptions,
    entries: &[String],
    out: &mut Out<'_>,
) -> Done {
    if let Some(reply) = entries.iter().find_map(|entry| check(entry).err()) {
        return Ok(reply);
    }
    let form = session.enabled.name_form();
    let longest = if mailbox.0.is_empty() {
        show(out.buf, &Of::Server(&*user(session)?, &session.server.about.load()), options, entries, form)
    } else {
        let place = place(session, &mailbox).await?;
        let (row, rights) = place.need(Rights::LOOKUP)?;
        if !rights.has_any(TOUCH) {
            return Err(StoreError::NoRight.into());
        }
        show(out.buf, &Of::Mailbox(&place, row.id), options, entries, form)
    };
    const DONE: &str = "GETMETADATA completed";
    Ok(match longest {
        Some(size) => Reply::ok_code(format!("METADATA LONGENTRIES {size}"), DONE),
        None => Reply::ok(DONE),
    })
}

/// Whether an entry can be asked for (RFC 5464 section 3.2); one of the two scopes alone stands for what is below.
pub(super) fn check(entry: &str) -> Result<(), Reply> {
    let scoped = ["/private", "/shared"].iter().filter_map(|scope| entry.strip_prefix(scope));
    let scoped = scoped.into_iter().any(|rest| rest.is_empty() || rest.starts_with('/'));
    let odd = |c: char| matches!(c, '*' | '%') || !c.is_ascii() || c.is_ascii_control();
    if !scoped || entry.ends_with('/') || entry.contains("//") || entry.chars().any(odd) {
        return Err(Reply::bad("An entry is /private/name or /shared/name"));
    }
    Ok(())
}

/// One of these makes annotations visible and changeable, together with `l` (RFC 5464 section 3.3).
pub(super) const TOUCH: Rights =
    Rights::READ.and(Rights::SEEN).and(Rights::WRITE).and(Rights::INSERT).and(Rights::POST);

/// What has annotations.
pub(super) enum Of<'a> {
    /// The server, and the user's own of it.
    Server(&'a UserStore, &'a About),
    /// A mailbox that was looked up.
    Mailbox(&'a Place, MailboxId),
}

/// How the entry of a mailbox is kept: private ones of others than the owner with their user id before it.
pub(super) fn kept_as(place: &Place, entry: &str) -> String {
    match entry.starts_with("/private") && !place.is_own() {
        true => format!("@{}{entry}", place.who()),
        false => entry.to_owned(),
    }
}

/// Appends the METADATA response; the size of the longest value left out for its length. RFC 5464 section 4.2 has the response
/// required, and `nstring` as value: an entry that has none is NIL. Where depths are asked for, section 4.2.2 has only what exists.
pub(super) fn show(
    out: &mut Vec<u8>,
    of: &Of<'_>,
    options: MetadataOptions,
    asked: &[String],
    form: NameForm,
) -> Option<usize> {
    let wanted = |name: &str| asked.iter().any(|entry| is_wanted(name, entry, options.depth));
    let (user, place, about, id) = match of {
        Of::Server(user, about) => (*user, None, Some(*about), OF_USER),
        Of::Mailbox(place, id) => (&*place.owner, Some(*place), None, *id),
    };
    let catalog = user.catalog();
    let mine = place.filter(|p| !p.is_own()).map(|p| format!("@{}", p.who()));
    let own = catalog.entries.annotations(id).filter_map(|(name, value)| {
        let name = match &mine {
            Some(mine) if !name.starts_with("/shared") => name.strip_prefix(mine.as_str())?,
            _ => name,
        };
        Some((name, &value[..]))
    });
    let own = own.filter(|(name, _)| name.starts_with('/') && *name != SPECIAL_USE);
    // What a mailbox is used for is its owner's affair.
    let uses = place.filter(|p| p.is_own()).and_then(|_| catalog.row(id)).map(|row| row.attributes.uses());
    let uses = uses.map(|uses| uses.collect::<Vec<_>>().join(" ")).filter(|uses| !uses.is_empty());
    let uses = uses.iter().map(|uses| (SPECIAL_USE, uses.as_bytes()));
    let said = [
        ("/shared/admin", about.and_then(|a| a.admin.as_deref())),
        ("/shared/comment", about.and_then(|a| a.comment.as_deref())),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes())));
    let mut longest = None;
    let mut found = Vec::new();
    let mut answered = vec![false; asked.len()];
    for (name, value) in own.chain(uses).chain(said).filter(|(name, _)| wanted(name)) {
        for (answered, entry) in answered.iter_mut().zip(asked) {
            *answered |= is_wanted(name, entry, options.depth);
        }
        if options.max_size.is_some_and(|most| value.len() > most as usize) {
            longest = longest.max(Some(value.len()));
            continue;
        }
        separate(&mut found);
        write_entry(&mut found, name, value);
    }
    let missing =
        asked.iter().zip(answered).filter(|(_, answered)| !answered && options.depth == Depth::Zero);
    for (entry, _) in missing {
        separate(&mut found);
        quote::astring(&mut found, entry.as_bytes());
        found.extend_from_slice(b" NIL");
    }
    if !found.is_empty() {
        out.extend_from_slice(b"* METADATA ");
        match place {
            Some(place) => place.name.write(out, form),
            None => out.extend_from_slice(b"\"\""),
        }
        out.extend_from_slice(b" (");
        out.extend_from_slice(&found);
        out.extend_from_slice(b")\r\n");
    }
    longest
}

fn separate(entries: &mut Vec<u8>) {
    if !entries.is_empty() {
        entries.push(b' ');
    }
}

fn write_entry(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    quote::astring(out, name.as_bytes());
    out.push(b' ');
    if value.contains(&0) {
        // Only a binary literal can carry it.
        out.extend_from_slice(format!("~{{{}}}\r\n", value.len()).as_bytes());
        out.extend_from_slice(value);
    } else {
        quote::string(out, value);
    }
}

fn is_wanted(name: &str, entry: &str, depth: Depth) -> bool {
    let Some(rest) = name.strip_prefix(entry) else { return false };
    match (depth, rest.strip_prefix('/')) {
        (_, None) => rest.is_empty(),
        (Depth::Zero, Some(_)) => false,
        (Depth::One, Some(below)) => !below.contains('/'),
        (Depth::Infinity, Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["/private", "/private/comment", "/shared/vendor/x/y"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "comment", "/privates", "/private/", "/shared//x", "/private/a*", "/private/\u{e4}"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn depths() {
        let wanted = |name, depth| is_wanted(name, "/private/a", depth);
        assert!(wanted("/private/a", Depth::Zero) && !wanted("/private/a/b", Depth::Zero));
        assert!(wanted("/private/a/b", Depth::One) && !wanted("/private/a/b/c", Depth::One));
        assert!(wanted("/private/a/b/c", Depth::Infinity) && !wanted("/private/ab", Depth::Infinity));
    }
}
