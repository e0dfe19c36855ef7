//! A metric expression.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mqe::fuzz::expression(data));
