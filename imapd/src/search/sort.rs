//! SORT: messages in the order of keys (RFC 5256 section 3, RFC 5957, RFC 6203 section 6).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::mail::head::Head;
use crate::mailstore::MessageRecord;
use crate::syntax::sort_key::{SortField, SortKey};

/// A message to be sorted or threaded.
#[derive(Debug, Clone)]
pub struct Sortable {
    /// Its number in the session.
    pub number: u32,
    /// Its record.
    pub record: MessageRecord,
    /// How well it matches, 1 to 100.
    pub score: u8,
    /// Its header; empty when no key looks at it.
    pub head: Arc<Head>,
}

impl Sortable {
    /// When it was sent, or else when it arrived (RFC 5256 section 2.2).
    pub fn sent(&self) -> i64 {
        self.head.sent.unwrap_or(self.record.date.seconds)
    }
}

/// Sorts by the keys, and by message number where they say nothing.
pub fn sort(messages: &mut [Sortable], keys: &[SortKey]) {
    messages.sort_unstable_by(|a, b| order_of(a, b, keys));
}

/// Which of two messages comes first.
pub fn order_of(a: &Sortable, b: &Sortable, keys: &[SortKey]) -> Ordering {
    let by_keys = keys.iter().map(|key| {
        let order = compare(key.field, a, b);
        if key.reverse { order.reverse() } else { order }
    });
    by_keys.fold(Ordering::Equal, Ordering::then).then(a.number.cmp(&b.number))
}

fn compare(field: SortField, a: &Sortable, b: &Sortable) -> Ordering {
    match field {
        SortField::Arrival => a.record.date.seconds.cmp(&b.record.date.seconds),
        SortField::Cc => a.head.cc.cmp(&b.head.cc),
        SortField::Date => a.sent().cmp(&b.sent()),
        SortField::DisplayFrom => a.head.display_from.cmp(&b.head.display_from),
        SortField::DisplayTo => a.head.display_to.cmp(&b.head.display_to),
        SortField::From => a.head.from.cmp(&b.head.from),
        // The most relevant comes first (RFC 6203 section 6).
        SortField::Relevancy => b.score.cmp(&a.score),
        SortField::Size => a.record.size.cmp(&b.record.size),
        SortField::Subject => a.head.subject.cmp(&b.head.subject),
        SortField::To => a.head.to.cmp(&b.head.to),
    }
}
