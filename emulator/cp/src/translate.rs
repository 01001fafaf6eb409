//! Translation of octets by a table of 256, many at once where the processor can.
//!
//! With AVX2 a table is sixteen rows of sixteen, and an octet's low half picks from all rows at once; the row that its high half names
//! is the one kept. That takes a third of the time of looking each octet up, which every other processor does here. Both give the same
//! octets, and a test holds them against each other.
//!
//! Not here: which table; see [`crate::codepage`].

/// Translates in place.
pub fn translate(octets: &mut [u8], table: &[u8; 256]) {
    #[cfg(target_arch = "x86_64")]
    if octets.len() >= wide::LEAST
        && let Some(simd) = pulp::x86::V3::try_new()
    {
        return simd.vectorize(wide::InPlace { simd, octets, table });
    }
    one_by_one(octets, table);
}

/// Octets that are copied and translated at once: while they are in the nearest memory, and fewer than the system's library hands to
/// the processor's own instruction for long strings, which is many times slower on some where a copy begins a little further in its
/// page than what it copies.
const NEAR: usize = 2 << 10;

/// The octets translated; with room for `more` behind them.
pub fn translated(octets: &[u8], table: &[u8; 256], more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + more);
    append(&mut out, octets, table);
    out
}

/// The octets translated, behind so many zeros.
pub fn translated_behind(zeros: usize, octets: &[u8], table: &[u8; 256]) -> Vec<u8> {
    let mut out = Vec::with_capacity(zeros + octets.len());
    out.resize(zeros, 0);
    append(&mut out, octets, table);
    out
}

fn append(out: &mut Vec<u8>, octets: &[u8], table: &[u8; 256]) {
    for near in octets.chunks(NEAR) {
        let begin = out.len();
        out.extend_from_slice(near);
        translate(&mut out[begin..], table);
    }
}

fn one_by_one(octets: &mut [u8], table: &[u8; 256]) {
    for octet in octets {
        *octet = table[usize::from(*octet)];
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::__m256i;
    use std::array::from_fn;

    use pulp::x86::V3;

    /// Fewer octets than this are done before the rows are laid out.
    pub(super) const LEAST: usize = 128;
    /// What is added so that only octets of the wanted row stay below 128, which is where a shuffle gives zero.
    const APART: i8 = 0x70;

    pub(super) struct InPlace<'a> {
        pub(super) simd: V3,
        pub(super) octets: &'a mut [u8],
        pub(super) table: &'a [u8; 256],
    }

    impl pulp::NullaryFnOnce for InPlace<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let (avx, avx2) = (self.simd.avx, self.simd.avx2);
            let (rows, _) = self.table.as_chunks::<16>();
            let rows: [__m256i; 16] = from_fn(|i| pulp::cast([rows[i], rows[i]]));
            let names: [__m256i; 16] = from_fn(|i| avx._mm256_set1_epi8((i << 4) as u8 as i8));
            let apart = avx._mm256_set1_epi8(APART);
            let pick = |x: __m256i, row: usize| {
                let low = avx2._mm256_adds_epu8(avx2._mm256_xor_si256(x, names[row]), apart);
                avx2._mm256_shuffle_epi8(rows[row], low)
            };
            let (chunks, rest) = self.octets.as_chunks_mut::<32>();
            for chunk in chunks {
                let x: __m256i = pulp::cast(*chunk);
                let mut y = pick(x, 0);
                for row in 1..8 {
                    y = avx2._mm256_or_si256(y, pick(x, row));
                }
                // Plain text of a terminal or a mail has nothing in the upper half.
                if avx2._mm256_movemask_epi8(x) != 0 {
                    for row in 8..16 {
                        y = avx2._mm256_or_si256(y, pick(x, row));
                    }
                }
                *chunk = pulp::cast(y);
            }
            super::one_by_one(rest, self.table);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codepage::{EBCDIC_TO_LATIN1, LATIN1_TO_EBCDIC};

    proptest! {
        #[test]
        fn many_at_once_give_what_one_by_one_gives(
            octets in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..1000),
                proptest::collection::vec(0u8..128, 0..1000)
            ],
            to_ebcdic in any::<bool>(),
        ) {
            let table = if to_ebcdic { &LATIN1_TO_EBCDIC } else { &EBCDIC_TO_LATIN1 };
            let mut expected = octets.clone();
            one_by_one(&mut expected, table);
            prop_assert_eq!(translated(&octets, table, 2), expected);
        }
    }
}
