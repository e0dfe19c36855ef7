//! What goes into an evaluation and what comes out of it.

use std::rc::Rc;

use crate::column::Column;

/// The answer to one [`crate::Need`].
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// A metric's values by bucket. For [`crate::Need::Series`].
    ///
    /// A metric without labels has one row without labels, also when no bucket has a value. A metric with labels has a row
    /// for each label set seen in the frame, possibly none; none also when the entity does not fit its scope.
    Series {
        /// Whether the metric has labels. It decides how operands meet, also when there is no row.
        labelled: bool,
        /// Id of each bucket, in the order of time: the epoch milliseconds of its start. Where the need looks back, the ids
        /// of the buckets that it is compared with. An evaluation of several entities returns no ids, but their number is that of
        /// the buckets.
        ids: Vec<String>,
        /// The rows, in any order. The selector of the need is applied here, whether or not the caller applied it.
        rows: Vec<Series>,
    },
    /// Entities, already ranked. For [`crate::Need::TopN`].
    SortedList(Vec<Ranked>),
    /// Sampled records, already ranked. For [`crate::Need::TopN`] of such a metric; for [`crate::Need::Series`] of one an
    /// empty list will do, it is answered with an error.
    RecordList(Vec<RankedRecord>),
    /// There is no metric of that name.
    UnknownMetric,
    /// The metric (one without labels) is of a scope for which the entity lacks a name: nothing, and no error.
    InvalidEntity,
    /// The metric has no such attribute column: its name.
    NoAttribute(String),
    /// It could not be read: what to tell the user.
    Failed(String),
}

/// The values of one label set.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The labels, as the metric stores them. Rows come out in the order of `{name=value,…}` of this.
    pub labels: Vec<(String, String)>,
    /// One for each bucket and entity; as long as the ids, or filled up with empty ones.
    pub values: Column,
}

impl Loaded {
    /// What it is for one entity of a batch.
    pub(crate) fn of_entity(&self, entity: usize) -> Self {
        let Self::Series { labelled, ids, rows } = self else { return self.clone() };
        let row = |row: &Series| Series { labels: row.labels.clone(), values: row.values.of_entity(entity).collect() };
        Self::Series { labelled: *labelled, ids: ids.clone(), rows: rows.iter().map(row).collect() }
    }
}

/// An entity in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// What it is shown as.
    pub id: String,
    /// By what it is ranked.
    pub value: f64,
    /// What it is.
    pub owner: Option<Owner>,
}

/// A sampled record in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedRecord {
    /// The statement or command.
    pub id: String,
    /// By what it is ranked.
    pub value: f64,
    /// The trace it was seen in; empty when there was none.
    pub trace_id: String,
}

/// The entity that a value in a ranking belongs to. What does not apply to its scope is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Scope, by the name of the GraphQL enum: `Service`, `ServiceInstance`, `Endpoint`.
    pub scope: Option<String>,
    /// Id of the service.
    pub service_id: Option<String>,
    /// Name of the service.
    pub service_name: Option<String>,
    /// Whether the service is a real one, not a conjectured one.
    pub normal: Option<bool>,
    /// Id of the service instance.
    pub service_instance_id: Option<String>,
    /// Name of the service instance.
    pub service_instance_name: Option<String>,
    /// Id of the endpoint.
    pub endpoint_id: Option<String>,
    /// Name of the endpoint.
    pub endpoint_name: Option<String>,
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How to read the results.
    pub kind: ResultType,
    /// One for each label set. Empty when there is an error.
    pub results: Vec<Labelled>,
    /// Why there is no result.
    pub error: Option<String>,
}

impl Outcome {
    /// The outcome of an expression that cannot be evaluated; a [`crate::ParseError`] becomes one, too.
    pub fn failed(error: impl Into<String>) -> Self {
        Self { kind: ResultType::Unknown, results: Vec::new(), error: Some(error.into()) }
    }
}

/// How the results of an expression are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultType {
    /// There are none: an error, or an entity that does not fit.
    Unknown,
    /// One value for each label set.
    SingleValue,
    /// One value for each bucket for each label set.
    TimeSeriesValues,
    /// One result, its values are entities.
    SortedList,
    /// One result, its values are sampled records.
    RecordList,
}

impl ResultType {
    /// Name of the GraphQL enum.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::SingleValue => "SINGLE_VALUE",
            Self::TimeSeriesValues => "TIME_SERIES_VALUES",
            Self::SortedList => "SORTED_LIST",
            Self::RecordList => "RECORD_LIST",
        }
    }
}

