//! ENVELOPE from the raw header (RFC 3501 section 7.4.2): nothing decoded, strings as the header has them.

use super::address::{self, Address};
use super::header;
use crate::syntax::quote::{nstring, string};

const DATE: usize = 0;
const SUBJECT: usize = 1;
const FROM: usize = 2;
const SENDER: usize = 3;
const REPLY_TO: usize = 4;
const TO: usize = 5;
const CC: usize = 6;
const BCC: usize = 7;
const IN_REPLY_TO: usize = 8;
const MESSAGE_ID: usize = 9;

const NAMES: [&[u8]; 10] = [
    b"Date",
    b"Subject",
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Bcc",
    b"In-Reply-To",
    b"Message-ID",
];

/// Appends the envelope of a header.
pub fn write(out: &mut Vec<u8>, header_octets: &[u8]) {
    let mut values: [Option<Vec<u8>>; 10] = Default::default();
    for field in header::fields(header_octets) {
        if let Some(i) = NAMES.iter().position(|n| field.is(n)) {
            let value = header::unfold(field.value);
            match &mut values[i] {
                // Several address fields of one name are one list; of other fields the first counts.
                Some(first) if matches!(i, FROM..=BCC) => {
                    first.extend_from_slice(b", ");
                    first.extend_from_slice(&value);
                }
                Some(_) => {}
                none => *none = Some(value),
            }
        }
    }
    let lists: Vec<Vec<Address>> =
        (FROM..=BCC).map(|i| values[i].as_deref().map_or_else(Vec::new, address::parse)).collect();
    let list = |i: usize| {
        let own = &lists[i - FROM];
        // Sender and Reply-To default to From, here and not in the client.
        if own.is_empty() && (i == SENDER || i == REPLY_TO) { &lists[0] } else { own }
    };
    out.push(b'(');
    nstring(out, values[DATE].as_deref());
    out.push(b' ');
    nstring(out, values[SUBJECT].as_deref());
    for i in [FROM, SENDER, REPLY_TO, TO, CC, BCC] {
        out.push(b' ');
        addresses(out, list(i));
    }
    for i in [IN_REPLY_TO, MESSAGE_ID] {
        out.push(b' ');
        nstring(out, values[i].as_deref());
    }
    out.push(b')');
}

fn addresses(out: &mut Vec<u8>, list: &[Address]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for a in list {
        out.push(b'(');
        nstring(out, a.name.as_deref());
        out.push(b' ');
        nstring(out, a.route.as_deref());
        out.push(b' ');
        nstring(out, a.mailbox.as_deref());
        out.push(b' ');
        match &a.host {
            Some(host) => string(out, host),
            None => out.extend_from_slice(b"NIL"),
        }
        out.push(b')');
    }
    out.push(b')');
}
