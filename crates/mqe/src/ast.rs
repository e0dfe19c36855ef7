//! The language as a tree. `to_string()` prints it without white space and with the fewest parentheses; what is printed
//! parses to the same tree.

use std::hash::{Hash, Hasher};

use crate::error::Place;
use crate::frame::Span;
use crate::need::{BaselineKind, Label, Metric, Need, Order, TopN};
use crate::program::Program;

/// A parsed expression: what is done, to what. Parentheses are not kept: the tree says what they said.
///
/// Two expressions are equal when they mean the same, wherever they stand in their texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What is done.
    pub op: Op,
    /// What it is done to; as many as [`Op`] says.
    pub args: Vec<Expr>,
    /// Where it was read.
    pub place: Place,
}

/// What an expression does. `e` stands for an operand, which is in [`Expr::args`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// A number.
    Number(Number),
    /// `metric`, `metric{label='values'}`.
    Metric(Metric),
    /// `top_n(…)`.
    TopN(TopN),
    /// `top_n_of(top_n(…), …, n, order)`: several rankings merged into one. Its operands are [`Op::TopN`].
    TopNOf {
        /// How many remain.
        n: u32,
        /// Which end comes first.
        order: Order,
    },
    /// `baseline(metric, line)`: what the days before make us expect.
    Baseline {
        /// The metric that is predicted.
        metric: Metric,
        /// Which line of the prediction.
        kind: BaselineKind,
    },
    /// `increase(metric, n)`, `rate(metric, n)`.
    Trend {
        /// Difference, or difference by second.
        trend: Trend,
        /// The metric.
        of: Metric,
        /// How many buckets back; 0 is answered with an error.
        range: u32,
    },
    /// `-e`. Ours.
    Negate,
    /// `e operator e`.
    Binary(Operator),
    /// `avg(e)` and its sisters: one value from the values of each label set.
    Aggregate(Aggregation),
    /// `abs(e)`, `round(e, n)`: each value for itself.
    Math(MathFunction),
    /// `view_as_seq(e, …)`: the first that has a value.
    ViewAsSeq,
    /// `is_present(e, …)`: 1 when any has a value.
    IsPresent,
    /// `relabels(e, old='a,b', new='x,y')`.
    Relabels {
        /// Label name and values to find.
        target: Label,
        /// Label name and values to put there, as many as found ones.
        replacement: Label,
    },
    /// `aggregate_labels(e, sum(label, …))`: one series from those that agree in the labels.
    AggregateLabels {
        /// How the values of one bucket become one.
        aggregation: LabelAggregation,
        /// Labels that remain; empty: none.
        labels: Vec<String>,
    },
    /// `sort_values(e, n, order, aggregation)`.
    SortValues {
        /// How many label sets remain.
        n: u32,
        /// Which end comes first.
        order: Order,
        /// By what they are sorted. SkyWalking asks for it and takes the average whatever is said.
        aggregation: Aggregation,
    },
    /// `sort_label_values(e, order, label, …)`.
    SortLabelValues {
        /// Which end comes first.
        order: Order,
        /// Labels by which to sort, the first decides first.
        labels: Vec<String>,
    },
    /// `not(e)`: the other truth. Ours.
    Not,
    /// `absent(e)`: 1 when no value is there, else 0; an operand that cannot be read is an error, unlike in `is_present`. Ours.
    Absent,
    /// `for_each_label(e)`: an alarm of its own for each label set; changes no value. Ours.
    ForEachLabel,
    /// `offset(e, span)`: what it was so much earlier, at today's ids. Ours.
    Offset(Span),
    /// `change_pct(e, span)`: by how many percent it differs from what it was so much earlier. Ours.
    ChangePct(Span),
    /// `over(e, span)`: computed not over the duration but over so long a time up to its end. Ours.
    Over(Span),
    /// `quantile(e, q)`: of each label set the value below which the part `q` lies, between two values in proportion. Ours.
    Quantile(Number),
    /// `stddev(e)`: standard deviation of each label set's values, dividing by their number. Ours.
    StdDev,
    /// `zscore(e)`: each value's distance from the mean of its label set, in standard deviations; empty when all are alike.
    /// Ours.
    ZScore,
    /// `burn_rate(bad e, total e, objective, span)`: the part of bad ones over so long a time, by the part that an objective of so
    /// many percent allows. Empty when there were none at all. Ours.
    BurnRate {
        /// Percent that shall be good, above 0 and below 100.
        objective: Number,
        /// Over how long a time.
        window: Span,
    },
    /// `ewma(e, weight)`: moving average in which the newest value has the weight, the average before it the rest. Ours.
    Ewma(Number),
}

/// A number as it can be written: finite and not negative. Such numbers can be compared and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Number(f64);

