//! Index templates: what is searched, and how it lies. Several nodes may start at once and find them made, half made or made by an
//! older version; what is new is added, anything else that differs is refused.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use model::kinds::{FieldType, RecordKind};
use opensearch::http::Method;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::failure::failure;
use super::json::body;
use super::names::{Family, Names};
use super::settings::Config;
use super::states;
use crate::StoreError;

/// What templates say in `_meta`. Raise it with every change that an older or newer version could not read.
const FORMAT: u64 = 1;
/// Above templates that an operator has for everything.
const PRIORITY: u64 = 500;
/// A metric needs up to three columns.
const MAX_FIELDS: &str = "5000";
/// How often two nodes that change a template at the same time may come between each other.
const TRIES: u32 = 10;
/// Time for one request to the cluster's manager.
const WITHIN: Duration = Duration::from_secs(30);

/// How the cluster says that an index is there.
const EXISTS: &[u8] = b"resource_already_exists_exception";

/// The time of a record.
pub(super) const AT: &str = "at";
/// The id of a record.
pub(super) const RECORD_ID: &str = "record_id";
/// The kind of a record that shares its index with other kinds.
pub(super) const KIND: &str = "kind";
/// A whole record.
pub(super) const WHOLE: &str = "whole";

/// One template, and the indices that it is for.
#[derive(Clone, Debug)]
pub(super) struct Template {
    name: String,
    pattern: String,
    settings: Map<String, Value>,
    properties: Map<String, Value>,
}

/// The templates of a store.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    pub(super) all: Vec<Template>,
}

impl Templates {
    pub(super) fn new(config: &Config, names: &Names) -> Templates {
        let template = |name: String, pattern: String, properties| Template {
            name,
            pattern,
            settings: settings(config),
            properties,
        };
        let mut all: Vec<_> = Family::ALL
            .iter()
            .map(|&family| {
                let properties = if family == Family::Rows { rows() } else { records(family) };
                let mut template = template(names.template(family), names.pattern(family), properties);
                if family == Family::Segment || family == Family::Log {
                    template.settings.insert("index.codec".to_owned(), json!("best_compression"));
                }
                template
            })
            .collect();
        all.push(template(names.life(), names.life(), rows()));
        all.push(template(names.items(), names.items(), items()));
        Templates { all }
    }

    /// The columns that rows have from the start.
    pub(super) fn columns(&self) -> HashSet<String> {
        rows().keys().cloned().collect()
    }

    /// The templates of rows.
    pub(super) fn of_rows<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = &'a Template> {
        let rows = [names.template(Family::Rows), names.life()];
        self.all.iter().filter(move |template| rows.contains(&template.name))
    }
}

impl Template {
    /// The same with more fields.
    pub(super) fn with(&self, properties: &Map<String, Value>) -> Template {
        let mut more = self.clone();
        more.properties.extend(properties.clone());
        more
    }

    /// Makes sure that the cluster's template has all of this one, and the indices that were made by it too.
    pub(super) async fn ensure(&self, client: &Client) -> Result<(), StoreError> {
        self.extend(client).await?;
        map_fields(client, &self.pattern, &self.properties).await
    }

    /// Makes sure that the cluster's template has all of this one. Another node that adds something else at the same moment may take
    /// it away again: what must not be missed is mapped in the index itself.
    pub(super) async fn extend(&self, client: &Client) -> Result<(), StoreError> {
        let path = format!("/_index_template/{}", self.name);
        for _ in 0..TRIES {
            let reply = client.send(Method::Get, &path, None, WITHIN).await?;
            let (wanted, create) = match reply.status {
                404 => (self.body(self.properties.clone()), "?create=true"),
                _ => match self.missing(&reply.ok()?)? {
                    None => return Ok(()),
                    Some(union) => (self.body(union), ""),
                },
            };
            let reply = client.send(Method::Put, &format!("{path}{create}"), Some(body(&wanted)), WITHIN).await?;
            // Another node made it at the same moment: look again what it made, as after every change of our own.
            let came_second = reply.status == 400 && reply.body.windows(14).any(|text| text == b"already exists");
            if !reply.is_ok() && !came_second {
                return Err(failure(reply.status, &reply.body));
            }
        }
        Err(StoreError::Unavailable(format!("other nodes keep changing the template {}", self.name)))
    }

