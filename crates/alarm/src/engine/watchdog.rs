//! Watches the engine and says so: a dead man's switch is told as long as rules are evaluated, and a receiver of the operator's choice
//! hears when evaluation is behind or notifications are dead.
//!
//! It is a task of its own, so that it can tell that the engine hangs; like the engine it speaks only where the lease is held. What it
//! says is sent at once and not kept: a heartbeat that comes late is none. Where all nodes are gone nobody speaks, which is what a
//! dead man's switch is for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::kinds::ItemKind;
use model::{Bucket, Clock, Scope, UnixMillis};
use storage::lease::Tenure;
use storage::snapshot::Snapshots;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::view::Views;
use crate::config;
use crate::deliver::{Counters, Transport};
use crate::doc;
use crate::entity::Entity;
use crate::incident::{Incident, State, Transition, What};
use crate::notification::{Notification, Status, Told};
use crate::notify::told::{About, Shown};
use crate::receiver::Receiver;
use crate::rule::{Rule, Severity};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// How far evaluation may be behind before it counts as stalled. A minute may be closed a minute after its end.
pub const STALLED: Duration = Duration::from_secs(180);
/// From one message about dead notifications to the next.
const DEAD_AGAIN: Duration = Duration::from_secs(600);

/// What the watchdog needs.
#[derive(Debug)]
pub struct Watchdog {
    /// Whom to tell.
    pub config: config::Watchdog,
    /// How the engine stands.
    pub views: Views,
    /// The lease of the alarm engine.
    pub tenure: Tenure,
    /// Follows receivers at least.
    pub snapshots: Snapshots,
    /// Sends.
    pub transport: Arc<Transport>,
    /// What the sender counts.
    pub counters: Arc<Counters>,
    /// What is the same for all notifications.
    pub about: About,
    /// Tells the time.
    pub clock: Clock,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    name: &'static str,
    severity: Severity,
    text: String,
    is_over: bool,
}

/// What was said.
#[derive(Debug, Default)]
struct Said {
    /// Since when this node holds the lease, by its own clock.
    held: Option<Instant>,
    heartbeat: Option<Instant>,
    stalled: bool,
    /// Dead notifications, as last told of, and when.
    dead: u64,
    dead_at: Option<Instant>,
}

/// Watches until `stop` is done.
pub async fn run(watchdog: Watchdog, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let watchdog = Arc::new(watchdog);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Said::default();
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            _ = looks.tick() => {}
        }
        for (receiver, word) in watchdog.look(&mut said, Instant::now()) {
            let telling = Arc::clone(&watchdog);
            // A receiver that hangs keeps nobody waiting; what it keeps is bounded by the time that a request may take.
            tokio::spawn(async move { telling.tell(&receiver, &word).await });
        }
    }
}

impl Watchdog {
    /// What is to be said to whom.
    fn look(&self, said: &mut Said, now: Instant) -> Vec<(String, Word)> {
        let mut words = Vec::new();
        if self.tenure.term().is_none() {
            *said = Said { dead: said.dead, ..Said::default() };
            return words;
        }
        let held = *said.held.get_or_insert(now);
        let view = self.views.now();
        let behind = view.behind(self.clock.now());
        // Who has just taken over catches up first.
        let stalled = now.duration_since(held) > STALLED && behind.is_none_or(|behind| behind > STALLED);
        let problem = &self.config.problem_receiver;
        if !problem.is_empty() && stalled != said.stalled {
            let why = view.failing.clone().unwrap_or_else(|| "nobody knows why".to_owned());
            let minutes = behind.map_or(0, |behind| behind.as_secs() / 60);
            let text = match stalled {
                true => format!("Alarm rules are not evaluated since {minutes} minutes: {why}"),
                false => "Alarm rules are evaluated again".to_owned(),
            };
            let word = Word { name: "skylark_alarms_stalled", severity: Severity::Critical, text, is_over: !stalled };
            words.push((problem.clone(), word));
        }
        said.stalled = stalled;
        let dead = self.counters.dead.load(Ordering::Relaxed);
        let again = said.dead_at.is_none_or(|at| now.duration_since(at) >= DEAD_AGAIN);
        if !problem.is_empty() && dead > said.dead && again {
            let n = dead - said.dead;
            let text = format!("{n} notifications could not be delivered and wait among the dead ones");
            let word = Word { name: "skylark_dead_notifications", severity: Severity::Warning, text, is_over: false };
            words.push((problem.clone(), word));
            (said.dead, said.dead_at) = (dead, Some(now));
        }
        let every = Duration::from_secs(self.config.heartbeat_seconds);
        let due = said.heartbeat.is_none_or(|at| now.duration_since(at) >= every);
        let alive = behind.is_some_and(|behind| behind <= STALLED);
        if !self.config.heartbeat_receiver.is_empty() && due && alive {
            said.heartbeat = Some(now);
            let text = "Alarm rules are evaluated".to_owned();
            let word = Word { name: "skylark_heartbeat", severity: Severity::Info, text, is_over: false };
            words.push((self.config.heartbeat_receiver.clone(), word));
        }
        words
    }