impl Number {
    /// `None` for what cannot be written.
    pub fn new(value: f64) -> Option<Self> {
        // The addition makes the negative zero the positive one, so that equal numbers hash alike.
        (value.is_finite() && value >= 0.0).then_some(Self(value + 0.0))
    }

    /// Its value.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Expr {
    /// An expression that stands nowhere.
    pub fn new(op: Op, args: Vec<Expr>) -> Self {
        Self { op, args, place: Place::default() }
    }

    /// What has to be read, each thing once, in the order in which the text names it first. The index into this list is the
    /// index into what [`crate::evaluate`] is given. At most [`crate::MAX_NEEDS`] for a parsed expression.
    pub fn needs(&self) -> Vec<Need> {
        Program::new([self]).needs().to_vec()
    }

    /// True for what answers a question: the values are 1 and 0 and mean true and false. An alarm rule must be one, and so must
    /// the operands of `&&`, `||` and `not`.
    pub fn is_bool(&self) -> bool {
        match &self.op {
            Op::Binary(operator) => operator.family() != Family::Arithmetic,
            Op::Not | Op::Absent => true,
            Op::ForEachLabel | Op::Offset(_) | Op::Over(_) => self.args.first().is_some_and(Self::is_bool),
            _ => false,
        }
    }

    /// The expression and all its parts, each before its own parts.
    pub fn parts(&self) -> Vec<&Self> {
        let mut parts = vec![self];
        parts.extend(self.args.iter().flat_map(Self::parts));
        parts
    }
}

/// An operator between two operands. All are left-associative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `*`
    Mul,
    /// `/`, where a division by 0 is ∞ or NaN
    Div,
    /// `%`, with the sign of the dividend
    Mod,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `==`
    Eq,
    /// `!=`
    Neq,
    /// `<=`
    Lte,
    /// `<`
    Lt,
    /// `>=`
    Gte,
    /// `>`
    Gt,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// What an operator means, and how an error names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `* / % + -`
    Arithmetic,
    /// `== != <= < >= >`
    Compare,
    /// `&& ||`
    Bool,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 13] = [
        Self::Mul,
        Self::Div,
        Self::Mod,
        Self::Add,
        Self::Sub,
        Self::Eq,
        Self::Neq,
        Self::Lte,
        Self::Lt,
        Self::Gte,
        Self::Gt,
        Self::And,
        Self::Or,
    ];

    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Eq => "==",
            Self::Neq => "!=",
            Self::Lte => "<=",
            Self::Lt => "<",
            Self::Gte => ">=",
            Self::Gt => ">",
            Self::And => "&&",
            Self::Or => "||",
        }
    }

    /// The higher, the tighter it binds. `&&` and `||` are at one level: `a || b && c` is `(a || b) && c`.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Mul | Self::Div | Self::Mod => 4,
            Self::Add | Self::Sub => 3,
            Self::Eq | Self::Neq | Self::Lte | Self::Lt | Self::Gte | Self::Gt => 2,
            Self::And | Self::Or => 1,
        }
    }

    /// Which kind of operator.
    pub fn family(self) -> Family {
        match self.precedence() {
            1 => Family::Bool,
            2 => Family::Compare,
            _ => Family::Arithmetic,
        }
    }
}

/// An enum whose variants are words of the language.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As it is written.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|each| each.word() == word)
            }
        }
    };
}

words! {
    /// How the values of one label set become one. Empty values are left out.
    Aggregation {
        /// Mean; empty when there is no value.
        Avg = "avg",
        /// Number of values; 0 when there is none.
        Count = "count",
        /// Last value, with its id; empty when there is none. Series only.
        Latest = "latest",
        /// Sum; 0 when there is no value.
        Sum = "sum",
        /// Largest value, with its id; empty when there is none.
        Max = "max",
        /// Smallest value, with its id; empty when there is none.
        Min = "min",
    }
}

words! {
    /// How the values of several label sets in one bucket become one. Empty values are left out; all empty is empty.
    LabelAggregation {
        /// Mean.
        Avg = "avg",
        /// Sum.
        Sum = "sum",
        /// Largest value.
        Max = "max",
        /// Smallest value.
        Min = "min",
    }
}

words! {
    /// How a value is compared with the one some buckets earlier.
    Trend {
        /// The difference. A counter that began anew gives a negative one.
        Increase = "increase",
        /// The difference by second.
        Rate = "rate",
    }
}

/// What happens to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MathFunction {
    /// `abs`: without its sign.
    Abs,
    /// `ceil`: next whole number up.
    Ceil,
    /// `floor`: next whole number down.
    Floor,
    /// `round`: to so many decimal places, a half away from 0.
    Round(u32),
}

impl MathFunction {
    /// Name of the function.
    pub fn word(self) -> &'static str {
        match self {
            Self::Abs => "abs",
            Self::Ceil => "ceil",
            Self::Floor => "floor",
            Self::Round(_) => "round",
        }
    }
}
