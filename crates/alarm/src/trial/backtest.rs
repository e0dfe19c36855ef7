//! What a rule would have done over days that are past.

use std::collections::BTreeMap;

use model::{Bucket, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::columns::Labels;
use crate::entity::Entity;
use crate::incident::{Reason, What};
use crate::plan::Plan;
use crate::rule::Rule;

use super::notified::{self, Notified, Notifier};
use super::replay::{CHUNK, Happened, Heard, Replay, decided};
use super::{Ground, TrialError, documents, evaluated, minute, plan};

/// Minutes that are looked at where nothing else is said: seven days.
pub const DEFAULT_MINUTES: u32 = 7 * 1_440;
/// Minutes that are looked at at most: 31 days.
pub const MAX_MINUTES: u32 = 31 * 1_440;
/// Transitions that are remembered at most, of all instances together; further ones are counted.
pub const MAX_EVENTS: usize = 50_000;
/// Instances that are listed at most.
pub const MAX_LINES: usize = 1_000;
/// Transitions that are listed of one instance at most.
pub const MAX_LINE_EVENTS: usize = 1_000;
/// The noisiest ones that are named.
const MAX_NOISY: usize = 10;

/// How much of a back-test is listed. 0 in a field: as much as may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Instances, at most [`MAX_LINES`].
    pub lines: usize,
    /// Transitions of each, at most [`MAX_LINE_EVENTS`].
    pub events: usize,
}

/// What is to be tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BacktestInput {
    /// The rule.
    pub rule: Rule,
    /// The first minute; `None`: seven days before the last one.
    #[serde(default)]
    pub from: Option<UnixMillis>,
    /// The last minute; `None`, and where it is not over: the last one that is.
    #[serde(default)]
    pub to: Option<UnixMillis>,
    /// Id of a stored rule to compare with.
    #[serde(default)]
    pub diff_against: Option<String>,
    /// How much is listed.
    #[serde(default)]
    pub limits: Limits,
}

/// What a rule would have done. It begins with all instances normal, but for how long they had matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// The first minute.
    pub from: UnixMillis,
    /// The last one.
    pub to: UnixMillis,
    /// How many minutes that is.
    pub n_minutes: u32,
    /// Entities that the rule watched.
    pub n_entities: usize,
    /// First firings: incidents.
    pub n_incidents: u64,
    /// All firings.
    pub n_firings: u64,
    /// Recoveries.
    pub n_recoveries: u64,
    /// Incidents that were open at the end.
    pub n_open: usize,
    /// Pairs of instance and minute in which the condition was true.
    pub n_matched: u64,
    /// Instances that fired, the noisiest first.
    pub timeline: Vec<Line>,
    /// Instances that fired, in all.
    pub n_lines: usize,
    /// The noisiest ones.
    pub noisy: Vec<Noisy>,
    /// Notifications.
    pub notifications: Notified,
    /// Against the stored rule.
    pub diff: Option<Diff>,
    /// Whether there were more transitions than are remembered: the list and the comparison are not whole then; what is counted is.
    pub cut: bool,
    /// Why the rule could not be computed for some entity; `None`: it could.
    pub error: Option<String>,
}

/// An instance on the timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What it is about.
    pub entity: Entity,
    /// Its labels, of rules with an instance for each set of them.
    pub labels: Labels,
    /// How often it fired.
    pub n_firings: u64,
    /// Minutes from firings to recoveries.
    pub minutes_open: u32,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

/// A transition.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The minute that decided it.
    pub minute: UnixMillis,
    /// What happened.
    pub what: What,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// The text.
    pub message: String,
}

/// An instance that fired often.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noisy {
    /// What it is about.
    pub entity: Entity,
    /// Its labels.
    pub labels: Labels,
    /// How often it fired.
    pub n_firings: u64,
    /// Minutes from firings to recoveries.
    pub minutes_open: u32,
}

/// A rule against another version of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Id of the other one.
    pub against: String,
    /// Incidents of the other one.
    pub n_incidents_before: u64,
    /// Notifications of the other one.
    pub notifications_before: Notified,
    /// Incidents that both have: of the same instance, at the same time.
    pub n_both: usize,
    /// Incidents that only this rule has.
    pub n_only_after: usize,
    /// The first ones of them.
    pub only_after: Vec<Moment>,
    /// Incidents that only the other one has.
    pub n_only_before: usize,
    /// The first ones of them.
    pub only_before: Vec<Moment>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// What it is about.
    pub entity: Entity,
    /// Its labels.
    pub labels: Labels,
    /// The minute of the first firing.
    pub opened: UnixMillis,
    /// The minute of the recovery; `None`: it was open at the end.
    pub closed: Option<UnixMillis>,
}

