//! Rankings: partials are merged inside the cluster, in pages of entities; values and ranks are computed here.
//!
//! What comes back is, for each entity and bucket, the merged parts of one cell. Nothing else leaves the cluster, however many
//! writers there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use model::cell::CellId;
use model::{Agg, Bucket, Cells, Step};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Aggregated, Buckets, Hits};
use super::client::Client;
use super::find::{self, Place, SEARCH, all, place};
use super::json::{body, read};
use super::names::Names;
use super::scan::entities;
use super::states::{BIG, Merge, name};
use super::walk::Walk;
use crate::{Attr, Order, StoreError, TopEntry, TopQuery};

/// Buckets of one page, entities and their buckets together. A cluster allows 65,535 unless it is told otherwise.
const BUCKETS: usize = 50_000;
/// Pages that are merged at the same time.
const PAGES_AT_ONCE: usize = 2;
/// Attributes that the cluster merges beside the cell.
const ATTRIBUTES: usize = 4;

/// Longer ends of a range the cluster may not take: it makes an automaton of them, with a state for each byte and at most a thousand.
const BOUND: usize = 700;

/// The first and the last entity of a page.
type Range = (Arc<str>, Arc<str>);
/// By entity the sum of its buckets' values, from the first bucket to the last, and how many there are.
type Sums = BTreeMap<Arc<str>, (f64, f64)>;

/// Ranks by the mean of the buckets' values.
pub(super) async fn top(client: &Client, names: &Names, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
    let Some(merge) = Merge::of(query.function, query.cell) else { return Ok(Vec::new()) };
    let Some(chosen) = find::entities(&query.entities) else { return Ok(Vec::new()) };
    let place = place(names, query.scope, query.step, query.from, query.to);
    let place = Place { filters: place.filters.into_iter().chain(chosen).collect(), ..place };
    let sums = match aggregated(client, &place, query, &merge).await? {
        Some(sums) => sums,
        None => walked(client, place, query).await?,
    };
    Ok(rank(sums, query))
}

fn rank(sums: Sums, query: &TopQuery) -> Vec<TopEntry> {
    let mean = |(entity, (sum, count))| TopEntry { entity, value: sum / count };
    let mut entries: Vec<_> = sums.into_iter().map(mean).collect();
    // Stable, and entities come ascending: ties stay that way in both orders.
    entries.sort_by(|a, b| match query.order {
        Order::Asc => a.value.total_cmp(&b.value),
        Order::Desc => b.value.total_cmp(&a.value),
    });
    entries.truncate(query.n);
    entries
}

fn add(sums: &mut Sums, entity: &str, value: Option<f64>) {
    let Some(value) = value else { return };
    if let Some((sum, count)) = sums.get_mut(entity) {
        *sum += value;
        *count += 1.0;
    } else {
        sums.insert(entity.into(), (value, 1.0));
    }
}

fn value(query: &TopQuery, agg: &Agg) -> Option<f64> {
    query.function.value(agg, query.step)?.number()
}

/// From the rows themselves, for the rare question whose sums the cluster would round.
async fn walked(client: &Client, place: Place, query: &TopQuery) -> Result<Sums, StoreError> {
    let holds = |attr: &Attr, cells: &Cells| {
        let lowest = match cells.get(attr.cell) {
            Some(Agg::Ids(ids)) => ids.first().copied(),
            _ => None,
        };
        (lowest == Some(attr.id)) == attr.equal
    };
    let want: Vec<CellId> = query.attrs.iter().map(|attr| attr.cell).chain([query.cell]).collect();
    let mut walk = Walk::new(client, place, &want, None, usize::MAX);
    let mut sums = Sums::new();
    while let Some(row) = walk.next().await? {
        if query.attrs.iter().all(|attr| holds(attr, &row.cells)) {
            add(&mut sums, &row.entity, row.cells.get(query.cell).and_then(|agg| value(query, agg)));
        }
    }
    Ok(sums)
}

#[derive(Debug, Default, Deserialize)]
struct Aggregations {
    #[serde(default)]
    big: Count,
    #[serde(default)]
    outer: Buckets<Outer>,
}

#[derive(Debug, Default, Deserialize)]
struct Count {
    #[serde(default)]
    doc_count: u64,
}

