//! What tests of several crates share: a clock on virtual time, segments as agents report them, and golden files. Only ever a
//! dev-dependency.

mod clock;
pub mod golden;
pub mod segments;

pub use clock::{START, clock};
