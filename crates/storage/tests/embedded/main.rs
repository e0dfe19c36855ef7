//! The embedded store: what it answers, what it survives, what it refuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod crash;
mod damage;
mod failure;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use model::kinds::{RecordKind, log, segment};
use model::record::FieldValue;
use model::{Scope, Step, UnixMillis, Zone};
use storage::embedded::{Embedded, Faults, Options};
use storage::{
    Batch, Condition, Entities, Order, RecordOrder, Retention, ScanQuery, SeriesQuery, Store, StoreError, Test,
};

use support::{COUNT, DAY, Folder, T0, all, ids, life, row, segment as segment_at};

fn condition(field: usize, test: Test) -> Condition {
    Condition { field, test, negate: false }
}

fn text(text: &'static str) -> FieldValue {
    FieldValue::Text(text.into())
}

fn log_line(id: &str, time: i64, content: &str) -> model::record::Record {
    let mut record = support::log(id, time);
    record.fields[log::CONTENT] = FieldValue::Text(content.into());
    record
}

#[tokio::test]
async fn texts_are_found_by_phrase_whatever_the_script() {
    let folder = Folder::new();
    let store = folder.open();
    let long = "x".repeat(70_000);
    let lines = ["GET /api/users failed", "连接数据库失败", "users api", "", long.as_str()];
    let records: Vec<_> =
        lines.iter().enumerate().map(|(i, line)| log_line(&i.to_string(), T0 + i as i64, line)).collect();
    store.write(&Batch { records: records.clone(), rows: vec![] }).await.unwrap();
    let found = async |phrase: &str, negate: bool| {
        let mut query = all(RecordKind::Log);
        query.conditions = vec![Condition { negate, ..condition(log::CONTENT, Test::Phrase(phrase.to_owned())) }];
        query.order = RecordOrder::Time(Order::Asc);
        ids(&store.records(&query).await.unwrap())
    };
    assert_eq!(found("API users", false).await, ["0"]);
    assert_eq!(found("users", false).await, ["0", "2"]);
    assert_eq!(found("数据库", false).await, ["1"]);
    assert_eq!(found("库数", false).await, Vec::<String>::new());
    assert_eq!(found("users", true).await, ["1", "3", "4"]);
    assert_eq!(found(" - ", false).await, Vec::<String>::new());
    assert_eq!(found(&long, false).await, ["4"]);
    assert_eq!(store.records(&all(RecordKind::Log)).await.unwrap().records.len(), 5);
}

#[tokio::test]
async fn records_are_found_by_every_type_of_field_and_come_back_whole() {
    let folder = Folder::new();
    let store = folder.open();
    let mut records: Vec<_> = (0..6).map(|i| segment_at(&format!("s{i}"), T0 + i)).collect();
    for (i, record) in records.iter_mut().enumerate() {
        record.fields[segment::SERVICE] = text(if i % 2 == 0 { "even" } else { "odd" });
        record.fields[segment::LATENCY] = FieldValue::Int(i64::try_from(i).unwrap() * 10 - 20);
        record.fields[segment::IS_ERROR] = FieldValue::Bool(i == 3);
        record.fields[segment::TAGS] = FieldValue::Texts(vec![format!("k={i}").into(), "all=1".into()]);
    }
    let endpoint = "é".repeat(40_000);
    records[5].fields[segment::ENDPOINT] = FieldValue::Text(endpoint.as_str().into());
    store.write(&Batch { records: records.clone(), rows: vec![] }).await.unwrap();
    let found = async |conditions: Vec<Condition>| {
        let mut query = all(RecordKind::Segment);
        query.conditions = conditions;
        query.order = RecordOrder::Time(Order::Asc);
        ids(&store.records(&query).await.unwrap())
    };
    assert_eq!(found(vec![condition(segment::SERVICE, Test::Equal(text("even")))]).await, ["s0", "s2", "s4"]);
    assert_eq!(found(vec![condition(segment::LATENCY, Test::Within(-20, 0))]).await, ["s0", "s1", "s2"]);
    assert_eq!(found(vec![condition(segment::LATENCY, Test::Equal(FieldValue::Int(30)))]).await, ["s5"]);
    assert_eq!(found(vec![condition(segment::IS_ERROR, Test::Equal(FieldValue::Bool(true)))]).await, ["s3"]);
    let tags = Test::OneOf(vec!["k=1".into(), "k=4".into(), "k=9".into()]);
    assert_eq!(found(vec![condition(segment::TAGS, tags)]).await, ["s1", "s4"]);
    let long = Test::Equal(FieldValue::Text(endpoint.as_str().into()));
    assert_eq!(found(vec![condition(segment::ENDPOINT, long)]).await, ["s5"]);
    assert_eq!(
        found(vec![
            Condition { negate: true, ..condition(segment::SERVICE, Test::Equal(text("odd"))) },
            condition(segment::TAGS, Test::Equal(text("all=1"))),
            condition(segment::LATENCY, Test::Within(0, 1_000)),
        ])
        .await,
        ["s2", "s4"]
    );
    let mut query = all(RecordKind::Segment);
    query.ids = vec!["s5".into(), "s1".into(), "none".into()];
    assert_eq!(store.records(&query).await.unwrap().records, [records[5].clone(), records[1].clone()]);
    query.conditions = vec![condition(99, Test::Within(0, 1))];
    assert!(matches!(store.records(&query).await, Err(StoreError::Query(_))));
}

