//! Metrics by entity names.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use crate::{
    Error,
    app::{app, given},
    metrics_by_name, statements,
};

use super::common::{Duration, Entity, IntValues, Long, Order, Scope};

/// Queries: metrics by entity names.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV2Query;

#[Object]
impl MetricsV2Query {
    /// Shape of a metric's values.
    async fn type_of_metrics(&self, ctx: &Context<'_>, name: String) -> MetricsType {
        metrics_by_name::type_of(app(ctx), &name)
    }

    /// Metrics whose whole name matches the expression.
    async fn list_metrics(&self, ctx: &Context<'_>, regex: Option<String>) -> Result<Vec<MetricDefinition>> {
        metrics_by_name::list(app(ctx), given(regex.as_deref())).map_err(Error::into_graphql)
    }

    /// Mean of a metric over the duration; 0 when there is none.
    async fn read_metrics_value(
        &self,
        ctx: &Context<'_>,
        condition: MetricsCondition,
        duration: Duration,
    ) -> Result<Long> {
        let value = metrics_by_name::read_value(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)?;
        Ok(Long(value.unwrap_or(0)))
    }

    /// Mean of a metric over the duration.
    async fn read_nullable_metrics_value(
        &self,
        ctx: &Context<'_>,
        condition: MetricsCondition,
        duration: Duration,
    ) -> Result<NullableValue> {
        let value = metrics_by_name::read_value(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)?;
        Ok(NullableValue { is_empty_value: value.is_none(), value: Long(value.unwrap_or(0)) })
    }

    /// A metric over time.
    async fn read_metrics_values(
        &self,
        ctx: &Context<'_>,
        condition: MetricsCondition,
        duration: Duration,
    ) -> Result<MetricsValues> {
        metrics_by_name::read_values(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)
    }

    /// A labelled metric over time, one series for each label.
    async fn read_labeled_metrics_values(
        &self,
        ctx: &Context<'_>,
        condition: MetricsCondition,
        labels: Vec<String>,
        duration: Duration,
    ) -> Result<Vec<MetricsValues>> {
        metrics_by_name::read_labelled(app(ctx), &condition, &labels, &duration).await.map_err(Error::into_graphql)
    }

    /// A histogram over time.
    async fn read_heat_map(
        &self,
        ctx: &Context<'_>,
        condition: MetricsCondition,
        duration: Duration,
    ) -> Result<Option<HeatMap>> {
        metrics_by_name::read_heat_map(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)
    }

    /// Entities ranked by a metric.
    async fn sort_metrics(
        &self,
        ctx: &Context<'_>,
        condition: TopNCondition,
        duration: Duration,
    ) -> Result<Vec<SelectedRecord>> {
        metrics_by_name::sort(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)
    }

    /// Sampled records ranked by a metric.
    async fn read_sampled_records(
        &self,
        ctx: &Context<'_>,
        condition: TopNCondition,
        duration: Duration,
    ) -> Result<Vec<SelectedRecord>> {
        statements::sampled(app(ctx), &condition, &duration).await.map_err(Error::into_graphql)
    }
}

/// Bounds of one histogram bucket.
#[derive(SimpleObject, Debug, Clone)]
pub struct Bucket {
    pub max: String,
    pub min: String,
}

/// Histogram columns over time.
#[derive(SimpleObject, Debug, Clone)]
pub struct HeatMap {
    pub buckets: Vec<Bucket>,
    pub values: Vec<HeatMapColumn>,
}

/// Counts of one time bucket.
#[derive(SimpleObject, Debug, Clone)]
pub struct HeatMapColumn {
    pub id: ID,
    pub values: Vec<Long>,
}

/// A metric that can be asked for.
#[derive(SimpleObject, Debug, Clone)]
pub struct MetricDefinition {
    pub catalog: Option<String>,
    pub name: String,
    pub r#type: MetricsType,
}

/// A series.
#[derive(SimpleObject, Debug, Clone)]
pub struct MetricsValues {
    pub label: Option<String>,
    pub values: Option<IntValues>,
}

/// A value that may be missing.
#[derive(SimpleObject, Debug, Clone)]
pub struct NullableValue {
    pub is_empty_value: bool,
    pub value: Long,
}

/// One entry of a ranking.
#[derive(SimpleObject, Debug, Clone)]
pub struct SelectedRecord {
    pub id: ID,
    pub name: String,
    pub ref_id: Option<ID>,
    pub value: Option<String>,
}

/// One metric of one entity, by entity names.
#[derive(InputObject, Debug, Clone)]
pub struct MetricsCondition {
    pub entity: Entity,
    pub name: String,
}

/// Which entities to rank by which metric.
#[derive(InputObject, Debug, Clone)]
pub struct TopNCondition {
    pub name: String,
    pub normal: Option<bool>,
    pub order: Order,
    pub parent_service: Option<String>,
    pub scope: Option<Scope>,
    pub top_n: i32,
}

/// Shape of a metric's values.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsType {
    Heatmap,
    LabeledValue,
    RegularValue,
    SampledRecord,
    Unknown,
}
