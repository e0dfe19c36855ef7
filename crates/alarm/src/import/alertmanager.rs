//! `alertmanager.yml`: its routes, receivers, time intervals and inhibitions as ours.
//!
//! As with SkyWalking's file everything that can be taken is, and what cannot is told with its place. Alertmanager's label
//! `alertname` is our `rule`. Of its kinds of receivers those are taken that we have too.

mod receivers;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::edit::{Bundle, By, EditError, Edits};
use crate::route::{Inhibition, Matcher, Route, Routing, TimeInterval};
use crate::settings::report::{At, Entry, Part, Report};
use crate::settings::secrets::Draft;
use crate::settings::yaml::{self, Node, Value};

use super::Imported;

/// What a file says.
#[derive(Debug, Default)]
pub struct Alertmanager {
    /// The tree with its intervals and inhibitions; `None`: the file has none that can be taken.
    pub routing: Option<Routing>,
    /// Its receivers.
    pub receivers: Vec<Draft>,
    /// What became of each part.
    pub report: Report,
}

/// How deep a tree of routes is read.
const MAX_DEPTH: usize = 32;
/// What Alertmanager takes where the root says nothing: seconds to wait, between two notifications, and until the same is told again.
const DEFAULTS: [u64; 3] = [30, 300, 4 * 3_600];

impl Edits {
    /// Imports a file that an operator hands in: the tree replaces the present one, receivers are made or changed.
    pub async fn import_alertmanager(&self, text: &str, dry_run: bool, by: &By) -> Result<Imported, EditError> {
        let Alertmanager { routing, receivers, report } = read(text);
        let receivers = receivers.iter().map(Draft::whole).collect();
        let steps = self.carry_out(Bundle { receivers, routing, ..Bundle::default() }, dry_run, true, by).await?;
        Ok(Imported { report, steps })
    }
}

/// Reads a file.
pub fn read(text: &str) -> Alertmanager {
    let mut read = Alertmanager::default();
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err((at, what)) => {
            read.report.entry(Part::File, "", at).reject(at, what);
            return read;
        }
    };
    let mut file = Entry::new(Part::File, "", root.at);
    let mut top = fields(&root, "the file", &mut file);
    let global = top.remove("global");
    let mut reader = Reader { read: &mut read, ids: BTreeMap::new(), intervals: BTreeSet::new() };
    for (_, node) in list(top.remove("receivers"), "receivers", &mut file) {
        reader.receiver(node, global, &mut file);
    }
    let mut time_intervals = BTreeMap::new();
    for key in ["time_intervals", "mute_time_intervals"] {
        for (_, node) in list(top.remove(key), key, &mut file) {
            reader.time_interval(node, &mut time_intervals, &mut file);
        }
    }
    let root_route = top.remove("route").and_then(|node| reader.route("root", node, 1));
    let mut inhibitions = Vec::new();
    for (n, node) in list(top.remove("inhibit_rules"), "inhibit_rules", &mut file) {
        inhibitions.extend(reader.inhibition(n, node));
    }
    for (key, node) in top {
        file.warn(node.at, format!("{key} is not taken over"));
    }
    match root_route {
        Some(mut root) => {
            let [wait, interval, repeat] = DEFAULTS;
            root.group_wait.get_or_insert(wait);
            root.group_interval.get_or_insert(interval);
            root.repeat_interval.get_or_insert(repeat);
            // Alertmanager puts everything together where the root does not say by what; ours groups by itself then.
            root.group_by.get_or_insert_default();
            let id = Routing::ID.to_owned();
            let change = String::new();
            read.routing = Some(Routing { id, root, time_intervals, inhibitions, fold_by_topology: false, change });
        }
        None => file.reject(root.at, "there is no route that can be taken, so that nothing of the tree is"),
    }
    if !(file.warnings.is_empty() && file.errors.is_empty()) {
        read.report.entries.insert(0, file);
    }
    read
}

