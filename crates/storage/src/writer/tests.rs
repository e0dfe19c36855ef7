//! The writer against a store that fails: nothing is lost, everything is counted, the order of flushes holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::kinds::RecordKind;
use model::ledger::{Elements, Ledger, Reason, Stage};
use model::permit::{Permit, Release};
use model::record::{FieldValue, Format, Record};
use model::telemetry::Signal;
use model::{Agg, Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, cell};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{BATCH_BYTES, GROUP_WAIT, Lost, RECORD_WRITES, RecordBatch, RowFlush, Writer, WriterHandle, writer};
use crate::chance::Chance;
use crate::memory::Memory;
use crate::testing::{Faults, FaultyStore, Mood};
use crate::{Entities, RecordQuery, ScanQuery, Store};

/// When the records of a batch were accepted.
const ACCEPTED: UnixMillis = UnixMillis(1_700_000_000_000);
/// A minute after that.
const LATER: UnixMillis = UnixMillis(ACCEPTED.0 + 60_000);

/// A writer to a faulty store in memory, with the account of what was handed in.
struct Bench {
    memory: Arc<Memory>,
    store: Arc<FaultyStore>,
    ledger: Arc<Ledger>,
    held: Arc<AtomicU64>,
}

impl Bench {
    fn new(seed: u64, faults: Faults) -> (Bench, WriterHandle, Writer) {
        let memory = Arc::new(Memory::new());
        let store = Arc::new(FaultyStore::new(memory.clone(), seed, faults));
        let ledger = Arc::new(Ledger::default());
        let (handle, writer) = writer(store.clone(), ledger.clone(), seed);
        (Bench { memory, store, ledger, held: Arc::default() }, handle, writer)
    }

    /// A batch of accepted records, each with a permit of its own.
    fn batch(&self, ids: impl IntoIterator<Item = String>, kind: RecordKind, body: usize) -> RecordBatch {
        let mut batch = RecordBatch { oldest: Some(ACCEPTED), ..RecordBatch::default() };
        for id in ids {
            self.ledger.accept(kind.signal().unwrap());
            self.held.fetch_add(1, Ordering::Relaxed);
            let held = self.held.clone();
            let release: Release = Arc::new(move |n| {
                held.fetch_sub(u64::from(n), Ordering::Relaxed);
            });
            batch.permits.push(Permit::new(1, release));
            batch.records.push(record(&id, kind, body));
        }
        batch
    }

    /// A flush of one service row that counts to `seq`, and its answer.
    fn flush(&self, seq: u64) -> (RowFlush, oneshot::Receiver<Vec<(usize, Reason)>>) {
        self.ledger.accept(Signal::Jvm);
        let mut elements = Elements::default();
        elements.add(Signal::Jvm, 1);
        let (done, answer) = oneshot::channel();
        (RowFlush { rows: vec![row("a", seq), row("b", seq)], elements, done }, answer)
    }

    /// The law: whatever was accepted is stored or refused, and no budget is held any more.
    fn assert_all_accounted(&self) {
        for signal in Signal::ALL {
            assert_eq!(self.ledger.in_flight(signal), 0, "{signal:?}");
        }
        assert_eq!(self.held.load(Ordering::Relaxed), 0, "permits");
    }

    async fn ids(&self, kind: RecordKind) -> Vec<String> {
        let query = RecordQuery::oldest(kind, usize::MAX);
        self.memory.records(&query).await.unwrap().records.iter().map(|r| r.id.to_string()).collect()
    }

    async fn counts(&self) -> Vec<(String, u64)> {
        let query = ScanQuery {
            scope: Scope::Service,
            step: Step::Minute,
            from: Bucket(0),
            to: Bucket(9),
            entities: Entities::All,
            cells: Vec::new(),
            changed_since: None,
            after: None,
            limit: 9,
        };
        let rows = self.memory.scan(&query).await.unwrap().rows;
        let count = |cells: &Cells| match cells.get(cell::CellId(cell::FIRST_METRIC)) {
            Some(Agg::Count(n)) => *n,
            other => panic!("a count was written: {other:?}"),
        };
        rows.iter().map(|row| (row.entity.to_string(), count(&row.cells))).collect()
    }
}

fn record(id: &str, kind: RecordKind, body: usize) -> Record {
    Record {
        kind,
        id: id.into(),
        time: testkit::START,
        fields: vec![FieldValue::Absent; kind.def().fields.len()],
        format: Format::Log,
        body: Bytes::from(vec![0; body]),
    }
}

fn row(entity: &str, seq: u64) -> Row {
    Row {
        key: RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(1), entity: entity.into() },
        partial: Partial { writer: 1, life: 1 },
        seq,
        cells: [(cell::CellId(cell::FIRST_METRIC), Agg::Count(seq))].into_iter().collect(),
    }
}

fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// Three workers and a rollup against a store that does everything wrong.
async fn run_rough(seed: u64) {
    const FLUSHES: u64 = 20;
    let (bench, handle, writer) = Bench::new(seed, Faults { refused: 20, ..Faults::ROUGH });
    let bench = Arc::new(bench);
    let stats = writer.stats();
    let mut tasks = JoinSet::new();
    for worker in 0..3u64 {
        let (bench, records) = (bench.clone(), handle.records.clone());
        tasks.spawn(async move {
            let mut chance = Chance::new(seed * 3 + worker);
            for n in 0..30 {
                let kind = if chance.per_mille(300) { RecordKind::Log } else { RecordKind::Segment };
                let ids = (0..chance.below(40)).map(|i| format!("{worker}-{n}-{i}"));
                records.send(bench.batch(ids, kind, 100)).await.unwrap();
                sleep(Duration::from_millis(chance.below(200))).await;
            }
        });
    }
    let (rollup, rows) = (bench.clone(), handle.rows.clone());
    tasks.spawn(async move {
        for seq in 1..=FLUSHES {
            let (flush, answer) = rollup.flush(seq);
            rows.send(flush).await.unwrap();
            let refused = answer.await.unwrap();
            for (i, entity) in ["a", "b"].iter().enumerate() {
                let expected = rollup.store.refuses(&row(entity, seq).key);
                assert_eq!(refused.contains(&(i, Reason::TooLarge)), expected, "{entity}");
            }
        }
    });
    drop(handle);

    assert_eq!(writer.run(never()).await, Lost::default());
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    bench.store.settle().await;

    assert!(bench.store.failed() > 0 && stats.retries() > 0, "no fault came up");
    assert_eq!(bench.store.busiest()[0], 1, "row flushes in flight");
    assert!(bench.store.busiest()[1] <= RECORD_WRITES, "record writes in flight: {:?}", bench.store.busiest());
    bench.assert_all_accounted();
    for (kind, signal) in [(RecordKind::Segment, Signal::Segment), (RecordKind::Log, Signal::Log)] {
        let refused = bench.ledger.refused(Stage::Store, signal, Reason::TooLarge);
        assert_eq!(bench.ledger.stored(signal) + refused, bench.ledger.accepted(signal), "{signal:?}");
        assert_eq!(bench.ids(kind).await.len() as u64, bench.ledger.stored(signal), "{signal:?}");
    }
    assert_eq!(bench.ledger.stored(Signal::Jvm), FLUSHES);
    let kept = ["a", "b"].into_iter().filter(|entity| !bench.store.refuses(&row(entity, 0).key));
    let expected: Vec<_> = kept.map(|entity| (entity.to_owned(), FLUSHES)).collect();
    assert_eq!(bench.ledger.rows_refused(Reason::TooLarge), FLUSHES * (2 - expected.len() as u64));
    assert_eq!(bench.counts().await, expected, "the last flush must win");
    assert_eq!((stats.oldest_age(LATER), stats.records_in_flight(), stats.rows_in_flight()), (Duration::ZERO, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn whatever_a_store_does_nothing_is_lost_and_everything_counts() {
    for seed in 0..60 {
        println!("seed {seed}");
        run_rough(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_batches_are_written_together_and_full_ones_at_once() {
    let (bench, handle, writer) = Bench::new(1, Faults::default());
    let stats = writer.stats();
    let running = tokio::spawn(writer.run(never()));
    for n in 0..10 {
        handle.records.send(bench.batch([n.to_string()], RecordKind::Log, 10)).await.unwrap();
    }
    let began = Instant::now();
    while bench.ledger.stored(Signal::Log) < 10 {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(stats.record_writes().count, 1);
    assert!(began.elapsed() >= GROUP_WAIT && began.elapsed() < GROUP_WAIT * 2, "{:?}", began.elapsed());

    let began = Instant::now();
    handle.records.send(bench.batch(["full".to_owned()], RecordKind::Log, BATCH_BYTES)).await.unwrap();
    while bench.ledger.stored(Signal::Log) < 11 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < GROUP_WAIT / 2, "{:?}", began.elapsed());

    let last = Instant::now();
    handle.records.send(bench.batch(["last".to_owned()], RecordKind::Log, 1)).await.unwrap();
    drop(handle);
    assert!(running.await.unwrap().is_nothing());
    assert!(last.elapsed() < GROUP_WAIT / 2, "the last group waits for nobody: {:?}", last.elapsed());
    bench.assert_all_accounted();
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_the_queue_fills_and_the_oldest_record_ages() {
    let (bench, handle, writer) = Bench::new(2, Faults::default());
    bench.store.set_mood(Mood::Away);
    let stats = writer.stats();
    let running = tokio::spawn(writer.run(never()));
    let mut sent = 0;
    // A full batch goes on its way alone, so the slots, the next group and the queue take one each.
    while sent < 100
        && let Ok(permit) = tokio::time::timeout(Duration::from_secs(1), handle.records.reserve()).await
    {
        let mut batch = bench.batch([format!("r{sent:03}")], RecordKind::Segment, BATCH_BYTES);
        batch.oldest = Some(ACCEPTED.plus(20 - sent));
        permit.unwrap().send(batch);
        sent += 1;
    }
    assert_eq!(sent, (RECORD_WRITES + 1 + super::RECORD_QUEUE) as i64);
    assert_eq!(stats.queued_batches(), super::RECORD_QUEUE);
    // The last that the writer has taken was accepted first.
    assert_eq!(stats.oldest_age(LATER), Duration::from_millis(60_000 - 20 + RECORD_WRITES as u64));
    assert_eq!(stats.oldest_age(ACCEPTED.plus(-1)), Duration::ZERO, "a clock that was set back");
    assert_eq!(bench.ledger.stored(Signal::Segment), 0);

    bench.store.set_mood(Mood::Fine);
    drop(handle);
    assert!(running.await.unwrap().is_nothing());
    assert_eq!(bench.ids(RecordKind::Segment).await.len() as i64, sent);
    assert_eq!(stats.oldest_age(LATER), Duration::ZERO);
    bench.assert_all_accounted();
}

#[tokio::test(start_paused = true)]
async fn told_to_give_up_it_stops_at_once_and_counts_the_rest() {
    let (bench, handle, writer) = Bench::new(3, Faults::default());
    let (give_up, told) = watch::channel(false);
    let running = tokio::spawn(writer.run(told));
    handle.records.send(bench.batch(["stored".to_owned()], RecordKind::Log, 1)).await.unwrap();
    while bench.ledger.stored(Signal::Log) < 1 {
        sleep(Duration::from_millis(10)).await;
    }

    bench.store.set_mood(Mood::Away);
    let (flush, answer) = bench.flush(1);
    handle.rows.send(flush).await.unwrap();
    let (waiting, _) = bench.flush(2);
    handle.rows.send(waiting).await.unwrap();
    for n in 0..30 {
        handle.records.send(bench.batch([format!("s{n}")], RecordKind::Segment, BATCH_BYTES)).await.unwrap();
    }
    sleep(Duration::from_secs(25)).await;
    let began = Instant::now();
    give_up.send(true).unwrap();
    let lost = running.await.unwrap();

    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(lost.elements.iter().collect::<Vec<_>>(), [(Signal::Segment, 30), (Signal::Jvm, 2)]);
    assert_eq!(lost.rows, 4);
    assert_eq!(bench.ledger.refused(Stage::Store, Signal::Segment, Reason::Shutdown), 30);
    assert_eq!(bench.ledger.rows_refused(Reason::Shutdown), 4);
    assert!(answer.await.is_err(), "a flush that was given up has no answer");
    assert!(handle.records.is_closed() && handle.rows.is_closed());
    bench.assert_all_accounted();
}

#[tokio::test(start_paused = true)]
async fn what_a_store_refuses_for_good_is_counted_and_the_next_write_goes_on() {
    let (bench, handle, writer) = Bench::new(4, Faults::default());
    bench.store.set_mood(Mood::Damaged);
    let stats = writer.stats();
    let running = tokio::spawn(writer.run(never()));
    handle.records.send(bench.batch(["bad".to_owned()], RecordKind::Event, 1)).await.unwrap();
    let (flush, answer) = bench.flush(1);
    handle.rows.send(flush).await.unwrap();
    assert_eq!(answer.await.unwrap(), [(0, Reason::Store), (1, Reason::Store)]);
    while bench.ledger.refused(Stage::Store, Signal::Event, Reason::Store) < 1 {
        sleep(Duration::from_millis(10)).await;
    }
    bench.store.set_mood(Mood::Fine);
    handle.records.send(bench.batch(["good".to_owned()], RecordKind::Event, 1)).await.unwrap();
    drop(handle);

    assert!(running.await.unwrap().is_nothing());
    assert_eq!(bench.ids(RecordKind::Event).await, ["good"]);
    assert_eq!(bench.ledger.refused(Stage::Store, Signal::Jvm, Reason::Store), 1);
    assert_eq!(bench.ledger.rows_refused(Reason::Store), 2);
    assert_eq!(stats.retries(), 0, "what is refused for good is not tried again");
    bench.assert_all_accounted();
}
