//! What lists, searches and sorts want to know of a message, made once when it is stored and kept beside it.
//!
//! A summary never gives another answer than the message: it holds the wanted header fields octet by octet and the
//! ENVELOPE and BODYSTRUCTURE as they were written from the message. It is one run of octets, in memory as in the file
//! pool:
//!
//! | octets | |
//! |---|---|
//! | 0-1 | version, [`VERSION`] |
//! | 2-3 | 0 |
//! | 4-7 | CRC-32C of all that follows |
//! | 8-11 | 0 |
//! | 12-19 | octets of the message |
//! | 20-23 | octets of the header, its blank line included |
//! | 24-27 | octets of the fields |
//! | 28-31 | octets of the ENVELOPE |
//! | 32- | fields, ENVELOPE, BODYSTRUCTURE |
//!
//! Numbers are little-endian. Another version, a wrong checksum or another size means that there is no summary; it is then
//! made from the message again. What would be too large ([`Summary::MAX`]) has none, and is read from the message always.

use bytes::Bytes;

use super::head::{Head, Wanted};
use super::{body_structure, envelope, header, scan};

/// Goes up whenever a summary of the same message would be another one.
pub const VERSION: u16 = 4;

/// Octets before the fields.
const HEAD: usize = 32;

/// Fields that are kept: those of the envelope, and what clients show and sort by. In upper case, sorted.
const KEPT: [&[u8]; 24] = [
    b"BCC",
    b"CC",
    b"CONTENT-TRANSFER-ENCODING",
    b"CONTENT-TYPE",
    b"DATE",
    b"DISPOSITION-NOTIFICATION-TO",
    b"FROM",
    b"IMPORTANCE",
    b"IN-REPLY-TO",
    b"LIST-ID",
    b"LIST-POST",
    b"MAIL-FOLLOWUP-TO",
    b"MESSAGE-ID",
    b"MIME-VERSION",
    b"NEWSGROUPS",
    b"PRIORITY",
    b"REFERENCES",
    b"REPLY-TO",
    b"RESENT-FROM",
    b"RESENT-TO",
    b"SENDER",
    b"SUBJECT",
    b"TO",
    b"X-PRIORITY",
];

/// Whether fields of this name are in a summary.
pub fn keeps(name: &[u8]) -> bool {
    let longest = KEPT.iter().map(|k| k.len()).max().unwrap_or(0);
    name.len() <= longest && KEPT.binary_search(&name.to_ascii_uppercase().as_slice()).is_ok()
}

/// A summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary(Bytes);

impl Summary {
    /// Octets of the largest summary; a message with a longer envelope or structure is read instead.
    pub const MAX: usize = 16 * 1024;

    /// Of a message; `None` when it would be too large.
    pub fn new(message: &[u8]) -> Option<Self> {
        Self::of(message, &scan::scan(message))
    }

    /// Of a message whose structure is known.
    pub fn of(message: &[u8], structure: &scan::Structure) -> Option<Self> {
        let head = &message[structure.root().header.clone()];
        let mut out = vec![0; HEAD];
        for field in header::fields(head).filter(|f| keeps(f.name)) {
            out.extend_from_slice(field.raw);
            if out.len() > Self::MAX {
                return None;
            }
        }
        let fields = out.len() - HEAD;
        envelope::write(&mut out, head);
        let envelope = out.len() - HEAD - fields;
        body_structure::write(&mut out, message, structure, true);
        if out.len() > Self::MAX {
            return None;
        }
        let number = |n: usize| u32::try_from(n).ok().map(u32::to_le_bytes);
        out[..2].copy_from_slice(&VERSION.to_le_bytes());
        out[12..20].copy_from_slice(&(message.len() as u64).to_le_bytes());
        out[20..24].copy_from_slice(&number(structure.root().header.end)?);
        out[24..28].copy_from_slice(&number(fields)?);
        out[28..32].copy_from_slice(&number(envelope)?);
        let sum = crc_fast::crc32_iscsi(&out[8..]);
        out[4..8].copy_from_slice(&sum.to_le_bytes());
        Some(Self(out.into()))
    }

    /// From what was kept of a message of `size` octets; `None` when it is damaged, of another version or of another
    /// message.
    pub fn read(octets: Bytes, size: u64) -> Option<Self> {
        let summary = Self(octets);
        let sound = summary.0.len() >= HEAD
            && summary.0[..2] == VERSION.to_le_bytes()
            && summary.0[12..20] == size.to_le_bytes()
            && HEAD as u64 + u64::from(summary.number(24)) + u64::from(summary.number(28))
                <= summary.0.len() as u64
            && u64::from(summary.number(20)) <= size
            && summary.number(4) == crc_fast::crc32_iscsi(&summary.0[8..]);
        sound.then_some(summary)
    }

