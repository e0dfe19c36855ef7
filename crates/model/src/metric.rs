//! Metrics as definitions: what is observed of a source, in which function, and what value a merged cell shows.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use crate::agg::{Fixed, cap_labels, from_fixed, to_fixed};
use crate::buckets::Buckets;
use crate::cell::CellId;
use crate::{Agg, Scope, Step, UnixMillis};

/// The ranks that a percentile metric shows, in per cent.
pub const RANKS: [u32; 5] = [50, 75, 90, 95, 99];

/// How a metric remembers what it sees (analysis 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Calls per minute.
    Cpm,
    /// How many.
    Count,
    /// Their sum.
    Sum,
    /// Mean of integers, truncated.
    LongAvg,
    /// Mean of fractions.
    DoubleAvg,
    /// Greatest; never below 0, as the reference starts from 0.
    Max,
    /// Least.
    Min,
    /// Greatest fraction; never below 0, as the reference starts from 0.
    MaxDouble,
    /// Least fraction.
    MinDouble,
    /// Last said.
    Latest,
    /// Share in basis points.
    Percent,
    /// Quotient of two counts in basis points.
    Rate,
    /// Apdex in units of 1/10,000.
    Apdex,
    /// Five ranks, from buckets `precision` wide.
    Percentile {
        /// Width of a bucket.
        precision: u32,
    },
    /// Counts by `step`, at most `steps` of them.
    Histogram {
        /// Width of a bucket.
        step: u32,
        /// Highest bucket.
        steps: u32,
    },
    /// How many, by label.
    LabelCount,
    /// Mean, by label.
    LabelAvg,
}

/// One thing seen, in the form its function takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<'a> {
    /// It happened.
    One,
    /// With this number.
    Int(i64),
    /// With this fraction.
    Float(f64),
    /// It matched, or not.
    Match(bool),
    /// It counts above and below the line, or not.
    Rate {
        /// Above.
        numerator: bool,
        /// Below.
        denominator: bool,
    },
    /// A call for an apdex.
    Apdex {
        /// Its latency in milliseconds.
        latency: i64,
        /// The threshold T in milliseconds.
        threshold: i64,
        /// Whether it succeeded.
        ok: bool,
    },
    /// A number under a label.
    Label(&'a str, i64),
}

/// What a merged cell shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One integer.
    Int(i64),
    /// One fraction.
    Float(f64),
    /// By label: `(label key, label value)` and the number. Percentiles use the key `p`.
    Labeled(Vec<((&'static str, String), i64)>),
    /// Counts by lower edge, ascending.
    Histogram(Vec<(i64, i64)>),
}

impl Value {
    /// The number to rank by; `None` for values with more than one.
    #[expect(clippy::cast_precision_loss, reason = "ranks compare magnitudes")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            Value::Labeled(_) | Value::Histogram(_) => None,
        }
    }

    /// The numbers that expressions compute with: one without a label, or one for each label. Counts by edge are none.
    pub fn numbers(&self) -> impl Iterator<Item = (Option<(&'static str, &str)>, f64)> {
        let labels = if let Value::Labeled(labels) = self { labels.as_slice() } else { &[] };
        let labelled = labels.iter().filter_map(|((key, label), n)| {
            let number = Value::Int(*n).number()?;
            Some((Some((*key, label.as_str())), number))
        });
        self.number().map(|n| (None, n)).into_iter().chain(labelled)
    }
}

/// How many values a metric has in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One.
    Regular,
    /// One for each label.
    Labelled,
    /// Counts by value.
    HeatMap,
}

impl Function {
    /// The shape of what it shows.
    pub fn shape(self) -> Shape {
        match self {
            Function::Percentile { .. } | Function::LabelCount | Function::LabelAvg => Shape::Labelled,
            Function::Histogram { .. } => Shape::HeatMap,
            Function::Cpm
            | Function::Count
            | Function::Sum
            | Function::LongAvg
            | Function::DoubleAvg
            | Function::Max
            | Function::Min
            | Function::MaxDouble
            | Function::MinDouble
            | Function::Latest
            | Function::Percent
            | Function::Rate
            | Function::Apdex => Shape::Regular,
        }
    }

