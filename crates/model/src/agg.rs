//! What one metric remembers about one entity in one bucket, and how two memories become one.
//!
//! [`Agg::merge`] commutes and associates, and is total. Everything else rests on that: workers merge in private, nodes write
//! partial totals of their own, late data open another partial, and the answer never depends on who came first.

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::buckets::Buckets;
use crate::{Few, UnixMillis};

/// Most ids that an [`Agg::Ids`] keeps; the rest folds into [`OVERFLOW_ID`].
pub const MAX_IDS: usize = 64;
/// Stands for every id beyond [`MAX_IDS`].
pub const OVERFLOW_ID: i32 = i32::MAX;
/// Most keys that an [`Agg::Texts`] keeps: the smallest. Of the others nothing is kept, since texts cannot be added up.
pub const MAX_TEXTS: usize = 128;
/// Most labels that an [`Agg::Labeled`] keeps; the rest folds into [`OVERFLOW_LABEL`].
pub const MAX_LABELS: usize = 128;
/// Stands for every label beyond [`MAX_LABELS`]. It sorts behind all others.
pub const OVERFLOW_LABEL: &str = "\u{10FFFF}";
/// Most statements that an [`Agg::Top`] keeps: the slowest.
pub const MAX_STATEMENTS: usize = 50;
/// Bytes at which an [`Agg::Top`] is full, however few statements make them: it keeps those before which less than this was kept.
/// The one that crosses the line stays, or the result would depend on the order of merging.
pub const MAX_TOP_BYTES: usize = 32 << 10;

/// One remembered slow statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Statement {
    /// How long it took, in milliseconds.
    pub latency: i64,
    /// Unique: segment id and span id.
    pub id: ByteString,
    /// The text. Shared by all rows that keep it: of the minute, the hour and the day, of both ends.
    pub statement: ByteString,
    /// The trace in which it ran.
    pub trace_id: ByteString,
    /// When it began.
    pub at: UnixMillis,
}

impl Statement {
    /// The memory that it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.statement.len() + self.trace_id.len()
    }
}

/// What one metric remembers about one entity in one bucket. `merge` commutes, associates and is total;
/// a cell that saw nothing is absent, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Agg {
    /// How many. Wraps.
    Count(u64),
    /// Their sum. Wraps: saturation would depend on the order.
    Sum(i64),
    /// The greatest.
    Max(i64),
    /// The least.
    Min(i64),
    /// The value with the latest time; at the same time the greater one.
    Latest {
        /// When it was said.
        at: UnixMillis,
        /// What was said.
        value: i64,
    },
    /// A mean of integers.
    Avg {
        /// Sum of the values.
        sum: i64,
        /// How many.
        count: u64,
    },
    /// A mean of fractions, summed in fixed point at 2^-40: floating-point addition does not associate.
    AvgF {
        /// Sum in units of 2^-40.
        sum: Fixed,
        /// How many.
        count: u64,
    },
    /// A share.
    Percent {
        /// Those that matched.
        matched: u64,
        /// All.
        total: u64,
    },
    /// A quotient of two counts.
    Rate {
        /// Above the line.
        numerator: u64,
        /// Below it.
        denominator: u64,
    },
    /// Apdex counts.
    Apdex {
        /// At or under the threshold.
        satisfied: u64,
        /// At or under four times the threshold.
        tolerated: u64,
        /// All, failed ones too.
        total: u64,
    },
    /// Counts by value / precision.
    Percentile(Buckets),
    /// Counts by lower edge.
    Histogram(Buckets),
    /// The slowest statements, slowest first.
    Top(Vec<Statement>),
    /// A set of numbers, ascending.
    Ids(Few<i32>),
    /// By key the latest text; at the same time the greater one.
    Texts(BTreeMap<String, (UnixMillis, String)>),
    /// By label an aggregate of its own.
    Labeled(BTreeMap<String, Agg>),
}

/// The units of [`Agg::AvgF`] in one.
const FIXED_ONE: f64 = (1u64 << 40) as f64;

/// A number in units of 2^-40. Aligned like the counts beside it: a plain `i128` would make every aggregate half as large again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(Rust, packed(8))]
pub struct Fixed(i128);

impl Fixed {
    /// So many units.
    pub const fn new(units: i128) -> Self {
        Fixed(units)
    }

    /// How many units.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum of both; wraps.
    #[must_use]
    pub const fn wrapping_add(self, other: Self) -> Self {
        Fixed(self.units().wrapping_add(other.units()))
    }
}

