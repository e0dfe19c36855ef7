//! Examples of rows.

use std::collections::BTreeMap;

use model::agg::{Fixed, Statement, to_fixed};
use model::buckets::Buckets;
use model::metric::Function;
use model::{Agg, Bucket, Row, RowKey, Scope, Step, UnixMillis, cell};

use super::{CALLS, LATENCY, MINUTE, calls, cells, latency, row, scan, scanned, series, write_rows};
use crate::{Attr, Entities, Marks, Order, ScanQuery, SeriesQuery, SharedStore, TopQuery};

const A: (u64, u32) = (0xA, 1);
const A2: (u64, u32) = (0xA, 2);
const B: (u64, u32) = (u64::MAX, 1);

fn top(n: usize) -> TopQuery {
    TopQuery {
        scope: Scope::Service,
        step: Step::Minute,
        from: MINUTE,
        to: Bucket(MINUTE.0 + 9),
        cell: LATENCY,
        function: Function::LongAvg,
        order: Order::Desc,
        n,
        entities: Entities::All,
        attrs: Vec::new(),
    }
}

async fn ranked(store: &SharedStore, query: &TopQuery) -> Vec<(String, f64)> {
    let entries = store.top(query).await.expect("a ranking");
    entries.into_iter().map(|entry| (entry.entity.to_string(), entry.value)).collect()
}

fn named(entries: &[(&str, f64)]) -> Vec<(String, f64)> {
    entries.iter().map(|&(entity, value)| (entity.to_owned(), value)).collect()
}

pub(super) async fn partials_merge_and_a_later_sequence_replaces(store: SharedStore) {
    let count = || async {
        let series = store.series(&series(&["s"])).await.expect("a series");
        match series.first().and_then(|s| s.points.first()).and_then(|(_, cells)| cells.get(CALLS)) {
            Some(Agg::Count(n)) => *n,
            other => panic!("a count was written: {other:?}"),
        }
    };
    write_rows(&store, vec![row("s", 0, A, 5, &[calls(10)])]).await;
    write_rows(&store, vec![row("s", 0, A2, 6, &[calls(200)]), row("s", 0, B, 1, &[calls(3_000)])]).await;
    assert_eq!(count().await, 3_210, "partials of writers and of openings add up");
    write_rows(&store, vec![row("s", 0, A, 7, &[calls(11)])]).await;
    assert_eq!(count().await, 3_211, "a higher sequence replaces its own partial only");
    write_rows(&store, vec![row("s", 0, A, 6, &[calls(99)])]).await;
    assert_eq!(count().await, 3_211, "a lower sequence came late and changes nothing");
    write_rows(&store, vec![row("s", 0, A, 7, &[calls(11)])]).await;
    assert_eq!(count().await, 3_211, "the same write again changes nothing");
    let both = vec![row("s", 0, A, 9, &[calls(13)]), row("s", 0, A, 8, &[calls(99)])];
    write_rows(&store, both).await;
    assert_eq!(count().await, 3_213, "order within a batch means nothing");
    write_rows(&store, vec![row("s", 0, A, 10, &[latency(5, 1)])]).await;
    assert_eq!(count().await, 3_200, "a replaced partial leaves no cell behind");
}

