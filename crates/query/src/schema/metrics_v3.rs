//! Metric expressions.

use async_graphql::{Context, Enum, Object, SimpleObject};

use mqe::{Labelled, Outcome, Point, ResultType};

use crate::{app::app, metrics};

use super::common::{DebuggingTrace, Duration, Entity, KeyValue, Metadata, MqeValue, MqeValues, Owner, Scope};

/// Queries: metric expressions.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV3Query;

#[Object]
impl MetricsV3Query {
    /// Evaluate an expression; never a GraphQL error.
    async fn exec_expression(
        &self,
        ctx: &Context<'_>,
        expression: String,
        entity: Entity,
        duration: Duration,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        debug: Option<bool>,
        #[expect(unused_variables, reason = "no debugging trace is kept yet, the argument is the schema's")]
        #[graphql(name = "dumpDBRsp")]
        dump_db_rsp: Option<bool>,
    ) -> ExpressionResult {
        result_to_wire(metrics::evaluate(app(ctx), &expression, &entity, &duration).await)
    }
}

/// Result of an expression. A problem stands in `error`, never among GraphQL's errors.
#[derive(SimpleObject, Debug, Clone)]
pub struct ExpressionResult {
    pub debugging_trace: Option<DebuggingTrace>,
    pub error: Option<String>,
    pub results: Vec<MqeValues>,
    pub r#type: ExpressionResultType,
}

/// Shape of an expression's result.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionResultType {
    RecordList,
    SingleValue,
    SortedList,
    TimeSeriesValues,
    Unknown,
}

fn result_to_wire(outcome: Outcome) -> ExpressionResult {
    ExpressionResult {
        r#type: match outcome.kind {
            ResultType::Unknown => ExpressionResultType::Unknown,
            ResultType::SingleValue => ExpressionResultType::SingleValue,
            ResultType::TimeSeriesValues => ExpressionResultType::TimeSeriesValues,
            ResultType::SortedList => ExpressionResultType::SortedList,
            ResultType::RecordList => ExpressionResultType::RecordList,
        },
        results: outcome.results.into_iter().map(labelled_to_wire).collect(),
        error: outcome.error,
        debugging_trace: None,
    }
}

fn labelled_to_wire(labelled: Labelled) -> MqeValues {
    let labels = labelled.labels.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect();
    MqeValues { metric: Metadata { labels }, values: labelled.values.into_iter().map(point_to_wire).collect() }
}

fn point_to_wire(point: Point) -> MqeValue {
    MqeValue {
        id: point.id.map(Into::into),
        value: point.value.map(mqe::format_value),
        trace_id: point.trace_id.map(Into::into),
        owner: point.owner.map(owner_to_wire),
    }
}

fn owner_to_wire(owner: mqe::Owner) -> Owner {
    Owner {
        scope: owner.scope.as_deref().and_then(|scope| match scope {
            "Service" => Some(Scope::Service),
            "ServiceInstance" => Some(Scope::ServiceInstance),
            "Endpoint" => Some(Scope::Endpoint),
            _ => None,
        }),
        service_id: owner.service_id.map(Into::into),
        service_name: owner.service_name,
        normal: owner.normal,
        service_instance_id: owner.service_instance_id.map(Into::into),
        service_instance_name: owner.service_instance_name,
        endpoint_id: owner.endpoint_id.map(Into::into),
        endpoint_name: owner.endpoint_name,
    }
}
