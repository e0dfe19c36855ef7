//! Keeps what a pass decided: incidents first, then the records that lists of alarms show, then how far evaluation has come. Each write
//! names the version it changes, and none is begun without the lease; so a holder that froze and woke changes nothing.

use std::collections::BTreeMap;

use model::item::Revision;
use model::{Bucket, Clock, UnixMillis, Zone};
use storage::chance::Chance;
use storage::{Batch, ItemQuery, SharedStore, StoreError, Swapped};
use tracing::warn;

use crate::doc::{self, Doc as _, Stored};
use crate::incident::{Incident, Progress};
use crate::pass::onto;
use crate::records;

/// Items written in one call.
pub(super) const AT_ONCE: usize = 500;
/// How often something is tried that others change meanwhile.
const TRIES: usize = 16;

/// Incidents as they are stored, as far as is known.
pub(super) type Known = BTreeMap<String, Stored<Incident>>;

/// Whether dispatch must know an incident: it is open, not told, or counts for flapping.
pub(super) fn concerns(stored: &Stored<Incident>, since: UnixMillis) -> bool {
    stored.doc.closed.is_none_or(|closed| closed > since) || stored.doc.transitions.iter().any(|t| !t.dispatched)
}

/// Writes for one tenure.
pub(super) struct Keeper {
    pub(super) store: SharedStore,
    pub(super) clock: Clock,
    pub(super) zone: Zone,
    pub(super) searchable: Vec<String>,
    pub(super) held: Box<dyn Fn() -> bool + Send + Sync>,
    pub(super) chance: Chance,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("searchable", &self.searchable).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Whether the lease is held, as an error where it is not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if (self.held)() { Ok(()) } else { Err(StoreError::Unavailable("the lease is not held any more".to_owned())) }
    }

    /// Writes incidents as a pass left them over what is stored, which `known` has afterwards. What operators closed meanwhile stays
    /// closed. After an error the same call goes on where it stopped.
    pub(super) async fn incidents(&mut self, changed: &[Incident], known: &mut Known) -> Result<(), StoreError> {
        let mut left: Vec<&Incident> = changed.iter().collect();
        let mut graves: BTreeMap<String, Revision> = BTreeMap::new();
        for _ in 0..TRIES {
            let mut next = Vec::new();
            for chunk in left.chunks(AT_ONCE) {
                let now = self.clock.now();
                let mut swaps = Vec::with_capacity(chunk.len());
                let mut written = Vec::with_capacity(chunk.len());
                for incident in chunk {
                    let (doc, expected) = match known.get(&incident.id) {
                        Some(stored) => match onto(incident, &stored.doc) {
                            Some(doc) if doc != stored.doc => (doc, stored.revision),
                            _ => continue,
                        },
                        None => ((*incident).clone(), graves.get(&incident.id).copied().unwrap_or_default()),
                    };
                    let item = doc::write(&doc);
                    swaps.push((model::item::Item { nonce: self.chance.bits(), updated: now, ..item }, expected));
                    written.push((*incident, doc));
                }
                if swaps.is_empty() {
                    continue;
                }
                self.check()?;
                let swapped = self.store.swap_many(&swaps).await?;
                for ((incident, doc), swapped) in written.into_iter().zip(swapped) {
                    match swapped {
                        Swapped::Done(revision) => {
                            known.insert(doc.id.clone(), Stored { doc, revision, updated: now });
                            continue;
                        }
                        Swapped::Conflict(Some(item)) if item.tombstone => {
                            known.remove(&incident.id);
                            graves.insert(incident.id.clone(), item.revision);
                        }
                        Swapped::Conflict(Some(item)) => match doc::read(&item) {
                            Ok(stored) => drop(known.insert(incident.id.clone(), stored)),
                            Err(error) => {
                                warn!(%error, "an incident is left as it is");
                                continue;
                            }
                        },
                        Swapped::Conflict(None) => drop(known.remove(&incident.id)),
                    }
                    next.push(incident);
                }
            }
            left = next;
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable(format!("{} incidents kept changing", left.len())))
    }

    /// Writes the records of transitions, by incident and number; those of which the incident knows no more are passed over.
    pub(super) async fn records(&self, transitions: &[(String, u32)], known: &Known) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (id, seq) in transitions {
            let incident = known.get(id).map(|stored| &stored.doc);
            let transition = incident.and_then(|incident| incident.transitions.iter().find(|t| t.seq == *seq));
            let Some((incident, transition)) = incident.zip(transition) else { continue };
            let own = records::batch(incident, transition, &self.zone, &self.searchable);
            batch.rows.extend(own.rows);
            batch.records.extend(own.records);
            if batch.rows.len() + batch.records.len() >= AT_ONCE {
                self.write(std::mem::take(&mut batch)).await?;
            }
        }
        self.write(batch).await
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.check()?;
        let written = self.store.write(&batch).await?;
        let n_refused = written.rows_refused.len() + written.records_refused.len();
        if n_refused > 0 {
            warn!(n_refused, "the store refused records of alarms for good; the incidents have what they tell");
        }
        Ok(())
    }

    /// How far evaluation has come; a revision of 0: it never began.
    pub(super) async fn progress(&self) -> Result<(Option<Bucket>, Revision), StoreError> {
        let query = ItemQuery { kind: Progress::KIND, ids: vec![Progress::ID.to_owned()], tombstones: true };
        let Some(item) = self.store.items(&query).await?.into_iter().next() else { return Ok((None, Revision(0))) };
        let progress = doc::read::<Progress>(&item).inspect_err(|error| warn!(%error, "evaluation begins now")).ok();
        Ok((progress.filter(|_| !item.tombstone).map(|stored| stored.doc.evaluated), item.revision))
    }

    /// Notes how far evaluation has come.
    pub(super) async fn note(&mut self, evaluated: Bucket, revision: &mut Revision) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let item = doc::write(&Progress { evaluated });
            let item = model::item::Item { nonce: self.chance.bits(), updated: self.clock.now(), ..item };
            self.check()?;
            match self.store.swap_many(&[(item, *revision)]).await?.into_iter().next() {
                Some(Swapped::Done(written)) => {
                    *revision = written;
                    return Ok(());
                }
                // Our own, whose answer was lost; or one that a holder before us wrote last.
                _ => *revision = self.progress().await?.1,
            }
        }
        Err(StoreError::Unavailable("how far evaluation has come kept changing".to_owned()))
    }

    /// Every living incident, or those of some ids.
    pub(super) async fn read(&self, ids: Vec<String>) -> Result<Vec<Stored<Incident>>, StoreError> {
        doc::load(self.store.as_ref(), ids).await
    }
}
