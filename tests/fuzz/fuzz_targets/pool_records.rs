//! `tests::fuzz::pool_records` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::pool_records(octets));
