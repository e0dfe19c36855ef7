//! What is asked of rows: series, the first by value, and scans.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use model::cell::CellId;
use model::{Agg, Bucket, Cells, Step};

use super::Rows;
use super::file::DbFile;
use super::key;
use super::value::head;
use super::walk::{Filter, Flow, Position, Range, Spans, Walk, each, walk};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::{
    Attr, Cursor, Entities, Marks, MergedRow, Order, RowPage, ScanQuery, Series, SeriesQuery, StoreError, TopEntry,
    TopQuery,
};

impl Rows {
    /// Merged buckets of named entities, in the order in which they were named.
    pub(in crate::embedded) fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>, StoreError> {
        if query.cells.is_empty() {
            return Ok(Vec::new());
        }
        let range = Range { scope: query.scope, step: query.step, from: query.from, to: query.to };
        let entities = Entities::Ids(query.entities.clone());
        let mut points: HashMap<Arc<str>, Vec<(Bucket, Cells)>> = HashMap::new();
        self.walk(&range, &entities, None, &query.cells, None, &mut |position, cells| {
            points.entry(position.entity).or_default().push((position.bucket, cells));
            ControlFlow::Continue(())
        })?;
        let series = |entity: &Arc<str>| Some(Series { entity: entity.clone(), points: points.get(entity)?.clone() });
        Ok(query.entities.iter().filter_map(series).collect())
    }

    /// The first entities by the mean of their merged buckets' values.
    pub(in crate::embedded) fn top(&self, query: &TopQuery) -> Result<Vec<TopEntry>, StoreError> {
        let range = Range { scope: query.scope, step: query.step, from: query.from, to: query.to };
        let want: Vec<CellId> = [query.cell].into_iter().chain(query.attrs.iter().map(|attr| attr.cell)).collect();
        let mut sums: HashMap<Arc<str>, (f64, f64)> = HashMap::new();
        self.walk(&range, &query.entities, None, &want, None, &mut |position, cells| {
            let value = cells.get(query.cell).and_then(|agg| query.function.value(agg, query.step)?.number());
            if let Some(value) = value
                && query.attrs.iter().all(|attr| holds(attr, &cells))
            {
                let (sum, count) = sums.entry(position.entity).or_default();
                (*sum, *count) = (*sum + value, *count + 1.0);
            }
            ControlFlow::Continue(())
        })?;
        let mut entries: Vec<_> =
            sums.into_iter().map(|(entity, (sum, count))| TopEntry { entity, value: sum / count }).collect();
        entries.sort_by(|a, b| {
            let by_value = a.value.total_cmp(&b.value);
            (if query.order == Order::Asc { by_value } else { by_value.reverse() })
                .then_with(|| a.entity.cmp(&b.entity))
        });
        entries.truncate(query.n);
        Ok(entries)
    }

    /// One page of merged rows, by bucket and then by place.
    pub(in crate::embedded) fn scan(&self, query: &ScanQuery) -> Result<RowPage, StoreError> {
        let (from, to) = if query.step == Step::Life { (Bucket(0), Bucket(u32::MAX)) } else { (query.from, query.to) };
        let range = Range { scope: query.scope, step: query.step, from, to };
        let after = query.after.as_ref().map(resume).transpose()?;
        let (position, seen) = after.map_or((None, None), |(position, marks)| (Some(position), Some(marks)));
        let changes = self.changes(&range, query.changed_since.as_ref(), seen)?;

        let mut page = RowPage { marks: changes.marks, ..RowPage::default() };
        let mut last = None;
        let mut more = false;
        let narrowed = changes.places.map(Spans::places);
        let walk = Narrowing { spans: narrowed, changed: changes.entities };
        self.walk(&range, &query.entities, Some(walk), &query.cells, position.as_ref(), &mut |position, cells| {
            if page.rows.len() == query.limit {
                more = true;
                return ControlFlow::Break(());
            }
            page.rows.push(MergedRow { bucket: position.bucket, entity: position.entity.clone(), cells });
            last = Some(position);
            ControlFlow::Continue(())
        })?;
        if more {
            page.next = last.map(|position| cursor(&position, &page.marks));
        }
        Ok(page)
    }