#[tokio::test]
async fn pages_over_many_partitions_are_the_pages_of_one_list() {
    let folder = Folder::new();
    let store = folder.open_with(Options { partition_docs: 10, ..folder.options() });
    // Times repeat, so that ids decide; some come late; the clock passes midnight twice.
    let mut expected = Vec::new();
    for i in 0..60i64 {
        folder.set_clock(T0 + i * DAY / 25);
        let time = T0 + (i / 3) * 3 * DAY / 25 - if i % 7 == 0 { DAY } else { 0 };
        let record = segment_at(&format!("{:02}", i * 37 % 60), time);
        expected.push((time, record.id.to_string()));
        store.write(&Batch { records: vec![record], rows: vec![] }).await.unwrap();
    }
    assert!(folder.partitions("segment").len() >= 6, "{:?}", folder.partitions("segment"));
    for order in [Order::Asc, Order::Desc] {
        expected.sort_by(|a, b| (if order == Order::Asc { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) }).then(a.1.cmp(&b.1)));
        let mut query = all(RecordKind::Segment);
        query.order = RecordOrder::Time(order);
        query.limit = 7;
        let mut got = Vec::new();
        loop {
            let page = ids(&store.records(&query).await.unwrap());
            if page.is_empty() {
                break;
            }
            got.extend(page);
            query.offset += query.limit;
        }
        assert_eq!(got, expected.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());
        let (from, to) = (T0 + DAY / 2, T0 + DAY);
        let inside: Vec<_> =
            expected.iter().filter(|(t, _)| (from..=to).contains(t)).map(|(_, id)| id.clone()).collect();
        let mut query = all(RecordKind::Segment);
        (query.time, query.order) = (Some((UnixMillis(from), UnixMillis(to))), RecordOrder::Time(order));
        assert_eq!(ids(&store.records(&query).await.unwrap()), inside);
    }
}

