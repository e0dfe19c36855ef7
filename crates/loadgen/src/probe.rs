//! Probes: how long until something new is visible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use proto::v3::{RefType, SegmentCollection, SegmentObject, SegmentReference, SpanLayer, SpanObject, SpanType};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::transport::Channel;

use crate::api::{Api, service_id};
use crate::clock;
use crate::send;
use crate::stats::Latencies;

const REPORT: &str = "/skywalking.v3.TraceSegmentReportService/collectInSync";

/// How often a trace is asked for, and so how exact its time is.
const TRACE_EVERY: Duration = Duration::from_millis(10);
/// Metrics and edges take seconds; asking as often as for traces would load the server with questions.
const METRIC_EVERY: Duration = Duration::from_millis(50);
/// How many segments a probe sends.
pub(crate) const N_SEGMENTS: u64 = 2;

/// When what a probe sent became visible, counted from before it was sent. `None`: not until the deadline.
#[derive(Debug)]
pub(crate) struct Seen {
    trace: Option<Duration>,
    metric: Option<Duration>,
    edge: Option<Duration>,
    /// The first question that failed instead of finding nothing.
    error: Option<String>,
}

/// All probes of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Visibility {
    /// Whole, by `queryTrace`.
    trace: Latencies,
    /// `service_cpm` of a service that nobody knew before.
    metric: Latencies,
    /// The call between two such services in the topology.
    edge: Latencies,
    /// What did not become visible in time.
    n_never: usize,
    /// Probes that the server did not take.
    n_refused: usize,
    first_error: Option<String>,
}

impl Visibility {
    /// The outcomes of all probes; `Err` is one that could not be sent.
    pub(crate) fn of(outcomes: Vec<anyhow::Result<Seen>>) -> Self {
        let mut visibility = Visibility::default();
        let mut times: [Vec<Duration>; 3] = Default::default();
        for outcome in outcomes {
            let error = match outcome {
                Ok(seen) => {
                    for (times, time) in times.iter_mut().zip([seen.trace, seen.metric, seen.edge]) {
                        visibility.n_never += usize::from(time.is_none());
                        times.extend(time);
                    }
                    seen.error
                }
                Err(error) => {
                    visibility.n_refused += 1;
                    Some(format!("{error:#}"))
                }
            };
            visibility.first_error = visibility.first_error.take().or(error);
        }
        let [trace, metric, edge] = times.map(Latencies::of);
        Visibility { trace, metric, edge, ..visibility }
    }
}

/// Two new services of which one calls the other.
#[derive(Debug)]
struct Pair {
    trace_id: String,
    caller: String,
    called: String,
    address: String,
}

/// Sends one trace of two new services and asks until all of it is visible, or `patience` is over. `name` must be new to the
/// server. `Err` when the server does not take it.
pub(crate) async fn probe(api: Arc<Api>, channel: Channel, name: String, patience: Duration) -> anyhow::Result<Seen> {
    let since = Instant::now();
    let sent_ms = clock::now_ms();
    let pair = Pair {
        trace_id: format!("{name}.1.{sent_ms}0000"),
        caller: format!("{name}-caller"),
        called: format!("{name}-called"),
        address: format!("{name}.local:8080"),
    };
    send::call(channel, REPORT, pair.message(sent_ms)).await?;

    let wait = Wait { api: &api, since, patience };
    let from = || api.since(sent_ms - 60_000);
    let query = "query($id: ID!) { r: queryTrace(traceId: $id) { spans { spanId } } }";
    let trace = wait.until(TRACE_EVERY, query, || json!({ "id": pair.trace_id }), has_spans);

    let query = "query($e: Entity!, $d: Duration!) {
        r: execExpression(expression: \"service_cpm\", entity: $e, duration: $d) { error results { values { value } } } }";
    let entity = json!({ "scope": "Service", "serviceName": pair.called, "normal": true });
    let metric = wait.until(METRIC_EVERY, query, || json!({ "e": entity, "d": from() }), has_calls);

    let query =
        "query($id: ID!, $d: Duration!) { r: getServiceTopology(serviceId: $id, duration: $d) { calls { id } } }";
    let (caller, called) = (service_id(&pair.caller), service_id(&pair.called));
    let call = format!("{caller}-{called}");
    let edge = wait.until(METRIC_EVERY, query, || json!({ "id": caller, "d": from() }), |data| has_edge(data, &call));
    let ((trace, e1), (metric, e2), (edge, e3)) = tokio::join!(trace, metric, edge);
    Ok(Seen { trace, metric, edge, error: e1.or(e2).or(e3) })
}

/// Whether both segments are there, with both spans each.
fn has_spans(data: &Value) -> bool {
    data["r"]["spans"].as_array().is_some_and(|spans| spans.len() == 4)
}

/// Whether any minute of the series counts a call.
fn has_calls(data: &Value) -> bool {
    let Some(values) = data["r"]["results"][0]["values"].as_array() else { return false };
    values.iter().any(|value| value["value"].as_str().is_some_and(|value| value != "0"))
}

/// Whether the call of this id is in the topology.
fn has_edge(data: &Value, id: &str) -> bool {
    data["r"]["calls"].as_array().is_some_and(|calls| calls.iter().any(|call| call["id"] == id))
}

/// Waiting for one probe.
#[derive(Clone, Copy)]
struct Wait<'a> {
    api: &'a Api,
    since: Instant,
    patience: Duration,
}

