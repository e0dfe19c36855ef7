//! Copies between stores in memory.

use std::sync::Arc;

use bytes::Bytes;
use model::Agg;
use model::record::{FieldValue, Format};

use super::*;
use crate::memory::Memory;
use crate::testing::{Faults, FaultyStore};

/// 2024-01-15T12:00:00Z.
const NOW: UnixMillis = UnixMillis(1_705_320_000_000);
const CELL: CellId = CellId(70);

fn copy(from: &SharedStore, to: &SharedStore) -> Copy {
    let retention = Retention { records_days: 3, metrics_days: 7 };
    Copy { from: from.clone(), to: to.clone(), cells: HashMap::from([(CELL, CellId(71))]), retention, now: NOW }
}

fn row(step: Step, bucket: u32, entity: &str, (writer, seq): (u64, u64), n: u64) -> Row {
    let key = RowKey { scope: Scope::Service, step, bucket: Bucket(bucket), entity: entity.into() };
    Row { key, partial: Partial { writer, life: 1 }, seq, cells: Cells::from_iter([(CELL, Agg::Count(n))]) }
}

fn record(id: usize, at: i64) -> Record {
    let kind = RecordKind::Log;
    let fields = vec![FieldValue::Absent; kind.def().fields.len()];
    let (time, body) = (NOW.plus(at), Bytes::from_static(b"body"));
    Record { kind, id: format!("{id:05}").into(), time, fields, format: Format::Log, body }
}

async fn filled() -> SharedStore {
    let store: SharedStore = Arc::new(Memory::new());
    let minute = NOW.minute().unwrap().0;
    let rows = vec![
        row(Step::Life, 0, "a", (1, 1), 1),
        row(Step::Minute, minute, "a", (1, 1), 2),
        row(Step::Minute, minute, "a", (2, 1), 3),
        row(Step::Minute, minute - 3 * 1_440, "b", (1, 1), 4),
        row(Step::Day, minute - 720, "a", (1, 1), 9),
    ];
    // More of one millisecond than a page, and some around them.
    let records = (0..2_500).map(|n| record(n, if n < 2_200 { 0 } else { n as i64 })).collect();
    store.write(&Batch { rows, records }).await.unwrap();
    let template = item(ItemKind::Template, "t", "{}".to_owned(), 1, NOW);
    store.swap_many(&[(template, Revision(0))]).await.unwrap();
    store
}

async fn counts(store: &SharedStore, step: Step) -> Vec<(u32, String, u64)> {
    let (scope, from, to) = (Scope::Service, Bucket(0), Bucket(u32::MAX));
    let (entities, cells, changed_since, after) = (Entities::All, Vec::new(), None, None);
    let query = ScanQuery { scope, step, from, to, entities, cells, changed_since, after, limit: 100 };
    let rows = store.scan(&query).await.unwrap().rows;
    let count = |row: &MergedRow| match row.cells.get(CellId(71)) {
        Some(Agg::Count(n)) => *n,
        other => panic!("{other:?}"),
    };
    rows.iter().map(|row| (row.bucket.0, row.entity.to_string(), count(row))).collect()
}

#[tokio::test]
async fn everything_is_there_once_however_often_it_is_copied() {
    let (from, to): (_, SharedStore) = (filled().await, Arc::new(Memory::new()));
    let report = copy(&from, &to).run(|_, _, _| {}).await.unwrap();
    let first = Report { rows: 4, records: 2_500, items: 1, ..Report::default() };
    assert_eq!(report, first);
    assert!(report.complete());
    let minute = NOW.minute().unwrap().0;
    let expected = [(minute - 3 * 1_440, "b".to_owned(), 4), (minute, "a".to_owned(), 5)];
    assert_eq!(counts(&to, Step::Minute).await, expected);

    let mut names = Vec::new();
    let report = copy(&from, &to).run(|unit, n, all| names.push((unit.name(), n < all))).await.unwrap();
    // The item is the same as before, as its nonce says: that counts as done.
    assert_eq!(report, Report { units_unchanged: 5, ..first });
    assert!(names.contains(&("2024-01-15 Minute Service".to_owned(), true)), "{names:?}");
    assert_eq!(counts(&to, Step::Minute).await, expected);

    // The source went on, and another node writes to the destination.
    from.write(&Batch { rows: vec![row(Step::Minute, minute, "a", (1, 2), 12)], records: Vec::new() }).await.unwrap();
    let mut other = row(Step::Minute, minute, "a", (9, 1), 0);
    other.cells = Cells::from_iter([(CellId(71), Agg::Count(100))]);
    to.write(&Batch { rows: vec![other], records: Vec::new() }).await.unwrap();
    let again = Copy { now: NOW.plus(1), ..copy(&from, &to) };
    assert_eq!(again.run(|_, _, _| {}).await.unwrap().units_unchanged, 4);
    assert_eq!(counts(&to, Step::Minute).await[1], (minute, "a".to_owned(), 115));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_copy_goes_on_and_what_is_refused_or_missing_is_told() {
    let from = filled().await;
    let behind: SharedStore = Arc::new(Memory::new());
    let rough: SharedStore = Arc::new(FaultyStore::new(
        behind.clone(),
        5,
        Faults { before: 50, during: 50, after: 50, ..Faults::default() },
    ));
    let mut tries = 0;
    while copy(&from, &rough).run(|_, _, _| {}).await.is_err() {
        tries += 1;
        assert!(tries < 1_000);
    }
    assert!(tries > 0, "nothing went wrong");
    assert_eq!(copy(&from, &behind).run(|_, _, _| {}).await.unwrap().units_unchanged, 5);

    let refusing: SharedStore =
        Arc::new(FaultyStore::new(Arc::new(Memory::new()), 1, Faults { refused: 100, ..Faults::default() }));
    let report = copy(&from, &refusing).run(|_, _, _| {}).await.unwrap();
    assert!(!report.complete());
    assert!(report.refused.values().sum::<u64>() > 0 && !report.short.is_empty(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn two_copies_of_one_source_at_once_count_nothing_twice() {
    for seed in 0..20 {
        let (from, to): (_, SharedStore) = (filled().await, Arc::new(Memory::new()));
        let slow = Faults { delay: Duration::from_millis(50), ..Faults::default() };
        let slow: SharedStore = Arc::new(FaultyStore::new(from.clone(), seed, slow));
        let (one, other) = (copy(&slow, &to), copy(&slow, &to));
        let (one, other) = tokio::join!(one.run(|_, _, _| {}), other.run(|_, _, _| {}));
        assert!(one.is_ok() || other.is_ok(), "seed {seed}: {one:?} {other:?}");
        let minute = NOW.minute().unwrap().0;
        assert_eq!(counts(&to, Step::Minute).await[1], (minute, "a".to_owned(), 5), "seed {seed}");
    }
}
