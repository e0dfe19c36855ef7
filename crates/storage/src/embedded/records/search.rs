//! Finding records: partitions are asked as few as the order allows, repeats are dropped.

use std::collections::HashSet;

use model::kinds::FieldType;
use model::record::Record;
use model::{ByteString, UnixMillis};
use tantivy::collector::TopDocs;
use tantivy::collector::sort_key::{NaturalComparator, SegmentSortKeyComputer, SortByString, SortKeyComputer};
use tantivy::columnar::Column;
use tantivy::query::Query;
use tantivy::schema::Value as _;
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentReader, TantivyDocument, TantivyError};

use super::keyword;
use super::partition::{Bounds, Open, Partition};
use super::schema::{ID, TIME};
use super::translate::translate;
use crate::fits::check;
use crate::keyword::is_whole;
use crate::{Order, RecordOrder, RecordPage, RecordQuery, StoreError, whole};

/// A record that was found, not yet read.
#[derive(Debug)]
struct Hit {
    number: i64,
    id: String,
    partition: usize,
    at: DocAddress,
}

/// Asks the partitions that can hold what the query wants. What lies before `horizon` is answered to nobody.
pub(super) fn search(
    partitions: &[&Partition],
    query: &RecordQuery,
    horizon: UnixMillis,
) -> Result<RecordPage, StoreError> {
    // Another keyword may have the number of the one that is asked for. As good as never; then there must be as many hits more.
    let wanted = keyword::Wanted::of(&query.conditions);
    let mut others = 0;
    loop {
        let longer = RecordQuery { limit: query.limit.saturating_add(others), ..query.clone() };
        let (asked, hits) = find(partitions, &longer, horizon)?;
        let mut records = read(&asked, query, &hits)?;
        let found = records.len();
        records.retain(|record| wanted.are_in(record));
        if found - records.len() <= others || hits.len() < longer.limit {
            records.truncate(query.limit);
            return Ok(RecordPage { records });
        }
        others = found - records.len();
    }
}

/// The ids of what [`search`] answers, and of what only reading would tell apart from it. `None`: one of them is too long to be told
/// without reading its record.
pub(super) fn ids(
    partitions: &[&Partition],
    query: &RecordQuery,
    horizon: UnixMillis,
) -> Result<Option<Vec<ByteString>>, StoreError> {
    let (_, hits) = find(partitions, query, horizon)?;
    let whole = |hit: Hit| is_whole(&hit.id).then(|| hit.id.into());
    Ok(hits.into_iter().map(whole).collect())
}

/// A partition that is asked, and what it holds.
type Asked<'a> = (&'a Partition, Bounds);

fn find<'a>(
    partitions: &[&'a Partition],
    query: &RecordQuery,
    horizon: UnixMillis,
) -> Result<(Vec<Asked<'a>>, Vec<Hit>), StoreError> {
    let (from, to) = query.time.unwrap_or((UnixMillis(i64::MIN), UnixMillis(i64::MAX)));
    let query = &RecordQuery { time: Some((from.max(horizon), to)), ..query.clone() };
    let want = query.offset.saturating_add(query.limit);
    if query.limit == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    check(query)?;
    let mut asked: Vec<Asked<'a>> = partitions.iter().map(|p| (*p, p.bounds())).collect();
    asked.retain(|(_, bounds)| query.time.is_none_or(|(from, to)| bounds.from <= to && from <= bounds.to));
    match query.order {
        RecordOrder::Time(Order::Asc) => asked.sort_by_key(|(_, bounds)| bounds.from),
        _ => asked.sort_by_key(|(_, bounds)| std::cmp::Reverse(bounds.to)),
    }
    let mut hits: Vec<Hit> = Vec::new();
    for (i, (partition, bounds)) in asked.iter().enumerate() {
        if hits.len() >= want && hits.last().is_some_and(|last| beats(query.order, last.number, bounds)) {
            break;
        }
        let Some(found) = partition.search(|searcher, open| distinct(searcher, open, *bounds, query, want))? else {
            continue;
        };
        hits.extend(found.into_iter().map(|(number, id, at)| Hit { number, id, partition: i, at }));
        sort(&mut hits, query.order);
        let mut seen = HashSet::new();
        hits.retain(|hit| seen.insert(hit.id.clone()));
        hits.truncate(want);
    }
    hits.drain(..query.offset.min(hits.len()));
    Ok((asked, hits))
}

