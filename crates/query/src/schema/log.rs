//! Logs.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::common::no_condition;
use crate::{Error, app::app, duration, log, tags};

use super::common::{
    Duration, EndpointCondition, InstanceCondition, KeyValue, Log, Logs, Long, Order, Pagination, ServiceCondition,
};

/// Queries: logs.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogQuery;

#[Object]
impl LogQuery {
    /// Logs that match.
    async fn query_logs(
        &self,
        ctx: &Context<'_>,
        condition: Option<LogQueryCondition>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Logs>> {
        let condition = condition.ok_or_else(no_condition)?;
        log::list(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }

    /// Logs that match, entities by name.
    async fn query_logs_by_name(
        &self,
        ctx: &Context<'_>,
        condition: Option<LogQueryConditionByName>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
    ) -> Result<Option<Logs>> {
        let condition = log::by_name(app(ctx), condition.ok_or_else(no_condition)?);
        log::list(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }

    /// Whether content can be searched.
    async fn support_query_logs_by_keywords(&self) -> bool {
        true
    }

    /// Keys of searchable tags seen within the duration.
    async fn query_log_tag_autocomplete_keys(
        &self,
        ctx: &Context<'_>,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::keys(app, tags::Kind::Log, &range).await.map(Some).map_err(Error::into_graphql)
    }

    /// Values of a searchable tag seen within the duration.
    async fn query_log_tag_autocomplete_values(
        &self,
        ctx: &Context<'_>,
        tag_key: String,
        duration: Duration,
    ) -> Result<Option<Vec<String>>> {
        let app = app(ctx);
        let range = duration::parse(&duration, app.zone()).map_err(Error::into_graphql)?;
        tags::values(app, tags::Kind::Log, &tag_key, &range).await.map(Some).map_err(Error::into_graphql)
    }

    /// Try a log analysis script.
    #[expect(unused_variables, reason = "nothing fills it yet, the arguments are the schema's")]
    async fn test(&self, requests: LogTestRequest) -> LogTestResponse {
        LogTestResponse { log: None, metrics: Some(Vec::new()) }
    }
}

/// A metric that a log analysis script produced.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogTestMetrics {
    pub name: String,
    pub tags: Option<Vec<KeyValue>>,
    pub timestamp: Long,
    pub value: Long,
}

/// What a log analysis script made of a log.
#[derive(SimpleObject, Debug, Clone)]
pub struct LogTestResponse {
    pub log: Option<Log>,
    pub metrics: Option<Vec<LogTestMetrics>>,
}

/// Which logs to list; everything given must hold.
#[derive(InputObject, Debug, Clone)]
pub struct LogQueryCondition {
    pub endpoint_id: Option<ID>,
    pub excluding_keywords_of_content: Option<Vec<String>>,
    pub keywords_of_content: Option<Vec<String>>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: Option<Order>,
    pub related_trace: Option<TraceScopeCondition>,
    pub service_id: Option<ID>,
    pub service_instance_id: Option<ID>,
    pub tags: Option<Vec<LogTag>>,
}

/// Which logs to list, entities by name.
#[derive(InputObject, Debug, Clone)]
pub struct LogQueryConditionByName {
    pub endpoint: Option<EndpointCondition>,
    pub excluding_keywords_of_content: Option<Vec<String>>,
    pub instance: Option<InstanceCondition>,
    pub keywords_of_content: Option<Vec<String>>,
    pub paging: Pagination,
    pub query_duration: Option<Duration>,
    pub query_order: Option<Order>,
    pub related_trace: Option<TraceScopeCondition>,
    pub service: Option<ServiceCondition>,
    pub tags: Option<Vec<LogTag>>,
}

/// One tag to match.
#[derive(InputObject, Debug, Clone)]
pub struct LogTag {
    pub key: String,
    pub value: Option<String>,
}

/// A log analysis script and a log to try it on.
#[derive(InputObject, Debug, Clone)]
pub struct LogTestRequest {
    pub dsl: String,
    pub log: String,
}

/// The trace, and the segment and span in it, that logs belong to.
#[derive(InputObject, Debug, Clone)]
pub struct TraceScopeCondition {
    pub segment_id: Option<String>,
    pub span_id: Option<i32>,
    pub trace_id: String,
}