/// An entity or the start of a bucket.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Key {
    Bucket(#[expect(dead_code, reason = "buckets come in their order, which is all that counts")] u32),
    Entity(String),
}

#[derive(Debug, Deserialize)]
struct Outer {
    key: Key,
    #[serde(default)]
    inner: Buckets<Merged>,
}

/// One bucket of one entity, merged: parts `a` to `c`, how many rows have the cell, the lowest ids of attributes.
#[derive(Debug, Deserialize)]
struct Merged {
    key: Key,
    #[serde(default)]
    a: Number,
    #[serde(default)]
    b: Number,
    #[serde(default)]
    c: Number,
    #[serde(default)]
    n: Number,
    #[serde(default)]
    latest: Latest,
    #[serde(default)]
    attr0: Number,
    #[serde(default)]
    attr1: Number,
    #[serde(default)]
    attr2: Number,
    #[serde(default)]
    attr3: Number,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Number {
    value: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Latest {
    hits: Hits<LatestHit>,
}

#[derive(Debug, Deserialize)]
struct LatestHit {
    sort: (i64, i64),
}

/// A ranking as the cluster is asked for it.
struct Pages<'a> {
    query: &'a TopQuery,
    merge: &'a Merge,
    filters: Vec<Value>,
    /// The cells of attributes, each once.
    attributes: Vec<CellId>,
    /// Entities and buckets of a page.
    entities: usize,
    buckets: usize,
}

/// `None`: the cluster cannot tell exactly.
async fn aggregated(
    client: &Client,
    place: &Place,
    query: &TopQuery,
    merge: &Merge,
) -> Result<Option<Sums>, StoreError> {
    let buckets = most_buckets(query.step, query.from, query.to);
    let mut attributes: Vec<CellId> = query.attrs.iter().map(|attr| attr.cell).collect();
    attributes.sort_unstable();
    attributes.dedup();
    if buckets >= BUCKETS || attributes.len() > ATTRIBUTES {
        return Ok(None);
    }
    let mut filters = place.filters.clone();
    if attributes.is_empty() {
        filters.push(json!({"exists": {"field": merge.column()}}));
    }
    let pages = Pages { query, merge, filters, attributes, entities: BUCKETS / (buckets + 1), buckets };
    let path = &format!("/{}/_search?{SEARCH}&filter_path={}", place.index, filter_path());
    let ranges = ranges(client, &place.index, &pages).await?;
    let is_only = ranges.len() == 1;
    let requests: Vec<_> = ranges
        .into_iter()
        .map(|range| {
            let request = body(&pages.request(Some(&range).filter(|_| !is_only)));
            (range, request)
        })
        .collect();
    let asked = requests.into_iter().map(|(range, request)| async move {
        let answer: Aggregated<Aggregations> = read(&client.query(path, request).await?)?;
        Ok::<_, StoreError>((range, answer))
    });
    let mut asked = stream::iter(asked).buffered(PAGES_AT_ONCE);
    let mut sums = Sums::new();
    while let Some((range, answer)) = asked.try_next().await? {
        if pages.add(answer.aggregations, &range, &mut sums).is_none() {
            return Ok(None);
        }
    }
    Ok(Some(sums))
}

/// An id without what is behind [`BOUND`].
fn cut(entity: &str) -> &str {
    entity.get(..entity.floor_char_boundary(BOUND)).unwrap_or_default()
}

/// The entities of each page, first and last.
async fn ranges(client: &Client, index: &str, pages: &Pages<'_>) -> Result<Vec<Range>, StoreError> {
    let mut ranges = Vec::new();
    let mut after = None;
    loop {
        let (entities, next) = entities(client, index, &pages.filters, after).await?;
        let ends =
            entities.chunks(pages.entities).filter_map(|some| Some((some.first()?.clone(), some.last()?.clone())));
        ranges.extend(ends);
        after = next;
        if after.is_none() {
            return Ok(ranges);
        }
    }
}

fn filter_path() -> String {
    let inner = "aggregations.outer.buckets.inner.buckets";
    format!(
        "aggregations.big.doc_count,aggregations.outer.buckets.key,{inner}.key,{inner}.*.value,{inner}.latest.hits.hits.sort"
    )
}

/// More buckets than this are not in the range.
fn most_buckets(step: Step, from: Bucket, to: Bucket) -> usize {
    // The shortest day of a zone has 23 hours; an hour may begin within another one when clocks are set back.
    let minutes = match step {
        Step::Minute | Step::Life => 1,
        Step::Hour => 30,
        Step::Day => 23 * 60,
    };
    match step {
        Step::Life => 1,
        _ => usize::try_from(to.0.saturating_sub(from.0) / minutes).unwrap_or(usize::MAX).saturating_add(1),
    }
}

impl Pages<'_> {
    /// The page of a range of entities, of all where there is no other page.
    fn request(&self, range: Option<&Range>) -> Value {
        let mut filters = self.filters.clone();
        filters.extend(range.map(|(first, last)| {
            // A little more than the range, where its ends are long; what is beyond belongs to another page.
            let above = if last.len() > BOUND { "\u{10FFFF}" } else { "" };
            json!({"range": {"entity": {"gte": cut(first), "lte": format!("{}{above}", cut(last))}}})
        }));
        let mut merged: Map<String, Value> = self.merge.aggregations();
        for (i, cell) in self.attributes.iter().enumerate() {
            merged.insert(format!("attr{i}"), json!({"min": {"field": name(*cell, "id")}}));
            merged.insert("n".to_owned(), json!({"value_count": {"field": self.merge.column()}}));
        }
        let by_entity = json!({"field": "entity", "size": BUCKETS});
        let by_bucket = json!({"field": "bucket", "size": self.buckets, "order": {"_key": "asc"}});
        // For each outer bucket the cluster passes over the inner ones of all, so there must be few outer ones.
        let (outer, inner) =
            if self.buckets <= self.entities { (by_bucket, by_entity) } else { (by_entity, by_bucket) };
        json!({
            "query": all(filters),
            "size": 0,
            "track_total_hits": false,
            "aggs": {
                "big": {"filter": {"term": {BIG: self.query.cell.0.to_string()}}},
                "outer": {"terms": outer, "aggs": {"inner": {"terms": inner, "aggs": merged}}},
            },
        })
    }

