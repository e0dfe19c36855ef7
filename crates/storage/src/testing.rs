//! What every backend is tested with: the conformance suite, the comparison with the store in memory, and a store that fails.

mod faulty;

pub use faulty::{Faults, FaultyStore, Mood};
pub use crate::chance::Chance;
