//! A receiver on a port of its own, with its queues in the test's hands.

use std::sync::Arc;
use std::time::Duration;

use model::ledger::{Ledger, Reason, Stage};
use model::telemetry::{Envelope, Signal, Telemetry};
use model::{Clock, UnixMillis};
use proto::v3::{SegmentObject, SpanObject};
use receiver::{Config, Ingest};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// Now, for every receiver here: 2024-01-15T12:00:00Z.
pub(crate) const NOW: i64 = 1_705_320_000_000;

/// A receiver under test. Its servers end with it.
pub(crate) struct Receiver {
    pub(crate) ingest: Ingest,
    pub(crate) queue: mpsc::Receiver<Envelope>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) config: Config,
    servers: JoinSet<()>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let (sender, queue) = mpsc::channel(config.queue_length);
        let ledger = Arc::new(Ledger::default());
        let ingest = Ingest::new(&config, vec![sender], Arc::clone(&ledger), Clock::from_fn(|| UnixMillis(NOW)));
        Receiver { ingest, queue, ledger, config, servers: JoinSet::new() }
    }

    /// Serves gRPC on loopback and connects to it.
    pub(crate) async fn connect(&mut self) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = receiver::grpc(self.ingest.clone(), &self.config);
        self.servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
    }

    /// The next element that got through.
    pub(crate) async fn next(&mut self) -> Envelope {
        let next = tokio::time::timeout(Duration::from_secs(20), self.queue.recv());
        next.await.expect("an element comes through").expect("the queue is open")
    }

    /// The queue, for a test that holds on to the rest meanwhile.
    pub(crate) fn take_queue(&mut self) -> mpsc::Receiver<Envelope> {
        std::mem::replace(&mut self.queue, mpsc::channel(1).1)
    }

    /// What is in the queue now.
    pub(crate) fn drain(&mut self) -> Vec<Telemetry> {
        std::iter::from_fn(|| self.queue.try_recv().ok()).map(|envelope| envelope.telemetry).collect()
    }

    pub(crate) fn refused(&self, signal: Signal, reason: Reason) -> u64 {
        self.ledger.refused(Stage::Receive, signal, reason)
    }
}

/// A segment as an agent sends it.
pub(crate) fn segment(id: &str) -> SegmentObject {
    SegmentObject {
        trace_id: format!("trace-{id}"),
        trace_segment_id: id.to_owned(),
        service: "shop".to_owned(),
        service_instance: "shop-1".to_owned(),
        spans: vec![SpanObject {
            parent_span_id: -1,
            start_time: NOW - 100,
            end_time: NOW,
            operation_name: "/buy".to_owned(),
            ..SpanObject::default()
        }],
        ..SegmentObject::default()
    }
}

/// The segment ids among elements.
pub(crate) fn segment_ids(elements: &[Telemetry]) -> Vec<&str> {
    elements
        .iter()
        .filter_map(|element| if let Telemetry::Segment(segment) = element { Some(&*segment.segment_id) } else { None })
        .collect()
}
