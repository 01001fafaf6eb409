//! What an address field says of people, where it is written in another way than it is shown: FROM, TO, CC and BCC look into the
//! addresses of the ENVELOPE (RFC 9051 section 6.4.4), in which comments, quotes and blanks around dots are gone, and into addresses
//! whose host's name is as it is read ([`super::idn`]).
//!
//! Made of the folded text of the field, so that a column of such fields gives the same answer as the message. Names and addresses
//! that stand in the text as they are shown are not among what this makes: for most fields that is nothing.

use super::fold::fold;
use super::idn;
use crate::mail::address::{self, Address};

/// Names and addresses of a folded field that are no part of its text, folded.
pub fn shown(folded: &str) -> Vec<String> {
    let is_plain = memchr::memchr3(b'(', b'"', b'\\', folded.as_bytes()).is_none()
        && !folded.contains(" @")
        && !folded.contains("@ ")
        && !folded.contains("XN--");
    if is_plain {
        return Vec::new();
    }
    let lacks = |text: &String| !text.is_empty() && !folded.contains(text.as_str());
    address::parse(folded.as_bytes()).iter().flat_map(texts).filter(lacks).collect()
}

/// The name of a person, the address, and the address as it is read, when that is another one.
fn texts(address: &Address) -> [String; 3] {
    let text = |octets: &Option<Vec<u8>>| {
        octets.as_deref().map(|octets| String::from_utf8_lossy(octets).into_owned()).unwrap_or_default()
    };
    let (mut spec, host) = (text(&address.mailbox), text(&address.host));
    let mut read = String::new();
    if !host.is_empty() {
        spec.push('@');
        if let Some(readable) = idn::readable(&host) {
            read = format!("{spec}{}", fold(&readable));
        }
        spec.push_str(&host);
    }
    [text(&address.name), spec, read]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_text_lacks() {
        for plain in ["A B <A@B>", "\"A, B\" <A@B>, (C) D@E", "", "TEAM: A@B, C@D;"] {
            assert_eq!(shown(plain), Vec::<String>::new(), "{plain}");
        }
        assert_eq!(shown("A (OF C) \"B\" <A@B (X)>"), ["A B"]);
        assert_eq!(shown("\"A \\\"X\\\" B\" <A . B @ C.D>, \"E\\F\"@G"), ["A \"X\" B", "A.B@C.D", "EF@G"]);
        assert_eq!(shown("A <A@XN--MNCHEN-3YA.DE>, B@XN--ZZ.DE"), ["A@MU\u{308}NCHEN.DE"]);
    }
}
