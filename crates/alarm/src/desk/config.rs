//! What an operator may set about the interface.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A silence that would hit more open alarms and known entities than this is refused, unless whoever makes it insists. 0: no limit.
    pub silence_limit: usize,
    /// How many dead notifications one request may have sent again.
    pub redrive_limit: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { silence_limit: 500, redrive_limit: 1_000 }
    }
}

impl Config {
    /// What is wrong with it, each as key and sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(1..=100_000).contains(&self.redrive_limit) {
            problems.push(("redrive_limit", "must be from 1 to 100000".to_owned()));
        }
        problems
    }
}
