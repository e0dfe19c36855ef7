//! Names as they enter ids: cut to what SkyWalking keeps of them, endpoints grouped by the operator's rules, and no more of those of
//! one service than a limit allows (analysis 2.3.3 and 2.9).
//!
//! `Names::endpoint` is the whole way of an endpoint's name. Its first steps depend on the name and the rules alone; the last ones,
//! templates and the limit, on what else the service was called with: see `guard`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod guard;
mod names;
mod openapi;
mod rules;
mod template;
mod tree;

#[cfg(test)]
mod tests;

pub use guard::{Exploder, Folded};
pub(crate) use names::Name;
pub use names::{ABANDONED, Names, Naming};
pub use openapi::{Definition, Paths};
pub use rules::{DefinitionFile, Grouped, Grouping, GroupingFile, Rules};
pub use template::template;

/// When ids, numbers and the like in endpoints' names become `{var}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Templates {
    /// Never, as in SkyWalking.
    Never,
    /// In services that near the limit on endpoints, until they are clear of it.
    #[default]
    NearLimit,
    /// Always and everywhere.
    Always,
}

/// Settings of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NamingConfig {
    /// Most UTF-16 units of a service's name, which is how Java counts characters; what is beyond is cut off.
    pub max_service_chars: usize,
    /// Most UTF-16 units of an instance's name.
    pub max_instance_chars: usize,
    /// Most UTF-16 units of an endpoint's name.
    pub max_endpoint_chars: usize,
    /// Whether endpoints are grouped by the OpenAPI definitions in `openapi-definitions`.
    pub openapi: bool,
    /// Endpoints of one service in ten minutes that no rule covers; calls of further ones count under `_abandoned`.
    pub max_endpoints: usize,
    /// When ids, numbers, dates, hashes and addresses in the names of endpoints become `{var}`: `never`, `near_limit` or `always`.
    pub templates: Templates,
    /// Percent of `max_endpoints` that are near the limit.
    pub templates_from_percent: u8,
}

impl Default for NamingConfig {
    fn default() -> Self {
        NamingConfig {
            max_service_chars: 70,
            max_instance_chars: 70,
            max_endpoint_chars: 150,
            openapi: true,
            max_endpoints: 3_000,
            templates: Templates::default(),
            templates_from_percent: 50,
        }
    }
}

/// The longest that a name may be: SkyWalking's own bound.
const MOST_CHARS: usize = 190;
/// The most endpoints of one service: what the limit on all entities is, unless it was raised.
const MOST_ENDPOINTS: usize = 100_000;

impl NamingConfig {
    /// How long names may be.
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        Lengths {
            service: self.max_service_chars,
            instance: self.max_instance_chars,
            endpoint: self.max_endpoint_chars,
        }
    }

    /// Every problem with these settings, each as `setting: what is wrong`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let within = |name: &str, is: usize, most: usize| {
            (!(1..=most).contains(&is)).then(|| format!("naming.{name}: must be between 1 and {most}, is {is}"))
        };
        let problems = [
            within("max_service_chars", self.max_service_chars, MOST_CHARS),
            within("max_instance_chars", self.max_instance_chars, MOST_CHARS),
            within("max_endpoint_chars", self.max_endpoint_chars, MOST_CHARS),
            within("max_endpoints", self.max_endpoints, MOST_ENDPOINTS),
            within("templates_from_percent", usize::from(self.templates_from_percent), 100),
        ];
        problems.into_iter().flatten().collect()
    }
}

/// How long names may be, in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    service: usize,
    instance: usize,
    endpoint: usize,
}

impl Lengths {
    /// A service's name as it enters ids.
    pub fn service<'n>(&self, name: &'n str) -> &'n str {
        cut(name, self.service)
    }

    /// An instance's name as it enters ids.
    pub fn instance<'n>(&self, name: &'n str) -> &'n str {
        cut(name, self.instance)
    }

    /// An endpoint's name as rules see it.
    pub fn endpoint<'n>(&self, name: &'n str) -> &'n str {
        cut(name, self.endpoint)
    }
}

/// The longest beginning of `text` that has at most `limit` UTF-16 units, which is how Java counts. A pair of surrogates is
/// never split: half of one is no character, and no id can hold it.
pub fn cut(text: &str, limit: usize) -> &str {
    // A character has at least as many bytes as UTF-16 units.
    if text.len() <= limit {
        return text;
    }
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > limit {
            return text.get(..at).expect("char_indices answers character boundaries");
        }
    }
    text
}

/// Whether `text` has at most `limit` UTF-16 units.
pub fn fits(text: &str, limit: usize) -> bool {
    cut(text, limit).len() == text.len()
}
