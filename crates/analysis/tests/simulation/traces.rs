//! Summaries of traces whose segments reach several workers and nodes, late and twice, and of nodes that are killed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use analysis::windows;
use model::segment::Segment;
use model::summary::{Numbers, Piece, Summary};
use model::telemetry::Telemetry;
use model::{ByteString, UnixMillis, Zone, id};
use storage::memory::Memory;
use storage::testing::{Chance, Faults, FaultyStore};
use storage::traces::{self, By, Filter, Summaries};
use storage::{RecordQuery, SharedStore};
use testkit::START;
use testkit::segments::{caller, entry, exit, segment};
use tokio::time::sleep;

use crate::node::{Node, Surroundings};
use crate::world::{context, metrics};

fn surroundings(memory: &SharedStore, faults: Faults) -> Surroundings {
    Surroundings {
        store: Arc::new(FaultyStore::new(memory.clone(), 1, faults)),
        context: context(metrics().0, &Zone::utc()),
        zone: Zone::utc(),
        clock: testkit::clock(START),
        windows: windows::Config::default(),
        budget: Arc::new(AtomicI64::new(0)),
    }
}

/// A trace of three services that call each other: `front` asks `pay`, which fails, and `pay` asks `stock`.
fn trace(trace_id: &str, at: i64) -> [Segment; 3] {
    let name = |service: &str| format!("{trace_id}-{service}");
    let spans = vec![entry(0, "/buy", at, 90), exit(1, 0, "/pay", at + 5, 70, "pay:80")];
    let front = segment("front", "f1", trace_id, &name("front"), spans);
    let mut asked = entry(0, "/pay", at + 10, 50);
    (asked.refs, asked.is_error) = (vec![caller(&front, 1)], true);
    let pay = segment("pay", "p1", trace_id, &name("pay"), vec![asked, exit(1, 0, "/stock", at + 20, 9, "stock:80")]);
    let mut asked = entry(0, "/stock", at + 21, 200);
    asked.refs = vec![caller(&pay, 1)];
    let stock = segment("stock", "s1", trace_id, &name("stock"), vec![asked]);
    [front, pay, stock]
}

async fn submit(node: &Node, worker: usize, segment: &Segment) {
    node.submit(worker, Telemetry::Segment(Box::new(segment.clone()))).await;
}

fn one(summaries: &Summaries) -> &Summary {
    assert_eq!(summaries.len(), 1, "{summaries:?}");
    summaries.values().next().expect("there is one")
}

#[tokio::test(start_paused = true)]
async fn segments_of_a_trace_on_two_nodes_late_and_twice_are_one_summary() {
    let memory: SharedStore = Arc::new(Memory::new());
    let around = surroundings(&memory, Faults::default());
    let (a, b) = (Node::start(&around, 1, 2), Node::start(&around, 2, 2));
    let [front, pay, stock] = trace("t", START.0);
    submit(&a, 0, &front).await;
    submit(&a, 1, &pay).await;
    submit(&b, 0, &pay).await;
    let stored = || async { traces::of_traces(&*memory, &["t".into()]).await.unwrap() };
    sleep(Duration::from_secs(9)).await;
    assert_eq!(stored().await, Summaries::new(), "the trace may go on");
    sleep(Duration::from_secs(8)).await;
    let summary = one(&stored().await).clone();
    assert_eq!((summary.segments(), summary.spans(), summary.errors(), summary.orphans()), (2, 4, 1, 0));
    assert_eq!((summary.start, summary.duration_ms(), summary.is_error), (START.0, 90, true));
    let front_id = id::service("front", true);
    assert_eq!((&*summary.root.service, &*summary.root.endpoint), (&*front_id, &*id::endpoint(&front_id, "/buy")));

    // An hour later, on a node that was started meanwhile.
    b.stop().await;
    sleep(Duration::from_secs(3_600)).await;
    let b = Node::start(&around, 3, 2);
    submit(&b, 1, &stock).await;
    submit(&a, 1, &front).await;
    a.at_rest().await;
    b.at_rest().await;
    let summary = one(&stored().await).clone();
    assert_eq!((summary.segments(), summary.spans(), summary.duration_ms()), (3, 5, 221));
    let services: Vec<_> = summary.services.iter().map(|service| (&*service.id, service.spans())).collect();
    let mut expected = [("front", 2), ("pay", 2), ("stock", 1)].map(|(name, spans)| (id::service(name, true), spans));
    expected.sort();
    assert!(services.into_iter().eq(expected.iter().map(|(id, spans)| (&**id, *spans))), "{:?}", summary.services);
    assert_eq!(a.windows.read().late, 1);
    let range = (START, UnixMillis(START.0 + 1));
    assert_eq!(traces::of_range(&*memory, range, &Filter::default(), By::Start, 9).await.unwrap(), stored().await);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_node_had_not_written_is_completed_from_the_segments() {
    let mut incomplete = 0;
    for seed in 0..100 {
        let mut chance = Chance::new(seed);
        let memory: SharedStore = Arc::new(Memory::new());
        let around = surroundings(&memory, Faults { delay: Duration::from_millis(100), ..Faults::default() });
        let mut fed: HashMap<ByteString, Segment> = HashMap::new();
        let mut nodes = [Node::start(&around, 1, 2), Node::start(&around, 2, 1)];
        for n in 0..30 {
            sleep(Duration::from_millis(chance.below(3_000))).await;
            let now = around.clock.now().0;
            for segment in trace(&format!("t{}", n % 9), now) {
                let mut segment = segment;
                segment.segment_id = format!("{}-{n}", segment.segment_id).into();
                let node = usize::try_from(chance.below(2)).unwrap();
                submit(&nodes[node], usize::try_from(chance.below(2)).unwrap(), &segment).await;
                fed.insert(segment.segment_id.clone(), segment);
            }
            if n == 20 {
                let killed = std::mem::replace(&mut nodes[0], Node::start(&around, 3, 2));
                killed.kill().await;
            }
        }
        for node in nodes {
            node.stop().await;
        }
        let numbers = |id: &ByteString| Numbers::of(&fed[id]);
        let mut expected = Summaries::new();
        let segments = RecordQuery::oldest(model::kinds::RecordKind::Segment, usize::MAX);
        for record in memory.records(&segments).await.unwrap().records {
            let (trace_id, piece) = Piece::of(&record, numbers(&record.id)).unwrap();
            let summary = Summary::new(&piece);
            expected.entry(trace_id.into()).and_modify(|known| known.merge(&summary)).or_insert(summary);
        }
        let trace_ids: Vec<_> = expected.keys().cloned().collect();
        let mut found = traces::of_traces(&*memory, &trace_ids).await.unwrap();
        incomplete += usize::from(found != expected);
        traces::complete(&*memory, &trace_ids, &mut found, |record| numbers(&record.id)).await.unwrap();
        assert_eq!(found, expected, "seed {seed}");
    }
    assert!(incomplete > 50, "hardly anything was lost with the nodes: {incomplete}");
}
