//! Health.

use async_graphql::{Context, Object, SimpleObject};

use crate::app::app;

/// Queries: health.
#[derive(Debug, Default, Clone, Copy)]
pub struct HealthQuery;

#[Object]
impl HealthQuery {
    /// The server's health.
    async fn check_health(&self, ctx: &Context<'_>) -> HealthStatus {
        let health = app(ctx).store().health().await;
        let details = if health.ok { String::new() } else { health.detail };
        HealthStatus { score: i32::from(!health.ok), details: Some(details) }
    }
}

/// 0 is healthy; `details` says what is not.
#[derive(SimpleObject, Debug, Clone)]
pub struct HealthStatus {
    pub details: Option<String>,
    pub score: i32,
}
