//! A node that is killed loses what it had not stored, and no more: its last seconds. Nothing it had stored counts twice.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use analysis::rollup::Config;
use analysis::windows;
use model::telemetry::Telemetry;
use model::{Step, UnixMillis, Zone};
use storage::SharedStore;
use storage::memory::Memory;
use storage::testing::{Chance, Faults, FaultyStore};
use testkit::START;
use testkit::segments::{entry, segment};
use tokio::time::sleep;

use crate::elements::pick;
use crate::node::{Node, Surroundings};
use crate::reference::{Calls, calls, calls_stored, stored};
use crate::world::{context, metrics};

/// Records: the worker's wait, the writer's, and the store's delay.
const RECORDS_LOST_MS: i64 = 600;
/// Rows of minutes: the worker's wait, the rollup's, and the store's delay.
const ROWS_LOST_MS: i64 = 3_600;

/// Rows of hours and days: their turn comes once in several flushes.
fn rows_lost_ms(step: Step) -> i64 {
    let Config { interval, turns, .. } = Config::default();
    let flushes = match step {
        Step::Hour => turns.hour,
        Step::Day => turns.day,
        Step::Minute | Step::Life => 1,
    };
    ROWS_LOST_MS + i64::try_from((interval * (flushes - 1)).as_millis()).expect("minutes at most")
}

/// Hands in some calls, each at its own time, and notes them with it.
async fn feed(chance: &mut Chance, around: &Surroundings, node: &Node, fed: &mut Vec<(Telemetry, UnixMillis)>) {
    for n in 0..60 {
        // Spread over two minutes, for what days may lose, and then close together, for what minutes may.
        sleep(Duration::from_millis(chance.below(if n < 20 { 12_000 } else { 700 }))).await;
        let now = around.clock.now();
        let (start, id) = (now.0 - i64::try_from(chance.below(90_000)).expect("a small number"), fed.len());
        let latency = i64::try_from(chance.below(900)).expect("a small number");
        let spans = vec![entry(0, "/a", start, latency)];
        let call = segment(pick(chance, &["A", "B"]), "i", "t", &format!("s{id}"), spans);
        fed.push((Telemetry::Segment(Box::new(call.clone())), now));
        node.submit(id, Telemetry::Segment(Box::new(call))).await;
    }
}

fn at_most(fewer: &Calls, more: &Calls) -> bool {
    fewer.iter().all(|(key, &(n, sum))| more.get(key).is_some_and(|&(most, most_sum)| n <= most && sum <= most_sum))
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_loses_its_last_seconds_and_nothing_counts_twice() {
    let (program, catalogue) = metrics();
    let (mut lost, mut promised, mut waited) = (0, 0, 0);
    for seed in 0..200 {
        let mut chance = Chance::new(seed);
        let memory: SharedStore = Arc::new(Memory::new());
        let faults = Faults { delay: Duration::from_millis(300), ..Faults::default() };
        let around = Surroundings {
            store: Arc::new(FaultyStore::new(memory.clone(), seed, faults)),
            context: context(program.clone(), &Zone::utc()),
            zone: Zone::utc(),
            clock: testkit::clock(START),
            windows: windows::Config::default(),
            budget: Arc::new(AtomicI64::new(0)),
        };
        let mut fed = Vec::new();
        let node = Node::start(&around, 1, 2);
        feed(&mut chance, &around, &node, &mut fed).await;
        node.kill().await;
        let (before, killed) = (fed.len(), around.clock.now());
        let node = Node::start(&around, 2, 2);
        feed(&mut chance, &around, &node, &mut fed).await;
        node.stop().await;

        let safe =
            |(n, (_, at)): (usize, &(Telemetry, UnixMillis)), lost_ms: i64| n >= before || at.0 < killed.0 - lost_ms;
        let contents = stored(&*memory).await;
        let found = calls_stored(&contents, &catalogue);
        for step in [Step::Minute, Step::Hour, Step::Day] {
            let owed = |lost_ms: i64| {
                let safe = fed.iter().enumerate().filter(|&e| safe(e, lost_ms)).map(|(_, fed)| fed.clone());
                let mut calls = calls(&safe.collect::<Vec<_>>(), &Zone::utc());
                calls.retain(|&(of, ..), _| of == step);
                calls
            };
            let owed_of_step = owed(rows_lost_ms(step));
            assert!(at_most(&owed_of_step, &found), "seed {seed}: more was lost of {step:?}: {found:?}");
            promised += usize::from(fed.iter().take(before).any(|(_, at)| at.0 < killed.0 - rows_lost_ms(step)));
            waited += usize::from(!at_most(&owed(ROWS_LOST_MS), &found));
        }
        assert!(at_most(&found, &calls(&fed, &Zone::utc())), "seed {seed}: something counts twice: {found:?}");
        for (n, _) in fed.iter().enumerate().filter(|&e| safe(e, RECORDS_LOST_MS)) {
            assert!(contents.segments.contains(&format!("s{n}")), "seed {seed}: s{n} is lost");
        }
        lost += fed.len() - contents.segments.len();
    }
    assert!(lost > 0, "no node was killed with anything unstored");
    assert!(promised > 3 * 190, "{promised}: nodes were killed before there was anything to keep");
    assert!(waited > 100, "{waited}: hours and days waited for no turn");
}
