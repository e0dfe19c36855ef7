//! What goes into an evaluation and what comes out of it.

/// The answer to one [`crate::Need`].
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// A metric's values by bucket. For [`crate::Need::Series`] and [`crate::Need::Baseline`].
    ///
    /// A metric without labels has one row without labels, also when no bucket has a value. A metric with labels has a row
    /// for each label set seen in the duration, possibly none; none also when the entity does not fit its scope.
    Series {
        /// Whether the metric has labels. It decides how operands meet, also when there is no row.
        labelled: bool,
        /// Id of each bucket, in the order of time: the epoch milliseconds of its start.
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
    /// One for each bucket, `None` where it is empty.
    pub values: Vec<Option<f64>>,
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

impl Point {
    /// A value that belongs to nothing in particular.
    pub(super) fn of(value: Option<f64>) -> Self {
        Self { value, ..Self::default() }
    }
}

/// What a part of an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) kind: ResultType,
    /// Whether rows are told apart by labels; also of an answer without rows.
    pub(super) labelled: bool,
    pub(super) rows: Vec<Labelled>,
}

impl Value {
    /// One value without labels.
    pub(super) fn single(value: Option<f64>) -> Self {
        let row = Labelled { labels: Vec::new(), values: vec![Point::of(value)] };
        Self { kind: ResultType::SingleValue, labelled: false, rows: vec![row] }
    }

    /// What an entity has that the metric does not fit.
    pub(super) fn nothing() -> Self {
        Self { kind: ResultType::Unknown, labelled: false, rows: Vec::new() }
    }

    /// One list without labels.
    pub(super) fn list(kind: ResultType, values: Vec<Point>) -> Self {
        Self { kind, labelled: false, rows: vec![Labelled { labels: Vec::new(), values }] }
    }

    pub(super) fn has_value(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.values).any(|point| point.value.is_some())
    }

    /// Changes each value that is not empty.
    pub(super) fn map(mut self, change: impl Fn(f64) -> f64) -> Self {
        for point in self.rows.iter_mut().flat_map(|row| &mut row.values) {
            point.value = point.value.map(&change);
        }
        self
    }
}

/// An error is the text that the user sees.
pub(super) type Evaluated = Result<Value, String>;
