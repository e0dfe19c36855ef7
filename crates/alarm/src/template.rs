//! Templates: texts of receivers and rules, filled in with what is known of an alarm.
//!
//! Two languages. SkyWalking's: a text with `%s`, which stands for the message. Ours, wherever `{{` or `{%` occurs: Jinja's, with the
//! names of [`crate::notify::told::Shown`] and [`crate::notify::told::Alarm`]. It is a sandbox: no files, no other templates, no
//! clock; it may take [`FUEL`] steps and copy as many bytes times 64, and write [`MAX_OUTPUT`] bytes.

use std::fmt::Write as _;
use std::io;
use std::sync::LazyLock;

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Output, State, Value, escape_formatter};
use serde::Serialize;

use crate::notify::told::{About, Alarm, Shown};

/// Steps that a template may take, each also 64 bytes that it may copy.
pub const FUEL: u64 = 200_000;
/// Bytes that a template may write.
pub const MAX_OUTPUT: usize = 256 * 1024;
/// Bytes that a template may have.
pub const MAX_SOURCE: usize = 64 * 1024;

/// Into what the values are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Plain text: they stay as they are.
    None,
    /// JSON, between quotes: texts are escaped, all else is written as JSON.
    Json,
    /// HTML.
    Html,
}

/// Why a template cannot be used, or was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", if *line > 0 { format!("line {line}: ") } else { String::new() })]
pub struct TemplateError {
    /// Where, from 1; 0: unknown.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    escape: Escape,
    parsed: Parsed,
}

#[derive(Clone, Debug)]
enum Parsed {
    /// Texts between which the message stands.
    Legacy(Vec<String>),
    Jinja(String),
}

impl Template {
    /// Reads a template. Errors where its syntax is wrong, or it names what there is not.
    pub fn parse(source: &str, escape: Escape) -> Result<Template, TemplateError> {
        if source.len() > MAX_SOURCE {
            return Err(TemplateError { line: 0, what: format!("it is longer than {MAX_SOURCE} bytes") });
        }
        let parsed = if is_jinja(source) {
            check_jinja(source, &NAMES)?;
            Parsed::Jinja(source.to_owned())
        } else {
            Parsed::Legacy(legacy(source))
        };
        Ok(Template { escape, parsed })
    }

    /// Whether it says nothing at all: SkyWalking's way to have nothing sent.
    pub fn is_blank(&self) -> bool {
        match &self.parsed {
            Parsed::Legacy(texts) => matches!(texts.as_slice(), [only] if only.trim().is_empty()),
            Parsed::Jinja(_) => false,
        }
    }

    /// The text for one alarm of a notification: its names stand beside those of the notification.
    pub fn alarm(&self, alarm: &Alarm, shown: &Shown) -> Result<String, TemplateError> {
        let message = if shown.test { format!("[TEST] {}", alarm.message) } else { alarm.message.clone() };
        self.fill(&message, || {
            let own = minijinja::context! { message => message.as_str(), notification => Value::from(Serde(shown)) };
            over(own, Value::from(Serde(alarm)))
        })
    }

    /// The text for a whole notification; `message` is all of it in plain words, and the names of its only alarm, or else of its
    /// first one, stand beside its own.
    pub fn notification(&self, shown: &Shown) -> Result<String, TemplateError> {
        let message = shown.plain();
        self.fill(&message, || {
            let first = shown.alarms.first().map(|alarm| Value::from(Serde(alarm))).unwrap_or_default();
            let own = Value::from(Serde(shown));
            let named = minijinja::context! { message => message.as_str(), notification => own.clone() };
            over(named, over(own, first))
        })
    }

    fn fill(&self, message: &str, context: impl FnOnce() -> Value) -> Result<String, TemplateError> {
        match &self.parsed {
            Parsed::Legacy(texts) if self.escape == Escape::Json => Ok(texts.join(&json_escaped(message))),
            Parsed::Legacy(texts) => Ok(texts.join(message)),
            Parsed::Jinja(source) => jinja(source, self.escape, context()),
        }
    }
}

/// The names of both; `above` has the last word.
fn over(above: Value, below: Value) -> Value {
    minijinja::value::merge_maps([above, below])
}

