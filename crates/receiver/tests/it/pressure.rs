//! What happens when there is no room, and when the door closes. Time is virtual.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use model::ledger::Reason;
use model::telemetry::Signal;
use prost::Message;
use proto::v3::SegmentCollection;
use receiver::Config;
use tokio::time::Instant;
use tonic::Code;

use crate::raw::{COLLECT, call, fed, framed};
use crate::setup::{Receiver, segment};

const IN_SYNC: &str = "/skywalking.v3.TraceSegmentReportService/collectInSync";

fn one(id: &str) -> Bytes {
    framed(&segment(id).encode_to_vec())
}

fn collection(n: usize) -> Bytes {
    framed(&SegmentCollection { segments: vec![segment("s"); n] }.encode_to_vec())
}

/// Waits an hour for what must not happen.
async fn never(future: impl Future) {
    let hour = tokio::time::timeout(Duration::from_secs(3_600), future);
    assert!(hour.await.is_err(), "it had to wait");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_a_stream_wait_and_a_single_call_fail() {
    let mut receiver = Receiver::with(Config { queue_length: 2, ..Config::default() });
    let mut queue = receiver.take_queue();
    let mut stream = pin!(call(&receiver, COLLECT, [one("a"), one("b"), one("c")].concat()));
    never(&mut stream).await;
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 2);
    assert_eq!(receiver.ingest.queued(), 2);

    let begun = Instant::now();
    let answer = call(&receiver, IN_SYNC, collection(4)).await;
    assert_eq!((answer.code, begun.elapsed().as_millis()), (Code::ResourceExhausted, 500));
    assert_eq!(receiver.refused(Signal::Segment, Reason::Overload), 4);

    // Room again: the stream goes on as if nothing had been.
    queue.recv().await.unwrap();
    assert_eq!(stream.await.code, Code::Ok);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 3);
}

#[tokio::test(start_paused = true)]
async fn used_up_bytes_make_a_stream_wait_and_a_single_call_fail() {
    let config = Config { max_message_bytes: 64 << 10, budget_bytes: 256 << 10, ..Config::default() };
    let mut receiver = Receiver::with(config);
    let mut queue = receiver.take_queue();
    let large = |id: &str| {
        let mut message = segment(id);
        message.spans[0].operation_name = "x".repeat(60 << 10);
        framed(&message.encode_to_vec())
    };
    let (sender, body) = fed();
    let mut stream = pin!(call(&receiver, COLLECT, body));
    let feed = async {
        for id in ["a", "b", "c", "d", "e"] {
            sender.send(large(id)).await.unwrap();
        }
        sender.closed().await;
    };
    never(async { tokio::join!(&mut stream, feed) }).await;
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 4);
    assert!(receiver.ingest.free_bytes() < 16 << 10);

    let begun = Instant::now();
    assert_eq!(call(&receiver, IN_SYNC, collection(200)).await.code, Code::ResourceExhausted);
    assert_eq!(begun.elapsed().as_millis(), 500);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Overload), 1);

    // What is stored gives its bytes back.
    drop(sender);
    drop(queue.recv().await.unwrap());
    assert_eq!(stream.await.code, Code::Ok);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 5);
}

#[tokio::test(start_paused = true)]
async fn an_announced_message_reserves_nothing_and_must_come_in_time() {
    let receiver = Receiver::new();
    let all = receiver.config.budget_bytes as usize;
    let (sender, body) = fed();
    let begun = Instant::now();
    let mut stream = pin!(call(&receiver, COLLECT, body));
    // 50 MiB announced, five bytes and a hundred sent.
    sender.send(Bytes::from_static(&[0, 0x03, 0x20, 0, 0])).await.unwrap();
    let wait = tokio::time::timeout(Duration::from_secs(1), &mut stream).await;
    assert!(wait.is_err());
    assert_eq!(receiver.ingest.free_bytes(), all - 5);
    sender.send(Bytes::from_static(&[0; 100])).await.unwrap();
    let wait = tokio::time::timeout(Duration::from_secs(28), &mut stream).await;
    assert!(wait.is_err());
    assert_eq!(receiver.ingest.free_bytes(), all - 105);

    assert_eq!(stream.await.code, Code::DeadlineExceeded);
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooSlow), 1);
    assert_eq!(receiver.ingest.free_bytes(), all);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_timed_between_messages() {
    let receiver = Receiver::new();
    let (sender, body) = fed();
    let mut stream = pin!(call(&receiver, COLLECT, body));
    for hour in 0..5 {
        sender.send(one(&hour.to_string())).await.unwrap();
        never(&mut stream).await;
    }
    drop(sender);
    assert_eq!(stream.await.code, Code::Ok);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 5);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_streams_and_then_the_queues() {
    let mut receiver = Receiver::with(Config { queue_length: 1, ..Config::default() });
    let mut queue = receiver.take_queue();
    let (_sender, body) = fed();
    let mut idle = pin!(call(&receiver, COLLECT, body));
    never(&mut idle).await;
    let mut busy = pin!(call(&receiver, COLLECT, [one("a"), one("b")].concat()));
    never(&mut busy).await;

    receiver.ingest.close();
    assert_eq!(idle.await.code, Code::Unavailable);
    assert_eq!(call(&receiver, COLLECT, one("late")).await.code, Code::Unavailable);
    assert_eq!(call(&receiver, IN_SYNC, collection(1)).await.code, Code::Unavailable);

    // What had arrived before still gets in, and then the queue ends although the door is still there.
    assert!(queue.recv().await.is_some());
    assert_eq!(busy.await.code, Code::Unavailable);
    assert!(queue.recv().await.is_some());
    assert!(queue.recv().await.is_none());
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_nobody_reads_any_more_answers_unavailable() {
    let mut receiver = Receiver::new();
    receiver.queue.close();
    assert_eq!(call(&receiver, COLLECT, one("a")).await.code, Code::Unavailable);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 0);
}
