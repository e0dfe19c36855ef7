//! gRPC, served by hand: every method under its packaged path, and under the older one without a package where agents use it.
//!
//! What a generated server would add, a decoder and a type for each method, is what this server does better itself; what
//! remains of gRPC is a frame of five bytes and two headers.

mod frame;
mod health;
mod methods;
mod reply;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use tonic::Status;

use self::frame::Frames;
use self::methods::{METHODS, Method, Shape};
use crate::budget::Patience;
use crate::config::Config;
use crate::discovery::Discovery;
use crate::fault::Fault;
use crate::ingest::Ingest;
use crate::intake::Intake;
use crate::reporters::Protocol;
use crate::token::Token;

/// Everything agents call over gRPC, and the standard health service. Needs HTTP/2.
pub fn router(ingest: Ingest, config: &Config) -> Router {
    let server = Server { ingest: ingest.clone(), discovery: Discovery::new(config), token: Token::new(&config.token) };
    let mut router = Router::new().merge(health::router(ingest)).fallback(unknown);
    for method in METHODS {
        for path in method.paths() {
            let server = server.clone();
            router = router.route(&path, post(move |request: Request| server.call(method, request)));
        }
    }
    router
}

async fn unknown() -> Response {
    Status::unimplemented("no such method").into_http::<Body>()
}

#[derive(Clone)]
struct Server {
    ingest: Ingest,
    discovery: Discovery,
    token: Token,
}

impl Server {
    async fn call(self, method: &'static Method, request: Request) -> Response {
        if !is_grpc(request.headers()) {
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        match self.answer(method, request).await {
            Ok(response) => response,
            Err(fault) => {
                if let Some(reason) = fault.reason() {
                    self.ingest.refuse(method.kind.signal(), reason, 1);
                }
                reply::failure(fault)
            }
        }
    }

    async fn answer(&self, method: &'static Method, request: Request) -> Result<Response, Fault> {
        if !self.token.admits(request.headers()) {
            return Err(Fault::Unauthenticated);
        }
        let patience = if method.shape == Shape::Unary { Patience::Unary } else { Patience::Stream };
        let frames = Frames::new(request, &self.ingest, patience)?;
        match method.shape {
            Shape::Unary => self.unary(method, frames).await.map(reply::one),
            Shape::ClientStream => self.client_stream(method, frames).await.map(|()| reply::one(Bytes::new())),
        }
    }

    async fn unary(&self, method: &'static Method, mut frames: Frames) -> Result<Bytes, Fault> {
        let message = frames.next().await?.ok_or(Fault::Malformed("no message"))?;
        Intake::unary(self.ingest.clone(), self.discovery.clone(), Protocol::Grpc).take(method.kind, message).await
    }

    async fn client_stream(&self, method: &'static Method, mut frames: Frames) -> Result<(), Fault> {
        let mut intake = Intake::stream(self.ingest.clone(), self.discovery.clone(), Protocol::Grpc);
        let closed = self.ingest.closed();
        tokio::pin!(closed);
        loop {
            // Only the wait for a message is cut short: one that has arrived still goes into its queue.
            let message = tokio::select! {
                biased;
                () = &mut closed => return Err(Fault::Closing),
                message = frames.next() => message?,
            };
            let Some(message) = message else {
                return Ok(());
            };
            intake.take(method.kind, message).await?;
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