/// Evaluates a rule over a range of minutes. `progress` is told how much of it is done, from 0 to 1. Dropping the future ends it.
pub async fn backtest(
    ground: &Ground,
    input: &BacktestInput,
    now: UnixMillis,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<Backtest, TrialError> {
    Ok(measured(ground, input, now, progress).await?.backtest)
}

/// A back-test, and what it saw.
pub(super) struct Measured {
    pub(super) backtest: Backtest,
    /// Pairs of entity and minute in which there was anything to look at.
    pub(super) n_heard: u64,
    /// Entities of the rule's scope that were there at the end, and whether the rule watches them.
    pub(super) entities: Vec<(Entity, bool)>,
}

pub(super) async fn measured(
    ground: &Ground,
    input: &BacktestInput,
    now: UnixMillis,
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<Measured, TrialError> {
    let to = minute(input.to, now)?;
    let from = match input.from.map(UnixMillis::minute) {
        None => Bucket(to.0.saturating_sub(DEFAULT_MINUTES - 1)),
        Some(Some(from)) => from,
        Some(None) => return Err(TrialError::Bad("from", "it is no time".to_owned())),
    };
    if from > to || to.0 - from.0 >= MAX_MINUTES {
        let what = format!("a back-test has one minute at least and {MAX_MINUTES} at most");
        return Err(TrialError::Bad("from", what));
    }
    let rule = evaluated(&input.rule);
    let mut rules = vec![rule.clone()];
    if let Some(against) = &input.diff_against {
        let stored = documents::<Rule>(ground).await?.into_iter().find(|rule| rule.id == *against);
        let stored = stored.ok_or_else(|| TrialError::NotFound(format!("rule {against}")))?;
        // Under another id: both are evaluated side by side.
        rules.push(Rule { id: format!("{}/stored", stored.id), ..evaluated(&stored) });
    }
    let known = notified::known(ground).await?;
    let begins = from.start();
    let mut sides: Vec<Side> =
        rules.iter().map(|rule| Side::new(rule.id.clone(), Notifier::new(known.clone(), begins))).collect();
    let plan = plan(ground, rules)?;
    let whole = run(ground, plan, (from, to), &mut sides, progress).await?;
    let mut sides = sides.into_iter();
    let after = sides.next().ok_or_else(|| TrialError::NotFound("rule".to_owned()))?;
    let (n_heard, entities) = (whole.n_heard, whole.entities.clone());
    let backtest = report(input, (from, to), whole, after, sides.next()).await?;
    Ok(Measured { backtest, n_heard, entities })
}

/// What all minutes came to.
struct Whole {
    entities: Vec<(Entity, bool)>,
    n_matched: u64,
    n_heard: u64,
    error: Option<String>,
}

async fn run(
    ground: &Ground,
    plan: Plan,
    (from, to): (Bucket, Bucket),
    sides: &mut [Side],
    progress: &(dyn Fn(f64) + Send + Sync),
) -> Result<Whole, TrialError> {
    let n_minutes = f64::from(to.0 - from.0 + 1);
    let mut replay = Replay::new(ground, plan).recall(ground, from).await?;
    let mut whole = Whole { entities: Vec::new(), n_matched: 0, n_heard: 0, error: None };
    let mut first = from;
    while first <= to {
        let last = Bucket(first.0.saturating_add(CHUNK - 1)).min(to);
        let (next, heard) = replay.run(ground, first, last).await?;
        replay = next;
        let Heard { happened, n_matched, n_heard, error } = heard;
        (whole.n_matched, whole.n_heard) = (whole.n_matched + n_matched, whole.n_heard + n_heard);
        whole.error = error.or(whole.error);
        for side in &mut *sides {
            let own: Vec<&Happened> = happened.iter().filter(|each| each.incident.rule == side.rule).collect();
            own.iter().for_each(|happened| side.take(happened));
            side.notifier.take(own, decided(last)).await?;
        }
        progress(f64::from(last.0 - from.0 + 1) / n_minutes);
        first = Bucket(last.0.saturating_add(1));
    }
    whole.entities = replay.entities();
    Ok(whole)
}

async fn report(
    input: &BacktestInput,
    (from, to): (Bucket, Bucket),
    whole: Whole,
    after: Side,
    before: Option<Side>,
) -> Result<Backtest, TrialError> {
    let limit = |asked: usize, most: usize| if asked == 0 { most } else { asked.min(most) };
    let (lines, events) = (limit(input.limits.lines, MAX_LINES), limit(input.limits.events, MAX_LINE_EVENTS));
    let begins = from.start();
    let mut cut = after.cut;
    let diff = match before {
        Some(before) => {
            cut |= before.cut;
            Some(before.against(&after, input.diff_against.clone().unwrap_or_default(), begins).await?)
        }
        None => None,
    };
    let Side { instances, n_incidents, n_firings, n_recoveries, notifier, .. } = after;
    let n_open = instances.values().filter(|instance| instance.is_open()).count();
    let n_lines = instances.len();
    let mut all: Vec<Instance> = instances.into_values().collect();
    let rank =
        |instance: &Instance| (std::cmp::Reverse(instance.n_firings), std::cmp::Reverse(instance.minutes_open(to)));
    all.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.entity.cmp(&other.entity)));
    let noisy = all.iter().take(MAX_NOISY).map(|instance| Noisy {
        entity: instance.entity.clone(),
        labels: instance.labels.clone(),
        n_firings: instance.n_firings,
        minutes_open: instance.minutes_open(to),
    });
    let noisy = noisy.collect();
    let line = |mut instance: Instance| {
        let minutes_open = instance.minutes_open(to);
        instance.events.truncate(events);
        let Instance { entity, labels, n_firings, events, .. } = instance;
        Line { entity, labels, n_firings, minutes_open, events }
    };
    Ok(Backtest {
        from: begins,
        to: to.start(),
        n_minutes: to.0 - from.0 + 1,
        n_entities: whole.entities.iter().filter(|(_, watched)| *watched).count(),
        n_incidents,
        n_firings,
        n_recoveries,
        n_open,
        n_matched: whole.n_matched,
        timeline: all.into_iter().take(lines).map(line).collect(),
        n_lines,
        noisy,
        notifications: notifier.count(begins).await?,
        diff,
        cut,
        error: whole.error,
    })
}

