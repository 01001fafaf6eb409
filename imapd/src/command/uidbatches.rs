//! UIDBATCHES (RFC 10022)

use super::Done;
use crate::mailstore::StoreError;
use crate::session::{Out, Reply, Session};
use crate::syntax::quote;

/// Smallest batch: with smaller ones the answer would become long.
const LEAST_BATCH: u32 = 500;

/// Most messages in the batches that a client may ask for by number.
const MOST_MESSAGES: u64 = 100_000;

/// Shows ranges of UIDs, from the highest, each with `size` messages but for the last; of all batches those of `range`.
/// Together the ranges cover every UID, so that a message is always in one of them. Who knows them already is refused.
///
/// # Errors
/// When no mailbox is selected.
pub async fn run(
    session: &mut Session,
    size: u32,
    range: Option<(u32, u32)>,
    tag: &[u8],
    out: &mut Out<'_>,
) -> Done {
    if size < LEAST_BATCH {
        return Ok(Reply::no("TOOFEW", format!("A batch has at least {LEAST_BATCH} messages")));
    }
    if let Some((first, last)) = range {
        if first > last {
            return Ok(Reply::client_bug("The first batch comes before the last"));
        }
        if u64::from(last - first + 1) * u64::from(size) > MOST_MESSAGES {
            return Ok(Reply::no("TOOMANY", format!("Batches of {MOST_MESSAGES} messages at most")));
        }
    }
    let (first, last) = range.unwrap_or((1, u32::MAX));
    let view = session.view.as_mut().ok_or(StoreError::NoSuchMailbox)?;
    if !view.ask_batches(size, (first, last)) {
        return Ok(Reply::no(
            "LIMIT",
            "These batches were shown, and the mailbox has changed by less than half of one",
        ));
    }
    out.buf.extend_from_slice(b"* UIDBATCHES (TAG ");
    quote::string(out.buf, tag);
    out.buf.push(b')');
    let batches = batches(view.uids(), size as usize);
    let wanted = batches.enumerate().skip(first as usize - 1).take_while(|(i, _)| *i < last as usize);
    for (i, (high, low)) in wanted {
        let separator = if i + 1 == first as usize { ' ' } else { ',' };
        out.buf.extend_from_slice(format!("{separator}{high}:{low}").as_bytes());
    }
    out.buf.extend_from_slice(b"\r\n");
    Ok(Reply::ok("UIDBATCHES completed"))
}

/// Highest and lowest UID of each batch, the highest batch first.
fn batches(uids: &[u32], size: usize) -> impl Iterator<Item = (u32, u32)> + '_ {
    let count = uids.len().div_ceil(size);
    let start = move |i: usize| uids.len().saturating_sub((i + 1) * size);
    (0..count).map(move |i| {
        let high = if i == 0 { uids[uids.len() - 1] } else { uids[start(i - 1)] - 1 };
        (high, if i + 1 == count { 1 } else { uids[start(i)] })
    })
}

#[cfg(test)]
mod tests {
    use super::batches;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_message_is_in_one_batch(uids in proptest::collection::btree_set(1u32..1000, 0..60), size in 1usize..20) {
            let uids: Vec<u32> = uids.into_iter().collect();
            let found: Vec<_> = batches(&uids, size).collect();
            let mut above = uids.last().map_or(1, |u| u + 1);
            for (i, (high, low)) in found.iter().enumerate() {
                prop_assert_eq!(*high, above - 1);
                let there = uids.iter().filter(|u| (low..=high).contains(u)).count();
                prop_assert_eq!(there, if i + 1 < found.len() { size } else { uids.len() - i * size });
                above = *low;
            }
            prop_assert_eq!(above, 1);
        }
    }
}
