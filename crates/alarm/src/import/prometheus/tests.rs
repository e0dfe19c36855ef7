//! Rules of Prometheus.

use expect_test::{Expect, expect};
use model::metric::{Catalogue, Function};

use super::*;
use crate::edit::tests::{by, edits, memory};
use crate::testing;

const FILE: &str = r#"
groups:
- name: shop
  interval: 5m
  limit: 3
  labels: {team: shop}
  rules:
  - record: job:cpm
    expr: sum(service_cpm)
  - alert: Slow
    expr: avg_over_time(service_resp_time{service=~"a\\.b|c"}[10m]) > 1e3 and service_cpm{service=~"a\\.b|c",} >= 10
    for: 90s
    keep_firing_for: 1h30m
    labels: {severity: page, owner: ann, host: "{{ $labels.instance }}"}
    annotations:
      summary: "{{ $labels.service }} is slow"
      runbook_url: https://wiki/slow
      value: "{{ $value }}"
  - alert: Slow
    expr: |
      max_over_time(service_percentile{p="99"}[5m]) / 2 > 800  # milliseconds
      or (service_sla < 9500 and count_over_time((service_cpm > bool 10)[5m:1m]) >= 3)
    labels: {severity: odd}
  - alert: Nested
    expr: ((-service_cpm + 2 * service_cpm)) > 1
  - alert: Rate
    expr: rate(service_cpm[5m]) > 1
  - alert: Other
    expr: avg_over_time(nothing[5m]) > 1
  - alert: Always
    expr: service_cpm
  - alert: Bool
    expr: service_cpm > bool 1
  - alert: Filter
    expr: sum_over_time((service_cpm > 1)[5m:]) > 1
  - alert: Ranges
    expr: avg_over_time(service_cpm[5m]) > avg_over_time(service_cpm[10m])
  - alert: Regex
    expr: service_cpm{service=~"a.*"} > 1
  - alert: Differ
    expr: service_cpm{service="a"} > service_cpm{service="b"}
  - alert: Offset
    expr: service_cpm offset 5m > 1
  - alert: By
    expr: sum(service_cpm) by (service) > 1
  - alert: Unless
    expr: service_cpm > 1 unless service_cpm > 2
  - alert: Broken
    expr: "service_cpm > (1"
  - alert: Half
    expr: avg_over_time(service_cpm[90s]) > 1
  - alert: None
    for: soon
  - expr: service_cpm > 1
"#;

fn catalogue() -> Catalogue {
    testing::catalogue(&[
        ("service_cpm", Scope::Service, Function::Cpm),
        ("service_resp_time", Scope::Service, Function::LongAvg),
        ("service_sla", Scope::Service, Function::Percent),
        ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
        ("endpoint_cpm", Scope::Endpoint, Function::Cpm),
    ])
}

fn of(text: &str) -> (Vec<Rule>, Report) {
    read(text, &Surroundings { catalogue: &catalogue(), receivers: None, entities: None })
}

fn shown(rules: &[Rule], expected: &Expect) {
    let text: Vec<String> = rules
        .iter()
        .map(|rule| {
            let Rule { name, expression, period, for_minutes, keep_firing_for, severity, message, .. } = rule;
            let (names, services) = (&rule.selector.include_names, &rule.selector.services);
            format!(
                "{name} [{period}m, for {for_minutes}, keep {keep_firing_for}, {severity:?}] {expression}\n  \
                 of {names:?} {services:?}: {message}; {:?} {:?}\n",
                rule.tags, rule.annotations
            )
        })
        .collect();
    expected.assert_eq(&text.concat());
}

