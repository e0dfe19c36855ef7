//! The writer's loop: what comes in, what is in flight, what was answered.

use std::collections::{BTreeMap, HashMap};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use model::UnixMillis;
use model::ledger::{Elements, Ledger, Reason, Stage};
use model::permit::Permit;
use model::record::Record;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use super::{
    BACKOFF_MAX, BACKOFF_MIN, BATCH_BYTES, GROUP_RECORDS, GROUP_WAIT, Lost, RECORD_WRITES, RecordBatch, RowFlush,
    WriterStats,
};
use crate::chance::Chance;
use crate::{Batch, ErrorKind, SharedStore, StoreError, Written};

/// Writes until nobody can hand in any more and everything is answered, or until it is told to give up.
#[derive(Debug)]
pub struct Writer {
    store: Handle,
    ledger: Arc<Ledger>,
    stats: Arc<WriterStats>,
    records: mpsc::Receiver<RecordBatch>,
    rows: mpsc::Receiver<RowFlush>,
    group: Group,
    writes: JoinSet<Answered>,
    flights: HashMap<Id, Flight>,
    lost: Lost,
    chance: Chance,
}

/// The store, which cannot print itself.
struct Handle(SharedStore);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedStore")
    }
}

/// Record batches that are written together.
#[derive(Debug, Default)]
struct Group {
    records: Vec<Record>,
    permits: Vec<Permit>,
    bytes: usize,
    since: Option<Instant>,
    oldest: Option<UnixMillis>,
}

impl Group {
    fn add(&mut self, batch: RecordBatch) {
        // Without records there is nothing to wait for: the permits end here.
        if batch.records.is_empty() {
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        self.oldest = earlier(self.oldest, batch.oldest);
        self.bytes += batch.records.iter().map(|record| record.body.len()).sum::<usize>();
        self.records.extend(batch.records);
        self.permits.extend(batch.permits);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.records.len() >= GROUP_RECORDS
    }
}

/// A write on its way; it owns what it writes.
#[derive(Debug)]
struct Work {
    batch: Batch,
    permits: Vec<Permit>,
    flush: Option<Flush>,
}

/// What a flush carries beside its rows.
#[derive(Debug)]
struct Flush {
    elements: Elements,
    done: oneshot::Sender<Vec<(usize, Reason)>>,
}

/// What the writer remembers of a write on its way, in case it must be given up.
#[derive(Debug)]
struct Flight {
    oldest: Option<UnixMillis>,
    elements: Elements,
    records: usize,
    rows: usize,
    is_flush: bool,
}

type Answered = (Work, Result<Written, StoreError>);

impl Writer {
    pub(super) fn new(
        store: SharedStore,
        ledger: Arc<Ledger>,
        stats: Arc<WriterStats>,
        (records, rows): (mpsc::Receiver<RecordBatch>, mpsc::Receiver<RowFlush>),
        seed: u64,
    ) -> Self {
        Writer {
            store: Handle(store),
            ledger,
            stats,
            records,
            rows,
            group: Group::default(),
            writes: JoinSet::new(),
            flights: HashMap::new(),
            lost: Lost::default(),
            chance: Chance::new(seed),
        }
    }

    /// Numbers for own telemetry; they outlive the writer.
    pub fn stats(&self) -> Arc<WriterStats> {
        self.stats.clone()
    }

