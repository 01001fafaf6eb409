//! What TRACE SOCKETIO shows of the wire: lines as they are, passwords masked.

/// A frame for the log: one line, at most 200 characters, without what LOGIN and AUTHENTICATE carry.
pub fn shown(frame: &[u8], secret: bool) -> String {
    if secret {
        return "(response masked)".into();
    }
    let mut words = frame.splitn(3, |b| *b == b' ');
    let (tag, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let masked = name.eq_ignore_ascii_case(b"LOGIN") || name.eq_ignore_ascii_case(b"AUTHENTICATE");
    let text = if masked {
        [tag, b" ", name, b" (masked)"].concat()
    } else {
        frame[..frame.len().min(200)].to_vec()
    };
    text.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn masks_secrets() {
        assert_eq!(shown(b"a LOGIN bob secret", false), "a LOGIN (masked)");
        assert_eq!(shown(b"a login {3}\r\nbob secret", false), "a login (masked)");
        assert_eq!(shown(b"a authenticate PLAIN AGEAYg==", false), "a authenticate (masked)");
        assert_eq!(shown(b"AGEAYg==", true), "(response masked)");
        assert_eq!(shown(b"a NOOP", false), "a NOOP");
    }
}
