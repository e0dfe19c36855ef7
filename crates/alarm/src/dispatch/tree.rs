//! Which groups of alarms an alarm belongs to: the route tree as Alertmanager walks it, and what stands in for one.
//!
//! | incident | routes |
//! |---|---|
//! | of a rule of SkyWalking's profile | its hooks, else the default receivers, each a group told at once with what is new; else the tree |
//! | of another rule that names hooks | those, in the default way |
//! | of another rule | the tree; without one the default receivers, in the default way |
//!
//! The default way: by rule and service, after 10 s, then every minute at most, again after four hours.

use sha2::{Digest as _, Sha256};

use crate::dispatch::Problem;
use crate::dispatch::labels::{self, Labels};
use crate::dispatch::matcher::Matchers;
use crate::incident::Incident;
use crate::route::{Route, Routing};
use crate::rule::Profile;

/// Milliseconds that a new group waits, where no route says.
pub const GROUP_WAIT_MS: i64 = 10_000;
/// Milliseconds between two notifications of a group, where no route says.
pub const GROUP_INTERVAL_MS: i64 = 60_000;
/// Milliseconds until a group that did not change is told again, where no route says.
pub const REPEAT_INTERVAL_MS: i64 = 4 * 3_600_000;
/// Labels by which alarms are put together, where no route says.
pub const GROUP_BY: [&str; 2] = ["rule", "service"];

/// How a route tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The names of the routes from the root.
    pub path: Vec<String>,
    /// Whom.
    pub receivers: Vec<String>,
    /// By which labels alarms are put together; `None`: by all.
    pub group_by: Option<Vec<String>>,
    /// How long a new group waits.
    pub wait_ms: i64,
    /// The least time between two notifications.
    pub interval_ms: i64,
    /// When it is told again; 0: never.
    pub repeat_ms: i64,
    /// Intervals in which it does not tell.
    pub mute: Vec<String>,
    /// Intervals outside of which it does not tell.
    pub active: Vec<String>,
    /// Whether every transition is told by itself, none held back, folded or left out, as SkyWalking's hooks are used to.
    pub plain: bool,
}

/// A group of alarms that an alarm belongs to.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its id.
    pub group: String,
    /// Who is told.
    pub receiver: &'a str,
    /// What its alarms have in common.
    pub labels: Labels,
    /// How its route tells.
    pub settings: &'a Settings,
}

/// All ways to receivers.
#[derive(Clone, Debug)]
pub struct Routes {
    tree: Option<Node>,
    plain: Settings,
    hooks: Settings,
    default: Settings,
    left: Settings,
}

#[derive(Clone, Debug)]
struct Node {
    settings: Settings,
    matchers: Matchers,
    goes_on: bool,
    children: Vec<Node>,
}

impl Routes {
    /// Compiles the tree. A route whose matchers cannot be read matches nothing and is a problem; the others work.
    pub fn new(routing: Option<&Routing>, default_receivers: Vec<String>, problems: &mut Vec<Problem>) -> Routes {
        let named = |name: &str| Settings { path: vec![name.to_owned()], ..Settings::default() };
        let parent = Settings { path: Vec::new(), ..Settings::default() };
        let tree = routing.and_then(|routing| node(&routing.root, &parent, "root", problems));
        Routes {
            tree,
            plain: Settings {
                receivers: default_receivers.clone(),
                group_by: Some(Vec::new()),
                wait_ms: 0,
                interval_ms: 0,
                repeat_ms: 0,
                plain: true,
                ..named("@skywalking")
            },
            hooks: named("@hooks"),
            left: Settings { wait_ms: 0, interval_ms: 0, repeat_ms: 0, ..parent },
            default: Settings { receivers: default_receivers, ..named("@default") },
        }
    }

    /// How a group tells to which no route leads any more: what it must, at once.
    pub fn left(&self) -> &Settings {
        &self.left
    }

