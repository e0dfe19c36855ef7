//! What can be asked of a store, and what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::cell::CellId;
use model::kinds::{ItemKind, RecordKind};
use model::metric::Function;
use model::record::{FieldValue, Record};
use model::{Bucket, ByteString, Cells, Scope, Step, UnixMillis};

/// Buckets `from..=to` of named entities.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Their scope.
    pub scope: Scope,
    /// The step.
    pub step: Step,
    /// Entity ids.
    pub entities: Vec<Arc<str>>,
    /// First bucket.
    pub from: Bucket,
    /// Last bucket, included.
    pub to: Bucket,
    /// Which cells; others are not read.
    pub cells: Vec<CellId>,
}

/// One entity's merged buckets, ascending; buckets without any of the asked cells are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The entity id.
    pub entity: Arc<str>,
    /// Bucket and merged cells.
    pub points: Vec<(Bucket, Cells)>,
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least first.
    Asc,
    /// Greatest first.
    Desc,
}

/// A condition on the lowest id of an `Ids` cell, such as the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Which cell. A row without it matches no `equal` and every unequal condition.
    pub cell: CellId,
    /// Equal, or unequal.
    pub equal: bool,
    /// To this id.
    pub id: i32,
}

/// The first `n` entities by value.
#[derive(Clone, Debug)]
pub struct TopQuery {
    /// Their scope.
    pub scope: Scope,
    /// The step.
    pub step: Step,
    /// First bucket.
    pub from: Bucket,
    /// Last bucket, included.
    pub to: Bucket,
    /// The cell to rank by.
    pub cell: CellId,
    /// What a merged cell shows.
    pub function: Function,
    /// Which end comes first.
    pub order: Order,
    /// At most this many.
    pub n: usize,
    /// Only these entities.
    pub entities: Entities,
    /// All must hold in a bucket for it to count.
    pub attrs: Vec<Attr>,
}

/// One entity and the mean of its buckets' values (buckets without a value do not count).
#[derive(Clone, Debug, PartialEq)]
pub struct TopEntry {
    /// The entity id.
    pub entity: Arc<str>,
    /// The mean.
    pub value: f64,
}

/// Which entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entities {
    /// All of the scope.
    All,
    /// Those with these ids.
    Ids(Vec<Arc<str>>),
    /// Those whose id starts with this text (`serviceId_`: all of a service).
    Prefix(String),
    /// Relations of which an end ([`model::id::relation_ends`]) is one of these ids.
    Touching(Vec<Arc<str>>),
    /// Relations between two services, in either direction: their ends start with these prefixes.
    Between(String, String),
}

impl Entities {
    /// Whether an entity is one of these.
    pub fn contains(&self, entity: &str) -> bool {
        match self {
            Entities::All => true,
            Entities::Ids(ids) => ids.iter().any(|id| **id == *entity),
            Entities::Prefix(prefix) => entity.starts_with(prefix.as_str()),
            Entities::Touching(ids) => model::id::relation_ends(entity)
                .is_some_and(|(source, dest)| ids.iter().any(|id| **id == *source || **id == *dest)),
            Entities::Between(a, b) => model::id::relation_ends(entity).is_some_and(|(source, dest)| {
                (source.starts_with(a.as_str()) && dest.starts_with(b.as_str()))
                    || (source.starts_with(b.as_str()) && dest.starts_with(a.as_str()))
            }),
        }
    }
}

/// For each writer the highest flush sequence that was seen. `changed_since` a mark means: touched by a row whose sequence is
/// higher than its writer's mark. A reader that wants nothing swallowed steps each mark back by two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub BTreeMap<u64, u64>);

/// Where a page ended; opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// Merged rows of a range.
#[derive(Clone, Debug)]
pub struct ScanQuery {
    /// Their scope.
    pub scope: Scope,
    /// The step.
    pub step: Step,
    /// First bucket; ignored for [`Step::Life`].
    pub from: Bucket,
    /// Last bucket, included.
    pub to: Bucket,
    /// Which entities.
    pub entities: Entities,
    /// Which cells; empty: all. Rows without any of them are left out.
    pub cells: Vec<CellId>,
    /// Only entities of which a partial changed since; still merged from all their partials.
    pub changed_since: Option<Marks>,
    /// Where the page before this one ended.
    pub after: Option<Cursor>,
    /// At most this many rows.
    pub limit: usize,
}

/// A merged row.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedRow {
    /// Its bucket; 0 in life rows.
    pub bucket: Bucket,
    /// The entity id.
    pub entity: Arc<str>,
    /// Merged over all partials.
    pub cells: Cells,
}

/// A page of merged rows, by bucket and then in an order of the backend's own that does not change between pages.
#[derive(Clone, Debug, Default)]
pub struct RowPage {
    /// The rows.
    pub rows: Vec<MergedRow>,
    /// The highest sequences seen among all rows of the scope, step and range, for the next `changed_since`.
    pub marks: Marks,
    /// Where to go on; `None`: this was the last page.
    pub next: Option<Cursor>,
}

/// A condition on a field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Index into the kind's fields.
    pub field: usize,
    /// What must hold.
    pub test: Test,
    /// The other way round.
    pub negate: bool,
}

/// What must hold for a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is this, or one of several keywords is.
    Equal(FieldValue),
    /// It is one of these texts.
    OneOf(Vec<ByteString>),
    /// A number within, both ends included.
    Within(i64, i64),
    /// A text that holds these words next to each other, in this order; case does not matter.
    Phrase(String),
}

/// What records are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    /// Their time.
    Time(Order),
    /// A number field.
    Field(usize, Order),
}

/// Records of one kind.
#[derive(Clone, Debug)]
pub struct RecordQuery {
    /// The kind.
    pub kind: RecordKind,
    /// Earliest and latest time, both included; `None`: any.
    pub time: Option<(UnixMillis, UnixMillis)>,
    /// Only these record ids; empty: any.
    pub ids: Vec<ByteString>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// The order.
    pub order: RecordOrder,
    /// How many to pass over.
    pub offset: usize,
    /// At most this many.
    pub limit: usize,
}

impl RecordQuery {
    /// The first `limit` records of a kind, oldest first.
    pub fn oldest(kind: RecordKind, limit: usize) -> Self {
        let order = RecordOrder::Time(Order::Asc);
        RecordQuery { kind, time: None, ids: Vec::new(), conditions: Vec::new(), order, offset: 0, limit }
    }
}

/// A page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    /// In the order asked for, each id once.
    pub records: Vec<Record>,
}

/// Items of a kind.
#[derive(Clone, Debug)]
pub struct ItemQuery {
    /// The kind.
    pub kind: ItemKind,
    /// Only these ids; empty: all.
    pub ids: Vec<String>,
    /// Deleted ones too.
    pub tombstones: bool,
}
