//! Writing rows: encoded where they come from, stored in one transaction for each file, life rows first.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use model::ledger::Reason;
use model::{Agg, Bucket, Cells, Row, Scope, Step, UnixMillis, cell};
use redb::WriteTransaction;

use super::file::{CELLS, CHANGES, DbFile, WIDE, failure};
use super::key::{self, KEY, Place};
use super::value::{encode, head};
use super::walk::{Filter, Position, Range, Spans, Walk, each, walk};
use super::{DAY_MINUTES, Rows};
use crate::codec::is_any_elsewhere;
use crate::{Entities, StoreError};

/// 9999-12-30: the last day that has a name.
const LAST_DAY: u32 = 2_932_895;

/// Entities with the keys of all their partials.
type Gone = HashMap<(Scope, Arc<str>), Vec<[u8; KEY]>>;

/// Rows as they will lie on disk, by file.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Prepared {
    life: Vec<Encoded>,
    days: BTreeMap<u32, Vec<Encoded>>,
    refused: Vec<(usize, Reason)>,
    /// The entity of the last row and its place: the rows of one come one after the other.
    last: Option<(Arc<str>, Place)>,
}

#[derive(Debug)]
struct Encoded {
    key: [u8; KEY],
    seq: u64,
    index: usize,
    entity: Arc<str>,
    narrow: Vec<u8>,
    wide: Option<Vec<u8>>,
}

impl Prepared {
    /// Encodes one row of a batch. A row that no file can hold is refused.
    pub(in crate::embedded) fn add(&mut self, index: usize, row: &Row) {
        let Ok((narrow, wide)) = encode(row) else {
            self.refused.push((index, Reason::Malformed));
            return;
        };
        let key = key::of(&row.key, self.place(&row.key.entity), row.partial);
        let encoded = Encoded { key, seq: row.seq, index, entity: row.key.entity.clone(), narrow, wide };
        let day = row.key.bucket.0 / DAY_MINUTES;
        if row.key.step == Step::Life {
            self.life.push(encoded);
        } else if day <= LAST_DAY {
            self.days.entry(day).or_default().push(encoded);
        } else {
            self.refused.push((index, Reason::TimeOutOfRange));
        }
    }

    fn place(&mut self, entity: &Arc<str>) -> Place {
        match &self.last {
            Some((last, place)) if Arc::ptr_eq(last, entity) => *place,
            _ => {
                let place = key::place(entity);
                self.last = Some((Arc::clone(entity), place));
                place
            }
        }
    }
}

impl Rows {
    /// Stores what was prepared; answers what was refused. On an error some of the files may have been written.
    pub(in crate::embedded) fn write(&self, mut rows: Prepared) -> Result<Vec<(usize, Reason)>, StoreError> {
        if !rows.life.is_empty() {
            self.write_file(self.life().file(), &mut rows.life, &mut rows.refused)?;
        }
        for (day, mut encoded) in rows.days {
            let file = self.file_for(day)?;
            self.write_file(&file, &mut encoded, &mut rows.refused).map_err(|error| match error {
                // The next try finds the file damaged, puts it aside and goes on with a new one.
                StoreError::Damaged(what) => {
                    file.set_damage(&what);
                    StoreError::Unavailable(what)
                }
                other => other,
            })?;
        }
        self.close_surplus();
        Ok(rows.refused)
    }

    fn write_file(
        &self,
        file: &DbFile,
        rows: &mut [Encoded],
        refused: &mut Vec<(usize, Reason)>,
    ) -> Result<(), StoreError> {
        rows.sort_unstable_by(|a, b| (&a.key, a.seq).cmp(&(&b.key, b.seq)));
        file.write(|txn| put(txn, rows, refused), || self.faults.at("rows.commit"))?;
        self.faults.at("rows.committed")
    }

    /// Removes the life rows of entities whose merged last ping lies before `cut`; answers how many entities there were.
    pub(in crate::embedded) fn expire_life(&self, cut: UnixMillis) -> Result<usize, StoreError> {
        if self.expired(cut)?.is_empty() {
            return Ok(0);
        }
        let file = self.life().file();
        let mut n = 0;
        // Once more inside the transaction: nobody else writes now, so an entity that was seen again meanwhile stays.
        file.write(
            |txn| {
                for ((scope, entity), keys) in self.expired(cut)? {
                    tracing::debug!(?scope, %entity, "an entity was not seen for long");
                    n += 1;
                    keys.iter().try_for_each(|key| remove_life(txn, key))?;
                }
                Ok(())
            },
            || self.faults.at("expire"),
        )?;
        Ok(n)
    }

