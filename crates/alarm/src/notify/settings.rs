//! Reading a receiver's settings, and which of them are secrets.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::receiver::ReceiverKind;
use crate::template::{Escape, Template};

/// Stands where a secret is.
pub const MASK: &str = "***";

/// Something wrong, or odd, about a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting: `webhooks.0.url`.
    pub path: String,
    /// What is wrong, beginning with a verb.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.what)
    }
}

/// Keys whose values are secrets in every kind.
const SECRET_KEYS: [&str; 14] = [
    "secret",
    "client-secret",
    "client-key",
    "password",
    "integration-keys",
    "bot-token",
    "api-key",
    "api-secret",
    "auth-token",
    "access-key-secret",
    "secret-key",
    "token",
    "proxy-authorization",
    "authorization",
];

/// Takes the secrets out of settings: each is replaced by [`MASK`] and answered by its path. A mask stays, and is no secret: who
/// changes a receiver keeps what is sealed under its path.
pub fn split(kind: ReceiverKind, settings: &Map<String, Value>) -> (Map<String, Value>, BTreeMap<String, String>) {
    let mut secrets = BTreeMap::new();
    let masked = settings
        .iter()
        .map(|(key, value)| (key.clone(), mask(kind, key, key.clone(), value, false, &mut secrets)))
        .collect();
    (masked, secrets)
}

fn mask(
    kind: ReceiverKind,
    key: &str,
    path: String,
    value: &Value,
    inherited: bool,
    secrets: &mut BTreeMap<String, String>,
) -> Value {
    let is_secret = inherited || is_secret(kind, key);
    match value {
        Value::String(text) if text == MASK || text.is_empty() => value.clone(),
        Value::String(text) if is_secret || (key == "proxy" && text.contains('@')) => {
            secrets.insert(path, text.clone());
            MASK.into()
        }
        Value::Number(number) if is_secret => {
            secrets.insert(path, number.to_string());
            MASK.into()
        }
        // Objects name their own secrets: a webhook's address is one, its robot's name is not.
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(n, value)| mask(kind, key, format!("{path}.{n}"), value, is_secret && !value.is_object(), secrets))
            .collect(),
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| (key.clone(), mask(kind, key, format!("{path}.{key}"), value, false, secrets)));
            Value::Object(pairs.collect())
        }
        other => other.clone(),
    }
}

fn is_secret(kind: ReceiverKind, key: &str) -> bool {
    // Whoever knows the address of a chat's robot can write there.
    let is_address = matches!(key, "webhooks" | "url")
        && matches!(
            kind,
            ReceiverKind::Slack
                | ReceiverKind::Wechat
                | ReceiverKind::Dingtalk
                | ReceiverKind::Feishu
                | ReceiverKind::Discord
                | ReceiverKind::Teams
        );
    let key = key.to_lowercase();
    is_address || SECRET_KEYS.contains(&key.as_str()) || is_secret_header(&key)
}

/// Headers by which receivers know us: `X-Api-Key`, `X-Auth-Token`.
fn is_secret_header(key: &str) -> bool {
    key.starts_with("x-") && ["key", "token", "secret", "auth"].iter().any(|word| key.contains(word))
}

