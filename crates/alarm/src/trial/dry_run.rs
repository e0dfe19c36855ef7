//! Whom a rule matches now.

use model::{Bucket, UnixMillis};
use serde::Serialize;

use crate::columns::{Columns, Labels, Watched};
use crate::engine::texts;
use crate::entity::Entity;
use crate::incident::{Incident, State, What};
use crate::minutes::{Turn, Who};
use crate::pass::{Incidents, Input, Kind, Memory, Noted, Output, Telling, pass};
use crate::plan::Plan;
use crate::rule::Rule;
use crate::state::Seen;
use crate::window;

use super::replay::decided;
use super::{Ground, Node, TrialError, compute, documents, evaluated, minute, node, only, plan};

/// Matches that are listed at most.
pub const MAX_MATCHES: usize = 100;

/// Whom a rule matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// The minute that was evaluated: its start.
    pub minute: UnixMillis,
    /// How many entities the rule watches.
    pub n_watched: usize,
    /// How many instances match.
    pub n_matched: usize,
    /// How many of them would fire in this minute.
    pub n_firing: usize,
    /// The first ones: those that fire in front, then by name.
    pub matches: Vec<Match>,
    /// Why the rule cannot be computed for some entity; `None`: it can.
    pub error: Option<String>,
}

/// An instance that matches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// What it is about.
    pub entity: Entity,
    /// Layers of its service.
    pub layers: Vec<String>,
    /// Labels of the result, of rules with an instance for each set of them.
    pub labels: Labels,
    /// The state that it would enter, or stay in.
    pub state: State,
    /// Since when it would be in that state.
    pub since: UnixMillis,
    /// Whether it would be told as firing in this minute.
    pub fires: bool,
    /// What each part of the expression came to, the whole first.
    pub nodes: Vec<Node>,
}

/// Evaluates a rule over the last minute that is over, or over that of `at`. Where it is a stored rule and the question is about now, open
/// incidents count: what fires already does not fire again.
pub async fn dry_run(
    ground: &Ground,
    rule: &Rule,
    at: Option<UnixMillis>,
    now: UnixMillis,
) -> Result<DryRun, TrialError> {
    let minute = minute(at, now)?;
    let rule = evaluated(rule);
    let plan = plan(ground, [rule.clone()])?;
    let mut columns = Columns::with_layers(ground.zone.clone(), ground.layers.clone());
    let first = Bucket(minute.0.saturating_sub(plan.recall_minutes()));
    let reads = plan.reads(&columns, first, minute);
    window::load(ground.store.as_ref(), &ground.catalogue, &mut columns, &reads).await?;
    let mut incidents = Incidents::default();
    if at.is_none() {
        let all: Vec<Incident> = documents(ground).await?;
        for incident in all.into_iter().filter(|incident| incident.rule == rule.id && incident.closed.is_none()) {
            columns.meet(&incident.entity, &incident.layers);
            incidents.put(incident);
        }
    }
    let ground = ground.clone();
    compute(move || report(&ground, &plan, &columns, &incidents, (first, minute))).await?
}

fn report(
    ground: &Ground,
    plan: &Plan,
    columns: &Columns,
    incidents: &Incidents,
    (first, minute): (Bucket, Bucket),
) -> Result<DryRun, TrialError> {
    let planned = only(plan)?;
    let mut memory = Memory::noting("");
    let output = last_pass(ground, (plan, columns, incidents), (first, minute), &mut memory);
    let mut noted = memory.take_noted();
    noted.retain(|noted| noted.minute == minute && noted.seen == Seen::Match);
    let fires = |noted: &Noted| matches!(noted.what, Some(What::Fired | What::FiredAgain));
    let n_firing = noted.iter().filter(|noted| fires(noted)).count();
    let place = |noted: &Noted| {
        let table = columns.table(planned.scope)?;
        let at = table.number(&noted.entity)?;
        Some((at, table.watched().get(at)?))
    };
    let mut listed: Vec<(usize, &Watched, &Noted)> =
        noted.iter().filter_map(|noted| place(noted).map(|(at, watched)| (at, watched, noted))).collect();
    listed.sort_by_key(|(_, watched, noted)| (!fires(noted), &watched.entity.name, &noted.labels));
    let matches = listed.into_iter().take(MAX_MATCHES).map(|(at, Watched { entity, layers, .. }, noted)| {
        let (_, numbers) = node::numbers(planned, entity, layers);
        Match {
            entity: entity.clone(),
            layers: layers.clone(),
            labels: noted.labels.clone(),
            state: noted.after.state,
            since: noted.after.entered.start(),
            fires: fires(noted),
            nodes: node::nodes(ground, columns, planned, (&planned.rule.expression, &numbers), (at, minute)),
        }
    });
    Ok(DryRun {
        minute: minute.start(),
        n_watched: output.n_pairs,
        n_matched: noted.len(),
        n_firing,
        matches: matches.collect(),
        error: output.errors.into_values().next(),
    })
}

/// Passes over the minutes from the first one on, of which the last one decides.
fn last_pass(
    ground: &Ground,
    (plan, columns, incidents): (&Plan, &Columns, &Incidents),
    (first, minute): (Bucket, Bucket),
    memory: &mut Memory,
) -> Output {
    let render = |telling: &Telling<'_>| texts::render(telling, &ground.about);
    let input = Input { plan, columns, incidents, now: decided(minute), render: &render };
    for before in first.0..minute.0 {
        pass(&input, Kind::Recall(Bucket(before)), memory);
    }
    pass(&input, Kind::Closed(Turn { minute, incomplete: false, who: Who::All }), memory)
}
