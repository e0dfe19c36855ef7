//! Copies one store into another, so that nobody loses history when they grow.
//!
//! Everything is copied in units: the rows of a scope, step and day, the records of a kind and day, the life rows of a scope. Rows arrive
//! as one partial of the source, so they merge with what other nodes write, and a second copy replaces the first. What a unit
//! held is noted in the destination: an interrupted copy passes over units that still hold the same.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::time::Duration;

use model::cell::CellId;
use model::item::{Item, Revision};
use model::kinds::{ItemKind, RecordKind};
use model::record::Record;
use model::{Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::chance::random;
use crate::{
    Batch, Cursor, Entities, ItemQuery, MergedRow, RecordQuery, Retention, ScanQuery, SharedStore, StoreError, Swapped,
};

mod unit;

pub use unit::Unit;

/// Rows or records read and written at once.
const PAGE: usize = 1_000;
/// Bytes of bodies written at once, beyond which a batch is sent as it is.
const BATCH_BYTES: usize = 4 << 20;
/// How long the destination may take until what it answered is visible to a count.
const VISIBLE: Duration = Duration::from_secs(30);
/// The item of the source that names it, and with it the partials of its rows in the destination.
const SOURCE: &str = "copied-as";

/// What is copied, and where to.
pub struct Copy {
    /// Read from. Nothing else may write to it meanwhile.
    pub from: SharedStore,
    /// Written to. Others may write to it meanwhile.
    pub to: SharedStore,
    /// What each metric's cell of the source is called in the destination; those that are not in here keep their number.
    pub cells: HashMap<CellId, CellId>,
    /// How far back there is anything.
    pub retention: Retention,
    /// The time now.
    pub now: UnixMillis,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").field("retention", &self.retention).field("now", &self.now).finish_non_exhaustive()
    }
}

/// How a copy went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Merged rows, in the destination now.
    pub rows: u64,
    /// Records, in the destination now.
    pub records: u64,
    /// Items created there.
    pub items: u64,
    /// Items that were there already and stayed as they were.
    pub items_kept: u64,
    /// Units that an earlier copy had brought over and that had not changed since.
    pub units_unchanged: u64,
    /// Rows and records that the destination refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Units of which the destination shows less than was read.
    pub short: Vec<String>,
}

impl Report {
    /// Whether everything is there.
    pub fn complete(&self) -> bool {
        self.refused.is_empty() && self.short.is_empty()
    }
}

/// What a unit held when it was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    count: u64,
    hash: u64,
}

impl Content {
    /// In any order: two stores may page differently.
    fn add(&mut self, thing: &impl std::fmt::Debug) {
        let hash = foldhash::quality::FixedState::with_seed(0).hash_one(format!("{thing:?}"));
        self.hash = self.hash.wrapping_add(hash);
        self.count += 1;
    }
}

/// A page of a unit.
enum Page {
    Rows(Vec<MergedRow>, Option<Cursor>),
    Records(Vec<Record>, Option<After>),
}

/// Where a page of records ended: the time of its last one, and how many of that time were read.
#[derive(Clone, Copy, Debug)]
struct After {
    time: UnixMillis,
    skip: usize,
}

enum Position {
    Row(Cursor),
    Record(After),
}

impl Copy {
    /// Copies everything and counts it in the destination. `progress` is told each unit before it begins, with its number and how many
    /// there are. An error leaves what was copied; copying again goes on from there.
    pub async fn run(&self, mut progress: impl FnMut(&Unit, usize, usize)) -> Result<Report, StoreError> {
        let partial = Partial { writer: self.source().await?, life: 1 };
        let mut noted = Noted::read(&self.to, partial.writer).await?;
        let mut report = Report::default();
        let units = unit::all(self.retention, self.now);
        let mut contents = Vec::with_capacity(units.len());
        for (n, unit) in units.iter().enumerate() {
            progress(unit, n, units.len());
            let known = noted.contents.get(&unit.name()).copied();
            let content = match known {
                Some(known) if self.content(&self.from, unit).await? == known => {
                    report.units_unchanged += 1;
                    known
                }
                _ => self.unit(unit, partial, &mut report).await?,
            };
            if content.count > 0 && known != Some(content) {
                noted.note(&self.to, unit, content, self.now).await?;
            }
            contents.push(content);
        }
        self.items(&mut report).await?;
        for (unit, content) in units.iter().zip(contents) {
            self.verify(unit, content, &mut report).await?;
        }
        Ok(report)
    }

