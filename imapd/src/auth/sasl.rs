//! SASL messages of the mechanisms that need no more than one of each: PLAIN (RFC 4616), CRAM-MD5 (RFC 2195), EXTERNAL
//! (RFC 4422 appendix A).

/// What a PLAIN response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Who he wants to be; empty when he does not say.
    pub wanted: &'a [u8],
    /// Whose password it is.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// Takes a PLAIN response apart.
pub fn plain(response: &[u8]) -> Option<Plain<'_>> {
    let mut parts = response.split(|b| *b == 0);
    let (wanted, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || user.is_empty() {
        return None;
    }
    Some(Plain { wanted, user, password })
}

/// Takes a CRAM-MD5 response apart: user name, a space, the digest in 32 hexadecimal digits.
pub fn cram_md5(response: &[u8]) -> Option<(&[u8], [u8; 16])> {
    let space = response.iter().rposition(|b| *b == b' ')?;
    let (user, digits) = (&response[..space], &response[space + 1..]);
    if user.is_empty() || digits.len() != 32 {
        return None;
    }
    let mut digest = [0; 16];
    for (octet, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *octet = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some((user, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts() {
        assert_eq!(plain(b"\0a\0b"), Some(Plain { wanted: b"", user: b"a", password: b"b" }));
        assert_eq!(plain(b"A\0a\0"), Some(Plain { wanted: b"A", user: b"a", password: b"" }));
        assert_eq!(plain(b"x\0a\0b"), Some(Plain { wanted: b"x", user: b"a", password: b"b" }));
        assert_eq!(plain(b"a\0b"), None);
        assert_eq!(plain(b"\0a\0b\0c"), None);
        assert_eq!(plain(b"\0\0b"), None);
    }

    #[test]
    fn the_digest_as_in_rfc_2195() {
        let (user, digest) = cram_md5(b"tim b913a602c7eda7a495b4e6e7334d3890").unwrap();
        assert_eq!((user, digest[0], digest[15]), (&b"tim"[..], 0xb9, 0x90));
        for bad in
            ["tim", "tim b9", " b913a602c7eda7a495b4e6e7334d3890", "t b913a602c7eda7a495b4e6e7334d389g"]
        {
            assert_eq!(cram_md5(bad.as_bytes()), None);
        }
    }
}
