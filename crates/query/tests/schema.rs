//! The schema against its contract, and the schema's files against the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, ServiceDocument, TypeKind, TypeSystemDefinition},
};

/// Every field, input, value and scalar that SkyWalking's clients may use, one line each.
const FACTS: &str = include_str!("../../../tests/schema/fields.txt");

#[test]
fn the_schema_has_every_line_of_the_contract() {
    let ours = lines(&parse_schema(query::schema::sdl()).unwrap());
    let differences = differences(FACTS, &ours);
    assert!(differences.is_empty(), "{} lines differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn a_changed_type_and_a_missing_field_are_told_apart() {
    let ours = lines(&parse_schema("type Query { version: String! } enum Step { DAY }").unwrap());
    let facts = "# a comment\ntype Query.version: String\ntype Query.health(a: Int = 1): Int\nenum Step.DAY\n";
    assert_eq!(
        differences(facts, &ours),
        [
            "differs: type Query.version: String (ours: type Query.version: String!)",
            "missing: type Query.health(a: Int = 1): Int"
        ]
    );
}

#[test]
fn the_files_together_are_the_whole_schema() {
    let whole = lines(&parse_schema(query::schema::sdl()).unwrap());
    let mut parts = BTreeSet::new();
    for (name, text) in query::schema::sdl_files() {
        for line in lines(&parse_schema(&text).unwrap()) {
            assert!(line.starts_with("scalar ") || parts.insert(line.clone()), "{name} repeats: {line}");
            parts.insert(line);
        }
    }
    assert_eq!(parts, whole);
}

#[test]
fn the_files_are_those_of_the_code() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui-api");
    let ours: BTreeMap<String, String> = query::schema::sdl_files().into_iter().collect();
    let theirs: BTreeMap<String, String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "graphqls"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&theirs), names(&ours), "run `cargo xtask schema`");
    for (name, text) in &ours {
        assert!(theirs.get(name) == Some(text), "ui-api/{name} is not what the code says: run `cargo xtask schema`");
    }
}

/// Facts that `ours` does not contain, each with ours of the same name where there is one.
fn differences(facts: &str, ours: &BTreeSet<String>) -> Vec<String> {
    let name = |line: &str| line.split(['(', ':']).next().unwrap_or("").trim().to_owned();
    let by_name: BTreeMap<String, &String> = ours.iter().map(|line| (name(line), line)).collect();
    facts
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !ours.contains(*line))
        .map(|line| match by_name.get(&name(line)) {
            Some(other) => format!("differs: {line} (ours: {other})"),
            None => format!("missing: {line}"),
        })
        .collect()
}

/// A schema in the form of the facts. The built-in scalars are always there.
fn lines(document: &ServiceDocument) -> BTreeSet<String> {
    let mut lines: BTreeSet<String> =
        ["Boolean", "ID", "Int", "String"].iter().map(|name| format!("scalar {name}")).collect();
    for definition in &document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = &definition.node.name.node;
        match &definition.node.kind {
            TypeKind::Scalar => {
                lines.insert(format!("scalar {name}"));
            }
            TypeKind::Object(object) => {
                lines.extend(object.fields.iter().map(|field| format!("type {name}.{}", field_text(&field.node))));
            }
            TypeKind::InputObject(input) => {
                lines.extend(input.fields.iter().map(|field| format!("input {name}.{}", input_text(&field.node))));
            }
            TypeKind::Enum(kind) => {
                lines.extend(kind.values.iter().map(|value| format!("enum {name}.{}", value.node.value.node)));
            }
            TypeKind::Interface(_) | TypeKind::Union(_) => panic!("the contract has no interfaces and unions: {name}"),
        }
    }
    lines
}

fn field_text(field: &FieldDefinition) -> String {
    let arguments: Vec<String> = field.arguments.iter().map(|argument| input_text(&argument.node)).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
    format!("{}{arguments}: {}", field.name.node, field.ty.node)
}

fn input_text(input: &InputValueDefinition) -> String {
    let default = input.default_value.as_ref().map(|value| format!(" = {}", value.node)).unwrap_or_default();
    format!("{}: {}{default}", input.name.node, input.ty.node)
}
