//! One pass over a minute: what rules and values make of incidents. Pure: it reads what was read, and says what is to be written.
//!
//! A pass changes [`Memory`], which holds what incidents do not: since when an instance is pending, how long it could not be
//! computed, and the silence that outlives an incident. All of it is known again after a restart: by passes over the minutes before
//! ([`Kind::Recall`], as many as [`Plan::recall_minutes`]) and from incidents that ended lately ([`Memory::ended`]).

mod answers;
mod decide;
mod incident;
mod watch;

use std::collections::{BTreeMap, HashMap};

use model::{Bucket, UnixMillis};

use crate::bits::Bits;
use crate::columns::{Columns, Labels};
use crate::entity::Entity;
use crate::incident::{Evidence, Incident, Reason, State, What};
use crate::minutes::{Running, Turn, Who};
use crate::plan::{Plan, Planned};
use crate::rule::{Override, Rule};
use crate::state::{Live, Seen};

pub(crate) use incident::{close, evidence, uuid as transition_uuid};

/// The label of the one alarm that stands for the instances of a rule beyond its limit.
pub const OVERFLOW: &str = "overflow";

/// What a text is rendered of.
#[derive(Debug)]
pub struct Telling<'a> {
    /// The rule as it is now; `None`: it was deleted, and the incident says what is known of it.
    pub rule: Option<&'a Rule>,
    /// Which of its overrides holds for the entity.
    pub own: Option<&'a Override>,
    /// The incident, without this transition.
    pub incident: &'a Incident,
    /// What happened.
    pub what: What,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// The minute that decided it.
    pub minute: Bucket,
    /// What was seen.
    pub evidence: &'a [Evidence],
    /// How many instances the alarm stands for, of the one beyond a rule's limit.
    pub n_more: usize,
}

impl<'a> Telling<'a> {
    /// Of what no pass has decided: nothing was seen.
    pub(crate) fn of(rule: Option<&'a Rule>, incident: &'a Incident, what: What, minute: Bucket) -> Telling<'a> {
        let own = rule.and_then(|rule| rule.own(&incident.entity, &incident.layers));
        Telling { rule, own, incident, what, reason: None, minute, evidence: &[], n_more: 0 }
    }
}

/// The texts of a transition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// The message.
    pub message: String,
    /// The rule's tags.
    pub tags: BTreeMap<String, String>,
    /// The rule's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Renders the texts of a transition.
pub type Render<'a> = &'a dyn Fn(&Telling<'_>) -> Texts;

/// Over which minute, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A closed one.
    Closed(Turn),
    /// The running one: rules that it cannot decide are left out.
    Running(Running),
    /// One that was evaluated before a restart: nothing is decided, what is pending is known again.
    Recall(Bucket),
}

impl Kind {
    /// The minute.
    pub fn minute(&self) -> Bucket {
        match self {
            Kind::Closed(turn) => turn.minute,
            Kind::Running(running) => running.minute,
            Kind::Recall(minute) => *minute,
        }
    }

    /// Whether a rule is evaluated in it.
    fn wants(&self, planned: &Planned) -> bool {
        match self {
            Kind::Closed(turn) => match turn.who {
                Who::All => true,
                Who::Impatient => !planned.fairness.patient,
                Who::Patient => planned.fairness.patient,
            },
            Kind::Running(running) => {
                planned.fairness.running.as_ref().is_some_and(|fair| running.settled || !fair.settled)
            }
            Kind::Recall(_) => planned.rule.for_minutes > 0,
        }
    }
}

/// An instance of a rule: the id of its entity, and its labels.
type Key = (String, Labels);

/// Incidents that are open, by rule and instance.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    by_rule: BTreeMap<String, BTreeMap<Key, Incident>>,
}

impl Incidents {
    /// Puts an incident in the place of what was known of it. One that is closed is taken out.
    pub fn put(&mut self, incident: Incident) {
        let key = (incident.entity.id.clone(), incident.labels.clone());
        if incident.closed.is_some() || !Live::of(&incident).is_open() {
            if let Some(of_rule) = self.by_rule.get_mut(&incident.rule)
                && of_rule.get(&key).is_some_and(|known| known.id == incident.id)
            {
                of_rule.remove(&key);
            }
            self.by_rule.retain(|_, of_rule| !of_rule.is_empty());
            return;
        }
        self.by_rule.entry(incident.rule.clone()).or_default().insert(key, incident);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.by_rule.values().flat_map(BTreeMap::values)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_rule.values().map(BTreeMap::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_rule.is_empty()
    }

    fn of(&self, rule: &str) -> Option<&BTreeMap<Key, Incident>> {
        self.by_rule.get(rule)
    }
}

/// What is known beside incidents, from pass to pass.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Instances without an open incident of which there is something to know, by rule.
    lives: HashMap<String, HashMap<Key, Live>>,
    /// Since when a rule cannot be computed for an entity; of rules for which that is an alarm one day.
    errors: HashMap<String, HashMap<String, Bucket>>,
    watch: watch::Watch,
    /// What passes note of the instances that they look at, where somebody asks.
    notes: Option<Notes>,
}

/// What passes note for people who ask why.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// An entity that is looked at even if there is nothing to decide of it.
    entity: String,
    /// The instances that the last passes looked at, in order.
    noted: Vec<Noted>,
    /// For each rule and pass the entities that had any value in the window.
    n_heard: Vec<(String, usize)>,
}

/// What a pass saw of an instance and made of it.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) rule: String,
    pub(crate) entity: String,
    pub(crate) labels: Labels,
    pub(crate) minute: Bucket,
    pub(crate) seen: Seen,
    pub(crate) after: Live,
    pub(crate) what: Option<What>,
}

