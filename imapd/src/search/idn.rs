//! Names of hosts as people read and type them: labels in Punycode (`xn--`) become what they stand for (RFC 5891 section 5.4). For
//! looking for, not for connecting to.

/// A host's name as it is read; `None` when that is as it stands, or nobody can tell.
pub fn readable(host: &str) -> Option<String> {
    match idna::domain_to_unicode(host) {
        (read, Ok(())) => Some(read).filter(|read| !read.eq_ignore_ascii_case(host)),
        (_, Err(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_as_they_are_read() {
        for (host, read) in [
            ("xn--mnchen-3ya.example", "m\u{fc}nchen.example"),
            ("mail.XN--STRAE-OQA.DE", "mail.stra\u{df}e.de"),
            ("xn--fiqs8s", "\u{4e2d}\u{56fd}"),
        ] {
            assert_eq!(readable(host).as_deref(), Some(read), "{host}");
        }
        for host in [
            "",
            "example.org",
            "Example.ORG",
            "[127.0.0.1]",
            "xn--",
            "xn-mnchen-3ya",
            "xn--zz",
            "xn--99999999",
        ] {
            assert_eq!(readable(host), None, "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_host(host in "((xn--)?[a-z0-9.\u{fc}-]){0,80}") {
            let _ = readable(&host);
        }
    }
}
