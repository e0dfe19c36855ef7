//! What templates make of values, and what they are refused.

use expect_test::expect;
use serde_json::json;

use super::*;
use crate::notify::samples;

fn shown() -> Shown {
    samples::shown(samples::entities().remove(2), false)
}

fn render(source: &str, escape: Escape) -> String {
    let shown = shown();
    match Template::parse(source, escape) {
        Ok(template) => {
            template.alarm(&shown.alarms[0], &shown).unwrap_or_else(|error| format!("at rendering: {error}"))
        }
        Err(error) => format!("at reading: {error}"),
    }
}

#[test]
fn legacy_templates_take_the_message_and_leave_every_other_percent_alone() {
    let shown: Vec<String> =
        ["%s", "100% of: %s %% %1$s%n%d %", "no message", ""].map(|source| render(source, Escape::None)).into();
    expect![[r#"
        Response time of GET:/x?q="<1>" in shop::cart is more than 1000ms|100% of: Response time of GET:/x?q="<1>" in shop::cart is more than 1000ms % Response time of GET:/x?q="<1>" in shop::cart is more than 1000ms
        %d %|no message|"#]].assert_eq(&shown.join("|"));
}

#[test]
fn a_name_with_quotes_leaves_json_intact() {
    let legacy = render(r#"{"text": "Alarm: %s"}"#, Escape::Json);
    let ours = render(
        r#"{"text": "Alarm: {{ message }}", "tags": {{ tags }}, "n": {{ seq }}, "raw": {{ message|tojson }}}"#,
        Escape::Json,
    );
    for text in [legacy, ours] {
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(json["text"], r#"Alarm: Response time of GET:/x?q="<1>" in shop::cart is more than 1000ms"#);
    }
}

#[test]
fn names_are_those_of_the_alarm_and_its_notification() {
    let source = "{{ rule }} {{ severity }} {{ scope }} {{ service }}/{{ endpoint }} {{ values.service_resp_time }} > {{ threshold }} \
                  {{ tags.owner }} {{ annotations.runbook }} {{ links.incident }} {{ series[0].max }} {{ notification.id }} \
                  {{ alarms|length }} {{ status }} [{{ tags.nothing }}]";
    let shown = shown();
    let template = Template::parse(source, Escape::None).unwrap();
    expect![[r#"service_resp_time_rule WARNING ENDPOINT shop::cart/GET:/x?q="<1>" 1234.0 > 1.0 Ann & Bob https://wiki/slow https://alarms.example.com/alarm/v1/incidents/0123456789abcdef0123456789abcdef 1234.0 n1 1 firing []"#]].assert_eq(&template.notification(&shown).unwrap());
    assert_eq!(render("{{ name }}", Escape::Html), "GET:&#x2f;x?q=&quot;&lt;1&gt;&quot; in shop::cart");
}

#[test]
fn every_name_that_is_allowed_is_there() {
    let shown = shown();
    let alarm = serde_json::to_value(&shown.alarms[0]).unwrap();
    let mut names: Vec<&str> = alarm.as_object().unwrap().keys().map(String::as_str).chain(["variables"]).collect();
    names.sort_unstable();
    let mut allowed = ALARM_NAMES.to_vec();
    allowed.sort_unstable();
    assert_eq!(names, allowed);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let all = ["a\n{{ nothing }}", "a\n{% if %}", "{{ message", "{% include 'x' %}", "{{ message|nofilter }}"];
    let shown: Vec<String> = all.map(|source| render(source, Escape::None)).into();
    expect![[r#"
        at reading: line 2: there is nothing named `nothing`
        at reading: line 2: syntax error: unexpected end of block
        at reading: line 1: syntax error: unexpected end of input, expected end of variable block
        at reading: line 1: syntax error: unknown statement include
        at reading: line 1: unknown filter: filter nofilter is unknown"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn a_template_cannot_take_all_time_or_memory() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let doubling = format!("{}{{{{ message|length }}}}", "{% set message = message ~ message %}".repeat(60));
    let long = "{% for a in range(20000) %}0123456789012345678901234567890123456789{% endfor %}";
    let width = "{{ '%1000000000d'|format(1) }}";
    let indent = "{{ 'a'|indent(1000000000, true) }}";
    for source in [endless, &doubling, long, width, indent] {
        let result = render(source, Escape::None);
        assert!(result.starts_with("at "), "{source}: {} bytes", result.len());
    }
}

#[test]
fn texts_of_rules_know_name_and_id_and_templates() {
    let shown = shown();
    let alarm = &shown.alarms[0];
    let text = |source: &str| {
        rule_text(source, &alarm.name, &alarm.entity_id, || rule_context(alarm, &json!({ "threshold": 5 }))).unwrap()
    };
    expect![[r#"GET:/x?q="<1>" in shop::cart (c2hvcDo6Y2FydA==.1_R0VUOi94P3E9IjwxPiI=) {other} {"#]]
        .assert_eq(&text("{name} ({id}) {other} {"));
    expect![[r#"GET:/x?q="<1>" over 5"#]].assert_eq(&text("{{ endpoint }} over {{ variables.threshold }}"));
    assert!(check_rule_text("{name} and {id} {unclosed").is_ok());
    assert!(check_rule_text("{{ service }}").is_ok());
    assert!(check_rule_text("{service}").is_err());
    assert!(check_rule_text("{{ servce }}").is_err());
    // A rule's text is rendered before there is a notification.
    assert!(check_rule_text("{{ notification.id }}").is_err());
}

#[test]
fn json_stays_json_whatever_the_values_are() {
    let source = json!({ "a": ["{{ name }}", 1, true, null], "%s": { "b": "is %s" } });
    let shown = shown();
    let filled = Json::parse(&source).unwrap().fill(&|template| template.alarm(&shown.alarms[0], &shown)).unwrap();
    assert_eq!(
        filled,
        json!({
            "a": [shown.alarms[0].name, 1, true, null],
            "%s": { "b": format!("is {}", shown.alarms[0].message) },
        })
    );
}
