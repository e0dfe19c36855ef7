//! Keeps what a pass decided, in an order in which a crash loses nothing and tells nothing twice under another key:
//!
//! 1. Groups that are new are created, so that their numbers are known to whoever goes on.
//! 2. Notifications are created where there is none of their id.
//! 3. Exactly the transitions that the *stored* notifications list are marked as told, others with the reason why they are not.
//! 4. The groups' numbers move on.
//!
//! Whoever finds a notification with a group's next number finds a crash between 2 and 4, and does 3 and 4 for it before anything else.

use std::collections::{BTreeMap, BTreeSet};

use model::UnixMillis;
use model::item::{Item, Revision};
use storage::chance::Chance;
use storage::{SharedStore, StoreError, Swapped};
use tracing::warn;

use crate::dispatch::Known;
use crate::dispatch::fold::Edges;
use crate::dispatch::pass::{Decided, Draft, Input, Output, pass};
use crate::dispatch::tree::notification_id;
use crate::doc::{self, Doc, Stored};
use crate::incident::{Incident, Mark, Outcome, What};
use crate::notification::{Group, Notification};

/// Items written in one call.
const AT_ONCE: usize = 500;
/// How often an incident is tried that others change meanwhile.
const TRIES: usize = 16;

/// Dispatches for the holder of the lease.
pub struct Dispatcher {
    store: SharedStore,
    chance: Chance,
    /// What is stored, as far as it is known for sure.
    groups: Option<BTreeMap<String, Stored<Group>>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("groups", &self.groups.as_ref().map(BTreeMap::len)).finish_non_exhaustive()
    }
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Ids of the notifications that were created: there is something to deliver.
    pub notifications: Vec<String>,
    /// Silences that end now, since what they silenced is over: to be written by the caller, who tells all nodes.
    pub over: Vec<String>,
    /// When the next pass is due, if nothing else happens.
    pub next: Option<UnixMillis>,
}

/// A notification as it is stored, and what of it was known here alone.
struct Made {
    stored: Notification,
    /// Of the one that is stored, if it is this pass's.
    own: Option<Draft>,
}

impl Dispatcher {
    /// A dispatcher that knows nothing yet.
    pub fn new(store: SharedStore, seed: u64) -> Dispatcher {
        Dispatcher { store, chance: Chance::new(seed), groups: None }
    }

    /// Reads groups anew before the next pass: for a new tenure, after everything that it must protect was touched.
    pub fn forget(&mut self) {
        self.groups = None;
    }

    /// One pass. `incidents` are those that [`Input::incidents`] asks for, as they are stored as far as the caller knows; what changes
    /// of them is changed there too. `held` tells whether the lease is held still.
    ///
    /// After an error, and when it is dropped before it is done, another one goes on where this one stopped; the caller need not know
    /// where that was.
    pub async fn run(
        &mut self,
        incidents: &mut BTreeMap<String, Stored<Incident>>,
        known: &Known,
        edges: &Edges,
        now: UnixMillis,
        held: &(dyn Fn() -> bool + Sync),
    ) -> Result<Done, StoreError> {
        // Known again only when all is done: what a caller drops in between is a crash as well.
        let mut groups = match self.groups.take() {
            Some(groups) => groups,
            None => self.recover(incidents, now).await?,
        };
        let output = pass(&Input { known, incidents, groups: &groups, edges, now });
        if !held() {
            return Err(StoreError::Unavailable("the lease is not held any more".to_owned()));
        }
        let Output { over, drafts, decided, gone, next } = output;
        let drafts = self.create_groups(drafts, &mut groups, now).await?;
        let (made, created) = self.create_notifications(drafts, now).await?;
        self.mark(incidents, &made, &decided, now).await?;
        self.move_on(&mut groups, &made, &gone, now).await?;
        self.groups = Some(groups);
        Ok(Done { notifications: created, over, next })
    }

