//! `tests::fuzz::netdata` under libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| tests::fuzz::netdata(octets));
