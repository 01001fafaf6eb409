//! LIST with selection and return options (RFC 5258, RFC 5819, RFC 6154), and RLIST (RFC 2193 section 5.1).
//!
//! Children and special uses are shown whether asked for or not: both are attributes that a client may ignore, and
//! several clients look for them without asking.

use std::collections::BTreeMap;

use super::place::{self, Foreign, Place};
use super::{Done, acl, getmetadata, old_name, status, user};
use crate::mailstore::catalog::Catalog;
use crate::mailstore::{Attributes, MailboxRow, StoreError};
use crate::session::{Failure, Out, Reply, Session};
use crate::syntax::ast::{ListArgs, ListReturn, MailboxArg, MetadataOptions, StatusItem};
use crate::syntax::mailbox_name::{MailboxName, NameForm, SEPARATOR, matches_pattern, nfc};
use crate::syntax::quote;
use crate::syntax::rights::Rights;

/// Longest pattern taken, reference included: the cost of matching is pattern times name. Twice what the longest name
/// takes in modified UTF-7, wildcards included, is beyond any use.
const MAX_PATTERN: usize = 2 * MailboxName::MAX_OCTETS;
/// Most wildcards in a pattern, for the same reason.
const MAX_WILDCARDS: usize = 64;

/// A pattern with its reference, as text.
pub(super) struct Pattern(String);

impl Pattern {
    /// Checks and decodes a pattern; `None` for one that is no valid name, or that is not accepted, which must be ignored in silence
    /// (RFC 5258 section 3).
    pub(super) fn new(reference: &[u8], pattern: &[u8], form: NameForm) -> Option<Self> {
        if Self::is_too_much(reference, pattern) {
            return None;
        }
        let full = [reference, pattern].concat();
        form.decode(&full).ok().map(|text| Self(nfc(&text).into_owned()))
    }

    /// Whether a pattern is beyond the limits: it matches nothing, and its client is told so.
    pub(super) fn is_too_much(reference: &[u8], pattern: &[u8]) -> bool {
        let wildcards = reference.iter().chain(pattern).filter(|b| matches!(b, b'*' | b'%'));
        reference.len() + pattern.len() > MAX_PATTERN || wildcards.count() > MAX_WILDCARDS
    }

    /// The answer `text`, with the response code LIMIT when one of the patterns was beyond the limits. Others are as good as before,
    /// so that it is OK (RFC 5258 section 3).
    pub(super) fn done(is_too_much: bool, text: &'static str) -> Reply {
        if is_too_much {
            Reply::ok_code("LIMIT", "A pattern is too long or has too many wildcards")
        } else {
            Reply::ok(text)
        }
    }

    /// Whether it has the wildcard that stops at the separator.
    pub(super) fn has_percent(&self) -> bool {
        self.0.contains('%')
    }

    /// Whether it may match a name in the namespaces of others.
    pub(super) fn reaches_others(&self) -> bool {
        let fixed = &self.0[..self.0.find(['*', '%']).unwrap_or(self.0.len())];
        [place::OTHERS, place::SHARED].iter().any(|n| n.starts_with(fixed) || fixed.starts_with(n))
    }

    /// Whether a name matches; INBOX in any case, also within a pattern.
    pub(super) fn matches(&self, name: &MailboxName) -> bool {
        let pattern = self.0.as_str();
        matches_pattern(pattern, name.as_str())
            || (name.as_str().starts_with("INBOX")
                && pattern.get(..5).is_some_and(|p| p.eq_ignore_ascii_case("INBOX"))
                && matches_pattern(&format!("INBOX{}", &pattern[5..]), name.as_str()))
    }
}