    /// Reads all groups, and finishes what a crash left half done.
    async fn recover(
        &mut self,
        incidents: &mut BTreeMap<String, Stored<Incident>>,
        now: UnixMillis,
    ) -> Result<BTreeMap<String, Stored<Group>>, StoreError> {
        let groups = doc::load::<Group>(self.store.as_ref(), Vec::new()).await?;
        let mut groups: BTreeMap<String, Stored<Group>> =
            groups.into_iter().map(|stored| (stored.doc.id.clone(), stored)).collect();
        let mut looked: Vec<String> = groups.keys().cloned().collect();
        while !looked.is_empty() {
            let mut made = Vec::new();
            for ids in looked.chunks(AT_ONCE) {
                let next = ids.iter().filter_map(|id| groups.get(id));
                let ids = next.map(|group| notification_id(&group.doc.id, group.doc.sequence)).collect();
                let found = doc::load::<Notification>(self.store.as_ref(), ids).await?;
                made.extend(found.into_iter().map(|stored| Made { stored: stored.doc, own: None }));
            }
            self.mark(incidents, &made, &BTreeMap::new(), now).await?;
            self.move_on(&mut groups, &made, &[], now).await?;
            looked = made.into_iter().map(|made| made.stored.group).filter(|id| groups.contains_key(id)).collect();
            looked.sort_unstable();
            looked.dedup();
        }
        Ok(groups)
    }

    /// Creates the groups that are new. Answers the drafts of those that are as they were thought to be.
    async fn create_groups(
        &mut self,
        drafts: Vec<Draft>,
        groups: &mut BTreeMap<String, Stored<Group>>,
        now: UnixMillis,
    ) -> Result<Vec<Draft>, StoreError> {
        let mut new: BTreeMap<&str, &Group> = BTreeMap::new();
        for draft in &drafts {
            if !groups.contains_key(&draft.before.id) {
                new.insert(&draft.before.id, &draft.before);
            }
        }
        let mut swaps: Vec<_> = new.values().map(|group| ((*group).clone(), Revision(0))).collect();
        let mut other = BTreeSet::new();
        for _ in 0..TRIES {
            let mut again = Vec::new();
            for ((group, _), swapped) in swaps.iter().zip(self.swap(&swaps, now).await?) {
                match swapped {
                    Swapped::Done(revision) => {
                        let stored = Stored { doc: group.clone(), revision, updated: now };
                        groups.insert(group.id.clone(), stored);
                    }
                    Swapped::Conflict(Some(item)) if item.tombstone => again.push((group.clone(), item.revision)),
                    Swapped::Conflict(stored) => {
                        other.insert(group.id.clone());
                        if let Some(stored) = stored.and_then(|item| doc::read::<Group>(&item).ok()) {
                            groups.insert(group.id.clone(), stored);
                        }
                    }
                }
            }
            swaps = again;
            if swaps.is_empty() {
                break;
            }
        }
        other.extend(swaps.into_iter().map(|(group, _)| group.id));
        Ok(drafts.into_iter().filter(|draft| !other.contains(&draft.before.id)).collect())
    }

    /// Creates notifications. Where one of the id is there already, that one holds, and the group tells nothing after it in this pass.
    async fn create_notifications(
        &mut self,
        mut drafts: Vec<Draft>,
        now: UnixMillis,
    ) -> Result<(Vec<Made>, Vec<String>), StoreError> {
        let (mut made, mut created) = (Vec::new(), Vec::new());
        while !drafts.is_empty() {
            let mut seen = BTreeSet::new();
            let (round, rest): (Vec<_>, Vec<_>) =
                drafts.into_iter().partition(|draft| seen.insert(draft.before.id.clone()));
            let swaps: Vec<_> = round.iter().map(|draft| (draft.notification.clone(), Revision(0))).collect();
            let swapped = self.swap(&swaps, now).await?;
            let mut foreign = BTreeSet::new();
            for (draft, swapped) in round.into_iter().zip(swapped) {
                match swapped {
                    Swapped::Done(_) => {
                        created.push(draft.notification.id.clone());
                        made.push(Made { stored: draft.notification.clone(), own: Some(draft) });
                    }
                    Swapped::Conflict(item) => {
                        foreign.insert(draft.before.id.clone());
                        let read = item.map(|item| doc::read::<Notification>(&item));
                        let stored = match read {
                            Some(Ok(stored)) => stored.doc,
                            // Nobody can deliver it; its number is used up, and what it was to tell goes into the next one.
                            Some(Err(error)) => {
                                warn!(%error, "left out");
                                Notification { told: Vec::new(), ..draft.notification }
                            }
                            None => return Err(StoreError::Unavailable("a notification came and went".to_owned())),
                        };
                        made.push(Made { stored, own: None });
                    }
                }
            }
            drafts = rest.into_iter().filter(|draft| !foreign.contains(&draft.before.id)).collect();
        }
        Ok((made, created))
    }

