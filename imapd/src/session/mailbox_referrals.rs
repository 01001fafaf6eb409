//! Mailboxes that are on other systems (RFC 2193): which names they have here, and where a client finds them.
//!
//! A referral is for a name and all below it, for everybody or for one user, whose own comes first. What is here under such a
//! name all the same is used as it is. Several URLs for one name are replicas, in the order in which they were given. A URL of
//! this system leads nowhere, so that no client is sent around in a circle.

use std::collections::BTreeMap;

use super::Session;
use super::capability::Token;
use crate::session::Reply;
use crate::syntax::imap_url::{ImapServer, ImapUrl, UrlMailbox};
use crate::syntax::mailbox_name::MailboxName;
use crate::vm::UserId;

/// `MailboxReferral` of IMAP CONFIG.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxReferrals {
    all: BTreeMap<MailboxName, Vec<ImapUrl>>,
    users: BTreeMap<UserId, BTreeMap<MailboxName, Vec<ImapUrl>>>,
    count: usize,
}

impl MailboxReferrals {
    /// Most statements: they are looked through for names that do not exist, and shown by RLIST.
    pub const MAX: usize = 1000;

    /// Adds a place of a mailbox and those below it; `None` when there are too many.
    pub fn add(&mut self, user: Option<UserId>, name: MailboxName, url: ImapUrl) -> Option<()> {
        if self.count == Self::MAX {
            return None;
        }
        self.count += 1;
        let of_user = match user {
            Some(user) => self.users.entry(user).or_default(),
            None => &mut self.all,
        };
        of_user.entry(name).or_default().push(url);
        Some(())
    }

    /// The uppermost names, as a user has them.
    pub fn names(&self, user: UserId) -> impl Iterator<Item = &MailboxName> {
        self.users.get(&user).into_iter().flat_map(BTreeMap::keys).chain(self.all.keys())
    }

    /// Where a name leads: the longest name at or above it counts, a user's own before that of all. Nowhere when a URL is too long.
    pub fn find(&self, user: UserId, name: &MailboxName) -> Vec<ImapUrl> {
        let above = name.ancestors().chain([name.clone()]).collect::<Vec<_>>();
        let of = |names: &BTreeMap<MailboxName, Vec<ImapUrl>>| {
            above.iter().rev().find_map(|above| Some((above.clone(), names.get(above)?.clone())))
        };
        let own = self.users.get(&user).and_then(of);
        let all = of(&self.all);
        let longer = |(name, _): &(MailboxName, Vec<ImapUrl>)| name.as_str().len();
        let found = match (own, all) {
            (Some(own), Some(all)) if longer(&all) > longer(&own) => all,
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => return Vec::new(),
        };
        let (prefix, urls) = found;
        urls.into_iter().filter_map(|url| there(name, &prefix, url)).collect()
    }
}

/// The URL of a name at or below `prefix`, which is at `url`.
fn there(name: &MailboxName, prefix: &MailboxName, mut url: ImapUrl) -> Option<ImapUrl> {
    let root = url.mailbox.map_or_else(|| prefix.clone(), |mailbox| mailbox.name);
    let name = name.moved(prefix, &root)?.ok()?;
    url.mailbox = Some(UrlMailbox { name, uid_validity: None, message: None });
    Some(url)
}

impl Session {
    /// Where a mailbox is that is not here: on other systems, as the user logs in there by any mechanism.
    pub(crate) fn remote(&self, name: &MailboxName) -> Vec<ImapUrl> {
        let referrals = self.server.mailbox_referrals.load();
        let Some(user) = self.user.as_ref().map(|user| user.id()) else { return Vec::new() };
        if referrals.count == 0 || !self.offers(Token::MailboxReferrals) {
            return Vec::new();
        }
        let mut urls = referrals.find(user, name);
        urls.retain(|url| !url.server.host.eq_ignore_ascii_case(&self.server.host));
        urls.iter_mut().for_each(|url| identify(&mut url.server, user));
        urls
    }

    /// The uppermost names of mailboxes on other systems.
    pub(crate) fn remote_names(&self) -> Vec<MailboxName> {
        let Some(user) = self.user.as_ref().map(|user| user.id()) else { return Vec::new() };
        let referrals = self.server.mailbox_referrals.load();
        let mut names: Vec<_> =
            referrals.names(user).filter(|name| !self.remote(name).is_empty()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The URL of a mailbox that is here, for the pairs of RENAME.
    pub(crate) fn url_of(&self, name: &MailboxName) -> ImapUrl {
        let mut server =
            ImapServer { user: None, mechanism: None, host: self.server.host.clone(), port: None };
        if let Some(user) = &self.user {
            identify(&mut server, user.id());
        }
        let mailbox = UrlMailbox { name: name.clone(), uid_validity: None, message: None };
        ImapUrl { server, mailbox: Some(mailbox) }
    }
}

/// Says who logs in there, unless the URL says otherwise: without it a client may do so anonymously.
fn identify(server: &mut ImapServer, user: UserId) {
    server.user.get_or_insert_with(|| user.to_string());
    server.mechanism.get_or_insert_with(|| "*".into());
}

/// The answer to a command for a mailbox that is on another system.
pub fn referral(urls: &[ImapUrl]) -> Reply {
    let shown: Vec<String> = urls.iter().map(ToString::to_string).collect();
    Reply::no(format!("REFERRAL {}", shown.join(" ")), "Mailbox is on another system")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_and_ones_own() {
        let name = |text: &str| MailboxName::new(text).unwrap();
        let url = |text: &str| ImapUrl::parse(text).unwrap();
        let joe = UserId::new("JOE").unwrap();
        let mut referrals = MailboxReferrals::default();
        for (user, prefix, to) in [
            (None, "old", "imap://a/"),
            (None, "old", "imap://b:1143/"),
            (None, "old/b\u{e9}", "imap://c/%E2%82%AC/x"),
            (Some(joe), "old", "imap://d/"),
        ] {
            referrals.add(user, name(prefix), url(to)).unwrap();
        }
        let find = |user: &str, text: &str| {
            let found = referrals.find(UserId::new(user).unwrap(), &name(text));
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(find("ANN", "old"), ["imap://a/old", "imap://b:1143/old"]);
        assert_eq!(find("ANN", "old/x/y]"), ["imap://a/old/x/y%5D", "imap://b:1143/old/x/y%5D"]);
        assert_eq!(find("ANN", "old/b\u{e9}/z"), ["imap://c/%E2%82%AC/x/z"]);
        assert_eq!(find("JOE", "old/x"), ["imap://d/old/x"]);
        assert_eq!(find("JOE", "old/b\u{e9}"), ["imap://c/%E2%82%AC/x"]);
        assert!(find("ANN", "older").is_empty() && find("ANN", "x/old").is_empty());
        let long = format!("old/{}", "x".repeat(MailboxName::MAX_OCTETS - 4));
        assert_eq!(find("JOE", &long).len(), 1);
        referrals.add(Some(joe), name("old/q"), url("imap://d/older")).unwrap();
        let names: Vec<_> = referrals.names(joe).map(MailboxName::as_str).collect();
        assert_eq!(names, ["old", "old/q", "old", "old/b\u{e9}"]);
    }

    #[test]
    fn statements_at_the_limit_and_past() {
        let mut referrals = MailboxReferrals::default();
        let url = ImapUrl::parse("imap://a/").unwrap();
        for i in 0..=MailboxReferrals::MAX {
            let name = MailboxName::new(&i.to_string()).unwrap();
            assert_eq!(referrals.add(None, name, url.clone()).is_some(), i < MailboxReferrals::MAX);
        }
    }
}
