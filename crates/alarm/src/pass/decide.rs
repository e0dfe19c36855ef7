//! What a minute makes of the instances of one rule.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use model::{Bucket, Scope};

use super::answers::Answer;
use super::incident::{self, Told};
use super::{Input, Key, Kind, Memory, Noted, OVERFLOW, Output};
use crate::bits::Bits;
use crate::columns::{Labels, Table};
use crate::entity::Entity;
use crate::incident::{Incident, Reason, State, What};
use crate::plan::Planned;
use crate::rule::{NoDataPolicy, OnError};
use crate::state::{Live, Of, Params, Seen, recall, step};

/// When an entity had its last value of any metric of a rule, looked up once for all rules with the same metrics.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    last: HashMap<(Scope, Vec<String>, u32), LastValues>,
}

type LastValues = Rc<[Option<Bucket>]>;

impl Quiet {
    pub(super) fn of(&mut self, planned: &Planned, table: &Table, minute: Bucket) -> LastValues {
        let back = planned.no_data_after.max(planned.params.period);
        let newest = || {
            let mut newest = vec![None; table.watched().len()];
            for metric in &planned.metrics {
                let last = table.last_values(metric, minute, back);
                newest.iter_mut().zip(last).for_each(|(newest, last)| *newest = last.max(*newest));
            }
            newest.into()
        };
        let key = (planned.scope, planned.metrics.clone(), back);
        Rc::clone(self.last.entry(key).or_insert_with(newest))
    }
}

/// One rule in one pass.
pub(super) struct Rule<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) kind: Kind,
    pub(super) planned: &'a Planned,
    pub(super) answer: &'a Answer,
    /// The entities that it watches.
    pub(super) watched: Bits,
    /// When each entity had its last value.
    pub(super) last: LastValues,
}

/// An instance of which there may be something to decide.
type Candidate = (usize, Labels);

