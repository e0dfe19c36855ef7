//! What SkyWalking has no words for, under the key `x-ext`: fields of a rule by the names that the interface gives them.

use serde_json::{Map, Value};

use crate::rule::{Provenance, Rule};

use super::rule_id;
use super::yaml::{self, Node};

/// The key. SkyWalking passes over keys that it does not know.
pub(super) const KEY: &str = "x-ext";

/// Fields that belong to the store and not to the rule.
pub(super) const STORED: [&str; 4] = ["id", "provenance", "change", "created"];

/// The rule with the fields of a node written over it.
pub(super) fn overlay(rule: &Rule, node: &Node) -> Result<Rule, String> {
    let mut whole = json(rule);
    match &node.value {
        yaml::Value::Null => {}
        yaml::Value::Map(fields) => {
            for (key, value) in fields {
                if !STORED.contains(&key.text.as_str()) {
                    whole.insert(key.text.clone(), value.to_json());
                }
            }
        }
        _ => return Err(format!("{KEY} wants a map, and this is {}", node.kind())),
    }
    serde_json::from_value(Value::Object(whole)).map_err(|error| error.to_string())
}

/// A rule all of whose fields stand under our key.
pub(super) fn rule(name: &str, node: &Node) -> Result<Rule, String> {
    let bare = Rule { id: rule_id(name), name: name.to_owned(), provenance: Provenance::File, ..Rule::default() };
    overlay(&bare, node)
}

/// The fields in which a rule differs from what would be read without our key.
pub(super) fn beyond(rule: &Rule, plain: &Rule) -> Map<String, Value> {
    let plain = json(plain);
    let differs = |(name, value): &(String, Value)| !STORED.contains(&&**name) && plain.get(name) != Some(value);
    let mut fields: Map<String, Value> = json(rule).into_iter().filter(differs).collect();
    fields.get_mut("selector").map(prune);
    let overrides = fields.get_mut("overrides").and_then(Value::as_array_mut);
    overrides.into_iter().flatten().filter_map(|each| each.get_mut("selector")).for_each(prune);
    fields
}

/// Takes out of a selector what it does not say.
fn prune(selector: &mut Value) {
    if let Value::Object(fields) = selector {
        fields.retain(|_, value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        });
    }
}

fn json(rule: &Rule) -> Map<String, Value> {
    match serde_json::to_value(rule).expect("rules have texts as keys") {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
