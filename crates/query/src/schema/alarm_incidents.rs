//! Incidents and instances: what fires, what is done about it.

use alarm::desk::{Act, IncidentFilter, InstanceFilter};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use serde::{Deserialize, Serialize};

use super::{
    alarm_shared::{
        AlarmEntity, AlarmSeverity, by, desk, document, failed, found, listed, minute, mirrored, page_of, pairs, tuples,
    },
    common::{KeyValue, Long, Pagination},
};

/// Queries: incidents.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmIncidentsQuery;

#[Object]
impl AlarmIncidentsQuery {
    /// Incidents, the newest first. What transitions saw is in [alarmIncident] alone.
    async fn alarm_incidents(
        &self,
        ctx: &Context<'_>,
        filter: AlarmIncidentFilter,
        paging: Pagination,
    ) -> Result<AlarmIncidentPage> {
        let filter: IncidentFilter = document(&filter)?;
        let (total, incidents) = listed(desk(ctx).incidents(&filter, page_of(&paging)).await)?;
        Ok(AlarmIncidentPage { total, incidents })
    }

    /// One incident with all that is known of it; null where there is none.
    async fn alarm_incident(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AlarmIncident>> {
        found(desk(ctx).incident(&id).await)
    }

    /// Rules for entities whose state is not normal at present.
    async fn alarm_instances(
        &self,
        ctx: &Context<'_>,
        filter: AlarmInstanceFilter,
        paging: Pagination,
    ) -> Result<AlarmInstancePage> {
        let filter: InstanceFilter = document(&filter)?;
        let (total, instances) = listed(desk(ctx).instances(&filter, page_of(&paging)).await)?;
        Ok(AlarmInstancePage { total, instances })
    }
}

/// Mutations: incidents.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmIncidentsMutation;

#[Object]
impl AlarmIncidentsMutation {
    /// Takes care of an incident: it is not told again, until a time where one is given.
    async fn ack_incident(
        &self,
        ctx: &Context<'_>,
        id: ID,
        until: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmIncidentPayload> {
        let until = until.map(|Long(at)| model::UnixMillis(at));
        act(ctx, &id, &Act::Acknowledge { until }, reason, client_mutation_id).await
    }

    /// Nobody takes care of an incident any more.
    async fn unack_incident(
        &self,
        ctx: &Context<'_>,
        id: ID,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmIncidentPayload> {
        act(ctx, &id, &Act::Unacknowledge, reason, client_mutation_id).await
    }

    /// Gives an incident to somebody; to nobody where the name is empty.
    async fn assign_incident(
        &self,
        ctx: &Context<'_>,
        id: ID,
        assignee: String,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmIncidentPayload> {
        act(ctx, &id, &Act::Assign { assignee }, reason, client_mutation_id).await
    }

    /// Says something of an incident.
    async fn comment_incident(
        &self,
        ctx: &Context<'_>,
        id: ID,
        text: String,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmIncidentPayload> {
        act(ctx, &id, &Act::Comment { text }, None, client_mutation_id).await
    }

    /// Ends an incident, whatever its condition says. A condition that is still true opens another one.
    async fn close_incident(
        &self,
        ctx: &Context<'_>,
        id: ID,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmIncidentPayload> {
        act(ctx, &id, &Act::Close, reason, client_mutation_id).await
    }
}

async fn act(
    ctx: &Context<'_>,
    id: &str,
    act: &Act,
    reason: Option<String>,
    client_mutation_id: Option<String>,
) -> Result<AlarmIncidentPayload> {
    let view = desk(ctx).act(id, act, &by(ctx, reason)).await.map_err(failed)?;
    Ok(AlarmIncidentPayload { client_mutation_id, incident: mirrored(&view)? })
}

/// An incident that something was done with.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmIncidentPayload {
    pub client_mutation_id: Option<String>,
    /// As it is now.
    pub incident: AlarmIncident,
}

/// Which incidents to list; everything given must hold.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct AlarmIncidentFilter {
    /// Of the rule of this id or name.
    pub rule: Option<String>,
    /// Of the service of this name.
    pub service: Option<String>,
    /// Of the entity of this id.
    pub entity: Option<String>,
    pub severity: Option<AlarmSeverity>,
    pub state: Option<AlarmState>,
    /// Whether they are open.
    pub open: Option<bool>,
    /// Whether somebody takes care of them now.
    pub acknowledged: Option<bool>,
    /// Given to this one; empty: to nobody.
    pub assignee: Option<String>,
    /// Open at that time or later.
    pub from: Option<Long>,
    /// Begun before that time.
    pub before: Option<Long>,
    /// With this in the rule's name, the entity's, or a message.
    pub text: Option<String>,
}

/// A page of incidents.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmIncidentPage {
    /// How many there are in all.
    pub total: Long,
    pub incidents: Vec<AlarmIncident>,
}

/// The state of a rule for an entity.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    Normal,
    /// It matches, and not yet long enough.
    Pending,
    Firing,
    /// It still matches after a firing, and is silent.
    SilencedFiring,
    /// It matches no more, and is watched.
    ObservingRecovery,
    Recovered,
    /// There is no value, and the rule's policy is to keep the state.
    NoData,
    /// The rule cannot be evaluated, and its policy is to keep the state.
    Error,
}

/// What happened.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmEventKind {
    /// The first firing.
    Fired,
    /// Another firing of the same incident.
    FiredAgain,
    Recovered,
}

/// Why an incident ended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmEndReason {
    /// The condition is false.
    Condition,
    /// There are no values any more.
    NoData,
    /// The rule was deleted, paused, or does not watch the entity any more.
    Rule,
    /// Somebody closed it.
    Operator,
}

