//! MAILBOXID and EMAILID as clients see them (RFC 8474). Both are made of numbers that are one user's own, so that his user id follows
//! where he is another one than who looks: that of the mailbox's owner, or of him in whose mailbox the message was first kept. No two
//! mailboxes that a session can name have the same, and a message has the same in all of them.

use crate::mailstore::{EmailId, UidValidity};
use crate::session::View;
use crate::vm::UserId;

/// MAILBOXID (RFC 8474 section 4): made of UIDVALIDITY, which is a mailbox's own for ever and goes with it on RENAME.
pub(super) fn mailbox_id(uid_validity: UidValidity, of_another: Option<UserId>) -> String {
    format!("F{:08X}{}", uid_validity.0, suffix(of_another))
}

/// EMAILID (RFC 8474 section 5.1) of a message in a mailbox.
pub(super) fn email_id(view: &View, id: EmailId) -> String {
    shown(id.seen_from(view.mailbox.user.id(), who_looks(view)))
}

/// The EMAILID that is shown so in a mailbox, as records there have it.
pub(super) fn read_email_id(view: &View, text: &[u8]) -> Option<EmailId> {
    let who = who_looks(view);
    // His own user id is never shown to him.
    let id = read(text).filter(|id| id.owner != Some(who))?;
    Some(id.seen_from(who, view.mailbox.user.id()))
}

fn who_looks(view: &View) -> UserId {
    view.reader.unwrap_or(view.mailbox.user.id())
}

/// As he sees it from whom it is looked at.
fn shown(id: EmailId) -> String {
    format!("M{:016X}{}", id.number, suffix(id.owner))
}

/// The one that is shown so.
fn read(text: &[u8]) -> Option<EmailId> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, owner) = match text.split_once('-') {
        Some((number, owner)) => (number, Some(read_user(owner)?)),
        None => (text, None),
    };
    let number = u64::from_str_radix(number.strip_prefix('M')?, 16).ok()?;
    let id = EmailId { number, owner };
    (shown(id) == text).then_some(id)
}

/// The user id of a suffix.
fn read_user(text: &str) -> Option<UserId> {
    let mut pieces = text.split('_');
    let mut name = String::from(pieces.next()?);
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2)?;
        name.push(char::from(u8::from_str_radix(code, 16).ok()?));
        name += rest;
    }
    UserId::new(&name).ok()
}

/// The user id in the characters that an `objectid` may have (RFC 8474 section 7).
fn suffix(of_another: Option<UserId>) -> String {
    let Some(owner) = of_another else { return String::new() };
    let mut out = String::from("-");
    for c in owner.as_str().chars() {
        match c.is_ascii_alphanumeric() {
            true => out.push(c),
            false => out += &format!("_{:02X}", u32::from(c)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_characters_are_spelled_out() {
        assert_eq!(suffix(None), "");
        assert_eq!(suffix(UserId::new("BOB").ok()), "-BOB");
        assert_eq!(suffix(UserId::new("A_$1").ok()), "-A_5F_241");
        assert_eq!(mailbox_id(UidValidity(1), UserId::new("BOB").ok()), "F00000001-BOB");
    }

    #[test]
    fn what_is_shown_is_read() {
        for owner in [None, UserId::new("BOB").ok(), UserId::new("A_$1-#@").ok()] {
            let id = EmailId { number: 0xFEDC_0000_0000_0001, owner };
            assert_eq!(read(shown(id).as_bytes()), Some(id));
        }
        for other in [
            "M1",
            "M000000000000000a",
            "M0000000000000001-",
            "M0000000000000001-bob",
            "M0000000000000001-A_5",
            "M0000000000000001-A_é",
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn it_is_the_same_wherever_one_looks_from() {
        let [alice, bob, carol] = ["ALICE", "BOB", "CAROL"].map(|name| UserId::new(name).unwrap());
        let id = EmailId::own(7);
        assert_eq!(id.seen_from(alice, bob), EmailId { number: 7, owner: Some(alice) });
        assert_eq!(id.seen_from(alice, bob).seen_from(bob, carol), id.seen_from(alice, carol));
        assert_eq!(id.seen_from(alice, bob).seen_from(bob, alice), id);
        assert_ne!(id.mark(), id.seen_from(alice, bob).mark());
    }
}
