//! Receivers as somebody writes them: their secrets apart from what is shown and stored as settings.

use std::collections::BTreeMap;

use model::secret::Secret;
use serde_json::{Map, Value};

use crate::notify::settings::{MASK, join, split};
use crate::receiver::Receiver;

/// A receiver as somebody wrote it, its secrets apart and not sealed yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The receiver, with [`MASK`] in the place of each secret.
    pub receiver: Receiver,
    /// The secrets that were written, by their paths. One that was masked already is not among them.
    pub secrets: BTreeMap<String, Secret>,
}

impl Draft {
    /// Takes the secrets out of a receiver's settings.
    pub fn new(receiver: Receiver) -> Draft {
        let (settings, secrets) = split(receiver.kind, &receiver.settings);
        let secrets = secrets.into_iter().map(|(path, secret)| (path, Secret::new(secret))).collect();
        Draft { receiver: Receiver { settings, ..receiver }, secrets }
    }

    /// The receiver as it was written. What was masked stays so.
    pub fn whole(&self) -> Receiver {
        let mut secrets: BTreeMap<String, String> =
            places(&self.receiver.settings).into_iter().map(|path| (path, MASK.to_owned())).collect();
        secrets.extend(self.secrets.iter().map(|(path, secret)| (path.clone(), secret.reveal().to_owned())));
        Receiver { settings: join(&self.receiver.settings, &secrets), ..self.receiver.clone() }
    }
}

/// The paths of the secrets that some settings have a place for: `webhooks.0.url`.
pub fn places(settings: &Map<String, Value>) -> Vec<String> {
    fn look(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text == MASK => found.push(path.to_owned()),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(n, each)| look(&format!("{path}.{n}"), each, found))
            }
            Value::Object(map) => map.iter().for_each(|(key, each)| look(&format!("{path}.{key}"), each, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    settings.iter().for_each(|(key, value)| look(key, value, &mut found));
    found
}