/// The fields of a map by name; of two the last.
fn fields<'n>(node: &'n Node, what: &str, entry: &mut Entry) -> BTreeMap<&'n str, &'n Node> {
    match &node.value {
        Value::Map(map) => map.iter().map(|(key, node)| (key.text.as_str(), node)).collect(),
        Value::Null => BTreeMap::new(),
        _ => {
            entry.reject(node.at, format!("{what} wants a map, and this is {}", node.kind()));
            BTreeMap::new()
        }
    }
}

/// The entries of a list with their numbers.
fn list<'n>(node: Option<&'n Node>, what: &str, entry: &mut Entry) -> Vec<(usize, &'n Node)> {
    match node.map(|node| (&node.value, node)) {
        None | Some((Value::Null, _)) => Vec::new(),
        Some((Value::List(list), _)) => list.iter().enumerate().collect(),
        Some((_, node)) => {
            entry.reject(node.at, format!("{what} wants a list, and this is {}", node.kind()));
            Vec::new()
        }
    }
}

fn texts(node: Option<&Node>, what: &str, entry: &mut Entry) -> Vec<String> {
    list(node, what, entry).into_iter().filter_map(|(_, node)| node.text()).collect()
}

struct Reader<'a> {
    read: &'a mut Alertmanager,
    /// Our receivers by the name of Alertmanager's.
    ids: BTreeMap<String, Vec<String>>,
    intervals: BTreeSet<String>,
}

