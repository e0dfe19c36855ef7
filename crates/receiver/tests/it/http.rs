//! The HTTP twins: what a JSON body becomes.

use std::io::Write;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use model::ledger::Reason;
use model::segment::{SpanKind, SpanLayer};
use model::telemetry::{Signal, Telemetry};
use receiver::{Config, Protocol, Secret};
use tower::ServiceExt;

use crate::setup::{NOW, Receiver, segment_ids};

async fn post(receiver: &Receiver, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    send(receiver, Request::post(path).body(body.into()).unwrap()).await
}

async fn send(receiver: &Receiver, request: Request<Body>) -> (StatusCode, String) {
    let response = receiver::http(receiver.ingest.clone(), &receiver.config).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    if head.status != StatusCode::NOT_FOUND {
        assert_eq!(head.headers["content-type"], "application/json");
    }
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(body.to_vec()).unwrap())
}

fn segment(id: &str) -> String {
    let start = NOW - 5;
    format!(
        r#"{{"traceId":"t","traceSegmentId":"{id}","service":"shop","serviceInstance":"i","unheardOf":{{"a":[1]}},
            "spans":[{{"spanId":0,"parentSpanId":-1,"startTime":{start},"endTime":"{NOW}","operationName":"/ä",
            "spanType":"Exit","spanLayer":3,"tags":[{{"key":"k","value":"v"}}]}}]}}"#
    )
}

const OK: (StatusCode, &str) = (StatusCode::OK, "{}");

#[tokio::test]
async fn lenient_json_becomes_the_segment() {
    let mut receiver = Receiver::new();
    let (status, body) = post(&receiver, "/v3/segment", segment("a")).await;
    assert_eq!((status, body.as_str()), OK);
    let Some(Telemetry::Segment(got)) = receiver.drain().pop() else { panic!("no segment") };
    let span = &got.spans[0];
    assert_eq!((span.kind, span.layer), (SpanKind::Exit, SpanLayer::Http));
    assert_eq!((span.start, span.end, span.parent_id, &*span.operation), (NOW - 5, NOW, -1, "/ä"));
    let reporter = &receiver.ingest.reporters()[0];
    assert_eq!((reporter.service.as_str(), reporter.protocol), ("shop", Protocol::Http));
}

#[tokio::test]
async fn bad_elements_of_an_array_are_counted_and_the_rest_goes_on() {
    let mut receiver = Receiver::new();
    let wrong = r#"{"traceId":5}"#;
    let nonsense = r#"{"traceId":}"#;
    let (a, b) = (segment("a"), segment("b"));
    let body = format!("[{a},{wrong},{nonsense},7,{{\"service\":\"no spans\"}},{b}]");
    assert_eq!(post(&receiver, "/v3/segments", body).await.0, StatusCode::OK);
    assert_eq!(segment_ids(&receiver.drain()), ["a", "b"]);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Malformed), 3);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Empty), 1);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[tokio::test]
