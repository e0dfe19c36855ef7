//! What a worker has merged since it last handed over: cells by row, and the elements whose only trace they are.
//!
//! A delta knows minutes, lives and the days of tags; hours and days of metrics are folded by the rollup, which takes whole deltas.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap, hash_map::EntryRef};
use model::agg::insert_id;
use model::cell::{self, CellId};
use model::ledger::Elements;
use model::{Agg, Bucket, Cells, Few, RowKey, Scope, Step, UnixMillis, Zone};

/// The rows of a delta. The order of the map means nothing.
pub type Rows = HashMap<RowKey, Cells, RandomState>;

/// Rows merged in private, on their way to the rollup.
///
/// Metrics and relations lie under [`Step::Minute`], what an entity is under [`Step::Life`] (bucket 0), tag values under
/// [`Step::Day`]. Nothing else occurs.
#[derive(Debug, Default)]
pub struct Delta {
    rows: Rows,
    elements: Elements,
    /// The day last asked for, and the next one: elements come from a few minutes, and asking a calendar is slow.
    day: Option<(Bucket, Bucket)>,
}

/// A row's key whose entity is only borrowed, to look it up without allocating.
struct Borrowed<'a> {
    scope: Scope,
    step: Step,
    bucket: Bucket,
    entity: &'a str,
}

// Field by field in the order of `RowKey`, whose derived hash this must equal.
impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scope.hash(state);
        self.step.hash(state);
        self.bucket.hash(state);
        self.entity.hash(state);
    }
}

impl Equivalent<RowKey> for Borrowed<'_> {
    fn equivalent(&self, key: &RowKey) -> bool {
        *self.entity == *key.entity && self.bucket == key.bucket && self.scope == key.scope && self.step == key.step
    }
}

impl Delta {
    /// Takes what is there, and leaves an empty delta with room for as many rows: the next one will be much like it.
    pub fn take(&mut self) -> Delta {
        let room = Rows::with_capacity_and_hasher(self.rows.len(), RandomState::default());
        let rows = std::mem::replace(&mut self.rows, room);
        Delta { rows, elements: std::mem::take(&mut self.elements), day: self.day }
    }

    /// The cells of a row, opened where the delta has none yet. Only opening allocates.
    pub fn cells(&mut self, scope: Scope, step: Step, bucket: Bucket, entity: &str) -> &mut Cells {
        match self.rows.entry_ref(&Borrowed { scope, step, bucket, entity }) {
            EntryRef::Occupied(row) => row.into_mut(),
            EntryRef::Vacant(row) => {
                let key = RowKey { scope, step, bucket, entity: Arc::from(entity) };
                row.insert_with_key(key, Cells::default())
            }
        }
    }

    /// The life row of an entity that was seen in `minute`.
    pub fn life(&mut self, scope: Scope, entity: &str, minute: Bucket) -> &mut Cells {
        let cells = self.cells(scope, Step::Life, Bucket(0), entity);
        let minute = i64::from(minute.0);
        if let Agg::Min(first) = cells.open(cell::FIRST_SEEN, || Agg::Min(minute)) {
            *first = (*first).min(minute);
        }
        if let Agg::Max(last) = cells.open(cell::LAST_PING, || Agg::Max(minute)) {
            *last = (*last).max(minute);
        }
        cells
    }

    /// The zone's day that holds a minute. One delta is always asked with the same zone.
    pub(crate) fn day(&mut self, minute: Bucket, zone: &Zone) -> Bucket {
        match self.day {
            Some((day, next)) if day <= minute && minute < next => day,
            _ => {
                let day = zone.bucket(Step::Day, minute);
                self.day = Some((day, zone.next(Step::Day, day)));
                day
            }
        }
    }

    /// A value of a searchable tag was seen on a day. `key` is the row's entity: `TRACE|http.method`.
    pub fn tag_value(&mut self, day: Bucket, key: &str, value: &str) {
        let cells = self.cells(Scope::Tag, Step::Day, day, key);
        let cell = cells.open(cell::VALUES, || Agg::Texts(Default::default()));
        if let Agg::Texts(values) = cell
            && !values.contains_key(value)
        {
            // Through `merge`, which keeps the cap. Time and text are constant: seeing a value again changes nothing.
            cell.merge(&Agg::text(value, UnixMillis(0), ""));
        }
    }

    /// Counts an element that leaves nothing but rows: it is stored when the flush that holds this delta is.
    pub fn count(&mut self, signal: model::telemetry::Signal) {
        self.elements.add(signal, 1);
    }

    /// Takes all of another delta.
    pub fn merge(&mut self, other: Delta) {
        self.elements.merge(&other.elements);
        for (key, cells) in other.rows {
            match self.rows.entry(key) {
                hashbrown::hash_map::Entry::Occupied(mut row) => row.get_mut().merge(&cells),
                hashbrown::hash_map::Entry::Vacant(row) => {
                    row.insert(cells);
                }
            }
        }
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The elements that are stored when the rows are.
    pub fn elements(&self) -> &Elements {
        &self.elements
    }

    /// The rows and the elements, to keep.
    pub fn into_parts(self) -> (Rows, Elements) {
        (self.rows, self.elements)
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.elements.is_empty()
    }
}

/// Adds an id to an `Ids` cell.
pub(crate) fn add_id(cells: &mut Cells, cell: CellId, id: i32) {
    if let Agg::Ids(ids) = cells.open(cell, || Agg::Ids(Few::new())) {
        insert_id(ids, id);
    }
}

#[cfg(test)]
mod tests {
    use model::telemetry::Signal;

    use super::*;

    #[test]
    fn a_row_is_found_again_by_a_borrowed_key() {
        let mut delta = Delta::default();
        for n in 1..=3 {
            for scope in [Scope::Service, Scope::Endpoint] {
                add_id(delta.cells(scope, Step::Minute, Bucket(7), "a"), cell::LAYERS, n);
            }
        }
        assert_eq!(delta.rows().len(), 2);
        let key = RowKey { scope: Scope::Service, step: Step::Minute, bucket: Bucket(7), entity: "a".into() };
        assert_eq!(delta.rows()[&key].get(cell::LAYERS), Some(&Agg::Ids(vec![1, 2, 3].into())));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let zone = Zone::named("America/New_York").unwrap();
        let mut delta = Delta::default();
        // Over two changes of the clocks, forth and back again.
        let minutes = (0..365 * 24).map(|hour| Bucket(28_400_000 + hour * 60));
        for minute in minutes.clone().chain(minutes.rev()) {
            assert_eq!(delta.day(minute, &zone), zone.bucket(Step::Day, minute));
        }
    }

    #[test]
    fn merging_deltas_equals_filling_one() {
        let fill = |delta: &mut Delta, minutes: &[u32]| {
            for &minute in minutes {
                delta.life(Scope::Service, "a", Bucket(minute));
                delta.tag_value(Bucket(0), "TRACE|k", &format!("v{minute}"));
                delta.count(Signal::Jvm);
            }
        };
        let (mut one, mut left, mut right) = (Delta::default(), Delta::default(), Delta::default());
        fill(&mut one, &[5, 3, 9]);
        fill(&mut left, &[3, 9]);
        fill(&mut right, &[5, 9]);
        left.merge(right);
        assert_eq!(left.rows(), one.rows());
        assert_eq!(left.elements().iter().collect::<Vec<_>>(), vec![(Signal::Jvm, 4)]);
    }
}
