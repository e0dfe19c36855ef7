//! Notifications: what became of them, sent again, given up.

use alarm::desk::{DeliveryFilter, Redriven};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use serde::{Deserialize, Serialize};

use super::{
    alarm_incidents::AlarmEventKind,
    alarm_shared::{by, count, desk, document, failed, found, listed, page_of, pairs, refused},
    common::{KeyValue, Long, Pagination},
};

/// Queries: notifications.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmDeliveriesQuery;

#[Object]
impl AlarmDeliveriesQuery {
    /// Notifications, the newest first.
    async fn alarm_deliveries(
        &self,
        ctx: &Context<'_>,
        filter: AlarmDeliveryFilter,
        paging: Pagination,
    ) -> Result<DeliveryPage> {
        let filter: DeliveryFilter = document(&filter)?;
        let (total, deliveries) = listed(desk(ctx).deliveries(&filter, page_of(&paging)).await)?;
        Ok(DeliveryPage { total, deliveries })
    }

    /// One notification; null where there is none.
    async fn alarm_delivery(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AlarmDelivery>> {
        found(desk(ctx).delivery(&id).await)
    }
}

/// Mutations: notifications.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmDeliveriesMutation;

#[Object]
impl AlarmDeliveriesMutation {
    /// Has dead or discarded notifications sent again: those of the ids, or those that meet a filter.
    async fn redrive_delivery(
        &self,
        ctx: &Context<'_>,
        ids: Option<Vec<ID>>,
        filter: Option<AlarmDeliveryFilter>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<RedrivePayload> {
        let (desk, by) = (desk(ctx), by(ctx, reason));
        let redriven = match (ids, filter) {
            (Some(ids), None) => desk.redrive(&texts(ids), &by).await,
            (None, Some(filter)) => desk.redrive_all(&document(&filter)?, &by).await,
            _ => return Err(refused("MISSING", "ids", "either ids or a filter is given")),
        };
        Ok(payload(redriven.map_err(failed)?, client_mutation_id))
    }

    /// Gives notifications up that the receiver does not have yet.
    async fn discard_delivery(
        &self,
        ctx: &Context<'_>,
        ids: Vec<ID>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<RedrivePayload> {
        let discarded = desk(ctx).discard(&texts(ids), &by(ctx, reason)).await.map_err(failed)?;
        Ok(payload(discarded, client_mutation_id))
    }
}

fn texts(ids: Vec<ID>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

fn payload(redriven: Redriven, client_mutation_id: Option<String>) -> RedrivePayload {
    let failure = |(id, error): (String, String)| RedriveFailure { id: id.into(), error };
    RedrivePayload {
        client_mutation_id,
        done: redriven.done.into_iter().map(Into::into).collect(),
        failed: redriven.failed.into_iter().map(failure).collect(),
        left: count(redriven.left),
    }
}

/// What became of notifications that somebody wanted sent again, or given up.
#[derive(SimpleObject, Debug, Clone)]
pub struct RedrivePayload {
    pub client_mutation_id: Option<String>,
    /// Those for which it was done.
    pub done: Vec<ID>,
    /// The others.
    pub failed: Vec<RedriveFailure>,
    /// How many more meet the filter: one request takes so many at most.
    pub left: Long,
}

/// Why it was not done for a notification.
#[derive(SimpleObject, Debug, Clone)]
pub struct RedriveFailure {
    pub id: ID,
    pub error: String,
}

/// What became of a notification.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmDeliveryStatus {
    /// To be sent.
    Waiting,
    /// An attempt is under way.
    Sending,
    /// The receiver has it.
    Sent,
    /// Given up; somebody may send it again.
    Dead,
    /// Given up by an operator.
    Discarded,
}

/// Which notifications to list; everything given must hold.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct AlarmDeliveryFilter {
    pub status: Option<AlarmDeliveryStatus>,
    pub receiver: Option<String>,
    /// That tell of the incident of this id.
    pub incident: Option<String>,
    /// Whether they are tests.
    pub test: Option<bool>,
    /// Made at that time or later.
    pub from: Option<Long>,
    /// Made before that time.
    pub before: Option<Long>,
}

/// A page of notifications.
#[derive(SimpleObject, Debug, Clone)]
pub struct DeliveryPage {
    /// How many there are in all.
    pub total: Long,
    pub deliveries: Vec<AlarmDelivery>,
}

/// A notification.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmDelivery {
    /// Its id, which is the idempotency key.
    pub id: ID,
    pub receiver: String,
    /// Id of the group.
    pub group: String,
    /// Its number in the group.
    pub sequence: Long,
    /// The labels of the group.
    #[serde(deserialize_with = "pairs")]
    pub labels: Vec<KeyValue>,
    /// What it tells.
    pub told: Vec<AlarmTold>,
    /// How many more the group holds that it does not list.
    pub omitted: Long,
    /// Whether it repeats what was told.
    pub repeated: bool,
    pub test: bool,
    pub status: AlarmDeliveryStatus,
    pub made: Long,
    /// When it is tried next; null: it is done with.
    pub next: Option<Long>,
    /// When it was done with.
    pub finished: Option<Long>,
    /// Milliseconds from its making until the receiver had it.
    pub latency_ms: Option<Long>,
    /// How often it was tried.
    #[serde(rename = "nAttempts")]
    pub attempt_count: i32,
    /// Tries, oldest first: the first and the last ones.
    pub attempts: Vec<AlarmAttempt>,
    /// What went wrong last, or the beginning of the answer that says so.
    pub error: String,
    /// When somebody had it sent again.
    pub redriven: Option<Long>,
    pub revision: Long,
}

/// One try.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmAttempt {
    pub at: Long,
    /// Null: no outcome was noted.
    pub took_ms: Option<Long>,
    /// The status of the answer, where there was one.
    pub status: Option<i32>,
    /// What went wrong, or the beginning of an answer that says so.
    pub error: String,
}

/// One alarm in a notification.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmTold {
    /// Id of the incident.
    pub incident: ID,
    /// Number of the transition.
    pub seq: i32,
    pub what: AlarmEventKind,
    pub at: Long,
    pub uuid: String,
    pub message: String,
    /// Whether the alarm flaps.
    pub flapping: bool,
}
