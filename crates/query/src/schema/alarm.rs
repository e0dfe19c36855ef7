//! Alarms.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Entity, Event, KeyValue, Long, MqeValues, Pagination, Scope};

/// Queries: alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmQuery;

#[Object]
impl AlarmQuery {
    /// Alarms within the duration.
    async fn get_alarm(
        &self,
        duration: Duration,
        scope: Option<Scope>,
        keyword: Option<String>,
        paging: Pagination,
        tags: Option<Vec<Option<AlarmTag>>>,
    ) -> Option<Alarms> {
        Some(Alarms { msgs: Vec::new() })
    }

    /// Alarms that match.
    async fn query_alarms(&self, condition: AlarmQueryCondition) -> Option<Alarms> {
        Some(Alarms { msgs: Vec::new() })
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_alarm_tag_autocomplete_keys(&self, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_alarm_tag_autocomplete_values(&self, tag_key: String, duration: Duration) -> Option<Vec<String>> {
        Some(Vec::new())
    }
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
