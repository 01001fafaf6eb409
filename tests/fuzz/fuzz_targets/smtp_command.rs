//! `tests::fuzz::smtp_command` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::smtp_command(octets));
