//! Routes, inhibitions and time intervals. They are one document of the engine, which changes as a whole; here each part has its own
//! fields, and all of them show the document's revision.

use alarm::{
    edit::EditError,
    route::{Inhibition, Route, Routing, TimeInterval},
};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    alarm_shared::{
        AlarmMatcher, AlarmProblem, KeyValueInput, by, desk, document, failed, mirrored, problems, refused, revision,
        version,
    },
    common::{KeyValue, Long},
};

/// Queries: routes of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmRoutesQuery;

#[Object]
impl AlarmRoutesQuery {
    /// The tree of routes; null where nobody has made one.
    async fn alarm_routes(&self, ctx: &Context<'_>) -> Result<Option<AlarmRouting>> {
        let present = present(ctx).await?;
        present.map(|present| shown(&present.doc, version(present.revision), Long(present.updated.0))).transpose()
    }

    /// While a source alarm is open, its targets are told to nobody.
    async fn alarm_inhibitions(&self, ctx: &Context<'_>) -> Result<Vec<AlarmInhibition>> {
        mirrored(&present(ctx).await?.map(|present| present.doc.inhibitions).unwrap_or_default())
    }

    /// Named times that routes mute or wait for.
    async fn alarm_time_intervals(&self, ctx: &Context<'_>) -> Result<Vec<AlarmNamedInterval>> {
        named(&present(ctx).await?.map(|present| present.doc.time_intervals).unwrap_or_default())
    }

    /// Whom an alarm of these labels would be told at this moment.
    async fn preview_route(&self, ctx: &Context<'_>, labels: Vec<KeyValueInput>) -> Result<RoutePreview> {
        let labels = labels.into_iter().map(|KeyValueInput { key, value }| (key, value)).collect();
        mirrored(&desk(ctx).preview_route(&labels).await.map_err(failed)?)
    }
}

/// Mutations: routes of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmRoutesMutation;