    async fn tell(&self, id: &str, word: &Word) {
        let snapshot = self.snapshots.now();
        let items = snapshot.of(ItemKind::AlarmReceiver).map(Arc::clone).unwrap_or_default();
        let Some(item) = items.iter().find(|item| item.id == id) else {
            warn!(receiver = id, "the watchdog knows no such receiver");
            return;
        };
        let sent = match doc::read::<Receiver>(item) {
            Ok(receiver) => self.transport.send(&receiver.doc, &self.shown(id, word), &[]).await.failed,
            Err(error) => {
                warn!(receiver = id, %error, "the watchdog cannot use its receiver");
                return;
            }
        };
        match sent {
            Some(failed) => warn!(receiver = id, word = word.name, ?failed, "the watchdog was not heard"),
            None => info!(receiver = id, word = word.name, "the watchdog spoke"),
        }
    }

    fn shown(&self, receiver: &str, word: &Word) -> Shown {
        let now = self.clock.now();
        let incident = incident(word, now);
        let notification = Notification {
            id: format!("{}-{}", word.name, now.0),
            group: word.name.to_owned(),
            sequence: u64::try_from(now.0).unwrap_or(0),
            receiver: receiver.to_owned(),
            labels: BTreeMap::from([("rule".to_owned(), word.name.to_owned())]),
            told: incident.transitions.iter().map(|transition| Told::of(&incident, transition)).collect(),
            omitted: 0,
            folded: 0,
            repeated: false,
            test: false,
            made: now,
            status: Status::Waiting,
            next: now,
            n_attempts: 0,
            attempts: Vec::new(),
            finished: None,
            delivered: Vec::new(),
            redriven: None,
            sample: None,
            change: String::new(),
        };
        Shown::new(&notification, std::slice::from_ref(&incident), &self.about, now)
    }
}

/// An incident that is nowhere kept: what the watchdog says in the words that every receiver understands.
fn incident(word: &Word, now: UnixMillis) -> Incident {
    let minute = now.minute().unwrap_or(Bucket(0));
    let (what, state) = match word.is_over {
        true => (What::Recovered, State::Recovered),
        false => (What::Fired, State::Firing),
    };
    let entity = Entity { scope: Scope::Service, id: model::id::service("skylark", true), name: "skylark".to_owned() };
    let transition = Transition {
        uuid: format!("{}-{}", word.name, now.0),
        message: word.text.clone(),
        dispatched: true,
        ..Transition::bare(1, what, minute, now)
    };
    let rule =
        Rule { id: word.name.to_owned(), name: word.name.to_owned(), severity: word.severity, ..Rule::default() };
    Incident {
        id: word.name.to_owned(),
        entity,
        state,
        silent_until: minute,
        observed_until: minute,
        closed: word.is_over.then_some(now),
        transitions: vec![transition],
        ..Incident::of(&rule, minute)
    }
}