#[test]
fn rules_are_taken_as_far_as_there_is_mqe_for_them_and_the_others_say_why_not() {
    let (rules, report) = of(FILE);
    shown(
        &rules,
        &expect![[r#"
        Slow [10m, for 2, keep 90, Critical] (avg(service_resp_time) > 1e3) && (latest(service_cpm) >= 10)
          of ["a.b", "c"] []: {name} is slow; {"owner": "ann", "team": "shop"} {"runbook_url": "https://wiki/slow"}
        Slow 2 [5m, for 0, keep 0, Warning] ((max(service_percentile{p='99'}) / 2) > 800) || ((latest(service_sla) < 9500) && (count(service_cpm > 10) >= 3))
          of [] []: {name}: Slow; {"team": "shop"} {}
        Nested [5m, for 0, keep 0, Warning] ((-(latest(service_cpm)) + (2 * latest(service_cpm))) > 1)
          of [] []: {name}: Nested; {"team": "shop"} {}
    "#]],
    );
    expect![[r#"
        4:13 file: warning: rules are evaluated for each minute, whatever the interval of a group
        5:10 file: warning: limit of a group is not taken over
        8:13 rule job:cpm: rejected: it records a series, and raises no alarm
        12:10 rule Slow: warning: for: 90s is made 2 minutes
        14:48 rule Slow: warning: the label host is a template of Prometheus and is left out
        18:14 rule Slow: warning: the annotation value is a template of Prometheus and is left out
        19:5 rule Slow 2: warning: there is a rule Slow before it, so that this one is called Slow 2
        23:24 rule Slow 2: warning: the severity odd is not known and read as warning
        24:5 rule Nested: ok
        27:11 rule Rate: rejected: at character 1 of the expression: there is no MQE for rate
        29:11 rule Other: rejected: there is no metric nothing (of `(avg(nothing) > 1)`)
        31:11 rule Always: rejected: at character 1 of the expression: this is no comparison: it fires wherever there is a value, which no rule here does
        33:11 rule Bool: rejected: at character 1 of the expression: with bool it is there always, and so fires always
        35:11 rule Filter: rejected: at character 30 of the expression: a comparison in a range wants bool: without it, it leaves values out, which MQE does not
        37:11 rule Ranges: rejected: at character 60 of the expression: a rule looks at one range, and this is another one
        39:11 rule Regex: rejected: at character 13 of the expression: service: of regular expressions only names with | between them are taken over: "a.*"
        41:11 rule Differ: rejected: at character 52 of the expression: a rule is about the same services everywhere, and these are others
        43:11 rule Offset: rejected: at character 20 of the expression: another time is not taken over
        45:11 rule By: rejected: at character 1 of the expression: there is no MQE for sum
        47:11 rule Unless: rejected: at character 24 of the expression: there is no MQE for unless
        49:11 rule Broken: rejected: at character 17 of the expression: ) is missing here
        51:11 rule Half: rejected: at character 27 of the expression: 90s is not whole minutes
        52:5 rule None: rejected: a rule wants an expression, as expr
        53:10 rule None: rejected: for wants a duration as 5m or 1h30m, and this is soon
        54:5 rule: rejected: a rule wants a name, as alert
    "#]].assert_eq(&report.to_string());
}

#[test]
fn what_is_no_file_of_rules_is_rejected_as_a_whole() {
    for (text, expected) in [
        (
            "groups: {",
            expect![[r#"
            1:9 file: rejected: unclosed bracket '{'
        "#]],
        ),
        (
            "route: {receiver: a}",
            expect![[r#"
            1:1 file: rejected: there are no groups in it: it is no file of rules
            1:8 file: warning: route is not taken over
        "#]],
        ),
        (
            "groups: 1",
            expect![[r#"
            1:9 file: rejected: groups wants a list, and this is a number
        "#]],
        ),
    ] {
        let (rules, report) = of(text);
        assert!(rules.is_empty());
        expected.assert_eq(&report.to_string());
    }
}

#[test]
fn no_text_makes_the_reader_fall() {
    let deep = "(".repeat(5_000);
    for text in [deep.as_str(), "\"", "service_cpm{", "service_cpm[", "1 > ", "-", "é > 1", "a{b=\"\\x\"} > 1", "))"] {
        assert!(promql::translate(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn what_was_exported_is_imported_as_it_was() {
    let edits = edits(memory(), 1);
    let mut rule = Rule {
        name: "a".to_owned(),
        expression: "(avg(service_cpm) / 100 < 95) && (sum(service_cpm > 10) >= 3)".to_owned(),
        period: 5,
        for_minutes: 2,
        message: "look at {name}".to_owned(),
        severity: Severity::Critical,
        ..Rule::default()
    };
    rule.selector.include_names = vec!["a.b".to_owned(), "c".to_owned()];
    rule.tags.insert("team".to_owned(), "x".to_owned());
    let (text, remarks) = crate::desk::prometheus::write(
        &[rule.clone()],
        &testing::catalogue(&[("service_cpm", Scope::Service, Function::Cpm)]),
    );
    assert_eq!(remarks, []);
    let (rules, report) = of(&text);
    let tree = |text: &str| mqe::parse_whole(text).unwrap();
    assert_eq!(tree(&rules[0].expression), tree(&rule.expression), "{report}");
    rule.expression = rules[0].expression.clone();
    rule.provenance = Provenance::Import;
    assert_eq!(rules, [rule]);

    let plan = edits.import_prometheus(&text, Mode::Merge, true, &by("ann")).await.unwrap();
    assert_eq!((plan.steps.len(), edits.all::<Rule>().await.unwrap().len()), (1, 0));
    let done = edits.import_prometheus(&text, Mode::Merge, false, &by("ann")).await.unwrap();
    assert!(done.steps[0].failed.is_empty(), "{:?}", done.steps);
    let empty = edits.import_prometheus("groups: []", Mode::Replace, false, &by("ann")).await.unwrap();
    assert_eq!((empty.steps.len(), edits.all::<Rule>().await.unwrap().len()), (1, 0), "the file has it no more");
}
