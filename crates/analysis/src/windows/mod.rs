//! Windows over traces as they stream through: each folds the segments of a trace, from all workers of this process, into a summary
//! ([`model::summary`]), which is written when the trace has been idle for a while.
//!
//! A summary that is written is a partial: other processes write theirs, and segments that come late make another one here. Nothing
//! depends on them for being right, so a process that is killed may lose those that are open.

mod names;
mod sightings;
pub mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::ledger::{Ledger, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::traces::Sheaves;
use storage::writer::RecordBatch;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub use sightings::Sightings;
pub use table::Windows;

/// Sightings that may wait for the windows, for each worker; when the queue is full the workers wait.
pub const SIGHTINGS_PER_WORKER: usize = 2;
/// How often closed windows are written: nobody waits for them, and a commit costs the same for a few as for many.
pub const WRITE_EVERY: Duration = Duration::from_secs(5);
/// Records, of some hundred traces each, that are written before their time, so that they do not pile up.
const WRITE_RECORDS: usize = 64;
/// Segments or windows between two awaits: each takes well under a microsecond, or two where one closes.
const CHUNK: usize = 256;
/// How often windows that are due are looked for.
const TURN: Duration = Duration::from_secs(1);

/// How long a trace is watched for a summary, and how many are watched at a time. Where there are more than `max_open`, or they take
/// more than `max_bytes`, those that were idle longest are written early; nothing is lost by it, a trace only takes more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Without a segment for so long, a trace is taken to be over.
    pub idle_seconds: u64,
    /// A trace that goes on is written after so long, and watched anew.
    pub max_age_seconds: u64,
    /// Traces watched at a time.
    pub max_open: usize,
    /// Bytes of memory that they may take.
    pub max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { idle_seconds: 10, max_age_seconds: 60, max_open: 100_000, max_bytes: 64 << 20 }
    }
}

/// The longest that a window may be open.
const MOST_SECONDS: u64 = 3_600;
/// The most windows that may be open.
const MOST_OPEN: usize = 10_000_000;
/// The least memory that makes sense.
const LEAST_BYTES: usize = 1 << 20;

impl Config {
    /// Every problem with these settings.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let Config { idle_seconds: idle, max_age_seconds: age, max_open, max_bytes } = *self;
        if !(1..=MOST_SECONDS).contains(&idle) {
            problems.push(format!("trace_windows.idle_seconds: must be between 1 and {MOST_SECONDS}, is {idle}"));
        }
        if !(idle..=MOST_SECONDS).contains(&age) {
            problems.push(format!(
                "trace_windows.max_age_seconds: must be between idle_seconds, which is {idle}, and {MOST_SECONDS}, is {age}"
            ));
        }
        if !(1..=MOST_OPEN).contains(&max_open) {
            problems.push(format!("trace_windows.max_open: must be between 1 and {MOST_OPEN}, is {max_open}"));
        }
        if max_bytes < LEAST_BYTES {
            problems.push(format!("trace_windows.max_bytes: must be at least {LEAST_BYTES}, is {max_bytes}"));
        }
        problems
    }
}

/// What the windows say about themselves, for own telemetry.
#[derive(Debug, Default)]
pub struct Stats {
    open: AtomicU64,
    bytes: AtomicU64,
    waiting: AtomicU64,
    written: AtomicU64,
    evicted: AtomicU64,
    late: AtomicU64,
}

/// One reading of [`Stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Windows that are open.
    pub open: u64,
    /// Bytes of memory they take, roughly.
    pub bytes: u64,
    /// Summaries of closed windows that wait to be written.
    pub waiting: u64,
    /// Summaries handed to the writer.
    pub written: u64,
    /// Windows that closed early, since there were too many.
    pub evicted: u64,
    /// Windows that were opened for a trace that had one shortly before.
    pub late: u64,
}

impl Stats {
    /// The numbers now.
    pub fn read(&self) -> Reading {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Reading {
            open: get(&self.open),
            bytes: get(&self.bytes),
            waiting: get(&self.waiting),
            written: get(&self.written),
            evicted: get(&self.evicted),
            late: get(&self.late),
        }
    }
}

