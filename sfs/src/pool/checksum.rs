//! CRC-32C of bodies, by the library that is faster on this processor.
//!
//! Processors with 512-bit carry-less multiplication take `crc-fast` at several times the speed of anything else; on the others the
//! three interleaved streams of `crc32c` are a third faster for long stretches. Both give the same sums, which a test compares.

/// From this length on the interleaved streams are worth their beginning.
const LONG: usize = 1024;

/// The CRC-32C of `octets`.
pub(crate) fn checksum(octets: &[u8]) -> u32 {
    if octets.len() < LONG || multiplies_wide() {
        crc_fast::crc32_iscsi(octets)
    } else {
        crc32c::crc32c(octets)
    }
}

/// Whether `crc-fast` has its widest way here.
fn multiplies_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("vpclmulqdq");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_libraries_agree(octets in proptest::collection::vec(any::<u8>(), 0..3 * LONG)) {
            prop_assert_eq!(crc_fast::crc32_iscsi(&octets), crc32c::crc32c(&octets));
            prop_assert_eq!(checksum(&octets), crc_fast::crc32_iscsi(&octets));
        }
    }

    #[test]
    fn the_sum_is_that_of_the_field() {
        // The check value of CRC-32C, and an example of RFC 3720 (appendix B.4).
        assert_eq!(checksum(b"123456789"), 0xE306_9283);
        assert_eq!(checksum(&[0; 32]), 0x8A91_36AA);
    }
}
