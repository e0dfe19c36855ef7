//! gRPC by hand: calls whose bytes no generated client would send.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tonic::Code;
use tower::ServiceExt;

use crate::setup::Receiver;

/// The path that most tests call.
pub(crate) const COLLECT: &str = "/skywalking.v3.TraceSegmentReportService/collect";

/// What a call was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) text: String,
    /// The body, frames and all.
    pub(crate) body: Bytes,
}

/// A message with its five bytes.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

/// A body that the test feeds; dropping the sender ends it.
pub(crate) fn fed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let pieces = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok::<_, std::io::Error>(piece), receiver))
    });
    (sender, Body::from_stream(pieces))
}

pub(crate) fn request(path: &str, body: Body) -> Request<Body> {
    Request::post(path).header("content-type", "application/grpc").body(body).unwrap()
}

pub(crate) async fn call(receiver: &Receiver, path: &str, body: impl Into<Body>) -> Answer {
    send(receiver, request(path, body.into())).await
}

pub(crate) async fn send(receiver: &Receiver, request: Request<Body>) -> Answer {
    let router = receiver::grpc(receiver.ingest.clone(), &receiver.config);
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let find = |name: &str| {
        let of = |headers: &HeaderMap| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        of(&head.headers).or_else(|| of(&trailers))
    };
    let code = find("grpc-status").expect("every answer has a status");
    Answer {
        code: Code::from_bytes(code.as_bytes()),
        text: find("grpc-message").unwrap_or_default(),
        body: body.to_bytes(),
    }
}
