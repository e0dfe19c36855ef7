//! The contract of [`Store`] as examples. Each runs against a fresh store.

mod items;
mod life;
mod records;
mod rows;

use std::pin::Pin;

use bytes::Bytes;
use model::kinds::RecordKind;
use model::record::{FieldValue, Format, Record};
use model::{Agg, Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, cell};

use crate::{Batch, Cursor, Entities, RecordQuery, ScanQuery, SeriesQuery, SharedStore, StoreError, Written};

/// When the examples play: 2024-01-15T12:00:00Z.
const NOW: UnixMillis = UnixMillis(1_705_320_000_000);
/// The minute of [`NOW`].
const MINUTE: Bucket = Bucket(28_422_000);
/// A metric's cell.
const CALLS: cell::CellId = cell::CellId(cell::FIRST_METRIC);
/// Another one's.
const LATENCY: cell::CellId = cell::CellId(cell::FIRST_METRIC + 1);

type Example = fn(SharedStore) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Examples by the name that says what they hold.
macro_rules! examples {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        [$((stringify!($name), (|store| Box::pin($module::$name(store))) as Example)),+]
    };
}

/// Runs every example against a store of its own that `make` opens, empty, and closes it afterwards. The store's clock may show
/// any time; what is written lies around January 2024. What is written must be visible as soon as the write is answered.
///
/// # Panics
/// When the store breaks the contract; the last line that was printed names the rule.
#[expect(clippy::print_stdout, reason = "names the rule that a failing test broke")]
pub async fn conformance<F>(make: impl Fn() -> F)
where
    F: Future<Output = SharedStore>,
{
    let all = examples![
        rows::partials_merge_and_a_later_sequence_replaces,
        rows::series_hold_the_asked_cells_of_the_asked_entities,
        rows::top_ranks_by_the_mean_of_merged_buckets,
        rows::top_counts_only_buckets_whose_attributes_fit,
        rows::scan_pages_hold_each_row_once_while_others_are_written,
        rows::scan_takes_entities_and_cells,
        rows::scan_of_changes_answers_whole_entities,
        rows::every_kind_of_memory_comes_back_as_it_was,
        rows::names_at_their_limit_are_told_apart,
        records::a_repeated_id_is_one_record,
        records::records_come_back_as_they_were,
        records::conditions_hold_or_not,
        records::phrases_are_words_next_to_each_other,
        records::order_ties_offset_and_limit,
        items::a_swap_needs_the_stored_revision,
        items::a_conflict_with_ones_own_nonce_is_done,
        items::tombstones_hide_and_leave_after_a_day,
        items::of_many_swaps_at_once_one_wins,
        life::expiry_drops_what_is_older_and_is_idempotent,
        life::entities_expire_by_their_merged_last_ping,
        life::writes_from_many_tasks_are_all_there,
        life::a_closed_store_is_unavailable,
    ];
    for (name, example) in all {
        println!("rule: {name}");
        let store = make().await;
        example(store.clone()).await;
        match store.close().await {
            Ok(()) | Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("a store must close: {error}"),
        }
    }
}

/// A row of the minute [`MINUTE`] plus `minutes`.
fn row(entity: &str, minutes: u32, (writer, life): (u64, u32), seq: u64, cells: &[(cell::CellId, Agg)]) -> Row {
    let key =
        RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(MINUTE.0 + minutes), entity: entity.into() };
    Row { key, partial: Partial { writer, life }, seq, cells: cells.iter().cloned().collect() }
}

fn calls(n: u64) -> (cell::CellId, Agg) {
    (CALLS, Agg::Count(n))
}

fn latency(sum: i64, count: u64) -> (cell::CellId, Agg) {
    (LATENCY, Agg::Avg { sum, count })
}

fn cells(cells: &[(cell::CellId, Agg)]) -> Cells {
    cells.iter().cloned().collect()
}

/// A record of the kind, `at` milliseconds after [`NOW`], with these fields and every other one absent.
fn record(kind: RecordKind, id: &str, at: i64, fields: &[(usize, FieldValue)]) -> Record {
    let mut values = vec![FieldValue::Absent; kind.def().fields.len()];
    fields.iter().for_each(|(field, value)| values[*field] = value.clone());
    let format = match kind {
        RecordKind::Segment => Format::Segment,
        RecordKind::Log => Format::Log,
        RecordKind::Event => Format::Event,
        RecordKind::Trace => Format::Summary,
        RecordKind::Alarm => Format::Alarm,
        RecordKind::AlarmRecovery => Format::None,
    };
    Record {
        kind,
        id: id.into(),
        time: NOW.plus(at),
        fields: values,
        format,
        body: Bytes::from(format!("body of {id}").into_bytes()),
    }
}

async fn write_rows(store: &SharedStore, rows: Vec<Row>) {
    let written = store.write(&Batch { rows, records: Vec::new() }).await.expect("a write");
    assert_eq!(written, Written::default());
}

async fn write_records(store: &SharedStore, records: Vec<Record>) {
    let written = store.write(&Batch { rows: Vec::new(), records }).await.expect("a write");
    assert_eq!(written, Written::default());
}

/// Everything of the services' minutes.
fn scan() -> ScanQuery {
    ScanQuery {
        scope: Scope::Service,
        step: Step::Minute,
        from: Bucket(0),
        to: Bucket(u32::MAX),
        entities: Entities::All,
        cells: Vec::new(),
        changed_since: None,
        after: None,
        limit: 1_000,
    }
}

/// The calls of these services from [`MINUTE`] on, ten minutes.
fn series(entities: &[&str]) -> SeriesQuery {
    SeriesQuery {
        scope: Scope::Service,
        step: Step::Minute,
        entities: entities.iter().map(|&e| e.into()).collect(),
        from: MINUTE,
        to: Bucket(MINUTE.0 + 9),
        cells: vec![CALLS],
    }
}

/// All records of a kind, oldest first.
fn all(kind: RecordKind) -> RecordQuery {
    RecordQuery::oldest(kind, 1_000)
}

/// Rows of all pages as `(minutes after MINUTE, entity, cells)`, sorted: the order within a bucket is the backend's own.
async fn scanned(store: &SharedStore, query: &ScanQuery) -> Vec<(u32, String, Cells)> {
    let mut rows = Vec::new();
    let mut after: Option<Cursor> = query.after.clone();
    loop {
        let page = store.scan(&ScanQuery { after, ..query.clone() }).await.expect("a scan");
        assert!(page.rows.len() <= query.limit, "a page holds at most as many rows as asked for");
        rows.extend(page.rows);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(rows.is_sorted_by_key(|row| row.bucket), "pages are in the order of buckets");
    let minute = |bucket: Bucket| if bucket.0 == 0 { 0 } else { bucket.0 - MINUTE.0 };
    let mut rows: Vec<_> = rows.into_iter().map(|r| (minute(r.bucket), r.entity.to_string(), r.cells)).collect();
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    rows
}

/// Ids of the records that a query answers, in its order.
async fn ids(store: &SharedStore, query: &RecordQuery) -> Vec<String> {
    let page = store.records(query).await.expect("records");
    let ids: Vec<_> = page.records.iter().map(|record| record.id.to_string()).collect();
    assert_eq!(store.record_ids(query).await.expect("ids"), ids, "ids are those of the records");
    ids
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Memory;

    #[tokio::test]
    async fn the_store_in_memory_conforms() {
        conformance(|| async { Arc::new(Memory::new()) as SharedStore }).await;
    }
}
