//! How two operands meet.
//!
//! | left, right | result |
//! |---|---|
//! | single, single | single, without an id |
//! | single, many | each of the many with the single |
//! | series, series | bucket by bucket; they must be of one length |
//! | anything else | an error |
//!
//! "Many" is a series, a list, or a single for each label set. Two labelled operands meet where their label sets are equal;
//! a label set of the left that the right lacks becomes empty, one of the right that the left lacks vanishes. The result
//! has the labels and ids of the left, or of the right where only that is labelled. Empty with anything is empty.

use std::collections::HashMap;

use super::value::{Evaluated, Labelled, Point, ResultType, Value};
use crate::ast::{Family, Operator};

/// `left operator right`.
pub(super) fn pair(operator: Operator, left: Value, right: Value) -> Evaluated {
    let family = match operator.family() {
        Family::Arithmetic => "binary",
        Family::Compare => "compare",
        Family::Bool => "bool",
    };
    meet(operator, left, right).map_err(|error| format!("Unsupported {family} operation: {error}"))
}

fn meet(operator: Operator, left: Value, right: Value) -> Evaluated {
    use ResultType::{RecordList, SingleValue, SortedList, TimeSeriesValues};
    let forward = |kept: f64, other: f64| apply(operator, kept, other);
    let backward = |kept: f64, other: f64| apply(operator, other, kept);
    match (left.kind, right.kind) {
        (SingleValue, SingleValue) => match (left.labelled, right.labelled) {
            (false, false) => single_with_single(&left, &right, forward),
            (true, false) => many_with_one(left, &right, "Many to One", forward),
            (false, true) => many_with_one(right, &left, "One to Many", backward),
            (true, true) => by_labels(left, &right, single_sizes, forward),
        },
        (TimeSeriesValues | SortedList | RecordList, SingleValue) => {
            many_with_one(left, &right, "Many to One", forward)
        }
        (SingleValue, TimeSeriesValues | SortedList | RecordList) => {
            many_with_one(right, &left, "One to Many", backward)
        }
        (TimeSeriesValues, TimeSeriesValues) => match (left.labelled, right.labelled) {
            (false, false) => series_with_series(left, &right, forward),
            (true, false) => many_with_series(left, &right, "Series Labeled with No Labeled", forward),
            (false, true) => many_with_series(right, &left, "Series No Labeled with Labeled", backward),
            (true, true) => by_labels(left, &right, series_sizes, forward),
        },
        _ => Err("Unsupported operation.".to_owned()),
    }
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    #[expect(clippy::float_cmp, reason = "the language compares exactly")]
    let truth = match operator {
        Operator::Mul => return left * right,
        Operator::Div => return left / right,
        Operator::Mod => return left % right,
        Operator::Add => return left + right,
        Operator::Sub => return left - right,
        Operator::Eq => left == right,
        Operator::Neq => left != right,
        Operator::Lte => left <= right,
        Operator::Lt => left < right,
        Operator::Gte => left >= right,
        Operator::Gt => left > right,
        Operator::And => left == 1.0 && right == 1.0,
        Operator::Or => left == 1.0 || right == 1.0,
    };
    if truth { 1.0 } else { 0.0 }
}

/// The one value of a single without labels.
fn only(value: &Value, case: &str, side: &str) -> Result<Option<f64>, String> {
    match value.rows.first().map(|row| row.values.as_slice()) {
        Some([point]) => Ok(point.value),
        _ => Err(format!("{case}, {side} result is empty or has more than one value.")),
    }
}

fn single_with_single(left: &Value, right: &Value, apply: impl Fn(f64, f64) -> f64) -> Evaluated {
    let left = only(left, "Single to Single", "left")?;
    let right = only(right, "Single to Single", "right")?;
    Ok(Value::single(both(left, right, &apply)))
}

fn many_with_one(mut many: Value, one: &Value, case: &str, apply: impl Fn(f64, f64) -> f64) -> Evaluated {
    let one = only(one, case, "single")?;
    for point in many.rows.iter_mut().flat_map(|row| &mut row.values) {
        point.value = both(point.value, one, &apply);
    }
    Ok(many)
}

fn series_with_series(mut left: Value, right: &Value, apply: impl Fn(f64, f64) -> f64) -> Evaluated {
    let (Some(kept), Some(other)) = (left.rows.first_mut(), right.rows.first()) else {
        return Err("Series No Labeled, left or right result is empty.".to_owned());
    };
    same_length(kept, &other.values, "Series No Labeled")?;
    each_with_each(kept, &other.values, &apply);
    Ok(left)
}

fn many_with_series(mut many: Value, series: &Value, case: &str, apply: impl Fn(f64, f64) -> f64) -> Evaluated {
    let Some(other) = series.rows.first() else { return Err(format!("{case}, no labeled result is empty.")) };
    for kept in &mut many.rows {
        same_length(kept, &other.values, case)?;
        each_with_each(kept, &other.values, &apply);
    }
    Ok(many)
}

/// Rows with equal label sets, in any order of the labels.
fn by_labels(
    mut left: Value,
    right: &Value,
    sizes: impl Fn(&Labelled, &[Point]) -> Result<(), String>,
    apply: impl Fn(f64, f64) -> f64,
) -> Evaluated {
    let others: HashMap<_, _> = right.rows.iter().map(|row| (label_set(row), row.values.as_slice())).collect();
    for kept in &mut left.rows {
        match others.get(&label_set(kept)) {
            Some(other) => {
                sizes(kept, other)?;
                each_with_each(kept, other, &apply);
            }
            None => kept.values.iter_mut().for_each(|point| point.value = None),
        }
    }
    Ok(left)
}

fn label_set(row: &Labelled) -> Vec<(String, String)> {
    let mut labels = row.labels.clone();
    labels.sort();
    labels.dedup();
    labels
}

fn single_sizes(left: &Labelled, right: &[Point]) -> Result<(), String> {
    let case = "Single Labeled to Single Labeled";
    if left.values.len() != 1 {
        return Err(format!("{case}, left labeled result is empty or has more than one value."));
    }
    if right.len() != 1 {
        return Err(format!("{case}, right labeled result has more than one value."));
    }
    Ok(())
}

fn series_sizes(left: &Labelled, right: &[Point]) -> Result<(), String> {
    same_length(left, right, "Series Labeled with Labeled")
}

fn same_length(left: &Labelled, right: &[Point], case: &str) -> Result<(), String> {
    if left.values.len() == right.len() {
        return Ok(());
    }
    Err(format!("{case}, left and right series value size not equal."))
}

fn each_with_each(kept: &mut Labelled, other: &[Point], apply: &impl Fn(f64, f64) -> f64) {
    for (kept, other) in kept.values.iter_mut().zip(other) {
        kept.value = both(kept.value, other.value, apply);
    }
}

fn both(kept: Option<f64>, other: Option<f64>, apply: &impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(apply(kept?, other?))
}
