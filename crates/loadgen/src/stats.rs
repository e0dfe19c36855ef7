//! Percentiles of latencies.

use std::time::Duration;

use serde::Serialize;

/// What a number of latencies come to, in milliseconds with three digits. Percentiles are ranks of what was seen, never
/// values in between; all are 0 where nothing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latencies {
    pub(crate) n: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Latencies {
    pub(crate) fn of(mut seen: Vec<Duration>) -> Self {
        seen.sort_unstable();
        let n = seen.len();
        // The nearest rank: the smallest value that at least so many percent do not exceed.
        let percentile = |p: usize| (n * p).div_ceil(100).checked_sub(1).map_or(0.0, |rank| millis(seen[rank]));
        Latencies { n, p50_ms: percentile(50), p99_ms: percentile(99), max_ms: percentile(100) }
    }
}

fn millis(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1_000.0)
}

/// To three digits behind the point.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let check = |ms: &[u64], p50_ms, p99_ms, max_ms| {
            let seen = ms.iter().copied().map(Duration::from_millis).collect();
            assert_eq!(Latencies::of(seen), Latencies { n: ms.len(), p50_ms, p99_ms, max_ms });
        };
        check(&[], 0.0, 0.0, 0.0);
        check(&[7], 7.0, 7.0, 7.0);
        check(&[4, 1, 3, 2], 2.0, 4.0, 4.0);
        check(&(1..=200).rev().collect::<Vec<u64>>(), 100.0, 198.0, 200.0);
    }
}