pub(super) async fn series_hold_the_asked_cells_of_the_asked_entities(store: SharedStore) {
    let hour =
        Row { key: RowKey { step: Step::Hour, ..row("s", 0, A, 1, &[]).key }, ..row("s", 0, A, 1, &[calls(60)]) };
    let instance = Row {
        key: RowKey { scope: Scope::ServiceInstance, ..row("s", 0, A, 1, &[]).key },
        ..row("s", 0, A, 1, &[calls(5)])
    };
    write_rows(
        &store,
        vec![
            row("s", 2, A, 1, &[calls(2), latency(9, 3)]),
            row("s", 0, A, 1, &[calls(1)]),
            row("s", 1, A, 1, &[latency(4, 2)]),
            row("s", 10, A, 1, &[calls(7)]),
            row("t", 3, A, 1, &[calls(3)]),
            row("u", 3, A, 1, &[calls(4)]),
            row("v", 3, A, 1, &[latency(4, 2)]),
            hour,
            instance,
        ],
    )
    .await;
    let answer = |query: SeriesQuery| {
        let store = store.clone();
        async move {
            let mut all: Vec<_> = store.series(&query).await.expect("a series");
            all.sort_by(|a, b| a.entity.cmp(&b.entity));
            let points = |s: crate::Series| s.points.into_iter().map(|(b, c)| (b.0 - MINUTE.0, c)).collect::<Vec<_>>();
            all.into_iter().map(|s| (s.entity.to_string(), points(s))).collect::<Vec<_>>()
        }
    };
    let s = ("s".to_owned(), vec![(0, cells(&[calls(1)])), (2, cells(&[calls(2)]))]);
    let t = ("t".to_owned(), vec![(3, cells(&[calls(3)]))]);
    let asked = series(&["t", "nobody", "s", "v"]);
    assert_eq!(answer(asked.clone()).await, [s, t], "empty buckets and entities without data are left out");
    let both = SeriesQuery { cells: vec![LATENCY, CALLS], from: Bucket(MINUTE.0 + 2), ..asked.clone() };
    let merged = vec![(2, cells(&[calls(2), latency(9, 3)]))];
    assert_eq!(answer(both).await[0], ("s".to_owned(), merged), "both cells, and both ends are included");
    let none = SeriesQuery { entities: Vec::new(), ..asked };
    assert_eq!(answer(none).await, []);
}

pub(super) async fn top_ranks_by_the_mean_of_merged_buckets(store: SharedStore) {
    write_rows(
        &store,
        vec![
            // Two partials of one bucket: 900 / 3 = 300, not the mean of 100 and 400.
            row("merged", 0, A, 1, &[latency(100, 1)]),
            row("merged", 0, B, 1, &[latency(800, 2)]),
            // Buckets weigh the same whatever they hold: (10 + 401) / 2.
            row("mean", 0, A, 1, &[latency(1_000, 100)]),
            row("mean", 1, A, 1, &[latency(401, 1)]),
            // A bucket without a value does not count.
            row("gap", 0, A, 1, &[latency(50, 1)]),
            row("gap", 1, A, 1, &[calls(1)]),
            row("gap", 2, A, 1, &[latency(0, 0)]),
            // Integer division within the bucket, as the function has it.
            row("tie-b", 0, A, 1, &[latency(7, 1)]),
            row("tie-a", 0, A, 1, &[latency(15, 2)]),
            row("outside", 10, A, 1, &[latency(9_999, 1)]),
            row("calls", 0, A, 1, &[calls(9_999)]),
        ],
    )
    .await;
    let down = [("merged", 300.0), ("mean", 205.5), ("gap", 50.0), ("tie-a", 7.0), ("tie-b", 7.0)];
    assert_eq!(ranked(&store, &top(10)).await, named(&down));
    assert_eq!(ranked(&store, &top(2)).await, named(&down[..2]));
    let up = [("tie-a", 7.0), ("tie-b", 7.0), ("gap", 50.0), ("mean", 205.5), ("merged", 300.0)];
    assert_eq!(ranked(&store, &TopQuery { order: Order::Asc, ..top(10) }).await, named(&up));
    assert_eq!(ranked(&store, &TopQuery { order: Order::Asc, ..top(1) }).await, named(&up[..1]));
    let ids = Entities::Ids(vec!["gap".into(), "mean".into(), "nobody".into()]);
    assert_eq!(ranked(&store, &TopQuery { entities: ids, ..top(10) }).await, named(&down[1..3]));
    let tie = Entities::Prefix("tie".to_owned());
    assert_eq!(ranked(&store, &TopQuery { entities: tie, ..top(10) }).await, named(&down[3..]));
}

