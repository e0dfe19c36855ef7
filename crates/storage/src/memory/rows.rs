//! Rows in memory: every partial under its key; each question merges them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Agg, Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, cell};

use super::day;
use crate::{
    Attr, Cursor, Marks, MergedRow, Order, RowPage, ScanQuery, Series, SeriesQuery, StoreError, TopEntry, TopQuery,
};

/// Every partial with the sequence it was written under.
pub(super) type Rows = BTreeMap<(RowKey, Partial), (u64, Cells)>;

/// Merged rows by bucket and entity.
type Merged = BTreeMap<(Bucket, Arc<str>), Cells>;

/// Keeps the row unless a later one of the same partial is there.
pub(super) fn write(rows: &mut Rows, row: &Row) {
    let key = (row.key.clone(), row.partial);
    if rows.get(&key).is_none_or(|(seq, _)| *seq <= row.seq) {
        rows.insert(key, (row.seq, row.cells.clone()));
    }
}

/// The partials of a scope, step and range; a life row has no bucket, so no range leaves it out.
fn within(
    rows: &Rows,
    scope: Scope,
    step: Step,
    from: Bucket,
    to: Bucket,
) -> impl Iterator<Item = (&RowKey, Partial, u64, &Cells)> {
    rows.iter().map(|((key, partial), (seq, cells))| (key, *partial, *seq, cells)).filter(move |(key, ..)| {
        key.scope == scope && key.step == step && (step == Step::Life || (from..=to).contains(&key.bucket))
    })
}

fn merged<'a>(partials: impl Iterator<Item = (&'a RowKey, &'a Cells)>) -> Merged {
    let mut merged = Merged::new();
    for (key, cells) in partials {
        merged.entry((key.bucket, key.entity.clone())).or_default().merge(cells);
    }
    merged
}

/// The asked entities that have data, in the order asked for.
pub(super) fn series(rows: &Rows, query: &SeriesQuery) -> Vec<Series> {
    let merged = merged(
        within(rows, query.scope, query.step, query.from, query.to)
            .filter(|(key, ..)| query.entities.contains(&key.entity))
            .map(|(key, _, _, cells)| (key, cells)),
    );
    let points = |entity: &Arc<str>| -> Vec<(Bucket, Cells)> {
        let own = merged.iter().filter(|((_, e), _)| e == entity);
        own.map(|((bucket, _), cells)| (*bucket, cells.only(&query.cells)))
            .filter(|(_, cells)| !cells.is_empty())
            .collect()
    };
    let all = query.entities.iter().map(|entity| Series { entity: entity.clone(), points: points(entity) });
    all.filter(|series| !series.points.is_empty()).collect()
}

/// Ranks by the mean of the buckets' values, added up from the first bucket to the last.
pub(super) fn top(rows: &Rows, query: &TopQuery) -> Vec<TopEntry> {
    let merged = merged(
        within(rows, query.scope, query.step, query.from, query.to)
            .filter(|(key, ..)| query.entities.contains(&key.entity))
            .map(|(key, _, _, cells)| (key, cells)),
    );
    let mut sums: BTreeMap<&Arc<str>, (f64, f64)> = BTreeMap::new();
    for ((_, entity), cells) in &merged {
        let value = cells.get(query.cell).and_then(|agg| query.function.value(agg, query.step)?.number());
        if let Some(value) = value
            && query.attrs.iter().all(|attr| holds(attr, cells))
        {
            let (sum, count) = sums.entry(entity).or_default();
            *sum += value;
            *count += 1.0;
        }
    }
    let mut entries: Vec<_> = sums
        .into_iter()
        .map(|(entity, (sum, count))| TopEntry { entity: entity.clone(), value: sum / count })
        .collect();
    // Stable, and entities come ascending out of the map: ties stay that way in both orders.
    entries.sort_by(|a, b| match query.order {
        Order::Asc => a.value.total_cmp(&b.value),
        Order::Desc => b.value.total_cmp(&a.value),
    });
    entries.truncate(query.n);
    entries
}

