//! The writer: groups what workers and the rollup hand in, keeps writing while the store is slow, and tells the ledger what became
//! of every element.

mod run;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use model::ledger::{Elements, Ledger, Reason};
use model::permit::Permit;
use model::record::Record;
use model::{Row, UnixMillis};
use tokio::sync::{mpsc, oneshot};

pub use run::Writer;
pub use stats::{Timing, WriterStats};

use crate::SharedStore;

/// Record batches that may wait for the writer; when it is full the workers wait, and so the agents.
pub const RECORD_QUEUE: usize = 64;
/// Bytes of bodies after which a worker hands in its batch.
pub const BATCH_BYTES: usize = 5 * 1024 * 1024;
/// Record writes in flight. A store that answers after its commit answers them all at once, so there must be enough of them to
/// bridge a commit interval ([`GROUP_WAIT`] times this is 800 ms), and each holds at most two batches' worth of bodies.
pub const RECORD_WRITES: usize = 8;
/// How long a group of record batches waits for more.
pub const GROUP_WAIT: Duration = Duration::from_millis(100);
/// Records after which a group waits no longer, whatever their bodies weigh.
pub const GROUP_RECORDS: usize = 16_384;
/// The first pause before a failed write is tried again; each further one is twice as long.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause before a failed write is tried again.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Records of one worker, with the budget they hold until the store has answered.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// To be appended.
    pub records: Vec<Record>,
    /// When the oldest of them was accepted, by the server's clock; own telemetry tells its age until the store has answered.
    pub oldest: Option<UnixMillis>,
    /// Given back once the store has answered.
    pub permits: Vec<Permit>,
}

/// One flush of the rollup. At most one is in flight.
#[derive(Debug)]
pub struct RowFlush {
    /// Absolute totals.
    pub rows: Vec<Row>,
    /// Elements whose only trace in the store these rows are; counted as stored with them.
    pub elements: Elements,
    /// Told when the store has answered for good: rows refused by index. Dropped unanswered when the writer gives up at shutdown.
    pub done: oneshot::Sender<Vec<(usize, Reason)>>,
}

/// Where workers and the rollup hand in. Dropping every clone lets the writer finish.
#[derive(Clone, Debug)]
pub struct WriterHandle {
    /// Records, from workers.
    pub records: mpsc::Sender<RecordBatch>,
    /// Rows, from the rollup.
    pub rows: mpsc::Sender<RowFlush>,
}

/// What the writer had to leave unwritten when it was told to give up; the ledger has it as refused, [`Reason::Shutdown`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Elements.
    pub elements: Elements,
    /// Rows.
    pub rows: u64,
}

impl Lost {
    /// Whether everything was written.
    pub fn is_nothing(&self) -> bool {
        self.rows == 0 && self.elements.is_empty()
    }
}

/// A writer to this store, and where to hand in. `seed` spreads the pauses between retries; give each process another one.
///
/// Nothing is written before [`Writer::run`] is polled.
pub fn writer(store: SharedStore, ledger: Arc<Ledger>, seed: u64) -> (WriterHandle, Writer) {
    let (records, waiting_records) = mpsc::channel(RECORD_QUEUE);
    // One more may wait while one is in flight; the rollup waits for the answer anyway.
    let (rows, waiting_rows) = mpsc::channel(1);
    let stats = Arc::new(WriterStats::new(records.downgrade()));
    let writer = Writer::new(store, ledger, stats, (waiting_records, waiting_rows), seed);
    (WriterHandle { records, rows }, writer)
}