impl Rule<'_> {
    pub(super) fn decide(&self, memory: &mut Memory, output: &mut Output) {
        let Some(table) = self.input.columns.table(self.planned.scope) else { return };
        let id = &self.planned.rule.id;
        let open = self.input.incidents.of(id);
        let mut lives = memory.lives.remove(id).unwrap_or_default();
        let mut errors = memory.errors.remove(id).unwrap_or_default();
        self.count_errors(table, &mut errors);
        let instances = open.map_or(0, |open| open.keys().filter(|key| !is_overflow(&key.1)).count());
        let mut room = self.planned.max_instances.saturating_sub(instances);
        let mut n_more = 0;
        let asked = memory.notes.as_mut().and_then(|notes| {
            let has_values = |entity: &usize| self.silent(*entity).is_some_and(|n| n < self.planned.params.period);
            notes.n_heard.push((id.clone(), self.watched.iter().filter(has_values).count()));
            table.number(&notes.entity)
        });
        for (entity, labels) in self.candidates(table, &lives, &errors, asked) {
            let Some(watched) = table.watched().get(entity) else { continue };
            let seen = match self.kind {
                Kind::Running(_) => self.seen_running(table, entity, &labels),
                _ => self.seen(table, &errors, entity, &labels),
            };
            let key: Key = (watched.entity.id.clone(), labels);
            let incident = open.and_then(|open| open.get(&key));
            let mut live = incident.map(Live::of).or_else(|| lives.get(&key).copied()).unwrap_or_default();
            let before = live;
            if let Kind::Recall(minute) = self.kind {
                recall(&mut live, minute, seen, &self.planned.params);
            }
            let what = self.step(&mut live, seen, &self.planned.params);
            if what == Some(What::Fired) && room == 0 {
                n_more += 1;
                let since = if before.state == State::Pending { before.entered } else { self.kind.minute() };
                live = Live { state: State::Pending, entered: since, ..before };
            } else if what == Some(What::Fired) {
                room -= 1;
            }
            if let Some(notes) = &mut memory.notes {
                let (entity, labels) = key.clone();
                let (rule, minute) = (id.clone(), self.kind.minute());
                notes.noted.push(Noted { rule, entity, labels, minute, seen, after: live, what });
            }
            if incident.is_some() || live.is_open() {
                lives.remove(&key);
                if live != before {
                    let is_over = seen == Seen::NoData && self.planned.params.no_data == NoDataPolicy::Resolve;
                    let told = self.told(what, is_over.then_some(Reason::NoData));
                    let evidence = || incident::evidence(self.planned, self.input, self.kind.minute(), entity);
                    let of = (&watched.entity, watched.layers.as_slice(), &key.1);
                    output.changed.push(told.change(incident, of, &live, evidence));
                }
            }
            if !live.is_open() && live != Live::default() {
                lives.insert(key, live);
            }
        }
        self.end_strangers(table, output);
        self.overflow(n_more, output);
        if !lives.is_empty() {
            memory.lives.insert(id.clone(), lives);
        }
        if !errors.is_empty() {
            memory.errors.insert(id.clone(), errors);
        }
    }

    fn step(&self, live: &mut Live, seen: Seen, params: &Params) -> Option<What> {
        match self.kind {
            Kind::Closed(turn) => step(live, turn.minute, Of::Closed, seen, params),
            Kind::Running(running) => step(live, running.minute, Of::Running, seen, params),
            Kind::Recall(_) => None,
        }
    }

    fn told(&self, what: Option<What>, reason: Option<Reason>) -> Told<'_> {
        Told {
            input: self.input,
            planned: Some(self.planned),
            minute: self.kind.minute(),
            incomplete: self.is_incomplete(),
            what,
            reason: (what == Some(What::Recovered)).then_some(reason.unwrap_or(Reason::Condition)),
            n_more: 0,
        }
    }

    fn is_incomplete(&self) -> bool {
        match self.kind {
            Kind::Closed(turn) => turn.incomplete,
            Kind::Running(_) => true,
            Kind::Recall(_) => false,
        }
    }

    /// Instances that match, that are open or remembered, that are asked for, and those for which silence or an error may be the alarm.
    fn candidates(
        &self,
        table: &Table,
        lives: &HashMap<Key, Live>,
        errors: &HashMap<String, Bucket>,
        asked: Option<usize>,
    ) -> BTreeSet<Candidate> {
        let mut all: BTreeSet<Candidate> = BTreeSet::new();
        for (labels, bits) in &self.answer.matched {
            all.extend(bits.iter().map(|entity| (entity, labels.clone())));
        }
        if matches!(self.kind, Kind::Running(_)) {
            return all;
        }
        let open = self.input.incidents.of(&self.planned.rule.id).into_iter().flatten().map(|(key, _)| key);
        let known = open.chain(lives.keys()).filter(|(_, labels)| self.is_own(labels));
        all.extend(known.filter_map(|(id, labels)| Some((table.number(id)?, labels.clone()))));
        all.extend(errors.keys().filter_map(|id| Some((table.number(id)?, Labels::new()))));
        all.extend(asked.filter(|_| !self.planned.each_label).map(|entity| (entity, Labels::new())));
        if self.planned.rule.no_data.policy == NoDataPolicy::Alert && !self.planned.each_label {
            for entity in self.watched.iter() {
                let silent = self.silent(entity);
                if silent.is_some_and(|silent| silent >= self.planned.no_data_after) {
                    all.insert((entity, Labels::new()));
                }
            }
        }
        all.retain(|(entity, _)| self.watched.has(*entity));
        all
    }

    /// For how many minutes an entity has had no value; `None`: it is not known to have had any.
    fn silent(&self, entity: usize) -> Option<u32> {
        let last = self.last.get(entity).copied().flatten()?;
        Some(self.kind.minute().0.saturating_sub(last.0))
    }

    /// Whether such labels can be those of an instance of the rule as it is now.
    fn is_own(&self, labels: &Labels) -> bool {
        !is_overflow(labels) && (self.planned.each_label || labels.is_empty())
    }

    /// Since when entities cannot be computed, where that is an alarm one day.
    fn count_errors(&self, table: &Table, errors: &mut HashMap<String, Bucket>) {
        if matches!(self.kind, Kind::Running(_)) || self.planned.rule.on_error != OnError::Alert {
            return;
        }
        errors.retain(|id, _| table.number(id).is_some_and(|entity| self.answer.failed.has(entity)));
        for watched in self.answer.failed.iter().filter_map(|entity| table.watched().get(entity)) {
            errors.entry(watched.entity.id.clone()).or_insert(self.kind.minute());
        }
    }

    /// What a closed minute shows of an instance.
    fn seen(&self, table: &Table, errors: &HashMap<String, Bucket>, entity: usize, labels: &Labels) -> Seen {
        let minute = self.kind.minute();
        let has = |sets: &[(Labels, Bits)]| Answer::of(sets, labels).is_some_and(|bits| bits.has(entity));
        let rule = &self.planned.rule;
        let enough = rule.min_samples.is_none() || self.answer.enough.has(entity);
        let matches = has(&self.answer.matched) && enough && !self.answer.failed.has(entity);
        let (period, after) = (self.planned.params.period, self.planned.no_data_after);
        // Nothing in the whole window, and true: the condition is about silence itself.
        let silent = self.silent(entity).unwrap_or(u32::MAX);
        if matches && (silent < after || silent >= period) {
            return Seen::Match;
        }
        if silent >= after {
            // Not known before all data is there, for rules that do not wait for it.
            let waits = self.is_incomplete() && !self.planned.fairness.patient;
            return if waits { Seen::Nothing } else { Seen::NoData };
        }
        if silent >= period {
            return Seen::Nothing;
        }
        if self.answer.failed.has(entity) {
            let since = table.watched().get(entity).and_then(|watched| errors.get(&watched.entity.id));
            return Seen::Error(since.map_or(0, |since| minute.0.saturating_sub(since.0)).saturating_add(1));
        }
        if !rule.recovery_expression.is_empty() && !has(&self.answer.recovered) {
            return Seen::Between;
        }
        Seen::Mismatch
    }

    /// What the running minute shows: a match, or nothing.
    fn seen_running(&self, table: &Table, entity: usize, labels: &Labels) -> Seen {
        let minute = self.kind.minute();
        let present = |metric: &String| table.has_value(metric, minute, entity);
        let fair = self.planned.fairness.running.as_ref().is_some_and(|fair| fair.present.iter().all(present));
        let matches = Answer::of(&self.answer.matched, labels).is_some_and(|bits| bits.has(entity));
        let enough = self.planned.rule.min_samples.is_none() || self.answer.enough.has(entity);
        if fair && matches && enough { Seen::Match } else { Seen::Nothing }
    }

    /// Ends incidents of entities that the rule does not watch any more, or that are gone.
    fn end_strangers(&self, table: &Table, output: &mut Output) {
        let Kind::Closed(turn) = self.kind else { return };
        for (key, incident) in self.input.incidents.of(&self.planned.rule.id).into_iter().flatten() {
            let reason = match table.number(&key.0) {
                _ if is_overflow(&key.1) => continue,
                Some(entity) if self.watched.has(entity) && self.is_own(&key.1) => continue,
                Some(_) => Reason::Rule,
                None => Reason::NoData,
            };
            end(self.input, Some(self.planned), incident, turn.minute, reason, output);
        }
    }

    /// The one alarm for the instances beyond the limit.
    fn overflow(&self, n_more: usize, output: &mut Output) {
        let key: Key = (String::new(), vec![(OVERFLOW.to_owned(), "true".to_owned())]);
        let incident = self.input.incidents.of(&self.planned.rule.id).and_then(|open| open.get(&key));
        if n_more == 0 && incident.is_none() {
            return;
        }
        let mut live = incident.map(Live::of).unwrap_or_default();
        let before = live;
        let seen = if n_more > 0 { Seen::Match } else { Seen::Mismatch };
        let what = self.step(&mut live, seen, &Params::of_overflow(&self.planned.rule));
        if live != before {
            let told = Told { n_more, ..self.told(what, None) };
            let name = self.planned.rule.name.clone();
            let entity = Entity { scope: self.planned.scope, id: String::new(), name };
            output.changed.push(told.change(incident, (&entity, &[], &key.1), &live, Vec::new));
        }
    }
}

