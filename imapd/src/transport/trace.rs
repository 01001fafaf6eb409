//! What TRACE SOCKETIO shows of the wire: lines as they are, secrets masked.
//!
//! A line is shown when its command is known and carries no secret. Whatever else comes may be a password in the wrong place
//! (a command without a tag, a response to a mechanism that was refused), so of that only the length is told.

use crate::session::table;

/// Octets of a line that are shown.
const SHOWN: usize = 200;

/// What the client sent, for the log: one line, at most [`SHOWN`] characters. `secret` is what answers a challenge.
pub fn from_client(frame: &[u8], secret: bool) -> String {
    if secret {
        return format!("(response masked, {} octets)", frame.len());
    }
    if frame.trim_ascii().eq_ignore_ascii_case(b"DONE") {
        return text(frame);
    }
    let mut words = frame.splitn(3, |b| *b == b' ');
    let (tag, mut name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut rest = words.next().unwrap_or_default();
    let uid = name.eq_ignore_ascii_case(b"UID");
    if uid {
        let mut words = rest.splitn(2, |b| *b == b' ');
        name = words.next().unwrap_or_default();
        rest = words.next().unwrap_or_default();
    }
    let known = table::find(name, uid).is_some();
    let bare = name.eq_ignore_ascii_case(b"LOGIN") || name.eq_ignore_ascii_case(b"AUTHENTICATE");
    match (known, bare) {
        (true, true) => format!("{} {} (masked)", text(tag), text(name)),
        (true, false) if !carries_secret(rest) => text(frame),
        _ => format!("(masked, {} octets)", frame.len()),
    }
}

/// Whether something looks like a command with a secret in it, as when a client forgets to end a line.
fn carries_secret(rest: &[u8]) -> bool {
    let upper = rest.to_ascii_uppercase();
    [&b"LOGIN "[..], b"AUTHENTICATE "].iter().any(|w| memchr::memmem::find(&upper, w).is_some())
}

/// What the server sent, for the log: one line. Challenges are masked in a login; so is BAD with its tag and
/// text, which may repeat what the client sent.
pub fn from_server(line: &[u8], login: bool) -> String {
    if login && line.starts_with(b"+ ") {
        return "+ (challenge masked)".into();
    }
    let mut words = line.splitn(3, |b| *b == b' ');
    if words.nth(1) == Some(b"BAD") { "BAD (masked)".into() } else { text(line) }
}

fn text(octets: &[u8]) -> String {
    let shown = &octets[..octets.len().min(SHOWN)];
    shown.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(frame: &[u8]) -> String {
        from_client(frame, false)
    }

    #[test]
    fn masks_secrets() {
        assert_eq!(shown(b"a LOGIN bob secret"), "a LOGIN (masked)");
        assert_eq!(shown(b"a login {3}\r\nbob secret"), "a login (masked)");
        assert_eq!(shown(b"a authenticate PLAIN AGEAYg=="), "a authenticate (masked)");
        assert_eq!(from_client(b"AGEAYg==", true), "(response masked, 8 octets)");
        assert_eq!(shown(b"AGEAYg=="), "(masked, 8 octets)");
        assert_eq!(shown(b"LOGIN bob secret"), "(masked, 16 octets)");
        assert_eq!(shown(b"a  LOGIN bob secret"), "(masked, 19 octets)");
        assert_eq!(shown(b"a NOOP b LOGIN bob secret"), "(masked, 25 octets)");
        assert_eq!(shown(b"a NOOP"), "a NOOP");
        assert_eq!(shown(b"a UID FETCH 1 FLAGS"), "a UID FETCH 1 FLAGS");
        assert_eq!(shown(b"done"), "done");
        assert_eq!(from_server(b"+ c2FsdA==\r", true), "+ (challenge masked)");
        assert_eq!(from_server(b"a BAD syntax error near 'secret'\r", false), "BAD (masked)");
        assert_eq!(from_server(b"+ idling\r", false), "+ idling.");
    }

    proptest! {
        #[test]
        fn no_login_shows_its_password(
            tag in "[A-Za-z0-9]{0,4}", spaces in " {1,3}", name in "(?i)(login|authenticate|uid login)", between in "[ \t(]{1,3}",
        ) {
            let frame = format!("{tag}{spaces}{name}{between}bob hunter2");
            prop_assert!(!shown(frame.as_bytes()).contains("hunter2"));
        }
    }
}
