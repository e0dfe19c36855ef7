//! YAML in blocks, in the part of the language that every reader has in common.

use serde_json::{Map, Value};

/// Writes a map, two spaces for each step.
pub(super) fn map(out: &mut String, indent: usize, map: &Map<String, Value>) {
    for (key, each) in map {
        out.push_str(&"  ".repeat(indent));
        out.push_str(&scalar(key));
        out.push(':');
        value(out, indent + 1, each);
    }
}

/// Writes what stands behind a key or a dash, up to the end of its last line.
fn value(out: &mut String, indent: usize, value_: &Value) {
    match value_ {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            map(out, indent, fields);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            for each in list {
                out.push_str(&"  ".repeat(indent));
                out.push('-');
                value(out, indent + 1, each);
            }
        }
        Value::Object(_) => out.push_str(" {}\n"),
        Value::Array(_) => out.push_str(" []\n"),
        Value::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
            out.push('\n');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.push(' ');
            out.push_str(&value_.to_string());
            out.push('\n');
        }
    }
}

/// A text so that no reader takes it for anything else.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n" | "nan" | "inf" | "infinity"
        );
    if is_plain {
        return text.to_owned();
    }
    let is_unseen = |c: char| {
        c.is_control()
            || ('\u{80}'..='\u{a0}').contains(&c)
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
            || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if !text.chars().any(is_unseen) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_unseen(c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
