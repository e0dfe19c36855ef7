//! Alarms that come and go: told once that they do, and then not before they have calmed down.

use std::collections::{HashMap, HashSet};

use model::UnixMillis;

use crate::entity::Entity;
use crate::incident::{Incident, Outcome, What};

/// Firings and recoveries of one instance within [`WINDOW_MS`] that make it flap: the third firing is the one that says so.
pub const TRANSITIONS: usize = 5;
/// How far back they are counted.
pub const WINDOW_MS: i64 = 15 * 60_000;
/// It has calmed down when nothing happened for so long.
pub const CALM_MS: i64 = 5 * 60_000;

type Key<'a> = (&'a str, &'a Entity, &'a [(String, String)]);

fn key(incident: &Incident) -> Key<'_> {
    (&incident.rule, &incident.entity, &incident.labels)
}

/// What flaps.
#[derive(Debug)]
pub struct Flaps<'a> {
    until: HashMap<Key<'a>, UnixMillis>,
    /// Instances of which a group was told that they flap, and that are open as far as it knows.
    noticed: HashSet<(Key<'a>, &'a str)>,
}

impl<'a> Flaps<'a> {
    /// Counts over incidents, those that were closed within [`WINDOW_MS`] among them: each of them is one firing and one recovery.
    pub fn of(incidents: impl Iterator<Item = &'a Incident>, now: UnixMillis) -> Flaps<'a> {
        let since = now.plus(-WINDOW_MS);
        let mut seen: HashMap<Key<'a>, (usize, UnixMillis)> = HashMap::new();
        let mut noticed = HashSet::new();
        for incident in incidents {
            let counted = incident.transitions.iter().filter(|t| t.what != What::FiredAgain && t.at > since);
            for transition in counted {
                let (n, last) = seen.entry(key(incident)).or_insert((0, transition.at));
                *n += 1;
                *last = transition.at.max(*last);
            }
            let marks = incident.transitions.iter().flat_map(|t| &t.marks);
            for mark in marks.filter(|mark| mark.outcome == Outcome::ToldFlapping) {
                if incident.known_open(&mark.group) {
                    noticed.insert((key(incident), mark.group.as_str()));
                }
            }
        }
        let flapping = seen.into_iter().filter(|(_, (n, _))| *n >= TRANSITIONS);
        let until = flapping.map(|(key, (_, last))| (key, last.plus(CALM_MS))).filter(|(_, until)| *until > now);
        Flaps { until: until.collect(), noticed }
    }

    /// Until when an incident's instance flaps, if nothing more happens; `None`: it does not.
    pub fn until(&self, incident: &Incident) -> Option<UnixMillis> {
        self.until.get(&key(incident)).copied()
    }

    /// Whether a group was told that it flaps, and not yet that it is over.
    pub fn noticed(&self, incident: &Incident, group: &str) -> bool {
        self.noticed.contains(&(key(incident), group))
    }
}
