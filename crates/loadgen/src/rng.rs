//! Random numbers that are the same for the same seed, on every machine and in every version.

/// SplitMix64: 64 bits of state, good enough to choose endpoints with, and nothing that an update of a crate could change.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`; `n` is at least 1. The bias is below 2^-32 for every `n` used here.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let drawn = (u128::from(self.next()) * n as u128) >> 64;
        usize::try_from(drawn).expect("less than n, which is a usize")
    }

    /// `true` in this share of all cases.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_bounds_are_kept() {
        let mut rng = Rng::new(1);
        let n_hits = (0..100_000).filter(|_| rng.happens(0.03)).count();
        assert!((2_700..3_300).contains(&n_hits), "{n_hits}");
        let mut seen = [0_u32; 7];
        (0..7_000).for_each(|_| seen[rng.below(7)] += 1);
        assert!(seen.iter().all(|n| (800..1_200).contains(n)), "{seen:?}");
        assert!(!rng.happens(0.0) && rng.happens(1.0));
    }
}