    /// Marks transitions: those that stored notifications list or count, and those that are not told.
    async fn mark(
        &mut self,
        incidents: &mut BTreeMap<String, Stored<Incident>>,
        made: &[Made],
        decided: &BTreeMap<String, Decided>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut told: BTreeMap<&str, Vec<(u32, Mark)>> = BTreeMap::new();
        for made in made {
            let mark = |outcome| Mark {
                group: made.stored.group.clone(),
                receiver: made.stored.receiver.clone(),
                outcome,
                by: made.stored.id.clone(),
                at: made.stored.made,
            };
            for line in &made.stored.told {
                let outcome = if line.flapping { Outcome::ToldFlapping } else { Outcome::Told };
                told.entry(&line.incident).or_default().push((line.seq, mark(outcome)));
            }
            for (incident, seq) in made.own.iter().flat_map(|draft| &draft.omits) {
                told.entry(incident).or_default().push((*seq, mark(Outcome::Omitted)));
            }
        }
        let (none, nothing) = (Vec::new(), Decided::default());
        let of = |id: &str| (told.get(id).unwrap_or(&none), decided.get(id).unwrap_or(&nothing));
        let ids: BTreeSet<&str> = told.keys().copied().chain(decided.keys().map(String::as_str)).collect();
        let mut left: Vec<&str> = ids.into_iter().collect();
        self.read_missing(incidents, &left).await?;
        for _ in 0..TRIES {
            let mut swaps = Vec::new();
            for id in left.drain(..) {
                let Some(stored) = incidents.get(id) else { continue };
                let (told, decided) = of(id);
                let mut changed = stored.doc.clone();
                if apply(&mut changed, told, decided) {
                    swaps.push((changed, stored.revision));
                }
            }
            if swaps.is_empty() {
                return Ok(());
            }
            for ((doc, _), swapped) in swaps.iter().zip(self.swap(&swaps, now).await?) {
                let stored = match swapped {
                    Swapped::Done(revision) => Some(Stored { doc: doc.clone(), revision, updated: now }),
                    Swapped::Conflict(item) => {
                        // Somebody acknowledged it, or an answer was lost: what is stored is marked.
                        left.extend(of_key(&told, decided, &doc.id));
                        item.filter(|item| !item.tombstone).and_then(|item| doc::read::<Incident>(&item).ok())
                    }
                };
                match stored {
                    Some(stored) => drop(incidents.insert(doc.id.clone(), stored)),
                    None => drop(incidents.remove(&doc.id)),
                }
            }
        }
        Err(StoreError::Unavailable(format!("{} incidents kept changing", left.len())))
    }

    /// Reads incidents that a notification lists and the caller does not hold: closed ones.
    async fn read_missing(
        &self,
        incidents: &mut BTreeMap<String, Stored<Incident>>,
        ids: &[&str],
    ) -> Result<(), StoreError> {
        let missing: Vec<_> = ids.iter().filter(|id| !incidents.contains_key(**id)).collect();
        for ids in missing.chunks(AT_ONCE) {
            let ids = ids.iter().map(|id| (**id).to_owned()).collect();
            for stored in doc::load::<Incident>(self.store.as_ref(), ids).await? {
                incidents.insert(stored.doc.id.clone(), stored);
            }
        }
        Ok(())
    }

