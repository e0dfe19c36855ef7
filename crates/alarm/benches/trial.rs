//! What a back-test costs: one rule over 1,000 services, 24 hours and 7 days of minutes, read from the embedded store. Each row has
//! three metrics, of which the rule reads one; a service of a hundred goes over the line now and then. The goals are 2 s and 20 s.

use std::sync::Arc;

use alarm::notify::told::About;
use alarm::rule::Rule;
use alarm::trial::{BacktestInput, Ground, backtest};
use divan::Bencher;
use divan::counter::ItemsCount;
use model::cell::CellId;
use model::layer::Layers;
use model::metric::{Catalogue, Function, MetricDef, Seen};
use model::{Bucket, Cells, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone, id};
use storage::embedded::{Embedded, Options};
use storage::{Batch, SharedStore};

const N_SERVICES: u32 = 1_000;
/// Midnight, UTC.
const FIRST: u32 = 20_000 * 1_440;
/// Minutes written at a time.
const AT_ONCE: u32 = 30;

fn main() {
    divan::main();
}

fn catalogue() -> Catalogue {
    let all = [
        ("cpm", Function::Cpm),
        ("resp_time", Function::LongAvg),
        ("percentile", Function::Percentile { precision: 10 }),
    ];
    Catalogue::new((100..).zip(all).map(|(cell, (name, function))| MetricDef {
        cell: CellId(cell),
        name: name.to_owned(),
        scope: Scope::Service,
        function,
    }))
}

fn rows(catalogue: &Catalogue, services: &[Arc<str>], minute: u32) -> Vec<Row> {
    let row = |(at, service): (u32, &Arc<str>)| {
        let is_over = (at + minute / 30).is_multiple_of(100);
        let latency = if is_over { 5_000 } else { i64::from((at * 31 + minute * 17) % 900) };
        let mut cells = Cells::default();
        for def in catalogue.iter() {
            let agg = cells.open(def.cell, || def.function.empty());
            for n in 0..4 {
                def.function.observe(agg, Seen::Int(latency + n), UnixMillis(n));
            }
        }
        let key = RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(minute), entity: service.clone() };
        Row { key, partial: Partial { writer: 1, life: 1 }, seq: 1, cells }
    };
    (0..).zip(services).map(row).collect()
}

fn measure(bencher: Bencher<'_, '_>, n_minutes: u32) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let now = Bucket(FIRST + n_minutes).start().plus(30_000);
    let store = Embedded::open(folder.path(), Options::default(), &Zone::utc(), Clock::from_fn(move || now));
    let store: SharedStore = Arc::new(store.expect("an empty folder"));
    let catalogue = Arc::new(catalogue());
    let services: Vec<Arc<str>> = (0..N_SERVICES).map(|n| id::service(&format!("service-{n}"), true).into()).collect();
    runtime.block_on(async {
        for first in (FIRST..FIRST + n_minutes).step_by(AT_ONCE as usize) {
            let minutes = first..(first + AT_ONCE).min(FIRST + n_minutes);
            let rows = minutes.flat_map(|minute| rows(&catalogue, &services, minute)).collect();
            store.write(&Batch { rows, records: Vec::new() }).await.expect("a write");
        }
    });
    let about = About { zone: Zone::utc(), external_url: String::new() };
    let ground = Ground { store: store.clone(), catalogue, zone: Zone::utc(), layers: Layers::default(), about };
    let rule = Rule {
        id: "slow".to_owned(),
        name: "slow".to_owned(),
        expression: "sum(resp_time > 1000) >= 3".to_owned(),
        period: 10,
        silence: 5,
        message: "{name} is slow".to_owned(),
        ..Rule::default()
    };
    let from = Some(Bucket(FIRST).start());
    let input = BacktestInput { rule, from, ..BacktestInput::default() };
    bencher.counter(ItemsCount::new(N_SERVICES * n_minutes)).bench_local(|| {
        let report = runtime.block_on(backtest(&ground, &input, now, &|_| ())).expect("a back-test");
        assert!(report.n_minutes == n_minutes && report.n_incidents > 0, "it found what there is");
        report.n_incidents
    });
    runtime.block_on(store.close()).expect("it closes");
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn a_day_of_a_thousand_services(bencher: Bencher<'_, '_>) {
    measure(bencher, 1_440);
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn seven_days_of_a_thousand_services(bencher: Bencher<'_, '_>) {
    measure(bencher, 7 * 1_440);
}
