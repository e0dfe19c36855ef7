//! A store that fails the way real ones do, as a seed says.

use std::hash::{BuildHasher as _, Hash};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use model::UnixMillis;
use model::item::{Item, Revision};
use model::ledger::Reason;

use crate::chance::Chance;
use crate::{
    Batch, Expired, Health, ItemQuery, RecordPage, RecordQuery, Retention, RowPage, ScanQuery, Series, SeriesQuery,
    SharedStore, Stats, Store, StoreError, Swapped, TopEntry, TopQuery, Written,
};

/// How often each thing goes wrong, in a thousandth of the calls. What adds up to less than 1,000 leaves the rest in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Writes and swaps that fail before anything is applied.
    pub before: u64,
    /// Writes that fail when a part of the batch is applied.
    pub during: u64,
    /// Writes and swaps that fail after all is applied: only the answer is lost.
    pub after: u64,
    /// Writes that fail and are applied later, behind writes that were begun after them: a request that timed out on its way.
    pub late: u64,
    /// Reads that fail.
    pub reads: u64,
    /// Rows and records refused for good: always the same ones, however often they are tried.
    pub refused: u64,
    /// The longest time a call takes; it takes between nothing and this, so calls in flight overtake each other.
    pub delay: Duration,
}

impl Faults {
    /// Everything goes wrong, often.
    pub const ROUGH: Faults = Faults {
        before: 100,
        during: 150,
        after: 150,
        late: 150,
        reads: 100,
        refused: 0,
        delay: Duration::from_millis(900),
    };
}

/// A store in front of another. Everything it does is a matter of the seed and the order of calls, and it waits by tokio's time,
/// so that with paused time a failing seed fails again.
pub struct FaultyStore {
    inner: SharedStore,
    faults: Faults,
    seed: u64,
    state: Mutex<State>,
}

/// What the whole store does, beside single faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It works, but for its faults.
    #[default]
    Fine,
    /// Every call fails with `Unavailable` and nothing is applied.
    Away,
    /// Every call fails with `Damaged` and nothing is applied.
    Damaged,
}

struct State {
    chance: Chance,
    mood: Mood,
    failed: u64,
    /// Writes of rows and writes of records in flight.
    now: [usize; 2],
    /// The most there ever were.
    most: [usize; 2],
    /// Batches on their way that nobody waits for any more, with the number of further writes they come behind.
    late: Vec<(u64, Batch)>,
}

enum Fate {
    Applied,
    Before,
    During(Batch),
    After,
    Late,
}

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyStore").field("seed", &self.seed).field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// `inner`, with these faults.
    pub fn new(inner: SharedStore, seed: u64, faults: Faults) -> Self {
        let (chance, mood) = (Chance::new(seed), Mood::Fine);
        let state = Mutex::new(State { chance, mood, failed: 0, now: [0; 2], most: [0; 2], late: Vec::new() });
        FaultyStore { inner, faults, seed, state }
    }

    /// Takes the store away or brings it back.
    pub fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// How many calls failed so far; a test that expects faults checks that there were some.
    pub fn failed(&self) -> u64 {
        self.state().failed
    }

    /// The most writes with rows and the most writes with records that were ever in flight at once.
    pub fn busiest(&self) -> [usize; 2] {
        self.state().most
    }

    /// Whether the row key or the record id is one of those that are refused for good.
    pub fn refuses(&self, identity: &impl Hash) -> bool {
        foldhash::fast::FixedState::with_seed(self.seed).hash_one(identity) % 1_000 < self.faults.refused
    }

    /// Lets everything that is still on its way arrive, latest first.
    ///
    /// # Panics
    /// When the store behind does not take it.
    pub async fn settle(&self) {
        let late: Vec<_> = std::mem::take(&mut self.state().late);
        for (_, batch) in late.into_iter().rev() {
            self.inner.write(&batch).await.expect("the store behind the faults has none");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }

    fn fail(&self, when: &str) -> StoreError {
        self.state().failed += 1;
        StoreError::Unavailable(format!("injected: {when}"))
    }

    async fn pause(&self) {
        let micros = u64::try_from(self.faults.delay.as_micros()).unwrap_or(u64::MAX);
        let pause = self.state().chance.below(micros);
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }

    fn check(&self, n: u64, when: &str) -> Result<(), StoreError> {
        let mood = self.state().mood;
        match mood {
            Mood::Fine => {}
            Mood::Away => return Err(self.fail("away")),
            Mood::Damaged => return Err(StoreError::Damaged("injected".to_owned())),
        }
        if self.state().chance.per_mille(n) { Err(self.fail(when)) } else { Ok(()) }
    }

    fn fate(&self, batch: &Batch) -> Fate {
        let mut state = self.state();
        let drawn = state.chance.below(1_000);
        let before = self.faults.before;
        let during = before + self.faults.during;
        let after = during + self.faults.after;
        let late = after + self.faults.late;
        match drawn {
            n if n < before => Fate::Before,
            n if n < during => {
                let rows = batch.rows.iter().filter(|_| state.chance.per_mille(500)).cloned().collect();
                let records = batch.records.iter().filter(|_| state.chance.per_mille(500)).cloned().collect();
                Fate::During(Batch { rows, records })
            }
            n if n < after => Fate::After,
            n if n < late => Fate::Late,
            _ => Fate::Applied,
        }
    }

    /// Late batches whose time has come; each write brings all others closer.
    fn arriving(&self) -> Vec<Batch> {
        let mut state = self.state();
        state.late.iter_mut().for_each(|(writes, _)| *writes = writes.saturating_sub(1));
        state.late.extract_if(.., |(writes, _)| *writes == 0).map(|(_, batch)| batch).collect()
    }

    /// The batch without what is refused for good, and what that is.
    fn accepted(&self, batch: &Batch) -> (Batch, Written) {
        let mut written = Written::default();
        let mut accepted = Batch::default();
        for (i, row) in batch.rows.iter().enumerate() {
            if self.refuses(&row.key) {
                written.rows_refused.push((i, Reason::TooLarge));
            } else {
                accepted.rows.push(row.clone());
            }
        }
        for (i, record) in batch.records.iter().enumerate() {
            if self.refuses(&record.id) {
                written.records_refused.push((i, Reason::TooLarge));
            } else {
                accepted.records.push(record.clone());
            }
        }
        (accepted, written)
    }
}

