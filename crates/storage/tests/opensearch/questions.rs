//! Questions that are answered in another way here than elsewhere.

use model::agg::{Fixed, to_fixed};
use model::cell::{self, CellId};
use model::kinds::RecordKind;
use model::metric::Function;
use model::{Agg, Bucket, Row, Scope, Step, UnixMillis};
use storage::memory::Memory;
use storage::testing::Chance;
use storage::{Attr, Batch, Entities, Order, RecordOrder, RecordQuery, Store, TopQuery};

use crate::support::{MINUTE, NOW, Room, clusters, record, records_of, row};

/// Every function whose value is one number, with a cell of its own.
const FUNCTIONS: [Function; 12] = [
    Function::Cpm,
    Function::Count,
    Function::Sum,
    Function::LongAvg,
    Function::DoubleAvg,
    Function::Max,
    Function::Min,
    Function::Latest,
    Function::Percent,
    Function::Rate,
    Function::Apdex,
    Function::Percentile { precision: 10 },
];

fn cell(function: usize) -> CellId {
    CellId(cell::FIRST_METRIC + u16::try_from(function).unwrap())
}

/// A memory of that function, now and then so great that sums of the cluster would be rounded.
fn memory(function: Function, chance: &mut Chance, is_great: bool) -> Agg {
    let scale = if is_great { 1 << 60 } else { 1 };
    let mut int = |end: u64| i64::try_from(chance.below(end) * scale).unwrap();
    let (a, b, c) = (int(7), int(5), int(4));
    let unsigned = |v: i64| v.unsigned_abs();
    match function.empty() {
        Agg::Count(_) => Agg::Count(unsigned(a)),
        Agg::Sum(_) => Agg::Sum(a - b),
        Agg::Max(_) => Agg::Max(a - b),
        Agg::Min(_) => Agg::Min(a - b),
        Agg::Latest { .. } => Agg::Latest { at: UnixMillis(b), value: a - c },
        Agg::Avg { .. } => Agg::Avg { sum: a - b, count: unsigned(c) },
        #[expect(clippy::cast_precision_loss, reason = "any fraction will do")]
        Agg::AvgF { .. } => {
            Agg::AvgF { sum: to_fixed((a - b) as f64 / 8.0).wrapping_add(Fixed::new(-1)), count: unsigned(c) }
        }
        Agg::Percent { .. } => Agg::Percent { matched: unsigned(a), total: unsigned(b) },
        Agg::Rate { .. } => Agg::Rate { numerator: unsigned(a), denominator: unsigned(b) },
        Agg::Apdex { .. } => Agg::Apdex { satisfied: unsigned(a), tolerated: unsigned(b), total: unsigned(c) },
        _ => Agg::Percentile([(1, 2)].into_iter().collect()),
    }
}

/// Partials of a few services in a few minutes, most with most of the functions.
fn rows(seed: u64) -> Vec<Row> {
    let mut chance = Chance::new(seed);
    let mut rows = Vec::new();
    for n in 0..160 {
        let mut cells = Vec::new();
        for (i, function) in FUNCTIONS.into_iter().enumerate() {
            if chance.per_mille(800) {
                cells.push((cell(i), memory(function, &mut chance, n % 40 == 0 && i == n / 40)));
            }
        }
        if chance.per_mille(600) {
            cells.push((cell::LAYERS, Agg::id(i32::try_from(chance.below(3)).unwrap())));
        }
        let minute = Bucket(MINUTE.0 + u32::try_from(chance.below(4)).unwrap());
        let entity = format!("s{}", chance.below(6));
        rows.push(row(&entity, minute, chance.below(3), n as u64, &cells));
    }
    rows
}

async fn same(one: &dyn Store, other: &dyn Store, query: &TopQuery) {
    let (expected, actual) = (one.top(query).await.unwrap(), other.top(query).await.unwrap());
    assert_eq!(actual, expected, "{query:?}");
}

