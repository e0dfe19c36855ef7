//! The store on an OpenSearch cluster, which any number of nodes share.
//!
//! ```text
//! skylark-segment-20261124   trace segments of a UTC day; skylark-log-… log lines, skylark-record-… every other kind of record
//! skylark-rows-20261124      minute, hour and day rows whose bucket starts on that day
//! skylark-life               life rows
//! skylark-items              items
//! ```
//!
//! What is written is visible a second after it is answered. Retention removes whole indices. No scripts, so that every cluster
//! can do it. Why it is laid out like this, and what was measured: `docs/adr`.

mod answer;
mod bulk;
mod client;
mod columns;
mod expire;
mod failure;
mod find;
mod health;
mod ids;
mod items;
mod json;
mod names;
mod packed;
mod records;
mod rows;
mod scan;
mod settings;
mod start;
mod states;
mod templates;
mod top;
mod walk;
mod write;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::{ByteString, Clock, UnixMillis, Zone};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use settings::Config;

use self::bulk::Terms;
use self::client::Client;
use self::columns::Columns;
use self::names::{Family, Names};
use self::templates::Templates;
use crate::calendar::DAY_MS;
use crate::chance::Chance;
use crate::{
    Batch, Expired, Health, ItemQuery, RecordPage, RecordQuery, Retention, RowPage, ScanQuery, Series, SeriesQuery,
    Stats, Store, StoreError, Swapped, TopEntry, TopQuery, Written,
};

/// Sizes of indices are asked for no more often than this.
const SIZES_EVERY: Duration = Duration::from_secs(60);

/// When what is written can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visible {
    /// A second after the answer: the cluster collects what is new once a second.
    #[default]
    Soon,
    /// As soon as it is answered, at a price that a busy cluster does not pay. For tests.
    AtOnce,
}

/// The store on OpenSearch.
#[derive(Debug)]
pub struct OpenSearch {
    client: Client,
    names: Names,
    config: Config,
    templates: Templates,
    visible: Visible,
    /// Which cluster, for people.
    about: String,
    columns: Columns,
    record_bulks: Semaphore,
    row_bulks: Semaphore,
    chance: AtomicU64,
    record_commits: Commits,
    row_commits: Commits,
    item_commits: Commits,
    /// Why the last write failed.
    failing: Mutex<Option<String>>,
    sizes: tokio::sync::Mutex<Option<Sizes>>,
    closed: AtomicBool,
}

/// Requests that were answered and how long they took in all.
#[derive(Debug, Default)]
struct Commits {
    n: AtomicU64,
    micros: AtomicU64,
}

impl Commits {
    fn add(&self, took: Duration) {
        self.n.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn named(&self, name: &str) -> (String, u64, u64) {
        (name.to_owned(), self.n.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed))
    }
}

/// Bytes by part, and when they were asked for.
#[derive(Debug)]
struct Sizes {
    at: Instant,
    bytes: Vec<(String, u64)>,
}

impl OpenSearch {
    /// Connects, makes or checks templates and the indices that never roll, and compares the zone. Waits for a cluster that does not
    /// answer yet, as long as the settings say. `seed` spreads pauses between retries and draws nonces; give each process another one.
    ///
    /// `Unavailable`: the cluster does not answer. `Damaged`: it is no OpenSearch, was filled by a version or under a zone that this
    /// one cannot go on with, or a file of the settings cannot be used.
    pub async fn open(
        config: &Config,
        visible: Visible,
        zone: &Zone,
        clock: &Clock,
        seed: u64,
    ) -> Result<OpenSearch, StoreError> {
        let client = Client::new(config)?;
        let names = Names::new(&config.index_prefix);
        let templates = Templates::new(config, &names);
        let about = start::connect(&client, config).await?;
        start::prepare(&client, &templates, &names).await?;
        let store = OpenSearch {
            record_bulks: Semaphore::new(config.bulk_in_flight),
            row_bulks: Semaphore::new(1),
            columns: Columns::new(templates.columns()),
            config: config.clone(),
            client,
            names,
            templates,
            visible,
            about,
            chance: AtomicU64::new(seed),
            record_commits: Commits::default(),
            row_commits: Commits::default(),
            item_commits: Commits::default(),
            failing: Mutex::default(),
            sizes: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        };
        start::check_zone(&store, zone, clock.now()).await?;
        Ok(store)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(())
    }

