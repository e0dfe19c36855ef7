//! Incidents: what a rule found about an entity, from the first firing until it is over. The item holds the state of the rule for that
//! entity, so that another node goes on where this one stopped.

use std::collections::BTreeMap;

use model::kinds::ItemKind;
use model::{Bucket, Scope, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::doc::Doc;
use crate::entity::Entity;
use crate::rule::{Mode, Profile, Rule, Severity};

/// The state of a rule for an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// All is well. Nothing is kept of it.
    #[default]
    Normal,
    /// It matches, and not yet long enough. Nothing is kept of it: the window tells it again.
    Pending,
    /// It fires.
    Firing,
    /// It still matches after a firing, and is silent.
    SilencedFiring,
    /// It matches no more, and is watched.
    ObservingRecovery,
    /// It is over.
    Recovered,
    /// There is no value, and the rule's policy is to keep the state.
    NoData,
    /// The rule cannot be evaluated, and its policy is to keep the state.
    Error,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum What {
    /// The first firing.
    Fired,
    /// Another firing of the same incident, as SkyWalking's rules have them.
    FiredAgain,
    /// It is over.
    Recovered,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The condition is false.
    Condition,
    /// There are no values any more.
    NoData,
    /// The rule was deleted, paused, or does not watch the entity any more.
    Rule,
    /// Somebody closed it.
    Operator,
}

/// A series as it was when a transition was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The metric as the expression names it.
    pub metric: String,
    /// Its labels.
    #[serde(default)]
    pub labels: Vec<(String, String)>,
    /// A value for each minute, oldest first; `None`: there is none.
    pub values: Vec<(Bucket, Option<f64>)>,
}

/// A change of state that others are told of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// 1 for the first of an incident, one more for each.
    pub seq: u32,
    /// What happened.
    pub what: What,
    /// The minute that decided it.
    pub minute: Bucket,
    /// When it was decided.
    pub at: UnixMillis,
    /// Made of the incident and the number: the same however often it is decided. SkyWalking's `uuid`.
    pub uuid: String,
    /// The text, rendered when it was decided.
    pub message: String,
    /// The rule's tags, rendered when it was decided.
    pub tags: BTreeMap<String, String>,
    /// The rule's annotations, rendered when it was decided.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// Whether data of the deciding minute may have been missing.
    #[serde(default)]
    pub incomplete: bool,
    /// Why it ended, of [`What::Recovered`].
    #[serde(default)]
    pub reason: Option<Reason>,
    /// What became of it, for each group that it belongs to.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// Whether there is nothing left to decide: stored notifications list it, or its marks say why nobody is told.
    #[serde(default)]
    pub dispatched: bool,
}

/// What became of a transition for one group of alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// A stored notification lists it.
    Told,
    /// A stored notification lists it and says that the alarm flaps: what follows is not told until it has calmed down.
    ToldFlapping,
    /// A stored notification counts it without listing it.
    Omitted,
    /// A silence holds.
    Silenced,
    /// Another open alarm inhibits it.
    Inhibited,
    /// The route is muted at that time.
    Muted,
    /// Somebody takes care of the incident.
    Acknowledged,
    /// Another open alarm explains it by topology.
    Folded,
    /// The alarm flaps, which was told.
    Flapping,
    /// The rule is a shadow.
    Shadow,
    /// No route leads anywhere.
    Unrouted,
    /// There is no such receiver.
    NoReceiver,
    /// The receiver wants no recoveries.
    Unwanted,
    /// The recovery of what was not told.
    Untold,
    /// It was over before it was to be told.
    Brief,
}

impl Outcome {
    /// Whether the receiver knows of it.
    pub fn is_told(self) -> bool {
        matches!(self, Outcome::Told | Outcome::ToldFlapping | Outcome::Omitted)
    }

    /// Whether it is told when what kept it back does so no more and the incident is still open.
    pub fn is_kept_back(self) -> bool {
        matches!(
            self,
            Outcome::Silenced
                | Outcome::Inhibited
                | Outcome::Muted
                | Outcome::Acknowledged
                | Outcome::Folded
                | Outcome::Flapping
                | Outcome::NoReceiver
        )
    }
}

/// What became of a transition for one group of alarms, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// Id of the group; empty: it is the same for all.
    pub group: String,
    /// The receiver.
    pub receiver: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The id of the notification or silence, the name of the inhibition or interval, the incident, or who acknowledged.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// Something that somebody said of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// Who.
    pub author: String,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub text: String,
}

/// Somebody takes care of it: it is not told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// Until when; `None`: until it is over.
    #[serde(default)]
    pub until: Option<UnixMillis>,
}

