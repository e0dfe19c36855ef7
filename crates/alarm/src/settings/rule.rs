//! A rule of today's form.

use std::collections::BTreeMap;

use crate::rule::{Profile, Provenance, Rule, Severity};
use crate::select::Selector;

use super::ext;
use super::fields::Fields;
use super::report::{At, Entry};
use super::yaml::{Node, Value};
use super::{Placed, rule_id};

/// What every rule's name ends with in SkyWalking, which passes over those that do not.
pub(super) const SUFFIX: &str = "_rule";

/// Keys of the form before 9.6, which mean nothing beside an expression.
const OLD: [&str; 9] = [
    "metrics-name",
    "op",
    "threshold",
    "count",
    "only-as-condition",
    "include-labels",
    "exclude-labels",
    "include-labels-regex",
    "exclude-labels-regex",
];

/// Keys and the paths of the fields that they become.
const PLACES: [(&str, &str); 11] = [
    ("expression", "expression"),
    ("include-names", "selector.includeNames"),
    ("exclude-names", "selector.excludeNames"),
    ("include-names-regex", "selector.includeNamesRegex"),
    ("exclude-names-regex", "selector.excludeNamesRegex"),
    ("period", "period"),
    ("silence-period", "silence"),
    ("recovery-observation-period", "recoveryObservation"),
    ("message", "message"),
    ("tags", "tags"),
    ("hooks", "hooks"),
];

/// Reads a rule; `None` where that makes no sense, with the reason in the entry.
pub(super) fn read(name: &str, mut fields: Fields<'_>, entry: &mut Entry) -> Option<Placed<Rule>> {
    let at = fields.at;
    let expression = fields.place("expression");
    let text = fields.text("expression", entry).unwrap_or_default();
    if text.trim().is_empty() {
        entry.reject(expression, "a rule wants an expression");
        return None;
    }
    for old in OLD {
        if let Some(node) = fields.take(&[old]) {
            entry.warn(node.at, format!("{old} is of the form before 9.6 and means nothing beside an expression"));
        }
    }
    let ours = fields.take(&[ext::KEY]);
    let mut placed = common(name, fields, entry);
    placed.doc.expression = text;
    placed.places.insert("expression", expression);
    placed.at = at;
    if let Some(node) = ours {
        match ext::overlay(&placed.doc, node) {
            Ok(doc) => {
                if doc.expression != placed.doc.expression {
                    placed.places.remove("expression");
                    placed.places.insert("expression as a whole", node.at);
                }
                placed.doc = doc;
            }
            Err(what) => entry.reject(node.at, what),
        }
    }
    if placed.doc.name == name && !name.ends_with(SUFFIX) {
        entry.warn(
            entry.at,
            format!("SkyWalking passes over rules whose names do not end with {SUFFIX}; here it counts"),
        );
    }
    Some(placed)
}

/// What the rules of both forms have in common, with the defaults of SkyWalking.
pub(super) fn common(name: &str, mut fields: Fields<'_>, entry: &mut Entry) -> Placed<Rule> {
    let places =
        PLACES.iter().filter(|(key, _)| fields.has(key)).map(|(key, path)| (*path, fields.place(key))).collect();
    let at = fields.at;
    let selector = Selector {
        include_names: fields.texts("include-names", entry),
        exclude_names: fields.texts("exclude-names", entry),
        include_names_regex: regex(&mut fields, "include-names-regex", entry),
        exclude_names_regex: regex(&mut fields, "exclude-names-regex", entry),
        ..Selector::default()
    };
    let period = fields.number("period", entry).unwrap_or(1);
    let silence = fields.number("silence-period", entry).unwrap_or(period);
    let recovery_observation = fields.number("recovery-observation-period", entry).unwrap_or_default();
    let message_at = fields.place("message");
    let message = fields.text("message", entry).unwrap_or_else(|| default_message(name));
    if let Some(part) = foreign_part(&message) {
        let what = format!(
            "only {{name}} and {{id}} stand for something in a message, and {part} does not: SkyWalking refuses it"
        );
        entry.reject(message_at, what);
    }
    let tags = fields.map("tags", entry);
    let hooks = fields.texts("hooks", entry);
    fields.leave(entry, ", and neither to SkyWalking");
    let doc = Rule {
        id: rule_id(name),
        name: name.to_owned(),
        profile: Profile::Skywalking,
        selector,
        period,
        silence,
        recovery_observation,
        severity: severity(&tags),
        message,
        tags,
        hooks,
        provenance: Provenance::File,
        ..Rule::default()
    };
    Placed { doc, at, places }
}

/// The text of a rule that has none.
pub(super) fn default_message(name: &str) -> String {
    format!("Alarm caused by Rule {name}")
}

/// The severity that the tag `level` says, else the usual one.
pub(super) fn severity(tags: &BTreeMap<String, String>) -> Severity {
    match tags.get("level").map(|level| level.to_lowercase()).as_deref() {
        Some("critical" | "fatal" | "error") => Severity::Critical,
        Some("info" | "information") => Severity::Info,
        _ => Severity::default(),
    }
}

/// The first part in braces of a message that is neither `{name}` nor `{id}`. A brace that is never closed is a brace.
pub(crate) fn foreign_part(message: &str) -> Option<&str> {
    let mut rest = message;
    loop {
        let (_, behind) = rest.split_once('{')?;
        let (inside, after) = behind.split_once('}')?;
        if !matches!(inside, "name" | "id") {
            return Some(inside);
        }
        rest = after;
    }
}

/// One regular expression. People write lists, which SkyWalking refuses; they can only mean any of them.
fn regex(fields: &mut Fields<'_>, name: &str, entry: &mut Entry) -> String {
    let Some(node) = fields.take(&[name]) else { return String::new() };
    let alternatives = |list: &[Node]| list.iter().map(|each| each.text()).collect::<Option<Vec<_>>>();
    match &node.value {
        Value::Null => String::new(),
        Value::List(list) => {
            let Some(all) = alternatives(list) else {
                entry.reject(node.at, format!("{name} wants one regular expression"));
                return String::new();
            };
            entry.warn(
                node.at,
                format!("{name} is one regular expression, and SkyWalking refuses a list; here it means any of them"),
            );
            match all.as_slice() {
                [one] => one.clone(),
                all => all.iter().map(|each| format!("(?:{each})")).collect::<Vec<_>>().join("|"),
            }
        }
        _ => {
            let text = node.text();
            if text.is_none() {
                entry.reject(node.at, format!("{name} wants one regular expression, and this is {}", node.kind()));
            }
            text.unwrap_or_default()
        }
    }
}

/// The place of the first of some fields that is there; the beginning of the map where none is.
pub(super) fn first_place(fields: &Fields<'_>, names: &[&str]) -> At {
    names.iter().find(|name| fields.has(name)).map_or(fields.at, |name| fields.place(name))
}
