//! What is said of each field.

use expect_test::{Expect, expect, expect_file};
use model::metric::Function;
use model::{Scope, UnixMillis, id};
use serde_json::json;

use super::*;
use crate::entity::Entity;
use crate::route::Routing;
use crate::rule::Rule;
use crate::silence::Silence;
use crate::testing;

fn catalogue() -> Catalogue {
    let all = [
        ("service_cpm", Scope::Service, Function::Cpm),
        ("service_percentile", Scope::Service, Function::Percentile { precision: 10 }),
        ("endpoint_cpm", Scope::Endpoint, Function::Cpm),
        ("process_count", Scope::Process, Function::Count),
    ];
    testing::catalogue(&all)
}

/// A rule with these fields over those of a good one, and what is said of it.
#[expect(clippy::needless_pass_by_value, reason = "reads as the other tests do")]
fn said(fields: serde_json::Value) -> String {
    let mut json = json!({"name": "a", "expression": "avg(service_cpm) > 1", "period": 5});
    crate::edit::merge(&mut json, &fields);
    let rule: Rule = serde_json::from_value(json).unwrap();
    let services = ["shop", "cart"].map(|name| Entity::of(Scope::Service, id::service(name, true)).unwrap());
    let catalogue = catalogue();
    let around = Surroundings {
        receivers: Some(&["webhook.a".to_owned()]),
        entities: Some(&services),
        ..Surroundings::new(&catalogue)
    };
    let problems = super::rule(&rule, &around).problems;
    let lines: String =
        problems.iter().map(|problem| format!("    {:?} {} {problem}\n", problem.level, problem.code)).collect();
    format!("{fields}\n{lines}")
}

#[test]
fn each_field_of_a_rule_is_checked_and_all_is_said_at_once() {
    let all = [
        json!({}),
        json!({"name": "", "expression": " "}),
        json!({"name": " a", "period": 0, "for": 2000, "silence": 4_000_000_000_u32}),
        json!({"name": "n".repeat(201)}),
        json!({"expression": "avg(service_cpm) >\n  no_such"}),
        json!({"expression": "(avg(service_cpm) > 1) && (avg(service_cpm) > $x)"}),
        json!({"expression": "avg(service_cpm) > $limit + oops", "variables": {"limit": 12345.0}}),
        json!({"expression": "avg(top_n(service_cpm,10,des)) > 5"}),
        json!({"expression": "avg(service_cpm) > 1 and avg(service_cpm) > 2"}),
        json!({"expression": "(avg(service_percentile{p='99'}) > 1) && (avg(service_percentile{p='50'}) > 1)"}),
        json!({"expression": "avg(process_count) > 1"}),
        json!({"expression": "avg(service_cpm) > avg(endpoint_cpm)"}),
        json!({"expression": "sum(service_cpm < 10) >= 0"}),
        json!({"expression": "count(service_cpm) == 0 && absent(service_cpm)"}),
        json!({"expression": "avg(sort_values(service_percentile,1,des,max)) > 1"}),
        json!({"expression": "stddev(service_cpm) > 1", "profile": "SKYWALKING", "period": 1}),
        json!({"recoveryExpression": "avg(endpoint_cpm) < 1"}),
        json!({"recoveryExpression": "for_each_label(avg(service_percentile) < 1)"}),
        json!({"variables": {"a b": 1.0}}),
        json!({"selector": {"includeNames": ["shop", "gone"], "excludeNamesRegex": "(", "serviceRegex": "x.*"}}),
        json!({"overrides": [{"selector": {"services": ["none"]}, "variables": {"y": 1.0}}, {"selector": {}, "variables": {}}]}),
        json!({"minSamples": {"metric": "none", "gte": 1}}),
        json!({"minSamples": {"metric": "endpoint_cpm", "gte": 1}}),
        json!({"minSamples": {"metric": "service_percentile", "gte": 1}}),
        json!({"message": "{{ nobody", "recoveryMessage": "{x}", "tags": {"": "v"}}),
        json!({"message": "m".repeat(4097), "annotations": {"k".repeat(101): "v"}}),
        json!({"hooks": ["webhook.a", "webhook.b"]}),
    ];
    let shown: String = all.into_iter().map(said).collect();
    expect_file!["testdata/rule.txt"].assert_eq(&shown);
}

#[test]
fn a_filter_that_takes_too_long_is_refused() {
    let slow = said(json!({"selector": {"includeNamesRegex": r"(?:(\w+)\1?)+[!?]"}}));
    assert!(slow.is_ascii(), "{slow}");
}

#[expect(clippy::needless_pass_by_value, reason = "reads as expect_test's own examples do")]
fn routed(tree: serde_json::Value, expected: Expect) {
    let routing: Routing = serde_json::from_value(tree).unwrap();
    let catalogue = catalogue();
    let around = Surroundings { receivers: Some(&["webhook.a".to_owned()]), ..Surroundings::new(&catalogue) };
    let shown: String = routing_problems(&routing, &around);
    expected.assert_eq(&shown);
}

fn routing_problems(tree: &Routing, around: &Surroundings<'_>) -> String {
    routing(tree, around).problems.iter().map(|problem| format!("{} {problem}\n", problem.code)).collect()
}

