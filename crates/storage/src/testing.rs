//! What every backend is tested with: the conformance suite, the comparison with the store in memory, and a store that fails.

mod compare;
mod conformance;
mod faulty;
mod ops;

pub use crate::chance::Chance;
pub use compare::compare;
pub use conformance::conformance;
pub use faulty::{Faults, FaultyStore, Mood};
pub use ops::{Op, ops};