impl Reader<'_> {
    fn receiver(&mut self, node: &Node, global: Option<&Node>, file: &mut Entry) {
        let mut parts = fields(node, "a receiver", file);
        let Some(name) = parts.remove("name").and_then(Node::text) else {
            file.reject(node.at, "a receiver wants a name");
            return;
        };
        let mut entry = Entry::new(Part::Receiver, &name, node.at);
        let drafts = receivers::of(&name, parts, global, &mut entry);
        self.ids.insert(name, drafts.iter().map(|draft| draft.receiver.id.clone()).collect());
        self.read.receivers.extend(drafts);
        self.read.report.entries.push(entry);
    }

    fn time_interval(&mut self, node: &Node, all: &mut BTreeMap<String, Vec<TimeInterval>>, file: &mut Entry) {
        let mut parts = fields(node, "a time interval", file);
        let Some(name) = parts.remove("name").and_then(Node::text) else {
            file.reject(node.at, "a time interval wants a name");
            return;
        };
        let mut entry = Entry::new(Part::TimeInterval, &name, node.at);
        let mut intervals = Vec::new();
        for (_, node) in list(parts.remove("time_intervals"), "time_intervals", &mut entry) {
            match words::interval(node) {
                Ok(interval) => intervals.push(interval),
                Err((at, what)) => entry.reject(at, what),
            }
        }
        if !entry.is_rejected() {
            self.intervals.insert(name.clone());
            all.insert(name, intervals);
        }
        self.read.report.entries.push(entry);
    }

    /// A route; `None`: it is rejected, with all below it.
    fn route(&mut self, name: &str, node: &Node, depth: usize) -> Option<Route> {
        let mut entry = Entry::new(Part::Route, name, node.at);
        if depth > MAX_DEPTH {
            entry.reject(node.at, format!("the tree is at most {MAX_DEPTH} deep"));
        }
        let mut parts = fields(node, "a route", &mut entry);
        let own = name.rsplit('/').next().unwrap_or(name).to_owned();
        let mut route = Route { name: if depth == 1 { String::new() } else { own }, ..Route::default() };
        route.matchers = matchers(&mut parts, ["matchers", "match", "match_re"], &mut entry);
        if depth == 1 && !route.matchers.is_empty() {
            entry.reject(node.at, "the root takes every alarm and has no matchers");
        }
        if let Some(node) = parts.remove("receiver") {
            let name = node.text().unwrap_or_default();
            match self.ids.get(&name) {
                Some(ids) => {
                    if ids.is_empty() {
                        entry.warn(node.at, format!("nothing of {name} can be taken, so that nobody is told"));
                    }
                    route.receivers = Some(ids.clone());
                }
                None => entry.reject(node.at, format!("there is no receiver {name}")),
            }
        } else if depth == 1 {
            entry.reject(node.at, "the root wants a receiver");
        }
        if let Some(node) = parts.remove("group_by") {
            route.group_by = Some(texts(Some(node), "group_by", &mut entry).into_iter().map(words::label).collect());
        }
        for (key, own) in [
            ("group_wait", &mut route.group_wait),
            ("group_interval", &mut route.group_interval),
            ("repeat_interval", &mut route.repeat_interval),
        ] {
            let Some(node) = parts.remove(key) else { continue };
            match node.text().and_then(|text| words::seconds(&text)) {
                Some(seconds) => *own = Some(seconds),
                None => entry.reject(node.at, format!("{key} is a time such as 30s, 5m or 4h")),
            }
        }
        for (key, own) in [
            ("mute_time_intervals", &mut route.mute_time_intervals),
            ("active_time_intervals", &mut route.active_time_intervals),
        ] {
            let Some(node) = parts.remove(key) else { continue };
            *own = texts(Some(node), key, &mut entry);
            for name in own.iter().filter(|name| !self.intervals.contains(*name)) {
                entry.reject(node.at, format!("there is no time interval {name} that can be taken"));
            }
        }
        route.goes_on = parts.remove("continue").and_then(Node::text).is_some_and(|text| text == "true");
        let below = list(parts.remove("routes"), "routes", &mut entry);
        for (key, node) in parts {
            entry.warn(node.at, format!("{key} is not taken over"));
        }
        let is_rejected = entry.is_rejected();
        self.read.report.entries.push(entry);
        if is_rejected {
            return None;
        }
        for (n, node) in below {
            route.routes.extend(self.route(&format!("{name}/{}", n + 1), node, depth + 1));
        }
        Some(route)
    }

    fn inhibition(&mut self, n: usize, node: &Node) -> Option<Inhibition> {
        let name = (n + 1).to_string();
        let mut entry = Entry::new(Part::Inhibition, &name, node.at);
        let mut parts = fields(node, "an inhibition", &mut entry);
        let source_matchers = matchers(&mut parts, ["source_matchers", "source_match", "source_match_re"], &mut entry);
        let target_matchers = matchers(&mut parts, ["target_matchers", "target_match", "target_match_re"], &mut entry);
        if source_matchers.is_empty() || target_matchers.is_empty() {
            entry.reject(node.at, "an inhibition wants matchers of its source and of its target");
        }
        let equal = texts(parts.remove("equal"), "equal", &mut entry).into_iter().map(words::label).collect();
        for (key, node) in parts {
            entry.warn(node.at, format!("{key} is not taken over"));
        }
        let is_rejected = entry.is_rejected();
        self.read.report.entries.push(entry);
        (!is_rejected).then_some(Inhibition { name, source_matchers, target_matchers, equal })
    }
}

/// The matchers under a key of today's form and the two of the older one.
fn matchers(parts: &mut BTreeMap<&str, &Node>, keys: [&str; 3], entry: &mut Entry) -> Vec<Matcher> {
    let [today, equal, regex] = keys;
    let mut all = Vec::new();
    let mut take = |at: At, read: Result<Vec<Matcher>, String>, entry: &mut Entry| match read {
        Ok(some) => all.extend(some),
        Err(what) => entry.reject(at, what),
    };
    for (_, node) in list(parts.remove(today), today, entry) {
        take(node.at, words::matchers(&node.text().unwrap_or_default()), entry);
    }
    for (key, op) in [(equal, "="), (regex, "=~")] {
        let Some(node) = parts.remove(key) else { continue };
        for (label, node) in fields(node, key, entry) {
            take(node.at, words::matcher(label, op, &node.text().unwrap_or_default()).map(|one| vec![one]), entry);
        }
    }
    all
}
