//! What each receiver is sent, as golden texts.

use std::fmt::Write as _;

use expect_test::{expect, expect_file};
use serde_json::{Value, json};

use super::*;

fn target(kind: ReceiverKind, settings: Value) -> Target {
    let settings = settings.as_object().unwrap();
    check(kind, settings).unwrap_or_else(|problems| panic!("{kind:?}: {problems:?}"))
}

/// Settings of each kind, as an operator writes them.
fn receivers() -> Vec<(String, ReceiverKind, Value)> {
    let all: Vec<Value> = serde_json::from_str(include_str!("golden/receivers.json")).unwrap();
    all.into_iter()
        .map(|one| {
            let kind = serde_json::from_value(one["kind"].clone()).unwrap();
            (one["name"].as_str().unwrap().to_owned(), kind, one["settings"].clone())
        })
        .collect()
}

fn written(request: &Request) -> String {
    let mut text = String::new();
    match &request.call {
        Call::Http(http) => {
            if let Some(token) = &http.token {
                writeln!(
                    text,
                    "first {} {} {} -> {}",
                    token.request.method, token.request.url, token.request.body, token.header
                )
                .unwrap();
            }
            writeln!(text, "{} {}", http.method, http.url).unwrap();
            http.headers.iter().for_each(|(key, value)| writeln!(text, "{key}: {value}").unwrap());
            writeln!(text, "{}", http.body).unwrap();
        }
        Call::Mail(mail) => {
            writeln!(text, "{}:{} {:?} {} -> {:?}", mail.host, mail.port, mail.tls, mail.from, mail.to).unwrap();
            writeln!(text, "{}", String::from_utf8_lossy(&mail.message).replace('\r', "")).unwrap();
        }
        Call::Grpc(grpc) => {
            writeln!(text, "{}:{} key {}\n{:?}\n{:?}", grpc.host, grpc.port, request.key, grpc.alarms, grpc.recoveries)
                .unwrap();
        }
    }
    text
}

#[test]
fn every_receiver_is_sent_firings_and_recoveries() {
    for (name, kind, settings) in receivers() {
        let target = target(kind, settings);
        let mut text = String::new();
        for is_over in [false, true] {
            for entity in samples::entities() {
                let shown = samples::shown(entity, is_over);
                let rendered = target.render(&shown);
                assert_eq!(rendered.fallbacks, [], "{name}");
                writeln!(text, "## {} {}\n", shown.status, shown.alarms[0].scope).unwrap();
                rendered.requests.iter().for_each(|request| writeln!(text, "{}", written(request)).unwrap());
            }
        }
        expect_file![format!("golden/{}.txt", name.replace(' ', "-"))].assert_eq(&text);
    }
}

#[test]
fn a_part_and_a_key_are_the_same_at_every_attempt_and_no_two_are_equal() {
    let entity = samples::entities().remove(0);
    for (name, kind, settings) in receivers() {
        let target = target(kind, settings);
        let mut shown = samples::shown(entity.clone(), false);
        let names = |shown: &Shown| -> Vec<_> {
            target.render(shown).requests.into_iter().map(|request| (request.part, request.key)).collect()
        };
        let first = names(&shown);
        shown.now = shown.now.plus(60_000);
        assert_eq!(first, names(&shown), "{name}");
        let parts: std::collections::BTreeSet<_> = first.iter().map(|(part, _)| part).collect();
        assert_eq!(parts.len(), first.len(), "{name}");
        assert!(first.iter().all(|(_, key)| key.starts_with("n1")), "{name}");
    }
}

