//! Why a rule fired for an entity, or did not.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Bucket, UnixMillis};
use serde::Serialize;
use storage::Entities;

use crate::columns::{Columns, Labels};
use crate::desk::RoutePreview;
use crate::dispatch::{Known, labels};
use crate::engine::texts;
use crate::entity::Entity;
use crate::incident::{Acknowledged, Evidence, Incident, State, Transition, What};
use crate::minutes::{Turn, Who};
use crate::pass::{Incidents, Input, Kind, Memory, Noted, Telling, evidence, pass};
use crate::plan::{Plan, Planned};
use crate::receiver::Receiver;
use crate::route::Routing;
use crate::rule::Rule;
use crate::silence::Silence;
use crate::state::{Live, Of, Seen, step};
use crate::window;

use super::replay::decided;
use super::{Ground, Node, TrialError, Verdict, compute, documents, evaluated, minute, node, only, plan};

/// Minutes of the trace at least, and at most.
const TRACE: (u32, u32) = (10, 240);
/// Incidents that are shown at most: the newest.
const MAX_INCIDENTS: usize = 10;
/// How far the next transition is looked for, in minutes.
const AHEAD: u32 = 1_440;

/// Why a rule fired for an entity, or did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The minute that is explained: its start.
    pub minute: UnixMillis,
    /// Id of the rule.
    pub rule: String,
    /// Its name.
    pub rule_name: String,
    /// Whether the rule is paused: then nothing of this happens.
    pub paused: bool,
    /// What it is about.
    pub entity: Entity,
    /// Layers of its service.
    pub layers: Vec<String>,
    /// Whether there is any row of the entity in what was read.
    pub has_data: bool,
    /// Whether the rule's selector takes it.
    pub watched: bool,
    /// The number of the override that holds for it; `None`: the rule's own numbers do.
    pub holding_override: Option<usize>,
    /// The numbers that hold for it.
    pub variables: BTreeMap<String, f64>,
    /// The series that the expression reads.
    pub buckets: Vec<Read>,
    /// What each part of the expression came to, the whole first.
    pub nodes: Vec<Node>,
    /// The same of the recovery expression; empty: the rule has none.
    pub recovery_nodes: Vec<Node>,
    /// Whether there are samples enough; `None`: the rule does not ask.
    pub samples: Option<Samples>,
    /// The last minute in which any of the metrics had a value, as far back as was looked.
    pub last_value: Option<UnixMillis>,
    /// Minutes without a value after which there is no data.
    pub no_data_after: u32,
    /// What the minute showed of each instance.
    pub heard: Vec<Heard>,
    /// How the states came about, minute by minute, from nothing known.
    pub steps: Vec<Step>,
    /// What comes next.
    pub next: Vec<Next>,
    /// Incidents of the rule and the entity, the newest first.
    pub incidents: Vec<OfIncident>,
    /// Whom an alarm is told, and what keeps it from being told at this moment.
    pub routing: RoutePreview,
}

/// A series that was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// The metric as the expression names it.
    pub metric: String,
    /// Its labels.
    pub labels: Labels,
    /// A value for each bucket, by the bucket's start, oldest first; `None`: there is none.
    pub values: Vec<(UnixMillis, Option<f64>)>,
}

/// Whether there are samples enough.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Samples {
    /// The metric that counts.
    pub metric: String,
    /// Its sum over the window.
    pub sum: Option<f64>,
    /// What it must be at least.
    pub gte: u64,
    /// Whether it is.
    pub enough: bool,
}

/// What a minute shows of an instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Labels of the instance.
    pub labels: Labels,
    /// What it shows.
    pub verdict: Verdict,
    /// The state of the instance: as it is stored where an incident is open and the question is about now, else as the trace has it.
    pub state: State,
    /// Since when.
    pub since: UnixMillis,
    /// The last minute of silence after a firing.
    pub silent_until: Option<UnixMillis>,
    /// The last minute of observation, while it is observed.
    pub observed_until: Option<UnixMillis>,
}

/// A minute of the trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The minute.
    pub minute: UnixMillis,
    /// Labels of the instance.
    pub labels: Labels,
    /// What it showed.
    pub verdict: Verdict,
    /// The state after it.
    pub state: State,
    /// What others were told.
    pub what: Option<What>,
}

/// What comes next if the following minutes all show the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Next {
    /// Labels of the instance.
    pub labels: Labels,
    /// What they all show.
    pub given: Verdict,
    /// What happens then.
    pub what: What,
    /// In which minute.
    pub minute: UnixMillis,
    /// After how many minutes.
    pub in_minutes: u32,
}

/// An incident, without what was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfIncident {
    /// Its id.
    pub id: String,
    /// Its labels.
    pub labels: Labels,
    /// Its state.
    pub state: State,
    /// The minute of the first firing.
    pub opened: UnixMillis,
    /// When it was over.
    pub closed: Option<UnixMillis>,
    /// Who takes care of it.
    pub acknowledged: Option<Acknowledged>,
    /// The incident that explains it by topology.
    pub origin: Option<String>,
    /// What happened, each with what became of it for each receiver.
    pub transitions: Vec<Transition>,
}