pub(super) async fn top_counts_only_buckets_whose_attributes_fit(store: SharedStore) {
    let layer = |ids: &[i32]| (cell::LAYERS, Agg::Ids(ids.to_vec().into()));
    write_rows(
        &store,
        vec![
            row("two", 0, A, 1, &[latency(10, 1), layer(&[2])]),
            row("two", 1, A, 1, &[latency(30, 1), layer(&[14])]),
            // The lowest id of the merged row counts, and one partial alone does not have it.
            row("mixed", 0, A, 1, &[latency(40, 1), layer(&[14])]),
            row("mixed", 0, B, 1, &[latency(60, 1), layer(&[2])]),
            row("bare", 0, A, 1, &[latency(5, 1)]),
        ],
    )
    .await;
    let with = |equal, id| TopQuery { attrs: vec![Attr { cell: cell::LAYERS, equal, id }], ..top(10) };
    assert_eq!(ranked(&store, &with(true, 2)).await, named(&[("mixed", 50.0), ("two", 10.0)]));
    assert_eq!(ranked(&store, &with(true, 14)).await, named(&[("two", 30.0)]));
    assert_eq!(ranked(&store, &with(false, 2)).await, named(&[("two", 30.0), ("bare", 5.0)]));
    let none = TopQuery { attrs: [with(true, 2).attrs, with(true, 14).attrs].concat(), ..top(10) };
    assert_eq!(ranked(&store, &none).await, []);
}

pub(super) async fn scan_pages_hold_each_row_once_while_others_are_written(store: SharedStore) {
    let rows: Vec<Row> =
        (0..40).map(|n| row(&format!("s{:02}", n % 10), n / 10, A, 1, &[calls(u64::from(n))])).collect();
    write_rows(&store, rows).await;
    let whole = scanned(&store, &scan()).await;
    assert_eq!(whole.len(), 40);
    for limit in [1, 3, 10, 39, 40, 41] {
        assert_eq!(scanned(&store, &ScanQuery { limit, ..scan() }).await, whole, "pages of {limit}");
    }
    // What is written between two pages may show or not, but nothing else moves.
    let mut seen = Vec::new();
    let mut after = None;
    for n in 0.. {
        let page = store.scan(&ScanQuery { limit: 7, after, ..scan() }).await.expect("a scan");
        seen.extend(page.rows.into_iter().filter(|r| r.entity.starts_with('s')).map(|r| (r.bucket, r.entity)));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(n < 100, "pages come to an end");
        write_rows(&store, vec![row(&format!("a{n}"), n % 4, A, 1, &[calls(1)]), row("s00", 0, B, 1, &[calls(1)])])
            .await;
    }
    let mut sorted = seen.clone();
    sorted.sort();
    let expected: Vec<_> = whole.into_iter().map(|(m, e, _)| (Bucket(MINUTE.0 + m), e.as_str().into())).collect();
    assert_eq!(sorted, expected, "each once");
}