    /// Entities whose merged last ping lies before `cut`, with the keys of all their partials.
    fn expired(&self, cut: UnixMillis) -> Result<Gone, StoreError> {
        let mut all = HashMap::new();
        for scope in Scope::ALL {
            let range = Range { scope, step: Step::Life, from: Bucket(0), to: Bucket(u32::MAX) };
            let old = |cells: &Cells| match cells.get(cell::LAST_PING) {
                Some(Agg::Max(minute)) => minute.saturating_mul(60_000) < cut.0,
                _ => false,
            };
            let mut gone = Vec::new();
            let filter = Filter::new(&Entities::All, None);
            let spans = Spans::all();
            let job = Walk { range, spans: &spans, filter: &filter, want: &[cell::LAST_PING], after: None };
            self.life().file().read(|tables| {
                let mut found = |position: Position, cells: Cells| {
                    if old(&cells) {
                        gone.push(position.entity);
                    }
                    ControlFlow::Continue(())
                };
                let (_all, _malformed) = walk(tables, &job, &mut found)?;
                for entity in gone {
                    let place = key::place(&entity);
                    let mut keys = Vec::new();
                    let spans = Spans::places(vec![place]);
                    let mut own = |key: &[u8; KEY], value: &[u8]| {
                        if head(value).is_ok_and(|head| *head.entity == *entity) {
                            keys.push(*key);
                        }
                        Ok(ControlFlow::Continue(()))
                    };
                    let _all = each(&tables.cells, &range, &spans, None, &mut own)?;
                    all.insert((scope, entity), keys);
                }
                Ok(())
            })?;
        }
        Ok(all)
    }
}

/// Writes sorted rows. A stored row with a higher sequence stays; one of another entity under the same key (two entities at one
/// place, whose writer gave both the same partial) refuses the row.
fn put(txn: &WriteTransaction, rows: &[Encoded], refused: &mut Vec<(usize, Reason)>) -> Result<(), StoreError> {
    let mut cells = txn.open_table(CELLS).map_err(failure)?;
    let mut wide = txn.open_table(WIDE).map_err(failure)?;
    let mut changes = txn.open_table(CHANGES).map_err(failure)?;
    for row in rows {
        // Put first and looked at afterwards: nearly always that is right, and finding the place is what costs.
        let before = match cells.insert(&row.key, row.narrow.as_slice()).map_err(failure)? {
            None => Before::Nothing,
            Some(value) => Before::of(value.value(), row),
        };
        let (stored, had_wide) = match before {
            Before::Nothing => (None, false),
            Before::Older { seq, had_wide } => (Some(seq), had_wide),
            Before::Stays { value, is_ours } => {
                cells.insert(&row.key, value.as_slice()).map_err(failure)?;
                if !is_ours {
                    refused.push((row.index, Reason::Store));
                }
                continue;
            }
        };
        match &row.wide {
            Some(value) => drop(wide.insert(&row.key, value.as_slice()).map_err(failure)?),
            None if had_wide => drop(wide.remove(&row.key).map_err(failure)?),
            None => {}
        }
        if row.key[0] == Step::Life.code() && stored != Some(row.seq) {
            if let Some(stored) = stored {
                changes.remove(&key::change(&row.key, stored)).map_err(failure)?;
            }
            changes.insert(&key::change(&row.key, row.seq), ()).map_err(failure)?;
        }
    }
    Ok(())
}

/// What lay under a key.
enum Before {
    Nothing,
    /// The same row at an earlier flush, or something that cannot be read.
    Older {
        seq: u64,
        had_wide: bool,
    },
    /// Something that must stay.
    Stays {
        value: Vec<u8>,
        is_ours: bool,
    },
}

impl Before {
    fn of(value: &[u8], row: &Encoded) -> Before {
        match head(value) {
            Ok(head) if *head.entity != *row.entity => Before::Stays { value: value.to_vec(), is_ours: false },
            Ok(head) if head.seq > row.seq => Before::Stays { value: value.to_vec(), is_ours: true },
            Ok(head) => {
                let had_wide = row.wide.is_none() && is_any_elsewhere(head.cells).unwrap_or(true);
                Before::Older { seq: head.seq, had_wide }
            }
            Err(_) => Before::Older { seq: 0, had_wide: true },
        }
    }
}

fn remove_life(txn: &WriteTransaction, key: &[u8; KEY]) -> Result<(), StoreError> {
    let mut cells = txn.open_table(CELLS).map_err(failure)?;
    if let Some(value) = cells.remove(key).map_err(failure)?
        && let Ok(head) = head(value.value())
    {
        let change = key::change(key, head.seq);
        txn.open_table(CHANGES).map_err(failure)?.remove(&change).map_err(failure)?;
    }
    txn.open_table(WIDE).map_err(failure)?.remove(key).map_err(failure)?;
    Ok(())
}
