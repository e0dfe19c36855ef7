//! Records as documents, and questions about them.

use model::kinds::{FieldType, RecordKind};
use model::record::{FieldValue, Record};
use model::{ByteString, UnixMillis};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Found;
use super::client::Client;
use super::find::{SEARCH, all, any};
use super::ids;
use super::json::{body, put, read, unreadable};
use super::names::{Family, Names, day_of};
use super::packed;
use super::templates::{AT, KIND, RECORD_ID, WHOLE, field_name};
use crate::fits::check;
use crate::keyword::{is_whole, term_text};
use crate::words::words;
use crate::{Condition, Order, RecordOrder, RecordPage, RecordQuery, StoreError, Test, whole};

/// Most records of one page: their bodies come with them.
const PAGE: usize = 500;
/// How many results the cluster passes over by itself.
const WINDOW: usize = 10_000;

/// Appends the two lines of a record. A value that does not fit its field's type is kept with the record and not searched.
pub(super) fn put_record(out: &mut Vec<u8>, names: &Names, record: &Record) {
    let family = Family::of(record.kind);
    out.extend_from_slice(b"{\"create\":{\"_index\":\"");
    out.extend_from_slice(names.day(family, day_of(record.time)).as_bytes());
    out.extend_from_slice(b"\",\"_id\":\"");
    out.extend_from_slice(ids::of_record(record.kind, &record.id).as_bytes());
    out.extend_from_slice(b"\"}}\n{\"at\":");
    put(out, &record.time.0);
    out.extend_from_slice(b",\"record_id\":");
    put(out, &*term_text(&record.id));
    if family == Family::Record {
        member(out, KIND);
        put(out, record.kind.def().name);
    }
    for (i, (field, value)) in record.kind.def().fields.iter().zip(&record.fields).enumerate() {
        let named = |out: &mut Vec<u8>| match family {
            Family::Record => member(out, &field_name(record.kind, i)),
            _ => member(out, field.name),
        };
        match (field.ty, value) {
            (FieldType::Keyword | FieldType::Keywords, FieldValue::Text(text)) => {
                named(out);
                put(out, &*term_text(text));
            }
            (FieldType::Keyword | FieldType::Keywords, FieldValue::Texts(texts)) if !texts.is_empty() => {
                named(out);
                put(out, &texts.iter().map(term_text).collect::<Vec<_>>());
            }
            (FieldType::Text, FieldValue::Text(text)) => {
                named(out);
                put_words(out, text);
            }
            (FieldType::Int, FieldValue::Int(v)) => {
                named(out);
                put(out, v);
            }
            (FieldType::Bool, FieldValue::Bool(v)) => {
                named(out);
                put(out, v);
            }
            _ => {}
        }
    }
    member(out, WHOLE);
    out.push(b'"');
    packed::put(out, &whole::encode(record));
    out.extend_from_slice(b"\"}\n");
}

/// Appends `,"name":`. Names are ours and need no escaping.
fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The words of a text, as every store cuts them; the cluster parts them at the blanks. They are letters and digits alone.
fn put_words(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for (i, word) in words(text).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
    out.push(b'"');
}

#[derive(Debug, Deserialize)]
struct Hit {
    #[serde(rename = "_source", default)]
    source: Option<Source>,
    sort: (i64, String),
}

#[derive(Debug, Deserialize)]
struct Source {
    whole: String,
}

/// The asked part of the records that meet all conditions.
pub(super) async fn search(client: &Client, names: &Names, query: &RecordQuery) -> Result<RecordPage, StoreError> {
    let mut page = RecordPage::default();
    find(client, names, query, true, |hit| {
        page.records.push(record(query.kind, &hit)?);
        Ok(())
    })
    .await?;
    Ok(page)
}

/// The ids of what [`search`] answers. `None`: one of them is too long to be told without reading its record.
pub(super) async fn ids(
    client: &Client,
    names: &Names,
    query: &RecordQuery,
) -> Result<Option<Vec<ByteString>>, StoreError> {
    let mut ids = Vec::new();
    find(client, names, query, false, |hit| {
        ids.push(is_whole(&hit.sort.1).then(|| hit.sort.1.into()));
        Ok(())
    })
    .await?;
    Ok(ids.into_iter().collect())
}

/// Hands each hit of the asked part on, in order.
async fn find(
    client: &Client,
    names: &Names,
    query: &RecordQuery,
    read_them: bool,
    mut each: impl FnMut(Hit) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    check(query)?;
    let Some(filters) = filters(query) else { return Ok(()) };
    let search = Search { client, query, index: index(names, query), filters };
    let (mut skip, mut after) = (query.offset, None);
    if query.offset + PAGE > WINDOW {
        after = search.pass_over(query.offset).await?;
        skip = 0;
        if after.is_none() {
            return Ok(());
        }
    }
    let mut left = query.limit;
    while left > 0 {
        let size = PAGE.min(left);
        let hits = search.page(size, skip, after.as_ref(), read_them).await?;
        let is_last = hits.len() < size;
        after = hits.last().map(|hit| json!([hit.sort.0, hit.sort.1]));
        skip = 0;
        left -= hits.len().min(left);
        hits.into_iter().try_for_each(&mut each)?;
        if is_last {
            break;
        }
    }
    Ok(())
}

