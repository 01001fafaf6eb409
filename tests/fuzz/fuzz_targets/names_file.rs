//! `tests::fuzz::names_file` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::names_file(octets));
