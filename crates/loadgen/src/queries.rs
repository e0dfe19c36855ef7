//! What queries take at the end, when all is stored: each kind on its own, one after the other.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{Api, service_id};
use crate::clock;
use crate::rng::Rng;
use crate::stats::Latencies;
use crate::traffic::Traffic;

/// The range of every query.
const RANGE_MS: i64 = 30 * 60_000;

/// One kind of query.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Timing {
    #[serde(flatten)]
    latencies: Latencies,
    /// Answers with nothing in them: their times mean little.
    n_empty: usize,
    n_failed: usize,
    first_error: Option<String>,
}

struct Kind {
    name: &'static str,
    query: &'static str,
    /// Where in the data the list is that should not be empty.
    list: &'static str,
    variables: fn(&Ask<'_>) -> Value,
}

/// What the variables of one query are made of.
struct Ask<'a> {
    trace_id: &'a str,
    service: &'a str,
    duration: Value,
}

const TRACE_LIST: &str = "query($c: TraceQueryCondition) { r: queryBasicTraces(condition: $c) {
    traces { segmentId endpointNames duration start isError traceIds } } }";
const EXPRESSION: &str = "query($x: String!, $e: Entity!, $d: Duration!) {
    r: execExpression(expression: $x, entity: $e, duration: $d) {
        type error results { metric { labels { key value } } values { id value traceID
            owner { scope serviceName normal endpointName } } } } }";

const KINDS: [Kind; 8] = [
    Kind {
        name: "trace",
        query:
            "query($id: ID!) { r: queryTrace(traceId: $id) { spans { traceId segmentId spanId parentSpanId serviceCode
            serviceInstanceName startTime endTime endpointName type peer component isError layer
            refs { traceId parentSegmentId parentSpanId type } tags { key value }
            logs { time data { key value } } } } }",
        list: "/r/spans",
        variables: |ask| json!({ "id": ask.trace_id }),
    },
    Kind {
        name: "trace_list",
        query: TRACE_LIST,
        list: "/r/traces",
        variables: |ask| json!({ "c": condition(ask, json!({ "traceState": "ALL" })) }),
    },
    Kind {
        name: "trace_list_of_service",
        query: TRACE_LIST,
        list: "/r/traces",
        variables: |ask| json!({ "c": condition(ask, json!({ "traceState": "ALL", "serviceId": service_id(ask.service) })) }),
    },
    Kind {
        name: "trace_list_of_service_tag_error",
        query: TRACE_LIST,
        list: "/r/traces",
        variables: |ask| {
            let tags = json!([{ "key": "http.method", "value": "GET" }]);
            let more = json!({ "traceState": "ERROR", "serviceId": service_id(ask.service), "tags": tags });
            json!({ "c": condition(ask, more) })
        },
    },
    Kind {
        name: "series_30_minutes",
        query: EXPRESSION,
        list: "/r/results",
        variables: |ask| {
            let entity = json!({ "scope": "Service", "serviceName": ask.service, "normal": true });
            json!({ "x": "service_resp_time", "e": entity, "d": ask.duration })
        },
    },
    Kind {
        name: "top_n_endpoints",
        query: EXPRESSION,
        list: "/r/results/0/values",
        variables: |ask| {
            let entity = json!({ "scope": "Endpoint", "normal": true });
            json!({ "x": "top_n(endpoint_resp_time,10,des)", "e": entity, "d": ask.duration })
        },
    },
    Kind {
        name: "global_topology",
        query: "query($d: Duration!) { r: getGlobalTopology(duration: $d) { nodes { id name type isReal layers }
            calls { id source target detectPoints sourceComponents targetComponents } } }",
        list: "/r/calls",
        variables: |ask| json!({ "d": ask.duration }),
    },
    Kind {
        name: "services",
        query: "{ r: listServices(layer: \"GENERAL\") { id name shortName group layers normal } }",
        list: "/r",
        variables: |_| json!({}),
    },
];

/// The newest twenty in the range, with more conditions.
fn condition(ask: &Ask<'_>, more: Value) -> Value {
    let mut condition = json!({
        "queryDuration": ask.duration,
        "queryOrder": "BY_START_TIME",
        "paging": { "pageNum": 1, "pageSize": 20 },
    });
    if let (Some(all), Value::Object(more)) = (condition.as_object_mut(), more) {
        all.extend(more);
    }
    condition
}

/// Times `n` queries of each kind, about traces and services of the traffic. Nothing where no trace was made or `n` is 0.
pub(crate) async fn time_all(api: &Api, traffic: &Traffic, n: u32) -> BTreeMap<&'static str, Timing> {
    let mut timings = BTreeMap::new();
    if traffic.kept().is_empty() || n == 0 {
        return timings;
    }
    for kind in &KINDS {
        timings.insert(kind.name, time_one(api, traffic, kind, n).await);
    }
    timings
}

async fn time_one(api: &Api, traffic: &Traffic, kind: &Kind, n: u32) -> Timing {
    let mut rng = Rng::new(0);
    let mut timing = Timing::default();
    let mut times = Vec::new();
    for _ in 0..n {
        let ask = Ask {
            trace_id: &traffic.kept()[rng.below(traffic.kept().len())],
            service: &traffic.world().service(rng.below(traffic.world().size().n_services)).name,
            duration: api.since(clock::now_ms() - RANGE_MS),
        };
        let since = Instant::now();
        match api.ask(kind.query, (kind.variables)(&ask)).await {
            Ok(data) => {
                times.push(since.elapsed());
                timing.n_empty += usize::from(is_empty(&data, kind.list));
            }
            Err(error) => {
                timing.n_failed += 1;
                timing.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
    timing.latencies = Latencies::of(times);
    timing
}

fn is_empty(data: &Value, list: &str) -> bool {
    data.pointer(list).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_list_is_empty() {
        let kind = |name| KINDS.iter().find(|kind| kind.name == name).unwrap();
        for (name, data, empty) in [
            ("trace", json!({ "r": { "spans": [{}] } }), false),
            ("trace", json!({ "r": { "spans": [] } }), true),
            ("trace", json!({ "r": null }), true),
            ("services", json!({ "r": [{}] }), false),
            ("top_n_endpoints", json!({ "r": { "results": [{ "values": [{}] }] } }), false),
            ("top_n_endpoints", json!({ "r": { "results": [] } }), true),
        ] {
            assert_eq!(is_empty(&data, kind(name).list), empty, "{name} {data}");
        }
    }

    #[test]
    fn conditions_add_up() {
        let ask = Ask { trace_id: "t", service: "A", duration: json!({ "step": "MINUTE" }) };
        let variables = |name| (KINDS.iter().find(|kind| kind.name == name).unwrap().variables)(&ask);
        let condition = &variables("trace_list_of_service_tag_error")["c"];
        assert_eq!(condition["serviceId"], "QQ==.1");
        assert_eq!(condition["traceState"], "ERROR");
        assert_eq!(condition["tags"], json!([{ "key": "http.method", "value": "GET" }]));
        assert_eq!(condition["queryDuration"]["step"], "MINUTE");
        assert_eq!(condition["paging"]["pageSize"], 20);
        assert!(variables("trace_list")["c"].get("serviceId").is_none());
    }
}