fn record(kind: RecordKind, hit: &Hit) -> Result<Record, StoreError> {
    let bytes = hit.source.as_ref().and_then(|source| packed::take(&source.whole));
    let record = bytes.and_then(|bytes| whole::decode(kind, &bytes).ok());
    record.ok_or_else(|| unreadable(&format!("the {} {}", kind.def().name, hit.sort.1)))
}

/// The indices in which records of the asked time may lie.
fn index(names: &Names, query: &RecordQuery) -> String {
    let family = Family::of(query.kind);
    match query.time {
        Some((from, to)) => names.days(family, day_of(from), day_of(to)),
        None => names.pattern(family),
    }
}

/// One question, in pages.
struct Search<'a> {
    client: &'a Client,
    query: &'a RecordQuery,
    index: String,
    filters: Vec<Value>,
}

impl Search<'_> {
    /// Goes to the end of the first `offset` records without reading them. `None`: there are fewer.
    async fn pass_over(&self, offset: usize) -> Result<Option<Value>, StoreError> {
        let mut after = None;
        let mut left = offset;
        while left > 0 {
            let size = left.min(WINDOW);
            let hits = self.page(size, 0, after.as_ref(), false).await?;
            if hits.len() < size {
                return Ok(None);
            }
            after = hits.last().map(|hit| json!([hit.sort.0, hit.sort.1]));
            left -= size;
        }
        Ok(after)
    }

    async fn page(
        &self,
        size: usize,
        skip: usize,
        after: Option<&Value>,
        read_them: bool,
    ) -> Result<Vec<Hit>, StoreError> {
        let (field, order) = match self.query.order {
            RecordOrder::Time(order) => (AT.to_owned(), order),
            RecordOrder::Field(field, order) => (field_name(self.query.kind, field), order),
        };
        let order = if order == Order::Asc { "asc" } else { "desc" };
        let mut request = json!({
            "query": all(self.filters.clone()),
            "size": size,
            // A missing number sorts as 0. An index of an older version may not know the field.
            "sort": [{field: {"order": order, "missing": 0, "unmapped_type": "long"}}, {RECORD_ID: "asc"}],
            "track_total_hits": false,
            "_source": if read_them { json!([WHOLE]) } else { json!(false) },
        });
        match after {
            Some(after) => request["search_after"] = after.clone(),
            None => request["from"] = json!(skip),
        }
        let path = format!("/{}/_search?{SEARCH}&filter_path=hits.hits._source,hits.hits.sort", self.index);
        let answer: Found<Hit> = read(&self.client.query(&path, body(&request)).await?)?;
        Ok(answer.hits.hits)
    }
}

/// What must hold; `None`: nothing can.
fn filters(query: &RecordQuery) -> Option<Vec<Value>> {
    let mut filters = Vec::new();
    if Family::of(query.kind) == Family::Record {
        filters.push(json!({"term": {KIND: query.kind.def().name}}));
    }
    if let Some((UnixMillis(from), UnixMillis(to))) = query.time {
        filters.push(json!({"range": {AT: {"gte": from, "lte": to}}}));
    }
    if !query.ids.is_empty() {
        let ids: Vec<_> = query.ids.iter().map(|id| ids::of_record(query.kind, id)).collect();
        filters.push(json!({"ids": {"values": ids}}));
    }
    for condition in &query.conditions {
        match (meets(query.kind, condition), condition.negate) {
            (Some(met), false) => filters.push(met),
            (Some(met), true) => filters.push(json!({"bool": {"must_not": [met]}})),
            (None, false) => return None,
            (None, true) => {}
        }
    }
    Some(filters)
}

/// `None`: no record can meet it.
fn meets(kind: RecordKind, condition: &Condition) -> Option<Value> {
    let field = field_name(kind, condition.field);
    let ty = kind.def().fields.get(condition.field)?.ty;
    let one_of = |texts: &[ByteString]| {
        let terms: Vec<_> = texts.iter().map(term_text).collect();
        any(terms.chunks(super::find::IDS).map(|some| json!({"terms": {field.as_str(): some}})).collect())
    };
    match (&condition.test, ty) {
        (Test::Equal(FieldValue::Text(text)), FieldType::Keyword | FieldType::Keywords) => {
            Some(json!({"term": {field: term_text(text)}}))
        }
        (Test::OneOf(texts), FieldType::Keyword | FieldType::Keywords) if !texts.is_empty() => Some(one_of(texts)),
        (Test::Equal(FieldValue::Int(v)), FieldType::Int) => Some(json!({"term": {field: v}})),
        (Test::Equal(FieldValue::Bool(v)), FieldType::Bool) => Some(json!({"term": {field: v}})),
        (Test::Within(from, to), FieldType::Int) if from <= to => {
            Some(json!({"range": {field: {"gte": from, "lte": to}}}))
        }
        (Test::Phrase(phrase), FieldType::Text) => {
            let words = words(phrase).collect::<Vec<_>>().join(" ");
            (!words.is_empty()).then(|| json!({"match_phrase": {field: words}}))
        }
        _ => None,
    }
}
