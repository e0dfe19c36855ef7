//! Answers: one message and the status in trailers, or the status alone.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::fault::Fault;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip,identity");

/// A successful answer of one encoded message.
pub(super) fn one(message: Bytes) -> Response {
    many(stream::iter([Ok(message)]))
}

/// An answer of any number of encoded messages; a fault among them ends it.
pub(super) fn many(messages: impl Stream<Item = Result<Bytes, Fault>> + Send + 'static) -> Response {
    let frames = messages.map(Some).chain(stream::iter([None])).scan(false, |over, item| {
        if *over {
            return std::future::ready(None);
        }
        let frame = match item {
            Some(Ok(message)) => Frame::data(framed(&message)),
            Some(Err(fault)) => {
                *over = true;
                Frame::trailers(trailers(Some(fault)))
            }
            None => Frame::trailers(trailers(None)),
        };
        std::future::ready(Some(Ok::<_, Infallible>(frame)))
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response.headers_mut().insert(ACCEPT_ENCODING, ENCODINGS);
    response
}

/// An answer of a status alone.
pub(super) fn failure(fault: Fault) -> Response {
    let mut response = fault.status().into_http::<Body>();
    response.headers_mut().insert(ACCEPT_ENCODING, ENCODINGS);
    response
}

fn framed(message: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("our own answers are small"));
    frame.extend_from_slice(message);
    frame.freeze()
}

pub(super) fn trailers(fault: Option<Fault>) -> HeaderMap {
    let Some(fault) = fault else {
        return HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    };
    fault
        .status()
        .into_http::<()>()
        .headers()
        .iter()
        .filter(|(name, _)| *name != CONTENT_TYPE)
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}
