//! Sampled records.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{Error, app::app, statements};

use super::common::{Duration, Entity, Order};

/// Queries: sampled records.
#[derive(Debug, Default, Clone, Copy)]
pub struct RecordQuery;

#[Object]
impl RecordQuery {
    /// Sampled records of an entity ranked by a metric.
    async fn read_records(
        &self,
        ctx: &Context<'_>,
        condition: RecordCondition,
        duration: Duration,
    ) -> Result<Vec<Record>> {
        statements::records(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)
    }
}

/// One sampled record; `id` and `refId` are its trace id, or empty.
#[derive(SimpleObject, Debug, Clone)]
pub struct Record {
    pub id: ID,
    pub name: String,
    pub ref_id: Option<ID>,
    pub value: Option<String>,
}

/// Which sampled records to rank.
#[derive(InputObject, Debug, Clone)]
pub struct RecordCondition {
    pub name: String,
    pub order: Order,
    pub parent_entity: Entity,
    pub top_n: i32,
}
