//! Real agents, unmodified, against the real server: what they report is there, right, and they are content.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod alarms;
mod apps;
mod middleware;
mod secured;

use std::collections::BTreeSet;

use e2e::application::Application;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{load, now, on_stores, wait_for};
use model::id;
use serde_json::{Value, json};

/// How often the chain of services is called.
const N_CALLS: u64 = 4;

on_stores!(one_request_through_three_services_is_one_trace_with_its_topology_and_metrics: memory, embedded, opensearch_3, opensearch_2);
on_stores!(the_agent_for_rust_reports_its_trace_and_who_it_is: memory, embedded, opensearch_3, opensearch_2);

async fn one_request_through_three_services_is_one_trace_with_its_topology_and_metrics(store: Store) {
    let server = Server::start(&store.settings()).await;
    let mut back = apps::python("back", &server.http, &[("SW_AGENT_PROTOCOL", "http")]);
    let back_url = format!("http://127.0.0.1:{}/work", back.port().await);
    let mut middle = apps::python("middle", &server.grpc, &[("SW_AGENT_PROTOCOL", "grpc"), ("APP_NEXT", &back_url)]);
    let middle_url = format!("http://127.0.0.1:{}/work", middle.port().await);
    let mut front = apps::node("front", &server.grpc, &middle_url);
    let front_url = format!("http://127.0.0.1:{}/buy", front.port().await);

    for _ in 0..N_CALLS {
        let answer = reqwest::get(&front_url).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    server.wait_stored("segment", 3 * N_CALLS).await;

    let trace = the_trace(&server).await;
    trace_is_a_chain(&trace);
    topology_is_a_chain(&server, &back_url, &middle_url).await;
    metrics_count_every_call(&server).await;
    for (service, language) in [("front", "nodejs"), ("middle", "python"), ("back", "python")] {
        instance_tells_its_language(&server, service, language).await;
    }
    logs_belong_to_their_trace(&server, trace[0]["traceId"].as_str().unwrap()).await;

    for application in [&front, &middle, &back] {
        application.assert_no_errors();
    }
    // Python's meters are taken and wait for their analysis; nothing else was turned down.
    let metrics = server.metrics().await;
    assert_eq!(metrics.count("skylark_refused_total", &[]), metrics.refused("not_supported_yet"));
    for application in [front, middle, back] {
        Application::kill(application).await;
    }
    server.stop().await;
}

async fn the_agent_for_rust_reports_its_trace_and_who_it_is(store: Store) {
    let server = Server::start(&store.settings()).await;
    let agent = apps::rust("rusty", &format!("http://{}", server.grpc), &[]).await;
    assert!(secured::reported(&agent), "{agent:?}");
    server.wait_stored("segment", 1).await;

    let query = "query($c:TraceQueryCondition){queryTraces(condition:$c){traces{spans{endpointName type peer}}}}";
    let condition = json!({ "c": {
        "queryDuration": lately(),
        "traceState": "ALL",
        "queryOrder": "BY_START_TIME",
        "paging": { "pageNum": 1, "pageSize": 10 },
    }});
    let spans = json!([
        { "endpointName": "GET:/rust", "type": "Entry", "peer": "" },
        { "endpointName": "GET:/elsewhere", "type": "Exit", "peer": "elsewhere:80" },
    ]);
    wait_for("the trace of the agent", async || {
        let data = server.data(query, condition.clone()).await;
        if data["queryTraces"]["traces"] == json!([{ "spans": spans }]) { Ok(()) } else { Err(data.to_string()) }
    })
    .await;
    let query = "query($d:Duration!,$s:ID!){listInstances(duration:$d,serviceId:$s){language attributes{name}}}";
    let variables = json!({ "d": lately(), "s": id::service("rusty", true) });
    wait_for("the properties of the instance", async || {
        let data = server.data(query, variables.clone()).await;
        let instance = &data["listInstances"][0];
        let told = instance["attributes"].as_array().into_iter().flatten();
        let told: BTreeSet<&str> = told.filter_map(|attribute| attribute["name"].as_str()).collect();
        // The schema has no word for Rust.
        let all =
            ["OS Name", "Process No."].iter().all(|name| told.contains(name)) && instance["language"] == "UNKNOWN";
        if all { Ok(()) } else { Err(data.to_string()) }
    })
    .await;
    assert_eq!(server.metrics().await.count("skylark_refused_total", &[]), 0);
    server.stop().await;
}

/// The spans of the latest trace that all three services have a part in.
async fn the_trace(server: &Server) -> Vec<Value> {
    let condition = json!({ "c": {
        "serviceId": id::service("front", true),
        "queryDuration": lately(),
        "traceState": "ALL",
        "queryOrder": "BY_START_TIME",
        "paging": { "pageNum": 1, "pageSize": 10 },
    }});
    let list = "query($c:TraceQueryCondition){queryBasicTraces(condition:$c){traces{traceIds isError}}}";
    let traces = wait_for("the traces of all calls", async || {
        let data = server.data(list, condition.clone()).await;
        let traces = data["queryBasicTraces"]["traces"].as_array().unwrap();
        if traces.len() as u64 == N_CALLS { Ok(traces.clone()) } else { Err(data.to_string()) }
    })
    .await;
    let whole = "query($t:ID!){queryTrace(traceId:$t){spans{traceId segmentId spanId parentSpanId \
                 refs{parentSegmentId parentSpanId type} serviceCode endpointName type peer component isError layer}}}";
    wait_for("all segments of the trace", async || {
        let data = server.data(whole, json!({ "t": traces[0]["traceIds"][0] })).await;
        let spans = data["queryTrace"]["spans"].as_array().unwrap();
        let n_services = spans.iter().filter_map(|span| span["serviceCode"].as_str()).collect::<BTreeSet<_>>().len();
        if n_services == 3 { Ok(spans.clone()) } else { Err(data.to_string()) }
    })
    .await
}

fn trace_is_a_chain(spans: &[Value]) {
    let text = |span: &Value, field: &str| span[field].as_str().unwrap_or_default().to_owned();
    let shown: Vec<String> = spans
        .iter()
        .map(|span| ["serviceCode", "type", "endpointName", "component", "layer"].map(|f| text(span, f)).join(" "))
        .collect();
    assert_eq!(
        shown,
        [
            "front Entry GET:/buy http Http",
            "front Exit /work HttpClient Http",
            "middle Entry /work Flask Http",
            "middle Exit /work Requests Http",
            "back Entry /work Flask Http",
        ]
    );
    assert_eq!(spans.iter().map(|span| text(span, "traceId")).collect::<BTreeSet<_>>().len(), 1);
    assert!(spans.iter().all(|span| span["isError"] == false), "{spans:?}");
    assert_eq!(spans[0]["parentSpanId"], -1);
    assert_eq!(spans[0]["refs"], json!([]));
    for (callee, caller) in [(2, 1), (4, 3)] {
        let expected = json!([{
            "parentSegmentId": spans[caller]["segmentId"],
            "parentSpanId": spans[caller]["spanId"],
            "type": "CROSS_PROCESS",
        }]);
        assert_eq!(spans[callee]["refs"], expected, "span {callee}");
        assert_eq!(spans[caller]["parentSpanId"], spans[caller - 1]["spanId"]);
        assert_eq!(spans[caller]["segmentId"], spans[caller - 1]["segmentId"]);
    }
}

/// Both sides have reported every edge, so that each is drawn once, between the services and not their addresses.
async fn topology_is_a_chain(server: &Server, back_url: &str, middle_url: &str) {
    let query = "query($s:[ID!]!,$d:Duration!){getServicesTopology(serviceIds:$s,duration:$d){\
                 nodes{name type isReal} calls{source target detectPoints sourceComponents targetComponents}}}";
    let services = ["front", "middle", "back"].map(|name| id::service(name, true));
    let [front, middle, back] = &services;
    let call = |source: &str, target: &str, points: &[&str], from: &[&str], to: &[&str]| {
        json!({ "source": source, "target": target, "detectPoints": points, "sourceComponents": from, "targetComponents": to })
            .to_string()
    };
    let expected = BTreeSet::from([
        call(&id::service("User", false), front, &["SERVER"], &[], &["http"]),
        call(front, middle, &["CLIENT", "SERVER"], &["HttpClient"], &["Flask"]),
        call(middle, back, &["CLIENT", "SERVER"], &["Requests"], &["Flask"]),
    ]);
    wait_for("the topology", async || {
        let data = server.data(query, json!({ "s": services, "d": lately() })).await;
        let topology = &data["getServicesTopology"];
        let calls: BTreeSet<String> = topology["calls"].as_array().unwrap().iter().map(Value::to_string).collect();
        if calls == expected { Ok(()) } else { Err(format!("{topology:#} ({back_url}, {middle_url})")) }
    })
    .await;
}

async fn metrics_count_every_call(server: &Server) {
    let mut failed = Vec::new();
    for service in ["front", "middle", "back"] {
        let entity = json!({ "serviceName": service, "normal": true });
        let cpm = sum(server, "service_cpm", &entity, N_CALLS).await;
        let sla = single(server, "avg(service_sla)", &entity).await;
        let latency = single(server, "max(service_resp_time)", &entity).await;
        if (cpm, sla) != (Some(N_CALLS), Some(10_000)) || latency.is_none() {
            failed.push(format!("{service}: cpm {cpm:?}, sla {sla:?}, latency {latency:?}"));
        }
    }
    let relation = |from: &str, to: &str| json!({ "serviceName": from, "normal": true, "destServiceName": to, "destNormal": true });
    let endpoint = json!({ "serviceName": "middle", "normal": true, "endpointName": "/work" });
    for (metric, entity) in [
        ("service_relation_server_cpm", relation("front", "middle")),
        ("service_relation_server_cpm", relation("middle", "back")),
        ("endpoint_cpm", endpoint),
    ] {
        let n = sum(server, metric, &entity, N_CALLS).await;
        if n != Some(N_CALLS) {
            failed.push(format!("{metric} of {entity}: {n:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The sum of a metric over the last minutes, waited for until it is at least `expected`.
async fn sum(server: &Server, metric: &str, entity: &Value, expected: u64) -> Option<u64> {
    wait_for("a metric", async || {
        let value = single(server, &format!("sum({metric})"), entity).await;
        if value >= Some(expected) { Ok(value) } else { Err(format!("{metric} of {entity} is {value:?}")) }
    })
    .await
}

async fn single(server: &Server, expression: &str, entity: &Value) -> Option<u64> {
    let query = "query($e:String!,$n:Entity!,$d:Duration!){execExpression(expression:$e,entity:$n,duration:$d){\
                 error results{values{value}}}}";
    let data = server.data(query, json!({ "e": expression, "n": entity, "d": lately() })).await;
    let result = &data["execExpression"];
    assert_eq!(result["error"], Value::Null, "{expression}");
    result["results"][0]["values"][0]["value"].as_str().and_then(|text| text.parse().ok())
}

async fn instance_tells_its_language(server: &Server, service: &str, language: &str) {
    let query = "query($d:Duration!,$s:ID!){listInstances(duration:$d,serviceId:$s){name language}}";
    let variables = json!({ "d": lately(), "s": id::service(service, true) });
    let expected = json!([{ "name": format!("{service}-1"), "language": language.to_uppercase() }]);
    wait_for("an instance and its language", async || {
        let data = server.data(query, variables.clone()).await;
        if data["listInstances"] == expected { Ok(()) } else { Err(data.to_string()) }
    })
    .await;
}

async fn logs_belong_to_their_trace(server: &Server, trace_id: &str) {
    let query = "query($c:LogQueryCondition){queryLogs(condition:$c){logs{serviceName traceId content}}}";
    let condition = json!({ "c": {
        "relatedTrace": { "traceId": trace_id },
        "queryDuration": lately(),
        "paging": { "pageNum": 1, "pageSize": 10 },
    }});
    wait_for("logs of the trace", async || {
        let data = server.data(query, condition.clone()).await;
        let logs = data["queryLogs"]["logs"].as_array().unwrap();
        let of: BTreeSet<&str> = logs.iter().filter_map(|log| log["serviceName"].as_str()).collect();
        let as_sent = |log: &Value| log["content"].as_str().is_some_and(|text| text.contains("asked for work"));
        let all = of == BTreeSet::from(["back", "middle"]) && logs.len() == 2 && logs.iter().all(as_sent);
        if all { Ok(()) } else { Err(data.to_string()) }
    })
    .await;
}

fn lately() -> Value {
    load::duration(now().plus(-10 * 60_000), now().plus(60_000))
}
