//! What a pass over a closed minute costs: 10,000 rules over 10,000 services, which is 10^8 pairs. Half of the rules count minutes
//! above a number, 30 % look at a mean, 10 % at two metrics, 10 % at five percentiles; windows of 5 to 15 minutes; a tenth of the
//! values is missing. Each minute one service of a hundred goes over the lines of one rule in a hundred, or comes back: some 50,000
//! incidents are open, and about as many change in a pass as there are services. Says the CPU time and the memory of one pass; the
//! goal is 10 s and 512 MiB.

use alarm::columns::{Columns, Grain};
use alarm::minutes::{Turn, Who};
use alarm::pass::{Incidents, Input, Kind, Memory, Telling, Texts, pass};
use alarm::plan::Plan;
use alarm::rule::Rule;
use alarm::{Entity, Stored};
use divan::Bencher;
use divan::counter::ItemsCount;
use model::cell::CellId;
use model::item::Revision;
use model::metric::{Catalogue, Function, MetricDef};
use model::{Bucket, Scope, UnixMillis, Zone, id};

const N_RULES: usize = 10_000;
const N_ENTITIES: usize = 10_000;
const N_METRICS: usize = 40;
const N_MINUTES: u32 = 17;
const FIRST: u32 = 29_000_000;

fn main() {
    divan::main();
}

/// Every tenth metric has five labels.
fn is_labelled(metric: usize) -> bool {
    metric.is_multiple_of(10)
}

fn catalogue() -> Catalogue {
    Catalogue::new((0..N_METRICS).map(|metric| MetricDef {
        cell: CellId(u16::try_from(metric).expect("few")),
        name: format!("m{metric}"),
        scope: Scope::Service,
        function: if is_labelled(metric) { Function::Percentile { precision: 10 } } else { Function::LongAvg },
    }))
}

/// Numbers that look drawn, and are the same each time.
fn drawn(seed: usize) -> usize {
    let mut x = u64::try_from(seed).unwrap_or_default().wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((x ^ (x >> 31)) >> 16).unwrap_or_default()
}

/// Values below 1,000, but for the services that are over the line in that minute: 5,000.
fn columns() -> Columns {
    let mut columns = Columns::new(Zone::utc());
    for service in 0..N_ENTITIES {
        let entity = Entity::of(Scope::Service, id::service(&format!("service-{service}"), true)).expect("a service");
        columns.meet(&entity, &["GENERAL".to_owned()]);
    }
    let labels: Vec<Vec<(String, String)>> =
        ["50", "75", "90", "95", "99"].iter().map(|p| vec![("p".to_owned(), (*p).to_owned())]).collect();
    let none = vec![Vec::new()];
    for metric in 0..N_METRICS {
        for minute in 0..N_MINUTES {
            for service in 0..N_ENTITIES {
                let seed = (metric * 100 + usize::try_from(minute).expect("few")) * N_ENTITIES + service;
                let is_over = (service + usize::try_from(minute / 2).expect("few")).is_multiple_of(100);
                if drawn(seed).is_multiple_of(10) && !is_over {
                    continue;
                }
                let value = if is_over { 5_000 } else { drawn(seed ^ 1) % 1_000 };
                let value = f64::from(u32::try_from(value).expect("small"));
                for labels in if is_labelled(metric) { &labels } else { &none } {
                    let bucket = (Grain::Minute, Bucket(FIRST + minute));
                    columns.set(Scope::Service, service, &format!("m{metric}"), bucket, labels, value);
                }
            }
        }
    }
    columns
}

fn rules() -> Vec<Stored<Rule>> {
    let plain = |n: usize| format!("m{}", [1, 2, 3, 4, 5, 6, 7, 8, 9][n % 9] + 10 * (n / 9 % 4));
    (0..N_RULES)
        .map(|n| {
            // One rule in a hundred has a line that is crossed.
            let line = if n / 10 % 100 == 0 { 2_000 } else { 6_000 } + n / 100;
            let (one, other) = (plain(n), plain(n + 7));
            let (expression, period) = match n % 10 {
                0..=4 => (format!("sum({one} > {line}) >= 1"), 5 + n / 10 % 11),
                5..=7 => (format!("avg({one}) > {}", line / 2), 5 + n / 10 % 11),
                8 => (format!("sum({one} > {line} && {other} > 500) >= 2"), 5 + n / 10 % 11),
                _ => (format!("sum(m{}{{p='50,75,90,95,99'}} > {line}) >= 1", n / 10 % 4 * 10), 5 + n / 40 % 11),
            };
            let period = u32::try_from(period).expect("small");
            let (id, name) = (format!("rule-{n}"), format!("rule-{n}"));
            let doc = Rule { id, name, expression, period, ..Rule::default() };
            Stored { doc, revision: Revision(1), updated: UnixMillis(0) }
        })
        .collect()
}

fn input<'a>(plan: &'a Plan, columns: &'a Columns, incidents: &'a Incidents) -> Input<'a> {
    Input { plan, columns, incidents, now: UnixMillis(0), render: &texts }
}

fn texts(_: &Telling<'_>) -> Texts {
    Texts { message: "response time is over the line".to_owned(), ..Texts::default() }
}

/// User and system seconds that this process has computed, and the most memory it had, in MiB.
fn used() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = stat.split_whitespace().skip(13).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    (ticks / 100.0, kib / 1024.0)
}

#[expect(clippy::print_stderr, reason = "divan tells of time alone")]
#[divan::bench(sample_count = 3, sample_size = 1)]
fn ten_thousand_rules_and_services(bencher: Bencher<'_, '_>) {
    let (catalogue, columns) = (catalogue(), columns());
    let (plan, healths) = Plan::new(&rules(), &catalogue, None);
    assert!(healths.iter().all(|health| health.error.is_none()), "every rule can be compiled");
    let mut incidents = Incidents::default();
    let mut memory = Memory::default();
    let turn = |minute| Kind::Closed(Turn { minute: Bucket(FIRST + minute), incomplete: false, who: Who::All });
    let first = pass(&input(&plan, &columns, &incidents), turn(N_MINUTES - 2), &mut memory);
    first.changed.into_iter().for_each(|incident| incidents.put(incident));
    let (before, _) = used();
    let output = pass(&input(&plan, &columns, &incidents), turn(N_MINUTES - 1), &mut memory.clone());
    let (after, peak) = used();
    eprintln!(
        "{} pairs, {} open, {} changed: {:.2} CPU seconds, {peak:.0} MiB at most (columns and plan with it)",
        output.n_pairs,
        incidents.len(),
        output.changed.len(),
        after - before,
    );
    bencher
        .counter(ItemsCount::new(output.n_pairs))
        .with_inputs(|| memory.clone())
        .bench_local_values(|mut memory| pass(&input(&plan, &columns, &incidents), turn(N_MINUTES - 1), &mut memory));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn compile_ten_thousand_rules(bencher: Bencher<'_, '_>) {
    let (catalogue, rules) = (catalogue(), rules());
    bencher.counter(ItemsCount::new(N_RULES)).bench_local(|| Plan::new(&rules, &catalogue, None));
}
