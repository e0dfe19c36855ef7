//! A small shop that reports: `web` asks `orders`, which asks a database without an agent. One of its visits fails.

use bytes::Bytes;
use e2e::server::Server;
use e2e::wire::encode;
use e2e::{load, now, wait_for};
use model::UnixMillis;
use serde_json::{Value, json};

/// How many visits there are; the first one fails.
pub(crate) const N_VISITS: i64 = 4;
/// How long a visit takes; what it waits for takes a part of it.
pub(crate) const VISIT_MS: i64 = 90;

/// Lets the shop run, and waits until all it reported is stored. The answer is the minute in which the visits were.
pub(crate) async fn run(server: &Server) -> UnixMillis {
    let now = now().0;
    let base = UnixMillis(now - now % 60_000 - 120_000);
    let grpc = server.grpc();
    // First somebody must have seen who answers at an address, as on a server that has run for a while.
    let known = [orders("known", base.plus(-60_000), false)];
    grpc.stream(load::COLLECT, segments(&known)).await.unwrap();
    wait_for("the address of orders", async || match server.metrics().await.count("skylark_aliases", &[]) {
        0 => Err("it is not known".to_owned()),
        _ => Ok(()),
    })
    .await;
    for service in ["web", "orders"] {
        let properties = json!([
            { "key": "language", "value": "python" },
            { "key": "hostname", "value": format!("{service}.shop") },
            { "key": "ipv4", "value": "10.0.0.1" },
        ]);
        let report = json!({ "service": service, "serviceInstance": instance(service), "properties": properties });
        let report = encode("skywalking.v3.InstanceProperties", &report);
        grpc.unary("/skywalking.v3.ManagementService/reportInstanceProperties", report).await.unwrap();
    }
    let mut told = Vec::new();
    let mut logged = Vec::new();
    for visit in 0..N_VISITS {
        let (trace, start, fails) = (trace(visit), base.plus(visit * 1_000), visit == 0);
        told.extend([web(&trace, start, fails), orders(&trace, start.plus(20), fails)]);
        logged.push(encode("skywalking.v3.LogData", &log(&trace, start, fails)));
    }
    grpc.stream(load::COLLECT, segments(&told)).await.unwrap();
    grpc.stream("/skywalking.v3.LogReportService/collect", logged).await.unwrap();
    let visits = u64::try_from(N_VISITS).unwrap();
    server.wait_stored("segment", 2 * visits + 1).await;
    server.wait_stored("log", visits).await;
    base
}

/// The id of a visit's trace.
pub(crate) fn trace(visit: i64) -> String {
    format!("visit.{visit}")
}

/// The only instance of a service.
pub(crate) fn instance(service: &str) -> String {
    format!("{service}-1")
}

fn segments(segments: &[Value]) -> Vec<Bytes> {
    segments.iter().map(|segment| encode("skywalking.v3.SegmentObject", segment)).collect()
}

fn web(trace: &str, start: UnixMillis, fails: bool) -> Value {
    let status = if fails { "500" } else { "200" };
    let tags = json!([{ "key": "http.method", "value": "GET" }, { "key": "http.status_code", "value": status }]);
    let failure = json!([{ "time": start.0 + 80, "data": [{ "key": "event", "value": "error" }] }]);
    json!({
        "traceId": trace, "traceSegmentId": format!("{trace}.web"), "service": "web", "serviceInstance": instance("web"),
        "spans": [
            {
                "spanId": 0, "parentSpanId": -1, "startTime": start.0, "endTime": start.0 + VISIT_MS,
                "operationName": "GET:/checkout", "spanType": "Entry", "spanLayer": "Http", "componentId": 7001,
                "isError": fails, "tags": tags, "logs": if fails { failure } else { json!([]) },
            },
            {
                "spanId": 1, "parentSpanId": 0, "startTime": start.0 + 10, "endTime": start.0 + 70, "operationName": "/orders",
                "peer": "orders:8080", "spanType": "Exit", "spanLayer": "Http", "componentId": 7002, "isError": fails,
            },
        ],
    })
}

fn orders(trace: &str, start: UnixMillis, fails: bool) -> Value {
    let caller = json!([{
        "refType": "CrossProcess", "traceId": trace, "parentTraceSegmentId": format!("{trace}.web"), "parentSpanId": 1,
        "parentService": "web", "parentServiceInstance": instance("web"), "parentEndpoint": "GET:/checkout",
        "networkAddressUsedAtPeer": "orders:8080",
    }]);
    let tags = json!([
        { "key": "db.type", "value": "PostgreSQL" },
        { "key": "db.instance", "value": "shop" },
        { "key": "db.statement", "value": "select 1" },
    ]);
    json!({
        "traceId": trace, "traceSegmentId": format!("{trace}.orders"), "service": "orders", "serviceInstance": instance("orders"),
        "spans": [
            {
                "spanId": 0, "parentSpanId": -1, "startTime": start.0, "endTime": start.0 + 40, "operationName": "/orders",
                "spanType": "Entry", "spanLayer": "Http", "componentId": 7001, "isError": fails, "refs": caller,
            },
            {
                "spanId": 1, "parentSpanId": 0, "startTime": start.0 + 5, "endTime": start.0 + 25,
                "operationName": "PostgreSQL/select", "peer": "db:5432", "spanType": "Exit", "spanLayer": "Database",
                "componentId": 7010, "isError": fails, "tags": tags,
            },
        ],
    })
}

fn log(trace: &str, start: UnixMillis, fails: bool) -> Value {
    let (level, said) = if fails { ("ERROR", "the order is lost") } else { ("INFO", "ordered") };
    json!({
        "timestamp": start.0 + 50, "service": "orders", "serviceInstance": instance("orders"), "endpoint": "/orders",
        "layer": "GENERAL", "body": { "type": "TEXT", "text": { "text": format!("{said}: {trace}") } },
        "tags": { "data": [{ "key": "level", "value": level }] },
        "traceContext": { "traceId": trace, "traceSegmentId": format!("{trace}.orders"), "spanId": 0 },
    })
}
