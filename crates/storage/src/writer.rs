//! The writer: groups what workers and the rollup hand in, keeps writing while the store is slow, and tells the ledger what became
//! of every element.

use model::Row;
use model::ledger::{Elements, Reason};
use model::permit::Permit;
use model::record::Record;
use tokio::sync::{mpsc, oneshot};

/// Record batches that may wait for the writer; when it is full the workers wait, and so the agents.
pub const RECORD_QUEUE: usize = 64;
/// Bytes of bodies after which a worker hands in its batch.
pub const BATCH_BYTES: usize = 5 * 1024 * 1024;

/// Records of one worker, with the budget they hold until the store has answered.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// To be appended.
    pub records: Vec<Record>,
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