#[test]
fn slack_takes_fifty_blocks_a_message() {
    let incidents: Vec<_> = (0..120)
        .map(|n| {
            let mut incident = samples::incident(samples::entities().remove(0), false);
            incident.id = format!("{n:032}");
            incident
        })
        .collect();
    let shown = Shown::new(&samples::notification("slack.a", &incidents), &incidents, &samples::about(), samples::NOON);
    let target = target(ReceiverKind::Slack, json!({"webhooks": ["https://s"]}));
    let requests = target.render(&shown).requests;
    let counts: Vec<usize> = requests
        .iter()
        .map(|request| match &request.call {
            Call::Http(http) => serde_json::from_str::<Value>(&http.body).unwrap()["blocks"].as_array().unwrap().len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [50, 50, 20]);
    assert_eq!(requests.iter().map(|request| &*request.key).collect::<Vec<_>>(), ["n1", "n1-2", "n1-3"]);
}

#[test]
fn a_template_that_fails_tells_the_plain_message_and_is_counted() {
    let cases = [
        (ReceiverKind::Slack, json!({"webhooks": ["https://s"], "text-template": "no JSON: %s"})),
        (ReceiverKind::Discord, json!({"webhooks": [{"url": "https://d"}], "text-template": "{{ message / 0 }}"})),
        (ReceiverKind::Webhook, json!({"urls": ["https://w"], "format": "template", "body": "{{ seq.a.b.c }}"})),
        (ReceiverKind::Email, json!({"host": "m", "from": "a@b.c", "to": "d@e.f", "text": "{{ 1 + message }}"})),
    ];
    let shown = samples::shown(samples::entities().remove(0), false);
    for (kind, settings) in cases {
        let rendered = target(kind, settings).render(&shown);
        assert_eq!((rendered.fallbacks.len(), rendered.requests.len()), (1, 1), "{kind:?}");
        assert!(written(&rendered.requests[0]).contains("Response time of shop::cart"), "{kind:?}");
    }
}

#[test]
fn a_blank_template_of_skywalking_s_file_sends_nothing() {
    let mut settings =
        json!({"webhooks": ["https://s"], "text-template": "{}", "is-default": true}).as_object().unwrap().clone();
    settings::of_skywalking(ReceiverKind::Slack, &mut settings);
    let target = check(ReceiverKind::Slack, &settings).unwrap();
    assert_eq!(
        target.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["recovery-text-template is blank: recoveries are not told"]
    );
    let n = |is_over| target.render(&samples::shown(samples::entities().remove(0), is_over)).requests.len();
    assert_eq!((n(false), n(true)), (1, 0));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    use ReceiverKind::*;
    let cases = [
        (Webhook, json!({"url": "https://a", "headers": {"a b": "x"}, "format": "xml"})),
        (Webhook, json!({"urls": ["ftp://a", "b"], "recovery-urls": "https://r", "format": "cloudevents"})),
        (Webhook, json!({"urls": ["https://a"], "format": "template", "body": "{{ nothing }}"})),
        (Grpc, json!({"target-host": "http://a", "target-port": 99_999})),
        (Dingtalk, json!({"webhooks": ["https://a"]})),
        (Feishu, json!({"webhooks": [{"secret": 1, "other": 2}], "text-template": {"a": 1}})),
        (Pagerduty, json!({"events-api-url": "events"})),
        (Email, json!({"host": "m", "from": "nobody", "to": [], "user": "u", "tls": "ssl"})),
        (Telegram, json!({"chat-ids": [], "message-thread-id": "x"})),
        (Opsgenie, json!({"api-key": "", "responders": ["ops"], "priority": "P9"})),
        (Http, json!({"url": "gate", "method": "DELETE"})),
        (Http, json!({"preset": "twilio", "to": []})),
        (Alertmanager, json!({"urls": [], "client-certificate": "x"})),
    ];
    let mut text = String::new();
    for (kind, settings) in cases {
        let problems = check(kind, settings.as_object().unwrap()).unwrap_err();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        writeln!(text, "{kind:?}: {}", problems.join("; ")).unwrap();
    }
    expect![[r#"
        Webhook: format must be one of skywalking, alertmanager, cloudevents, template; urls must have one entry at least; headers.a b is no header of HTTP; url is no setting of this kind of receiver
        Webhook: urls.0 must be a URL that begins with http:// or https://; urls.1 must be a URL that begins with http:// or https://; recovery-urls is not used with this format: a body tells firings and recoveries
        Webhook: body is no template: line 1: there is nothing named `nothing`; body is missing
        Grpc: target-host must be a host, not a URL; target-port must be a port from 1 to 65535
        Dingtalk: webhooks.0 must be an object
        Feishu: webhooks.0.url is missing; webhooks.0.other is no setting of this kind of receiver; text-template must be a text
        Pagerduty: events-api-url must be a URL that begins with http:// or https://; integration-keys must have one entry at least
        Email: tls must be one of starttls, tls, none; password and user go together; from has "nobody", which is no mail address; from must be one address; to must have one address at least
        Telegram: message-thread-id must be a number; bot-token is missing; chat-ids must have one entry at least
        Opsgenie: responders must be a list of objects with type and id, name or username; api-key is missing; priority must be one of by-severity, P1, P2, P3, P4, P5
        Http: url must begin with http:// or https://; method must be one of POST, PUT, GET
        Http: account-sid is missing; auth-token is missing; from is missing; to must have one entry at least
        Alertmanager: urls must have one entry at least; client-certificate is no certificate in PEM; client-key and client-certificate go together
    "#]].assert_eq(&text);
}

#[test]
fn an_incident_that_is_gone_is_told_by_what_the_notification_holds() {
    let incidents = [samples::incident(samples::entities().remove(0), false)];
    let notification = samples::notification("webhook.a", &incidents);
    let shown = Shown::new(&notification, &[], &samples::about(), samples::NOON);
    for (name, kind, settings) in receivers() {
        let rendered = target(kind, settings).render(&shown);
        assert!(!rendered.requests.is_empty(), "{name}");
    }
    assert_eq!(shown.plain(), "[FIRING] Response time of shop::cart is more than 1000ms");
}
