//! `/status/alarm/…`: SkyWalking's read-only endpoints about alarm rules. One entry tells for all nodes, since all know the same.

use std::sync::Arc;

use alarm::{
    Desk,
    desk::{DeskError, Kind},
    skywalking_status as status,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde::Serialize;

/// What SkyWalking says of a cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster<T> {
    oap_instances: [Node<T>; 1],
}

/// What a node says: a status, or why there is none; neither where there is no such rule.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<T> {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_msg: Option<String>,
}

/// `/status/alarm/rules`, `/status/alarm/{rule}` and `/status/alarm/{rule}/{entity}`, for the HTTP port and the admin port.
pub fn alarm_status(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/status/alarm/rules", get(rules))
        .route("/status/alarm/{rule}", get(rule))
        .route("/status/alarm/{rule}/{entity}", get(context))
        .with_state(desk)
}

async fn rules(State(desk): State<Arc<Desk>>) -> Json<Cluster<status::RuleList>> {
    told(&desk, status::rules(&desk).await.map(Some))
}

async fn rule(State(desk): State<Arc<Desk>>, Path(rule): Path<String>) -> Json<Cluster<status::RuleDetail>> {
    told(&desk, status::rule(&desk, &rule).await)
}

async fn context(
    State(desk): State<Arc<Desk>>,
    Path((rule, entity)): Path<(String, String)>,
) -> Json<Cluster<status::RunningContext>> {
    told(&desk, status::context(&desk, &rule, &entity).await)
}

fn told<T>(desk: &Desk, answer: Result<Option<T>, DeskError>) -> Json<Cluster<T>> {
    let nodes = desk.nodes.now();
    let own = nodes.iter().find(|node| node.own).map(|seen| format!("{}:{}", seen.node.host, seen.node.grpc_port));
    let address = own.unwrap_or_else(|| "self".to_owned());
    let (status, error_msg) = match answer {
        Ok(status) => (status, None),
        Err(error) => {
            if matches!(error.kind(), Kind::Unavailable | Kind::Damaged) {
                tracing::warn!(%error, "the status of alarms cannot be told");
            }
            (None, Some(error.to_string()))
        }
    };
    Json(Cluster { oap_instances: [Node { address, status, error_msg }] })
}
