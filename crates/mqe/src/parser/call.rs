//! Calls of functions, and what their arguments are made of: metrics, labels, orders.

use super::{Parser, Tree, is_reserved};
use crate::ast::{Aggregation, Expr, LabelAggregation, MathFunction};
use crate::lexer::{Kind, ParseError};
use crate::need::{Attribute, BaselineKind, Label, Metric, Need, Order, TopN};

impl<'a> Parser<'a> {
    /// A function with arguments of its own kind.
    pub(super) fn function(&mut self, word: &'a str, depth: usize) -> Result<Tree, ParseError> {
        match word {
            "round" => {
                let (of, height) = self.first_argument(depth)?;
                let function = MathFunction::Round(self.integer()?);
                self.sign(")")?;
                Ok((Expr::Math { function, of: Box::new(of) }, height))
            }
            "top_n" => Ok((Expr::Read(Need::TopN(self.top_n()?)), self.grown(0)?)),
            "top_n_of" => self.top_n_of(),
            "view_as_seq" => {
                let (list, height) = self.arguments(depth)?;
                Ok((Expr::ViewAsSeq(list), height))
            }
            "is_present" => {
                let (list, height) = self.arguments(depth)?;
                Ok((Expr::IsPresent(list), height))
            }
            "baseline" => {
                self.open()?;
                let metric = self.metric()?;
                self.sign(",")?;
                let kind = self.baseline_kind()?;
                self.sign(")")?;
                Ok((Expr::Read(Need::Baseline { metric, kind }), self.grown(0)?))
            }
            "relabels" => {
                let (of, height) = self.first_argument(depth)?;
                let target = self.label()?;
                self.sign(",")?;
                let replacement = self.label()?;
                self.sign(")")?;
                Ok((Expr::Relabels { of: Box::new(of), target, replacement }, height))
            }
            "aggregate_labels" => self.aggregate_labels(depth),
            "sort_values" => {
                let (of, height) = self.first_argument(depth)?;
                let n = self.integer()?;
                self.sign(",")?;
                let order = self.order()?;
                self.sign(",")?;
                let aggregation = self.aggregation()?;
                self.sign(")")?;
                Ok((Expr::SortValues { of: Box::new(of), n, order, aggregation }, height))
            }
            "sort_label_values" => {
                let (of, height) = self.first_argument(depth)?;
                let order = self.order()?;
                self.sign(",")?;
                let labels = self.label_names()?;
                self.sign(")")?;
                Ok((Expr::SortLabelValues { of: Box::new(of), order, labels }, height))
            }
            _ => Err(self.unexpected("a metric, a number or a function")),
        }
    }

    fn aggregate_labels(&mut self, depth: usize) -> Result<Tree, ParseError> {
        let (of, height) = self.first_argument(depth)?;
        let aggregation = self.one_of(LabelAggregation::of_word, "avg, sum, max or min")?;
        let mut labels = Vec::new();
        if self.is_sign("(") {
            self.next += 1;
            labels = self.label_names()?;
            self.sign(")")?;
        }
        self.sign(")")?;
        Ok((Expr::AggregateLabels { of: Box::new(of), aggregation, labels }, height))
    }

    /// From behind the name: `(e)`. The height is that of the call.
    pub(super) fn only_argument(&mut self, depth: usize) -> Result<Tree, ParseError> {
        self.open()?;
        let (of, height) = self.expression(0, depth + 1)?;
        self.sign(")")?;
        Ok((of, self.grown(height)?))
    }

    /// From behind the name: `(e,`. The height is that of the call.
    fn first_argument(&mut self, depth: usize) -> Result<Tree, ParseError> {
        self.open()?;
        let (of, height) = self.expression(0, depth + 1)?;
        self.sign(",")?;
        Ok((of, self.grown(height)?))
    }

    /// From behind the name: `(e, …)`. The height is that of the call.
    fn arguments(&mut self, depth: usize) -> Result<(Vec<Expr>, usize), ParseError> {
        self.open()?;
        let mut list = Vec::new();
        let mut height = 0;
        loop {
            let (each, its_height) = self.expression(0, depth + 1)?;
            list.push(each);
            height = height.max(its_height);
            if !self.is_sign(",") {
                break;
            }
            self.next += 1;
        }
        self.sign(")")?;
        Ok((list, self.grown(height)?))
    }

    fn top_n_of(&mut self) -> Result<Tree, ParseError> {
        self.open()?;
        let mut lists = Vec::new();
        loop {
            match self.peek() {
                Some(Kind::Word("top_n")) => lists.push(self.top_n()?),
                _ if lists.is_empty() => return Err(self.unexpected("top_n")),
                _ => break,
            }
            self.grown(0)?;
            self.sign(",")?;
        }
        let n = self.integer()?;
        self.sign(",")?;
        let order = self.order()?;
        self.sign(")")?;
        Ok((Expr::TopNOf { lists, n, order }, self.grown(0)?))
    }

    fn top_n(&mut self) -> Result<TopN, ParseError> {
        self.open()?;
        let metric = self.metric()?;
        self.sign(",")?;
        let n = self.integer()?;
        self.sign(",")?;
        let order = self.order()?;
        let mut attributes = Vec::new();
        while self.is_sign(",") {
            self.next += 1;
            attributes.push(self.attribute()?);
        }
        self.sign(")")?;
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
        let kind = |word: &str| match word {
            "value" => Some(BaselineKind::Value),
            "upper" => Some(BaselineKind::Upper),
            "lower" => Some(BaselineKind::Lower),
            _ => None,
        };
        self.one_of(kind, "value, upper or lower")
    }
}
