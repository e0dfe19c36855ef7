//! Segments with ids of their own, sent as fast as the server takes them, and what of them the store has.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{UnixMillis, Zone};
use prost::Message as _;
use proto::v3::{SegmentObject, SpanLayer, SpanObject, SpanType};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::server::Server;
use crate::wire::Grpc;
use crate::{now, wait_for};

/// Where agents stream segments to.
pub const COLLECT: &str = "/skywalking.v3.TraceSegmentReportService/collect";
/// How many segments go into one stream, as an agent's do.
const PER_STREAM: usize = 25;
/// Time between the streams of one sender: a load, and not all that the machine can do.
const BETWEEN_STREAMS: Duration = Duration::from_millis(10);
/// The most entries the server gives at once.
const PAGE: usize = 5_000;

/// A segment of one entry span. Its trace has the id of the segment.
pub fn segment(service: &str, id: &str, start: UnixMillis) -> SegmentObject {
    let span = SpanObject {
        span_id: 0,
        parent_span_id: -1,
        start_time: start.0,
        end_time: start.0 + 25,
        operation_name: "GET:/load".to_owned(),
        span_type: SpanType::Entry.into(),
        span_layer: SpanLayer::Http.into(),
        component_id: 7001,
        ..SpanObject::default()
    };
    SegmentObject {
        trace_id: id.to_owned(),
        trace_segment_id: id.to_owned(),
        service: service.to_owned(),
        service_instance: format!("{service}-1"),
        spans: vec![span],
        ..SegmentObject::default()
    }
}

/// Sends `n` segments of a service in one stream, ids `prefix.0` and so on, all starting at `start`.
///
/// Panics unless the server answers that it took them.
pub async fn send(grpc: &Grpc, service: &str, prefix: &str, n: usize, start: UnixMillis) {
    let segments: Vec<_> = (0..n).map(|i| segment(service, &format!("{prefix}.{i}"), start)).collect();
    send_all(grpc, &segments).await;
}

/// Sends segments in one stream.
///
/// Panics unless the server answers that it took them.
pub async fn send_all(grpc: &Grpc, segments: &[SegmentObject]) {
    let bodies = segments.iter().map(|segment| segment.encode_to_vec().into()).collect();
    grpc.stream(COLLECT, bodies).await.expect("the server takes segments");
}

/// A sender that goes on until it is stopped. What the server does not take is not sent again.
#[derive(Debug)]
pub struct Load {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    n_sent: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `senders` tasks that send segments of `service` with ids that begin with `prefix`.
    pub fn start(server: &Server, service: &str, prefix: &str, senders: usize) -> Self {
        Self::paced(server, service, prefix, senders, BETWEEN_STREAMS)
    }

    /// The same with another time between the streams of each sender, for tests that take long.
    pub fn paced(server: &Server, service: &str, prefix: &str, senders: usize, between: Duration) -> Self {
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let n_sent = Arc::new(AtomicUsize::new(0));
        let sender = |n: usize| {
            let (grpc, acknowledged, n_sent) = (server.grpc(), Arc::clone(&acknowledged), Arc::clone(&n_sent));
            let (service, prefix) = (service.to_owned(), format!("{prefix}.{n}"));
            tokio::spawn(async move { send_on(&grpc, (&service, &prefix), between, &acknowledged, &n_sent).await })
        };
        let tasks = (0..senders).map(sender).collect();
        Self { acknowledged, n_sent, tasks }
    }

    /// How many segments were sent, whatever became of them.
    pub fn n_sent(&self) -> usize {
        self.n_sent.load(Ordering::Relaxed)
    }

