//! Metrics without expressions: the older queries that tools still use.

use std::collections::BTreeSet;

use crate::{
    Error,
    app::App,
    duration::{self, Range},
    metrics::{self, Parent, whole},
    schema::{
        common::{Duration, IntValues, KvInt, Long},
        metrics_v2 as wire,
    },
    statements,
};
use model::{
    Bucket, Scope, cell,
    metric::{MetricDef, Shape, Value},
};

/// What a value is where there is none.
const DEFAULT: i64 = 0;
/// Longest expression that metric names are matched with.
const MAX_PATTERN: usize = 1_000;

/// Shape of a metric's values; `UNKNOWN` where there is no such metric.
pub(crate) fn type_of(app: &App, name: &str) -> wire::MetricsType {
    match (app.sources.catalogue.get(name), statements::cell_of(name)) {
        (Some(def), _) => type_of_def(def),
        (None, Some(_)) => wire::MetricsType::SampledRecord,
        (None, None) => wire::MetricsType::Unknown,
    }
}

fn type_of_def(def: &MetricDef) -> wire::MetricsType {
    match def.function.shape() {
        Shape::Regular => wire::MetricsType::RegularValue,
        Shape::Labelled => wire::MetricsType::LabeledValue,
        Shape::HeatMap => wire::MetricsType::Heatmap,
    }
}

/// Metrics whose whole name matches; all where no expression is given.
///
/// # Errors
/// When the expression is none.
pub(crate) fn list(app: &App, pattern: Option<&str>) -> Result<Vec<wire::MetricDefinition>, Error> {
    let pattern = pattern.unwrap_or(".*");
    if pattern.len() > MAX_PATTERN {
        return Err(Error::Request(format!("the expression is longer than {MAX_PATTERN} bytes")));
    }
    let matcher = regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| Error::Request(format!("not a regular expression: {error}")))?;
    let definition = |def: &MetricDef| wire::MetricDefinition {
        name: def.name.clone(),
        r#type: type_of_def(def),
        catalog: catalog(def.scope).map(str::to_owned),
    };
    let slow = cell::SLOW.iter().map(|(name, _)| wire::MetricDefinition {
        name: (*name).to_owned(),
        r#type: wire::MetricsType::SampledRecord,
        catalog: catalog(Scope::Service).map(str::to_owned),
    });
    let all = app.sources.catalogue.iter().map(|def| definition(def)).chain(slow);
    let mut found: Vec<_> = all.filter(|definition| matcher.is_match(&definition.name)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn catalog(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Service => Some("SERVICE"),
        Scope::ServiceInstance => Some("SERVICE_INSTANCE"),
        Scope::Endpoint => Some("ENDPOINT"),
        Scope::Process => Some("PROCESS"),
        Scope::ServiceRelation => Some("SERVICE_RELATION"),
        Scope::ServiceInstanceRelation => Some("SERVICE_INSTANCE_RELATION"),
        Scope::EndpointRelation => Some("ENDPOINT_RELATION"),
        Scope::ProcessRelation => Some("PROCESS_RELATION"),
        Scope::Address | Scope::Tag => None,
    }
}

/// A metric of an entity, as asked for, and the range: what all readers begin with. `Err(why)` inside is what stands in the
/// ids of the answer where the metric or the entity is wrong.
struct Asked<'a> {
    range: Range,
    buckets: Vec<Bucket>,
    of: Result<(&'a MetricDef, String), &'static str>,
}

fn asked<'a>(app: &'a App, condition: &wire::MetricsCondition, duration: &Duration) -> Result<Asked<'a>, Error> {
    let range = duration::parse(duration, app.zone())?;
    let buckets = range.buckets(app.zone(), 0)?;
    let of = match app.sources.catalogue.get(&condition.name) {
        None => Err("UNKNOWN_METRIC_NAME"),
        Some(def) => match metrics::entity_id(def.scope, &condition.entity) {
            None => Err("ILLEGAL_ENTITY"),
            Some(entity) => Ok((def.as_ref(), entity)),
        },
    };
    Ok(Asked { range, buckets, of })
}

/// Mean of the buckets with a value, cut to a whole number; `None` when no bucket has one.
pub(crate) async fn read_value(
    app: &App,
    condition: &wire::MetricsCondition,
    duration: &Duration,
) -> Result<Option<i64>, Error> {
    let asked = asked(app, condition, duration)?;
    let Ok((def, entity)) = &asked.of else { return Ok(None) };
    if def.function.shape() != Shape::Regular {
        return Ok(None);
    }
    Ok(metrics::mean(&metrics::values(app, def, entity, &asked.range, &asked.buckets).await?))
}

/// A metric over time.
pub(crate) async fn read_values(
    app: &App,
    condition: &wire::MetricsCondition,
    duration: &Duration,
) -> Result<wire::MetricsValues, Error> {
    let asked = asked(app, condition, duration)?;
    let numbers = match &asked.of {
        Ok((def, entity)) => {
            let values = metrics::values(app, def, entity, &asked.range, &asked.buckets).await?;
            values.iter().map(|value| value.as_ref().and_then(Value::number).map(whole)).collect()
        }
        Err(_) => vec![None; asked.buckets.len()],
    };
    Ok(wire::MetricsValues { label: None, values: Some(asked.int_values(app, &numbers)) })
}

