//! A page of results: `1:100` from the lowest, `-1:-100` from the highest (RFC 9394 section 4).

use std::fmt;

/// The page as the client gave it, for it is shown again; its ends stand in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialRange {
    /// One end, counted from 1.
    pub from: u32,
    /// The other.
    pub to: u32,
    /// Whether it is counted from the last result.
    pub backwards: bool,
}

impl PartialRange {
    /// What of all results is on the page; nothing when it lies outside.
    pub fn of<T>(self, all: &[T]) -> &[T] {
        let low = self.from.min(self.to) as usize - 1;
        let high = (self.from.max(self.to) as usize).min(all.len());
        match (low < high, self.backwards) {
            (false, _) => &[],
            (true, false) => &all[low..high],
            (true, true) => &all[all.len() - high..all.len() - low],
        }
    }
}

impl fmt::Display for PartialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.backwards { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages() {
        let all = [10, 20, 30, 40, 50];
        let page = |from, to, backwards| PartialRange { from, to, backwards }.of(&all).to_vec();
        assert_eq!(page(1, 2, false), [10, 20]);
        assert_eq!(page(2, 1, true), [40, 50]);
        assert_eq!(page(4, 9, false), [40, 50]);
        assert_eq!(page(4, 9, true), [10, 20]);
        assert!(page(6, 9, false).is_empty());
        assert!(page(6, u32::MAX, true).is_empty());
        assert_eq!(PartialRange { from: 3, to: 9, backwards: true }.to_string(), "-3:-9");
    }

    proptest! {
        #[test]
        fn both_directions_mirror(len in 0usize..20, from in 1u32..25, to in 1u32..25) {
            let all: Vec<usize> = (0..len).collect();
            let back: Vec<usize> = (0..len).rev().collect();
            let mut page = PartialRange { from, to, backwards: true }.of(&all).to_vec();
            page.reverse();
            prop_assert_eq!(page, PartialRange { from, to, backwards: false }.of(&back).to_vec());
        }
    }
}