#[Object]
impl AlarmRoutesMutation {
    /// Makes or replaces the route at a path: the names from the first level under the root to its own; an empty path is the root.
    /// Its children stay where the input has none.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments are the mutation's, and the macro makes several functions of them"
    )]
    async fn upsert_alarm_route(
        &self,
        ctx: &Context<'_>,
        path: Vec<String>,
        input: AlarmRouteInput,
        fold_by_topology: Option<bool>,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let keeps_children = input.routes.is_none();
        let mut route: Route = document(&input)?;
        if let Some(name) = path.last() {
            route.name.clone_from(name);
        }
        let change = |routing: &mut Routing| {
            routing.fold_by_topology = fold_by_topology.unwrap_or(routing.fold_by_topology);
            let Some((name, parents)) = path.split_last() else {
                put(&mut routing.root, route, keeps_children);
                return Ok(());
            };
            let parent = find(&mut routing.root, parents).ok_or_else(|| no_route(parents))?;
            match parent.routes.iter_mut().find(|child| child.name == *name) {
                Some(child) => put(child, route, keeps_children),
                None => parent.routes.push(route),
            }
            Ok(())
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }

    /// Deletes the route at a path with all that is under it.
    async fn delete_alarm_route(
        &self,
        ctx: &Context<'_>,
        path: Vec<String>,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let change = |routing: &mut Routing| {
            let Some((name, parents)) = path.split_last() else {
                return Err(refused(
                    "MISSING",
                    "path",
                    "the root stays: it is what all others have their defaults from",
                ));
            };
            let parent = find(&mut routing.root, parents).ok_or_else(|| no_route(parents))?;
            let n = parent.routes.len();
            parent.routes.retain(|child| child.name != *name);
            if parent.routes.len() == n { Err(no_route(&path)) } else { Ok(()) }
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }

    /// Makes or replaces the inhibition of its name.
    async fn upsert_alarm_inhibition(
        &self,
        ctx: &Context<'_>,
        input: AlarmInhibitionInput,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let inhibition: Inhibition = document(&input)?;
        let change = |routing: &mut Routing| {
            match routing.inhibitions.iter_mut().find(|present| present.name == inhibition.name) {
                Some(present) => *present = inhibition,
                None => routing.inhibitions.push(inhibition),
            }
            Ok(())
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }

    /// Deletes an inhibition.
    async fn delete_alarm_inhibition(
        &self,
        ctx: &Context<'_>,
        name: String,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let change = |routing: &mut Routing| {
            let n = routing.inhibitions.len();
            routing.inhibitions.retain(|present| present.name != name);
            if routing.inhibitions.len() == n { Err(missing("inhibition", &name)) } else { Ok(()) }
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }

    /// Makes or replaces the time interval of a name.
    async fn upsert_alarm_time_interval(
        &self,
        ctx: &Context<'_>,
        name: String,
        intervals: Vec<AlarmIntervalInput>,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let intervals: Vec<TimeInterval> = document(&intervals)?;
        let change = |routing: &mut Routing| {
            routing.time_intervals.insert(name, intervals);
            Ok(())
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }

    /// Deletes a time interval.
    async fn delete_alarm_time_interval(
        &self,
        ctx: &Context<'_>,
        name: String,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRoutingPayload> {
        let change = |routing: &mut Routing| match routing.time_intervals.remove(&name) {
            Some(_) => Ok(()),
            None => Err(missing("time interval", &name)),
        };
        changed(ctx, change, expected_revision, reason, client_mutation_id).await
    }
}

fn no_route(path: &[String]) -> async_graphql::Error {
    missing("route", &path.join(" / "))
}

fn missing(what: &str, name: &str) -> async_graphql::Error {
    refused("NOT_FOUND", "", &format!("there is no {what} {name}"))
}

fn put(place: &mut Route, mut route: Route, keeps_children: bool) {
    if keeps_children {
        route.routes = std::mem::take(&mut place.routes);
    }
    *place = route;
}

/// The route at a path of names under a route.
fn find<'r>(mut route: &'r mut Route, path: &[String]) -> Option<&'r mut Route> {
    for name in path {
        route = route.routes.iter_mut().find(|child| child.name == *name)?;
    }
    Some(route)
}

async fn present(ctx: &Context<'_>) -> Result<Option<alarm::Stored<Routing>>> {
    match desk(ctx).edits.get::<Routing>(Routing::ID).await {
        Ok(present) => Ok(Some(present)),
        Err(EditError::NotFound(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Changes the one document. What was read is what is changed: somebody else's change in between is a conflict.
async fn changed(
    ctx: &Context<'_>,
    change: impl FnOnce(&mut Routing) -> Result<()>,
    expected: Option<Long>,
    reason: Option<String>,
    client_mutation_id: Option<String>,
) -> Result<AlarmRoutingPayload> {
    let (edits, by, expected) = (&desk(ctx).edits, by(ctx, reason), revision(expected)?);
    let present = present(ctx).await?;
    let mut routing = present.as_ref().map_or_else(empty, |present| present.doc.clone());
    change(&mut routing)?;
    let done = match present {
        Some(present) => edits.update(routing, Some(expected.unwrap_or(present.revision)), &by).await,
        None if expected.is_some() => return Err(failed(EditError::Conflict(None))),
        None => edits.create(routing, &by).await,
    };
    let done = done.map_err(failed)?;
    Ok(AlarmRoutingPayload {
        client_mutation_id,
        routing: shown(&done.stored.doc, version(done.stored.revision), Long(done.stored.updated.0))?,
        warnings: problems(&done.warnings.problems),
    })
}

fn empty() -> Routing {
    Routing {
        id: Routing::ID.to_owned(),
        root: Route::default(),
        time_intervals: BTreeMap::new(),
        inhibitions: Vec::new(),
        fold_by_topology: false,
        change: String::new(),
    }
}

fn shown(routing: &Routing, revision: Long, updated: Long) -> Result<AlarmRouting> {
    Ok(AlarmRouting {
        root: mirrored(&routing.root)?,
        time_intervals: named(&routing.time_intervals)?,
        inhibitions: mirrored(&routing.inhibitions)?,
        fold_by_topology: routing.fold_by_topology,
        revision,
        updated,
    })
}

fn named(intervals: &BTreeMap<String, Vec<TimeInterval>>) -> Result<Vec<AlarmNamedInterval>> {
    let interval = |(name, intervals): (&String, &Vec<TimeInterval>)| {
        Ok(AlarmNamedInterval { name: name.clone(), intervals: mirrored(intervals)? })
    };
    intervals.iter().map(interval).collect()
}

/// The tree of routes and what belongs to it.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmRouting {
    /// The root. Its own values are the defaults of all.
    pub root: AlarmRoute,
    pub time_intervals: Vec<AlarmNamedInterval>,
    pub inhibitions: Vec<AlarmInhibition>,
    /// Whether alarms that one open alarm explains by topology are told as its consequences.
    pub fold_by_topology: bool,
    pub revision: Long,
    pub updated: Long,
}

/// Routing that was changed.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmRoutingPayload {
    pub client_mutation_id: Option<String>,
    /// As it is now.
    pub routing: AlarmRouting,
    /// What is worth to be known of it.
    pub warnings: Vec<AlarmProblem>,
}

/// A node of the tree. What is null it has from its parent.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRoute {
    pub name: String,
    /// All must hold.
    pub matchers: Vec<AlarmMatcher>,
    /// Receivers by name; empty: nobody is told.
    pub receivers: Option<Vec<String>>,
    /// Labels by which alarms are put together; `...`: all of them.
    pub group_by: Option<Vec<String>>,
    /// Seconds that a new group waits for more.
    pub group_wait: Option<Long>,
    /// Seconds between two notifications of a group that changed.
    pub group_interval: Option<Long>,
    /// Seconds after which a group that did not change is told again. 0: never.
    pub repeat_interval: Option<Long>,
    /// Intervals during which nobody is told.
    pub mute_time_intervals: Vec<String>,
    /// Intervals outside of which nobody is told.
    pub active_time_intervals: Vec<String>,
    /// Whether the siblings after it are tried too.
    #[graphql(name = "continue")]
    #[serde(rename = "continue")]
    pub goes_on: bool,
    /// Tried in order.
    pub routes: Vec<AlarmRoute>,
}

/// A node of the tree as it is written.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRouteInput {
    /// Its name; of the route that a mutation names by its path, the path's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matchers: Option<Vec<AlarmMatcher>>,
    pub receivers: Option<Vec<String>>,
    pub group_by: Option<Vec<String>>,
    pub group_wait: Option<Long>,
    pub group_interval: Option<Long>,
    pub repeat_interval: Option<Long>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute_time_intervals: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_time_intervals: Option<Vec<String>>,
    #[graphql(name = "continue")]
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub goes_on: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<AlarmRouteInput>>,
}

/// While a source alarm is open, its targets are told to nobody.
#[derive(SimpleObject, InputObject, Debug, Clone, Serialize, Deserialize)]
#[graphql(input_name = "AlarmInhibitionInput")]
#[serde(rename_all = "camelCase")]
pub struct AlarmInhibition {
    pub name: String,
    /// Which alarms silence others.
    pub source_matchers: Vec<AlarmMatcher>,
    /// Which ones are silenced.
    pub target_matchers: Vec<AlarmMatcher>,
    /// Labels that must be equal in both.
    pub equal: Vec<String>,
}

type AlarmInhibitionInput = AlarmInhibition;

/// Times by their name.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmNamedInterval {
    pub name: String,
    /// One of them must hold.
    pub intervals: Vec<AlarmInterval>,
}

/// A time interval as Alertmanager writes one: ranges that must all hold; empty ones always do.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmInterval {
    pub times: Vec<AlarmTimes>,
    /// `monday:friday`.
    pub weekdays: Vec<String>,
    /// `1:5`, `-3:-1`.
    pub days_of_month: Vec<String>,
    /// `january:march`, `5`.
    pub months: Vec<String>,
    /// `2026:2027`.
    pub years: Vec<String>,
    /// Name of a zone; empty: UTC.
    pub location: String,
}

/// A time interval as it is written.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct AlarmIntervalInput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Vec<AlarmTimes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_of_month: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub months: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub years: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// A part of a day, its end excluded.
#[derive(SimpleObject, InputObject, Debug, Clone, Serialize, Deserialize)]
#[graphql(input_name = "AlarmTimesInput")]
pub struct AlarmTimes {
    /// `HH:MM`.
    pub start_time: String,
    /// `HH:MM`, up to `24:00`.
    pub end_time: String,
}

/// Whom an alarm would be told.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutePreview {
    /// The ways; none: nobody would be told.
    pub targets: Vec<RouteTarget>,
    /// The silence that holds for it at this moment.
    pub silenced_by: Option<String>,
    /// What of the routing cannot be used, and why.
    pub problems: Vec<String>,
}

/// One way on which an alarm is told.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTarget {
    /// The names of the routes from the root.
    pub route: Vec<String>,
    pub receiver: String,
    /// Whether there is such a receiver.
    pub exists: bool,
    /// The labels by which alarms are put together.
    #[serde(deserialize_with = "super::alarm_shared::pairs")]
    pub group_labels: Vec<KeyValue>,
    /// Seconds that a new group waits.
    pub group_wait: Long,
    /// Seconds between two notifications of a group that changed.
    pub group_interval: Long,
    /// Seconds until one that did not change is told again; 0: never.
    pub repeat_interval: Long,
    /// What keeps the route from telling at this moment.
    pub muted_by: Option<String>,
}
