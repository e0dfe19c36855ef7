//! Which entities a rule watches.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entity::{Entity, Parts};
use crate::pattern::{BadPattern, Pattern};

/// Every filter that is set must agree. All empty: every entity of the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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

/// A selector that is ready to be asked.
#[derive(Clone, Debug)]
pub struct Compiled {
    include_names: HashSet<String>,
    exclude_names: HashSet<String>,
    layers: HashSet<String>,
    services: HashSet<String>,
    groups: HashSet<String>,
    normal: Option<bool>,
    patterns: Vec<(Of, Pattern)>,
    is_all: bool,
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug)]
enum Of {
    Name,
    OtherName,
    Service,
    Instance,
    Endpoint,
}

/// Why a selector cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadSelector {
    /// The field.
    pub field: &'static str,
    /// What is wrong with its expression.
    pub why: BadPattern,
}

impl Compiled {
    /// Makes it ready.
    pub fn new(selector: &Selector) -> Result<Compiled, BadSelector> {
        let texts = [
            (Of::Name, "includeNamesRegex", &selector.include_names_regex),
            (Of::OtherName, "excludeNamesRegex", &selector.exclude_names_regex),
            (Of::Service, "serviceRegex", &selector.service_regex),
            (Of::Instance, "instanceRegex", &selector.instance_regex),
            (Of::Endpoint, "endpointRegex", &selector.endpoint_regex),
        ];
        let mut patterns = Vec::new();
        for (of, field, text) in texts.into_iter().filter(|(.., text)| !text.is_empty()) {
            patterns.push((of, Pattern::new(text).map_err(|why| BadSelector { field, why })?));
        }
        let set = |names: &[String]| names.iter().cloned().collect();
        Ok(Compiled {
            include_names: set(&selector.include_names),
            exclude_names: set(&selector.exclude_names),
            layers: set(&selector.layers),
            services: set(&selector.services),
            groups: set(&selector.groups),
            normal: selector.normal,
            patterns,
            is_all: *selector == Selector::default(),
        })
    }

    /// Whether it takes every entity, so that nobody needs to ask.
    pub fn is_all(&self) -> bool {
        self.is_all
    }

    /// Whether it takes an entity. `layers` are those of its service. What a pattern takes too many steps to say is not taken by
    /// one that includes, and taken by one that excludes.
    pub fn takes(&self, entity: &Entity, parts: &Parts, layers: &[String]) -> bool {
        let one_of = |set: &HashSet<String>, name: &str| set.is_empty() || set.contains(name);
        let group = parts.service.split_once("::").map_or("", |(group, _)| group);
        one_of(&self.include_names, &entity.name)
            && !self.exclude_names.contains(&entity.name)
            && one_of(&self.services, &parts.service)
            && one_of(&self.groups, group)
            && self.normal.is_none_or(|normal| normal == parts.normal)
            && (self.layers.is_empty() || layers.iter().any(|layer| self.layers.contains(layer)))
            && self.patterns.iter().all(|(of, pattern)| {
                let matches = |text: &str| pattern.matches(text) == Some(true);
                match of {
                    Of::Name => matches(&entity.name),
                    Of::OtherName => !matches(&entity.name),
                    Of::Service => matches(&parts.service),
                    Of::Instance => matches(&parts.instance),
                    Of::Endpoint => matches(&parts.endpoint),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use model::{Scope, id};

    use super::*;

    fn taken(selector: Selector) -> String {
        let compiled = Compiled::new(&selector).unwrap();
        let (shop, db) = (id::service("prod::shop", true), id::service("db", false));
        let all = [
            ("s", Scope::Service, shop.clone()),
            ("d", Scope::Service, db.clone()),
            ("i", Scope::ServiceInstance, id::instance(&shop, "pod-1")),
            ("e", Scope::Endpoint, id::endpoint(&shop, "/buy")),
            ("r", Scope::ServiceRelation, id::relation(&shop, &db)),
        ];
        let layers = |name: &str| if "dr".contains(name) { "DATABASE" } else { "GENERAL" };
        all.into_iter()
            .filter(|(name, scope, id)| {
                let entity = Entity::of(*scope, id.clone()).unwrap();
                compiled.takes(&entity, &entity.parts(), &[layers(name).to_owned()])
            })
            .map(|(name, ..)| name)
            .collect()
    }

    #[test]
    fn every_filter_that_is_set_must_agree() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let none = Selector::default();
        assert_eq!(taken(none.clone()), "sdier");
        assert_eq!(taken(Selector { include_names: names(&["db", "/buy in prod::shop"]), ..none.clone() }), "de");
        assert_eq!(taken(Selector { exclude_names: names(&["db"]), ..none.clone() }), "sier");
        assert_eq!(taken(Selector { include_names_regex: "prod.*".into(), ..none.clone() }), "sr");
        assert_eq!(taken(Selector { exclude_names_regex: ".*shop".into(), ..none.clone() }), "dr");
        assert_eq!(taken(Selector { layers: names(&["DATABASE", "X"]), ..none.clone() }), "dr");
        assert_eq!(taken(Selector { services: names(&["prod::shop"]), ..none.clone() }), "sie");
        assert_eq!(taken(Selector { service_regex: "d.".into(), ..none.clone() }), "dr");
        assert_eq!(taken(Selector { groups: names(&["prod"]), ..none.clone() }), "sie");
        assert_eq!(taken(Selector { instance_regex: "pod-[0-9]".into(), ..none.clone() }), "i");
        assert_eq!(taken(Selector { endpoint_regex: "/.*".into(), ..none.clone() }), "e");
        assert_eq!(taken(Selector { normal: Some(false), ..none.clone() }), "dr");
        let both = Selector { groups: names(&["prod"]), include_names_regex: "pod.*".into(), ..none };
        assert_eq!(taken(both), "i");
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_its_field() {
        let bad = Selector { instance_regex: "(".into(), ..Selector::default() };
        assert_eq!(Compiled::new(&bad).unwrap_err().field, "instanceRegex");
    }
}
