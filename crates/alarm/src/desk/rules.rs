//! Rules, listed with what the engine says of them.

use std::collections::HashMap;

use model::{Scope, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::doc::Stored;
use crate::engine::Cost;
use crate::entity::scope_name;
use crate::plan::Plan;
use crate::rule::{Mode, Provenance, Rule, Severity};

use super::page::holds;
use super::{Desk, DeskError, Listed, Page};

/// Which rules are asked for. What is not set asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleFilter {
    /// Of this name.
    pub name: Option<String>,
    /// About entities of this scope, in SkyWalking's words: `SERVICE`, `ENDPOINT_RELATION`.
    pub scope: Option<String>,
    /// As bad as this.
    pub severity: Option<Severity>,
    /// Whether they are paused.
    pub paused: Option<bool>,
    /// In this mode.
    pub mode: Option<Mode>,
    /// From there.
    pub provenance: Option<Provenance>,
    /// With this tag: `key`, or `key=value`.
    pub tag: Option<String>,
    /// With this in the name, the expression or the message.
    pub text: Option<String>,
}

/// How a rule is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "status", content = "error")]
pub enum Health {
    /// It is evaluated.
    Ok,
    /// Nobody evaluates it: somebody paused it.
    Paused,
    /// It cannot be evaluated, or not for some of its entities.
    Error(String),
}

/// What a rule costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleCost {
    /// Entities that it watches.
    pub pairs: usize,
    /// Nanoseconds.
    pub nanos: u64,
}

impl RuleCost {
    fn of(cost: &Cost) -> RuleCost {
        RuleCost { pairs: cost.pairs, nanos: cost.nanos }
    }
}

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// What its entities are, in SkyWalking's words; `None`: its expression does not say.
    pub scope: Option<&'static str>,
    /// How it is.
    pub health: Health,
    /// How many of its incidents are open.
    pub n_open: usize,
    /// What it cost in the last pass over a closed minute; `None`: this node does not evaluate.
    pub cost: Option<RuleCost>,
    /// The version of it, which a change names.
    pub revision: u64,
    /// When it was written.
    pub updated: UnixMillis,
}

/// The scope that a filter asks for in SkyWalking's words; one that alarms do not know is refused.
pub(super) fn scope_asked(name: Option<&str>) -> Result<Option<Scope>, DeskError> {
    let Some(name) = name else { return Ok(None) };
    let mut known = Scope::ALL.into_iter().filter(|scope| (1..=6).contains(&scope.code()));
    let unknown = || DeskError::refused("unknown_scope", "scope", format!("{name} is no scope: SERVICE and so on"));
    known.find(|scope| scope_name(*scope) == name).map(Some).ok_or_else(unknown)
}

impl RuleFilter {
    fn takes(&self, rule: &Rule) -> bool {
        let tag = self.tag.as_deref().is_none_or(|tag| match tag.split_once('=') {
            Some((key, value)) => rule.tags.get(key).is_some_and(|own| own == value),
            None => rule.tags.contains_key(tag),
        });
        let text = self.text.as_deref().unwrap_or_default();
        self.name.as_ref().is_none_or(|name| *name == rule.name)
            && self.severity.is_none_or(|severity| severity == rule.severity)
            && self.paused.is_none_or(|paused| paused == rule.paused)
            && self.mode.is_none_or(|mode| mode == rule.mode)
            && self.provenance.is_none_or(|provenance| provenance == rule.provenance)
            && tag
            && (holds(&rule.name, text) || holds(&rule.expression, text) || holds(&rule.message, text))
    }
}

impl Desk {
    /// Rules by name.
    pub async fn rules(&self, filter: &RuleFilter, page: Page) -> Result<Listed<RuleView>, DeskError> {
        let scope = scope_asked(filter.scope.as_deref())?;
        let mut all = self.all::<Rule>().await?;
        all.retain(|stored| {
            filter.takes(&stored.doc) && scope.is_none_or(|scope| self.scope_of_rule(&stored.doc) == Some(scope))
        });
        all.sort_by(|a, b| (&a.doc.name, &a.doc.id).cmp(&(&b.doc.name, &b.doc.id)));
        let Listed { total, items } = page.of(all);
        Ok(Listed { total, items: self.rule_views(items).await? })
    }

    /// One rule.
    pub async fn rule(&self, id: &str) -> Result<RuleView, DeskError> {
        let stored = self.get::<Rule>(id).await?;
        let mut views = self.rule_views(vec![stored]).await?;
        views.pop().ok_or_else(|| DeskError::refused("missing", "", "the rule has no view"))
    }

    /// Rules as they are shown.
    pub async fn rule_views(&self, rules: Vec<Stored<Rule>>) -> Result<Vec<RuleView>, DeskError> {
        let engine = self.engine.now();
        let is_own = engine.since.is_some();
        let mut open: HashMap<String, usize> = HashMap::new();
        if is_own {
            for instance in engine.instances.iter().filter(|instance| instance.incident.is_some()) {
                *open.entry(instance.rule.clone()).or_default() += 1;
            }
        } else {
            for incident in self.open_incidents().await? {
                *open.entry(incident.doc.rule).or_default() += 1;
            }
        }
        let (_, healths) = Plan::new(&rules, &self.ground.catalogue, None);
        let view = |stored: Stored<Rule>| {
            let broken = healths.iter().find(|health| health.rule == stored.doc.id);
            let error = broken.and_then(|health| health.error.clone()).or_else(|| {
                // What the holder of the lease says holds; this node says nothing where it is another.
                engine.health.get(&stored.doc.id).filter(|_| is_own).cloned()
            });
            RuleView {
                scope: self.scope_of_rule(&stored.doc).map(scope_name),
                health: match error {
                    _ if stored.doc.paused => Health::Paused,
                    Some(error) => Health::Error(error),
                    None => Health::Ok,
                },
                n_open: open.get(&stored.doc.id).copied().unwrap_or_default(),
                cost: engine.costs.get(&stored.doc.id).filter(|_| is_own).map(RuleCost::of),
                revision: stored.revision.0,
                updated: stored.updated,
                rule: stored.doc,
            }
        };
        Ok(rules.into_iter().map(view).collect())
    }

    /// What a rule is about: what the first metric is about that its expression names.
    pub(super) fn scope_of_rule(&self, rule: &Rule) -> Option<Scope> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut words = rule.expression.split(|c| !is_word(c)).filter(|word| !word.is_empty());
        words.find_map(|word| crate::check::known(&self.ground.catalogue, word)).map(|known| known.scope)
    }
}
