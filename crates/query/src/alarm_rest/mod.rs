//! Alarms over REST: `/alarm/v1/…`.
//!
//! What there is stands in one table ([`op::Op`]): the router, the roles and the description at `/alarm/v1/openapi.json` are made of it,
//! so none of them knows more than the others.

mod call;
mod deliveries;
mod documents;
mod incidents;
mod op;
mod openapi;
mod problem;
mod receivers;
mod routing;
mod rules;
mod silences;
mod trials;
mod various;

use std::sync::Arc;

use alarm::Desk;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use call::{Answer, Call};
use op::Op;
use problem::Problem;

/// Where all of it stands.
const BASE: &str = "/alarm/v1";

/// The routes under `/alarm/v1/`. Whoever asks is the [`crate::actor::Actor`] among the request's extensions; without one nobody in
/// particular asks, who may only read.
///
/// Bodies and answers are JSON. A document's `ETag` is its revision; who changes one names it in `If-Match` (428 without, 412 where it is
/// another, with the document as it is now). Errors are `{code, path, line, column, message, hint, problems}`.
pub fn routes(desk: Arc<Desk>) -> Router {
    Router::new().route(&format!("{BASE}/{{*path}}"), any(answer)).with_state(desk)
}

/// Everything that can be asked for.
fn table() -> impl Iterator<Item = &'static Op> {
    [
        rules::OPS,
        trials::OPS,
        receivers::OPS,
        routing::OPS,
        silences::OPS,
        incidents::OPS,
        deliveries::OPS,
        various::OPS,
        openapi::OPS,
    ]
    .into_iter()
    .flatten()
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(BASE).unwrap_or_default().to_owned();
    let found = op::find(request.method(), &path);
    let answered = match found {
        Ok((op, ids)) => run(desk, op, ids, request).await,
        Err(problem) => Err(problem),
    };
    answered.map_or_else(IntoResponse::into_response, IntoResponse::into_response)
}

async fn run(desk: Arc<Desk>, op: &'static Op, ids: Vec<String>, request: Request) -> Result<Answer, Problem> {
    let call = Call::read(desk, op, ids, request).await?;
    (op.run)(&call).await
}
