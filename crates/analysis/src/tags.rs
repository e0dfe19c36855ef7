//! Searchable tags: which of a record's tags it can be found by.

use foldhash::fast::RandomState;
use hashbrown::HashSet;
use model::ByteString;
use model::ledger::Reason;
use model::record::FieldValue;
use model::segment::Tag;

use crate::context::Keys;
use crate::derive::Out;
use crate::naming::fits;

/// Most UTF-16 units of a tag's value, and of `key=value`: longer ones are not searchable (analysis 2.7).
const MAX_UNITS: usize = 256;
/// Most tags by which one record can be found. A segment of a batch job may have a span for every row of a table.
const MAX_TAGS: usize = 512;

/// Collects the searchable tags of one record: each key and value once, in the order of first sight.
pub(crate) struct Searchable<'a> {
    keys: &'a Keys,
    seen: HashSet<(&'a str, &'a str), RandomState>,
    /// Entity of the key's row of values, value, `key=value`.
    kept: Vec<(&'a str, &'a str, ByteString)>,
    too_many: u64,
}

impl<'a> Searchable<'a> {
    /// Nothing yet; `keys` are searchable.
    pub(crate) fn new(keys: &'a Keys) -> Self {
        Searchable { keys, seen: HashSet::default(), kept: Vec::new(), too_many: 0 }
    }

    /// Takes the searchable ones among `tags`.
    pub(crate) fn add_all(&mut self, tags: &'a [Tag]) {
        for Tag { key, value } in tags {
            let Some((_, row)) = self.keys.get_key_value(&**key) else { continue };
            if !fits(value, MAX_UNITS) || !self.seen.insert((key, value)) {
                continue;
            }
            let text = format!("{key}={value}");
            if !fits(&text, MAX_UNITS) {
                continue;
            }
            if self.kept.len() == MAX_TAGS {
                self.too_many += 1;
                continue;
            }
            self.kept.push((row, value, text.into()));
        }
    }

    /// Notes the values for completion on the day of `at`, and answers the tags as a record's field.
    pub(crate) fn note(self, at: i64, out: &mut Out<'_>) -> FieldValue {
        out.refuse_pieces(Reason::TooMany, self.too_many);
        if self.kept.is_empty() {
            return FieldValue::Absent;
        }
        if let Some(minute) = out.minute(at) {
            let day = out.settings().day(minute);
            for (row, value, _) in &self.kept {
                out.delta.tag_value(day, row, value);
            }
        }
        FieldValue::Texts(self.kept.into_iter().map(|(.., text)| text).collect())
    }
}
