//! Whether a text can be the condition of an alarm, and what it is about.
//!
//! A condition asks one question about one entity, and answers it with one truth, or with one for each label set. SkyWalking
//! finds out by evaluating it over nothing; here each part is looked at for what it must come to, so that what is wrong is
//! said at its place. What it allows and we do not, because it is never what was meant: words behind the end, `top_n`, and label
//! sets that cannot meet.

use std::collections::{BTreeMap, BTreeSet};

use model::Scope;

use crate::ast::{Aggregation, Expr, Family, Op, Operator};
use crate::error::ParseError;
use crate::frame::Span;
use crate::need::{Metric, Need};
use crate::{MAX_CONDITION_VALUES, parse_whole};

/// What is known of a metric before any value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What it is a metric of.
    pub scope: Scope,
    /// What it has in a bucket.
    pub kind: ValueKind,
}

/// What a metric has in a bucket, as SkyWalking calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// One value.
    Regular,
    /// One value for each label set.
    Labelled,
    /// Counts by value.
    HeatMap,
    /// The sampled records that were the greatest.
    SampledRecord,
}

/// An expression that an alarm can be raised on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The expression. Equal ones, and equal parts of different ones, are computed once by a [`crate::Program`].
    pub expr: Expr,
    /// What all its metrics are metrics of.
    pub scope: Scope,
    /// Whether there is a truth for each label set, not only one for the entity.
    pub labelled: bool,
    /// Whether each label set is an alarm of its own (`for_each_label`); otherwise any true one raises the entity's.
    pub each_label: bool,
    /// What has to be read, each thing once.
    pub needs: Vec<Need>,
    /// How many buckets in front of the period it reads, at most: SkyWalking's `additionalPeriod`.
    pub additional_period: u32,
    /// How many values of an entity, or of one label set of it, are read for one evaluation.
    pub n_values: usize,
}

/// Reads the condition of an alarm over a window of `period` minutes.
///
/// `metric` says what is known of a metric; `None`: there is none of that name.
///
/// # Errors
/// Where and why the text is no expression or no condition, or which limit it exceeds.
pub fn compile(text: &str, period: u32, metric: impl Fn(&str) -> Option<Known>) -> Result<Condition, ParseError> {
    let expr = parse_whole(text)?;
    let mut checker = Checker { text, period, metric: &metric, scope: None };
    let each_label = expr.op == Op::ForEachLabel;
    let question = if each_label { expr.args.first().unwrap_or(&expr) } else { &expr };
    let form = checker.form(question, None)?;
    if !question.is_bool() {
        return Err(checker
            .wrong(question, "an alarm needs a question: a comparison, &&, ||, not or absent outside of all else"));
    }
    if form.length.is_some() {
        let what = "this has an answer for each bucket and an alarm needs one: make it one with an aggregation like sum(…) >= 1";
        return Err(checker.wrong(question, what));
    }
    if each_label && form.labels.is_none() {
        return Err(checker.wrong(question, "for_each_label wants labels, and this has none"));
    }
    let Some(scope) = checker.scope else {
        return Err(checker.wrong(&expr, "an alarm is about a metric, and this reads none that there is"));
    };
    let needs = expr.needs();
    let n_values = needs.iter().map(|need| n_values(need, period)).fold(0, usize::saturating_add);
    if n_values > MAX_CONDITION_VALUES {
        let what = format!("an alarm reads at most {MAX_CONDITION_VALUES} values of an entity, this reads {n_values}");
        return Err(checker.wrong(&expr, &what));
    }
    let additional_period = needs.iter().map(before).max().unwrap_or_default();
    Ok(Condition { scope, labelled: form.labels.is_some(), each_label, needs, additional_period, n_values, expr })
}

fn before(need: &Need) -> u32 {
    match need {
        Need::Series { before, .. } => *before,
        Need::TopN { .. } => 0,
    }
}

fn n_values(need: &Need, period: u32) -> usize {
    let n = need.frame().window.map_or(period, Span::n_buckets);
    usize::try_from(n.saturating_add(before(need))).unwrap_or(usize::MAX)
}

