//! A storm, folded by topology: an alarm of a service that calls another one with an alarm is probably its consequence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Calls between services of the last minutes, by entity id: who calls whom.
pub type Edges = [(String, String)];

/// For each of the services with alarms that another one explains, that one: where the calls lead that go from alarm to alarm. Of
/// several the nearest, then the one that more of them call, then the lesser id. Of services that call each other in a circle
/// which leads nowhere else, one stands for all.
pub fn origins<'a>(firing: &BTreeSet<&'a str>, edges: &'a Edges) -> BTreeMap<&'a str, &'a str> {
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut callers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (source, dest) in edges {
        let (source, dest) = (source.as_str(), dest.as_str());
        if source != dest && firing.contains(source) && firing.contains(dest) {
            callees.entry(source).or_default().insert(dest);
            callers.entry(dest).or_default().insert(source);
        }
    }
    let n_callers = |service: &str| callers.get(service).map_or(0, BTreeSet::len);
    // The most called first, then by id: whoever reaches a caller first explains it.
    let mut ranked: Vec<(usize, &str)> =
        firing.iter().map(|service| (usize::MAX - n_callers(service), *service)).collect();
    ranked.sort_unstable();
    let ends = ranked.iter().map(|(_, service)| *service).filter(|service| !callees.contains_key(service));
    let mut origin: BTreeMap<&'a str, &'a str> = BTreeMap::new();
    spread(ends.collect(), &callers, &mut origin);
    for (_, service) in ranked {
        if !origin.contains_key(service) {
            spread(vec![service], &callers, &mut origin);
        }
    }
    origin.retain(|service, origin| service != origin);
    origin
}

/// Gives the callers of the ends, and theirs, their origin, nearest first.
fn spread<'a>(
    ends: Vec<&'a str>,
    callers: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    origin: &mut BTreeMap<&'a str, &'a str>,
) {
    let mut next: VecDeque<&str> = ends.into();
    for end in &next {
        origin.insert(end, end);
    }
    while let Some(service) = next.pop_front() {
        let Some(from) = origin.get(service).copied() else { continue };
        for caller in callers.get(service).into_iter().flatten().copied() {
            if !origin.contains_key(caller) {
                origin.insert(caller, from);
                next.push_back(caller);
            }
        }
    }
}
