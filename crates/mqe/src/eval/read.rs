//! What was loaded, as a value.

use super::value::{Evaluated, Labelled, Loaded, Point, ResultType, Series, Value};
use crate::need::{Metric, Need, TopN};

/// The answer to a need, checked against it.
pub(super) fn read(need: &Need, loaded: &Loaded) -> Evaluated {
    let name = &need.metric().name;
    match loaded {
        Loaded::UnknownMetric => Err(format!("Metric: [{name}] does not exist.")),
        Loaded::Failed(error) => Err(error.clone()),
        Loaded::NoAttribute(column) => Err(format!(
            "The attribute [{column}] is not a queryable column of metric [{name}], so it can not be used as a top_n \
             condition."
        )),
        Loaded::InvalidEntity => Ok(Value::nothing()),
        Loaded::Series { labelled, ids, rows } => match need {
            Need::TopN(top_n) => Err(top_n_of_series(top_n, *labelled)),
            Need::Series { metric, .. } | Need::Baseline { metric, .. } => Ok(series(metric, *labelled, ids, rows)),
        },
        Loaded::SortedList(_) | Loaded::RecordList(_) if !matches!(need, Need::TopN(_)) => {
            Err(format!("Metric: [{name}] is topN record, need top_n function for query."))
        }
        Loaded::SortedList(_) | Loaded::RecordList(_) if matches!(need, Need::TopN(TopN { n: 0, .. })) => {
            Err("TopN value must be > 0.".to_owned())
        }
        Loaded::SortedList(list) => {
            let points = list.iter().map(|ranked| Point {
                id: Some(ranked.id.clone()),
                value: Some(ranked.value),
                owner: ranked.owner.clone(),
                trace_id: None,
            });
            Ok(Value::list(ResultType::SortedList, points.collect()))
        }
        Loaded::RecordList(list) => {
            let points = list.iter().map(|record| Point {
                id: Some(record.id.clone()),
                value: Some(record.value),
                owner: None,
                trace_id: Some(record.trace_id.clone()),
            });
            Ok(Value::list(ResultType::RecordList, points.collect()))
        }
    }
}

fn top_n_of_series(top_n: &TopN, labelled: bool) -> String {
    let name = &top_n.metric.name;
    if labelled {
        format!("Metric: [{name}] is labeled value, does not support top_n query.")
    } else {
        format!("Metric: [{name}] was not ranked.")
    }
}

fn series(metric: &Metric, labelled: bool, ids: &[String], rows: &[Series]) -> Value {
    // Labels mean nothing to a metric that has none: its selector is ignored.
    let mut rows: Vec<&Series> = if labelled { select(metric, rows) } else { rows.iter().collect() };
    rows.sort_by_cached_key(|row| stored_form(&row.labels));
    let rows = rows.into_iter().map(|row| labelled_row(ids, row)).collect();
    Value { kind: ResultType::TimeSeriesValues, labelled, rows }
}

/// The rows that the selector means: of each name any of its values. A name of which no value occurs in any row selects
/// nothing at all.
fn select<'a>(metric: &Metric, rows: &'a [Series]) -> Vec<&'a Series> {
    let selected = metric.selected();
    let has = |row: &Series, name: &str, values: &[&str]| {
        row.labels.iter().any(|(key, value)| key == name && values.contains(&value.as_str()))
    };
    rows.iter().filter(|row| selected.iter().all(|(name, values)| has(row, name, values))).collect()
}

/// A label set as SkyWalking stores it, which is the order of its rows.
fn stored_form(labels: &[(String, String)]) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn labelled_row(ids: &[String], row: &Series) -> Labelled {
    let mut labels = row.labels.clone();
    labels.sort();
    let values = row.values.iter().copied().chain(std::iter::repeat(None));
    let values = ids.iter().zip(values).map(|(id, value)| Point { id: Some(id.clone()), ..Point::of(value) });
    Labelled { labels, values: values.collect() }
}
