//! A router over an alarm engine whose tasks do not run: what is written stays as it was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use alarm::Doc;
use alarm::incident::Incident;
use alarm::notification::Notification;
use alarm::seal::Key;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use model::item::Revision;
use model::layer::Layers;
use model::metric::{Catalogue, Function, MetricDef};
use model::{Clock, Scope, UnixMillis, Zone, cell, cell::CellId, id};
use query::{Actor, Role};
use serde_json::{Value, json};
use storage::memory::Memory;
use storage::nodes::{Node, Registry};
use storage::{Backend, SharedStore, Swapped};
use tower::ServiceExt as _;

/// 2026-11-24T10:00:00Z.
pub(crate) const NOON: i64 = 1_795_514_400_000;

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) store: SharedStore,
    now: Arc<AtomicI64>,
}

/// What was answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    /// The JSON, where the status is this.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// The code of an error of this status.
    #[track_caller]
    pub(crate) fn code(&self, status: u16) -> String {
        self.is(status)["code"].as_str().unwrap().to_owned()
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with_limit(500).await
    }

    pub(crate) async fn with_limit(silence_limit: usize) -> World {
        let store: SharedStore = Arc::new(Memory::new());
        let now = Arc::new(AtomicI64::new(NOON));
        let read = Arc::clone(&now);
        // It goes on whenever somebody looks, so that nothing happens at the same moment.
        let clock = Clock::from_fn(move || UnixMillis(read.fetch_add(1, Ordering::Relaxed)));
        let node = Node {
            host: "h".into(),
            grpc_port: 1,
            http_port: 2,
            version: "v".into(),
            flushed_before: 0,
            settings_hash: String::new(),
        };
        let (_registry, nodes) = Registry::new(Arc::clone(&store), clock.clone(), 1, node, Box::new(|| 0));
        let metrics = [
            ("service_cpm", Scope::Service, Function::Cpm),
            ("service_sla", Scope::Service, Function::Percent),
            ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
            ("endpoint_cpm", Scope::Endpoint, Function::Cpm),
        ];
        let def = |(cell, (name, scope, function)): (u16, (&str, Scope, Function))| MetricDef {
            cell: CellId(cell),
            name: name.to_owned(),
            scope,
            function,
        };
        let config = alarm::Config {
            desk: alarm::desk::Config { silence_limit, ..alarm::desk::Config::default() },
            ..alarm::Config::default()
        };
        let parts = alarm::start::Parts {
            store: Arc::clone(&store),
            backend: Backend::Memory,
            clock,
            zone: Zone::utc(),
            layers: Layers::default(),
            catalogue: Arc::new(Catalogue::new((cell::FIRST_METRIC..).zip(metrics).map(def))),
            nodes,
            node: "1".into(),
            host: "h".to_owned(),
            key: Some(Arc::new(Key::of_setting(&"5a".repeat(32)).unwrap())),
            config,
            shipped: "",
        };
        let alarm = alarm::start(parts, || std::future::ready(())).await;
        World { router: query::alarm_routes(Arc::clone(&alarm.desk)), store, now }
    }

    pub(crate) fn later(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Asks as somebody, with headers.
    pub(crate) async fn ask_as(
        &self,
        role: Option<Role>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answered {
        let mut request =
            Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(format!("/alarm/v1{path}"));
        for (key, value) in headers {
            request = request.header(*key, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        if let Some(role) = role {
            request.extensions_mut().insert(Actor::new("ann", role, "ask bob"));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answered { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.ask_as(Some(Role::Viewer), "GET", path, &[], Body::empty()).await
    }

    /// Asks as an admin, with JSON; null: without a body.
    pub(crate) async fn ask(&self, method: &str, path: &str, if_match: &str, body: &Value) -> Answered {
        let mut headers = vec![("content-type", "application/json"), ("x-reason", "because")];
        match if_match {
            "" => {}
            "none" => headers.push(("if-none-match", "*")),
            revision => headers.push(("if-match", revision)),
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.ask_as(Some(Role::Admin), method, path, &headers, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answered {
        self.ask("POST", path, "", &body).await
    }

    /// Makes a rule, and answers its id.
    pub(crate) async fn rule(&self, name: &str) -> String {
        let made = self.post("/rules", rule(name)).await;
        made.is(201)["document"]["id"].as_str().unwrap().to_owned()
    }

    /// Puts a document into the store as the engine would.
    pub(crate) async fn put(&self, doc: &impl Doc) {
        let swapped = self.store.swap_many(&[(alarm::doc::write(doc), Revision(0))]).await.unwrap();
        assert!(matches!(swapped[..], [Swapped::Done(_)]));
    }
}

pub(crate) fn rule(name: &str) -> Value {
    json!({"name": name, "expression": "avg(service_cpm) > 1", "period": 5, "message": "too much of {name}"})
}

/// An incident of a rule that fired at noon and is open.
pub(crate) fn incident(number: u32, rule: &str, service: &str) -> Incident {
    let minute = UnixMillis(NOON).minute().unwrap().0;
    let entity = id::service(service, true);
    serde_json::from_value(json!({
        "id": format!("{number:032x}"), "rule": rule, "ruleName": "r", "expression": "avg(service_cpm) > 1", "hooks": [],
        "profile": "NATIVE", "severity": "CRITICAL", "shadow": false,
        "entity": {"scope": "Service", "id": entity, "name": service}, "layers": ["GENERAL"], "labels": [],
        "state": "FIRING", "entered": minute, "silentUntil": minute, "observedUntil": 0, "opened": minute, "closed": null,
        "transitions": [{
            "seq": 1, "what": "FIRED", "minute": minute, "at": NOON + i64::from(number), "uuid": format!("u{number}"),
            "message": format!("too much of {service}"), "tags": {"level": "CRITICAL"},
            "evidence": [{"metric": "service_cpm", "values": [[minute, 7.0]]}],
        }],
    }))
    .unwrap()
}

/// A notification in a state.
pub(crate) fn notification(number: u32, status: &str, incident: &str) -> Notification {
    serde_json::from_value(json!({
        "id": format!("n{number}"), "group": "g", "sequence": number, "receiver": "webhook.ops", "labels": {},
        "told": [{"incident": incident, "seq": 1, "what": "FIRED", "at": NOON, "uuid": "u", "message": "m"}],
        "omitted": 0, "repeated": false, "made": NOON + i64::from(number), "status": status, "next": NOON, "nAttempts": 1,
        "attempts": [{"at": NOON, "tookMs": 12, "status": 500, "error": "oh no"}],
        "finished": if status == "WAITING" { Value::Null } else { (NOON + 100).into() },
    }))
    .unwrap()
}
