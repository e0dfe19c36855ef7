//! What the alarm engine of this node tells of itself, as own telemetry and in a line of the status page.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alarm::deliver::Counters;
use alarm::engine::{Pass, View, Views};
use alarm::incident::State;
use alarm::rule::Rule;
use alarm::start::Alarm;
use model::UnixMillis;
use model::kinds::ItemKind;
use serde::Serialize;
use storage::lease::Tenure;
use storage::snapshot::Snapshots;

use crate::telemetry::{Family, float};

/// Rules that are named with what they cost.
const DEAREST: usize = 10;
/// The states of an instance that is not normal.
const STATES: [(State, &str); 6] = [
    (State::Pending, "pending"),
    (State::Firing, "firing"),
    (State::SilencedFiring, "silenced"),
    (State::ObservingRecovery, "observing"),
    (State::NoData, "no_data"),
    (State::Error, "error"),
];

/// Where it is told from. Clones tell the same.
#[derive(Clone)]
pub struct Told {
    views: Views,
    counters: Arc<Counters>,
    tenure: Tenure,
    snapshots: Snapshots,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("views", &self.views).finish_non_exhaustive()
    }
}

/// The line of the status page.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Whether this node evaluates and sends.
    holder: bool,
    /// Rules that there are.
    rules: usize,
    /// Rules that cannot be evaluated.
    broken: usize,
    /// Instances that fire, silenced or observed ones among them.
    open: usize,
    /// Notifications that wait.
    waiting: u64,
    /// Notifications that were given up since the start.
    dead: u64,
    /// How far evaluation is behind the end of the last minute, in seconds.
    behind: Option<f64>,
    /// What keeps the engine from its work.
    failing: Option<String>,
}

impl Told {
    /// Of this engine.
    pub fn new(alarm: &Alarm) -> Told {
        Told {
            views: alarm.views.clone(),
            counters: Arc::clone(&alarm.counters),
            tenure: alarm.tenure.clone(),
            snapshots: alarm.desk.snapshots.clone(),
        }
    }

    pub(crate) fn line(&self, now: UnixMillis) -> Line {
        let view = self.views.now();
        let is_open = |state| matches!(state, State::Firing | State::SilencedFiring | State::ObservingRecovery);
        Line {
            holder: self.tenure.term().is_some(),
            rules: self.snapshots.now().of(ItemKind::AlarmRule).map_or(0, |rules| rules.len()),
            broken: view.health.len(),
            open: view.states().into_iter().filter(|(state, _)| is_open(*state)).map(|(_, n)| n).sum(),
            waiting: self.counters.waiting.load(Ordering::Relaxed),
            dead: self.counters.dead.load(Ordering::Relaxed),
            behind: view.behind(now).map(|behind| behind.as_secs_f64()),
            failing: view.failing.clone(),
        }
    }

    /// What own telemetry tells.
    pub(crate) fn families(&self, now: UnixMillis) -> Vec<Family> {
        let view = self.views.now();
        let mut families = evaluation(&view, self.tenure.term().is_some(), now);
        families.push(self.costs(&view));
        families.extend(self.delivery(now));
        families
    }

    /// By name: ids mean nothing to people.
    fn costs(&self, view: &View) -> Family {
        let snapshot = self.snapshots.now();
        let items = snapshot.of(ItemKind::AlarmRule).map_or(&[][..], |items| &items[..]);
        let dearest = view.dearest();
        let wanted: HashMap<&str, f64> =
            dearest.iter().take(DEAREST).map(|(id, cost)| (*id, float(cost.nanos) / 1e9)).collect();
        let named = items.iter().filter_map(|item| {
            let seconds = wanted.get(item.id.as_str())?;
            let name = alarm::doc::read::<Rule>(item).map_or_else(|_| item.id.clone(), |stored| stored.doc.name);
            Some((vec![("rule", name)], *seconds))
        });
        Family::gauge(
            "skylark_alarm_rule_seconds",
            "Share of the last pass over a closed minute, of the dearest rules.",
            named.collect(),
        )
    }