async fn what_is_not_json_is_told_so() {
    let receiver = Receiver::new();
    for body in ["", "nonsense", "[{]", "{\"traceId\":5}", "{\"traceId\":\"\\ud800\"}"] {
        let (status, answer) = post(&receiver, "/v3/segment", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(serde_json::from_str::<serde_json::Value>(&answer).unwrap()["error"].is_string(), "{answer}");
    }
    assert_eq!(receiver.refused(Signal::Segment, Reason::Malformed), 5);
    let (status, _) = post(&receiver, "/v3/segment", vec![b'{', 0xff, b'}']).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_twin_takes_an_object_and_an_array() {
    let mut receiver = Receiver::new();
    let log = format!(r#"{{"service":"shop","timestamp":{NOW},"body":{{"text":{{"text":"hello"}}}}}}"#);
    let event =
        format!(r#"{{"uuid":"u","layer":"GENERAL","startTime":{NOW},"type":"Error","parameters":{{"a":"b"}}}}"#);
    let instance = r#"{"service":"shop","serviceInstance":"i","properties":[{"key":"k","value":"v"}]}"#;
    let table = [
        ("/v3/segment", segment("a"), Some(Signal::Segment)),
        ("/v3/segments", segment("a"), Some(Signal::Segment)),
        ("/v3/management/reportProperties", instance.to_owned(), Some(Signal::Management)),
        ("/v3/management/keepAlive", instance.to_owned(), Some(Signal::Management)),
        ("/v3/logs", log, Some(Signal::Log)),
        ("/v3/events", event, Some(Signal::Event)),
        ("/browser/perfData", "{}".to_owned(), None),
        ("/browser/perfData/webVitals", "{}".to_owned(), None),
        ("/browser/perfData/resources", "{}".to_owned(), None),
        ("/browser/perfData/webInteractions", "{}".to_owned(), None),
        ("/browser/errorLog", r#"{"category":"ajax"}"#.to_owned(), None),
        ("/browser/errorLogs", r#"{"category":4}"#.to_owned(), None),
    ];
    for (path, element, signal) in table {
        for body in [element.clone(), format!("[{element},{element}]"), "[]".to_owned()] {
            let (status, answer) = post(&receiver, path, body).await;
            assert_eq!((status, answer.as_str()), OK, "{path}");
        }
        let got: Vec<_> = receiver.drain().iter().map(Telemetry::signal).collect();
        assert_eq!(
            got,
            vec![signal; if signal.is_some() { 3 } else { 0 }].into_iter().flatten().collect::<Vec<_>>(),
            "{path}"
        );
    }
    assert_eq!(receiver.refused(Signal::Browser, Reason::NotSupportedYet), 6 * 3);
    assert_eq!(post(&receiver, "/v3/nothing", "{}").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn logs_of_an_array_share_their_service_and_events_need_a_layer() {
    let mut receiver = Receiver::new();
    let (status, _) = post(&receiver, "/v3/logs", r#"[{"service":"shop"},{"body":{"json":{"json":"{}"}}}]"#).await;
    assert_eq!(status, StatusCode::OK);
    let services: Vec<_> = receiver
        .drain()
        .into_iter()
        .map(|log| if let Telemetry::Log(log) = log { log.service.to_string() } else { panic!("{log:?}") })
        .collect();
    assert_eq!(services, ["shop", "shop"]);

    let event = |layer| format!(r#"{{"uuid":"u","endTime":"{NOW}","layer":"{layer}"}}"#);
    let (good, bad) = (event("GENERAL"), event(""));
    assert_eq!(post(&receiver, "/v3/events", format!("[{bad},{good}]")).await.0, StatusCode::OK);
    assert_eq!(receiver.drain().len(), 1);
    assert_eq!(post(&receiver, "/v3/events", bad).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(receiver.refused(Signal::Event, Reason::MissingName), 2);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_may_be_gzip_and_a_bomb_is_refused() {
    let mut receiver = Receiver::with(Config { max_message_bytes: 1 << 20, ..Config::default() });
    let request = |encoding: &str, body: Vec<u8>| {
        Request::post("/v3/segments").header("content-encoding", encoding).body(Body::from(body)).unwrap()
    };
    let body = gzip(format!("[{}]", segment("a")).as_bytes());
    assert_eq!(send(&receiver, request("gzip", body)).await.0, StatusCode::OK);
    assert_eq!(segment_ids(&receiver.drain()), ["a"]);

    let bomb = gzip(&vec![b' '; 2 << 20]);
    assert_eq!(send(&receiver, request("gzip", bomb)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&receiver, request("identity", vec![b' '; (1 << 20) + 1])).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooLarge), 2);
    assert_eq!(send(&receiver, request("gzip", b"not gzip".to_vec())).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(send(&receiver, request("br", Vec::new())).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[tokio::test]
async fn a_configured_token_must_be_sent() {
    let mut receiver = Receiver::with(Config { token: Secret::new("s3cret"), ..Config::default() });
    let request = |token: &str| {
        Request::post("/v3/segment").header("authentication", token).body(Body::from(segment("a"))).unwrap()
    };
    assert_eq!(post(&receiver, "/v3/segment", segment("a")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&receiver, request("s3cre")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Unauthenticated), 2);
    assert_eq!(send(&receiver, request("s3cret")).await.0, StatusCode::OK);
    assert_eq!(segment_ids(&receiver.drain()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_answers_503_and_counts_what_was_left() {
    let receiver = Receiver::with(Config { queue_length: 2, ..Config::default() });
    let body = format!("[{}]", vec![segment("a"); 5].join(","));
    let begun = tokio::time::Instant::now();
    assert_eq!(post(&receiver, "/v3/segments", body).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begun.elapsed().as_millis(), 500);
    assert_eq!(receiver.ledger.accepted(Signal::Segment), 2);
    assert_eq!(receiver.refused(Signal::Segment, Reason::Overload), 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_to_its_end_is_given_up() {
    let receiver = Receiver::new();
    let half = futures_util::stream::iter([Ok::<_, std::io::Error>("[{")]);
    let body = Body::from_stream(futures_util::StreamExt::chain(half, futures_util::stream::pending()));
    assert_eq!(post(&receiver, "/v3/segments", body).await.0, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(receiver.refused(Signal::Segment, Reason::TooSlow), 1);
    assert_eq!(receiver.ingest.free_bytes(), receiver.config.budget_bytes as usize);
}

#[test]
fn a_large_body_is_decoded_beside_what_is_served() {
    // One thread serves; the only one for long work is taken until it is let go.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let mut receiver = Receiver::new();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || held.recv().is_err());
        let padding = format!(r#""unheardOf":"{}""#, "x".repeat(1 << 20));
        for body in [segment("a"), format!("[{},{}]", segment("b"), segment("c"))] {
            let large = body.replacen(r#""unheardOf":{"a":[1]}"#, &padding, 1);
            let mut large = Box::pin(post(&receiver, "/v3/segments", large));
            assert!(futures_util::poll!(&mut large).is_pending(), "it is not decoded here");
            assert_eq!(post(&receiver, "/v3/segment", segment("small")).await.0, StatusCode::OK);
            assert!(futures_util::poll!(&mut large).is_pending());
        }
        assert_eq!(segment_ids(&receiver.drain()), ["small", "small"]);
        drop(let_go);
        assert!(taken.await.unwrap());
    });
}
