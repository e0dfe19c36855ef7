//! Records in memory: which meet a query, and in which order.

use std::cmp::Ordering;

use model::ByteString;
use model::record::{FieldValue, Record};

use crate::words::words;
use crate::{Condition, Order, RecordOrder, RecordQuery, Test};

/// Whether a record is asked for.
pub(super) fn matches(record: &Record, query: &RecordQuery) -> bool {
    record.kind == query.kind
        && query.time.is_none_or(|(from, to)| (from..=to).contains(&record.time))
        && (query.ids.is_empty() || query.ids.contains(&record.id))
        && query.conditions.iter().all(|condition| meets(record, condition))
}

fn meets(record: &Record, condition: &Condition) -> bool {
    let value = record.fields.get(condition.field).unwrap_or(&FieldValue::Absent);
    let met = match &condition.test {
        Test::Equal(FieldValue::Text(wanted)) => texts(value).contains(wanted),
        Test::Equal(wanted) => value == wanted,
        Test::OneOf(wanted) => texts(value).iter().any(|text| wanted.contains(text)),
        Test::Within(from, to) => matches!(value, FieldValue::Int(v) if (from..=to).contains(&v)),
        Test::Phrase(phrase) => has_phrase(value.text(), phrase),
    };
    met != condition.negate
}

/// The keywords of a field, one or several.
fn texts(value: &FieldValue) -> &[ByteString] {
    match value {
        FieldValue::Text(text) => std::slice::from_ref(text),
        value => value.texts(),
    }
}

/// Whether the words of the phrase stand next to each other in the text. A phrase without words stands nowhere.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let [text, phrase] = [text, phrase].map(|text| words(text).collect::<Vec<_>>());
    !phrase.is_empty() && text.windows(phrase.len()).any(|window| window == phrase)
}

/// The asked part of the records in the order asked for; ties by id, ascending. A missing number sorts as 0.
pub(super) fn page<'a>(records: impl Iterator<Item = &'a Record>, query: &RecordQuery) -> Vec<Record> {
    let mut records: Vec<_> = records.collect();
    records.sort_by(|a, b| compare(a, b, query.order).then_with(|| a.id.cmp(&b.id)));
    records.into_iter().skip(query.offset).take(query.limit).cloned().collect()
}

fn compare(a: &Record, b: &Record, order: RecordOrder) -> Ordering {
    let number = |record: &Record, field: usize| record.fields.get(field).map_or(0, FieldValue::int);
    let (ordering, order) = match order {
        RecordOrder::Time(order) => (a.time.cmp(&b.time), order),
        RecordOrder::Field(field, order) => (number(a, field).cmp(&number(b, field)), order),
    };
    if order == Order::Desc { ordering.reverse() } else { ordering }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_words_next_to_each_other() {
        let text = "GET /api/Users-v2 failed: connection RESET by peer; ÉTAT 数据库";
        for phrase in ["get", "api users", "users v2 FAILED", "reset by peer", "état", "数据库", "peer;état", "数据"]
        {
            assert!(has_phrase(text, phrase), "{phrase}");
        }
        for phrase in ["", " - ", "api failed", "user", "by reset", "数库", "peer x"] {
            assert!(!has_phrase(text, phrase), "{phrase}");
        }
    }
}
