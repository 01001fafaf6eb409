//! `tests::fuzz::object_directory` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::object_directory(octets));
