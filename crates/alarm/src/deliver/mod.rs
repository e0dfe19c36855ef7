//! The sender: what was stored to be told is told, at least once, always with the same key.
//!
//! Only the holder of the lease sends, and it asks for its term before each attempt. An attempt is written before it is made and its
//! outcome after it, each by compare-and-set, so that a holder that lost the lease cannot go on unseen. Who finds an attempt without
//! an outcome after [`UNKNOWN_AFTER_MS`] makes it again. Each receiver has a queue, a number of attempts at once and a breaker of its
//! own: one that is slow or dead keeps nobody else waiting.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::item::Revision;
use model::kinds::ItemKind;
use model::{Clock, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::chance::Chance;
use storage::lease::{Tenure, Term};
use storage::snapshot::Snapshots;
use storage::{ItemQuery, SharedStore, StoreError, Swapped};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::doc::{self, Stored};
use crate::incident::Incident;
use crate::notification::{Attempt, KEPT_ATTEMPTS, Notification, Status};
use crate::notify::answer::Verdict;
use crate::notify::told::{About, Shown};
use crate::receiver::Receiver;

mod plan;
mod transport;

use plan::{Place, Queue};
pub use transport::{Sent, Transport};

/// After how long an attempt whose outcome nobody noted is made again.
pub const UNKNOWN_AFTER_MS: i64 = 30_000;
/// How often it is asked whether an operator changed a notification.
const LOOK: Duration = Duration::from_secs(2);
/// The longest sleep: clocks are set.
const NAP: Duration = Duration::from_millis(500);
/// How often an outcome is written anew where the store does not answer.
const WRITES: u32 = 6;
/// Ids that are handed over one by one; beyond, all are read again.
const MAX_OFFERED: usize = 10_000;

/// How notifications are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a request may take in all, in milliseconds; at most 14,000.
    pub timeout_ms: u64,
    /// How many notifications are under way to one receiver at once.
    pub concurrency: usize,
    /// After how many hours without success a notification is given up.
    pub give_up_hours: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { connect_timeout_ms: 5_000, timeout_ms: 12_000, concurrency: 4, give_up_hours: 24 }
    }
}

impl Config {
    /// What is wrong with it, each as key and sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        // An attempt must be over before it counts as lost: one request may begin after 15 s.
        if !(1..=14_000).contains(&self.timeout_ms) {
            problems.push(("timeout_ms", "must be from 1 to 14000".to_owned()));
        }
        if self.connect_timeout_ms == 0 || self.connect_timeout_ms > self.timeout_ms {
            problems.push(("connect_timeout_ms", "must be from 1 to timeout_ms".to_owned()));
        }
        if !(1..=64).contains(&self.concurrency) {
            problems.push(("concurrency", "must be from 1 to 64".to_owned()));
        }
        if !(1..=720).contains(&self.give_up_hours) {
            problems.push(("give_up_hours", "must be from 1 to 720".to_owned()));
        }
        problems
    }
}

/// Hands new notifications to the sender of this node. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Offered>);

#[derive(Debug, Default)]
struct Offered {
    ids: Mutex<Vec<String>>,
    wake: Notify,
}

impl Outbox {
    /// Tells of notifications that were stored just now. One that is not told of is found when the lease changes hands, or an operator
    /// changes any.
    pub fn offer(&self, ids: impl IntoIterator<Item = String>) {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        self.0.wake.notify_one();
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the sender did and has to do, for own telemetry.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempts that delivered.
    pub sent: AtomicU64,
    /// Attempts that failed and are made again.
    pub failed: AtomicU64,
    /// Notifications that were given up.
    pub dead: AtomicU64,
    /// Templates that failed: the plain message was sent.
    pub fallbacks: AtomicU64,
    /// Notifications that wait or are under way.
    pub waiting: AtomicU64,
    /// When the oldest of them was made, in milliseconds; 0: there is none.
    pub oldest: AtomicI64,
}

/// A dead notification as it is to be stored to be sent again, its time beginning anew; `None`: it is not dead.
pub fn redriven(notification: &Notification, now: UnixMillis) -> Option<Notification> {
    let is_dead = matches!(notification.status, Status::Dead | Status::Discarded);
    is_dead.then(|| Notification {
        status: Status::Waiting,
        next: now,
        n_attempts: 0,
        finished: None,
        redriven: Some(now),
        ..notification.clone()
    })
}

/// A notification as it is to be stored to be sent no more; `None`: it is done with already.
pub fn discarded(notification: &Notification, now: UnixMillis) -> Option<Notification> {
    let is_done = matches!(notification.status, Status::Sent | Status::Discarded);
    (!is_done).then(|| Notification { status: Status::Discarded, finished: Some(now), ..notification.clone() })
}

/// What the sender needs.
#[derive(Clone)]
pub struct Sender {
    /// Where notifications, incidents and receivers are.
    pub store: SharedStore,
    /// Tells the time.
    pub clock: Clock,
    /// The lease of the alarm engine.
    pub tenure: Tenure,
    /// Follows receivers at least.
    pub snapshots: Snapshots,
    /// What sends.
    pub transport: Arc<Transport>,
    /// What is the same for all.
    pub about: About,
    /// How it sends.
    pub config: Config,
    /// What is handed over on this node.
    pub outbox: Outbox,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// For jitter and nonces.
    pub seed: u64,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Sends while this node holds the lease, until `stop` is done; attempts under way then are ended first.
pub async fn run(mut sender: Sender, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        let term = tokio::select! {
            biased;
            () = &mut stop => return,
            term = sender.tenure.held() => term,
        };
        let mut tenancy = Tenancy::new(&sender, term);
        let is_over = tenancy.run(&mut stop).await;
        tenancy.drain().await;
        if is_over {
            return;
        }
    }
}

/// What is known while one term lasts.
struct Tenancy<'a> {
    sender: &'a Sender,
    term: Term,
    queues: BTreeMap<String, Queue>,
    under_way: JoinSet<(Place, String, Ended)>,
    chance: Chance,
    /// The revision document of notifications, as last seen; `None`: all must be read.
    document: Option<String>,
    looked: Option<Instant>,
    is_failing: bool,
}

