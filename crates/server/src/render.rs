//! Settings as text: YAML with the documentation of each setting, and flat lists.

use schemars::Schema;
use serde_json::{Map, Value};

/// Keys that hold secrets.
const SECRETS: [&str; 4] = ["token", "password", "secret_key", "access_key"];
/// Width at which comments are wrapped.
const WIDTH: usize = 118;

/// Replaces every secret that is set by `***`.
pub fn mask(value: &mut Value) {
    if let Value::Object(map) = value {
        for (key, value) in map.iter_mut() {
            match value {
                Value::String(text) if SECRETS.contains(&key.as_str()) && !text.is_empty() => "***".clone_into(text),
                nested => mask(nested),
            }
        }
    }
}

/// Dotted names and values, in the order of the settings.
pub fn flat(value: &Value) -> Vec<(String, String)> {
    fn walk(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&name, value, out);
                }
            }
            Value::String(text) => out.push((prefix.to_owned(), text.clone())),
            other => out.push((prefix.to_owned(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// The value as YAML; above each key what the schema says of it.
pub fn yaml(schema: &Schema, value: &Value) -> String {
    let root = schema.as_value();
    let mut out = String::new();
    if let Value::Object(map) = value {
        section(root, root, map, 0, &mut out);
    }
    out
}

fn section(root: &Value, schema: &Value, map: &Map<String, Value>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let schema = resolve(root, schema);
    for (i, (key, value)) in map.iter().enumerate() {
        let property = schema.pointer(&format!("/properties/{key}")).unwrap_or(&Value::Null);
        if depth == 0 && i > 0 {
            out.push('\n');
        }
        comment(describe(root, property), &indent, out);
        match value {
            Value::Object(nested) if !nested.is_empty() => {
                out.push_str(&format!("{indent}{key}:\n"));
                section(root, property, nested, depth + 1, out);
            }
            plain => out.push_str(&format!("{indent}{key}: {}\n", scalar(plain))),
        }
    }
}

/// Follows `$ref`, also where it is the one alternative to null.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let direct = schema.get("$ref").and_then(Value::as_str);
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    let optional = alternatives.and_then(|all| all.iter().find_map(|one| one.get("$ref")?.as_str()));
    match direct.or(optional).and_then(|path| root.pointer(path.trim_start_matches('#'))) {
        Some(target) => target,
        None => schema,
    }
}

fn describe<'a>(root: &'a Value, property: &'a Value) -> &'a str {
    let own = property.get("description").and_then(Value::as_str);
    own.or_else(|| resolve(root, property).get("description")?.as_str()).unwrap_or_default()
}

fn comment(text: &str, indent: &str, out: &mut String) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + 2 + line.len() + 1 + word.len() > WIDTH {
            out.push_str(&format!("{indent}# {line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        out.push_str(&format!("{indent}# {line}\n"));
    }
}

/// JSON is YAML; plain words need no quotes.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
                && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.as_str())
                && text.parse::<f64>().is_err()
                && !text.starts_with('-') =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}
