//! Slow statements: what rows keep of them, ranked.

use std::sync::Arc;

use model::{
    Agg, Cells, Scope,
    agg::Statement,
    cell::{self, CellId},
    id,
};
use storage::{Entities, Order, ScanQuery, SeriesQuery};

use crate::{
    Error,
    app::{self, App, given},
    duration::{self, Range},
    metrics,
    schema::{
        common::{Duration, Entity, Long, Order as WireOrder},
        metrics_v2::{SelectedRecord, TopNCondition},
        record::{Record, RecordCondition},
        topn::{TopNRecord, TopNRecordsCondition},
    },
};

/// Most statements that one question answers with.
const MAX_STATEMENTS: usize = 1_000;

/// The cell of service rows that holds the statements of a name; `None` where the name means something else.
pub(crate) fn cell_of(name: &str) -> Option<CellId> {
    cell::SLOW.iter().find(|(known, _)| *known == name).map(|&(_, cell)| cell)
}

/// Whose statements are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of all services.
    All,
    /// Those of one.
    Service(Arc<str>),
    /// Nobody's: a name was given, and not what it is the name of.
    Nobody,
}

impl Whose {
    fn of(name: Option<&str>, normal: Option<bool>) -> Self {
        match (given(name), normal) {
            (None, _) => Whose::All,
            (Some(name), Some(normal)) => Whose::Service(id::service(name, normal).into()),
            (Some(_), None) => Whose::Nobody,
        }
    }

    /// The service that an entity names, whatever else it names.
    pub(crate) fn of_entity(entity: &Entity) -> Self {
        Whose::of(entity.service_name.as_deref(), entity.normal)
    }
}

/// The slowest statements (or the least slow of those that were kept) that began in a range; among equals by id.
pub(crate) async fn ranked(
    app: &App,
    cell: CellId,
    whose: Whose,
    order: Order,
    n: usize,
    range: &Range,
) -> Result<Vec<Statement>, Error> {
    let rows: Vec<Cells> = match whose {
        Whose::Nobody => return Ok(Vec::new()),
        Whose::Service(service) => {
            let query = SeriesQuery {
                scope: Scope::Service,
                step: range.step,
                entities: vec![service],
                from: range.first,
                to: range.last,
                cells: vec![cell],
            };
            let series = app.read().await.series(&query).await?;
            series.into_iter().flat_map(|series| series.points).map(|(_, cells)| cells).collect()
        }
        Whose::All => {
            let query = ScanQuery {
                scope: Scope::Service,
                step: range.step,
                from: range.first,
                to: range.last,
                entities: Entities::All,
                cells: vec![cell],
                changed_since: None,
                after: None,
                limit: 0,
            };
            app::scan(app, query).await?.into_iter().map(|row| row.cells).collect()
        }
    };
    let mut found: Vec<Statement> = rows
        .into_iter()
        .flat_map(|cells| if let Some(Agg::Top(top)) = cells.get(cell) { top.clone() } else { Vec::new() })
        .filter(|statement| (range.start..=range.end).contains(&statement.at))
        .collect();
    match order {
        Order::Asc => found.sort_unstable_by(|a, b| a.latency.cmp(&b.latency).then_with(|| a.id.cmp(&b.id))),
        Order::Desc => found.sort_unstable_by(|a, b| b.latency.cmp(&a.latency).then_with(|| a.id.cmp(&b.id))),
    }
    found.truncate(n.min(MAX_STATEMENTS));
    Ok(found)
}

/// The same in the words of the older queries; nothing where the name is not that of slow statements.
async fn asked(
    app: &App,
    name: &str,
    whose: Whose,
    order: WireOrder,
    n: i32,
    duration: &Duration,
) -> Result<Vec<Statement>, Error> {
    let range = duration::parse(duration, app.zone())?;
    let Some(cell) = cell_of(name) else { return Ok(Vec::new()) };
    let order = metrics::order(order);
    ranked(app, cell, whose, order, usize::try_from(n).unwrap_or(0), &range).await
}

/// Slow statements of an entity's service.
///
/// # Errors
/// When the duration is malformed.
pub(crate) async fn records(app: &App, condition: &RecordCondition, duration: &Duration) -> Result<Vec<Record>, Error> {
    let whose = Whose::of_entity(&condition.parent_entity);
    let found = asked(app, &condition.name, whose, condition.order, condition.top_n, duration).await?;
    let record = |statement: Statement| Record {
        id: statement.trace_id.to_string().into(),
        name: statement.statement.to_string(),
        ref_id: Some(statement.trace_id.to_string().into()),
        value: Some(statement.latency.to_string()),
    };
    Ok(found.into_iter().map(record).collect())
}

/// Slow statements of a service by its name.
///
/// # Errors
/// When the duration is malformed.
pub(crate) async fn sampled(
    app: &App,
    condition: &TopNCondition,
    duration: &Duration,
) -> Result<Vec<SelectedRecord>, Error> {
    let whose = Whose::of(condition.parent_service.as_deref(), condition.normal);
    let found = asked(app, &condition.name, whose, condition.order, condition.top_n, duration).await?;
    let record = |statement: Statement| SelectedRecord {
        id: statement.trace_id.to_string().into(),
        name: statement.statement.to_string(),
        ref_id: Some(statement.trace_id.to_string().into()),
        value: Some(statement.latency.to_string()),
    };
    Ok(found.into_iter().map(record).collect())
}

/// Slow statements of a service by its id.
///
/// # Errors
/// When the duration or the id is malformed.
pub(crate) async fn of_service(app: &App, condition: &TopNRecordsCondition) -> Result<Vec<TopNRecord>, Error> {
    let service = condition.service_id.as_str();
    id::parse_service(service)?;
    let (name, whose) = (&condition.metric_name, Whose::Service(service.into()));
    let found = asked(app, name, whose, condition.order, condition.top_n, &condition.duration).await?;
    let record = |statement: Statement| TopNRecord {
        latency: Long(statement.latency),
        statement: Some(statement.statement.to_string()),
        trace_id: Some(statement.trace_id.to_string()),
    };
    Ok(found.into_iter().map(record).collect())
}
