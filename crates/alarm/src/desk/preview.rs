//! What would happen: whom an alarm would be told, what a silence would hit.

use std::collections::BTreeMap;

use model::{Scope, UnixMillis};
use serde::Serialize;
use storage::Entities;

use crate::dispatch::Known;
use crate::dispatch::labels::{self, Labels};
use crate::dispatch::matcher::Matchers;
use crate::dispatch::tree::Target;
use crate::entity::Entity;
use crate::incident::{Incident, State};
use crate::receiver::Receiver;
use crate::route::{Matcher, Routing};
use crate::rule::Rule;
use crate::silence::Silence;
use crate::trial::Ground;
use crate::window;

use super::{Desk, DeskError};

/// Entities of one scope that a preview looks at.
const MAX_ENTITIES: usize = 50_000;
/// What a preview lists of each kind; the rest is counted.
const MAX_LISTED: usize = 100;
/// Labels that an entity alone decides.
const OF_ENTITY: [&str; 7] = ["scope", "layer", "service", "instance", "endpoint", "group", "entity"];

/// One way on which an alarm is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTarget {
    /// The names of the routes from the root; `@hooks`, `@skywalking` and `@default` stand in where no tree is asked.
    pub route: Vec<String>,
    /// The receiver.
    pub receiver: String,
    /// Whether there is such a receiver.
    pub exists: bool,
    /// The labels by which alarms are put together, with the values of this one.
    pub group_labels: BTreeMap<String, String>,
    /// Seconds that a new group waits.
    pub group_wait: i64,
    /// Seconds between two notifications of a group that changed.
    pub group_interval: i64,
    /// Seconds until one that did not change is told again; 0: never.
    pub repeat_interval: i64,
    /// What keeps the route from telling at this moment.
    pub muted_by: Option<String>,
}

/// Whom an alarm would be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutePreview {
    /// The ways; none: nobody would be told.
    pub targets: Vec<RouteTarget>,
    /// The silence that holds for it at this moment.
    pub silenced_by: Option<String>,
    /// What of the routing cannot be used, and why.
    pub problems: Vec<String>,
}

/// An open alarm that a silence would hit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Silenced {
    /// Id of the incident.
    pub incident: String,
    /// The rule's name.
    pub rule: String,
    /// What it is about.
    pub entity: Entity,
    /// Its state.
    pub state: State,
}

/// What a silence would hit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SilencePreview {
    /// How many open alarms.
    pub n_alarms: usize,
    /// How many known services, instances and endpoints, of those that rules may watch. Where no matcher is about an entity: all of them
    /// if it takes every rule, else none.
    pub n_entities: usize,
    /// How many rules, by their name, severity and tags.
    pub n_rules: usize,
    /// The first ones of the alarms.
    pub alarms: Vec<Silenced>,
    /// The first ones of the entities.
    pub entities: Vec<Entity>,
    /// Names of the first ones of the rules.
    pub rules: Vec<String>,
}

/// An entity and the layers of its service.
pub(super) struct Met {
    pub(super) entity: Entity,
    pub(super) layers: Vec<String>,
}

impl Desk {
    /// What operators have set for dispatch, compiled, with what of it cannot be used.
    pub(super) async fn known(&self) -> Result<(Known, Vec<String>), DeskError> {
        let routing = self.all::<Routing>().await?.into_iter().next().map(|stored| stored.doc);
        let receivers = self.all::<Receiver>().await?;
        let silences = self.all::<Silence>().await?;
        let (known, problems) = Known::new(
            routing.as_ref(),
            receivers.iter().map(|stored| &stored.doc),
            silences.iter().map(|stored| &stored.doc),
        );
        Ok((known, problems.iter().map(ToString::to_string).collect()))
    }

    /// Whom an alarm of these labels would be told. Where `rule` names a rule, its receivers and its profile hold.
    pub async fn preview_route(&self, labels: &BTreeMap<String, String>) -> Result<RoutePreview, DeskError> {
        let (known, problems) = self.known().await?;
        let name = labels.get("rule");
        let rule = self.all::<Rule>().await?.into_iter().find(|stored| Some(&stored.doc.name) == name);
        let incident =
            Incident::of(&rule.map(|stored| stored.doc).unwrap_or_default(), self.now().minute().unwrap_or_default());
        let mut labels: Labels = labels.clone();
        labels.retain(|_, value| !value.is_empty());
        Ok(RoutePreview::new(&known, problems, (&incident, &labels), self.now()))
    }