    /// Walks the files that hold a range, one after the other.
    fn walk(
        &self,
        range: &Range,
        entities: &Entities,
        narrowing: Option<Narrowing>,
        want: &[CellId],
        after: Option<&Position>,
        visit: &mut dyn FnMut(Position, Cells) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let narrowing = narrowing.unwrap_or_default();
        let own = Spans::of(entities);
        let filter = Filter::new(entities, narrowing.changed);
        let spans = match (&narrowing.spans, entities) {
            (Some(spans), Entities::All | Entities::Touching(_)) => spans,
            _ => &own,
        };
        self.each_file(range, &mut |file, range| {
            if after.is_some_and(|after| after.bucket > range.to) {
                return Ok(ControlFlow::Continue(()));
            }
            let job = Walk { range: *range, spans, filter: &filter, want, after };
            let Some((flow, malformed)) = file.read(|tables| walk(tables, &job, visit))? else {
                return Ok(ControlFlow::Continue(()));
            };
            if malformed > 0 {
                file.set_note(malformed);
            }
            Ok(flow)
        })
    }

    /// The highest sequences, and what changed since the marks; a page that is not the first brings its marks along.
    fn changes(&self, range: &Range, since: Option<&Marks>, seen: Option<Marks>) -> Result<Changes, StoreError> {
        if range.step == Step::Life {
            // Since no mark at all: everything changed.
            let since = since.filter(|since| !since.0.is_empty());
            let marks = match seen {
                Some(marks) => marks,
                None => self.life_marks(range.scope)?,
            };
            let places = since.map(|since| self.life_changed(range.scope, since)).transpose()?;
            let entities = match (since, &places) {
                (Some(since), Some(places)) => {
                    Some(self.changed(range, &Spans::places(places.clone()), since, &mut Marks::default())?)
                }
                _ => None,
            };
            return Ok(Changes { marks, entities, places });
        }
        if let (None, Some(marks)) = (since, &seen) {
            return Ok(Changes { marks: marks.clone(), entities: None, places: None });
        }
        let mut marks = Marks::default();
        let none = Marks::default();
        let changed = self.changed(range, &Spans::all(), since.unwrap_or(&none), &mut marks)?;
        Ok(Changes { marks: seen.unwrap_or(marks), entities: since.map(|_| changed), places: None })
    }

