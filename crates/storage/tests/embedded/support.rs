//! What these tests share: a folder with a clock, and small rows, records and items.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::cell::{self, CellId};
use model::item::{Item, Revision};
use model::kinds::{ItemKind, RecordKind};
use model::record::{FieldValue, Format, Record};
use model::{Agg, Bucket, Clock, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone};
use storage::embedded::{Embedded, Options};
use storage::{
    ItemQuery, Marks, MergedRow, Order, RecordOrder, RecordPage, RecordQuery, ScanQuery, SeriesQuery, Store, Swapped,
};

/// Noon of some day.
pub(crate) const T0: i64 = 1_700_049_600_000;
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;
/// The cell of [`row`].
pub(crate) const COUNT: CellId = CellId(64);
/// A wide cell of [`row`].
const TEXTS: CellId = CellId(65);

/// A data folder that goes with the test, and the clock of the stores on it.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap(), clock: Arc::new(AtomicI64::new(T0)) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn set_clock(&self, millis: i64) {
        self.clock.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clock.clone();
        Clock::from_fn(move || UnixMillis(clock.load(Ordering::Relaxed)))
    }

    /// Options under which a write does not wait long for others.
    pub(crate) fn options(&self) -> Options {
        Options { commit_every: Duration::from_millis(1), ..Options::default() }
    }

    pub(crate) fn open(&self) -> Embedded {
        self.open_with(self.options())
    }

    pub(crate) fn open_with(&self, options: Options) -> Embedded {
        Embedded::open(&self.path(), options, &Zone::utc(), self.clock()).unwrap()
    }

    /// Folders of a kind's partitions, ascending.
    pub(crate) fn partitions(&self, kind: &str) -> Vec<PathBuf> {
        entries(&self.path().join("records").join(kind))
    }
}

/// What lies in a folder, ascending.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Everything of a kind, newest first.
pub(crate) fn all(kind: RecordKind) -> RecordQuery {
    RecordQuery {
        kind,
        time: None,
        ids: vec![],
        conditions: vec![],
        order: RecordOrder::Time(Order::Desc),
        offset: 0,
        limit: 10_000,
    }
}

pub(crate) fn ids(page: &RecordPage) -> Vec<String> {
    page.records.iter().map(|record| record.id.to_string()).collect()
}

fn record(kind: RecordKind, id: &str, time: i64, format: Format) -> Record {
    let fields = vec![FieldValue::Absent; kind.def().fields.len()];
    let body = format!("body of {id}").into_bytes().into();
    Record { kind, id: id.into(), time: UnixMillis(time), fields, format, body }
}

pub(crate) fn segment(id: &str, time: i64) -> Record {
    record(RecordKind::Segment, id, time, Format::Segment)
}

pub(crate) fn log(id: &str, time: i64) -> Record {
    record(RecordKind::Log, id, time, Format::Log)
}

/// A service's minute with a narrow and a wide cell, both of which say `value`.
pub(crate) fn row(entity: &str, minute: u32, seq: u64, value: u64) -> Row {
    let key = RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(minute), entity: entity.into() };
    let texts = Agg::text("v", UnixMillis(0), &value.to_string());
    let cells = [(COUNT, Agg::Count(value)), (TEXTS, texts)].into_iter().collect();
    Row { key, partial: Partial { writer: 1, life: 1 }, seq, cells }
}

/// A service's life row.
pub(crate) fn life(entity: &str, seq: u64, ping: i64) -> Row {
    let key = RowKey { scope: Scope::Service, step: Step::Life, bucket: Bucket(0), entity: entity.into() };
    let cells = [(cell::FIRST_SEEN, Agg::Min(1)), (cell::LAST_PING, Agg::Max(ping))].into_iter().collect();
    Row { key, partial: Partial { writer: 1, life: 1 }, seq, cells }
}

/// What [`row`] said of an entity in a minute; its two cells agree.
pub(crate) async fn count_of(store: &Embedded, entity: &str, minute: u32) -> Option<u64> {
    let query = SeriesQuery {
        scope: Scope::Service,
        step: Step::Minute,
        entities: vec![entity.into()],
        from: Bucket(minute),
        to: Bucket(minute),
        cells: vec![COUNT, TEXTS],
    };
    let series = store.series(&query).await.unwrap();
    let cells = &series.first()?.points.first()?.1;
    let Some(Agg::Count(count)) = cells.get(COUNT) else { panic!("{cells:?}") };
    assert_eq!(cells.get(TEXTS), Some(&Agg::text("v", UnixMillis(0), &count.to_string())));
    Some(*count)
}

/// Every page of a scan, and the marks of the last.
pub(crate) async fn scan_all(store: &Embedded, mut query: ScanQuery) -> (Vec<MergedRow>, Marks) {
    let mut rows = Vec::new();
    loop {
        let page = store.scan(&query).await.unwrap();
        rows.extend(page.rows);
        if page.next.is_none() {
            return (rows, page.marks);
        }
        query.after = page.next;
    }
}

/// Swaps the item `id` to a body that says `value`; the item as it should be stored, and the answer.
pub(crate) async fn swap(store: &Embedded, id: &str, expected: u64, value: u64) -> (Item, Swapped) {
    let mut item = item(id, value);
    let swapped = store.swap_many(&[(item.clone(), Revision(expected))]).await.unwrap().remove(0);
    item.revision = Revision(expected + 1);
    (item, swapped)
}

pub(crate) fn item(id: &str, value: u64) -> Item {
    Item {
        kind: ItemKind::Template,
        id: id.to_owned(),
        revision: Revision(0),
        nonce: value,
        tombstone: false,
        updated: UnixMillis(T0),
        body: value.to_string(),
    }
}

pub(crate) async fn items(store: &Embedded) -> Vec<Item> {
    store.items(&ItemQuery { kind: ItemKind::Template, ids: vec![], tombstones: true }).await.unwrap()
}

/// Whether this process has a thread whose name starts so.
pub(crate) fn has_thread(prefix: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).any(|name| name.starts_with(prefix))
}

/// Waits until something is so, for a minute at most.
pub(crate) async fn wait_for(what: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("it comes true in time");
}
