//! `MAILBOX INDEX`: the mailboxes of a user (format 160, the structure of 1.6).
//!
//! RECFM F, LRECL 512, numbers little-endian, names of mailboxes in UTF-8, other texts in EBCDIC padded with blanks.
//! The first octet of a record says what it is; a record of octet 0 = 0 is free and is used again.
//!
//! | octets | `H` record 1 |
//! |---|---|
//! | 0, 2-3 | C`H`, format 160 |
//! | 4-7, 8-11 | greatest UIDVALIDITY given, greatest mailbox number given |
//! | 16-23, 24-31 | creation of the file space, in microseconds since 1970 UTC, and the file's own unique number ([`note_file`]): both are others once a backup is restored; 0 in files of before they were noted |
//!
//! | octets | `O` record 2: spool files taken last, oldest first |
//! |---|---|
//! | 0, 2-3 | C`O`, count |
//! | 8 on | 20 octets each: owner (8), spool file number (2), 0 (2), creation time (8) |
//!
//! | octets | `M` one mailbox |
//! |---|---|
//! | 0, 2-3 | C`M`, length of the name in octets |
//! | 4-7, 8-11, 12-15 | mailbox number, UIDVALIDITY, UIDNEXT |
//! | 16-23 | HIGHESTMODSEQ |
//! | 24-27, 28-31 | attributes ([`Attributes`]), first recent UID |
//! | 32-39 | creation, seconds since 1970 UTC |
//! | 40-43, 44-47, 48-55 | messages, unseen messages, octets |
//! | 56-59 | record number of the continuation, or 0 |
//! | 60-75 | directory name |
//! | 76-111 | 0, reserved |
//! | 112-511 | the name, its first 400 octets |
//!
//! Attribute bits that are 0 in files of before they had a meaning mean "not so", so the format stays 160.
//!
//! | octets | `C` continuation of a name |
//! |---|---|
//! | 0, 4-7 | C`C`, mailbox number |
//! | 8-511 | octets 400 on of the name |

use crate::mailstore::backend::LoadedUser;
use crate::mailstore::error::StoreError;
use crate::mailstore::types::{
    Attributes, MailboxId, MailboxRow, ModSeq, Origin, SpaceId, Uid, UidValidity, UserHeader,
};
use crate::syntax::mailbox_name::MailboxName;
use crate::vm::{UserId, codepage};

use super::note_index::field;

/// Record length.
pub const LRECL: usize = 512;
/// Format number in the header.
pub const FORMAT: u16 = 160;
/// First record after header and origins.
pub const FIRST_SLOT: u32 = 3;

const HEADER: u8 = 0xC8;
const ORIGINS: u8 = 0xD6;
const MAILBOX: u8 = 0xD4;
const CONTINUATION: u8 = 0xC3;
const ORIGIN_LEN: usize = 20;
const UNIQUE: std::ops::Range<usize> = 24..32;
const NAME_AT: usize = 112;
const INLINE: usize = MailboxRow::INLINE_NAME;

/// One record.
pub type Record = [u8; LRECL];

/// Text in EBCDIC, blanks behind it.
pub(super) fn padded(text: &str, out: &mut [u8]) {
    out.fill(codepage::EBCDIC_BLANK);
    for (slot, b) in out.iter_mut().zip(codepage::from_text(text)) {
        *slot = b;
    }
}

/// Records 1 and 2.
pub fn header(h: &UserHeader) -> [Record; 2] {
    let mut first = [0; LRECL];
    first[0] = HEADER;
    first[2..4].copy_from_slice(&FORMAT.to_le_bytes());
    first[4..8].copy_from_slice(&h.last_uid_validity.to_le_bytes());
    first[8..12].copy_from_slice(&h.last_mailbox_id.to_le_bytes());
    first[16..24].copy_from_slice(&h.space.0.to_le_bytes());
    let mut second = [0; LRECL];
    second[0] = ORIGINS;
    let origins = &h.origins[h.origins.len().saturating_sub(UserHeader::ORIGINS)..];
    second[2..4].copy_from_slice(&(origins.len() as u16).to_le_bytes());
    for (origin, slot) in origins.iter().zip(second[8..].chunks_exact_mut(ORIGIN_LEN)) {
        padded(origin.owner.as_str(), &mut slot[..8]);
        slot[8..10].copy_from_slice(&origin.spool_id.to_le_bytes());
        slot[12..20].copy_from_slice(&origin.created.to_le_bytes());
    }
    [first, second]
}

