//! This node's totals: the pure core of the rollup.
//!
//! A delta for a minute is folded into the minute row, the hour row and the day row of its entity, each on its own: an hour is
//! not computed from its minutes (analysis 4.6). What a row holds is absolute, so writing it twice changes nothing, and a row
//! that was evicted opens again as another partial, so nothing that was written is ever read back or overwritten.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use model::ledger::Elements;
use model::{Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis, Zone};
use smallvec::{SmallVec, smallvec};

use super::calendar::{Calendar, LATE_MINUTES};
use super::turns::Turns;

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
#[derive(Debug)]
struct Entity {
    rows: Vec<Held>,
    /// The flush with which some row goes next; [`NEVER`]: all are clean. The list of that flush has it. One of a later flush may have
    /// it too, from before something came between.
    listed: u64,
    /// Sets its turns off from those of others.
    phase: u32,
}

/// No flush at all.
const NEVER: u64 = u64::MAX;

/// What the store has yet to be told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owed {
    Nothing,
    /// When it is its turn: it grows with each of its minutes.
    InTurn,
    /// With the next flush.
    AtOnce,
}

#[derive(Debug)]
struct Held {
    step: Step,
    owed: Owed,
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
    turns: Turns,
    calendar: Calendar,
    entities: HashMap<EntityKey, Entity>,
    /// Every entity once: the order in which the sweep visits them.
    ring: VecDeque<EntityKey>,
    /// Whom the next flush visits, the one after it, and so on.
    lists: VecDeque<Vec<EntityKey>>,
    /// What is left of the list of the flush that began.
    due: Vec<EntityKey>,
    /// Entities with a row that no flush has taken yet.
    owing: usize,
    /// Entities that do not owe any more if the store answers the flush in flight.
    flying: usize,
    elements: Elements,
    /// The number of the last flush that began.
    seq: u64,
    /// Whether that flush has no answer yet.
    in_flight: bool,
    life: u32,
    /// The phase of the next entity that opens.
    phase: u32,
    rows: usize,
}

