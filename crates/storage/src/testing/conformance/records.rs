//! Examples of records.

use model::kinds::{RecordKind, log, segment};
use model::record::{FieldValue, Format, Record};

use super::{NOW, all, ids, record, write_records};
use crate::{Batch, Condition, Order, RecordOrder, RecordQuery, SharedStore, Test};

fn text(text: &str) -> FieldValue {
    FieldValue::Text(text.into())
}

fn tags(tags: &[&str]) -> FieldValue {
    FieldValue::Texts(tags.iter().map(|&t| t.into()).collect())
}

fn is(field: usize, test: Test) -> Condition {
    Condition { field, test, negate: false }
}

fn not(field: usize, test: Test) -> Condition {
    Condition { field, test, negate: true }
}

fn equal(value: &str) -> Test {
    Test::Equal(text(value))
}

fn content(id: &str, at: i64, content: &str) -> Record {
    record(RecordKind::Log, id, at, &[(log::CONTENT, text(content))])
}

pub(super) async fn a_repeated_id_is_one_record(store: SharedStore) {
    let one = record(RecordKind::Segment, "one", 0, &[(segment::TRACE_ID, text("t"))]);
    let log = Record { id: "one".into(), ..content("one", 0, "another kind") };
    write_records(&store, vec![one.clone(), one.clone(), log.clone()]).await;
    write_records(&store, vec![record(RecordKind::Segment, "two", 1, &[]), one.clone()]).await;
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await, ["one", "two"]);
    assert_eq!(ids(&store, &RecordQuery { offset: 1, ..all(RecordKind::Segment) }).await, ["two"]);
    assert_eq!(store.records(&all(RecordKind::Log)).await.expect("records").records, [log], "ids are a kind's own");
    let by_id = RecordQuery { ids: vec!["one".into(), "nobody".into()], ..all(RecordKind::Segment) };
    assert_eq!(store.records(&by_id).await.expect("records").records, [one]);
    let long = "é".repeat(900);
    write_records(&store, vec![record(RecordKind::Segment, &long, 2, &[])]).await;
    assert_eq!(ids(&store, &all(RecordKind::Segment)).await, ["one", "two", &long]);
}

pub(super) async fn records_come_back_as_they_were(store: SharedStore) {
    let full = record(
        RecordKind::Segment,
        "full",
        0,
        &[
            (segment::TRACE_ID, text("trace ✓ \u{10FFFF}")),
            (segment::SERVICE, text(&"𝔖".repeat(280))),
            (segment::LATENCY, FieldValue::Int(i64::MIN)),
            (segment::IS_ERROR, FieldValue::Bool(false)),
            (segment::TAGS, tags(&["a=1", "b=2", "a=3"])),
        ],
    );
    let big = Record { body: vec![0xFF; 3 << 20].into(), ..record(RecordKind::Segment, "big", 1, &[]) };
    let empty = Record { format: Format::None, body: bytes::Bytes::new(), ..record(RecordKind::Event, "none", 2, &[]) };
    let log = content("log", 3, "first line\nsecond — line");
    write_records(&store, vec![full.clone(), big.clone(), empty.clone(), log.clone()]).await;
    let of = async |kind| store.records(&all(kind)).await.expect("records").records;
    assert_eq!(of(RecordKind::Segment).await, [full, big]);
    assert_eq!(of(RecordKind::Event).await, [empty]);
    assert_eq!(of(RecordKind::Log).await, [log]);
}

pub(super) async fn conditions_hold_or_not(store: SharedStore) {
    let of = |id, at, trace, latency, error, t: &[&str]| {
        let fields = [
            (segment::TRACE_ID, text(trace)),
            (segment::LATENCY, FieldValue::Int(latency)),
            (segment::IS_ERROR, FieldValue::Bool(error)),
            (segment::TAGS, tags(t)),
        ];
        record(RecordKind::Segment, id, at, &fields)
    };
    write_records(
        &store,
        vec![
            of("a", 0, "T", 10, false, &["http.method=GET", "status=200"]),
            of("b", 1, "T", 20, true, &["http.method=POST", "status=500"]),
            of("c", 2, "t", -30, false, &["status=200 OK"]),
            record(RecordKind::Segment, "d", 3, &[]),
        ],
    )
    .await;
    let check = async |conditions: &[Condition], expected: &[&str]| {
        let query = RecordQuery { conditions: conditions.to_vec(), ..all(RecordKind::Segment) };
        assert_eq!(ids(&store, &query).await, expected, "{conditions:?}");
    };
    check(&[is(segment::TRACE_ID, equal("T"))], &["a", "b"]).await;
    check(&[not(segment::TRACE_ID, equal("T"))], &["c", "d"]).await;
    check(&[is(segment::TRACE_ID, Test::OneOf(vec!["t".into(), "x".into()]))], &["c"]).await;
    check(&[is(segment::TRACE_ID, Test::OneOf(Vec::new()))], &[]).await;
    check(&[is(segment::TAGS, equal("status=200"))], &["a"]).await;
    check(&[is(segment::TAGS, Test::OneOf(vec!["status=500".into(), "status=200 OK".into()]))], &["b", "c"]).await;
    check(&[is(segment::TAGS, equal("status=200")), is(segment::TAGS, equal("http.method=GET"))], &["a"]).await;
    check(&[is(segment::TAGS, equal("status=200")), is(segment::TAGS, equal("http.method=POST"))], &[]).await;
    check(&[not(segment::TAGS, equal("status=200"))], &["b", "c", "d"]).await;
    check(&[is(segment::LATENCY, Test::Within(10, 20))], &["a", "b"]).await;
    check(&[is(segment::LATENCY, Test::Within(i64::MIN, 10))], &["a", "c"]).await;
    check(&[is(segment::LATENCY, Test::Within(11, i64::MAX))], &["b"]).await;
    check(&[is(segment::LATENCY, Test::Equal(FieldValue::Int(-30)))], &["c"]).await;
    check(&[not(segment::LATENCY, Test::Within(0, 100))], &["c", "d"]).await;
    check(&[is(segment::IS_ERROR, Test::Equal(FieldValue::Bool(true)))], &["b"]).await;
    check(&[is(segment::IS_ERROR, Test::Equal(FieldValue::Bool(false)))], &["a", "c"]).await;

    let time = async |from: i64, to: i64| {
        let query = RecordQuery { time: Some((NOW.plus(from), NOW.plus(to))), ..all(RecordKind::Segment) };
        ids(&store, &query).await
    };
    assert_eq!(time(1, 2).await, ["b", "c"], "both ends are included");
    assert_eq!(time(i64::MIN, 0).await, ["a"]);
    assert_eq!(time(4, i64::MAX).await, [""; 0]);
    let narrow = RecordQuery {
        ids: vec!["a".into(), "b".into()],
        conditions: vec![is(segment::LATENCY, Test::Within(20, 20))],
        ..all(RecordKind::Segment)
    };
    assert_eq!(ids(&store, &narrow).await, ["b"], "ids and conditions must both hold");
}

