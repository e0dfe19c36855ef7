//! Which services are the same thing seen in different layers.

use std::collections::{BTreeSet, HashMap, VecDeque};

use model::layer::Layer;

use super::{
    definition::{Hierarchy, Step},
    matching::{Names, Pair},
    rule::Side,
};
use crate::Error;

/// Most pairs of services that rules which allow no look-up may compare for one request.
const MAX_PAIRS: usize = 5_000_000;
/// Most relations between services that one request may find.
pub(super) const MAX_RELATIONS: usize = 200_000;
/// How many relations away services are still shown, as in the reference (analysis 4.9).
const MAX_DEPTH: usize = 10;

/// A service in one of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) service_id: String,
    pub(crate) name: String,
    pub(crate) short_name: String,
    pub(crate) layer: Layer,
}

impl Seen {
    fn names(&self) -> Names<'_> {
        Names { name: &self.name, short_name: &self.short_name }
    }
}

/// Services in their layers, and which lie directly above which. Indices are positions in `seen`.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    seen: Vec<Seen>,
    at: HashMap<(String, i32), usize>,
    lower: Vec<Vec<usize>>,
    upper: Vec<Vec<usize>>,
}

impl Graph {
    /// Matches all services.
    ///
    /// # Errors
    /// When there are more pairs or relations than [`MAX_PAIRS`] and [`MAX_RELATIONS`].
    pub(crate) fn new(hierarchy: &Hierarchy, seen: Vec<Seen>) -> Result<Self, Error> {
        let mut by_layer: HashMap<i32, Vec<usize>> = HashMap::new();
        for (at, own) in seen.iter().enumerate() {
            by_layer.entry(own.layer.ordinal).or_default().push(at);
        }
        let of = |layer: Layer| by_layer.get(&layer.ordinal).map(Vec::as_slice).unwrap_or_default();
        let (mut relations, mut compared) = (BTreeSet::new(), 0);
        for step in &hierarchy.steps {
            let (uppers, lowers) = (of(step.upper), of(step.lower));
            match_layers(step, &seen, (uppers, lowers), &mut compared, &mut relations)?;
        }
        let (mut lower, mut upper) = (vec![Vec::new(); seen.len()], vec![Vec::new(); seen.len()]);
        for (above, below) in relations {
            lower[above].push(below);
            upper[below].push(above);
        }
        let at = seen.iter().enumerate().map(|(at, own)| ((own.service_id.clone(), own.layer.ordinal), at)).collect();
        Ok(Graph { seen, at, lower, upper })
    }

    /// Upper and lower service of every relation at most ten away from a service in a layer, without those from an upper to a lower
    /// service that also lead there through another one: they say nothing new. Nearest first.
    pub(crate) fn around(&self, service_id: &str, layer: Layer) -> Vec<(&Seen, &Seen)> {
        let Some(start) = self.find(service_id, layer) else { return Vec::new() };
        let mut found = Vec::new();
        let (mut known, mut reached) = (BTreeSet::new(), BTreeSet::from([start]));
        let mut next = VecDeque::from([(start, 0)]);
        while let Some((own, depth)) = next.pop_front() {
            if depth == MAX_DEPTH {
                continue;
            }
            let below = self.lower[own].iter().map(|other| ((own, *other), *other));
            let above = self.upper[own].iter().map(|other| ((*other, own), *other));
            for (relation, other) in below.chain(above) {
                if known.insert(relation) {
                    found.push(relation);
                }
                if reached.insert(other) {
                    next.push_back((other, depth + 1));
                }
            }
        }
        let mut through: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        found.retain(|(above, below)| !through.entry(*above).or_insert_with(|| self.through(*above)).contains(below));
        found.into_iter().map(|(above, below)| (&self.seen[above], &self.seen[below])).collect()
    }

    /// What lies directly below and directly above a service in a layer.
    pub(crate) fn beside(&self, service_id: &str, layer: Layer) -> (Vec<&Seen>, Vec<&Seen>) {
        let Some(own) = self.find(service_id, layer) else { return (Vec::new(), Vec::new()) };
        let services = |all: &[usize]| all.iter().map(|at| &self.seen[*at]).collect();
        (services(&self.lower[own]), services(&self.upper[own]))
    }

    /// A service in a layer.
    pub(crate) fn get(&self, service_id: &str, layer: Layer) -> Option<&Seen> {
        self.find(service_id, layer).map(|at| &self.seen[at])
    }

    fn find(&self, service_id: &str, layer: Layer) -> Option<usize> {
        self.at.get(&(service_id.to_owned(), layer.ordinal)).copied()
    }

    /// What lies below a service by way of another one. Levels fall with every step, so this ends.
    fn through(&self, above: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<usize> = self.lower[above].clone();
        while let Some(own) = next.pop() {
            next.extend(self.lower[own].iter().filter(|below| reached.insert(**below)));
        }
        reached
    }
}

/// Adds the relations between services of two layers.
fn match_layers(
    step: &Step,
    seen: &[Seen],
    (uppers, lowers): (&[usize], &[usize]),
    compared: &mut usize,
    relations: &mut BTreeSet<(usize, usize)>,
) -> Result<(), Error> {
    let too_many = |what: &str, most: usize| {
        let (upper, lower) = (step.upper.name, step.lower.name);
        Error::Request(format!("more than {most} {what} between services, last of the layers {upper} and {lower}"))
    };
    if let Some(keys) = step.rule.keys() {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for below in lowers {
            if let Some(key) = keys.of(Side::Lower, seen[*below].names()) {
                by_key.entry(key).or_default().push(*below);
            }
        }
        for above in uppers {
            let found = keys.of(Side::Upper, seen[*above].names()).and_then(|key| by_key.get(&key));
            for below in found.into_iter().flatten() {
                relations.insert((*above, *below));
                if relations.len() > MAX_RELATIONS {
                    return Err(too_many("relations", MAX_RELATIONS));
                }
            }
        }
        return Ok(());
    }
    *compared += uppers.len().saturating_mul(lowers.len());
    if *compared > MAX_PAIRS {
        return Err(too_many("comparisons", MAX_PAIRS));
    }
    for above in uppers {
        for below in lowers {
            let pair = Pair { upper: seen[*above].names(), lower: seen[*below].names() };
            if step.rule.matches(&pair) {
                relations.insert((*above, *below));
            }
        }
        if relations.len() > MAX_RELATIONS {
            return Err(too_many("relations", MAX_RELATIONS));
        }
    }
    Ok(())
}