    /// Runs until every handle is dropped and the store has answered for everything: then nothing is lost. When `give_up` turns
    /// true it stops at once, counts the rest as refused and answers what that was. A dropped `give_up` never turns true.
    ///
    /// Retries what may work later without end. Panics when the store does.
    pub async fn run(mut self, mut give_up: watch::Receiver<bool>) -> Lost {
        let (mut more_records, mut more_rows) = (true, true);
        loop {
            self.launch_group(!more_records);
            self.publish();
            if !more_records && !more_rows && self.writes.is_empty() && self.group.records.is_empty() {
                return self.conclude();
            }
            let due = self.group.since.filter(|_| self.has_slot()).map(|since| since + GROUP_WAIT);
            tokio::select! {
                biased;
                () = told(&mut give_up) => return self.give_up().await,
                Some(done) = self.writes.join_next_with_id() => self.finish(done),
                flush = self.rows.recv(), if more_rows && !self.flights.values().any(|flight| flight.is_flush) => match flush {
                    Some(flush) => self.launch_rows(flush),
                    None => more_rows = false,
                },
                batch = self.records.recv(), if more_records && !self.group.is_full() => match batch {
                    Some(batch) => self.group.add(batch),
                    None => more_records = false,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn has_slot(&self) -> bool {
        self.flights.values().filter(|flight| !flight.is_flush).count() < RECORD_WRITES
    }

    /// Sends the group on its way when it is full, has waited long enough or is the last, and there is room for a write.
    fn launch_group(&mut self, last: bool) {
        let Some(since) = self.group.since else { return };
        if !self.has_slot() || !(last || self.group.is_full() || since.elapsed() >= GROUP_WAIT) {
            return;
        }
        let Group { records, permits, oldest, .. } = std::mem::take(&mut self.group);
        let elements = elements_of(&records);
        let work = Work { batch: Batch { rows: Vec::new(), records }, permits, flush: None };
        self.launch(work, elements, oldest);
    }

    fn launch_rows(&mut self, flush: RowFlush) {
        let RowFlush { rows, elements, done } = flush;
        let batch = Batch { rows, records: Vec::new() };
        let work = Work { batch, permits: Vec::new(), flush: Some(Flush { elements: elements.clone(), done }) };
        self.launch(work, elements, None);
    }

    fn launch(&mut self, work: Work, elements: Elements, oldest: Option<UnixMillis>) {
        let flight = Flight {
            oldest,
            elements,
            records: work.batch.records.len(),
            rows: work.batch.rows.len(),
            is_flush: work.flush.is_some(),
        };
        let (store, stats) = (self.store.0.clone(), self.stats.clone());
        let chance = Chance::new(self.chance.bits());
        let task = self.writes.spawn(async move {
            let answer = persist(&store, &work, &stats, chance).await;
            (work, answer)
        });
        self.flights.insert(task.id(), flight);
    }

    /// Counts a write that ended; one that was aborted is lost.
    fn finish(&mut self, done: Result<(Id, Answered), JoinError>) {
        match done {
            Ok((id, (work, answer))) => {
                self.flights.remove(&id);
                self.settle(work, answer);
            }
            Err(error) => {
                if let Some(flight) = self.flights.remove(&error.id()) {
                    self.lost.elements.merge(&flight.elements);
                    self.lost.rows += flight.rows as u64;
                }
                if let Ok(panic) = error.try_into_panic() {
                    resume_unwind(panic);
                }
            }
        }
    }

    /// Tells the ledger and the rollup what became of a write. Permits end after that.
    fn settle(&self, work: Work, answer: Result<Written, StoreError>) {
        let Work { batch, permits, flush } = work;
        let is_stored = answer.is_ok();
        let written = answer.unwrap_or_else(|error| {
            error!(%error, n_records = batch.records.len(), n_rows = batch.rows.len(), "the store refused a write for good");
            all_refused(&batch)
        });
        let refused: BTreeMap<usize, Reason> = written.records_refused.into_iter().collect();
        let mut stored = Elements::default();
        for (i, record) in batch.records.iter().enumerate() {
            match (refused.get(&i), record.kind.signal()) {
                (Some(reason), Some(signal)) => self.ledger.refuse(Stage::Store, signal, *reason, 1),
                (Some(reason), None) => self.ledger.refuse_rows(*reason, 1),
                (None, Some(signal)) => stored.add(signal, 1),
                (None, None) => {}
            }
        }
        written.rows_refused.iter().for_each(|(_, reason)| self.ledger.refuse_rows(*reason, 1));
        if let Some(Flush { elements, done }) = flush {
            if is_stored {
                stored.merge(&elements);
            } else {
                self.refuse(&elements, Reason::Store);
            }
            // A rollup that is gone needs no answer.
            drop(done.send(written.rows_refused));
        }
        stored.iter().for_each(|(signal, n)| self.ledger.store(signal, n));
        drop(permits);
    }

    fn refuse(&self, elements: &Elements, reason: Reason) {
        elements.iter().for_each(|(signal, n)| self.ledger.refuse(Stage::Store, signal, reason, n));
    }

    fn publish(&self) {
        let oldest = self.flights.values().map(|flight| flight.oldest).fold(self.group.oldest, earlier);
        let (records, rows) = self
            .flights
            .values()
            .fold((self.group.records.len(), 0), |(records, rows), f| (records + f.records, rows + f.rows));
        self.stats.holds(oldest, records, rows);
    }

    /// Stops all writes and counts what is left: what was answered in the last moment is stored, the rest is lost.
    async fn give_up(mut self) -> Lost {
        self.writes.abort_all();
        while let Some(done) = self.writes.join_next_with_id().await {
            self.finish(done);
        }
        self.records.close();
        while let Some(batch) = self.records.recv().await {
            self.group.add(batch);
        }
        self.lost.elements.merge(&elements_of(&std::mem::take(&mut self.group).records));
        self.rows.close();
        while let Some(flush) = self.rows.recv().await {
            self.lost.elements.merge(&flush.elements);
            self.lost.rows += flush.rows.len() as u64;
        }
        self.publish();
        self.conclude()
    }

    fn conclude(self) -> Lost {
        self.refuse(&self.lost.elements, Reason::Shutdown);
        self.ledger.refuse_rows(Reason::Shutdown, self.lost.rows);
        self.lost
    }
}

/// The earlier of two times, where there is one.
fn earlier(a: Option<UnixMillis>, b: Option<UnixMillis>) -> Option<UnixMillis> {
    a.into_iter().chain(b).min()
}

/// Ready once the flag is true; never when whoever could raise it is gone.
async fn told(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|raised| *raised).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn elements_of(records: &[Record]) -> Elements {
    let mut elements = Elements::default();
    records.iter().filter_map(|record| record.kind.signal()).for_each(|signal| elements.add(signal, 1));
    elements
}

fn all_refused(batch: &Batch) -> Written {
    let all = |n: usize| (0..n).map(|i| (i, Reason::Store)).collect();
    Written { rows_refused: all(batch.rows.len()), records_refused: all(batch.records.len()) }
}

/// Writes until the store takes it or refuses it for good, with growing pauses.
async fn persist(
    store: &SharedStore,
    work: &Work,
    stats: &WriterStats,
    mut chance: Chance,
) -> Result<Written, StoreError> {
    let mut failed = 0u32;
    loop {
        let began = Instant::now();
        match store.write(&work.batch).await {
            Err(error) if error.kind() == ErrorKind::Retry => {
                if failed == 0 {
                    warn!(%error, "the store did not take a write, trying again until it does");
                }
                stats.retried();
                sleep(backoff(failed, &mut chance)).await;
                failed += 1;
            }
            answer => {
                if failed > 0 {
                    info!(failed, "the store answers again");
                }
                stats.answered(work.flush.is_some(), began.elapsed());
                return answer;
            }
        }
    }
}

/// The pause after so many failures: between half of the full pause and all of it, so that writers who failed together do not
/// come back together.
fn backoff(failed: u32, chance: &mut Chance) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failed.min(20)).min(BACKOFF_MAX);
    let half = full / 2;
    half + Duration::from_micros(chance.below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_within_their_half() {
        let mut chance = Chance::new(7);
        for failed in 0..40 {
            let full = (0..failed).fold(BACKOFF_MIN, |pause, _| (pause * 2).min(BACKOFF_MAX));
            let pause = backoff(failed, &mut chance);
            assert!((full / 2..=full).contains(&pause), "{failed}: {pause:?}");
        }
    }
}
