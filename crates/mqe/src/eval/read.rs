//! What was loaded, as a value.

use std::rc::Rc;

use super::value::{Evaluated, Loaded, Mark, ResultType, Row, Series, Value};
use crate::need::{Metric, Need, TopN};

/// The answer to a need for so many entities, checked against it.
pub(super) fn read(need: &Need, loaded: Option<&Loaded>, width: usize) -> Evaluated {
    let name = &need.metric().name;
    let not_loaded = || Err(format!("Metric: [{name}] was not loaded."));
    let Some(loaded) = loaded else { return not_loaded() };
    match loaded {
        Loaded::UnknownMetric => Err(format!("Metric: [{name}] does not exist.")),
        Loaded::Failed(error) => Err(error.clone()),
        Loaded::NoAttribute(column) => Err(format!(
            "The attribute [{column}] is not a queryable column of metric [{name}], so it can not be used as a top_n \
             condition."
        )),
        Loaded::InvalidEntity => Ok(Value::nothing()),
        Loaded::Series { labelled, rows, .. } => match need {
            Need::TopN { top_n, .. } => Err(top_n_of_series(top_n, *labelled)),
            Need::Series { .. } if rows.iter().any(|row| row.values.width() != width) => not_loaded(),
            Need::Series { metric, .. } => Ok(series(metric, loaded)),
        },
        Loaded::SortedList(_) | Loaded::RecordList(_) if !matches!(need, Need::TopN { .. }) => {
            Err(format!("Metric: [{name}] is topN record, need top_n function for query."))
        }
        Loaded::SortedList(_) | Loaded::RecordList(_)
            if matches!(need, Need::TopN { top_n: TopN { n: 0, .. }, .. }) =>
        {
            Err("TopN value must be > 0.".to_owned())
        }
        Loaded::SortedList(_) | Loaded::RecordList(_) if width != 1 => {
            Err(format!("Metric: [{name}] is ranked, which several entities cannot be at once."))
        }
        Loaded::SortedList(list) => {
            let mark = |id: &String, owner| Mark { id: Some(id.clone()), owner, trace_id: None };
            let marks = list.iter().map(|ranked| mark(&ranked.id, ranked.owner.clone())).collect();
            let values = list.iter().map(|ranked| Some(ranked.value)).collect();
            Ok(Value::one(ResultType::SortedList, marks, values))
        }
        Loaded::RecordList(list) => {
            let mark =
                |id: &String, trace: &String| Mark { id: Some(id.clone()), owner: None, trace_id: Some(trace.clone()) };
            let marks = list.iter().map(|record| mark(&record.id, &record.trace_id)).collect();
            let values = list.iter().map(|record| Some(record.value)).collect();
            Ok(Value::one(ResultType::RecordList, marks, values))
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

fn series(metric: &Metric, loaded: &Loaded) -> Value {
    let Loaded::Series { labelled, ids, rows } = loaded else { return Value::nothing() };
    // Labels mean nothing to a metric that has none: its selector is ignored.
    let mut rows: Vec<&Series> = if *labelled { select(metric, rows) } else { rows.iter().collect() };
    rows.sort_by_cached_key(|row| stored_form(&row.labels));
    let marks: Rc<[Mark]> = ids.iter().map(|id| Mark { id: Some(id.clone()), ..Mark::default() }).collect();
    let row = |row: &Series| {
        let (mut labels, mut values) = (row.labels.clone(), row.values.clone());
        labels.sort();
        values.resize(ids.len());
        Row { labels, marks: Rc::clone(&marks), values: Rc::new(values) }
    };
    let rows = rows.into_iter().map(row).collect();
    Value { kind: ResultType::TimeSeriesValues, labelled: *labelled, rows }
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
