//! Numbers of the writer for own telemetry.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::UnixMillis;
use tokio::sync::mpsc;

use super::{RECORD_QUEUE, RecordBatch};

/// Stands for "no record is unstored" in [`WriterStats::oldest`].
const NONE: i64 = i64::MAX;

/// How many writes the store has answered and how long it took over them, pauses between retries left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Answered writes.
    pub count: u64,
    /// Microseconds in all.
    pub micros: u64,
}

/// Numbers of a running writer. Reading one costs an atomic load; several read after each other need not fit together.
#[derive(Debug)]
pub struct WriterStats {
    queue: mpsc::WeakSender<RecordBatch>,
    oldest: AtomicI64,
    records_in_flight: AtomicU64,
    rows_in_flight: AtomicU64,
    retries: AtomicU64,
    record_writes: Counted,
    row_flushes: Counted,
}

#[derive(Debug, Default)]
struct Counted {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Counted {
    fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros(took), Ordering::Relaxed);
    }

    fn get(&self) -> Timing {
        Timing { count: self.count.load(Ordering::Relaxed), micros: self.micros.load(Ordering::Relaxed) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl WriterStats {
    pub(super) fn new(queue: mpsc::WeakSender<RecordBatch>) -> Self {
        WriterStats {
            queue,
            oldest: AtomicI64::new(NONE),
            records_in_flight: AtomicU64::default(),
            rows_in_flight: AtomicU64::default(),
            retries: AtomicU64::default(),
            record_writes: Counted::default(),
            row_flushes: Counted::default(),
        }
    }

    /// How long before `now` the oldest record was accepted that the writer holds and the store has not answered for; zero when
    /// there is none. What still waits in the queues came later than whatever the writer has taken.
    pub fn oldest_age(&self, now: UnixMillis) -> Duration {
        match self.oldest.load(Ordering::Relaxed) {
            NONE => Duration::ZERO,
            at => Duration::from_millis(u64::try_from(now.0.saturating_sub(at)).unwrap_or(0)),
        }
    }

    /// Record batches in the queue, of [`RECORD_QUEUE`]; 0 once nobody can hand in any more.
    pub fn queued_batches(&self) -> usize {
        self.queue.upgrade().map_or(0, |queue| RECORD_QUEUE - queue.capacity())
    }

    /// Records that the writer holds.
    pub fn records_in_flight(&self) -> u64 {
        self.records_in_flight.load(Ordering::Relaxed)
    }

    /// Rows that the writer holds.
    pub fn rows_in_flight(&self) -> u64 {
        self.rows_in_flight.load(Ordering::Relaxed)
    }

    /// Writes that failed and were tried again.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Writes of records that were answered.
    pub fn record_writes(&self) -> Timing {
        self.record_writes.get()
    }

    /// Flushes of rows that were answered.
    pub fn row_flushes(&self) -> Timing {
        self.row_flushes.get()
    }

    pub(super) fn holds(&self, oldest: Option<UnixMillis>, records: usize, rows: usize) {
        self.oldest.store(oldest.map_or(NONE, |at| at.0), Ordering::Relaxed);
        self.records_in_flight.store(records as u64, Ordering::Relaxed);
        self.rows_in_flight.store(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, is_flush: bool, took: Duration) {
        if is_flush { &self.row_flushes } else { &self.record_writes }.add(took);
    }
}
