//! `SHAREFOLDER userid mailbox [AS name] {WITH {userid|ANYONE} rights [SEEN {OWN|SHARED}] | OFF}`: publishes a folder, with what is
//! below it, in the namespace of shared folders.
//!
//! A folder is published under its own name unless another is said. WITH gives rights (letters of RFC 4314), also on the folders
//! that are below now; those made later inherit them. SEEN OWN gives everybody but the owner a `\Seen` of his own there, and all
//! begin with nothing seen; SEEN SHARED, as it is at first, has one for all. OFF ends the publication and takes all rights of others
//! away. A name with
//! blanks stands in quotation marks. Folder names are taken as they are written, and in any case when that names one alone.

use cms::vmipc::Answer;

use super::{Administration, RC_FAILED, RequestRow, syntax};
use crate::mailstore::publish::{Shared, Sharing};
use crate::mailstore::{Attributes, Identifier, StoreError};
use crate::syntax::mailbox_name::MailboxName;
use crate::syntax::rights::Rights;
use crate::vm::UserId;

/// The request.
pub const ROW: RequestRow = RequestRow {
    name: "SHAREFOLDER",
    min: 5,
    syntax: "SHAREFOLDER userid mailbox [AS name] {WITH {userid|ANYONE} rights [SEEN {OWN|SHARED}]|OFF}",
    summary: "Publishes a folder with what is below it, or ends that",
    run: |a, _, text| Box::pin(async move { run(a, text).await.unwrap_or_else(|| syntax("SHAREFOLDER")) }),
};

/// What the operands ask for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    owner: UserId,
    mailbox: String,
    name: Option<MailboxName>,
    /// Whom it is given, or OFF.
    with: Option<(Identifier, Rights)>,
    /// Whether readers have a `\Seen` of their own, when that is said.
    own_seen: Option<bool>,
}

/// Carries out the request; `None` when its operands are wrong.
async fn run(admin: &Administration, operands: &str) -> Option<Answer> {
    let asked = parse(operands)?;
    let store = &admin.service.server.store;
    let failed = |text: String| Some(Answer::line(RC_FAILED, text));
    let owner = match store.user(asked.owner).await {
        Ok(owner) => owner,
        Err(StoreError::NotEnrolled) => {
            return failed(format!("DTCIMP3007E {} is not enrolled", asked.owner));
        }
        Err(error) => return failed(format!("DTCIMP3003E {} cannot be looked up: {error}", asked.owner)),
    };
    let found = owner.catalog().find(&asked.mailbox).cloned();
    let Some(row) = found else {
        return failed(format!("DTCIMP3040E {} has no folder {}", asked.owner, asked.mailbox));
    };
    let mailbox = &row.name;
    let Some((who, rights)) = asked.with else {
        return Some(match store.unpublish(&owner, &row).await {
            Ok(true) => {
                Answer::line(0, format!("DTCIMP3043I {mailbox} of {} is no longer shared", asked.owner))
            }
            Ok(false) => {
                Answer::line(RC_FAILED, format!("DTCIMP3041E {mailbox} of {} is not shared", asked.owner))
            }
            Err(error) => Answer::line(RC_FAILED, format!("DTCIMP3003E {mailbox} stays shared: {error}")),
        });
    };
    let sharing = Sharing { name: asked.name, given: (who, rights), own_seen: asked.own_seen };
    match store.publish(&owner, &row, sharing).await {
        Ok(Shared::As(name)) => Some(Answer::line(
            0,
            format!(
                "DTCIMP3044I {mailbox} of {} is shared as {name}, {who} has {}",
                asked.owner,
                shown(rights)
            ),
        )),
        Ok(Shared::Taken(user, name)) => {
            failed(format!("DTCIMP3042E {user} shares a folder as {name} already"))
        }
        Err(error) => failed(format!("DTCIMP3003E {mailbox} cannot be shared: {error}")),
    }
}