    /// A cell of this function that has seen nothing yet.
    pub fn empty(self) -> Agg {
        match self {
            Function::Cpm | Function::Count => Agg::Count(0),
            Function::Sum => Agg::Sum(0),
            Function::LongAvg => Agg::Avg { sum: 0, count: 0 },
            Function::DoubleAvg => Agg::AvgF { sum: Fixed::default(), count: 0 },
            Function::Max => Agg::Max(0),
            Function::Min => Agg::Min(i64::MAX),
            Function::MaxDouble => Agg::Max(ordered(0.0)),
            Function::MinDouble => Agg::Min(ordered(f64::MAX)),
            Function::Latest => Agg::Latest { at: UnixMillis(i64::MIN), value: i64::MIN },
            Function::Percent => Agg::Percent { matched: 0, total: 0 },
            Function::Rate => Agg::Rate { numerator: 0, denominator: 0 },
            Function::Apdex => Agg::Apdex { satisfied: 0, tolerated: 0, total: 0 },
            Function::Percentile { .. } => Agg::Percentile(Buckets::default()),
            Function::Histogram { .. } => Agg::Histogram(Buckets::default()),
            Function::LabelCount | Function::LabelAvg => Agg::Labeled(std::collections::BTreeMap::new()),
        }
    }

    /// Lets a cell of this function see one thing more, said at `at`. What the function does not take changes nothing:
    /// the metric reader has checked the pair when it was loaded.
    pub fn observe(self, agg: &mut Agg, seen: Seen<'_>, at: UnixMillis) {
        match (self, agg, seen) {
            (_, Agg::Count(n), _) => *n = n.wrapping_add(1),
            (_, Agg::Sum(sum), Seen::Int(v)) => *sum = sum.wrapping_add(v),
            (_, Agg::Max(max), Seen::Int(v)) => *max = (*max).max(v),
            (_, Agg::Min(min), Seen::Int(v)) => *min = (*min).min(v),
            (Function::MaxDouble, Agg::Max(max), Seen::Float(v)) if !v.is_nan() => *max = (*max).max(ordered(v)),
            (Function::MinDouble, Agg::Min(min), Seen::Float(v)) if !v.is_nan() => *min = (*min).min(ordered(v)),
            (_, Agg::Latest { at: when, value }, Seen::Int(v)) => (*when, *value) = (*when, *value).max((at, v)),
            (_, Agg::Avg { sum, count }, Seen::Int(v)) => {
                (*sum, *count) = (sum.wrapping_add(v), count.wrapping_add(1));
            }
            (_, Agg::AvgF { sum, count }, Seen::Float(v)) => {
                (*sum, *count) = (sum.wrapping_add(to_fixed(v)), count.wrapping_add(1));
            }
            (_, Agg::Percent { matched, total }, Seen::Match(hit)) => {
                (*matched, *total) = (matched.wrapping_add(u64::from(hit)), total.wrapping_add(1));
            }
            (_, Agg::Rate { numerator: n, denominator: d }, Seen::Rate { numerator, denominator }) => {
                (*n, *d) = (n.wrapping_add(u64::from(numerator)), d.wrapping_add(u64::from(denominator)));
            }
            (_, Agg::Apdex { satisfied, tolerated, total }, Seen::Apdex { latency, threshold, ok }) => {
                *total = total.wrapping_add(1);
                if ok && latency <= threshold {
                    *satisfied = satisfied.wrapping_add(1);
                } else if ok && latency <= threshold.saturating_mul(4) {
                    *tolerated = tolerated.wrapping_add(1);
                }
            }
            (Function::Percentile { precision }, Agg::Percentile(buckets), Seen::Int(v)) => {
                buckets.add(key(v / i64::from(precision.max(1))), 1);
            }
            (Function::Histogram { step, steps }, Agg::Histogram(buckets), Seen::Int(v)) => {
                let step = i64::from(step.max(1));
                buckets.add(key((v / step).clamp(0, i64::from(steps)) * step), 1);
            }
            (Function::LabelCount, Agg::Labeled(labels), Seen::Label(label, _)) => {
                Function::Count.observe(labels.entry(label.to_owned()).or_insert(Agg::Count(0)), Seen::One, at);
                cap_labels(labels);
            }
            (Function::LabelAvg, Agg::Labeled(labels), Seen::Label(label, v)) => {
                let cell = labels.entry(label.to_owned()).or_insert(Agg::Avg { sum: 0, count: 0 });
                Function::LongAvg.observe(cell, Seen::Int(v), at);
                cap_labels(labels);
            }
            _ => {}
        }
    }

