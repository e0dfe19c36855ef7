//! Which entities a rule watches.

use serde::{Deserialize, Serialize};

/// Every filter that is set must agree. All empty: every entity of the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// The entity's name is one of these.
    pub include_names: Vec<String>,
    /// The entity's name is none of these.
    pub exclude_names: Vec<String>,
    /// The entity's name matches as a whole.
    pub include_names_regex: String,
    /// The entity's name does not match as a whole.
    pub exclude_names_regex: String,
    /// The service has one of these layers.
    pub layers: Vec<String>,
    /// The service's name is one of these.
    pub services: Vec<String>,
    /// The service's name matches as a whole.
    pub service_regex: String,
    /// The service's group, the text before `::`, is one of these.
    pub groups: Vec<String>,
    /// The instance's name matches as a whole.
    pub instance_regex: String,
    /// The endpoint's name matches as a whole.
    pub endpoint_regex: String,
    /// Whether the service is one that reports (`true`) or a conjectured one (`false`).
    pub normal: Option<bool>,
}
