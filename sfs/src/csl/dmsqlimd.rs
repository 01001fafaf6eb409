//! DMSQLIMD - Query Limits Deblocker: takes the buffer of DMSQLIMA apart.
//!
//! A Rust program has the same from DMSQLIMA itself; the buffer is for callers that pass variables. It is one entry of
//! [`LIMITS_LENGTH`] octets a user: user id (CHAR 8, code page 1047), limit and blocks in use (8 octets each, big-endian), threshold
//! (INT 4), storage group (INT 4). The layout is ours.

use cp::codepage::{to_ebcdic, to_text};
use cp::name::UserId;

use super::{Enrolled, ReasonCode, SpaceStatus, StorageGroup};

/// Octets of one entry.
pub const LIMITS_LENGTH: usize = 32;

/// What DMSQLIMD returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsEntry {
    /// Whose file space.
    pub userid: UserId,
    /// Its limit, blocks, threshold and storage group.
    pub space: SpaceStatus,
}

/// Lays entries out for a caller's buffer.
pub fn encode_limits(all: &[Enrolled]) -> Vec<u8> {
    let mut out = Vec::with_capacity(all.len() * LIMITS_LENGTH);
    for (user, space) in all {
        let mut name = [b' '; 8];
        name[..user.as_str().len()].copy_from_slice(user.as_str().as_bytes());
        to_ebcdic(&mut name);
        out.extend_from_slice(&name);
        out.extend_from_slice(&space.limit.to_be_bytes());
        out.extend_from_slice(&space.used.to_be_bytes());
        out.extend_from_slice(&u32::from(space.threshold).to_be_bytes());
        out.extend_from_slice(&u32::from(space.group.get()).to_be_bytes());
    }
    out
}

/// DMSQLIMD: entry `number` (from 1) of a buffer of DMSQLIMA.
///
/// # Errors
/// `NoSuchEntry` for a number that the buffer has no entry of, or one that none could be.
pub fn dmsqlimd(buffer: &[u8], number: u32) -> Result<LimitsEntry, ReasonCode> {
    let at = (number as usize).checked_sub(1).and_then(|n| n.checked_mul(LIMITS_LENGTH));
    let entry = at.and_then(|at| buffer.get(at..)?.first_chunk::<LIMITS_LENGTH>());
    entry.and_then(decode).ok_or(ReasonCode::NoSuchEntry)
}

fn decode(entry: &[u8; LIMITS_LENGTH]) -> Option<LimitsEntry> {
    let userid = UserId::new(to_text(&entry[..8]).trim_end()).ok()?;
    let long = |at: usize| entry.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    let int = |at: usize| entry.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let threshold = u8::try_from(int(24)?).ok()?;
    let group = u16::try_from(int(28)?).ok().and_then(StorageGroup::new)?;
    Some(LimitsEntry { userid, space: SpaceStatus { limit: long(8)?, used: long(16)?, threshold, group } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_read_back(limit: u64, used: u64, threshold: u8, group in 1u16..=StorageGroup::MAX, number in 1u32..3) {
            let user = |name: &str| UserId::new(name).unwrap();
            let space = SpaceStatus { limit, used, threshold, group: StorageGroup::new(group).unwrap() };
            let all = [(user("JOE"), space), (user("OPERATOR"), space)];
            let (userid, space) = all[number as usize - 1];
            prop_assert_eq!(dmsqlimd(&encode_limits(&all), number), Ok(LimitsEntry { userid, space }));
            prop_assert_eq!(dmsqlimd(&encode_limits(&all), 3), Err(ReasonCode::NoSuchEntry));
        }

        #[test]
        fn no_buffer_makes_the_deblocker_panic(buffer in prop::collection::vec(any::<u8>(), 0..100), number: u32) {
            let _ = dmsqlimd(&buffer, number);
        }
    }
}
