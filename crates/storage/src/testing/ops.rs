//! Generated writes and questions. Few entities, buckets, writers and sequences, so that they meet.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use model::agg::to_fixed;
use model::cell::{self, CellId};
use model::item::{Item, Revision};
use model::kinds::{ItemKind, RecordKind, alarm, alarm_recovery, event, log, segment, trace};
use model::metric::Function;
use model::record::{FieldValue, Format, Record};
use model::{Agg, Bucket, ByteString, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::chance::Chance;
use crate::{
    Attr, Batch, Condition, Entities, ItemQuery, Marks, Order, RecordOrder, RecordQuery, ScanQuery, SeriesQuery, Test,
    TopQuery,
};

/// One call of a store.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Op {
    Write(Batch),
    Series(SeriesQuery),
    Top(TopQuery),
    /// All pages of it.
    Scan(ScanQuery),
    Records(RecordQuery),
    Items(ItemQuery),
    Swap(Vec<(Item, Revision)>),
}

/// 2024-01-15T12:00:00Z.
const MINUTE: u32 = 28_422_000;
const DAY: u32 = 1_440;
const SCOPES: [Scope; 3] = [Scope::Service, Scope::ServiceRelation, Scope::Tag];
const SERVICES: [&str; 5] = ["YQ==.1", "Yg==.1", "Yg==.0", "YmM=.1", "w7w=.1"];
const METRICS: [(CellId, Function); 4] = [
    (CellId(cell::FIRST_METRIC), Function::Cpm),
    (CellId(cell::FIRST_METRIC + 1), Function::LongAvg),
    (CellId(cell::FIRST_METRIC + 2), Function::Percentile { precision: 10 }),
    (CellId(cell::FIRST_METRIC + 3), Function::DoubleAvg),
];
const RECORDS: u64 = 60;
const WORDS: [&str; 6] = ["Reset", "by", "peer", "ÜBER", "db-1", "连接"];

/// Sequences of calls: writes of several writers, late and repeated, with questions of every sort between them.
///
/// The same sequence of the same partial always says the same, and the same record id is always the same record, as the contract
/// wants it of whoever writes.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => batch().prop_map(Op::Write),
        2 => series().prop_map(Op::Series),
        2 => top().prop_map(Op::Top),
        3 => scan().prop_map(Op::Scan),
        3 => records().prop_map(Op::Records),
        1 => items().prop_map(Op::Items),
        2 => prop::collection::vec(swap(), 1..4).prop_map(Op::Swap),
    ];
    prop::collection::vec(op, 1..40)
}

fn entity(scope: Scope) -> impl Strategy<Value = Arc<str>> {
    (select(&SERVICES), select(&SERVICES)).prop_map(move |(a, b)| {
        if scope == Scope::ServiceRelation { model::id::relation(a, b).into() } else { a.into() }
    })
}

fn place() -> impl Strategy<Value = (Scope, Step)> {
    (select(&SCOPES), select(&Step::ALL))
}

/// Buckets of three days, whole hours or days for those steps.
fn bucket(step: Step) -> impl Strategy<Value = Bucket> {
    (0u32..3, 0u32..3).prop_map(move |(day, n)| match step {
        Step::Minute => Bucket(MINUTE + (day * DAY) + n),
        Step::Hour => Bucket(MINUTE + (day * DAY) + n * 60),
        Step::Day => Bucket(MINUTE - DAY / 2 + day * DAY),
        Step::Life => Bucket(0),
    })
}

