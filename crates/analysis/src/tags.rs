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
    /// Entity of the key's row of values, and the tag.
    kept: Vec<(&'a str, &'a Tag)>,
    /// Row and value of what is kept; filled once it is too much to be looked through.
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
        for tag in tags {
            let Tag { key, value } = tag;
            let Some((_, row)) = self.keys.get_key_value(&**key) else { continue };
            if !fits(value, MAX_UNITS) || self.knows(row, value) || !text_fits(tag) {
                continue;
            }
            if self.kept.len() == MAX_TAGS {
                self.too_many += 1;
                continue;
            }
            self.kept.push((row, tag));
            if self.kept.len() == MAX_LOOKED_THROUGH {
                self.known.extend(self.kept.iter().map(|&(row, tag)| (row, &*tag.value)));
            } else if self.kept.len() > MAX_LOOKED_THROUGH {
                self.known.insert((row, value));
            }
        }
    }

    fn knows(&self, row: &str, value: &str) -> bool {
        if self.kept.len() < MAX_LOOKED_THROUGH {
            return self.kept.iter().any(|(r, tag)| tag.value == value && *r == row);
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
            for (row, tag) in &self.kept {
                out.delta.tag_value(day, row, &tag.value);
            }
        }
        FieldValue::Texts(texts(self.kept.iter().map(|(_, tag)| *tag)))
    }
}

/// Each `key=value`, all in one piece of memory: a record is copied and dropped in other threads, and so are its texts.
fn texts<'a>(tags: impl Iterator<Item = &'a Tag> + Clone) -> Vec<ByteString> {
    let mut all = String::with_capacity(tags.clone().map(text_len).sum());
    tags.clone().for_each(|tag| all.extend([&*tag.key, "=", &*tag.value]));
    let all = ByteString::from(all);
    let mut rest = &*all;
    let cut = |tag| {
        let (text, after) = rest.split_at(text_len(tag));
        rest = after;
        all.slice_ref(text)
    };
    tags.map(cut).collect()
}

fn text_len(tag: &Tag) -> usize {
    tag.key.len() + 1 + tag.value.len()
}

/// Whether `key=value` has at most [`MAX_UNITS`].
fn text_fits(tag: &Tag) -> bool {
    // A character has at least as many bytes as UTF-16 units.
    text_len(tag) <= MAX_UNITS || tag.key.encode_utf16().count() + 1 + tag.value.encode_utf16().count() <= MAX_UNITS
}
