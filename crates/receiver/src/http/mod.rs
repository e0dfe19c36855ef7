//! The HTTP twins of the agents' calls: the same messages as JSON, one or an array of them.

mod body;
pub(crate) mod json;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use model::telemetry::Signal;
use prost_reflect::MessageDescriptor;

use self::json::{Decoded, Elements};
use crate::config::Config;
use crate::discovery::Discovery;
use crate::fault::Fault;
use crate::ingest::{Ingest, Message};
use crate::intake::{Intake, Kind};
use crate::later::{self, Later};
use crate::reporters::Protocol;
use crate::token::Token;

/// One path: what is posted to it, and what becomes of it.
struct Twin {
    path: &'static str,
    message: &'static str,
    kind: Kind,
}

const fn twin(path: &'static str, message: &'static str, kind: Kind) -> Twin {
    Twin { path, message, kind }
}

const BROWSER: Kind = Kind::Later(Later { signal: Signal::Browser, elements: later::Elements::Message });

static TWINS: [Twin; 12] = [
    twin("/v3/segment", "skywalking.v3.SegmentObject", Kind::Segment),
    twin("/v3/segments", "skywalking.v3.SegmentObject", Kind::Segment),
    twin("/v3/management/reportProperties", "skywalking.v3.InstanceProperties", Kind::Properties),
    twin("/v3/management/keepAlive", "skywalking.v3.InstancePingPkg", Kind::KeepAlive),
    twin("/v3/logs", "skywalking.v3.LogData", Kind::Log),
    twin("/v3/events", "skywalking.v3.Event", Kind::Event),
    twin("/browser/perfData", "skywalking.v3.BrowserPerfData", BROWSER),
    twin("/browser/perfData/webVitals", "skywalking.v3.BrowserWebVitalsPerfData", BROWSER),
    twin("/browser/perfData/resources", "skywalking.v3.BrowserResourcePerfData", BROWSER),
    twin("/browser/perfData/webInteractions", "skywalking.v3.BrowserWebInteractionsPerfData", BROWSER),
    twin("/browser/errorLog", "skywalking.v3.BrowserErrorLog", BROWSER),
    twin("/browser/errorLogs", "skywalking.v3.BrowserErrorLog", BROWSER),
];

/// Everything agents call over HTTP. It has no fallback, so that it can be merged with other routers.
///
/// Each path takes one object or an array of them, gzip or not. 200 with `{}`: all that could be used was taken in. 400: the
/// body is not JSON, or its one object is not what it should be. 413 and 408: it was too large or too slow. 401: no token or
/// another one. 503: what had room was taken in, the rest should be sent again later.
pub fn router(ingest: Ingest, config: &Config) -> Router {
    let server = Server { ingest, discovery: Discovery::new(config), token: Token::new(&config.token) };
    TWINS.iter().fold(Router::new(), |router, twin| {
        let server = server.clone();
        let descriptor = proto::pool().get_message_by_name(twin.message).expect("the table names messages that exist");
        router.route(twin.path, post(move |request: Request| server.call(twin.kind, descriptor, request)))
    })
}

#[derive(Clone)]
struct Server {
    ingest: Ingest,
    discovery: Discovery,
    token: Token,
}

impl Server {
    async fn call(self, kind: Kind, descriptor: MessageDescriptor, request: Request) -> Response {
        match self.take(kind, &descriptor, request).await {
            Ok(()) => answer(StatusCode::OK, "{}".to_owned()),
            Err(fault) => {
                if let Some(reason) = fault.reason() {
                    self.ingest.refuse(kind.signal(), reason, 1);
                }
                answer(fault.http(), serde_json::json!({ "error": fault.to_string() }).to_string())
            }
        }
    }

    async fn take(&self, kind: Kind, descriptor: &MessageDescriptor, request: Request) -> Result<(), Fault> {
        if !self.token.admits(request.headers()) {
            return Err(Fault::Unauthenticated);
        }
        let Message { bytes, mut held } = body::read(request, &self.ingest).await?;
        let mut elements = Elements::new(&bytes).map_err(|_| Fault::Malformed("the body is not JSON"))?;
        let (body_bytes, heavy) = (bytes.len(), self.ingest.heavy().clone());
        let mut intake = Intake::unary(self.ingest.clone(), self.discovery.clone(), Protocol::Http);
        intake.share(elements.is_array());
        loop {
            let descriptor = descriptor.clone();
            let decode = move || (json::decode_some(&mut elements, &descriptor), elements);
            let (some, rest) = heavy.run(body_bytes, decode).await;
            elements = rest;
            if some.is_empty() {
                return Ok(());
            }
            let mut some = some.into_iter();
            while let Some(element) = some.next() {
                let Decoded { json_bytes, message } = element.map_err(|_| Fault::Malformed("the body is not JSON"))?;
                // JSON is longer than protobuf, so its share is enough.
                let held = held.split(json_bytes);
                let taken = match message {
                    Ok(bytes) => intake.take(kind, Message { bytes: Bytes::from(bytes), held }).await.map(|_| ()),
                    Err(error) => intake.refuse(kind.signal(), error.reason()),
                };
                match taken {
                    // That is for the one element, and it is counted.
                    Err(Fault::Invalid(_)) if elements.is_array() => {}
                    Err(fault) => {
                        let left = some.count() + heavy.run(body_bytes, move || elements.count()).await;
                        intake.refuse_rest(kind.signal(), fault, left as u64);
                        return Err(fault);
                    }
                    Ok(()) => {}
                }
                // An array may be long, and others want to be served meanwhile.
                tokio::task::consume_budget().await;
            }
        }
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
