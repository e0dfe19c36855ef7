//! Answers the UIs' and tools' queries: GraphQL over the store.
//!
//! `schema` holds the GraphQL types and thin resolvers, one file for each area; the other modules are plain functions over
//! the store, which the resolvers call. Start at [`build`] and [`routes`].

// The layouts of futures nest as deep as the schema's roots have areas.
#![recursion_limit = "512"]

pub mod actor;
mod alarm_rest;
mod alarm_status;
mod alarms;
mod app;
mod components;
mod config;
mod duration;
mod error;
mod event;
mod frame;
mod hierarchy;
mod http;
mod key_order;
mod limits;
mod log;
mod menu;
mod metadata;
mod metrics;
mod metrics_by_id;
mod metrics_by_name;
mod page;
mod process;
mod random;
pub mod schema;
mod statements;
mod tags;
mod templates;
#[cfg(test)]
mod testing;
mod topology;
mod trace;
mod trace_summary;

use std::sync::Arc;

pub use actor::{Actor, Role};
pub use alarm_rest::routes as alarm_routes;
pub use alarm_status::alarm_status;
pub use app::Sources;
pub use components::Components;
pub use config::Config;
pub use error::{Error, Kind};
pub use hierarchy::{Hierarchy, HierarchyFile};
pub use http::{content_type, routes};
pub use schema::Schema;
pub use templates::{TemplateError, Templates};

/// Builds the schema over its sources, with its limits, and reads the templates of the operator's folder.
///
/// # Errors
/// When a template cannot be served.
pub fn build(config: &Config, sources: Sources) -> Result<Schema, TemplateError> {
    let templates = Templates::load(&config.templates_dir)?;
    let app = app::App::new(sources, config.clone(), templates);
    Ok(schema::builder()
        .data(Arc::new(app))
        .limit_complexity(config.max_complexity)
        .limit_depth(config.max_depth)
        .limit_recursive_depth(config.max_depth + 10)
        .extension(limits::ValidationWording)
        .extension(app::WithSnapshot)
        .finish())
}