/// A mailbox: its record and, for a long name, the continuation.
pub fn mailbox(row: &MailboxRow) -> (Record, Option<Record>) {
    let name = row.name.as_str().as_bytes();
    let mut r = [0; LRECL];
    r[0] = MAILBOX;
    r[2..4].copy_from_slice(&(name.len() as u16).to_le_bytes());
    r[4..8].copy_from_slice(&row.id.0.to_le_bytes());
    r[8..12].copy_from_slice(&row.uid_validity.0.to_le_bytes());
    r[12..16].copy_from_slice(&row.uid_next.0.to_le_bytes());
    r[16..24].copy_from_slice(&row.highest_modseq.0.to_le_bytes());
    r[24..28].copy_from_slice(&row.attributes.0.to_le_bytes());
    r[28..32].copy_from_slice(&row.recent_from.0.to_le_bytes());
    r[32..40].copy_from_slice(&row.created.to_le_bytes());
    r[40..44].copy_from_slice(&row.messages.to_le_bytes());
    r[44..48].copy_from_slice(&row.unseen.to_le_bytes());
    r[48..56].copy_from_slice(&row.octets.to_le_bytes());
    r[56..60].copy_from_slice(&row.name_slot.to_le_bytes());
    padded(&row.dir, &mut r[60..76]);
    let inline = name.len().min(INLINE);
    r[NAME_AT..NAME_AT + inline].copy_from_slice(&name[..inline]);
    if row.name_slot == 0 {
        return (r, None);
    }
    let mut c = [0; LRECL];
    c[0] = CONTINUATION;
    c[4..8].copy_from_slice(&row.id.0.to_le_bytes());
    c[8..8 + name.len() - inline].copy_from_slice(&name[inline..]);
    (r, Some(c))
}

/// Notes in the header, which begins the octets, the unique number of the file that it is written to.
pub fn note_file(octets: &mut [u8], unique: u64) {
    if let Some(place) = octets.get_mut(UNIQUE) {
        place.copy_from_slice(&unique.to_le_bytes());
    }
}

/// The unique number of the file that the header was written to; 0 in one of before that was noted.
pub fn noted_file(image: &[u8]) -> u64 {
    image.get(UNIQUE).map_or(0, |place| u64::from_le_bytes(field(place, 0)))
}

fn read_header(first: &[u8], second: &[u8]) -> Option<UserHeader> {
    if first[0] != HEADER || u16::from_le_bytes(field(first, 2)) != FORMAT || second[0] != ORIGINS {
        return None;
    }
    let count = usize::from(u16::from_le_bytes(field(second, 2)));
    let origins = second[8..].chunks_exact(ORIGIN_LEN).take(count.min(UserHeader::ORIGINS)).map(|o| {
        Some(Origin {
            owner: UserId::new(codepage::to_text(&o[..8]).trim_end()).ok()?,
            spool_id: u16::from_le_bytes(field(o, 8)),
            created: u64::from_le_bytes(field(o, 12)),
        })
    });
    Some(UserHeader {
        last_uid_validity: u32::from_le_bytes(field(first, 4)),
        last_mailbox_id: u32::from_le_bytes(field(first, 8)),
        space: SpaceId(i64::from_le_bytes(field(first, 16))),
        origins: origins.collect::<Option<_>>()?,
    })
}

fn read_mailbox(r: &[u8], slot: u32, image: &[u8]) -> Option<MailboxRow> {
    let len = usize::from(u16::from_le_bytes(field(r, 2)));
    let id = u32::from_le_bytes(field(r, 4));
    let name_slot = u32::from_le_bytes(field(r, 56));
    let mut name = r[NAME_AT..NAME_AT + len.min(INLINE)].to_vec();
    if len > INLINE {
        let at = (name_slot as usize).checked_sub(1)? * LRECL;
        let c = image.get(at..at + LRECL)?;
        if c[0] != CONTINUATION || u32::from_le_bytes(field(c, 4)) != id {
            return None;
        }
        name.extend_from_slice(c.get(8..8 + len - INLINE)?);
    }
    Some(MailboxRow {
        id: MailboxId(id),
        dir: codepage::to_text(&r[60..76]).trim_end().to_owned(),
        name: MailboxName::new(std::str::from_utf8(&name).ok()?).ok()?,
        uid_validity: UidValidity(u32::from_le_bytes(field(r, 8))),
        uid_next: Uid(u32::from_le_bytes(field(r, 12))),
        highest_modseq: ModSeq(u64::from_le_bytes(field(r, 16))),
        attributes: Attributes(u32::from_le_bytes(field(r, 24))),
        recent_from: Uid(u32::from_le_bytes(field(r, 28))),
        created: i64::from_le_bytes(field(r, 32)),
        messages: u32::from_le_bytes(field(r, 40)),
        unseen: u32::from_le_bytes(field(r, 44)),
        octets: u64::from_le_bytes(field(r, 48)),
        slot,
        name_slot,
    })
}

