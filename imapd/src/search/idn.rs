//! Names of hosts as people read and type them: labels in Punycode (`xn--`) become what they stand for (RFC 5890 section 2.3.2.1,
//! RFC 3492). For looking for, not for connecting to: nothing is checked but that it can be decoded.

/// Octets of a label at most (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// What a label in Punycode begins with.
const PREFIX: &str = "xn--";

// The parameters of RFC 3492 section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const FIRST_BIAS: u32 = 72;
const FIRST: u32 = 0x80;

/// A host's name with its labels as they are read, as far as they can be; `None` when none of them is in Punycode.
pub fn readable(host: &str) -> Option<String> {
    let mut any = false;
    let labels: Vec<String> = host
        .split('.')
        .map(|label| {
            let read = decoded(label);
            any |= read.is_some();
            read.unwrap_or_else(|| label.to_owned())
        })
        .collect();
    any.then(|| labels.join("."))
}

/// What a label in Punycode stands for.
fn decoded(label: &str) -> Option<String> {
    let (prefix, coded) = label.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) || label.len() > MAX_LABEL || !label.is_ascii() {
        return None;
    }
    let (basic, digits) = coded.rsplit_once('-').unwrap_or(("", coded));
    let mut out: Vec<char> = basic.chars().collect();
    let (mut n, mut i, mut bias) = (FIRST, 0u32, FIRST_BIAS);
    let mut digits = digits.bytes();
    while digits.len() > 0 {
        let (before, mut weight, mut k) = (i, 1u32, BASE);
        loop {
            let digit = digit(digits.next()?)?;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k += BASE;
        }
        let places = u32::try_from(out.len()).ok()? + 1;
        bias = adapted(i - before, places, before == 0);
        n = n.checked_add(i / places)?;
        i %= places;
        out.insert(usize::try_from(i).ok()?, char::from_u32(n)?);
        i += 1;
    }
    Some(out.into_iter().collect())
}

fn digit(octet: u8) -> Option<u32> {
    match octet {
        b'a'..=b'z' => Some((octet - b'a').into()),
        b'A'..=b'Z' => Some((octet - b'A').into()),
        b'0'..=b'9' => Some(u32::from(octet - b'0') + 26),
        _ => None,
    }
}

/// Section 6.1.
fn adapted(delta: u32, places: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / places;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_as_they_are_read() {
        for (host, read) in [
            ("xn--mnchen-3ya.example", "m\u{fc}nchen.example"),
            ("mail.XN--STRAE-OQA.DE", "mail.STRA\u{df}E.DE"),
            ("xn--fiqs8s", "\u{4e2d}\u{56fd}"),
            // Section 7.1 (L) of RFC 3492.
            ("xn--3B-ww4c5e180e575a65lsy2b", "3\u{5e74}B\u{7d44}\u{91d1}\u{516b}\u{5148}\u{751f}"),
        ] {
            assert_eq!(readable(host).as_deref(), Some(read), "{host}");
        }
        for host in ["", "example.org", "xn--", "xn-mnchen-3ya", "xn--zz", "xn--\u{fc}-3ya", "xn--99999999"] {
            assert_eq!(readable(host).filter(|read| !read.is_empty()), None, "{host}");
        }
    }

    #[test]
    fn label_at_and_past_the_longest() {
        let label = |n: usize| format!("xn--{}-3ya", "a".repeat(n - 8));
        assert!(readable(&label(MAX_LABEL)).is_some());
        assert_eq!(readable(&label(MAX_LABEL + 1)), None);
    }

    proptest! {
        #[test]
        fn any_label(label in "xn--[a-z0-9-]{0,60}") {
            let _ = readable(&label);
        }
    }
}