    /// The number that names the source in the destination: drawn at its first copy and kept in the source.
    async fn source(&self) -> Result<u64, StoreError> {
        let named = |item: &Item| {
            u64::from_str_radix(&item.body, 16)
                .map_err(|_| StoreError::Damaged(format!("the source's item {SOURCE} is not readable")))
        };
        let query = ItemQuery { kind: ItemKind::Meta, ids: vec![SOURCE.to_owned()], tombstones: false };
        if let Some(item) = self.from.items(&query).await?.first() {
            return named(item);
        }
        let writer = random();
        let item = item(ItemKind::Meta, SOURCE, format!("{writer:016x}"), writer, self.now);
        match self.from.swap_many(&[(item, Revision(0))]).await?.first() {
            // Another copy was quicker: under two names its rows would count twice.
            Some(Swapped::Conflict(Some(stored))) => named(stored),
            _ => Ok(writer),
        }
    }

    /// What a unit of a store holds.
    async fn content(&self, store: &SharedStore, unit: &Unit) -> Result<Content, StoreError> {
        let mut content = Content::default();
        let mut position = None;
        loop {
            match page(store, unit, position).await? {
                Page::Rows(rows, next) => {
                    rows.iter().for_each(|row| content.add(row));
                    position = next.map(Position::Row);
                }
                Page::Records(records, next) => {
                    records.iter().for_each(|record| content.add(record));
                    position = next.map(Position::Record);
                }
            }
            if position.is_none() {
                return Ok(content);
            }
        }
    }

    async fn unit(&self, unit: &Unit, partial: Partial, report: &mut Report) -> Result<Content, StoreError> {
        let mut content = Content::default();
        let mut position = None;
        loop {
            match page(&self.from, unit, position).await? {
                Page::Rows(rows, next) => {
                    rows.iter().for_each(|row| content.add(row));
                    let rows = rows.into_iter().map(|row| self.row(unit, partial, row)).collect();
                    self.write(Batch { rows, records: Vec::new() }, report).await?;
                    position = next.map(Position::Row);
                }
                Page::Records(records, next) => {
                    records.iter().for_each(|record| content.add(record));
                    self.write_records(records, report).await?;
                    position = next.map(Position::Record);
                }
            }
            if position.is_none() {
                return Ok(content);
            }
        }
    }

    fn row(&self, unit: &Unit, partial: Partial, row: MergedRow) -> Row {
        let (scope, step) = unit.rows().expect("rows come from a unit of rows");
        let renamed = |id: CellId| self.cells.get(&id).copied().unwrap_or(id);
        let cells: Cells = row.cells.iter().map(|(id, agg)| (renamed(id), agg.clone())).collect();
        let key = RowKey { scope, step, bucket: row.bucket, entity: row.entity };
        // A later copy replaces an earlier one.
        Row { key, partial, seq: u64::try_from(self.now.0).unwrap_or(0), cells }
    }

