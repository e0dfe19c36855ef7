//! The small languages of the file: times, matchers, intervals.

use crate::dispatch::interval::Interval;
use crate::pattern::Pattern;
use crate::route::{MatchOp, Matcher, TimeInterval};
use crate::settings::report::At;
use crate::settings::yaml::Node;

/// Our name of a label.
pub(super) fn label(name: String) -> String {
    if name == "alertname" { "rule".to_owned() } else { name }
}

/// Seconds of `1h30m`; parts of a second are rounded up.
pub(super) fn seconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 7 * 86_400_000),
        ("y", 365 * 86_400_000),
    ];
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = behind;
    }
    Some(millis.div_ceil(1_000))
}

/// One matcher of three parts.
pub(super) fn matcher(name: &str, op: &str, value: &str) -> Result<Matcher, String> {
    let op = match op {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Matches,
        _ => MatchOp::MatchesNot,
    };
    if matches!(op, MatchOp::Matches | MatchOp::MatchesNot) {
        Pattern::new(value).map_err(|error| format!("{value} is no regular expression: {error}"))?;
    }
    Ok(Matcher { label: label(name.to_owned()), op, value: value.to_owned() })
}

/// Matchers as they are written: `a="b"`, `a=b`, or several, `{a="b",c!~"d|e"}`.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('{').map_or(trimmed, |inner| inner.strip_suffix('}').unwrap_or(inner));
    let mut all = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let bad = || format!("{text} is no matcher: one is label=\"value\", or with !=, =~, !~");
        let end = rest.find(['=', '!']).ok_or_else(bad)?;
        let (name, behind) = rest.split_at(end);
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| behind.starts_with(op)).ok_or_else(bad)?;
        let behind = behind.split_at(op.len()).1.trim_start();
        let (value, behind) = value(behind).ok_or_else(bad)?;
        let name = name.trim().trim_matches('"');
        if name.is_empty() {
            return Err(bad());
        }
        all.push(matcher(name, op, &value)?);
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.is_empty() => behind,
            None => return Err(bad()),
        };
    }
    Ok(all)
}

/// A value, quoted or not, and what stands behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (value, behind) = text.split_at(end);
        return Some((value.trim().to_owned(), behind));
    };
    let mut value = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some((value, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

/// A time interval, checked.
pub(super) fn interval(node: &Node) -> Result<TimeInterval, (At, String)> {
    let mut json = node.to_json();
    if let Some(fields) = json.as_object_mut() {
        // Numbers are texts in ours: `years: [2026]`, `days_of_month: [1]`.
        for key in ["days_of_month", "months", "years"] {
            for each in fields.get_mut(key).and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
                if each.is_number() {
                    *each = each.to_string().into();
                }
            }
        }
    }
    let interval: TimeInterval = serde_json::from_value(json).map_err(|error| (node.at, error.to_string()))?;
    Interval::new(&interval).map_err(|error| (node.at, error.to_string()))?;
    Ok(interval)
}
