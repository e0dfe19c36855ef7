//! Files, as people have them, and what becomes of each key.

use expect_test::{Expect, expect, expect_file};
use model::Scope;
use model::metric::{Catalogue, Function};
use proptest::prelude::*;

use super::*;
use crate::receiver::{Receiver, ReceiverKind, Sealed};
use crate::rule::{LabelMode, MinSamples, Mode, NoData, NoDataPolicy, Override, Profile, Provenance, Severity};
use crate::select::Selector;
use crate::testing;

fn catalogue() -> Catalogue {
    let percentile = Function::Percentile { precision: 10 };
    let all = [
        ("service_resp_time", Scope::Service, Function::LongAvg),
        ("service_sla", Scope::Service, Function::Percent),
        ("service_cpm", Scope::Service, Function::Cpm),
        ("service_percentile", Scope::Service, percentile),
        ("service_instance_resp_time", Scope::ServiceInstance, Function::LongAvg),
        ("endpoint_resp_time", Scope::Endpoint, Function::LongAvg),
        ("database_access_resp_time", Scope::Service, Function::LongAvg),
        ("endpoint_relation_resp_time", Scope::EndpointRelation, Function::LongAvg),
        ("meter_status", Scope::Service, Function::LabelCount),
    ];
    testing::catalogue(&all)
}

fn checked(text: &str) -> Settings {
    let mut settings = read(text);
    settings.check(&Surroundings { receivers: Some(&[]), ..Surroundings::new(&catalogue()) });
    settings
}

/// The report of a file, and then each rule that was taken.
#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn check(text: &str, expected: Expect) {
    let settings = checked(text);
    let rules: String = settings.rules.iter().map(|placed| line(&placed.doc)).collect();
    expected.assert_eq(&format!("{}{rules}", settings.report));
}

fn line(rule: &Rule) -> String {
    let Rule { name, expression, period, silence, recovery_observation, message, .. } = rule;
    format!("{name} = {expression} [{period} {silence} {recovery_observation}] {message}\n")
}

/// A rule with one more line.
fn with(line: &str) -> String {
    format!("rules:\n  a_rule:\n    expression: avg(service_cpm) > 1\n    period: 5\n    {line}\n")
}

