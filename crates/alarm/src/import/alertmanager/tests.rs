//! Files of Alertmanager.

use expect_test::{Expect, expect, expect_file};

use super::*;
use crate::edit::tests::{by, edits, memory};

const FILE: &str = r#"
global:
  smtp_smarthost: mail:465
  smtp_from: a@b
  slack_api_url: https://hooks.slack.com/services/x
templates: ['*.tmpl']
route:
  receiver: team
  group_by: [alertname, service]
  group_wait: 10s
  repeat_interval: 1h30m
  routes:
    - receiver: pager
      matchers: ['severity="critical"', 'team=~"shop|cart"']
      continue: true
      routes:
        - match: {service: checkout}
          match_re: {instance: 'a.*'}
          group_wait: soon
        - matchers: ['{layer="GENERAL", endpoint!~"/health"}']
          group_by: ['...']
          mute_time_intervals: [nights]
    - receiver: nobody
    - receiver: odd
      active_time_intervals: [never]
    - receiver: odd
      labels: {x: y}
receivers:
  - name: team
    slack_configs: [{channel: '#ops'}]
    email_configs: [{to: 'x@y, z@y', send_resolved: true}]
    webhook_configs: [{url: 'http://a/1'}, {url: 'http://a/2', send_resolved: false, max_alerts: 5}]
  - name: pager
    pagerduty_configs: [{routing_key: k}]
    opsgenie_configs: [{api_key: o}]
    telegram_configs: [{bot_token: t, chat_id: -100}]
    discord_configs: [{webhook_url: 'https://discord.com/api/webhooks/1/t'}]
    msteams_configs: [{webhook_url: 'https://teams/x'}]
  - name: odd
    sns_configs: [{topic_arn: x}]
    webhook_configs: [{url_file: /secret}]
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_match: {severity: warning}
    equal: [alertname, service]
  - source_match: {severity: critical}
  - source_matchers: ['a=~"("']
    target_matchers: [b=c]
time_intervals:
  - name: nights
    time_intervals:
      - times: [{start_time: '22:00', end_time: '24:00'}]
        weekdays: ['monday:friday']
        days_of_month: [1, '-3:-1']
        years: [2026]
        location: Europe/Berlin
  - name: never
    time_intervals: [{times: [{start_time: '25:00', end_time: '26:00'}]}]
"#;

#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn check(text: &str, expected: Expect) {
    assert_read(text, |shown| expected.assert_eq(shown));
}

fn assert_read(text: &str, assert: impl Fn(&str)) {
    let Alertmanager { routing, receivers, report } = read(text);
    let mut shown = report.to_string();
    for Draft { receiver, secrets } in receivers {
        let settings = serde_json::Value::Object(receiver.settings);
        shown.push_str(&format!("{} {} {settings} {} secrets\n", receiver.id, receiver.send_resolved, secrets.len()));
    }
    if let Some(routing) = routing {
        shown.push_str(&serde_json::to_string_pretty(&routing).unwrap());
        shown.push('\n');
    }
    assert(&shown);
}

#[test]
fn everything_that_has_a_counterpart_is_taken_and_the_rest_is_told() {
    assert_read(FILE, |shown| expect_file!["testdata/taken.txt"].assert_eq(shown));
}

#[test]
fn files_that_are_none_are_rejected() {
    check(
        "route: [",
        expect![[r#"
        1:8 file: rejected: unclosed bracket '['
    "#]],
    );
    check(
        "receivers: {}\n",
        expect![[r#"
        1:12 file: rejected: receivers wants a list, and this is a map
        1:1 file: rejected: there is no route that can be taken, so that nothing of the tree is
    "#]],
    );
    check(
        "route: {receiver: a}\nreceivers: [{name: a}, {}]\n",
        expect![[r#"
            2:24 file: rejected: a receiver wants a name
            2:13 receiver a: ok
            1:19 route root: warning: nothing of a can be taken, so that nobody is told
            {
              "id": "routing",
              "root": {
                "name": "",
                "matchers": [],
                "receivers": [],
                "groupBy": [],
                "groupWait": 30,
                "groupInterval": 300,
                "repeatInterval": 14400,
                "muteTimeIntervals": [],
                "activeTimeIntervals": [],
                "continue": false,
                "routes": []
              },
              "timeIntervals": {},
              "inhibitions": [],
              "foldByTopology": false,
              "change": ""
            }
        "#]],
    );
    check(
        "route: {receiver: a, matchers: [a=b]}\nreceivers: [{name: a}]\n",
        expect![[r#"
        1:1 file: rejected: there is no route that can be taken, so that nothing of the tree is
        2:13 receiver a: ok
        1:8 route root: rejected: the root takes every alarm and has no matchers
        1:19 route root: warning: nothing of a can be taken, so that nobody is told
    "#]],
    );
}

#[test]
fn matchers_and_times_are_read_as_they_are_written() {
    let read = |text: &str| match words::matchers(text) {
        Ok(all) => all.iter().map(|m| format!("{} {:?} {}", m.label, m.op, m.value)).collect::<Vec<_>>().join(" | "),
        Err(what) => what,
    };
    let all = [
        "a=b",
        "a = \"b, \\\"c\\\"\"",
        "{a!=b,c=~\"d|e\",}",
        "a!~x",
        "\"a b\"=c",
        "a",
        "=b",
        "a=\"b",
        "a=b c=d",
        "alertname=x",
        "",
    ];
    let shown: String = all.iter().map(|text| format!("{text} => [{}]\n", read(text))).collect();
    expect![[r#"
        a=b => [a Equal b]
        a = "b, \"c\"" => [a Equal b, "c"]
        {a!=b,c=~"d|e",} => [a NotEqual b | c Matches d|e]
        a!~x => [a MatchesNot x]
        "a b"=c => [a b Equal c]
        a => [a is no matcher: one is label="value", or with !=, =~, !~]
        =b => [=b is no matcher: one is label="value", or with !=, =~, !~]
        a="b => [a="b is no matcher: one is label="value", or with !=, =~, !~]
        a=b c=d => [a Equal b c=d]
        alertname=x => [rule Equal x]
         => []
    "#]]
    .assert_eq(&shown);
    let times = ["30s", "1h30m", "1500ms", "2w", "5", "m", "", "1x", "99999999999999999999s"].map(words::seconds);
    assert_eq!(times, [Some(30), Some(5_400), Some(2), Some(1_209_600), None, None, None, None, None]);
}

#[tokio::test]
async fn a_file_becomes_the_tree_and_the_receivers() {
    let edits = edits(memory(), 1);
    let planned = edits.import_alertmanager(FILE, true, &by("ann")).await.unwrap();
    assert!(edits.receivers().await.unwrap().is_empty());
    let done = edits.import_alertmanager(FILE, false, &by("ann")).await.unwrap();
    let bad: Vec<_> = done.steps.iter().filter(|step| !step.is_good()).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(done.report, planned.report);
    assert_eq!(edits.receivers().await.unwrap().len(), 9);
    assert_eq!(edits.get::<Routing>(Routing::ID).await.unwrap().doc.inhibitions.len(), 1);
}
