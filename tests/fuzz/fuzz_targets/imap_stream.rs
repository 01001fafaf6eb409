//! `tests::fuzz::imap_stream` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::imap_stream(octets));
