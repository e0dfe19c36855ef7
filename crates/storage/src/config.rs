//! What an operator may set about the store, and the one place that opens it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::chance::random;
use crate::embedded::{Embedded, Options};
use crate::opensearch::{OpenSearch, Visible};
use crate::{Retention, SharedStore, Store as _, StoreError, memory, opensearch};

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
    /// On an OpenSearch cluster, which any number of processes share: [`Config::opensearch`].
    #[serde(alias = "elasticsearch")]
    OpenSearch,
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
    /// Milliseconds between two flushes of changed metrics; null: 2000, and 3000 on OpenSearch. Hours and days go with every 6th
    /// and every 30th of them.
    pub flush_interval_ms: Option<u64>,
    /// Milliseconds after which the embedded store commits written records: what a crash may cost.
    pub commit_interval_ms: u64,
    /// The OpenSearch cluster, where that is the backend.
    pub opensearch: opensearch::Config,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            backend: Backend::default(),
            path: PathBuf::from("./data"),
            records_days: 3,
            metrics_days: 7,
            flush_interval_ms: None,
            commit_interval_ms: 500,
            opensearch: opensearch::Config::default(),
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
            ("commit_interval_ms", Some(self.commit_interval_ms), 10, 2_000),
        ] {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                problems.push(format!("{name}: must be between {least} and {most}, is {value}"));
            }
        }
        if self.backend == Backend::Embedded && self.path.as_os_str().is_empty() {
            problems.push("path: must name a folder".to_owned());
        }
        if self.backend == Backend::OpenSearch {
            problems.extend(self.opensearch.validate().into_iter().map(|problem| format!("opensearch.{problem}")));
        }
        problems
    }

    /// How long data are kept.
    pub fn retention(&self) -> Retention {
        Retention { records_days: self.records_days, metrics_days: self.metrics_days }
    }

    /// Time between two flushes of changed rows.
    pub fn flush_interval(&self) -> Duration {
        // A cluster is shared, and shows what it was told a second later anyway.
        let default = if self.backend == Backend::OpenSearch { 3_000 } else { 2_000 };
        Duration::from_millis(self.flush_interval_ms.unwrap_or(default))
    }

    /// From one look at what changed to the next, for those who re-read it. An address is to be known 3 s after the server span that named
    /// it, 7 s on OpenSearch: of these the flush takes its interval, and OpenSearch a second until it shows what it has.
    pub fn look_interval(&self) -> Duration {
        Duration::from_millis(if self.backend == Backend::OpenSearch { 1_500 } else { 300 })
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
/// `Unavailable`: the folder cannot be written or another process has it; the cluster does not answer. `Damaged`: it was written by
/// another version, under another zone, or is not readable; somebody must look.
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
        Backend::OpenSearch => {
            let opened = OpenSearch::open(&config.opensearch, Visible::Soon, zone, clock, random());
            Ok(Arc::new(opened.await?))
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
            flush_interval_ms: Some(1),
            commit_interval_ms: 60_000,
            ..Config::default()
        };
        let names: Vec<_> =
            wrong.validate().iter().map(|p| p.split(':').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(names, ["records_days", "metrics_days", "flush_interval_ms", "commit_interval_ms", "path"]);
    }

    #[test]
    fn a_cluster_is_flushed_to_less_often_unless_it_is_said_how_often() {
        let on = |backend, flush_interval_ms| {
            let millis = Config { backend, flush_interval_ms, ..Config::default() }.flush_interval().as_millis();
            u64::try_from(millis).unwrap()
        };
        assert_eq!((on(Backend::Embedded, None), on(Backend::OpenSearch, None)), (2_000, 3_000));
        assert_eq!(on(Backend::OpenSearch, Some(500)), 500);
        let wrong = Config {
            backend: Backend::OpenSearch,
            opensearch: opensearch::Config { shards: 0, ..opensearch::Config::default() },
            ..Config::default()
        };
        assert_eq!(wrong.validate().len(), 1);
        assert!(wrong.validate()[0].starts_with("opensearch.shards:"));
        assert_eq!(Config { backend: Backend::Embedded, ..wrong }.validate(), Vec::<String>::new());
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
