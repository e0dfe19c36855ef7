//! Series and scans: rows of named entities, and rows of a range in pages.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use model::Bucket;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Aggregated, Buckets, Hits};
use super::client::Client;
use super::find::{self, IDS, Place, SEARCH, all, any, one_of, place};
use super::json::{body, read, unreadable};
use super::names::Names;
use super::rows::{writer_of, writer_word};
use super::walk::Walk;
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::{Cursor, Marks, RowPage, ScanQuery, Series, SeriesQuery, StoreError};

/// Buckets of one page of an aggregation.
const BUCKETS: usize = 10_000;
/// Writers of which sequences are told: more never wrote within one store's retention.
const WRITERS: usize = 10_000;
/// Entities asked for in one walk of a series.
const SERIES: usize = 1_000;

/// The asked entities that have data, in the order asked for.
pub(super) async fn series(client: &Client, names: &Names, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
    let mut points: BTreeMap<Arc<str>, Vec<_>> = BTreeMap::new();
    if query.cells.is_empty() {
        return Ok(Vec::new());
    }
    for some in query.entities.chunks(SERIES) {
        let mut place = place(names, query.scope, query.step, query.from, query.to);
        place.filters.push(one_of("entity", some));
        let mut walk = Walk::new(client, place, &query.cells, None, 1_000);
        while let Some(row) = walk.next().await? {
            points.entry(row.entity).or_default().push((row.bucket, row.cells));
        }
    }
    let named = query.entities.iter().filter_map(|entity| points.remove_entry(entity));
    Ok(named.map(|(entity, points)| Series { entity, points }).collect())
}

/// One page of merged rows.
pub(super) async fn scan(client: &Client, names: &Names, query: &ScanQuery) -> Result<RowPage, StoreError> {
    let after = query.after.as_ref().map(Position::read).transpose()?;
    let place = place(names, query.scope, query.step, query.from, query.to);
    let marks = match &after {
        Some(position) => position.marks.clone(),
        None => marks(client, &place).await?,
    };
    let mut page = RowPage { marks, ..RowPage::default() };
    let Some(chosen) = find::entities(&query.entities) else { return Ok(page) };
    let mut place = Place { filters: place.filters.into_iter().chain(chosen).collect(), ..place };
    let changed = match &query.changed_since {
        // Everything lies behind no marks.
        Some(since) if !since.0.is_empty() => {
            let changed = changed(client, &place, since).await?;
            if changed.is_empty() {
                return Ok(page);
            }
            if changed.len() <= IDS {
                place.filters.push(one_of("entity", &changed.iter().cloned().collect::<Vec<_>>()));
            }
            Some(changed)
        }
        _ => None,
    };
    let from = after.as_ref().map(|position| (position.bucket, position.entity.as_str()));
    let mut walk = Walk::new(client, place, &query.cells, from, query.limit);
    while let Some(row) = walk.next().await? {
        if changed.as_ref().is_some_and(|changed| !changed.contains(&row.entity)) {
            continue;
        }
        if page.rows.len() == query.limit {
            let marks = &page.marks;
            page.next = page.rows.last().map(|last| Position::write(last.bucket, &last.entity, marks));
            break;
        }
        page.rows.push(row);
    }
    Ok(page)
}

/// Where a page ended, and the marks that its first page found.
struct Position {
    bucket: Bucket,
    entity: String,
    marks: Marks,
}

impl Position {
    fn write(bucket: Bucket, entity: &str, marks: &Marks) -> Cursor {
        let mut out = Vec::new();
        put_varint(&mut out, u64::from(bucket.0));
        put_bytes(&mut out, entity.as_bytes());
        for (writer, seq) in &marks.0 {
            put_varint(&mut out, *writer);
            put_varint(&mut out, *seq);
        }
        Cursor(out)
    }

