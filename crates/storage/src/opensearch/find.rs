//! Conditions on rows as queries of the cluster.

use std::sync::Arc;

use model::{Bucket, Scope, Step};
use serde_json::{Value, json};

use super::names::{Family, Names};
use super::rows::of;
use crate::Entities;

/// Ids in one condition; the cluster takes 65,536 at most.
pub(super) const IDS: usize = 16_384;
/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// Where rows lie, and which.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Indices, as a URL names them.
    pub(super) index: String,
    /// All of these must hold.
    pub(super) filters: Vec<Value>,
}

/// The rows of a scope, step and range; a life row has no bucket, so no range leaves it out.
pub(super) fn place(names: &Names, scope: Scope, step: Step, from: Bucket, to: Bucket) -> Place {
    let mut filters = vec![json!({"term": {"of": of(scope, step)}})];
    if step == Step::Life {
        return Place { index: names.life(), filters };
    }
    // The cluster's integers end where the year 6053 does; rows end with the named days.
    let last = |bucket: Bucket| bucket.0.min(i32::MAX.unsigned_abs());
    filters.push(json!({"range": {"bucket": {"gte": last(from), "lte": last(to)}}}));
    Place { index: names.days(Family::Rows, from.0 / DAY_MINUTES, to.0 / DAY_MINUTES), filters }
}

/// The condition of a choice of entities; nothing where all are chosen, `None` where none is.
pub(super) fn entities(entities: &Entities) -> Option<Option<Value>> {
    Some(match entities {
        Entities::All => None,
        Entities::Ids(ids) | Entities::Touching(ids) if ids.is_empty() => return None,
        Entities::Ids(ids) => Some(one_of("entity", ids)),
        Entities::Prefix(prefix) => Some(prefix_of("entity", prefix)),
        Entities::Touching(ids) => Some(any(vec![one_of("source", ids), one_of("dest", ids)])),
        Entities::Between(a, b) => {
            let way = |from, to| all(vec![is_relation(), prefix_of("source", from), prefix_of("dest", to)]);
            Some(any(vec![way(a, b), way(b, a)]))
        }
    })
}

/// One of these texts, however many.
pub(super) fn one_of(field: &str, texts: &[Arc<str>]) -> Value {
    let terms = |some: &[Arc<str>]| json!({"terms": {field: some.iter().map(|text| &**text).collect::<Vec<_>>()}});
    any(texts.chunks(IDS).map(terms).collect())
}

fn prefix_of(field: &str, prefix: &str) -> Value {
    json!({"prefix": {field: prefix}})
}

fn is_relation() -> Value {
    json!({"prefix": {"source": ""}})
}

pub(super) fn any(mut conditions: Vec<Value>) -> Value {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => json!({"bool": {"should": conditions, "minimum_should_match": 1}}),
    }
}

pub(super) fn all(conditions: Vec<Value>) -> Value {
    json!({"bool": {"filter": conditions}})
}

/// What a search over such indices is asked with: a shard that does not answer makes it fail, for half an answer is a wrong one;
/// a day without an index has no rows.
pub(super) const SEARCH: &str = "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_nothing_asks_nothing() {
        assert_eq!(entities(&Entities::Ids(Vec::new())), None);
        assert_eq!(entities(&Entities::Touching(Vec::new())), None);
        assert_eq!(entities(&Entities::All), Some(None));
        assert_eq!(entities(&Entities::Prefix("a".to_owned())), Some(Some(json!({"prefix": {"entity": "a"}}))));
    }
}