/// Appends a LIST or LSUB response; `extra` is extended data with a blank before it.
pub(super) fn line(
    out: &mut Vec<u8>,
    word: &str,
    attributes: &str,
    name: &MailboxName,
    extra: &str,
    form: NameForm,
) {
    for part in ["* ", word, " (", attributes, ") \"", SEPARATOR.encode_utf8(&mut [0; 4]), "\" "] {
        out.extend_from_slice(part.as_bytes());
    }
    name.write(out, form);
    out.extend_from_slice(extra.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What is known of a name that is to be shown.
#[derive(Default)]
struct Found {
    attributes: Attributes,
    /// The mailbox of somebody else that it is; few are.
    foreign: Option<Box<Foreign>>,
    /// Whether it is on another system.
    remote: bool,
    /// Whether it meets the selection options itself.
    own: bool,
    /// Whether a name below meets them; of what does not meet them itself, one that does not match the pattern.
    child: bool,
    children: bool,
}

/// Shows the names that match.
///
/// # Errors
/// When the client is gone.
pub async fn run(session: &mut Session, args: &ListArgs, out: &mut Out<'_>) -> Done {
    const DONE: &str = "LIST completed";
    if !args.extended && args.patterns.iter().all(Vec::is_empty) {
        // Asks for the separator and the root of the reference.
        out.buf.extend_from_slice(format!("* LIST (\\Noselect) \"{SEPARATOR}\" \"\"\r\n").as_bytes());
        return Ok(Reply::ok(DONE));
    }
    let form = session.enabled.name_form();
    // In the extended form an empty pattern matches nothing (RFC 5258 section 3).
    let patterns = args.patterns.iter().filter(|p| !p.is_empty());
    let patterns: Vec<Pattern> =
        patterns.filter_map(|pattern| Pattern::new(&args.reference, pattern, form)).collect();
    if let Some(reply) = args.returns.metadata.iter().find_map(|entry| getmetadata::check(entry).err()) {
        return Ok(reply);
    }
    let status = args.returns.status.as_ref();
    if status.is_some_and(|items| items.contains(&StatusItem::HighestModSeq)) {
        session.keeps_modseqs(out.buf);
    }
    let user = user(session)?;
    let others = match patterns.iter().any(Pattern::reaches_others) {
        true => place::foreign(session).await?,
        false => BTreeMap::new(),
    };
    let mut found = names(&user.catalog(), &patterns, args);
    add_others(&mut found, &user.catalog(), others, &patterns, args);
    if args.select.remote {
        add_remote(&mut found, &user.catalog(), &session.remote_names(), &patterns, args);
    }
    let mut more = Vec::new();
    for (name, mut found) in found {
        // First, since what has no figures because it cannot be selected must be listed so (RFC 5819 section 2).
        returns(session, args, &name, &mut found, &mut more).await?;
        let (attributes, extra) = attributes(&found, args);
        line(out.buf, "LIST", &attributes, &name, extra, form);
        out.buf.append(&mut more);
        out.room().await?;
    }
    let is_too_much = args.patterns.iter().any(|pattern| Pattern::is_too_much(&args.reference, pattern));
    Ok(Pattern::done(is_too_much, DONE))
}

/// Appends what is asked for of a name, beside its line; `found` takes note when it can be selected no more.
async fn returns(
    session: &Session,
    args: &ListArgs,
    name: &MailboxName,
    found: &mut Found,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let asked = &args.returns;
    // What is shown for the sake of what is below it has no figures (RFC 5819 section 2, RFC 8440 section 3).
    if !found.own || found.remote || (asked.status.is_none() && asked.metadata.is_empty() && !asked.my_rights)
    {
        return Ok(());
    }
    let form = session.enabled.name_form();
    let place = match &found.foreign {
        Some(foreign) => foreign.place.clone(),
        None if place::is_foreign(name) => return Ok(()),
        None => place::of_name(session, name.clone()).await?,
    };
    // Gone since the names were looked at: it is listed, and has nothing more (RFC 5819 section 2).
    let Some((row, rights)) = place.look() else {
        found.attributes.set(Attributes::NOSELECT, true);
        return Ok(());
    };
    if asked.my_rights {
        acl::show(out, &place, rights, form);
    }
    if let Some(items) = &asked.status
        && row.selectable()
        && rights.has(Rights::READ)
    {
        let of = (&place.owner, place.who(), &place.name);
        match status::show(out, of, &row, items, form, session.view.as_ref()).await {
            Ok(()) => {}
            Err(StoreError::NoSuchMailbox | StoreError::NotSelectable | StoreError::NoRight) => {
                found.attributes.set(Attributes::NOSELECT, true);
            }
            Err(e) => return Err(e.into()),
        }
    }
    if !asked.metadata.is_empty() && rights.has_any(getmetadata::TOUCH) {
        let options = MetadataOptions::default();
        // No length is asked for, so none is left out.
        let _all =
            getmetadata::show(out, &getmetadata::Of::Mailbox(&place, row.id), options, &asked.metadata, form);
    }
    Ok(())
}

/// Adds the mailboxes of others, and the names above them that are none.
fn add_others(
    found: &mut BTreeMap<MailboxName, Found>,
    catalog: &Catalog,
    others: BTreeMap<MailboxName, Foreign>,
    patterns: &[Pattern],
    args: &ListArgs,
) {
    let matches = |name: &MailboxName| patterns.iter().any(|p| p.matches(name));
    let names: Vec<MailboxName> = others.keys().cloned().collect();
    let has_children = |name: &MailboxName| {
        let prefix = format!("{name}{SEPARATOR}");
        let after = names.partition_point(|n| n.as_str() < prefix.as_str());
        names.get(after).is_some_and(|n| n.as_str().starts_with(&prefix))
    };
    for (name, foreign) in others {
        let subscribed = catalog.get(&name).is_some_and(|r| r.attributes.has(Attributes::SUBSCRIBED));
        if args.select.special_use {
            break;
        }
        if !args.select.subscribed {
            for above in name.ancestors().filter(|n| matches(n)) {
                let level = found.entry(above).or_default();
                if level.foreign.is_none() {
                    level.attributes = Attributes(Attributes::EXISTS | Attributes::NOSELECT);
                    level.children = true;
                }
            }
        }
        if !matches(&name) || (args.select.subscribed && !subscribed) {
            continue;
        }
        let mut attributes = foreign.row.attributes;
        attributes.set(Attributes::SUBSCRIBED, subscribed);
        // What a mailbox is used for is its owner's affair.
        attributes.set(Attributes::ALL_USES, false);
        let entry = found.entry(name.clone()).or_default();
        entry.own = true;
        entry.attributes = attributes;
        entry.children = has_children(&name);
        entry.foreign = Some(Box::new(foreign));
    }
}

/// Adds the uppermost mailboxes on other systems, and the names above them that are none. Those systems keep what the user has
/// subscribed to, so that all are taken as such (RFC 2193 section 4).
fn add_remote(
    found: &mut BTreeMap<MailboxName, Found>,
    catalog: &Catalog,
    remote: &[MailboxName],
    patterns: &[Pattern],
    args: &ListArgs,
) {
    let matches = |name: &MailboxName| patterns.iter().any(|p| p.matches(name));
    let exists = |name: &MailboxName| catalog.get(name).is_some_and(|r| r.attributes.has(Attributes::EXISTS));
    if args.select.special_use {
        return;
    }
    for name in remote.iter().filter(|name| !exists(name)) {
        let shown = matches(name);
        for above in name.ancestors().filter(|n| matches(n)) {
            if args.select.subscribed && !found.contains_key(&above) && (shown || !args.select.recursive) {
                continue;
            }
            let level = found.entry(above.clone()).or_insert_with(|| Found {
                attributes: Attributes(Attributes::EXISTS | Attributes::NOSELECT),
                ..Found::default()
            });
            level.children = true;
            level.child |= args.select.recursive && (!shown || level.own);
        }
        if shown {
            let entry = found.entry(name.clone()).or_default();
            entry.own = true;
            entry.remote = true;
            entry.attributes = Attributes(Attributes::EXISTS | Attributes::SUBSCRIBED);
        }
    }
}

fn names(catalog: &Catalog, patterns: &[Pattern], args: &ListArgs) -> BTreeMap<MailboxName, Found> {
    let matches = |name: &MailboxName| patterns.iter().any(|p| p.matches(name));
    let select = args.select;
    let parents = catalog.parents();
    let is_own = |row: &MailboxRow| {
        (row.attributes.has(Attributes::EXISTS) || select.subscribed)
            && (!select.subscribed || row.attributes.has(Attributes::SUBSCRIBED))
            && (!select.special_use || row.attributes.uses().next().is_some())
    };
    // In order, so that the map is built at once.
    let own = catalog.iter().filter(|row| is_own(row) && matches(&row.name));
    let mut found: BTreeMap<MailboxName, Found> = own
        .map(|row| {
            let children = parents.contains(row.name.as_str());
            let attributes = row.attributes;
            (row.name.clone(), Found { own: true, attributes, children, ..Found::default() })
        })
        .collect();
    if !select.recursive {
        return found;
    }
    for row in catalog.iter().filter(|row| is_own(row)) {
        let shown = matches(&row.name);
        for above in row.name.ancestors() {
            match found.get_mut(&above) {
                // What is shown anyway has it whether the name below is shown or not (RFC 9051 section 6.3.9.1).
                Some(level) => level.child = true,
                // What would only repeat what is shown is not (section 6.3.9.6).
                None if shown || !matches(&above) => {}
                None => {
                    let attributes = catalog.get(&above).map(|r| r.attributes).unwrap_or_default();
                    let children = parents.contains(above.as_str());
                    found.insert(above, Found { attributes, children, child: true, ..Found::default() });
                }
            }
        }
    }
    found
}

/// What a name is to the user as things are now, and what he may do there; `None` when it is not there, or he may not know of it.
fn of_place(session: &Session, place: &Place) -> Result<Option<(Found, Rights)>, Failure> {
    let own = user(session)?;
    let Some((row, rights)) = place.look().filter(|(_, rights)| rights.has(Rights::LOOKUP)) else {
        return Ok(None);
    };
    let mut attributes = row.attributes;
    if place.is_own() {
        let children = own.catalog().has_children(&place.inner);
        return Ok(Some((Found { attributes, children, ..Found::default() }, rights)));
    }
    // What a mailbox is used for is its owner's affair, what is subscribed to the user's.
    attributes.set(Attributes::ALL_USES, false);
    let kept = own.catalog().get(&place.name).map(|row| row.attributes).unwrap_or_default();
    attributes.set(Attributes::SUBSCRIBED, kept.has(Attributes::SUBSCRIBED));
    let children = place.shows_children(&place.owner.catalog());
    Ok(Some((Found { attributes, children, ..Found::default() }, rights)))
}

/// What is shown of a name that is told without having been asked for: without \Subscribed the user is not.
fn with_subscription() -> ListArgs {
    let returns = ListReturn { subscribed: true, ..ListReturn::default() };
    ListArgs { returns, ..ListArgs::default() }
}

/// Appends the LIST response that IMAP4rev2 has SELECT, CREATE and RENAME give (RFC 9051 sections 6.3.2 to 6.3.6), with the name
/// that the client used when it is another one (section 6.3.9.7).
///
/// # Errors
/// When nobody has logged in.
pub(super) fn named(session: &Session, out: &mut Vec<u8>, place: &Place, old: &[u8]) -> Result<(), Failure> {
    if let Some((found, _)) = of_place(session, place)? {
        let extra = old_name_item(old, &place.name);
        let attributes = attributes(&found, &with_subscription()).0;
        line(out, "LIST", &attributes, &place.name, &extra, NameForm::Utf8);
    }
    Ok(())
}

/// The extended data with a former name, or one in another form; none where it is the same.
fn old_name_item(old: &[u8], name: &MailboxName) -> String {
    let old = String::from_utf8_lossy(old);
    if old.is_empty() || old == name.as_str() {
        return String::new();
    }
    let mut shown = Vec::new();
    quote::utf8(&mut shown, &old);
    format!(" (\"OLDNAME\" ({}))", String::from_utf8_lossy(&shown))
}

/// Appends the LIST response of a mailbox that was deleted under a name that is not in Normalization Form C (RFC 9051 section 6.3.5).
pub(super) fn gone(session: &Session, arg: &MailboxArg, place: &Place, out: &mut Vec<u8>) {
    let old = old_name(arg, &place.name);
    if session.enabled.rev2 && !old.is_empty() {
        let extra = old_name_item(old, &place.name);
        line(out, "LIST", "\\NonExistent", &place.name, &extra, NameForm::Utf8);
    }
}

/// Appends the LIST response of a mailbox that the client has named in another form than Normalization Form C, and has IMAP4rev2
/// enabled (RFC 9051 section 6.3.9.7).
///
/// # Errors
/// When nobody has logged in.
pub(super) fn normalized(
    session: &Session,
    arg: &MailboxArg,
    place: &Place,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let old = old_name(arg, &place.name);
    match session.enabled.rev2 && !old.is_empty() {
        true => named(session, out, place, old),
        false => Ok(()),
    }
}

/// Why a name is told without having been asked for (RFC 5465 sections 5.4, 5.5 and 5.9).
#[derive(Default)]
pub(super) struct Told {
    /// What it was called before.
    pub old: Option<MailboxName>,
    /// Whether the user was deprived of it; then, whether he wants to know of names that go.
    pub lost: Option<bool>,
    /// Whether it was there then; otherwise it is told as it is now.
    pub exists: Option<bool>,
}

/// Appends the LIST response of a name as it is now.
///
/// # Errors
/// When the mail store fails.
pub(super) async fn told(
    session: &Session,
    name: &MailboxName,
    why: &Told,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let here = match place::of_name(session, name.clone()).await {
        Ok(place) => of_place(session, &place)?,
        // One on another system is told as what is known of it here.
        Err(Failure::Store(StoreError::NoSuchMailbox) | Failure::Answer(_)) => None,
        Err(e) => return Err(e),
    };
    let (mut found, rights) = match here {
        Some(here) => here,
        None => {
            let own = user(session)?;
            let catalog = own.catalog();
            let attributes = catalog.get(name).map(|row| row.attributes).unwrap_or_default();
            let children = !place::is_foreign(name) && catalog.has_children(name);
            (Found { attributes, children, ..Found::default() }, Rights::ALL)
        }
    };
    if let Some(existed) = why.exists {
        found.attributes.set(Attributes::EXISTS, existed);
    }
    let exists = found.attributes.has(Attributes::EXISTS);
    let mut words = attributes(&found, &with_subscription()).0;
    match why.lost {
        Some(false) if !exists => words = "\\NoAccess".to_owned(),
        Some(true) if !exists => words += " \\NoAccess",
        _ if exists && !rights.has(Rights::READ) => words += " \\NoAccess",
        _ => {}
    }
    let form = session.enabled.name_form();
    let mut extra = String::new();
    if let Some(old) = why.old.as_ref().filter(|_| exists) {
        let mut shown = Vec::new();
        old.write(&mut shown, form);
        extra = format!(" (\"OLDNAME\" ({}))", String::from_utf8_lossy(&shown));
    }
    line(out, "LIST", &words, name, &extra, form);
    Ok(())
}

/// The attributes of a name, and the extended data behind it.
fn attributes(found: &Found, args: &ListArgs) -> (String, &'static str) {
    let mut words: Vec<&str> = Vec::new();
    let attributes = found.attributes;
    if !attributes.has(Attributes::EXISTS) {
        words.push("\\NonExistent");
    } else if attributes.has(Attributes::NOSELECT) {
        words.push("\\Noselect");
    }
    let show_subscribed = args.select.subscribed || args.returns.subscribed;
    if show_subscribed && attributes.has(Attributes::SUBSCRIBED) {
        words.push("\\Subscribed");
    }
    words.extend(attributes.uses());
    match (found.remote, found.children) {
        // What is below it there is not known here.
        (true, _) => words.push("\\Remote"),
        (false, true) => words.push("\\HasChildren"),
        (false, false) => words.push("\\HasNoChildren"),
    }
    let extra = match (found.child, args.select.subscribed, args.select.special_use) {
        (false, ..) => "",
        (true, true, true) => " (CHILDINFO (\"SUBSCRIBED\" \"SPECIAL-USE\"))",
        (true, true, false) => " (CHILDINFO (\"SUBSCRIBED\"))",
        (true, false, _) => " (CHILDINFO (\"SPECIAL-USE\"))",
    };
    (words.join(" "), extra)
}
