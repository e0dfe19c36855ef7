//! Alarms of the real server: a settings file, telemetry by gRPC, a webhook; rules that are edited while it runs; a crash.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use e2e::hook::Hook;
use e2e::load::{duration, segment, send_all};
use e2e::server::{Server, Settings, run};
use e2e::store::Store;
use e2e::{now, on_stores, wait_for, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A recovery comes after the minutes of silence, and these have to pass: it may be three minutes away, and a slow machine is given
/// as long again.
const RECOVERY: Duration = Duration::from_secs(400);

/// Two rules about service `shop` that tell a hook, each again in the second minute after a firing if it still matches.
fn rules(hook: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "rules:\n  slow_rule:\n    expression: sum(service_resp_time > 1000) >= 1\n    period: 1\n    silence-period: 1\n    \
         include-names: [shop]\n    message: '{{name}} is slow'\n    tags: {{level: CRITICAL}}\n  failing_rule:\n    \
         expression: sum(service_sla < 8000) >= 1\n    period: 1\n    silence-period: 1\n    include-names: [shop]\n    \
         message: '{{name}} fails'\nhooks:\n  webhook:\n    default:\n      is-default: true\n      urls: ['{hook}/alarm']\n      \
         recovery-urls: ['{hook}/recovery']\n"
    );
    fs::write(folder.path().join("alarm-settings.yml"), text).unwrap();
    folder
}

/// Calls of a service, five every second until it is dropped.
struct Calls(JoinHandle<()>);

impl Calls {
    /// Calls that take three seconds and fail.
    fn bad(server: &Server) -> Self {
        Self::start(server, true)
    }

    /// Calls with which nothing is wrong: without any, nothing is known, and a firing rule waits.
    fn good(server: &Server) -> Self {
        Self::start(server, false)
    }

    fn start(server: &Server, bad: bool) -> Self {
        let (grpc, service) = (server.grpc(), "shop");
        Calls(tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let start = now();
                let calls = (0..5).map(|n| {
                    let mut call = segment(service, &format!("{service}.{}.{n}", start.0), start);
                    if bad {
                        call.spans[0].end_time = start.0 + 3_000;
                        call.spans[0].is_error = true;
                    }
                    call
                });
                send_all(&grpc, &calls.collect::<Vec<_>>()).await;
            }
        }))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn names(alarms: &[(String, Value)]) -> BTreeSet<String> {
    alarms.iter().map(|(_, alarm)| alarm["ruleName"].as_str().unwrap_or_default().to_owned()).collect()
}

fn both() -> BTreeSet<String> {
    ["failing_rule", "slow_rule"].map(str::to_owned).into()
}

async fn wait_fired(hook: &Hook) {
    wait_for("both rules to fire", async || {
        let fired = names(&hook.alarms("/alarm"));
        if fired == both() { Ok(()) } else { Err(format!("{fired:?}; told: {:?}", hook.told())) }
    })
    .await;
}

async fn wait_recovered(hook: &Hook) {
    let recovered = wait_until(Instant::now() + RECOVERY, async || {
        let recovered = names(&hook.alarms("/recovery"));
        if recovered == both() { Ok(()) } else { Err(format!("{recovered:?} of both have recovered")) }
    });
    recovered.await.unwrap();
}

/// What `getAlarm` has of the last ten minutes: message and whether it has recovered.
async fn alarms(server: &Server) -> BTreeSet<(String, bool)> {
    let query = "query($d:Duration!){getAlarm(duration:$d,paging:{pageNum:1,pageSize:50}){msgs{message recoveryTime}}}";
    let duration = duration(now().plus(-10 * 60_000), now().plus(60_000));
    let data = server.data(query, json!({ "d": duration })).await;
    let shown =
        |alarm: &Value| (alarm["message"].as_str().unwrap_or_default().to_owned(), alarm["recoveryTime"].is_number());
    data["getAlarm"]["msgs"].as_array().unwrap().iter().map(shown).collect()
}

