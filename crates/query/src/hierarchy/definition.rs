//! The hierarchy as its file has it: which layer lies above which, how services of two layers are matched, how high each layer is.

use std::collections::BTreeMap;

use model::layer::{Layer, Layers};
use serde::Deserialize;

use super::{parse, rule::Rule};

/// The hierarchy as its file has it (`config/hierarchy-definition.yml`, in SkyWalking's form).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HierarchyFile {
    /// By upper layer its lower layers, each with the name of the rule by which services of the two are matched; without one they
    /// never are.
    pub hierarchy: BTreeMap<String, Option<BTreeMap<String, Option<String>>>>,
    /// The rules by name, each a function of two services.
    #[serde(rename = "auto-matching-rules")]
    pub rules: BTreeMap<String, String>,
    /// How high each layer is. An upper layer is higher than its lower ones.
    #[serde(rename = "layer-levels")]
    pub levels: BTreeMap<String, i32>,
}

/// The hierarchy, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Hierarchy {
    /// Levels, the highest first.
    pub(super) levels: Vec<(Layer, i32)>,
    pub(super) steps: Vec<Step>,
}

/// From a layer to one below it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) upper: Layer,
    pub(super) lower: Layer,
    pub(super) rule: Rule,
}

impl Hierarchy {
    /// Checks a file and makes it ready.
    ///
    /// # Errors
    /// Every problem, each as a sentence: a rule that cannot be read (with the column in its text), a layer that does not exist or
    /// has no level, a rule that is not there, an upper layer that is not higher.
    pub fn new(file: &HierarchyFile, layers: &Layers) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut rules = BTreeMap::new();
        for (name, text) in &file.rules {
            match parse::rule(text) {
                Ok(rule) => drop(rules.insert(name.as_str(), rule)),
                Err(problem) => problems.push(format!("rule {name}: {problem}")),
            }
        }
        let mut levels = Vec::new();
        for (name, level) in &file.levels {
            match layers.by_name(name).filter(|layer| *layer != model::layer::UNDEFINED) {
                Some(layer) => levels.push((layer, *level)),
                None => problems.push(format!("layer-levels: there is no layer {name}")),
            }
        }
        levels.sort_by(|(a, a_level), (b, b_level)| b_level.cmp(a_level).then(a.name.cmp(b.name)));
        let mut steps = Vec::new();
        for (upper, lower, rule) in pairs(file) {
            match step(file, layers, (upper, lower)) {
                Err(problem) => problems.push(problem),
                Ok((upper, lower)) => match rule.map(|name| (name, rules.get(name))) {
                    Some((_, Some(rule))) => steps.push(Step { upper, lower, rule: rule.clone() }),
                    Some((name, None)) if !file.rules.contains_key(name) => {
                        problems.push(format!("hierarchy: {} and {}: there is no rule {name}", upper.name, lower.name));
                    }
                    // Without a rule nothing matches; one that cannot be read was named above.
                    _ => {}
                },
            }
        }
        if problems.is_empty() { Ok(Hierarchy { levels, steps }) } else { Err(problems) }
    }
}

/// Upper layer, lower layer and the name of the rule, for each pair of the file.
fn pairs(file: &HierarchyFile) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
    file.hierarchy.iter().flat_map(|(upper, lowers)| {
        let lowers = lowers.iter().flatten();
        lowers.map(move |(lower, rule)| (upper.as_str(), lower.as_str(), rule.as_deref()))
    })
}

/// The two layers of a pair, where one may lie above the other.
fn step(file: &HierarchyFile, layers: &Layers, (upper, lower): (&str, &str)) -> Result<(Layer, Layer), String> {
    let level = |name: &str| {
        file.levels
            .get(name)
            .copied()
            .ok_or_else(|| format!("hierarchy: {upper} and {lower}: {name} is not among layer-levels"))
    };
    let (upper_level, lower_level) = (level(upper)?, level(lower)?);
    if upper_level <= lower_level {
        return Err(format!(
            "hierarchy: {upper} and {lower}: the upper layer must be higher, their levels are {upper_level} and {lower_level}"
        ));
    }
    let layer = |name: &str| layers.by_name(name).ok_or_else(|| format!("hierarchy: there is no layer {name}"));
    Ok((layer(upper)?, layer(lower)?))
}
