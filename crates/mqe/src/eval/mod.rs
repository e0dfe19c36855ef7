//! Evaluation: a walk over the tree, each node from the values of its children.

mod aggregate;
mod labels;
mod math;
mod pair;
mod read;
pub(crate) mod value;

use crate::ast::{Expr, Family, trend_need};
use crate::need::{Metric, Need, Order, TopN};
use value::{Evaluated, Loaded, Outcome, Point, ResultType, Value};

/// Computes an expression from what was loaded for it.
///
/// `loaded` has the answers to [`Expr::needs`], in its order. `step_seconds` is the length of a bucket (60, 3,600, 86,400), by
/// which `rate` divides.
///
/// Whatever is wrong with the operands is said in [`Outcome::error`]. An empty value stays empty through everything but
/// `count`, `sum` and `is_present`.
pub fn evaluate(expr: &Expr, loaded: &[Loaded], step_seconds: u32) -> Outcome {
    let evaluation = Evaluation { needs: expr.needs(), loaded, step_seconds };
    match evaluation.value(expr) {
        Ok(value) => Outcome { kind: value.kind, results: value.rows, error: None },
        Err(error) => Outcome::failed(error),
    }
}

struct Evaluation<'a> {
    needs: Vec<Need>,
    loaded: &'a [Loaded],
    step_seconds: u32,
}

impl Evaluation<'_> {
    fn value(&self, expr: &Expr) -> Evaluated {
        match expr {
            Expr::Number(number) => Ok(Value::single(Some(*number))),
            Expr::Read(need) => self.read(need),
            Expr::Negate(of) => Ok(self.value(of)?.map(|value| -value)),
            Expr::Binary { operator, left, right } => {
                let (left_value, right_value) = (self.value(left)?, self.value(right)?);
                if operator.family() == Family::Bool {
                    must_be_bool(left, "left")?;
                    must_be_bool(right, "right")?;
                }
                pair::pair(*operator, left_value, right_value)
            }
            Expr::Aggregate { aggregation, of } => aggregate::aggregate(*aggregation, self.value(of)?),
            Expr::Math { function, of } => Ok(math::math(*function, self.value(of)?)),
            Expr::Trend { trend, of, range } => self.trend(*trend, of, *range),
            Expr::ViewAsSeq(list) => self.first_with_value(list),
            Expr::IsPresent(list) => {
                let present = list.iter().any(|e| self.value(e).is_ok_and(|value| value.has_value()));
                Ok(Value::single(Some(if present { 1.0 } else { 0.0 })))
            }
            Expr::TopNOf { lists, n, order } => self.top_n_of(lists, *n, *order),
            Expr::Relabels { of, target, replacement } => labels::relabel(self.labelled(of)?, target, replacement),
            Expr::AggregateLabels { of, aggregation, labels } => {
                Ok(aggregate::aggregate_labels(*aggregation, labels, self.labelled(of)?))
            }
            Expr::SortValues { of, n, order, .. } => Ok(labels::sort_values(self.value(of)?, *n, *order)),
            Expr::SortLabelValues { of, order, labels } => {
                Ok(labels::sort_label_values(self.value(of)?, *order, labels))
            }
        }
    }

    fn read(&self, need: &Need) -> Evaluated {
        let loaded = self.needs.iter().position(|each| each == need).and_then(|index| self.loaded.get(index));
        match loaded {
            Some(loaded) => read::read(need, loaded),
            None => Err(format!("Metric: [{}] was not loaded.", need.metric().name)),
        }
    }

    /// A value that must have labels.
    fn labelled(&self, expr: &Expr) -> Evaluated {
        let value = self.value(expr)?;
        if !value.labelled {
            return Err(format!("The result of expression [{expr}] is not a labeled result."));
        }
        Ok(value)
    }

    fn trend(&self, trend: crate::ast::Trend, of: &Metric, range: u32) -> Evaluated {
        if range == 0 {
            return Err("The trend range must be greater than 0.".to_owned());
        }
        let value = self.read(&trend_need(of, range))?;
        if value.kind != ResultType::TimeSeriesValues {
            return Err(format!("The result of expression [{of}] is not a time series result."));
        }
        Ok(math::trend(trend, value, range, self.step_seconds))
    }

    /// An operand that fails is passed over, for the first one that is not empty may come later; when there is none, the
    /// first operand is the answer, be it an error.
    fn first_with_value(&self, list: &[Expr]) -> Evaluated {
        let mut first = None;
        for expr in list {
            let value = self.value(expr);
            if value.as_ref().is_ok_and(Value::has_value) {
                return value;
            }
            first.get_or_insert(value);
        }
        first.unwrap_or_else(|| Err("view_as_seq has no operand.".to_owned()))
    }

    fn top_n_of(&self, lists: &[TopN], n: u32, order: Order) -> Evaluated {
        let mut kind = None;
        let mut points: Vec<Point> = Vec::new();
        for list in lists {
            let value = self.read(&Need::TopN(list.clone()))?;
            match kind {
                // The entity does not fit this metric: it ranks nothing.
                _ if value.kind == ResultType::Unknown => continue,
                Some(kind) if kind != value.kind => {
                    let (one, other) = (ResultType::name(kind), value.kind.name());
                    return Err(format!("TopN type is not consistent, one is {one}, another is {other}"));
                }
                _ => kind = Some(value.kind),
            }
            points.extend(value.rows.into_iter().flat_map(|row| row.values));
        }
        let Some(kind) = kind else { return Ok(Value::nothing()) };
        let number = |point: &Point| point.value.unwrap_or_default();
        points.sort_by(|a, b| labels::ordered(order, aggregate::compare(number(a), number(b))));
        points.truncate(usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Value::list(kind, points))
    }
}

fn must_be_bool(expr: &Expr, side: &str) -> Result<(), String> {
    if expr.is_bool() {
        return Ok(());
    }
    Err(format!("Bool Operation: The result of the {side} expression is not a compare result."))
}
