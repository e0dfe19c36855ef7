//! A server on an empty store, what is sent to it, and what it is asked.

use std::time::Duration;

use e2e::server::Server;
use e2e::store::Store;
use e2e::{now, wait_for, wait_until, wire};
use model::{UnixMillis, Zone};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long rows of a day may take: they go to the store once a minute, and a busy machine may need several times as long.
const SETTLED: Duration = Duration::from_secs(240);

/// Milliseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000;

/// A server that has seen nothing yet, and the hour on which the examples stand.
pub(crate) struct World {
    pub(crate) server: Server,
    hour: UnixMillis,
    n_sent: u64,
}

impl World {
    pub(crate) async fn start(store: &Store) -> World {
        let server = Server::start(&store.settings()).await;
        let ago = now().0 - 10 * MINUTE;
        World { server, hour: UnixMillis(ago - ago % (60 * MINUTE)), n_sent: 0 }
    }

    /// Sends segments, one after the other, whose times are milliseconds after the hour, and waits until they are stored.
    pub(crate) async fn send(&mut self, segments: &[Value]) {
        let bodies = segments.iter().map(|segment| {
            let mut segment = segment.clone();
            for span in segment["spans"].as_array_mut().unwrap() {
                for time in ["startTime", "endTime"] {
                    span[time] = json!(self.hour.0 + span[time].as_i64().unwrap());
                }
            }
            wire::encode("skywalking.v3.SegmentObject", &segment)
        });
        let bodies: Vec<_> = bodies.collect();
        self.n_sent += u64::try_from(bodies.len()).unwrap();
        self.server.grpc().stream("/skywalking.v3.TraceSegmentReportService/collect", bodies).await.unwrap();
        self.server.wait_stored("segment", self.n_sent).await;
    }

    /// Sends JVM samples, whose times are milliseconds after the hour.
    pub(crate) async fn send_jvm(&self, service: &str, instance: &str, samples: &[Value]) {
        let samples = samples.iter().map(|sample| {
            let mut sample = sample.clone();
            sample["time"] = json!(self.hour.0 + sample["time"].as_i64().unwrap());
            sample
        });
        let body = json!({ "service": service, "serviceInstance": instance, "metrics": samples.collect::<Vec<_>>() });
        let body = wire::encode("skywalking.v3.JVMMetricCollection", &body);
        self.server.grpc().unary("/skywalking.v3.JVMMetricReportService/collect", body).await.unwrap();
    }

    /// Waits until the server knows so many addresses.
    pub(crate) async fn wait_aliases(&self, least: u64) {
        wait_for("aliases", async || match self.server.metrics().await.count("skylark_aliases", &[]) {
            n if n >= least => Ok(()),
            n => Err(format!("{n} are known")),
        })
        .await;
    }