fn is_overflow(labels: &Labels) -> bool {
    labels.first().is_some_and(|(name, _)| name == OVERFLOW)
}

/// Ends incidents of rules that were deleted or paused.
pub(super) fn without_rule(input: &Input<'_>, minute: Bucket, memory: &mut Memory, output: &mut Output) {
    let living: BTreeSet<&str> = input.plan.rules().iter().map(|planned| planned.rule.id.as_str()).collect();
    let is_known = |rule: &str| living.contains(rule) || input.plan.is_broken(rule);
    for incident in input.incidents.iter().filter(|incident| !is_known(&incident.rule)) {
        end(input, None, incident, minute, Reason::Rule, output);
    }
    memory.lives.retain(|rule, _| is_known(rule));
    memory.errors.retain(|rule, _| is_known(rule));
}

fn end(
    input: &Input<'_>,
    planned: Option<&Planned>,
    incident: &Incident,
    minute: Bucket,
    reason: Reason,
    output: &mut Output,
) {
    let live = Live { state: State::Recovered, entered: minute, ..Live::of(incident) };
    let (what, reason) = (Some(What::Recovered), Some(reason));
    let told = Told { input, planned, minute, incomplete: false, what, reason, n_more: 0 };
    let of = (&incident.entity, incident.layers.as_slice(), &incident.labels);
    output.changed.push(told.change(Some(incident), of, &live, Vec::new));
}
