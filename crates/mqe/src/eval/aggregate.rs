//! Several values to one: over the buckets of a label set, and over the label sets of a bucket.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::value::{Evaluated, Labelled, Point, ResultType, Value};
use crate::ast::{Aggregation, LabelAggregation};

/// `avg(e)` and its sisters.
pub(super) fn aggregate(aggregation: Aggregation, mut value: Value) -> Evaluated {
    if aggregation == Aggregation::Latest && value.kind != ResultType::TimeSeriesValues {
        return Err("LATEST can only be used in time series result.".to_owned());
    }
    for row in &mut value.rows {
        let point = one_point(aggregation, std::mem::take(&mut row.values));
        row.values.push(point);
    }
    value.kind = ResultType::SingleValue;
    Ok(value)
}

/// A chosen point keeps its id, a computed one has none.
fn one_point(aggregation: Aggregation, points: Vec<Point>) -> Point {
    let mut present = points.into_iter().filter(|point| point.value.is_some());
    let number = |point: &Point| point.value.unwrap_or_default();
    match aggregation {
        Aggregation::Latest => present.next_back().unwrap_or_default(),
        // Of equal values the first is taken.
        Aggregation::Max => {
            present.reduce(|a, b| if compare(number(&b), number(&a)).is_gt() { b } else { a }).unwrap_or_default()
        }
        Aggregation::Min => {
            present.reduce(|a, b| if compare(number(&b), number(&a)).is_lt() { b } else { a }).unwrap_or_default()
        }
        Aggregation::Count => Point::of(Some(count(present.count()))),
        Aggregation::Sum => Point::of(Some(sum(present.map(|point| number(&point))))),
        Aggregation::Avg => Point::of(mean(&present.map(|point| number(&point)).collect::<Vec<_>>())),
    }
}

/// The order of values: what is not a number is above everything, whatever its sign bit (0/0 sets it on some processors).
pub(super) fn compare(a: f64, b: f64) -> Ordering {
    if a.is_nan() || b.is_nan() { a.is_nan().cmp(&b.is_nan()) } else { a.total_cmp(&b) }
}

type Labels = Vec<(String, String)>;

/// Mean of the values, `None` when there is none.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values.iter().copied()) / count(values.len()))
}

#[expect(clippy::cast_precision_loss, reason = "a series has some hundred values")]
fn count(n: usize) -> f64 {
    n as f64
}

/// A sum whose rounding errors are summed beside it (Kahan), as Java's streams do it: ten times 0.1 is 1, so that `==`
/// answers what it answers there.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost, mut plain) = (0.0_f64, 0.0_f64, 0.0_f64);
    for value in values {
        plain += value;
        let compensated = value - lost;
        let next = total + compensated;
        lost = (next - total) - compensated;
        total = next;
    }
    let total = total - lost;
    // The compensation of an infinity is not a number.
    if total.is_nan() && plain.is_infinite() { plain } else { total }
}

/// `aggregate_labels(e, aggregation(names…))`: one row for each combination of the named labels, in the order in which the
/// combinations are met first. A name that the first row lacks is ignored.
pub(super) fn aggregate_labels(aggregation: LabelAggregation, names: &[String], mut value: Value) -> Value {
    let Some(first) = value.rows.first() else { return value };
    let names: Vec<&String> = names.iter().filter(|name| first.labels.iter().any(|(key, _)| key == *name)).collect();
    value.labelled = !names.is_empty();
    let mut groups: Vec<(Labels, Vec<Labelled>)> = Vec::new();
    let mut index_of: HashMap<Labels, usize> = HashMap::new();
    for row in value.rows {
        let labels: Labels = names.iter().map(|name| ((*name).clone(), label_value(&row, name).to_owned())).collect();
        let index = *index_of.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, rows)) = groups.get_mut(index) {
            rows.push(row);
        }
    }
    value.rows = groups.into_iter().map(|(labels, rows)| one_row(aggregation, labels, &rows)).collect();
    value
}

/// The value of a label, empty when the row lacks it.
pub(super) fn label_value<'a>(row: &'a Labelled, name: &str) -> &'a str {
    row.labels.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// One row from several, with the ids of the first.
fn one_row(aggregation: LabelAggregation, labels: Labels, rows: &[Labelled]) -> Labelled {
    let Some(first) = rows.first() else { return Labelled { labels, values: Vec::new() } };
    let values = first.values.iter().enumerate().map(|(index, point)| {
        let values: Vec<f64> =
            rows.iter().filter_map(|row| row.values.get(index).and_then(|point| point.value)).collect();
        let value = match aggregation {
            LabelAggregation::Avg => mean(&values),
            LabelAggregation::Sum => (!values.is_empty()).then(|| sum(values.iter().copied())),
            LabelAggregation::Max => values.into_iter().max_by(|a, b| compare(*a, *b)),
            LabelAggregation::Min => values.into_iter().min_by(|a, b| compare(*a, *b)),
        };
        Point { value, trace_id: None, ..point.clone() }
    });
    Labelled { labels, values: values.collect() }
}
