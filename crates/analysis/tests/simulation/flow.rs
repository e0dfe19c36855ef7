//! How the stages wait for each other, and how long things take, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use analysis::alias;
use analysis::delta::Delta;
use analysis::rollup::{self, Limits, Rollup};
use analysis::windows;
use model::ledger::{Ledger, Reason};
use model::segment::Span;
use model::telemetry::{KeepAlive, Signal, Telemetry};
use model::{Bucket, Scope, Step, Zone, id};
use storage::SharedStore;
use storage::memory::Memory;
use storage::testing::{Faults, FaultyStore, Mood};
use storage::writer::{BATCH_BYTES, writer};
use testkit::START;
use testkit::segments::{caller, entry, exit, segment};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::node::{INGEST_QUEUE, Node, Surroundings};
use crate::reference::stored;
use crate::world::{context, metrics};

struct Rig {
    memory: SharedStore,
    faulty: Arc<FaultyStore>,
    around: Surroundings,
}

fn rig(faults: Faults) -> Rig {
    let memory: SharedStore = Arc::new(Memory::new());
    let faulty = Arc::new(FaultyStore::new(memory.clone(), 1, faults));
    let around = Surroundings {
        store: faulty.clone(),
        context: context(metrics().0, &Zone::utc()),
        zone: Zone::utc(),
        clock: testkit::clock(START),
        windows: windows::Config::default(),
        budget: Arc::new(AtomicI64::new(0)),
    };
    Rig { memory, faulty, around }
}

fn call(n: usize) -> Telemetry {
    Telemetry::Segment(Box::new(segment("A", "a1", "t", &format!("s{n}"), vec![entry(0, "/a", START.0, 10)])))
}