/// Counts a write for as long as it is in flight, also one that is given up.
struct Busy<'a>(&'a FaultyStore, [usize; 2]);

impl<'a> Busy<'a> {
    fn new(store: &'a FaultyStore, batch: &Batch) -> Self {
        let with = [usize::from(!batch.rows.is_empty()), usize::from(!batch.records.is_empty())];
        let mut state = store.state();
        for (i, n) in with.iter().enumerate() {
            state.now[i] += n;
            state.most[i] = state.most[i].max(state.now[i]);
        }
        Busy(store, with)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.now.iter_mut().zip(self.1).for_each(|(now, n)| *now -= n);
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let _busy = Busy::new(self, batch);
        let (batch, written) = self.accepted(batch);
        self.pause().await;
        self.check(0, "")?;
        let fate = self.fate(&batch);
        let result = match fate {
            Fate::Applied => self.inner.write(&batch).await.map(|_| written),
            Fate::Before => Err(self.fail("before")),
            Fate::During(part) => self.inner.write(&part).await.and(Err(self.fail("during"))),
            Fate::After => self.inner.write(&batch).await.and(Err(self.fail("after"))),
            Fate::Late => {
                let mut state = self.state();
                let behind = 2 + state.chance.below(6);
                state.late.push((behind, batch));
                drop(state);
                Err(self.fail("timed out"))
            }
        };
        for late in self.arriving() {
            self.inner.write(&late).await?;
        }
        result
    }

    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        self.pause().await;
        self.check(self.faults.reads, "read")?;
        self.inner.series(query).await
    }

    async fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        self.pause().await;
        self.check(self.faults.reads, "read")?;
        self.inner.top(query).await
    }

    async fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        self.pause().await;
        self.check(self.faults.reads, "read")?;
        self.inner.scan(query).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        self.pause().await;
        self.check(self.faults.reads, "read")?;
        self.inner.records(query).await
    }

    async fn items(&self, query: &ItemQuery) -> Result<Vec<Item>, StoreError> {
        self.pause().await;
        self.check(self.faults.reads, "read")?;
        self.inner.items(query).await
    }

    async fn swap_many(&self, items: &[(Item, Revision)]) -> Result<Vec<Swapped>, StoreError> {
        self.pause().await;
        self.check(self.faults.before, "before")?;
        let swapped = self.inner.swap_many(items).await?;
        self.check(self.faults.after, "after")?;
        Ok(swapped)
    }

    async fn expire(&self, policy: &Retention, now: UnixMillis) -> Result<Expired, StoreError> {
        self.pause().await;
        self.check(self.faults.before, "before")?;
        self.inner.expire(policy, now).await
    }

    async fn health(&self) -> Health {
        match self.check(0, "health") {
            Ok(()) => self.inner.health().await,
            Err(error) => Health { ok: false, detail: error.to_string() },
        }
    }

    async fn stats(&self) -> Stats {
        self.inner.stats().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