fn holds(attr: &Attr, cells: &Cells) -> bool {
    let lowest = match cells.get(attr.cell) {
        Some(Agg::Ids(ids)) => ids.first().copied(),
        _ => None,
    };
    (lowest == Some(attr.id)) == attr.equal
}

/// One page of merged rows, by bucket and entity.
pub(super) fn scan(rows: &Rows, query: &ScanQuery) -> Result<RowPage, StoreError> {
    let after = query.after.as_ref().map(position).transpose()?;
    let partials = || within(rows, query.scope, query.step, query.from, query.to);

    let mut marks = Marks::default();
    let mut changed = BTreeSet::new();
    for (key, partial, seq, _) in partials() {
        let mark = marks.0.entry(partial.writer).or_default();
        *mark = seq.max(*mark);
        if query.changed_since.as_ref().is_none_or(|since| is_after(since, partial.writer, seq)) {
            changed.insert(&key.entity);
        }
    }

    let merged = merged(
        partials()
            .filter(|(key, ..)| query.entities.contains(&key.entity) && changed.contains(&key.entity))
            .map(|(key, _, _, cells)| (key, cells)),
    );
    let mut page = RowPage { marks, ..RowPage::default() };
    for ((bucket, entity), cells) in merged {
        let cells = if query.cells.is_empty() { cells } else { cells.only(&query.cells) };
        if cells.is_empty() || after.as_ref().is_some_and(|(b, e)| (bucket, &*entity) <= (*b, e.as_str())) {
            continue;
        }
        if page.rows.len() == query.limit {
            page.next = page.rows.last().map(|last| cursor(last.bucket, &last.entity));
            break;
        }
        page.rows.push(MergedRow { bucket, entity, cells });
    }
    Ok(page)
}

/// Whether a sequence lies after the mark of its writer; of a writer without a mark everything does.
fn is_after(marks: &Marks, writer: u64, seq: u64) -> bool {
    marks.0.get(&writer).is_none_or(|mark| seq > *mark)
}

fn cursor(bucket: Bucket, entity: &str) -> Cursor {
    Cursor([bucket.0.to_be_bytes().as_slice(), entity.as_bytes()].concat())
}

fn position(cursor: &Cursor) -> Result<(Bucket, String), StoreError> {
    let foreign = || StoreError::Query("the cursor is not one of this store".to_owned());
    let (bucket, entity) = cursor.0.split_first_chunk().ok_or_else(foreign)?;
    let entity = String::from_utf8(entity.to_vec()).map_err(|_| foreign())?;
    Ok((Bucket(u32::from_be_bytes(*bucket)), entity))
}

/// Removes rows of days before `oldest_day` and answers how many days there were.
pub(super) fn expire_buckets(rows: &mut Rows, oldest_day: i64) -> usize {
    let gone = rows.extract_if(.., |(key, _), _| key.step != Step::Life && day(key.bucket.start()) < oldest_day);
    gone.map(|((key, _), _)| day(key.bucket.start())).collect::<BTreeSet<_>>().len()
}

/// Removes the life rows, all partials together, of entities whose merged last ping lies before `cut`, and answers how many
/// entities there were. What never had a ping stays.
pub(super) fn expire_life(rows: &mut Rows, cut: UnixMillis) -> usize {
    let mut last: BTreeMap<(Scope, Arc<str>), i64> = BTreeMap::new();
    for ((key, _), (_, cells)) in rows.iter().filter(|((key, _), _)| key.step == Step::Life) {
        if let Some(Agg::Max(minute)) = cells.get(cell::LAST_PING) {
            let last = last.entry((key.scope, key.entity.clone())).or_insert(i64::MIN);
            *last = (*last).max(*minute);
        }
    }
    last.retain(|_, minute| minute.saturating_mul(60_000) < cut.0);
    rows.retain(|(key, _), _| key.step != Step::Life || !last.contains_key(&(key.scope, key.entity.clone())));
    last.len()
}
