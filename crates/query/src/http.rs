//! GraphQL over HTTP: `POST /graphql`.

use std::sync::Arc;

use async_graphql::{Request, Response, ServerError, Value, Variables};
use axum::{
    Extension, Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use serde::Deserialize;

use crate::{Actor, Config, Schema, actor, key_order, limits};

/// The query side's HTTP routes: `POST /graphql` with `{"query", "variables", "operationName"}` in JSON.
///
/// The answer is JSON with `data` and `errors`, keys in the order of the selection, and the status is 200 even where the
/// query is wrong: clients read the message only then. What is no GraphQL request at all gets 400 (not JSON), 413 (longer
/// than the limit) or 415 (another content type), in the same shape. What asks is the [`Actor`] among the request's
/// extensions; mutations that it may not ask for are refused with an error whose `extensions.code` is `FORBIDDEN`.
pub fn routes(schema: Schema, config: &Config) -> Router {
    let service = Arc::new(Service { schema, config: config.clone() });
    Router::new().route("/graphql", post(graphql)).with_state(service)
}

struct Service {
    schema: Schema,
    config: Config,
}

/// A request as clients send it: variables and the operation's name may be missing or null.
#[derive(Deserialize)]
struct Wire {
    query: String,
    #[serde(default)]
    variables: Option<Variables>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
}

async fn graphql(
    State(service): State<Arc<Service>>,
    who: Option<Extension<Actor>>,
    headers: HeaderMap,
    body: Body,
) -> impl IntoResponse {
    if !is_json(&headers) {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json");
    }
    let Ok(body) = to_bytes(body, service.config.max_body_bytes).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or was cut off");
    };
    let wire: Wire = match serde_json::from_slice(&body) {
        Ok(wire) => wire,
        Err(error) => {
            return refusal(StatusCode::BAD_REQUEST, &format!("the request is not a GraphQL request in JSON: {error}"));
        }
    };
    let actor = who.map(|Extension(actor)| actor).unwrap_or_default();
    respond(StatusCode::OK, &execute(&service, wire, actor).await)
}

/// Executes within the limits. Every failure is a GraphQL error.
async fn execute(service: &Service, wire: Wire, actor: Actor) -> Response {
    let document = match limits::admit(&wire.query, service.config.max_complexity) {
        Ok(document) => document,
        Err(error) => return Response::from_errors(vec![error]),
    };
    let operation = wire.operation_name.filter(|name| !name.is_empty());
    if let Err(error) = actor::admit(&document, operation.as_deref(), &actor) {
        return Response::from_errors(vec![error]);
    }
    let mut request = Request::new(wire.query).data(actor).variables(wire.variables.unwrap_or_default());
    request.operation_name.clone_from(&operation);
    request.set_parsed_query(document.clone());
    match tokio::time::timeout(service.config.timeout(), service.schema.execute(request)).await {
        Ok(mut response) => {
            // Only a document that was found valid has data that is an object.
            if matches!(response.data, Value::Object(_)) {
                key_order::restore(&mut response.data, &document, operation.as_deref());
            }
            response
        }
        Err(_) => {
            let message = format!("the query took longer than {} s", service.config.timeout_seconds);
            Response::from_errors(vec![ServerError::new(message, None)])
        }
    }
}

/// Whether the content type is `application/json`, with any parameters. Nothing else is taken: a page in a browser can
/// send other types to us without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers).eq_ignore_ascii_case("application/json")
}

/// The content type without its parameters; empty: there is none.
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}

type Answer = (StatusCode, [(header::HeaderName, &'static str); 1], Bytes);

fn refusal(status: StatusCode, message: &str) -> Answer {
    respond(status, &Response::from_errors(vec![ServerError::new(message, None)]))
}

fn respond(status: StatusCode, response: &Response) -> Answer {
    let body = serde_json::to_vec(response).expect("a GraphQL response has text keys only");
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], Bytes::from(body))
}
