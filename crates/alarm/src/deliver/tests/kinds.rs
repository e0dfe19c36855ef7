//! Every kind of receiver that is told over HTTP, from a first failure to a recovery.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;
use crate::incident::Incident;

const TEXT: &str = "Alarm: %s.";

/// A receiver of each kind that is told over HTTP there, by a name.
fn all(url: &str) -> Vec<(&'static str, ReceiverKind, Value)> {
    use ReceiverKind::*;
    let hooks = json!([format!("{url}/send")]);
    let json_text = |text: Value| text.to_string();
    let chat = json_text(json!({"msgtype": "text", "text": {"content": TEXT}}));
    let robot = json!({
        "client-id": "id", "client-secret": "s", "access-token-url": format!("{url}/auth"),
        "message-url": format!("{url}/send"), "group-ids": "1",
    });
    vec![
        ("webhook", Webhook, json!({"urls": hooks, "recovery-urls": [format!("{url}/over")], "secret": "hush"})),
        (
            "slack",
            Slack,
            json!({"webhooks": hooks, "text-template": json_text(json!({"type": "section", "text": TEXT}))}),
        ),
        ("wechat", Wechat, json!({"webhooks": hooks, "text-template": chat})),
        ("dingtalk", Dingtalk, json!({"webhooks": [{"url": hooks[0], "secret": "hush"}], "text-template": chat})),
        (
            "feishu",
            Feishu,
            json!({
                "webhooks": [{"url": hooks[0], "secret": "hush"}],
                "text-template": json_text(json!({"msg_type": "text", "content": {"text": TEXT}})),
            }),
        ),
        ("welink", Welink, json!({"webhooks": [robot], "text-template": TEXT})),
        ("pagerduty", Pagerduty, json!({"integration-keys": ["k"], "events-api-url": hooks[0], "text-template": TEXT})),
        ("discord", Discord, json!({"webhooks": [{"url": hooks[0]}], "text-template": TEXT})),
        ("teams", Teams, json!({"webhooks": hooks})),
        ("telegram", Telegram, json!({"bot-token": "1:t", "chat-ids": [1], "api-url": url})),
        ("opsgenie", Opsgenie, json!({"api-key": "k", "api-url": url})),
        ("http", Http, json!({"url": hooks[0], "body": "{{ message }}", "content-type": "text/plain"})),
        (
            "twilio",
            Http,
            json!({"preset": "twilio", "account-sid": "A", "auth-token": "t", "from": "+1", "to": ["+2"], "api-url": url}),
        ),
        (
            "vonage",
            Http,
            json!({"preset": "vonage", "api-key": "k", "api-secret": "s", "from": "S", "to": ["4"], "api-url": url}),
        ),
        (
            "aliyun",
            Http,
            json!({
                "preset": "aliyun", "access-key-id": "i", "access-key-secret": "s", "sign-name": "S",
                "template-code": "1", "to": ["1"], "api-url": url,
            }),
        ),
        (
            "tencent",
            Http,
            json!({
                "preset": "tencent", "secret-id": "i", "secret-key": "s", "sdk-app-id": "1", "sign-name": "S",
                "template-id": "2", "to": ["+86"], "api-url": url,
            }),
        ),
        ("alertmanager", Alertmanager, json!({"urls": [url]})),
    ]
}

/// What a receiver was asked, but for tokens.
fn asked(recorder: &Recorder) -> Vec<Heard> {
    recorder.heard.lock().unwrap().iter().filter(|heard| heard.path != "/auth").cloned().collect()
}

/// An incident is over.
async fn end(rig: &Rig, id: &str) {
    let query = ItemQuery { kind: Incident::KIND, ids: vec![id.to_owned()], tombstones: false };
    let stored: Stored<Incident> = doc::read(&rig.store.items(&query).await.unwrap()[0]).unwrap();
    let over = Incident { id: id.to_owned(), ..samples::incident(samples::entities().remove(0), true) };
    let swapped = rig.editor.swap_many(vec![(doc::write(&over), stored.revision)]).await.unwrap();
    assert!(matches!(swapped[0], Swapped::Done(_)), "{swapped:?}");
}

