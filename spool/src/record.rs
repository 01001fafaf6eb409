//! Records of a spool file and how they are laid out one behind the other.
//!
//! A record is a command code, a length of two octets, and that many octets, kept as they were written: no padding is
//! added and no trailing blank removed, for a mail has to come back octet for octet.

use bytes::{Buf, Bytes};

/// Longest record in octets: what a length of two octets can say.
pub const MAX_RECORD: usize = 65_535;
/// Octets of the frame around a record.
pub(crate) const FRAME: usize = 3;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The channel command code it was written with.
    pub op: u8,
    /// Its octets.
    pub data: Bytes,
}

/// Appends a record to `out`; `data` is at most [`MAX_RECORD`] octets.
pub(crate) fn append(out: &mut Vec<u8>, op: u8, data: &[u8]) {
    let len = u16::try_from(data.len()).expect("the caller has checked the length");
    out.push(op);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(data);
}

/// Takes the first record off `body`; `None` at the end, `Some(Err)` when what is there is no record.
pub(crate) fn take(body: &mut Bytes) -> Option<Result<Record, ()>> {
    if body.is_empty() {
        return None;
    }
    if body.len() < FRAME {
        return Some(Err(()));
    }
    let op = body.get_u8();
    let len = usize::from(body.get_u16_le());
    if body.len() < len {
        return Some(Err(()));
    }
    Some(Ok(Record { op, data: body.split_to(len) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_back(records in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
            let mut body = Vec::new();
            for (op, data) in &records { append(&mut body, *op, data); }
            let mut body = Bytes::from(body);
            let mut seen = Vec::new();
            while let Some(record) = take(&mut body) {
                let record = record.unwrap();
                seen.push((record.op, record.data.to_vec()));
            }
            prop_assert_eq!(seen, records);
        }

        #[test]
        fn rubbish_is_an_error_and_no_panic(rubbish in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut body = Bytes::from(rubbish);
            while let Some(Ok(_)) = take(&mut body) {}
        }
    }
}
