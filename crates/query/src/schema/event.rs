//! Events.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::common::no_condition;
use crate::{Error, app::app, event};

use super::common::{Duration, Event, EventType, Order, Pagination};

/// Queries: events.
#[derive(Debug, Default, Clone, Copy)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// Events that match.
    async fn query_events(&self, ctx: &Context<'_>, condition: Option<EventQueryCondition>) -> Result<Option<Events>> {
        let condition = condition.ok_or_else(no_condition)?;
        event::list(app(ctx), &condition).await.map(Some).map_err(Error::into_graphql)
    }
}

/// A page of events.
#[derive(SimpleObject, Debug, Clone)]
pub struct Events {
    pub events: Vec<Event>,
}

/// Which events to list; everything given must hold.
#[derive(InputObject, Debug, Clone)]
pub struct EventQueryCondition {
    pub layer: Option<String>,
    pub name: Option<String>,
    pub order: Option<Order>,
    pub paging: Pagination,
    pub source: Option<SourceInput>,
    pub time: Option<Duration>,
    pub r#type: Option<EventType>,
    pub uuid: Option<String>,
}

/// Whose events to list, by names.
#[derive(InputObject, Debug, Clone)]
pub struct SourceInput {
    pub endpoint: Option<String>,
    pub service: Option<String>,
    pub service_instance: Option<String>,
}
