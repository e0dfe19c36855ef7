//! Walking the rows of a range in the order of their keys, merging partials of one entity as they come.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::cell::CellId;
use model::{Bucket, Cells, Scope, Step};

use super::file::{RowTable, Tables, failure};
use super::key::{self, KEY, Place};
use super::value::{head, wide_cells};
use crate::codec::{Malformed, merge_cells};
use crate::{Entities, StoreError};

/// Whether to go on.
pub(super) type Flow = Result<ControlFlow<()>, StoreError>;

/// The last place.
const LAST: Place = (u32::MAX, u64::MAX);

/// Which rows: a scope and step, and buckets `from..=to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) scope: Scope,
    pub(super) step: Step,
    pub(super) from: Bucket,
    pub(super) to: Bucket,
}

/// Where in a bucket to look, ascending: spans of places, both ends included.
#[derive(Clone, Debug)]
pub(super) struct Spans(Vec<(Place, Place)>);

impl Spans {
    /// The places of named entities.
    pub(super) fn places(mut places: Vec<Place>) -> Spans {
        places.sort_unstable();
        places.dedup();
        Spans(places.into_iter().map(|place| (place, place)).collect())
    }

    fn groups(mut groups: Vec<u32>) -> Spans {
        groups.sort_unstable();
        groups.dedup();
        Spans(groups.into_iter().map(|group| ((group, 0), (group, u64::MAX))).collect())
    }

    /// Every place.
    pub(super) fn all() -> Spans {
        Spans(vec![((0, 0), LAST)])
    }

    /// As little as these entities may lie in.
    pub(super) fn of(entities: &Entities) -> Spans {
        match entities {
            Entities::Ids(ids) => Spans::places(ids.iter().map(|id| key::place(id)).collect()),
            Entities::Prefix(prefix) => {
                key::group_of_prefix(prefix).map_or_else(Spans::all, |group| Spans::groups(vec![group]))
            }
            Entities::Between(a, b) => match (key::group_of_prefix(a), key::group_of_prefix(b)) {
                (Some(a), Some(b)) => Spans::groups(vec![a, b]),
                _ => Spans::all(),
            },
            Entities::All | Entities::Touching(_) => Spans::all(),
        }
    }
}

/// Which entities, prepared for many questions.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    entities: &'a Entities,
    ids: Option<HashSet<&'a str>>,
    changed: Option<HashSet<Arc<str>>>,
}

impl<'a> Filter<'a> {
    /// Those of `entities`, and of `changed` where it says something.
    pub(super) fn new(entities: &'a Entities, changed: Option<HashSet<Arc<str>>>) -> Self {
        let ids = match entities {
            Entities::Ids(ids) => Some(ids.iter().map(|id| &**id).collect()),
            _ => None,
        };
        Filter { entities, ids, changed }
    }

    fn keeps(&self, entity: &str) -> bool {
        self.ids.as_ref().map_or_else(|| self.entities.contains(entity), |ids| ids.contains(entity))
            && self.changed.as_ref().is_none_or(|changed| changed.contains(entity))
    }
}

/// A row of the order in which rows are walked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) bucket: Bucket,
    pub(super) place: Place,
    pub(super) entity: Arc<str>,
}

