//! Conditions as queries of the search library.

use std::collections::HashSet;

use model::ByteString;
use model::kinds::FieldType;
use model::record::FieldValue;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, EnableScoring, Explanation, Occur, PhraseQuery, Query, RangeQuery, Scorer,
    TermQuery, TermSetQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, SegmentReader, Term};

use super::keyword;
use super::partition::Bounds;
use super::schema::{Fields, ID};
use crate::keyword::term_text;
use crate::words::words;
use crate::{Condition, RecordQuery, Test};

pub(super) fn translate(fields: &Fields, bounds: Bounds, query: &RecordQuery) -> Box<dyn Query> {
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
        let met = if condition.negate { Box::new(Steady(met)) } else { met };
        clauses.push((occur, met));
    }
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn meets(field: Field, query: &RecordQuery, condition: &Condition) -> Box<dyn Query> {
    let term = |text: &ByteString| Term::from_field_u64(field, keyword::term(text));
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

/// A query whose documents may be excluded. An exclusion asks for documents behind the one that the excluded query stands at, which
/// phrases of tantivy 0.27 do not bear (a debug build panics); asked through this they are never moved backwards.
#[derive(Debug)]
struct Steady(Box<dyn Query>);

impl Clone for Steady {
    fn clone(&self) -> Self {
        Steady(self.0.box_clone())
    }
}

impl Query for Steady {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(SteadyWeight(self.0.weight(scoring)?)))
    }
}

struct SteadyWeight(Box<dyn Weight>);

impl Weight for SteadyWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(SteadyScorer(self.0.scorer(segment, boost)?)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(segment, doc)
    }
}

/// Leaves `seek_danger` to its default, which looks before it moves.
struct SteadyScorer(Box<dyn Scorer>);

impl DocSet for SteadyScorer {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }
}

impl Scorer for SteadyScorer {
    fn score(&mut self) -> Score {
        self.0.score()
    }
}