/// A fraction in units of 2^-40. What is no number counts as 0; the range is ±2^86, far beyond what any agent reports.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range first")]
pub fn to_fixed(value: f64) -> Fixed {
    let limit = 2f64.powi(86);
    Fixed(if value.is_nan() { 0 } else { (value.clamp(-limit, limit) * FIXED_ONE).round() as i128 })
}

/// The fraction of units of 2^-40.
#[expect(clippy::cast_precision_loss, reason = "a fraction is shown with three digits")]
pub fn from_fixed(sum: Fixed) -> f64 {
    sum.units() as f64 / FIXED_ONE
}

impl Agg {
    /// Takes the other's memory into this one.
    ///
    /// Two aggregates of different kinds never share a cell (a changed function is a new cell id); should it happen all the
    /// same, the kind that sorts higher stays, so that the result still does not depend on the order.
    pub fn merge(&mut self, other: &Agg) {
        match (&mut *self, other) {
            (Agg::Count(a), Agg::Count(b)) => *a = a.wrapping_add(*b),
            (Agg::Sum(a), Agg::Sum(b)) => *a = a.wrapping_add(*b),
            (Agg::Max(a), Agg::Max(b)) => *a = (*a).max(*b),
            (Agg::Min(a), Agg::Min(b)) => *a = (*a).min(*b),
            (Agg::Latest { at, value }, Agg::Latest { at: at2, value: value2 }) => {
                (*at, *value) = (*at, *value).max((*at2, *value2));
            }
            (Agg::Avg { sum, count }, Agg::Avg { sum: s, count: c }) => {
                (*sum, *count) = (sum.wrapping_add(*s), count.wrapping_add(*c));
            }
            (Agg::AvgF { sum, count }, Agg::AvgF { sum: s, count: c }) => {
                (*sum, *count) = (sum.wrapping_add(*s), count.wrapping_add(*c));
            }
            (Agg::Percent { matched, total }, Agg::Percent { matched: m, total: t }) => {
                (*matched, *total) = (matched.wrapping_add(*m), total.wrapping_add(*t));
            }
            (Agg::Rate { numerator, denominator }, Agg::Rate { numerator: n, denominator: d }) => {
                (*numerator, *denominator) = (numerator.wrapping_add(*n), denominator.wrapping_add(*d));
            }
            (Agg::Apdex { satisfied, tolerated, total }, Agg::Apdex { satisfied: s, tolerated: t, total: n }) => {
                *satisfied = satisfied.wrapping_add(*s);
                *tolerated = tolerated.wrapping_add(*t);
                *total = total.wrapping_add(*n);
            }
            (Agg::Percentile(a), Agg::Percentile(b)) | (Agg::Histogram(a), Agg::Histogram(b)) => a.merge(b),
            (Agg::Top(a), Agg::Top(b)) => merge_top(a, b),
            (Agg::Ids(a), Agg::Ids(b)) => b.iter().for_each(|&id| insert_id(a, id)),
            (Agg::Texts(a), Agg::Texts(b)) => merge_texts(a, b),
            (Agg::Labeled(a), Agg::Labeled(b)) => merge_labels(a, b),
            (a, b) => {
                if kind(b) > kind(a) {
                    *self = b.clone();
                }
            }
        }
    }

    /// Adds a statement to the slowest. Of any other aggregate nothing changes.
    pub fn add_statement(&mut self, statement: &Statement) {
        let Agg::Top(top) = self else { return };
        let at = top.partition_point(|known| known > statement);
        if at < MAX_STATEMENTS && top.get(at) != Some(statement) {
            top.insert(at, statement.clone());
            cap_top(top);
        }
    }

    /// Whether a statement that took so long may be among the slowest: most of a busy minute are not, and need no copy.
    pub fn takes_statement(&self, latency: i64) -> bool {
        let Agg::Top(top) = self else { return false };
        let is_full = top.len() >= MAX_STATEMENTS || top.iter().map(Statement::bytes).sum::<usize>() >= MAX_TOP_BYTES;
        !is_full || top.last().is_some_and(|least| latency >= least.latency)
    }

    /// A set with one number in it.
    pub fn id(id: i32) -> Agg {
        let mut ids = Few::new();
        ids.insert(0, id);
        Agg::Ids(ids)
    }

    /// A map with one text in it.
    pub fn text(key: &str, at: UnixMillis, text: &str) -> Agg {
        Agg::Texts(BTreeMap::from([(key.to_owned(), (at, text.to_owned()))]))
    }
}

