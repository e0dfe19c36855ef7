//! config
/// x
#[derive(Debug)]
pub struct Config;
/// x
pub fn open() {}
