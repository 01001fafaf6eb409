//! SASL messages: PLAIN (RFC 4616).

/// What a PLAIN response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Whose password it is.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// Takes a PLAIN response apart. Acting for another user is not offered: an authorisation identity must be the same.
pub fn plain(response: &[u8]) -> Option<Plain<'_>> {
    let mut parts = response.split(|b| *b == 0);
    let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || user.is_empty() {
        return None;
    }
    (authzid.is_empty() || authzid.eq_ignore_ascii_case(user)).then_some(Plain { user, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts() {
        assert_eq!(plain(b"\0a\0b"), Some(Plain { user: b"a", password: b"b" }));
        assert_eq!(plain(b"A\0a\0"), Some(Plain { user: b"a", password: b"" }));
        assert_eq!(plain(b"x\0a\0b"), None);
        assert_eq!(plain(b"a\0b"), None);
        assert_eq!(plain(b"\0a\0b\0c"), None);
        assert_eq!(plain(b"\0\0b"), None);
    }
}
