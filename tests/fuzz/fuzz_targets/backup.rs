//! `tests::fuzz::backup` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::backup(octets));