#[tokio::test]
async fn every_kind_over_http_is_tried_again_waits_dies_is_redriven_and_resolves() {
    let mut running = tokio::task::JoinSet::new();
    for n in 0..all("").len() {
        running.spawn(async move {
            let (recorder, url) = Recorder::start().await;
            let (name, kind, settings) = all(&url).swap_remove(n);
            let rig = Rig::start().await;
            let id = format!("{name}.a");
            rig.receiver(&id, kind, settings).await;
            told_in_full(&rig, &recorder, &id).await;
            let asked = asked(&recorder);
            let keys: Vec<_> = asked.iter().map(|heard| heard.headers["idempotency-key"].clone()).collect();
            assert_eq!(keys, ["n1", "n1", "n2", "n2", "n3", "n3", "n4"], "{name}");
            check(name, &asked);
            rig.stop().await;
        });
    }
    running.join_all().await;
}

/// A failure, too many requests, a refusal for good that is sent again, and the recovery of the first.
async fn told_in_full(rig: &Rig, recorder: &Recorder, receiver: &str) {
    recorder.answers(&[(500, "x-a", "")]);
    rig.tell("n1", receiver, "i1", false).await;
    let failed = rig.until("n1", failed_once).await;
    assert_eq!(failed.attempts[0].status, Some(500), "{receiver}");
    rig.pass(1_000);
    rig.until("n1", |n| n.status == Status::Sent).await;

    recorder.answers(&[(429, "retry-after", "60")]);
    rig.tell("n2", receiver, "i2", false).await;
    let failed = rig.until("n2", failed_once).await;
    assert_eq!(failed.next, UnixMillis(samples::NOON.0 + 61_000), "{receiver}");
    rig.pass(60_000);
    rig.until("n2", |n| n.status == Status::Sent).await;

    recorder.answers(&[(403, "x-a", "")]);
    rig.tell("n3", receiver, "i3", false).await;
    let dead = rig.until("n3", |n| n.status == Status::Dead).await;
    assert_eq!((dead.n_attempts, dead.attempts[0].status), (1, Some(403)), "{receiver}");
    let stored = rig.stored("n3").await;
    let again = redriven(&stored.doc, UnixMillis(rig.now.load(Ordering::SeqCst))).unwrap();
    rig.editor.swap_many(vec![(doc::write(&again), stored.revision)]).await.unwrap();
    rig.until("n3", |n| n.status == Status::Sent).await;

    end(rig, "i1").await;
    rig.tell("n4", receiver, "i1", true).await;
    rig.until("n4", |n| n.status == Status::Sent).await;
}

/// What holds between requests of a kind: signatures, and that the recovery names what fired.
fn check(name: &str, asked: &[Heard]) {
    let json = |heard: &Heard| -> Value { serde_json::from_str(&heard.body).unwrap() };
    let (fired, over) = (&asked[1], &asked[6]);
    let base64 = |hex: String| STANDARD.encode(bytes_of(&hex));
    match name {
        "webhook" => {
            for heard in asked {
                let (time, signature) =
                    heard.headers["x-skylark-signature"].strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
                assert_eq!(signature, hmac(b"hush", format!("{time}.{}", heard.body).as_bytes()));
            }
        }
        "dingtalk" => {
            for heard in asked {
                let query: HashMap<_, _> = reqwest::Url::parse(&format!("http://x/?{}", heard.query))
                    .unwrap()
                    .query_pairs()
                    .map(|(key, value)| (key.into_owned(), value.into_owned()))
                    .collect();
                let signed = format!("{}\nhush", query["timestamp"]);
                assert_eq!(query["sign"], base64(hmac(b"hush", signed.as_bytes())));
            }
        }
        "feishu" => {
            for heard in asked {
                let body = json(heard);
                let key = format!("{}\nhush", body["timestamp"].as_str().unwrap());
                assert_eq!(body["sign"], base64(hmac(key.as_bytes(), b"")));
            }
        }
        "pagerduty" => {
            for (heard, action) in [(fired, "trigger"), (over, "resolve")] {
                let body = json(heard);
                assert_eq!((&body["dedup_key"], &body["event_action"]), (&json!("i1"), &json!(action)));
            }
        }
        "opsgenie" => {
            assert_eq!(json(fired)["alias"], "i1");
            assert_eq!((&*over.path, &*over.query), ("/v2/alerts/i1/close", "identifierType=alias"));
        }
        "alertmanager" => {
            let (fired, over) = (json(fired), json(over));
            assert_eq!(fired[0]["labels"], over[0]["labels"]);
            assert!(fired[0]["endsAt"].is_null() && over[0]["endsAt"].is_string(), "{over}");
        }
        "welink" => assert!(asked.iter().all(|heard| heard.headers["x-wlk-authorization"] == "token")),
        _ => {}
    }
}

/// The bytes of a text of hexadecimal digits.
fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(hex.get(2 * n..2 * n + 2).unwrap(), 16).unwrap()).collect()
}
