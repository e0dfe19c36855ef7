//! What each part of a rule's expression came to for one entity.

use std::collections::BTreeMap;

use model::Bucket;
use serde::Serialize;

use crate::check::Place;
use crate::columns::Columns;
use crate::entity::Entity;
use crate::plan::Planned;
use crate::variables;

use super::Ground;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// How it is written, with its numbers.
    pub text: String,
    /// Where it stands in the rule's expression.
    pub at: Place,
    /// How the results are to be read: `SINGLE_VALUE`, `TIME_SERIES_VALUES`; `UNKNOWN`: there are none.
    pub kind: &'static str,
    /// One for each label set. Truths are 1 and 0.
    pub results: Vec<NodeResult>,
    /// Why there are none.
    pub error: Option<String>,
}

/// What a part came to for one label set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeResult {
    /// The labels.
    pub labels: Vec<(String, String)>,
    /// One value, or one for each bucket, oldest first; `None`: it is empty.
    pub values: Vec<Option<f64>>,
}

/// The override that holds for an entity, by its number, and the numbers of the rule with it.
pub(super) fn numbers(planned: &Planned, entity: &Entity, layers: &[String]) -> (Option<usize>, BTreeMap<String, f64>) {
    let holding = planned.override_of(entity, &entity.parts(), layers);
    let mut numbers = planned.rule.variables.clone();
    if let Some(own) = holding.and_then(|at| planned.rule.overrides.get(at)) {
        numbers.extend(own.variables.clone());
    }
    (holding, numbers)
}

/// The parts of an expression, the whole first, over the window that ends with a minute. Nothing where it is no expression.
pub(super) fn nodes(
    ground: &Ground,
    columns: &Columns,
    planned: &Planned,
    (expression, numbers): (&str, &BTreeMap<String, f64>),
    (entity, minute): (usize, Bucket),
) -> Vec<Node> {
    let Ok(bound) = variables::bind(expression, numbers) else { return Vec::new() };
    let (Ok(expr), Some(table)) = (mqe::parse_whole(&bound.text), columns.table(planned.scope)) else {
        return Vec::new();
    };
    let load = |need: &mqe::Need| {
        let name = &need.metric().name;
        let labelled = crate::plan::is_labelled(need, &ground.catalogue);
        table.load(name, labelled, &columns.buckets(need, planned.params.period, minute), &[entity])
    };
    let loaded: Vec<_> = expr.needs().iter().map(load).collect();
    let node = |part: mqe::explain::Part| {
        let [start, end] = bound.source(part.place.start, part.place.end);
        let result = |row: mqe::Labelled| NodeResult {
            labels: row.labels,
            values: row.values.into_iter().map(|point| point.value).collect(),
        };
        Node {
            text: part.text,
            at: Place::of(expression, start, end),
            kind: part.outcome.kind.name(),
            results: part.outcome.results.into_iter().map(result).collect(),
            error: part.outcome.error,
        }
    };
    mqe::explain(&expr, &loaded, 60).into_iter().map(node).collect()
}