/// Shows every partial of a range to `visit`, in the order of the keys, from a place in a bucket on.
pub(super) fn each(
    cells: &RowTable,
    range: &Range,
    spans: &Spans,
    start: Option<(Bucket, Place)>,
    visit: &mut dyn FnMut(&[u8; KEY], &[u8]) -> Flow,
) -> Flow {
    let mut next = Some(start.map_or(range.from, |(bucket, _)| bucket.max(range.from)));
    while let Some(at) = next {
        // Minutes are dense, so a few named entities are simply asked for; other steps' buckets depend on the zone.
        let dense = range.step == Step::Minute && spans.0.len() < 8 && range.to.0.saturating_sub(at.0) < 2_000;
        let Some(bucket) = (if dense { Some(at) } else { next_bucket(cells, range, at)? }) else { break };
        let first = start.filter(|(b, _)| *b == bucket).map_or((0, 0), |(_, place)| place);
        for &(from, to) in &spans.0 {
            if to < first {
                continue;
            }
            let (from, to) = key::between(range.step, bucket, range.scope, from.max(first), to);
            for entry in cells.range::<&[u8; KEY]>(&from..=&to).map_err(failure)? {
                let (key, value) = entry.map_err(failure)?;
                if visit(key.value(), value.value())?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        next = bucket.0.checked_add(1).map(Bucket).filter(|bucket| *bucket <= range.to);
    }
    Ok(ControlFlow::Continue(()))
}

/// The first bucket at or after `at` in which the scope has a row. Keys of other scopes in between cost one look each bucket.
fn next_bucket(cells: &RowTable, range: &Range, mut at: Bucket) -> Result<Option<Bucket>, StoreError> {
    let (_, end) = key::between(range.step, range.to, range.scope, (0, 0), LAST);
    while at <= range.to {
        let (begin, _) = key::between(range.step, at, range.scope, (0, 0), LAST);
        let mut found = cells.range::<&[u8; KEY]>(&begin..=&end).map_err(failure)?;
        let Some(first) = found.next() else { return Ok(None) };
        let (first, _) = first.map_err(failure)?;
        let (bucket, scope) = (key::bucket(first.value()), key::scope_code(first.value()));
        if scope == range.scope.code() {
            return Ok(Some(bucket));
        }
        // Of a later bucket, but before our scope's keys there: look again from those. Behind them: in the next bucket.
        let Some(after) = bucket.0.checked_add(u32::from(scope > range.scope.code())) else { return Ok(None) };
        at = Bucket(after);
    }
    Ok(None)
}

/// What to walk and what to take along.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) range: Range,
    pub(super) spans: &'a Spans,
    pub(super) filter: &'a Filter<'a>,
    /// Wanted cells; empty: all.
    pub(super) want: &'a [CellId],
    /// Only rows behind this one.
    pub(super) after: Option<&'a Position>,
}

/// Shows every merged row with any of the wanted cells to `visit`. Values that do not parse are left out; answers how many.
pub(super) fn walk(
    tables: &Tables,
    walk: &Walk<'_>,
    visit: &mut dyn FnMut(Position, Cells) -> ControlFlow<()>,
) -> Result<(ControlFlow<()>, usize), StoreError> {
    let mut run = Run { at: None, rows: Vec::new(), after: walk.after };
    let mut malformed = 0;
    let start = walk.after.map(|position| (position.bucket, position.place));
    let flow = each(&tables.cells, &walk.range, walk.spans, start, &mut |key, value| {
        let at = (key::bucket(key), key::place_of(key));
        if run.at != Some(at) {
            if run.finish(visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            run.at = Some(at);
        }
        if take(tables, walk, key, value, &mut run.rows)?.is_err() {
            malformed += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let flow = if flow.is_break() { flow } else { run.finish(visit) };
    Ok((flow, malformed))
}

/// Rows at one place of one bucket: nearly always of one entity.
struct Run<'a> {
    at: Option<(Bucket, Place)>,
    rows: Vec<(Arc<str>, Cells)>,
    after: Option<&'a Position>,
}

impl Run<'_> {
    fn finish(&mut self, visit: &mut dyn FnMut(Position, Cells) -> ControlFlow<()>) -> ControlFlow<()> {
        let Some((bucket, place)) = self.at.take() else { return ControlFlow::Continue(()) };
        self.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (entity, cells) in self.rows.drain(..) {
            let position = Position { bucket, place, entity };
            if !cells.is_empty() && self.after.is_none_or(|after| position > *after) {
                visit(position, cells)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Merges one partial into the run's row of its entity, if it is wanted.
fn take(
    tables: &Tables,
    walk: &Walk<'_>,
    key: &[u8; KEY],
    value: &[u8],
    rows: &mut Vec<(Arc<str>, Cells)>,
) -> Result<Result<(), Malformed>, StoreError> {
    let Ok(head) = head(value) else { return Ok(Err(Malformed)) };
    if !walk.filter.keeps(head.entity) {
        return Ok(Ok(()));
    }
    let i = rows.iter().position(|(entity, _)| **entity == *head.entity).unwrap_or_else(|| {
        rows.push((head.entity.into(), Cells::default()));
        rows.len() - 1
    });
    let cells = &mut rows[i].1;
    let elsewhere = match merge_cells(head.cells, walk.want, cells) {
        Ok(elsewhere) => elsewhere,
        Err(malformed) => return Ok(Err(malformed)),
    };
    if elsewhere && let Some(wide) = tables.wide.get(key).map_err(failure)? {
        return Ok(wide_cells(wide.value()).and_then(|reader| merge_cells(reader, walk.want, cells)).map(drop));
    }
    Ok(Ok(()))
}
