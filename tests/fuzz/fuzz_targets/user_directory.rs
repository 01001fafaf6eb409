//! `tests::fuzz::user_directory` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::user_directory(octets));
