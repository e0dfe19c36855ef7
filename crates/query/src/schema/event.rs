//! Events.

#![expect(unused_variables, reason = "the names of arguments are the schema's; what is not filled yet answers empty")]

use async_graphql::{InputObject, Object, SimpleObject};

use super::common::{Duration, Event, EventType, Order, Pagination};

/// Queries: events.
#[derive(Debug, Default, Clone, Copy)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// Events that match.
    async fn query_events(&self, condition: Option<EventQueryCondition>) -> Option<Events> {
        Some(Events { events: Vec::new() })
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
