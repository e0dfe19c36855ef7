//! Evaluation: each node of a program from the values of its children, for all entities of a batch at once.

mod aggregate;
mod labels;
mod math;
mod pair;
mod read;
mod statistics;
pub(crate) mod value;

use crate::ast::Op;
use crate::column::Column;
use crate::need::Order;
use crate::program::{Batch, Node, Program, Step};
use value::{Evaluated, Mark, ResultType, Value};

/// One evaluation of a program. What several nodes want is kept until the last of them has it.
pub(crate) struct Run<'a> {
    program: &'a Program,
    batch: Batch<'a>,
    kept: Vec<Kept>,
}

#[derive(Clone, Default)]
struct Kept {
    value: Option<Evaluated>,
    n_wanted: usize,
}

impl<'a> Run<'a> {
    pub(crate) fn new(program: &'a Program, batch: Batch<'a>) -> Self {
        Self { program, batch, kept: vec![Kept::default(); program.nodes.len()] }
    }

    /// What a node comes to.
    pub(crate) fn value(&mut self, number: usize) -> Evaluated {
        let program = self.program;
        let Some(node) = program.nodes.get(number) else { return Err("nothing to evaluate".to_owned()) };
        if node.n_uses <= 1 {
            return self.computed(node);
        }
        let value = match self.kept.get_mut(number).and_then(|kept| kept.value.take()) {
            Some(value) => value,
            None => self.computed(node),
        };
        if let Some(kept) = self.kept.get_mut(number) {
            kept.n_wanted += 1;
            if kept.n_wanted < node.n_uses {
                kept.value = Some(value.clone());
            }
        }
        value
    }

    fn computed(&mut self, node: &Node) -> Evaluated {
        match &node.step {
            Step::Read(need) => match self.program.needs().get(*need) {
                Some(wanted) => read::read(wanted, self.batch.loaded.get(*need), self.batch.width),
                None => Err("nothing to read".to_owned()),
            },
            Step::Trend { range: 0, .. } => Err("The trend range must be greater than 0.".to_owned()),
            Step::Trend { trend, range, window } => {
                let value = self.only(node)?;
                if value.kind != ResultType::TimeSeriesValues {
                    return Err(node.note.clone().unwrap_or_default());
                }
                let seconds = window.map_or(self.batch.step_seconds, |window| window.step_minutes() * 60);
                Ok(math::trend(*trend, value, *range, seconds))
            }
            Step::Do(op) => self.done(op, node),
        }
    }

    fn done(&mut self, op: &Op, node: &Node) -> Evaluated {
        match op {
            Op::Number(number) => Ok(Value::single(Column::filled(self.batch.width, 1, number.get()))),
            Op::Binary(operator) => {
                let (left, right) = self.two(node)?;
                if let Some(refusal) = &node.note {
                    return Err(refusal.clone());
                }
                pair::pair(*operator, left, right)
            }
            Op::Negate => Ok(self.only(node)?.map(|value| -value)),
            Op::Aggregate(aggregation) => aggregate::aggregate(*aggregation, self.only(node)?),
            Op::Math(function) => Ok(math::math(*function, self.only(node)?)),
            Op::ViewAsSeq => self.first_with_value(node),
            Op::IsPresent => {
                let values: Vec<Value> = node.children.iter().filter_map(|child| self.value(*child).ok()).collect();
                Ok(self.truth(|any| any, &values))
            }
            Op::Absent => {
                let value = self.only(node)?;
                Ok(self.truth(|any| !any, &[value]))
            }
            Op::Not => {
                let value = self.only(node)?;
                match &node.note {
                    Some(refusal) => Err(refusal.clone()),
                    None => Ok(value.map(|truth| if truth == 0.0 { 1.0 } else { 0.0 })),
                }
            }
            Op::TopNOf { n, order } => self.top_n_of(node, *n, *order),
            Op::Relabels { target, replacement } => labels::relabel(self.labelled(node)?, target, replacement),
            Op::AggregateLabels { aggregation, labels } => {
                Ok(aggregate::aggregate_labels(*aggregation, labels, self.labelled(node)?))
            }
            Op::SortValues { n, order, aggregation } => labels::sort_values(self.only(node)?, *n, *order, *aggregation),
            Op::SortLabelValues { order, labels } => Ok(labels::sort_label_values(self.only(node)?, *order, labels)),
            Op::Quantile(part) => Ok(statistics::quantile(self.only(node)?, part.get())),
            Op::StdDev => Ok(statistics::stddev(self.only(node)?)),
            Op::ZScore => Ok(statistics::zscore(self.only(node)?)),
            Op::Ewma(weight) => statistics::ewma(self.only(node)?, weight.get()),
            Op::ChangePct(_) => {
                let (now, then) = self.two(node)?;
                statistics::change_pct(now, then)
            }
            Op::BurnRate { objective, .. } => {
                let (bad, total) = self.two(node)?;
                statistics::burn_rate(bad, total, objective.get())
            }
            Op::Baseline { kind, .. } => {
                let days: Result<Vec<Value>, String> = node.children.iter().map(|child| self.value(*child)).collect();
                Ok(statistics::baseline(*kind, &days?))
            }
            // These have no step of their own, unless somebody gave them too few operands.
            Op::Metric(_) | Op::TopN(_) | Op::Trend { .. } | Op::ForEachLabel | Op::Offset(_) | Op::Over(_) => {
                self.only(node)
            }
        }
    }