pub(super) async fn scan_takes_entities_and_cells(store: SharedStore) {
    let a = model::id::service("a", true);
    let b = model::id::service("b", true);
    let c = model::id::service("c", false);
    let [ab, ba, bc] = [(&a, &b), (&b, &a), (&b, &c)].map(|(s, d)| model::id::relation(s, d));
    let endpoints = model::id::endpoint_relation(&a, "/x", &b, "/y");
    for (scope, entities) in [
        (Scope::Service, vec![&a, &b, &c]),
        (Scope::ServiceRelation, vec![&ab, &ba, &bc]),
        (Scope::EndpointRelation, vec![&endpoints]),
    ] {
        let rows = entities.into_iter().map(|e| {
            let row = row(e, 0, A, 1, &[calls(1), latency(2, 1)]);
            Row { key: RowKey { scope, ..row.key }, ..row }
        });
        write_rows(&store, rows.collect()).await;
    }
    let check = async |scope, entities: Entities, expected: &[&String]| {
        let rows = scanned(&store, &ScanQuery { scope, entities: entities.clone(), ..scan() }).await;
        let mut expected: Vec<_> = expected.iter().map(|e| (*e).clone()).collect();
        expected.sort();
        assert_eq!(rows.into_iter().map(|(_, e, _)| e).collect::<Vec<_>>(), expected, "{entities:?}");
    };
    check(Scope::Service, Entities::All, &[&a, &b, &c]).await;
    check(Scope::Service, Entities::Ids(vec![b.as_str().into(), "nobody".into()]), &[&b]).await;
    check(Scope::Service, Entities::Ids(Vec::new()), &[]).await;
    check(Scope::Service, Entities::Prefix(a.clone()), &[&a]).await;
    check(Scope::ServiceRelation, Entities::Touching(vec![a.as_str().into()]), &[&ab, &ba]).await;
    check(Scope::ServiceRelation, Entities::Touching(vec![c.as_str().into()]), &[&bc]).await;
    check(Scope::ServiceRelation, Entities::Between(a.clone(), b.clone()), &[&ab, &ba]).await;
    check(Scope::EndpointRelation, Entities::Touching(vec![model::id::endpoint(&b, "/y").into()]), &[&endpoints]).await;
    check(Scope::EndpointRelation, Entities::Between(b.clone(), a.clone()), &[&endpoints]).await;

    write_rows(&store, vec![row("only-calls", 1, A, 1, &[calls(3)])]).await;
    let latencies = scanned(&store, &ScanQuery { cells: vec![LATENCY], ..scan() }).await;
    assert_eq!(latencies.len(), 3, "rows without any of the cells are left out");
    assert!(latencies.iter().all(|(_, _, c)| *c == cells(&[latency(2, 1)])), "other cells are left out");
    let first = ScanQuery { to: MINUTE, ..scan() };
    assert_eq!(scanned(&store, &first).await.len(), 3, "the range has both ends");
}

pub(super) async fn scan_of_changes_answers_whole_entities(store: SharedStore) {
    let life = |entity: &str, partial, seq, minute| {
        let row = row(entity, 0, partial, seq, &[(cell::LAST_PING, Agg::Max(minute))]);
        Row { key: RowKey { step: Step::Life, bucket: Bucket(0), ..row.key }, ..row }
    };
    let query = ScanQuery { step: Step::Life, ..scan() };
    write_rows(&store, vec![life("a", A, 4, 100), life("a", B, 9, 90), life("b", A, 5, 50)]).await;
    let marks = store.scan(&query).await.expect("a scan").marks;
    assert_eq!(marks, Marks(BTreeMap::from([(A.0, 5), (B.0, 9)])), "the highest sequence of each writer");

    let changes = async |since: &Marks| {
        let rows = scanned(&store, &ScanQuery { changed_since: Some(since.clone()), ..query.clone() }).await;
        rows.into_iter().map(|(_, e, c)| (e, c.get(cell::LAST_PING).cloned())).collect::<Vec<_>>()
    };
    assert_eq!(changes(&marks).await, [], "nothing changed since");
    let stepped = Marks(BTreeMap::from([(A.0, 3), (B.0, 9)]));
    let both = [("a".to_owned(), Some(Agg::Max(100))), ("b".to_owned(), Some(Agg::Max(50)))];
    assert_eq!(changes(&stepped).await, both, "a mark that is stepped back swallows nothing");
    write_rows(&store, vec![life("a", B, 10, 95), life("b", A, 3, 1)]).await;
    assert_eq!(changes(&marks).await, both[..1], "merged from all partials, also those that did not change");
    write_rows(&store, vec![life("c", (77, 1), 1, 7)]).await;
    let since = Marks(BTreeMap::from([(A.0, 5), (B.0, 10)]));
    assert_eq!(changes(&since).await, [("c".to_owned(), Some(Agg::Max(7)))], "a writer without a mark is new");
}