    fn delivery(&self, now: UnixMillis) -> [Family; 5] {
        let counters = &self.counters;
        let (waiting, oldest) = (counters.waiting.load(Ordering::Relaxed), counters.oldest.load(Ordering::Relaxed));
        let age = if oldest == 0 { 0 } else { u64::try_from(now.0.saturating_sub(oldest)).unwrap_or(0) };
        let deliveries = counters.receivers().into_iter().flat_map(|(receiver, outcomes)| {
            let point = move |(outcome, n): (&str, u64)| {
                (vec![("receiver", receiver.clone()), ("outcome", outcome.to_owned())], float(n))
            };
            outcomes.into_iter().map(point)
        });
        [
            Family::gauge("skylark_alarm_outbox", "Notifications that wait or are under way.", one(float(waiting))),
            Family::gauge("skylark_alarm_outbox_oldest_seconds", "Age of the oldest of them.", one(float(age) / 1e3)),
            Family::counter(
                "skylark_alarm_deliveries",
                "Attempts to deliver, by receiver and what came of them.",
                deliveries.collect(),
            ),
            Family::counter(
                "skylark_alarm_dead_letters",
                "Notifications that were given up.",
                one(float(counters.dead.load(Ordering::Relaxed))),
            ),
            Family::counter(
                "skylark_alarm_template_fallbacks",
                "Templates that failed: the plain message was sent.",
                one(float(counters.fallbacks.load(Ordering::Relaxed))),
            ),
        ]
    }
}

fn count(n: usize) -> f64 {
    float(u64::try_from(n).unwrap_or(u64::MAX))
}

fn one(value: f64) -> Vec<(Vec<(&'static str, String)>, f64)> {
    vec![(Vec::new(), value)]
}

fn evaluation(view: &View, is_holder: bool, now: UnixMillis) -> Vec<Family> {
    let passes = [("closed", &view.closed), ("running", &view.running)];
    let by_kind = |value: &dyn Fn(&Pass) -> f64| {
        let point =
            |(kind, pass): &(&str, &Option<Pass>)| Some((vec![("minute", (*kind).to_owned())], value(pass.as_ref()?)));
        passes.iter().filter_map(point).collect::<Vec<_>>()
    };
    let states = view.states();
    let in_state = |state| states.iter().find(|(other, _)| *other == state).map_or(0, |(_, n)| *n);
    let instances = STATES.map(|(state, name)| (vec![("state", name.to_owned())], count(in_state(state))));
    let behind = view.behind(now).map_or(Vec::new(), |behind| one(behind.as_secs_f64()));
    vec![
        Family::gauge(
            "skylark_alarm_holder",
            "Whether this node evaluates rules and sends notifications.",
            one(f64::from(u8::from(is_holder))),
        ),
        Family::gauge("skylark_alarm_rules", "Rules that are evaluated.", one(count(view.n_rules))),
        Family::gauge(
            "skylark_alarm_rules_broken",
            "Rules that cannot be evaluated, or not for some entity.",
            one(count(view.health.len())),
        ),
        Family::gauge(
            "skylark_alarm_behind_seconds",
            "Time since the end of the last closed minute that all rules have seen.",
            behind,
        ),
        Family::counter("skylark_alarm_passes", "Passes of all rules over a minute.", one(float(view.n_passes))),
        Family::counter(
            "skylark_alarm_transitions",
            "Firings, recoveries and the like.",
            one(float(view.n_transitions)),
        ),
        Family::counter(
            "skylark_alarm_minutes_missed",
            "Closed minutes that were over for too long to be evaluated.",
            one(float(view.n_missed)),
        ),
        Family::gauge(
            "skylark_alarm_values_left_out",
            "Values that the last reading had no room for: rules do not see them.",
            one(count(view.n_left_out)),
        ),
        Family::gauge(
            "skylark_alarm_pass_seconds",
            "Time the last pass took, over a closed and over the running minute.",
            by_kind(&|pass| pass.took.as_secs_f64()),
        ),
        Family::gauge(
            "skylark_alarm_evaluations",
            "Pairs of rule and entity in the last pass.",
            by_kind(&|pass| count(pass.n_pairs)),
        ),
        Family::gauge(
            "skylark_alarm_dispatch_seconds",
            "Time the last dispatch took.",
            one(view.dispatch.as_secs_f64()),
        ),
        Family::gauge("skylark_alarm_instances", "Rules for entities that are not normal, by state.", instances.into()),
    ]
}
