//! Incidents, listed and looked at.

use std::collections::BTreeMap;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::dispatch::labels;
use crate::doc::Stored;
use crate::incident::{Incident, State};
use crate::rule::Severity;

use super::page::holds;
use super::{Desk, DeskError, Listed, Page};

/// Which incidents are asked for. What is not set asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IncidentFilter {
    /// Of the rule of this id or name.
    pub rule: Option<String>,
    /// Of this service: its name.
    pub service: Option<String>,
    /// Of the entity of this id.
    pub entity: Option<String>,
    /// As bad as this.
    pub severity: Option<Severity>,
    /// In this state.
    pub state: Option<State>,
    /// Whether they are open.
    pub open: Option<bool>,
    /// Whether somebody takes care of them now.
    pub acknowledged: Option<bool>,
    /// Given to this one; empty: to nobody.
    pub assignee: Option<String>,
    /// Open at that time or later.
    pub from: Option<UnixMillis>,
    /// Begun before that time.
    pub before: Option<UnixMillis>,
    /// With this in the rule's name, the entity's, or a message.
    pub text: Option<String>,
}

/// An incident as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentView {
    /// The incident. In a list its transitions come without what was seen.
    #[serde(flatten)]
    pub incident: Incident,
    /// When it began.
    pub started: UnixMillis,
    /// Its labels, as routes and silences see them.
    pub route_labels: BTreeMap<String, String>,
    /// The version of it.
    pub revision: u64,
    /// When it was written last.
    pub updated: UnixMillis,
}

impl IncidentView {
    pub(super) fn new(stored: Stored<Incident>) -> Self {
        IncidentView {
            started: started(&stored.doc),
            route_labels: labels::of(&stored.doc),
            revision: stored.revision.0,
            updated: stored.updated,
            incident: stored.doc,
        }
    }
}

/// When an incident began.
pub(super) fn started(incident: &Incident) -> UnixMillis {
    let first = incident.transitions.first().filter(|first| first.seq == 1);
    first.map_or_else(|| incident.opened.start(), |first| first.at)
}

impl IncidentFilter {
    fn takes(&self, incident: &Incident, now: UnixMillis) -> bool {
        let is = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|wanted| wanted == own);
        let cared = incident.acknowledged.as_ref().is_some_and(|by| by.holds(now));
        let of_rule = self.rule.as_ref().is_none_or(|rule| *rule == incident.rule || *rule == incident.rule_name);
        let of_service = self.service.as_ref().is_none_or(|service| {
            let parts = incident.entity.parts();
            *service == parts.service || *service == parts.source_service
        });
        let text = self.text.as_deref().unwrap_or_default();
        let said = || {
            holds(&incident.rule_name, text)
                || holds(&incident.entity.name, text)
                || incident.transitions.iter().any(|transition| holds(&transition.message, text))
        };
        of_rule
            && of_service
            && is(&self.entity, &incident.entity.id)
            && is(&self.assignee, &incident.assignee)
            && self.severity.is_none_or(|severity| severity == incident.severity)
            && self.state.is_none_or(|state| state == incident.state)
            && self.open.is_none_or(|open| open == incident.closed.is_none())
            && self.acknowledged.is_none_or(|acknowledged| acknowledged == cared)
            && self.from.is_none_or(|from| incident.closed.is_none_or(|closed| closed >= from))
            && self.before.is_none_or(|before| started(incident) < before)
            && said()
    }
}

impl Desk {
    /// Incidents, the newest first.
    ///
    /// All that the store keeps are read for it: those that are open, and those that were closed in the last 30 days.
    pub async fn incidents(&self, filter: &IncidentFilter, page: Page) -> Result<Listed<IncidentView>, DeskError> {
        let now = self.now();
        let mut all = self.all::<Incident>().await?;
        all.retain(|stored| filter.takes(&stored.doc, now));
        all.sort_by(|a, b| (started(&b.doc), &a.doc.id).cmp(&(started(&a.doc), &b.doc.id)));
        let Listed { total, items } = page.of(all);
        let brief = |mut stored: Stored<Incident>| {
            stored.doc.transitions.iter_mut().for_each(|transition| transition.evidence.clear());
            IncidentView::new(stored)
        };
        Ok(Listed { total, items: items.into_iter().map(brief).collect() })
    }

    /// One incident, with all that is known of it.
    pub async fn incident(&self, id: &str) -> Result<IncidentView, DeskError> {
        Ok(IncidentView::new(self.get::<Incident>(id).await?))
    }
}
