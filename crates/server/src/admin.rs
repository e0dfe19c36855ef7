//! Endpoints about the server itself, as SkyWalking's clients ask for them: health, retention, nodes, settings.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use storage::SharedStore;
use storage::nodes::{Nodes, Seen};

use crate::config::Config;

/// What the endpoints answer from.
#[derive(Clone)]
pub struct Admin {
    /// The settings in force.
    pub config: Arc<Config>,
    /// The store whose health is told.
    pub store: SharedStore,
    /// The nodes that share the store.
    pub nodes: Nodes,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("config", &self.config).finish_non_exhaustive()
    }
}

/// `/healthcheck`, which balancers ask for and nobody logs in for.
pub fn health_routes(admin: Admin) -> Router {
    Router::new().route("/healthcheck", get(health)).with_state(admin)
}

/// `/status/config/ttl`, `/status/cluster/nodes` and `/debugging/config/dump`.
pub fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/status/config/ttl", get(ttl))
        .route("/status/cluster/nodes", get(nodes))
        .route("/debugging/config/dump", get(dump))
        .with_state(admin)
}

/// 200 while reads and writes work, 503 with the reason while they do not.
async fn health(State(admin): State<Admin>) -> Response {
    let health = admin.store.health().await;
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ok": health.ok, "detail": health.detail }))).into_response()
}

/// Days for which data are kept; there is no cold stage, which reads as -1. JSON for who accepts it, else a line for each.
async fn ttl(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let (metrics, records) = (admin.config.storage.metrics_days, admin.config.storage.records_days);
    let answer = json!({
        "metrics": {
            "metadata": metrics, "minute": metrics, "hour": metrics, "day": metrics,
            "coldMinute": -1, "coldHour": -1, "coldDay": -1,
        },
        "records": {
            "normal": records, "trace": records, "zipkinTrace": records, "log": records, "browserErrorLog": records,
            "coldNormal": -1, "coldTrace": -1, "coldZipkinTrace": -1, "coldLog": -1, "coldBrowserErrorLog": -1,
        },
    });
    if accepts_json(&headers) {
        return Json(answer).into_response();
    }
    let lines: String = crate::render::flat(&answer).iter().map(|(name, days)| format!("{name}={days}\n")).collect();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], lines).into_response()
}

/// The nodes that share the store, as this one sees them: what SkyWalking's clients read (`host`, `port`, `self`), and whether a node
/// is live, when it last said so by its own clock, and the start of the last minute of which all that was on time is stored.
async fn nodes(State(admin): State<Admin>) -> Json<Value> {
    let nodes: Vec<_> = admin.nodes.now().iter().map(shown).collect();
    Json(json!({ "nodes": nodes }))
}

fn shown(Seen { id, node, said, own, live }: &Seen) -> Value {
    let flushed = node.flushed_before.checked_sub(1).map(|minute| minute * 60_000);
    json!({
        "host": node.host, "port": node.grpc_port, "self": own, "id": **id, "httpPort": node.http_port,
        "version": node.version, "live": live, "lastSeen": said.0, "flushedMinute": flushed,
    })
}

/// Every setting by its dotted name, secrets hidden.
async fn dump(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let flat = admin.config.flat();
    if accepts_json(&headers) {
        let map: Map<String, Value> = flat.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        return Json(Value::Object(map)).into_response();
    }
    let lines: String = flat.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], lines).into_response()
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    accept.contains("json")
}
