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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(i32, u64)>", into = "Vec<(i32, u64)>")]
pub struct Buckets(Counts);

/// Most of what a node holds are histograms, and a call is looked up in seven of them: half the memory is half the misses.
#[derive(Clone, Debug)]
enum Counts {
    /// As [`pack`] has them, while every count has room.
    Packed(Few<u64>),
    /// From the first count on that has none.
    #[expect(clippy::box_collection, reason = "it is as good as never used, and must not make the others larger")]
    Plain(Box<Vec<(i32, u64)>>),
}

/// A key in the upper half, so that numbers order as their keys do, and its count in the lower one. `None`: it has no room.
fn pack(key: i32, n: u64) -> Option<u64> {
    let n = u32::try_from(n).ok()?;
    Some(u64::from(key.cast_unsigned() ^ SIGN) << 32 | u64::from(n))
}

/// What was packed.
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn unpack(packed: u64) -> (i32, u64) {
    let key = ((packed >> 32) as u32 ^ SIGN).cast_signed();
    (key, u64::from(packed as u32))
}

/// Negative keys come before others once this bit is turned over.
const SIGN: u32 = 1 << 31;

impl Counts {
    /// Of pairs that ascend, about so many.
    fn of(pairs: impl Iterator<Item = (i32, u64)>, about: usize) -> Counts {
        let mut packed = Vec::with_capacity(about);
        let mut pairs = pairs.peekable();
        while let Some(one) = pairs.peek().and_then(|&(key, n)| pack(key, n)) {
            packed.push(one);
            pairs.next();
        }
        if pairs.peek().is_none() {
            return Counts::Packed(packed.into());
        }
        Counts::Plain(Box::new(packed.into_iter().map(unpack).chain(pairs).collect()))
    }

    /// The pairs with room for any count.
    fn plain(&mut self) -> &mut Vec<(i32, u64)> {
        if let Counts::Packed(packed) = self {
            *self = Counts::Plain(Box::new(packed.iter().copied().map(unpack).collect()));
        }
        match self {
            Counts::Plain(plain) => plain,
            Counts::Packed(_) => unreachable!("it was just replaced"),
        }
    }

    fn add(&mut self, key: i32, n: u64) {
        if let Counts::Packed(packed) = self {
            let found = packed.binary_search_by_key(&key, |&one| unpack(one).0);
            let known = found.map_or(0, |at| packed.get(at).map_or(0, |&one| unpack(one).1));
            if let Some(one) = known.checked_add(n).and_then(|n| pack(key, n)) {
                return match found {
                    Ok(at) => packed[at] = one,
                    Err(at) => packed.insert(at, one),
                };
            }
        }
        let plain = self.plain();
        match plain.binary_search_by_key(&key, |&(k, _)| k) {
            Ok(at) => plain[at].1 = plain[at].1.wrapping_add(n),
            Err(at) => plain.insert(at, (key, n)),
        }
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets(Counts::Packed(Few::new()))
    }
}

impl PartialEq for Buckets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Buckets {}

impl From<Vec<(i32, u64)>> for Buckets {
    fn from(counts: Vec<(i32, u64)>) -> Self {
        counts.into_iter().collect()
    }
}

impl From<Buckets> for Vec<(i32, u64)> {
    fn from(buckets: Buckets) -> Self {
        buckets.iter().collect()
    }
}

impl Buckets {
    /// Counts `n` more at `key`.
    pub fn add(&mut self, key: i32, n: u64) {
        self.0.add(key, n);
        self.cap();
    }

    /// Adds the other's counts to this one's.
    pub fn merge(&mut self, other: &Buckets) {
        if other.len() <= FEW_KEYS {
            return other.iter().for_each(|(key, n)| self.add(key, n));
        }
        self.0 = self.merged(other);
        self.cap();
    }

    fn merged(&self, other: &Buckets) -> Counts {
        let (mut a, mut b) = (self.iter().peekable(), other.iter().peekable());
        let merged = std::iter::from_fn(|| match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                let (x, y) = (a.next()?, b.next()?);
                Some((x.0, x.1.wrapping_add(y.1)))
            }
            (Some(x), Some(y)) if x.0 < y.0 => a.next(),
            (_, Some(_)) => b.next(),
            (_, None) => a.next(),
        });
        Counts::of(merged, self.len().max(other.len()))
    }

    fn cap(&mut self) {
        if self.len() <= MAX_KEYS {
            return;
        }
        let last = match &self.0 {
            Counts::Packed(packed) => packed.last().map(|&one| unpack(one).0),
            Counts::Plain(plain) => plain.last().map(|&(key, _)| key),
        };
        if self.len() - usize::from(last == Some(OVERFLOW_KEY)) <= MAX_KEYS {
            return;
        }
        let folded = match &mut self.0 {
            Counts::Packed(packed) => {
                packed.vec().drain(MAX_KEYS..).fold(0u64, |sum, one| sum.wrapping_add(unpack(one).1))
            }
            Counts::Plain(plain) => plain.drain(MAX_KEYS..).fold(0u64, |sum, (_, n)| sum.wrapping_add(n)),
        };
        self.0.add(OVERFLOW_KEY, folded);
    }

    /// The counts, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        let (packed, plain): (&[u64], &[(i32, u64)]) = match &self.0 {
            Counts::Packed(packed) => (packed, &[]),
            Counts::Plain(plain) => (&[], plain),
        };
        packed.iter().copied().map(unpack).chain(plain.iter().copied())
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        match &self.0 {
            Counts::Packed(packed) => packed.len(),
            Counts::Plain(plain) => plain.len(),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter().fold(0, |sum, (_, n)| sum.wrapping_add(n))
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

    #[test]
    fn counts_without_room_in_half_a_number_count_on() {
        let most = u64::from(u32::MAX);
        let mut buckets: Buckets = [(5, most), (-7, 3), (9, 1)].into_iter().collect();
        assert!(matches!(buckets.0, Counts::Packed(_)));
        let before = buckets.clone();
        buckets.add(5, 1);
        buckets.add(i32::MIN, most + 7);
        let all = [(i32::MIN, most + 7), (-7, 3), (5, most + 1), (9, 1)];
        assert!(buckets.iter().eq(all));
        assert_eq!(Vec::from(buckets.clone()), all);
        assert_eq!(Buckets::from(all.to_vec()), buckets);
        buckets.add(5, u64::MAX);
        let less: Buckets = [(i32::MIN, most + 7), (-7, 3), (5, most), (9, 1)].into_iter().collect();
        assert_eq!(buckets, less, "counts wrap at 64 bits, wherever they lie");
        let mut merged = before.clone();
        let many: Buckets = (0..100).map(|key| (key, most)).collect();
        merged.merge(&many);
        let mut back = many.clone();
        back.merge(&before);
        assert_eq!(merged, back);
        assert!(merged.iter().eq([(-7, 3)].into_iter().chain((0..100).map(|key| match key {
            5 => (5, 2 * most),
            9 => (9, most + 1),
            key => (key, most),
        }))));
    }

    #[test]
    fn it_is_no_larger_than_a_vector() {
        assert_eq!(size_of::<Buckets>(), size_of::<Vec<u8>>());
    }
}