/// A labelled metric over time: one series for each label, in the order asked for. Where none is named (clients send one
/// empty label then), every label that has a value, as `{p=50}`.
pub(crate) async fn read_labelled(
    app: &App,
    condition: &wire::MetricsCondition,
    labels: &[String],
    duration: &Duration,
) -> Result<Vec<wire::MetricsValues>, Error> {
    let asked = asked(app, condition, duration)?;
    let rows = match &asked.of {
        Ok((def, entity)) => metrics::series(app, def, entity, &asked.range, &asked.buckets).await?,
        Err(_) => Vec::new(),
    };
    let numbers = |row: &mqe::Series| -> Vec<Option<i64>> { row.values.iter().map(|value| value.map(whole)).collect() };
    if asked.of.is_ok() && labels.iter().all(|label| label.trim().is_empty()) {
        let of_row = |row: &mqe::Series| {
            let labels: Vec<String> = row.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let values = Some(asked.int_values(app, &numbers(row)));
            wire::MetricsValues { label: Some(format!("{{{}}}", labels.join(","))), values }
        };
        return Ok(rows.iter().map(of_row).collect());
    }
    let of_label = |label: &String| {
        // `50` and `{p=50}` name the same series.
        let is_it = |(key, value): &(String, String)| value == label || *label == format!("{{{key}={value}}}");
        let row = rows.iter().find(|row| row.labels.iter().any(is_it));
        let numbers = row.map_or_else(|| vec![None; asked.buckets.len()], numbers);
        wire::MetricsValues { label: Some(label.clone()), values: Some(asked.int_values(app, &numbers)) }
    };
    Ok(labels.iter().map(of_label).collect())
}

impl Asked<'_> {
    fn id(&self, app: &App, bucket: Bucket) -> String {
        let suffix = match &self.of {
            Ok((_, entity)) => entity,
            Err(why) => *why,
        };
        format!("{}_{suffix}", app.zone().bucket_text(self.range.step, bucket))
    }

    fn int_values(&self, app: &App, numbers: &[Option<i64>]) -> IntValues {
        let value = |(bucket, number): (&Bucket, &Option<i64>)| KvInt {
            id: self.id(app, *bucket).into(),
            value: Long(number.unwrap_or(DEFAULT)),
            is_empty_value: number.is_none(),
        };
        IntValues { values: self.buckets.iter().zip(numbers).map(value).collect() }
    }
}

/// A histogram over time; nothing where the metric is none.
pub(crate) async fn read_heat_map(
    app: &App,
    condition: &wire::MetricsCondition,
    duration: &Duration,
) -> Result<Option<wire::HeatMap>, Error> {
    let asked = asked(app, condition, duration)?;
    let Ok((def, entity)) = &asked.of else { return Ok(None) };
    if def.function.shape() != Shape::HeatMap {
        return Ok(None);
    }
    let values = metrics::values(app, def, entity, &asked.range, &asked.buckets).await?;
    let counts =
        |value: &Option<Value>| if let Some(Value::Histogram(counts)) = value { counts.clone() } else { Vec::new() };
    let columns: Vec<Vec<(i64, i64)>> = values.iter().map(counts).collect();
    let edges: Vec<i64> =
        columns.iter().flatten().map(|(edge, _)| *edge).collect::<BTreeSet<_>>().into_iter().collect();
    let column = |(bucket, counts): (&Bucket, &Vec<(i64, i64)>)| wire::HeatMapColumn {
        id: asked.id(app, *bucket).into(),
        values: edges
            .iter()
            .map(|edge| Long(counts.iter().find(|(own, _)| own == edge).map_or(0, |(_, count)| *count)))
            .collect(),
    };
    let buckets = edges.iter().enumerate().map(|(at, edge)| wire::Bucket {
        min: edge.to_string(),
        max: edges.get(at + 1).map_or_else(|| "infinite+".to_owned(), i64::to_string),
    });
    Ok(Some(wire::HeatMap {
        values: asked.buckets.iter().zip(&columns).map(column).collect(),
        buckets: buckets.collect(),
    }))
}

/// Entities ranked by a metric; nothing where the metric is unknown.
///
/// # Errors
/// When the duration is malformed or the metric has more than one value.
pub(crate) async fn sort(
    app: &App,
    condition: &wire::TopNCondition,
    duration: &Duration,
) -> Result<Vec<wire::SelectedRecord>, Error> {
    let range = duration::parse(duration, app.zone())?;
    let Some(def) = app.sources.catalogue.get(&condition.name) else { return Ok(Vec::new()) };
    let order = metrics::order(condition.order);
    let n = usize::try_from(condition.top_n).unwrap_or(0);
    let parent = Parent { service: condition.parent_service.as_deref(), normal: condition.normal };
    let ranked = metrics::top(app, def, order, n, Vec::new(), parent, &range).await?;
    Ok(ranked
        .into_iter()
        .map(|(entity, ranked)| wire::SelectedRecord {
            id: entity.to_string().into(),
            name: ranked.id,
            ref_id: None,
            value: Some(mqe::format_value(ranked.value)),
        })
        .collect())
}
