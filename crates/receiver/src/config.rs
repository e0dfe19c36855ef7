//! What an operator may set about receiving.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::Secret;
use model::layer::Layers;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings of the receivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What agents must send as `authentication` (gRPC metadata or HTTP header); empty to ask for nothing. Agents send it
    /// unencrypted unless TLS is on.
    #[schemars(with = "String")]
    pub token: Secret,
    /// The largest message or HTTP body in bytes, compressed or not.
    pub max_message_bytes: u32,
    /// How many bytes of telemetry may be in memory between its arrival and its being stored. When they are used up, streams
    /// wait and single calls are refused.
    pub budget_bytes: u32,
    /// How many elements each of the ingest queues holds.
    pub queue_length: usize,
    /// How many seconds a message may take to arrive once it has begun.
    pub message_seconds: u64,
    /// How many milliseconds a single call waits for room in a queue before it is refused.
    pub unary_wait_millis: u64,
    /// How many minutes an agent's clock may be ahead.
    pub future_minutes: u32,
    /// The most spans of one segment; a segment with more is refused.
    pub max_spans: usize,
    /// How many services the list of reporters remembers.
    pub max_reporters: usize,
    /// What agents are told to change while they run: service name, then keys and values as the agent documents them, such as
    /// `trace.sample_rate: "3000"`.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, String>>")]
    pub agent_configurations: BTreeMap<String, AgentConfiguration>,
    /// Whether agents are sent their configuration at every question, also when they have it already.
    pub always_send_configurations: bool,
    /// How old telemetry may be. Not a setting of its own: the server sets it to the time for which records are kept.
    #[serde(skip)]
    pub max_age: MaxAge,
    /// The layers that reports may name. Not a setting either: the server sets it to what the operator's file adds.
    #[serde(skip)]
    pub layers: Layers,
}

/// How old telemetry may be when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxAge(pub Duration);

impl Default for MaxAge {
    fn default() -> Self {
        MaxAge(Duration::from_hours(72))
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            token: Secret::default(),
            max_message_bytes: 50 << 20,
            budget_bytes: 256 << 20,
            queue_length: 4_096,
            message_seconds: 30,
            unary_wait_millis: 500,
            future_minutes: 10,
            max_spans: 10_000,
            max_reporters: 10_000,
            agent_configurations: BTreeMap::new(),
            always_send_configurations: false,
            max_age: MaxAge::default(),
            layers: Layers::default(),
        }
    }
}

impl Config {
    /// Every problem with these settings, each as `setting: what is wrong`; empty when there is none.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut at_least = |name: &str, value: u64, least: u64| {
            if value < least {
                problems.push(format!("{name}: must be at least {least}, is {value}"));
            }
        };
        at_least("max_message_bytes", u64::from(self.max_message_bytes), 64 << 10);
        // A compressed message and what it unpacks to are weighed side by side for a moment, and decoding adds its own.
        at_least("budget_bytes", u64::from(self.budget_bytes), 4 * u64::from(self.max_message_bytes));
        at_least("queue_length", self.queue_length as u64, 1);
        at_least("message_seconds", self.message_seconds, 1);
        at_least("max_spans", self.max_spans as u64, 300);
        at_least("max_reporters", self.max_reporters as u64, 1);
        if self.token.reveal().chars().any(|c| !c.is_ascii_graphic()) {
            problems.push("token: must be visible ASCII without blanks, since it travels in a header".to_owned());
        }
        problems
    }
}

/// The settings one service's agents are told, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentConfiguration(pub Vec<(String, String)>);

impl Serialize for AgentConfiguration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for AgentConfiguration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = AgentConfiguration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of keys to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, Scalar(value))) = map.next_entry::<String, Scalar>()? {
                    pairs.push((key, value));
                }
                Ok(AgentConfiguration(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A text, number or truth value as text: operators write `3000` and `true` without quotes.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }

            fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar(v.to_owned()))
            }

            fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_u64<E>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }

            fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar(v.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let config = Config {
            token: Secret::new("two words"),
            max_message_bytes: 1,
            budget_bytes: 3,
            queue_length: 0,
            ..Config::default()
        };
        let problems = config.validate();
        for name in ["token", "max_message_bytes", "budget_bytes", "queue_length"] {
            assert!(problems.iter().any(|p| p.starts_with(&format!("{name}: "))), "{name} is not in {problems:?}");
        }
    }

    #[test]
    fn agent_configurations_keep_their_order_and_take_bare_values() {
        let text = r#"{"agent_configurations": {"shop": {"z": 3000, "a": true, "m": "x", "f": 0.5}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let pairs = &config.agent_configurations["shop"].0;
        let flat: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(flat, ["z=3000", "a=true", "m=x", "f=0.5"]);
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"tokenn": "x"}"#).is_err());
    }

    #[test]
    fn a_token_is_never_shown() {
        let config = Config { token: Secret::new("s3cret"), ..Config::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
        assert!(!serde_json::to_string(&config).unwrap().contains("s3cret"));
    }
}
