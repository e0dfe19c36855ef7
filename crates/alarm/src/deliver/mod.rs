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

use model::kinds::ItemKind;
use model::{Clock, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::chance::Chance;
use storage::lease::{Tenure, Term};
use storage::snapshot::{self, Snapshots};
use storage::{ItemQuery, SharedStore, StoreError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::doc::{self, Stored};
use crate::notification::{Notification, Status};
use crate::notify::told::About;
use crate::receiver::Receiver;

mod plan;
mod transport;
mod trial;

use plan::{Place, Queue};
#[cfg(test)]
pub(crate) use transport::Wire;
pub use transport::{Sent, Transport};
use trial::{Ended, Trial};

/// After how long an attempt whose outcome nobody noted is made again.
pub const UNKNOWN_AFTER_MS: i64 = 30_000;
/// How often it is asked whether an operator changed a notification.
const LOOK: Duration = Duration::from_secs(2);
/// The longest sleep: clocks are set.
const NAP: Duration = Duration::from_millis(500);
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
    /// Attempts by receiver: that delivered, that are made again, that were the last.
    by_receiver: Mutex<BTreeMap<String, [u64; 3]>>,
}

/// Receivers of which attempts are counted: those that there may be, with some that are gone.
const MAX_COUNTED: usize = 2 * crate::check::MAX_RECEIVERS;

impl Counters {
    /// What came of the attempts of each receiver since the start: `sent`, `failed` and made again, `dead`.
    pub fn receivers(&self) -> Vec<(String, [(&'static str, u64); 3])> {
        let counted = self.by_receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |[sent, failed, dead]: [u64; 3]| [("sent", sent), ("failed", failed), ("dead", dead)];
        counted.iter().map(|(receiver, counts)| (receiver.clone(), named(*counts))).collect()
    }

    /// An attempt of a receiver ended so.
    fn ended(&self, receiver: &str, status: Status) {
        let (counter, place) = match status {
            Status::Sent => (&self.sent, 0),
            Status::Dead => (&self.dead, 2),
            _ => (&self.failed, 1),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut counted = self.by_receiver.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() < MAX_COUNTED || counted.contains_key(receiver) {
            counted.entry(receiver.to_owned()).or_default()[place] += 1;
        }
    }
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
    /// The term whose holder has protected all notifications from the holder before: nothing is sent earlier, or that would spoil
    /// attempts that were just noted.
    pub fenced: watch::Receiver<Option<Term>>,
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
        let is_fenced = tokio::select! {
            biased;
            () = &mut stop => return,
            is_fenced = sender.fenced(term) => is_fenced,
        };
        if !is_fenced {
            continue;
        }
        let mut tenancy = Tenancy::new(&sender, term);
        let is_over = tenancy.run(&mut stop).await;
        tenancy.drain().await;
        if is_over {
            return;
        }
    }
}

impl Sender {
    /// Waits until the new holder has protected everything; `false`: the lease was lost before.
    async fn fenced(&mut self, term: Term) -> bool {
        while *self.fenced.borrow_and_update() != Some(term) {
            if self.tenure.term() != Some(term) {
                return false;
            }
            tokio::select! {
                _ = self.fenced.changed() => {}
                () = sleep(NAP) => {}
            }
        }
        true
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
        let document = snapshot::document(&*self.sender.store, ItemKind::AlarmNotification).await?;
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

#[cfg(test)]
mod tests;