/// What an attempt came to.
enum Ended {
    /// It was noted: this is stored.
    Noted { stored: Box<Stored<Notification>>, pause_ms: i64, must_wait: bool },
    /// Somebody else changed it, or the lease is lost: it is read again where it is still ours.
    Lost,
    /// The store did not answer: it is tried again later.
    Unwritten,
}

impl<'a> Tenancy<'a> {
    fn new(sender: &'a Sender, term: Term) -> Self {
        Tenancy {
            sender,
            term,
            queues: BTreeMap::new(),
            under_way: JoinSet::new(),
            // Another term draws other nonces.
            chance: Chance::new(sender.seed ^ storage::chance::random()),
            document: None,
            looked: None,
            is_failing: false,
        }
    }

    /// Sends until the term is over (`false`) or `stop` is done (`true`).
    async fn run(&mut self, stop: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        loop {
            if self.sender.tenure.term() != Some(self.term) {
                return false;
            }
            let looked = self.look().await;
            self.tell(looked.err());
            self.start();
            self.count();
            let nap = self.nap();
            tokio::select! {
                biased;
                () = &mut *stop => return true,
                Some(ended) = self.under_way.join_next() => self.ended(ended).await,
                () = self.sender.outbox.0.wake.notified() => {}
                () = sleep(nap) => {}
            }
        }
    }

    /// Waits for what is under way, so that its outcome is noted.
    async fn drain(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }

    /// Reads what is new: what was handed over, and everything after an operator's change.
    async fn look(&mut self) -> Result<(), StoreError> {
        let offered = self.sender.outbox.take();
        if offered.len() > MAX_OFFERED {
            self.document = None;
        } else if !offered.is_empty()
            && let Err(error) = self.read(offered).await
        {
            // What was handed over is not lost: all is read when the store answers again.
            self.document = None;
            self.looked = None;
            return Err(error);
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        let query = ItemQuery {
            kind: ItemKind::Revision,
            ids: vec![ItemKind::AlarmNotification.name().to_owned()],
            tombstones: false,
        };
        let documents = self.sender.store.items(&query).await?;
        let document = documents.into_iter().next().map(|item| item.body).unwrap_or_default();
        if self.document.as_ref() != Some(&document) {
            self.read(Vec::new()).await?;
            self.document = Some(document);
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Takes in the notifications of these ids; of none: all.
    async fn read(&mut self, ids: Vec<String>) -> Result<(), StoreError> {
        let query = ItemQuery { kind: ItemKind::AlarmNotification, ids, tombstones: false };
        for item in self.sender.store.items(&query).await? {
            match doc::read::<Notification>(&item) {
                Ok(stored) => self.take(stored),
                Err(error) => warn!(%error, "a notification cannot be read, and is not sent"),
            }
        }
        Ok(())
    }

    fn take(&mut self, stored: Stored<Notification>) {
        let doc = &stored.doc;
        if matches!(doc.status, Status::Waiting | Status::Sending) {
            self.queues.entry(doc.receiver.clone()).or_default().put(stored);
        } else if let Some(queue) = self.queues.get_mut(&doc.receiver) {
            queue.remove(&(doc.made, doc.sequence, doc.id.clone()));
        }
    }

    fn start(&mut self) {
        let snapshot = self.sender.snapshots.now();
        // Before the first snapshot nobody knows the receivers.
        let Some(receivers) = snapshot.of(ItemKind::AlarmReceiver) else { return };
        let now = self.sender.clock.now();
        for (id, queue) in &mut self.queues {
            let due = queue.start(now, self.sender.config.concurrency);
            if due.is_empty() {
                continue;
            }
            let item = receivers.iter().find(|item| item.id == *id && !item.tombstone);
            let receiver = item.map(|item| doc::read::<Receiver>(item).map(|stored| stored.doc));
            let receiver = match receiver {
                Some(Ok(receiver)) => Ok(receiver),
                Some(Err(error)) => Err(error.to_string()),
                None => Err(format!("there is no receiver {id}")),
            };
            for (place, stored) in due {
                let trial = Trial {
                    sender: self.sender.clone(),
                    term: self.term,
                    receiver: receiver.clone(),
                    chance: Chance::new(self.chance.bits()),
                    stored,
                };
                let id = id.clone();
                self.under_way.spawn(async move { (place, id, trial.run().await) });
            }
        }
    }

    async fn ended(&mut self, ended: Result<(Place, String, Ended), tokio::task::JoinError>) {
        let (place, receiver, ended) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its attempt is noted without an outcome: reading all finds it, busy no more.
                warn!(%error, "an attempt to send a notification broke off");
                self.queues.clear();
                self.document = None;
                self.looked = None;
                return;
            }
        };
        let Some(queue) = self.queues.get_mut(&receiver) else { return };
        match ended {
            Ended::Noted { stored, pause_ms, must_wait } => {
                let is_ok = stored.doc.status == Status::Sent;
                queue.told(is_ok, pause_ms, must_wait, self.sender.clock.now());
                if matches!(stored.doc.status, Status::Waiting | Status::Sending) {
                    queue.ended(&place, *stored);
                } else {
                    queue.remove(&place);
                }
            }
            Ended::Lost | Ended::Unwritten => {
                queue.remove(&place);
                self.sender.outbox.offer([place.2]);
            }
        }
        if self.queues.get(&receiver).is_some_and(Queue::is_empty) {
            // The breaker goes with it: whoever comes next finds out for itself.
            self.queues.remove(&receiver);
        }
    }

    /// How long nothing will happen by itself.
    fn nap(&self) -> Duration {
        let now = self.sender.clock.now();
        let next = self.queues.values().filter_map(Queue::next).min();
        let millis = next.map(|next| u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0));
        // What is due and not started waits for something else that wakes us.
        millis.filter(|millis| *millis > 0).map_or(NAP, Duration::from_millis).min(NAP)
    }

