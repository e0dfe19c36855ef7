//! Silences: what nobody is told of for a time.

use alarm::silence::Silence;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use serde::{Deserialize, Serialize};

use super::{
    alarm_incidents::AlarmState,
    alarm_shared::{
        AlarmEntity, AlarmMatcher, AlarmProblem, by, desk, document, failed, listed, mirrored, page_of, problems,
        revision,
    },
    common::{Long, Pagination},
};

/// Queries: silences.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmSilencesQuery;

#[Object]
impl AlarmSilencesQuery {
    /// Silences, those that end last first; those that are over only where they are asked for.
    async fn alarm_silences(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] expired: bool,
        paging: Pagination,
    ) -> Result<AlarmSilencePage> {
        let (total, silences) = listed(desk(ctx).silences(expired, page_of(&paging)).await)?;
        Ok(AlarmSilencePage { total, silences })
    }
}

/// Mutations: silences.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmSilencesMutation;

#[Object]
impl AlarmSilencesMutation {
    /// Makes a silence. One that would hit more than the server's limit is refused, unless it is forced.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments are the mutation's, and the macro makes several functions of them"
    )]
    async fn create_alarm_silence(
        &self,
        ctx: &Context<'_>,
        matchers: Vec<AlarmMatcher>,
        schedule: AlarmScheduleInput,
        comment: String,
        #[graphql(default)] force: bool,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmSilencePayload> {
        let silence = silence(ctx, String::new(), matchers, schedule, comment)?;
        let done = desk(ctx).create_silence(silence, force, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id)
    }

    /// Changes a silence, as [createAlarmSilence] makes one.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments are the mutation's, and the macro makes several functions of them"
    )]
    async fn update_alarm_silence(
        &self,
        ctx: &Context<'_>,
        id: ID,
        matchers: Vec<AlarmMatcher>,
        schedule: AlarmScheduleInput,
        comment: String,
        #[graphql(default)] force: bool,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmSilencePayload> {
        let silence = silence(ctx, id.to_string(), matchers, schedule, comment)?;
        let expected = revision(expected_revision)?;
        let done = desk(ctx).update_silence(silence, expected, force, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id)
    }

    /// Ends a silence now.
    async fn expire_alarm_silence(
        &self,
        ctx: &Context<'_>,
        id: ID,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmSilencePayload> {
        let view = desk(ctx).expire_silence(&id, &by(ctx, reason)).await.map_err(failed)?;
        Ok(AlarmSilencePayload { client_mutation_id, silence: mirrored(&view)?, warnings: Vec::new() })
    }

    /// What a silence with these matchers would hit at present.
    async fn preview_alarm_silence(
        &self,
        ctx: &Context<'_>,
        matchers: Vec<AlarmMatcher>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmSilencePreview> {
        let matchers: Vec<alarm::route::Matcher> = document(&matchers)?;
        let preview = desk(ctx).preview_silence(&matchers).await.map_err(failed)?;
        Ok(AlarmSilencePreview { client_mutation_id, ..mirrored(&preview)? })
    }
}

fn silence(
    ctx: &Context<'_>,
    id: String,
    matchers: Vec<AlarmMatcher>,
    schedule: AlarmScheduleInput,
    comment: String,
) -> Result<Silence> {
    Ok(Silence {
        id,
        matchers: document(&matchers)?,
        starts: schedule.starts.map_or_else(|| desk(ctx).clock.now(), |Long(at)| model::UnixMillis(at)),
        ends: model::UnixMillis(schedule.ends.0),
        recurrence: schedule.recurrence.map(|recurrence| document(&recurrence)).transpose()?,
        ends_on_recovery: schedule.ends_on_recovery,
        comment,
        author: String::new(),
        change: String::new(),
    })
}

fn payload(
    ctx: &Context<'_>,
    done: alarm::edit::Done<Silence>,
    client_mutation_id: Option<String>,
) -> Result<AlarmSilencePayload> {
    let view = desk(ctx).silence_view(done.stored);
    Ok(AlarmSilencePayload {
        client_mutation_id,
        silence: mirrored(&view)?,
        warnings: problems(&done.warnings.problems),
    })
}

/// Where a silence stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmSilenceStatus {
    /// It begins later.
    Pending,
    /// It is between its start and its end.
    Active,
    /// It is over.
    Expired,
}

/// A silence.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmSilence {
    pub id: ID,
    /// All must hold.
    pub matchers: Vec<AlarmMatcher>,
    pub starts: Long,
    pub ends: Long,
    /// Within that, when.
    pub recurrence: Option<AlarmRecurrence>,
    /// Whether it ends when nothing that it silences is open any more.
    pub ends_on_recovery: bool,
    pub comment: String,
    /// Who made it.
    pub author: String,
    pub status: AlarmSilenceStatus,
    /// Whether it holds at this moment.
    pub holds: bool,
    pub revision: Long,
    pub updated: Long,
}

/// When a silence comes back.
#[derive(SimpleObject, InputObject, Debug, Clone, Serialize, Deserialize)]
#[graphql(input_name = "AlarmRecurrenceInput")]
pub struct AlarmRecurrence {
    /// When it begins: a cron expression with seconds, `0 0 2 * * Sun`.
    pub cron: String,
    /// Name of its zone.
    pub zone: String,
    /// How long it lasts each time, in minutes.
    pub minutes: i32,
}

/// When a silence holds.
#[derive(InputObject, Debug, Clone)]
pub struct AlarmScheduleInput {
    /// From when; now where it is left out.
    pub starts: Option<Long>,
    /// Until when; every silence ends.
    pub ends: Long,
    /// Within that, when.
    pub recurrence: Option<AlarmRecurrence>,
    /// Whether it ends when nothing that it silences is open any more.
    #[graphql(default)]
    pub ends_on_recovery: bool,
}

/// A page of silences.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmSilencePage {
    /// How many there are in all.
    pub total: Long,
    pub silences: Vec<AlarmSilence>,
}

/// A silence that was changed.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmSilencePayload {
    pub client_mutation_id: Option<String>,
    /// As it is now.
    pub silence: AlarmSilence,
    /// What is worth to be known of it.
    pub warnings: Vec<AlarmProblem>,
}

/// What a silence would hit.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmSilencePreview {
    #[serde(skip)]
    pub client_mutation_id: Option<String>,
    /// How many open alarms.
    #[serde(rename = "nAlarms")]
    pub alarm_count: Long,
    /// How many known services, instances and endpoints.
    #[serde(rename = "nEntities")]
    pub entity_count: Long,
    /// How many rules.
    #[serde(rename = "nRules")]
    pub rule_count: Long,
    /// The first ones of the alarms.
    pub alarms: Vec<SilencedAlarm>,
    /// The first ones of the entities.
    pub entities: Vec<AlarmEntity>,
    /// Names of the first ones of the rules.
    pub rules: Vec<String>,
}

/// An open alarm that a silence would hit.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct SilencedAlarm {
    /// Id of the incident.
    pub incident: ID,
    /// The rule's name.
    pub rule: String,
    pub entity: AlarmEntity,
    pub state: AlarmState,
}