    fn body(&self, properties: Map<String, Value>) -> Value {
        json!({
            "index_patterns": [self.pattern],
            "priority": PRIORITY,
            "template": {
                "settings": self.settings,
                "mappings": {"dynamic": false, "properties": properties},
            },
            "_meta": {"skylark_format": FORMAT},
        })
    }

    /// What the cluster's template must become to have all of this one; `None`: it has.
    fn missing(&self, answer: &[u8]) -> Result<Option<Map<String, Value>>, StoreError> {
        let answer: Value = super::json::read(answer)?;
        let stored = &answer["index_templates"][0]["index_template"];
        let format = &stored["_meta"]["skylark_format"];
        if format.as_u64() != Some(FORMAT) {
            return Err(StoreError::Damaged(format!(
                "the index template {} has the format {format}, this version reads {FORMAT}: start the version that wrote it, or use \
                 another index_prefix",
                self.name
            )));
        }
        let mut union = stored["template"]["mappings"]["properties"].as_object().cloned().unwrap_or_default();
        let mut is_same = flat(&stored["template"]["settings"]) == flat(&Value::Object(self.settings.clone()));
        for (field, mapping) in &self.properties {
            match union.get(field) {
                Some(there) if there == mapping => {}
                Some(there) => return Err(self.differs(field, &format!("{there}, this version needs {mapping}"))),
                None => {
                    union.insert(field.clone(), mapping.clone());
                    is_same = false;
                }
            }
        }
        Ok((!is_same).then_some(union))
    }

    fn differs(&self, field: &str, how: &str) -> StoreError {
        let name = &self.name;
        StoreError::Damaged(format!(
            "the index template {name} maps {field} as {how}: use the version that made it, or another index_prefix"
        ))
    }
}

/// Adds fields to indices that are there. The cluster merges what several nodes add at once.
pub(super) async fn map_fields(client: &Client, indices: &str, fields: &Map<String, Value>) -> Result<(), StoreError> {
    let path = format!("/{indices}/_mapping?ignore_unavailable=true&allow_no_indices=true");
    let reply = client.send(Method::Put, &path, Some(body(&json!({"properties": fields}))), WITHIN).await?;
    match failure(reply.status, &reply.body) {
        _ if reply.is_ok() || reply.status == 404 => Ok(()),
        StoreError::Query(what) => {
            Err(StoreError::Damaged(format!("indices {indices} are mapped otherwise than this version needs: {what}")))
        }
        error => Err(error),
    }
}

/// Makes an index, which the templates say more about, unless it is there.
pub(super) async fn create(client: &Client, index: &str) -> Result<(), StoreError> {
    let reply = client.send(Method::Put, &format!("/{index}"), None, WITHIN).await?;
    let is_there = reply.body.windows(EXISTS.len()).any(|text| text == EXISTS);
    if reply.is_ok() || is_there { Ok(()) } else { Err(failure(reply.status, &reply.body)) }
}

fn settings(config: &Config) -> Map<String, Value> {
    // Numbers as texts, since that is how the cluster gives them back.
    let settings = [
        ("index.number_of_shards", config.shards.to_string()),
        ("index.number_of_replicas", config.replicas.to_string()),
        ("index.refresh_interval", "1s".to_owned()),
        ("index.mapping.total_fields.limit", MAX_FIELDS.to_owned()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// Settings by their dotted names, whichever way they were nested.
fn flat(settings: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, out: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                walk(&name, value, out);
            }),
            Value::String(text) => drop(out.insert(prefix.to_owned(), text.clone())),
            other => drop(out.insert(prefix.to_owned(), other.to_string())),
        }
    }
    let mut out = BTreeMap::new();
    walk("", settings, &mut out);
    out
}

/// Found by it, and nothing else.
fn found() -> Value {
    json!({"type": "keyword", "doc_values": false})
}

/// Read in columns, never found by it.
fn column(ty: &str) -> Value {
    json!({"type": ty, "index": false})
}

