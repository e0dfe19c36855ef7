//! A rule in the shapes of GraphQL.

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap as _};

use super::{
    alarm_rules::{
        AlarmLabelMode, AlarmNoDataPolicy, AlarmOnError, AlarmProfile, AlarmProvenance, AlarmRuleMode, AlarmScope,
        AlarmWindow,
    },
    alarm_shared::{AlarmSeverity, KeyValueInput, map_of, pairs},
    common::{KeyValue, Long},
};

/// A rule.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRule {
    pub id: ID,
    /// Unique among the living.
    pub name: String,
    /// Whether nobody evaluates it.
    pub paused: bool,
    pub mode: AlarmRuleMode,
    pub profile: AlarmProfile,
    /// When it matches.
    pub expression: String,
    /// When a firing one has recovered; empty: when the expression is false.
    pub recovery_expression: String,
    /// Numbers that the expression uses by name.
    #[serde(deserialize_with = "numbers")]
    pub variables: Vec<AlarmVariable>,
    /// Which entities it watches.
    pub selector: AlarmSelector,
    /// Other numbers for some of them.
    pub overrides: Vec<AlarmOverride>,
    /// How many minutes the expression sees.
    pub period: i32,
    /// How many minutes it must match before it fires.
    #[serde(rename = "for")]
    #[graphql(name = "for")]
    pub for_minutes: i32,
    /// Minutes after a firing without another one.
    pub silence: i32,
    /// Further minutes that it must not match before it has recovered.
    pub recovery_observation: i32,
    /// Minutes that it stays firing at least.
    pub keep_firing_for: i32,
    pub window: AlarmWindow,
    pub no_data: AlarmNoData,
    pub on_error: AlarmOnError,
    pub min_samples: Option<AlarmMinSamples>,
    pub severity: AlarmSeverity,
    /// The text of a firing: a template.
    pub message: String,
    /// The text of a recovery; empty: that of the firing.
    pub recovery_message: String,
    #[serde(deserialize_with = "pairs")]
    pub tags: Vec<KeyValue>,
    #[serde(deserialize_with = "pairs")]
    pub annotations: Vec<KeyValue>,
    pub label_mode: AlarmLabelMode,
    /// Receivers by name; empty: as routes say.
    pub hooks: Vec<String>,
    /// How many instances may notify for themselves; 0: the server's limit.
    pub max_instances: i32,
    pub provenance: AlarmProvenance,
    /// When it was made.
    pub created: Long,
    /// What its entities are; null: its expression does not say.
    #[serde(default)]
    pub scope: Option<AlarmScope>,
    /// How it is; null of an earlier version.
    #[serde(default)]
    pub health: Option<AlarmRuleHealth>,
    /// How many of its incidents are open.
    #[serde(default, rename = "nOpen")]
    pub open_incidents: i32,
    /// The version of it, which a change names.
    #[serde(default)]
    pub revision: Long,
    /// When it was written.
    #[serde(default)]
    pub updated: Long,
}

/// How a rule is.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmRuleHealth {
    pub status: AlarmRuleStatus,
    /// What is wrong.
    pub error: Option<String>,
}

/// Whether a rule is evaluated.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmRuleStatus {
    /// It is.
    Ok,
    /// Somebody paused it.
    Paused,
    /// It cannot be evaluated, or not for some of its entities.
    Error,
}

/// A number by its name.
#[derive(SimpleObject, InputObject, Debug, Clone)]
#[graphql(input_name = "AlarmVariableInput")]
pub struct AlarmVariable {
    pub name: String,
    pub value: f64,
}

pub(crate) fn numbers<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<AlarmVariable>, D::Error> {
    let map = std::collections::BTreeMap::<String, f64>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(name, value)| AlarmVariable { name, value }).collect())
}

/// Which entities a rule watches: every filter that is set must agree.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmSelector {
    pub include_names: Vec<String>,
    pub exclude_names: Vec<String>,
    pub include_names_regex: String,
    pub exclude_names_regex: String,
    pub layers: Vec<String>,
    pub services: Vec<String>,
    pub service_regex: String,
    /// The text before `::` of the service's name.
    pub groups: Vec<String>,
    pub instance_regex: String,
    pub endpoint_regex: String,
    /// Whether the service is one that reports (true) or a conjectured one (false).
    pub normal: Option<bool>,
}

/// Other numbers for some entities.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmOverride {
    pub selector: AlarmSelector,
    #[serde(deserialize_with = "numbers")]
    pub variables: Vec<AlarmVariable>,
}

/// What no value means, and when that begins.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmNoData {
    pub policy: AlarmNoDataPolicy,
    /// After how many minutes; 0: the greater of `period` and `silence + 1`.
    pub after: i32,
}

/// A rule says nothing while too little happens.
#[derive(SimpleObject, InputObject, Debug, Clone, Serialize, Deserialize)]
#[graphql(input_name = "AlarmMinSamplesInput")]
pub struct AlarmMinSamples {
    /// A metric that counts.
    pub metric: String,
    /// Its sum over the window must be this at least.
    pub gte: Long,
}

/// A rule as it is written. What is left out is as in a new rule, or, of a patch, stays.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRuleInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AlarmRuleMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<AlarmProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "numbers_of")]
    pub variables: Option<Vec<AlarmVariable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<AlarmSelectorInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Vec<AlarmOverrideInput>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "for")]
    #[graphql(name = "for")]
    pub for_minutes: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_observation: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_firing_for: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<AlarmWindow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_data: Option<AlarmNoDataInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<AlarmOnError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<AlarmMinSamples>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlarmSeverity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "map_of")]
    pub tags: Option<Vec<KeyValueInput>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "map_of")]
    pub annotations: Option<Vec<KeyValueInput>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_mode: Option<AlarmLabelMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<i32>,
}

/// Which entities a rule is to watch.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmSelectorInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_names_regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_names_regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal: Option<bool>,
}

/// Other numbers for some entities.
#[derive(InputObject, Debug, Clone, Serialize)]
pub struct AlarmOverrideInput {
    pub selector: AlarmSelectorInput,
    #[serde(serialize_with = "each_number")]
    pub variables: Vec<AlarmVariable>,
}

/// What no value is to mean.
#[derive(InputObject, Debug, Clone, Serialize)]
pub struct AlarmNoDataInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<AlarmNoDataPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i32>,
}

fn numbers_of<S: Serializer>(list: &Option<Vec<AlarmVariable>>, serializer: S) -> Result<S::Ok, S::Error> {
    each_number(list.as_deref().unwrap_or_default(), serializer)
}

fn each_number<S: Serializer>(list: &[AlarmVariable], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for AlarmVariable { name, value } in list {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