    /// How many segments the server has said it took.
    pub fn n_acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Stops sending; the ids of all segments that the server has said it took.
    pub async fn stop(self) -> BTreeSet<String> {
        for task in self.tasks {
            task.abort();
            match task.await {
                Ok(()) => {}
                Err(error) => assert!(error.is_cancelled(), "a sender panicked: {error}"),
            }
        }
        std::mem::take(&mut self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Streams without end.
async fn send_on(
    grpc: &Grpc,
    (service, prefix): (&str, &str),
    between: Duration,
    acknowledged: &Mutex<BTreeSet<String>>,
    n_sent: &AtomicUsize,
) {
    let mut pace = interval(between);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0usize.. {
        pace.tick().await;
        let ids: Vec<String> = (0..PER_STREAM).map(|i| format!("{prefix}.{n}.{i}")).collect();
        let start = now();
        let bodies: Vec<Bytes> = ids.iter().map(|id| segment(service, id, start).encode_to_vec().into()).collect();
        n_sent.fetch_add(ids.len(), Ordering::Relaxed);
        if grpc.stream(COLLECT, bodies).await.is_ok() {
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        }
    }
}

/// The ids of all segments of a service that the store has, of the last 30 minutes.
///
/// Panics when one is there twice.
pub async fn stored(server: &Server, service: &str) -> BTreeSet<String> {
    try_stored(server, service).await.unwrap_or_else(|twice| panic!("{twice}"))
}

/// As [`stored`]. `Err` names one that is there twice, as happens while some become visible: pages move.
pub async fn try_stored(server: &Server, service: &str) -> Result<BTreeSet<String>, String> {
    let condition = |page: usize| {
        json!({ "c": {
            "serviceId": model::id::service(service, true).as_str(),
            "queryDuration": duration(now().plus(-30 * 60_000), now().plus(60_000)),
            "traceState": "ALL",
            "queryOrder": "BY_START_TIME",
            "paging": { "pageNum": page, "pageSize": PAGE },
        }})
    };
    let query = "query($c:TraceQueryCondition){queryBasicTraces(condition:$c){traces{segmentId}}}";
    let mut ids = BTreeSet::new();
    for page in 1.. {
        let data = server.data(query, condition(page)).await;
        let traces = data["queryBasicTraces"]["traces"].as_array().expect("a list of traces");
        for trace in traces {
            let id = trace["segmentId"].as_str().expect("segments have an id");
            if !ids.insert(id.to_owned()) {
                return Err(format!("segment {id} is there twice"));
            }
        }
        if traces.len() < PAGE {
            break;
        }
    }
    Ok(ids)
}

/// The ids of all segments of a service once `least` of them are visible: a store may show records a moment after it has them.
///
/// Panics when one is there twice and stays so: while some become visible, pages move.
pub async fn visible(server: &Server, service: &str, least: usize) -> BTreeSet<String> {
    wait_for("stored segments to be visible", async || {
        let ids = try_stored(server, service).await?;
        if ids.len() >= least { Ok(ids) } else { Err(format!("{} of {least}", ids.len())) }
    })
    .await
}

/// How many calls of a service are counted in the minutes of the last half hour.
pub async fn counted(server: &Server, service: &str) -> u64 {
    let query = "query($n:Entity!,$d:Duration!){execExpression(expression:\"sum(service_cpm)\",entity:$n,duration:$d){\
                 error results{values{value}}}}";
    let duration = duration(now().plus(-30 * 60_000), now().plus(60_000));
    let entity = json!({ "serviceName": service, "normal": true });
    let data = server.data(query, json!({ "n": entity, "d": duration })).await;
    assert_eq!(data["execExpression"]["error"], Value::Null);
    let value = data["execExpression"]["results"][0]["values"][0]["value"].as_str().unwrap_or("0");
    value.parse().expect("a count is a whole number")
}

/// A duration of whole minutes as clients write it, for a server whose zone is UTC.
pub fn duration(start: UnixMillis, end: UnixMillis) -> Value {
    json!({ "start": minute_text(start), "end": minute_text(end), "step": "MINUTE" })
}

/// A minute as clients write it in UTC: `2026-11-24 0627`.
pub fn minute_text(at: UnixMillis) -> String {
    let t = Zone::utc().civil(at);
    format!("{:04}-{:02}-{:02} {:02}{:02}", t.year(), t.month(), t.day(), t.hour(), t.minute())
}
