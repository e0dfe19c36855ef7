//! What an operator may set about alarms beside rules, receivers, routes and silences, which are documents and not settings.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{deliver, desk, egress};

/// Tags by which alarms are found, at most.
const MAX_SEARCHABLE_TAGS: usize = 64;

/// Settings of alarms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether this node may evaluate rules and send notifications. One node of those that may does; rules can be edited on all.
    pub enabled: bool,
    /// A file with rules and hooks in SkyWalking's format. It is imported when it is another than last time: also while the server
    /// runs. What was changed through the API stays as it is. Empty: `alarm-settings.yml` of the configuration folder, where it is there,
    /// else SkyWalking's default rules, which are compiled in.
    pub settings_file: PathBuf,
    /// Tags of rules by which alarms can be searched; others are only shown.
    pub searchable_tags: Vec<String>,
    /// Where operators reach this server, `https://skylark.example.com`: for links in notifications. Empty: there are none.
    pub external_url: String,
    /// How notifications are sent.
    pub deliver: deliver::Config,
    /// Where notifications may be sent.
    pub egress: egress::Config,
    /// Who is told that alarms work, and that they do not.
    pub watchdog: Watchdog,
    /// Limits of the interface.
    pub desk: desk::Config,
}

/// Who is told that alarms work, and that they do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watchdog {
    /// The receiver (`webhook.heartbeat`) that is told again and again as long as rules are evaluated: a dead man's switch, which
    /// raises the alarm when it hears nothing. Empty: none.
    pub heartbeat_receiver: String,
    /// Seconds between two heartbeats.
    pub heartbeat_seconds: u64,
    /// The receiver that is told when evaluation is behind or notifications cannot be delivered. Empty: none.
    pub problem_receiver: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            enabled: true,
            settings_file: PathBuf::new(),
            searchable_tags: vec!["level".to_owned()],
            external_url: String::new(),
            deliver: deliver::Config::default(),
            egress: egress::Config::default(),
            watchdog: Watchdog::default(),
            desk: desk::Config::default(),
        }
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        Watchdog { heartbeat_receiver: String::new(), heartbeat_seconds: 60, problem_receiver: String::new() }
    }
}

impl Config {
    /// Every problem with these settings, each as `setting: what is wrong`; empty when there is none.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let url = &self.external_url;
        if !(url.is_empty() || url.starts_with("http://") || url.starts_with("https://")) {
            problems.push("external_url: must begin with http:// or https://".to_owned());
        }
        if self.searchable_tags.len() > MAX_SEARCHABLE_TAGS {
            problems.push(format!("searchable_tags: at most {MAX_SEARCHABLE_TAGS}"));
        }
        if self.searchable_tags.iter().any(|tag| tag.is_empty() || tag.contains('=')) {
            problems.push("searchable_tags: a tag has a name, without `=`".to_owned());
        }
        if !(10..=3_600).contains(&self.watchdog.heartbeat_seconds) {
            problems.push("watchdog.heartbeat_seconds: must be from 10 to 3600".to_owned());
        }
        let of = |part: &'static str| move |(key, what): (&str, String)| format!("{part}.{key}: {what}");
        problems.extend(self.deliver.validate().into_iter().map(of("deliver")));
        problems.extend(self.egress.validate().into_iter().map(of("egress")));
        problems.extend(self.desk.validate().into_iter().map(of("desk")));
        problems
    }

    /// Where operators reach this server, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.external_url.trim_end_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_good_and_each_problem_names_its_setting() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
        let bad = Config {
            searchable_tags: vec![String::new()],
            external_url: "skylark".to_owned(),
            deliver: deliver::Config { timeout_ms: 0, ..deliver::Config::default() },
            egress: egress::Config { allow: vec!["x".to_owned()], ..egress::Config::default() },
            watchdog: Watchdog { heartbeat_seconds: 1, ..Watchdog::default() },
            ..Config::default()
        };
        let problems = bad.validate();
        let keys: Vec<_> = problems.iter().filter_map(|problem| Some(problem.split_once(':')?.0)).collect();
        let wanted = [
            "external_url",
            "searchable_tags",
            "watchdog.heartbeat_seconds",
            "deliver.timeout_ms",
            "deliver.connect_timeout_ms",
            "egress.allow",
        ];
        assert_eq!(keys, wanted);
    }

    #[test]
    fn links_begin_without_a_second_slash() {
        let config = Config { external_url: "https://a.example/".to_owned(), ..Config::default() };
        assert_eq!(config.base_url(), "https://a.example");
    }
}