    /// The one minute, hour or day in which a minute after the hour lies.
    pub(crate) fn duration(&self, step: &str, minute: i64) -> Value {
        let t = Zone::utc().civil(self.hour.plus(minute * MINUTE));
        let mut text = format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day());
        if step != "DAY" {
            text += &format!(" {:02}", t.hour());
        }
        if step == "MINUTE" {
            text += &format!("{:02}", t.minute());
        }
        json!({ "start": text, "end": text, "step": step })
    }

    /// Waits until each entity has the values, written `expression=value; …`, in a minute after the hour.
    pub(crate) async fn check(&self, minute: i64, expected: &[(Value, &str)]) {
        self.check_step("MINUTE", minute, expected).await;
    }

    /// The same in the minute, hour or day of a minute.
    pub(crate) async fn check_step(&self, step: &str, minute: i64, expected: &[(Value, &str)]) {
        let duration = self.duration(step, minute);
        let settled = wait_until(Instant::now() + SETTLED, async || {
            let mut differences = String::new();
            for (entity, values) in expected {
                for (expression, value) in values.split("; ").map(|pair| pair.rsplit_once('=').unwrap()) {
                    let seen = self.value(expression, entity, &duration).await;
                    if seen != value {
                        differences += &format!("\n{expression} of {entity} is {seen} and should be {value}");
                    }
                }
            }
            if differences.is_empty() { Ok(()) } else { Err(differences) }
        });
        if let Err(differences) = settled.await {
            panic!("{step} of minute {minute}: {differences}");
        }
    }

    /// What an expression answers: values, or for a list of records what and how slow; one for all ranks where they are equal.
    async fn value(&self, expression: &str, entity: &Value, duration: &Value) -> String {
        let query = "query($e:String!,$n:Entity!,$d:Duration!){execExpression(expression:$e,entity:$n,duration:$d)\
                     {type error results{metric{labels{key value}} values{id value}}}}";
        let asked = json!({ "e": expression, "n": entity, "d": duration });
        let answer = self.server.data(query, asked).await["execExpression"].take();
        if !answer["error"].is_null() {
            return format!("{} {}", answer["type"], answer["error"]);
        }
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let records = answer["type"] == "RECORD_LIST";
        let values =
            answer["results"].as_array().unwrap().iter().flat_map(|result| result["values"].as_array().unwrap());
        let mut shown: Vec<String> = values
            .map(|v| if records { format!("{} {}", text(&v["id"]), text(&v["value"])) } else { text(&v["value"]) })
            .collect();
        if shown.iter().all(|value| *value == shown[0]) {
            shown.truncate(1);
        }
        if shown.is_empty() { "-".to_owned() } else { shown.join(",") }
    }

    /// Waits until an answer is as expected, both as lists of texts, sorted.
    pub(crate) async fn check_list(&self, what: &str, expected: &[&str], ask: impl AsyncFn(&World) -> Vec<String>) {
        let mut expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
        expected.sort();
        wait_for(what, async || {
            let mut seen = ask(self).await;
            seen.sort();
            if seen == expected { Ok(()) } else { Err(format!("\n  seen     {seen:#?}\n  expected {expected:#?}")) }
        })
        .await;
    }

    /// Waits until the graph of all services in a minute has these nodes (`id type real layers`) and calls
    /// (`id [components] [components] [detect points]`).
    pub(crate) async fn check_topology(&self, minute: i64, expected: &[&str]) {
        self.check_list("the topology", expected, async |world: &World| {
            let query = "query($d:Duration!){t:getGlobalTopology(duration:$d){nodes{id type isReal layers} \
                         calls{id sourceComponents targetComponents detectPoints}}}";
            let mut answer = world.server.data(query, json!({ "d": world.duration("MINUTE", minute) })).await;
            let graph = answer["t"].take();
            let nodes = graph["nodes"].as_array().unwrap().iter().map(|node| {
                let kind = node["type"].as_str().unwrap_or("-");
                format!("{} {kind} {} {}", text(&node["id"]), node["isReal"], list(&node["layers"]))
            });
            let calls = graph["calls"].as_array().unwrap().iter().map(|call| {
                let parts = ["sourceComponents", "targetComponents", "detectPoints"].map(|part| list(&call[part]));
                format!("{} {}", text(&call["id"]), parts.join(" "))
            });
            nodes.chain(calls).collect()
        })
        .await;
    }

    /// Waits until the spans of a trace come in this order, each `segment id S span id`.
    pub(crate) async fn check_trace(&self, trace_id: &str, expected: &[&str]) {
        wait_for("the spans of a trace", async || {
            let query = "query($t:ID!){queryTrace(traceId:$t){spans{segmentId spanId}}}";
            let answer = self.server.data(query, json!({ "t": trace_id })).await;
            let spans = answer["queryTrace"]["spans"].as_array().unwrap().iter();
            let seen: Vec<_> = spans.map(|span| format!("{}S{}", text(&span["segmentId"]), span["spanId"])).collect();
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}, expected {expected:?}")) }
        })
        .await;
    }

    /// Waits until the list of traces of a service has these, each `segment id, endpoints, latency, failed, start`.
    pub(crate) async fn check_traces(&self, service_id: &str, expected: &[&str]) {
        self.check_list("the list of traces", expected, async |world: &World| {
            let query = "query($c:TraceQueryCondition){queryBasicTraces(condition:$c)\
                         {traces{segmentId endpointNames duration start isError}}}";
            let end = world.hour.plus(20 * MINUTE);
            let second = |at: UnixMillis| {
                let t = Zone::utc().civil(at);
                let day = format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day());
                format!("{day} {:02}{:02}{:02}", t.hour(), t.minute(), t.second())
            };
            let condition = json!({
                "queryDuration": { "start": second(world.hour), "end": second(end), "step": "SECOND" },
                "serviceId": service_id, "traceState": "ALL", "queryOrder": "BY_START_TIME",
                "paging": { "pageNum": 1, "pageSize": 50 },
            });
            let answer = world.server.data(query, json!({ "c": condition })).await;
            let traces = answer["queryBasicTraces"]["traces"].as_array().unwrap().iter();
            let shown = traces.map(|t| {
                let start = t["start"].as_str().unwrap().parse::<i64>().unwrap() - world.hour.0;
                let endpoints = list(&t["endpointNames"]);
                format!("{} {endpoints} {} {} {start}", text(&t["segmentId"]), t["duration"], t["isError"])
            });
            shown.collect()
        })
        .await;
    }

    /// Names under a field of an answer that lists things with names.
    pub(crate) async fn names(&self, query: &str, variables: Value, field: &str) -> Vec<String> {
        let mut answer = self.server.data(query, variables).await;
        let listed = answer["l"].take();
        listed.as_array().unwrap().iter().map(|one| text(&one[field])).collect()
    }

    /// Ids of the services of a layer.
    pub(crate) async fn services(&self, layer: &str) -> Vec<String> {
        self.names("query($l:String){l:listServices(layer:$l){id}}", json!({ "l": layer }), "id").await
    }

    /// Ids of the endpoints of a service, whenever they were seen.
    pub(crate) async fn endpoints(&self, service_id: &str) -> Vec<String> {
        let query = "query($s:ID!){l:findEndpoint(serviceId:$s,limit:50){id}}";
        self.names(query, json!({ "s": service_id }), "id").await
    }

    /// Ids of the instances of a service that were seen in a minute.
    pub(crate) async fn instances(&self, service_id: &str, minute: i64) -> Vec<String> {
        let query = "query($d:Duration!,$s:ID!){l:listInstances(duration:$d,serviceId:$s){id}}";
        self.names(query, json!({ "d": self.duration("MINUTE", minute), "s": service_id }), "id").await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list(values: &Value) -> String {
    let mut values: Vec<_> = values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
    values.sort_unstable();
    format!("[{}]", values.join(","))
}

/// A segment of trace `t-{its id}`.
pub(crate) fn segment(id: &str, service: &str, instance: &str, spans: Vec<Value>) -> Value {
    json!({ "traceId": "t-1", "traceSegmentId": id, "service": service, "serviceInstance": instance, "spans": spans })
}

/// A span of the examples; times are milliseconds after the hour. The parent of span n is span n - 1.
pub(crate) fn span(id: i32, kind: &str, layer: &str, component: i32, name: &str, (start, end): (i64, i64)) -> Value {
    json!({
        "spanId": id, "parentSpanId": id - 1, "spanType": kind, "spanLayer": layer, "componentId": component,
        "operationName": name, "startTime": start, "endTime": end,
    })
}

/// The span with more in it.
pub(crate) fn with(mut span: Value, more: Value) -> Value {
    span.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    span
}

/// The span with tags.
pub(crate) fn tagged(span: Value, tags: &[(&str, &str)]) -> Value {
    let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    with(span, json!({ "tags": tags }))
}

/// A reference to a span of another process.
pub(crate) fn parent(
    segment: &str,
    span: i32,
    (service, instance, endpoint): (&str, &str, &str),
    address: &str,
) -> Value {
    json!({
        "refType": "CrossProcess", "traceId": "t-1", "parentTraceSegmentId": segment, "parentSpanId": span,
        "parentService": service, "parentServiceInstance": instance, "parentEndpoint": endpoint,
        "networkAddressUsedAtPeer": address,
    })
}

/// A service that reports.
pub(crate) fn service(name: &str) -> Value {
    json!({ "serviceName": name, "normal": true })
}

/// A service that nobody reports from.
pub(crate) fn virtual_service(name: &str) -> Value {
    json!({ "serviceName": name, "normal": false })
}

/// An instance of a service.
pub(crate) fn instance(of: Value, name: &str) -> Value {
    with(of, json!({ "serviceInstanceName": name }))
}

/// An endpoint of a service.
pub(crate) fn endpoint(of: Value, name: &str) -> Value {
    with(of, json!({ "endpointName": name }))
}

/// The relation from one to the other.
pub(crate) fn between(source: Value, dest: &Value) -> Value {
    let names = [
        ("serviceName", "destServiceName"),
        ("normal", "destNormal"),
        ("serviceInstanceName", "destServiceInstanceName"),
        ("endpointName", "destEndpointName"),
    ];
    let dest = names.into_iter().filter_map(|(own, there)| Some((there.to_owned(), dest.get(own)?.clone())));
    with(source, Value::Object(dest.collect()))
}