fn range(step: Step) -> impl Strategy<Value = (Bucket, Bucket)> {
    (bucket(step), bucket(step)).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn row() -> impl Strategy<Value = Row> {
    let key = place().prop_flat_map(|(scope, step)| {
        let of = (bucket(step), entity(scope));
        of.prop_map(move |(bucket, entity)| RowKey { scope, step, bucket, entity })
    });
    (key, select(&[1u64, 2, u64::MAX]), 1u32..3, 0u64..6).prop_map(|(key, writer, life, seq)| {
        let partial = Partial { writer, life };
        let cells = contents(&key, partial, seq);
        Row { key, partial, seq, cells }
    })
}

/// A source of chance that belongs to an identity.
fn chance_of(identity: &impl Hash) -> Chance {
    Chance::new(foldhash::quality::FixedState::with_seed(0).hash_one(identity))
}

/// What a partial says under a sequence: at least one cell, each function's own kind.
fn contents(key: &RowKey, partial: Partial, seq: u64) -> Cells {
    let mut chance = chance_of(&(key, partial, seq));
    let mut small = |end: u64| i32::try_from(chance.below(end)).unwrap_or(0);
    let mut cells = Cells::default();
    if key.step == Step::Life {
        cells.merge_cell(cell::LAST_PING, &Agg::Max(i64::from(MINUTE) + i64::from(small(9))));
    }
    if small(3) > 0 || key.step == Step::Life {
        cells.merge_cell(cell::LAYERS, &Agg::id(small(3)));
    }
    let at = UnixMillis(small(5).into());
    let aggs = [
        Agg::Count(u64::from(small(200).unsigned_abs())),
        Agg::Avg { sum: i64::from(small(400)) - 100, count: u64::from(small(4).unsigned_abs()) },
        Agg::Percentile((0..small(4)).map(|_| (small(6), 1 + u64::from(small(3).unsigned_abs()))).collect()),
        Agg::AvgF { sum: to_fixed(f64::from(small(64)) / 4.0), count: 1 << small(3) },
    ];
    for ((id, _), agg) in METRICS.iter().zip(aggs) {
        if small(2) > 0 || cells.is_empty() {
            cells.merge_cell(*id, &agg);
        }
    }
    if small(4) == 0 {
        cells.merge_cell(cell::PROPERTIES, &Agg::text(SERVICES[0], at, SERVICES[1]));
    }
    cells
}

fn word(chance: &mut Chance) -> &'static str {
    WORDS[usize::try_from(chance.below(WORDS.len() as u64)).unwrap_or(0)]
}

/// The record of a number.
fn record(n: u64) -> Record {
    let mut chance = chance_of(&n);
    let kind = RecordKind::ALL[usize::try_from(n % RecordKind::ALL.len() as u64).unwrap_or(0)];
    let mut fields = vec![FieldValue::Absent; kind.def().fields.len()];
    let text = |chance: &mut Chance| FieldValue::Text(word(chance).into());
    let tags = |chance: &mut Chance| FieldValue::Texts((0..chance.below(4)).map(|_| word(chance).into()).collect());
    let int = |chance: &mut Chance, end| FieldValue::Int(i64::try_from(chance.below(end)).unwrap_or(0));
    let format = match kind {
        RecordKind::Segment => {
            fields[segment::TRACE_ID] = text(&mut chance);
            fields[segment::LATENCY] = int(&mut chance, 6);
            fields[segment::IS_ERROR] = FieldValue::Bool(chance.per_mille(500));
            fields[segment::TAGS] = tags(&mut chance);
            Format::Segment
        }
        RecordKind::Log => {
            fields[log::SERVICE] = text(&mut chance);
            fields[log::SPAN_ID] = int(&mut chance, 3);
            fields[log::TAGS] = tags(&mut chance);
            let words: Vec<_> = (0..chance.below(9)).map(|_| word(&mut chance)).collect();
            fields[log::CONTENT] = FieldValue::Text(words.join(" ").into());
            Format::Log
        }
        RecordKind::Event => {
            fields[event::UUID] = text(&mut chance);
            Format::Event
        }
        RecordKind::Trace => {
            fields[trace::TRACE_IDS] = tags(&mut chance);
            fields[trace::SERVICES] = tags(&mut chance);
            fields[trace::LONGEST] = int(&mut chance, 6);
            fields[trace::IS_ERROR] = FieldValue::Bool(chance.per_mille(500));
            Format::Summary
        }
        RecordKind::Alarm => {
            fields[alarm::SCOPE] = int(&mut chance, 6);
            fields[alarm::ENTITIES] = tags(&mut chance);
            let words: Vec<_> = (0..chance.below(9)).map(|_| word(&mut chance)).collect();
            fields[alarm::MESSAGE] = FieldValue::Text(words.join(" ").into());
            Format::Alarm
        }
        RecordKind::AlarmRecovery => {
            fields[alarm_recovery::INCIDENT] = text(&mut chance);
            Format::None
        }
    };
    // Times collide, over three days.
    let day = i64::try_from(chance.below(3)).unwrap_or(0) * 86_400_000;
    let time = Bucket(MINUTE).start().plus(day + i64::try_from(chance.below(5)).unwrap_or(0));
    Record { kind, id: format!("r{n}").into(), time, fields, format, body: n.to_string().into() }
}

fn batch() -> impl Strategy<Value = Batch> {
    let rows = prop::collection::vec(row(), 0..12);
    let records = prop::collection::vec((0..RECORDS).prop_map(record), 0..12);
    (rows, records).prop_map(|(rows, records)| Batch { rows, records })
}

