//! A worker: derives what it takes from its queue, merges rows in private, and hands records to the writer and a delta for every
//! flush to the rollup. Full queues ahead of it make it wait, and so, through its own queue, the agents.

use std::sync::Arc;
use std::time::Duration;

use model::ledger::{Elements, Ledger, Reason, Stage};
use model::summary::Numbers;
use model::telemetry::{Envelope, Telemetry};
use storage::writer::{BATCH_BYTES, RecordBatch};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::context::Context;
use crate::delta::Delta;
use crate::derive::derive;
use crate::windows::Sightings;
use crate::{alias, policy};

/// How old the first record of a batch gets before the batch is handed in. A trace is to be seen within a second, and the embedded
/// store takes half of it until it commits.
pub const RECORDS_AFTER: Duration = Duration::from_millis(100);
/// From one delta to the next where no flush asks for one: the rollup's work grows with deltas times entities.
pub const DELTA_AFTER: Duration = Duration::from_millis(2_500);
/// How old the first row of a delta gets, where the delta before it is long gone.
pub const DELTA_LINGER: Duration = Duration::from_millis(100);
/// Rows after which a delta is handed over before its time, so that many entities do not pile up here unseen by the limits.
pub const DELTA_ROWS: usize = 20_000;
/// Elements derived between two awaits: each takes some ten microseconds.
const CHUNK: usize = 16;
/// What a record weighs beside its body.
const RECORD_OVERHEAD: usize = 256;

/// A worker's ends of the channels and what it shares.
#[derive(Debug)]
pub struct Worker {
    /// Elements to derive.
    pub ingest: mpsc::Receiver<Envelope>,
    /// What derivation needs to know. Its aliases are replaced by those of `aliases`.
    pub context: Context,
    /// The aliases as they are read.
    pub aliases: Arc<alias::Table>,
    /// The policies as they are now; those of `context` are replaced by them.
    pub policies: policy::Table,
    /// To the rollup.
    pub deltas: mpsc::Sender<Delta>,
    /// Told by the rollup when a flush is near: then the delta is handed over.
    pub flush_near: watch::Receiver<()>,
    /// To the writer.
    pub records: mpsc::Sender<RecordBatch>,
    /// To the windows over traces.
    pub sightings: mpsc::Sender<Sightings>,
    /// Counts what is refused.
    pub ledger: Arc<Ledger>,
}

/// The next stage is gone: nothing more can be stored. These elements never reached it.
struct Gone(Elements);

/// Runs until the last sender of elements is dropped and all of them are handed on. Ends earlier only when the rollup or the
/// writer gives up; what never reached them then counts as refused, [`Reason::Shutdown`]. Answers what that is.
pub async fn run(worker: Worker) -> Elements {
    let mut task = Task {
        worker,
        delta: Delta::default(),
        delta_due: Instant::now(),
        handed_over: Instant::now(),
        batch: RecordBatch::default(),
        batch_bytes: 0,
        batch_due: Instant::now(),
        seen: Sightings::default(),
    };
    match task.run().await {
        Ok(()) => Elements::default(),
        Err(Gone(unsent)) => task.give_up(unsent).await,
    }
}

struct Task {
    worker: Worker,
    delta: Delta,
    delta_due: Instant,
    handed_over: Instant,
    batch: RecordBatch,
    batch_bytes: usize,
    batch_due: Instant,
    /// The segments among the batch's records, as the windows see them.
    seen: Sightings,
}

impl Task {
    async fn run(&mut self) -> Result<(), Gone> {
        let mut elements = Vec::with_capacity(CHUNK);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.batch_due), if !self.batch.records.is_empty() => self.hand_in().await?,
                () = sleep_until(self.delta_due), if !self.delta.is_empty() => self.hand_over().await?,
                Ok(()) = self.worker.flush_near.changed() => self.hand_over().await?,
                n = self.worker.ingest.recv_many(&mut elements, CHUNK) => {
                    if n == 0 {
                        break;
                    }
                    self.take(elements.drain(..)).await?;
                    if self.delta.rows().len() >= DELTA_ROWS {
                        self.hand_over().await?;
                    }
                    if n == CHUNK {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        self.hand_in().await?;
        self.hand_over().await
    }

    async fn take(&mut self, mut elements: impl Iterator<Item = Envelope>) -> Result<(), Gone> {
        self.worker.context.aliases = self.worker.aliases.load();
        self.worker.context.names.refresh();
        self.worker.context.policies = self.worker.policies.load();
        let now = Instant::now();
        while let Some(element) = elements.next() {
            self.derive(element, now);
            if self.batch_bytes >= BATCH_BYTES
                && let Err(Gone(mut unsent)) = self.hand_in().await
            {
                elements.for_each(|element| unsent.add(element.telemetry.signal(), 1));
                return Err(Gone(unsent));
            }
        }
        Ok(())
    }

    fn derive(&mut self, Envelope { telemetry, permit, received }: Envelope, now: Instant) {
        let records = &mut self.batch.records;
        if records.is_empty() {
            self.batch_due = now + RECORDS_AFTER;
        }
        if self.delta.is_empty() {
            self.delta_due = (self.handed_over + DELTA_AFTER).max(now + DELTA_LINGER);
        }
        let before = records.len();
        let worker = &self.worker;
        let numbers = if let Telemetry::Segment(segment) = &telemetry { Some(Numbers::of(segment)) } else { None };
        derive(telemetry, received, &worker.context, &mut self.delta, records, &worker.ledger);
        if let (Some(numbers), [record]) = (numbers, &records[before..]) {
            self.seen.note(record, numbers);
        }
        if records.len() > before {
            self.batch_bytes += records[before..].iter().map(|r| r.body.len() + RECORD_OVERHEAD).sum::<usize>();
            self.batch.permits.push(permit);
            self.batch.oldest = Some(self.batch.oldest.map_or(received, |oldest| oldest.min(received)));
        }
    }

    /// Hands the records to the writer.
    async fn hand_in(&mut self) -> Result<(), Gone> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.records.is_empty() {
            return Ok(());
        }
        let seen = self.seen.take();
        self.worker.records.send(batch).await.map_err(|unsent| Gone(elements_of(&unsent.0)))?;
        if !seen.is_empty() {
            // The windows go only when the writer has gone, which the next batch will find out.
            drop(self.worker.sightings.send(seen).await);
        }
        Ok(())
    }

    /// Hands the delta to the rollup.
    async fn hand_over(&mut self) -> Result<(), Gone> {
        if self.delta.is_empty() {
            return Ok(());
        }
        let delta = self.delta.take();
        self.handed_over = Instant::now();
        self.worker.deltas.send(delta).await.map_err(|unsent| Gone(unsent.0.elements().clone()))
    }

    async fn give_up(&mut self, unsent: Elements) -> Elements {
        let mut lost = unsent;
        lost.merge(&elements_of(&self.batch));
        lost.merge(self.delta.elements());
        self.worker.ingest.close();
        while let Some(element) = self.worker.ingest.recv().await {
            lost.add(element.telemetry.signal(), 1);
        }
        lost.iter().for_each(|(signal, n)| self.worker.ledger.refuse(Stage::Store, signal, Reason::Shutdown, n));
        warn!("a worker ends before its time: the stage after it is gone");
        lost
    }
}

fn elements_of(batch: &RecordBatch) -> Elements {
    let mut elements = Elements::default();
    batch.records.iter().filter_map(|record| record.kind.signal()).for_each(|signal| elements.add(signal, 1));
    elements
}