/// The names that a receiver's template may use.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let own = ["notification", "alarms", "nFiring", "nResolved", "omitted", "folded", "repeated", "test", "made"];
    own.into_iter().chain(["id", "sequence", "receiver", "externalUrl"]).chain(ALARM_NAMES).collect()
});

/// The names that a template for one alarm, or a rule's text, may use.
pub const ALARM_NAMES: [&str; 34] = [
    "status",
    "what",
    "incident",
    "seq",
    "message",
    "rule",
    "expression",
    "threshold",
    "severity",
    "scope",
    "entityId",
    "name",
    "service",
    "sourceService",
    "instance",
    "endpoint",
    "group",
    "layers",
    "labels",
    "tags",
    "annotations",
    "hooks",
    "started",
    "fired",
    "ended",
    "durationSeconds",
    "reason",
    "uuid",
    "series",
    "values",
    "incomplete",
    "flapping",
    "links",
    "variables",
];

/// Checks a text of a rule: its message, a tag, an annotation. `{name}` and `{id}` do as well as Jinja; any other name in single
/// braces is an error, as it is in SkyWalking.
pub fn check_rule_text(source: &str) -> Result<(), TemplateError> {
    if is_jinja(source) {
        return check_jinja(source, &ALARM_NAMES);
    }
    let mut rest = source;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { return Ok(()) };
        if name != "name" && name != "id" {
            return Err(TemplateError { line: 1, what: format!("`{{{name}}}` is neither {{name}} nor {{id}}") });
        }
        rest = after;
    }
    Ok(())
}

/// What a text of a rule may name: an alarm as it is decided, and the numbers that the expression used.
pub fn rule_context(alarm: &Alarm, variables: &impl Serialize) -> Value {
    over(minijinja::context! { variables => Value::from(Serde(variables)) }, Value::from(Serde(alarm)))
}

/// A text of a rule, filled in. `context` is that of [`rule_context`]; `name` and `id0` are the entity's.
pub fn rule_text(
    source: &str,
    name: &str,
    id0: &str,
    context: impl FnOnce() -> Value,
) -> Result<String, TemplateError> {
    if is_jinja(source) {
        return jinja(source, Escape::None, context());
    }
    let mut text = String::with_capacity(source.len() + name.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        rest = match after.split_once('}') {
            Some(("name", after)) => {
                text.push_str(name);
                after
            }
            Some(("id", after)) => {
                text.push_str(id0);
                after
            }
            _ => {
                text.push('{');
                after
            }
        };
    }
    text.push_str(rest);
    Ok(text)
}

/// A transition that is about to be decided, as rules' texts see it.
pub fn alarm_of(
    incident: &crate::incident::Incident,
    transition: &crate::incident::Transition,
    about: &About,
) -> Alarm {
    Alarm::of(incident, transition, about)
}

/// JSON whose texts are templates: filled in, so that it is JSON whatever the values are.
#[derive(Clone, Debug)]
pub enum Json {
    /// A text.
    Text(Template),
    /// What holds no text.
    Value(serde_json::Value),
    /// A list.
    List(Vec<Json>),
    /// An object, in order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads it.
    pub fn parse(value: &serde_json::Value) -> Result<Json, TemplateError> {
        Ok(match value {
            serde_json::Value::String(text) => Json::Text(Template::parse(text, Escape::None)?),
            serde_json::Value::Array(values) => Json::List(values.iter().map(Json::parse).collect::<Result<_, _>>()?),
            serde_json::Value::Object(map) => Json::Object(
                map.iter().map(|(key, value)| Ok((key.clone(), Json::parse(value)?))).collect::<Result<_, _>>()?,
            ),
            other => Json::Value(other.clone()),
        })
    }

    /// The JSON, each text as `fill` fills it.
    pub fn fill(
        &self,
        fill: &impl Fn(&Template) -> Result<String, TemplateError>,
    ) -> Result<serde_json::Value, TemplateError> {
        Ok(match self {
            Json::Text(template) => fill(template)?.into(),
            Json::Value(value) => value.clone(),
            Json::List(values) => values.iter().map(|value| value.fill(fill)).collect::<Result<_, _>>()?,
            Json::Object(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| Ok((key.clone(), value.fill(fill)?)));
                serde_json::Value::Object(pairs.collect::<Result<_, TemplateError>>()?)
            }
        })
    }
}