impl Wait<'_> {
    /// Asks until the answer shows it. Returns how long after `since` that was, and the first error on the way.
    async fn until(
        self,
        every: Duration,
        query: &str,
        variables: impl Fn() -> Value,
        shows: impl Fn(&Value) -> bool,
    ) -> (Option<Duration>, Option<String>) {
        let mut error = None;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.since.elapsed() < self.patience {
            ticks.tick().await;
            match self.api.ask(query, variables()).await {
                Ok(data) if shows(&data) => return (Some(self.since.elapsed()), error),
                Ok(_) => {}
                Err(failed) => error = error.or_else(|| Some(format!("{failed:#}"))),
            }
        }
        (None, error)
    }
}

impl Pair {
    fn message(&self, now_ms: i64) -> Bytes {
        let reference = SegmentReference {
            ref_type: RefType::CrossProcess.into(),
            trace_id: self.trace_id.clone(),
            parent_trace_segment_id: format!("{}.a", self.trace_id),
            parent_span_id: 1,
            parent_service: self.caller.clone(),
            parent_service_instance: "a".to_owned(),
            parent_endpoint: "GET:/probe".to_owned(),
            network_address_used_at_peer: self.address.clone(),
        };
        let caller = self.segment("a", &self.caller, Vec::new(), (self.address.clone(), 2, SpanLayer::Http), now_ms);
        let database = ("probe.db:3306".to_owned(), 33, SpanLayer::Database);
        let called = self.segment("b", &self.called, vec![reference], database, now_ms);
        SegmentCollection { segments: vec![caller, called] }.encode_to_vec().into()
    }

    fn segment(
        &self,
        letter: &str,
        service: &str,
        refs: Vec<SegmentReference>,
        (peer, component_id, layer): (String, i32, SpanLayer),
        now_ms: i64,
    ) -> SegmentObject {
        let times = SpanObject { start_time: now_ms - 10, end_time: now_ms, ..SpanObject::default() };
        let exit = SpanObject {
            span_id: 1,
            operation_name: "/probe".to_owned(),
            peer,
            span_type: SpanType::Exit.into(),
            span_layer: layer.into(),
            component_id,
            ..times.clone()
        };
        let entry = SpanObject {
            parent_span_id: -1,
            refs,
            operation_name: "GET:/probe".to_owned(),
            span_type: SpanType::Entry.into(),
            span_layer: SpanLayer::Http.into(),
            component_id: 1,
            ..times
        };
        SegmentObject {
            trace_id: self.trace_id.clone(),
            trace_segment_id: format!("{}.{letter}", self.trace_id),
            spans: vec![exit, entry],
            service: service.to_owned(),
            service_instance: letter.to_owned(),
            is_size_limited: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_one_trace_whose_reference_fits() {
        let [trace_id, caller, called, address] = ["t", "x", "y", "h:1"].map(str::to_owned);
        let pair = Pair { trace_id, caller, called, address };
        let message = SegmentCollection::decode(pair.message(1_790_000_000_000)).unwrap();
        assert_eq!(message.segments.len() as u64, N_SEGMENTS);
        let [caller, called] = message.segments.as_slice() else { panic!("{message:?}") };
        let reference = &called.spans[1].refs[0];
        assert_eq!(reference.parent_trace_segment_id, caller.trace_segment_id);
        assert_eq!(reference.parent_service, caller.service);
        assert_eq!(reference.network_address_used_at_peer, caller.spans[0].peer);
        assert_eq!(caller.trace_id, called.trace_id);
        assert_ne!(caller.trace_segment_id, called.trace_segment_id);
    }

    #[test]
    fn a_gap_or_a_zero_is_not_visible() {
        let data = |values: Value| json!({ "r": { "results": [{ "values": values }] } });
        assert!(!has_calls(&json!({ "r": { "results": [] } })));
        assert!(!has_calls(&data(json!([{ "value": null }, { "value": "0" }]))));
        assert!(has_calls(&data(json!([{ "value": null }, { "value": "1" }]))));
        let calls = json!({ "r": { "calls": [{ "id": "a-b" }, { "id": "b-c" }] } });
        assert!(has_edge(&calls, "b-c") && !has_edge(&calls, "c-b") && !has_edge(&json!({ "r": null }), "b-c"));
        assert!(
            !has_spans(&json!({ "r": { "spans": [1, 2] } })) && has_spans(&json!({ "r": { "spans": [1, 2, 3, 4] } }))
        );
    }

    #[test]
    fn what_never_became_visible_is_counted_and_not_averaged() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let visibility = Visibility::of(vec![
            Ok(Seen { trace: ms(400), metric: ms(900), edge: None, error: Some("later".to_owned()) }),
            Err(anyhow::anyhow!("refused")),
            Ok(Seen { trace: ms(600), metric: None, edge: None, error: None }),
        ]);
        assert_eq!((visibility.n_never, visibility.n_refused), (3, 1));
        assert_eq!((visibility.trace.n, visibility.trace.p50_ms, visibility.trace.max_ms), (2, 400.0, 600.0));
        assert_eq!((visibility.metric.n, visibility.edge.n), (1, 0));
        assert_eq!(visibility.first_error.as_deref(), Some("later"));
    }
}
