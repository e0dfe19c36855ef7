//! Receivers, with their tests. Secrets are written and never read: they are shown as `***`, and what is written as `***` stays.

use alarm::{
    desk,
    edit::{Done, Edited as _},
    receiver::Receiver,
};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use serde::{Deserialize, Serialize};

use super::{
    alarm_rules::DeletedPayload,
    alarm_shared::{AlarmProblem, by, desk, document, failed, mirrored, problems, refused, revision, version},
    common::Long,
};

/// Queries: receivers of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmReceiversQuery;

#[Object]
impl AlarmReceiversQuery {
    /// Receivers by their names.
    async fn alarm_receivers(&self, ctx: &Context<'_>) -> Result<Vec<AlarmReceiver>> {
        desk(ctx).all::<Receiver>().await.map_err(failed)?.iter().map(shown).collect()
    }
}

/// Mutations: receivers of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmReceiversMutation;

#[Object]
impl AlarmReceiversMutation {
    /// Makes or replaces the receiver of its name.
    async fn upsert_alarm_receiver(
        &self,
        ctx: &Context<'_>,
        input: AlarmReceiverInput,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmReceiverPayload> {
        let (edits, by, expected) = (&desk(ctx).edits, by(ctx, reason), revision(expected_revision)?);
        let receiver: Receiver = document(&input)?;
        let done: Done<Receiver> = match edits.get::<Receiver>(&receiver.id).await {
            Ok(_) => edits.update(receiver, expected, &by).await,
            Err(alarm::edit::EditError::NotFound(_)) if expected.is_none() => edits.create(receiver, &by).await,
            Err(error) => Err(error),
        }
        .map_err(failed)?;
        Ok(AlarmReceiverPayload {
            client_mutation_id,
            receiver: shown(&done.stored)?,
            warnings: problems(&done.warnings.problems),
        })
    }

    /// Deletes a receiver that nothing names.
    async fn delete_alarm_receiver(
        &self,
        ctx: &Context<'_>,
        id: ID,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<DeletedPayload> {
        let expected = revision(expected_revision)?;
        desk(ctx).edits.delete::<Receiver>(&id, expected, &by(ctx, reason)).await.map_err(failed)?;
        Ok(DeletedPayload { client_mutation_id, id })
    }

    /// Sends a sample to a receiver: to a stored one by its id, or to one that is not saved. Either is given.
    async fn test_alarm_receiver(
        &self,
        ctx: &Context<'_>,
        id: Option<ID>,
        input: Option<AlarmReceiverInput>,
        sample: Option<AlarmSample>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmReceiverTest> {
        let sample = match sample {
            Some(AlarmSample::Recovery) => desk::Sample::Recovery,
            Some(AlarmSample::Firing) | None => desk::Sample::Firing,
        };
        let tested = match (id, input) {
            (Some(id), None) => desk(ctx).test_receiver(&id, sample).await,
            (None, Some(input)) => desk(ctx).test_unsaved(document(&input)?, sample, &by(ctx, None)).await,
            _ => return Err(refused("MISSING", "id", "either a receiver's id or a receiver is given")),
        };
        Ok(AlarmReceiverTest { client_mutation_id, ..mirrored(&tested.map_err(failed)?)? })
    }
}

fn shown(stored: &alarm::Stored<Receiver>) -> Result<AlarmReceiver> {
    let mut receiver: AlarmReceiver = mirrored(&stored.doc.shown())?;
    (receiver.revision, receiver.updated) = (version(stored.revision), Long(stored.updated.0));
    Ok(receiver)
}

/// The kinds of receivers.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmReceiverKind {
    Webhook,
    #[serde(rename = "gRPC")]
    Grpc,
    Slack,
    Wechat,
    Dingtalk,
    Feishu,
    Welink,
    Pagerduty,
    Discord,
    Email,
    Teams,
    Telegram,
    Opsgenie,
    Http,
    Alertmanager,
}

/// A receiver.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmReceiver {
    /// `kind.name`, as rules and routes name it: `webhook.ops`.
    pub id: ID,
    pub kind: AlarmReceiverKind,
    /// Whether rules without hooks go to it where no route is there.
    pub is_default: bool,
    /// Whether it is told of recoveries.
    pub send_resolved: bool,
    /// What its kind takes; secrets are `***`.
    pub settings: serde_json::Value,
    #[serde(default)]
    pub revision: Long,
    #[serde(default)]
    pub updated: Long,
}

/// A receiver as it is written.
#[derive(InputObject, Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmReceiverInput {
    /// `kind.name`: `webhook.ops`.
    pub id: String,
    pub kind: AlarmReceiverKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_resolved: Option<bool>,
    /// What its kind takes. A secret that is `***` stays as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// A receiver that was changed.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmReceiverPayload {
    pub client_mutation_id: Option<String>,
    /// As it is now.
    pub receiver: AlarmReceiver,
    /// What is worth to be known of it.
    pub warnings: Vec<AlarmProblem>,
}

/// What a receiver is sent as a test.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmSample {
    /// An alarm that fires.
    Firing,
    /// The same, over.
    Recovery,
}

/// How a test of a receiver went.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmReceiverTest {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    /// Whether the receiver has it.
    pub delivered: bool,
    /// The status of its answer, where there was one.
    pub status: Option<i32>,
    /// What went wrong; empty: nothing.
    pub error: String,
    /// Templates that failed, and why: the plain message was sent instead.
    pub fallbacks: Vec<String>,
    /// A hash of what was sent.
    pub payload: String,
}