    /// Adds the values of a page. `None`: one of its sums is rounded.
    fn add(&self, page: Aggregations, (first, last): &Range, sums: &mut Sums) -> Option<()> {
        let is_here = |entity: &str| (&**first..=&**last).contains(&entity);
        if page.big.doc_count > 0 {
            return None;
        }
        for outer in page.outer.buckets {
            let named: Option<Arc<str>> = match outer.key {
                Key::Entity(entity) => Some(entity.into()),
                Key::Bucket(_) => None,
            };
            for inner in outer.inner.buckets {
                let value = self.value(&inner)?;
                match (&named, inner.key) {
                    (Some(entity), _) if is_here(entity) => add(sums, entity, value),
                    (None, Key::Entity(entity)) if is_here(&entity) => add(sums, &entity, value),
                    _ => {}
                }
            }
        }
        Some(())
    }

    /// The value of a merged bucket, where it counts and has one. `None`: its sums are rounded.
    fn value(&self, bucket: &Merged) -> Option<Option<f64>> {
        let is_there = self.attributes.is_empty() || bucket.n.value.is_some_and(|n| n > 0.0);
        if !is_there || !self.query.attrs.iter().all(|attr| self.holds(attr, bucket)) {
            return Some(None);
        }
        let parts = [bucket.a, bucket.b, bucket.c].map(|part| part.value.unwrap_or(0.0));
        let latest = bucket.latest.hits.hits.first().map(|hit| hit.sort);
        let agg = self.merge.cell(parts, latest).ok()?;
        Some(value(self.query, &agg))
    }

    fn holds(&self, attr: &Attr, bucket: &Merged) -> bool {
        let lowest = [bucket.attr0, bucket.attr1, bucket.attr2, bucket.attr3];
        let at = self.attributes.binary_search(&attr.cell).unwrap_or(ATTRIBUTES);
        let lowest = lowest.get(at).and_then(|number| number.value);
        (lowest == Some(f64::from(attr.id))) == attr.equal
    }
}
