//! `tests::fuzz::addrblok` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::addrblok(octets));
