//! The comparison of a backend with the store in memory.

use model::item::Item;
use model::record::Record;

use super::Op;
use super::ops::everything;
use crate::{Marks, MergedRow, ScanQuery, Series, Store, Swapped, TopEntry, Written};

/// What a call answered, in an order that is not the backend's own.
#[derive(Debug, PartialEq)]
enum Answer {
    Written(Written),
    Series(Vec<Series>),
    Top(Vec<TopEntry>),
    Scan(Vec<MergedRow>, Marks),
    Records(Vec<Record>),
    Items(Vec<Item>),
    Swapped(Vec<Swapped>),
}

/// Makes the same calls of two stores and compares every answer, and all that is stored in the end. Both start empty; what is
/// written must be visible as soon as the write is answered.
///
/// ```text
/// proptest!(|(ops in testing::ops())| {
///     runtime.block_on(async { testing::compare(&Memory::new(), &open_other().await, &ops).await });
/// });
/// ```
///
/// # Panics
/// When the answers differ, with the call.
pub async fn compare(reference: &dyn Store, other: &dyn Store, ops: &[Op]) {
    for op in ops.iter().chain(&everything()) {
        let (expected, actual) = (answer(reference, op).await, answer(other, op).await);
        assert_eq!(actual, expected, "the other store (left) answers as the reference (right): {op:#?}");
    }
}

async fn answer(store: &dyn Store, op: &Op) -> Answer {
    const WORKS: &str = "a store that is compared works";
    match op {
        Op::Write(batch) => Answer::Written(store.write(batch).await.expect(WORKS)),
        Op::Series(query) => {
            let mut series = store.series(query).await.expect(WORKS);
            series.sort_by(|a, b| a.entity.cmp(&b.entity));
            Answer::Series(series)
        }
        Op::Top(query) => Answer::Top(store.top(query).await.expect(WORKS)),
        Op::Scan(query) => scan(store, query).await,
        Op::Records(query) => {
            let records = store.records(query).await.expect(WORKS).records;
            let ids = store.record_ids(query).await.expect(WORKS);
            assert!(ids.iter().eq(records.iter().map(|record| &record.id)), "ids are those of the records: {ids:?}");
            Answer::Records(records)
        }
        Op::Items(query) => Answer::Items(store.items(query).await.expect(WORKS)),
        Op::Swap(items) => Answer::Swapped(store.swap_many(items).await.expect(WORKS)),
    }
}

/// All pages; rows in the order of their bucket and entity, marks as the pages together say.
async fn scan(store: &dyn Store, query: &ScanQuery) -> Answer {
    let (mut rows, mut marks) = (Vec::new(), Marks::default());
    let mut query = query.clone();
    loop {
        let page = store.scan(&query).await.expect("a store that is compared works");
        assert!(page.rows.len() <= query.limit, "a page holds at most {} rows", query.limit);
        rows.extend(page.rows);
        for (writer, seq) in page.marks.0 {
            let mark = marks.0.entry(writer).or_insert(seq);
            *mark = seq.max(*mark);
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert!(rows.is_sorted_by_key(|row| row.bucket), "pages are in the order of buckets: {query:#?}");
    rows.sort_by(|a, b| (a.bucket, &a.entity).cmp(&(b.bucket, &b.entity)));
    Answer::Scan(rows, marks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestError, TestRunner};

    use super::*;
    use crate::memory::Memory;
    use crate::testing::ops;

    fn run(ops: &[Op], without_write: Option<usize>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (reference, other) = (Memory::new(), Memory::new());
            if let Some(Op::Write(batch)) = without_write.and_then(|i| ops.get(i)) {
                reference.write(batch).await.unwrap();
            }
            compare(&reference, &other, ops).await;
        });
    }

    #[test]
    fn two_equal_stores_answer_alike() {
        TestRunner::new(Config::with_cases(64))
            .run(&ops(), |ops| {
                run(&ops, None);
                Ok(())
            })
            .unwrap();
    }

    /// Writing is idempotent, so a write ahead of its time shows only in the answers to the questions before it: they are asked
    /// often and precisely enough to notice.
    #[test]
    fn a_store_that_knows_more_is_noticed() {
        let with_write = ops().prop_filter("the last call writes", |ops| matches!(ops.last(), Some(Op::Write(_))));
        let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        let found = runner.run(&with_write, |ops| {
            run(&ops, Some(ops.len() - 1));
            Ok(())
        });
        assert!(matches!(found, Err(TestError::Fail(..))), "{found:?}");
    }
}
