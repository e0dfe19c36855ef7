//! Printing of expressions: the inverse of the parser.

use std::fmt::{Display, Formatter, Result};

use crate::ast::{Expr, MathFunction, Op, Operator};
use crate::need::{Label, Metric, Order, TopN};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match (&self.op, self.args.as_slice()) {
            (Op::Number(number), _) => write!(f, "{}", number.get()),
            (Op::Metric(metric), _) => write!(f, "{metric}"),
            (Op::TopN(top_n), _) => write!(f, "{top_n}"),
            (Op::Baseline { metric, kind }, _) => write!(f, "baseline({metric},{})", kind.word()),
            (Op::Trend { trend, of, range }, _) => write!(f, "{}({of},{range})", trend.word()),
            (Op::Negate, [of]) => {
                f.write_str("-")?;
                operand(f, of, matches!(of.op, Op::Binary(_)))
            }
            (Op::Binary(operator), [left, right]) => {
                operand(f, left, precedence(left) < operator.precedence())?;
                f.write_str(operator.symbol())?;
                operand(f, right, precedence(right) <= operator.precedence())
            }
            (op, args) => {
                write!(f, "{}(", function(op))?;
                commas(f, args)?;
                further(f, op)?;
                f.write_str(")")
            }
        }
    }
}

/// Name of what is written with parentheses.
pub(crate) fn function(op: &Op) -> &'static str {
    match op {
        Op::Aggregate(aggregation) => aggregation.word(),
        Op::Math(function) => function.word(),
        Op::TopNOf { .. } => "top_n_of",
        Op::ViewAsSeq => "view_as_seq",
        Op::IsPresent => "is_present",
        Op::Relabels { .. } => "relabels",
        Op::AggregateLabels { .. } => "aggregate_labels",
        Op::SortValues { .. } => "sort_values",
        Op::SortLabelValues { .. } => "sort_label_values",
        Op::Not => "not",
        Op::Absent => "absent",
        Op::ForEachLabel => "for_each_label",
        Op::Offset(_) => "offset",
        Op::ChangePct(_) => "change_pct",
        Op::Over(_) => "over",
        Op::Quantile(_) => "quantile",
        Op::StdDev => "stddev",
        Op::ZScore => "zscore",
        Op::BurnRate { .. } => "burn_rate",
        Op::Ewma(_) => "ewma",
        Op::Number(_)
        | Op::Metric(_)
        | Op::TopN(_)
        | Op::Baseline { .. }
        | Op::Trend { .. }
        | Op::Negate
        | Op::Binary(_) => "",
    }
}

/// What stands behind the operands.
fn further(f: &mut Formatter<'_>, op: &Op) -> Result {
    match op {
        Op::Math(MathFunction::Round(places)) => write!(f, ",{places}"),
        Op::TopNOf { n, order } => write!(f, ",{n},{order}"),
        Op::Relabels { target, replacement } => write!(f, ",{target},{replacement}"),
        Op::AggregateLabels { aggregation, labels } => {
            write!(f, ",{}", aggregation.word())?;
            if !labels.is_empty() {
                f.write_str("(")?;
                commas(f, labels)?;
                f.write_str(")")?;
            }
            Ok(())
        }
        Op::SortValues { n, order, aggregation } => write!(f, ",{n},{order},{}", aggregation.word()),
        Op::SortLabelValues { order, labels } => {
            write!(f, ",{order},")?;
            commas(f, labels)
        }
        Op::Offset(span) | Op::ChangePct(span) | Op::Over(span) => write!(f, ",{span}"),
        Op::Quantile(number) | Op::Ewma(number) => write!(f, ",{}", number.get()),
        Op::BurnRate { objective, window } => write!(f, ",{},{window}", objective.get()),
        _ => Ok(()),
    }
}

/// Higher than any operator for what needs no parentheses.
fn precedence(expr: &Expr) -> u8 {
    match expr.op {
        Op::Binary(operator) => operator.precedence(),
        _ => u8::MAX,
    }
}

fn operand(f: &mut Formatter<'_>, expr: &Expr, parentheses: bool) -> Result {
    if parentheses { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn commas<T: Display>(f: &mut Formatter<'_>, list: &[T]) -> Result {
    for (index, each) in list.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{each}")?;
    }
    Ok(())
}

/// Quotes a text. There is no escape in the language, so the kind of quote that the text does not hold is taken.
fn quoted(f: &mut Formatter<'_>, text: &str) -> Result {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    write!(f, "{quote}{text}{quote}")
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.symbol())
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Asc => "asc",
            Self::Des => "des",
        })
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}=", self.name)?;
        quoted(f, &self.value)
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.name)?;
        if !self.labels.is_empty() {
            f.write_str("{")?;
            commas(f, &self.labels)?;
            f.write_str("}")?;
        }
        Ok(())
    }
}

impl Display for TopN {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "top_n({},{},{}", self.metric, self.n, self.order)?;
        for attribute in &self.attributes {
            write!(f, ",attr{}{}", attribute.index, if attribute.equals { "=" } else { "!=" })?;
            quoted(f, &attribute.value)?;
        }
        f.write_str(")")
    }
}
