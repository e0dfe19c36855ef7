//! What an operator may set about queries.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the query side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many fields one request may select, counted after fragments are expanded. A dashboard asks for some 2,000.
    pub max_complexity: usize,
    /// How deep one request may nest its fields.
    pub max_depth: usize,
    /// How many bytes the body of one request may have.
    pub max_body_bytes: usize,
    /// How many seconds one request may take before it is answered with an error.
    pub timeout_seconds: u64,
    /// Whether the UIs list whole traces (true) or segments (false). Both kinds of query are answered either way.
    pub list_whole_traces: bool,
    /// Folder with dashboard templates, one JSON file each, searched with its subfolders; empty for none.
    pub templates_dir: PathBuf,
    /// Whether everybody may add, change and disable templates through the API, as UIs without a login do; else those may who may
    /// change alarm rules (`security`).
    pub templates_editable: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_complexity: 3000,
            max_depth: 50,
            max_body_bytes: 4 << 20,
            timeout_seconds: 30,
            list_whole_traces: true,
            templates_dir: PathBuf::new(),
            templates_editable: false,
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
        // Introspection needs about 200 fields and 13 levels; below that the UIs cannot ask what is there.
        at_least("max_complexity", self.max_complexity as u64, 300);
        at_least("max_depth", self.max_depth as u64, 15);
        at_least("max_body_bytes", self.max_body_bytes as u64, 64 << 10);
        at_least("timeout_seconds", self.timeout_seconds, 1);
        // The parser itself stops at 64 levels.
        if self.max_depth > 60 {
            problems.push(format!("max_depth: must be at most 60, is {}", self.max_depth));
        }
        problems
    }

    /// How long one request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_every_problem_is_named() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
        let bad = Config { max_complexity: 1, max_depth: 99, timeout_seconds: 0, ..Config::default() };
        assert_eq!(
            bad.validate(),
            [
                "max_complexity: must be at least 300, is 1",
                "timeout_seconds: must be at least 1, is 0",
                "max_depth: must be at most 60, is 99",
            ]
        );
    }
}