    /// What a silence with these matchers would hit at present.
    pub async fn preview_silence(&self, matchers: &[Matcher]) -> Result<SilencePreview, DeskError> {
        let compiled = |some: &[Matcher]| {
            Matchers::new(some).map_err(|bad| DeskError::refused("bad_regex", "matchers", bad.to_string()))
        };
        if matchers.is_empty() {
            return Err(DeskError::refused("missing", "matchers", "a silence has one matcher at least"));
        }
        let all = compiled(matchers)?;
        let (of_entity, others): (Vec<Matcher>, Vec<Matcher>) =
            matchers.iter().cloned().partition(|matcher| OF_ENTITY.contains(&matcher.label.as_str()));
        let (by_entity, by_rule) = (compiled(&of_entity)?, compiled(&others)?);

        let mut preview = SilencePreview::default();
        for stored in self.open_incidents().await? {
            let incident = stored.doc;
            if all.hold(&labels::of(&incident)) {
                preview.n_alarms += 1;
                if preview.alarms.len() < MAX_LISTED {
                    let Incident { id, rule_name, entity, state, .. } = incident;
                    preview.alarms.push(Silenced { incident: id, rule: rule_name, entity, state });
                }
            }
        }
        let rules = self.all::<Rule>().await?;
        for stored in &rules {
            let mut labels: Labels = stored.doc.tags.clone();
            labels.insert("rule".to_owned(), stored.doc.name.clone());
            labels.insert(labels::SEVERITY.to_owned(), labels::severity(stored.doc.severity).to_owned());
            if by_rule.hold(&labels) {
                preview.n_rules += 1;
                if preview.rules.len() < MAX_LISTED {
                    preview.rules.push(stored.doc.name.clone());
                }
            }
        }
        if by_entity.is_empty() && preview.n_rules < rules.len() || preview.n_rules == 0 && !rules.is_empty() {
            return Ok(preview);
        }
        for met in self.entities().await? {
            if by_entity.hold(&of(&met)) {
                preview.n_entities += 1;
                if preview.entities.len() < MAX_LISTED {
                    preview.entities.push(met.entity);
                }
            }
        }
        Ok(preview)
    }

    /// Services, instances and endpoints that are known, so many of each at most.
    pub(super) async fn entities(&self) -> Result<Vec<Met>, DeskError> {
        let mut layers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut met = Vec::new();
        for scope in [Scope::Service, Scope::ServiceInstance, Scope::Endpoint] {
            for (id, own) in self.life(scope, Entities::All).await? {
                if scope == Scope::Service {
                    layers.insert(id.clone(), own);
                }
                let of_service = layers.get(model::id::service_of(&id)).cloned().unwrap_or_default();
                if let Some(entity) = Entity::of(scope, id) {
                    met.push(Met { entity, layers: of_service });
                }
            }
        }
        Ok(met)
    }

    /// The layers of an entity's service; of a call those of the service that is called.
    pub(super) async fn layers_of(&self, entity: &Entity) -> Result<Vec<String>, DeskError> {
        let service = window::service_of(entity);
        let rows = self.life(Scope::Service, Entities::Ids(vec![service.into()])).await?;
        Ok(rows.into_iter().next().map(|(_, layers)| layers).unwrap_or_default())
    }

    /// Entities that live, each with the names of its layers.
    async fn life(&self, scope: Scope, entities: Entities) -> Result<Vec<(String, Vec<String>)>, DeskError> {
        let Ground { store, layers, .. } = &self.ground;
        let mut all = Vec::new();
        window::for_lives(store.as_ref(), scope, entities, MAX_ENTITIES, |row| {
            all.push((row.entity.to_string(), window::layers_of(row, layers)));
        })
        .await?;
        Ok(all)
    }
}

impl RoutePreview {
    /// Whom an alarm of an incident with these labels is told; `problems` are those that came with what is known.
    pub(crate) fn new(
        known: &Known,
        problems: Vec<String>,
        (incident, labels): (&Incident, &Labels),
        now: UnixMillis,
    ) -> RoutePreview {
        RoutePreview {
            targets: known.targets(incident, labels).iter().map(|target| way(known, target, now)).collect(),
            silenced_by: known.silenced(labels, now).map(str::to_owned),
            problems,
        }
    }
}

/// One way of an alarm, as it is shown.
fn way(known: &Known, target: &Target<'_>, now: UnixMillis) -> RouteTarget {
    let settings = target.settings;
    RouteTarget {
        route: settings.path.clone(),
        receiver: target.receiver.to_owned(),
        exists: known.has_receiver(target.receiver),
        group_labels: target.labels.clone(),
        group_wait: settings.wait_ms / 1_000,
        group_interval: settings.interval_ms / 1_000,
        repeat_interval: settings.repeat_ms / 1_000,
        muted_by: known.muted(settings, now),
    }
}

/// The labels that an entity alone decides.
fn of(met: &Met) -> Labels {
    let parts = met.entity.parts();
    let group = parts.service.split_once("::").map_or("", |(group, _)| group).to_owned();
    let own = [
        ("scope", met.entity.scope_name().to_owned()),
        ("layer", met.layers.first().cloned().unwrap_or_default()),
        ("service", parts.service),
        ("instance", parts.instance),
        ("endpoint", parts.endpoint),
        ("group", group),
        ("entity", met.entity.name.clone()),
    ];
    own.into_iter().map(|(key, value)| (key.to_owned(), value)).filter(|(_, value)| !value.is_empty()).collect()
}
