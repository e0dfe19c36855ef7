//! A record as the index takes it: encoded once, and shared from then on until a commit holds it.

use std::borrow::Cow;
use std::iter::Empty;
use std::sync::Arc;

use model::kinds::{FieldType, KindDef};
use model::record::{FieldValue, Record};
use model::{ByteString, UnixMillis};
use smallvec::SmallVec;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf};
use tantivy::schema::{Field, Value};

use super::keyword;
use super::schema::Fields;
use crate::keyword::term_text;
use crate::whole;

/// Values of most records: those of a segment with a handful of tags.
const USUAL: usize = 16;

/// A record's document. A copy shares everything.
#[derive(Clone, Debug)]
pub(super) struct Document(Arc<Content>);

#[derive(Debug)]
struct Content {
    time: UnixMillis,
    values: SmallVec<[(Field, Held); USUAL]>,
}

#[derive(Debug)]
enum Held {
    Int(i64),
    Bool(bool),
    Keyword(u64),
    Text(ByteString),
    Bytes(Vec<u8>),
}

impl Document {
    /// The document of a record. A value that does not fit its field's type is kept with the record and not searched.
    pub(super) fn of(fields: &Fields, def: &KindDef, record: &Record) -> Document {
        let mut values = SmallVec::new();
        values.push((fields.time, Held::Int(record.time.0)));
        values.push((fields.id, Held::Text(id(record))));
        values.push((fields.body, Held::Bytes(whole::encode(record))));
        for ((def, field), value) in def.fields.iter().zip(&fields.own).zip(&record.fields) {
            let Some(field) = *field else { continue };
            match (def.ty, value) {
                (FieldType::Keyword | FieldType::Keywords, FieldValue::Text(text)) => {
                    values.push((field, Held::Keyword(keyword::term(text))));
                }
                (FieldType::Keyword | FieldType::Keywords, FieldValue::Texts(texts)) => {
                    values.extend(texts.iter().map(|text| (field, Held::Keyword(keyword::term(text)))));
                }
                (FieldType::Text, FieldValue::Text(text)) => values.push((field, Held::Text(text.clone()))),
                (FieldType::Int, FieldValue::Int(v)) => values.push((field, Held::Int(*v))),
                (FieldType::Bool, FieldValue::Bool(v)) => values.push((field, Held::Bool(*v))),
                _ => {}
            }
        }
        Document(Arc::new(Content { time: record.time, values }))
    }

    /// The record's time.
    pub(super) fn time(&self) -> UnixMillis {
        self.0.time
    }
}

/// The record's id as it is indexed.
fn id(record: &Record) -> ByteString {
    match term_text(&record.id) {
        Cow::Borrowed(_) => record.id.clone(),
        Cow::Owned(shortened) => shortened.into(),
    }
}

impl tantivy::Document for Document {
    type Value<'a> = Shown<'a>;
    type FieldsValuesIter<'a> = Values<'a>;

    fn iter_fields_and_values(&self) -> Values<'_> {
        Values(self.0.values.iter())
    }
}

/// The values of a document, each with its field.
#[derive(Debug)]
pub(super) struct Values<'a>(std::slice::Iter<'a, (Field, Held)>);

impl<'a> Iterator for Values<'a> {
    type Item = (Field, Shown<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(field, held)| (*field, Shown(held)))
    }
}

/// A value, as the index reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a>(&'a Held);

impl<'a> Value<'a> for Shown<'a> {
    type ArrayIter = Empty<Self>;
    type ObjectIter = Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match self.0 {
            Held::Int(v) => ReferenceValueLeaf::I64(*v),
            Held::Bool(v) => ReferenceValueLeaf::Bool(*v),
            Held::Keyword(term) => ReferenceValueLeaf::U64(*term),
            Held::Text(text) => ReferenceValueLeaf::Str(text),
            Held::Bytes(bytes) => ReferenceValueLeaf::Bytes(bytes),
        })
    }
}