/// QUERY SHARES: what is published, and who may do what with it.
pub(super) async fn query(admin: &Administration) -> Answer {
    let store = &admin.service.server.store;
    let sharers = match store.sharers().await {
        Ok(sharers) => sharers,
        Err(error) => {
            return Answer::line(RC_FAILED, format!("DTCIMP3003E The shares cannot be read: {error}"));
        }
    };
    let mut lines = vec!["Userid    Identifier  Rights         Seen    Shared folder".to_owned()];
    for (owner, id, how) in sharers.published() {
        let access = sharers.access(owner).unwrap_or_default();
        let seen = match store.user(owner).await {
            Ok(user) if user.catalog().row(id).is_some_and(|r| r.attributes.has(Attributes::OWN_SEEN)) => {
                "OWN"
            }
            Ok(_) => "SHARED",
            Err(_) => "-",
        };
        let given: Vec<_> = access.entries(id).filter(|(who, _)| *who != Identifier::of(owner)).collect();
        if given.is_empty() {
            lines.push(format!("{owner:<8}  {:<10}  {:<13}  {seen:<6}  {}", "-", "-", how.name));
        }
        for (who, rights) in given {
            let (who, rights) = (who.to_string(), rights.to_string());
            lines.push(format!("{owner:<8}  {who:<10}  {rights:<13}  {seen:<6}  {}", how.name));
        }
    }
    Answer { rc: 0, lines }
}

fn shown(rights: Rights) -> String {
    if rights.is_empty() { "no rights".into() } else { rights.to_string() }
}

fn parse(operands: &str) -> Option<Asked> {
    let words = split(operands)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [owner, mailbox, rest @ ..] = &words[..] else { return None };
    let owner = UserId::new(owner).ok()?;
    let is = |word: &str, keyword: &str| word.eq_ignore_ascii_case(keyword);
    let (name, rest) = match rest {
        [keyword, name, rest @ ..] if is(keyword, "AS") => (Some(MailboxName::new(name).ok()?), rest),
        _ => (None, rest),
    };
    let (rest, own_seen) = match rest {
        [rest @ .., seen, how] if is(seen, "SEEN") && is(how, "OWN") => (rest, Some(true)),
        [rest @ .., seen, how] if is(seen, "SEEN") && is(how, "SHARED") => (rest, Some(false)),
        _ => (rest, None),
    };
    let with = match rest {
        [off] if is(off, "OFF") && name.is_none() && own_seen.is_none() => None,
        [with, who, rights] if is(with, "WITH") => {
            let rights = Rights::parse(rights.to_ascii_lowercase().as_bytes())?;
            Some((Identifier::parse(who.as_bytes()).ok().filter(|who| !who.negative)?, rights))
        }
        _ => return None,
    };
    Some(Asked { owner, mailbox: (*mailbox).to_owned(), name, with, own_seen })
}

/// The words; one in quotation marks may hold blanks, and a doubled mark in it is one.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut word = String::new();
            loop {
                let (part, after) = quoted.split_once('"')?;
                word.push_str(part);
                match after.strip_prefix('"') {
                    Some(more) => {
                        word.push('"');
                        quoted = more;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            words.push(word);
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands() {
        let asked = parse("joe \"my plans\" as Plans with Anyone LR").unwrap();
        assert_eq!((asked.owner.as_str(), asked.mailbox.as_str()), ("JOE", "my plans"));
        assert_eq!(asked.name, MailboxName::new("Plans").ok());
        let anyone = Identifier::parse(b"anyone").unwrap();
        assert_eq!(asked.with, Rights::parse(b"lr").map(|rights| (anyone, rights)));
        assert_eq!(asked.own_seen, None);
        assert_eq!(parse("joe x off").unwrap().with, None);
        assert_eq!(parse("joe x with ann l seen Own").unwrap().own_seen, Some(true));
        assert_eq!(parse("joe x with ann l seen shared").unwrap().own_seen, Some(false));
        assert_eq!(split("a  \"b \"\"c\"\"\" d"), Some(vec!["a".into(), "b \"c\"".into(), "d".into()]));
        let wrong = [
            "",
            "joe",
            "joe x",
            "joe x as y",
            "joe x as y off",
            "joe x with -ann l",
            "joe \"x off",
            "joe x with ann q",
            "joe x with ann l more",
        ];
        for operands in wrong {
            assert_eq!(parse(operands), None, "{operands}");
        }
    }
}
