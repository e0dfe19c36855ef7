//! A file of metrics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| analysis::fuzz::oal(data));