/// Which variant, as a number; only its order matters, and only that it never changes.
fn kind(agg: &Agg) -> u8 {
    match agg {
        Agg::Count(_) => 0,
        Agg::Sum(_) => 1,
        Agg::Max(_) => 2,
        Agg::Min(_) => 3,
        Agg::Latest { .. } => 4,
        Agg::Avg { .. } => 5,
        Agg::AvgF { .. } => 6,
        Agg::Percent { .. } => 7,
        Agg::Rate { .. } => 8,
        Agg::Apdex { .. } => 9,
        Agg::Percentile(_) => 10,
        Agg::Histogram(_) => 11,
        Agg::Top(_) => 12,
        Agg::Ids(_) => 13,
        Agg::Texts(_) => 14,
        Agg::Labeled(_) => 15,
    }
}

/// Adds a number to an ascending set, which keeps the [`MAX_IDS`] smallest and [`OVERFLOW_ID`] for the rest.
pub fn insert_id(ids: &mut Few<i32>, id: i32) {
    let Err(at) = ids.binary_search(&id) else { return };
    ids.insert(at, id);
    let real = ids.len() - usize::from(ids.last() == Some(&OVERFLOW_ID));
    if real > MAX_IDS {
        let ids = ids.vec();
        ids.truncate(MAX_IDS);
        ids.push(OVERFLOW_ID);
    }
}

fn merge_top(mine: &mut Vec<Statement>, theirs: &[Statement]) {
    mine.extend_from_slice(theirs);
    mine.sort_unstable_by(|a, b| b.cmp(a));
    mine.dedup();
    cap_top(mine);
}

/// Brings a descending list of statements back under [`MAX_STATEMENTS`] and [`MAX_TOP_BYTES`].
///
/// Whether one stays depends on those before it alone, and whatever was left out elsewhere had enough before it that stayed there: so
/// it does not matter when, or how often, a list is cut.
fn cap_top(top: &mut Vec<Statement>) {
    let mut before = 0;
    let stays = top.iter().take(MAX_STATEMENTS).take_while(|statement| {
        let has_room = before < MAX_TOP_BYTES;
        before += statement.bytes();
        has_room
    });
    let n = stays.count();
    top.truncate(n);
}

fn merge_texts(mine: &mut BTreeMap<String, (UnixMillis, String)>, theirs: &BTreeMap<String, (UnixMillis, String)>) {
    for (key, text) in theirs {
        match mine.get_mut(key) {
            Some(old) if *old < *text => old.clone_from(text),
            Some(_) => {}
            None => {
                mine.insert(key.clone(), text.clone());
            }
        }
    }
    while mine.len() > MAX_TEXTS {
        mine.pop_last();
    }
}

fn merge_labels(mine: &mut BTreeMap<String, Agg>, theirs: &BTreeMap<String, Agg>) {
    let mut add = |label: &str, agg: &Agg| match mine.get_mut(label) {
        Some(old) => old.merge(agg),
        None => {
            mine.insert(label.to_owned(), agg.clone());
        }
    };
    theirs.iter().for_each(|(label, agg)| add(label, agg));
    cap_labels(mine);
}

