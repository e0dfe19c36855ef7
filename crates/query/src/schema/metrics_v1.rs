//! Metrics by entity id, the oldest form.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::{
    Error,
    app::{app, given_id},
    metrics_by_id,
};

use super::common::{Duration, IntValues};

/// Queries: metrics by entity id, the oldest form.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV1Query;

#[Object]
impl MetricsV1Query {
    /// One metric of several entities, mean over the duration.
    async fn get_values(
        &self,
        ctx: &Context<'_>,
        metric: BatchMetricConditions,
        duration: Duration,
    ) -> Result<Option<IntValues>> {
        let ids: Vec<&str> = metric.ids.iter().map(|id| id.as_str()).collect();
        metrics_by_id::means(app(ctx), &metric.name, &ids, &duration).await.map(Some).map_err(Error::into_graphql)
    }

    /// One metric of one entity over time.
    async fn get_linear_int_values(
        &self,
        ctx: &Context<'_>,
        metric: MetricCondition,
        duration: Duration,
    ) -> Result<Option<IntValues>> {
        let id = given_id(metric.id.as_ref());
        metrics_by_id::linear(app(ctx), &metric.name, id, &duration).await.map(Some).map_err(Error::into_graphql)
    }

    /// A labelled metric over time, its first labels.
    async fn get_multiple_linear_int_values(
        &self,
        ctx: &Context<'_>,
        metric: MetricCondition,
        num_of_linear: i32,
        duration: Duration,
    ) -> Result<Vec<IntValues>> {
        let positions = 0..usize::try_from(num_of_linear).unwrap_or(0);
        let id = given_id(metric.id.as_ref());
        metrics_by_id::linear_by_label(app(ctx), &metric.name, id, positions, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// A labelled metric over time, chosen labels.
    async fn get_subset_of_multiple_linear_int_values(
        &self,
        ctx: &Context<'_>,
        metric: MetricCondition,
        linear_index: Vec<i32>,
        duration: Duration,
    ) -> Result<Vec<IntValues>> {
        let positions = linear_index.iter().filter_map(|at| usize::try_from(*at).ok());
        let id = given_id(metric.id.as_ref());
        metrics_by_id::linear_by_label(app(ctx), &metric.name, id, positions, &duration)
            .await
            .map_err(Error::into_graphql)
    }

    /// A histogram over time.
    #[expect(unused_variables, reason = "nothing fills it yet, the arguments are the schema's")]
    async fn get_thermodynamic(&self, metric: MetricCondition, duration: Duration) -> Option<Thermodynamic> {
        None
    }
}

/// Histogram counts as triples of column, row and count.
#[derive(SimpleObject, Debug, Clone)]
pub struct Thermodynamic {
    pub axis_y_step: i32,
    pub nodes: Vec<Vec<Option<i32>>>,
}

/// One metric of several entities, by entity id.
#[derive(InputObject, Debug, Clone)]
pub struct BatchMetricConditions {
    pub ids: Vec<ID>,
    pub name: String,
}

/// One metric of one entity, by entity id.
#[derive(InputObject, Debug, Clone)]
pub struct MetricCondition {
    pub id: Option<ID>,
    pub name: String,
}
