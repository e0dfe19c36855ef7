//! Writes rules and receivers as a file that SkyWalking reads.
//!
//! SkyWalking refuses a whole file for one rule that it cannot read. So a rule stands among its rules only when it can; all else
//! stands under our own key, where it passes it over.

use serde_json::{Map, Value};

use crate::receiver::Receiver;
use crate::rule::{Mode, Profile, Provenance, Rule};
use crate::select::Selector;

use super::rule::{SUFFIX, default_message, foreign_part, severity};
use super::secrets;
use super::{emit, ext, hooks, rule_id};

/// A file and what is to be known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What SkyWalking would do otherwise, by the names of rules and receivers.
    pub warnings: Vec<(String, String)>,
}

/// Fields without which a rule fires no more, no less and of nothing else.
const HARMLESS: [&str; 8] =
    ["name", "expression", "message", "recoveryMessage", "annotations", "severity", "hooks", "maxInstances"];

/// Writes a file of these rules, in their order, and the receivers. [`super::read`] has the same rules again, but for what only the
/// store knows of them; secrets are `***`.
pub fn write(rules: &[Rule], receivers: &[Receiver]) -> Written {
    let mut writer = Writer::default();
    let known: Vec<&str> =
        receivers.iter().filter(|each| kind_of(each).is_some()).map(|each| each.id.as_str()).collect();
    for rule in rules {
        writer.rule(rule, &known);
    }
    for receiver in receivers {
        writer.receiver(receiver);
    }
    let mut ours = Map::new();
    for (name, map) in [("rules", writer.own_rules), ("receivers", writer.own_receivers)] {
        if !map.is_empty() {
            ours.insert(name.to_owned(), map.into());
        }
    }
    let mut top = Map::new();
    for (name, map) in [("rules", writer.rules), ("hooks", writer.hooks), (ext::KEY, ours)] {
        if !map.is_empty() {
            top.insert(name.to_owned(), map.into());
        }
    }
    let mut text = String::new();
    emit::map(&mut text, 0, &top);
    Written { text, warnings: writer.warnings }
}

fn kind_of(receiver: &Receiver) -> Option<&'static hooks::Kind> {
    hooks::KINDS.iter().find(|kind| kind.kind == receiver.kind)
}

#[derive(Default)]
struct Writer {
    rules: Map<String, Value>,
    own_rules: Map<String, Value>,
    hooks: Map<String, Value>,
    own_receivers: Map<String, Value>,
    warnings: Vec<(String, String)>,
}

impl Writer {
    fn warn(&mut self, name: &str, what: impl Into<String>) {
        self.warnings.push((name.to_owned(), what.into()));
    }

    fn rule(&mut self, rule: &Rule, receivers: &[&str]) {
        let expression = match portable(rule) {
            Ok(expression) => expression,
            Err(why) => {
                self.warn(&rule.name, format!("{why}; it is written where SkyWalking passes it over"));
                let key = free(&self.own_rules, &rule.name, "+");
                let bare = Rule { name: key.clone(), ..Rule::default() };
                self.own_rules.insert(key, ext::beyond(rule, &bare).into());
                return;
            }
        };
        let named = if rule.name.ends_with(SUFFIX) { rule.name.clone() } else { format!("{}{SUFFIX}", rule.name) };
        let key = free(&self.rules, &named, SUFFIX);
        let hooks: Vec<String> = rule.hooks.iter().filter(|hook| receivers.contains(&hook.as_str())).cloned().collect();
        if hooks.is_empty() && !rule.hooks.is_empty() {
            self.warn(&rule.name, "SkyWalking knows none of its receivers and would tell the default ones");
        }
        let plain = plain(rule, &key, expression, hooks);
        let mut fields = keys(&plain);
        let beyond = ext::beyond(rule, &plain);
        if beyond.contains_key("expression") {
            self.warn(&rule.name, "its expression is written in SkyWalking's words");
        }
        let telling: Vec<&str> = beyond.keys().map(String::as_str).filter(|key| !HARMLESS.contains(key)).collect();
        let is_native = rule.profile == Profile::Native;
        if !telling.is_empty() {
            let and = if is_native { "; it repeats and recovers by SkyWalking's own rules there" } else { "" };
            self.warn(&rule.name, format!("SkyWalking has no {}{and}", telling.join(", ")));
        }
        if !beyond.is_empty() {
            fields.insert(ext::KEY.to_owned(), beyond.into());
        }
        self.rules.insert(key, fields.into());
    }

