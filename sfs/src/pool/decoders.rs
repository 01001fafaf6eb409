//! Every decoder of what a pool has on its disks, over any octets: what a fuzzer and the tests call.

use bytes::Bytes;

use super::catalog::{BodyRec, DirRec, FileRec, SpaceRec};
use super::op::{self, Payload};
use super::row::{Place, PreparedRow, SpecialRec};

/// Gives `octets` to every decoder of records and log entries; how many took them for a record of theirs.
///
/// # Panics
/// When a record that was taken is another one after it was written again: a defect.
pub fn decode_anything(octets: &[u8]) -> usize {
    let mut taken = 0;
    macro_rules! records {
        ($($record:ty),*) => {$(
            if let Ok(record) = <$record>::decode(octets) {
                taken += 1;
                let again = <$record>::decode(&record.encode());
                assert_eq!(again.as_ref(), Ok(&record), "{}", stringify!($record));
            }
        )*};
    }
    records!(SpaceRec, DirRec, FileRec, BodyRec, SpecialRec, Place, PreparedRow);
    match op::decode_payload(&Bytes::copy_from_slice(octets)) {
        Ok(Payload::Direct { ops, .. }) => {
            taken += 1;
            let again = op::decode_ops(&op::encode_ops(&ops).into());
            assert_eq!(again.as_ref(), Ok(&ops), "changes");
        }
        Ok(Payload::Indirect(_)) => taken += 1,
        Err(_) => {}
    }
    taken
}