/// What became of a transition for one group of alarms.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmOutcome {
    /// A notification lists it.
    Told,
    /// A notification lists it and says that the alarm flaps.
    ToldFlapping,
    /// A notification counts it without listing it.
    Omitted,
    /// A silence holds.
    Silenced,
    /// Another open alarm inhibits it.
    Inhibited,
    /// The route is muted at that time.
    Muted,
    /// Somebody takes care of the incident.
    Acknowledged,
    /// Another open alarm explains it by topology.
    Folded,
    /// The alarm flaps, which was told.
    Flapping,
    /// The rule is a shadow.
    Shadow,
    /// No route leads anywhere.
    Unrouted,
    /// There is no such receiver.
    NoReceiver,
    /// The receiver wants no recoveries.
    Unwanted,
    /// The recovery of what was not told.
    Untold,
    /// It was over before it was to be told.
    Brief,
}

/// What a rule found about an entity, from the first firing until it is over.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmIncident {
    pub id: ID,
    /// Id of the rule.
    pub rule: ID,
    pub rule_name: String,
    pub expression: String,
    pub severity: AlarmSeverity,
    /// Whether nobody is told.
    pub shadow: bool,
    pub entity: AlarmEntity,
    /// Layers of the entity's service.
    pub layers: Vec<String>,
    /// Labels of the result, of rules with an instance for each set of them.
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    pub state: AlarmState,
    /// When that state was entered.
    #[serde(deserialize_with = "minute")]
    pub entered: Long,
    /// When it began.
    pub started: Long,
    /// When it was over.
    pub closed: Option<Long>,
    /// What happened, oldest first: the first one and the last ones.
    pub transitions: Vec<AlarmTransition>,
    pub acknowledged: Option<AlarmAcknowledged>,
    /// To whom it was given.
    pub assignee: String,
    pub comments: Vec<AlarmComment>,
    /// The incident that explains it, where topology says so.
    pub origin: Option<ID>,
    /// Its labels, as routes and silences see them.
    #[serde(deserialize_with = "pairs")]
    pub route_labels: Vec<KeyValue>,
    pub revision: Long,
    pub updated: Long,
}

/// A change of state that others are told of.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmTransition {
    /// 1 for the first of an incident.
    pub seq: i32,
    pub what: AlarmEventKind,
    /// The minute that decided it.
    #[serde(deserialize_with = "minute")]
    pub minute: Long,
    /// When it was decided.
    pub at: Long,
    pub uuid: String,
    pub message: String,
    #[serde(deserialize_with = "pairs")]
    pub tags: Vec<KeyValue>,
    #[serde(deserialize_with = "pairs")]
    pub annotations: Vec<KeyValue>,
    /// What was seen.
    pub evidence: Vec<AlarmEvidence>,
    /// Whether data of the deciding minute may have been missing.
    pub incomplete: bool,
    /// Why it ended.
    pub reason: Option<AlarmEndReason>,
    /// What became of it.
    pub marks: Vec<AlarmMark>,
    /// Whether there is nothing left to decide of it.
    pub dispatched: bool,
}

/// A series as it was when a transition was decided.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmEvidence {
    /// The metric as the expression names it.
    pub metric: String,
    #[serde(deserialize_with = "tuples")]
    pub labels: Vec<KeyValue>,
    /// Oldest first.
    pub values: Vec<AlarmPoint>,
}

/// A value of a minute.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(from = "(u32, Option<f64>)")]
pub struct AlarmPoint {
    /// The minute's start.
    pub at: Long,
    /// Null: there is none.
    pub value: Option<f64>,
}

impl From<(u32, Option<f64>)> for AlarmPoint {
    fn from((minute, value): (u32, Option<f64>)) -> Self {
        Self { at: Long(i64::from(minute) * 60_000), value }
    }
}

/// What became of a transition for one group of alarms, and by what.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmMark {
    /// Id of the group; empty: it is the same for all.
    pub group: String,
    pub receiver: String,
    pub outcome: AlarmOutcome,
    /// The id of the notification or silence, the name of the inhibition or interval, the incident, or who acknowledged.
    pub by: String,
    pub at: Long,
}

/// Somebody takes care of it.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmAcknowledged {
    pub by: String,
    pub at: Long,
    /// Until when; null: until it is over.
    pub until: Option<Long>,
}

/// Something that somebody said of an incident.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmComment {
    pub author: String,
    pub at: Long,
    pub text: String,
}

/// Which instances to list; everything given must hold.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct AlarmInstanceFilter {
    /// Of the rule of this id or name.
    pub rule: Option<String>,
    /// Of the entity of this id.
    pub entity: Option<String>,
    pub state: Option<AlarmState>,
    /// With this in the name of the rule or the entity.
    pub text: Option<String>,
}

/// A page of instances.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmInstancePage {
    /// How many there are in all.
    pub total: Long,
    pub instances: Vec<AlarmInstance>,
}

/// A rule for an entity, and for a set of labels where it has an instance for each.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmInstance {
    /// Id of the rule.
    pub rule: ID,
    pub rule_name: String,
    pub severity: AlarmSeverity,
    pub entity: AlarmEntity,
    #[serde(deserialize_with = "pairs")]
    pub labels: Vec<KeyValue>,
    pub state: AlarmState,
    /// When that state was entered.
    pub since: Long,
    /// When the state may change by itself.
    pub next: Option<Long>,
    /// The values that were seen when it fired last, by metric.
    #[serde(deserialize_with = "super::alarm_rule_types::numbers")]
    pub values: Vec<super::alarm_rule_types::AlarmVariable>,
    /// The incident; null: it is pending.
    pub incident: Option<ID>,
    /// Whether somebody takes care of it.
    pub acknowledged: bool,
}