#[test]
fn each_part_of_the_tree_is_checked() {
    routed(
        json!({
            "id": "routing",
            "root": {"receivers": ["webhook.a"], "groupBy": ["rule"], "routes": [
                {"name": "night", "matchers": [{"label": "severity", "op": "=~", "value": "warning|info"}], "muteTimeIntervals": ["night"]},
            ]},
            "timeIntervals": {"night": [{"times": [{"start_time": "22:00", "end_time": "24:00"}], "weekdays": ["monday:friday"]}]},
            "inhibitions": [{"name": "i", "sourceMatchers": [{"label": "severity", "op": "=", "value": "critical"}],
                "targetMatchers": [{"label": "severity", "op": "=", "value": "info"}], "equal": ["service"]}],
        }),
        expect![[""]],
    );
    routed(
        json!({
            "id": "other",
            "root": {"receivers": ["webhook.b"], "matchers": [{"label": "", "op": "=", "value": ""}], "continue": true,
                "groupBy": ["...", "rule"], "groupWait": 99_999_999_u64, "routes": [
                {"name": "x", "matchers": [{"label": "a", "op": "=~", "value": "("}]},
                {"name": "x", "activeTimeIntervals": ["never"]},
                {},
            ]},
            "timeIntervals": {"odd": [{"times": [{"start_time": "25:00", "end_time": "26:00"}]}]},
            "inhibitions": [{"name": "i"}],
        }),
        expect![[r#"
            bad_name id: there is one tree, and its id is routing
            bad_route root.matchers: the root takes every alarm and has no matchers
            bad_route root.continue: nothing stands beside the root
            missing root.matchers[0].label: a matcher wants a label
            unknown_receiver root.receivers: there is no receiver webhook.b
            bad_route root.groupBy: ... stands for all labels and stands alone
            out_of_range root.groupWait: it is at most 2592000 seconds
            bad_regex root.routes[0].matchers[0].value: Parsing error at position 1: Opening parenthesis without closing parenthesis
            bad_name root.routes[1].name: a route has a name that none of its siblings has, by which its groups are found again
            unknown_interval root.routes[1].activeTimeIntervals: there is no time interval never
            bad_name root.routes[2].name: a route has a name that none of its siblings has, by which its groups are found again
            bad_interval timeIntervals.odd[0]: `times` cannot be `25:00`: expected HH:MM, up to 24:00
            missing inhibitions[0].sourceMatchers: without matchers it would be about every alarm
            missing inhibitions[0].targetMatchers: without matchers it would be about every alarm
        "#]],
    );
}

#[test]
fn each_field_of_a_silence_is_checked() {
    let matcher = json!({"label": "service", "op": "=", "value": "a"});
    let all = [
        json!({"matchers": [matcher], "starts": 0, "ends": 100, "comment": "c"}),
        json!({"matchers": [], "starts": 100, "ends": 100, "comment": " "}),
        json!({"matchers": [{"label": "x", "op": "!=", "value": "y"}], "starts": 0, "ends": 10, "comment": "c"}),
        json!({"matchers": [{"label": "x", "op": "!~", "value": "("}], "starts": 0, "ends": 100, "comment": "c"}),
        json!({"matchers": [matcher], "starts": 0, "ends": 200_000_000_000_i64, "comment": "c"}),
        json!({"matchers": [matcher], "starts": 0, "ends": 100, "comment": "c", "recurrence": {"cron": "often", "zone": "UTC", "minutes": 5}}),
        json!({"matchers": [matcher], "starts": 0, "ends": 100, "comment": "c", "recurrence": {"cron": "0 0 2 * * Sun", "zone": "Mars/North", "minutes": 5}}),
        json!({"matchers": [matcher], "starts": 0, "ends": 100, "comment": "c", "recurrence": {"cron": "0 0 2 * * Sun", "zone": "UTC", "minutes": 0}}),
    ];
    let mut shown = String::new();
    for json in all {
        let read: Silence = serde_json::from_value(json).unwrap();
        for problem in silence(&read, UnixMillis(50)).problems {
            shown.push_str(&format!("{:?} {} {problem}\n", problem.level, problem.code));
        }
        shown.push_str("--\n");
    }
    expect![[r#"
        --
        Error missing matchers: a silence has one matcher at least
        Error out_of_range ends: it ends before it starts
        Error missing comment: say why
        --
        Warning broad matchers: every matcher also takes alarms that do not have its label
        Warning over ends: it is over already
        --
        Error bad_regex matchers[0].value: Parsing error at position 1: Opening parenthesis without closing parenthesis
        --
        Error out_of_range ends: a silence lasts three years at most; make it come back instead
        --
        Error bad_recurrence recurrence: `often` is no cron expression with seconds, such as `0 0 2 * * Sun`: often
        ^
        The 'Seconds' field does not support using names. 'often' specified.
        --
        Error bad_recurrence recurrence: unknown time zone "Mars/North": use an IANA name such as Europe/Berlin, or UTC
        --
        Error bad_recurrence recurrence: a turn of 0 minutes is out of range, 1 to 40320 are allowed
        --
    "#]]
    .assert_eq(&shown);
}