    /// The groups of an incident, each once.
    pub fn of<'a>(&'a self, incident: &'a Incident, labels: &Labels) -> Vec<Target<'a>> {
        let mut found: Vec<Target<'a>> = Vec::new();
        let mut add = |settings: &'a Settings, receivers: &'a [String]| {
            for receiver in receivers {
                let target = target(settings, receiver, labels);
                if found.iter().all(|other| other.group != target.group) {
                    found.push(target);
                }
            }
        };
        match (incident.profile, incident.hooks.is_empty(), &self.tree) {
            (Profile::Skywalking, false, _) => add(&self.plain, &incident.hooks),
            (Profile::Skywalking, true, tree) if tree.is_none() || !self.plain.receivers.is_empty() => {
                add(&self.plain, &self.plain.receivers);
            }
            (Profile::Native, false, _) => add(&self.hooks, &incident.hooks),
            (_, _, Some(tree)) => {
                let mut matched = Vec::new();
                tree.walk(labels, &mut matched);
                for settings in matched {
                    add(settings, &settings.receivers);
                }
            }
            (_, _, None) => add(&self.default, &self.default.receivers),
        }
        found
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            path: Vec::new(),
            receivers: Vec::new(),
            group_by: Some(GROUP_BY.map(str::to_owned).to_vec()),
            wait_ms: GROUP_WAIT_MS,
            interval_ms: GROUP_INTERVAL_MS,
            repeat_ms: REPEAT_INTERVAL_MS,
            mute: Vec::new(),
            active: Vec::new(),
            plain: false,
        }
    }
}

/// The route with what it has from its parent: all but its intervals, as Alertmanager has it.
fn node(route: &Route, parent: &Settings, unnamed: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let name = if route.name.is_empty() { unnamed } else { &route.name };
    let mut path = parent.path.clone();
    path.push(name.to_owned());
    let matchers = match Matchers::new(&route.matchers) {
        Ok(matchers) => matchers,
        Err(error) => {
            problems.push(Problem { what: format!("route {}", path.join("/")), why: error.to_string() });
            return None;
        }
    };
    let millis = |seconds: Option<u64>, inherited: i64| {
        seconds.map_or(inherited, |seconds| i64::try_from(seconds).map_or(i64::MAX, |s| s.saturating_mul(1_000)))
    };
    let group_by = match &route.group_by {
        Some(names) if names.iter().any(|name| name == "...") => None,
        Some(names) => Some(names.clone()),
        None => parent.group_by.clone(),
    };
    let settings = Settings {
        path,
        receivers: route.receivers.clone().unwrap_or_else(|| parent.receivers.clone()),
        group_by,
        wait_ms: millis(route.group_wait, parent.wait_ms),
        interval_ms: millis(route.group_interval, parent.interval_ms),
        repeat_ms: millis(route.repeat_interval, parent.repeat_ms),
        mute: route.mute_time_intervals.clone(),
        active: route.active_time_intervals.clone(),
        plain: false,
    };
    let child = |(n, route): (usize, &Route)| node(route, &settings, &n.to_string(), problems);
    let children = route.routes.iter().enumerate().filter_map(child).collect();
    Some(Node { settings, matchers, goes_on: route.goes_on, children })
}

impl Node {
    /// Adds the deepest routes that match; whether there is one.
    fn walk<'a>(&'a self, labels: &Labels, matched: &mut Vec<&'a Settings>) -> bool {
        if !self.matchers.hold(labels) {
            return false;
        }
        let before = matched.len();
        for child in &self.children {
            if child.walk(labels, matched) && !child.goes_on {
                break;
            }
        }
        if matched.len() == before {
            matched.push(&self.settings);
        }
        true
    }
}

fn target<'a>(settings: &'a Settings, receiver: &'a str, labels: &Labels) -> Target<'a> {
    let common = match &settings.group_by {
        None => labels.clone(),
        Some(names) => names
            .iter()
            .map(|name| (name.clone(), labels::get(labels, name).to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
    };
    Target { group: group_id(&settings.path, &common, receiver), receiver, labels: common, settings }
}

/// The id of a group: a hash of its route, its labels and its receiver.
pub fn group_id(path: &[String], labels: &Labels, receiver: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text.as_bytes());
    };
    path.iter().for_each(|name| add(name));
    add(receiver);
    for (key, value) in labels {
        add(key);
        add(value);
    }
    half(&hash.finalize())
}

/// The id of a notification: a hash of its group and its number there.
pub fn notification_id(group: &str, sequence: u64) -> String {
    half(&Sha256::digest(format!("{group}/{sequence}")))
}

/// The first 16 bytes.
fn half(hash: &[u8]) -> String {
    model::id::hex(hash.iter().take(16))
}