#[tokio::test]
async fn rankings_are_exact_in_every_function() {
    for url in clusters() {
        let room = Room::new(&url);
        let (memory, store) = (Memory::new(), room.open().await);
        let batch = Batch { rows: rows(7), records: Vec::new() };
        memory.write(&batch).await.unwrap();
        store.write(&batch).await.unwrap();
        let attr = |equal, id| Attr { cell: cell::LAYERS, equal, id };
        for (i, function) in FUNCTIONS.into_iter().enumerate() {
            for attrs in [vec![], vec![attr(true, 1)], vec![attr(false, 0)], vec![attr(false, 0), attr(false, 2)]] {
                // Of the wide range one entity is a page.
                for (order, to) in [(Order::Desc, 3), (Order::Asc, 1), (Order::Desc, 48_000), (Order::Asc, 60_000)] {
                    let query = TopQuery {
                        scope: Scope::Service,
                        step: Step::Minute,
                        from: MINUTE,
                        to: Bucket(MINUTE.0 + to),
                        cell: cell(i),
                        function,
                        order,
                        n: 4,
                        entities: Entities::All,
                        attrs: attrs.clone(),
                    };
                    same(&memory, &store, &query).await;
                }
            }
        }
        room.close(&store).await;
    }
}

#[tokio::test]
async fn rankings_of_long_names_come_in_pages_too() {
    for url in clusters() {
        let room = Room::new(&url);
        let (memory, store) = (Memory::new(), room.open().await);
        let long = |last: &str| format!("{}{last}", "n".repeat(1_500));
        let names = [long("a"), long("b"), long("c"), "m".to_owned(), "z".to_owned()];
        let cells = |n: u64| [(cell(1), Agg::Count(n))];
        let rows = names.iter().zip(1..).map(|(name, n)| row(name, MINUTE, 1, 1, &cells(n))).collect();
        let batch = Batch { rows, records: Vec::new() };
        memory.write(&batch).await.unwrap();
        store.write(&batch).await.unwrap();
        // Each entity is a page.
        let query = TopQuery {
            scope: Scope::Service,
            step: Step::Minute,
            from: MINUTE,
            to: Bucket(MINUTE.0 + 48_000),
            cell: cell(1),
            function: Function::Count,
            order: Order::Desc,
            n: 10,
            entities: Entities::All,
            attrs: Vec::new(),
        };
        same(&memory, &store, &query).await;
        assert_eq!(store.top(&query).await.unwrap().len(), 5);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn pages_go_deeper_than_the_cluster_counts() {
    const N: usize = 10_700;
    for url in clusters() {
        let room = Room::new(&url);
        let store = room.open().await;
        let records =
            (0..N).map(|i| record(RecordKind::Event, &format!("e{i:05}"), NOW.plus(i64::try_from(i / 3).unwrap())));
        store.write(&Batch { rows: Vec::new(), records: records.collect() }).await.unwrap();
        let page = async |offset: usize, limit: usize, order: Order| {
            let query = RecordQuery { offset, limit, order: RecordOrder::Time(order), ..records_of(RecordKind::Event) };
            let page = store.records(&query).await.unwrap();
            page.records.iter().map(|record| record.id.to_string()).collect::<Vec<_>>()
        };
        let ids = |range: std::ops::Range<usize>| range.map(|i| format!("e{i:05}")).collect::<Vec<_>>();
        for (offset, limit) in [(0, 1_200), (9_499, 3), (9_500, 3), (9_999, 2), (10_000, 1), (10_690, 10)] {
            assert_eq!(page(offset, limit, Order::Asc).await, ids(offset..offset + limit), "{offset}");
        }
        assert_eq!(page(10_690, 100, Order::Asc).await, ids(10_690..N), "the end");
        assert_eq!(page(N, 5, Order::Asc).await, [""; 0]);
        assert_eq!(page(20_000, 5, Order::Asc).await, [""; 0]);
        assert_eq!(page(10_698, 5, Order::Desc).await, ["e00001", "e00002"], "ties ascend in both orders");
        room.close(&store).await;
    }
}
