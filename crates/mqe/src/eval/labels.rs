//! Labels changed, and rows sorted.

use std::cmp::Ordering;

use super::aggregate::{aggregate, compare, label_value};
use super::value::{Evaluated, ResultType, Row, Value};
use crate::ast::Aggregation;
use crate::need::{Label, Order};

/// A comparison, turned round for [`Order::Des`]. Equals stay in the order in which they were.
pub(super) fn ordered(order: Order, comparison: Ordering) -> Ordering {
    match order {
        Order::Asc => comparison,
        Order::Des => comparison.reverse(),
    }
}

/// `relabels(e, target, replacement)`: each label that is one of the target's becomes the one at its place in the
/// replacement. Values are split on commas and not trimmed. Without a value on either side nothing changes.
pub(super) fn relabel(mut value: Value, target: &Label, replacement: &Label) -> Evaluated {
    let (from, to) = (listed(&target.value), listed(&replacement.value));
    if from.is_empty() || to.is_empty() {
        return Ok(value);
    }
    if from.len() != to.len() {
        return Err(format!(
            "Target label [{}]: the number of relabel values is not equal to the number of replace label.",
            target.name
        ));
    }
    for (name, value) in value.rows.iter_mut().flat_map(|row| &mut row.labels) {
        let index = from.iter().rposition(|each| each == value);
        if let Some(new) = index.filter(|_| *name == target.name).and_then(|index| to.get(index)) {
            name.clone_from(&replacement.name);
            *value = (*new).to_owned();
        }
    }
    Ok(value)
}

/// The parts of a list with commas. Empty ones count, but for those at the end.
fn listed(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.trim_end_matches(',').split(',').collect()
}

/// `sort_values(e, n, order, aggregation)`: the first `n` rows by what the aggregation makes of their values, as series. A row
/// without a value counts as 0. Without labels there is nothing to sort. Looks at one entity: others may have another order.
pub(super) fn sort_values(mut value: Value, n: u32, order: Order, aggregation: Aggregation) -> Evaluated {
    if !value.labelled {
        return Ok(value);
    }
    value.kind = ResultType::TimeSeriesValues;
    let keys = aggregate(aggregation, value.clone())?;
    let key = |row: &Row| row.values.get(0, 0).unwrap_or_default();
    let mut keyed: Vec<(f64, Row)> = keys.rows.iter().map(key).zip(value.rows).collect();
    keyed.sort_by(|(a, _), (b, _)| ordered(order, compare(*a, *b)));
    keyed.truncate(usize::try_from(n).unwrap_or(usize::MAX));
    value.rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(value)
}

/// `sort_label_values(e, order, names…)`: rows by the values of the labels, as text ("100" is before "50"); a row without the
/// label has "".
pub(super) fn sort_label_values(mut value: Value, order: Order, names: &[String]) -> Value {
    value.rows.sort_by(|a, b| {
        let by_name = |name: &String| ordered(order, label_value(a, name).cmp(label_value(b, name)));
        names.iter().map(by_name).find(|comparison| comparison.is_ne()).unwrap_or(Ordering::Equal)
    });
    value
}