    /// A source of chance of its own for one call.
    fn chance(&self) -> Chance {
        Chance::new(Chance::new(self.chance.fetch_add(0x9E37, Ordering::Relaxed)).bits())
    }

    fn terms(&self, visible: bool) -> Terms {
        Terms { deadline: Instant::now() + self.config.write_timeout(), visible }
    }

    fn remember<T>(&self, answer: &Result<T, StoreError>) {
        let failing = answer.as_ref().err().map(ToString::to_string);
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = failing;
    }
}

#[async_trait]
impl Store for OpenSearch {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.check_open()?;
        let (rows, records) = tokio::join!(self.write_rows(&batch.rows), self.write_records(&batch.records));
        let written = match (rows, records) {
            (Ok(rows_refused), Ok(records_refused)) => Ok(Written { rows_refused, records_refused }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.remember(&written);
        written
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        self.check_open()?;
        scan::series(&self.client, &self.names, query).await
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        self.check_open()?;
        top::top(&self.client, &self.names, query).await
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        self.check_open()?;
        scan::scan(&self.client, &self.names, query).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.check_open()?;
        records::search(&self.client, &self.names, query).await
    }

    async fn record_ids(&self, query: &RecordQuery) -> Result<Vec<ByteString>, StoreError> {
        self.check_open()?;
        match records::ids(&self.client, &self.names, query).await? {
            Some(ids) => Ok(ids),
            None => Ok(self.records(query).await?.records.into_iter().map(|record| record.id).collect()),
        }
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        self.check_open()?;
        items::query(&self.client, &self.names, query, self.config.query_timeout()).await
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        self.check_open()?;
        let begun = Instant::now();
        // Whoever is told of a change must find it.
        let swapped = items::swap_many(&self.client, &self.names, items, self.terms(true), self.chance()).await?;
        self.item_commits.add(begun.elapsed());
        Ok(swapped)
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        self.check_open()?;
        let cut = |days: u32| now.plus(-i64::from(days) * DAY_MS);
        let oldest = |family: Family| {
            let days = if family == Family::Rows { policy.metrics_days } else { policy.records_days };
            cut(days).0.div_euclid(DAY_MS)
        };
        let (client, names, terms) = (&self.client, &self.names, self.terms(true));
        let partitions = expire::expire_days(client, names, oldest, terms).await?;
        let rows = expire::expire_life(client, names, cut(policy.metrics_days), terms, self.chance()).await?;
        let items = items::expire(client, names, now.plus(-DAY_MS), terms, self.chance()).await?;
        Ok(Expired { partitions, rows, items })
    }

    async fn health(&self) -> Health {
        if let Err(error) = self.check_open() {
            return Health { ok: false, detail: error.to_string() };
        }
        let health = health::health(&self.client, &self.names, &self.about).await;
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match failing.filter(|_| health.ok) {
            Some(failing) => Health { ok: false, detail: format!("the last write failed: {failing}") },
            None => health,
        }
    }

    async fn stats(&self) -> Stats {
        let mut sizes = self.sizes.lock().await;
        if self.check_open().is_ok() && sizes.as_ref().is_none_or(|sizes| sizes.at.elapsed() >= SIZES_EVERY) {
            // What the cluster does not tell is left out until the next time.
            let bytes = health::sizes(&self.client, &self.names).await.unwrap_or_default();
            *sizes = Some(Sizes { at: Instant::now(), bytes });
        }
        let commits = [("records", &self.record_commits), ("rows", &self.row_commits), ("items", &self.item_commits)];
        Stats {
            bytes: sizes.as_ref().map(|sizes| sizes.bytes.clone()).unwrap_or_default(),
            commits: commits.map(|(name, commits)| commits.named(name)).to_vec(),
            cpu_micros: 0,
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.check_open()?;
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
