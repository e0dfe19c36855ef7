//! The description of all this: OpenAPI 3.1.

use std::collections::BTreeMap;

use alarm::desk::Fire;
use alarm::edit::Bundle;
use alarm::receiver::Receiver;
use alarm::route::{Inhibition, Matcher, Routing, TimeInterval};
use alarm::rule::Rule;
use alarm::silence::Silence;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call};
use super::op::{Answering, Body, Op};
use super::{BASE, table};

pub(super) const OPS: &[Op] = &[Op::get("/openapi.json", "This description.", get)];

fn get(_: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&description())) })
}

/// Where schemas stand in the description.
const SCHEMAS: &str = "#/components/schemas/";

/// A reference to the schema of a type.
pub(super) fn named<T: JsonSchema>() -> Value {
    json!({ "$ref": format!("{SCHEMAS}{}", T::schema_name()) })
}

/// The body of a merge patch.
pub(super) fn patch() -> Value {
    json!({"type": "object", "description": "JSON merge patch (RFC 7396): what is null goes, what is not named stays."})
}

/// The schemas of the documents, with all that they are made of.
fn schemas() -> Map<String, Value> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator: SchemaGenerator = settings.into_generator();
    generator.subschema_for::<Rule>();
    generator.subschema_for::<Receiver>();
    generator.subschema_for::<Routing>();
    generator.subschema_for::<Inhibition>();
    generator.subschema_for::<TimeInterval>();
    generator.subschema_for::<Matcher>();
    generator.subschema_for::<Silence>();
    generator.subschema_for::<Bundle>();
    generator.subschema_for::<Fire>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    schemas
}

fn problem() -> Value {
    json!({
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "What kind of problem, for programs."},
            "path": {"type": "string", "description": "The field; empty: all of it."},
            "line": {"type": ["integer", "null"]},
            "column": {"type": ["integer", "null"]},
            "message": {"type": "string", "description": "What, for people."},
            "hint": {"type": ["string", "null"], "description": "What to do about it."},
            "problems": {"description": "All that is wrong, where it is more than one thing; of a silence that is too broad what it would hit."},
            "present": {"description": "Of a conflict: the document as it is now."},
            "revision": {"type": "integer", "description": "Of a conflict: its revision."},
        },
        "required": ["code", "path", "message"],
    })
}

/// The whole description.
pub(super) fn description() -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for op in table() {
        let of_path = paths.entry(format!("{BASE}{}", op.path)).or_default();
        of_path.insert(op.method.as_str().to_lowercase(), operation(op));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Skylark alarms",
            "version": "1",
            "description": "Rules, receivers, routes, silences, incidents and notifications. Times are milliseconds since 1970.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}, {"password": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    })
}

fn operation(op: &Op) -> Value {
    let mut parameters = Vec::new();
    if op.path.contains('{') {
        parameters.push(json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    for (name, about) in op.query {
        parameters.push(json!({"name": name, "in": "query", "description": about, "schema": {"type": "string"}}));
    }
    if op.if_match {
        let about = "The revision that is changed, as ETag has it: `\"12\"`. `*` takes any.";
        parameters.push(json!({"name": "If-Match", "in": "header", "description": about, "required": true, "schema": {"type": "string"}}));
    }
    if op.method != super::op::Verb::Get {
        let about = "Why: it stands in the audit.";
        parameters
            .push(json!({"name": "X-Reason", "in": "header", "description": about, "schema": {"type": "string"}}));
    }
    let json_of = |schema: Value| json!({"application/json": {"schema": schema}});
    let mut described = json!({
        "operationId": operation_id(op),
        "summary": op.about,
        "description": format!("It takes {}.", op.role),
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "It is done.", "content": json_of(json!({}))},
            "4XX": {"description": "It is not done.", "content": json_of(json!({"$ref": format!("{SCHEMAS}Problem")}))},
            "5XX": {"description": "It cannot be done now.", "content": json_of(json!({"$ref": format!("{SCHEMAS}Problem")}))},
        },
    });
    let body = match op.body {
        Body::None => None,
        Body::Json(schema) => Some((json_of(schema()), true)),
        Body::Optional(schema) => Some((json_of(schema()), false)),
        Body::File(schema) => {
            let mut content = json_of(schema());
            content["application/yaml"] = json!({"schema": {"type": "string"}});
            Some((content, true))
        }
    };
    if let Some((content, required)) = body {
        described["requestBody"] = json!({"content": content, "required": required});
    }
    described
}

/// A name for programs: the method and the words of the path.
fn operation_id(op: &Op) -> String {
    let words = op.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = op.method.as_str().to_lowercase();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All references of a value.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn everything_of_the_table_is_described_and_nothing_else() {
        let described = description();
        let paths = described["paths"].as_object().unwrap();
        for op in table() {
            let operation = &paths[&format!("{BASE}{}", op.path)][op.method.as_str().to_lowercase()];
            assert_eq!(operation["summary"], op.about);
        }
        let n: usize = paths.values().map(|methods| methods.as_object().unwrap().len()).sum();
        assert_eq!(n, table().count());
        let mut ids: Vec<String> = table().map(operation_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), n, "each has a name of its own");
    }

    #[test]
    fn every_reference_leads_somewhere_and_documents_show_their_fields() {
        let described = description();
        let mut found = Vec::new();
        references(&described, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(described.pointer(pointer).is_some(), "{reference}");
        }
        let rule = &described["components"]["schemas"]["Rule"];
        assert_eq!(rule["additionalProperties"], false);
        assert!(rule["properties"]["for"].is_object() && rule["properties"]["noData"].is_object(), "{rule}");
    }
}
