//! The GraphQL schema: one file for each area, whose object holds the area's queries or mutations; the roots merge them.
//!
//! The contract is `tests/schema/fields.txt` of the repository; a test compares. Resolvers are thin: they read arguments,
//! call the area's plain functions and give the answer its GraphQL shape.

pub mod aggregation;
pub mod alarm;
pub mod alarm_config;
pub mod alarm_deliveries;
pub mod alarm_incidents;
pub mod alarm_management;
pub mod alarm_receivers;
pub mod alarm_routes;
pub mod alarm_rule_types;
pub mod alarm_rules;
pub mod alarm_shared;
pub mod alarm_silences;
pub mod alarm_trial_types;
pub mod alarm_trials;
pub mod async_profiler;
pub mod browser;
pub mod common;
pub mod configuration;
pub mod continuous;
pub mod ebpf;
pub mod event;
pub mod health;
pub mod hierarchy;
pub mod log;
mod long;
pub mod metadata;
pub mod metrics_v1;
pub mod metrics_v2;
pub mod metrics_v3;
pub mod ondemand;
pub mod pprof;
pub mod profile;
pub mod record;
mod sdl;
pub mod topn;
pub mod topology;
pub mod trace;
pub mod ttl;

use async_graphql::{EmptySubscription, MergedObject, SchemaBuilder};

pub use sdl::{sdl, sdl_files};

/// All queries.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
#[graphql(name = "Query")]
pub struct QueryRoot(
    common::CommonQuery,
    metadata::MetadataQuery,
    health::HealthQuery,
    ttl::TtlQuery,
    metrics_v1::MetricsV1Query,
    metrics_v2::MetricsV2Query,
    metrics_v3::MetricsV3Query,
    aggregation::AggregationQuery,
    topn::TopnQuery,
    record::RecordQuery,
    topology::TopologyQuery,
    trace::TraceQuery,
    log::LogQuery,
    browser::BrowserQuery,
    alarm::AlarmQuery,
    alarm_management::AlarmManagementQuery,
    event::EventQuery,
    profile::ProfileQuery,
    async_profiler::AsyncProfilerQuery,
    pprof::PprofQuery,
    ebpf::EbpfQuery,
    continuous::ContinuousQuery,
    hierarchy::HierarchyQuery,
    configuration::ConfigurationQuery,
    ondemand::OndemandQuery,
);

/// All mutations.
#[derive(MergedObject, Debug, Default, Clone, Copy)]
#[graphql(name = "Mutation")]
pub struct MutationRoot(
    common::CommonMutation,
    profile::ProfileMutation,
    async_profiler::AsyncProfilerMutation,
    pprof::PprofMutation,
    ebpf::EbpfMutation,
    continuous::ContinuousMutation,
    configuration::ConfigurationMutation,
    alarm_management::AlarmManagementMutation,
);

/// The schema that [`crate::routes`] serves.
pub type Schema = async_graphql::Schema<QueryRoot, MutationRoot, EmptySubscription>;

/// A schema without data and limits; [`crate::build`] adds them.
pub(crate) fn builder() -> SchemaBuilder<QueryRoot, MutationRoot, EmptySubscription> {
    Schema::build(QueryRoot::default(), MutationRoot::default(), EmptySubscription)
}