    /// Whether these octets are sound and of another version: what they say is not used, and is no damage.
    pub fn is_of_another_version(octets: &[u8]) -> bool {
        octets.len() >= HEAD
            && octets[..2] != VERSION.to_le_bytes()
            && octets[4..8] == crc_fast::crc32_iscsi(&octets[8..]).to_le_bytes()
    }

    /// All octets, as they are to be kept.
    pub fn octets(&self) -> &Bytes {
        &self.0
    }

    fn number(&self, at: usize) -> u32 {
        let mut out = [0; 4];
        out.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(out)
    }

    fn ends(&self) -> (usize, usize) {
        let fields = HEAD + self.number(24) as usize;
        (fields, fields + self.number(28) as usize)
    }

    /// Octets of the message's header.
    pub fn header_len(&self) -> usize {
        self.number(20) as usize
    }

    /// The kept fields, in the order of the header.
    pub fn fields(&self) -> &[u8] {
        &self.0[HEAD..self.ends().0]
    }

    /// The same, to be kept.
    pub fn kept_fields(&self) -> Bytes {
        self.0.slice(HEAD..self.ends().0)
    }

    /// The ENVELOPE item.
    pub fn envelope(&self) -> &[u8] {
        let (from, to) = self.ends();
        &self.0[from..to]
    }

    /// The BODYSTRUCTURE item.
    pub fn body_structure(&self) -> &[u8] {
        &self.0[self.ends().1..]
    }

    /// What SORT and THREAD look at.
    pub fn head(&self) -> Head {
        self.head_of(Wanted::ALL)
    }

    /// The same, as far as it is wanted.
    pub fn head_of(&self, wanted: Wanted) -> Head {
        Head::of(self.fields(), wanted)
    }

    /// Octets of memory this takes, about.
    pub fn weight(&self) -> usize {
        self.0.len() + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::generated::mail;
    use crate::mail::section::pick_fields;
    use crate::mail::{NoteView, decode};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        /// Every answer of a summary is the message's own.
        #[test]
        fn says_what_the_message_says(mail in mail()) {
            let view = NoteView::new(&mail);
            let made = Summary::new(&mail).unwrap();
            let summary = Summary::read(made.octets().clone(), mail.len() as u64).unwrap();
            let head = &mail[view.structure.root().header.clone()];
            prop_assert_eq!(summary.header_len(), head.len());
            prop_assert_eq!(summary.envelope(), &view.envelope);
            prop_assert_eq!(summary.body_structure(), &view.body_structure);
            prop_assert_eq!(summary.head(), Head::new(&mail));
            let ends = header::has_end(head);
            for name in KEPT {
                let names = vec![name.to_vec()];
                prop_assert_eq!(pick_fields(summary.fields(), false, &names, ends), pick_fields(head, false, &names, ends));
                let texts = |h: &[u8]| -> Vec<String> {
                    header::fields(h).filter(|f| f.is(name)).map(|f| decode::header_text(f.value)).collect()
                };
                prop_assert_eq!(texts(summary.fields()), texts(head));
            }
            let all: Vec<Vec<u8>> = KEPT.iter().map(|k| k.to_ascii_lowercase()).collect();
            prop_assert_eq!(pick_fields(summary.fields(), false, &all, ends), pick_fields(head, false, &all, ends));
        }

        #[test]
        fn damage_is_seen(mail in mail(), at in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<prop::sample::Index>()) {
            let made = Summary::new(&mail).unwrap();
            let size = mail.len() as u64;
            let mut octets = made.octets().to_vec();
            let at = at.index(octets.len());
            octets[at] ^= 1 << bit;
            prop_assert_eq!(Summary::is_of_another_version(&octets), at < 2);
            // Octets 2 and 3 say nothing.
            if !(2..4).contains(&at) {
                prop_assert_eq!(Summary::read(octets.into(), size), None);
            }
            let cut = cut.index(made.octets().len());
            prop_assert_eq!(Summary::read(made.octets().slice(..cut), size), None);
            prop_assert_eq!(Summary::read(made.octets().clone(), size + 1), None);
        }

        #[test]
        fn any_octets_get_an_answer(octets in proptest::collection::vec(any::<u8>(), 0..200), size: u64) {
            let _ = Summary::read(octets.into(), size);
        }
    }

    #[test]
    fn kept_names_are_found() {
        assert!(KEPT.is_sorted());
        assert!(keeps(b"Subject") && keeps(b"x-priority") && !keeps(b"Received") && !keeps(b""));
    }

    #[test]
    fn size_at_and_past_the_limit() {
        let of = |n: usize| Summary::new(format!("To: {}\r\n\r\n", "x".repeat(n)).as_bytes());
        let base = of(1).unwrap().octets().len();
        // Each letter stands in the field and in the envelope; the envelope may quote it at the end.
        let most = (1..Summary::MAX).rev().find(|n| of(*n).is_some()).unwrap();
        let largest = of(most).unwrap().octets().len();
        assert!(largest <= Summary::MAX && largest + 2 > Summary::MAX, "{base} {largest}");
        assert!(of(most + 1).is_none());
    }
}
