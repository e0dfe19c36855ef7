//! gRPC with the generated clients.

use futures_util::stream;
use model::ledger::Reason;
use model::telemetry::{Signal, Telemetry};
use prost::Message;
use proto::v3::management_service_client::ManagementServiceClient;
use proto::v3::trace_segment_report_service_client::TraceSegmentReportServiceClient;
use proto::v3::{Commands, InstancePingPkg, InstanceProperties, KeyStringValuePair, SegmentCollection, SegmentObject};
use tokio::sync::mpsc;

use crate::setup::{NOW, Receiver, segment, segment_ids};

/// A stream that the test feeds.
fn fed() -> (mpsc::Sender<SegmentObject>, impl stream::Stream<Item = SegmentObject>) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) }))
}

#[tokio::test]
async fn a_stream_is_taken_in_message_by_message_before_it_ends() {
    let mut receiver = Receiver::new();
    let mut client = TraceSegmentReportServiceClient::new(receiver.connect().await);
    let (sender, stream) = fed();
    let call = tokio::spawn(async move { client.collect(stream).await });
    for id in ["a", "b", "c"] {
        sender.send(segment(id)).await.unwrap();
        let envelope = receiver.next().await;
        let Telemetry::Segment(got) = envelope.telemetry else { panic!("not a segment") };
        assert_eq!(got.segment_id, id);
        assert_eq!(got.body, segment(id).encode_to_vec());
        assert!(envelope.permit.bytes() as usize >= got.body.len());
        assert_eq!(envelope.received.0, NOW);
        assert!(!call.is_finished(), "the answer comes when the stream ends");
    }
    drop(sender);
    assert_eq!(call.await.unwrap().unwrap().into_inner(), Commands::default());
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 3);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[tokio::test]
async fn a_collection_is_taken_in_one_by_one_and_bad_ones_are_left_out() {
    let mut receiver = Receiver::new();
    let mut client = TraceSegmentReportServiceClient::new(receiver.connect().await);
    let mut empty = segment("empty");
    empty.spans.clear();
    let segments = vec![segment("a"), empty, segment("b")];
    client.collect_in_sync(SegmentCollection { segments }).await.unwrap();
    assert_eq!(segment_ids(&receiver.drain()), ["a", "b"]);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Empty), 1);
}

#[tokio::test]
async fn properties_and_heartbeats_arrive_as_they_were_sent() {
    let mut receiver = Receiver::new();
    let mut client = ManagementServiceClient::new(receiver.connect().await);
    let pair = |key: &str, value: &str| KeyStringValuePair { key: key.to_owned(), value: value.to_owned() };
    let properties = InstanceProperties {
        service: "shop".to_owned(),
        service_instance: "shop-1".to_owned(),
        properties: vec![pair("ipv4", "10.0.0.1"), pair("ipv4", "10.0.0.2")],
        layer: String::new(),
    };
    client.report_instance_properties(properties).await.unwrap();
    let ping =
        InstancePingPkg { service: "shop".to_owned(), service_instance: "shop-1".to_owned(), layer: "FAAS".to_owned() };
    client.keep_alive(ping).await.unwrap();
    client.keep_alive(InstancePingPkg { service: " ".to_owned(), ..Default::default() }).await.unwrap();

    let got = receiver.drain();
    let [Telemetry::Properties(properties), Telemetry::KeepAlive(ping)] = got.as_slice() else {
        panic!("{got:?}");
    };
    let pairs: Vec<_> = properties.properties.iter().map(|tag| (&*tag.key, &*tag.value)).collect();
    assert_eq!(pairs, [("ipv4", "10.0.0.1"), ("ipv4", "10.0.0.2")]);
    assert_eq!((&*ping.service, &*ping.instance, &*ping.layer), ("shop", "shop-1", "FAAS"));
    assert_eq!(receiver.refused(Signal::Management, Reason::MissingName), 1);
    let reporter = &receiver.ingest.reporters()[0];
    assert_eq!((reporter.service.as_str(), reporter.accepted), ("shop", 2));
}
