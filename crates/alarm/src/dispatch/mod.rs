//! From transitions to notifications: who is told of what, when, and why not.
//!
//! [`Known`] is what operators have set, compiled. [`pass()`] is pure: what is open and not told, what is known and the time, to what is
//! to be told and what is not. [`write::Dispatcher`] keeps it, in an order in which nothing is lost and nothing told twice.

use std::collections::BTreeMap;

use model::UnixMillis;

use crate::receiver::Receiver;
use crate::route::Routing;
use crate::silence::Silence;

mod entry;
pub mod flap;
pub mod fold;
pub mod inhibit;
pub mod interval;
pub mod labels;
pub mod matcher;
pub mod pass;
pub mod silence;
mod tell;
pub mod tree;
pub mod write;

pub use pass::{Input, Output, pass};
pub use write::{Dispatcher, Done};

/// Something that operators have set and that cannot be used. The rest is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Problem {
    /// What it is: `route root/db`, `silence 3f…`.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// What operators have set, compiled. To be made anew when one of the documents changes.
#[derive(Clone, Debug)]
pub struct Known {
    routes: tree::Routes,
    intervals: BTreeMap<String, Vec<interval::Interval>>,
    inhibitions: inhibit::Inhibitions,
    silences: Vec<silence::Compiled>,
    /// Receivers that there are, and whether they are told of recoveries.
    receivers: BTreeMap<String, bool>,
    fold: bool,
}

impl Known {
    /// Compiles all. What cannot be used is left out and told.
    pub fn new<'a>(
        routing: Option<&Routing>,
        receivers: impl IntoIterator<Item = &'a Receiver>,
        silences: impl IntoIterator<Item = &'a Silence>,
    ) -> (Known, Vec<Problem>) {
        let mut problems = Vec::new();
        let (mut names, mut defaults) = (BTreeMap::new(), Vec::new());
        for receiver in receivers {
            names.insert(receiver.id.clone(), receiver.send_resolved);
            if receiver.is_default {
                defaults.push(receiver.id.clone());
            }
        }
        defaults.sort_unstable();
        let mut intervals = BTreeMap::new();
        for (name, parts) in routing.iter().flat_map(|routing| &routing.time_intervals) {
            match parts.iter().map(interval::Interval::new).collect() {
                Ok(parts) => drop(intervals.insert(name.clone(), parts)),
                Err(error) => problems.push(Problem { what: format!("time interval {name}"), why: error.to_string() }),
            }
        }
        let mut compiled = Vec::new();
        for silence in silences {
            match silence::Compiled::new(silence) {
                Ok(silence) => compiled.push(silence),
                Err(error) => {
                    problems.push(Problem { what: format!("silence {}", silence.id), why: error.to_string() });
                }
            }
        }
        let inhibitions = routing.map_or(&[][..], |routing| &routing.inhibitions);
        let known = Known {
            routes: tree::Routes::new(routing, defaults, &mut problems),
            intervals,
            inhibitions: inhibit::Inhibitions::new(inhibitions, &mut problems),
            silences: compiled,
            receivers: names,
            fold: routing.is_some_and(|routing| routing.fold_by_topology),
        };
        (known, problems)
    }

    /// Whether there is such a receiver.
    pub(crate) fn has_receiver(&self, name: &str) -> bool {
        self.receivers.contains_key(name)
    }

    /// The groups of an incident: for a preview of routing.
    pub fn targets<'a>(
        &'a self,
        incident: &'a crate::incident::Incident,
        labels: &labels::Labels,
    ) -> Vec<tree::Target<'a>> {
        self.routes.of(incident, labels)
    }

    /// The silence that holds for an alarm, the first one by id.
    pub fn silenced(&self, labels: &labels::Labels, now: UnixMillis) -> Option<&str> {
        let holding = self.silences.iter().filter(|silence| silence.holds(now) && silence.matches(labels));
        holding.map(|silence| silence.id.as_str()).min()
    }

    /// What keeps a route from telling at a moment: an interval in which it is mute, or those outside of which it is not active. An
    /// interval that nobody knows holds never.
    pub(crate) fn muted(&self, settings: &tree::Settings, now: UnixMillis) -> Option<String> {
        let holds = |name: &String| {
            self.intervals.get(name).is_some_and(|parts| parts.iter().any(|interval| interval.holds(now)))
        };
        if let Some(name) = settings.mute.iter().find(|name| holds(name)) {
            return Some(name.clone());
        }
        let active = settings.active.is_empty() || settings.active.iter().any(holds);
        (!active).then(|| format!("outside {}", settings.active.join(", ")))
    }
}

#[cfg(test)]
mod tests;