fn cells() -> impl Strategy<Value = Vec<CellId>> {
    let all = vec![cell::LAST_PING, cell::LAYERS, cell::PROPERTIES, METRICS[0].0, METRICS[1].0, METRICS[2].0];
    subsequence(all, 1..=6)
}

fn entities(scope: Scope) -> BoxedStrategy<Entities> {
    let ids = prop::collection::vec(entity(scope), 0..4).prop_map(Entities::Ids);
    let prefix = (select(&SERVICES), any::<Index>())
        .prop_map(|(s, cut)| Entities::Prefix(s.chars().take(cut.index(5)).collect()));
    if scope != Scope::ServiceRelation {
        return prop_oneof![3 => Just(Entities::All), 1 => ids, 1 => prefix].boxed();
    }
    let touching = prop::collection::vec(entity(Scope::Service), 0..3).prop_map(Entities::Touching);
    let between =
        (select(&SERVICES), select(&SERVICES)).prop_map(|(a, b)| Entities::Between(a.to_owned(), b.to_owned()));
    prop_oneof![3 => Just(Entities::All), 1 => ids, 1 => prefix, 2 => touching, 2 => between].boxed()
}

fn series() -> impl Strategy<Value = SeriesQuery> {
    // Life rows have no buckets to draw a series of.
    (select(&SCOPES), select(&Step::ALL[..3]), cells()).prop_flat_map(|(scope, step, cells)| {
        let ids = prop::collection::btree_set(entity(scope), 0..5);
        (range(step), ids).prop_map(move |((from, to), ids)| SeriesQuery {
            scope,
            step,
            entities: ids.into_iter().collect(),
            from,
            to,
            cells: cells.clone(),
        })
    })
}

fn order() -> impl Strategy<Value = Order> {
    select(&[Order::Asc, Order::Desc])
}

fn top() -> impl Strategy<Value = TopQuery> {
    (select(&SCOPES), select(&Step::ALL[..3])).prop_flat_map(|(scope, step)| {
        let attr = (any::<bool>(), 0i32..3).prop_map(|(equal, id)| Attr { cell: cell::LAYERS, equal, id });
        let attrs = prop::collection::vec(attr, 0..2);
        (range(step), select(&METRICS), order(), 1usize..8, entities(scope), attrs).prop_map(
            move |((from, to), (cell, function), order, n, entities, attrs)| TopQuery {
                scope,
                step,
                from,
                to,
                cell,
                function,
                order,
                n,
                entities,
                attrs,
            },
        )
    })
}

fn scan() -> impl Strategy<Value = ScanQuery> {
    let marks = prop::collection::btree_map(select(&[1u64, 2, u64::MAX]), 0u64..6, 0..4).prop_map(Marks);
    let rest = (prop_oneof![Just(Vec::new()), cells()], prop::option::of(marks), 1usize..9);
    (place(), rest).prop_flat_map(|((scope, step), (cells, changed_since, limit))| {
        (range(step), entities(scope)).prop_map(move |((from, to), entities)| ScanQuery {
            scope,
            step,
            from,
            to,
            entities,
            cells: cells.clone(),
            changed_since: changed_since.clone(),
            after: None,
            limit,
        })
    })
}

fn keyword() -> impl Strategy<Value = ByteString> {
    select(&WORDS).prop_map(ByteString::from)
}

fn keyword_test() -> impl Strategy<Value = Test> {
    let equal = keyword().prop_map(|text| Test::Equal(FieldValue::Text(text)));
    prop_oneof![equal, prop::collection::vec(keyword(), 0..3).prop_map(Test::OneOf)]
}

/// A condition that the kind has a field for.
fn condition(kind: RecordKind) -> BoxedStrategy<Condition> {
    let phrase =
        prop::collection::vec(select(&WORDS), 1..4).prop_map(|words| Test::Phrase(words.join("/").to_uppercase()));
    let within = (0i64..6, 0i64..6).prop_map(|(a, b)| Test::Within(a, b));
    let of = |field, test: BoxedStrategy<Test>| (Just(field), test);
    let test = match kind {
        RecordKind::Segment => prop_oneof![
            of(segment::TRACE_ID, keyword_test().boxed()),
            of(segment::TAGS, keyword_test().boxed()),
            of(segment::LATENCY, within.boxed()),
            of(segment::IS_ERROR, any::<bool>().prop_map(|b| Test::Equal(FieldValue::Bool(b))).boxed()),
        ]
        .boxed(),
        RecordKind::Log => prop_oneof![
            of(log::SERVICE, keyword_test().boxed()),
            of(log::TAGS, keyword_test().boxed()),
            of(log::SPAN_ID, (0i64..3).prop_map(|n| Test::Equal(FieldValue::Int(n))).boxed()),
            of(log::CONTENT, phrase.boxed()),
        ]
        .boxed(),
        RecordKind::Event => of(event::UUID, keyword_test().boxed()).boxed(),
        RecordKind::Trace => prop_oneof![
            of(trace::TRACE_IDS, keyword_test().boxed()),
            of(trace::SERVICES, keyword_test().boxed()),
            of(trace::LONGEST, within.boxed()),
        ]
        .boxed(),
        RecordKind::Alarm => prop_oneof![
            of(alarm::SCOPE, within.boxed()),
            of(alarm::ENTITIES, keyword_test().boxed()),
            of(alarm::MESSAGE, phrase.boxed()),
        ]
        .boxed(),
        RecordKind::AlarmRecovery => of(alarm_recovery::INCIDENT, keyword_test().boxed()).boxed(),
    };
    (test, any::<bool>()).prop_map(|((field, test), negate)| Condition { field, test, negate }).boxed()
}