/// Brings a map of labels back under [`MAX_LABELS`]; whoever adds labels by hand calls it afterwards.
pub fn cap_labels(labels: &mut BTreeMap<String, Agg>) {
    while labels.len() - usize::from(labels.contains_key(OVERFLOW_LABEL)) > MAX_LABELS {
        let overflow = labels.remove(OVERFLOW_LABEL);
        let Some((_, mut last)) = labels.pop_last() else { return };
        if let Some(overflow) = overflow {
            last.merge(&overflow);
        }
        labels.insert(OVERFLOW_LABEL.to_owned(), last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf() -> impl Strategy<Value = Agg> {
        let small = -50i64..50;
        let text = (0u8..200).prop_map(|k| format!("k{k}"));
        prop_oneof![
            any::<u64>().prop_map(Agg::Count),
            any::<i64>().prop_map(Agg::Sum),
            small.clone().prop_map(Agg::Max),
            small.clone().prop_map(Agg::Min),
            (0i64..4, small.clone()).prop_map(|(at, value)| Agg::Latest { at: UnixMillis(at), value }),
            (any::<i64>(), any::<u64>()).prop_map(|(sum, count)| Agg::Avg { sum, count }),
            (any::<f64>(), 0u64..9).prop_map(|(v, count)| Agg::AvgF { sum: to_fixed(v), count }),
            (any::<u64>(), any::<u64>()).prop_map(|(matched, total)| Agg::Percent { matched, total }),
            (0u64..9, 0u64..9).prop_map(|(numerator, denominator)| Agg::Rate { numerator, denominator }),
            (0u64..9, 0u64..9, 0u64..9).prop_map(|(satisfied, tolerated, total)| Agg::Apdex {
                satisfied,
                tolerated,
                total
            }),
            prop::collection::vec((0i32..6_000, 1u64..4), 0..20).prop_map(|v| Agg::Percentile(v.into_iter().collect())),
            prop::collection::vec(0i32..200, 0..90).prop_map(|v| {
                let mut ids = Few::new();
                v.into_iter().for_each(|id| insert_id(&mut ids, id));
                Agg::Ids(ids)
            }),
            prop::collection::btree_map(text, (0i64..4, "[ab]"), 0..90)
                .prop_map(|m| Agg::Texts(m.into_iter().map(|(k, (at, t))| (k, (UnixMillis(at), t))).collect())),
            prop::collection::vec((0i64..9, 0u8..99), 0..40).prop_map(|v| {
                // Some long enough that a few of them fill a list.
                let statement = |(latency, id): (i64, u8)| Statement {
                    latency,
                    id: id.to_string().into(),
                    statement: "s".repeat(usize::from(id % 8) * 2_000).into(),
                    trace_id: ByteString::new(),
                    at: UnixMillis(0),
                };
                let mut top = Vec::new();
                merge_top(&mut top, &v.into_iter().map(statement).collect::<Vec<_>>());
                Agg::Top(top)
            }),
        ]
    }

    fn agg() -> impl Strategy<Value = Agg> {
        let labels = prop::collection::btree_map(
            (0u8..200).prop_map(|k| format!("l{k}")),
            (0u64..9).prop_map(Agg::Count),
            0..90,
        );
        prop_oneof![9 => leaf(), 1 => labels.prop_map(Agg::Labeled)]
    }

    fn merged(a: &Agg, b: &Agg) -> Agg {
        let mut a = a.clone();
        a.merge(b);
        a
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn merge_commutes_and_associates(a in agg(), b in agg(), c in agg()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        }
    }

    #[test]
    fn a_statement_is_added_as_it_is_merged() {
        let statement = |latency: i64| Statement {
            latency,
            id: format!("s{}", latency % 7).into(),
            statement: ByteString::new(),
            trace_id: ByteString::new(),
            at: UnixMillis(latency),
        };
        let (mut added, mut merged) = (Agg::Top(Vec::new()), Agg::Top(Vec::new()));
        for latency in (0..90).chain(30..100).map(|i| i * 37 % 61) {
            let before = added.clone();
            let takes = added.takes_statement(latency);
            added.add_statement(&statement(latency));
            merged.merge(&Agg::Top(vec![statement(latency)]));
            assert_eq!(added, merged);
            assert!(takes || added == before);
        }
        assert!(!added.takes_statement(0) && added.takes_statement(60));
    }

    #[test]
    fn long_statements_fill_a_list_before_fifty_do() {
        let statement = |latency: i64| Statement {
            latency,
            id: latency.to_string().into(),
            statement: "x".repeat(10_000).into(),
            trace_id: ByteString::new(),
            at: UnixMillis(0),
        };
        let mut top = Agg::Top(Vec::new());
        (0..1_000).for_each(|latency| top.add_statement(&statement(latency)));
        let Agg::Top(kept) = &top else { unreachable!() };
        let latencies: Vec<i64> = kept.iter().map(|s| s.latency).collect();
        assert_eq!(latencies, [999, 998, 997, 996], "the fourth is the one that crosses 32 KiB");
        assert!(!top.takes_statement(995) && top.takes_statement(996));
        // One that is longer than all room stays all the same: it is the slowest.
        let giant = Statement { statement: "x".repeat(1 << 20).into(), ..statement(5_000) };
        top.add_statement(&giant);
        assert_eq!(top, Agg::Top(vec![giant]));
    }

    #[test]
    fn an_aggregate_is_small() {
        // A row of an endpoint has five, and every segment touches a dozen rows.
        assert_eq!(size_of::<Agg>(), 32);
    }

    #[test]
    fn over_the_cap_labels_fold_into_one() {
        let labels =
            |range: std::ops::Range<u32>| Agg::Labeled(range.map(|l| (format!("{l:04}"), Agg::Count(1))).collect());
        let mut all = labels(100..250);
        all.merge(&labels(0..100));
        let Agg::Labeled(map) = all else { panic!("labels stay labels") };
        assert_eq!(map.len(), MAX_LABELS + 1);
        assert_eq!(map[OVERFLOW_LABEL], Agg::Count(250 - 128));
        assert!(map.contains_key("0127") && !map.contains_key("0128"));
    }
}
