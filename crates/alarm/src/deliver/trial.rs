//! One attempt: noted, made, and its outcome noted, each by compare-and-set.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::UnixMillis;
use model::item::Revision;
use storage::chance::Chance;
use storage::lease::Term;
use storage::{StoreError, Swapped};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{Sender, Sent, UNKNOWN_AFTER_MS, plan};
use crate::doc::{self, Stored};
use crate::incident::Incident;
use crate::notification::{Attempt, KEPT_ATTEMPTS, Notification, Status};
use crate::notify::answer::Verdict;
use crate::notify::told::Shown;
use crate::receiver::{self, Receiver};
use crate::rule::Profile;

/// How often an outcome is written anew where the store does not answer.
const WRITES: u32 = 6;
/// How old a notification is whose receiver must be known: as long as a node may take to hear of a change.
const KNOWN_AFTER_MS: i64 = 60_000;

/// What an attempt came to.
pub(super) enum Ended {
    /// It was noted: this is stored.
    Noted { stored: Box<Stored<Notification>>, pause_ms: i64, must_wait: bool },
    /// Somebody else changed it, or the lease is lost: it is read again where it is still ours.
    Lost,
    /// The store did not answer: it is tried again later.
    Unwritten,
}

/// One attempt of one notification.
pub(super) struct Trial {
    pub(super) sender: Sender,
    pub(super) term: Term,
    pub(super) receiver: Result<Receiver, String>,
    pub(super) chance: Chance,
    pub(super) stored: Stored<Notification>,
}