    fn receiver(&mut self, receiver: &Receiver) {
        if !secrets::places(&receiver.settings).is_empty() {
            self.warn(&receiver.id, "its secrets are not written: put them in the places of ***");
        }
        let Some(kind) = kind_of(receiver) else {
            self.warn(&receiver.id, "SkyWalking has no receivers of its kind");
            let mut fields = match serde_json::to_value(receiver).unwrap_or_default() {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            for stored in ["id", "secrets", "change"] {
                fields.remove(stored);
            }
            self.own_receivers.insert(receiver.id.clone(), fields.into());
            return;
        };
        let (plain, more): (Map<_, _>, Map<_, _>) =
            receiver.settings.clone().into_iter().partition(|(key, _)| kind.keys.contains(&key.as_str()));
        let mut fields = Map::from_iter([("is-default".to_owned(), Value::Bool(receiver.is_default))]);
        fields.extend(plain);
        let mut ours = Map::new();
        if !receiver.send_resolved {
            ours.insert("sendResolved".to_owned(), false.into());
        }
        if !more.is_empty() {
            ours.insert("settings".to_owned(), more.into());
        }
        if !ours.is_empty() {
            self.warn(&receiver.id, "some of its settings are written where SkyWalking passes them over");
            fields.insert(ext::KEY.to_owned(), ours.into());
        }
        let name = receiver.id.strip_prefix(kind.name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&receiver.id);
        if let Value::Object(all) = self.hooks.entry(kind.name).or_insert_with(|| Map::new().into()) {
            all.insert(name.to_owned(), fields.into());
        }
    }
}

/// A name that is not taken.
fn free(taken: &Map<String, Value>, name: &str, suffix: &str) -> String {
    let mut name = name.to_owned();
    while taken.contains_key(&name) {
        name.push_str(suffix);
    }
    name
}

/// The expression in SkyWalking's words, or why the rule cannot be one of SkyWalking's.
fn portable(rule: &Rule) -> Result<String, String> {
    if rule.paused {
        return Err("it is paused, which SkyWalking has not".to_owned());
    }
    if rule.mode == Mode::Shadow {
        return Err("it tells nobody, which SkyWalking has not".to_owned());
    }
    let numbers = crate::variables::bind(&rule.expression, &rule.variables).map_err(|unbound| unbound.to_string())?;
    let expr = mqe::parse_whole(&numbers.text).map_err(|error| error.to_string())?;
    let portable = expr.portable().map_err(|unportable| unportable.to_string())?;
    // SkyWalking refuses parentheses around the whole; printed anew there are none. What it reads alike stays as it is written, so
    // that people know it again.
    let same = portable == expr && numbers.text == rule.expression && !rule.expression.trim_start().starts_with('(');
    Ok(if same && !has_exponent(&rule.expression) { rule.expression.clone() } else { portable.to_string() })
}

/// Whether a number has an exponent, which SkyWalking cannot read; of names that look like one it does no harm.
fn has_exponent(text: &str) -> bool {
    let is_exponent = |three: &[u8]| match three {
        [digit, b'e' | b'E', behind] => {
            digit.is_ascii_digit() && (behind.is_ascii_digit() || matches!(behind, b'+' | b'-'))
        }
        _ => false,
    };
    text.as_bytes().windows(3).any(is_exponent)
}

/// The rule as it will be read without our own key.
fn plain(rule: &Rule, key: &str, expression: String, hooks: Vec<String>) -> Rule {
    let own = if rule.message.is_empty() { default_message(key) } else { rule.message.clone() };
    Rule {
        id: rule_id(key),
        name: key.to_owned(),
        profile: Profile::Skywalking,
        expression,
        selector: Selector {
            include_names: rule.selector.include_names.clone(),
            exclude_names: rule.selector.exclude_names.clone(),
            include_names_regex: rule.selector.include_names_regex.clone(),
            exclude_names_regex: rule.selector.exclude_names_regex.clone(),
            ..Selector::default()
        },
        period: rule.period,
        silence: rule.silence,
        recovery_observation: rule.recovery_observation,
        severity: severity(&rule.tags),
        message: without_foreign_parts(&own),
        tags: rule.tags.clone(),
        hooks,
        provenance: Provenance::File,
        ..Rule::default()
    }
}

/// A message that SkyWalking takes: what is a template, and parts in braces that it refuses, are dots.
fn without_foreign_parts(message: &str) -> String {
    let mut message = message.to_owned();
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("{#", "#}")] {
        while let Some((before, (_, after))) =
            message.split_once(open).and_then(|(before, rest)| Some((before, rest.split_once(close)?)))
        {
            message = format!("{before}…{after}");
        }
    }
    while let Some(part) = foreign_part(&message) {
        message = message.replace(&format!("{{{part}}}"), "…");
    }
    message
}

fn keys(rule: &Rule) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value, is_default: bool| {
        if !is_default {
            fields.insert(key.to_owned(), value);
        }
    };
    let selector = &rule.selector;
    put("expression", rule.expression.clone().into(), false);
    put("include-names", selector.include_names.clone().into(), selector.include_names.is_empty());
    put("exclude-names", selector.exclude_names.clone().into(), selector.exclude_names.is_empty());
    put("include-names-regex", selector.include_names_regex.clone().into(), selector.include_names_regex.is_empty());
    put("exclude-names-regex", selector.exclude_names_regex.clone().into(), selector.exclude_names_regex.is_empty());
    put("period", rule.period.into(), false);
    put("silence-period", rule.silence.into(), false);
    put("recovery-observation-period", rule.recovery_observation.into(), rule.recovery_observation == 0);
    put("message", rule.message.clone().into(), false);
    let tags: Map<String, Value> = rule.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    put("tags", tags.into(), rule.tags.is_empty());
    put("hooks", rule.hooks.clone().into(), rule.hooks.is_empty());
    fields
}
