//! Rules.

use std::collections::BTreeMap;

use model::UnixMillis;
use model::kinds::ItemKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::Doc;
use crate::entity::Entity;
use crate::select::{Compiled, Selector};

/// How bad it is, the worst last. Also the tag `level` where a rule has none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// To be known.
    Info,
    /// To be looked at.
    #[default]
    Warning,
    /// To be looked at now.
    Critical,
}

/// Whether a rule notifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// It does.
    #[default]
    Live,
    /// It is evaluated and its incidents are kept, and nobody is told.
    Shadow,
}

/// Whose rules of repeating and recovering hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Profile {
    /// SkyWalking's: it fires again every `silence + 1` minutes while it lasts, and recovers no sooner than that.
    Skywalking,
    /// Ours: one firing for an incident; routes repeat it. It recovers after `recovery_observation + 1` minutes.
    #[default]
    Native,
}

/// Which minutes a rule sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Window {
    /// The closed ones, and the running one where that is fair.
    #[default]
    Running,
    /// The closed ones alone.
    Complete,
}

/// What it means that an entity has no value in the whole window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoDataPolicy {
    /// All is well: as if the condition were false.
    Ok,
    /// Nothing new is known: the state stays.
    Keep,
    /// That is the alarm: as if the condition were true.
    Alert,
    /// An open incident ends, with `no_data` as the reason.
    #[default]
    Resolve,
}

/// [`NoDataPolicy`] and when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NoData {
    /// What it means.
    pub policy: NoDataPolicy,
    /// After how many minutes without a value; 0: the greater of `period` and `silence + 1`.
    pub after: u32,
}

/// What it means that an expression cannot be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnError {
    /// The state stays, and the rule's health says so.
    #[default]
    Keep,
    /// As if the condition were true, after as many minutes as the period has.
    Alert,
}

/// A rule says nothing while too little happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MinSamples {
    /// A metric that counts, of the rule's own scope.
    pub metric: String,
    /// Its sum over the window must be this at least.
    pub gte: u64,
}

/// What becomes of labels in the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LabelMode {
    /// One instance for an entity; it matches when any label's value does.
    #[default]
    Any,
    /// One instance for each set of labels.
    Each,
}

/// Other numbers for some entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Which ones. The first override that fits holds.
    pub selector: Selector,
    /// Numbers by the name that the expression uses them under: `$threshold`.
    pub variables: BTreeMap<String, f64>,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Provenance {
    /// The settings file, untouched since.
    File,
    /// Made or changed through the interface.
    #[default]
    Api,
    /// Brought in through the interface.
    Import,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Never changes. Drawn when the rule is made; for rules of a file, made of the name.
    pub id: String,
    /// Unique among the living.
    pub name: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it notifies.
    pub mode: Mode,
    /// Whose rules of repeating and recovering hold.
    pub profile: Profile,
    /// When it matches: an expression whose result is true or false.
    pub expression: String,
    /// When a firing one has recovered; empty: when the expression is false.
    pub recovery_expression: String,
    /// Numbers that the expression uses by name, where no override says otherwise.
    pub variables: BTreeMap<String, f64>,
    /// Which entities it watches.
    pub selector: Selector,
    /// Other numbers for some of them.
    pub overrides: Vec<Override>,
    /// How many minutes the expression sees, 1 at least.
    pub period: u32,
    /// How many minutes it must match before it fires.
    #[serde(rename = "for")]
    pub for_minutes: u32,
    /// Minutes after a firing without another one.
    pub silence: u32,
    /// Further minutes that it must not match before it has recovered.
    pub recovery_observation: u32,
    /// Minutes that it stays firing at least.
    pub keep_firing_for: u32,
    /// Which minutes it sees.
    pub window: Window,
    /// What no value means.
    pub no_data: NoData,
    /// What an error means.
    pub on_error: OnError,
    /// When too little happens to say anything.
    pub min_samples: Option<MinSamples>,
    /// How bad it is.
    pub severity: Severity,
    /// The text of a firing: a template, in which `{name}` and `{id}` do as well.
    pub message: String,
    /// The text of a recovery; empty: that of the firing.
    pub recovery_message: String,
    /// Searchable, and matched by routes. Values are templates.
    pub tags: BTreeMap<String, String>,
    /// For people: runbook, owner. Values are templates.
    pub annotations: BTreeMap<String, String>,
    /// What becomes of labels.
    pub label_mode: LabelMode,
    /// Receivers by name (`webhook.ops`). Empty: as routes say, or, of a rule from a SkyWalking file, those that are default.
    pub hooks: Vec<String>,
    /// How many instances may notify for themselves; beyond, one alarm stands for the rest. 0: [`MAX_INSTANCES`].
    pub max_instances: u32,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What was changed last and by whom: the id of a [`crate::change::Change`].
    pub change: String,
    /// When it was made.
    #[schemars(with = "i64")]
    pub created: UnixMillis,
}

impl Rule {
    /// The first override that fits an entity whose service has these layers. Who asks for many has them compiled.
    pub(crate) fn own(&self, entity: &Entity, layers: &[String]) -> Option<&Override> {
        let parts = entity.parts();
        let takes =
            |own: &&Override| Compiled::new(&own.selector).is_ok_and(|compiled| compiled.takes(entity, &parts, layers));
        self.overrides.iter().find(takes)
    }
}

/// Instances that notify for themselves, where a rule does not say.
pub const MAX_INSTANCES: u32 = 20_000;

impl Doc for Rule {
    const KIND: ItemKind = ItemKind::AlarmRule;

    fn id(&self) -> &str {
        &self.id
    }
}