/// How long it takes until the store shows it.
async fn until(memory: &SharedStore, shows: impl Fn(&crate::reference::Contents) -> bool) -> Duration {
    let begun = Instant::now();
    while !shows(&stored(&**memory).await) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never shows");
        sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_stored_within_300_ms_and_its_metrics_within_3_s() {
    let rig = rig(Faults::default());
    let node = Node::start(&rig.around, 1, 1);
    // So that every phase of the flush and of the deltas is met.
    for n in 0..40 {
        sleep(Duration::from_millis(370)).await;
        node.submit(0, call(n)).await;
        let trace = until(&rig.memory, |contents| contents.segments.contains(&format!("s{n}"))).await;
        assert!(trace <= Duration::from_millis(300), "{trace:?}");
    }
    for n in 0..40 {
        let service = format!("S{n}");
        let alive = KeepAlive { service: service.as_str().into(), instance: "i".into(), layer: "".into() };
        node.submit(0, Telemetry::KeepAlive(Box::new(alive))).await;
        let service = id::service(&service, true);
        let seen = until(&rig.memory, |contents| contents.rows.keys().any(|(.., entity)| **entity == *service)).await;
        assert!(seen <= Duration::from_millis(2_200), "{seen:?}");
        sleep(Duration::from_millis(370)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_resolved_within_3_s_of_the_servers_span_on_every_node() {
    let rig = rig(Faults { reads: 200, delay: Duration::from_millis(50), ..Faults::default() });
    let (one, other) = (Node::start(&rig.around, 1, 1), Node::start(&rig.around, 2, 1));
    let readers = [&one, &other].map(|node| {
        let reader = alias::Reader::new(rig.around.store.clone(), node.aliases.clone());
        tokio::spawn(reader.run(Duration::from_millis(300), std::future::pending()))
    });
    for n in 0..20 {
        sleep(Duration::from_millis(530)).await;
        let address = format!("pay:{n}");
        let now = rig.around.clock.now().0;
        let front = segment("front", "f1", "t", &format!("f{n}"), vec![exit(1, 0, "/pay", now, 9, &address)]);
        let span = Span { refs: vec![caller(&front, 1)], ..entry(0, "/pay", now, 5) };
        one.submit(0, Telemetry::Segment(Box::new(segment("pay", "p1", "t", &format!("p{n}"), vec![span])))).await;
        let begun = Instant::now();
        while one.aliases.load().get(&address).is_none() || other.aliases.load().get(&address).is_none() {
            assert!(begun.elapsed() <= Duration::from_secs(3), "{address} is not resolved");
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(&*other.aliases.load().get(&address).unwrap().service, "pay");
        other.submit(0, Telemetry::Segment(Box::new(front))).await;
    }
    one.stop().await;
    other.stop().await;
    let contents = stored(&*rig.memory).await;
    let relation = id::relation(&id::service("front", true), &id::service("pay", true));
    assert!(
        contents.rows.keys().any(|(scope, _, _, entity)| (*scope, &**entity) == (Scope::ServiceRelation, &*relation))
    );
    let unresolved = id::service("pay:0", true);
    assert!(!contents.rows.keys().any(|(.., entity)| entity.contains(&unresolved)), "the client's span came after");
    readers.each_ref().iter().for_each(|reader| reader.abort());
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_queues_fill_and_agents_wait_and_then_nothing_is_missing() {
    let rig = rig(Faults::default());
    let node = Node::start(&rig.around, 1, 1);
    rig.faulty.set_mood(Mood::Away);
    // Each fills a batch of its own; the bytes are shared, so that only the server thinks that this is much.
    let body = bytes::Bytes::from(vec![0; BATCH_BYTES]);
    let big = |n| {
        let Telemetry::Segment(mut segment) = call(n) else { unreachable!("a call is a segment") };
        segment.body = body.clone();
        Telemetry::Segment(segment)
    };
    let all = 2 * INGEST_QUEUE;
    let mut handed_in = 0;
    while handed_in < all {
        match tokio::time::timeout(Duration::from_secs(60), node.submit(0, big(handed_in))).await {
            Ok(()) => handed_in += 1,
            Err(_) => break,
        }
    }
    assert!((INGEST_QUEUE..INGEST_QUEUE + 100).contains(&handed_in), "{handed_in} handed in");
    // The one that waited in vain was counted as accepted before it had a place.
    assert_eq!(rig.around.budget.load(Ordering::Relaxed), 100 * i64::try_from(handed_in).unwrap());
    assert_eq!(node.ledger.stored(Signal::Segment), 0);
    rig.faulty.set_mood(Mood::Fine);
    while node.ledger.stored(Signal::Segment) < handed_in as u64 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.around.budget.load(Ordering::Relaxed), 0);
    node.kill().await;
}

#[tokio::test(start_paused = true)]
async fn flushes_become_rarer_while_the_store_is_slow() {
    let flushes = |delay: Duration| async move {
        let rig = rig(Faults { delay, ..Faults::default() });
        let node = Node::start(&rig.around, 1, 1);
        for n in 0..1_200 {
            node.submit(0, call(n)).await;
            sleep(Duration::from_millis(100)).await;
        }
        let reading = node.stats.read();
        node.stop().await;
        assert_eq!(stored(&*rig.memory).await.rows.keys().filter(|(_, step, ..)| *step == Step::Hour).count(), 6);
        (reading.flushes, reading.flush_micros)
    };
    let (many, _) = flushes(Duration::ZERO).await;
    let (few, micros) = flushes(Duration::from_secs(10)).await;
    assert!((58..=60).contains(&many), "{many} in two minutes");
    assert!(few < 20, "{few} in two minutes");
    assert!(micros < 65_000_000, "more than half of the time was spent flushing: {micros} µs");
}

#[tokio::test(start_paused = true)]
async fn hours_show_within_13_s_and_days_within_61_s_and_at_once_when_the_node_stops() {
    let rig = rig(Faults::default());
    let node = Node::start(&rig.around, 1, 1);
    let submit = async |n: usize| {
        let segment = segment(&format!("S{n}"), "i", "t", &format!("h{n}"), vec![entry(0, "/a", START.0, 10)]);
        node.submit(0, Telemetry::Segment(Box::new(segment))).await;
    };
    // As many as there are phases, so that nearly each of them is met.
    for n in 0..30 {
        submit(n).await;
    }
    let begun = Instant::now();
    let mut seen = BTreeMap::new();
    while begun.elapsed() < Duration::from_secs(70) {
        for (scope, step, _, entity) in stored(&*rig.memory).await.rows.into_keys() {
            if scope == Scope::Service {
                seen.entry((step, entity)).or_insert(begun.elapsed());
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    let longest = |step| {
        let times: Vec<_> =
            seen.iter().filter(|((of, _), _)| *of == step).map(|(_, seconds)| seconds.as_secs()).collect();
        assert_eq!(times.len(), 30, "{step:?}");
        times.into_iter().max().unwrap_or_default()
    };
    let longest = [Step::Minute, Step::Hour, Step::Day].map(longest);
    assert!(longest[0] <= 2 && (8..=13).contains(&longest[1]) && (50..=61).contains(&longest[2]), "{longest:?}");
    submit(40).await;
    let begun = Instant::now();
    node.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let contents = stored(&*rig.memory).await;
    let entity = id::service("S40", true);
    let steps = contents.rows.keys().filter(|(_, _, _, e)| **e == *entity).map(|(_, step, ..)| *step);
    assert_eq!(steps.collect::<Vec<_>>(), [Step::Minute, Step::Hour, Step::Day, Step::Life]);
}

#[tokio::test(start_paused = true)]
async fn a_minute_is_flushed_when_a_flush_begun_2_s_after_its_end_is_answered() {
    let rig = rig(Faults::default());
    let node = Node::start(&rig.around, 1, 1);
    let noon = u64::from(START.minute().unwrap().0);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(node.stats.read().flushed_before, noon, "the minute's end was one second ago");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(node.stats.read().flushed_before, noon + 1, "an idle node has flushed what there was");
    rig.faulty.set_mood(Mood::Away);
    node.submit(0, call(1)).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(node.stats.read().flushed_before, noon + 1, "nothing was answered since");
    rig.faulty.set_mood(Mood::Fine);
    while node.in_flight() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(4)).await;
    assert_eq!(node.stats.read().flushed_before, noon + 11, "though the day may wait for its turn");
}

#[tokio::test(start_paused = true)]
async fn rows_of_refused_entities_are_counted_and_the_others_are_stored() {
    let rig = rig(Faults::default());
    let ledger = Arc::new(Ledger::default());
    let (handle, task) = writer(rig.around.store.clone(), ledger.clone(), 1);
    let (_keep, told) = watch::channel(false);
    let written = tokio::spawn(task.run(told));
    let (deltas, from_workers) = mpsc::channel(1);
    let limits = Limits { entities: 2, ..Limits::default() };
    let rolled_up = tokio::spawn(rollup::run(Rollup {
        deltas: from_workers,
        flush_near: watch::Sender::new(()),
        rows: handle.rows,
        writer: 1,
        zone: Zone::utc(),
        clock: rig.around.clock.clone(),
        ledger: ledger.clone(),
        stats: Arc::default(),
        config: rollup::Config { limits, ..rollup::Config::default() },
    }));
    drop(handle.records);
    let minute = START.minute().unwrap();
    for (n, entity) in ["a", "b", "c", "a", "c"].into_iter().enumerate() {
        let mut delta = Delta::default();
        delta.life(Scope::Service, entity, Bucket(minute.0 + u32::try_from(n).unwrap()));
        delta.count(Signal::Management);
        deltas.send(delta).await.unwrap();
    }
    drop(deltas);
    assert!(rolled_up.await.unwrap().is_empty() && written.await.unwrap().is_nothing());
    assert_eq!(ledger.rows_refused(Reason::TooManyEntities), 2);
    assert_eq!(ledger.stored(Signal::Management), 5, "an element is not refused with its row");
    let entities: Vec<_> = stored(&*rig.memory).await.rows.into_keys().map(|(.., entity)| entity.to_string()).collect();
    assert_eq!(entities, ["a", "b"]);
}
