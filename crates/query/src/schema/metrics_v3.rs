//! Metric expressions.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, Object, SimpleObject};

use super::common::{DebuggingTrace, Duration, Entity, MqeValues};

/// Queries: metric expressions.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV3Query;

#[Object]
impl MetricsV3Query {
    /// Evaluate an expression; never a GraphQL error.
    async fn exec_expression(
        &self,
        expression: String,
        entity: Entity,
        duration: Duration,
        debug: Option<bool>,
        #[graphql(name = "dumpDBRsp")] dump_db_rsp: Option<bool>,
    ) -> ExpressionResult {
        ExpressionResult {
            r#type: ExpressionResultType::Unknown,
            results: Vec::new(),
            error: Some("expressions are not evaluated yet".to_owned()),
            debugging_trace: None,
        }
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
