//! SkyWalking's `alarm-settings.yml`: read in today's form and in the one before 9.6, and written so that SkyWalking reads it too.
//!
//! [`read`] takes whatever it can: what is wrong with one rule or hook rejects that one and is told with its place
//! ([`report`]). [`Settings::check`] then holds the rules against what the server knows (`check`), [`write()`] is the way back.
//! Fields that SkyWalking does not have stand under `x-ext`, a key that it passes over, so that nothing is lost on the way.

mod composite;
mod emit;
mod ext;
mod fields;
mod hooks;
mod legacy;
pub mod report;
mod rule;
pub mod secrets;
mod write;
pub(crate) mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::check::{self, Level, Surroundings};
use crate::rule::Rule;

use self::report::{At, Entry, Part, Report};
use self::secrets::Draft;
use self::yaml::{Key, Node, Value};

pub use self::write::{Written, write};

/// Longest file that is read, in bytes.
pub const MAX_FILE: usize = 8 << 20;
/// Most rules that one file may have.
pub const MAX_RULES: usize = 20_000;

/// What a file says.
#[derive(Debug, Default)]
pub struct Settings {
    /// Its rules, in its order; those before 9.6 translated. None of them is rejected in the report.
    pub rules: Vec<Placed<Rule>>,
    /// Its hooks.
    pub receivers: Vec<Placed<Draft>>,
    /// What became of each.
    pub report: Report,
}

/// Something read from a file, and where it and its fields stand there.
#[derive(Debug)]
pub struct Placed<T> {
    /// It.
    pub doc: T,
    /// Where it begins.
    pub at: At,
    /// Where its fields stand, by the paths that [`crate::check`] names them with.
    places: BTreeMap<&'static str, At>,
}

impl<T> Placed<T> {
    /// Where a field stands: `selector.includeNames` where it has a place of its own, else as near as one is known.
    fn place(&self, path: &str) -> At {
        let exact = self.places.get(path);
        let part = || path.rsplit_once(['.', '[']).and_then(|(outer, _)| self.places.get(outer));
        *exact.or_else(part).unwrap_or(&self.at)
    }
}

/// The id of a rule that comes from a file: made of its name, so that every import finds the same rule.
pub fn rule_id(name: &str) -> String {
    let hash = Sha256::new().chain_update(b"rule of a file\0").chain_update(name).finalize();
    model::id::hex(hash.iter().take(16))
}

/// Reads a file. What cannot be taken is rejected in the report and not among the rules and receivers.
pub fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    let whole = At { line: 1, column: 1 };
    if text.len() > MAX_FILE {
        let what = format!("the file has {} bytes, at most {MAX_FILE} are read", text.len());
        settings.report.entry(Part::File, "", whole).reject(whole, what);
        return settings;
    }
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((at, what)) => {
            settings.report.entry(Part::File, "", at).reject(at, what);
            return settings;
        }
    };
    let mut file = Entry::new(Part::File, "", root.at);
    let mut top = fields::Fields::of(&root, &mut file);
    if let Some(node) = top.take(&["hooks"]) {
        hooks::read(node, &mut settings, &mut file);
    }
    hooks::read_old(&mut top, &mut settings);
    let mut reader = Reader { text, settings: &mut settings, conditions: BTreeMap::new() };
    if let Some(node) = top.take(&["rules"]) {
        reader.rules(node, &mut file);
    }
    if let Some(node) = top.take(&["composite-rules"]) {
        reader.composites(node, &mut file);
    }
    if let Some(node) = top.take(&[ext::KEY]) {
        reader.ours(node, &mut file);
    }
    top.leave(&mut file, ", and neither to SkyWalking");
    if !(file.warnings.is_empty() && file.errors.is_empty()) {
        settings.report.entries.insert(0, file);
    }
    settings
}

/// Reads rules one after the other.
struct Reader<'a> {
    text: &'a str,
    settings: &'a mut Settings,
    /// Rules that composite ones may name, whether or not they stand for themselves.
    conditions: BTreeMap<String, Rule>,
}

