//! Files, as people have them, and what becomes of each key.

use expect_test::{Expect, expect};
use model::Scope;
use model::cell::CellId;
use model::metric::{Catalogue, Function, MetricDef};
use proptest::prelude::*;

use super::*;
use crate::receiver::{Receiver, ReceiverKind, Sealed};
use crate::rule::{LabelMode, MinSamples, Mode, NoData, NoDataPolicy, Override, Profile, Provenance, Severity};
use crate::select::Selector;

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
    let def = |(cell, (name, scope, function)): (u16, (&str, Scope, Function))| MetricDef {
        cell: CellId(cell),
        name: name.to_owned(),
        scope,
        function,
    };
    Catalogue::new((100..).zip(all).map(def))
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
    expect![[""]].assert_eq(&shown);
}

#[test]
fn expressions_are_told_at_the_character() {
    check(
        "rules:\n  plain_rule:\n    expression: sum(service_cpm > 1) >> 2\n  quoted_rule:\n    expression: 'avg(no_such) > 1'\n  \
         folded_rule:\n    expression: >-\n      avg(service_cpm)\n      > oops\n  none_rule:\n    period: 3\n  \
         no_question_rule: {expression: avg(service_cpm)}\n  open:\n    expression: (avg(service_cpm) > 1)\n  rest_rule: \
         {expression: 'avg(service_cpm) > 1 and avg(service_sla) > 2'}\n",
        expect![[""]],
    );
}

#[test]
fn a_file_that_is_none_is_rejected_as_a_whole() {
    check("rules:\n  a_rule: [\n", expect![[""]]);
    check("- rules\n", expect![[""]]);
    check("", expect![[""]]);
    check("rules: 5\nhooks: [a]\nother: 1\n", expect![[""]]);
}

#[test]
fn of_two_with_one_name_the_last_counts() {
    check(
        "rules:\n  a_rule: {expression: avg(service_cpm) > 1, period: 2, period: 3}\n  a_rule: {expression: avg(service_cpm) > 2, \
         period: 4}\n",
        expect![[""]],
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
    check(OLD, expect![[""]]);
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
        shown.push_str(&format!("{} {} {own} {}\n", doc.receiver.id, doc.receiver.is_default, secrets.join(" ")));
        assert_eq!(Draft::new(doc.whole()), *doc, "they find their places again");
    }
    expect![[""]].assert_eq(&shown);
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
    expect![[""]].assert_eq(&shown);
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
    expect![[""]].assert_eq(&format!("{}---\n{warnings}", written.text));
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