/// Puts secrets back where their masks stand. A secret without a mask is left out, and so is a mask without a secret.
pub fn join(settings: &Map<String, Value>, secrets: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut joined = Value::Object(settings.clone());
    unmask(&mut joined, "", secrets);
    match joined {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn unmask(value: &mut Value, path: &str, secrets: &BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::String(text) if text == MASK => *text = secrets.get(path).cloned().unwrap_or_default(),
        Value::Array(values) => {
            values.iter_mut().enumerate().for_each(|(n, value)| unmask(value, &below(&n.to_string()), secrets));
        }
        Value::Object(map) => map.iter_mut().for_each(|(key, value)| unmask(value, &below(key), secrets)),
        _ => {}
    }
}

/// Settings of a hook of SkyWalking's file as ours: a template that is not there is blank, and a blank one sends nothing.
pub fn of_skywalking(kind: ReceiverKind, settings: &mut Map<String, Value>) {
    let templates: &[&str] = match kind {
        ReceiverKind::Slack | ReceiverKind::Wechat | ReceiverKind::Dingtalk | ReceiverKind::Feishu => {
            &["text-template", "recovery-text-template"]
        }
        _ => return,
    };
    for key in templates {
        settings.entry(*key).or_insert_with(|| "".into());
    }
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Report {
    pub(crate) fn take(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

/// Reads the keys of one object. What is wrong is reported, and something harmless is answered, so that all is found at once.
pub(crate) struct Keys<'a> {
    map: &'a Map<String, Value>,
    path: String,
    seen: RefCell<BTreeSet<String>>,
    report: &'a Report,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(map: &'a Map<String, Value>, report: &'a Report) -> Keys<'a> {
        Keys { map, path: String::new(), seen: RefCell::default(), report }
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn problem(&self, key: &str, what: impl Into<String>) {
        self.report.problems.borrow_mut().push(Problem { path: self.at(key), what: what.into() });
    }

    pub(crate) fn warning(&self, key: &str, what: impl Into<String>) {
        self.report.warnings.borrow_mut().push(Problem { path: self.at(key), what: what.into() });
    }

    /// The value of a key, where there is one.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.seen.borrow_mut().insert(key.to_owned());
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A text; a number will do. An empty one is none.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let text = self.raw_text(key)?;
        (!text.trim().is_empty()).then_some(text)
    }

    fn raw_text(&self, key: &str) -> Option<String> {
        let text = as_text(self.value(key)?);
        if text.is_none() {
            self.problem(key, "must be a text");
        }
        text
    }

    pub(crate) fn required(&self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.problem(key, "is missing");
            String::new()
        })
    }

    /// A list of texts, or one text.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let texts = match value {
            Value::Array(values) => values.iter().map(as_text).collect(),
            one => as_text(one).map(|text| vec![text]),
        };
        let texts: Vec<String> = texts.unwrap_or_else(|| {
            self.problem(key, "must be a list of texts");
            Vec::new()
        });
        texts.into_iter().filter(|text| !text.trim().is_empty()).collect()
    }

    pub(crate) fn required_texts(&self, key: &str) -> Vec<String> {
        let texts = self.texts(key);
        if texts.is_empty() {
            self.problem(key, "must have one entry at least");
        }
        texts
    }

    pub(crate) fn url(&self, key: &str) -> Option<String> {
        let url = self.text(key)?;
        self.check_url(key, &url);
        Some(url)
    }

    pub(crate) fn url_or(&self, key: &str, default: &str) -> String {
        self.url(key).unwrap_or_else(|| default.to_owned())
    }

    pub(crate) fn required_url(&self, key: &str) -> String {
        let url = self.required(key);
        if !url.is_empty() {
            self.check_url(key, &url);
        }
        url
    }

    /// URLs of which one must be there, each checked.
    pub(crate) fn required_urls(&self, key: &str) -> Vec<String> {
        let urls = self.required_texts(key);
        urls.iter().enumerate().for_each(|(n, url)| self.check_url(&format!("{key}.{n}"), url));
        urls
    }

    pub(crate) fn urls(&self, key: &str) -> Vec<String> {
        let urls = self.texts(key);
        urls.iter().enumerate().for_each(|(n, url)| self.check_url(&format!("{key}.{n}"), url));
        urls
    }

    /// The URL itself is not shown: it may be a secret.
    fn check_url(&self, key: &str, url: &str) {
        match reqwest::Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => {}
            _ => self.problem(key, "must be a URL that begins with http:// or https://"),
        }
    }

    pub(crate) fn port(&self, key: &str, default: Option<u16>) -> u16 {
        let port = self.text(key).map(|text| text.parse::<u16>().ok().filter(|port| *port > 0));
        match (port, default) {
            (Some(Some(port)), _) => port,
            (None, Some(default)) => default,
            (None, None) => {
                self.problem(key, "is missing");
                0
            }
            (Some(None), _) => {
                self.problem(key, "must be a port from 1 to 65535");
                0
            }
        }
    }

    /// One of some words; the first is the default.
    pub(crate) fn choice(&self, key: &str, words: &[&'static str]) -> &'static str {
        let default = words.first().copied().unwrap_or_default();
        let Some(text) = self.text(key) else { return default };
        words.iter().find(|word| **word == text).copied().unwrap_or_else(|| {
            self.problem(key, format!("must be one of {}", words.join(", ")));
            default
        })
    }

    /// Pairs of texts, such as headers.
    pub(crate) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Object(map)) => map
                .iter()
                .filter_map(|(name, value)| {
                    let text = as_text(value);
                    if text.is_none() {
                        self.problem(&format!("{key}.{name}"), "must be a text");
                    }
                    Some((name.clone(), text?))
                })
                .collect(),
            Some(_) => {
                self.problem(key, "must be a map of texts");
                Vec::new()
            }
        }
    }

    pub(crate) fn headers(&self, key: &str) -> Vec<(String, String)> {
        let headers = self.pairs(key);
        for (name, value) in &headers {
            let is_name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok();
            if !is_name || reqwest::header::HeaderValue::from_str(value).is_err() {
                self.problem(&format!("{key}.{name}"), "is no header of HTTP");
            }
        }
        headers
    }

    /// A list of objects, each read by `read`; one at least.
    pub(crate) fn objects<T>(&self, key: &str, read: impl Fn(&Keys<'_>) -> T) -> Vec<T> {
        let Some(Value::Array(values)) = self.value(key) else {
            self.problem(key, "must be a list of objects");
            return Vec::new();
        };
        if values.is_empty() {
            self.problem(key, "must have one entry at least");
        }
        let objects = values.iter().enumerate().filter_map(|(n, value)| {
            let path = self.at(&format!("{key}.{n}"));
            let Value::Object(map) = value else {
                self.problem(&format!("{key}.{n}"), "must be an object");
                return None;
            };
            let keys = Keys { map, path, seen: RefCell::default(), report: self.report };
            let object = read(&keys);
            keys.finish();
            Some(object)
        });
        objects.collect()
    }

    /// A template, where the key is there: a blank one too.
    pub(crate) fn template(&self, key: &str, escape: Escape) -> Option<Template> {
        let source = self.raw_text(key)?;
        match Template::parse(&source, escape) {
            Ok(template) => Some(template),
            Err(error) => {
                self.problem(key, format!("is no template: {error}"));
                None
            }
        }
    }

    /// Reports keys that nobody asked for.
    pub(crate) fn finish(&self) {
        for key in self.map.keys().filter(|key| !self.seen.borrow().contains(*key)) {
            // SkyWalking's files carry it beside the settings.
            if key != "is-default" {
                self.problem(key, "is no setting of this kind of receiver");
            }
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn secrets_leave_and_come_back() {
        let cases = [
            (
                ReceiverKind::Dingtalk,
                json!({"webhooks": [{"url": "https://d/1", "secret": "s1"}, {"url": "https://d/2"}], "text-template": "%s"}),
                json!({"webhooks": [{"url": "***", "secret": "***"}, {"url": "***"}], "text-template": "%s"}),
            ),
            (ReceiverKind::Slack, json!({"webhooks": ["https://s"]}), json!({"webhooks": ["***"]})),
            (
                ReceiverKind::Webhook,
                json!({"urls": ["https://w"], "headers": {"Authorization": "Bearer x", "X-Team": "a", "X-Api-Key": "k"}}),
                json!({"urls": ["https://w"], "headers": {"Authorization": "***", "X-Team": "a", "X-Api-Key": "***"}}),
            ),
            (
                ReceiverKind::Pagerduty,
                json!({"integration-keys": ["k", 7]}),
                json!({"integration-keys": ["***", "***"]}),
            ),
            (
                ReceiverKind::Webhook,
                json!({"urls": ["https://w"], "proxy": "http://u:p@proxy"}),
                json!({"urls": ["https://w"], "proxy": "***"}),
            ),
        ];
        for (kind, open, masked) in cases {
            let (settings, secrets) = split(kind, &map(open.clone()));
            assert_eq!(Value::Object(settings.clone()), masked);
            let joined = Value::Object(join(&settings, &secrets)).to_string();
            assert_eq!(joined.replace("\"7\"", "7"), open.to_string());
            // Written back as it is shown, it holds no secret.
            assert_eq!(split(kind, &settings), (settings, BTreeMap::new()));
        }
    }
}