impl Trial {
    /// Makes it.
    pub(super) async fn run(mut self) -> Ended {
        let begun = self.sender.clock.now();
        if !self.is_ours() {
            return Ended::Lost;
        }
        let doc = &self.stored.doc;
        let age_ms = begun.0.saturating_sub(doc.redriven.unwrap_or(doc.made).0);
        if age_ms > i64::from(self.sender.config.give_up_hours) * 3_600_000 {
            return self.note(|doc| finish(doc, Status::Dead, begun), 0, false).await;
        }
        let noted = self.note(|doc| note_attempt(doc, begun), 0, false).await;
        let Ended::Noted { stored, .. } = noted else { return noted };
        self.stored = *stored;
        // The write may have taken long enough to lose the lease.
        if !self.is_ours() {
            return Ended::Lost;
        }
        let started = Instant::now();
        let sent = match self.receiver.clone() {
            Ok(receiver) => match self.shown().await {
                Ok(shown) => self.sender.transport.send(&receiver, &shown, &self.stored.doc.delivered).await,
                Err(error) => failed(Verdict::Again { error: error.to_string(), after: None }),
            },
            // A receiver that was made just now is known to every node before long.
            Err(error) if age_ms < KNOWN_AFTER_MS => failed(Verdict::Again { error, after: None }),
            Err(error) => failed(Verdict::Refused { error }),
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.outcome(sent, took_ms).await
    }

    fn is_ours(&self) -> bool {
        self.sender.tenure.term() == Some(self.term)
    }

    async fn shown(&self) -> Result<Shown, StoreError> {
        let now = self.sender.clock.now();
        if let Some(sample) = &self.stored.doc.sample {
            return Ok(Shown::new(&self.stored.doc, std::slice::from_ref(&**sample), &self.sender.about, now));
        }
        let mut ids: Vec<String> = self.stored.doc.told.iter().map(|told| told.incident.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        // No id would ask for all incidents.
        let stored =
            if ids.is_empty() { Vec::new() } else { doc::load::<Incident>(self.sender.store.as_ref(), ids).await? };
        let mut incidents: Vec<Incident> = stored.into_iter().map(|stored| stored.doc).collect();
        // SkyWalking gives a rule without hooks the default ones when it reads its file, and tells of them.
        let is_hookless = |one: &&mut Incident| one.profile == Profile::Skywalking && one.hooks.is_empty();
        let mut hookless = incidents.iter_mut().filter(is_hookless).peekable();
        if hookless.peek().is_some() {
            let defaults = receiver::defaults(&self.sender.snapshots.now());
            hookless.for_each(|incident| incident.hooks.clone_from(&defaults));
        }
        Ok(Shown::new(&self.stored.doc, &incidents, &self.sender.about, now))
    }

    async fn outcome(mut self, sent: Sent, took_ms: u64) -> Ended {
        let counters = Arc::clone(&self.sender.counters);
        counters.fallbacks.fetch_add(u64::try_from(sent.fallbacks.len()).unwrap_or(0), Ordering::Relaxed);
        if let Some(error) = sent.fallbacks.first() {
            warn!(receiver = self.stored.doc.receiver, %error, "a template failed; the plain message was sent");
        }
        let now = self.sender.clock.now();
        let (mut pause_ms, mut must_wait) = (0, false);
        let (status, error) = match &sent.failed {
            None => (Status::Sent, String::new()),
            Some(Verdict::Again { error, after }) => {
                pause_ms = plan::pause(self.stored.doc.n_attempts, *after, &mut self.chance);
                must_wait = after.is_some() || sent.status == Some(429);
                (Status::Waiting, error.clone())
            }
            Some(Verdict::Refused { error }) => (Status::Dead, error.clone()),
            Some(Verdict::Taken) => (Status::Sent, String::new()),
        };
        counters.ended(&self.stored.doc.receiver, status);
        if status == Status::Dead {
            info!(
                receiver = self.stored.doc.receiver,
                notification = self.stored.doc.id,
                error,
                "a notification is dead"
            );
        }
        self.note(
            move |doc| {
                if let Some(attempt) = doc.attempts.last_mut() {
                    *attempt = Attempt {
                        took_ms: Some(took_ms),
                        status: sent.status,
                        error: error.clone(),
                        payload: sent.payload.clone(),
                        ..attempt.clone()
                    };
                }
                doc.delivered.clone_from(&sent.delivered);
                if status == Status::Waiting {
                    (doc.status, doc.next) = (status, now.plus(pause_ms));
                } else {
                    finish(doc, status, now);
                }
            },
            pause_ms,
            must_wait,
        )
        .await
    }

    /// Writes a change by compare-and-set, again and again while the store does not answer.
    async fn note(&mut self, change: impl Fn(&mut Notification), pause_ms: i64, must_wait: bool) -> Ended {
        let mut after = self.stored.doc.clone();
        change(&mut after);
        let nonce = self.chance.bits();
        let mut item = doc::write(&after);
        item.nonce = nonce;
        for n in 0..WRITES {
            let updated = self.sender.clock.now();
            item.updated = updated;
            match self.sender.store.swap_many(&[(item.clone(), self.stored.revision)]).await {
                Ok(swapped) => {
                    let Some(Swapped::Done(revision)) = swapped.into_iter().next() else { return Ended::Lost };
                    return noted(after, revision, updated, pause_ms, must_wait);
                }
                Err(error) if n + 1 == WRITES => {
                    warn!(%error, notification = after.id, "what became of a notification cannot be written");
                }
                Err(_) => sleep(Duration::from_millis(100 << n)).await,
            }
        }
        Ended::Unwritten
    }
}

fn noted(doc: Notification, revision: Revision, updated: UnixMillis, pause_ms: i64, must_wait: bool) -> Ended {
    Ended::Noted { stored: Box::new(Stored { doc, revision, updated }), pause_ms, must_wait }
}

fn failed(verdict: Verdict) -> Sent {
    Sent { failed: Some(verdict), ..Sent::default() }
}

/// An attempt that begins now.
pub(super) fn note_attempt(doc: &mut Notification, now: UnixMillis) {
    doc.status = Status::Sending;
    doc.n_attempts = doc.n_attempts.saturating_add(1);
    doc.next = now.plus(UNKNOWN_AFTER_MS);
    // The first half stays, of the others the last.
    if doc.attempts.len() >= KEPT_ATTEMPTS {
        doc.attempts.remove(KEPT_ATTEMPTS / 2);
    }
    doc.attempts.push(Attempt { at: now, took_ms: None, status: None, error: String::new(), payload: String::new() });
}

fn finish(doc: &mut Notification, status: Status, now: UnixMillis) {
    doc.status = status;
    doc.finished = Some(now);
}
