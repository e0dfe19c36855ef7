//! A message on the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receiver::fuzz::wire(data));
