//! Calls of functions, and what their arguments are made of: metrics, labels, orders.

use super::{Parser, Tree, is_reserved};
use crate::ast::{Aggregation, Expr, LabelAggregation, MathFunction, Number, Op, Trend};
use crate::error::ParseError;
use crate::frame::Span;
use crate::lexer::Kind;
use crate::need::{Attribute, BaselineKind, Label, Metric, Order, TopN};

/// Names of functions that SkyWalking does not have.
const OURS: [&str; 11] = [
    "not",
    "absent",
    "for_each_label",
    "offset",
    "change_pct",
    "over",
    "quantile",
    "stddev",
    "zscore",
    "burn_rate",
    "ewma",
];

pub(super) fn is_ours(word: &str) -> bool {
    OURS.contains(&word)
}

impl<'a> Parser<'a> {
    /// A function, whose name is the next token.
    pub(super) fn function(&mut self, word: &'a str, depth: usize) -> Result<Tree, ParseError> {
        let start = self.place().start;
        let (op, args, height) = match word {
            "top_n" => (Op::TopN(self.top_n()?), Vec::new(), 0),
            "top_n_of" => {
                let lists = self.rankings()?;
                (self.top_n_of()?, lists, 1)
            }
            "baseline" => {
                let metric = self.first_metric()?;
                (Op::Baseline { metric, kind: self.baseline_kind()? }, Vec::new(), 0)
            }
            "view_as_seq" | "is_present" => {
                let (args, height) = self.arguments(depth)?;
                (if word == "is_present" { Op::IsPresent } else { Op::ViewAsSeq }, args, height)
            }
            "burn_rate" => {
                let (bad, bad_height) = self.first_argument(depth)?;
                self.sign(",")?;
                let (total, total_height) = self.expression(0, depth + 1)?;
                (self.burn_rate()?, vec![bad, total], bad_height.max(total_height))
            }
            _ => {
                if let Some(trend) = Trend::of_word(word) {
                    let of = self.first_metric()?;
                    (Op::Trend { trend, of, range: self.integer()? }, Vec::new(), 0)
                } else if is_reserved(word) && !is_function(word) {
                    return Err(self.unexpected("a metric, a number or a function"));
                } else {
                    let (of, height) = self.first_argument(depth)?;
                    (self.of_one(word)?, vec![of], height)
                }
            }
        };
        self.sign(")")?;
        self.tree(start, op, args, height)
    }

    /// A function of one operand, which was read: what stands between it and the closing parenthesis.
    fn of_one(&mut self, word: &str) -> Result<Op, ParseError> {
        if let Some(aggregation) = Aggregation::of_word(word) {
            return Ok(Op::Aggregate(aggregation));
        }
        match word {
            "abs" => return Ok(Op::Math(MathFunction::Abs)),
            "ceil" => return Ok(Op::Math(MathFunction::Ceil)),
            "floor" => return Ok(Op::Math(MathFunction::Floor)),
            "not" => return Ok(Op::Not),
            "absent" => return Ok(Op::Absent),
            "for_each_label" => return Ok(Op::ForEachLabel),
            "stddev" => return Ok(Op::StdDev),
            "zscore" => return Ok(Op::ZScore),
            _ => self.sign(",")?,
        }
        match word {
            "round" => Ok(Op::Math(MathFunction::Round(self.integer()?))),
            "relabels" => {
                let target = self.label()?;
                self.sign(",")?;
                Ok(Op::Relabels { target, replacement: self.label()? })
            }
            "aggregate_labels" => self.aggregate_labels(),
            "sort_values" => {
                let n = self.integer()?;
                self.sign(",")?;
                let order = self.order()?;
                self.sign(",")?;
                Ok(Op::SortValues { n, order, aggregation: self.aggregation()? })
            }
            "sort_label_values" => {
                let order = self.order()?;
                self.sign(",")?;
                Ok(Op::SortLabelValues { order, labels: self.label_names()? })
            }
            "offset" => Ok(Op::Offset(self.span()?)),
            "change_pct" => Ok(Op::ChangePct(self.span()?)),
            "over" => Ok(Op::Over(self.window()?)),
            "quantile" => Ok(Op::Quantile(self.number_that(|q| q <= 1.0, "a number from 0 to 1")?)),
            _ => {
                Ok(Op::Ewma(self.number_that(|weight| weight > 0.0 && weight <= 1.0, "a number above 0 and up to 1")?))
            }
        }
    }

    /// From behind the second operand.
    fn burn_rate(&mut self) -> Result<Op, ParseError> {
        self.sign(",")?;
        let objective =
            self.number_that(|percent| percent > 0.0 && percent < 100.0, "percent above 0 and below 100")?;
        self.sign(",")?;
        Ok(Op::BurnRate { objective, window: self.window()? })
    }

    fn aggregate_labels(&mut self) -> Result<Op, ParseError> {
        let aggregation = self.one_of(LabelAggregation::of_word, "avg, sum, max or min")?;
        let mut labels = Vec::new();
        if self.is_sign("(") {
            self.next += 1;
            labels = self.label_names()?;
            self.sign(")")?;
        }
        Ok(Op::AggregateLabels { aggregation, labels })
    }

    /// From the name: `name(e`. The height is that of the operand.
    fn first_argument(&mut self, depth: usize) -> Result<Tree, ParseError> {
        self.open()?;
        self.expression(0, depth + 1)
    }

