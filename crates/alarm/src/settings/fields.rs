//! The fields of one map of a file: each is asked for once, and what nobody asked for is told.

use std::collections::BTreeMap;

use super::report::{At, Entry};
use super::yaml::{Key, Node, Value};

/// The fields of a map. Of two with one name the last counts, as SkyWalking's reader has it.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    by_name: BTreeMap<&'n str, (&'n Key, &'n Node)>,
    /// Where the map begins.
    pub(super) at: At,
}

impl<'n> Fields<'n> {
    /// The fields of a node; one that holds nothing has none. Anything but a map is an error of the entry.
    pub(super) fn of(node: &'n Node, entry: &mut Entry) -> Fields<'n> {
        let mut by_name: BTreeMap<&str, (&Key, &Node)> = BTreeMap::new();
        match &node.value {
            Value::Map(map) => {
                for (key, value) in map {
                    if let Some((first, _)) = by_name.insert(key.text.as_str(), (key, value)) {
                        entry.warn(
                            key.at,
                            format!("{} stands in line {} too; this one counts", key.text, first.at.line),
                        );
                    }
                }
            }
            Value::Null => {}
            _ => entry.reject(node.at, format!("a map is wanted here, and this is {}", node.kind())),
        }
        Fields { by_name, at: node.at }
    }

    /// The node of a field, under the first of its names that is there.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<&'n Node> {
        names.iter().find_map(|name| self.by_name.remove::<str>(name)).map(|(_, node)| node)
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Where a field's value stands; the beginning of the map for one that is not there.
    pub(super) fn place(&self, name: &str) -> At {
        self.by_name.get(name).map_or(self.at, |(_, node)| node.at)
    }

    /// Says of what is left that it means nothing.
    pub(super) fn leave(self, entry: &mut Entry, known: &str) {
        for (name, (key, _)) in self.by_name {
            entry.warn(key.at, format!("{name} means nothing here{known}"));
        }
    }

    /// A text; nothing reads as not there.
    pub(super) fn text(&mut self, name: &str, entry: &mut Entry) -> Option<String> {
        let node = self.take(&[name])?;
        if matches!(node.value, Value::Null) {
            return None;
        }
        let text = node.text();
        if text.is_none() {
            entry.reject(node.at, format!("{name} wants a text, and this is {}", node.kind()));
        }
        text
    }

    /// A number of minutes or checks.
    pub(super) fn number(&mut self, name: &str, entry: &mut Entry) -> Option<u32> {
        let node = self.take(&[name])?;
        if matches!(node.value, Value::Null) {
            return None;
        }
        let number = node.text().and_then(|text| text.trim().parse().ok());
        if number.is_none() {
            entry.reject(node.at, format!("{name} wants a whole number, 0 or greater"));
        } else if node.is_text() {
            entry.warn(node.at, format!("{name} is a text that SkyWalking refuses: leave out the quotes"));
        }
        number
    }

    /// True or false; a text that says so does as well.
    pub(super) fn flag(&mut self, name: &str, entry: &mut Entry) -> Option<bool> {
        let node = self.take(&[name])?;
        let text = node.text().map(|text| text.to_lowercase());
        match text.as_deref() {
            Some("true" | "yes" | "on") => Some(true),
            Some("false" | "no" | "off") => Some(false),
            None if matches!(node.value, Value::Null) => None,
            _ => {
                entry.reject(node.at, format!("{name} wants true or false, and this is {}", node.kind()));
                None
            }
        }
    }

    /// A list of texts; one text alone is a list of it.
    pub(super) fn texts(&mut self, name: &str, entry: &mut Entry) -> Vec<String> {
        let Some(node) = self.take(&[name]) else { return Vec::new() };
        let of = |node: &Node, entry: &mut Entry| {
            let text = node.text();
            if text.is_none() {
                entry.reject(node.at, format!("{name} wants texts, and this is {}", node.kind()));
            }
            text
        };
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(list) => list.iter().filter_map(|each| of(each, entry)).collect(),
            Value::Map(_) => {
                entry.reject(node.at, format!("{name} wants a list, and this is {}", node.kind()));
                Vec::new()
            }
            _ => {
                entry.warn(node.at, format!("{name} wants a list in SkyWalking's file, and this is one text"));
                of(node, entry).into_iter().collect()
            }
        }
    }

    /// Texts by name.
    pub(super) fn map(&mut self, name: &str, entry: &mut Entry) -> BTreeMap<String, String> {
        let Some(node) = self.take(&[name]) else { return BTreeMap::new() };
        let mut map = BTreeMap::new();
        match &node.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    match value.text() {
                        Some(text) => {
                            if !value.is_text() {
                                let what =
                                    format!("{name}.{} is no text and SkyWalking refuses it: quote it", key.text);
                                entry.warn(value.at, what);
                            }
                            map.insert(key.text.clone(), text);
                        }
                        None => entry.reject(
                            value.at,
                            format!("{name}.{} wants a text, and this is {}", key.text, value.kind()),
                        ),
                    }
                }
            }
            _ => entry.reject(node.at, format!("{name} wants a map, and this is {}", node.kind())),
        }
        map
    }
}