/// Explains a stored rule and an entity of its scope, at the last minute that is over or at that of `at`. `entity` is the id of its rows.
pub async fn explain(
    ground: &Ground,
    rule: &Rule,
    entity: &str,
    at: Option<UnixMillis>,
    now: UnixMillis,
) -> Result<Explanation, TrialError> {
    let minute = minute(at, now)?;
    let paused = rule.paused;
    let plan = plan(ground, [evaluated(rule)])?;
    let planned = Arc::clone(only(&plan)?);
    let entity = Entity::of(planned.scope, entity.to_owned())
        .ok_or_else(|| TrialError::Bad("entity", format!("it is none of the rule's scope {:?}", planned.scope)))?;
    let mut columns = Columns::with_layers(ground.zone.clone(), ground.layers.clone());
    let (least, most) = TRACE;
    let params = &planned.params;
    let wanted = params.period.max(params.for_minutes) + params.silence.saturating_add(params.recovery_observation);
    let first = Bucket(minute.0.saturating_sub(wanted.clamp(least, most)));
    let reads = plan.reads(&columns, first, minute);
    let one = Entities::Ids(vec![entity.id.as_str().into()]);
    window::load_of(ground.store.as_ref(), &ground.catalogue, &mut columns, &reads, one).await?;
    let has_data = columns.table(planned.scope).is_some_and(|table| table.number(&entity.id).is_some());
    let layers = columns.services.get(&window::service_of(&entity)).cloned().unwrap_or_default();
    columns.meet(&entity, &layers);
    let mut incidents: Vec<Incident> = documents(ground).await?;
    incidents.retain(|incident| incident.rule == planned.rule.id && incident.entity == entity);
    incidents.sort_by_key(|incident| (Reverse(incident.opened), incident.id.clone()));
    incidents.truncate(MAX_INCIDENTS);
    let routing: Vec<Routing> = documents(ground).await?;
    let receivers: Vec<Receiver> = documents(ground).await?;
    let silences: Vec<Silence> = documents(ground).await?;
    let (known, problems) = Known::new(routing.first(), &receivers, &silences);
    let problems = problems.iter().map(ToString::to_string).collect();
    let case = Case { ground: ground.clone(), plan, planned, columns, entity, layers, first, minute, incidents };
    let is_now = at.is_none();
    let told = compute(move || {
        let routing = case.routing(&known, problems, now);
        let explanation = case.explanation(paused, has_data, is_now, routing);
        explanation.ok_or_else(|| TrialError::NotFound("entity".to_owned()))
    });
    told.await?
}

/// What is explained, and all that is known of it.
struct Case {
    ground: Ground,
    plan: Plan,
    planned: Arc<Planned>,
    columns: Columns,
    entity: Entity,
    layers: Vec<String>,
    first: Bucket,
    minute: Bucket,
    incidents: Vec<Incident>,
}

impl Case {
    fn explanation(&self, paused: bool, has_data: bool, is_now: bool, routing: RoutePreview) -> Option<Explanation> {
        let Case { ground, planned, columns, entity, minute, .. } = self;
        let table = columns.table(planned.scope)?;
        let at = table.number(&entity.id)?;
        let (holding_override, variables) = node::numbers(planned, entity, &self.layers);
        let nodes_of = |text: &str| node::nodes(ground, columns, planned, (text, &variables), (at, *minute));
        let rule = &planned.rule;
        let noted = self.trace();
        let last = |labels: &Labels| self.live(&noted, labels, is_now);
        let of_minute: Vec<&Noted> = noted.iter().filter(|noted| noted.minute == *minute).collect();
        let back = planned.no_data_after.max(planned.params.period);
        let last_values = planned
            .metrics
            .iter()
            .filter_map(|metric| table.last_values(metric, *minute, back).get(at).copied().flatten());
        let seen = self.with_input(*minute, &Incidents::default(), |input| evidence(planned, input, *minute, at));
        let samples = rule.min_samples.as_ref().map(|samples| {
            let sum = nodes_of(&format!("sum({})", samples.metric)).first().and_then(value);
            #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
            let enough = sum.is_some_and(|sum| sum >= samples.gte as f64);
            Samples { metric: samples.metric.clone(), sum, gte: samples.gte, enough }
        });
        Some(Explanation {
            minute: minute.start(),
            rule: rule.id.clone(),
            rule_name: rule.name.clone(),
            paused,
            entity: entity.clone(),
            layers: self.layers.clone(),
            has_data,
            watched: planned.takes(entity, &entity.parts(), &self.layers),
            holding_override,
            buckets: seen.into_iter().map(read).collect(),
            nodes: nodes_of(&rule.expression),
            recovery_nodes: nodes_of(&rule.recovery_expression),
            variables: variables.clone(),
            samples,
            last_value: last_values.max().map(Bucket::start),
            no_data_after: planned.no_data_after,
            heard: of_minute.iter().map(|noted| heard(noted, &last(&noted.labels))).collect(),
            next: of_minute.iter().flat_map(|noted| self.next(&noted.labels, &last(&noted.labels))).collect(),
            steps: noted.iter().map(step_of).collect(),
            incidents: self.incidents.iter().map(of_incident).collect(),
            routing,
        })
    }