    /// From the name: `name(e, …`. The height is that of the highest operand.
    fn arguments(&mut self, depth: usize) -> Result<(Vec<Expr>, usize), ParseError> {
        let (first, mut height) = self.first_argument(depth)?;
        let mut args = vec![first];
        while self.is_sign(",") {
            self.next += 1;
            let (each, its_height) = self.expression(0, depth + 1)?;
            args.push(each);
            height = height.max(its_height);
        }
        Ok((args, height))
    }

    /// From the name: `name(metric,`.
    fn first_metric(&mut self) -> Result<Metric, ParseError> {
        self.open()?;
        let metric = self.metric()?;
        self.sign(",")?;
        Ok(metric)
    }

    /// The name, which is the next token, and the parenthesis behind it.
    fn open(&mut self) -> Result<(), ParseError> {
        self.next += 1;
        self.sign("(")
    }

    /// From the name: `top_n_of(top_n(…), …,`.
    fn rankings(&mut self) -> Result<Vec<Expr>, ParseError> {
        self.open()?;
        let mut lists = Vec::new();
        loop {
            let start = self.place().start;
            match self.peek() {
                Some(Kind::Word("top_n")) => {
                    let op = Op::TopN(self.top_n()?);
                    self.sign(")")?;
                    lists.push(self.tree(start, op, Vec::new(), 0)?.0);
                }
                _ if lists.is_empty() => return Err(self.unexpected("top_n")),
                _ => return Ok(lists),
            }
            self.sign(",")?;
        }
    }

    fn top_n_of(&mut self) -> Result<Op, ParseError> {
        let n = self.integer()?;
        self.sign(",")?;
        Ok(Op::TopNOf { n, order: self.order()? })
    }

    /// From the name up to the closing parenthesis, which is left.
    fn top_n(&mut self) -> Result<TopN, ParseError> {
        let metric = self.first_metric()?;
        let n = self.integer()?;
        self.sign(",")?;
        let order = self.order()?;
        let mut attributes = Vec::new();
        while self.is_sign(",") {
            self.next += 1;
            attributes.push(self.attribute()?);
        }
        Ok(TopN { metric, n, order, attributes })
    }

    fn attribute(&mut self) -> Result<Attribute, ParseError> {
        let index =
            self.one_of(|word| word.strip_prefix("attr")?.parse().ok().filter(|n| *n <= 5), "attr0 to attr5")?;
        let equals = self.is_sign("=");
        if !equals && !self.is_sign("!=") {
            return Err(self.unexpected("'=' or '!='"));
        }
        self.next += 1;
        Ok(Attribute { index, equals, value: self.quoted()? })
    }

    pub(super) fn metric(&mut self) -> Result<Metric, ParseError> {
        let name = match self.peek() {
            Some(Kind::Word(word)) if word != "_" && !is_reserved(word) => word.to_owned(),
            _ => return Err(self.unexpected("a metric")),
        };
        self.next += 1;
        let mut labels = Vec::new();
        if self.is_sign("{") {
            self.next += 1;
            while !self.is_sign("}") {
                if !labels.is_empty() {
                    self.sign(",")?;
                }
                labels.push(self.label()?);
            }
            self.next += 1;
        }
        Ok(Metric { name, labels })
    }

    fn label(&mut self) -> Result<Label, ParseError> {
        let name = self.label_name()?;
        self.sign("=")?;
        Ok(Label { name, value: self.quoted()? })
    }

    fn label_names(&mut self) -> Result<Vec<String>, ParseError> {
        let mut names = vec![self.label_name()?];
        while self.is_sign(",") {
            self.next += 1;
            names.push(self.label_name()?);
        }
        Ok(names)
    }

    fn label_name(&mut self) -> Result<String, ParseError> {
        self.one_of(|word| (!is_reserved(word)).then(|| word.to_owned()), "a label name")
    }

    fn order(&mut self) -> Result<Order, ParseError> {
        let order = |word: &str| match () {
            () if word.eq_ignore_ascii_case("asc") => Some(Order::Asc),
            () if word.eq_ignore_ascii_case("des") => Some(Order::Des),
            () => None,
        };
        self.one_of(order, "asc or des")
    }

    fn aggregation(&mut self) -> Result<Aggregation, ParseError> {
        self.one_of(Aggregation::of_word, "avg, count, latest, sum, max or min")
    }

    fn baseline_kind(&mut self) -> Result<BaselineKind, ParseError> {
        let kinds = [BaselineKind::Value, BaselineKind::Upper, BaselineKind::Lower];
        self.one_of(|word| kinds.into_iter().find(|kind| kind.word() == word), "value, upper or lower")
    }

    fn span(&mut self) -> Result<Span, ParseError> {
        self.one_of(Span::of_word, "a length of time like 5m, 1h, 1d or 1w")
    }

    fn window(&mut self) -> Result<Span, ParseError> {
        let window = |word: &str| Span::of_word(word).filter(|span| span.is_window());
        self.one_of(window, "a length of time of up to 2h, or of whole hours up to 32d")
    }

    fn number_that(&mut self, fits: impl Fn(f64) -> bool, expected: &str) -> Result<Number, ParseError> {
        let at = self.next;
        match self.number() {
            Ok(number) if fits(number.get()) => Ok(number),
            _ => {
                self.next = at;
                Err(self.unexpected(expected))
            }
        }
    }
}

/// Whether a reserved word names a function of one operand.
fn is_function(word: &str) -> bool {
    const NAMES: [&str; 8] =
        ["abs", "ceil", "floor", "round", "relabels", "aggregate_labels", "sort_values", "sort_label_values"];
    NAMES.contains(&word) || Aggregation::of_word(word).is_some()
}
