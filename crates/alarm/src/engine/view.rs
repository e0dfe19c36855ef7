//! What the engine tells of itself: for the status pages, for interfaces, for own telemetry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Bucket, UnixMillis};
use tokio::sync::watch;

use crate::columns::Labels;
use crate::dispatch::Problem;
use crate::entity::Entity;
use crate::incident::State;
use crate::pass::Kind;

/// How the engine of this node stands.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Since when this node evaluates; `None`: another one does, or none.
    pub since: Option<UnixMillis>,
    /// The last closed minute that all rules have seen.
    pub evaluated: Option<Bucket>,
    /// Closed minutes that were too long ago to be evaluated, since the start.
    pub n_missed: u64,
    /// Values that the last reading had no room for: rules do not see them ([`crate::window`]).
    pub n_left_out: usize,
    /// Passes over a minute since the start.
    pub n_passes: u64,
    /// Transitions decided since the start.
    pub n_transitions: u64,
    /// The last pass over a closed minute.
    pub closed: Option<Pass>,
    /// The last pass over the running minute.
    pub running: Option<Pass>,
    /// How long the last dispatch took.
    pub dispatch: Duration,
    /// What keeps the engine from its work; `None`: nothing.
    pub failing: Option<String>,
    /// Rules that are evaluated.
    pub n_rules: usize,
    /// Rules that cannot be evaluated, or could not be computed for some entity in the last pass, by id, and why.
    pub health: Arc<BTreeMap<String, String>>,
    /// What each rule cost in the last pass over a closed minute, by id.
    pub costs: Arc<BTreeMap<String, Cost>>,
    /// Instances that are not normal.
    pub instances: Arc<[Instance]>,
    /// Routes, inhibitions and silences that cannot be used.
    pub problems: Arc<[Problem]>,
}

/// A pass over a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The minute.
    pub minute: Bucket,
    /// When it began.
    pub at: UnixMillis,
    /// How long it computed.
    pub took: Duration,
    /// Pairs of rule and entity.
    pub n_pairs: usize,
    /// How many incidents it changed.
    pub n_changed: usize,
}

/// What a rule cost in a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Entities that it watches.
    pub pairs: usize,
    /// Its share of the time: rules are computed together, so by the series that they read.
    pub nanos: u64,
}

/// A rule for an entity, where its state is not normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Id of the rule.
    pub rule: String,
    /// What it is about.
    pub entity: Entity,
    /// Labels of the result, of rules with an instance for each set of them.
    pub labels: Labels,
    /// The state.
    pub state: State,
    /// The minute in which it was entered; of a pending one the first that matched.
    pub entered: Bucket,
    /// The last minute of silence.
    pub silent_until: Bucket,
    /// The last minute of observation, while it is observed.
    pub observed_until: Bucket,
    /// The first minute that may change the state if all stays as it is; `None`: none does.
    pub next: Option<Bucket>,
    /// Id of the incident; `None`: it is pending.
    pub incident: Option<String>,
}

impl View {
    /// How many instances are in each state, of those states that there are.
    pub fn states(&self) -> Vec<(State, usize)> {
        let mut counted: Vec<(State, usize)> = Vec::new();
        for instance in &*self.instances {
            match counted.iter_mut().find(|(state, _)| *state == instance.state) {
                Some((_, n)) => *n += 1,
                None => counted.push((instance.state, 1)),
            }
        }
        counted
    }

    /// This node evaluates no more: what it counted stays.
    pub(super) fn rest(&mut self) {
        *self = View {
            n_missed: self.n_missed,
            n_passes: self.n_passes,
            n_transitions: self.n_transitions,
            ..View::default()
        };
    }

    pub(super) fn passed(&mut self, kind: Kind, pass: Pass, n_transitions: usize) {
        self.n_passes += 1;
        self.n_transitions += u64::try_from(n_transitions).unwrap_or(0);
        match kind {
            Kind::Closed(_) => self.closed = Some(pass),
            Kind::Running(_) => self.running = Some(pass),
            Kind::Recall(_) => {}
        }
    }

    /// How long ago the minute ended that was evaluated last; `None`: none was yet.
    pub fn behind(&self, now: UnixMillis) -> Option<Duration> {
        let end = self.evaluated?.start().plus(60_000);
        Some(Duration::from_millis(u64::try_from(now.0.saturating_sub(end.0)).unwrap_or(0)))
    }

    /// The rules by what they cost, the dearest first: id and cost.
    pub fn dearest(&self) -> Vec<(&str, Cost)> {
        let mut all: Vec<_> = self.costs.iter().map(|(rule, cost)| (rule.as_str(), *cost)).collect();
        all.sort_by_key(|(rule, cost)| (std::cmp::Reverse(cost.nanos), *rule));
        all
    }
}

/// Tells how the engine stands. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Views(watch::Receiver<Arc<View>>);

impl Views {
    /// As it stands.
    pub fn now(&self) -> Arc<View> {
        Arc::clone(&self.0.borrow())
    }
}

/// Sets what [`Views`] tells.
#[derive(Debug)]
pub struct Teller(watch::Sender<Arc<View>>);

impl Teller {
    /// One with what tells the same.
    pub fn new() -> (Teller, Views) {
        let (teller, views) = watch::channel(Arc::default());
        (Teller(teller), Views(views))
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut View)) {
        self.0.send_modify(|view| change(Arc::make_mut(view)));
    }
}
