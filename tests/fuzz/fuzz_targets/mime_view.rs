//! `tests::fuzz::mime_view` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::mime_view(octets));
