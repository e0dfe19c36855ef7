//! JSON merge patch (RFC 7396).

use serde_json::{Map, Value};

/// Writes a patch over a value: a field that is null goes, one that is an object is patched, all else replaces what is there.
pub fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(own) = value else { return };
    for (name, each) in fields {
        if each.is_null() {
            own.remove(name);
        } else {
            merge(own.entry(name.as_str()).or_insert(Value::Null), each);
        }
    }
}