/// Found by it and read in columns.
fn both(ty: &str) -> Value {
    json!({"type": ty})
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, mapping)| (name.to_owned(), mapping)).collect()
}

fn rows() -> Map<String, Value> {
    let mut fields = map([
        ("of", both("keyword")),
        ("bucket", both("integer")),
        ("entity", both("keyword")),
        ("source", found()),
        ("dest", found()),
        ("writer", both("keyword")),
        ("life", column("long")),
        ("seq", both("long")),
        (states::BIG, found()),
    ]);
    // Entities that were not seen for long are found by it.
    fields.insert(states::name(model::cell::LAST_PING, "x"), both("long"));
    fields
}

fn records(family: Family) -> Map<String, Value> {
    let mut fields = map([(AT, both("long")), (RECORD_ID, column("keyword"))]);
    if family == Family::Record {
        fields.insert(KIND.to_owned(), found());
    }
    for kind in family.kinds() {
        for (i, field) in kind.def().fields.iter().enumerate() {
            let mapping = match field.ty {
                FieldType::Keyword | FieldType::Keywords => found(),
                FieldType::Int => both("long"),
                FieldType::Bool => json!({"type": "boolean", "doc_values": false}),
                // Cut into words before it is sent, so that words are the same in every store.
                FieldType::Text => json!({"type": "text", "analyzer": "whitespace", "norms": false}),
            };
            fields.insert(field_name(kind, i), mapping);
        }
    }
    fields
}

fn items() -> Map<String, Value> {
    map([
        ("kind", found()),
        ("id", column("keyword")),
        ("tombstone", json!({"type": "boolean", "doc_values": false})),
        ("updated", both("long")),
    ])
}

/// What a field of a kind is called. Kinds that share an index keep their fields apart.
pub(super) fn field_name(kind: RecordKind, field: usize) -> String {
    let def = kind.def();
    let name = def.fields.get(field).map_or("", |field| field.name);
    if Family::of(kind) == Family::Record { format!("{}_{name}", def.name) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let templates = Templates::new(&Config::default(), &Names::new("t"));
        templates.all.into_iter().find(|template| template.name == "t-segment").unwrap()
    }

    fn answer(body: Value) -> Vec<u8> {
        serde_json::to_vec(&json!({"index_templates": [{"name": "t-segment", "index_template": body}]})).unwrap()
    }

    #[test]
    fn no_field_of_a_kind_is_called_like_one_of_ours() {
        for kind in RecordKind::ALL {
            for field in 0..kind.def().fields.len() {
                assert!(![AT, RECORD_ID, KIND, WHOLE].contains(&field_name(kind, field).as_str()));
            }
        }
    }

    #[test]
    fn what_is_missing_is_added_and_what_differs_is_refused() {
        let template = template();
        let same = template.body(template.properties.clone());
        assert_eq!(template.missing(&answer(same.clone())).unwrap(), None);

        let mut older = same.clone();
        older["template"]["mappings"]["properties"].as_object_mut().unwrap().remove("tags");
        older["template"]["mappings"]["properties"]["newer"] = json!({"type": "long"});
        let union = template.missing(&answer(older)).unwrap().unwrap();
        assert!(union.contains_key("tags") && union.contains_key("newer"));

        let mut nested = same.clone();
        let shards = json!({"index": {"number_of_shards": "1", "number_of_replicas": "1", "refresh_interval": "1s", "codec": "best_compression", "mapping": {"total_fields": {"limit": "5000"}}}});
        nested["template"]["settings"] = shards;
        assert_eq!(template.missing(&answer(nested.clone())).unwrap(), None);
        nested["template"]["settings"]["index"]["number_of_shards"] = json!("2");
        assert!(template.missing(&answer(nested)).unwrap().is_some());

        let mut other = same.clone();
        other["template"]["mappings"]["properties"]["tags"] = json!({"type": "text"});
        let error = template.missing(&answer(other)).unwrap_err().to_string();
        assert!(error.contains("maps tags as"), "{error}");
        let mut newer = same;
        newer["_meta"]["skylark_format"] = json!(2);
        let error = template.missing(&answer(newer)).unwrap_err().to_string();
        assert!(error.contains("has the format 2"), "{error}");
    }
}
