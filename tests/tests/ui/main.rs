//! What SkyWalking's two user interfaces ask for page after page (menu, lists, topology, traces, logs), asked in their way, and
//! whether the answers hold what the page draws.
//!
//! `booster` is the interface of servers 9 and 10, `horizon` the one of 11. Names of operations, variables, aliases and selections are
//! theirs; what is selected and not looked at here is there because a field that is missing would fail the whole page.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod booster;
mod horizon;
mod shop;

use e2e::server::Server;
use e2e::store::Store;
use e2e::{DEADLINE, load, on_stores, wait_until};
use model::{UnixMillis, Zone};
use serde_json::{Value, json};
use tokio::time::Instant;

on_stores!(every_page_is_filled: memory, embedded, opensearch_3, opensearch_2);

/// Runs the shop on a server with this store and looks at every page of both interfaces.
async fn every_page_is_filled(store: Store) {
    let server = Server::start(&store.settings()).await;
    let base = shop::run(&server).await;
    let ui = Ui { server: &server, base };
    let mut missing = Vec::new();
    // Totals become visible a flush later than records: a page is looked at until it is as it should be, or has had time enough.
    macro_rules! look {
        ($($page:path),+ $(,)?) => {
            $(
                let page = wait_until(Instant::now() + DEADLINE, async || $page(&ui).await).await;
                missing.extend(page.err().map(|seen| format!("{}: {seen}", stringify!($page))));
            )+
        };
    }
    look!(booster::start, booster::lists, booster::topology, booster::traces, booster::logs);
    look!(horizon::start, horizon::lists, horizon::topology, horizon::traces, horizon::logs);
    assert!(missing.is_empty(), "pages are not as they should be:\n{}", missing.join("\n"));
    server.stop().await;
}

/// Everything that is told about a span.
const SPANS: &str = "spans {
    traceId segmentId spanId parentSpanId
    refs { traceId parentSegmentId parentSpanId type }
    serviceCode serviceInstanceName startTime endTime endpointName type peer component isError layer
    tags { key value }
    logs { time data { key value } }
    attachedEvents {
        startTime { seconds nanos } event endTime { seconds nanos } tags { key value } summary { key value }
    }
}";

/// Everything that is told about a line of log.
const LOGS: &str = "logs {
    serviceName serviceId serviceInstanceName serviceInstanceId endpointName endpointId traceId
    timestamp contentType content tags { key value }
}";

/// What one sees of a page: `Err` says what is not as it should be yet.
type Seen = Result<(), String>;

/// Somebody who looks at the shop some minutes after `base`.
struct Ui<'a> {
    server: &'a Server,
    base: UnixMillis,
}

impl Ui<'_> {
    /// The data of an answer.
    ///
    /// Panics when it has errors: no page survives one.
    async fn ask(&self, document: &str, variables: Value) -> Value {
        self.server.data(document, variables).await
    }

    /// The last half hour by minutes, as pages with metrics ask for it.
    fn minutes(&self) -> Value {
        let mut duration = load::duration(self.base.plus(-27 * 60_000), self.base.plus(3 * 60_000));
        duration["coldStage"] = json!(false);
        duration
    }

    /// The same by seconds, as pages with records ask for it.
    fn seconds(&self) -> Value {
        let text = |at: UnixMillis| format!("{}{:02}", load::minute_text(at), Zone::utc().civil(at).second());
        let (start, end) = (self.base.plus(-27 * 60_000), self.base.plus(3 * 60_000));
        json!({ "start": text(start), "end": text(end), "step": "SECOND", "coldStage": false })
    }
}

/// `Ok` where `found` is what is expected.
fn same(what: &str, found: impl Into<Value>, expected: Value) -> Seen {
    let found = found.into();
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:#}\ninstead of {expected:#}")) }
}

/// One field of all members of a list, in the order of their texts.
fn each(list: &Value, field: &str) -> Value {
    let mut values: Vec<&Value> = list.as_array().into_iter().flatten().map(|member| &member[field]).collect();
    values.sort_by_key(|value| value.to_string());
    json!(values)
}

/// The calls of a topology by the names of their ends, each with the sides that reported it, in the order of their texts.
fn calls(topology: &Value) -> Value {
    let nodes = topology["nodes"].as_array().unwrap();
    let name = |id: &Value| nodes.iter().find(|node| node["id"] == *id).map_or(json!(id), |node| node["name"].clone());
    let calls = topology["calls"].as_array().unwrap().iter();
    let mut calls: Vec<Value> =
        calls.map(|call| json!([name(&call["source"]), name(&call["target"]), call["detectPoints"]])).collect();
    calls.sort_by_key(Value::to_string);
    json!(calls)
}

/// The value of an expression that has one value.
fn value(answer: &Value) -> &Value {
    &answer["results"][0]["values"][0]["value"]
}
