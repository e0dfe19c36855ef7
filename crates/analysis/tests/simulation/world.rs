//! A world: some nodes on one store that fails, some agents that come late, restarts, and hours that pass, all as a seed says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use analysis::context::{Aliases, Config, Context, Serial, Settings};
use analysis::naming::{Names, NamingConfig};
use analysis::oal::{self, Program};
use analysis::policy::Policies;
use analysis::windows;
use model::cell::{CellId, FIRST_METRIC};
use model::ledger::{Ledger, Stage};
use model::metric::{Catalogue, MetricDef};
use model::telemetry::Signal;
use model::{UnixMillis, Zone};
use storage::SharedStore;
use storage::memory::Memory;
use storage::testing::{Chance, Faults, FaultyStore};
use testkit::START;
use tokio::time::sleep;

use crate::bugs::{Broken, Bug};
use crate::elements::{element, pick};
use crate::node::{Node, Surroundings};
use crate::reference::{calls, calls_stored, expected, stored};

/// What kind of world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) bug: Bug,
    /// Rows and records that the store refuses for good, in a thousand.
    pub(crate) refused: u64,
    /// Nodes stop in a hurry, with whatever is unstored.
    pub(crate) hurry: bool,
}

/// What happened in one world or in many, so that a test can tell that it saw what it is for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) elements: u64,
    pub(crate) failed_calls: u64,
    pub(crate) restarts: u64,
    pub(crate) evicted: u64,
    pub(crate) late: u64,
    pub(crate) refused: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Seen) {
        self.elements += other.elements;
        self.failed_calls += other.failed_calls;
        self.restarts += other.restarts;
        self.evicted += other.evicted;
        self.late += other.late;
        self.refused += other.refused;
    }
}

/// The shipped metrics.
pub(crate) fn metrics() -> (Arc<Program>, Catalogue) {
    let files = [
        ("core.oal", include_str!("../../../../config/oal/core.oal")),
        ("java-agent.oal", include_str!("../../../../config/oal/java-agent.oal")),
        ("virtual-gen-ai.oal", include_str!("../../../../config/oal/virtual-gen-ai.oal")),
    ];
    let rules = oal::read(files).expect("the shipped metrics are right");
    let number = |name: &str| {
        let at = rules.iter().position(|rule| rule.name == name)?;
        u16::try_from(at).ok().map(|at| CellId(FIRST_METRIC + at))
    };
    let catalogue = Catalogue::new(rules.iter().filter_map(|rule| {
        let (cell, name) = (number(&rule.name)?, rule.name.clone());
        Some(MetricDef { cell, name, scope: rule.scope, function: rule.function })
    }));
    (Arc::new(Program::compile(&rules, |rule| number(&rule.name))), catalogue)
}

pub(crate) fn context(program: Arc<Program>, zone: &Zone) -> Context {
    Context {
        program,
        aliases: Arc::new(Aliases::default()),
        settings: Arc::new(Settings::new(&Config::default(), zone.clone(), 7)),
        policies: Policies::new(&Config::default()),
        names: Names::without_rules(&NamingConfig::default()),
        serial: Arc::new(Serial::new(1)),
    }
}

/// Runs the world of a seed to its end and compares what is stored with the reference. `Err` says what is wrong.
pub(crate) fn run(seed: u64, setup: Setup, metrics: &(Arc<Program>, Catalogue)) -> Result<Seen, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(world(seed, setup, metrics))
}

