//! Worked examples E1 to E6 of `analysis.md` section 8: what segments become. Virtual services are another issue's.

use expect_test::{Expect, expect};
use model::segment::{Segment, Span, SpanKind::*, SpanLayer::*, SpanRef};

use crate::testing::{Bench, parent, segment, span, tags};

fn check(bench: Bench, expected: Expect) {
    expected.assert_eq(&bench.show());
}

fn a1() -> Segment {
    let exit = Span { peer: "b:8080".into(), ..span(1, Exit, Http, 2, "/b", (10_020, 10_220)) };
    let status = tags(&[("http.status_code", "200")]);
    segment("A1", "A", "a1", vec![exit, Span { tags: status, ..span(0, Entry, Http, 1, "/a", (10_000, 10_250)) }])
}

fn b1() -> Segment {
    let refs = vec![parent("A", "a1", "/a", "b:8080")];
    segment("B1", "B", "b1", vec![Span { refs, ..span(0, Entry, Http, 1, "/b", (10_040, 10_200)) }])
}

#[test]
fn e1_two_services_over_http() {
    check(Bench::new().segment(a1()).segment(b1()), expect![""]);
}

#[test]
fn e1_with_the_alias_known() {
    check(Bench::new().alias("b:8080", "Qg==.1", "Qg==.1_YjE=").segment(a1()), expect![""]);
}

#[test]
fn e2_a_database_call() {
    let exit = Span {
        peer: "mysql:3306".into(),
        tags: tags(&[("db.type", "sql"), ("db.statement", "select 1")]),
        ..span(1, Exit, Database, 33, "Mysql/JDBI/Statement/executeQuery", (60_010, 60_260))
    };
    let entry = span(0, Entry, Http, 1, "/a", (60_000, 60_300));
    check(Bench::new().segment(segment("A1", "A", "a1", vec![exit, entry])), expect![""]);
}

#[test]
fn e3_producer_and_consumer_without_the_virtual_broker() {
    let exit = Span {
        peer: "kafka:9092".into(),
        tags: tags(&[("mq.broker", "kafka:9092"), ("mq.topic", "orders")]),
        ..span(1, Exit, Mq, 40, "Kafka/orders/Producer", (120_005, 120_009))
    };
    let entry = span(0, Entry, Http, 14, "POST:/order", (120_000, 120_020));
    let consume = Span {
        refs: vec![parent("P", "p1", "POST:/order", "kafka:9092")],
        tags: tags(&[("mq.topic", "orders"), ("transmission.latency", "35")]),
        ..span(0, Entry, Mq, 41, "Kafka/orders/Consumer/g1", (120_044, 120_074))
    };
    let bench = Bench::new().segment(segment("P1", "P", "p1", vec![exit, entry])).segment(segment(
        "C1",
        "C",
        "c1",
        vec![consume],
    ));
    check(bench, expect![""]);
}

#[test]
fn e3_a_consumer_without_references() {
    let consume = Span {
        peer: "kafka:9092".into(),
        tags: tags(&[("mq.topic", "orders"), ("mq.queue", "q1")]),
        ..span(0, Entry, Mq, 41, "Kafka/orders/Consumer/g1", (120_044, 120_074))
    };
    let bench = Bench::new().segment(segment("C1", "C", "c1", vec![consume]));
    expect![""].assert_eq(&bench.show_only(&["Relation", "Service \"", "Address"]));
}

fn async_segments() -> [Segment; 2] {
    let a1 = segment("A1", "A", "a1", vec![span(0, Entry, Http, 1, "/order", (180_000, 180_030))]);
    let exit = Span {
        peer: "redis:6379".into(),
        tags: tags(&[("cache.type", "Redis"), ("cache.op", "write"), ("cache.cmd", "set"), ("cache.key", "k1")]),
        ..span(1, Exit, Cache, 30, "Jedis/set", (180_015, 180_030))
    };
    let hop = SpanRef { cross_thread: true, segment_id: "A1".into(), ..parent("A", "a1", "/order", "") };
    let local = Span { refs: vec![hop], ..span(0, Local, Unknown, 65, "Async/execute", (180_010, 180_090)) };
    [a1, segment("A2", "A", "a1", vec![exit, local])]
}

#[test]
fn e4_work_in_another_thread_and_a_cache_write() {
    let [a1, a2] = async_segments();
    check(Bench::new().segment(a1).segment(a2), expect![""]);
}

#[test]
fn the_order_of_segments_changes_no_row() {
    let [a1, a2] = async_segments();
    let forth = Bench::new().segment(a1.clone()).segment(a2.clone());
    let back = Bench::new().segment(a2).segment(a1);
    assert_eq!(forth.delta.rows(), back.delta.rows());
}

fn entry_of_a(id: &str, (start, end): (i64, i64), is_error: bool) -> Segment {
    segment(id, "A", "a1", vec![Span { is_error, ..span(0, Entry, Http, 1, "/a", (start, end)) }])
}

#[test]
fn e5_ten_calls_and_one_error() {
    let latencies = [12, 87, 130, 250, 499, 500, 501, 1999, 2000, 2001];
    let mut bench = Bench::new();
    for (i, latency) in (0..).zip(latencies) {
        let start = 240_000 + i * 1_000;
        bench = bench.segment(entry_of_a(&format!("s{i}"), (start, start + latency), latency == 130));
    }
    check(bench, expect![""]);
}

#[test]
fn small_counts_show_the_lower_edges() {
    let mut lines = String::new();
    for latencies in [&[5, 15, 25, 35, 45, 55, 65][..], &[40, 500], &[123]] {
        let bench = latencies.iter().fold(Bench::new(), |bench, latency| {
            bench.segment(entry_of_a(&format!("s{latency}"), (0, *latency), false))
        });
        let row = bench.show_only(&["Service \"QQ==.1\": layers"]);
        lines += row.split_once("service_percentile=").unwrap().1.split(' ').next().unwrap();
        lines += "\n";
    }
    expect![""].assert_eq(&lines);
}

#[test]
fn e6_late_data_falls_into_its_own_minute() {
    let bench = Bench::new()
        .segment(entry_of_a("s1", (59_950, 60_450), false))
        .segment(entry_of_a("s2", (60_000, 60_100), false))
        .segment(entry_of_a("s3", (30_000, 30_040), true));
    expect![""].assert_eq(&bench.show_only(&["Service \"", "life"]));
}
