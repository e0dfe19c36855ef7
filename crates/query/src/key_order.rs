//! Puts the keys of an answer in the order of the selection.
//!
//! GraphQL asks for that order and clients rely on it: some read an answer by the position of its keys. The library puts a
//! key where its resolver happened to finish, so answers are put in order here before they are sent.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

/// Puts the data of an executed operation in order, at every depth. Keys that the document does not name stay as they are.
///
/// The document must have been found valid: fragments that contain themselves would never end.
pub(crate) fn restore(data: &mut Value, document: &ExecutableDocument, operation: Option<&str>) {
    let is_wanted = |name: Option<&Name>| operation.is_none_or(|wanted| name.is_some_and(|name| name == wanted));
    if let Some((_, executed)) = document.operations.iter().find(|(name, _)| is_wanted(*name)) {
        let mut plan = Plan::default();
        plan.add(&executed.node.selection_set.node, &document.fragments);
        plan.apply(data);
    }
}

/// Response keys in their order, each with the order below it.
#[derive(Debug, Default)]
struct Plan(IndexMap<Name, Plan>);

impl Plan {
    /// What is selected twice under one key is one key, where it was selected first.
    fn add(&mut self, set: &SelectionSet, fragments: &HashMap<Name, Positioned<FragmentDefinition>>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.clone();
                    self.0.entry(key).or_default().add(&field.node.selection_set.node, fragments);
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, fragments),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, fragments);
                    }
                }
            }
        }
    }

    fn apply(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Object(object) => {
                let place = |key: &Name| self.0.get_index_of(key);
                if !object.keys().map(place).is_sorted() {
                    object.sort_by_cached_key(|key, _| place(key));
                }
                for (key, below) in object.iter_mut() {
                    if let Some(plan) = self.0.get(key) {
                        plan.apply(below);
                    }
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn restored(data: serde_json::Value, query: &str, operation: Option<&str>) -> String {
        let mut data = Value::from_json(data).unwrap();
        restore(&mut data, &parse_query(query).unwrap(), operation);
        serde_json::to_string(&data).unwrap()
    }

    #[test]
    fn keys_are_put_in_order_at_every_depth() {
        let query = "{ z: list { b, a } ...rest y { scalar } z: list { c } } \
                     fragment rest on Query { x: __typename ... on Query { w } }";
        let data = json!({
            "w": 1, "y": {"scalar": {"j": 2, "k": 1}}, "x": "Query", "z": [{"a": 1, "b": 2, "c": 3}, null, [{"c": 1, "a": 2}]],
        });
        assert_eq!(
            restored(data, query, None),
            r#"{"z":[{"b":2,"a":1,"c":3},null,[{"a":2,"c":1}]],"x":"Query","w":1,"y":{"scalar":{"j":2,"k":1}}}"#
        );
    }

    #[test]
    fn the_operation_that_ran_decides() {
        let query = "query first { a b } query second { b a }";
        let data = || json!({"a": 1, "b": 2});
        assert_eq!(restored(data(), query, Some("first")), r#"{"a":1,"b":2}"#);
        assert_eq!(restored(data(), query, Some("second")), r#"{"b":2,"a":1}"#);
    }

    #[test]
    fn what_the_document_does_not_name_stays() {
        assert_eq!(restored(json!({"a": 1, "b": 2}), "{ c }", None), r#"{"a":1,"b":2}"#);
        assert_eq!(restored(json!(null), "{ c }", None), "null");
    }
}
