//! Inhibitions: while one alarm is open, others are told to nobody.

use std::collections::HashMap;

use crate::dispatch::Problem;
use crate::dispatch::labels::{self, Labels};
use crate::dispatch::matcher::Matchers;
use crate::route::{Inhibition, MatchOp, Matcher};

/// The preset in which an alarm of a service inhibits those of its instances and endpoints.
pub const SERVICE_OVER_PARTS: &str = "service-over-its-parts";

/// Inhibitions that operators ask for by name alone, leaving matchers out.
pub fn presets() -> Vec<Inhibition> {
    let scope = |op, value: &str| vec![Matcher { label: "scope".to_owned(), op, value: value.to_owned() }];
    vec![Inhibition {
        name: SERVICE_OVER_PARTS.to_owned(),
        source_matchers: scope(MatchOp::Equal, "SERVICE"),
        target_matchers: scope(MatchOp::Matches, "SERVICE_INSTANCE|ENDPOINT"),
        equal: vec!["service".to_owned()],
    }]
}

/// All inhibitions, compiled.
#[derive(Clone, Debug, Default)]
pub struct Inhibitions(Vec<One>);

#[derive(Clone, Debug)]
struct One {
    name: String,
    source: Matchers,
    target: Matchers,
    equal: Vec<String>,
}

/// The open alarms that inhibit others, by inhibition and by the values that must be equal.
#[derive(Debug)]
pub struct Sources<'a> {
    rules: &'a Inhibitions,
    found: Vec<HashMap<Vec<&'a str>, Found<'a>>>,
}

/// The first alarm by id of each sort: one is enough to inhibit.
#[derive(Debug, Default)]
struct Found<'a> {
    /// One that is no target itself.
    pure: Option<&'a str>,
    any: Option<&'a str>,
}

impl Inhibitions {
    /// Compiles inhibitions; one that cannot be read, or that would inhibit everything, is a problem and left out.
    pub fn new(inhibitions: &[Inhibition], problems: &mut Vec<Problem>) -> Inhibitions {
        let mut all = Vec::new();
        for inhibition in inhibitions {
            match compiled(inhibition) {
                Ok(one) => all.push(one),
                Err(why) => problems.push(Problem { what: format!("inhibition {}", inhibition.name), why }),
            }
        }
        Inhibitions(all)
    }

    /// What the open alarms, each with its id, inhibit.
    pub fn sources<'a>(&'a self, open: impl Iterator<Item = (&'a str, &'a Labels)> + Clone) -> Sources<'a> {
        let found = self.0.iter().map(|one| {
            let mut found: HashMap<Vec<&str>, Found<'a>> = HashMap::new();
            for (id, labels) in open.clone().filter(|(_, labels)| one.source.hold(labels)) {
                let entry = found.entry(one.values(labels)).or_default();
                let least = |slot: &mut Option<&'a str>| *slot = Some(slot.map_or(id, |other| other.min(id)));
                least(&mut entry.any);
                if !one.target.hold(labels) {
                    least(&mut entry.pure);
                }
            }
            found
        });
        Sources { rules: self, found: found.collect() }
    }
}

impl<'a> Sources<'a> {
    /// The inhibition and the open alarm that inhibit an alarm. One that matches both sides is inhibited only by one that does not:
    /// so no alarm inhibits itself, and no two each other.
    pub fn inhibitor(&self, labels: &'a Labels) -> Option<(&'a str, &'a str)> {
        let mut rules = self.rules.0.iter().zip(&self.found).filter(|(one, _)| one.target.hold(labels));
        rules.find_map(|(one, found)| {
            let found = found.get(&one.values(labels))?;
            let source = if one.source.hold(labels) { found.pure } else { found.any };
            source.map(|id| (one.name.as_str(), id))
        })
    }
}

impl One {
    fn values<'a>(&self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal.iter().map(|name| labels::get(labels, name)).collect()
    }
}

fn compiled(inhibition: &Inhibition) -> Result<One, String> {
    let bare = inhibition.source_matchers.is_empty() && inhibition.target_matchers.is_empty();
    let preset = presets().into_iter().find(|preset| bare && preset.name == inhibition.name);
    let inhibition = preset.as_ref().unwrap_or(inhibition);
    if inhibition.source_matchers.is_empty() || inhibition.target_matchers.is_empty() {
        return Err("it needs source and target matchers, or the name of a preset alone".to_owned());
    }
    Ok(One {
        name: inhibition.name.clone(),
        source: Matchers::new(&inhibition.source_matchers).map_err(|error| error.to_string())?,
        target: Matchers::new(&inhibition.target_matchers).map_err(|error| error.to_string())?,
        equal: inhibition.equal.clone(),
    })
}