impl Memory {
    /// Nothing, with passes that note what they look at, and at this entity in any case.
    pub(crate) fn noting(entity: &str) -> Memory {
        Memory { notes: Some(Notes { entity: entity.to_owned(), ..Notes::default() }), ..Memory::default() }
    }

    /// How many entities had any value in the window, for each rule and pass. Takes it out.
    pub(crate) fn take_heard(&mut self) -> Vec<(String, usize)> {
        self.notes.as_mut().map(|notes| std::mem::take(&mut notes.n_heard)).unwrap_or_default()
    }

    /// Takes out what passes have noted.
    pub(crate) fn take_noted(&mut self) -> Vec<Noted> {
        self.notes.as_mut().map(|notes| std::mem::take(&mut notes.noted)).unwrap_or_default()
    }

    /// Tells of an incident that ended before a restart, or by the hand of an operator: its silence still counts, and the minute of
    /// its end is not evaluated again. Those whose silence is over, and that ended before the stored progress, need not be told.
    pub fn ended(&mut self, incident: &Incident) {
        let key = (incident.entity.id.clone(), incident.labels.clone());
        let live = Live { state: State::Recovered, ..Live::of(incident) };
        self.lives.entry(incident.rule.clone()).or_default().insert(key, live);
    }

    /// Instances that match and do not fire yet: the rule, the id of the entity, labels, and what is known.
    pub fn pending(&self) -> impl Iterator<Item = (&str, &str, &Labels, &Live)> {
        self.lives.iter().flat_map(|(rule, lives)| {
            let pending = lives.iter().filter(|(_, live)| live.state == State::Pending);
            pending.map(|((entity, labels), live)| (rule.as_str(), entity.as_str(), labels, live))
        })
    }

    /// The entities have other numbers from now on: the columns were made anew.
    pub fn renumbered(&mut self) {
        self.watch = watch::Watch::default();
    }

    /// What is known of an instance that has no open incident.
    pub fn live(&self, rule: &str, entity: &Entity, labels: &Labels) -> Option<&Live> {
        self.lives.get(rule)?.get(&(entity.id.clone(), labels.clone()))
    }
}

/// What a pass works on.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The rules.
    pub plan: &'a Plan,
    /// What was read: all of [`Plan::reads`] up to the minute.
    pub columns: &'a Columns,
    /// The open incidents.
    pub incidents: &'a Incidents,
    /// The time, for transitions.
    pub now: UnixMillis,
    /// Renders texts.
    pub render: Render<'a>,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("now", &self.now).field("n_open", &self.incidents.len()).finish_non_exhaustive()
    }
}

/// What a pass found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Incidents as they are now, in the order of rules and instances: new ones, changed ones and closed ones. The last transition
    /// of each may be new ([`Incident::transitions`]); what is stored is [`onto`].
    pub changed: Vec<Incident>,
    /// Rules that could not be computed for some entity, and why.
    pub errors: BTreeMap<String, String>,
    /// How many pairs of rule and entity were evaluated.
    pub n_pairs: usize,
    /// The same of each rule that was evaluated, by its number in [`Plan::rules`].
    pub pairs: Vec<(usize, usize)>,
}

/// Runs one pass.
pub fn pass(input: &Input<'_>, kind: Kind, memory: &mut Memory) -> Output {
    let mut output = Output::default();
    let wanted: Vec<bool> = input.plan.rules().iter().map(|planned| kind.wants(planned)).collect();
    let watched = memory.watch.sets(input.plan, input.columns);
    let answers = answers::answers(input.plan, input.columns, kind.minute(), &wanted, &watched);
    let mut quiet = decide::Quiet::default();
    let rules = input.plan.rules().iter().enumerate().zip(&wanted).zip(watched.iter().zip(&answers));
    for (((number, planned), _), (watched, answer)) in rules.filter(|((_, wanted), _)| **wanted) {
        let mut all = Bits::default();
        watched.iter().for_each(|bits| all.add(bits));
        output.n_pairs += all.len();
        output.pairs.push((number, all.len()));
        if let Some(error) = &answer.error {
            output.errors.insert(planned.rule.id.clone(), error.clone());
        }
        let Some(table) = input.columns.table(planned.scope) else { continue };
        let last = quiet.of(planned, table, kind.minute());
        decide::Rule { input, kind, planned, answer, watched: all, last }.decide(memory, &mut output);
    }
    if matches!(kind, Kind::Closed(turn) if turn.who != Who::Patient) {
        decide::without_rule(input, kind.minute(), memory, &mut output);
    }
    let minute = kind.minute();
    if !matches!(kind, Kind::Running(_)) {
        memory.lives.retain(|_, lives| {
            lives.retain(|_, live| live.is_worth_keeping(minute));
            !lives.is_empty()
        });
    }
    output
}

/// What is to be stored of a changed incident over what is stored of it: the state and new transitions are the pass's, all else what
/// operators and dispatch made of it meanwhile. `None`: it was closed in between, and stays so.
pub fn onto(changed: &Incident, stored: &Incident) -> Option<Incident> {
    if stored.closed.is_some() {
        return None;
    }
    let mut next = Incident {
        state: changed.state,
        entered: changed.entered,
        silent_until: changed.silent_until,
        observed_until: changed.observed_until,
        closed: changed.closed,
        ..stored.clone()
    };
    let last = stored.transitions.last().map_or(0, |transition| transition.seq);
    next.transitions.extend(changed.transitions.iter().filter(|transition| transition.seq > last).cloned());
    incident::prune(&mut next.transitions);
    Some(next)
}

#[cfg(test)]
mod law;
#[cfg(test)]
mod tests;
