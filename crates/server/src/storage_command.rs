//! `skylark storage`: looks at a store, and copies one into another.

use std::collections::BTreeMap;

use analysis::catalogue;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use model::Clock;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unknown;
use storage::copy::{Copy, Report};
use storage::{Backend, SharedStore};

use crate::config::Config;

/// What can be done with stores.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum StorageCommand {
    /// Connect to the configured store and say what it is, how it feels and what it holds; ends with 1 when it is not well.
    Check,
    /// Copy all data from one store to another, both as configured. Copying again goes on where it was interrupted. Nothing else may
    /// use the embedded store meanwhile; nodes may already run on OpenSearch.
    Copy {
        /// The store to read: embedded or opensearch.
        #[arg(long, value_parser = backend)]
        from: Backend,
        /// The store to write: embedded or opensearch.
        #[arg(long, value_parser = backend)]
        to: Backend,
    },
}

fn backend(name: &str) -> Result<Backend, String> {
    let deserializer: serde::de::value::StrDeserializer<'_, Unknown> = name.into_deserializer();
    Backend::deserialize(deserializer).map_err(|error| error.to_string())
}

/// Does it, and answers what to tell the one who asked. `Err`: it did not work, or the answer is not good.
pub async fn run(command: StorageCommand, config: &Config) -> anyhow::Result<String> {
    match command {
        StorageCommand::Check => check(config).await,
        StorageCommand::Copy { from, to } => copy(config, from, to).await,
    }
}

async fn open(config: &Config, backend: Backend) -> anyhow::Result<SharedStore> {
    let zone = config.server.zone().map_err(anyhow::Error::msg)?;
    let storage = storage::Config { backend, ..config.storage.clone() };
    storage::open(&storage, &zone, &Clock::system()).await.with_context(|| format!("cannot open the {backend:?} store"))
}

async fn check(config: &Config) -> anyhow::Result<String> {
    let store = open(config, config.storage.backend).await?;
    let (health, stats) = (store.health().await, store.stats().await);
    store.close().await?;
    let mut lines = vec![format!("store: {}", health.detail)];
    let sizes: BTreeMap<_, _> = stats.bytes.into_iter().collect();
    lines.extend(sizes.iter().map(|(part, bytes)| format!("{part}: {} MiB", bytes.div_ceil(1 << 20))));
    let text = lines.join("\n");
    if health.ok { Ok(text) } else { bail!(text) }
}

async fn copy(config: &Config, from: Backend, to: Backend) -> anyhow::Result<String> {
    if from == to {
        bail!("--from and --to name the same store");
    }
    if from == Backend::Memory || to == Backend::Memory {
        bail!("the store in memory is gone with its process: there is nothing to copy from or to");
    }
    let (from, to) = (open(config, from).await.context("--from")?, open(config, to).await.context("--to")?);
    let now = Clock::system().now();
    let nonce = u64::from_ne_bytes(now.0.to_ne_bytes());
    let cells = catalogue::adopt(&*from, &*to, nonce, now).await?;
    let retention = config.storage.retention();
    let copy = Copy { from: from.clone(), to: to.clone(), cells, retention, now };

    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed} {msg}").expect("the template is valid");
    bar.set_style(style);
    let report = copy.run(|unit, n, all| {
        bar.set_length(all as u64);
        bar.set_position(n as u64);
        bar.set_message(unit.name());
    });
    let report = report.await;
    bar.finish_and_clear();
    from.close().await?;
    to.close().await?;
    let report = report.context("the copy was interrupted; the same command goes on from there")?;
    let text = told(&report);
    if report.complete() { Ok(text) } else { bail!(text) }
}

fn told(report: &Report) -> String {
    let mut lines = vec![format!(
        "in the destination: {} rows, {} records; {} items created, {} were there already; {} parts had not changed",
        report.rows, report.records, report.items, report.items_kept, report.units_unchanged
    )];
    lines.extend(report.refused.iter().map(|(reason, n)| format!("refused, {reason}: {n}")));
    lines.extend(report.short.iter().map(|unit| format!("not all of it is there: {unit}")));
    lines.join("\n")
}
