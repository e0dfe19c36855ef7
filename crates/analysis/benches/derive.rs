//! What deriving costs: one segment as a service in the middle of a call chain reports it, into rows that are there already and
//! into a delta that is new; and a JVM sample.

use std::sync::Arc;

use analysis::catalogue::numbered;
use analysis::context::{Config, Context, Serial, Settings};
use analysis::delta::Delta;
use analysis::derive::derive;
use analysis::naming::{Names, NamingConfig};
use analysis::oal;
use analysis::policy::Policies;
use divan::{Bencher, black_box};
use model::ledger::Ledger;
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use model::telemetry::{Jvm, JvmGc, JvmMemory, JvmPool, Telemetry};
use model::{UnixMillis, Zone};

const T0: i64 = 1_705_320_000_000;

fn main() {
    divan::main();
}

fn context() -> Context {
    let rules = oal::read([
        ("core.oal", include_str!("../../../config/oal/core.oal")),
        ("java-agent.oal", include_str!("../../../config/oal/java-agent.oal")),
    ]);
    let program = numbered(&rules.expect("the shipped files")).expect("fewer metrics than numbers").program;
    Context {
        program,
        aliases: Arc::default(),
        settings: Arc::new(Settings::new(&Config::default(), Zone::utc(), 7)),
        policies: Policies::new(&Config::default()),
        names: Names::without_rules(&NamingConfig::default()),
        serial: Arc::new(Serial::new(1)),
    }
}

fn tag(key: &'static str, value: &'static str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

/// An entry span with a reference and an exit span, with the tags that agents send; the n-th of some latency and endpoint.
fn segment(n: u64) -> Telemetry {
    let n = i64::try_from(n % 100).expect("small");
    let parent = SpanRef {
        trace_id: "5d3c9b7a64f14f5cb1a2.61.17053200000010001".into(),
        segment_id: "5d3c9b7a64f14f5cb1a2.61.17053200000010000".into(),
        span_id: 1,
        service: "gateway".into(),
        instance: "gateway-7c9d8b6f5-x2x8l@10.42.0.17".into(),
        endpoint: "GET:/api/v1/orders".into(),
        address: "orders.shop.svc:8080".into(),
        ..SpanRef::default()
    };
    let entry = Span {
        parent_id: -1,
        start: T0 + n,
        end: T0 + 3 * n,
        refs: vec![parent],
        operation: format!("GET:/orders/{}", n % 20).into(),
        layer: SpanLayer::Http,
        component: 1,
        tags: vec![
            tag("url", "http://orders.shop.svc:8080/orders"),
            tag("http.method", "GET"),
            tag("http.status_code", "200"),
        ],
        ..Span::default()
    };
    let exit = Span {
        id: 1,
        start: T0 + n,
        end: T0 + 2 * n,
        operation: "Mysql/JDBC/PreparedStatement/execute".into(),
        peer: "mysql.shop.svc:3306".into(),
        kind: SpanKind::Exit,
        layer: SpanLayer::Database,
        component: 33,
        tags: vec![tag("db.type", "Mysql"), tag("db.instance", "orders"), tag("db.statement", "select * from orders")],
        ..Span::default()
    };
    Telemetry::Segment(Box::new(Segment {
        trace_id: "5d3c9b7a64f14f5cb1a2.61.17053200000010001".into(),
        segment_id: format!("5d3c9b7a64f14f5cb1a2.61.{n}").into(),
        service: "orders".into(),
        instance: "orders-5b8d9c7f4-k4j2p@10.42.0.23".into(),
        spans: vec![exit, entry],
        ..Segment::default()
    }))
}

/// The same with a call to another service instead of a database.
fn calling(n: u64) -> Telemetry {
    let mut element = segment(n);
    if let Telemetry::Segment(segment) = &mut element {
        let exit = &mut segment.spans[0];
        exit.layer = SpanLayer::Http;
        exit.tags = vec![tag("url", "http://stock.shop.svc/items"), tag("http.method", "GET")];
    }
    element
}

/// The same with a statement that took longer than it may.
fn slow(n: u64) -> Telemetry {
    let mut element = segment(n);
    if let Telemetry::Segment(segment) = &mut element {
        segment.spans[0].end += 1_000;
    }
    element
}

fn jvm(_: u64) -> Telemetry {
    Telemetry::Jvm(Box::new(Jvm {
        service: "orders".into(),
        instance: "orders-5b8d9c7f4-k4j2p@10.42.0.23".into(),
        time: T0,
        cpu_usage_percent: 3.5,
        memory: vec![JvmMemory { is_heap: true, used: 1 << 28, ..JvmMemory::default() }, JvmMemory::default()],
        pools: (0..8).map(|pool| JvmPool { pool, used: 1 << 20, ..JvmPool::default() }).collect(),
        gc: vec![JvmGc::default(), JvmGc { phase: 1, ..JvmGc::default() }],
        ..Jvm::default()
    }))
}

/// Derives elements into one delta, as a worker does within a second.
fn warm(bencher: Bencher<'_, '_>, element: fn(u64) -> Telemetry) {
    let (context, ledger) = (context(), Ledger::default());
    let (mut delta, mut records, mut n) = (Delta::default(), Vec::with_capacity(4_096), 0);
    bencher
        .with_inputs(|| {
            n += 1;
            element(n)
        })
        .bench_local_values(|telemetry| {
            derive(telemetry, UnixMillis(T0), &context, &mut delta, &mut records, &ledger);
            if records.len() == 4_096 {
                records.clear();
            }
            black_box(&delta);
        });
}

#[divan::bench(sample_size = 1_000)]
fn segment_of_two_spans(bencher: Bencher<'_, '_>) {
    warm(bencher, segment);
}

#[divan::bench(sample_size = 1_000)]
fn segment_of_two_spans_and_no_database(bencher: Bencher<'_, '_>) {
    warm(bencher, calling);
}

#[divan::bench(sample_size = 1_000)]
fn segment_with_a_slow_statement(bencher: Bencher<'_, '_>) {
    warm(bencher, slow);
}

#[divan::bench(sample_size = 1_000)]
fn jvm_sample(bencher: Bencher<'_, '_>) {
    warm(bencher, jvm);
}

#[divan::bench(sample_size = 100)]
fn segment_of_two_spans_into_a_new_delta(bencher: Bencher<'_, '_>) {
    let (context, ledger) = (context(), Ledger::default());
    bencher.with_inputs(|| segment(1)).bench_local_values(|telemetry| {
        let (mut delta, mut records) = (Delta::default(), Vec::new());
        derive(telemetry, UnixMillis(T0), &context, &mut delta, &mut records, &ledger);
        (delta, records)
    });
}
