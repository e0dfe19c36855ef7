//! Health.

use async_graphql::{Object, SimpleObject};

/// Queries: health.
#[derive(Debug, Default, Clone, Copy)]
pub struct HealthQuery;

#[Object]
impl HealthQuery {
    /// The server's health.
    async fn check_health(&self) -> HealthStatus {
        HealthStatus { score: 0, details: Some(String::new()) }
    }
}

/// 0 is healthy; `details` says what is not.
#[derive(SimpleObject, Debug, Clone)]
pub struct HealthStatus {
    pub details: Option<String>,
    pub score: i32,
}
