//! Files of Alertmanager.

use expect_test::{Expect, expect};

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
    let Alertmanager { routing, receivers, report } = read(text);
    let mut shown = report.to_string();
    for Draft { receiver, secrets } in receivers {
        let settings = serde_json::Value::Object(receiver.settings);
        shown.push_str(&format!("{} {} {settings} {} secrets\n", receiver.id, receiver.send_resolved, secrets.len()));
    }
    if let Some(routing) = routing {
        shown.push_str(&serde_json::to_string_pretty(&routing).unwrap());
    }
    expected.assert_eq(&shown);
}

#[test]
fn everything_that_has_a_counterpart_is_taken_and_the_rest_is_told() {
    check(FILE, expect![[r#"
        6:12 file: warning: templates is not taken over
        30:21 receiver team: warning: of slack_configs these are not taken over: channel
        32:44 receiver team: warning: of webhook_configs these are not taken over: max_alerts
        33:5 receiver pager: ok
        40:19 receiver odd: warning: there is no counterpart of sns_configs: not taken over
        41:23 receiver odd: warning: webhook_configs has no url, or names a file: not taken over
        50:5 time interval nights: ok
        58:22 time interval never: rejected: `times` cannot be `25:00`: expected HH:MM, up to 24:00
        8:3 route root: ok
        13:7 route root/1: ok
        19:23 route root/1/1: rejected: group_wait is a time such as 30s, 5m or 4h
        20:11 route root/1/2: ok
        23:17 route root/2: rejected: there is no receiver nobody
        25:30 route root/3: rejected: there is no time interval never that can be taken
        24:17 route root/3: warning: nothing of odd can be taken, so that nobody is told
        26:17 route root/4: warning: nothing of odd can be taken, so that nobody is told
        27:15 route root/4: warning: labels is not taken over
        43:5 inhibition 1: ok
        46:5 inhibition 2: rejected: an inhibition wants matchers of its source and of its target
        47:23 inhibition 3: rejected: ( is no regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis
        47:5 inhibition 3: rejected: an inhibition wants matchers of its source and of its target
        email.team true {"host":"mail","port":"465","from":"a@b","to":["x@y","z@y"],"tls":"tls"} 0 secrets
        slack.team false {"webhooks":["***"]} 1 secrets
        webhook.team true {"urls":["http://a/1"],"recovery-urls":["http://a/1"],"format":"alertmanager"} 0 secrets
        webhook.team-2 false {"urls":["http://a/2"],"recovery-urls":["http://a/2"],"format":"alertmanager"} 0 secrets
        discord.pager true {"webhooks":[{"url":"***"}]} 1 secrets
        teams.pager true {"webhooks":["***"]} 1 secrets
        opsgenie.pager true {"api-key":"***"} 1 secrets
        pagerduty.pager true {"integration-keys":["***"]} 1 secrets
        telegram.pager true {"bot-token":"***","chat-ids":["-100"]} 1 secrets
        {
          "id": "routing",
          "root": {
            "name": "",
            "matchers": [],
            "receivers": [
              "email.team",
              "slack.team",
              "webhook.team",
              "webhook.team-2"
            ],
            "groupBy": [
              "rule",
              "service"
            ],
            "groupWait": 10,
            "groupInterval": 300,
            "repeatInterval": 5400,
            "muteTimeIntervals": [],
            "activeTimeIntervals": [],
            "continue": false,
            "routes": [
              {
                "name": "1",
                "matchers": [
                  {
                    "label": "severity",
                    "op": "=",
                    "value": "critical"
                  },
                  {
                    "label": "team",
                    "op": "=~",
                    "value": "shop|cart"
                  }
                ],
                "receivers": [
                  "discord.pager",
                  "teams.pager",
                  "opsgenie.pager",
                  "pagerduty.pager",
                  "telegram.pager"
                ],
                "groupBy": null,
                "groupWait": null,
                "groupInterval": null,
                "repeatInterval": null,
                "muteTimeIntervals": [],
                "activeTimeIntervals": [],
                "continue": true,
                "routes": [
                  {
                    "name": "2",
                    "matchers": [
                      {
                        "label": "layer",
                        "op": "=",
                        "value": "GENERAL"
                      },
                      {
                        "label": "endpoint",
                        "op": "!~",
                        "value": "/health"
                      }
                    ],
                    "receivers": null,
                    "groupBy": [
                      "..."
                    ],
                    "groupWait": null,
                    "groupInterval": null,
                    "repeatInterval": null,
                    "muteTimeIntervals": [
                      "nights"
                    ],
                    "activeTimeIntervals": [],
                    "continue": false,
                    "routes": []
                  }
                ]
              },
              {
                "name": "4",
                "matchers": [],
                "receivers": [],
                "groupBy": null,
                "groupWait": null,
                "groupInterval": null,
                "repeatInterval": null,
                "muteTimeIntervals": [],
                "activeTimeIntervals": [],
                "continue": false,
                "routes": []
              }
            ]
          },
          "timeIntervals": {
            "nights": [
              {
                "times": [
                  {
                    "start_time": "22:00",
                    "end_time": "24:00"
                  }
                ],
                "weekdays": [
                  "monday:friday"
                ],
                "days_of_month": [
                  "1",
                  "-3:-1"
                ],
                "months": [],
                "years": [
                  "2026"
                ],
                "location": "Europe/Berlin"
              }
            ]
          },
          "inhibitions": [
            {
              "name": "1",
              "sourceMatchers": [
                {
                  "label": "severity",
                  "op": "=",
                  "value": "critical"
                }
              ],
              "targetMatchers": [
                {
                  "label": "severity",
                  "op": "=",
                  "value": "warning"
                }
              ],
              "equal": [
                "rule",
                "service"
              ]
            }
          ],
          "foldByTopology": false,
          "change": ""
        }"#]]);
}

#[test]
fn files_that_are_none_are_rejected() {
    check("route: [", expect![[r#"
        1:8 file: rejected: unclosed bracket '['
    "#]]);
    check("receivers: {}\n", expect![[r#"
        1:12 file: rejected: receivers wants a list, and this is a map
        1:1 file: rejected: there is no route that can be taken, so that nothing of the tree is
    "#]]);
    check("route: {receiver: a}\nreceivers: [{name: a}, {}]\n", expect![[r#"
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
        }"#]]);
    check("route: {receiver: a, matchers: [a=b]}\nreceivers: [{name: a}]\n", expect![[r#"
        1:1 file: rejected: there is no route that can be taken, so that nothing of the tree is
        2:13 receiver a: ok
        1:8 route root: rejected: the root takes every alarm and has no matchers
        1:19 route root: warning: nothing of a can be taken, so that nobody is told
    "#]]);
}

#[test]
fn matchers_and_times_are_read_as_they_are_written() {
    let read = |text: &str| match words::matchers(text) {
        Ok(all) => all.iter().map(|m| format!("{} {:?} {}", m.label, m.op, m.value)).collect::<Vec<_>>().join(" | "),
        Err(what) => what,
    };
    let all = ["a=b", "a = \"b, \\\"c\\\"\"", "{a!=b,c=~\"d|e\",}", "a!~x", "\"a b\"=c", "a", "=b", "a=\"b", "a=b c=d", "alertname=x", ""];
    let shown: String = all.iter().map(|text| format!("{text} => {}\n", read(text))).collect();
    expect![[r#"
        a=b => a Equal b
        a = "b, \"c\"" => a Equal b, "c"
        {a!=b,c=~"d|e",} => a NotEqual b | c Matches d|e
        a!~x => a MatchesNot x
        "a b"=c => a b Equal c
        a => a is no matcher: one is label="value", or with !=, =~, !~
        =b => =b is no matcher: one is label="value", or with !=, =~, !~
        a="b => a="b is no matcher: one is label="value", or with !=, =~, !~
        a=b c=d => a Equal b c=d
        alertname=x => rule Equal x
         => 
    "#]].assert_eq(&shown);
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
