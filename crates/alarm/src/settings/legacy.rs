//! A rule of the form before 9.6: a metric, an operator, a threshold and how often it must be passed.

use std::fmt::Write as _;

use crate::rule::Rule;

use super::fields::Fields;
use super::report::Entry;
use super::{Placed, rule};

/// The ranks of a percentile, in the order of its thresholds.
const RANKS: [&str; 5] = ["50", "75", "90", "95", "99"];

/// Reads a rule and translates it; `None` where that cannot be done, with the reason in the entry.
pub(super) fn read(name: &str, mut fields: Fields<'_>, entry: &mut Entry) -> Option<Placed<Rule>> {
    let metric = fields.text("metrics-name", entry)?;
    let op = operator(&mut fields, entry)?;
    let threshold_at = fields.place("threshold");
    let Some(threshold) = fields.text("threshold", entry) else {
        entry.reject(threshold_at, "a rule wants a threshold");
        return None;
    };
    let count = fields.number("count", entry).unwrap_or(1);
    let labels = selector(&mut fields, entry)?;
    let expression = match expression(&metric, op, &threshold, count, labels.as_deref()) {
        Ok(expression) => expression,
        Err(what) => {
            entry.reject(threshold_at, what);
            return None;
        }
    };
    let mut placed = rule::common(name, fields, entry);
    entry.warn(entry.at, format!("it is of the form before 9.6, and read as {expression}"));
    placed.doc.expression = expression;
    Some(placed)
}

fn operator(fields: &mut Fields<'_>, entry: &mut Entry) -> Option<&'static str> {
    let at = fields.place("op");
    let Some(op) = fields.text("op", entry) else {
        entry.reject(at, "a rule wants an operator: op is one of >, >=, <, <=, =");
        return None;
    };
    let known = match op.trim() {
        ">" => Some(">"),
        ">=" => Some(">="),
        "<" => Some("<"),
        "<=" => Some("<="),
        "=" | "==" => Some("=="),
        "!=" => Some("!="),
        _ => None,
    };
    if known.is_none() {
        entry.reject(at, format!("op is one of >, >=, <, <=, =, and not {op}"));
    }
    known
}

/// The labels of the metric that the rule asks for. The outer `None`: it asks in a way that an expression cannot.
fn selector(fields: &mut Fields<'_>, entry: &mut Entry) -> Option<Option<String>> {
    let at = rule::first_place(fields, &["exclude-labels", "include-labels-regex", "exclude-labels-regex"]);
    let cannot = ["exclude-labels", "include-labels-regex", "exclude-labels-regex"];
    let mut found = Vec::new();
    for key in cannot {
        found.extend(
            fields.take(&[key]).filter(|node| !matches!(&node.text(), Some(text) if text.is_empty())).map(|_| key),
        );
    }
    if !found.is_empty() {
        entry.reject(at, format!("an expression has no words for {}: name the labels to include", found.join(" and ")));
        return None;
    }
    let at = fields.place("include-labels");
    let include = fields.texts("include-labels", entry);
    if include.is_empty() {
        return Some(None);
    }
    // `name=value` names its label; a value alone is that of the one label that has no name.
    let mut labels: Vec<(String, Vec<String>)> = Vec::new();
    for label in include {
        let (name, value) = label.split_once('=').unwrap_or(("_", &label));
        let value = value.trim().trim_matches(['\'', '"']).to_owned();
        match labels.iter_mut().find(|(known, _)| known == name.trim()) {
            Some((_, values)) => values.push(value),
            None => labels.push((name.trim().to_owned(), vec![value])),
        }
    }
    entry.warn(at, "include-labels became a selector of the metric; look whether it has these labels");
    let all = labels.iter().map(|(name, values)| format!("{name}='{}'", values.join(","))).collect::<Vec<_>>();
    Some(Some(all.join(",")))
}

fn expression(metric: &str, op: &str, threshold: &str, count: u32, labels: Option<&str>) -> Result<String, String> {
    let parts: Vec<&str> = threshold.split(',').map(str::trim).collect();
    if parts.len() > 1 || metric.ends_with("_percentile") {
        return by_rank(metric, op, &parts, count);
    }
    let metric = labels.map_or_else(|| metric.to_owned(), |labels| format!("{metric}{{{labels}}}"));
    Ok(format!("sum({metric} {op} {}) >= {count}", number(threshold.trim())?))
}

/// Of a percentile: a minute counts when any rank passes its threshold. Ranks rise with their number, so that with one threshold for
/// all it is always the same rank that decides, and SkyWalking's own translation says the same.
fn by_rank(metric: &str, op: &str, thresholds: &[&str], count: u32) -> Result<String, String> {
    if thresholds.len() > RANKS.len() {
        return Err(format!("a percentile has {} thresholds, and here are {}", RANKS.len(), thresholds.len()));
    }
    let mut wanted = Vec::new();
    for (rank, threshold) in RANKS.iter().zip(thresholds).filter(|(_, threshold)| **threshold != "-") {
        wanted.push((*rank, number(threshold)?));
    }
    let Some((_, first)) = wanted.first().cloned() else { return Err("no rank has a threshold".to_owned()) };
    if wanted.iter().all(|(_, threshold)| *threshold == first) {
        let ranks: Vec<_> = wanted.iter().map(|(rank, _)| *rank).collect();
        return Ok(format!("sum({metric}{{p='{}'}} {op} {first}) >= {count}", ranks.join(",")));
    }
    let mut text = String::new();
    for (n, (rank, threshold)) in wanted.iter().enumerate() {
        let or = if n > 0 { " || " } else { "" };
        // Each rank as a series without labels, since those of two ranks have no label set in common.
        write!(text, "{or}sum(aggregate_labels({metric}{{p='{rank}'}} {op} {threshold},max)) >= {count}")
            .expect("a text takes whatever is written");
    }
    Ok(text)
}

/// A threshold as an expression has it.
fn number(text: &str) -> Result<String, String> {
    let number: f64 = text.parse().map_err(|_| format!("a threshold is a number, and {text} is none"))?;
    if !number.is_finite() {
        return Err(format!("a threshold is a number, and {text} is none"));
    }
    Ok(if number < 0.0 { format!("(0-{})", -number) } else { number.to_string() })
}