#[expect(clippy::cast_precision_loss, reason = "it is a share")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What one rule did.
struct Side {
    rule: String,
    instances: BTreeMap<(String, Labels), Instance>,
    n_incidents: u64,
    n_firings: u64,
    n_recoveries: u64,
    n_events: usize,
    cut: bool,
    notifier: Notifier,
}

/// What one instance did.
struct Instance {
    entity: Entity,
    labels: Labels,
    n_firings: u64,
    events: Vec<Event>,
    /// From first firings to recoveries.
    spans: Vec<(Bucket, Option<Bucket>)>,
}

impl Instance {
    fn is_open(&self) -> bool {
        self.spans.last().is_some_and(|(_, closed)| closed.is_none())
    }

    fn minutes_open(&self, end: Bucket) -> u32 {
        let length = |(opened, closed): &(Bucket, Option<Bucket>)| closed.unwrap_or(end).0.saturating_sub(opened.0);
        self.spans.iter().map(length).fold(0, u32::saturating_add)
    }
}

impl Side {
    fn new(rule: String, notifier: Notifier) -> Side {
        let instances = BTreeMap::new();
        Side { rule, instances, n_incidents: 0, n_firings: 0, n_recoveries: 0, n_events: 0, cut: false, notifier }
    }

    fn take(&mut self, happened: &Happened) {
        let Happened { minute, incident, transition } = happened;
        let key = (incident.entity.id.clone(), incident.labels.clone());
        let instance = self.instances.entry(key).or_insert_with(|| Instance {
            entity: incident.entity.clone(),
            labels: incident.labels.clone(),
            n_firings: 0,
            events: Vec::new(),
            spans: Vec::new(),
        });
        match transition.what {
            What::Fired => {
                self.n_incidents += 1;
                instance.spans.push((*minute, None));
            }
            What::FiredAgain => {}
            What::Recovered => {
                self.n_recoveries += 1;
                if let Some((_, closed)) = instance.spans.last_mut() {
                    *closed = Some(*minute);
                }
            }
        }
        if transition.what != What::Recovered {
            self.n_firings += 1;
            instance.n_firings += 1;
        }
        if self.n_events >= MAX_EVENTS {
            self.cut = true;
            return;
        }
        self.n_events += 1;
        instance.events.push(Event {
            minute: minute.start(),
            what: transition.what,
            reason: transition.reason,
            message: transition.message.clone(),
        });
    }

    /// This one against the newer one.
    async fn against(self, after: &Side, against: String, from: UnixMillis) -> Result<Diff, TrialError> {
        let (n_both, only_after) = after.without(&self);
        let (_, only_before) = self.without(after);
        Ok(Diff {
            against,
            n_incidents_before: self.n_incidents,
            notifications_before: self.notifier.count(from).await?,
            n_both,
            n_only_after: only_after.len(),
            only_after: only_after.into_iter().take(MAX_LINES).collect(),
            n_only_before: only_before.len(),
            only_before: only_before.into_iter().take(MAX_LINES).collect(),
        })
    }

    /// Incidents that the other one has as well, and those that it has not, oldest first.
    fn without(&self, other: &Side) -> (usize, Vec<Moment>) {
        let (mut n_both, mut only) = (0, Vec::new());
        for (key, instance) in &self.instances {
            let others = other.instances.get(key).map_or(&[][..], |instance| instance.spans.as_slice());
            for (opened, closed) in &instance.spans {
                let end = |closed: &Option<Bucket>| closed.unwrap_or(Bucket(u32::MAX));
                let meets = |(from, to): &(Bucket, Option<Bucket>)| *from < end(closed) && *opened < end(to);
                if others.iter().any(meets) {
                    n_both += 1;
                    continue;
                }
                only.push(Moment {
                    entity: instance.entity.clone(),
                    labels: instance.labels.clone(),
                    opened: opened.start(),
                    closed: closed.map(Bucket::start),
                });
            }
        }
        only.sort_by_key(|moment| moment.opened);
        (n_both, only)
    }
}
