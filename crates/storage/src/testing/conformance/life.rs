//! Examples of a store's life: retention, many writers, the end.

use model::kinds::{RecordKind, segment};
use model::record::FieldValue;
use model::{Agg, Bucket, Row, RowKey, Scope, Step, cell};
use tokio::task::JoinSet;

use super::{MINUTE, NOW, all, calls, ids, record, row, scan, scanned, series, write_records, write_rows};
use crate::{Batch, ErrorKind, Expired, ItemQuery, Retention, ScanQuery, SharedStore, StoreError};

const DAY_MS: i64 = 24 * 3_600_000;
const DAY_MINUTES: u32 = 24 * 60;
const POLICY: Retention = Retention { records_days: 3, metrics_days: 7 };

pub(super) async fn expiry_drops_what_is_older_and_is_idempotent(store: SharedStore) {
    let at = |id, days: i64| record(RecordKind::Segment, id, days * DAY_MS, &[]);
    write_records(&store, vec![at("r0", 0), at("r1", 1), at("r8", 8), at("r9", 9)]).await;
    write_records(&store, vec![record(RecordKind::Log, "l0", 0, &[])]).await;
    let hour = |minutes| {
        let row = row("hour", minutes, (1, 1), 1, &[calls(1)]);
        Row { key: RowKey { step: Step::Hour, ..row.key }, ..row }
    };
    write_rows(
        &store,
        vec![
            row("old", 0, (1, 1), 1, &[calls(1)]),
            hour(0),
            row("young", 9 * DAY_MINUTES, (1, 1), 1, &[calls(1)]),
            hour(9 * DAY_MINUTES),
        ],
    )
    .await;

    let early = store.expire(&POLICY, NOW.plus(2 * DAY_MS)).await.expect("expiry");
    assert_eq!(early, Expired::default(), "everything is young enough");
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await.len(), 4);

    // Partitions go as a whole, so what is just over its time may stay for a day or two.
    let now = NOW.plus(10 * DAY_MS);
    let expired = store.expire(&POLICY, now).await.expect("expiry");
    assert!(expired.partitions > 0, "{expired:?}");
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await, ["r8", "r9"]);
    assert_eq!(ids(&store, &all(RecordKind::Log)).await, [""; 0]);
    let left = async |step| {
        let rows = scanned(&store, &ScanQuery { step, ..scan() }).await;
        rows.into_iter().map(|(minute, entity, _)| (minute, entity)).collect::<Vec<_>>()
    };
    assert_eq!(left(Step::Minute).await, [(9 * DAY_MINUTES, "young".to_owned())]);
    assert_eq!(left(Step::Hour).await, [(9 * DAY_MINUTES, "hour".to_owned())]);
    assert_eq!(store.expire(&POLICY, now).await.expect("expiry"), Expired::default(), "a second time does nothing");

    // A partition that is gone may open again: late data are not an error.
    write_records(&store, vec![at("late", 8)]).await;
    write_rows(&store, vec![row("late", 9 * DAY_MINUTES, (2, 1), 1, &[calls(1)])]).await;
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await, ["late", "r8", "r9"]);
    assert_eq!(left(Step::Minute).await.len(), 2);
}

pub(super) async fn entities_expire_by_their_merged_last_ping(store: SharedStore) {
    let life = |entity: &str, scope, writer, minute: u32| {
        let pings = [
            (cell::LAST_PING, Agg::Max(i64::from(MINUTE.0 + minute))),
            (cell::FIRST_SEEN, Agg::Min(i64::from(MINUTE.0))),
        ];
        let row = row(entity, 0, (writer, 1), 1, &pings);
        Row { key: RowKey { scope, step: Step::Life, bucket: Bucket(0), ..row.key }, ..row }
    };
    write_rows(
        &store,
        vec![
            life("idle", Scope::Service, 1, 0),
            life("idle", Scope::Service, 2, 10),
            // One of its partials is old, but somebody saw it later.
            life("busy", Scope::Service, 1, 0),
            life("busy", Scope::Service, 2, DAY_MINUTES),
            life("idle", Scope::ServiceInstance, 1, 2 * DAY_MINUTES),
        ],
    )
    .await;
    let left = async |scope| {
        let rows = scanned(&store, &ScanQuery { scope, step: Step::Life, ..scan() }).await;
        rows.into_iter().map(|(_, entity, cells)| (entity, cells.get(cell::LAST_PING).cloned())).collect::<Vec<_>>()
    };
    let busy = ("busy".to_owned(), Some(Agg::Max(i64::from(MINUTE.0 + DAY_MINUTES))));
    let before = store.expire(&POLICY, NOW.plus(7 * DAY_MS + 5 * 60_000)).await.expect("expiry");
    assert_eq!(before.rows, 0, "the younger partial counts");
    assert_eq!(left(Scope::Service).await.len(), 2);
    let after = NOW.plus(7 * DAY_MS + 12 * 60_000);
    assert!(store.expire(&POLICY, after).await.expect("expiry").rows > 0);
    assert_eq!(left(Scope::Service).await, [busy], "all partials go together, and nobody else's");
    assert_eq!(left(Scope::ServiceInstance).await.len(), 1, "scopes are apart");
    assert_eq!(store.expire(&POLICY, after).await.expect("expiry"), Expired::default());
}

pub(super) async fn writes_from_many_tasks_are_all_there(store: SharedStore) {
    let mut tasks = JoinSet::new();
    for task in 0..8u32 {
        let store = store.clone();
        tasks.spawn(async move {
            for n in 0..10 {
                let latency = [(segment::LATENCY, FieldValue::Int(i64::from(n)))];
                let records = vec![record(RecordKind::Segment, &format!("{task}-{n}"), i64::from(n), &latency)];
                let rows = vec![row("s", n % 3, (u64::from(task), 1), u64::from(n), &[calls(u64::from(n))])];
                store.write(&Batch { rows, records }).await.expect("a write");
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await.len(), 80);
    let points = store.series(&series(&["s"])).await.expect("a series").remove(0).points;
    // The last totals of eight writers: 9, 7 and 8 calls.
    let totals: Vec<_> = points.iter().map(|(_, cells)| cells.get(super::CALLS).cloned()).collect();
    assert_eq!(totals, [Some(Agg::Count(72)), Some(Agg::Count(56)), Some(Agg::Count(64))]);
}

pub(super) async fn a_closed_store_is_unavailable(store: SharedStore) {
    write_rows(&store, vec![row("s", 0, (1, 1), 1, &[calls(1)])]).await;
    assert!(store.health().await.ok);
    store.close().await.expect("the first close");
    assert!(!store.health().await.ok);
    let is_away = |error: StoreError| assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    let batch = Batch { rows: vec![row("s", 1, (1, 1), 2, &[calls(1)])], records: Vec::new() };
    is_away(store.write(&batch).await.expect_err("closed"));
    is_away(store.series(&series(&["s"])).await.expect_err("closed"));
    is_away(store.scan(&scan()).await.expect_err("closed"));
    is_away(store.records(&all(RecordKind::Log)).await.expect_err("closed"));
    let items = ItemQuery { kind: model::kinds::ItemKind::Node, ids: Vec::new(), tombstones: true };
    is_away(store.items(&items).await.expect_err("closed"));
    is_away(store.swap_many(&[]).await.expect_err("closed"));
    is_away(store.expire(&POLICY, NOW).await.expect_err("closed"));
}
