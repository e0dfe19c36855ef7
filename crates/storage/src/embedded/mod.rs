//! The store in files of this process: a search index for records, a key-value store for rows and items, in partitions that are
//! removed as a whole.
//!
//! ```text
//! data/
//!   format                          which layout this is; `lock` is held while a process has the folder
//!   meta.redb                       life rows, items
//!   rows/20261124.redb              minute, hour and day rows whose bucket starts on that UTC day
//!   records/segment/20261124-00/    one index for each kind, day and four million records
//! ```
//!
//! What a crash costs: records since the last commit, half a second's worth, of which nobody was told that they are stored; a row flush
//! is stored when it is answered. Records are visible when their write is answered, rows and items too. Why it is laid out like this,
//! and what was measured: `docs/adr`.

mod faults;
mod folder;
mod items;
mod meter;
mod records;
mod rows;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::kinds::RecordKind;
use model::{ByteString, Clock, UnixMillis, Zone};
use tokio::time::Instant;

pub use faults::Faults;

use self::folder::Lock;
use self::meter::{Commits, Cpu, bytes_under};
use self::records::Records;
use self::rows::{Prepared, Rows};
use crate::calendar::DAY_MS;
use crate::{
    Batch, Expired, Health, ItemQuery, RecordPage, RecordQuery, Retention, RowPage, ScanQuery, Series, SeriesQuery,
    Stats, Store, StoreError, Swapped, TopEntry, TopQuery, Written,
};

/// Rows that are encoded before others may run.
const ENCODE_ROWS: usize = 256;

/// How the store works. The defaults are those that were measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Records wait this long for others before they are committed together.
    pub commit_every: Duration,
    /// Records after which a partition is closed although its day is not over.
    pub partition_docs: u64,
    /// A writer that has had nothing to do for so long is closed.
    pub writer_idle: Duration,
    /// What a writer may hold in memory before it makes a segment of it: 15 MB at least.
    pub arena_bytes: usize,
    /// The cache of all key-value files together.
    pub cache_bytes: usize,
    /// For tests.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            commit_every: Duration::from_millis(500),
            partition_docs: 4_000_000,
            writer_idle: Duration::from_secs(60),
            arena_bytes: 20_000_000,
            cache_bytes: 48 << 20,
            faults: Faults::default(),
        }
    }
}

/// The embedded store. Dropping it without [`Store::close`] loses nothing that was answered; the folder stays locked until its
/// threads have ended.
#[derive(Debug)]
pub struct Embedded(Arc<Inner>);

/// What every part shares.
#[derive(Clone, Debug)]
struct Process {
    options: Options,
    clock: Clock,
    cpu: Arc<Cpu>,
    /// The folder stays locked until the last thread has ended.
    _lock: Arc<Lock>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    options: Options,
    rows: Rows,
    /// One for each kind, in the order of [`RecordKind::ALL`].
    records: Vec<Records>,
    row_commits: Commits,
    /// Why the last flush of rows failed.
    rows_failing: Mutex<Option<String>>,
    item_commits: Commits,
    cpu: Arc<Cpu>,
    closed: AtomicBool,
    lock: Arc<Lock>,
}

impl Embedded {
    /// Opens the folder, which is made if it is not there. Blocks for some milliseconds; call it where that is allowed.
    ///
    /// Removes what a crash left half done. `Unavailable`: another process has the folder, or it cannot be written. `Damaged`: it
    /// is of another version or was filled under another zone, or the file that everything hangs on cannot be read; a single
    /// partition that cannot be read is passed over and named by [`Store::health`].
    pub fn open(path: &Path, options: Options, zone: &Zone, clock: Clock) -> Result<Embedded, StoreError> {
        let lock = Arc::new(folder::prepare(path)?);
        let rows = Rows::open(path, options.cache_bytes, options.faults.clone())?;
        folder::check_zone(rows.meta(), zone, &clock, &options.faults)?;
        let cpu = Arc::new(Cpu::default());
        let shared = Process { options: options.clone(), clock, cpu: cpu.clone(), _lock: lock.clone() };
        let open = |kind| Records::open(path, kind, shared.clone());
        let records = RecordKind::ALL.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Embedded(Arc::new(Inner {
            folder: path.to_owned(),
            options,
            rows,
            records,
            row_commits: Commits::default(),
            rows_failing: Mutex::default(),
            item_commits: Commits::default(),
            cpu,
            closed: AtomicBool::new(false),
            lock,
        })))
    }

    /// Runs what blocks where blocking is allowed. A panic there is the store's, not the caller's.
    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        inner.check_open()?;
        let done = tokio::task::spawn_blocking(move || inner.cpu.count(|| job(&inner))).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the store's work was ended: {error}"))))
    }

    async fn write_rows(&self, batch: &Batch) -> Result<Vec<(usize, model::ledger::Reason)>, StoreError> {
        if batch.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut prepared = Prepared::default();
        for (i, row) in batch.rows.iter().enumerate() {
            prepared.add(i, row);
            if i % ENCODE_ROWS == ENCODE_ROWS - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.blocking(move |inner| {
            let begun = Instant::now();
            let written = inner.rows.write(prepared);
            let failing = written.as_ref().err().map(ToString::to_string);
            *inner.rows_failing.lock().unwrap_or_else(PoisonError::into_inner) = failing;
            inner.row_commits.add(begun.elapsed());
            written
        })
        .await
    }

    async fn write_records(&self, batch: &Batch) -> Result<(), StoreError> {
        let all = self.0.records.iter().map(|records| records.write(&batch.records));
        futures_util::future::join_all(all).await.into_iter().collect()
    }
}