/// Everything in the file, whose image this is.
///
/// # Errors
/// [`StoreError::Damaged`] naming the record.
pub fn load(image: &[u8]) -> Result<LoadedUser, StoreError> {
    let (out, _, damage) = salvage(image);
    match damage.into_iter().next() {
        Some(first) => Err(StoreError::Damaged(first)),
        None => Ok(out),
    }
}

/// What is readable of the file, whose image this is; whether that includes its header; and each record that is not.
pub fn salvage(image: &[u8]) -> (LoadedUser, bool, Vec<String>) {
    let mut damage = Vec::new();
    let mut damaged = |slot: usize, what: &str| damage.push(format!("MAILBOX INDEX record {slot}: {what}"));
    let mut out = LoadedUser::default();
    let header = match image.get(..2 * LRECL) {
        Some(both) => read_header(&both[..LRECL], &both[LRECL..]),
        None => None,
    };
    let has_header = header.is_some();
    match header {
        Some(header) => out.header = header,
        None => damaged(1, "is not a header of this format"),
    }
    if !image.len().is_multiple_of(LRECL) {
        damaged(image.len() / LRECL + 1, "is cut short");
    }
    for (i, r) in image.chunks_exact(LRECL).enumerate().skip(2) {
        let Ok(slot) = u32::try_from(i + 1) else {
            damaged(i + 1, "is beyond any number");
            break;
        };
        match r[0] {
            MAILBOX => match read_mailbox(r, slot, image) {
                Some(row) => out.rows.push(row),
                None => damaged(i + 1, "holds no mailbox"),
            },
            CONTINUATION => {}
            0 => out.free_slots.push(slot),
            _ => damaged(i + 1, "is of no known kind"),
        }
    }
    out.next_slot = u32::try_from(image.len() / LRECL + 1).unwrap_or(u32::MAX).max(FIRST_SLOT);
    (out, has_header, damage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(name: &str, name_slot: u32) -> MailboxRow {
        MailboxRow {
            id: MailboxId(7),
            dir: "F00000007".into(),
            name: MailboxName::new(name).unwrap(),
            uid_validity: UidValidity(9),
            uid_next: Uid(10),
            highest_modseq: ModSeq(11),
            attributes: Attributes(5),
            recent_from: Uid(4),
            created: -1,
            messages: 2,
            unseen: 1,
            octets: 1 << 40,
            slot: 4,
            name_slot,
        }
    }

    #[test]
    fn names_at_and_past_the_inline_length() {
        for len in [1, INLINE, INLINE + 1, MailboxName::MAX_OCTETS] {
            let row = row(&"n".repeat(len), if len > INLINE { 3 } else { 0 });
            let (record, continuation) = mailbox(&row);
            let [h, o] = header(&UserHeader::default());
            let image = [h, o, continuation.unwrap_or([0; LRECL]), record].concat();
            assert_eq!(load(&image).unwrap().rows, vec![row]);
        }
    }

    proptest! {
        #[test]
        fn header_there_and_back(validity: u32, id: u32, space: i64, unique: u64, origins in proptest::collection::vec((1u16..9999, any::<u64>()), 0..40)) {
            let origins: Vec<Origin> = origins
                .into_iter()
                .map(|(spool_id, created)| Origin { owner: UserId::new("IMAP").unwrap(), spool_id, created })
                .collect();
            let h = UserHeader { last_uid_validity: validity, last_mailbox_id: id, space: SpaceId(space), origins };
            let mut image = header(&h).concat();
            note_file(&mut image, unique);
            prop_assert_eq!(noted_file(&image), unique);
            let loaded = load(&image).unwrap();
            prop_assert_eq!(loaded.header.space, SpaceId(space));
            prop_assert_eq!(loaded.header.last_uid_validity, validity);
            prop_assert_eq!(loaded.header.last_mailbox_id, id);
            let kept = h.origins.len().min(UserHeader::ORIGINS);
            prop_assert_eq!(&loaded.header.origins[..], &h.origins[h.origins.len() - kept..]);
        }

        #[test]
        fn any_octets_get_an_answer(mut image in proptest::collection::vec(any::<u8>(), 1536..2560), whole: bool) {
            if whole {
                image.truncate(1536);
                image[..1024].copy_from_slice(&header(&UserHeader::default()).concat());
            }
            let _ = load(&image);
        }
    }
}
