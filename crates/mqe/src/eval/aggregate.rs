//! Several values to one: over the buckets of a label set, and over the label sets of a bucket.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use super::value::{Evaluated, Labels, Mark, ResultType, Row, Value};
use crate::ast::{Aggregation, LabelAggregation};
use crate::column::Column;

/// `avg(e)` and its sisters.
pub(super) fn aggregate(aggregation: Aggregation, value: Value) -> Evaluated {
    if aggregation == Aggregation::Latest && value.kind != ResultType::TimeSeriesValues {
        return Err("LATEST can only be used in time series result.".to_owned());
    }
    Ok(match aggregation {
        Aggregation::Sum => value.singles(|column| sums(column).column(|sum, _| Some(sum))),
        Aggregation::Avg => value.singles(mean),
        Aggregation::Count => value.singles(|column| sums(column).column(|_, n| Some(n))),
        Aggregation::Latest => choose(value, |_, _| true),
        // Of equal values the first is taken.
        Aggregation::Max => choose(value, |new, kept| compare(new, kept).is_gt()),
        Aggregation::Min => choose(value, |new, kept| compare(new, kept).is_lt()),
    })
}

/// The mean of each entity's values, empty where there is none.
pub(super) fn mean(column: &Column) -> Column {
    sums(column).column(|sum, n| (n > 0.0).then_some(sum / n))
}

/// The value of each entity that is taken over the one kept before. The one of a single entity keeps its mark.
fn choose(mut value: Value, taken: impl Fn(f64, f64) -> bool) -> Value {
    for row in &mut value.rows {
        let mut chosen = Column::empty(row.values.width(), 1);
        let mut mark = None;
        for (bucket, (numbers, present)) in row.values.buckets().enumerate() {
            for (entity, (number, _)) in numbers.iter().zip(present).enumerate().filter(|(_, (_, present))| **present) {
                if chosen.get(0, entity).is_none_or(|kept| taken(*number, kept)) {
                    chosen.set(0, entity, Some(*number));
                    mark = Some(bucket);
                }
            }
        }
        let mark = mark.filter(|_| row.values.width() == 1).and_then(|bucket| row.marks.get(bucket));
        row.marks = mark.cloned().into_iter().collect();
        row.values = Rc::new(chosen);
    }
    value.kind = ResultType::SingleValue;
    value
}

/// The order of values: what is not a number is above everything, whatever its sign bit (0/0 sets it on some processors).
pub(super) fn compare(a: f64, b: f64) -> Ordering {
    if a.is_nan() || b.is_nan() { a.is_nan().cmp(&b.is_nan()) } else { a.total_cmp(&b) }
}

/// Sums whose rounding errors are summed beside them (Kahan), as Java's streams do it: ten times 0.1 is 1, so that `==`
/// answers what it answers there. One for each entity, side by side.
struct Sums {
    totals: Vec<f64>,
    lost: Vec<f64>,
    /// Without compensation: that of an infinity is not a number.
    plain: Vec<f64>,
    n: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Self {
        let zeros = vec![0.0; width];
        Self { totals: zeros.clone(), lost: zeros.clone(), plain: zeros.clone(), n: zeros }
    }

    fn add(&mut self, numbers: &[f64], present: &[bool]) {
        let sums = self.totals.iter_mut().zip(&mut self.lost).zip(self.plain.iter_mut().zip(&mut self.n));
        for (((total, lost), (plain, n)), (value, present)) in sums.zip(numbers.iter().zip(present)) {
            let compensated = value - *lost;
            let next = *total + compensated;
            let next_lost = (next - *total) - compensated;
            // Chosen without a branch, so that several entities are summed by one instruction.
            *lost = if *present { next_lost } else { *lost };
            *total = if *present { next } else { *total };
            *plain = if *present { *plain + value } else { *plain };
            *n += if *present { 1.0 } else { 0.0 };
        }
    }

    /// One bucket from the sum and the number of values of each entity.
    fn column(&self, make: impl Fn(f64, f64) -> Option<f64>) -> Column {
        let mut column = Column::empty(self.totals.len(), 1);
        let sums = self.totals.iter().zip(&self.lost).zip(self.plain.iter().zip(&self.n));
        for (entity, ((total, lost), (plain, n))) in sums.enumerate() {
            let total = total - lost;
            let sum = if total.is_nan() && plain.is_infinite() { *plain } else { total };
            column.set(0, entity, make(sum, *n));
        }
        column
    }
}

fn sums(column: &Column) -> Sums {
    let mut sums = Sums::new(column.width());
    column.buckets().for_each(|(numbers, present)| sums.add(numbers, present));
    sums
}

/// `aggregate_labels(e, aggregation(names…))`: one row for each combination of the named labels, in the order in which the
/// combinations are met first. A name that the first row lacks is ignored.
pub(super) fn aggregate_labels(aggregation: LabelAggregation, names: &[String], mut value: Value) -> Value {
    let Some(first) = value.rows.first() else { return value };
    let names: Vec<&String> = names.iter().filter(|name| first.labels.iter().any(|(key, _)| key == *name)).collect();
    value.labelled = !names.is_empty();
    let mut groups: Vec<(Labels, Vec<Row>)> = Vec::new();
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
    value.rows = groups.into_iter().filter_map(|(labels, rows)| one_row(aggregation, labels, rows)).collect();
    value
}

/// The value of a label, empty when the row lacks it.
pub(super) fn label_value<'a>(row: &'a Row, name: &str) -> &'a str {
    row.labels.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// One row from several, as long as the first and with its marks but for the traces.
fn one_row(aggregation: LabelAggregation, labels: Labels, rows: Vec<Row>) -> Option<Row> {
    let first = rows.first()?;
    let (width, n_buckets) = (first.values.width(), first.values.n_buckets());
    let marks = first.marks.iter().map(|mark| Mark { trace_id: None, ..mark.clone() }).collect();
    let mut all = Column::empty(width, 0);
    for bucket in 0..n_buckets {
        let mut column = Column::empty(width, rows.len());
        for (at, row) in rows.iter().enumerate() {
            (0..width).for_each(|entity| column.set(at, entity, row.values.get(bucket, entity)));
        }
        let chosen = |taken: fn(Ordering) -> bool| {
            let mut chosen = Column::empty(width, 1);
            for entity in 0..width {
                let values = column.of_entity(entity).flatten();
                let best = values.reduce(|kept, new| if taken(compare(new, kept)) { new } else { kept });
                chosen.set(0, entity, best);
            }
            chosen
        };
        let one = match aggregation {
            LabelAggregation::Avg => mean(&column),
            LabelAggregation::Sum => sums(&column).column(|sum, n| (n > 0.0).then_some(sum)),
            LabelAggregation::Max => chosen(Ordering::is_ge),
            LabelAggregation::Min => chosen(Ordering::is_lt),
        };
        all.append(&one);
    }
    Some(Row { labels, marks, values: Rc::new(all) })
}
