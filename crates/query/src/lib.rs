//! Answers the UIs' and tools' queries: GraphQL over the store.
//!
//! `schema` holds the GraphQL types and thin resolvers, one file for each area; the other modules are plain functions.

mod config;
mod http;
mod limits;
pub mod schema;

pub use config::Config;
pub use http::routes;
pub use schema::Schema;

/// Builds the schema with its limits.
#[must_use]
pub fn build(config: &Config) -> Schema {
    schema::builder()
        .limit_complexity(config.max_complexity)
        .limit_depth(config.max_depth)
        .limit_recursive_depth(config.max_depth + 10)
        .extension(limits::ValidationWording)
        .finish()
}