impl Reader<'_> {
    fn rules(&mut self, node: &Node, file: &mut Entry) {
        for (key, node) in entries(node, "rules", file) {
            let mut entry = Entry::new(Part::Rule, &key.text, key.at);
            let mut fields = fields::Fields::of(node, &mut entry);
            let is_old = !fields.has("expression") && fields.has("metrics-name");
            let condition_only = is_old && fields.flag("only-as-condition", &mut entry).unwrap_or_default();
            let read = if is_old {
                legacy::read(&key.text, fields, &mut entry)
            } else {
                rule::read(&key.text, fields, &mut entry)
            };
            let Some(mut placed) = read.filter(|_| !entry.is_rejected()) else {
                self.settings.report.entries.push(entry);
                continue;
            };
            if is_old {
                self.conditions.insert(key.text.clone(), placed.doc.clone());
            }
            if condition_only {
                entry.warn(
                    key.at,
                    "it is a condition of composite rules only: it is written into them, and is no rule itself",
                );
            } else {
                self.keep(&mut placed, &mut entry);
                self.settings.rules.push(placed);
            }
            self.settings.report.entries.push(entry);
        }
    }

    fn composites(&mut self, node: &Node, file: &mut Entry) {
        for (key, node) in entries(node, "composite-rules", file) {
            let mut entry = Entry::new(Part::Rule, &key.text, key.at);
            let fields = fields::Fields::of(node, &mut entry);
            let read = composite::read(&key.text, fields, &self.conditions, &mut entry);
            if let Some(mut placed) = read.filter(|_| !entry.is_rejected()) {
                self.keep(&mut placed, &mut entry);
                self.settings.rules.push(placed);
            }
            self.settings.report.entries.push(entry);
        }
    }

    /// What stands under our own key of the whole file: rules and receivers that SkyWalking would read wrongly.
    fn ours(&mut self, node: &Node, file: &mut Entry) {
        let mut fields = fields::Fields::of(node, file);
        if let Some(node) = fields.take(&["rules"]) {
            for (key, node) in entries(node, "x-ext.rules", file) {
                let mut entry = Entry::new(Part::Rule, &key.text, key.at);
                match ext::rule(&key.text, node) {
                    Ok(doc) => {
                        let mut placed = Placed { doc, at: node.at, places: BTreeMap::new() };
                        self.keep(&mut placed, &mut entry);
                        self.settings.rules.push(placed);
                    }
                    Err(what) => entry.reject(node.at, what),
                }
                self.settings.report.entries.push(entry);
            }
        }
        if let Some(node) = fields.take(&["receivers"]) {
            for (key, node) in entries(node, "x-ext.receivers", file) {
                hooks::read_ours(key, node, self.settings);
            }
        }
        fields.leave(file, "");
    }

    /// What is to be said of every rule that is taken.
    fn keep(&mut self, placed: &mut Placed<Rule>, entry: &mut Entry) {
        if self.settings.rules.len() >= MAX_RULES {
            entry.reject(placed.at, format!("a file may have {MAX_RULES} rules"));
        }
        if self.settings.rules.iter().any(|other| other.doc.name == placed.doc.name) {
            entry.reject(placed.at, format!("there is another rule {} in the file", placed.doc.name));
        }
        // Columns within an expression can be added to its place where it is written as it is meant.
        if let Some(at) = placed.places.get_mut("expression") {
            let verbatim = |column: u64| {
                let line = self.text.lines().nth(usize::try_from(at.line.saturating_sub(1)).unwrap_or(usize::MAX));
                let mut rest = line.unwrap_or_default().chars();
                let skipped = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
                let begins = skipped == 0 || rest.nth(skipped - 1).is_some();
                begins && rest.as_str().starts_with(placed.doc.expression.as_str())
            };
            let found = [at.column, at.column + 1].into_iter().find(|column| verbatim(*column));
            match found {
                Some(column) => at.column = column,
                None => {
                    let at = *at;
                    placed.places.remove("expression");
                    placed.places.insert("expression as a whole", at);
                }
            }
        }
    }
}

/// The entries of a map, in its order; of two with one key the last.
fn entries<'n>(node: &'n Node, name: &str, file: &mut Entry) -> Vec<(&'n Key, &'n Node)> {
    match &node.value {
        Value::Null => Vec::new(),
        Value::Map(map) => {
            let mut list: Vec<(&Key, &Node)> = Vec::with_capacity(map.len());
            let mut known: BTreeMap<&str, usize> = BTreeMap::new();
            for (key, value) in map {
                if let Some(first) = known.insert(&key.text, list.len()) {
                    let line = list.get(first).map_or(0, |(key, _)| key.at.line);
                    file.warn(key.at, format!("{} stands in line {line} too; this one counts", key.text));
                }
                list.push((key, value));
            }
            let last: Vec<bool> =
                list.iter().enumerate().map(|(n, (key, _))| known.get(&*key.text) == Some(&n)).collect();
            list.into_iter().zip(last).filter(|(_, last)| *last).map(|(entry, _)| entry).collect()
        }
        _ => {
            file.reject(node.at, format!("{name} wants a map, and this is {}", node.kind()));
            Vec::new()
        }
    }
}

impl Settings {
    /// Holds every rule against what the server knows, its own hooks included. Those with errors are rejected.
    pub fn check(&mut self, known: &Surroundings<'_>) {
        let own = self.receivers.iter().map(|placed| placed.doc.receiver.id.clone());
        let receivers = known.receivers.map(|names| names.iter().cloned().chain(own).collect::<Vec<_>>());
        let known = Surroundings { receivers: receivers.as_deref(), ..*known };
        let Settings { rules, report, .. } = self;
        rules.retain(|placed| {
            let entry = report.entry(Part::Rule, &placed.doc.name, placed.at);
            for problem in check::rule(&placed.doc, &known).problems {
                let mut at = placed.place(&problem.path);
                match problem.at {
                    Some(place) if placed.places.contains_key(&*problem.path) && place.line == 1 => {
                        at.column += u64::try_from(place.column).unwrap_or_default();
                    }
                    Some(_) if problem.path == "expression" => at = placed.place("expression as a whole"),
                    _ => {}
                }
                match problem.level {
                    Level::Error => entry.reject(at, problem.message),
                    Level::Warning => entry.warn(at, problem.message),
                }
            }
            !entry.is_rejected()
        });
    }
}
