//! What an operator may set about the store, and the one place that opens it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::embedded::{Embedded, Options};
use crate::{Retention, SharedStore, Store as _, StoreError, memory};

/// The least retention in days. A partition is a day: with one day of retention the turn of the day would remove what was just
/// written, which is why SkyWalking refuses less than two as well.
pub const MIN_RETENTION_DAYS: u32 = 2;

/// Where data are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In files of this process, under [`Config::path`]. Needs no server.
    #[default]
    Embedded,
    /// In memory: gone when the process ends. For trying things out and for tests.
    Memory,
}

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where data are kept.
    pub backend: Backend,
    /// The folder of the embedded store; made when it is not there. One process at a time.
    pub path: PathBuf,
    /// Days for which segments, logs and events are kept.
    pub records_days: u32,
    /// Days for which metrics, relations and metadata are kept.
    pub metrics_days: u32,
    /// Milliseconds between two flushes of changed metrics.
    pub flush_interval_ms: u64,
    /// Milliseconds after which written records are committed: what a crash may cost.
    pub commit_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            backend: Backend::default(),
            path: PathBuf::from("./data"),
            records_days: 3,
            metrics_days: 7,
            flush_interval_ms: 2_000,
            commit_interval_ms: 500,
        }
    }
}

impl Config {
    /// Every problem with these settings, each as `setting: what is wrong`; empty when there is none.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, days) in [("records_days", self.records_days), ("metrics_days", self.metrics_days)] {
            if days < MIN_RETENTION_DAYS {
                problems.push(format!(
                    "{name}: must be at least {MIN_RETENTION_DAYS}, is {days}: data leave by whole days, so with less \
                     the turn of the day would remove what was just written"
                ));
            }
        }
        // Accepted records may be two seconds old at most when they are committed; minutes are closed soon after they end.
        for (name, value, least, most) in [
            ("flush_interval_ms", self.flush_interval_ms, 100, 10_000),
            ("commit_interval_ms", self.commit_interval_ms, 10, 2_000),
        ] {
            if !(least..=most).contains(&value) {
                problems.push(format!("{name}: must be between {least} and {most}, is {value}"));
            }
        }
        if self.backend == Backend::Embedded && self.path.as_os_str().is_empty() {
            problems.push("path: must name a folder".to_owned());
        }
        problems
    }

    /// How long data are kept.
    pub fn retention(&self) -> Retention {
        Retention { records_days: self.records_days, metrics_days: self.metrics_days }
    }

    /// Time between two flushes of changed rows.
    pub fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.flush_interval_ms)
    }

    /// Time after which written records are committed.
    pub fn commit_interval(&self) -> Duration {
        Duration::from_millis(self.commit_interval_ms)
    }
}

/// Opens the configured store. `zone` is that of hour and day buckets: a store that was filled under another one refuses. What has
/// expired while nobody had it open is gone before it is answered; if it cannot be removed now, the log says so, and what is hidden
/// stays hidden.
///
/// `Unavailable`: the folder cannot be written or another process has it. `Damaged`: it was written by another version, under
/// another zone, or is not readable; somebody must look.
pub async fn open(config: &Config, zone: &Zone, clock: &Clock) -> Result<SharedStore, StoreError> {
    match config.backend {
        Backend::Memory => Ok(Arc::new(memory::Memory::new())),
        Backend::Embedded => {
            let options = Options { commit_every: config.commit_interval(), ..Options::default() };
            let (path, zone, used) = (config.path.clone(), zone.clone(), clock.clone());
            let opened = tokio::task::spawn_blocking(move || Embedded::open(&path, options, &zone, used)).await;
            let opened = opened.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("it was ended: {error}"))));
            let store = opened?;
            if let Err(error) = store.expire(&config.retention(), clock.now()).await {
                warn!(%error, "what has expired cannot be removed yet");
            }
            Ok(Arc::new(store))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_every_problem_is_named() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
        let wrong = Config {
            path: PathBuf::new(),
            records_days: 1,
            metrics_days: 0,
            flush_interval_ms: 1,
            commit_interval_ms: 60_000,
            ..Config::default()
        };
        let names: Vec<_> =
            wrong.validate().iter().map(|p| p.split(':').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(names, ["records_days", "metrics_days", "flush_interval_ms", "commit_interval_ms", "path"]);
    }

    #[test]
    fn settings_read_back_and_unknown_ones_are_errors() {
        let text = serde_json::to_string(&Config { backend: Backend::Memory, ..Config::default() }).unwrap();
        assert!(text.contains(r#""backend":"memory""#), "{text}");
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap().backend, Backend::Memory);
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        assert!(serde_json::from_str::<Config>(r#"{"records": 3}"#).is_err());
    }
}
