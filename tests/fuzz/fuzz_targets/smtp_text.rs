//! `tests::fuzz::smtp_text` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::smtp_text(octets));
