//! What nobody reports from: databases, caches and brokers as their clients see them (analysis 2.8).

use expect_test::{Expect, expect};
use model::segment::{Segment, Span, SpanKind, SpanKind::*, SpanLayer, SpanLayer::*};
use model::{Agg, Scope, Step, cell};

use crate::context::{Config, Slow};
use crate::testing::{Bench, T0, parent, segment, span, tags};

/// A span with one peer and some tags, 0 to `latency` ms after noon.
fn peer(kind: SpanKind, layer: SpanLayer, peer: &str, latency: i64, own: &[(&str, &str)]) -> Span {
    Span { peer: peer.into(), tags: tags(own), ..span(1, kind, layer, 33, "op", (0, latency)) }
}

fn of(spans: Vec<Span>) -> Segment {
    segment("S", "A", "a1", spans)
}

/// Derives one segment of service A and compares the lines that contain one of the words.
fn check(spans: Vec<Span>, only: &[&str], expected: Expect) {
    expected.assert_eq(&Bench::new().segment(of(spans)).show_only(only));
}

#[test]
fn a_database_counts_spans_of_every_kind_and_those_that_ask_to_be_left_out() {
    let failed = Span { is_error: true, ..peer(Local, Database, "db:1", 40, &[]) };
    let skipped = Span { skip_analysis: true, ..peer(Exit, Database, "db:1", 10, &[]) };
    check(
        vec![failed, skipped, peer(Entry, Database, "db:1", 10, &[])],
        &["ZGI6MQ==.0"],
        expect![[r#"
            202401151200 Service ZGI6MQ==.0: database_access_cpm=3 database_access_percentile=50:10,75:10,90:40,95:40,99:40 database_access_resp_time=20 database_access_sla=6666
            life Service ZGI6MQ==.0: first_seen=202401151200 last_ping=202401151200 layers=VIRTUAL_DATABASE
        "#]],
    );
    // Only the layer makes a database.
    check(
        vec![peer(Exit, Http, "db:1", 300, &[("db.type", "sql"), ("db.statement", "x")])],
        &["database", "top_n"],
        expect![""],
    );
}

#[test]
fn a_statement_is_slow_above_the_threshold_of_its_type_and_kept_for_both_ends() {
    let slow = |latency, tags: &[(&str, &str)]| {
        Bench::new().segment(of(vec![peer(Exit, Database, "db:1", latency, tags)])).show_only(&["top_n"])
    };
    let sql = [("db.type", "sql"), ("db.statement", "select 1")];
    assert_eq!(slow(200, &sql), "");
    expect![[r#"
        202401151200 Service QQ==.1: top_n_service_database_statement=[201 S-1 "select 1" t-1 @0]
        202401151200 Service ZGI6MQ==.0: top_n_database_statement=[201 S-1 "select 1" t-1 @0] database_access_cpm=1 database_access_percentile=all:200 database_access_resp_time=201 database_access_sla=10000
    "#]]
    .assert_eq(&slow(201, &sql));
    assert_eq!(slow(100, &[("db.type", "MongoDB"), ("db.statement", "find")]), "");
    assert!(slow(101, &[("db.type", "MongoDB"), ("db.statement", "find")]).contains("[101 S-1 \"find\""));
    // Neither without a type nor without a statement.
    assert_eq!(slow(999, &[("db.statement", "select 1")]), "");
    assert_eq!(slow(999, &[("db.type", "sql"), ("db.statement", " \t")]), "");
}

#[test]
fn thresholds_and_the_length_of_statements_are_settings() {
    let slow = Slow { database_ms: [("sql".to_owned(), 5)].into(), max_statement_chars: 6, ..Slow::default() };
    let bench = |kind| {
        let span = peer(Exit, Database, "db:1", 6, &[("db.type", kind), ("db.statement", "select * from t")]);
        Bench::with(&Config { slow: slow.clone(), ..Config::default() }).segment(of(vec![span])).show_only(&["top_n"])
    };
    assert!(bench("SQL").contains("[6 S-1 \"select\" t-1 @0]"));
    assert_eq!(bench("mongodb"), "", "no default: never slow");
}

#[test]
fn the_fifty_slowest_statements_of_a_minute_stay() {
    let spans = (0..60).map(|i| {
        let latency = 201 + i64::from(i);
        Span { id: i, ..peer(Exit, Database, "db:1", latency, &[("db.type", "sql"), ("db.statement", "x")]) }
    });
    let (forth, back): (Vec<Span>, Vec<Span>) = (spans.clone().collect(), spans.rev().collect());
    let top = |spans| {
        let bench = Bench::new().segment(of(spans));
        let mut rows =
            bench.delta.rows().iter().filter(|(key, _)| key.scope == Scope::Service && key.step == Step::Minute);
        let found = rows.find_map(|(_, cells)| cells.get(cell::SLOW_DATABASE).cloned());
        let Some(Agg::Top(top)) = found else { panic!("nothing was slow") };
        top
    };
    let found = top(forth);
    assert_eq!((found.len(), found[0].latency, found[49].latency), (50, 260, 211));
    assert_eq!(found, top(back));
    assert_eq!(found[0].at.0, T0);
}

#[test]
fn a_cache_says_its_type_and_what_was_done() {
    let command = [("cache.type", "Redis"), ("cache.cmd", "get"), ("cache.key", "k")];
    let with = |op: &'static str| [&command[..], &[("cache.op", op)]].concat();
    check(
        vec![
            peer(Exit, Cache, "r:1", 11, &with("read")),
            peer(Local, Cache, "r:1", 11, &with("write")),
            // Any other operation is an access, and is never slow.
            peer(Exit, Cache, "r:1", 99, &with("Read")),
            // Without a type it is no cache.
            peer(Exit, Cache, "r:2", 99, &[("cache.op", "read")]),
        ],
        &[" Service "],
        expect![[r#"
            202401151200 Service cjox.0: top_n_cache_read_command=[11 S-1 "get k" t-1 @0] top_n_cache_write_command=[11 S-1 "get k" t-1 @0] cache_access_cpm=3 cache_access_percentile=50:10,75:10,90:90,95:90,99:90 cache_access_resp_time=40 cache_access_sla=10000 cache_read_cpm=1 cache_read_percentile=all:10 cache_read_resp_time=11 cache_read_sla=10000 cache_write_cpm=1 cache_write_percentile=all:10 cache_write_resp_time=11 cache_write_sla=10000
            life Service cjox.0: first_seen=202401151200 last_ping=202401151200 layers=VIRTUAL_CACHE
        "#]],
    );
}

#[test]
fn a_cache_within_the_process_is_named_after_its_type_and_missing_words_are_null() {
    check(
        vec![peer(Local, Cache, " ", 21, &[("cache.type", "Ehcache"), ("cache.op", "read")])],
        &["cache"],
        expect![[r#"
            202401151200 Service RWhjYWNoZS1sb2NhbA==.0: top_n_cache_read_command=[21 S-1 "null null" t-1 @0] cache_access_cpm=1 cache_access_percentile=all:20 cache_access_resp_time=21 cache_access_sla=10000 cache_read_cpm=1 cache_read_percentile=all:20 cache_read_resp_time=21 cache_read_sla=10000
        "#]],
    );
}

#[test]
fn a_batch_counts_once_at_its_broker_and_once_for_each_producer_at_its_consumer() {
    let refs = vec![parent("P", "p1", "/p", "k:1"), parent("Q", "q1", "/q", "k:2")];
    let batch = Span {
        refs,
        ..peer(Entry, Mq, "own:1", 30, &[("mq.topic", "t"), ("mq.queue", "q"), ("transmission.latency", "7")])
    };
    check(
        vec![batch],
        &["mq_", "ServiceRelation", "EndpointRelation", "Address", "ms6", "azox", "azoy", "b3duOjE="],
        expect![[r#"
            202401151200 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=2 service_mq_consume_count=2 service_mq_consume_latency=7 service_percentile=all:30 service_resp_time=30 service_sla=10000
            202401151200 Service azox.0: mq_service_consume_cpm=1 mq_service_consume_latency=7 mq_service_consume_percentile=all:0 mq_service_consume_sla=10000
            202401151200 Endpoint QQ==.1_b3A=: layers=GENERAL endpoint_cpm=2 endpoint_mq_consume_latency=7 endpoint_percentile=all:30 endpoint_resp_time=30 endpoint_sla=10000
            202401151200 Endpoint azox.0_dC9x: mq_endpoint_consume_cpm=1 mq_endpoint_consume_latency=7 mq_endpoint_consume_percentile=all:0 mq_endpoint_consume_sla=10000
            202401151200 ServiceRelation azox.0-QQ==.1: server=[33] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:30 service_relation_server_resp_time=30
            202401151200 ServiceRelation azoy.0-QQ==.1: server=[33] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:30 service_relation_server_resp_time=30
            202401151200 ServiceInstanceRelation azox.0_azox-QQ==.1_YTE=: server=[33] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:30 service_instance_relation_server_resp_time=30
            202401151200 ServiceInstanceRelation azoy.0_azoy-QQ==.1_YTE=: server=[33] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:30 service_instance_relation_server_resp_time=30
            202401151200 EndpointRelation UA==.1-L3A=-QQ==.1-b3A=: server=[33] endpoint_relation_cpm=1 endpoint_relation_percentile=all:30 endpoint_relation_resp_time=30 endpoint_relation_sla=10000
            202401151200 EndpointRelation UQ==.1-L3E=-QQ==.1-b3A=: server=[33] endpoint_relation_cpm=1 endpoint_relation_percentile=all:30 endpoint_relation_resp_time=30 endpoint_relation_sla=10000
            life Service azox.0: first_seen=202401151200 last_ping=202401151200 layers=VIRTUAL_MQ
            life Endpoint azox.0_dC9x: first_seen=202401151200 last_ping=202401151200
        "#]],
    );
}

#[test]
fn a_broker_without_a_name_is_nobody_and_one_without_a_topic_has_no_endpoint() {
    check(vec![peer(Exit, Mq, "", 5, &[("mq.topic", "t")])], &["mq_"], expect![""]);
    check(vec![peer(Local, Mq, "k:1", 5, &[("mq.topic", "t")])], &["mq_"], expect![""]);
    check(
        vec![Span { is_error: true, skip_analysis: true, ..peer(Exit, Mq, "k:1", 5, &[("mq.topic", " ")]) }],
        &["mq_", "Endpoint"],
        expect![[r#"
            202401151200 Service azox.0: mq_service_produce_cpm=1 mq_service_produce_sla=0
        "#]],
    );
    // The address of the first reference, even a blank one, decides before the others; then the own peer.
    let blank = Span {
        refs: vec![parent("P", "p1", "/p", " "), parent("Q", "q1", "/q", "k:2")],
        ..peer(Entry, Mq, "k:1", 5, &[])
    };
    check(
        vec![blank],
        &["mq_service_consume_cpm"],
        expect![[r#"
            202401151200 Service azox.0: mq_service_consume_cpm=1 mq_service_consume_latency=0 mq_service_consume_percentile=all:0 mq_service_consume_sla=10000
        "#]],
    );
}

#[test]
fn a_name_that_is_a_database_here_and_a_cache_there_has_both_layers() {
    let cached = peer(Exit, Cache, "x:1", 1, &[("cache.type", "r")]);
    check(
        vec![peer(Exit, Database, "x:1", 1, &[]), cached],
        &["layers=VIRTUAL"],
        expect![[r#"
            life Service eDox.0: first_seen=202401151200 last_ping=202401151200 layers=VIRTUAL_DATABASE,VIRTUAL_CACHE
        "#]],
    );
}

#[test]
fn names_of_peers_are_cut() {
    let long = "n".repeat(80);
    let bench = Bench::new().segment(of(vec![peer(Exit, Database, &long, 1, &[])]));
    let id = model::id::service(&"n".repeat(70), false);
    assert!(bench.delta.rows().keys().any(|key| key.scope == Scope::Service && *key.entity == *id));
}
