//! The store: one contract, several places to keep data in.
//!
//! [`Store`] is the only trait of the system. Rows merge on read, records are appended, items are swapped; a backend knows field
//! types and never what a kind is for. The conformance suite in `testing` is the contract in executable form.

use std::sync::Arc;

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::ledger::Reason;
use model::record::Record;
use model::{ByteString, Row, UnixMillis};

mod about;
mod calendar;
pub mod chance;
mod codec;
pub mod config;
pub mod copy;
pub mod embedded;
mod fits;
mod keyword;
pub mod lease;
pub mod memory;
pub mod nodes;
pub mod opensearch;
pub mod query;
pub mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod traces;
mod whole;
mod words;
pub mod writer;

pub use config::{Backend, Config, open};
pub use query::{
    Attr, Condition, Cursor, Entities, ItemQuery, Marks, MergedRow, Order, RecordOrder, RecordPage, RecordQuery,
    RowPage, ScanQuery, Series, SeriesQuery, Test, TopEntry, TopQuery,
};

/// What is written together. Order within a batch means nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Absolute partial totals.
    pub rows: Vec<Row>,
    /// Records to append.
    pub records: Vec<Record>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.records.is_empty()
    }
}

/// What a write refused for good, by position in the batch. Everything else is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows refused: index and why.
    pub rows_refused: Vec<(usize, Reason)>,
    /// Records refused: index and why.
    pub records_refused: Vec<(usize, Reason)>,
}

/// What became of one swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// Written; this is the new revision.
    Done(Revision),
    /// Somebody else had changed it; this is what is stored now (`None`: nothing).
    Conflict(Option<Item>),
}

/// How long data are kept, in days. A partition is dropped as a whole when all of it is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Segments, logs, events: everything appended.
    pub records_days: u32,
    /// Rows of every step, and life rows whose merged last ping is older.
    pub metrics_days: u32,
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Whole partitions (files, folders, indices).
    pub partitions: usize,
    /// Life rows.
    pub rows: usize,
    /// Items.
    pub items: usize,
}

/// How the store feels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Reads and writes work.
    pub ok: bool,
    /// One sentence for people: what is wrong, or what it is.
    pub detail: String,
}

/// Numbers for own telemetry; what a backend does not know is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes on disk by part: `records/segment`, `rows`, `items`.
    pub bytes: Vec<(String, u64)>,
    /// Commits made and the microseconds they took in all, by part.
    pub commits: Vec<(String, u64, u64)>,
    /// CPU microseconds the store's own threads spent, where the backend runs threads of its own.
    pub cpu_micros: u64,
}

/// What went wrong in the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later: disk full, store away, a commit that failed. Retry the same call.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The question is wrong and will stay wrong.
    #[error("the store cannot answer this query: {0}")]
    Query(String),
    /// What lies in the store is not readable. Somebody must look.
    #[error("the store is damaged or of another version: {0}")]
    Damaged(String),
}

/// What the caller does about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again with backoff.
    Retry,
    /// Tell the one who asked.
    Caller,
    /// Tell the operator; do not retry.
    Operator,
}

impl StoreError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            StoreError::Unavailable(_) => ErrorKind::Retry,
            StoreError::Query(_) => ErrorKind::Caller,
            StoreError::Damaged(_) => ErrorKind::Operator,
        }
    }
}

/// Keeps rows, records and items. Every method may be called from several tasks at once.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Applies the batch. Answers after the commit: `Ok` means that it survives as the backend promises, and that a later read
    /// sees it within the backend's stated delay. Idempotent: a row with a lower flush sequence than the stored one of the same
    /// key and partial changes nothing, nor does a repeated record id. On `Err` any subset may have been applied: retry all of it.
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError>;

    /// Merged buckets of named entities. Entities without data in the range are left out; so are empty buckets.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError>;

    /// The first `n` entities by the mean of their merged buckets' values; ties by entity id, ascending.
    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError>;

    /// Rows of a scope, step and range, merged, in pages; optionally only entities changed since a mark.
    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError>;

    /// Records of one kind that meet all conditions, each id once, in the order asked for; ties by id.
    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError>;

    /// The ids of what [`Store::records`] answers, in the same order. A store that can tell them without reading the records does.
    /// It may then name some more, whose keywords only reading tells apart from those asked for: as good as never, but records that are
    /// read by these ids are to meet the conditions, too.
    async fn record_ids(&self, query: &RecordQuery) -> Result<Vec<ByteString>, StoreError> {
        Ok(self.records(query).await?.records.into_iter().map(|record| record.id).collect())
    }

    /// Items of a kind, ascending by id.
    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError>;

    /// Writes each item whose stored revision is the expected one (0: there is none). Atomic for each item, never across items;
    /// answers for each, in order. A conflict with one's own nonce answers `Done`: the first answer was lost.
    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError>;

    /// Removes what is older than the policy says, and tombstones older than a day. Idempotent: needs no fence.
    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError>;

    /// How it feels right now.
    async fn health(&self) -> Health;

    /// Numbers for own telemetry.
    async fn stats(&self) -> Stats;

    /// Commits what is pending and releases files and locks. Calls after it fail with `Unavailable`.
    async fn close(&self) -> Result<(), StoreError>;
}

/// A store that several parts share.
pub type SharedStore = Arc<dyn Store>;