async fn wait_alarms(server: &Server, recovered: bool) {
    let expected: BTreeSet<_> = ["shop fails", "shop is slow"].map(|text| (text.to_owned(), recovered)).into();
    wait_for("the alarms to be found", async || {
        let found = alarms(server).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = reqwest::get(format!("http://{}{path}", server.http)).await.unwrap();
    answer.json().await.unwrap()
}

async fn a_webhook_is_told_as_skywalking_tells_it(store: Store) {
    let hook = Hook::start().await;
    let files = rules(&hook.url);
    let server = Server::start(&store.settings().with_files(files.path())).await;
    let trouble = Calls::bad(&server);
    wait_fired(&hook).await;
    let fired = hook.alarms("/alarm");
    let (_, slow) = fired.iter().find(|(_, alarm)| alarm["ruleName"] == "slow_rule").unwrap();
    assert_eq!(
        (
            &slow["scopeId"],
            &slow["scope"],
            &slow["name"],
            &slow["id0"],
            &slow["id1"],
            &slow["alarmMessage"],
            &slow["tags"]
        ),
        (
            &json!(1),
            &json!("SERVICE"),
            &json!("shop"),
            &json!("c2hvcA==.1"),
            &json!(""),
            &json!("shop is slow"),
            &json!([{ "key": "level", "value": "CRITICAL" }])
        )
    );
    assert_eq!(slow["hooks"], json!(["webhook.default"]), "a rule that names no hooks has the default ones");
    assert!((now().0 - slow["startTime"].as_i64().unwrap()) < 10 * 60_000, "{slow}");
    assert!(hook.told().iter().all(|told| told.content_type.starts_with("application/json") && !told.key.is_empty()));
    wait_alarms(&server, false).await;

    let rules = get(&server, "/status/alarm/rules").await;
    let ids: BTreeSet<_> = rules["oapInstances"][0]["status"]["ruleList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, both());
    let rule = get(&server, "/status/alarm/slow_rule").await;
    assert_eq!(rule["oapInstances"][0]["status"]["hooks"], json!(["webhook.default"]));
    let context = get(&server, "/status/alarm/slow_rule/shop").await;
    let state = context["oapInstances"][0]["status"]["currentState"].as_str().unwrap().to_owned();
    assert!(["FIRING", "SILENCED_FIRING"].contains(&state.as_str()), "{context}");
    let metrics = server.metrics().await;
    assert_eq!(metrics.count("skylark_alarm_holder", &[]), 1);
    assert_eq!(metrics.count("skylark_alarm_dead_letters_total", &[]), 0);
    assert!(metrics.count("skylark_alarm_deliveries_total", &["outcome=\"sent\""]) >= 1);
    let live = get(&server, "/status/live").await;
    assert_eq!(
        (&live["alarm"]["open"], &live["alarm"]["rules"], &live["alarm"]["holder"]),
        (&json!(2), &json!(2), &json!(true))
    );

    drop(trouble);
    let _calm = Calls::good(&server);
    wait_recovered(&hook).await;
    wait_alarms(&server, true).await;
    assert_eq!((hook.alarms("/alarm").len(), hook.alarms("/recovery").len()), (2, 2), "each is told once");
    server.stop().await;
}
on_stores!(a_webhook_is_told_as_skywalking_tells_it: embedded, opensearch_3);

async fn a_crash_repeats_nothing_under_another_key(store: Store) {
    let hook = Hook::start().await;
    let files = rules(&hook.url);
    let settings = store.settings().with_files(files.path());
    let server = Server::start(&settings).await;
    let trouble = Calls::bad(&server);
    wait_fired(&hook).await;
    wait_alarms(&server, false).await;
    drop(trouble);
    server.kill().await;

    let server = Server::start(&settings).await;
    let _calm = Calls::good(&server);
    // A new node waits until the lease of the one that is gone has run out.
    wait_for("the rules to be evaluated again", async || {
        let metrics = server.metrics().await;
        match metrics.count("skylark_alarm_passes_total", &[]) {
            0 => Err(format!("holder: {}", metrics.count("skylark_alarm_holder", &[]))),
            _ => Ok(()),
        }
    })
    .await;
    wait_alarms(&server, false).await;
    wait_recovered(&hook).await;
    wait_alarms(&server, true).await;
    for path in ["/alarm", "/recovery"] {
        let mut told = hook.alarms(path);
        told.sort_by_key(|(key, alarm)| (key.clone(), alarm["ruleName"].as_str().unwrap_or_default().to_owned()));
        // A request whose answer the crash swallowed may come again, and is the same one then.
        told.dedup();
        assert_eq!(told.len(), 2, "{path}: {told:?}");
    }
    server.stop().await;
}
on_stores!(a_crash_repeats_nothing_under_another_key: embedded);

async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    etag: Option<&str>,
    body: Value,
) -> (StatusCode, String, Value) {
    let request = reqwest::Client::new().request(method, format!("http://{}/alarm/v1{path}", server.http));
    let request = match etag {
        Some(etag) => request.header("if-match", etag),
        None => request,
    };
    let request = request.header("content-type", "application/json");
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let answer = request.send().await.unwrap();
    let etag = answer.headers().get("etag").map_or(String::new(), |etag| etag.to_str().unwrap().to_owned());
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    (status, etag, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn rules_are_edited_while_the_server_runs(store: Store) {
    let hook = Hook::start().await;
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("alarm-settings.yml"), "rules: {}\n").unwrap();
    let server = Server::start(&store.settings().with_files(files.path())).await;
    let trouble = Calls::bad(&server);

    let receiver =
        json!({ "id": "webhook.mine", "kind": "webhook", "settings": { "urls": [format!("{}/alarm", hook.url)] } });
    let (status, _, made) = ask(&server, Method::POST, "/receivers", None, receiver).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let rule = json!({
        "name": "mine_rule", "expression": "sum(service_resp_time > 60000) >= 1", "period": 1, "silence": 30,
        "message": "{name} is slow", "hooks": ["webhook.mine"],
    });
    let create = "mutation($rule:AlarmRuleInput!){createAlarmRule(input:$rule){rule{id name}}}";
    let made = server.data(create, json!({ "rule": rule })).await;
    let id = made["createAlarmRule"]["rule"]["id"].as_str().unwrap().to_owned();
    let refused =
        server.graphql(create, json!({ "rule": { "name": "bad_rule", "expression": "avg(nothing) > " } })).await;
    assert!(refused["errors"][0]["message"].is_string(), "{refused}");

    let path = format!("/rules/{id}");
    let (status, etag, read) = ask(&server, Method::GET, &path, None, Value::Null).await;
    assert_eq!((status, &read["name"]), (StatusCode::OK, &json!("mine_rule")));
    // Nothing is told yet: no call took a minute. The patch makes it match, and the next evaluation tells.
    assert_eq!(hook.told().len(), 0);
    let patch = json!({ "expression": "sum(service_resp_time > 1000) >= 1" });
    let (status, new_etag, patched) = ask(&server, Method::PATCH, &path, Some(&etag), patch.clone()).await;
    assert_eq!(status, StatusCode::OK, "{patched}");
    let (status, ..) = ask(&server, Method::PATCH, &path, Some(&etag), patch).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "somebody else's change is not overwritten");
    wait_for("the changed rule to fire", async || match hook.alarms("/alarm").len() {
        0 => Err(format!("{:?}", hook.told())),
        _ => Ok(()),
    })
    .await;
    assert_eq!(names(&hook.alarms("/alarm")), ["mine_rule".to_owned()].into());

    let history = "query($id:ID!){alarmRuleHistory(id:$id,paging:{pageNum:1,pageSize:10}){actor}}";
    let history = server.data(history, json!({ "id": id })).await;
    assert_eq!(history["alarmRuleHistory"], json!([{ "actor": "local" }, { "actor": "local" }]));
    let (status, ..) = ask(&server, Method::DELETE, &path, Some(&new_etag), Value::Null).await;
    assert!(status.is_success(), "{status}");
    let (status, ..) = ask(&server, Method::GET, &path, None, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    drop(trouble);
    server.stop().await;
}
on_stores!(rules_are_edited_while_the_server_runs: embedded, opensearch_3);

#[tokio::test]
async fn check_config_reports_rule_by_rule_with_line_and_column() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("alarm-settings.yml");
    let good = "rules:\n  good_rule:\n    expression: sum(service_sla < 8000) >= 2\n    period: 2\n";
    fs::write(&file, good).unwrap();
    let settings = Settings::memory().with_files(files.path());
    let ended = run(&settings, &["check-config"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.contains("alarm-settings.yml:2:3 rule good_rule: ok"), "{}", ended.stdout);

    fs::write(&file, format!("{good}  bad_rule:\n    expression: avg(no_such_metric) > 1\n")).unwrap();
    let ended = run(&settings, &["check-config"]).await;
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("alarm-settings.yml:6:21 rule bad_rule: rejected: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("alarm-settings.yml:2:3 rule good_rule: ok"), "{}", ended.stderr);
    // The server itself starts: one bad rule never stops another.
    let server = Server::start(&settings).await;
    wait_for("the good rule to be imported", async || {
        let rules = get(&server, "/status/alarm/rules").await;
        let rules = rules["oapInstances"][0]["status"]["ruleList"].clone();
        if rules == json!([{ "id": "good_rule" }]) { Ok(()) } else { Err(rules.to_string()) }
    })
    .await;
    server.stop().await;

    let named = Settings::memory().with("alarm.settings_file", "/nowhere/alarms.yml");
    let ended = run(&named, &["check-config"]).await;
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("alarm.settings_file"), "{}", ended.stderr);
}