    /// Entities of which a partial in the range lies after the marks. Raises `marks` to what it saw.
    fn changed(
        &self,
        range: &Range,
        spans: &Spans,
        since: &Marks,
        marks: &mut Marks,
    ) -> Result<HashSet<Arc<str>>, StoreError> {
        let mut changed: HashSet<Arc<str>> = HashSet::new();
        self.each_file(range, &mut |file, range| {
            file.read(|tables| {
                each(&tables.cells, range, spans, None, &mut |key, value| {
                    let Ok(head) = head(value) else { return Ok(ControlFlow::Continue(())) };
                    let writer = key::writer(key);
                    let mark = marks.0.entry(writer).or_default();
                    *mark = head.seq.max(*mark);
                    if since.0.get(&writer).is_none_or(|mark| head.seq > *mark) && !changed.contains(head.entity) {
                        changed.insert(head.entity.into());
                    }
                    Ok(ControlFlow::Continue(()))
                })
            })?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(changed)
    }

    /// The highest sequence of each writer among the life rows of a scope: the last change of each writer.
    fn life_marks(&self, scope: model::Scope) -> Result<Marks, StoreError> {
        let marks = self.life().changes(|table| {
            let mut marks = BTreeMap::new();
            let mut writer = Some(0);
            while let Some(at) = writer {
                let (from, to) =
                    (key::change_bound(scope, at, 0, 0), key::change_bound(scope, u64::MAX, u64::MAX, u8::MAX));
                let Some(first) = table.range::<&[u8; key::CHANGE]>(&from..=&to).map_err(super::failure)?.next() else {
                    break;
                };
                let (found, ..) = key::change_parts(first.map_err(super::failure)?.0.value());
                let (from, to) =
                    (key::change_bound(scope, found, 0, 0), key::change_bound(scope, found, u64::MAX, u8::MAX));
                if let Some(last) = table.range::<&[u8; key::CHANGE]>(&from..=&to).map_err(super::failure)?.next_back()
                {
                    let (_, seq, _) = key::change_parts(last.map_err(super::failure)?.0.value());
                    marks.insert(found, seq);
                }
                writer = found.checked_add(1);
            }
            Ok(marks)
        })?;
        Ok(Marks(marks))
    }

    /// Places of life rows that were touched after the marks.
    fn life_changed(&self, scope: model::Scope, since: &Marks) -> Result<Vec<key::Place>, StoreError> {
        let writers = self.life_marks(scope)?;
        self.life().changes(|table| {
            let mut places = BTreeSet::new();
            for &writer in writers.0.keys() {
                let Some(first) = since.0.get(&writer).map_or(Some(0), |mark| mark.checked_add(1)) else { continue };
                let (from, to) =
                    (key::change_bound(scope, writer, first, 0), key::change_bound(scope, writer, u64::MAX, u8::MAX));
                for change in table.range::<&[u8; key::CHANGE]>(&from..=&to).map_err(super::failure)? {
                    places.insert(key::change_parts(change.map_err(super::failure)?.0.value()).2);
                }
            }
            Ok(places.into_iter().collect())
        })
    }

    /// Shows the files that hold a range to `visit`, each with its part of the range, oldest first.
    fn each_file(&self, range: &Range, visit: &mut dyn FnMut(&DbFile, &Range) -> Flow) -> Result<(), StoreError> {
        if range.step == Step::Life {
            return visit(self.life().file(), range).map(drop);
        }
        for (day, file) in self.days_of(range.from, range.to) {
            let (first, last) = super::buckets_of(day);
            let part = Range { from: range.from.max(first), to: range.to.min(last), ..*range };
            let flow = visit(&file, &part)?;
            self.close_surplus();
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Less than the asked entities: what changed.
#[derive(Debug, Default)]
struct Narrowing {
    spans: Option<Spans>,
    changed: Option<HashSet<Arc<str>>>,
}

struct Changes {
    marks: Marks,
    /// Which entities changed; `None`: it was not asked.
    entities: Option<HashSet<Arc<str>>>,
    /// Where they lie, where that is known.
    places: Option<Vec<key::Place>>,
}

/// Whether the lowest id of a cell is, or is not, the wanted one.
fn holds(attr: &Attr, cells: &Cells) -> bool {
    let lowest = match cells.get(attr.cell) {
        Some(Agg::Ids(ids)) => ids.first().copied(),
        _ => None,
    };
    (lowest == Some(attr.id)) == attr.equal
}

/// A cursor holds the last row of its page and the marks, which only the first page looks for.
fn cursor(position: &Position, marks: &Marks) -> Cursor {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(position.bucket.0));
    put_bytes(&mut out, position.entity.as_bytes());
    for (writer, seq) in &marks.0 {
        put_varint(&mut out, *writer);
        put_varint(&mut out, *seq);
    }
    Cursor(out)
}

fn resume(cursor: &Cursor) -> Result<(Position, Marks), StoreError> {
    let parse = || -> Result<(Position, Marks), Malformed> {
        let mut reader = Reader(&cursor.0);
        let bucket = Bucket(u32::try_from(reader.varint()?).map_err(|_| Malformed)?);
        let entity: Arc<str> = reader.text()?.into();
        let mut marks = Marks::default();
        while !reader.is_empty() {
            marks.0.insert(reader.varint()?, reader.varint()?);
        }
        Ok((Position { bucket, place: key::place(&entity), entity }, marks))
    };
    parse().map_err(|_| StoreError::Query("the cursor is not one of this store".to_owned()))
}
