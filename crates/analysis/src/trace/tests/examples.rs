//! Worked examples E1 to E6 of `analysis.md` section 8: what segments become.

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
    check(
        Bench::new().segment(a1()).segment(b1()),
        expect![[r#"
        202401151200 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:250 service_resp_time=250 service_sla=10000
        202401151200 Service Qg==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:160 service_resp_time=160 service_sla=10000
        202401151200 ServiceInstance QQ==.1_YTE=: service_instance_cpm=1 service_instance_resp_time=250 service_instance_sla=10000
        202401151200 ServiceInstance Qg==.1_YjE=: service_instance_cpm=1 service_instance_resp_time=160 service_instance_sla=10000
        202401151200 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:250 endpoint_resp_time=250 endpoint_sla=10000
        202401151200 Endpoint Qg==.1_L2I=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:160 endpoint_resp_time=160 endpoint_sla=10000
        202401151200 ServiceRelation QQ==.1-Qg==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:160 service_relation_server_resp_time=160
        202401151200 ServiceRelation QQ==.1-Yjo4MDgw.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:200 service_relation_client_resp_time=200
        202401151200 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:250 service_relation_server_resp_time=250
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Qg==.1_YjE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:160 service_instance_relation_server_resp_time=160
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Yjo4MDgw.1_Yjo4MDgw: client=[2] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:200 service_instance_relation_client_resp_time=200
        202401151200 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:250 service_instance_relation_server_resp_time=250
        202401151200 EndpointRelation QQ==.1-L2E=-Qg==.1-L2I=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:160 endpoint_relation_resp_time=160 endpoint_relation_sla=10000
        202401151200 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:250 endpoint_relation_resp_time=250 endpoint_relation_sla=10000
        20240115 Tag TRACE|http.status_code: values=["200"]
        life Service QQ==.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
        life Service Qg==.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151200 last_ping=202401151200
        life ServiceInstance Qg==.1_YjE=: first_seen=202401151200 last_ping=202401151200
        life Endpoint QQ==.1_L2E=: first_seen=202401151200 last_ping=202401151200
        life Endpoint Qg==.1_L2I=: first_seen=202401151200 last_ping=202401151200
        life Address b:8080: first_seen=202401151200 last_ping=202401151200 texts=["@0=Qg==.1 Qg==.1_YjE="]
        segment A1 @10000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=250 is_error=false tags=[http.status_code=200]
        segment B1 @10040 trace_id=t-1 service=Qg==.1 instance=Qg==.1_YjE= endpoint=Qg==.1_L2I= latency=160 is_error=false
    "#]],
    );
}

#[test]
fn e1_with_the_alias_known() {
    check(
        Bench::new().alias("b:8080", "Qg==.1", "Qg==.1_YjE=").segment(a1()),
        expect![[r#"
        202401151200 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:250 service_resp_time=250 service_sla=10000
        202401151200 ServiceInstance QQ==.1_YTE=: service_instance_cpm=1 service_instance_resp_time=250 service_instance_sla=10000
        202401151200 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:250 endpoint_resp_time=250 endpoint_sla=10000
        202401151200 ServiceRelation QQ==.1-Qg==.1: client=[2] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:200 service_relation_client_resp_time=200
        202401151200 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:250 service_relation_server_resp_time=250
        202401151200 ServiceInstanceRelation QQ==.1_YTE=-Qg==.1_YjE=: client=[2] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:200 service_instance_relation_client_resp_time=200
        202401151200 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:250 service_instance_relation_server_resp_time=250
        202401151200 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:250 endpoint_relation_resp_time=250 endpoint_relation_sla=10000
        20240115 Tag TRACE|http.status_code: values=["200"]
        life Service QQ==.1: first_seen=202401151200 last_ping=202401151200 layers=GENERAL
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151200 last_ping=202401151200
        life Endpoint QQ==.1_L2E=: first_seen=202401151200 last_ping=202401151200
        segment A1 @10000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=250 is_error=false tags=[http.status_code=200]
    "#]],
    );
}

#[test]
fn e2_a_database_call() {
    let exit = Span {
        peer: "mysql:3306".into(),
        tags: tags(&[("db.type", "sql"), ("db.statement", "select 1")]),
        ..span(1, Exit, Database, 33, "Mysql/JDBI/Statement/executeQuery", (60_010, 60_260))
    };
    let entry = span(0, Entry, Http, 1, "/a", (60_000, 60_300));
    check(
        Bench::new().segment(segment("A1", "A", "a1", vec![exit, entry])),
        expect![[r#"
        202401151201 Service QQ==.1: layers=GENERAL top_n_service_database_statement=[250 A1-1 "select 1" t-1 @60010] service_apdex=10000 service_cpm=1 service_percentile=all:300 service_resp_time=300 service_sla=10000
        202401151201 Service bXlzcWw6MzMwNg==.0: top_n_database_statement=[250 A1-1 "select 1" t-1 @60010] database_access_cpm=1 database_access_percentile=all:250 database_access_resp_time=250 database_access_sla=10000
        202401151201 ServiceInstance QQ==.1_YTE=: service_instance_cpm=1 service_instance_resp_time=300 service_instance_sla=10000
        202401151201 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:300 endpoint_resp_time=300 endpoint_sla=10000
        202401151201 ServiceRelation QQ==.1-bXlzcWw6MzMwNg==.0: client=[33] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:250 service_relation_client_resp_time=250
        202401151201 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:300 service_relation_server_resp_time=300
        202401151201 ServiceInstanceRelation QQ==.1_YTE=-bXlzcWw6MzMwNg==.0_bXlzcWw6MzMwNg==: client=[33] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:250 service_instance_relation_client_resp_time=250
        202401151201 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:300 service_instance_relation_server_resp_time=300
        202401151201 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:300 endpoint_relation_resp_time=300 endpoint_relation_sla=10000
        20240115 Tag TRACE|db.type: values=["sql"]
        life Service QQ==.1: first_seen=202401151201 last_ping=202401151201 layers=GENERAL
        life Service bXlzcWw6MzMwNg==.0: first_seen=202401151201 last_ping=202401151201 layers=VIRTUAL_DATABASE
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151201 last_ping=202401151201
        life Endpoint QQ==.1_L2E=: first_seen=202401151201 last_ping=202401151201
        segment A1 @60000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=300 is_error=false tags=[db.type=sql]
    "#]],
    );
}

#[test]
fn e3_a_producer_and_a_consumer() {
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
    check(
        bench,
        expect![[r#"
        202401151202 Service Qw==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_mq_consume_count=1 service_mq_consume_latency=35 service_percentile=all:30 service_resp_time=30 service_sla=10000
        202401151202 Service UA==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:20 service_resp_time=20 service_sla=10000
        202401151202 Service a2Fma2E6OTA5Mg==.0: mq_service_consume_cpm=1 mq_service_consume_latency=35 mq_service_consume_percentile=all:30 mq_service_consume_sla=10000 mq_service_produce_cpm=1 mq_service_produce_sla=10000
        202401151202 ServiceInstance Qw==.1_YzE=: service_instance_cpm=1 service_instance_resp_time=30 service_instance_sla=10000
        202401151202 ServiceInstance UA==.1_cDE=: service_instance_cpm=1 service_instance_resp_time=20 service_instance_sla=10000
        202401151202 Endpoint Qw==.1_S2Fma2Evb3JkZXJzL0NvbnN1bWVyL2cx: layers=GENERAL endpoint_cpm=1 endpoint_mq_consume_latency=35 endpoint_percentile=all:30 endpoint_resp_time=30 endpoint_sla=10000
        202401151202 Endpoint UA==.1_UE9TVDovb3JkZXI=: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:20 endpoint_resp_time=20 endpoint_sla=10000
        202401151202 Endpoint a2Fma2E6OTA5Mg==.0_b3JkZXJz: mq_endpoint_consume_cpm=1 mq_endpoint_consume_latency=35 mq_endpoint_consume_percentile=all:30 mq_endpoint_consume_sla=10000 mq_endpoint_produce_cpm=1 mq_endpoint_produce_sla=10000
        202401151202 ServiceRelation UA==.1-a2Fma2E6OTA5Mg==.0: client=[40] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:0 service_relation_client_resp_time=4
        202401151202 ServiceRelation VXNlcg==.0-UA==.1: server=[14] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:20 service_relation_server_resp_time=20
        202401151202 ServiceRelation a2Fma2E6OTA5Mg==.0-Qw==.1: server=[41] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:30 service_relation_server_resp_time=30
        202401151202 ServiceInstanceRelation UA==.1_cDE=-a2Fma2E6OTA5Mg==.0_a2Fma2E6OTA5Mg==: client=[40] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:0 service_instance_relation_client_resp_time=4
        202401151202 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-UA==.1_cDE=: server=[14] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:20 service_instance_relation_server_resp_time=20
        202401151202 ServiceInstanceRelation a2Fma2E6OTA5Mg==.0_a2Fma2E6OTA5Mg==-Qw==.1_YzE=: server=[41] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:30 service_instance_relation_server_resp_time=30
        202401151202 EndpointRelation UA==.1-UE9TVDovb3JkZXI=-Qw==.1-S2Fma2Evb3JkZXJzL0NvbnN1bWVyL2cx: server=[41] endpoint_relation_cpm=1 endpoint_relation_percentile=all:30 endpoint_relation_resp_time=30 endpoint_relation_sla=10000
        202401151202 EndpointRelation VXNlcg==.0-VXNlcg==-UA==.1-UE9TVDovb3JkZXI=: server=[14] endpoint_relation_cpm=1 endpoint_relation_percentile=all:20 endpoint_relation_resp_time=20 endpoint_relation_sla=10000
        20240115 Tag TRACE|mq.broker: values=["kafka:9092"]
        20240115 Tag TRACE|mq.topic: values=["orders"]
        life Service Qw==.1: first_seen=202401151202 last_ping=202401151202 layers=GENERAL
        life Service UA==.1: first_seen=202401151202 last_ping=202401151202 layers=GENERAL
        life Service a2Fma2E6OTA5Mg==.0: first_seen=202401151202 last_ping=202401151202 layers=VIRTUAL_MQ
        life ServiceInstance Qw==.1_YzE=: first_seen=202401151202 last_ping=202401151202
        life ServiceInstance UA==.1_cDE=: first_seen=202401151202 last_ping=202401151202
        life Endpoint Qw==.1_S2Fma2Evb3JkZXJzL0NvbnN1bWVyL2cx: first_seen=202401151202 last_ping=202401151202
        life Endpoint UA==.1_UE9TVDovb3JkZXI=: first_seen=202401151202 last_ping=202401151202
        life Endpoint a2Fma2E6OTA5Mg==.0_b3JkZXJz: first_seen=202401151202 last_ping=202401151202
        segment P1 @120000 trace_id=t-1 service=UA==.1 instance=UA==.1_cDE= endpoint=UA==.1_UE9TVDovb3JkZXI= latency=20 is_error=false tags=[mq.broker=kafka:9092 mq.topic=orders]
        segment C1 @120044 trace_id=t-1 service=Qw==.1 instance=Qw==.1_YzE= endpoint=Qw==.1_S2Fma2Evb3JkZXJzL0NvbnN1bWVyL2cx latency=30 is_error=false tags=[mq.topic=orders]
    "#]],
    );
}

#[test]
fn e3_a_consumer_without_references() {
    let consume = Span {
        peer: "kafka:9092".into(),
        tags: tags(&[("mq.topic", "orders"), ("mq.queue", "q1")]),
        ..span(0, Entry, Mq, 41, "Kafka/orders/Consumer/g1", (120_044, 120_074))
    };
    let bench = Bench::new().segment(segment("C1", "C", "c1", vec![consume]));
    expect![[r#"
        202401151202 Service Qw==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_mq_consume_count=1 service_percentile=all:30 service_resp_time=30 service_sla=10000
        202401151202 Service a2Fma2E6OTA5Mg==.0: mq_service_consume_cpm=1 mq_service_consume_latency=0 mq_service_consume_percentile=all:0 mq_service_consume_sla=10000
        202401151202 ServiceRelation a2Fma2E6OTA5Mg==.0-Qw==.1: server=[41] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:30 service_relation_server_resp_time=30
        202401151202 ServiceInstanceRelation a2Fma2E6OTA5Mg==.0_a2Fma2E6OTA5Mg==-Qw==.1_YzE=: server=[41] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:30 service_instance_relation_server_resp_time=30
        life Service Qw==.1: first_seen=202401151202 last_ping=202401151202 layers=GENERAL
        life Service a2Fma2E6OTA5Mg==.0: first_seen=202401151202 last_ping=202401151202 layers=VIRTUAL_MQ
    "#]].assert_eq(&bench.show_only(&["Relation", " Service ", "Address"]));
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
    check(
        Bench::new().segment(a1).segment(a2),
        expect![[r#"
        202401151203 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:30 service_resp_time=30 service_sla=10000
        202401151203 Service cmVkaXM6NjM3OQ==.0: top_n_cache_write_command=[15 A2-1 "set k1" t-1 @180015] cache_access_cpm=1 cache_access_percentile=all:10 cache_access_resp_time=15 cache_access_sla=10000 cache_write_cpm=1 cache_write_percentile=all:10 cache_write_resp_time=15 cache_write_sla=10000
        202401151203 ServiceInstance QQ==.1_YTE=: service_instance_cpm=1 service_instance_resp_time=30 service_instance_sla=10000
        202401151203 Endpoint QQ==.1_L29yZGVy: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:30 endpoint_resp_time=30 endpoint_sla=10000
        202401151203 Endpoint QQ==.1_QXN5bmMvZXhlY3V0ZQ==: layers=GENERAL endpoint_cpm=1 endpoint_percentile=all:80 endpoint_resp_time=80 endpoint_sla=10000
        202401151203 ServiceRelation QQ==.1-cmVkaXM6NjM3OQ==.0: client=[30] service_relation_client_call_sla=10000 service_relation_client_cpm=1 service_relation_client_percentile=all:10 service_relation_client_resp_time=15
        202401151203 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=10000 service_relation_server_cpm=1 service_relation_server_percentile=all:30 service_relation_server_resp_time=30
        202401151203 ServiceInstanceRelation QQ==.1_YTE=-cmVkaXM6NjM3OQ==.0_cmVkaXM6NjM3OQ==: client=[30] service_instance_relation_client_call_sla=10000 service_instance_relation_client_cpm=1 service_instance_relation_client_percentile=all:10 service_instance_relation_client_resp_time=15
        202401151203 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=10000 service_instance_relation_server_cpm=1 service_instance_relation_server_percentile=all:30 service_instance_relation_server_resp_time=30
        202401151203 EndpointRelation QQ==.1-L29yZGVy-QQ==.1-QXN5bmMvZXhlY3V0ZQ==: server=[65] endpoint_relation_cpm=1 endpoint_relation_percentile=all:80 endpoint_relation_resp_time=80 endpoint_relation_sla=10000
        202401151203 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L29yZGVy: server=[1] endpoint_relation_cpm=1 endpoint_relation_percentile=all:30 endpoint_relation_resp_time=30 endpoint_relation_sla=10000
        life Service QQ==.1: first_seen=202401151203 last_ping=202401151203 layers=GENERAL
        life Service cmVkaXM6NjM3OQ==.0: first_seen=202401151203 last_ping=202401151203 layers=VIRTUAL_CACHE
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151203 last_ping=202401151203
        life Endpoint QQ==.1_L29yZGVy: first_seen=202401151203 last_ping=202401151203
        life Endpoint QQ==.1_QXN5bmMvZXhlY3V0ZQ==: first_seen=202401151203 last_ping=202401151203
        segment A1 @180000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L29yZGVy latency=30 is_error=false
        segment A2 @180010 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_QXN5bmMvZXhlY3V0ZQ== latency=80 is_error=false
    "#]],
    );
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
    check(
        bench,
        expect![[r#"
        202401151204 Service QQ==.1: layers=GENERAL service_apdex=6500 service_cpm=10 service_percentile=50:490,75:1990,90:2000,95:2000,99:2000 service_resp_time=797 service_sla=9000
        202401151204 ServiceInstance QQ==.1_YTE=: service_instance_cpm=10 service_instance_resp_time=797 service_instance_sla=9000
        202401151204 Endpoint QQ==.1_L2E=: layers=GENERAL endpoint_cpm=10 endpoint_percentile=50:490,75:1990,90:2000,95:2000,99:2000 endpoint_resp_time=797 endpoint_sla=9000
        202401151204 ServiceRelation VXNlcg==.0-QQ==.1: server=[1] service_relation_server_call_sla=9000 service_relation_server_cpm=10 service_relation_server_percentile=50:490,75:1990,90:2000,95:2000,99:2000 service_relation_server_resp_time=797
        202401151204 ServiceInstanceRelation VXNlcg==.0_VXNlcg==-QQ==.1_YTE=: server=[1] service_instance_relation_server_call_sla=9000 service_instance_relation_server_cpm=10 service_instance_relation_server_percentile=50:490,75:1990,90:2000,95:2000,99:2000 service_instance_relation_server_resp_time=797
        202401151204 EndpointRelation VXNlcg==.0-VXNlcg==-QQ==.1-L2E=: server=[1] endpoint_relation_cpm=10 endpoint_relation_percentile=50:490,75:1990,90:2000,95:2000,99:2000 endpoint_relation_resp_time=797 endpoint_relation_sla=9000
        life Service QQ==.1: first_seen=202401151204 last_ping=202401151204 layers=GENERAL
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151204 last_ping=202401151204
        life Endpoint QQ==.1_L2E=: first_seen=202401151204 last_ping=202401151204
        segment s0 @240000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=12 is_error=false
        segment s1 @241000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=87 is_error=false
        segment s2 @242000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=130 is_error=true
        segment s3 @243000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=250 is_error=false
        segment s4 @244000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=499 is_error=false
        segment s5 @245000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=500 is_error=false
        segment s6 @246000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=501 is_error=false
        segment s7 @247000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=1999 is_error=false
        segment s8 @248000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=2000 is_error=false
        segment s9 @249000 trace_id=t-1 service=QQ==.1 instance=QQ==.1_YTE= endpoint=QQ==.1_L2E= latency=2001 is_error=false
    "#]],
    );
}

#[test]
fn small_counts_show_the_lower_edges() {
    let mut lines = String::new();
    for latencies in [&[5, 15, 25, 35, 45, 55, 65][..], &[40, 500], &[123]] {
        let bench = latencies.iter().fold(Bench::new(), |bench, latency| {
            bench.segment(entry_of_a(&format!("s{latency}"), (0, *latency), false))
        });
        let row = bench.show_only(&["Service QQ==.1: layers"]);
        lines += row.split_once("service_percentile=").unwrap().1.split(' ').next().unwrap();
        lines += "\n";
    }
    expect![[r#"
        50:30,75:40,90:50,95:60,99:60
        50:40,75:500,90:500,95:500,99:500
        all:120
    "#]]
    .assert_eq(&lines);
}

#[test]
fn e6_late_data_falls_into_its_own_minute() {
    let bench = Bench::new()
        .segment(entry_of_a("s1", (59_950, 60_450), false))
        .segment(entry_of_a("s2", (60_000, 60_100), false))
        .segment(entry_of_a("s3", (30_000, 30_040), true));
    expect![[r#"
        202401151200 Service QQ==.1: layers=GENERAL service_apdex=5000 service_cpm=2 service_percentile=50:40,75:500,90:500,95:500,99:500 service_resp_time=270 service_sla=5000
        202401151201 Service QQ==.1: layers=GENERAL service_apdex=10000 service_cpm=1 service_percentile=all:100 service_resp_time=100 service_sla=10000
        life Service QQ==.1: first_seen=202401151200 last_ping=202401151201 layers=GENERAL
        life ServiceInstance QQ==.1_YTE=: first_seen=202401151200 last_ping=202401151201
        life Endpoint QQ==.1_L2E=: first_seen=202401151200 last_ping=202401151201
    "#]]
    .assert_eq(&bench.show_only(&[" Service ", "life"]));
}
