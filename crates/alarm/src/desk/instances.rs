//! Instances of rules: what is not normal at present, entity by entity.

use std::collections::{BTreeMap, HashMap};

use model::{Bucket, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::doc::Stored;
use crate::engine;
use crate::entity::Entity;
use crate::incident::{Incident, State};
use crate::rule::{Profile, Rule, Severity};

use super::page::holds;
use super::{Desk, DeskError, Listed, Page};

/// Which instances are asked for. What is not set asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InstanceFilter {
    /// Of the rule of this id or name.
    pub rule: Option<String>,
    /// Of the entity of this id.
    pub entity: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// With this in the name of the rule or the entity.
    pub text: Option<String>,
}

/// A rule for an entity, and for a set of labels where it has an instance for each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Id of the rule.
    pub rule: String,
    /// Its name.
    pub rule_name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub entity: Entity,
    /// Labels of the result.
    pub labels: BTreeMap<String, String>,
    /// The state.
    pub state: State,
    /// When that state was entered.
    pub since: UnixMillis,
    /// When the state may change by itself: the end of its silence, or of its observation.
    pub next: Option<UnixMillis>,
    /// The values that were seen when it fired last, by metric.
    pub values: BTreeMap<String, f64>,
    /// The incident; `None`: it is pending.
    pub incident: Option<String>,
    /// Whether somebody takes care of it.
    pub acknowledged: bool,
}

impl Instance {
    fn of(incident: Incident, now: UnixMillis) -> Instance {
        let after = |minute: Bucket| Bucket(minute.0.saturating_add(1)).start();
        let next = match incident.state {
            State::ObservingRecovery => Some(after(incident.observed_until)),
            State::Firing | State::SilencedFiring if incident.profile == Profile::Skywalking => {
                Some(after(incident.silent_until))
            }
            _ => None,
        };
        let evidence = incident.transitions.iter().rev().find(|transition| !transition.evidence.is_empty());
        let values = evidence.into_iter().flat_map(|transition| &transition.evidence);
        let last = |values: &[(Bucket, Option<f64>)]| values.iter().rev().find_map(|(_, value)| *value);
        Instance {
            rule: incident.rule,
            rule_name: incident.rule_name,
            severity: incident.severity,
            values: values
                .filter(|series| series.labels.is_empty())
                .filter_map(|series| Some((series.metric.clone(), last(&series.values)?)))
                .collect(),
            entity: incident.entity,
            labels: incident.labels.into_iter().collect(),
            state: incident.state,
            since: incident.entered.start(),
            next,
            acknowledged: incident.acknowledged.is_some_and(|by| by.holds(now)),
            incident: Some(incident.id),
        }
    }
}

impl Desk {
    /// What is not normal at present, by rule and entity. What is pending is among it on the node that evaluates: nothing is kept of it.
    pub async fn instances(&self, filter: &InstanceFilter, page: Page) -> Result<Listed<Instance>, DeskError> {
        let text = filter.text.as_deref().unwrap_or_default();
        let now = self.now();
        let open = self.open_incidents().await?.into_iter().map(|stored| Instance::of(stored.doc, now));
        let pending = self.pending().await?;
        let mut all: Vec<Instance> = open
            .chain(pending)
            .filter(|one| {
                filter.rule.as_ref().is_none_or(|rule| *rule == one.rule || *rule == one.rule_name)
                    && filter.entity.as_ref().is_none_or(|entity| *entity == one.entity.id)
                    && filter.state.is_none_or(|state| state == one.state)
                    && (holds(&one.rule_name, text) || holds(&one.entity.name, text))
            })
            .collect();
        all.sort_by(|a, b| {
            (&a.rule_name, &a.entity.name, &a.incident).cmp(&(&b.rule_name, &b.entity.name, &b.incident))
        });
        Ok(page.of(all))
    }

    /// What matches and does not fire yet, where this node evaluates.
    async fn pending(&self) -> Result<Vec<Instance>, DeskError> {
        let engine = self.engine.now();
        let pending: Vec<_> = engine.instances.iter().filter(|one| one.state == State::Pending).collect();
        if engine.since.is_none() || pending.is_empty() {
            return Ok(Vec::new());
        }
        let rules = self.all::<Rule>().await?;
        let rules: HashMap<&str, &Rule> = rules.iter().map(|stored| (stored.doc.id.as_str(), &stored.doc)).collect();
        let instance = |one: &&engine::Instance| {
            let rule = rules.get(one.rule.as_str())?;
            Some(Instance {
                rule: one.rule.clone(),
                rule_name: rule.name.clone(),
                severity: rule.severity,
                entity: one.entity.clone(),
                labels: one.labels.iter().cloned().collect(),
                state: one.state,
                since: one.entered.start(),
                next: one.next.map(Bucket::start),
                values: BTreeMap::new(),
                incident: None,
                acknowledged: false,
            })
        };
        Ok(pending.iter().filter_map(instance).collect())
    }

    /// The incidents that are open.
    pub(super) async fn open_incidents(&self) -> Result<Vec<Stored<Incident>>, DeskError> {
        let mut all = self.all::<Incident>().await?;
        all.retain(|stored| stored.doc.closed.is_none());
        Ok(all)
    }
}
