//! Segments with ids of their own, sent as fast as the server takes them, and what of them the store has.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{UnixMillis, Zone};
use prost::Message as _;
use proto::v3::{SegmentObject, SpanLayer, SpanObject, SpanType};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::now;
use crate::server::Server;
use crate::wire::Grpc;

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
    let bodies = (0..n).map(|i| segment(service, &format!("{prefix}.{i}"), start).encode_to_vec().into()).collect();
    grpc.stream(COLLECT, bodies).await.expect("the server takes segments");
}

/// A sender that goes on until it is stopped or the server goes away.
#[derive(Debug)]
pub struct Load {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `senders` tasks that send segments of `service` with ids that begin with `prefix`.
    pub fn start(server: &Server, service: &str, prefix: &str, senders: usize) -> Self {
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let sender = |n: usize| {
            let (grpc, acknowledged) = (server.grpc(), Arc::clone(&acknowledged));
            let (service, prefix) = (service.to_owned(), format!("{prefix}.{n}"));
            tokio::spawn(async move { send_on(&grpc, &service, &prefix, &acknowledged).await })
        };
        let tasks = (0..senders).map(sender).collect();
        Self { acknowledged, tasks }
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

/// Streams until the server refuses one: that is when it goes away.
async fn send_on(grpc: &Grpc, service: &str, prefix: &str, acknowledged: &Mutex<BTreeSet<String>>) {
    let mut pace = interval(BETWEEN_STREAMS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0usize.. {
        pace.tick().await;
        let ids: Vec<String> = (0..PER_STREAM).map(|i| format!("{prefix}.{n}.{i}")).collect();
        let start = now();
        let bodies: Vec<Bytes> = ids.iter().map(|id| segment(service, id, start).encode_to_vec().into()).collect();
        if grpc.stream(COLLECT, bodies).await.is_err() {
            return;
        }
        acknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }
}

/// The ids of all segments of a service that the store has, of the last 30 minutes.
///
/// Panics when one is there twice.
pub async fn stored(server: &Server, service: &str) -> BTreeSet<String> {
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
            assert!(ids.insert(id.to_owned()), "segment {id} is there twice");
        }
        if traces.len() < PAGE {
            break;
        }
    }
    ids
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
