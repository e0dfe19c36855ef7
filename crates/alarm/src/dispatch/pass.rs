//! One dispatch pass. Pure.

use std::collections::{BTreeMap, BTreeSet};

use model::{UnixMillis, id};

use crate::dispatch::entry::{self, Facts, View};
use crate::dispatch::fold::{self, Edges};
use crate::dispatch::{Known, flap, labels, tell};
use crate::doc::Stored;
use crate::incident::{Incident, Mark};
use crate::notification::{Group, Notification};

/// What a pass looks at.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What operators have set.
    pub known: &'a Known,
    /// All open incidents, those with transitions that are not dispatched, and those closed within [`flap::WINDOW_MS`]. By id.
    pub incidents: &'a BTreeMap<String, Stored<Incident>>,
    /// All groups, by id.
    pub groups: &'a BTreeMap<String, Stored<Group>>,
    /// Calls between services of the last minutes.
    pub edges: &'a Edges,
    /// The time.
    pub now: UnixMillis,
}

/// What is to be written, in this order: `over`, then drafts, then what was decided, then groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Silences that end now: what they silenced is over.
    pub over: Vec<String>,
    /// Notifications. Those of one group stand in the order of their sequences.
    pub drafts: Vec<Draft>,
    /// What was decided of incidents, by id.
    pub decided: BTreeMap<String, Decided>,
    /// Groups in which nothing is open any more and that tell nothing now.
    pub gone: Vec<String>,
    /// When there is something to do, if nothing else happens.
    pub next: Option<UnixMillis>,
}

/// A notification to be created if it is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The notification.
    pub notification: Notification,
    /// Transitions that it counts without listing them, by incident and number.
    pub omits: Vec<(String, u32)>,
    /// Its group before it, as it is or is to be created.
    pub before: Group,
    /// Its group after it, where what is stored is this notification and not another.
    pub after: Group,
    /// Whether the group is kept though nothing is open in it.
    pub kept: bool,
}

/// What was decided of an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// Why transitions are not told, by number.
    pub marks: Vec<(u32, Mark)>,
    /// Transitions by number, and the groups whose marks they need to be dispatched.
    pub needs: Vec<(u32, Vec<String>)>,
    /// The incident that explains it.
    pub origin: Option<String>,
}

/// Decides what is told to whom now, and what is not and why.
pub fn pass(input: &Input<'_>) -> Output {
    let wanted = |incident: &Incident| !incident.is_over() || incident.transitions.iter().any(|t| !t.dispatched);
    let facts: Vec<Facts<'_>> = input
        .incidents
        .values()
        .map(|stored| &stored.doc)
        .filter(|incident| wanted(incident))
        .map(|incident| Facts { incident, labels: labels::of(incident) })
        .collect();
    let open = || facts.iter().filter(|facts| !facts.incident.is_over() && !facts.incident.shadow);
    let sources = input.known.inhibitions.sources(open().map(|facts| (facts.incident.id.as_str(), &facts.labels)));
    let folded = if input.known.fold { folded(open(), input.edges) } else { BTreeMap::new() };
    let flaps = flap::Flaps::of(input.incidents.values().map(|stored| &stored.doc), input.now);
    let view = View { input: *input, sources, flaps, folded };

    let mut output = Output { over: over(input, &facts), ..Output::default() };
    let mut gathered = BTreeMap::new();
    for facts in &facts {
        if let Some(decided) = entry::decide(&view, facts, &mut gathered, &mut output.next) {
            output.decided.insert(facts.incident.id.clone(), decided);
        }
    }
    output.gone = input.groups.keys().filter(|id| !gathered.contains_key(*id)).cloned().collect();
    tell::tell(&view, gathered, &mut output);
    output
}

/// Incidents that others explain, by topology.
fn folded<'a>(open: impl Iterator<Item = &'a Facts<'a>>, edges: &Edges) -> BTreeMap<&'a str, &'a str> {
    let mut by_service: BTreeMap<String, Vec<&Incident>> = BTreeMap::new();
    for facts in open {
        let (first, second) = facts.incident.entity.ids();
        let own = if second.is_empty() { first } else { second };
        by_service.entry(id::service_of(&own).to_owned()).or_default().push(facts.incident);
    }
    let firing: BTreeSet<&str> = by_service.keys().map(String::as_str).collect();
    let mut folded = BTreeMap::new();
    for (service, origin) in fold::origins(&firing, edges) {
        // What is said of the service itself stands for it, else what began first.
        let rank = |incident: &&&'a Incident| (incident.entity.scope.code(), incident.opened, incident.id.as_str());
        let stands = by_service.get(origin).and_then(|all| all.iter().min_by_key(rank));
        if let Some(stands) = stands {
            let explained = by_service.get(service).into_iter().flatten();
            folded.extend(explained.map(|incident| (incident.id.as_str(), stands.id.as_str())));
        }
    }
    folded
}

/// Silences that end with what they silence: something of theirs has recovered and nothing is open.
fn over(input: &Input<'_>, facts: &[Facts<'_>]) -> Vec<String> {
    let ending = input.known.silences.iter().filter(|silence| silence.ends_on_recovery && silence.holds(input.now));
    let over = ending.filter(|silence| {
        let (mut recovered, mut open) = (false, false);
        for facts in facts.iter().filter(|facts| silence.matches(&facts.labels)) {
            if facts.incident.is_over() { recovered = true } else { open = true }
        }
        recovered && !open
    });
    over.map(|silence| silence.id.clone()).collect()
}
