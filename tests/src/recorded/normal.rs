//! The form in which recorded answers are kept: times relative to a base, lists without an order of their own sorted.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use model::{UnixMillis, Zone};
use serde_json::{Map, Value};

/// Lists that mean a set, by the name of their field.
const SETS: &[&str] = &[
    "nodes",
    "calls",
    "listServices",
    "listInstances",
    "findEndpoint",
    "detectPoints",
    "sourceComponents",
    "targetComponents",
    "attributes",
    "spans",
    "refs",
    "queryLogTagAutocompleteKeys",
    "queryLogTagAutocompleteValues",
];

/// Whatever lies this close to the base is a time; no other number in the answers does.
const NEAR_MS: i64 = 6 * 60 * 60 * 1_000;

/// Stands in recordings for the parser's own words.
const SYNTAX_ERROR: &str = "<syntax error>";

/// Adds the base to every time of a body that is sent: there they are milliseconds after it.
pub(crate) fn dated(body: &Value, base: UnixMillis) -> Value {
    fn walk(value: &Value, field: &str, within: &str, base: i64) -> Value {
        match value {
            Value::Object(map) => {
                let dated = map.iter().map(|(key, value)| (key.clone(), walk(value, key, field, base)));
                Value::Object(dated.collect())
            }
            Value::Array(list) => Value::Array(list.iter().map(|value| walk(value, field, within, base)).collect()),
            Value::Number(n) if is_time(field, within) => match n.as_i64() {
                Some(after) => Value::from(base + after),
                None => value.clone(),
            },
            other => other.clone(),
        }
    }
    walk(body, "", "", base.0)
}

/// How long a garbage collection took is a duration.
fn is_time(field: &str, within: &str) -> bool {
    ["startTime", "endTime", "time", "timestamp"].contains(&field) && within != "gc"
}

/// Replaces `@minute+60` and its kind in a question's variables by that time as a client writes it at that step.
pub(crate) fn asked(variables: &Value, base: UnixMillis) -> Value {
    match variables {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), asked(value, base))).collect()),
        Value::Array(list) => Value::Array(list.iter().map(|value| asked(value, base)).collect()),
        Value::String(text) => Value::String(time_text(text, base).unwrap_or_else(|| text.clone())),
        other => other.clone(),
    }
}

fn time_text(text: &str, base: UnixMillis) -> Option<String> {
    let (step, seconds) = text.strip_prefix('@').and_then(|rest| Some(rest.split_at(rest.find(['+', '-'])?)))?;
    let t = Zone::utc().civil(base.plus(seconds.parse::<i64>().ok()? * 1_000));
    let day = format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day());
    match step {
        "second" => Some(format!("{day} {:02}{:02}{:02}", t.hour(), t.minute(), t.second())),
        "minute" => Some(format!("{day} {:02}{:02}", t.hour(), t.minute())),
        "hour" => Some(format!("{day} {:02}", t.hour())),
        "day" => Some(day),
        _ => None,
    }
}

/// An answer in the form of the recordings. `own` says whether a service without any scope belongs to the scenario.
pub(crate) fn normal(answer: &Value, base: UnixMillis, own: &dyn Fn(&str) -> bool) -> Value {
    let mut answer = relative(answer, base);
    if let Some(errors) = answer.as_object_mut().and_then(|map| map.remove("errors")) {
        answer = serde_json::json!({ "errors": errors.as_array().is_some_and(|list| !list.is_empty()) });
    }
    if let Some(services) = answer.pointer_mut("/data/listServices").and_then(Value::as_array_mut) {
        services.retain(|service| service["name"].as_str().is_some_and(own));
    }
    sorted(answer, "")
}

/// A recorded answer, sorted as [`normal`] sorts: recordings were sorted by another program.
pub(crate) fn recorded(answer: &Value) -> Value {
    sorted(answer.clone(), "")
}

fn relative(value: &Value, base: UnixMillis) -> Value {
    let time = |at: i64| ((at - base.0).abs() < NEAR_MS).then(|| Value::String(format!("T{:+}", at - base.0)));
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), relative(value, base))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| relative(value, base)).collect()),
        Value::Number(n) => n.as_i64().and_then(time).unwrap_or_else(|| value.clone()),
        Value::String(text) => text.parse().ok().and_then(time).unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