    /// What a merged cell of a bucket of `step` shows. `None`: the cell holds nothing to show, the UI draws a gap.
    ///
    /// All divisions truncate toward zero, as the reference's do (analysis 4.4).
    pub fn value(self, agg: &Agg, step: Step) -> Option<Value> {
        let int = |v: i128| Some(Value::Int(i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX })));
        match (self, agg) {
            (Function::Cpm, Agg::Count(n)) => int(i128::from(*n) / i128::from(step.minutes())),
            (_, Agg::Count(n)) => int(i128::from(*n)),
            (Function::MaxDouble, Agg::Max(v)) | (Function::MinDouble, Agg::Min(v)) => Some(Value::Float(fraction(*v))),
            (_, Agg::Sum(v) | Agg::Max(v) | Agg::Min(v) | Agg::Latest { value: v, .. }) => Some(Value::Int(*v)),
            (_, Agg::Avg { sum, count }) => int(i128::from(*sum).checked_div(i128::from(*count))?),
            #[expect(clippy::cast_precision_loss, reason = "a mean is shown with three digits")]
            (_, Agg::AvgF { sum, count }) => (*count > 0).then(|| Value::Float(from_fixed(*sum) / *count as f64)),
            (_, Agg::Percent { matched, total }) => {
                int((i128::from(*matched) * 10_000).checked_div(i128::from(*total))?)
            }
            (_, Agg::Rate { numerator, denominator }) => {
                int((i128::from(*numerator) * 10_000).checked_div(i128::from(*denominator)).unwrap_or(0))
            }
            (_, Agg::Apdex { satisfied, tolerated, total }) => {
                let score = i128::from(*satisfied) * 10_000 + i128::from(*tolerated) * 10_000 / 2;
                int(score.checked_div(i128::from(*total))?)
            }
            (Function::Percentile { precision }, Agg::Percentile(buckets)) => {
                let values = buckets.percentiles(&RANKS, i64::from(precision));
                Some(Value::Labeled(RANKS.iter().zip(values).map(|(r, v)| (("p", r.to_string()), v)).collect()))
            }
            (Function::Histogram { .. }, Agg::Histogram(buckets)) => Some(Value::Histogram(
                buckets.iter().map(|(k, n)| (i64::from(k), i64::try_from(n).unwrap_or(i64::MAX))).collect(),
            )),
            (_, Agg::Labeled(labels)) => Some(Value::Labeled(
                labels.iter().filter_map(|(label, cell)| Some((("n", label.clone()), labeled(cell, step)?))).collect(),
            )),
            _ => None,
        }
    }
}

/// A labelled mean never shows 0 where something was added up (analysis 4.4, labelAvg).
fn labeled(cell: &Agg, step: Step) -> Option<i64> {
    let function = if matches!(cell, Agg::Avg { .. }) { Function::LongAvg } else { Function::Count };
    match (function.value(cell, step)?, cell) {
        (Value::Int(0), Agg::Avg { sum, .. }) if *sum > 0 => Some(1),
        (Value::Int(v), _) => Some(v),
        _ => None,
    }
}

/// A fraction as a number that compares as the fraction does: extremes of fractions are kept as those of whole numbers are.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The fraction that [`ordered`] made a number of.
fn fraction(number: i64) -> f64 {
    f64::from_bits((if number < 0 { number ^ i64::MAX } else { number }).cast_unsigned())
}

fn key(v: i64) -> i32 {
    i32::try_from(v).unwrap_or(if v < 0 { i32::MIN } else { i32::MAX - 1 })
}

/// One metric of the catalogue, as queries see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// The cell that holds it.
    pub cell: CellId,
    /// The name in expressions: `service_cpm`.
    pub name: String,
    /// What its rows are about.
    pub scope: Scope,
    /// How it remembers.
    pub function: Function,
}

/// Every metric by name. Shared by analysis (which fills the cells) and queries (which read them).
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    by_name: HashMap<String, Arc<MetricDef>>,
    by_layer: HashSet<String>,
}