pub(super) async fn every_kind_of_memory_comes_back_as_it_was(store: SharedStore) {
    let statement = Statement {
        latency: i64::MAX,
        id: "s-0".into(),
        statement: "SELECT '✓'".into(),
        trace_id: "t".into(),
        at: UnixMillis(-1),
    };
    let buckets: Buckets = [(i32::MIN, 1), (0, u64::MAX), (7, 2)].into_iter().collect();
    let all = [
        Agg::Count(u64::MAX),
        Agg::Sum(i64::MIN),
        Agg::Max(i64::MAX),
        Agg::Min(-3),
        Agg::Latest { at: UnixMillis(i64::MIN), value: i64::MIN },
        Agg::Avg { sum: -7, count: 2 },
        Agg::AvgF { sum: to_fixed(-1e20).wrapping_add(Fixed::new(1)), count: 3 },
        Agg::Percent { matched: 1, total: 3 },
        Agg::Rate { numerator: 0, denominator: 4 },
        Agg::Apdex { satisfied: 1, tolerated: 2, total: u64::MAX },
        Agg::Percentile(buckets.clone()),
        Agg::Histogram(buckets),
        Agg::Top(vec![statement]),
        Agg::Ids(vec![-5, 2, i32::MAX].into()),
        Agg::text("k\u{10FFFF}", UnixMillis(5), ""),
        Agg::Labeled([("l".to_owned(), Agg::Avg { sum: 1, count: 1 }), (String::new(), Agg::Count(2))].into()),
    ];
    let numbered: Vec<_> = all.into_iter().zip(cell::FIRST_METRIC..).map(|(agg, n)| (cell::CellId(n), agg)).collect();
    let far = [(cell::CellId(u16::MAX), Agg::Count(1)), (cell::FIRST_SEEN, Agg::Min(1))];
    let written = [numbered.as_slice(), &far].concat();
    write_rows(&store, vec![row("s", 0, B, u64::MAX >> 1, &written)]).await;
    assert_eq!(scanned(&store, &scan()).await, [(0, "s".to_owned(), cells(&written))]);
    let wanted: Vec<_> = written.iter().map(|(id, _)| *id).collect();
    let one = store.series(&SeriesQuery { cells: wanted, ..series(&["s"]) }).await.expect("a series");
    assert_eq!(one[0].points, [(MINUTE, cells(&written))]);
}

pub(super) async fn names_at_their_limit_are_told_apart(store: SharedStore) {
    // The longest names that are kept, in characters of four bytes: services 70, endpoints 150.
    let service = model::id::service(&"𝔖".repeat(70), true);
    let endpoint = |last: &str| format!("{}{last}", "𝔈".repeat(149));
    let [one, two] = ["𝔛", "𝔜"].map(|x| model::id::endpoint_relation(&service, &endpoint(x), &service, &endpoint(x)));
    let rows = [(&one, 1), (&two, 2)].map(|(entity, n)| {
        let row = row(entity, 0, A, 1, &[calls(n), latency(i64::try_from(n).unwrap_or(0), 1)]);
        Row { key: RowKey { scope: Scope::EndpointRelation, ..row.key }, ..row }
    });
    write_rows(&store, rows.to_vec()).await;
    let scope = Scope::EndpointRelation;
    let mut expected =
        vec![(0, one.clone(), cells(&[calls(1), latency(1, 1)])), (0, two.clone(), cells(&[calls(2), latency(2, 1)]))];
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(scanned(&store, &ScanQuery { scope, limit: 1, ..scan() }).await, expected);
    let asked = store.series(&SeriesQuery { scope, ..series(&[&two]) }).await.expect("a series");
    assert_eq!(asked.len(), 1);
    assert_eq!((&*asked[0].entity, &asked[0].points[0].1), (two.as_str(), &cells(&[calls(2)])));
    assert_eq!(ranked(&store, &TopQuery { scope, ..top(1) }).await, [(two, 2.0)]);
}
