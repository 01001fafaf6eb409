//! Parameters in pieces (RFC 2231 section 3: `name*0`, `name*1*`, ...) put together, for BODYSTRUCTURE.
//!
//! Invariants: parameters that are not in pieces stay as they are, in their order; what is put together stands where the
//! first of its pieces stood. Pieces of which one is missing or there twice stay as they are. A value with a character set
//! stays in the form of section 4 (`charset'language'%41`) under a name that ends in an asterisk: clients undo it by that
//! sign, and would take a percent sign in a decoded value for an escape.

type Param = (Vec<u8>, Vec<u8>);

/// A parameter that is a piece of another.
struct Piece<'a> {
    name: Vec<u8>,
    number: usize,
    /// In the form of section 4: escapes, and a character set in the first.
    extended: bool,
    value: &'a [u8],
    /// Where it stands among the parameters.
    at: usize,
}

/// The parameters with the pieces of each put together.
pub fn joined(params: &[Param]) -> Vec<Param> {
    let mut pieces: Vec<Piece> = params.iter().enumerate().filter_map(piece).collect();
    pieces.sort_by(|a, b| (&a.name, a.number, a.at).cmp(&(&b.name, b.number, b.at)));
    let mut out: Vec<Option<Param>> = params.iter().cloned().map(Some).collect();
    for group in pieces.chunk_by(|a, b| a.name == b.name) {
        if group.iter().enumerate().any(|(i, p)| p.number != i) {
            continue;
        }
        for piece in group {
            out[piece.at] = None;
        }
        if let Some(first) = group.iter().map(|p| p.at).min() {
            out[first] = Some(together(group));
        }
    }
    out.into_iter().flatten().collect()
}

/// The parameter as a piece, when its name says that it is one: digits after an asterisk, without leading zeros.
fn piece((at, (name, value)): (usize, &Param)) -> Option<Piece<'_>> {
    let star = memchr::memchr(b'*', name)?;
    let tail = &name[star + 1..];
    let (digits, extended) = tail.strip_suffix(b"*").map_or((tail, false), |digits| (digits, true));
    let plain =
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || digits[0] != b'0');
    let number = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    Some(Piece { name: name[..star].to_ascii_lowercase(), number, extended, value, at })
}

/// All pieces of one parameter, in order.
fn together(pieces: &[Piece]) -> Param {
    let mut name = pieces.first().map(|p| p.name.clone()).unwrap_or_default();
    if !pieces.iter().any(|p| p.extended) {
        return (name, pieces.iter().flat_map(|p| p.value).copied().collect());
    }
    name.push(b'*');
    let mut value = Vec::new();
    if pieces.first().is_some_and(|p| !p.extended) {
        // Neither a character set nor a language is named.
        value.extend_from_slice(b"''");
    }
    for piece in pieces {
        for octet in piece.value {
            if piece.extended || octet.is_ascii_alphanumeric() {
                value.push(*octet);
            } else {
                value.extend_from_slice(format!("%{octet:02X}").as_bytes());
            }
        }
    }
    (name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let params = super::super::params::parse(text.as_bytes()).params;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        joined(&params).iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn pieces_are_joined_where_the_first_stood() {
        assert_eq!(shown("a; x=1; N*1=cd; y=2; n*0=\"a b\"; n*2=e"), "x=1;n=a bcde;y=2");
        let params: String = (0..12).rev().map(|i| format!(";n*{i}={}", i % 10)).collect();
        assert_eq!(shown(&format!("a{params}")), "n=012345678901");
    }

    #[test]
    fn a_character_set_stays_in_its_form() {
        assert_eq!(shown("a; n*0*=utf-8''%e2%82%ac; n*1=\" %z\"; n*2*=%20"), "n*=utf-8''%e2%82%ac%20%25z%20");
        assert_eq!(shown("a; n*0=\"b c\"; n*1*=%41"), "n*=''b%20c%41");
        assert_eq!(shown("a; n*=utf-8''%e2"), "n*=utf-8''%e2");
    }

    #[test]
    fn what_is_not_whole_stays() {
        for text in [
            "n*0=a;n*2=b",
            "n*1=a",
            "n*0=a;n*0=b",
            "n*00=a",
            "n*0x=a",
            "n*0**=a",
            "n*99999999999999999999=a",
            "n=b",
        ] {
            assert_eq!(shown(&format!("a;{text}")), text);
        }
    }
}