/// The task's ends of the channels and what it shares.
#[derive(Debug)]
pub struct Watch {
    /// From the workers.
    pub sightings: mpsc::Receiver<Sightings>,
    /// To the writer.
    pub records: mpsc::Sender<RecordBatch>,
    /// Drawn at this start: 64 random bits.
    pub writer: u64,
    /// Counts what cannot be written.
    pub ledger: Arc<Ledger>,
    /// Told how it goes.
    pub stats: Arc<Stats>,
    /// Settings.
    pub config: Config,
}

/// The writer is gone: nothing more can be written.
struct Gone;

/// Runs until the last worker has gone, and writes what is open then. Ends earlier only when the writer gives up; records that it
/// never got count as refused rows, [`Reason::Shutdown`].
pub async fn run(watch: Watch) {
    let begun = Instant::now();
    let (windows, closed) = (Windows::new(watch.config, 0), Sheaves::new(watch.writer));
    let mut task = Task { windows, closed, unsent: 0, begun, next_write: begun + WRITE_EVERY, watch };
    if task.run().await.is_err() {
        task.windows.close_all(&mut task.closed);
        let lost = task.unsent + task.closed.take().len() as u64;
        task.watch.ledger.refuse_rows(Reason::Shutdown, lost);
    }
    task.report();
}

struct Task {
    watch: Watch,
    windows: Windows,
    /// Partials that wait to be written.
    closed: Sheaves,
    /// Records that the writer did not take.
    unsent: u64,
    begun: Instant,
    next_write: Instant,
}

impl Task {
    async fn run(&mut self) -> Result<(), Gone> {
        let mut next_turn = self.begun + TURN;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(next_turn) => {
                    next_turn = Instant::now() + TURN;
                    while !self.windows.turn(self.now(), CHUNK, &mut self.closed) {
                        self.write_if_many().await?;
                        tokio::task::yield_now().await;
                    }
                    if self.next_write <= Instant::now() {
                        self.write().await?;
                    }
                }
                sightings = self.watch.sightings.recv() => match sightings {
                    Some(sightings) => self.add(&sightings).await?,
                    None => break,
                },
            }
            self.report();
        }
        self.windows.close_all(&mut self.closed);
        self.write().await
    }

    fn now(&self) -> table::Seconds {
        self.begun.elapsed().as_secs()
    }

    async fn add(&mut self, sightings: &Sightings) -> Result<(), Gone> {
        let now = self.now();
        for (n, (trace_id, piece)) in sightings.iter().enumerate() {
            self.windows.add(trace_id, &piece, now, &mut self.closed);
            if n % CHUNK == CHUNK - 1 {
                self.write_if_many().await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn write_if_many(&mut self) -> Result<(), Gone> {
        if self.closed.full() >= WRITE_RECORDS { self.write().await } else { Ok(()) }
    }

    /// Hands what closed to the writer.
    async fn write(&mut self) -> Result<(), Gone> {
        self.next_write = Instant::now() + WRITE_EVERY;
        let records = self.closed.take();
        if records.is_empty() {
            return Ok(());
        }
        let n = records.iter().map(|record| storage::traces::partials_in(record) as u64).sum();
        let batch = RecordBatch { records, ..RecordBatch::default() };
        if let Err(unsent) = self.watch.records.send(batch).await {
            self.unsent += unsent.0.records.len() as u64;
            return Err(Gone);
        }
        self.watch.stats.written.fetch_add(n, Ordering::Relaxed);
        Ok(())
    }

    fn report(&self) {
        let (stats, counts) = (&self.watch.stats, self.windows.counts());
        let set = |to: &AtomicU64, n: u64| to.store(n, Ordering::Relaxed);
        set(&stats.open, self.windows.open_windows() as u64);
        set(&stats.bytes, self.windows.bytes() as u64);
        set(&stats.waiting, self.closed.waiting() as u64);
        set(&stats.evicted, counts.evicted);
        set(&stats.late, counts.late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_the_settings_are_all_told() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let wrong = Config { idle_seconds: 0, max_age_seconds: 3_601, max_open: 0, max_bytes: 1 };
        assert_eq!(
            wrong.problems(),
            [
                "trace_windows.idle_seconds: must be between 1 and 3600, is 0",
                "trace_windows.max_age_seconds: must be between idle_seconds, which is 0, and 3600, is 3601",
                "trace_windows.max_open: must be between 1 and 10000000, is 0",
                "trace_windows.max_bytes: must be at least 1048576, is 1",
            ]
        );
    }
}
