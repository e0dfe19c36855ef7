//! This node's totals: the pure core of the rollup.
//!
//! A delta for a minute is folded into the minute row, the hour row and the day row of its entity, each on its own: an hour is
//! not computed from its minutes (analysis 4.6). What a row holds is absolute, so writing it twice changes nothing, and a row
//! that was evicted opens again as another partial, so nothing that was written is ever read back or overwritten.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use model::ledger::Elements;
use model::{Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone};
use smallvec::{SmallVec, smallvec};

use super::calendar::{Calendar, LATE_MINUTES};

/// Minutes without a touch after which a clean row of an ended bucket is forgotten, so that late data open at most one more
/// partial in that time.
pub const IDLE_MINUTES: u32 = LATE_MINUTES;
/// Minutes without a touch after which a clean life row is forgotten. Longer than for others: each opening adds a partial that
/// lives as long as its entity.
pub const LIFE_IDLE_MINUTES: u32 = 1_440;

/// How much the totals may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Distinct entities, over all scopes. Above it new ones are refused.
    pub entities: usize,
    /// Rows. Above it new entities are refused, and late data of known ones that would open a row; running rows still open, so
    /// the true bound is this and some twenty rows for each entity.
    pub rows: usize,
}

impl Default for Limits {
    /// Room for 20,000 entities that are always busy (each holds some twenty minutes, its hours, its days and its life), with half
    /// as much again. Rows of half a kilobyte each, as those of endpoints are, then fill a third of a gigabyte.
    fn default() -> Self {
        Limits { entities: 100_000, rows: 750_000 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct EntityKey {
    scope: Scope,
    entity: Arc<str>,
}

impl From<&EntityKey> for EntityKey {
    fn from(key: &EntityKey) -> Self {
        key.clone()
    }
}

/// The rows of one entity, ascending by step and bucket.
#[derive(Debug, Default)]
struct Entity {
    rows: Vec<Held>,
    /// Stands in the list of dirty entities; then some row is dirty.
    dirty: bool,
}

#[derive(Debug)]
struct Held {
    step: Step,
    dirty: bool,
    bucket: Bucket,
    life: u32,
    /// The node's minute of the last touch.
    touched: Bucket,
    /// The flush that took it last; 0: none has.
    taken: u64,
    cells: Cells,
}

/// This node's totals.
///
/// Flushing goes in three steps, so that a long list can be taken in pieces: [`begin_flush`](Self::begin_flush),
/// [`take_rows`](Self::take_rows) until it says that there are no more, then [`answered`](Self::answered). No merge may come
/// between the pieces; between the last piece and the answer it may.
#[derive(Debug)]
pub struct Totals {
    writer: u64,
    limits: Limits,
    calendar: Calendar,
    entities: HashMap<EntityKey, Entity>,
    /// Every entity once: the order in which the sweep visits them.
    ring: std::collections::VecDeque<EntityKey>,
    dirty: Vec<EntityKey>,
    elements: Elements,
    /// The number of the last flush that began.
    seq: u64,
    /// Whether that flush has no answer yet.
    in_flight: bool,
    life: u32,
    rows: usize,
}

impl Totals {
    /// Empty totals of a writer, whose id is 64 random bits drawn at this start.
    pub fn new(writer: u64, zone: Zone, limits: Limits) -> Self {
        Totals {
            writer,
            limits,
            calendar: Calendar::new(zone),
            entities: HashMap::new(),
            ring: std::collections::VecDeque::new(),
            dirty: Vec::new(),
            elements: Elements::default(),
            seq: 0,
            in_flight: false,
            life: 0,
            rows: 0,
        }
    }

    /// Folds one row of a delta: a minute's into minute, hour and day, a day's or a life row's into itself alone.
    ///
    /// `false`: refused as a whole, because a limit is reached ([`Limits`]).
    pub fn merge(&mut self, key: &RowKey, cells: &Cells, now: UnixMillis) -> bool {
        let &RowKey { scope, step, bucket, ref entity } = key;
        let now = now.minute().unwrap_or_default();
        let full = self.rows >= self.limits.rows;
        let targets: SmallVec<[(Step, Bucket); 3]> = match step {
            Step::Minute => smallvec![
                (step, bucket),
                (Step::Hour, self.calendar.bucket(Step::Hour, bucket)),
                (Step::Day, self.calendar.bucket(Step::Day, bucket)),
            ],
            other => smallvec![(other, self.calendar.bucket(other, bucket))],
        };
        let known = self.entities.len();
        let key = EntityKey { scope, entity: Arc::clone(entity) };
        let held = match self.entities.entry_ref(&key) {
            EntryRef::Vacant(_) if full || known >= self.limits.entities => return false,
            EntryRef::Vacant(place) => {
                self.ring.push_back(key.clone());
                place.insert(Entity::default())
            }
            EntryRef::Occupied(entity) => entity.into_mut(),
        };
        let mut opens_late = |&(step, bucket): &(Step, Bucket)| {
            held.find(step, bucket).is_err() && self.calendar.is_past(step, bucket, now)
        };
        if full && targets.iter().any(&mut opens_late) {
            return false;
        }
        let before = held.rows.len();
        let mut touched = false;
        for (row_step, bucket) in targets {
            let said_again = step != Step::Minute;
            touched |= held.merge(row_step, bucket, cells, said_again, now, &mut self.life);
        }
        self.rows += held.rows.len() - before;
        if touched && !held.dirty {
            held.dirty = true;
            self.dirty.push(key);
        }
        true
    }

    /// Takes elements whose data were merged and that no record stands for: the next flush carries them.
    pub fn count(&mut self, elements: &Elements) {
        self.elements.merge(elements);
    }

    /// Begins a flush of everything dirty, under a sequence number that rises, and answers the elements that it carries. There may
    /// be one unanswered flush at most.
    pub fn begin_flush(&mut self) -> Elements {
        assert!(!self.in_flight, "a flush begins only after the answer to the one before it");
        self.seq += 1;
        self.in_flight = true;
        self.take_elements()
    }

    /// Takes the elements that wait for a flush.
    pub fn take_elements(&mut self) -> Elements {
        std::mem::take(&mut self.elements)
    }

    /// Adds the dirty rows of the next `n_entities` entities to `rows`, absolute, under the sequence of the flush that began.
    /// `true`: there are more.
    pub fn take_rows(&mut self, n_entities: usize, rows: &mut Vec<Row>) -> bool {
        for key in self.dirty.drain(self.dirty.len().saturating_sub(n_entities)..) {
            let Some(entity) = self.entities.get_mut(&key) else { continue };
            entity.dirty = false;
            for held in entity.rows.iter_mut().filter(|held| held.dirty) {
                held.dirty = false;
                held.taken = self.seq;
                rows.push(Row {
                    key: RowKey { scope: key.scope, step: held.step, bucket: held.bucket, entity: key.entity.clone() },
                    partial: Partial { writer: self.writer, life: held.life },
                    seq: self.seq,
                    cells: held.cells.clone(),
                });
            }
        }
        !self.dirty.is_empty()
    }

    /// The store has answered for good: what the flush took is clean, unless it was touched meanwhile.
    pub fn answered(&mut self) {
        self.in_flight = false;
    }

    /// Looks at the next `n_entities` entities and evicts what may go: clean rows that nothing touched for [`IDLE_MINUTES`] and
    /// whose bucket ended as long ago, and clean life rows that nothing touched for [`LIFE_IDLE_MINUTES`]. Answers how many.
    pub fn sweep(&mut self, n_entities: usize, now: UnixMillis) -> usize {
        let now = now.minute().unwrap_or_default();
        let before = self.rows;
        for _ in 0..n_entities.min(self.ring.len()) {
            let Some(key) = self.ring.pop_front() else { break };
            let Some(entity) = self.entities.get_mut(&key) else { continue };
            let held = entity.rows.len();
            let flying = if self.in_flight { self.seq } else { 0 };
            entity.rows.retain(|row| {
                row.dirty || (flying != 0 && row.taken == flying) || !row.may_go(&mut self.calendar, now)
            });
            self.rows -= held - entity.rows.len();
            if entity.rows.is_empty() {
                self.entities.remove(&key);
            } else {
                self.ring.push_back(key);
            }
        }
        before - self.rows
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Entities held.
    pub fn entities(&self) -> usize {
        self.entities.len()
    }

    /// Entities with something that is not yet written.
    pub fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Whether there is nothing to flush: no dirty row and no element that waits for one.
    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.elements.is_empty()
    }
}

impl Entity {
    fn find(&self, step: Step, bucket: Bucket) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&(step, bucket), |held| (held.step, held.bucket))
    }

    /// Merges into one row, which opens where it must; says whether the row has something to write. `said_again`: the cells may
    /// well hold nothing new.
    fn merge(
        &mut self,
        step: Step,
        bucket: Bucket,
        cells: &Cells,
        said_again: bool,
        now: Bucket,
        life: &mut u32,
    ) -> bool {
        match self.find(step, bucket) {
            Ok(at) => {
                let held = &mut self.rows[at];
                held.touched = now;
                if said_again {
                    held.dirty |= merge_changes(&mut held.cells, cells);
                } else {
                    held.cells.merge(cells);
                    held.dirty = true;
                }
                held.dirty
            }
            Err(at) => {
                *life = life.wrapping_add(1);
                let held =
                    Held { step, dirty: true, bucket, life: *life, touched: now, taken: 0, cells: cells.clone() };
                self.rows.insert(at, held);
                true
            }
        }
    }
}

impl Held {
    fn may_go(&self, calendar: &mut Calendar, now: Bucket) -> bool {
        let idle = now.0.saturating_sub(self.touched.0);
        match self.step {
            Step::Life => idle > LIFE_IDLE_MINUTES,
            step => idle > IDLE_MINUTES && calendar.is_past(step, self.bucket, now),
        }
    }
}

/// Merges, and says whether that changed anything. What an entity is and which values a tag had are said again every second;
/// only news are worth a write.
fn merge_changes(mine: &mut Cells, theirs: &Cells) -> bool {
    let mut changed = false;
    for (id, agg) in theirs.iter() {
        let Some(old) = mine.get(id) else {
            mine.merge_cell(id, agg);
            changed = true;
            continue;
        };
        let mut merged = old.clone();
        merged.merge(agg);
        if merged != *old {
            *mine.open(id, || agg.clone()) = merged;
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use model::cell::{self, CellId};
    use model::telemetry::Signal;
    use model::{Agg, UnixMillis};
    use testkit::START;

    use super::*;

    const CPM: CellId = CellId(64);
    /// 2024-01-15T12:00Z.
    const NOON: u32 = 28_422_000;

    fn key(scope: Scope, step: Step, bucket: u32, entity: &str) -> RowKey {
        RowKey { scope, step, bucket: Bucket(bucket), entity: entity.into() }
    }

    fn calls(n: u64) -> Cells {
        Cells::from_iter([(CPM, Agg::Count(n))])
    }

    fn ping(minute: i64) -> Cells {
        Cells::from_iter([(cell::LAST_PING, Agg::Max(minute))])
    }

    fn at(minute: u32) -> UnixMillis {
        Bucket(minute).start()
    }

    fn totals(limits: Limits) -> Totals {
        Totals::new(7, Zone::utc(), limits)
    }

    fn take(totals: &mut Totals) -> Vec<Row> {
        let mut rows = Vec::new();
        totals.begin_flush();
        while totals.take_rows(2, &mut rows) {}
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    fn show(rows: &[Row]) -> String {
        let line = |row: &Row| {
            let cells: Vec<_> = row.cells.iter().map(|(_, agg)| format!("{agg:?}")).collect();
            let bucket = i64::from(row.key.bucket.0) - i64::from(NOON);
            format!(
                "{} {:?} {bucket:+} life {} seq {}: {}\n",
                row.key.entity,
                row.key.step,
                row.partial.life,
                row.seq,
                cells.join(" ")
            )
        };
        rows.iter().map(line).collect()
    }

    fn check(rows: &[Row], expected: Expect) {
        expected.assert_eq(&show(rows));
    }

    #[test]
    fn a_minute_counts_in_its_hour_and_its_day_and_rows_are_absolute() {
        let mut totals = totals(Limits::default());
        assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON, "a"), &calls(2), START));
        assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 61, "a"), &calls(3), START));
        check(
            &take(&mut totals),
            expect![[r#"
                a Minute +0 life 1 seq 1: Count(2)
                a Minute +61 life 4 seq 1: Count(3)
                a Hour +0 life 2 seq 1: Count(2)
                a Hour +60 life 5 seq 1: Count(3)
                a Day -720 life 3 seq 1: Count(5)
            "#]],
        );
        totals.answered();
        assert!(totals.is_clean());
        assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 1, "a"), &calls(1), START));
        check(
            &take(&mut totals),
            expect![[r#"
                a Minute +1 life 6 seq 2: Count(1)
                a Hour +0 life 2 seq 2: Count(3)
                a Day -720 life 3 seq 2: Count(6)
            "#]],
        );
    }

    #[test]
    fn hours_and_days_are_those_of_the_zone() {
        let mut totals = Totals::new(7, Zone::named("Asia/Kolkata").unwrap(), Limits::default());
        assert!(totals.merge(&key(Scope::Service, Step::Minute, NOON + 10, "a"), &calls(1), START));
        // 17:40 in Kolkata: the hour began at 11:30 UTC, the day at 18:30 UTC the evening before.
        check(
            &take(&mut totals),
            expect![[r#"
                a Minute +10 life 1 seq 1: Count(1)
                a Hour -30 life 2 seq 1: Count(1)
                a Day -1050 life 3 seq 1: Count(1)
            "#]],
        );
    }

    #[test]
    fn what_was_touched_while_a_flush_was_in_flight_stays_dirty() {
        let mut totals = totals(Limits::default());
        for entity in ["a", "b"] {
            totals.merge(&key(Scope::Service, Step::Hour, NOON, entity), &calls(1), START);
        }
        assert_eq!(take(&mut totals).len(), 2);
        totals.merge(&key(Scope::Service, Step::Hour, NOON, "b"), &calls(1), START);
        totals.answered();
        check(
            &take(&mut totals),
            expect![[r#"
            b Hour +0 life 2 seq 2: Count(2)
        "#]],
        );
    }

    #[test]
    fn elements_wait_for_a_flush_even_where_no_row_changed() {
        let mut totals = totals(Limits::default());
        let mut one = Elements::default();
        one.add(Signal::Management, 1);
        totals.count(&one);
        totals.count(&one);
        assert!(!totals.is_clean());
        assert_eq!(totals.begin_flush().iter().collect::<Vec<_>>(), [(Signal::Management, 2)]);
        assert!(totals.is_clean(), "a flush carries them");
    }

    #[test]
    fn saying_what_is_known_dirties_nothing() {
        let mut totals = totals(Limits::default());
        let life = key(Scope::ServiceInstance, Step::Life, 0, "i");
        totals.merge(&life, &ping(5), START);
        take(&mut totals);
        totals.answered();
        totals.merge(&life, &ping(5), START);
        totals.merge(&life, &ping(4), START);
        assert!(totals.is_clean());
        totals.merge(&life, &ping(6), START);
        assert_eq!(take(&mut totals).len(), 1);
    }

    #[test]
    fn an_ended_row_goes_when_it_was_left_alone_and_opens_again_as_another_partial() {
        let mut totals = totals(Limits::default());
        let minute = key(Scope::Service, Step::Minute, NOON, "a");
        totals.merge(&minute, &calls(1), at(NOON));
        take(&mut totals);
        assert_eq!(totals.sweep(9, at(NOON + 60)), 0, "it is in flight");
        totals.answered();
        totals.merge(&minute, &calls(1), at(NOON + 5));
        assert_eq!(totals.sweep(9, at(NOON + 60)), 0, "it is dirty");
        take(&mut totals);
        totals.answered();
        assert_eq!(totals.sweep(9, at(NOON + 11)), 0, "its minute ended 10 minutes ago, not over 10");
        assert_eq!(totals.sweep(9, at(NOON + 15)), 0, "it was touched 10 minutes ago, not over 10");
        assert_eq!(totals.sweep(9, at(NOON + 16)), 1);
        assert_eq!(totals.sweep(9, at(NOON + 70)), 0, "the hour ended 10 minutes ago, not over 10");
        assert_eq!(totals.sweep(9, at(NOON + 71)), 1);
        assert_eq!((totals.rows(), totals.entities()), (1, 1), "the day is running");
        totals.merge(&minute, &calls(5), at(NOON + 72));
        check(
            &take(&mut totals),
            expect![[r#"
                a Minute +0 life 4 seq 3: Count(5)
                a Hour +0 life 5 seq 3: Count(5)
                a Day -720 life 3 seq 3: Count(7)
            "#]],
        );
    }

    #[test]
    fn a_life_row_goes_after_an_idle_day() {
        let mut totals = totals(Limits::default());
        totals.merge(&key(Scope::Address, Step::Life, 0, "b:80"), &ping(1), at(NOON));
        take(&mut totals);
        totals.answered();
        assert_eq!(totals.sweep(9, at(NOON + LIFE_IDLE_MINUTES)), 0);
        assert_eq!(totals.sweep(9, at(NOON + LIFE_IDLE_MINUTES + 1)), 1);
        assert_eq!((totals.rows(), totals.entities()), (0, 0));
    }

    #[test]
    fn above_a_limit_new_entities_and_late_rows_are_refused_and_running_ones_go_on() {
        let mut totals = totals(Limits { entities: 2, rows: 6 });
        let row = |minute, entity| key(Scope::Service, Step::Minute, minute, entity);
        assert!(totals.merge(&row(NOON, "a"), &calls(1), at(NOON)));
        assert!(totals.merge(&row(NOON, "b"), &calls(1), at(NOON)));
        assert!(!totals.merge(&row(NOON, "c"), &calls(1), at(NOON)), "a third entity");
        assert!(totals.merge(&row(NOON + 1, "a"), &calls(1), at(NOON)), "the running minute");
        assert_eq!(totals.rows(), 7);
        assert!(!totals.merge(&row(NOON - 60, "a"), &calls(1), at(NOON)), "a late minute that is not open");
        assert!(totals.merge(&row(NOON, "a"), &calls(1), at(NOON + 600)), "a late minute that is open");
        assert_eq!(totals.rows(), 7);
    }
}
