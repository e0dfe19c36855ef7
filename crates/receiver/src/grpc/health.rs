//! `grpc.health.v1`: serving until the door closes.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use tokio::task::unconstrained;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::methods::METHODS;
use super::reply;
use crate::fault::Fault;
use crate::ingest::Ingest;

pub(super) fn router(ingest: Ingest) -> Router {
    let reporter = HealthReporter::new();
    for method in METHODS {
        // Nobody else has the reporter yet, so its lock is free; only the runtime's own sense of fairness could say "later".
        let set = reporter.set_service_status(method.full_service(), ServingStatus::Serving);
        unconstrained(set).now_or_never().expect("nobody holds its lock");
    }
    let server = HealthServer::new(HealthService::from_health_reporter(reporter));
    Router::new()
        .route_service("/grpc.health.v1.Health/{method}", server)
        .layer(from_fn_with_state(ingest, until_closed))
}

/// Ends watches when the door closes: they would keep their connections open for ever.
async fn until_closed(State(ingest): State<Ingest>, request: Request, next: Next) -> Response {
    if ingest.is_closed() {
        return reply::failure(Fault::Closing);
    }
    let (head, body) = next.run(request).await.into_parts();
    let closed = ingest.closed();
    // After the trailers of an answer that ended by itself nobody reads on.
    let farewell = stream::once(async { Ok(Frame::trailers(reply::trailers(Some(Fault::Closing)))) });
    let frames = BodyStream::new(body).take_until(closed).chain(farewell);
    Response::from_parts(head, Body::new(StreamBody::new(frames)))
}
