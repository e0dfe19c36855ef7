//! Metrics by entity names.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{Enum, ID, InputObject, Object, SimpleObject};

use super::common::{Duration, Entity, IntValues, Long, Order, Scope};

/// Queries: metrics by entity names.
#[derive(Debug, Default, Clone, Copy)]
pub struct MetricsV2Query;

#[Object]
impl MetricsV2Query {
    /// Shape of a metric's values.
    async fn type_of_metrics(&self, name: String) -> MetricsType {
        MetricsType::Unknown
    }

    /// Metrics whose whole name matches the expression.
    async fn list_metrics(&self, regex: Option<String>) -> Vec<MetricDefinition> {
        Vec::new()
    }

    /// Mean of a metric over the duration; 0 when there is none.
    async fn read_metrics_value(&self, condition: MetricsCondition, duration: Duration) -> Long {
        Long(0)
    }

    /// Mean of a metric over the duration.
    async fn read_nullable_metrics_value(&self, condition: MetricsCondition, duration: Duration) -> NullableValue {
        NullableValue { is_empty_value: true, value: Long(0) }
    }

    /// A metric over time.
    async fn read_metrics_values(&self, condition: MetricsCondition, duration: Duration) -> MetricsValues {
        MetricsValues { label: None, values: Some(IntValues { values: Vec::new() }) }
    }

    /// A labelled metric over time, one series for each label.
    async fn read_labeled_metrics_values(
        &self,
        condition: MetricsCondition,
        labels: Vec<String>,
        duration: Duration,
    ) -> Vec<MetricsValues> {
        Vec::new()
    }

    /// A histogram over time.
    async fn read_heat_map(&self, condition: MetricsCondition, duration: Duration) -> Option<HeatMap> {
        None
    }

    /// Entities ranked by a metric.
    async fn sort_metrics(&self, condition: TopNCondition, duration: Duration) -> Vec<SelectedRecord> {
        Vec::new()
    }

    /// Sampled records ranked by a metric.
    async fn read_sampled_records(&self, condition: TopNCondition, duration: Duration) -> Vec<SelectedRecord> {
        Vec::new()
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