#[tokio::test]
async fn a_repeated_record_is_one_record_however_far_apart_the_repeats() {
    let folder = Folder::new();
    let store = folder.open_with(Options { partition_docs: 4, ..folder.options() });
    for round in 0..3 {
        for i in 0..5 {
            let batch = Batch { records: vec![segment_at(&format!("s{i}"), T0 + i)], rows: vec![] };
            store.write(&batch).await.unwrap();
        }
        let mut query = all(RecordKind::Segment);
        (query.offset, query.limit) = (1, 3);
        assert_eq!(ids(&store.records(&query).await.unwrap()), ["s3", "s2", "s1"], "round {round}");
        query.order = RecordOrder::Field(segment::LATENCY, Order::Asc);
        assert_eq!(ids(&store.records(&query).await.unwrap()), ["s1", "s2", "s3"], "round {round}");
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_closing_and_opening() {
    let folder = Folder::new();
    let store = folder.open();
    let batch = Batch {
        rows: vec![row("a", 5, 1, 10), row("b", 5, 1, 20), life("a", 1, 5)],
        records: vec![segment_at("s", T0), log_line("l", T0, "hello")],
    };
    store.write(&batch).await.unwrap();
    let (item, _) = support::swap(&store, "t", 0, 1).await;
    store.close().await.unwrap();
    assert!(matches!(store.write(&batch).await, Err(StoreError::Unavailable(_))));
    assert!(!store.health().await.ok);

    let store = folder.open();
    assert_eq!(support::count_of(&store, "a", 5).await, Some(10));
    assert_eq!(support::items(&store).await, [item]);
    assert_eq!(store.records(&all(RecordKind::Segment)).await.unwrap().records, [batch.records[0].clone()]);
    assert_eq!(store.records(&all(RecordKind::Log)).await.unwrap().records, [batch.records[1].clone()]);
    let stats = store.stats().await;
    // Each kind of records, the rows, and the items.
    assert_eq!(stats.bytes.len(), RecordKind::ALL.len() + 2);
    let written: BTreeSet<&str> = stats.bytes.iter().filter(|(_, n)| *n > 0).map(|(name, _)| name.as_str()).collect();
    assert_eq!(written, ["items", "records/log", "records/segment", "rows"].into());
}

#[tokio::test]
async fn an_idle_writer_is_closed_and_opened_again() {
    let folder = Folder::new();
    let store = folder.open_with(Options { writer_idle: Duration::from_millis(1), ..folder.options() });
    for i in 0..5 {
        let name = format!("s{i}");
        store.write(&Batch { records: vec![segment_at(&name, T0 + i)], rows: vec![] }).await.unwrap();
        support::wait_for(|| !support::has_thread("thrd-tantivy-in")).await;
    }
    assert_eq!(store.records(&all(RecordKind::Segment)).await.unwrap().records.len(), 5);
    assert_eq!(folder.partitions("segment").len(), 1);
}

#[tokio::test]
async fn a_row_of_a_lower_sequence_changes_nothing_also_after_a_restart() {
    let folder = Folder::new();
    let store = folder.open();
    let write = async |store: &Embedded, seq, value| {
        let batch = Batch { rows: vec![row("a", 5, seq, value)], records: vec![] };
        store.write(&batch).await.unwrap();
    };
    write(&store, 7, 70).await;
    write(&store, 6, 60).await;
    assert_eq!(support::count_of(&store, "a", 5).await, Some(70));
    store.close().await.unwrap();
    let store = folder.open();
    write(&store, 5, 50).await;
    assert_eq!(support::count_of(&store, "a", 5).await, Some(70));
    write(&store, 8, 80).await;
    assert_eq!(support::count_of(&store, "a", 5).await, Some(80));
}

#[tokio::test]
async fn changed_life_rows_are_found_by_the_marks_of_their_writers() {
    let folder = Folder::new();
    let store = folder.open();
    let names: Vec<String> = (0..50).map(|i| format!("e{i}")).collect();
    let rows = names.iter().map(|name| life(name, 1, 5)).collect();
    store.write(&Batch { rows, records: vec![] }).await.unwrap();
    let scan = async |store: &Embedded, marks: Option<storage::Marks>, limit| {
        let query = ScanQuery {
            scope: Scope::Service,
            step: Step::Life,
            from: model::Bucket(0),
            to: model::Bucket(0),
            entities: Entities::All,
            cells: vec![],
            changed_since: marks,
            after: None,
            limit,
        };
        support::scan_all(store, query).await
    };
    let (rows, marks) = scan(&store, None, 7).await;
    assert_eq!((rows.len(), marks.0.values().copied().collect::<Vec<_>>()), (50, vec![1]));
    assert_eq!(scan(&store, Some(marks.clone()), 7).await.0.len(), 0);
    store.write(&Batch { rows: vec![life("e3", 2, 9), life("new", 2, 9)], records: vec![] }).await.unwrap();
    store.close().await.unwrap();

    let store = folder.open();
    let (rows, marks) = scan(&store, Some(marks), 1).await;
    let mut changed: Vec<_> = rows.iter().map(|row| &*row.entity).collect();
    changed.sort_unstable();
    assert_eq!(changed, ["e3", "new"]);
    assert_eq!(marks.0.values().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn what_is_old_leaves_by_whole_partitions_and_entities() {
    let folder = Folder::new();
    let store = folder.open();
    let day = |n: i64| T0 + n * DAY;
    let minute = |n: i64| u32::try_from(day(n) / 60_000).unwrap();
    for n in 0..4 {
        folder.set_clock(day(n));
        let batch = Batch {
            rows: vec![row("a", minute(n), 1, 1), life(&format!("e{n}"), 1, i64::from(minute(n)))],
            records: vec![segment_at(&format!("s{n}"), day(n))],
        };
        store.write(&batch).await.unwrap();
    }
    let policy = Retention { records_days: 2, metrics_days: 3 };
    assert_eq!(store.expire(&policy, UnixMillis(day(2))).await.unwrap(), storage::Expired::default());
    let expired = store.expire(&policy, UnixMillis(day(5))).await.unwrap();
    assert_eq!(expired, storage::Expired { partitions: 3 + 2, rows: 2, items: 0 });
    assert_eq!(folder.partitions("segment").len(), 1);
    assert_eq!(ids(&store.records(&all(RecordKind::Segment)).await.unwrap()), ["s3"]);
    let query = SeriesQuery {
        scope: Scope::Service,
        step: Step::Minute,
        entities: vec!["a".into()],
        from: model::Bucket(0),
        to: model::Bucket(u32::MAX),
        cells: vec![COUNT],
    };
    assert_eq!(store.series(&query).await.unwrap()[0].points.len(), 2);
    // The partition that is written to leaves as well, and the next record opens another.
    assert_eq!(store.expire(&policy, UnixMillis(day(30))).await.unwrap().partitions, 1 + 2);
    assert_eq!(folder.partitions("segment").len(), 0);
    let batch = Batch { records: vec![segment_at("s9", day(30))], rows: vec![] };
    store.write(&batch).await.unwrap();
    assert_eq!(ids(&store.records(&all(RecordKind::Segment)).await.unwrap()), ["s9"]);
}

#[tokio::test]
async fn what_expired_is_not_answered_after_a_restart_either() {
    let folder = Folder::new();
    let store = folder.open();
    // A late record shares a partition with a younger one, so that its file stays.
    folder.set_clock(T0);
    let records = vec![segment_at("late", T0 - 2 * DAY), segment_at("young", T0)];
    store.write(&Batch { records, rows: vec![] }).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    let config = storage::Config { path: folder.path(), records_days: 2, ..storage::Config::default() };
    for (days, expected) in [(0, &["late", "young"][..]), (1, &["young"])] {
        folder.set_clock(T0 + days * DAY);
        let store = storage::open(&config, &Zone::utc(), &folder.clock()).await.unwrap();
        let mut found = ids(&store.records(&all(RecordKind::Segment)).await.unwrap());
        found.sort_unstable();
        assert_eq!(found, expected, "after {days} days");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_expired_is_hidden_also_where_nothing_can_be_removed() {
    let folder = Folder::new();
    let faults = Faults::new(|moment| if moment == "expire" { Err("no".to_owned()) } else { Ok(()) });
    let store = folder.open_with(Options { faults, ..folder.options() });
    let records = vec![segment_at("old", T0), support::log("old", T0)];
    store.write(&Batch { records, rows: vec![] }).await.unwrap();
    let policy = Retention { records_days: 2, metrics_days: 2 };
    store.expire(&policy, UnixMillis(T0 + 3 * DAY)).await.unwrap_err();
    for kind in [RecordKind::Segment, RecordKind::Log] {
        assert_eq!(ids(&store.records(&all(kind)).await.unwrap()), [""; 0], "{kind:?}");
    }
}