impl Acknowledged {
    /// Whether somebody takes care of it at a moment.
    pub(crate) fn holds(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Transitions that an incident keeps once they are dispatched, the first one among them; what is not dispatched is kept whatever its
/// number.
pub const KEPT_TRANSITIONS: usize = 20;
/// Comments that an incident takes.
pub const MAX_COMMENTS: usize = 100;

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// A hash of rule, entity, labels and the minute of the first firing: two nodes that decide the same write the same item.
    pub id: String,
    /// Id of the rule.
    pub rule: String,
    /// The rule's name then.
    pub rule_name: String,
    /// The rule's expression then.
    pub expression: String,
    /// Receivers that the rule names.
    pub hooks: Vec<String>,
    /// The rule's profile then: SkyWalking's is told at once, in SkyWalking's way.
    #[serde(default)]
    pub profile: Profile,
    /// How bad it is.
    pub severity: Severity,
    /// Whether nobody is told.
    pub shadow: bool,
    /// What it is about.
    pub entity: Entity,
    /// Layers of the entity's service.
    pub layers: Vec<String>,
    /// Labels of the result, of rules with an instance for each set of them.
    pub labels: Vec<(String, String)>,
    /// The state.
    pub state: State,
    /// The minute in which that state was entered.
    pub entered: Bucket,
    /// The last minute of silence after the last firing.
    pub silent_until: Bucket,
    /// The last minute of observation, while it is observed.
    pub observed_until: Bucket,
    /// The minute of the first firing.
    pub opened: Bucket,
    /// When it was over.
    pub closed: Option<UnixMillis>,
    /// What happened, oldest first.
    pub transitions: Vec<Transition>,
    /// Who takes care of it.
    #[serde(default)]
    pub acknowledged: Option<Acknowledged>,
    /// To whom it was given.
    #[serde(default)]
    pub assignee: String,
    /// What was said of it.
    #[serde(default)]
    pub comments: Vec<Comment>,
    /// The incident that explains it, where topology says so.
    #[serde(default)]
    pub origin: Option<String>,
    /// What an operator did with it last: the id of a [`crate::change::Change`]. Empty: nobody did anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub change: String,
}

impl Transition {
    /// A transition of which nothing is said yet: without id, texts and evidence, and told to nobody.
    pub(crate) fn bare(seq: u32, what: What, minute: Bucket, at: UnixMillis) -> Transition {
        Transition {
            seq,
            what,
            minute,
            at,
            uuid: String::new(),
            message: String::new(),
            tags: BTreeMap::new(),
            annotations: BTreeMap::new(),
            evidence: Vec::new(),
            incomplete: false,
            reason: None,
            marks: Vec::new(),
            dispatched: false,
        }
    }

    /// What became of it for a group.
    pub fn mark(&self, group: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.group == group)
    }
}

impl Incident {
    /// An incident of a rule that fires in a minute: without id and transitions, and about nothing yet.
    pub(crate) fn of(rule: &Rule, minute: Bucket) -> Incident {
        Incident {
            id: String::new(),
            rule: rule.id.clone(),
            rule_name: rule.name.clone(),
            expression: rule.expression.clone(),
            hooks: rule.hooks.clone(),
            profile: rule.profile,
            severity: rule.severity,
            shadow: rule.mode == Mode::Shadow,
            entity: Entity { scope: Scope::Service, id: String::new(), name: String::new() },
            layers: Vec::new(),
            labels: Vec::new(),
            state: State::Firing,
            entered: minute,
            silent_until: Bucket(0),
            observed_until: Bucket(0),
            opened: minute,
            closed: None,
            transitions: Vec::new(),
            acknowledged: None,
            assignee: String::new(),
            comments: Vec::new(),
            origin: None,
            change: String::new(),
        }
    }

    /// Whether its last transition is the recovery.
    pub fn is_over(&self) -> bool {
        self.transitions.last().is_some_and(|last| last.what == What::Recovered)
    }

    /// The last transition that a group's receiver was told of.
    pub fn told(&self, group: &str) -> Option<&Transition> {
        let told = |t: &&Transition| t.mark(group).is_some_and(|mark| mark.outcome.is_told());
        self.transitions.iter().rev().find(told)
    }

    /// Whether it is open as far as a group's receiver knows.
    pub fn known_open(&self, group: &str) -> bool {
        self.told(group).is_some_and(|told| told.what != What::Recovered)
    }
}

impl Doc for Incident {
    const KIND: ItemKind = ItemKind::AlarmIncident;

    fn id(&self) -> &str {
        &self.id
    }
}

/// How far evaluation has come. There is one, [`Progress::ID`]; it is written after a minute's transitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The last closed minute that was evaluated.
    pub evaluated: Bucket,
}

impl Progress {
    /// The id of the one item.
    pub const ID: &'static str = "alarm-progress";
}

impl Doc for Progress {
    const KIND: ItemKind = ItemKind::AlarmProgress;

    fn id(&self) -> &str {
        Progress::ID
    }
}