pub(super) async fn phrases_are_words_next_to_each_other(store: SharedStore) {
    write_records(
        &store,
        vec![
            content("a", 0, "Connection RESET by peer: db-1.example:5432"),
            content("b", 1, "peer by reset connection, connection"),
            content("c", 2, "reset; by -- PEER"),
            content("d", 3, "Größe überschritten, ÉTAT 数据库连接失败"),
            record(RecordKind::Log, "e", 4, &[]),
        ],
    )
    .await;
    let check = async |conditions: &[Condition], expected: &[&str]| {
        let query = RecordQuery { conditions: conditions.to_vec(), ..all(RecordKind::Log) };
        assert_eq!(ids(&store, &query).await, expected, "{conditions:?}");
    };
    let phrase = |text: &str| is(log::CONTENT, Test::Phrase(text.to_owned()));
    check(&[phrase("reset by peer")], &["a", "c"]).await;
    check(&[phrase("Reset BY")], &["a", "c"]).await;
    check(&[phrase("connection")], &["a", "b"]).await;
    check(&[phrase("connection connection")], &["b"]).await;
    check(&[phrase("connection by")], &[]).await;
    check(&[phrase("conn")], &[]).await;
    check(&[phrase("db 1 example")], &["a"]).await;
    check(&[phrase("étaT")], &["d"]).await;
    check(&[phrase("GRÖSSE")], &[]).await;
    check(&[phrase("GRÖßE Überschritten")], &["d"]).await;
    check(&[phrase("连接失败")], &["d"]).await;
    check(&[phrase("连失")], &[]).await;
    check(&[phrase("reset by peer"), phrase("5432")], &["a"]).await;
    check(&[not(log::CONTENT, Test::Phrase("connection".to_owned()))], &["c", "d", "e"]).await;
}

pub(super) async fn order_ties_offset_and_limit(store: SharedStore) {
    // Three days, so that answers come from several partitions; ids do not follow the times.
    let day = 24 * 3_600_000;
    let of = |id, at, latency| record(RecordKind::Segment, id, at, &[(segment::LATENCY, FieldValue::Int(latency))]);
    let records = [of("e", 0, 5), of("a", day, 7), of("d", -day, 7), of("c", day, 5), of("b", 0, 9), of("f", 1, -2)];
    let (first, rest) = records.split_at(3);
    write_records(&store, rest.to_vec()).await;
    store.write(&Batch { rows: Vec::new(), records: first.to_vec() }).await.expect("a write");
    let check = async |order, expected: &str| {
        let query = RecordQuery { order, ..all(RecordKind::Segment) };
        assert_eq!(ids(&store, &query).await.join(""), expected, "{order:?}");
        for limit in 1..=7 {
            let mut paged = String::new();
            for offset in (0..7).step_by(limit) {
                paged.push_str(&ids(&store, &RecordQuery { offset, limit, ..query.clone() }).await.join(""));
            }
            assert_eq!(paged, expected, "{order:?} in pages of {limit}");
        }
    };
    check(RecordOrder::Time(Order::Asc), "dbefac").await;
    check(RecordOrder::Time(Order::Desc), "acfbed").await;
    check(RecordOrder::Field(segment::LATENCY, Order::Asc), "fceadb").await;
    check(RecordOrder::Field(segment::LATENCY, Order::Desc), "badcef").await;
    assert_eq!(ids(&store, &RecordQuery { offset: 6, ..all(RecordKind::Segment) }).await, [""; 0]);
}
