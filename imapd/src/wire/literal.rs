//! The header of a literal at the end of a line: `{12}`, `{12+}`, `~{12}` (RFC 3501 section 4.3, RFC 7888, RFC 3516).

/// Digits of an octet count: twenty hold any `number64` of RFC 9051, and leading zeros that a client may put before a
/// smaller one.
pub const MAX_DIGITS: usize = 20;
/// Octets that the longest header takes: tilde, braces, digits, plus sign, CR.
pub(super) const MAX_HEADER: usize = MAX_DIGITS + 5;

/// A literal announced at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiteralHeader {
    /// Octets that follow the line end.
    pub octets: usize,
    /// Whether the client sends them without waiting.
    pub non_synchronising: bool,
}

/// The literal header that ends `line` (given without its line end), if one does. A count beyond all limits is one, too: what
/// follows it is no command (RFC 7888 section 3).
pub fn trailing_literal(line: &[u8]) -> Option<LiteralHeader> {
    let body = line.strip_suffix(b"}")?;
    let open = body.iter().rposition(|b| *b == b'{')?;
    let inner = &body[open + 1..];
    let (digits, non_synchronising) = match inner.strip_suffix(b"+") {
        Some(digits) => (digits, true),
        None => (inner, false),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |d: &u8| usize::from(d - b'0');
    let octets = digits.iter().fold(0usize, |n, d| n.saturating_mul(10).saturating_add(digit(d)));
    Some(LiteralHeader { octets, non_synchronising })
}
