//! What SkyWalking does not compute: spread, smoothing, comparison with earlier times, and what those make us expect.

use std::rc::Rc;

use super::aggregate::{compare, mean};
use super::pair::pair;
use super::value::{Evaluated, ResultType, Row, Value};
use crate::ast::{Aggregation, Operator};
use crate::column::Column;
use crate::need::BaselineKind;

/// A baseline looks at so many buckets before and behind the bucket in question, too: few days alone are few samples.
const BASELINE_NEIGHBOURS: usize = 2;
/// Of so many days at least.
const BASELINE_LEAST_DAYS: usize = 3;
/// So many standard deviations from the mean are still expected.
const BASELINE_DEVIATIONS: f64 = 3.0;

/// `quantile(e, part)`: of each label set one value, between two of its values in proportion.
pub(super) fn quantile(value: Value, part: f64) -> Value {
    value.singles(|column| {
        by_entity(column, |values| {
            let mut sorted = values.to_vec();
            sorted.sort_by(|a, b| compare(*a, *b));
            let last = sorted.len().checked_sub(1)?;
            let (low, share) = place(last, part);
            let (below, above) = (*sorted.get(low)?, *sorted.get((low + 1).min(last))?);
            // Between two infinities there is no distance.
            Some(if share == 0.0 || below.total_cmp(&above).is_eq() { below } else { below + (above - below) * share })
        })
    })
}

/// Where a part of the way from 0 to the last index ends: behind which index, and how far.
fn place(last: usize, part: f64) -> (usize, f64) {
    let at = number(last) * part;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the length of a series; the cast saturates"
    )]
    let low = (at.floor() as usize).min(last);
    (low, at - number(low))
}

#[expect(clippy::cast_precision_loss, reason = "a series has some hundred values")]
fn number(n: usize) -> f64 {
    n as f64
}

/// `stddev(e)`: of each label set one value.
pub(super) fn stddev(value: Value) -> Value {
    value.singles(deviation)
}

/// `zscore(e)`: each value's distance from the mean of its label set in standard deviations.
pub(super) fn zscore(mut value: Value) -> Value {
    for row in &mut value.rows {
        let mut spread = deviation(&row.values);
        spread.keep(|deviation| deviation > 0.0);
        let mean = mean(&row.values);
        let column = row.values_mut();
        column.zip(&mean, |value, mean| value - mean);
        column.zip(&spread, |distance, spread| distance / spread);
    }
    value
}

fn deviation(column: &Column) -> Column {
    let mut squares = column.clone();
    squares.zip(&mean(column), |value, mean| (value - mean) * (value - mean));
    let mut variance = mean(&squares);
    variance.map(f64::sqrt);
    variance
}

/// `ewma(e, weight)`: a bucket without value stays empty and the average goes on behind it.
pub(super) fn ewma(value: Value, weight: f64) -> Evaluated {
    if value.kind != ResultType::TimeSeriesValues {
        return Err("EWMA can only be used in time series result.".to_owned());
    }
    Ok(value.each(|column| {
        let mut smooth = Column::empty(column.width(), column.n_buckets());
        for entity in 0..column.width() {
            let mut average = None;
            for (bucket, value) in column.of_entity(entity).enumerate() {
                let Some(value) = value else { continue };
                let next = average.map_or(value, |average| weight * value + (1.0 - weight) * average);
                smooth.set(bucket, entity, Some(next));
                average = Some(next);
            }
        }
        smooth
    }))
}

/// `change_pct(e, span)`: from what it was to what it is, in percent of what it was. Empty where that was 0: there is no such
/// part.
pub(super) fn change_pct(now: Value, mut then: Value) -> Evaluated {
    let difference = pair(Operator::Sub, now, then.clone())?;
    then.rows.iter_mut().for_each(|row| row.values_mut().keep(|value| value != 0.0));
    // A share of a negative number is one of its size, so that a rise is positive.
    let change = pair(Operator::Div, difference, then.map(f64::abs))?;
    Ok(change.map(|share| share * 100.0))
}

/// `burn_rate(bad, total, objective, window)`, the operands those of the window.
pub(super) fn burn_rate(bad: Value, total: Value, objective: f64) -> Evaluated {
    let bad = super::aggregate::aggregate(Aggregation::Sum, bad)?;
    let mut total = super::aggregate::aggregate(Aggregation::Sum, total)?;
    total.rows.iter_mut().for_each(|row| row.values_mut().keep(|total| total > 0.0));
    let allowed = 1.0 - objective / 100.0;
    Ok(pair(Operator::Div, bad, total)?.map(|share| share / allowed))
}

/// `baseline(metric, line)` from the same buckets of the days before, yesterday first.
pub(super) fn baseline(kind: BaselineKind, days: &[Value]) -> Value {
    // An entity that does not fit the metric has none of them.
    let days: Vec<&Value> = days.iter().filter(|day| day.kind == ResultType::TimeSeriesValues).collect();
    let Some(first) = days.first() else { return Value::nothing() };
    let mut expected = Value { rows: Vec::new(), ..(*first).clone() };
    for row in days.iter().flat_map(|day| &day.rows) {
        if expected.rows.iter().any(|known| known.labels == row.labels) {
            continue;
        }
        let same = |day: &&Value| day.rows.iter().find(|each| each.labels == row.labels).cloned();
        let days: Vec<Row> = days.iter().filter_map(same).collect();
        let mut values = Column::empty(row.values.width(), row.values.n_buckets());
        for bucket in 0..values.n_buckets() {
            for entity in 0..values.width() {
                values.set(bucket, entity, expectation(kind, &days, bucket, entity));
            }
        }
        expected.rows.push(Row { values: Rc::new(values), ..row.clone() });
    }
    expected
}

fn expectation(kind: BaselineKind, days: &[Row], bucket: usize, entity: usize) -> Option<f64> {
    let around = bucket.saturating_sub(BASELINE_NEIGHBOURS)..=bucket + BASELINE_NEIGHBOURS;
    let of_day = |day: &Row| around.clone().filter_map(|bucket| day.values.get(bucket, entity)).collect::<Vec<_>>();
    let samples: Vec<Vec<f64>> = days.iter().map(of_day).filter(|samples| !samples.is_empty()).collect();
    if samples.len() < BASELINE_LEAST_DAYS {
        return None;
    }
    let samples: Column = samples.into_iter().flatten().map(Some).collect();
    let (mean, deviation) = (mean(&samples).get(0, 0)?, deviation(&samples).get(0, 0)?);
    Some(match kind {
        BaselineKind::Value => mean,
        BaselineKind::Upper => mean + BASELINE_DEVIATIONS * deviation,
        BaselineKind::Lower => mean - BASELINE_DEVIATIONS * deviation,
    })
}

/// One value for each entity from those of it that are not empty.
fn by_entity(column: &Column, make: impl Fn(&[f64]) -> Option<f64>) -> Column {
    let mut one = Column::empty(column.width(), 1);
    for entity in 0..column.width() {
        let values: Vec<f64> = column.of_entity(entity).flatten().collect();
        one.set(0, entity, make(&values));
    }
    one
}