impl Inner {
    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(())
    }

    fn of(&self, kind: RecordKind) -> &Records {
        let place = RecordKind::ALL.iter().position(|one| *one == kind);
        place.and_then(|place| self.records.get(place)).expect("there are records of every kind")
    }

    fn stats(&self) -> Stats {
        let kinds = || RecordKind::ALL.into_iter().map(|kind| (kind, format!("records/{}", kind.def().name)));
        let mut bytes: Vec<_> = kinds().map(|(_, name)| (name.clone(), bytes_under(&self.folder.join(name)))).collect();
        bytes.push(("rows".to_owned(), bytes_under(&self.folder.join("rows"))));
        bytes.push(("items".to_owned(), bytes_under(&self.folder.join("meta.redb"))));
        let commits = kinds().map(|(kind, name)| (name, self.of(kind).commits()));
        let others = [("rows", &self.row_commits), ("items", &self.item_commits)];
        let commits = commits.chain(others.map(|(name, commits)| (name.to_owned(), commits.get())));
        let commits = commits.map(|(name, (n, micros))| (name, n, micros)).collect();
        Stats { bytes, commits, cpu_micros: self.cpu.micros() }
    }

    fn health(&self) -> Health {
        if let Err(error) = self.check_open() {
            return Health { ok: false, detail: error.to_string() };
        }
        if let Some(failing) = self.records.iter().find_map(Records::failing) {
            return Health { ok: false, detail: format!("records cannot be committed: {failing}") };
        }
        if let Some(failing) = self.rows_failing.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Health { ok: false, detail: format!("metrics cannot be written: {failing}") };
        }
        let mut damages = self.rows.damages();
        damages.extend(self.records.iter().flat_map(Records::damages));
        let detail = if damages.is_empty() {
            format!("embedded, in {}", self.folder.display())
        } else {
            format!("goes on without what cannot be read: {}", damages.join("; "))
        };
        Health { ok: true, detail }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.0.check_open()?;
        let (rows, records) = tokio::join!(self.write_rows(batch), self.write_records(batch));
        records?;
        Ok(Written { rows_refused: rows?, records_refused: Vec::new() })
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| inner.rows.series(&query)).await
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| inner.rows.top(&query)).await
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| inner.rows.scan(&query)).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| inner.of(query.kind).search(&query)).await
    }

    async fn record_ids(&self, query: &RecordQuery) -> Result<Vec<ByteString>, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| {
            let records = inner.of(query.kind);
            match records.ids(&query)? {
                Some(ids) => Ok(ids),
                None => Ok(records.search(&query)?.records.into_iter().map(|record| record.id).collect()),
            }
        })
        .await
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        let query = query.clone();
        self.blocking(move |inner| items::query(inner.rows.meta(), &query)).await
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        let items = items.to_vec();
        self.blocking(move |inner| {
            let begun = Instant::now();
            let swapped = items::swap_many(inner.rows.meta(), &items, &inner.options.faults)?;
            inner.item_commits.add(begun.elapsed());
            Ok(swapped)
        })
        .await
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        self.0.check_open()?;
        let cut = |days: u32| now.plus(-i64::from(days) * DAY_MS);
        let mut expired = Expired::default();
        let oldest = cut(policy.records_days).0.div_euclid(DAY_MS);
        // Hidden first: that works also where nothing can be removed.
        self.0.records.iter().for_each(|records| records.hide(oldest));
        for records in &self.0.records {
            expired.partitions += records.expire(oldest).await?;
        }
        let metrics = cut(policy.metrics_days);
        let (days, rows, items) = self
            .blocking(move |inner| {
                let days = inner.rows.expire_days(metrics.0.div_euclid(DAY_MS))?;
                let rows = inner.rows.expire_life(metrics)?;
                Ok((days, rows, items::expire(inner.rows.meta(), now.plus(-DAY_MS), &inner.options.faults)?))
            })
            .await?;
        expired.partitions += days;
        (expired.rows, expired.items) = (rows, items);
        Ok(expired)
    }

    async fn health(&self) -> Health {
        self.0.health()
    }

    async fn stats(&self) -> Stats {
        self.blocking(|inner| Ok(inner.stats())).await.unwrap_or_default()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.check_open()?;
        if self.0.closed.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        let inner = self.0.clone();
        let closed = tokio::task::spawn_blocking(move || {
            inner.records.iter().for_each(Records::close);
            inner.rows.close();
            inner.lock.release()
        });
        closed.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("closing was ended: {error}"))))
    }
}
