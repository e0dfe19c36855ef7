//! Small rules, one by one: E7 of the reference and what section 2 says beside it.

use expect_test::{Expect, expect};
use model::segment::{Segment, Span, SpanKind::*, SpanLayer::*, SpanRef};
use model::{Scope, Step};

use crate::context::{Config, Gateway, SegmentStatus};
use crate::testing::{Bench, parent, segment, span, tags};

/// Derives one segment of service A and compares the lines that contain one of the words.
fn check(spans: Vec<Span>, only: &[&str], expected: Expect) {
    expected.assert_eq(&Bench::new().segment(segment("S", "A", "a1", spans)).show_only(only));
}

fn entry() -> Span {
    span(0, Entry, Http, 1, "/a", (0, 100))
}

fn exit(layer: model::segment::SpanLayer, peer: &str) -> Span {
    Span { peer: peer.into(), ..span(1, Exit, layer, 2, "/b", (10, 60)) }
}

#[test]
fn a_span_that_asks_for_it_is_left_out_of_everything_but_the_record() {
    let refs = vec![parent("B", "b1", "/b", "a:80")];
    let skipped = Span {
        skip_analysis: true,
        tags: tags(&[("x-le", r#"{"name":"gql","latency":1,"status":true}"#)]),
        refs,
        ..entry()
    };
    let out = Span { skip_analysis: true, ..exit(Http, "b:80") };
    check(
        vec![skipped, out],
        &[""],
        expect![[r#"
        segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=100 is_error=false
    "#]],
    );
}

#[test]
fn a_local_span_may_be_a_logic_endpoint() {
    let local =
        Span { tags: tags(&[("x-le", r#"{"logic-span":true}"#)]), ..span(1, Local, Unknown, 0, "calc", (10, 50)) };
    check(
        vec![local.clone(), entry()],
        &["Endpoint"],
        expect![[r#"
        202401151200 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:100 endpoint_resp_time=100 endpoint_sla=10000
        202401151200 Endpoint QQ==.1_Y2FsYw==: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:40 endpoint_resp_time=40 endpoint_sla=10000
        202401151200 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
        life Endpoint QQ==.1_L2E=: first_seen=202401151200 last_ping=202401151200
        life Endpoint QQ==.1_Y2FsYw==: first_seen=202401151200 last_ping=202401151200
    "#]],
    );
    check(
        vec![Span { skip_analysis: true, ..local }],
        &["Endpoint"],
        expect![[r#"
        202401151200 Endpoint QQ==.1_Y2FsYw==: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:40 endpoint_resp_time=40 endpoint_sla=10000
        life Endpoint QQ==.1_Y2FsYw==: first_seen=202401151200 last_ping=202401151200
    "#]],
    );
}

#[test]
fn an_entry_span_may_name_a_logic_endpoint() {
    let named = |value: &str| vec![Span { tags: tags(&[("x-le", value)]), ..entry() }];
    check(
        named(r#"{"name":"gql","latency":100,"status":false}"#),
        &["Z3Fs"],
        expect![[r#"
        202401151200 Endpoint QQ==.1_Z3Fs: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:100 endpoint_resp_time=100 endpoint_sla=0
        life Endpoint QQ==.1_Z3Fs: first_seen=202401151200 last_ping=202401151200
    "#]],
    );
    check(
        named(r#"{"name":"gql","latency":"100","status":"true"}"#),
        &["Z3Fs"],
        expect![[r#"
        202401151200 Endpoint QQ==.1_Z3Fs: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:100 endpoint_resp_time=100 endpoint_sla=10000
        life Endpoint QQ==.1_Z3Fs: first_seen=202401151200 last_ping=202401151200
    "#]],
    );
    check(named(r#"{"logic-span":true}"#), &["Z3Fs", "pieces"], expect![""]);
    check(
        named(r#"{"name":"gql","latency":"soon","status":true}"#),
        &["Z3Fs", "pieces"],
        expect![[r#"
        pieces refused bad_piece: 1
    "#]],
    );
    check(
        named("no JSON"),
        &["Z3Fs", "pieces", "segment S"],
        expect![[r#"
        segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=100 is_error=false
        pieces refused bad_piece: 1
    "#]],
    );
}

#[test]
fn each_reference_is_a_call() {
    let refs = vec![parent("B", "b1", "/b", "a:80"), parent("P", "p1", "/p", "a:81")];
    check(
        vec![Span { refs, ..entry() }],
        &[""],
        expect![[r#"
        202401151200 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=2 service_percentile=all:100 service_resp_time=100 service_sla=10000
        202401151200 ServiceInstance QQ==.1_YTE=: service_instance_cpm=2 service_instance_resp_time=100 service_instance_sla=10000
        202401151200 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=2 endpoint_percentile=all:100 endpoint_resp_time=100 endpoint_sla=10000
        202401151200 ServiceRelation Qg==.1-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        202401151200 ServiceRelation UA==.1-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        202401151200 ServiceInstanceRelation Qg==.1_YjE=-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
        202401151200 ServiceInstanceRelation UA==.1_cDE=-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
        202401151200 EndpointRelation Qg==.1-L2I=-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
        202401151200 EndpointRelation UA==.1-L3A=-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
        life Service QQ==.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151200 last_ping=202401151200
        life Endpoint QQ==.1_L2E=: first_seen=202401151200 last_ping=202401151200
        life Address a:80: first_seen=202401151200 last_ping=202401151200 texts=["@0=QQ==.1 QQ==.1_YTE="]
        life Address a:81: first_seen=202401151200 last_ping=202401151200 texts=["@0=QQ==.1 QQ==.1_YTE="]
        segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=100 is_error=false
    "#]],
    );
}

#[test]
fn a_function_is_a_service_without_endpoints() {
    check(
        vec![Span { layer: Faas, ..entry() }],
        &[""],
        expect![[r#"
        202401151200 Service QQ==.1: layers=FAAS service_apdex=10000 service_cpm=1 service_percentile=all:100 service_resp_time=100 service_sla=10000
        202401151200 ServiceInstance QQ==.1_YTE=: service_instance_cpm=1 service_instance_resp_time=100 service_instance_sla=10000
        202401151200 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        202401151200 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
        life Service QQ==.1: first_seen=202401151200 last_ping=202401151200 layers=FAAS
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151200 last_ping=202401151200
        segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=100 is_error=false
    "#]],
    );
}

#[test]
fn the_layer_of_an_unresolved_peer_follows_the_span() {
    let mut all = String::new();
    for layer in [Unknown, Database, RpcFramework, Http, Mq, Cache, Faas, GenAi] {
        let bench = Bench::new().segment(segment("S", "A", "a1", vec![exit(layer, "x:1")]));
        all += &format!("{} {}", layer.name(), bench.show_only(&["ServiceRelation"]));
    }
    expect![[r#"
        Unknown 202401151200 ServiceRelation QQ==.1-eDox.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        Database 202401151200 ServiceRelation QQ==.1-eDox.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        RPCFramework 202401151200 ServiceRelation QQ==.1-eDox.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        Http 202401151200 ServiceRelation QQ==.1-eDox.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        MQ 202401151200 ServiceRelation QQ==.1-eDox.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        Cache 202401151200 ServiceRelation QQ==.1-eDox.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        FAAS 202401151200 ServiceRelation QQ==.1-eDox.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        GenAI 202401151200 ServiceRelation QQ==.1-eDox.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
    "#]].assert_eq(&all);
    check(vec![exit(Http, "")], &["Relation"], expect![""]);
}

#[test]
fn a_proxy_hides_the_instance_behind_a_resolved_address() {
    let span = Span { component: 6_000, ..exit(Http, "b:80") };
    let only = &["ServiceRelation", "ServiceInstanceRelation"];
    let bench = Bench::new().alias("b:80", "Qg==.1", "Qg==.1_YjE=");
    expect![[r#"
        202401151200 ServiceRelation QQ==.1-Qg==.1: client=[6000] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
    "#]].assert_eq(&bench.segment(segment("S", "A", "a1", vec![span.clone()])).show_only(only));
    check(
        vec![span],
        only,
        expect![[r#"
        202401151200 ServiceRelation QQ==.1-Yjo4MA==.1: client=[6000] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Yjo4MA==.1_Yjo4MA==: client=[6000] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:50 service_instance_relation_client_resp_time=50
    "#]],
    );
}

#[test]
fn calls_through_a_gateway_come_from_it() {
    let gateways = vec![Gateway { name: "front".to_owned(), addresses: vec!["gw:80".to_owned()] }];
    let bench = Bench::with(&Config { gateways, ..Config::default() });
    let refs = vec![parent("B", "b1", "/b", "gw:80")];
    let bench = bench.segment(segment("S", "A", "a1", vec![Span { refs, ..entry() }, exit(Http, "gw:80")]));
    expect![[r#"
        202401151200 ServiceRelation QQ==.1-Z3c6ODA=.0: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        202401151200 ServiceRelation Z3c6ODA=.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Z3c6ODA=.0_Z3c6ODA=: client=[2] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:50 service_instance_relation_client_resp_time=50
        202401151200 ServiceInstanceRelation Z3c6ODA=.0_Z3c6ODA=-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
        202401151200 EndpointRelation Qg==.1-L2I=-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
    "#]].assert_eq(&bench.show_only(&["Relation", "Address"]));
}

#[test]
fn blank_names_have_ids_too() {
    let refs = vec![parent("", "", "", "")];
    let bench =
        Bench::new().segment(segment("S", "", "", vec![Span { refs, ..span(0, Entry, Http, 1, "", (0, 100)) }]));
    expect![[r#"
        202401151200 Service X2JsYW5r.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:100 service_resp_time=100 service_sla=10000
        202401151200 ServiceInstance X2JsYW5r.1_X2JsYW5r: service_instance_cpm=1 service_instance_resp_time=100 service_instance_sla=10000
        202401151200 Endpoint X2JsYW5r.1_X2JsYW5r: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:100 endpoint_resp_time=100 endpoint_sla=10000
        202401151200 ServiceRelation X2JsYW5r.1-X2JsYW5r.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        life Service X2JsYW5r.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
        life ServiceInstance X2JsYW5r.1_X2JsYW5r: first_seen=202401151200 last_ping=202401151200
        life Endpoint X2JsYW5r.1_X2JsYW5r: first_seen=202401151200 last_ping=202401151200
        segment S @0 trace_id=t-1 service=X2JsYW5r.1 instance=X2JsYW5r.1_X2JsYW5r endpoint=X2JsYW5r.1_X2JsYW5r latency=100 is_error=false
    "#]].assert_eq(&bench.show());
}

#[test]
fn names_are_cut_in_ids_and_kept_in_bytes() {
    let long = "n".repeat(200);
    let refs = vec![parent(&long, &long, &long, &long)];
    let bench = Bench::new().segment(segment(
        "S",
        &long,
        &long,
        vec![Span { refs, operation: long.as_str().into(), ..entry() }],
    ));
    let (service, endpoint) = ("n".repeat(70), "n".repeat(150));
    let service_id = model::id::service(&service, true);
    let relation = model::id::endpoint_relation(&service_id, &endpoint, &service_id, &endpoint);
    let keys = [
        (Scope::Service, Step::Minute, service_id.clone()),
        (Scope::ServiceInstance, Step::Minute, model::id::instance(&service_id, &service)),
        (Scope::Endpoint, Step::Minute, model::id::endpoint(&service_id, &endpoint)),
        (Scope::EndpointRelation, Step::Minute, relation),
        (Scope::Address, Step::Life, service),
    ];
    for (scope, step, entity) in keys {
        assert!(
            bench.delta.rows().keys().any(|k| (k.scope, k.step, &*k.entity) == (scope, step, &entity)),
            "{scope:?}"
        );
    }
}

#[test]
fn a_thread_hop_is_never_a_self_call_but_on_an_entry_span_it_is() {
    let hop = SpanRef { cross_thread: true, ..parent("A", "a1", "", "a:80") };
    check(
        vec![Span { refs: vec![hop.clone()], ..exit(Http, "b:80") }],
        &["Relation", "Address", "life"],
        expect![[r#"
        202401151200 ServiceRelation QQ==.1-Yjo4MA==.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:50 service_relation_client_resp_time=50
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Yjo4MA==.1_Yjo4MA==: client=[2] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:50 service_instance_relation_client_resp_time=50
        202401151200 EndpointRelation QQ==.1-VXNlcg==-QQ==.1-L2I=: server=[2] endpoint_relation_cpm=1 endpoint_relation_percentile=all:50 endpoint_relation_resp_time=50 endpoint_relation_sla=10000
        life Endpoint QQ==.1_L2I=: first_seen=202401151200 last_ping=202401151200
        life Endpoint QQ==.1_VXNlcg==: first_seen=202401151200 last_ping=202401151200
    "#]],
    );
    check(
        vec![Span { refs: vec![hop], ..entry() }],
        &["Relation", "Address"],
        expect![[r#"
        202401151200 ServiceRelation QQ==.1-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
        202401151200 EndpointRelation QQ==.1-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
    "#]],
    );
}

#[test]
fn a_segment_is_listed_under_the_last_of_its_first_span_and_its_entries() {
    let listed = |spans: Vec<Span>| {
        let bench = Bench::new().segment(segment("S", "A", "a1", spans));
        bench.records[0].fields[model::kinds::segment::ENDPOINT].text().to_owned()
    };
    let local = span(0, Local, Unknown, 0, "job", (0, 9));
    let child = span(1, Entry, Http, 1, "/in", (1, 5));
    let id = |name| model::id::endpoint("QQ==.1", name);
    assert_eq!(listed(vec![child.clone(), local.clone()]), id("job"));
    assert_eq!(listed(vec![local, child.clone()]), id("/in"));
    // Without a span 0 the reference stores no ids at all; here they are there.
    assert_eq!(listed(vec![child]), id("/in"));
    assert_eq!(listed(vec![exit(Http, "b:80")]), "");
}

#[test]
fn the_status_of_a_segment_follows_the_setting() {
    let failed = |status, spans: &[Span]| {
        let config = Config { segment_status: status, ..Config::default() };
        let bench = Bench::with(&config).segment(segment("S", "A", "a1", spans.to_vec()));
        bench.records[0].fields[model::kinds::segment::IS_ERROR].bool()
    };
    let bad = |span: Span| Span { is_error: true, ..span };
    let second = Span { id: 2, ..entry() };
    use SegmentStatus::{AnySpan, EntrySpan, FirstSpan};
    for (status, exit_only, second_only) in [(AnySpan, true, true), (EntrySpan, false, true), (FirstSpan, false, false)]
    {
        assert_eq!(failed(status, &[bad(exit(Http, "b")), entry()]), exit_only, "{status:?}");
        assert_eq!(failed(status, &[bad(second.clone()), entry()]), second_only, "{status:?}");
        assert!(failed(status, &[bad(entry())]), "{status:?}");
        assert!(!failed(status, &[entry()]), "{status:?}");
    }
}

#[test]
fn long_and_repeated_tags_are_not_searchable() {
    let (fits, long) = ("v".repeat(244), "v".repeat(245));
    let spans = vec![
        Span { tags: tags(&[("http.method", "GET"), ("other", "x"), ("http.method", "GET")]), ..exit(Http, "b:80") },
        Span { tags: tags(&[("http.method", "POST"), ("http.method", &fits), ("http.method", &long)]), ..entry() },
    ];
    let bench = Bench::new().segment(segment("S", "A", "a1", spans));
    let kept: Vec<_> = bench.records[0].fields[model::kinds::segment::TAGS].texts().iter().map(|t| t.len()).collect();
    assert_eq!(kept, ["http.method=GET".len(), "http.method=POST".len(), 256]);
    assert_eq!(bench.show_only(&["Tag"]).matches("values=").count(), 1);
}

#[test]
fn apdex_has_a_threshold_for_each_service() {
    let mut config = Config::default();
    config.apdex.services.insert("A".to_owned(), 50);
    let calls = |segment: Segment| Bench::with(&config).segment(segment).show_only(&[" Service ", "apdex"]);
    assert!(calls(segment("S", "A", "a1", vec![entry()])).contains("service_apdex=5000"));
    assert!(calls(segment("S", "B", "b1", vec![entry()])).contains("service_apdex=10000"));
}

#[test]
fn impossible_times_cost_the_span_and_not_the_segment() {
    let year_9999 = Span { start: 253_402_128_000_000, end: 253_402_128_000_100, ..exit(Http, "b:80") };
    check(
        vec![year_9999.clone(), entry()],
        &["Relation", "segment", "refused"],
        expect![[r#"
            202401151200 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:100 service_relation_server_resp_time=100
            202401151200 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:100 service_instance_relation_server_resp_time=100
            202401151200 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:100 endpoint_relation_resp_time=100 endpoint_relation_sla=10000
            segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=100 is_error=false
            pieces refused time_out_of_range: 1
        "#]],
    );
    check(
        vec![year_9999],
        &[""],
        expect![[r#"
        refused derive segment time_out_of_range: 1
        pieces refused time_out_of_range: 1
    "#]],
    );
    check(
        vec![Span { start: i64::MIN, end: i64::MAX, ..entry() }],
        &[""],
        expect![[r#"
        refused derive segment time_out_of_range: 1
        pieces refused time_out_of_range: 1
    "#]],
    );
    check(
        vec![Span { start: 0, end: 0, ..entry() }, exit(Http, "b:80")],
        &["segment", "refused"],
        expect![[r#"
        segment S @10 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=50 is_error=false
        pieces refused time_out_of_range: 1
    "#]],
    );
    // An end before the start, as after a clock was set back, is a negative latency: never clamped.
    check(
        vec![Span { end: crate::testing::T0 - 30, ..entry() }],
        &[" Service ", "segment"],
        expect![[r#"
            202401151200 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:-30 service_resp_time=-30 service_sla=10000
            life Service QQ==.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
            segment S @0 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=-30 is_error=false
        "#]],
    );
}

#[test]
fn a_segment_without_spans_or_id_is_refused() {
    check(
        vec![],
        &[""],
        expect![[r#"
        refused derive segment empty: 1
    "#]],
    );
    expect![[r#"
        refused derive segment missing_name: 1
    "#]]
    .assert_eq(&Bench::new().segment(segment("", "A", "a1", vec![entry()])).show());
}

#[test]
fn user_written_rules_read_the_tags_of_the_call() {
    let transmission = |value: &str| {
        let tags = tags(&[("transmission.latency", value)]);
        let consume = Span { tags, peer: "k:1".into(), layer: Mq, ..entry() };
        Bench::new().segment(segment("S", "A", "a1", vec![consume])).show_only(&["Service QQ==.1: layers", "pieces"])
    };
    assert!(transmission("35").contains("service_mq_consume_latency=35"));
    // Where the reference would lose the segment, only the unreadable piece is left out: of the service, of the endpoint and
    // of the broker.
    let broken = transmission("soon");
    assert!(!broken.contains("consume_latency") && broken.contains("pieces refused bad_piece: 3"), "{broken}");
}