    /// The value of the operand.
    fn only(&mut self, node: &Node) -> Evaluated {
        match node.children.first() {
            Some(child) => self.value(*child),
            None => Err("an operand is missing".to_owned()),
        }
    }

    /// The values of both operands.
    fn two(&mut self, node: &Node) -> Result<(Value, Value), String> {
        let left = self.only(node)?;
        match node.children.get(1) {
            Some(child) => Ok((left, self.value(*child)?)),
            None => Err("an operand is missing".to_owned()),
        }
    }

    /// The value of the operand, which must have labels.
    fn labelled(&mut self, node: &Node) -> Evaluated {
        let value = self.only(node)?;
        if value.labelled { Ok(value) } else { Err(node.note.clone().unwrap_or_default()) }
    }

    /// An operand that fails is passed over, for the first one that is not empty may come later; when there is none, the
    /// first operand is the answer, be it an error. Looks at one entity: whatever it chooses need not fit the others.
    fn first_with_value(&mut self, node: &Node) -> Evaluated {
        let mut first = None;
        for child in &node.children {
            let value = self.value(*child);
            if value.as_ref().is_ok_and(|value| value.any(1).contains(&true)) {
                return value;
            }
            first.get_or_insert(value);
        }
        first.unwrap_or_else(|| Err("view_as_seq has no operand.".to_owned()))
    }

    /// A truth for each entity from whether any of the values is there.
    fn truth(&self, of: impl Fn(bool) -> bool, values: &[Value]) -> Value {
        let mut column = Column::empty(self.batch.width, 1);
        for entity in 0..self.batch.width {
            let any = values.iter().any(|value| !value.is_empty(entity));
            column.set(0, entity, Some(if of(any) { 1.0 } else { 0.0 }));
        }
        Value::single(column)
    }

    fn top_n_of(&mut self, node: &Node, n: u32, order: Order) -> Evaluated {
        let mut kind = None;
        let mut points: Vec<(Mark, Option<f64>)> = Vec::new();
        for child in &node.children {
            let value = self.value(*child)?;
            match kind {
                // The entity does not fit this metric: it ranks nothing.
                _ if value.kind == ResultType::Unknown => continue,
                Some(kind) if kind != value.kind => {
                    let (one, other) = (ResultType::name(kind), value.kind.name());
                    return Err(format!("TopN type is not consistent, one is {one}, another is {other}"));
                }
                _ => kind = Some(value.kind),
            }
            for row in &value.rows {
                points.extend(row.marks.iter().cloned().zip(row.values.of_entity(0)));
            }
        }
        let Some(kind) = kind else { return Ok(Value::nothing()) };
        points.retain(|(_, value)| value.is_some());
        points.sort_by(|(_, a), (_, b)| {
            labels::ordered(order, aggregate::compare(a.unwrap_or_default(), b.unwrap_or_default()))
        });
        points.truncate(usize::try_from(n).unwrap_or(usize::MAX));
        let (marks, values): (Vec<Mark>, Vec<Option<f64>>) = points.into_iter().unzip();
        Ok(Value::one(kind, marks, values.into_iter().collect()))
    }
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("batch", &self.batch).finish_non_exhaustive()
    }
}
