//! Metric expressions over the store: what an expression needs is looked up and loaded here, crate `mqe` computes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use model::{
    Bucket, Cells, Scope,
    agg::Statement,
    cell::{self, CellId},
    id,
    metric::{MetricDef, Shape, Value},
};
use mqe::{
    Frame, Loaded, Need, Outcome, Owner, Ranked, RankedRecord, Series,
    need::{self, TopN},
};
use storage::{Attr, Entities, Order, SeriesQuery, TopQuery};

use crate::{
    Error,
    app::{App, given},
    duration::{self, Range},
    error::Kind,
    frame::framed,
    schema::common::{Duration, Entity, Order as WireOrder},
    statements::{self, Whose},
};

/// How many things one expression reads from the store at a time.
const PARALLEL_READS: usize = 8;
/// Most entries of a ranking.
const MAX_TOP: usize = 1_000;

/// Evaluates an expression. Whatever goes wrong is said in the outcome, so that its neighbours in the same query go on.
pub(crate) async fn evaluate(app: &App, expression: &str, entity: &Entity, duration: &Duration) -> Outcome {
    let expr = match mqe::parse(expression) {
        Ok(expr) => expr,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let range = match duration::parse(duration, app.zone()) {
        Ok(range) => range,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let needs = expr.needs();
    let reads: Vec<_> = needs.iter().map(|need| load(app, need, entity, &range)).collect();
    let loaded: Vec<Loaded> = stream::iter(reads).buffered(PARALLEL_READS).collect().await;
    let step_seconds = u32::try_from(range.step.minutes() * 60).expect("a day has 86,400 seconds");
    mqe::evaluate(&expr, &loaded, step_seconds)
}

async fn load(app: &App, need: &Need, entity: &Entity, range: &Range) -> Loaded {
    let name = &need.metric().name;
    let loaded = match (app.sources.catalogue.get(name), statements::cell_of(name)) {
        (Some(def), _) => match need {
            Need::Series { before, frame, .. } => load_series(app, def, entity, range, *frame, *before).await,
            Need::TopN { top_n, frame } => match framed(range, *frame, 0, app.zone()) {
                Ok(framed) => load_top(app, def, top_n, entity, &framed.range).await,
                Err(error) => Err(error),
            },
        },
        (None, Some(cell)) => load_statements(app, cell, need, entity, range).await,
        (None, None) => return Loaded::UnknownMetric,
    };
    loaded.unwrap_or_else(|error| {
        if error.kind() == Kind::Operator {
            tracing::warn!(%error, metric = name, "metric could not be read");
        }
        Loaded::Failed(error.to_string())
    })
}

/// Slow statements can only be ranked; asked for in another way they are told apart by what is loaded.
async fn load_statements(
    app: &App,
    cell: CellId,
    need: &Need,
    entity: &Entity,
    range: &Range,
) -> Result<Loaded, Error> {
    let Need::TopN { top_n, frame } = need else { return Ok(Loaded::RecordList(Vec::new())) };
    if let Some(attribute) = top_n.attributes.first() {
        return Ok(Loaded::NoAttribute(attribute.column()));
    }
    let (n, whose) = (usize::try_from(top_n.n).unwrap_or(usize::MAX), Whose::of_entity(entity));
    let range = framed(range, *frame, 0, app.zone())?.range;
    let found = statements::ranked(app, cell, whose, ranking(top_n), n, &range).await?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds, of 32 bits")]
    let record = |statement: Statement| RankedRecord {
        id: statement.statement.to_string(),
        value: statement.latency as f64,
        trace_id: statement.trace_id.to_string(),
    };
    Ok(Loaded::RecordList(found.into_iter().map(record).collect()))
}

fn ranking(top_n: &TopN) -> Order {
    match top_n.order {
        need::Order::Asc => Order::Asc,
        need::Order::Des => Order::Desc,
    }
}

/// An order as the store takes it.
pub(crate) fn order(order: WireOrder) -> Order {
    match order {
        WireOrder::Asc => Order::Asc,
        WireOrder::Des => Order::Desc,
    }
}

async fn load_series(
    app: &App,
    def: &MetricDef,
    entity: &Entity,
    range: &Range,
    frame: Frame,
    before: u32,
) -> Result<Loaded, Error> {
    let labelled = match def.function.shape() {
        Shape::Regular => false,
        Shape::Labelled => true,
        Shape::HeatMap => return Ok(Loaded::Failed(format!("Metric: [{}] is a heat map.", def.name))),
    };
    let framed = framed(range, frame, before, app.zone())?;
    let ids = framed.named.iter().map(|bucket| bucket.start().0.to_string()).collect();
    let rows = match (entity_id(def.scope, entity), labelled) {
        (Some(entity), _) => series(app, def, &entity, &framed.range, &framed.buckets).await?,
        (None, true) => Vec::new(),
        (None, false) => return Ok(Loaded::InvalidEntity),
    };
    Ok(Loaded::Series { labelled, ids, rows })
}

/// The values of a metric of an entity, one for each of the buckets: one row for a metric without labels, one for each label
/// seen for a metric with labels.
pub(crate) async fn series(
    app: &App,
    def: &MetricDef,
    entity: &str,
    range: &Range,
    buckets: &[Bucket],
) -> Result<Vec<Series>, Error> {
    let values = values(app, def, entity, range, buckets).await?;
    if def.function.shape() == Shape::Regular {
        let values = values.into_iter().map(|value| value.as_ref().and_then(Value::number)).collect();
        return Ok(vec![Series { labels: Vec::new(), values }]);
    }
    let mut rows: BTreeMap<(&'static str, String), Vec<Option<f64>>> = BTreeMap::new();
    for (at, value) in values.iter().enumerate() {
        for (label, number) in value.iter().flat_map(Value::numbers) {
            let Some((key, label)) = label else { continue };
            rows.entry((key, label.to_owned())).or_insert_with(|| vec![None; buckets.len()])[at] = Some(number);
        }
    }
    let row = |((key, label), values): ((&str, String), Vec<Option<f64>>)| Series {
        labels: vec![(key.to_owned(), label)],
        values: values.into_iter().collect(),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// What a metric of an entity shows in each of the buckets.
pub(crate) async fn values(
    app: &App,
    def: &MetricDef,
    entity: &str,
    range: &Range,
    buckets: &[Bucket],
) -> Result<Vec<Option<Value>>, Error> {
    let mut all = values_of_each(app, def, vec![entity.into()], range, buckets).await?;
    Ok(all.remove(entity).unwrap_or_else(|| vec![None; buckets.len()]))
}

/// What a metric of each of these entities shows in each of the buckets. Entities without any value are left out.
pub(crate) async fn values_of_each(
    app: &App,
    def: &MetricDef,
    entities: Vec<Arc<str>>,
    range: &Range,
    buckets: &[Bucket],
) -> Result<HashMap<Arc<str>, Vec<Option<Value>>>, Error> {
    let (Some(from), Some(to)) = (buckets.first(), buckets.last()) else { return Ok(HashMap::new()) };
    let query =
        SeriesQuery { scope: def.scope, step: range.step, entities, from: *from, to: *to, cells: vec![def.cell] };
    let all = app.read().await.series(&query).await?;
    let shown = |series: storage::Series| {
        let points: HashMap<Bucket, Cells> = series.points.into_iter().collect();
        let value = |bucket: &Bucket| def.function.value(points.get(bucket)?.get(def.cell)?, range.step);
        (series.entity, buckets.iter().map(value).collect())
    };
    Ok(all.into_iter().map(shown).collect())
}

/// Mean of the values that are there, cut to a whole number; `None` when none is.
pub(crate) fn mean(values: &[Option<Value>]) -> Option<i64> {
    let numbers: Vec<f64> = values.iter().flatten().filter_map(Value::number).collect();
    #[expect(clippy::cast_precision_loss, reason = "a series has at most 500 points")]
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    (!numbers.is_empty()).then(|| whole(mean))
}

/// A number cut to a whole one.
#[expect(clippy::cast_possible_truncation, reason = "cutting is what is asked for; the cast saturates")]
pub(crate) fn whole(value: f64) -> i64 {
    value.trunc() as i64
}

async fn load_top(app: &App, def: &MetricDef, top_n: &TopN, entity: &Entity, range: &Range) -> Result<Loaded, Error> {
    let mut attrs = Vec::new();
    for attribute in &top_n.attributes {
        if attribute.index != 0 || !app.sources.catalogue.has_layer(&def.name) {
            return Ok(Loaded::NoAttribute(attribute.column()));
        }
        // A name that is no layer equals none: no row has an ordinal below 0.
        let id = app.sources.layers.by_name(&attribute.value).map_or(-1, |layer| layer.ordinal);
        attrs.push(Attr { cell: cell::LAYERS, equal: attribute.equals, id });
    }
    let parent = Parent { service: entity.service_name.as_deref(), normal: entity.normal };
    let n = usize::try_from(top_n.n).unwrap_or(usize::MAX);
    let ranked = top(app, def, ranking(top_n), n, attrs, parent, range).await?;
    Ok(Loaded::SortedList(ranked.into_iter().map(|(_, ranked)| ranked).collect()))
}

/// The service whose instances or endpoints are ranked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) service: Option<&'a str>,
    pub(crate) normal: Option<bool>,
}

/// Entities ranked by a metric: (entity id, what is shown). The mean over the range is cut to a whole number.
///
/// With a parent only its instances or endpoints are ranked, and shown without its name. Services have no parent, so
/// nothing is found below one.
///
/// # Errors
/// The store's, and when the metric has more than one value.
pub(crate) async fn top(
    app: &App,
    def: &MetricDef,
    order: Order,
    n: usize,
    attrs: Vec<Attr>,
    parent: Parent<'_>,
    range: &Range,
) -> Result<Vec<(Arc<str>, Ranked)>, Error> {
    if def.function.shape() != Shape::Regular {
        return Err(Error::Request(format!("Metric: [{}] has no single value to rank by.", def.name)));
    }
    let parent_name = given(parent.service);
    let entities = match (parent_name, parent.normal, def.scope) {
        (None, ..) => Entities::All,
        (Some(name), Some(normal), Scope::ServiceInstance | Scope::Endpoint) => {
            Entities::Prefix(format!("{}_", id::service(name, normal)))
        }
        (Some(_), ..) => return Ok(Vec::new()),
    };
    let query = TopQuery {
        scope: def.scope,
        step: range.step,
        from: range.first,
        to: range.last,
        cell: def.cell,
        function: def.function,
        order,
        n: n.min(MAX_TOP),
        entities,
        attrs,
    };
    let entries = app.read().await.top(&query).await?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let (id, owner) = shown(def.scope, &entry.entity, parent_name.is_none());
            (entry.entity, Ranked { id, value: entry.value.trunc(), owner: Some(owner) })
        })
        .collect())
}

/// What an entity is called in a ranking, and what it is.
fn shown(scope: Scope, entity: &str, with_service: bool) -> (String, Owner) {
    let service_id = id::service_of(entity).to_owned();
    let Ok((service_name, normal)) = id::parse_service(&service_id) else {
        return (entity.to_owned(), Owner::default());
    };
    let own = id::parse_instance(entity).ok().map(|(_, name)| name);
    let mut owner = Owner {
        scope: scope_name(scope).map(str::to_owned),
        service_id: Some(service_id),
        service_name: Some(service_name.clone()),
        normal: Some(normal),
        ..Owner::default()
    };
    match (scope, own) {
        (Scope::Service, _) => return (service_name, owner),
        (Scope::ServiceInstance, Some(name)) => {
            owner.service_instance_id = Some(entity.to_owned());
            owner.service_instance_name = Some(name);
        }
        (Scope::Endpoint, Some(name)) => {
            owner.endpoint_id = Some(entity.to_owned());
            owner.endpoint_name = Some(name);
        }
        _ => return (entity.to_owned(), Owner::default()),
    }
    let name = owner.service_instance_name.as_ref().or(owner.endpoint_name.as_ref()).cloned().unwrap_or_default();
    (if with_service { format!("{service_name} - {name}") } else { name }, owner)
}

/// The id of the entity that a metric of this scope is asked for; the scope in the request means nothing. `None`: a name or a
/// `normal` that the scope needs was not given. An empty name counts as given, as clients send it.
pub(crate) fn entity_id(scope: Scope, entity: &Entity) -> Option<String> {
    let source = || Some(id::service(entity.service_name.as_deref()?, entity.normal?));
    let dest = || Some(id::service(entity.dest_service_name.as_deref()?, entity.dest_normal?));
    let instance = |service: Option<String>, name: &Option<String>| Some(id::instance(&service?, name.as_deref()?));
    let process = |instance: Option<String>, name: &Option<String>| Some(id::process(name.as_deref()?, &instance?));
    let source_instance = || instance(source(), &entity.service_instance_name);
    let dest_instance = || instance(dest(), &entity.dest_service_instance_name);
    match scope {
        Scope::Service => source(),
        Scope::ServiceInstance => source_instance(),
        Scope::Endpoint => Some(id::endpoint(&source()?, entity.endpoint_name.as_deref()?)),
        Scope::Process => process(source_instance(), &entity.process_name),
        Scope::ServiceRelation => Some(id::relation(&source()?, &dest()?)),
        Scope::ServiceInstanceRelation => Some(id::relation(&source_instance()?, &dest_instance()?)),
        Scope::EndpointRelation => Some(id::endpoint_relation(
            &source()?,
            entity.endpoint_name.as_deref()?,
            &dest()?,
            entity.dest_endpoint_name.as_deref()?,
        )),
        Scope::ProcessRelation => {
            let source = process(source_instance(), &entity.process_name)?;
            Some(id::relation(&source, &process(dest_instance(), &entity.dest_process_name)?))
        }
        Scope::Address | Scope::Tag => None,
    }
}

fn scope_name(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Service => Some("Service"),
        Scope::ServiceInstance => Some("ServiceInstance"),
        Scope::Endpoint => Some("Endpoint"),
        _ => None,
    }
}