/// Whether nothing in a partition, nor in those behind it in the order of time, can come before a hit.
fn beats(order: RecordOrder, last: i64, bounds: &Bounds) -> bool {
    match order {
        RecordOrder::Time(Order::Desc) => bounds.to.0 < last,
        RecordOrder::Time(Order::Asc) => bounds.from.0 > last,
        RecordOrder::Field(..) => false,
    }
}

fn sort(hits: &mut [Hit], order: RecordOrder) {
    let (RecordOrder::Time(order) | RecordOrder::Field(_, order)) = order;
    hits.sort_by(|a, b| {
        let by_number = a.number.cmp(&b.number);
        (if order == Order::Asc { by_number } else { by_number.reverse() }).then_with(|| a.id.cmp(&b.id))
    });
}

/// The records of hits. Those of a partition that has just become unreadable are left out.
fn read(asked: &[Asked<'_>], query: &RecordQuery, hits: &[Hit]) -> Result<Vec<Record>, StoreError> {
    let mut records: Vec<Option<Record>> = vec![None; hits.len()];
    for (i, (partition, _)) in asked.iter().enumerate() {
        if hits.iter().all(|hit| hit.partition != i) {
            continue;
        }
        partition.search(|searcher, open| {
            for (slot, hit) in records.iter_mut().zip(hits).filter(|(_, hit)| hit.partition == i) {
                let document: TantivyDocument = searcher.doc(hit.at)?;
                let bytes = document.get_first(open.fields.body).and_then(|value| value.as_bytes());
                let record = bytes.and_then(|bytes| whole::decode(query.kind, bytes).ok());
                *slot = Some(record.ok_or_else(|| {
                    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(
                        "a record is not readable",
                    ))
                })?);
            }
            Ok(())
        })?;
    }
    Ok(records.into_iter().flatten().collect())
}

/// The first `want` different records of a partition. Repeats lie next to each other, so a full answer with repeats in it is
/// asked for again, longer.
fn distinct(
    searcher: &Searcher,
    open: &Open,
    bounds: Bounds,
    query: &RecordQuery,
    want: usize,
) -> tantivy::Result<Vec<(i64, String, DocAddress)>> {
    let all = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
    let translated = translate(&open.fields, bounds, query);
    let mut limit = want.min(all);
    loop {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = top(searcher, query.order, query, translated.as_ref(), limit)?;
        let full = found.len() == limit && limit < all;
        let mut seen = HashSet::new();
        let different: Vec<_> = found.into_iter().filter(|(_, id, _)| seen.insert(id.clone())).collect();
        if !full || different.len() >= want {
            return Ok(different);
        }
        limit = limit.saturating_mul(2).min(all);
    }
}

fn top(
    searcher: &Searcher,
    order: RecordOrder,
    query: &RecordQuery,
    translated: &dyn Query,
    limit: usize,
) -> tantivy::Result<Vec<(i64, String, DocAddress)>> {
    let (column, order) = match order {
        RecordOrder::Time(order) => (Some(TIME), order),
        RecordOrder::Field(field, order) => {
            let field = query.kind.def().fields.get(field);
            (field.filter(|field| field.ty == FieldType::Int).map(|field| field.name), order)
        }
    };
    let order = if order == Order::Asc { tantivy::Order::Asc } else { tantivy::Order::Desc };
    let by_number = (ByNumber { column }, order);
    let by_id = (SortByString::for_field(ID), tantivy::Order::Asc);
    let found = searcher.search(translated, &TopDocs::with_limit(limit).order_by((by_number, by_id)))?;
    Ok(found.into_iter().map(|((number, id), at)| (number, id.unwrap_or_default(), at)).collect())
}

/// Sorts by a column of numbers; a missing number, and a column that is not there, counts as 0.
#[derive(Debug)]
struct ByNumber {
    column: Option<&'static str>,
}

struct NumberOfDoc(Option<Column<i64>>);

impl SortKeyComputer for ByNumber {
    type SortKey = i64;
    type Child = NumberOfDoc;
    type Comparator = NaturalComparator;

    fn segment_sort_key_computer(&self, segment: &SegmentReader) -> tantivy::Result<NumberOfDoc> {
        let column = self.column.map(|name| segment.fast_fields().column_opt(name)).transpose()?;
        Ok(NumberOfDoc(column.flatten()))
    }
}

impl SegmentSortKeyComputer for NumberOfDoc {
    type SortKey = i64;
    type SegmentSortKey = i64;
    type SegmentComparator = NaturalComparator;

    fn segment_sort_key(&mut self, doc: DocId, _score: Score) -> i64 {
        self.0.as_ref().and_then(|column| column.first(doc)).unwrap_or(0)
    }

    fn convert_segment_sort_key(&self, number: i64) -> i64 {
        number
    }
}
