//! Alarms while servers are killed, frozen and woken: nothing that was decided is lost, and what is told twice has one key.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod fleet;
mod killed;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::hook::Hook;
use e2e::server::Server;
use e2e::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Recoveries come minutes after the last value, and a slow machine is given as long again.
const OVER: Duration = Duration::from_secs(480);

/// What a server answers to a request of the alarm interface.
async fn ask(server: &Server, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = reqwest::Client::new().request(method.clone(), format!("http://{}/alarm/v1{path}", server.http));
    let request = request.header("content-type", "application/json");
    let request = if method == Method::PUT { request.header("if-none-match", "*") } else { request };
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

async fn make(server: &Server, method: Method, path: &str, body: &Value) -> Value {
    let (status, made) = ask(server, method, path, body).await;
    assert!(status.is_success(), "{path}: {status} {made}");
    made
}

/// Two rules that fire for every service with a call, and recover when nothing comes any more: one of SkyWalking's profile, told in
/// few great notifications, and one of ours, each transition of which is told by itself.
async fn set_up(server: &Server, hook: &Hook) {
    for (name, path) in [("together", "/together"), ("alone", "/alone")] {
        let settings = json!({ "urls": [format!("{}{path}", hook.url)], "format": "cloudevents" });
        let receiver = json!({ "id": format!("webhook.{name}"), "kind": "webhook", "settings": settings });
        make(server, Method::POST, "/receivers", &receiver).await;
    }
    let alone = json!({ "receivers": ["webhook.alone"], "groupBy": ["..."], "groupWait": 0, "groupInterval": 1 });
    make(server, Method::PUT, "/routes", &json!({ "id": "routing", "root": alone })).await;
    for (name, profile, hooks) in [("theirs", "SKYWALKING", json!(["webhook.together"])), ("ours", "NATIVE", json!([]))]
    {
        let rule = json!({
            "name": name, "profile": profile, "expression": "sum(service_cpm > 0) >= 1", "period": 2, "silence": 5,
            "noData": { "policy": "RESOLVE", "after": 2 }, "message": "{name} is called", "hooks": hooks,
        });
        make(server, Method::POST, "/rules", &rule).await;
    }
}

/// All incidents there are.
async fn incidents(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let path = format!("/incidents?skip={}&limit=1000", all.len());
        let page = make(server, Method::GET, &path, &Value::Null).await;
        let items = page["items"].as_array().unwrap();
        all.extend(items.iter().cloned());
        if items.is_empty() || all.len() as u64 >= page["total"].as_u64().unwrap() {
            return all;
        }
    }
}

/// A transition: the incident, and its number in it.
type Which = (String, u64);

/// What an incident is about, and when it began: this never changes.
fn identity(incident: &Value) -> (String, String) {
    let about = format!("{} {} {}", incident["ruleName"], incident["entity"], incident["opened"]);
    (incident["id"].as_str().unwrap().to_owned(), about)
}

fn transitions(incident: &Value) -> Vec<Which> {
    let id = incident["id"].as_str().unwrap();
    let all = incident["transitions"].as_array().unwrap();
    all.iter().map(|transition| (id.to_owned(), transition["seq"].as_u64().unwrap())).collect()
}

/// The transitions that requests told, each with the keys it was told under.
fn told(hook: &Hook) -> BTreeMap<Which, BTreeSet<String>> {
    let mut told: BTreeMap<Which, BTreeSet<String>> = BTreeMap::new();
    for request in hook.told() {
        for alarm in request.body["data"]["alarms"].as_array().unwrap() {
            let which = (alarm["incident"].as_str().unwrap().to_owned(), alarm["seq"].as_u64().unwrap());
            told.entry(which).or_default().insert(request.key.clone());
        }
    }
    told
}

/// Waits until so many incidents are over and told in full, and checks that nothing was told under two keys, and nothing that is not in
/// the store. Answers the incidents.
async fn all_is_told(server: &Server, hook: &Hook, least: usize) -> Vec<Value> {
    let settled = wait_until(Instant::now() + OVER, async || {
        let all = incidents(server).await;
        let over = all.iter().filter(|incident| incident["state"] == "RECOVERED").count();
        let told = told(hook);
        let untold = all.iter().flat_map(transitions).filter(|which| !told.contains_key(which)).count();
        if over == all.len() && over >= least && untold == 0 {
            return Ok(all);
        }
        Err(format!("{over} of {} incidents are over, {least} are wanted; {untold} transitions are untold", all.len()))
    });
    let all = settled.await.unwrap();
    let decided: BTreeSet<_> = all.iter().flat_map(transitions).collect();
    for (which, keys) in told(hook) {
        assert_eq!(keys.len(), 1, "{which:?} was told under several keys: {keys:?}");
        assert!(decided.contains(&which), "{which:?} was told and is not in the store");
    }
    for (key, bodies) in requests(hook) {
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{key} told two things: {bodies:?}");
    }
    all
}

/// The bodies of all requests, by key.
fn requests(hook: &Hook) -> BTreeMap<String, Vec<Value>> {
    let mut requests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for request in hook.told() {
        requests.entry(request.key).or_default().push(request.body);
    }
    requests
}
