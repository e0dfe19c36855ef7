//! A dependency of an application with an agent stops, and somebody is told; it is back, and they are told that, too.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::application::Application;
use e2e::hook::Hook;
use e2e::load::duration;
use e2e::server::Server;
use e2e::store::Store;
use e2e::{now, on_stores, wait_until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::apps;

/// The rule that SkyWalking brings wants two bad minutes. A slow machine is given thrice as long as it takes.
const TOLD: Duration = Duration::from_secs(400);

/// One that recovers with the first good minute.
const QUICK: &str = "quick_rule";
const SHIPPED: &str = "service_sla_rule";

on_stores!(who_is_on_call_is_told_of_a_dependency_that_stops: embedded, opensearch_3);

async fn who_is_on_call_is_told_of_a_dependency_that_stops(store: Store) {
    let hook = Hook::start().await;
    // The rules are those that come with the server.
    let server = Server::start(&store.settings()).await;
    post(&server, "receivers", &json!({
        "id": "webhook.oncall", "kind": "webhook", "isDefault": true,
        "settings": { "urls": [format!("{}/alarm", hook.url)], "recovery-urls": [format!("{}/recovery", hook.url)] },
    }))
    .await;
    post(
        &server,
        "rules",
        &json!({
            "name": QUICK, "profile": "SKYWALKING", "expression": "sum(service_sla < 8000) >= 1", "period": 1,
            "silence": 0, "message": "{name} fails", "selector": { "includeNames": ["checkout"] },
        }),
    )
    .await;

    let mut stock = apps::python("stock", &server.grpc, &[]);
    let port = stock.port().await.to_string();
    let next = format!("http://127.0.0.1:{port}/work");
    let mut checkout = apps::python("checkout", &server.grpc, &[("APP_NEXT", &next)]);
    let calls = Calls::start(format!("http://127.0.0.1:{}/work", checkout.port().await));
    server.wait_stored("segment", 4).await;
    Application::kill(stock).await;

    wait_told(&hook, "/alarm", &[QUICK, SHIPPED]).await;
    let alarms = hook.alarms("/alarm");
    let (_, alarm) = alarms.iter().find(|(_, alarm)| alarm["ruleName"] == SHIPPED).unwrap();
    assert_eq!((&alarm["name"], &alarm["scope"]), (&json!("checkout"), &json!("SERVICE")));
    wait_listed(&server, QUICK, "checkout fails", false).await;

    let mut stock = apps::python("stock", &server.grpc, &[("APP_PORT", &port)]);
    stock.port().await;
    wait_told(&hook, "/recovery", &[QUICK]).await;
    wait_listed(&server, QUICK, "checkout fails", true).await;
    drop(calls);
    for application in [stock, checkout] {
        Application::kill(application).await;
    }
    server.stop().await;
}

/// A call every half a second, whatever comes of it, until it is dropped.
struct Calls(JoinHandle<()>);

impl Calls {
    fn start(url: String) -> Self {
        Calls(tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(500));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                drop(reqwest::get(&url).await);
            }
        }))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn post(server: &Server, what: &str, body: &Value) {
    let request = reqwest::Client::new().post(format!("http://{}/alarm/v1/{what}", server.http));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn wait_told(hook: &Hook, path: &str, rules: &[&str]) {
    let told = wait_until(Instant::now() + TOLD, async || {
        let alarms = hook.alarms(path);
        let told: BTreeSet<&str> = alarms.iter().filter_map(|(_, alarm)| alarm["ruleName"].as_str()).collect();
        if rules.iter().all(|rule| told.contains(rule)) { Ok(()) } else { Err(format!("{path}: {told:?}")) }
    });
    told.await.unwrap();
}

/// As a UI lists alarms: by rule, with message and whether they have recovered.
async fn wait_listed(server: &Server, rule: &str, message: &str, recovered: bool) {
    let query = "query($c:AlarmQueryCondition!){queryAlarms(condition:$c){msgs{message recoveryTime}}}";
    let listed = wait_until(Instant::now() + TOLD, async || {
        let condition = json!({
            "duration": duration(now().plus(-20 * 60_000), now().plus(60_000)),
            "ruleNames": [rule], "paging": { "pageNum": 1, "pageSize": 50 },
        });
        let data = server.data(query, json!({ "c": condition })).await;
        let alarms = data["queryAlarms"]["msgs"].as_array().unwrap();
        let is_so = |alarm: &Value| alarm["message"] == message && alarm["recoveryTime"].is_number() == recovered;
        if !alarms.is_empty() && alarms.iter().all(is_so) { Ok(()) } else { Err(data.to_string()) }
    });
    listed.await.unwrap();
}
