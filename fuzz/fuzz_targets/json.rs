//! The body of an HTTP twin.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receiver::fuzz::json(data));
