//! What an expression has to read before it can be evaluated.

use crate::frame::Frame;

/// A metric as it is named in an expression, with its selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metric {
    /// Name of the metric: ASCII letters, digits and `_`.
    pub name: String,
    /// The selector in braces, in the order written; empty means every label set.
    pub labels: Vec<Label>,
}

impl Metric {
    /// The values asked for, by label name: names are AND-ed, the values of one name OR-ed.
    ///
    /// Values are split on commas and trimmed, empty ones are dropped, and a name without a value left selects nothing
    /// away. A name that is written twice has both lists.
    pub fn selected(&self) -> Vec<(&str, Vec<&str>)> {
        let mut selected: Vec<(&str, Vec<&str>)> = Vec::new();
        for label in &self.labels {
            let values = label.value.split(',').map(str::trim).filter(|value| !value.is_empty());
            for value in values {
                match selected.iter_mut().find(|(name, _)| *name == label.name) {
                    Some((_, values)) => values.push(value),
                    None => selected.push((&label.name, vec![value])),
                }
            }
        }
        selected
    }
}

/// `name='value'`, as written: the value may be a list with commas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// Label name: ASCII letters, digits and `_`, or `_` alone (the label of metrics that have one unnamed label).
    pub name: String,
    /// The text between the quotes. It holds at most one of the two kinds of quotes, for there is no escape.
    pub value: String,
}

/// Which end of a ranking comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Des,
}

/// A condition of `top_n` on a column `attr0` … `attr5` of the metric.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Number of the column, 0 to 5.
    pub index: u8,
    /// True for `=`, false for `!=`.
    pub equals: bool,
    /// The text between the quotes.
    pub value: String,
}

impl Attribute {
    /// Name of the column: `attr0` … `attr5`.
    pub fn column(&self) -> String {
        format!("attr{}", self.index)
    }
}

/// Which line of a prediction is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BaselineKind {
    /// The predicted value.
    Value,
    /// Upper bound of what is expected.
    Upper,
    /// Lower bound of what is expected.
    Lower,
}

impl BaselineKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Upper => "upper",
            Self::Lower => "lower",
        }
    }
}

/// One thing to read. Two equal needs are one read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// The series of a metric for the entity of the query, one value for each bucket of the frame.
    Series {
        /// The metric. The caller may load every label set: the selector is applied in evaluation, too.
        metric: Metric,
        /// Buckets to load *in front* of the frame, for `increase` and `rate`; 0 elsewhere. As written, unchecked:
        /// the caller applies its limit on points to the sum.
        before: u32,
        /// Which buckets. Whatever the frame looks back, the ids of the answer are those of now.
        frame: Frame,
    },
    /// The first entities (or sampled records) by value.
    TopN {
        /// What is ranked, how.
        top_n: TopN,
        /// By its values when.
        frame: Frame,
    },
}

/// `top_n(metric, n, order, attributes…)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopN {
    /// The metric that ranks. Its selector is accepted by the grammar and has no meaning.
    pub metric: Metric,
    /// How many. 0 is answered with an error, nothing has to be read for it.
    pub n: u32,
    /// Which end comes first.
    pub order: Order,
    /// Conditions, all of which must hold.
    pub attributes: Vec<Attribute>,
}

impl Need {
    /// The metric that is read.
    pub fn metric(&self) -> &Metric {
        match self {
            Self::Series { metric, .. } => metric,
            Self::TopN { top_n, .. } => &top_n.metric,
        }
    }

    /// Which buckets are read.
    pub fn frame(&self) -> Frame {
        match self {
            Self::Series { frame, .. } | Self::TopN { frame, .. } => *frame,
        }
    }
}
