//! Messages and the pieces they arrive in.

use std::io::Write;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use model::ledger::Reason;
use model::telemetry::Signal;
use proptest::prelude::*;
use prost::Message;
use proto::v3::trace_segment_report_service_client::TraceSegmentReportServiceClient;
use receiver::{Config, Secret};
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::raw::{COLLECT, call, fed, framed, request, send};
use crate::setup::{Receiver, segment, segment_ids};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the bytes are cut, the messages are the same.
    #[test]
    fn messages_do_not_depend_on_the_pieces(
        lengths in prop::collection::vec(prop_oneof![0usize..40, 60_000usize..70_000], 1..8), cuts in prop::collection::vec(1usize..30_000, 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut receiver = Receiver::new();
            let mut bytes = Vec::new();
            for (i, length) in lengths.iter().enumerate() {
                let mut message = segment(&i.to_string());
                message.spans[0].operation_name = "x".repeat(*length);
                bytes.extend(framed(&message.encode_to_vec()));
            }
            let mut rest = Bytes::from(bytes);
            // At least one cut inside a header: the first piece may be a few bytes only.
            let mut pieces = vec![rest.split_to(cuts[0] % 5)];
            for cut in &cuts {
                pieces.push(rest.split_to((*cut).min(rest.len())));
            }
            pieces.push(rest);
            let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)));
            assert_eq!(call(&receiver, COLLECT, body).await.code, Code::Ok);
            let expected: Vec<_> = (0..lengths.len()).map(|i| i.to_string()).collect();
            assert_eq!(segment_ids(&receiver.drain()), expected);
            assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
        });
    }
}

#[tokio::test]
async fn messages_may_be_gzip() {
    let mut receiver = Receiver::new();
    let client = TraceSegmentReportServiceClient::new(receiver.connect().await);
    let mut client = client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    client.collect(stream::iter([segment("a"), segment("b")])).await.unwrap();
    assert_eq!(segment_ids(&receiver.drain()), ["a", "b"]);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    let mut frame = framed(&encoder.finish().unwrap()).to_vec();
    frame[0] = 1;
    frame
}

async fn encoded(receiver: &Receiver, encoding: &'static str, body: Vec<u8>) -> Code {
    let mut request = request(COLLECT, Body::from(body));
    request.headers_mut().insert("grpc-encoding", encoding.parse().unwrap());
    send(receiver, request).await.code
}

#[tokio::test]
async fn compression_has_its_own_ways_to_be_wrong() {
    let mut receiver = Receiver::with(Config { max_message_bytes: 1 << 20, ..Config::default() });
    let whole = gzip(&segment("a").encode_to_vec());
    let plain = framed(&segment("b").encode_to_vec()).to_vec();
    assert_eq!(encoded(&receiver, "gzip", [whole.clone(), plain].concat()).await, Code::Ok);
    let (a, b) = (receiver.next().await, receiver.next().await);
    assert_eq!(a.permit.bytes(), b.permit.bytes(), "it weighs what it is unpacked");
    drop((a.permit, b.permit));
    assert_eq!(segment_ids(&[a.telemetry, b.telemetry]), ["a", "b"]);

    assert_eq!(encoded(&receiver, "gzip", gzip(&vec![0; 2 << 20])).await, Code::ResourceExhausted, "a bomb");
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooLarge), 1);
    let mut bent = whole.clone();
    bent[5] ^= 0xff;
    assert_eq!(encoded(&receiver, "gzip", bent).await, Code::InvalidArgument, "not gzip");
    assert_eq!(encoded(&receiver, "identity", whole.clone()).await, Code::InvalidArgument, "not announced");
    assert_eq!(encoded(&receiver, "zstd", whole).await, Code::Unimplemented, "not known");
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[tokio::test]
async fn a_frame_that_is_none_ends_its_call() {
    let receiver = Receiver::new();
    let good = framed(&segment("a").encode_to_vec());
    for (bad, code) in [
        (Bytes::from_static(&[2, 0, 0, 0, 0]), Code::InvalidArgument),
        (Bytes::from_static(b"GET / HTTP/1.1\r\n"), Code::InvalidArgument),
        (Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]), Code::ResourceExhausted),
        (Bytes::from_static(&[0, 0, 0]), Code::InvalidArgument),
        (good.slice(..good.len() - 1), Code::InvalidArgument),
    ] {
        let answer = call(&receiver, COLLECT, [good.clone(), bad.clone()].concat()).await;
        assert_eq!(answer.code, code, "{bad:?} {}", answer.text);
    }
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 5, "what came before was whole");
    assert_eq!(receiver.refused(Signal::Segment, Reason::Malformed), 4);
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooLarge), 1);
}

#[tokio::test]
async fn what_is_not_grpc_is_not_answered_in_grpc() {
    let receiver = Receiver::new();
    let router = receiver::grpc(receiver.ingest.clone(), &receiver.config);
    let request = axum::http::Request::post(COLLECT).body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(response.status(), 415);
}

#[tokio::test]
async fn a_configured_token_must_be_sent_with_every_call() {
    let mut receiver = Receiver::with(Config { token: Secret::new("s3cret"), ..Config::default() });
    let body = || Body::from(framed(&segment("a").encode_to_vec()));
    assert_eq!(call(&receiver, COLLECT, body()).await.code, Code::PermissionDenied);
    for (token, code) in [("wrong", Code::PermissionDenied), ("s3cret", Code::Ok)] {
        let mut request = request(COLLECT, body());
        request.headers_mut().insert("authentication", token.parse().unwrap());
        request.headers_mut().insert("agent-version", "9.4.0".parse().unwrap());
        assert_eq!(send(&receiver, request).await.code, code);
    }
    // Some agents poll without it, and are refused like everybody.
    let poll = "/skywalking.v3.ProfileTask/getProfileTaskCommands";
    assert_eq!(call(&receiver, poll, framed(&[])).await.code, Code::PermissionDenied);
    assert_eq!(segment_ids(&receiver.drain()), ["a"]);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Unauthenticated), 2);
    assert_eq!(receiver.refused(Signal::Profile, Reason::Unauthenticated), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_nothing_behind() {
    let receiver = Receiver::new();
    let (sender, body) = fed();
    let all = receiver.config.budget_bytes as usize;
    let mut call = Box::pin(call(&receiver, COLLECT, body));
    let half = framed(&[0; 1_000]).slice(..500);
    let feed = async {
        sender.send(half).await.unwrap();
        // The next piece has room only when the first was taken.
        sender.reserve().await.unwrap();
        sender.send(Bytes::from_static(&[0])).await.unwrap();
        while receiver.ingest.free_bytes() != all - 501 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = &mut call => panic!("{answer:?}"),
        () = feed => {}
    }
    drop(call);
    assert_eq!(receiver.ingest.free_bytes(), all);
}
