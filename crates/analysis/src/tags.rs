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
/// Up to so many it is quicker to look through what is kept than to hash; nearly every segment has fewer.
const MAX_LOOKED_THROUGH: usize = 16;

/// Collects the searchable tags of one record: each key and value once, in the order of first sight.
pub(crate) struct Searchable<'a> {
    keys: &'a Keys,
    /// Entity of the key's row of values, value, `key=value`.
    kept: Vec<(&'a str, &'a str, ByteString)>,
    /// The first two of what is kept; filled once it is too much to be looked through.
    known: HashSet<(&'a str, &'a str), RandomState>,
    too_many: u64,
}

impl<'a> Searchable<'a> {
    /// Nothing yet; `keys` are searchable.
    pub(crate) fn new(keys: &'a Keys) -> Self {
        Searchable { keys, kept: Vec::new(), known: HashSet::default(), too_many: 0 }
    }

    /// Takes the searchable ones among `tags`.
    pub(crate) fn add_all(&mut self, tags: &'a [Tag]) {
        for Tag { key, value } in tags {
            let Some((_, row)) = self.keys.get_key_value(&**key) else { continue };
            if !fits(value, MAX_UNITS) || self.knows(row, value) {
                continue;
            }
            // Exactly as long as it gets, so that it is not copied when it becomes a shared text.
            let mut text = String::with_capacity(key.len() + 1 + value.len());
            text.extend([key, "=", value]);
            if !fits(&text, MAX_UNITS) {
                continue;
            }
            if self.kept.len() == MAX_TAGS {
                self.too_many += 1;
                continue;
            }
            self.kept.push((row, value, text.into()));
            if self.kept.len() == MAX_LOOKED_THROUGH {
                self.known.extend(self.kept.iter().map(|&(row, value, _)| (row, value)));
            } else if self.kept.len() > MAX_LOOKED_THROUGH {
                self.known.insert((row, value));
            }
        }
    }

    fn knows(&self, row: &str, value: &str) -> bool {
        if self.kept.len() < MAX_LOOKED_THROUGH {
            return self.kept.iter().any(|(r, v, _)| *v == value && *r == row);
        }
        self.known.contains(&(row, value))
    }

    /// Notes the values for completion on the day of `at`, and answers the tags as a record's field.
    pub(crate) fn note(self, at: i64, out: &mut Out<'_>) -> FieldValue {
        out.refuse_pieces(Reason::TooMany, self.too_many);
        if self.kept.is_empty() {
            return FieldValue::Absent;
        }
        if let Some(minute) = out.minute(at) {
            let day = out.delta.day(minute, &out.context.settings.zone);
            for (row, value, _) in &self.kept {
                out.delta.tag_value(day, row, value);
            }
        }
        FieldValue::Texts(self.kept.into_iter().map(|(.., text)| text).collect())
    }
}
