//! The rollup: the one task that owns this node's totals. It takes the workers' deltas, and hands what changed to the writer as
//! absolute rows, one flush at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::ledger::{Elements, Ledger, Reason, Stage};
use model::{Clock, UnixMillis, Zone};
use storage::writer::RowFlush;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::delta::Delta;

mod calendar;
pub mod totals;
pub mod turns;

pub use totals::{Limits, Totals};
pub use turns::Turns;

/// Deltas that may wait for the rollup, for each worker; when the queue is full the workers wait.
pub const DELTAS_PER_WORKER: usize = 2;
/// Rows or entities between two awaits: well under half a millisecond of work.
const CHUNK: usize = 64;
/// How long before a flush the workers are told: they hand over between two handfuls of elements, and so every flush holds what was
/// derived until then.
const NOTICE: Duration = Duration::from_millis(100);
/// How far the interval between flushes stretches. A flush that took longer waited for a store that was away; what has piled up
/// since then must not wait as long again.
pub const INTERVAL_MAX: Duration = Duration::from_secs(30);
/// Sweeps after which every entity was looked at: a minute's worth at the default interval.
const SWEEPS: usize = 30;
/// How long after a minute's end a flush must begin to hold all of that minute that was on time.
const SETTLE_MS: i64 = 2_000;
const MINUTE_MS: i64 = 60_000;

/// Settings of the rollup.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// From the beginning of one flush to the beginning of the next. It stretches to twice the time a flush takes, to
    /// [`INTERVAL_MAX`] at most.
    pub interval: Duration,
    /// With which of the flushes the rows of hours and days go.
    pub turns: Turns,
    /// How much the totals may hold.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config { interval: Duration::from_secs(2), turns: Turns::default(), limits: Limits::default() }
    }
}

/// What the rollup says about itself, for own telemetry and for others to read at any time.
#[derive(Debug, Default)]
pub struct Stats {
    rows: AtomicU64,
    entities: AtomicU64,
    dirty: AtomicU64,
    flushes: AtomicU64,
    flush_micros: AtomicU64,
    last_flush_micros: AtomicU64,
    flushed_before: AtomicU64,
    evicted: AtomicU64,
}

/// One reading of [`Stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Rows held.
    pub rows: u64,
    /// Entities held.
    pub entities: u64,
    /// Entities with something that the store has not answered for.
    pub dirty: u64,
    /// Flushes answered.
    pub flushes: u64,
    /// Microseconds that all of them took, from their beginning to the answer.
    pub flush_micros: u64,
    /// Microseconds that the last one took.
    pub last_flush_micros: u64,
    /// Every minute that starts before this one (minutes since 1970) is flushed, late data apart. Its hour and its day may wait for
    /// their turn.
    pub flushed_before: u64,
    /// Rows evicted.
    pub evicted: u64,
}

impl Stats {
    /// The numbers now.
    pub fn read(&self) -> Reading {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Reading {
            rows: get(&self.rows),
            entities: get(&self.entities),
            dirty: get(&self.dirty),
            flushes: get(&self.flushes),
            flush_micros: get(&self.flush_micros),
            last_flush_micros: get(&self.last_flush_micros),
            flushed_before: get(&self.flushed_before),
            evicted: get(&self.evicted),
        }
    }
}

/// The rollup's ends of the channels and what it shares.
#[derive(Debug)]
pub struct Rollup {
    /// From the workers.
    pub deltas: mpsc::Receiver<Delta>,
    /// To the workers: a flush is near.
    pub flush_near: watch::Sender<()>,
    /// To the writer.
    pub rows: mpsc::Sender<RowFlush>,
    /// Drawn at this start: 64 random bits.
    pub writer: u64,
    /// The zone of hours and days.
    pub zone: Zone,
    /// The wall clock.
    pub clock: Clock,
    /// Counts what is refused.
    pub ledger: Arc<Ledger>,
    /// Told how it goes.
    pub stats: Arc<Stats>,
    /// Settings.
    pub config: Config,
}

/// A flush without an answer yet.
#[derive(Debug)]
struct Flying {
    answer: oneshot::Receiver<Vec<(usize, Reason)>>,
    begun: Instant,
    begun_at: UnixMillis,
}

/// The writer is gone: nothing more can be stored. These elements never reached it.
struct Gone(Elements);

/// Runs until the last sender of deltas is dropped and everything merged is stored. Ends earlier only when the writer gives up;
/// elements that never reached the writer then count as refused, [`Reason::Shutdown`]. Answers what those are.
pub async fn run(rollup: Rollup) -> Elements {
    let totals = Totals::new(rollup.writer, rollup.zone.clone(), rollup.config.limits, rollup.config.turns);
    let mut task = Task { totals, rollup, flying: None, next: Instant::now(), told: false };
    task.next += task.rollup.config.interval;
    let end = task.run().await;
    task.report();
    match end {
        Ok(()) => Elements::default(),
        Err(Gone(unsent)) => task.give_up(unsent).await,
    }
}

struct Task {
    totals: Totals,
    rollup: Rollup,
    flying: Option<Flying>,
    next: Instant,
    /// Whether the workers know of the next flush.
    told: bool,
}