/// What a part will come to.
#[derive(Debug, Clone)]
struct Form {
    /// Number of buckets of a series; `None` for a single.
    length: Option<u32>,
    /// What is known of the label sets, if there are labels.
    labels: Option<Labels>,
}

#[derive(Debug, Clone, Default)]
struct Labels {
    /// All names, where they are known.
    names: Option<BTreeSet<String>>,
    /// The only values that a label has, where they are known.
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Labels {
    /// Whether no label set can be one of both.
    fn never_meet(&self, other: &Self) -> bool {
        let other_names = matches!((&self.names, &other.names), (Some(a), Some(b)) if a != b);
        let disjoint = |(name, values): (&String, &BTreeSet<String>)| {
            other.values.get(name).is_some_and(|others| values.is_disjoint(others))
        };
        other_names || self.values.iter().any(disjoint)
    }
}

struct Checker<'a> {
    text: &'a str,
    period: u32,
    metric: &'a dyn Fn(&str) -> Option<Known>,
    scope: Option<Scope>,
}

impl Checker<'_> {
    fn form(&mut self, expr: &Expr, window: Option<Span>) -> Result<Form, ParseError> {
        const SINGLE: Form = Form { length: None, labels: None };
        match (&expr.op, expr.args.as_slice()) {
            (Op::Number(_), _) => Ok(SINGLE),
            (Op::Metric(metric) | Op::Baseline { metric, .. }, _) => self.series(expr, metric, window),
            (Op::Trend { range: 0, .. }, _) => Err(self.wrong(expr, "the trend range must be greater than 0")),
            (Op::Trend { of, .. }, _) => self.series(expr, of, window),
            (Op::TopN(_) | Op::TopNOf { .. }, _) => {
                Err(self.wrong(expr, "top_n ranks many entities, and an alarm is about one"))
            }
            (Op::ForEachLabel, _) => Err(self.wrong(expr, "for_each_label can only stand outside of all else")),
            (Op::ViewAsSeq, [first, others @ ..]) => self.first_of(first, others, window),
            (Op::IsPresent, args) => {
                for arg in args {
                    if self.is_known(arg) {
                        self.form(arg, window)?;
                    }
                }
                Ok(SINGLE)
            }
            (Op::Offset(_), [of]) => self.form(of, window),
            (Op::Over(window), [of]) => self.form(of, Some(*window)),
            (Op::BurnRate { window, .. }, [bad, total]) => {
                let single = |form: Form| Form { length: None, ..form };
                let (bad, total) = (self.form(bad, Some(*window))?, self.form(total, Some(*window))?);
                self.pair(expr, single(bad), single(total))
            }
            (Op::Binary(operator), [left, right]) => {
                self.must_be_bool(*operator, left)?;
                self.must_be_bool(*operator, right)?;
                let (left, right) = (self.form(left, window)?, self.form(right, window)?);
                self.pair(expr, left, right)
            }
            (op, [of]) => {
                let form = self.form(of, window)?;
                self.of_one(expr, op, of, form)
            }
            _ => Err(self.wrong(expr, "an operand is missing")),
        }
    }

    /// What a function makes of its one operand.
    fn of_one(&self, expr: &Expr, op: &Op, of: &Expr, mut form: Form) -> Result<Form, ParseError> {
        match op {
            Op::Aggregate(Aggregation::Latest) | Op::Ewma(_) if form.length.is_none() => {
                return Err(self.wrong(of, "a series is wanted here, and this is a single value"));
            }
            Op::Relabels { .. } | Op::AggregateLabels { .. } if form.labels.is_none() => {
                return Err(self.wrong(of, "labels are wanted here, and this has none"));
            }
            Op::Not if !of.is_bool() => {
                return Err(self.wrong(of, "not wants a comparison, &&, || or another truth"));
            }
            Op::Aggregate(_) | Op::Quantile(_) | Op::StdDev => form.length = None,
            Op::Absent => form = Form { length: None, labels: None },
            Op::SortValues { .. } if form.labels.is_some() => form.length = form.length.or(Some(1)),
            Op::Relabels { target, replacement } => {
                let n = |list: &str| list.trim_end_matches(',').split(',').count();
                if n(&target.value) != n(&replacement.value) {
                    return Err(self.wrong(expr, "there must be as many new values as old ones"));
                }
                // Which of the label sets it renames is not known, so nothing is known of either label.
                let labels = form.labels.get_or_insert_default();
                labels.values.retain(|name, _| *name != target.name && *name != replacement.name);
                labels.names = labels.names.take().filter(|_| target.name == replacement.name);
            }
            Op::AggregateLabels { labels: names, .. } => {
                let names: BTreeSet<String> = names.iter().cloned().collect();
                let values = form.labels.take().unwrap_or_default().values;
                let values = values.into_iter().filter(|(name, _)| names.contains(name)).collect();
                form.labels = (!names.is_empty()).then_some(Labels { names: Some(names), values });
            }
            _ => {}
        }
        Ok(form)
    }

    fn series(&mut self, expr: &Expr, metric: &Metric, window: Option<Span>) -> Result<Form, ParseError> {
        let Some(known) = (self.metric)(&metric.name) else {
            return Err(self.wrong(expr, &format!("there is no metric {}", metric.name)));
        };
        let scope = *self.scope.get_or_insert(known.scope);
        if scope != known.scope {
            let (one, other) = (format!("{scope:?}"), format!("{:?}", known.scope));
            let what = format!("{} is of scope {other}, what stands before is of scope {one}", metric.name);
            return Err(self.wrong(expr, &what));
        }
        let labels = match known.kind {
            ValueKind::Regular => None,
            ValueKind::Labelled => {
                let owned = |(name, values): (&str, Vec<&str>)| {
                    (name.to_owned(), values.into_iter().map(str::to_owned).collect())
                };
                Some(Labels { names: None, values: metric.selected().into_iter().map(owned).collect() })
            }
            ValueKind::HeatMap | ValueKind::SampledRecord => {
                return Err(self.wrong(expr, &format!("{} has no values that can be compared", metric.name)));
            }
        };
        Ok(Form { length: Some(window.map_or(self.period, Span::n_buckets)), labels })
    }

    /// Any of the operands may be the answer, so they must be of one form. Those after the first may be of metrics that are
    /// still to come.
    fn first_of(&mut self, first: &Expr, others: &[Expr], window: Option<Span>) -> Result<Form, ParseError> {
        let form = self.form(first, window)?;
        for other in others {
            if !self.is_known(other) {
                continue;
            }
            let its = self.form(other, window)?;
            if its.length != form.length || its.labels.is_some() != form.labels.is_some() {
                return Err(self.wrong(other, "this is of another form than the first operand"));
            }
        }
        Ok(form)
    }

    fn is_known(&self, expr: &Expr) -> bool {
        expr.parts().into_iter().all(|part| match &part.op {
            Op::Metric(metric) | Op::Baseline { metric, .. } | Op::Trend { of: metric, .. } => {
                (self.metric)(&metric.name).is_some()
            }
            _ => true,
        })
    }

    fn pair(&self, expr: &Expr, left: Form, right: Form) -> Result<Form, ParseError> {
        if let (Some(left), Some(right)) = (left.length, right.length)
            && left != right
        {
            return Err(self.wrong(expr, &format!("a series of {left} buckets cannot meet one of {right}")));
        }
        if let (Some(left), Some(right)) = (&left.labels, &right.labels)
            && left.never_meet(right)
        {
            let what = "the two sides have no label set in common and are never compared: make each one series with \
                        aggregate_labels";
            return Err(self.wrong(expr, what));
        }
        Ok(Form { length: left.length.or(right.length), labels: left.labels.or(right.labels) })
    }

    fn must_be_bool(&self, operator: Operator, side: &Expr) -> Result<(), ParseError> {
        if operator.family() != Family::Bool || side.is_bool() {
            return Ok(());
        }
        Err(self.wrong(side, &format!("{} wants a comparison on each side", operator.symbol())))
    }

    fn wrong(&self, at: &Expr, what: &str) -> ParseError {
        ParseError::at(self.text, at.place, what.to_owned())
    }
}
