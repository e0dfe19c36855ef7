//! What merging costs: rows of a delta into totals of minute, hour and day, known and new; a flush; and the merge of one cell of each
//! kind that is not a number.

use std::sync::Arc;

use analysis::rollup::totals::Totals;
use analysis::rollup::{Limits, Turns};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use model::agg::Statement;
use model::buckets::Buckets;
use model::cell::{self, CellId, FIRST_METRIC};
use model::{Agg, Bucket, Cells, Row, RowKey, Scope, Step, UnixMillis, Zone};

/// 2024-01-15T12:00:00Z.
const T0: UnixMillis = UnixMillis(1_705_320_000_000);
/// Entities of a busy second of one worker.
const N: usize = 1_000;

fn main() {
    divan::main();
}

/// The cells of an endpoint that was called a few times in a second, as the shipped metrics leave them.
fn cells(n: usize) -> Cells {
    let n = i32::try_from(n % 50).expect("small");
    let metric = |at: u16| CellId(FIRST_METRIC + at);
    [
        (cell::LAYERS, Agg::id(2)),
        (metric(0), Agg::Count(3)),
        (metric(1), Agg::Avg { sum: 300, count: 3 }),
        (metric(2), Agg::Percent { matched: 3, total: 3 }),
        (metric(3), Agg::Percentile(Buckets::from_iter([(n, 1), (n + 3, 1), (n + 40, 1)]))),
    ]
    .into_iter()
    .collect()
}

fn delta(minute: u32) -> Vec<(RowKey, Cells)> {
    let first = T0.minute().expect("after 1970").0;
    let key = |n: usize| RowKey {
        scope: Scope::Endpoint,
        step: Step::Minute,
        bucket: Bucket(first + minute),
        entity: Arc::from(format!("b3JkZXJz.1_R0VUOi9vcmRlcnMv{n}")),
    };
    (0..N).map(|n| (key(n), cells(n))).collect()
}

fn totals() -> Totals {
    Totals::new(1, Zone::utc(), Limits::default(), Turns::default())
}

fn merge(totals: &mut Totals, delta: &[(RowKey, Cells)]) {
    for (key, cells) in delta {
        black_box(totals.merge(key, cells, T0));
    }
}

fn flush(totals: &mut Totals) -> Vec<Row> {
    let mut rows = Vec::new();
    totals.begin_flush();
    while totals.take_rows(N, &mut rows) {}
    totals.answered();
    rows
}

#[divan::bench]
fn rows_into_known_totals(bencher: Bencher<'_, '_>) {
    let (mut totals, delta) = (totals(), delta(0));
    merge(&mut totals, &delta);
    bencher.counter(ItemsCount::new(N)).bench_local(|| merge(&mut totals, &delta));
}

#[divan::bench]
fn rows_into_new_totals(bencher: Bencher<'_, '_>) {
    let delta = delta(0);
    bencher.counter(ItemsCount::new(N)).with_inputs(totals).bench_local_values(|mut totals| {
        merge(&mut totals, &delta);
        totals
    });
}

/// Every flush takes the minutes, and in turn the hours and days, of entities that are all busy.
#[divan::bench]
fn a_flush_of_busy_entities(bencher: Bencher<'_, '_>) {
    let (mut totals, delta) = (totals(), delta(0));
    bencher.counter(ItemsCount::new(N)).bench_local(|| {
        merge(&mut totals, &delta);
        flush(&mut totals)
    });
}

/// A second's few latencies into a day's distribution.
#[divan::bench(args = [10, 100, 1_000])]
fn a_few_latencies_into_buckets(bencher: Bencher<'_, '_>, n_keys: i32) {
    let mut day = Agg::Percentile((0..n_keys).map(|key| (key, 7)).collect());
    let second = Agg::Percentile([(1, 1), (n_keys / 2, 2), (n_keys - 1, 1)].into_iter().collect());
    bencher.bench_local(|| day.merge(black_box(&second)));
}

/// Two nodes' distributions, as a read merges them.
#[divan::bench(args = [10, 100, 1_000])]
fn buckets_into_buckets(bencher: Bencher<'_, '_>, n_keys: i32) {
    let one = Agg::Percentile((0..n_keys).map(|key| (key * 2, 7)).collect());
    let other = Agg::Percentile((0..n_keys).map(|key| (key * 3, 7)).collect());
    bencher.with_inputs(|| one.clone()).bench_local_values(|mut one| {
        one.merge(&other);
        one
    });
}

/// A full list of slow statements into another.
#[divan::bench]
fn statements_into_statements(bencher: Bencher<'_, '_>) {
    let statement = |n: i64| Statement {
        latency: 200 + n,
        id: format!("5d3c9b7a64f14f5cb1a2.61.{n}").into(),
        statement: "select * from orders where id = ?".into(),
        trace_id: "5d3c9b7a64f14f5cb1a2.61.17053200000010001".into(),
        at: T0,
    };
    let list = |first: i64| {
        let mut top = Agg::Top(Vec::new());
        (0..50).for_each(|n| top.add_statement(&statement(first + 2 * n)));
        top
    };
    let (one, other) = (list(0), list(1));
    bencher.with_inputs(|| one.clone()).bench_local_values(|mut one| {
        one.merge(&other);
        one
    });
}