    /// Moves the groups' numbers on, and deletes the groups that are done with.
    async fn move_on(
        &mut self,
        groups: &mut BTreeMap<String, Stored<Group>>,
        made: &[Made],
        gone: &[String],
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut after: BTreeMap<&str, (Group, bool)> = BTreeMap::new();
        for made in made {
            let Some(stored) = groups.get(&made.stored.group) else { continue };
            let entry = after.entry(&made.stored.group).or_insert_with(|| (stored.doc.clone(), true));
            match &made.own {
                Some(draft) => *entry = (draft.after.clone(), draft.kept || !draft.after.open.is_empty()),
                None => *entry = (taken_over(&entry.0, &made.stored), true),
            }
        }
        for id in gone {
            if let Some(stored) = groups.get(id) {
                after.entry(id).or_insert_with(|| (stored.doc.clone(), false));
            }
        }
        let after: Vec<_> = after.into_values().collect();
        for after in after.chunks(AT_ONCE) {
            let items: Vec<_> = after
                .iter()
                .filter_map(|(group, kept)| {
                    let item = if *kept { doc::write(group) } else { doc::deleted(group) };
                    groups.get(&group.id).map(|stored| (item, stored.revision))
                })
                .collect();
            let swapped = self.swap_items(items, now).await?;
            for ((group, kept), swapped) in after.iter().zip(swapped) {
                let Swapped::Done(revision) = swapped else {
                    return Err(StoreError::Unavailable("somebody else dispatches".to_owned()));
                };
                if *kept {
                    groups.insert(group.id.clone(), Stored { doc: group.clone(), revision, updated: now });
                } else {
                    groups.remove(&group.id);
                }
            }
        }
        Ok(())
    }

    async fn swap<T: Doc>(&mut self, docs: &[(T, Revision)], now: UnixMillis) -> Result<Vec<Swapped>, StoreError> {
        let mut swapped = Vec::with_capacity(docs.len());
        for docs in docs.chunks(AT_ONCE) {
            let items = docs.iter().map(|(doc, revision)| (doc::write(doc), *revision)).collect();
            swapped.extend(self.swap_items(items, now).await?);
        }
        Ok(swapped)
    }

    async fn swap_items(
        &mut self,
        mut items: Vec<(Item, Revision)>,
        now: UnixMillis,
    ) -> Result<Vec<Swapped>, StoreError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        for (item, _) in &mut items {
            item.nonce = self.chance.bits();
            item.updated = now;
        }
        self.store.swap_many(&items).await
    }
}

/// The id with the life of what it was asked by.
fn of_key<'a>(
    told: &BTreeMap<&'a str, Vec<(u32, Mark)>>,
    decided: &'a BTreeMap<String, Decided>,
    id: &str,
) -> Option<&'a str> {
    let told = told.get_key_value(id).map(|(id, _)| *id);
    told.or_else(|| decided.get_key_value(id).map(|(id, _)| id.as_str()))
}

/// Puts marks into an incident; whether that changes it. What is told stays told, and the first notification that did is named.
fn apply(incident: &mut Incident, told: &[(u32, Mark)], decided: &Decided) -> bool {
    let mut changed = false;
    for (seq, mark) in told.iter().chain(&decided.marks) {
        let Some(transition) = incident.transitions.iter_mut().find(|t| t.seq == *seq) else { continue };
        match transition.marks.iter_mut().find(|other| other.group == mark.group) {
            Some(other) if other.outcome.is_told() || other.outcome == mark.outcome => {}
            Some(other) => {
                *other = mark.clone();
                changed = true;
            }
            None => {
                transition.marks.push(mark.clone());
                changed = true;
            }
        }
    }
    for (seq, groups) in &decided.needs {
        let Some(transition) = incident.transitions.iter_mut().find(|t| t.seq == *seq) else { continue };
        let marked = groups.iter().all(|group| transition.mark(group).is_some()) && !transition.marks.is_empty();
        if marked && !transition.dispatched {
            transition.dispatched = true;
            changed = true;
        }
    }
    if decided.origin.is_some() && incident.origin != decided.origin {
        incident.origin.clone_from(&decided.origin);
        changed = true;
    }
    changed
}

/// A group after a notification of which nothing more is known than what is stored.
fn taken_over(group: &Group, notification: &Notification) -> Group {
    let mut open: BTreeSet<String> = group.open.iter().cloned().collect();
    for line in &notification.told {
        if line.what == What::Recovered {
            open.remove(&line.incident);
        } else {
            open.insert(line.incident.clone());
        }
    }
    let told = Some(notification.made);
    let sequence = notification.sequence.max(group.sequence) + 1;
    Group { sequence, told, due: notification.made, open: open.into_iter().collect(), ..group.clone() }
}
