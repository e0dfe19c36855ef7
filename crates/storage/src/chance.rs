//! Chance that a seed repeats: for the jitter of retries and for what tests draw.

use std::hash::{BuildHasher as _, RandomState};

/// 64 bits that nobody else has, from the system's randomness by way of the standard library's hash seeds. Not for secrets.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// A source of chance: the same seed gives the same numbers on every machine, so a failing seed can be run again.
///
/// SplitMix64, whose every seed is as good as any other. Not for secrets.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The source of a seed.
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// The next 64 bits, all equally likely.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let high = (u128::from(self.bits()) * u128::from(end)) >> 64;
        u64::try_from(high).expect("a product of two 64-bit numbers has 64 high bits")
    }

    /// True in `n` of a thousand cases.
    pub fn per_mille(&mut self, n: u64) -> bool {
        self.below(1_000) < n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_all_values_come_up() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..100).map(|_| chance.below(7)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!((0..7).all(|n| draw(1).contains(&n)));
    }
}
