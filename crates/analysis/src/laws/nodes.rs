//! Laws of a cluster: however elements are spread over nodes, batched and delayed, and whoever restarts, the answers are the same.

use std::collections::BTreeMap;

use model::telemetry::Telemetry;
use model::{Cells, Partial, Row, RowKey, UnixMillis, Zone};
use proptest::prelude::*;

use super::telemetry;
use crate::rollup::totals::Totals;
use crate::rollup::{Limits, Turns};
use crate::testing::Bench;

/// What happens after an element: at which node it arrived, and what that node does then.
#[derive(Clone, Debug)]
struct Turn {
    node: usize,
    /// The worker hands over what it has merged.
    hands_over: bool,
    flushes: bool,
    /// It stops, which drains it, and starts as another writer.
    restarts: bool,
    /// Minutes pass; what is idle is forgotten.
    minutes: i64,
}

fn turn() -> impl Strategy<Value = Turn> {
    let often = prop::bool::weighted(0.5);
    (
        0..NODES,
        often,
        often,
        prop::bool::weighted(0.2),
        prop_oneof![3 => Just(0), 1 => 1..30_i64, 1 => 1_000..2_000_i64],
    )
        .prop_map(|(node, hands_over, flushes, restarts, minutes)| Turn {
            node,
            hands_over,
            flushes,
            restarts,
            minutes,
        })
}

const NODES: usize = 3;

/// The store: of each partial the row with the highest sequence.
#[derive(Default)]
struct Stored(BTreeMap<(RowKey, Partial), (u64, Cells)>);

impl Stored {
    fn write(&mut self, rows: &[Row]) {
        for row in rows {
            let held = self.0.entry((row.key.clone(), row.partial)).or_default();
            if row.seq >= held.0 {
                *held = (row.seq, row.cells.clone());
            }
        }
    }

    /// What readers see: all partials of a row merged.
    fn answers(self) -> BTreeMap<RowKey, Cells> {
        let mut answers: BTreeMap<RowKey, Cells> = BTreeMap::new();
        for ((key, _), (_, cells)) in self.0 {
            answers.entry(key).or_default().merge(&cells);
        }
        answers
    }
}

struct Node {
    bench: Option<Bench>,
    totals: Totals,
}

impl Node {
    fn new(writer: u64) -> Node {
        let bench = Bench::new().alias("b:80", "Yg==.1", "Yg==.1_Yg==");
        Node { bench: Some(bench), totals: totals(writer) }
    }

    fn derive(&mut self, element: Telemetry) {
        self.bench = self.bench.take().map(|bench| bench.derive(element));
    }

    fn hand_over(&mut self, now: UnixMillis) {
        let bench = self.bench.as_mut().unwrap();
        let (rows, _) = bench.delta.take().into_parts();
        for (key, cells) in &rows {
            assert!(self.totals.merge(key, cells, now), "there is room for all");
        }
    }

    fn flush(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.totals.begin_flush();
        while self.totals.take_rows(3, &mut rows) {}
        self.totals.answered();
        rows
    }

    fn drain(&mut self, now: UnixMillis) -> Vec<Row> {
        self.hand_over(now);
        self.totals.hurry();
        let mut rows = Vec::new();
        while !self.totals.is_clean() {
            rows.extend(self.flush());
        }
        rows
    }
}

fn totals(writer: u64) -> Totals {
    Totals::new(writer, Zone::utc(), Limits::default(), Turns::default())
}

/// Everything at one node, at once.
fn at_once(elements: &[Telemetry]) -> BTreeMap<RowKey, Cells> {
    let mut node = Node::new(0);
    let now = node.bench.as_ref().unwrap().received;
    elements.iter().for_each(|element| node.derive(element.clone()));
    let mut stored = Stored::default();
    stored.write(&node.drain(now));
    stored.answers()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nodes_batches_delays_and_restarts_change_no_answer(
        plan in prop::collection::vec((telemetry(), turn()), 1..10),
        again in any::<prop::sample::Index>(),
    ) {
        let elements: Vec<_> = plan.iter().map(|(element, _)| element.clone()).collect();
        let mut nodes: Vec<Node> = (1..).take(NODES).map(Node::new).collect();
        let mut now = nodes[0].bench.as_ref().unwrap().received;
        let (mut writes, mut writers) = (Vec::new(), 100);
        for (element, turn) in plan {
            let node = &mut nodes[turn.node];
            node.derive(element);
            now = now.plus(turn.minutes * 60_000);
            if turn.hands_over {
                node.hand_over(now);
            }
            if turn.flushes {
                writes.push(node.flush());
            }
            node.totals.sweep(usize::MAX >> 1, now);
            if turn.restarts {
                writes.push(node.drain(now));
                writers += 1;
                node.totals = totals(writers);
            }
        }
        nodes.iter_mut().for_each(|node| writes.push(node.drain(now)));
        let mut stored = Stored::default();
        writes.iter().for_each(|rows| stored.write(rows));
        // A write that is tried again after later ones changes nothing.
        stored.write(&writes[again.index(writes.len())]);
        prop_assert_eq!(stored.answers(), at_once(&elements));
    }
}
