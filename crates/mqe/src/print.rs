//! Printing of expressions: the inverse of the parser.

use std::fmt::{Display, Formatter, Result};

use crate::ast::{Expr, MathFunction, Operator};
use crate::need::{BaselineKind, Label, Metric, Need, Order, TopN};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Read(need) => write!(f, "{need}"),
            Self::Negate(of) => {
                f.write_str("-")?;
                operand(f, of, matches!(**of, Self::Binary { .. }))
            }
            Self::Binary { operator, left, right } => {
                operand(f, left, precedence(left) < operator.precedence())?;
                f.write_str(operator.symbol())?;
                operand(f, right, precedence(right) <= operator.precedence())
            }
            Self::Aggregate { aggregation, of } => write!(f, "{}({of})", aggregation.word()),
            Self::Math { function: MathFunction::Round(places), of } => write!(f, "round({of},{places})"),
            Self::Math { function, of } => write!(f, "{}({of})", function.word()),
            Self::Trend { trend, of, range } => write!(f, "{}({of},{range})", trend.word()),
            Self::ViewAsSeq(list) => {
                f.write_str("view_as_seq(")?;
                commas(f, list)?;
                f.write_str(")")
            }
            Self::IsPresent(list) => {
                f.write_str("is_present(")?;
                commas(f, list)?;
                f.write_str(")")
            }
            Self::TopNOf { lists, n, order } => {
                f.write_str("top_n_of(")?;
                commas(f, lists)?;
                write!(f, ",{n},{order})")
            }
            Self::Relabels { of, target, replacement } => write!(f, "relabels({of},{target},{replacement})"),
            Self::AggregateLabels { of, aggregation, labels } => {
                write!(f, "aggregate_labels({of},{}", aggregation.word())?;
                if !labels.is_empty() {
                    f.write_str("(")?;
                    commas(f, labels)?;
                    f.write_str(")")?;
                }
                f.write_str(")")
            }
            Self::SortValues { of, n, order, aggregation } => {
                write!(f, "sort_values({of},{n},{order},{})", aggregation.word())
            }
            Self::SortLabelValues { of, order, labels } => {
                write!(f, "sort_label_values({of},{order},")?;
                commas(f, labels)?;
                f.write_str(")")
            }
        }
    }
}

/// Higher than any operator for what needs no parentheses.
fn precedence(expr: &Expr) -> u8 {
    match expr {
        Expr::Binary { operator, .. } => operator.precedence(),
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

impl Display for Need {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Series { metric, .. } => write!(f, "{metric}"),
            Self::TopN(top_n) => write!(f, "{top_n}"),
            Self::Baseline { metric, kind } => {
                let kind = match kind {
                    BaselineKind::Value => "value",
                    BaselineKind::Upper => "upper",
                    BaselineKind::Lower => "lower",
                };
                write!(f, "baseline({metric},{kind})")
            }
        }
    }
}
