//! Planted bugs: stores that break one rule each, to show that the simulation would notice.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::{ByteString, Partial, UnixMillis};
use storage::{
    Batch, Expired, Health, ItemQuery, RecordPage, RecordQuery, Retention, RowPage, ScanQuery, Series, SeriesQuery,
    SharedStore, Stats, Store, StoreError, Swapped, TopEntry, TopQuery, Written,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing.
    None,
    /// What one writer wrote of a row overwrites what others wrote, instead of being merged with it.
    MergeOverwrites,
    /// A row that was evicted opens again under its old life number.
    LifeNumberKept,
    /// A batch that failed is not tried again.
    RetryLost,
    /// A row is taken whatever its flush sequence is: the last to arrive stays.
    SequenceIgnored,
    /// A record that comes twice counts twice.
    RepeatKept,
}

impl Bug {
    /// The place of the bug: in the store itself, or in whoever writes to it.
    pub(crate) fn is_inside(self) -> bool {
        !matches!(self, Bug::None | Bug::RetryLost)
    }
}

/// A store with a bug.
pub(crate) struct Broken {
    inner: SharedStore,
    bug: Bug,
    writes: AtomicU64,
    seen: Mutex<HashSet<ByteString>>,
}

impl Broken {
    pub(crate) fn new(inner: SharedStore, bug: Bug) -> Self {
        Broken { inner, bug, writes: AtomicU64::new(0), seen: Mutex::default() }
    }
}

#[async_trait]
impl Store for Broken {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let arrival = self.writes.fetch_add(1, Ordering::Relaxed);
        let mut batch = batch.clone();
        for row in &mut batch.rows {
            match self.bug {
                Bug::MergeOverwrites => (row.partial, row.seq) = (Partial::default(), arrival),
                Bug::LifeNumberKept => row.partial.life = 0,
                Bug::SequenceIgnored => row.seq = arrival,
                Bug::None | Bug::RetryLost | Bug::RepeatKept => {}
            }
        }
        if self.bug == Bug::RepeatKept {
            let mut seen = self.seen.lock().expect("nothing panics while it holds the lock");
            for record in batch.records.iter_mut().filter(|record| !seen.insert(record.id.clone())) {
                record.id = format!("{} again", record.id).into();
            }
        }
        match self.inner.write(&batch).await {
            Err(_) if self.bug == Bug::RetryLost => Ok(Written::default()),
            answer => answer,
        }
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        self.inner.series(query).await
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        self.inner.top(query).await
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        self.inner.scan(query).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.inner.records(query).await
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        self.inner.items(query).await
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        self.inner.swap_many(items).await
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        self.inner.expire(policy, now).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }

    async fn stats(&self) -> Stats {
        self.inner.stats().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