impl Totals {
    /// Empty totals of a writer, whose id is 64 random bits drawn at this start.
    pub fn new(writer: u64, zone: Zone, limits: Limits, turns: Turns) -> Self {
        Totals {
            writer,
            limits,
            turns,
            calendar: Calendar::new(zone),
            entities: HashMap::new(),
            ring: VecDeque::new(),
            lists: VecDeque::new(),
            due: Vec::new(),
            owing: 0,
            flying: 0,
            elements: Elements::default(),
            seq: 0,
            in_flight: false,
            life: 0,
            phase: 0,
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
                self.phase = self.phase.wrapping_add(1);
                place.insert(Entity { rows: Vec::new(), listed: NEVER, phase: self.phase })
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
        let mut owed = Owed::Nothing;
        for (row_step, bucket) in targets {
            owed = owed.max(held.merge(row_step, bucket, cells, step, now, &mut self.life));
        }
        self.rows += held.rows.len() - before;
        if owed == Owed::AtOnce && held.listed > self.seq + 1 {
            self.owing += usize::from(held.listed == NEVER);
            held.listed = self.seq + 1;
            list(&mut self.lists, 0).push(key);
        }
        true
    }

    /// Takes elements whose data were merged and that no record stands for: the next flush carries them.
    pub fn count(&mut self, elements: &Elements) {
        self.elements.merge(elements);
    }

    /// From now on every flush takes everything that changed, whosever turn it is.
    pub fn hurry(&mut self) {
        self.turns = Turns::ALWAYS;
        let next = self.seq + 1;
        let later: Vec<_> = self.lists.drain(1.min(self.lists.len())..).flatten().collect();
        for key in later {
            let Some(entity) = self.entities.get_mut(&key) else { continue };
            if entity.listed != NEVER && entity.listed > next {
                entity.listed = next;
                list(&mut self.lists, 0).push(key);
            }
        }
    }

    /// Begins a flush of everything whose turn it is, under a sequence number that rises, and answers the elements that it carries.
    /// There may be one unanswered flush at most. Turns are counted in flushes, also in those that turn out to be empty.
    pub fn begin_flush(&mut self) -> Elements {
        assert!(!self.in_flight, "a flush begins only after the answer to the one before it");
        self.seq += 1;
        self.in_flight = true;
        self.due = self.lists.pop_front().unwrap_or_default();
        self.take_elements()
    }

    /// Takes the elements that wait for a flush.
    pub fn take_elements(&mut self) -> Elements {
        std::mem::take(&mut self.elements)
    }

    /// Adds what the next `n_entities` entities owe to `rows`, absolute, under the sequence of the flush that began. Hours and days
    /// whose turn it is not stay dirty. `true`: there are more entities.
    pub fn take_rows(&mut self, n_entities: usize, rows: &mut Vec<Row>) -> bool {
        for _ in 0..n_entities {
            let Some(key) = self.due.pop() else { return false };
            let Some(entity) = self.entities.get_mut(&key).filter(|entity| entity.listed == self.seq) else { continue };
            let mut wait = NEVER;
            for held in entity.rows.iter_mut().filter(|held| held.owed != Owed::Nothing) {
                if held.owed == Owed::InTurn {
                    let until = self.turns.until(held.step, entity.phase, self.seq);
                    if until > 0 {
                        wait = wait.min(until);
                        continue;
                    }
                }
                held.owed = Owed::Nothing;
                held.taken = self.seq;
                rows.push(Row {
                    key: RowKey { scope: key.scope, step: held.step, bucket: held.bucket, entity: key.entity.clone() },
                    partial: Partial { writer: self.writer, life: held.life },
                    seq: self.seq,
                    cells: held.cells.clone(),
                });
            }
            if wait == NEVER {
                entity.listed = NEVER;
                self.owing -= 1;
                self.flying += 1;
            } else {
                entity.listed = self.seq + wait;
                list(&mut self.lists, wait - 1).push(key);
            }
        }
        !self.due.is_empty()
    }

    /// The store has answered for good: what the flush took is clean, unless it was touched meanwhile.
    pub fn answered(&mut self) {
        self.in_flight = false;
        self.flying = 0;
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
                row.owed != Owed::Nothing
                    || (flying != 0 && row.taken == flying)
                    || !row.may_go(&mut self.calendar, now)
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

    /// Entities with something that the store has not answered for. Those that were touched while a flush took them count twice.
    pub fn dirty(&self) -> usize {
        self.owing + self.flying
    }

    /// Whether there is nothing to flush, now or in its turn: no dirty row and no element that waits for one.
    pub fn is_clean(&self) -> bool {
        self.owing == 0 && self.elements.is_empty()
    }
}

/// The list of the flush that begins after `later` others.
fn list(lists: &mut VecDeque<Vec<EntityKey>>, later: u64) -> &mut Vec<EntityKey> {
    let at = usize::try_from(later).expect("a turn comes within a period, which is an u32");
    if lists.len() <= at {
        lists.resize_with(at + 1, Vec::new);
    }
    &mut lists[at]
}

impl Entity {
    fn find(&self, step: Step, bucket: Bucket) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&(step, bucket), |held| (held.step, held.bucket))
    }

    /// Merges what was said of `of` into one row, which opens where it must; answers what the store has yet to be told of it.
    fn merge(&mut self, step: Step, bucket: Bucket, cells: &Cells, of: Step, now: Bucket, life: &mut u32) -> Owed {
        let news = if step == of { Owed::AtOnce } else { Owed::InTurn };
        match self.find(step, bucket) {
            Ok(at) => {
                let held = &mut self.rows[at];
                held.touched = now;
                // A minute says what was not said before; others may well hold nothing new.
                let changed = if of == Step::Minute {
                    held.cells.merge(cells);
                    true
                } else {
                    merge_changes(&mut held.cells, cells)
                };
                if changed {
                    held.owed = held.owed.max(news);
                }
                held.owed
            }
            Err(at) => {
                *life = life.wrapping_add(1);
                let held = Held { step, owed: news, bucket, life: *life, touched: now, taken: 0, cells: cells.clone() };
                self.rows.insert(at, held);
                news
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
mod tests;
