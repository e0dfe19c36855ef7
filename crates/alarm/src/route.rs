//! Routes: who is told of what, and how often. One document holds the whole tree, so that it changes as a whole.

use std::collections::BTreeMap;

use model::kinds::ItemKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::Doc;

/// A test of one label of an alarm. A label that is not there is an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matcher {
    /// The label: `rule`, `severity`, `scope`, `layer`, `service`, `instance`, `endpoint`, `group`, `entity`, or a tag of the rule.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what; a regular expression matches the whole value.
    pub value: String,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchOp {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// Matches.
    #[serde(rename = "=~")]
    Matches,
    /// Does not match.
    #[serde(rename = "!~")]
    MatchesNot,
}

/// A node of the tree. What it leaves out it has from its parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Route {
    /// Names it among its siblings, so that a group is the same while the tree around it changes.
    pub name: String,
    /// All must hold. The root has none.
    pub matchers: Vec<Matcher>,
    /// Receivers by name. A route may name several; empty: nobody is told.
    pub receivers: Option<Vec<String>>,
    /// Labels by which alarms are put together; `...` stands for all of them: nothing is put together.
    pub group_by: Option<Vec<String>>,
    /// Seconds that a new group waits for more.
    pub group_wait: Option<u64>,
    /// Seconds between two notifications of a group that changed.
    pub group_interval: Option<u64>,
    /// Seconds after which a group that did not change is told again. 0: never.
    pub repeat_interval: Option<u64>,
    /// Intervals during which nobody is told, by name.
    pub mute_time_intervals: Vec<String>,
    /// Intervals outside of which nobody is told, by name.
    pub active_time_intervals: Vec<String>,
    /// Whether the siblings after it are tried too.
    #[serde(rename = "continue")]
    pub goes_on: bool,
    /// Tried in order; the first that matches takes the alarm.
    pub routes: Vec<Route>,
}

/// A time interval, as Alertmanager writes one: ranges that must all hold; empty ones always do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeInterval {
    /// `{start_time: "09:00", end_time: "17:00"}`.
    pub times: Vec<Times>,
    /// `monday:friday`.
    pub weekdays: Vec<String>,
    /// `1:5`, `-3:-1`.
    pub days_of_month: Vec<String>,
    /// `january:march`, `5`.
    pub months: Vec<String>,
    /// `2026:2027`.
    pub years: Vec<String>,
    /// Name of a zone; empty: UTC.
    pub location: String,
}

/// A part of a day, its end excluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// `HH:MM`.
    pub start_time: String,
    /// `HH:MM`, up to `24:00`.
    pub end_time: String,
}

/// While a source alarm is open, its targets are told to nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Inhibition {
    /// Names it.
    pub name: String,
    /// Which alarms silence others.
    pub source_matchers: Vec<Matcher>,
    /// Which ones are silenced.
    pub target_matchers: Vec<Matcher>,
    /// Labels that must be equal in both; one that is missing in both is.
    pub equal: Vec<String>,
}

/// The tree and what belongs to it. There is one, [`Routing::ID`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routing {
    /// Always [`Routing::ID`].
    pub id: String,
    /// The root. Its own values are the defaults of all.
    pub root: Route,
    /// Intervals by name.
    #[serde(default)]
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Inhibitions.
    #[serde(default)]
    pub inhibitions: Vec<Inhibition>,
    /// Whether alarms that one open alarm explains by topology are told as its consequences.
    #[serde(default)]
    pub fold_by_topology: bool,
    /// What was changed last and by whom: the id of a [`crate::change::Change`].
    #[serde(default)]
    pub change: String,
}

impl Routing {
    /// The id of the one tree.
    pub const ID: &'static str = "routing";
}

impl Doc for Routing {
    const KIND: ItemKind = ItemKind::AlarmRouting;

    fn id(&self) -> &str {
        &self.id
    }
}
