//! Metrics by entity id: the oldest queries. Tools that were written against old servers still send them.

use std::{collections::HashMap, sync::Arc};

use model::{
    Scope, id,
    metric::{MetricDef, Shape, Value},
};
use storage::Order;

use crate::{
    Error,
    app::App,
    duration,
    metrics::{self, Parent, whole},
    schema::{
        aggregation::TopNEntity,
        common::{Duration, IntValues, KvInt, Long, Order as WireOrder},
    },
};

/// Most entities whose values are asked for at once.
const MAX_IDS: usize = 1_000;

fn kv(id: String, number: Option<i64>) -> KvInt {
    KvInt { id: id.into(), value: Long(number.unwrap_or(0)), is_empty_value: number.is_none() }
}

/// Mean of a metric over the duration for each of the entities, in the order asked for.
///
/// # Errors
/// When the duration is malformed or there are too many entities.
pub(crate) async fn means(app: &App, name: &str, ids: &[&str], duration: &Duration) -> Result<IntValues, Error> {
    if ids.len() > MAX_IDS {
        return Err(Error::Request(format!("more than {MAX_IDS} ids")));
    }
    let range = duration::parse(duration, app.zone())?;
    let buckets = range.buckets(app.zone(), 0)?;
    let shown = match regular(app, name) {
        Some(def) => {
            let entities = ids.iter().map(|id| (*id).into()).collect();
            metrics::values_of_each(app, def, entities, &range, &buckets).await?
        }
        None => HashMap::new(),
    };
    let mean = |id: &&str| kv((*id).to_owned(), shown.get(*id).and_then(|values| metrics::mean(values)));
    let values = ids.iter().map(mean).collect();
    Ok(IntValues { values })
}

fn regular<'a>(app: &'a App, name: &str) -> Option<&'a MetricDef> {
    app.sources.catalogue.get(name).filter(|def| def.function.shape() == Shape::Regular).map(AsRef::as_ref)
}

/// A metric of an entity over time. Without such a metric, or without an entity, every value is empty.
pub(crate) async fn linear(app: &App, name: &str, id: Option<&str>, duration: &Duration) -> Result<IntValues, Error> {
    let range = duration::parse(duration, app.zone())?;
    let buckets = range.buckets(app.zone(), 0)?;
    let numbers = match (regular(app, name), id) {
        (Some(def), Some(id)) => {
            let values = metrics::values(app, def, id, &range, &buckets).await?;
            values.iter().map(|value| value.as_ref().and_then(Value::number).map(whole)).collect()
        }
        _ => vec![None; buckets.len()],
    };
    let bucket_id = |bucket| format!("{}_{}", app.zone().bucket_text(range.step, bucket), id.unwrap_or(""));
    Ok(IntValues {
        values: buckets.iter().zip(numbers).map(|(bucket, number)| kv(bucket_id(*bucket), number)).collect(),
    })
}

/// The series of a labelled metric of an entity: those of these positions among its labels, in the order asked for. A
/// position that the metric does not have is left out.
pub(crate) async fn linear_by_label(
    app: &App,
    name: &str,
    id: Option<&str>,
    positions: impl Iterator<Item = usize>,
    duration: &Duration,
) -> Result<Vec<IntValues>, Error> {
    let range = duration::parse(duration, app.zone())?;
    let buckets = range.buckets(app.zone(), 0)?;
    let def = app.sources.catalogue.get(name).filter(|def| def.function.shape() == Shape::Labelled);
    let (Some(def), Some(id)) = (def, id) else { return Ok(Vec::new()) };
    let rows = metrics::series(app, def, id, &range, &buckets).await?;
    let bucket_id = |bucket| format!("{}_{id}", app.zone().bucket_text(range.step, bucket));
    let int_values = |row: &mqe::Series| IntValues {
        values: buckets
            .iter()
            .zip(row.values.iter())
            .map(|(bucket, value)| kv(bucket_id(*bucket), value.map(whole)))
            .collect(),
    };
    Ok(positions.take(rows.len()).filter_map(|at| rows.get(at)).map(int_values).collect())
}

/// Entities of a scope ranked by a metric, of one service where one is given. Nothing where there is no such metric of the
/// scope.
///
/// # Errors
/// When the duration or the service's id is malformed.
pub(crate) async fn top(
    app: &App,
    scope: Scope,
    service_id: Option<&str>,
    name: &str,
    n: i32,
    order: WireOrder,
    duration: &Duration,
) -> Result<Vec<TopNEntity>, Error> {
    let range = duration::parse(duration, app.zone())?;
    let service = service_id.map(id::parse_service).transpose()?;
    let Some(def) = regular(app, name).filter(|def| def.scope == scope) else { return Ok(Vec::new()) };
    let order = match order {
        WireOrder::Asc => Order::Asc,
        WireOrder::Des => Order::Desc,
    };
    let parent = Parent {
        service: service.as_ref().map(|(name, _)| name.as_str()),
        normal: service.as_ref().map(|(_, normal)| *normal),
    };
    let n = usize::try_from(n).unwrap_or(0);
    let ranked = metrics::top(app, def, order, n, Vec::new(), parent, &range).await?;
    let entity = |(entity, ranked): (Arc<str>, mqe::Ranked)| TopNEntity {
        id: entity.to_string().into(),
        name: ranked.id,
        value: Long(whole(ranked.value)),
    };
    Ok(ranked.into_iter().map(entity).collect())
}
