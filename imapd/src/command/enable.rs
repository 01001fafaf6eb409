//! ENABLE (RFC 5161)

use super::Done;
use crate::session::capability::Token;
use crate::session::{Out, Reply, Session};

/// Enables what is known and can be enabled; the rest is left out of the answer.
///
/// # Errors
/// None.
pub fn run(session: &mut Session, names: &[Vec<u8>], out: &mut Out<'_>) -> Done {
    out.buf.extend_from_slice(b"* ENABLED");
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            continue;
        }
        if Token::by_name(&String::from_utf8_lossy(name)).is_none_or(|token| !session.offers(token)) {
            continue;
        }
        let enabled = &mut session.enabled;
        match name.as_slice() {
            b"CONDSTORE" => enabled.condstore = true,
            // QRESYNC without CONDSTORE makes no sense (RFC 7162 section 3.2.3).
            b"QRESYNC" => (enabled.qresync, enabled.condstore) = (true, true),
            b"IMAP4REV2" => enabled.rev2 = true,
            b"UIDONLY" => enabled.uid_only = true,
            b"UTF8=ACCEPT" => enabled.utf8 = true,
            _ => continue,
        }
        out.buf.push(b' ');
        let shown: &[u8] = if name == b"IMAP4REV2" { b"IMAP4rev2" } else { name };
        out.buf.extend_from_slice(shown);
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("ENABLE completed"))
}
