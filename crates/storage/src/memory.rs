//! The store in memory: plain maps and scans. It is the specification that other backends are compared with, so it is written to
//! be obviously right and nothing else. What it answers is visible at once and gone with the process.

mod records;
mod rows;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use model::item::{Item, Revision};
use model::kinds::{ItemKind, RecordKind};
use model::record::Record;
use model::{ByteString, UnixMillis};

use crate::{
    Batch, Expired, Health, ItemQuery, RecordPage, RecordQuery, Retention, RowPage, ScanQuery, Series, SeriesQuery,
    Stats, Store, StoreError, Swapped, TopEntry, TopQuery, Written,
};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A store of maps behind one lock.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rows: rows::Rows,
    records: BTreeMap<(RecordKind, ByteString), Record>,
    items: BTreeMap<(ItemKind, String), Item>,
    closed: bool,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.0.lock().expect("nothing panics while it holds the lock");
        if state.closed { Err(StoreError::Unavailable("the store is closed".to_owned())) } else { Ok(state) }
    }
}

#[async_trait]
impl Store for Memory {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let mut state = self.state()?;
        for row in &batch.rows {
            rows::write(&mut state.rows, row);
        }
        for record in &batch.records {
            state.records.entry((record.kind, record.id.clone())).or_insert_with(|| record.clone());
        }
        Ok(Written::default())
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        Ok(rows::series(&self.state()?.rows, query))
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        Ok(rows::top(&self.state()?.rows, query))
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        rows::scan(&self.state()?.rows, query)
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        let state = self.state()?;
        let kept = state.records.values().filter(|record| records::matches(record, query));
        Ok(RecordPage { records: records::page(kept, query) })
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        let wanted = |item: &Item| {
            item.kind == query.kind
                && (query.ids.is_empty() || query.ids.contains(&item.id))
                && (query.tombstones || !item.tombstone)
        };
        Ok(self.state()?.items.values().filter(|item| wanted(item)).cloned().collect())
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        let mut state = self.state()?;
        Ok(items.iter().map(|(item, expected)| swap(&mut state.items, item, *expected)).collect())
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        let mut state = self.state()?;
        let mut expired = Expired::default();

        let oldest_record = oldest_kept_day(now, policy.records_days);
        let gone = state.records.extract_if(.., |_, record| day(record.time) < oldest_record);
        let mut partitions: Vec<_> = gone.map(|((kind, _), record)| (kind, day(record.time))).collect();
        partitions.sort_unstable();
        partitions.dedup();
        expired.partitions += partitions.len();

        let cut = now.plus(-i64::from(policy.metrics_days) * DAY_MS);
        expired.partitions += rows::expire_buckets(&mut state.rows, oldest_kept_day(now, policy.metrics_days));
        expired.rows += rows::expire_life(&mut state.rows, cut);

        let before = state.items.len();
        state.items.retain(|_, item| !item.tombstone || item.updated >= now.plus(-DAY_MS));
        expired.items += before - state.items.len();
        Ok(expired)
    }

    async fn health(&self) -> Health {
        let ok = self.state().is_ok();
        Health { ok, detail: if ok { "in memory, gone with the process" } else { "closed" }.to_owned() }
    }

    async fn stats(&self) -> Stats {
        Stats::default()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.state()?.closed = true;
        Ok(())
    }
}

fn swap(items: &mut BTreeMap<(ItemKind, String), Item>, item: &Item, expected: Revision) -> Swapped {
    let key = (item.kind, item.id.clone());
    let stored = items.get(&key);
    if stored.map_or(Revision(0), |stored| stored.revision) != expected {
        return match stored {
            Some(stored) if stored.nonce == item.nonce => Swapped::Done(stored.revision),
            stored => Swapped::Conflict(stored.cloned()),
        };
    }
    let revision = Revision(expected.0 + 1);
    items.insert(key, Item { revision, ..item.clone() });
    Swapped::Done(revision)
}

/// The partition of a moment: its UTC day.
fn day(at: UnixMillis) -> i64 {
    at.0.div_euclid(DAY_MS)
}

/// The first day of which something is younger than `days` days.
fn oldest_kept_day(now: UnixMillis, days: u32) -> i64 {
    day(now.plus(-i64::from(days) * DAY_MS))
}
