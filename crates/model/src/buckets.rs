//! A histogram as a sorted list of (key, count): what percentiles and heat maps remember.

use serde::{Deserialize, Serialize};

use crate::Few;

/// Most keys a histogram keeps. Latencies in steps of 10 ms reach it at 41 s of *distinct* values.
pub const MAX_KEYS: usize = 4_096;
/// Where the counts of keys beyond [`MAX_KEYS`] go.
pub const OVERFLOW_KEY: i32 = i32::MAX;

/// Up to here keys are added one by one when histograms merge: a second of one endpoint has a few, its day has hundreds.
const FEW_KEYS: usize = 8;

/// Counts by key, ascending by key, each key once. Merging adds counts.
///
/// Over [`MAX_KEYS`] the smallest keys stay and the rest is folded into [`OVERFLOW_KEY`]; "the first that came" would make the
/// result depend on the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets(Few<(i32, u64)>);

impl Buckets {
    /// Counts `n` more at `key`.
    pub fn add(&mut self, key: i32, n: u64) {
        match self.0.binary_search_by_key(&key, |&(k, _)| k) {
            Ok(i) => self.0[i].1 = self.0[i].1.wrapping_add(n),
            Err(i) => {
                self.0.insert(i, (key, n));
                self.cap();
            }
        }
    }

    /// Adds the other's counts to this one's.
    pub fn merge(&mut self, other: &Buckets) {
        if other.len() <= FEW_KEYS {
            return other.iter().for_each(|(key, n)| self.add(key, n));
        }
        let mut merged = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    (x.0, a.next().map_or(0, |x| x.1).wrapping_add(b.next().map_or(0, |y| y.1)))
                }
                (Some(x), Some(y)) if x.0 < y.0 => (x.0, a.next().map_or(0, |x| x.1)),
                (_, Some(y)) => (y.0, b.next().map_or(0, |y| y.1)),
                (Some(x), None) => (x.0, a.next().map_or(0, |x| x.1)),
                (None, None) => break,
            };
            merged.push(next);
        }
        self.0 = merged.into();
        self.cap();
    }

    fn cap(&mut self) {
        let real = self.0.len() - usize::from(self.0.last().is_some_and(|&(k, _)| k == OVERFLOW_KEY));
        if real <= MAX_KEYS {
            return;
        }
        let counts = self.0.vec();
        let folded = counts.drain(MAX_KEYS..).fold(0u64, |sum, (_, n)| sum.wrapping_add(n));
        counts.push((OVERFLOW_KEY, folded));
    }

    /// The counts, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, &(_, n)| sum.wrapping_add(n))
    }

    /// The value at each rank, in the order of `ranks` (per cent, ascending): the *lower edge* of the bucket in which the
    /// rank falls, `key × precision`.
    ///
    /// The roof of rank r is `total × r / 100` rounded half up, computed in 32-bit floats as SkyWalking's
    /// `PercentileFunction2` does (analysis 4.4); the walk goes up the keys while the running count reaches the roof.
    pub fn percentiles(&self, ranks: &[u32], precision: i64) -> Vec<i64> {
        let total = self.total();
        let mut values = Vec::with_capacity(ranks.len());
        let mut count = 0u64;
        for (key, n) in self.iter() {
            count = count.wrapping_add(n);
            while let Some(&rank) = ranks.get(values.len()) {
                if count < roof(total, rank) {
                    break;
                }
                values.push(i64::from(key) * precision);
            }
        }
        values
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the reference computes the roof in 32-bit floats, and its answers are the contract"
)]
fn roof(total: u64, rank: u32) -> u64 {
    let scaled = (total.wrapping_mul(u64::from(rank)) as f32) / 100.0;
    (f64::from(scaled) + 0.5).floor() as u64
}

impl FromIterator<(i32, u64)> for Buckets {
    fn from_iter<I: IntoIterator<Item = (i32, u64)>>(counts: I) -> Self {
        let mut buckets = Buckets::default();
        for (key, n) in counts {
            buckets.add(key, n);
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(latencies: &[i32], expected: [i64; 5]) {
        let buckets: Buckets = latencies.iter().map(|l| (l / 10, 1)).collect();
        assert_eq!(buckets.percentiles(&[50, 75, 90, 95, 99], 10), expected, "{latencies:?}");
    }

    #[test]
    fn percentiles_are_lower_edges_of_buckets() {
        check(&[12, 87, 130, 250, 499, 500, 501, 1999, 2000, 2001], [490, 1990, 2000, 2000, 2000]);
        check(&[5, 15, 25, 35, 45, 55, 65], [30, 40, 50, 60, 60]);
        check(&[40, 500], [40, 500, 500, 500, 500]);
        check(&[4], [0; 5]);
        check(&[40, 100, 500], [100, 100, 500, 500, 500]);
    }

    #[test]
    fn over_the_cap_the_smallest_keys_stay_and_the_total_holds() {
        let n = i32::try_from(MAX_KEYS).unwrap() + 10;
        let up: Buckets = (0..n).map(|k| (k, 1)).collect();
        let down: Buckets = (0..n).rev().map(|k| (k, 1)).collect();
        assert_eq!(up, down);
        assert_eq!(up.total(), u64::try_from(n).unwrap());
        assert_eq!(up.len(), MAX_KEYS + 1);
        assert_eq!(up.iter().last(), Some((OVERFLOW_KEY, 10)));
    }
}
