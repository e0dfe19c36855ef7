//! The operator's rules for endpoints' names, as read from files.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashMap;
use serde::Deserialize;

use super::Lengths;
use super::openapi::{Definition, Endpoints};
use super::tree::{self, Found, Tree};

/// `endpoint-name-grouping.yml`, as SkyWalking has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupingFile {
    /// Rules by service.
    #[serde(default)]
    pub grouping: Option<Vec<Grouping>>,
}

/// The custom rules of one service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grouping {
    /// The service's name.
    #[serde(rename = "service-name", default)]
    pub service: String,
    /// Patterns such as `/prod/{var}`, in the order in which they are tried.
    #[serde(default)]
    pub rules: Option<Vec<String>>,
}

/// An OpenAPI definition with the path of its file from the folder of the configuration, such as
/// `openapi-definitions/shop/orders.yaml`.
pub type DefinitionFile = (String, Definition);

/// Rules for endpoints' names by service.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    services: HashMap<Box<str>, ServiceRules, RandomState>,
    /// The same for the same files: tells whether rules have changed.
    pub(super) fingerprint: u64,
}

#[derive(Clone, Debug, Default)]
struct ServiceRules {
    endpoints: Option<Endpoints>,
    tree: Option<Tree>,
}

/// What rules make of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouped {
    /// It is an endpoint of this name.
    As(Arc<str>),
    /// It is an endpoint as it is.
    AsItIs,
    /// No rule says anything.
    No,
}

impl Rules {
    /// Rules of these files. Names of services and of groups are cut as everything is. `Err`: every problem, each with its file.
    pub fn new(
        grouping: &GroupingFile,
        definitions: &[DefinitionFile],
        lengths: Lengths,
    ) -> Result<Rules, Vec<String>> {
        let mut rules = Rules::default();
        let mut problems = Vec::new();
        let cut = |text: &str| Arc::from(lengths.endpoint(text));
        for (file, definition) in definitions {
            let folder = file.rsplit('/').nth(1).filter(|_| file.matches('/').count() > 1);
            let Some(service) = definition.service.as_deref().filter(|name| !name.is_empty()).or(folder) else {
                problems.push(format!(
                    "{file}: x-sw-service-name is missing; a definition beside the services' folders must name its service"
                ));
                continue;
            };
            let endpoints = rules.of(lengths.service(service)).endpoints.get_or_insert_default();
            if let Err(problem) = endpoints.add(definition, cut) {
                problems.push(format!("{file}: {problem}"));
            }
        }
        for Grouping { service, rules: patterns } in grouping.grouping.iter().flatten() {
            if service.is_empty() {
                problems.push("endpoint-name-grouping.yml: a service-name is empty".to_owned());
                continue;
            }
            let tree = rules.of(lengths.service(service)).tree.get_or_insert_default();
            for pattern in patterns.iter().flatten().filter(|pattern| !pattern.is_empty()) {
                if !tree.insert(pattern, cut(pattern)) {
                    problems.push(format!("endpoint-name-grouping.yml: rule `{pattern}` of `{service}` has no part"));
                }
            }
        }
        rules.fingerprint = FixedState::default().hash_one(format!("{grouping:?}{definitions:?}"));
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    fn of(&mut self, service: &str) -> &mut ServiceRules {
        self.services.entry(service.into()).or_default()
    }

    /// Number of services that have rules.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether no service has any.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// What the rules of a service make of an endpoint's name; both are cut. OpenAPI definitions first, then custom rules.
    pub fn group(&self, service: &str, endpoint: &str) -> Grouped {
        if self.services.is_empty() {
            return Grouped::No;
        }
        let Some(rules) = self.services.get(service) else { return Grouped::No };
        if let Some(shown) = rules.endpoints.as_ref().and_then(|endpoints| endpoints.find(endpoint)) {
            return Grouped::As(Arc::clone(shown));
        }
        match rules.tree.as_ref().map(|tree| tree.find(tree::tokens(endpoint))) {
            Some(Found::Pattern(shown)) => Grouped::As(Arc::clone(shown)),
            Some(Found::AsItIs) => Grouped::AsItIs,
            Some(Found::Nothing) | None => Grouped::No,
        }
    }
}