    fn with_input<T>(&self, minute: Bucket, incidents: &Incidents, f: impl FnOnce(&Input<'_>) -> T) -> T {
        let render = |telling: &Telling<'_>| texts::render(telling, &self.ground.about);
        let (plan, columns) = (&self.plan, &self.columns);
        f(&Input { plan, columns, incidents, now: decided(minute), render: &render })
    }

    /// What the minutes up to the one in question show of the entity, and make of its state.
    fn trace(&self) -> Vec<Noted> {
        let mut memory = Memory::noting(&self.entity.id);
        let mut incidents = Incidents::default();
        for minute in (self.first.0..=self.minute.0).map(Bucket) {
            let kind = Kind::Closed(Turn { minute, incomplete: false, who: Who::All });
            let output = self.with_input(minute, &incidents, |input| pass(input, kind, &mut memory));
            output.changed.into_iter().for_each(|incident| incidents.put(incident));
        }
        memory.take_noted()
    }

    /// The state of an instance: of the open incident, else of the trace.
    fn live(&self, noted: &[Noted], labels: &Labels, is_now: bool) -> Live {
        let open = |incident: &&Incident| incident.closed.is_none() && incident.labels == *labels;
        let stored = self.incidents.iter().find(open).filter(|_| is_now).map(Live::of);
        let traced = || noted.iter().rev().find(|noted| noted.labels == *labels).map(|noted| noted.after);
        stored.or_else(traced).unwrap_or_default()
    }

    /// What comes next, if all matches and if nothing does.
    fn next(&self, labels: &Labels, live: &Live) -> Vec<Next> {
        let ahead = |(seen, given): (Seen, Verdict)| {
            let mut live = *live;
            (1..=AHEAD).find_map(|later| {
                let minute = Bucket(self.minute.0.saturating_add(later));
                let what = step(&mut live, minute, Of::Closed, seen, &self.planned.params)?;
                Some(Next { labels: labels.clone(), given, what, minute: minute.start(), in_minutes: later })
            })
        };
        let cases =
            [(Seen::Match, Verdict::Match), (Seen::Mismatch, Verdict::Mismatch), (Seen::NoData, Verdict::NoData)];
        cases.into_iter().filter_map(ahead).collect()
    }

    /// Whom an alarm of the entity is told: that of the newest incident, or one that is imagined.
    fn routing(&self, known: &Known, problems: Vec<String>, now: UnixMillis) -> RoutePreview {
        let rule = &self.planned.rule;
        let incident = self.incidents.first().cloned().unwrap_or_else(|| Incident {
            entity: self.entity.clone(),
            layers: self.layers.clone(),
            ..Incident::of(rule, now.minute().unwrap_or_default())
        });
        let mut labels = labels::of(&incident);
        if incident.transitions.is_empty() {
            let telling = Telling::of(Some(rule), &incident, What::Fired, self.minute);
            for (key, value) in texts::render(&telling, &self.ground.about).tags {
                labels.entry(key).or_insert(value);
            }
            labels.retain(|_, value| !value.is_empty());
        }
        RoutePreview::new(known, problems, (&incident, &labels), now)
    }
}

fn read(evidence: Evidence) -> Read {
    let values = evidence.values.into_iter().map(|(bucket, value)| (bucket.start(), value)).collect();
    Read { metric: evidence.metric, labels: evidence.labels, values }
}

fn value(node: &Node) -> Option<f64> {
    node.results.first()?.values.first().copied().flatten()
}

fn heard(noted: &Noted, live: &Live) -> Heard {
    let from_start = |minute: Bucket| (minute != Bucket(0)).then(|| minute.start());
    Heard {
        labels: noted.labels.clone(),
        verdict: noted.seen.into(),
        state: live.state,
        since: live.entered.start(),
        silent_until: from_start(live.silent_until),
        observed_until: from_start(live.observed_until).filter(|_| live.state == State::ObservingRecovery),
    }
}

fn step_of(noted: &Noted) -> Step {
    Step {
        minute: noted.minute.start(),
        labels: noted.labels.clone(),
        verdict: noted.seen.into(),
        state: noted.after.state,
        what: noted.what,
    }
}

fn of_incident(incident: &Incident) -> OfIncident {
    let bare = |transition: &Transition| Transition { evidence: Vec::new(), ..transition.clone() };
    OfIncident {
        id: incident.id.clone(),
        labels: incident.labels.clone(),
        state: incident.state,
        opened: incident.opened.start(),
        closed: incident.closed,
        acknowledged: incident.acknowledged.clone(),
        origin: incident.origin.clone(),
        transitions: incident.transitions.iter().map(bare).collect(),
    }
}