    fn read(cursor: &Cursor) -> Result<Position, StoreError> {
        let read = |mut reader: Reader<'_>| {
            let bucket = Bucket(u32::try_from(reader.varint()?).map_err(|_| Malformed)?);
            let entity = reader.text()?.to_owned();
            let mut marks = Marks::default();
            while !reader.is_empty() {
                marks.0.insert(reader.varint()?, reader.varint()?);
            }
            Ok(Position { bucket, entity, marks })
        };
        read(Reader(&cursor.0)).map_err(|Malformed| StoreError::Query("the cursor is not one of this store".to_owned()))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Aggregations {
    #[serde(default)]
    writers: Buckets<Writer>,
    #[serde(default)]
    entities: Buckets<Entity>,
}

#[derive(Debug, Deserialize)]
struct Writer {
    key: String,
    last: Last,
}

#[derive(Debug, Deserialize)]
struct Last {
    hits: Hits<LastHit>,
}

#[derive(Debug, Deserialize)]
struct LastHit {
    sort: (u64,),
}

#[derive(Debug, Deserialize)]
struct Entity {
    key: EntityKey,
}

#[derive(Debug, Deserialize)]
struct EntityKey {
    entity: String,
}

/// The highest sequence of each writer among the rows of a place. As the first of a sorted list, since a maximum of the cluster is a
/// floating-point number.
async fn marks(client: &Client, place: &Place) -> Result<Marks, StoreError> {
    let path = format!(
        "/{}/_search?{SEARCH}&filter_path=aggregations.writers.buckets.key,aggregations.writers.buckets.last.hits.hits.sort",
        place.index
    );
    let last = json!({"top_hits": {"size": 1, "sort": [{"seq": "desc"}], "_source": false}});
    let request = json!({
        "query": all(place.filters.clone()),
        "size": 0,
        "aggs": {"writers": {"terms": {"field": "writer", "size": WRITERS}, "aggs": {"last": last}}},
    });
    let answer: Aggregated<Aggregations> = read(&client.query(&path, body(&request)).await?)?;
    let mut marks = Marks::default();
    for writer in answer.aggregations.writers.buckets {
        let number = writer_of(&writer.key).ok_or_else(|| unreadable(&format!("the writer {}", writer.key)))?;
        let seq = writer.last.hits.hits.first().ok_or_else(|| unreadable("a writer without rows"))?.sort.0;
        marks.0.insert(number, seq);
    }
    Ok(marks)
}

/// The entities of which a partial lies behind its writer's mark.
async fn changed(client: &Client, place: &Place, since: &Marks) -> Result<HashSet<Arc<str>>, StoreError> {
    let words: Vec<Arc<str>> = since.0.keys().map(|&writer| writer_word(writer).into()).collect();
    let behind = since.0.iter().map(|(&writer, seq)| {
        let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
        all(vec![json!({"term": {"writer": writer_word(writer)}}), json!({"range": {"seq": {"gt": seq}}})])
    });
    let new = json!({"bool": {"must_not": [one_of("writer", &words)]}});
    let mut filters = place.filters.clone();
    filters.push(any(behind.chain([new]).collect()));
    let mut changed = HashSet::new();
    let mut after = None;
    loop {
        let (page, next) = entities(client, &place.index, &filters, after).await?;
        changed.extend(page);
        after = next;
        if after.is_none() {
            return Ok(changed);
        }
    }
}

/// A page of the entities that rows are about, ascending, and where the next begins.
pub(super) async fn entities(
    client: &Client,
    index: &str,
    filters: &[Value],
    after: Option<Value>,
) -> Result<(Vec<Arc<str>>, Option<Value>), StoreError> {
    let path = format!(
        "/{index}/_search?{SEARCH}&filter_path=aggregations.entities.after_key,aggregations.entities.buckets.key"
    );
    let mut composite = json!({"size": BUCKETS, "sources": [{"entity": {"terms": {"field": "entity"}}}]});
    if let Some(after) = after {
        composite["after"] = after;
    }
    let request = json!({"query": all(filters.to_vec()), "size": 0, "aggs": {"entities": {"composite": composite}}});
    let answer: Aggregated<Aggregations> = read(&client.query(&path, body(&request)).await?)?;
    let found = answer.aggregations.entities;
    let next = found.after_key.filter(|_| found.buckets.len() == BUCKETS);
    Ok((found.buckets.into_iter().map(|bucket| bucket.key.entity.into()).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_cursor_carries_place_and_marks() {
        let marks = Marks(BTreeMap::from([(1, 2), (u64::MAX, 0)]));
        let cursor = Position::write(Bucket(7), "é", &marks);
        let position = Position::read(&cursor).unwrap();
        assert_eq!((position.bucket, position.entity.as_str(), position.marks), (Bucket(7), "é", marks));
        let foreign = Position::read(&Cursor(vec![255; 3])).map(|position| position.bucket);
        assert_eq!(foreign.unwrap_err().kind(), ErrorKind::Caller);
    }
}
