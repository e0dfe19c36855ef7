//! Finding records: conditions become queries, partitions are asked as few as the order allows, repeats are dropped.

use std::collections::HashSet;

use model::ByteString;
use model::kinds::FieldType;
use model::record::{FieldValue, Record};
use tantivy::collector::TopDocs;
use tantivy::collector::sort_key::{NaturalComparator, SegmentSortKeyComputer, SortByString, SortKeyComputer};
use tantivy::columnar::Column;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption, Value as _};
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentReader, TantivyDocument, TantivyError, Term};

use super::body;
use super::partition::{Bounds, Open, Partition};
use super::schema::{Fields, ID, TIME, term_text};
use crate::words::words;
use crate::{Condition, Order, RecordOrder, RecordPage, RecordQuery, StoreError, Test};

/// A record that was found, not yet read.
#[derive(Debug)]
struct Hit {
    number: i64,
    id: String,
    partition: usize,
    at: DocAddress,
}

/// Asks the partitions that can hold what the query wants.
pub(super) fn search(partitions: &[&Partition], query: &RecordQuery) -> Result<RecordPage, StoreError> {
    let want = query.offset.saturating_add(query.limit);
    if query.limit == 0 {
        return Ok(RecordPage::default());
    }
    check(query)?;
    let mut asked: Vec<(&Partition, Bounds)> = partitions.iter().map(|p| (*p, p.bounds())).collect();
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
    read(&asked, query, hits.get(query.offset.min(hits.len())..).unwrap_or_default())
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
fn read(asked: &[(&Partition, Bounds)], query: &RecordQuery, hits: &[Hit]) -> Result<RecordPage, StoreError> {
    let mut records: Vec<Option<Record>> = vec![None; hits.len()];
    for (i, (partition, _)) in asked.iter().enumerate() {
        if hits.iter().all(|hit| hit.partition != i) {
            continue;
        }
        partition.search(|searcher, open| {
            for (slot, hit) in records.iter_mut().zip(hits).filter(|(_, hit)| hit.partition == i) {
                let document: TantivyDocument = searcher.doc(hit.at)?;
                let bytes = document.get_first(open.fields.body).and_then(|value| value.as_bytes());
                let record = bytes.and_then(|bytes| body::decode(query.kind, bytes).ok());
                *slot = Some(record.ok_or_else(|| {
                    TantivyError::DataCorruption(tantivy::error::DataCorruption::comment_only(
                        "a record is not readable",
                    ))
                })?);
            }
            Ok(())
        })?;
    }
    Ok(RecordPage { records: records.into_iter().flatten().collect() })
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

/// Refuses what an index cannot answer, before it is asked.
fn check(query: &RecordQuery) -> Result<(), StoreError> {
    for condition in &query.conditions {
        let Some(field) = query.kind.def().fields.get(condition.field) else {
            return Err(StoreError::Query(format!("{} has no field {}", query.kind.def().name, condition.field)));
        };
        let fits = match (&condition.test, field.ty) {
            (Test::Phrase(_), FieldType::Text)
            | (Test::Equal(FieldValue::Text(_)) | Test::OneOf(_), FieldType::Keyword | FieldType::Keywords)
            | (Test::Equal(FieldValue::Int(_)) | Test::Within(..), FieldType::Int)
            | (Test::Equal(FieldValue::Bool(_)), FieldType::Bool) => true,
            (Test::Phrase(_) | Test::OneOf(_) | Test::Within(..), _) => false,
            // A value of another type equals nothing in the field.
            (Test::Equal(FieldValue::Int(_) | FieldValue::Bool(_)), _) => true,
            (Test::Equal(FieldValue::Text(_)), ty) => ty != FieldType::Text,
            (Test::Equal(FieldValue::Absent | FieldValue::Texts(_)), _) => false,
        };
        if !fits {
            return Err(StoreError::Query(format!("{} cannot be asked {:?}", field.name, condition.test)));
        }
    }
    Ok(())
}

fn translate(fields: &Fields, bounds: Bounds, query: &RecordQuery) -> Box<dyn Query> {
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    if let Some((from, to)) = query.time
        && (bounds.from < from || to < bounds.to)
    {
        clauses.push((Occur::Must, within(fields.time, from.0, to.0)));
    }
    if !query.ids.is_empty() {
        clauses.push((Occur::Must, one_of_ids(&query.ids)));
    }
    for condition in &query.conditions {
        let occur = if condition.negate { Occur::MustNot } else { Occur::Must };
        let field = fields.own.get(condition.field).copied().flatten();
        let met: Box<dyn Query> = field.map_or_else(|| Box::new(EmptyQuery) as _, |f| meets(f, query, condition));
        clauses.push((occur, met));
    }
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn meets(field: Field, query: &RecordQuery, condition: &Condition) -> Box<dyn Query> {
    let term = |text: &ByteString| Term::from_field_text(field, &term_text(text));
    let ty = query.kind.def().fields.get(condition.field).map(|field| field.ty);
    match (&condition.test, ty) {
        (Test::Equal(FieldValue::Text(text)), Some(FieldType::Keyword | FieldType::Keywords)) => one(term(text)),
        (Test::Equal(FieldValue::Int(v)), Some(FieldType::Int)) => within(field, *v, *v),
        (Test::Equal(FieldValue::Bool(v)), Some(FieldType::Bool)) => one(Term::from_field_bool(field, *v)),
        (Test::OneOf(texts), Some(FieldType::Keyword | FieldType::Keywords)) if !texts.is_empty() => {
            Box::new(TermSetQuery::new(texts.iter().map(term)))
        }
        (Test::Within(from, to), Some(FieldType::Int)) if from <= to => within(field, *from, *to),
        (Test::Phrase(phrase), Some(FieldType::Text)) => {
            let mut terms: Vec<Term> = words(phrase).map(|word| Term::from_field_text(field, &word)).collect();
            match terms.len() {
                0 => Box::new(EmptyQuery),
                1 => one(terms.remove(0)),
                _ => Box::new(PhraseQuery::new(terms)),
            }
        }
        _ => Box::new(EmptyQuery),
    }
}

fn one(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn within(field: Field, from: i64, to: i64) -> Box<dyn Query> {
    let bound = |v| std::ops::Bound::Included(Term::from_field_i64(field, v));
    Box::new(RangeQuery::new(bound(from), bound(to)))
}

/// Ids are a column and not postings: each segment looks the ids up in the column's dictionary and then passes over the column.
fn one_of_ids(ids: &[ByteString]) -> Box<dyn Query> {
    let mut terms: Vec<String> = ids.iter().map(|id| term_text(id).into_owned()).collect();
    terms.sort_unstable();
    terms.dedup();
    let predicate = FunctionPredicate::from(move |segment: &SegmentReader| {
        let column = segment.fast_fields().str(ID)?;
        let mut wanted = HashSet::new();
        if let Some(column) = &column {
            for term in &terms {
                wanted.extend(column.dictionary().term_ord(term.as_bytes())?);
            }
        }
        Ok(move |doc: DocId| {
            !wanted.is_empty()
                && column.as_ref().is_some_and(|column| column.term_ords(doc).any(|ord| wanted.contains(&ord)))
        })
    });
    Box::new(DocPredicateQuery::from(predicate))
}