    fn count(&self) {
        let waiting = self.queues.values().map(Queue::len).sum::<usize>();
        let oldest = self.queues.values().filter_map(Queue::oldest).min().map_or(0, |made| made.0);
        self.sender.counters.waiting.store(u64::try_from(waiting).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.sender.counters.oldest.store(oldest, Ordering::Relaxed);
    }

    /// An error is told when it begins, not at every look.
    fn tell(&mut self, error: Option<StoreError>) {
        if let Some(error) = &error
            && !self.is_failing
        {
            warn!(%error, "notifications cannot be read; they are sent when the store answers again");
        }
        self.is_failing = error.is_some();
    }
}

/// One attempt of one notification.
struct Trial {
    sender: Sender,
    term: Term,
    receiver: Result<Receiver, String>,
    chance: Chance,
    stored: Stored<Notification>,
}

impl Trial {
    async fn run(mut self) -> Ended {
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
            Err(error) => failed(Verdict::Refused { error }),
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.outcome(sent, took_ms).await
    }

    fn is_ours(&self) -> bool {
        self.sender.tenure.term() == Some(self.term)
    }

    async fn shown(&self) -> Result<Shown, StoreError> {
        let mut ids: Vec<String> = self.stored.doc.told.iter().map(|told| told.incident.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let items = if ids.is_empty() {
            Vec::new()
        } else {
            self.sender.store.items(&ItemQuery { kind: ItemKind::AlarmIncident, ids, tombstones: false }).await?
        };
        let incidents: Vec<Incident> =
            items.iter().filter_map(|item| Some(doc::read::<Incident>(item).ok()?.doc)).collect();
        Ok(Shown::new(&self.stored.doc, &incidents, &self.sender.about, self.sender.clock.now()))
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
        let counter = match status {
            Status::Sent => &counters.sent,
            Status::Dead => &counters.dead,
            _ => &counters.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if status == Status::Dead {
            info!(receiver = self.stored.doc.receiver, notification = self.stored.doc.id, error, "a notification is dead");
        }
        self.note(
            move |doc| {
                if let Some(attempt) = doc.attempts.last_mut() {
                    *attempt = Attempt { took_ms: Some(took_ms), status: sent.status, error: error.clone(), ..attempt.clone() };
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

fn note_attempt(doc: &mut Notification, now: UnixMillis) {
    doc.status = Status::Sending;
    doc.n_attempts = doc.n_attempts.saturating_add(1);
    doc.next = now.plus(UNKNOWN_AFTER_MS);
    // The first half stays, of the others the last.
    if doc.attempts.len() >= KEPT_ATTEMPTS {
        doc.attempts.remove(KEPT_ATTEMPTS / 2);
    }
    doc.attempts.push(Attempt { at: now, took_ms: None, status: None, error: String::new() });
}

fn finish(doc: &mut Notification, status: Status, now: UnixMillis) {
    doc.status = status;
    doc.finished = Some(now);
}

#[cfg(test)]
mod tests;