/// The values of one label set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Labelled {
    /// The labels, by name unless `relabels` renamed some.
    pub labels: Vec<(String, String)>,
    /// The values.
    pub values: Vec<Point>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point {
    /// The bucket, the entity or the statement; `None` for what was computed from several.
    pub id: Option<String>,
    /// The value, `None` when it is empty.
    pub value: Option<f64>,
    /// The entity, in a [`ResultType::SortedList`].
    pub owner: Option<Owner>,
    /// The trace, in a [`ResultType::RecordList`].
    pub trace_id: Option<String>,
}

impl Outcome {
    /// What an evaluation of one entity came to.
    pub(crate) fn of(value: Result<&Value, &str>) -> Self {
        match value {
            Ok(value) => {
                Self { kind: value.kind, results: value.rows.iter().map(Row::labelled).collect(), error: None }
            }
            Err(error) => Self::failed(error),
        }
    }
}

/// What an expression, or a part of one, came to for the entities of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub(super) kind: ResultType,
    /// Whether rows are told apart by labels; also of an answer without rows.
    pub(super) labelled: bool,
    pub(super) rows: Vec<Row>,
}

/// The values of one label set.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub(super) labels: Labels,
    /// What the points are of; empty when they are of nothing in particular.
    pub(super) marks: Rc<[Mark]>,
    pub(super) values: Rc<Column>,
}

pub(super) type Labels = Vec<(String, String)>;

/// What a value is of: all of a [`Point`] but the value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Mark {
    pub(super) id: Option<String>,
    pub(super) owner: Option<Owner>,
    pub(super) trace_id: Option<String>,
}

impl Row {
    /// The labels, by name unless `relabels` renamed some.
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The values; of a [`ResultType::SingleValue`] one bucket.
    pub fn values(&self) -> &Column {
        &self.values
    }

    pub(super) fn values_mut(&mut self) -> &mut Column {
        Rc::make_mut(&mut self.values)
    }

    fn labelled(&self) -> Labelled {
        let point = |(at, value)| {
            let Mark { id, owner, trace_id } = self.marks.get(at).cloned().unwrap_or_default();
            Point { id, value, owner, trace_id }
        };
        Labelled { labels: self.labels.clone(), values: self.values.of_entity(0).enumerate().map(point).collect() }
    }
}

impl Value {
    /// How the values are to be read.
    pub fn kind(&self) -> ResultType {
        self.kind
    }

    /// One for each label set.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether a single truth is true for an entity: 1 for any label set. What is empty is not true.
    pub fn is_true(&self, entity: usize) -> bool {
        self.kind == ResultType::SingleValue && self.rows.iter().any(|row| row.values.get(0, entity) == Some(1.0))
    }

    /// Whether the truth has no value for an entity in any label set: it can be told neither true nor false.
    pub fn is_empty(&self, entity: usize) -> bool {
        self.rows.iter().all(|row| row.values.of_entity(entity).all(|value| value.is_none()))
    }

    /// One value without labels.
    pub(super) fn single(values: Column) -> Self {
        Self::one(ResultType::SingleValue, Vec::new(), values)
    }

    /// What an entity has that the metric does not fit.
    pub(super) fn nothing() -> Self {
        Self { kind: ResultType::Unknown, labelled: false, rows: Vec::new() }
    }

    /// One row without labels.
    pub(super) fn one(kind: ResultType, marks: Vec<Mark>, values: Column) -> Self {
        let row = Row { labels: Vec::new(), marks: marks.into(), values: Rc::new(values) };
        Self { kind, labelled: false, rows: vec![row] }
    }

    /// For each entity whether any value is there.
    pub(super) fn any(&self, width: usize) -> Vec<bool> {
        let mut any = vec![false; width];
        for row in &self.rows {
            any.iter_mut().zip(row.values.any()).for_each(|(any, row)| *any |= row);
        }
        any
    }

    /// Changes each value that is not empty.
    pub(super) fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        self.rows.iter_mut().for_each(|row| row.values_mut().map(&change));
        self
    }

    /// Replaces the values of each row by others made from them, which have no marks.
    pub(super) fn each(mut self, make: impl Fn(&Column) -> Column) -> Self {
        for row in &mut self.rows {
            row.values = Rc::new(make(&row.values));
        }
        self
    }

    /// One value in the place of each row.
    pub(super) fn singles(self, make: impl Fn(&Column) -> Column) -> Self {
        let mut value = self.each(make);
        value.kind = ResultType::SingleValue;
        value.rows.iter_mut().for_each(|row| row.marks = Rc::from([]));
        value
    }
}

/// An error is the text that the user sees.
pub(crate) type Evaluated = Result<Value, String>;