    async fn write_records(&self, records: Vec<Record>, report: &mut Report) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        for record in records {
            bytes += record.body.len();
            batch.records.push(record);
            if bytes >= BATCH_BYTES {
                self.write(std::mem::take(&mut batch), report).await?;
                bytes = 0;
            }
        }
        self.write(batch, report).await
    }

    async fn write(&self, batch: Batch, report: &mut Report) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.to.write(&batch).await?;
        for (_, reason) in written.rows_refused.iter().chain(&written.records_refused) {
            *report.refused.entry(reason.name()).or_default() += 1;
        }
        Ok(())
    }

    /// What operators made. What describes a store or its nodes stays where it is.
    async fn items(&self, report: &mut Report) -> Result<(), StoreError> {
        use ItemKind as Kind;
        let stays =
            |kind: &Kind| matches!(kind, Kind::Meta | Kind::Catalogue | Kind::Node | Kind::Lease | Kind::Revision);
        for kind in Kind::ALL.into_iter().filter(|kind| !stays(kind)) {
            let items = self.from.items(&ItemQuery { kind, ids: Vec::new(), tombstones: false }).await?;
            let swaps: Vec<_> = items.into_iter().map(|item| (item, Revision(0))).collect();
            for pieces in swaps.chunks(PAGE) {
                for swapped in self.to.swap_many(pieces).await? {
                    match swapped {
                        Swapped::Done(_) => report.items += 1,
                        Swapped::Conflict(_) => report.items_kept += 1,
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts a unit in the destination. Others may have written to it: more than was read is fine.
    async fn verify(&self, unit: &Unit, content: Content, report: &mut Report) -> Result<(), StoreError> {
        if content.count == 0 {
            return Ok(());
        }
        let given_up = Instant::now() + VISIBLE;
        loop {
            let found = self.content(&self.to, unit).await?.count;
            if found >= content.count {
                let counted = if unit.rows().is_some() { &mut report.rows } else { &mut report.records };
                *counted += content.count;
                return Ok(());
            }
            if Instant::now() >= given_up {
                report.short.push(format!("{}: {found} of {}", unit.name(), content.count));
                return Ok(());
            }
            sleep(VISIBLE / 60).await;
        }
    }
}

async fn page(store: &SharedStore, unit: &Unit, position: Option<Position>) -> Result<Page, StoreError> {
    match *unit {
        Unit::Life(scope) => rows(store, scope, Step::Life, (Bucket(0), Bucket(0)), position).await,
        Unit::Rows { scope, step, day } => rows(store, scope, step, unit::buckets(day), position).await,
        Unit::Records { kind, day } => records(store, kind, day, position).await,
    }
}

async fn rows(
    store: &SharedStore,
    scope: Scope,
    step: Step,
    (from, to): (Bucket, Bucket),
    position: Option<Position>,
) -> Result<Page, StoreError> {
    let after = match position {
        Some(Position::Row(cursor)) => Some(cursor),
        _ => None,
    };
    let (entities, cells, changed_since) = (Entities::All, Vec::new(), None);
    let page =
        store.scan(&ScanQuery { scope, step, from, to, entities, cells, changed_since, after, limit: PAGE }).await?;
    Ok(Page::Rows(page.rows, page.next))
}

async fn records(
    store: &SharedStore,
    kind: RecordKind,
    day: u32,
    position: Option<Position>,
) -> Result<Page, StoreError> {
    let (from, to) = unit::times(day);
    let after = match position {
        Some(Position::Record(after)) => after,
        _ => After { time: from, skip: 0 },
    };
    let time = Some((after.time, to));
    let query = RecordQuery { time, offset: after.skip, ..RecordQuery::oldest(kind, PAGE) };
    let records = store.records(&query).await?.records;
    let next = records.last().filter(|_| records.len() == PAGE).map(|last| {
        let of_last = records.iter().filter(|record| record.time == last.time).count();
        let skip = if last.time == after.time { after.skip + of_last } else { of_last };
        After { time: last.time, skip }
    });
    Ok(Page::Records(records, next))
}

fn item(kind: ItemKind, id: &str, body: String, nonce: u64, updated: UnixMillis) -> Item {
    Item { kind, id: id.to_owned(), revision: Revision(0), nonce, tombstone: false, updated, body }
}

/// What was copied of one source, as noted in the destination.
struct Noted {
    id: String,
    revision: Revision,
    contents: BTreeMap<String, Content>,
}

impl Noted {
    async fn read(store: &SharedStore, source: u64) -> Result<Noted, StoreError> {
        let id = format!("copied-from-{source:016x}");
        let query = ItemQuery { kind: ItemKind::Meta, ids: vec![id.clone()], tombstones: false };
        let stored = store.items(&query).await?.into_iter().next();
        let revision = stored.as_ref().map_or(Revision(0), |item| item.revision);
        // Notes that cannot be read only cost copying again.
        let contents = stored.and_then(|item| serde_json::from_str(&item.body).ok()).unwrap_or_default();
        Ok(Noted { id, revision, contents })
    }

    async fn note(
        &mut self,
        store: &SharedStore,
        unit: &Unit,
        content: Content,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.contents.insert(unit.name(), content);
        let body = serde_json::to_string(&self.contents).expect("texts and numbers are JSON");
        let nonce = random();
        let item = item(ItemKind::Meta, &self.id, body, nonce, now);
        match store.swap_many(&[(item, self.revision)]).await?.into_iter().next() {
            Some(Swapped::Done(revision)) => self.revision = revision,
            Some(Swapped::Conflict(_)) => {
                return Err(StoreError::Unavailable("another copy of the same source is under way".to_owned()));
            }
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
