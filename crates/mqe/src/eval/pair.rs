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
use std::rc::Rc;

use super::value::{Evaluated, Labels, ResultType, Row, Value};
use crate::ast::{Family, Operator};
use crate::column::Column;

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
    let forward = |kept: &mut Column, other: &Column| apply(operator, kept, other, false);
    let backward = |kept: &mut Column, other: &Column| apply(operator, kept, other, true);
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

/// Each value with its counterpart; `backward`: the kept one is the right operand.
///
/// The operator is looked at once for a column, not once for a value, so that each loop is a plain one.
fn apply(operator: Operator, kept: &mut Column, other: &Column, backward: bool) {
    let mut zip = Zip { kept, other, backward };
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    #[expect(clippy::float_cmp, reason = "the language compares exactly")]
    match operator {
        Operator::Mul => zip.each(|left, right| left * right),
        Operator::Div => zip.each(|left, right| left / right),
        Operator::Mod => zip.each(|left, right| left % right),
        Operator::Add => zip.each(|left, right| left + right),
        Operator::Sub => zip.each(|left, right| left - right),
        Operator::Eq => zip.each(|left, right| truth(left == right)),
        Operator::Neq => zip.each(|left, right| truth(left != right)),
        Operator::Lte => zip.each(|left, right| truth(left <= right)),
        Operator::Lt => zip.each(|left, right| truth(left < right)),
        Operator::Gte => zip.each(|left, right| truth(left >= right)),
        Operator::Gt => zip.each(|left, right| truth(left > right)),
        Operator::And => zip.each(|left, right| truth(left == 1.0 && right == 1.0)),
        Operator::Or => zip.each(|left, right| truth(left == 1.0 || right == 1.0)),
    }
}

struct Zip<'a> {
    kept: &'a mut Column,
    other: &'a Column,
    backward: bool,
}

impl Zip<'_> {
    fn each(&mut self, make: impl Fn(f64, f64) -> f64) {
        if self.backward {
            self.kept.zip(self.other, |kept, other| make(other, kept));
        } else {
            self.kept.zip(self.other, make);
        }
    }
}

/// The one value of a single without labels.
fn only<'a>(value: &'a Value, case: &str, side: &str) -> Result<&'a Column, String> {
    match value.rows.first() {
        Some(row) if row.values.n_buckets() == 1 => Ok(&row.values),
        _ => Err(format!("{case}, {side} result is empty or has more than one value.")),
    }
}

fn single_with_single(left: &Value, right: &Value, apply: impl Fn(&mut Column, &Column)) -> Evaluated {
    let mut kept = only(left, "Single to Single", "left")?.clone();
    apply(&mut kept, only(right, "Single to Single", "right")?);
    Ok(Value::single(kept))
}

fn many_with_one(mut many: Value, one: &Value, case: &str, apply: impl Fn(&mut Column, &Column)) -> Evaluated {
    let one = only(one, case, "single")?;
    many.rows.iter_mut().for_each(|row| apply(row.values_mut(), one));
    Ok(many)
}

fn series_with_series(mut left: Value, right: &Value, apply: impl Fn(&mut Column, &Column)) -> Evaluated {
    let (Some(kept), Some(other)) = (left.rows.first_mut(), right.rows.first()) else {
        return Err("Series No Labeled, left or right result is empty.".to_owned());
    };
    same_length(&kept.values, &other.values, "Series No Labeled")?;
    apply(kept.values_mut(), &other.values);
    Ok(left)
}

fn many_with_series(mut many: Value, series: &Value, case: &str, apply: impl Fn(&mut Column, &Column)) -> Evaluated {
    let Some(other) = series.rows.first() else { return Err(format!("{case}, no labeled result is empty.")) };
    for kept in &mut many.rows {
        same_length(&kept.values, &other.values, case)?;
        apply(kept.values_mut(), &other.values);
    }
    Ok(many)
}

/// Rows with equal label sets, in any order of the labels.
fn by_labels(
    mut left: Value,
    right: &Value,
    sizes: impl Fn(&Column, &Column) -> Result<(), String>,
    apply: impl Fn(&mut Column, &Column),
) -> Evaluated {
    let others: HashMap<_, _> = right.rows.iter().map(|row| (label_set(row), &row.values)).collect();
    for kept in &mut left.rows {
        match others.get(&label_set(kept)) {
            Some(other) => {
                sizes(&kept.values, other)?;
                apply(kept.values_mut(), other);
            }
            None => kept.values = Rc::new(Column::empty(kept.values.width(), kept.values.n_buckets())),
        }
    }
    Ok(left)
}

fn label_set(row: &Row) -> Labels {
    let mut labels = row.labels.clone();
    labels.sort();
    labels.dedup();
    labels
}

fn single_sizes(left: &Column, right: &Column) -> Result<(), String> {
    let case = "Single Labeled to Single Labeled";
    if left.n_buckets() != 1 {
        return Err(format!("{case}, left labeled result is empty or has more than one value."));
    }
    if right.n_buckets() != 1 {
        return Err(format!("{case}, right labeled result has more than one value."));
    }
    Ok(())
}

fn series_sizes(left: &Column, right: &Column) -> Result<(), String> {
    same_length(left, right, "Series Labeled with Labeled")
}

fn same_length(left: &Column, right: &Column, case: &str) -> Result<(), String> {
    if left.n_buckets() == right.n_buckets() {
        return Ok(());
    }
    Err(format!("{case}, left and right series value size not equal."))
}