fn records() -> impl Strategy<Value = RecordQuery> {
    let time = prop::option::of((0u32..3, 0i64..5, 0u32..3, 0i64..5).prop_map(|(day, ms, days, more)| {
        let from = Bucket(MINUTE + day * DAY).start().plus(ms);
        (from, from.plus(i64::from(days) * 86_400_000 + more))
    }));
    let ids = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec((0..RECORDS).prop_map(|n| format!("r{n}").into()), 1..9),
    ];
    let page = (0usize..6, 1usize..20);
    select(&RecordKind::ALL).prop_flat_map(move |kind| {
        let by = match kind {
            RecordKind::Segment => Some(segment::LATENCY),
            RecordKind::Log => Some(log::SPAN_ID),
            RecordKind::Event | RecordKind::AlarmRecovery => None,
            RecordKind::Alarm => Some(alarm::SCOPE),
            RecordKind::Trace => Some(trace::LONGEST),
        };
        let order = (order(), any::<bool>()).prop_map(move |(order, by_field)| match by {
            Some(field) if by_field => RecordOrder::Field(field, order),
            _ => RecordOrder::Time(order),
        });
        let conditions = prop::collection::vec(condition(kind), 0..3);
        (time.clone(), ids.clone(), conditions, order, page.clone()).prop_map(
            move |(time, ids, conditions, order, (offset, limit))| RecordQuery {
                kind,
                time,
                ids,
                conditions,
                order,
                offset,
                limit,
            },
        )
    })
}

fn item_id() -> impl Strategy<Value = String> {
    select(&["a", "b", "ü"]).prop_map(str::to_owned)
}

fn item_kind() -> impl Strategy<Value = ItemKind> {
    select(&[ItemKind::Template, ItemKind::Lease])
}

fn items() -> impl Strategy<Value = ItemQuery> {
    (item_kind(), prop::collection::vec(item_id(), 0..3), any::<bool>()).prop_map(|(kind, ids, tombstones)| ItemQuery {
        kind,
        ids,
        tombstones,
    })
}

fn swap() -> impl Strategy<Value = (Item, Revision)> {
    (item_kind(), item_id(), 0u64..4, 0u64..8, any::<bool>()).prop_map(|(kind, id, expected, nonce, tombstone)| {
        let updated = UnixMillis(i64::try_from(nonce).unwrap_or(0));
        let item = Item { kind, id, revision: Revision(9), nonce, tombstone, updated, body: format!("{nonce}") };
        (item, Revision(expected))
    })
}

/// Questions that together ask for everything.
pub(super) fn everything() -> Vec<Op> {
    let mut all = Vec::new();
    for scope in SCOPES {
        for step in Step::ALL {
            all.push(Op::Scan(ScanQuery {
                scope,
                step,
                from: Bucket(0),
                to: Bucket(u32::MAX),
                entities: Entities::All,
                cells: Vec::new(),
                changed_since: Some(Marks(BTreeMap::new())),
                after: None,
                limit: 7,
            }));
        }
    }
    for kind in RecordKind::ALL {
        let order = RecordOrder::Time(Order::Desc);
        let (ids, conditions) = (Vec::new(), Vec::new());
        all.push(Op::Records(RecordQuery { kind, time: None, ids, conditions, order, offset: 0, limit: 1_000 }));
    }
    for kind in ItemKind::ALL {
        // A backend may keep notes of its own under `Meta`.
        if kind != ItemKind::Meta {
            all.push(Op::Items(ItemQuery { kind, ids: Vec::new(), tombstones: true }));
        }
    }
    all
}