fn sorted(value: Value, field: &str) -> Value {
    match value {
        Value::Object(map) => {
            let ranked = matches!(map.get("type").and_then(Value::as_str), Some("SORTED_LIST" | "RECORD_LIST"));
            let members = map.into_iter().filter(|(key, _)| !is_left_out(field, key)).map(|(key, value)| {
                let value = sorted(value, &key);
                let value = if ranked && key == "results" { ties_sorted(value) } else { value };
                (key, value)
            });
            // By key: lists are ordered by their JSON text, and ours name the members in the order of the question.
            let members: BTreeMap<String, Value> = members.collect();
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(|value| sorted(value, field)).collect();
            if SETS.contains(&field) {
                list.sort_by_cached_key(Value::to_string);
            }
            Value::Array(list)
        }
        Value::Number(n) => n.as_f64().map_or(Value::Number(n), Value::from),
        other => other,
    }
}

/// The identity of an event is not in the recordings.
fn is_left_out(list: &str, field: &str) -> bool {
    list == "events" && field == "uuid"
}

/// A ranking says nothing about the order of equal values.
fn ties_sorted(mut results: Value) -> Value {
    let number = |value: &Value| value["value"].as_str().and_then(|text| text.parse::<f64>().ok());
    for result in results.as_array_mut().into_iter().flatten() {
        let Some(values) = result["values"].as_array_mut() else { continue };
        for run in values.chunk_by_mut(|a, b| number(a).partial_cmp(&number(b)) == Some(Ordering::Equal)) {
            run.sort_by_cached_key(Value::to_string);
        }
    }
    results
}

/// Whether our answer, in normal form, is the recorded one: the words of a syntax error are everyone's own.
pub(crate) fn equal(ours: &Value, recorded: &Value) -> bool {
    match (ours, recorded) {
        (Value::String(ours), Value::String(theirs)) if theirs == SYNTAX_ERROR => !ours.is_empty(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BASE: UnixMillis = UnixMillis(1_705_320_000_000);

    #[test]
    fn times_are_dated_and_durations_are_not() {
        let body = json!({ "metrics": [{ "time": 1_000, "gc": [{ "phase": "NEW", "time": 7 }] }], "startTime": 0 });
        let expected = json!({ "metrics": [{ "time": BASE.0 + 1_000, "gc": [{ "phase": "NEW", "time": 7 }] }], "startTime": BASE.0 });
        assert_eq!(dated(&body, BASE), expected);
    }

    #[test]
    fn questions_are_asked_about_the_time_of_sending() {
        let variables = json!({ "d": { "start": "@minute-120", "end": "@second+119", "step": "MINUTE" }, "e": "a@b" });
        let expected =
            json!({ "d": { "start": "2024-01-15 1158", "end": "2024-01-15 120159", "step": "MINUTE" }, "e": "a@b" });
        assert_eq!(asked(&variables, BASE), expected);
    }

    #[test]
    fn an_answer_loses_what_means_nothing_and_nothing_else() {
        let answer = json!({ "data": {
            "listServices": [{ "name": "own-b" }, { "name": "other" }, { "name": "own-a" }],
            "traces": [{ "start": (BASE.0 + 5).to_string(), "duration": 5 }, { "start": BASE.0, "duration": 1.0 }],
        }});
        let expected = json!({ "data": {
            "listServices": [{ "name": "own-a" }, { "name": "own-b" }],
            "traces": [{ "start": "T+5", "duration": 5.0 }, { "start": "T+0", "duration": 1.0 }],
        }});
        assert_eq!(normal(&answer, BASE, &|name| name.starts_with("own")), expected);
    }

    #[test]
    fn equal_ranks_may_change_places_and_others_may_not() {
        let list = |values: &[(&str, &str)]| {
            let values: Vec<_> = values.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
            recorded(&json!({ "type": "SORTED_LIST", "results": [{ "values": values }] }))
        };
        assert_eq!(list(&[("a", "9"), ("b", "2"), ("c", "2")]), list(&[("a", "9"), ("c", "2"), ("b", "2")]));
        assert_ne!(list(&[("a", "9"), ("b", "2")]), list(&[("b", "2"), ("a", "9")]));
    }

    #[test]
    fn any_words_are_a_syntax_error_but_none_are_not() {
        let theirs = json!({ "error": SYNTAX_ERROR });
        assert!(equal(&json!({ "error": "1:3 expected an operand" }), &theirs));
        assert!(!equal(&json!({ "error": null }), &theirs));
        assert!(!equal(&json!({ "error": "" }), &theirs));
    }
}
