//! Notifications: what became of them, sent again, given up.

use std::collections::BTreeMap;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::deliver::{discarded, redriven};
use crate::doc::Stored;
use crate::edit::{By, EditError, Next};
use crate::notification::{Attempt, Notification, Status, Told};

use super::{Desk, DeskError, Listed, Page};

/// Which notifications are asked for. What is not set asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeliveryFilter {
    /// In this state.
    pub status: Option<Status>,
    /// To this receiver.
    pub receiver: Option<String>,
    /// That tell of the incident of this id.
    pub incident: Option<String>,
    /// Whether they are tests.
    pub test: Option<bool>,
    /// Made at that time or later.
    pub from: Option<UnixMillis>,
    /// Made before that time.
    pub before: Option<UnixMillis>,
}

/// A notification as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id, which is the idempotency key.
    pub id: String,
    /// The receiver.
    pub receiver: String,
    /// Id of the group.
    pub group: String,
    /// Its number in the group.
    pub sequence: u64,
    /// The labels of the group.
    pub labels: BTreeMap<String, String>,
    /// What it tells.
    pub told: Vec<Told>,
    /// How many more the group holds that it does not list.
    pub omitted: u64,
    /// Whether it repeats what was told.
    pub repeated: bool,
    /// Whether it is a test.
    pub test: bool,
    /// What became of it.
    pub status: Status,
    /// When it was made.
    pub made: UnixMillis,
    /// When it is tried next; `None`: it is done with.
    pub next: Option<UnixMillis>,
    /// When it was done with.
    pub finished: Option<UnixMillis>,
    /// Milliseconds from its making until the receiver had it.
    pub latency_ms: Option<i64>,
    /// How often it was tried.
    pub n_attempts: u32,
    /// Tries, oldest first.
    pub attempts: Vec<Attempt>,
    /// What went wrong last, or the beginning of the answer that says so.
    pub error: String,
    /// When somebody had it sent again.
    pub redriven: Option<UnixMillis>,
    /// The version of it.
    pub revision: u64,
}

impl Delivery {
    fn new(stored: Stored<Notification>) -> Self {
        let Stored { doc, revision, .. } = stored;
        let is_waiting = matches!(doc.status, Status::Waiting | Status::Sending);
        let sent = doc.finished.filter(|_| doc.status == Status::Sent);
        Delivery {
            latency_ms: sent.map(|at| at.0.saturating_sub(doc.redriven.unwrap_or(doc.made).0)),
            error: doc.attempts.last().map(|last| last.error.clone()).unwrap_or_default(),
            next: is_waiting.then_some(doc.next),
            id: doc.id,
            receiver: doc.receiver,
            group: doc.group,
            sequence: doc.sequence,
            labels: doc.labels,
            told: doc.told,
            omitted: doc.omitted,
            repeated: doc.repeated,
            test: doc.test,
            status: doc.status,
            made: doc.made,
            finished: doc.finished,
            n_attempts: doc.n_attempts,
            attempts: doc.attempts,
            redriven: doc.redriven,
            revision: revision.0,
        }
    }
}

/// What became of notifications that somebody wanted sent again, or given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redriven {
    /// Ids of those for which it was done.
    pub done: Vec<String>,
    /// Ids of the others, and why.
    pub failed: BTreeMap<String, String>,
    /// How many more meet the filter: one request takes so many at most.
    pub left: usize,
}

/// Which of the two.
#[derive(Clone, Copy)]
enum Fate {
    Again,
    NoMore,
}

impl DeliveryFilter {
    fn takes(&self, doc: &Notification) -> bool {
        self.status.is_none_or(|status| status == doc.status)
            && self.receiver.as_ref().is_none_or(|receiver| *receiver == doc.receiver)
            && self.incident.as_ref().is_none_or(|id| doc.told.iter().any(|told| told.incident == *id))
            && self.test.is_none_or(|test| test == doc.test)
            && self.from.is_none_or(|from| doc.made >= from)
            && self.before.is_none_or(|before| doc.made < before)
    }
}

impl Desk {
    /// Notifications, the newest first.
    ///
    /// All that the store keeps are read for it: those that wait, and those that were done with in the last 30 days.
    pub async fn deliveries(&self, filter: &DeliveryFilter, page: Page) -> Result<Listed<Delivery>, DeskError> {
        let Listed { total, items } = page.of(self.filtered(filter).await?);
        Ok(Listed { total, items: items.into_iter().map(Delivery::new).collect() })
    }

    /// One notification.
    pub async fn delivery(&self, id: &str) -> Result<Delivery, DeskError> {
        Ok(Delivery::new(self.get::<Notification>(id).await?))
    }

    /// Has dead notifications of these ids sent again, their time beginning anew.
    pub async fn redrive(&self, ids: &[String], by: &By) -> Result<Redriven, DeskError> {
        self.bounded(ids.len())?;
        Ok(self.fates(ids, Fate::Again, by).await)
    }

    /// Has dead notifications that meet a filter sent again, the oldest first, as many as one request may.
    pub async fn redrive_all(&self, filter: &DeliveryFilter, by: &By) -> Result<Redriven, DeskError> {
        let dead = DeliveryFilter { status: Some(filter.status.unwrap_or(Status::Dead)), ..filter.clone() };
        let mut ids: Vec<String> = self.filtered(&dead).await?.into_iter().map(|stored| stored.doc.id).collect();
        ids.reverse();
        let left = ids.len().saturating_sub(self.config.redrive_limit);
        ids.truncate(self.config.redrive_limit);
        Ok(Redriven { left, ..self.fates(&ids, Fate::Again, by).await })
    }

    /// Gives notifications up that the receiver does not have yet.
    pub async fn discard(&self, ids: &[String], by: &By) -> Result<Redriven, DeskError> {
        self.bounded(ids.len())?;
        Ok(self.fates(ids, Fate::NoMore, by).await)
    }

    fn bounded(&self, n: usize) -> Result<(), DeskError> {
        let most = self.config.redrive_limit;
        if n > most {
            let what = format!("there are {n}, and one request takes {most} at most");
            return Err(DeskError::refused("too_many", "ids", what));
        }
        Ok(())
    }

    async fn filtered(&self, filter: &DeliveryFilter) -> Result<Vec<Stored<Notification>>, DeskError> {
        let mut all = self.all::<Notification>().await?;
        all.retain(|stored| filter.takes(&stored.doc));
        all.sort_by(|a, b| (b.doc.made, b.doc.sequence, &a.doc.id).cmp(&(a.doc.made, a.doc.sequence, &b.doc.id)));
        Ok(all)
    }

    async fn fates(&self, ids: &[String], fate: Fate, by: &By) -> Redriven {
        let mut answer = Redriven::default();
        for id in ids {
            let next = |doc: &Notification, now: UnixMillis| {
                let (next, why) = match fate {
                    Fate::Again => (redriven(doc, now), "it is neither dead nor discarded"),
                    Fate::NoMore => (discarded(doc, now), "it is done with already"),
                };
                next.map(Next::Write).ok_or_else(|| EditError::invalid("done", "", why))
            };
            let op = match fate {
                Fate::Again => Op::Redrive,
                Fate::NoMore => Op::Discard,
            };
            match self.edits.act::<Notification>(id, op, by, next).await {
                Ok(_) => answer.done.push(id.clone()),
                Err(error) => drop(answer.failed.insert(id.clone(), error.to_string())),
            }
        }
        // The sender of this node need not wait until it looks.
        self.outbox.offer(answer.done.iter().cloned());
        answer
    }
}