async fn world(seed: u64, setup: Setup, metrics: &(Arc<Program>, Catalogue)) -> Result<Seen, String> {
    let mut chance = Chance::new(seed);
    let memory: SharedStore = Arc::new(Memory::new());
    let inside: SharedStore =
        if setup.bug.is_inside() { Arc::new(Broken::new(memory.clone(), setup.bug)) } else { memory.clone() };
    let faults =
        if chance.per_mille(800) { Faults { refused: setup.refused, ..Faults::ROUGH } } else { Faults::default() };
    let faulty = Arc::new(FaultyStore::new(inside, seed, faults));
    let store: SharedStore = match setup.bug {
        Bug::RetryLost => Arc::new(Broken::new(faulty.clone(), setup.bug)),
        _ => faulty.clone(),
    };
    let zone = Zone::named(pick(&mut chance, &["UTC", "Asia/Kolkata", "America/New_York"])).expect("a known zone");
    let around = Surroundings {
        store,
        context: context(metrics.0.clone(), &zone),
        zone: zone.clone(),
        clock: testkit::clock(START),
        windows: windows(&mut chance),
        budget: Arc::new(AtomicI64::new(0)),
    };
    let mut seen = Seen::default();
    let (mut nodes, mut ledgers) = (Vec::new(), Vec::new());
    for _ in 0..=chance.below(3) {
        nodes.push(start(&mut chance, &around));
    }
    let mut accepted = Vec::new();
    let hours_pass = chance.per_mille(200);
    for n in 0..10 + chance.below(40) {
        pause(&mut chance, hours_pass).await;
        let at = usize::try_from(chance.below(nodes.len() as u64)).expect("an index");
        if !setup.hurry && chance.per_mille(25) {
            let node = std::mem::replace(&mut nodes[at], start(&mut chance, &around));
            seen.evicted += node.stats.read().evicted;
            ledgers.push(restart(&mut chance, node).await);
            seen.restarts += 1;
        }
        let telemetry = element(&mut chance, usize::try_from(n).expect("few"), around.clock.now());
        accepted.push((telemetry.clone(), around.clock.now()));
        nodes[at].submit(usize::try_from(chance.below(3)).expect("few"), telemetry).await;
    }
    for node in nodes {
        seen.evicted += node.stats.read().evicted;
        seen.late += node.windows.read().late;
        ledgers.push(if setup.hurry { node.stop_in_a_hurry().await } else { node.stop().await });
    }
    faulty.settle().await;
    seen.failed_calls = faulty.failed();
    seen.elements = accepted.len() as u64;
    seen.refused = ledgers.iter().map(|ledger| ledger.refusals().map(|(.., n)| n).sum::<u64>()).sum();
    law(&ledgers, &around)?;
    if setup.refused == 0 && !setup.hurry {
        compare(&accepted, &around, &memory, &metrics.1).await?;
    }
    Ok(seen)
}

/// Windows that close soon or late, and few of them or many.
fn windows(chance: &mut Chance) -> windows::Config {
    let (idle_seconds, more) = (1 + chance.below(12), chance.below(60));
    let max_open = pick(chance, &[1, 3, 100_000]);
    windows::Config { idle_seconds, max_age_seconds: idle_seconds + more, max_open, ..windows::Config::default() }
}

fn start(chance: &mut Chance, around: &Surroundings) -> Node {
    let id = chance.bits();
    Node::start(around, id, 1 + usize::try_from(chance.below(3)).expect("few"))
}

async fn pause(chance: &mut Chance, hours_pass: bool) {
    let millis = match chance.below(100) {
        0..40 => return,
        40..90 => chance.below(1_500),
        90..95 if hours_pass => 60_000 * (11 + chance.below(70)),
        _ => chance.below(20_000),
    };
    sleep(Duration::from_millis(millis)).await;
}

/// A restart under way: either the node is stopped and drains, or everything was stored when it died.
async fn restart(chance: &mut Chance, node: Node) -> Arc<Ledger> {
    if chance.per_mille(500) {
        return node.stop().await;
    }
    node.at_rest().await;
    node.kill().await
}

/// The conservation law, and that every permit came back.
fn law(ledgers: &[Arc<Ledger>], around: &Surroundings) -> Result<(), String> {
    for ledger in ledgers {
        for signal in Signal::ALL {
            let after = |(stage, kind, _, n): (Stage, Signal, _, u64)| {
                if kind == signal && stage != Stage::Receive { n } else { 0 }
            };
            let refused: u64 = ledger.refusals().map(after).sum();
            let ended = ledger.stored(signal) + ledger.sampled_out(signal) + refused;
            if ledger.accepted(signal) != ended {
                return Err(format!("{signal:?}: {} accepted, {ended} ended; {ledger:?}", ledger.accepted(signal)));
            }
        }
    }
    match around.budget.load(Ordering::Relaxed) {
        0 => Ok(()),
        bytes => Err(format!("{bytes} bytes of permits never came back")),
    }
}

async fn compare(
    accepted: &[(model::telemetry::Telemetry, UnixMillis)],
    around: &Surroundings,
    memory: &SharedStore,
    catalogue: &Catalogue,
) -> Result<(), String> {
    let contents = stored(&**memory).await;
    if let Some(difference) = contents.difference(&expected(accepted, &around.context, &around.zone)) {
        return Err(difference);
    }
    let (found, wanted) = (calls_stored(&contents, catalogue), calls(accepted, &around.zone));
    if found == wanted { Ok(()) } else { Err(format!("calls\n  stored: {found:?}\n  wanted: {wanted:?}")) }
}