impl Task {
    async fn run(&mut self) -> Result<(), Gone> {
        loop {
            tokio::select! {
                biased;
                answer = answer(&mut self.flying) => self.settle(answer)?,
                () = sleep_until(self.next - NOTICE), if self.flying.is_none() && !self.told => {
                    self.told = true;
                    self.rollup.flush_near.send_replace(());
                }
                () = sleep_until(self.next), if self.flying.is_none() => {
                    self.told = false;
                    self.merge_waiting().await;
                    self.sweep().await;
                    self.flush().await?;
                }
                delta = self.rollup.deltas.recv() => match delta {
                    Some(delta) => self.merge(delta).await,
                    None => break,
                },
            }
            self.report();
        }
        self.totals.hurry();
        while self.flying.is_some() || !self.totals.is_clean() {
            match self.flying {
                Some(_) => {
                    let answer = answer(&mut self.flying).await;
                    self.settle(answer)?;
                }
                None => self.flush().await?,
            }
        }
        Ok(())
    }

    /// Takes the deltas that were handed over, and not those that come meanwhile.
    async fn merge_waiting(&mut self) {
        for _ in 0..self.rollup.deltas.len() {
            let Ok(delta) = self.rollup.deltas.try_recv() else { return };
            self.merge(delta).await;
        }
    }

    async fn merge(&mut self, delta: Delta) {
        let now = self.rollup.clock.now();
        let (rows, elements) = delta.into_parts();
        self.totals.count(&elements);
        for (n, (key, cells)) in rows.iter().enumerate() {
            if !self.totals.merge(key, cells, now) {
                self.rollup.ledger.refuse_rows(Reason::TooManyEntities, 1);
            }
            if n % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Hands what changed, and whose turn it is, to the writer.
    async fn flush(&mut self) -> Result<(), Gone> {
        let (begun, begun_at) = (Instant::now(), self.rollup.clock.now());
        self.next = begun + self.rollup.config.interval;
        let elements = self.totals.begin_flush();
        let mut rows = Vec::new();
        while self.totals.take_rows(CHUNK, &mut rows) {
            tokio::task::yield_now().await;
        }
        if rows.is_empty() && elements.is_empty() {
            self.totals.answered();
            self.flushed(begun_at);
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let flush = RowFlush { rows, elements, done };
        self.flying = Some(Flying { answer, begun, begun_at });
        self.rollup.rows.send(flush).await.map_err(|unsent| Gone(unsent.0.elements))
    }

    fn settle(&mut self, answer: Option<Vec<(usize, Reason)>>) -> Result<(), Gone> {
        let Some(flying) = self.flying.take() else { return Ok(()) };
        // Refused rows are counted by the writer; trying them again would only get them refused again.
        if answer.is_none() {
            return Err(Gone(Elements::default()));
        }
        self.totals.answered();
        self.flushed(flying.begun_at);
        let took = flying.begun.elapsed();
        self.next = flying.begun + self.rollup.config.interval.max(INTERVAL_MAX.min(took * 2));
        let stats = &self.rollup.stats;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        stats.flushes.fetch_add(1, Ordering::Relaxed);
        stats.flush_micros.fetch_add(micros, Ordering::Relaxed);
        stats.last_flush_micros.store(micros, Ordering::Relaxed);
        Ok(())
    }

    /// Everything that was merged before `begun_at` is stored. A clock that was set back takes the claim back with it.
    fn flushed(&mut self, begun_at: UnixMillis) {
        let before = u64::try_from((begun_at.0 - SETTLE_MS) / MINUTE_MS).unwrap_or(0);
        self.rollup.stats.flushed_before.store(before, Ordering::Relaxed);
    }

    async fn sweep(&mut self) {
        let mut left = self.totals.entities() / SWEEPS + CHUNK;
        while left > 0 {
            let evicted = self.totals.sweep(CHUNK.min(left), self.rollup.clock.now());
            self.rollup.stats.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
            left = left.saturating_sub(CHUNK);
            tokio::task::yield_now().await;
        }
    }

    async fn give_up(&mut self, unsent: Elements) -> Elements {
        let mut lost = unsent;
        lost.merge(&self.totals.take_elements());
        self.rollup.deltas.close();
        while let Some(delta) = self.rollup.deltas.recv().await {
            lost.merge(delta.elements());
        }
        lost.iter().for_each(|(signal, n)| self.rollup.ledger.refuse(Stage::Store, signal, Reason::Shutdown, n));
        let dirty = self.totals.dirty();
        warn!(dirty, "the writer is gone before all totals were stored");
        lost
    }

    fn report(&self) {
        let stats = &self.rollup.stats;
        stats.rows.store(self.totals.rows() as u64, Ordering::Relaxed);
        stats.entities.store(self.totals.entities() as u64, Ordering::Relaxed);
        stats.dirty.store(self.totals.dirty() as u64, Ordering::Relaxed);
    }
}

/// The answer to the flush in flight; waits for ever where there is none. `None`: the writer gave up.
async fn answer(flying: &mut Option<Flying>) -> Option<Vec<(usize, Reason)>> {
    match flying {
        Some(flying) => (&mut flying.answer).await.ok(),
        None => std::future::pending().await,
    }
}