#[test]
fn our_own_file_is_read_without_a_word() {
    let settings = checked(include_str!("../../../../config/alarm-settings.yml"));
    let said: Vec<_> = settings.report.entries.iter().filter(|entry| entry.verdict != report::Verdict::Ok).collect();
    assert!(said.is_empty(), "{}", settings.report);
    let shown: String = settings
        .rules
        .iter()
        .map(|placed| {
            format!(
                "{} {} {} {}\n",
                placed.doc.expression, placed.doc.period, placed.doc.silence, placed.doc.recovery_observation
            )
        })
        .collect();
    expect![[r#"
        sum(service_resp_time > 1000) >= 3 10 5 3
        sum(service_sla < 8000) >= 2 10 3 2
        sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3 10 5 3
        sum(service_instance_resp_time > 1000) >= 2 10 5 2
        sum(database_access_resp_time > 1000) >= 2 10 10 0
        sum(endpoint_relation_resp_time > 1000) >= 2 10 10 0
    "#]]
    .assert_eq(&shown);
}

#[test]
fn defaults_are_those_of_skywalking() {
    let settings = checked("rules:\n  a_rule:\n    expression: avg(service_cpm) > 1\n    period: 7\n");
    let rule = &settings.rules[0].doc;
    assert_eq!((rule.period, rule.silence, rule.recovery_observation), (7, 7, 0));
    assert_eq!(rule.message, "Alarm caused by Rule a_rule");
    assert_eq!((rule.profile, rule.provenance), (Profile::Skywalking, Provenance::File));
    assert_eq!(rule.no_data, NoData { policy: NoDataPolicy::Resolve, after: 0 });
    assert_eq!(rule.id, rule_id("a_rule"), "every import finds the same rule");
    let bare = checked("rules: {b_rule: {expression: avg(service_cpm) > 1}}");
    assert_eq!((bare.rules[0].doc.period, bare.rules[0].doc.silence), (1, 1));
}

#[test]
fn each_key_says_what_is_wrong_with_it_where_it_stands() {
    let lines = [
        "include-names: [a, b]",
        "include-names: a",
        "include-names: {a: b}",
        "exclude-names: [[a]]",
        "include-names-regex: '.*-[a-z]+'",
        "include-names-regex: [a.*, b.*]",
        "exclude-names-regex: '('",
        "period: '5'",
        "period: five",
        "period: 0",
        "silence-period: -1",
        "recovery-observation-period: 2",
        "recovery-observation-period: [2]",
        "message: '{name} of {id} {'",
        "message: '{name} has {value}'",
        "tags: {level: CRITICAL, n: 1}",
        "tags: [level]",
        "hooks: [webhook.none]",
        "hooks:",
        "threshold: 5",
        "unheard-of: 1",
        "x-ext: {for: 3, severity: CRITICAL}",
        "x-ext: {four: 3}",
    ];
    let shown: String = lines
        .iter()
        .map(|line| {
            let settings = checked(&with(line));
            format!("{line}\n    {}", settings.report.to_string().replace('\n', "\n    ").trim_end_matches(' '))
        })
        .collect();
    expect_file!["testdata/keys.txt"].assert_eq(&shown);
}

#[test]
fn expressions_are_told_at_the_character() {
    check(
        "rules:\n  plain_rule:\n    expression: sum(service_cpm > 1) >> 2\n  quoted_rule:\n    expression: 'avg(no_such) > 1'\n  \
         folded_rule:\n    expression: >-\n      avg(service_cpm)\n      > oops\n  none_rule:\n    period: 3\n  \
         no_question_rule: {expression: avg(service_cpm)}\n  open:\n    expression: (avg(service_cpm) > 1)\n  rest_rule: \
         {expression: 'avg(service_cpm) > 1 and avg(service_sla) > 2'}\n",
        expect![[r#"
            3:39 rule plain_rule: rejected: expected a metric, a number or a function, found '>'
            5:22 rule quoted_rule: rejected: there is no metric no_such
            8:7 rule folded_rule: rejected: there is no metric oops
            11:5 rule none_rule: rejected: a rule wants an expression
            12:34 rule no_question_rule: rejected: an alarm needs a question: a comparison, &&, ||, not or absent outside of all else
            13:3 rule open: warning: SkyWalking passes over rules whose names do not end with _rule; here it counts
            14:5 rule open: warning: SkyWalking hardly ever fires a rule that sees one minute, since it looks at a minute that has just begun; here it sees the last whole one
            15:49 rule rest_rule: rejected: expected the end, found 'and'
            open = (avg(service_cpm) > 1) [1 1 0] Alarm caused by Rule open
        "#]],
    );
}

#[test]
fn a_file_that_is_none_is_rejected_as_a_whole() {
    check(
        "rules:\n  a_rule: [\n",
        expect![[r#"
        2:11 file: rejected: unclosed bracket '['
    "#]],
    );
    check(
        "- rules\n",
        expect![[r#"
        1:1 file: rejected: a map is wanted here, and this is a list
    "#]],
    );
    check("", expect![[""]]);
    check(
        "rules: 5\nhooks: [a]\nother: 1\n",
        expect![[r#"
        2:8 file: rejected: hooks wants a map, and this is a list
        1:8 file: rejected: rules wants a map, and this is a number
        3:1 file: warning: other means nothing here, and neither to SkyWalking
    "#]],
    );
}

#[test]
fn of_two_with_one_name_the_last_counts() {
    check(
        "rules:\n  a_rule: {expression: avg(service_cpm) > 1, period: 2, period: 3}\n  a_rule: {expression: avg(service_cpm) > 2, \
         period: 4}\n",
        expect![[r#"
            3:3 file: warning: a_rule stands in line 2 too; this one counts
            3:3 rule a_rule: ok
            a_rule = avg(service_cpm) > 2 [4 4 0] Alarm caused by Rule a_rule
        "#]],
    );
}

/// The form before 9.6, as its manual describes it.
const OLD: &str = r#"
rules:
  service_resp_time_rule:
    metrics-name: service_resp_time
    op: ">"
    threshold: 1000
    period: 10
    count: 3
    silence-period: 5
    message: Service {name} is slow.
  service_sla_rule:
    metrics-name: service_sla
    op: "<"
    threshold: 8000
    period: 10
    count: 2
    only-as-condition: true
    message: Service {name} fails.
  ranks_rule:
    metrics-name: service_percentile
    op: ">"
    threshold: 1000,1000,1000,1000,1000
    period: 10
    count: 3
  other_ranks_rule:
    metrics-name: service_percentile
    op: ">="
    threshold: -,-,1000,-,2000.5
    period: 10
  labels_rule:
    metrics-name: meter_status
    op: =
    threshold: 1
    period: 10
    include-labels: ["500", "code=404"]
  regex_labels_rule:
    metrics-name: meter_status
    op: ">"
    threshold: 1
    include-labels-regex: "5.."
  below_rule: {metrics-name: service_cpm, op: "<=", threshold: -1, count: 1, period: 10}
  no_op_rule: {metrics-name: service_cpm, threshold: 1}
  bad_op_rule: {metrics-name: service_cpm, op: "=>", threshold: 1}
  no_threshold_rule: {metrics-name: service_cpm, op: "<"}
  bad_threshold_rule: {metrics-name: service_cpm, op: "<", threshold: many}
  no_ranks_rule: {metrics-name: service_percentile, op: "<", threshold: "-,-"}
  short_rule: {metrics-name: service_cpm, op: "<", threshold: 1, period: 2}
composite-rules:
  both_rule:
    expression: service_resp_time_rule && service_sla_rule
    message: Service {name} is slow and fails.
    tags: {level: CRITICAL}
  mixed_rule:
    expression: service_resp_time_rule || (service_sla_rule && ranks_rule) && service_sla_rule
  periods_rule: {expression: service_resp_time_rule && short_rule}
  unknown_rule: {expression: service_resp_time_rule && nobody_rule}
  open_rule: {expression: (service_resp_time_rule}
  half_rule: {expression: service_resp_time_rule &&}
"#;

#[test]
fn rules_before_9_6_are_translated() {
    check(
        OLD,
        expect![[r#"
        3:3 rule service_resp_time_rule: warning: it is of the form before 9.6, and read as sum(service_resp_time > 1000) >= 3
        11:3 rule service_sla_rule: warning: it is of the form before 9.6, and read as sum(service_sla < 8000) >= 2
        11:3 rule service_sla_rule: warning: it is a condition of composite rules only: it is written into them, and is no rule itself
        19:3 rule ranks_rule: warning: it is of the form before 9.6, and read as sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3
        25:3 rule other_ranks_rule: warning: it is of the form before 9.6, and read as sum(aggregate_labels(service_percentile{p='90'} >= 1000,max)) >= 1 || sum(aggregate_labels(service_percentile{p='99'} >= 2000.5,max)) >= 1
        35:21 rule labels_rule: warning: include-labels became a selector of the metric; look whether it has these labels
        30:3 rule labels_rule: warning: it is of the form before 9.6, and read as sum(meter_status{_='500',code='404'} == 1) >= 1
        40:27 rule regex_labels_rule: rejected: an expression has no words for include-labels-regex: name the labels to include
        41:3 rule below_rule: warning: it is of the form before 9.6, and read as sum(service_cpm <= (0-1)) >= 1
        42:15 rule no_op_rule: rejected: a rule wants an operator: op is one of >, >=, <, <=, =
        43:48 rule bad_op_rule: rejected: op is one of >, >=, <, <=, =, and not =>
        44:22 rule no_threshold_rule: rejected: a rule wants a threshold
        45:71 rule bad_threshold_rule: rejected: a threshold is a number, and many is none
        46:73 rule no_ranks_rule: rejected: no rank has a threshold
        47:3 rule short_rule: warning: it is of the form before 9.6, and read as sum(service_cpm < 1) >= 1
        49:3 rule both_rule: warning: it is a composite rule of the form before 9.6, and read as ((sum(service_resp_time > 1000) >= 3) && (sum(service_sla < 8000) >= 2))
        53:3 rule mixed_rule: warning: it is a composite rule of the form before 9.6, and read as (sum(service_resp_time > 1000) >= 3) || (((sum(service_sla < 8000) >= 2) && (sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3)) && (sum(service_sla < 8000) >= 2))
        55:30 rule periods_rule: rejected: service_resp_time_rule sees 10 minutes and short_rule sees 2: one rule has one period
        55:3 rule periods_rule: warning: it is a composite rule of the form before 9.6, and read as ((sum(service_resp_time > 1000) >= 3) && (sum(service_cpm < 1) >= 1))
        56:30 rule unknown_rule: rejected: there is no rule nobody_rule of the form before 9.6 in the file
        57:27 rule open_rule: rejected: a ) is missing
        58:27 rule half_rule: rejected: the name of a rule is wanted at the end
        service_resp_time_rule = sum(service_resp_time > 1000) >= 3 [10 5 0] Service {name} is slow.
        ranks_rule = sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3 [10 10 0] Alarm caused by Rule ranks_rule
        other_ranks_rule = sum(aggregate_labels(service_percentile{p='90'} >= 1000,max)) >= 1 || sum(aggregate_labels(service_percentile{p='99'} >= 2000.5,max)) >= 1 [10 10 0] Alarm caused by Rule other_ranks_rule
        labels_rule = sum(meter_status{_='500',code='404'} == 1) >= 1 [10 10 0] Alarm caused by Rule labels_rule
        below_rule = sum(service_cpm <= (0-1)) >= 1 [10 10 0] Alarm caused by Rule below_rule
        short_rule = sum(service_cpm < 1) >= 1 [2 2 0] Alarm caused by Rule short_rule
        both_rule = ((sum(service_resp_time > 1000) >= 3) && (sum(service_sla < 8000) >= 2)) [10 5 0] Service {name} is slow and fails.
        mixed_rule = (sum(service_resp_time > 1000) >= 3) || (((sum(service_sla < 8000) >= 2) && (sum(service_percentile{p='50,75,90,95,99'} > 1000) >= 3)) && (sum(service_sla < 8000) >= 2)) [10 5 0] Alarm caused by Rule mixed_rule
    "#]],
    );
}

/// All hooks of today's form.
const HOOKS: &str = r#"
hooks:
  webhook:
    default:
      is-default: true
      urls: [http://a/x, http://b/x]
      recovery-urls: [http://a/r]
      headers: {Authorization: Bearer abc}
    empty: {urls: []}
  gRPC:
    default: {target-host: 10.0.0.1, target-port: 9888}
    bad: {target-host: 10.0.0.1, target-port: 99999}
  slack:
    default: {text-template: '{"text": "%s"}', webhooks: [https://hooks.slack.com/services/x/y/z]}
  wechat:
    default: {text-template: '%s', webhooks: [https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k]}
  dingtalk:
    default: {text-template: '%s', webhooks: [{url: https://oapi.dingtalk.com/robot/send?access_token=t, secret: s1}]}
  feishu:
    default: {text-template: '%s', ats: 'u1,u2', webhooks: [{url: https://open.feishu.cn/hook/h, secret: s2}]}
  welink:
    default:
      text-template: '%s'
      webhooks: [{client-id: i, client-secret: s3, access-token-url: https://w/t, message-url: https://w/m, group-ids: [g1, g2], robot-name: r}]
  pagerduty:
    default: {text-template: '%s', integration-keys: [k1]}
  discord:
    default: {text-template: '%s', webhooks: [{url: https://discord.com/api/webhooks/1/t, username: u}]}
    wordless: {webhooks: [{url: https://discord.com/api/webhooks/1/t}]}
  pigeon:
    default: {loft: here}
"#;

#[test]
fn hooks_of_every_kind_are_read_and_their_secrets_kept_apart() {
    let settings = read(HOOKS);
    let mut shown = settings.report.to_string();
    for Placed { doc, .. } in &settings.receivers {
        let secrets: Vec<_> =
            doc.secrets.iter().map(|(place, secret)| format!("{place}={}", secret.reveal())).collect();
        let own = serde_json::Value::Object(doc.receiver.settings.clone());
        shown.push_str(&format!("{} {} {own} [{}]\n", doc.receiver.id, doc.receiver.is_default, secrets.join(" ")));
        assert_eq!(Draft::new(doc.whole()), *doc, "they find their places again");
    }
    expect![[r#"
        30:3 file: warning: there is no hook of the kind pigeon
        4:5 receiver webhook.default: ok
        9:12 receiver webhook.empty: rejected: it has no urls and would send nothing
        11:5 receiver gRPC.default: ok
        12:47 receiver gRPC.bad: rejected: target-port is a number from 1 to 65535
        12:10 receiver gRPC.bad: rejected: it has no target-port and would send nothing
        14:5 receiver slack.default: ok
        16:5 receiver wechat.default: ok
        18:5 receiver dingtalk.default: ok
        20:5 receiver feishu.default: ok
        22:5 receiver welink.default: ok
        26:5 receiver pagerduty.default: ok
        28:5 receiver discord.default: ok
        29:15 receiver discord.wordless: rejected: it has no text-template and would send nothing
        webhook.default true {"urls":["http://a/x","http://b/x"],"recovery-urls":["http://a/r"],"headers":{"Authorization":"***"}} [headers.Authorization=Bearer abc]
        gRPC.default false {"target-host":"10.0.0.1","target-port":9888} []
        slack.default false {"text-template":"{\"text\": \"%s\"}","webhooks":["***"],"recovery-text-template":""} [webhooks.0=https://hooks.slack.com/services/x/y/z]
        wechat.default false {"text-template":"%s","webhooks":["***"],"recovery-text-template":""} [webhooks.0=https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k]
        dingtalk.default false {"text-template":"%s","webhooks":[{"url":"***","secret":"***"}],"recovery-text-template":""} [webhooks.0.secret=s1 webhooks.0.url=https://oapi.dingtalk.com/robot/send?access_token=t]
        feishu.default false {"text-template":"%s","webhooks":[{"url":"***","secret":"***"}],"ats":"u1,u2","recovery-text-template":""} [webhooks.0.secret=s2 webhooks.0.url=https://open.feishu.cn/hook/h]
        welink.default false {"text-template":"%s","webhooks":[{"client-id":"i","client-secret":"***","access-token-url":"https://w/t","message-url":"https://w/m","group-ids":"g1,g2","robot-name":"r"}]} [webhooks.0.client-secret=s3]
        pagerduty.default false {"text-template":"%s","integration-keys":["***"]} [integration-keys.0=k1]
        discord.default false {"text-template":"%s","webhooks":[{"url":"***","username":"u"}]} [webhooks.0.url=https://discord.com/api/webhooks/1/t]
    "#]].assert_eq(&shown);
}

#[test]
fn hooks_before_9_6_are_default_ones() {
    let settings = read(
        "webhooks:\n  - http://a/x\ngRPCHook:\n  target_host: h\n  target_port: 9888\nslackHooks:\n  textTemplate: '%s'\n  webhooks: \
         [https://s/1]\ndingtalkHooks:\n  textTemplate: '%s'\n  webhooks: [{url: https://d/1, secret: x}]\nwelinkHooks:\n  \
         textTemplate: '%s'\n  webhooks: [{client_id: i, client_secret: s, access_token_url: https://w/t, message_url: https://w/m, \
         group_ids: g, robot_name: r}]\npagerDutyHooks:\n  textTemplate: '%s'\n  integrationKeys: [k]\nfeishuHooks:\n",
    );
    let mut shown = settings.report.to_string();
    for Placed { doc, .. } in &settings.receivers {
        let keys: Vec<_> = doc.receiver.settings.keys().map(String::as_str).collect();
        shown.push_str(&format!("{} {} {}\n", doc.receiver.id, doc.receiver.is_default, keys.join(" ")));
    }
    expect![[r#"
        2:3 receiver webhook.default: ok
        4:3 receiver gRPC.default: ok
        7:3 receiver slack.default: ok
        10:3 receiver dingtalk.default: ok
        13:3 receiver welink.default: ok
        16:3 receiver pagerduty.default: ok
        webhook.default true urls
        gRPC.default true target-host target-port
        slack.default true text-template webhooks recovery-text-template
        dingtalk.default true text-template webhooks recovery-text-template
        welink.default true text-template webhooks
        pagerduty.default true text-template integration-keys
    "#]]
    .assert_eq(&shown);
}

fn full() -> Rule {
    Rule {
        id: "x".into(),
        name: "slow checkout".into(),
        profile: Profile::Native,
        expression: "avg(service_resp_time) > $limit".into(),
        recovery_expression: "avg(service_resp_time) < 500".into(),
        variables: [("limit".to_owned(), 1000.5)].into(),
        selector: Selector { include_names: vec!["a".into()], layers: vec!["GENERAL".into()], ..Selector::default() },
        overrides: vec![Override { selector: Selector::default(), variables: [("limit".to_owned(), 2e3)].into() }],
        period: 5,
        for_minutes: 2,
        silence: 3,
        min_samples: Some(MinSamples { metric: "service_cpm".into(), gte: 10 }),
        severity: Severity::Critical,
        message: "{{ entity.name }} is slow: {{ value }}\n{name}".into(),
        tags: [("team".to_owned(), "shop: 'a'".to_owned())].into(),
        annotations: [("runbook".to_owned(), "https://r/\u{2028}x".to_owned())].into(),
        label_mode: LabelMode::Each,
        hooks: vec!["webhook.a".into(), "email.ops".into()],
        max_instances: 7,
        change: "c".into(),
        ..Rule::default()
    }
}

fn receiver(id: &str, kind: ReceiverKind, settings: serde_json::Value) -> Receiver {
    let serde_json::Value::Object(settings) = settings else { panic!("a map") };
    let secrets = secrets::places(&settings).into_iter().map(|place| (place, Sealed("sealed".into()))).collect();
    Receiver { id: id.into(), kind, is_default: true, send_resolved: true, settings, secrets, change: String::new() }
}

#[test]
fn what_is_written_is_read_by_skywalking_and_loses_nothing_here() {
    let receivers = [
        receiver(
            "webhook.a",
            ReceiverKind::Webhook,
            serde_json::json!({"urls": ["http://a"], "headers": {"Authorization": "***"}, "format": "cloudevents"}),
        ),
        receiver("email.ops", ReceiverKind::Email, serde_json::json!({"to": ["a@b"], "password": "***", "host": "h"})),
    ];
    let plain = Rule { name: "plain_rule".into(), ..checked(&with("tags: {level: INFO}")).rules[0].doc.clone() };
    let rules = [
        plain,
        full(),
        Rule { name: "paused".into(), paused: true, expression: "avg(service_cpm) > 1".into(), ..Rule::default() },
        Rule { name: "far".into(), expression: "avg(service_cpm) > offset(avg(service_cpm),1d)".into(), ..full() },
        Rule {
            name: "minus".into(),
            expression: "avg(service_cpm) > -1e3".into(),
            variables: BTreeMap::new(),
            ..full()
        },
    ];
    let written = write(&rules, &receivers);
    let warnings: String = written.warnings.iter().map(|(name, what)| format!("{name}: {what}\n")).collect();
    expect_file!["testdata/written.txt"].assert_eq(&format!("{}---\n{warnings}", written.text));
    assert_same(&rules, &written.text);
    let again = read(&written.text);
    for (own, read) in receivers.iter().zip(&again.receivers) {
        let bare = Receiver { secrets: BTreeMap::new(), ..own.clone() };
        assert_eq!(read.doc.receiver, bare);
        assert!(read.doc.secrets.is_empty(), "`***` is no secret");
    }
}

/// Reading a file has these rules again, but for what only the store knows.
fn assert_same(rules: &[Rule], text: &str) {
    let settings = read(text);
    let bare = |rule: &Rule| Rule {
        id: String::new(),
        provenance: Provenance::File,
        change: String::new(),
        created: model::UnixMillis(0),
        ..rule.clone()
    };
    let mut expected: Vec<Rule> = rules.iter().map(bare).collect();
    let mut read: Vec<Rule> = settings.rules.iter().map(|placed| bare(&placed.doc)).collect();
    expected.sort_by(|a, b| a.name.cmp(&b.name));
    read.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(read, expected, "{}\n{text}", settings.report);
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,8}",
        Just("true".to_owned()),
        Just("1e5".to_owned()),
        Just("~".to_owned()),
        Just("a\n  b: c\n".to_owned()),
        Just("{name} {{ x }} {".to_owned()),
        Just("\u{85}\u{feff}\t'\"\\".to_owned()),
    ]
}

fn rules() -> impl Strategy<Value = Rule> {
    let expression = prop_oneof![
        Just("avg(service_cpm) > 1".to_owned()),
        Just("(sum(service_cpm > 1e2) >= 2)".to_owned()),
        Just("not(avg(service_cpm) > $a)".to_owned()),
        Just("stddev(service_cpm) > 1".to_owned()),
        texts(),
    ];
    let numbers = (0..2_000_u32, 0..50_u32, 0..50_u32, 0..5_u32);
    let selector = (prop::collection::vec(texts(), 0..3), texts(), prop::option::of(any::<bool>()));
    let maps = (
        prop::collection::btree_map(texts(), texts(), 0..3),
        prop::collection::btree_map("[a-z]{1,3}", -1e9..1e9, 0..3),
    );
    ("[a-z]{1,8}(_rule)?", expression, numbers, selector, maps, texts(), any::<(bool, bool, bool)>()).prop_map(
        |(
            name,
            expression,
            (period, silence, observed, wait),
            (names, regex, normal),
            (tags, variables),
            message,
            flags,
        )| Rule {
            name,
            expression,
            period,
            silence,
            recovery_observation: observed,
            for_minutes: wait,
            selector: Selector { include_names: names, exclude_names_regex: regex, normal, ..Selector::default() },
            tags,
            variables,
            message,
            paused: flags.0,
            mode: if flags.1 { Mode::Shadow } else { Mode::Live },
            profile: if flags.2 { Profile::Skywalking } else { Profile::Native },
            ..Rule::default()
        },
    )
}

proptest! {
    #[test]
    fn every_rule_comes_back_as_it_was(rules in prop::collection::vec(rules(), 1..4)) {
        let mut rules = rules;
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        rules.dedup_by(|a, b| a.name == b.name);
        assert_same(&rules, &write(&rules, &[]).text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(rules|hooks|[a-z]{1,6}|[:\\-{}\\[\\]'\"|>&*!%#, \n]){0,40}") {
        read(&text);
        read(&format!("rules:\n  a_rule:\n    {text}"));
    }
}
