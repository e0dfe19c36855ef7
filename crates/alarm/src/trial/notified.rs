//! How many notifications transitions would have made: the dispatch that the engine runs, in virtual time and on a store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::UnixMillis;
use model::item::Revision;
use serde::Serialize;
use storage::memory::Memory;
use storage::{SharedStore, Swapped};

use crate::dispatch::{Dispatcher, Known, flap};
use crate::doc::{self, Stored};
use crate::incident::Incident;
use crate::notification::Notification;
use crate::pass;
use crate::receiver::Receiver;
use crate::route::Routing;

use super::replay::{Happened, decided};
use super::{Ground, TrialError, documents};

/// Incidents that dispatch passes look at in all, at most. Beyond it the estimate ends.
const MAX_WORK: usize = 1_000_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// Notifications that would have been made. Silences of today, acknowledgements and folding by topology are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notified {
    /// How many.
    pub total: usize,
    /// How many a day, by the time that was looked at.
    pub per_day: f64,
    /// How many for each receiver.
    pub by_receiver: BTreeMap<String, usize>,
    /// Up to when they were counted: the end of the range, or earlier where there were too many.
    pub until: UnixMillis,
}

/// Counts notifications while transitions come.
pub(super) struct Notifier {
    known: Arc<Known>,
    store: SharedStore,
    dispatcher: Dispatcher,
    incidents: BTreeMap<String, Stored<Incident>>,
    next: Option<UnixMillis>,
    work: usize,
    until: UnixMillis,
}

/// What operators have set, but for silences.
pub(super) async fn known(ground: &Ground) -> Result<Arc<Known>, TrialError> {
    let routing: Vec<Routing> = documents(ground).await?;
    let receivers: Vec<Receiver> = documents(ground).await?;
    Ok(Arc::new(Known::new(routing.first(), &receivers, []).0))
}

impl Notifier {
    pub(super) fn new(known: Arc<Known>, from: UnixMillis) -> Notifier {
        let store: SharedStore = Arc::new(Memory::new());
        let dispatcher = Dispatcher::new(Arc::clone(&store), 1);
        Notifier { known, store, dispatcher, incidents: BTreeMap::new(), next: None, work: 0, until: from }
    }

    /// Takes in transitions, oldest first, and dispatches up to a time.
    pub(super) async fn take(
        &mut self,
        happened: impl IntoIterator<Item = &Happened>,
        to: UnixMillis,
    ) -> Result<(), TrialError> {
        let mut happened = happened.into_iter().peekable();
        while let Some(first) = happened.next() {
            let now = decided(first.minute);
            self.wait(now).await?;
            let mut together = vec![first];
            while let Some(next) = happened.next_if(|next| next.minute == first.minute) {
                together.push(next);
            }
            self.write(&together, now).await?;
            self.dispatch(now).await?;
        }
        self.wait(to).await
    }

    /// What falls due before a time.
    async fn wait(&mut self, now: UnixMillis) -> Result<(), TrialError> {
        while let Some(due) = self.next.filter(|due| *due < now) {
            self.dispatch(due).await?;
        }
        if self.work <= MAX_WORK {
            self.until = now;
        }
        Ok(())
    }

    async fn write(&mut self, happened: &[&Happened], now: UnixMillis) -> Result<(), TrialError> {
        if self.work > MAX_WORK {
            return Ok(());
        }
        let mut swaps = Vec::new();
        for Happened { incident, transition, .. } in happened {
            let decided = Incident { transitions: vec![transition.clone()], ..incident.clone() };
            let (doc, revision) = match self.incidents.get(&incident.id) {
                Some(stored) => (pass::onto(&decided, &stored.doc).unwrap_or(decided), stored.revision),
                None => (decided, Revision(0)),
            };
            swaps.push((doc, revision));
        }
        // The nonce tells writers apart, and here is one.
        let items: Vec<_> = swaps.iter().map(|(doc, revision)| (doc::write(doc), *revision)).collect();
        for ((doc, _), swapped) in swaps.into_iter().zip(self.store.swap_many(&items).await?) {
            if let Swapped::Done(revision) = swapped {
                self.incidents.insert(doc.id.clone(), Stored { doc, revision, updated: now });
            }
        }
        Ok(())
    }

    async fn dispatch(&mut self, now: UnixMillis) -> Result<(), TrialError> {
        self.next = None;
        if self.work > MAX_WORK {
            return Ok(());
        }
        self.work += self.incidents.len() + 1;
        let done = self.dispatcher.run(&mut self.incidents, &self.known, &[], now, &|| true).await?;
        // A pass that is due at once is due again a moment later, or time would stand still.
        self.next = done.next.map(|next| next.max(now.plus(1_000)));
        self.incidents.retain(|_, stored| {
            let is_done = stored.doc.transitions.iter().all(|transition| transition.dispatched);
            let is_past = stored.doc.closed.is_some_and(|closed| closed.plus(flap::WINDOW_MS) < now);
            !(is_done && is_past)
        });
        Ok(())
    }

    /// What was counted since a time.
    pub(super) async fn count(self, from: UnixMillis) -> Result<Notified, TrialError> {
        let mut by_receiver: BTreeMap<String, usize> = BTreeMap::new();
        for stored in doc::load::<Notification>(self.store.as_ref(), Vec::new()).await? {
            *by_receiver.entry(stored.doc.receiver).or_default() += 1;
        }
        let total = by_receiver.values().sum();
        Ok(Notified { total, per_day: per_day(total, from, self.until), by_receiver, until: self.until })
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded to tenths")]
fn per_day(total: usize, from: UnixMillis, until: UnixMillis) -> f64 {
    let days = (until.0 - from.0).max(60_000) as f64 / DAY_MS as f64;
    (total as f64 / days * 10.0).round() / 10.0
}
