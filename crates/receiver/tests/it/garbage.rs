//! Garbage of every sort, while a good agent goes on.

use bytes::Bytes;
use model::ledger::Reason;
use model::telemetry::{Signal, Telemetry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use proto::v3;
use proto::v3::trace_segment_report_service_client::TraceSegmentReportServiceClient;
use tokio::sync::mpsc;
use tonic::Code;

use crate::methods::is_served;
use crate::raw::{COLLECT, call, framed};
use crate::setup::{Receiver, segment, segment_ids};

fn with_spans(n: usize) -> Vec<u8> {
    let mut message = segment("many");
    message.spans = vec![message.spans[0].clone(); n];
    message.encode_to_vec()
}

fn at(start: i64) -> Vec<u8> {
    let mut message = segment("when");
    message.spans[0].start_time = start;
    message.encode_to_vec()
}

/// Messages that are refused, each for its reason.
fn bad_messages() -> Vec<(Reason, Vec<u8>)> {
    let good = segment("good").encode_to_vec();
    let mut utf8 = good.clone();
    let shop = utf8.windows(4).position(|window| window == b"shop").unwrap();
    utf8[shop] = 0xff;
    vec![
        (Reason::Empty, Vec::new()),
        (Reason::Malformed, vec![0xff; 40]),
        (Reason::Malformed, good[..good.len() / 2].to_vec()),
        (Reason::InvalidUtf8, utf8),
        (Reason::TooMany, with_spans(100_000)),
        (Reason::TimeOutOfRange, at(-1)),
        (Reason::TimeOutOfRange, at(i64::MIN)),
        (Reason::TimeOutOfRange, at(253_402_300_799_999)),
    ]
}

#[tokio::test]
async fn bad_messages_are_counted_and_the_stream_goes_on() {
    let mut receiver = Receiver::new();
    let good = |id: &str| framed(&segment(id).encode_to_vec());
    let mut body = good("first").to_vec();
    for (_, message) in bad_messages() {
        body.extend(framed(&message));
    }
    body.extend(good("last"));
    assert_eq!(call(&receiver, COLLECT, body).await.code, Code::Ok);
    assert_eq!(segment_ids(&receiver.drain()), ["first", "last"]);
    for (reason, n) in [
        (Reason::Empty, 1),
        (Reason::Malformed, 2),
        (Reason::InvalidUtf8, 1),
        (Reason::TooMany, 1),
        (Reason::TimeOutOfRange, 3),
    ] {
        assert_eq!(receiver.refused(Signal::Segment, reason), n, "{reason:?}");
    }
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

/// A good agent on a connection of its own, whose segments the test asks for one by one.
async fn good_agent(receiver: &mut Receiver) -> (mpsc::Sender<v3::SegmentObject>, tokio::task::JoinHandle<Code>) {
    let mut client = TraceSegmentReportServiceClient::new(receiver.connect().await);
    let (sender, feed) = mpsc::channel(1);
    let stream = futures_util::stream::unfold(feed, |mut feed| async { feed.recv().await.map(|item| (item, feed)) });
    let call = tokio::spawn(async move { client.collect(stream).await.map_or_else(|e| e.code(), |_| Code::Ok) });
    (sender, call)
}

async fn still_good(receiver: &mut Receiver, agent: &mpsc::Sender<v3::SegmentObject>, id: &str) {
    agent.send(segment(id)).await.unwrap();
    let Telemetry::Segment(got) = receiver.next().await.telemetry else { panic!("not a segment") };
    assert_eq!((&*got.segment_id, got.body.as_ref()), (id, segment(id).encode_to_vec().as_slice()));
}

#[tokio::test]
async fn a_good_stream_stays_whole_beside_51_mib_and_calls_that_make_no_sense() {
    let mut receiver = Receiver::new();
    let (agent, answered) = good_agent(&mut receiver).await;
    still_good(&mut receiver, &agent, "before").await;

    let channel = receiver.connect().await;
    let mut hostile = TraceSegmentReportServiceClient::new(channel).max_encoding_message_size(usize::MAX);
    let mut huge = segment("huge");
    huge.spans[0].operation_name = "x".repeat(51 << 20);
    let error = hostile.collect(futures_util::stream::iter([huge])).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooLarge), 1);
    still_good(&mut receiver, &agent, "after 51 MiB").await;

    let mut runner = TestRunner::new(Config::with_cases(1));
    for i in 0..200 {
        let bytes = vec(any::<u8>(), 0..200).new_tree(&mut runner).unwrap().current();
        let answer = call(&receiver, COLLECT, Bytes::from(bytes)).await;
        assert_ne!(answer.code, Code::Unknown);
        if i % 50 == 0 {
            still_good(&mut receiver, &agent, &i.to_string()).await;
        }
    }
    drop(agent);
    assert_eq!(answered.await.unwrap(), Code::Ok);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 2 + 4);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[tokio::test]
async fn no_method_panics_or_answers_unknown_whatever_it_is_sent() {
    let receiver = Receiver::new();
    let mut runner = TestRunner::new(Config::default());
    let message = vec(any::<u8>(), 0..64);
    for service in proto::pool().services().filter(is_served) {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            for _ in 0..50 {
                let bytes = message.new_tree(&mut runner).unwrap().current();
                let answer = call(&receiver, &path, framed(&bytes)).await;
                assert!(matches!(answer.code, Code::Ok | Code::InvalidArgument), "{path} {bytes:?} {answer:?}");
            }
        }
    }
}
