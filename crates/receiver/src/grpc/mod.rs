//! gRPC, served by hand: every method under its packaged path, and under the older one without a package where agents use it.
//!
//! What a generated server would add, a decoder and a type for each method, is what this server does better itself; what
//! remains of gRPC is a frame of five bytes and two headers.

mod frame;
mod health;
mod methods;
mod reply;

use std::pin::{Pin, pin};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tonic::Status;

use self::frame::Frames;
use self::methods::{METHODS, Method, Shape};
use crate::budget::Patience;
use crate::config::Config;
use crate::discovery::Discovery;
use crate::fault::Fault;
use crate::ingest::{Ingest, Message};
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
                self.count(method, fault);
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
            Shape::Bidirectional => Ok(reply::many(self.clone().answers(method, frames))),
        }
    }

    async fn unary(&self, method: &'static Method, mut frames: Frames) -> Result<Bytes, Fault> {
        let message = frames.next().await?.ok_or(Fault::Malformed("no message"))?;
        Intake::unary(self.ingest.clone(), self.discovery.clone(), Protocol::Grpc).take(method.kind, message).await
    }

    async fn client_stream(&self, method: &'static Method, mut frames: Frames) -> Result<(), Fault> {
        let mut intake = Intake::stream(self.ingest.clone(), self.discovery.clone(), Protocol::Grpc);
        let mut closed = pin!(self.ingest.closed());
        while let Some(message) = next(&mut frames, closed.as_mut()).await? {
            intake.take(method.kind, message).await?;
        }
        Ok(())
    }

    /// The answers of a call whose first message says what is coming. Nobody keeps the rest yet, and it is one element.
    fn answers(self, method: &'static Method, frames: Frames) -> impl Stream<Item = Result<Bytes, Fault>> + Send {
        let closed = Box::pin(self.ingest.closed());
        let intake = Intake::stream(self.ingest.clone(), self.discovery.clone(), Protocol::Grpc);
        let upload = Upload { server: self, method, frames, closed, intake, begun: false };
        stream::unfold(Some(upload), |upload| async {
            let mut upload = upload?;
            match upload.answer().await {
                Ok(answer) => answer.map(|answer| (Ok(answer), Some(upload))),
                Err(fault) => {
                    upload.server.count(upload.method, fault);
                    Some((Err(fault), None))
                }
            }
        })
    }

    fn count(&self, method: &Method, fault: Fault) {
        if let Some(reason) = fault.reason() {
            self.ingest.refuse(method.kind.signal(), reason, 1);
        }
    }
}

/// A call that is answered while it goes on.
struct Upload {
    server: Server,
    method: &'static Method,
    frames: Frames,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    intake: Intake,
    begun: bool,
}

impl Upload {
    /// The next answer; `None` at the end.
    async fn answer(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(message) = next(&mut self.frames, self.closed.as_mut()).await? {
            if !self.begun {
                self.begun = true;
                return self.intake.take(self.method.kind, message).await.map(Some);
            }
        }
        Ok(None)
    }
}

/// The next message, unless the door closes. Only the wait is cut short: what has arrived still goes into its queue.
async fn next(
    frames: &mut Frames,
    closed: Pin<&mut (dyn Future<Output = ()> + Send)>,
) -> Result<Option<Message>, Fault> {
    tokio::select! {
        biased;
        () = closed => Err(Fault::Closing),
        message = frames.next() => message,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