fn is_jinja(source: &str) -> bool {
    source.contains("{{") || source.contains("{%")
}

/// The texts around each `%s`. What Java's formatter would refuse stays as it stands.
fn legacy(source: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut rest = source;
    let push = |texts: &mut Vec<String>, text: &str| texts.last_mut().expect("there is one").push_str(text);
    while let Some((before, after)) = rest.split_once('%') {
        push(&mut texts, before);
        rest = if let Some(after) = after.strip_prefix("1$s").or_else(|| after.strip_prefix('s')) {
            texts.push(String::new());
            after
        } else if let Some(after) = after.strip_prefix('%') {
            push(&mut texts, "%");
            after
        } else if let Some(after) = after.strip_prefix('n') {
            push(&mut texts, "\n");
            after
        } else {
            push(&mut texts, "%");
            after
        };
    }
    push(&mut texts, rest);
    texts
}

/// A text as it stands between the quotes of JSON.
pub(crate) fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

fn check_jinja(source: &str, names: &[&str]) -> Result<(), TemplateError> {
    let environment = &ENVIRONMENTS[0];
    let template = environment.template_from_str(source).map_err(|error| failed(&error))?;
    let unknown = template
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !names.contains(&name.as_str()) && !environment.globals().any(|(global, _)| global == name));
    match unknown.min() {
        Some(name) => {
            let line = source.lines().position(|line| line.contains(&name)).map_or(0, |n| n + 1);
            Err(TemplateError { line, what: format!("there is nothing named `{name}`") })
        }
        None => check_functions(&template),
    }
}

/// Filters, tests and functions are looked up when they are used. Without values other things go wrong first, or not at all: only
/// what is unknown counts.
fn check_functions(template: &minijinja::Template<'_, '_>) -> Result<(), TemplateError> {
    use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
    match template.render_captured_to(Value::from(Serde(serde_json::json!({}))), &mut Bounded(Vec::new())) {
        Err(error) if matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownTest) => Err(failed(&error)),
        _ => Ok(()),
    }
}

static ENVIRONMENTS: LazyLock<[Environment<'static>; 3]> =
    LazyLock::new(|| [Escape::None, Escape::Json, Escape::Html].map(environment));

fn environment(escape: Escape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::Html => AutoEscape::Html,
        Escape::None | Escape::Json => AutoEscape::None,
    });
    if escape == Escape::Json {
        environment.set_formatter(json_formatter);
    }
    environment
}

/// Texts between quotes, all else as JSON.
fn json_formatter(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::String if !value.is_safe() => Ok(out.write_str(&json_escaped(value.as_str().unwrap_or_default()))?),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let text = serde_json::to_string(value)
                .map_err(|error| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string()))?;
            Ok(out.write_str(&text)?)
        }
        ValueKind::None => Ok(out.write_str("null")?),
        _ => escape_formatter(out, state, value),
    }
}

fn jinja(source: &str, escape: Escape, context: Value) -> Result<String, TemplateError> {
    let environment = &ENVIRONMENTS[match escape {
        Escape::None => 0,
        Escape::Json => 1,
        Escape::Html => 2,
    }];
    let template = environment.template_from_str(source).map_err(|error| failed(&error))?;
    let mut out = Bounded(Vec::new());
    template.render_captured_to(context, &mut out).map_err(|error| failed(&error))?;
    String::from_utf8(out.0).map_err(|_| TemplateError { line: 0, what: "what it writes is no text".to_owned() })
}

/// Takes [`MAX_OUTPUT`] bytes.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other(format!("it writes more than {MAX_OUTPUT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: &minijinja::Error) -> TemplateError {
    let mut what = error.kind().to_string();
    if let Some(detail) = error.detail() {
        // A text cannot be written to so that it fails.
        let _written = write!(what, ": {detail}");
    }
    if let Some(source) = std::error::Error::source(error) {
        let _written = write!(what, " ({source})");
    }
    TemplateError { line: error.line().unwrap_or(0), what }
}

#[cfg(test)]
mod tests;