impl Catalogue {
    /// A catalogue of these metrics; of two with one name the last stays.
    pub fn new(defs: impl IntoIterator<Item = MetricDef>) -> Self {
        let by_name = defs.into_iter().map(|d| (d.name.clone(), Arc::new(d))).collect();
        Catalogue { by_name, by_layer: HashSet::new() }
    }

    /// The same, with these metrics known to be decorated: their rankings may be cut to one layer (`attr0`).
    #[must_use]
    pub fn by_layer(mut self, names: impl IntoIterator<Item = String>) -> Catalogue {
        self.by_layer.extend(names);
        self
    }

    /// Whether rankings of the metric may be cut to one layer.
    pub fn has_layer(&self, name: &str) -> bool {
        self.by_layer.contains(name)
    }

    /// The metric of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<MetricDef>> {
        self.by_name.get(name)
    }

    /// All metrics, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<MetricDef>> {
        let mut all: Vec<_> = self.by_name.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(function: Function, step: Step, seen: &[Seen<'_>], expected: Value) {
        let mut agg = function.empty();
        for (i, &seen) in seen.iter().enumerate() {
            function.observe(&mut agg, seen, UnixMillis(i64::try_from(i).unwrap()));
        }
        assert_eq!(function.value(&agg, step), Some(expected), "{function:?}");
    }

    fn ints(values: &[i64]) -> Vec<Seen<'static>> {
        values.iter().map(|&v| Seen::Int(v)).collect()
    }

    #[test]
    fn every_function_shows_what_the_reference_shows() {
        let latencies = [12, 87, 130, 250, 499, 500, 501, 1999, 2000, 2001];
        let apdex = latencies.map(|latency| Seen::Apdex { latency, threshold: 500, ok: latency != 130 });
        check(Function::Cpm, Step::Minute, &[Seen::One; 10], Value::Int(10));
        check(Function::Cpm, Step::Hour, &[Seen::One; 125], Value::Int(2));
        check(Function::Cpm, Step::Hour, &[Seen::One; 59], Value::Int(0));
        check(Function::Count, Step::Hour, &[Seen::One; 59], Value::Int(59));
        check(Function::LongAvg, Step::Minute, &ints(&latencies), Value::Int(797));
        check(Function::LongAvg, Step::Minute, &ints(&[-3, 0]), Value::Int(-1));
        check(Function::DoubleAvg, Step::Minute, &[Seen::Float(1.0), Seen::Float(3.0)], Value::Float(2.0));
        check(
            Function::Percent,
            Step::Minute,
            &[Seen::Match(true), Seen::Match(false), Seen::Match(true)],
            Value::Int(6_666),
        );
        check(Function::Apdex, Step::Minute, &apdex, Value::Int(6_500));
        check(Function::Rate, Step::Minute, &[Seen::Rate { numerator: true, denominator: false }], Value::Int(0));
        check(Function::Max, Step::Minute, &ints(&[-5, -7]), Value::Int(0));
        check(Function::Min, Step::Minute, &ints(&[5, 7]), Value::Int(5));
        let fractions = [Seen::Float(0.5), Seen::Float(-1.5), Seen::Float(f64::NAN), Seen::Float(0.25)];
        check(Function::MaxDouble, Step::Minute, &fractions, Value::Float(0.5));
        check(Function::MaxDouble, Step::Minute, &[Seen::Float(-1.5)], Value::Float(0.0));
        check(Function::MinDouble, Step::Minute, &fractions, Value::Float(-1.5));
        check(Function::Latest, Step::Minute, &ints(&[5, 3]), Value::Int(3));
        check(Function::Sum, Step::Minute, &ints(&[2, 3]), Value::Int(5));
        check(
            Function::Histogram { step: 100, steps: 3 },
            Step::Minute,
            &ints(&[1, 150, 999]),
            Value::Histogram(vec![(0, 1), (100, 1), (300, 1)]),
        );
        check(
            Function::LabelAvg,
            Step::Minute,
            &[Seen::Label("a", 1), Seen::Label("a", 0), Seen::Label("b", 4)],
            Value::Labeled(vec![(("n", "a".to_owned()), 1), (("n", "b".to_owned()), 4)]),
        );
        check(
            Function::LabelCount,
            Step::Minute,
            &[Seen::Label("a", 0), Seen::Label("a", 0)],
            Value::Labeled(vec![(("n", "a".to_owned()), 2)]),
        );
    }
}
