//! Retention: days leave as whole indices, life rows and tombstones one by one.

use std::collections::BTreeMap;

use model::UnixMillis;
use model::cell;
use opensearch::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Aggregated, Buckets, Found};
use super::bulk::{Bulk, Terms, send};
use super::client::Client;
use super::find::{SEARCH, all};
use super::json::{body, read};
use super::names::{Family, Names};
use super::states;
use crate::StoreError;
use crate::chance::Chance;

/// Entities that are looked at together.
const ENTITIES: usize = 1_000;
/// Documents of one page.
const PAGE: usize = 2_000;
/// Indices that one request removes: URLs stay short.
const INDICES: usize = 40;

/// The days of families for which there is an index.
async fn days(client: &Client, names: &Names, terms: Terms) -> Result<Vec<(Family, u32)>, StoreError> {
    let patterns = Family::ALL.map(|family| names.pattern(family)).join(",");
    let path = format!("/{patterns}/_alias?ignore_unavailable=true&allow_no_indices=true");
    let reply = client.send(Method::Get, &path, None, left(terms)).await?;
    if reply.status == 404 {
        return Ok(Vec::new());
    }
    let found: BTreeMap<String, Value> = read(&reply.ok()?)?;
    Ok(found.keys().filter_map(|name| names.parse(name)).collect())
}

/// Removes the indices of days before the oldest of their family; answers how many.
pub(super) async fn expire_days(
    client: &Client,
    names: &Names,
    oldest: impl Fn(Family) -> i64,
    terms: Terms,
) -> Result<usize, StoreError> {
    let mut gone = days(client, names, terms).await?;
    gone.retain(|&(family, day)| i64::from(day) < oldest(family));
    for some in gone.chunks(INDICES) {
        let some = some.iter().map(|&(family, day)| names.day(family, day)).collect::<Vec<_>>().join(",");
        let path = format!("/{some}?ignore_unavailable=true");
        let reply = client.send(Method::Delete, &path, None, left(terms)).await?;
        // Another node was faster.
        if reply.status != 404 {
            reply.ok()?;
        }
    }
    Ok(gone.len())
}

fn left(terms: Terms) -> std::time::Duration {
    terms.deadline.saturating_duration_since(tokio::time::Instant::now())
}

#[derive(Debug, Default, Deserialize)]
struct Aggregations {
    #[serde(default)]
    idle: Buckets<Bucket>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    key: Entity,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Entity {
    of: String,
    entity: String,
}

#[derive(Debug, Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_seq_no")]
    seq_no: i64,
    #[serde(rename = "_primary_term")]
    primary_term: i64,
    /// Scope and step, entity, writer, life.
    sort: (String, String, Value, Value),
    #[serde(default)]
    fields: BTreeMap<String, Vec<i64>>,
}

/// Removes the life rows, all partials together, of entities whose merged last ping lies before `cut`; answers how many entities
/// there were. What never had a ping stays.
pub(super) async fn expire_life(
    client: &Client,
    names: &Names,
    cut: UnixMillis,
    terms: Terms,
    mut chance: Chance,
) -> Result<usize, StoreError> {
    // The last minute that begins before the cut.
    let minute = (cut.0.saturating_sub(1)).div_euclid(60_000);
    let mut removed = 0;
    let mut after = None;
    loop {
        let (idle, next) = idle(client, names, minute, after).await?;
        if !idle.is_empty() {
            removed += remove(client, names, idle, minute, terms, Chance::new(chance.bits())).await?;
        }
        after = next;
        if after.is_none() {
            return Ok(removed);
        }
    }
}

/// Entities of which one partial at least was idle since the minute.
async fn idle(
    client: &Client,
    names: &Names,
    minute: i64,
    after: Option<Value>,
) -> Result<(Vec<Entity>, Option<Value>), StoreError> {
    let last_ping = states::name(cell::LAST_PING, "x");
    let sources = ["of", "entity"].map(|field| json!({field: {"terms": {"field": field}}}));
    let mut composite = json!({"size": ENTITIES, "sources": sources});
    if let Some(after) = after {
        composite["after"] = after;
    }
    let request = json!({
        "query": all(vec![json!({"range": {last_ping: {"lte": minute}}})]),
        "size": 0,
        "aggs": {"idle": {"composite": composite}},
    });
    let path = format!("/{}/_search?{SEARCH}", names.life());
    let answer: Aggregated<Aggregations> = read(&client.query(&path, body(&request)).await?)?;
    let idle = answer.aggregations.idle;
    let next = idle.after_key.filter(|_| idle.buckets.len() == ENTITIES);
    Ok((idle.buckets.into_iter().map(|bucket| bucket.key).collect(), next))
}

/// Of these entities removes those that no partial saw after the minute.
async fn remove(
    client: &Client,
    names: &Names,
    entities: Vec<Entity>,
    minute: i64,
    terms: Terms,
    chance: Chance,
) -> Result<usize, StoreError> {
    let mut partials: BTreeMap<Entity, (i64, Vec<Hit>)> =
        entities.into_iter().map(|entity| (entity, (i64::MIN, Vec::new()))).collect();
    let last_ping = states::name(cell::LAST_PING, "x");
    let ids: Vec<_> = partials.keys().map(|entity| entity.entity.as_str()).collect();
    let mut request = json!({
        "query": all(vec![json!({"terms": {"entity": ids}})]),
        "size": PAGE,
        "sort": [{"of": "asc"}, {"entity": "asc"}, {"writer": "asc"}, {"life": "asc"}],
        "_source": false,
        "docvalue_fields": [last_ping],
        "seq_no_primary_term": true,
        "track_total_hits": false,
    });
    let path = format!("/{}/_search?{SEARCH}", names.life());
    loop {
        let answer: Found<Hit> = read(&client.query(&path, body(&request)).await?)?;
        let hits = answer.hits.hits;
        let is_last = hits.len() < PAGE;
        if let Some(last) = hits.last() {
            request["search_after"] = json!([last.sort.0, last.sort.1, last.sort.2, last.sort.3]);
        }
        for hit in hits {
            let entity = Entity { of: hit.sort.0.clone(), entity: hit.sort.1.clone() };
            let ping = hit.fields.get(&last_ping).and_then(|values| values.first()).copied();
            // Another scope may have an entity of the same name that is not idle at all.
            if let Some((last, hits)) = partials.get_mut(&entity) {
                *last = (*last).max(ping.unwrap_or(i64::MIN));
                hits.push(hit);
            }
        }
        if is_last {
            break;
        }
    }
    partials.retain(|_, (last, _)| *last <= minute);
    let mut bulk = Bulk::default();
    for (i, hit) in partials.values().flat_map(|(_, hits)| hits).enumerate() {
        // One that was written meanwhile stays.
        bulk.delete(i, &names.life(), &hit.id, (hit.seq_no, hit.primary_term));
    }
    send(client, bulk, Terms { visible: true, ..terms }, chance).await?;
    Ok(partials.len())
}
