//! MAILBOXID and EMAILID as clients see them (RFC 8474). Both are made of numbers that are one user's own, so that in mailboxes of
//! somebody else his user id follows: no two mailboxes that a session can name have the same.

use crate::mailstore::UidValidity;
use crate::session::View;
use crate::vm::UserId;

/// MAILBOXID (RFC 8474 section 4): made of UIDVALIDITY, which is a mailbox's own for ever and goes with it on RENAME.
pub(super) fn mailbox_id(uid_validity: UidValidity, of_another: Option<UserId>) -> String {
    format!("F{:08X}{}", uid_validity.0, suffix(of_another))
}

/// What follows an EMAILID in a mailbox.
pub(super) fn email_suffix(view: &View) -> String {
    suffix(view.reader.map(|_| view.mailbox.user.id()))
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
}
