//! Alarms.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::common::{Duration, Entity, Event, KeyValue, Long, MqeValues, Pagination, Scope};
use crate::{Error, alarms, app::app, duration, tags};

/// Queries: alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmQuery;

#[Object]
impl AlarmQuery {
    /// Alarms within the duration.
    async fn get_alarm(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
        scope: Option<Scope>,
        keyword: Option<String>,
        paging: Pagination,
        tags: Option<Vec<Option<AlarmTag>>>,
    ) -> Result<Option<Alarms>> {
        let tags: Vec<AlarmTag> = tags.into_iter().flatten().flatten().collect();
        let what = (scope, keyword.as_deref());
        let list = alarms::list(app(ctx), &duration, what, &tags, &paging, wants_events(ctx));
        list.await.map(Some).map_err(Error::into_graphql)
    }

    /// Alarms that match.
    async fn query_alarms(&self, ctx: &Context<'_>, condition: AlarmQueryCondition) -> Result<Option<Alarms>> {
        let list = alarms::query(app(ctx), &condition, wants_events(ctx));
        list.await.map(Some).map_err(Error::into_graphql)
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_alarm_tag_autocomplete_keys(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::keys(app, tags::Kind::Alarm, &range).await.map(Some).map_err(Error::into_graphql)
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_alarm_tag_autocomplete_values(
        &self,
        ctx: &Context<'_>,
        tag_key: String,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::values(app, tags::Kind::Alarm, &tag_key, &range).await.map(Some).map_err(Error::into_graphql)
    }
}

/// Events are looked for only where somebody wants to see them.
fn wants_events(ctx: &Context<'_>) -> bool {
    ctx.look_ahead().field("msgs").field("events").exists()
}

/// One alarm. `id` is the entity's, so it is not unique; `recoveryTime` is null until it recovered.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmMessage {
    pub events: Vec<Event>,
    pub id: ID,
    pub message: String,
    pub name: String,
    pub recovery_time: Option<Long>,
    pub scope: Option<Scope>,
    pub snapshot: AlarmSnapshot,
    pub start_time: Long,
    pub tags: Vec<KeyValue>,
}

/// What the rule saw when the alarm fired.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmSnapshot {
    pub expression: String,
    pub metrics: Vec<MqeMetric>,
}

/// A page of alarms, newest first.
#[derive(SimpleObject, Debug, Clone)]
pub struct Alarms {
    pub msgs: Vec<AlarmMessage>,
}

/// A metric and its values as an alarm saw them.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "MQEMetric")]
pub struct MqeMetric {
    pub name: String,
    pub results: Vec<MqeValues>,
}

/// Which alarms to list; everything given must hold.
#[derive(InputObject, Debug, Clone)]
pub struct AlarmQueryCondition {
    pub duration: Duration,
    pub entities: Option<Vec<Entity>>,
    pub keyword: Option<String>,
    pub layer: Option<String>,
    pub paging: Pagination,
    pub rule_names: Option<Vec<String>>,
    pub tags: Option<Vec<AlarmTag>>,
}

/// One tag to match.
#[derive(InputObject, Debug, Clone)]
pub struct AlarmTag {
    pub key: String,
    pub value: Option<String>,
}
