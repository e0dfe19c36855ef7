//! What every backend is tested with: the conformance suite, the comparison with the store in memory, and a store that fails.

mod faulty;

pub use crate::chance::Chance;
pub use faulty::{Faults, FaultyStore, Mood};
