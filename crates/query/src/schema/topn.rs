//! Sampled records of a service, the oldest form.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{Error, app::app, statements};

use super::common::{Duration, Long, Order};

/// Queries: sampled records of a service, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct TopnQuery;

#[Object]
impl TopnQuery {
    /// Sampled records ranked by a metric.
    async fn get_top_n_records(&self, ctx: &Context<'_>, condition: TopNRecordsCondition) -> Result<Vec<TopNRecord>> {
        statements::of_service(app(ctx), &condition).await.map_err(Error::into_graphql)
    }
}

/// One slow statement; `latency` in milliseconds.
#[derive(SimpleObject, Debug, Clone)]
pub struct TopNRecord {
    pub latency: Long,
    pub statement: Option<String>,
    pub trace_id: Option<String>,
}

/// Which sampled records of a service to rank.
#[derive(InputObject, Debug, Clone)]
pub struct TopNRecordsCondition {
    pub duration: Duration,
    pub metric_name: String,
    pub order: Order,
    pub service_id: ID,
    pub top_n: i32,
}
