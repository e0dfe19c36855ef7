//! The language as a tree. `to_string()` prints it without white space and with the fewest parentheses; what is printed
//! parses to the same tree.

use crate::need::{Label, Metric, Need, Order, TopN};

/// A parsed expression. Parentheses are not kept: the tree says what they said.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A number: finite, not negative.
    Number(f64),
    /// `metric`, `metric{label='values'}`, `top_n(…)` or `baseline(…)`: something to read.
    Read(Need),
    /// `-e`, which SkyWalking does not have.
    Negate(Box<Expr>),
    /// `left operator right`.
    Binary {
        /// The operator.
        operator: Operator,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `avg(e)` and its sisters: one value from the values of each label set.
    Aggregate {
        /// How the values become one.
        aggregation: Aggregation,
        /// What is aggregated.
        of: Box<Expr>,
    },
    /// `abs(e)`, `round(e, n)`: each value for itself.
    Math {
        /// What happens to a value.
        function: MathFunction,
        /// What it is applied to.
        of: Box<Expr>,
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
    /// `view_as_seq(e, …)`: the first that has a value.
    ViewAsSeq(Vec<Expr>),
    /// `is_present(e, …)`: 1 when any has a value.
    IsPresent(Vec<Expr>),
    /// `top_n_of(top_n(…), …, n, order)`: several rankings merged into one.
    TopNOf {
        /// The rankings.
        lists: Vec<TopN>,
        /// How many remain.
        n: u32,
        /// Which end comes first.
        order: Order,
    },
    /// `relabels(e, old='a,b', new='x,y')`.
    Relabels {
        /// What is relabelled.
        of: Box<Expr>,
        /// Label name and values to find.
        target: Label,
        /// Label name and values to put there, as many as found ones.
        replacement: Label,
    },
    /// `aggregate_labels(e, sum(label, …))`: one series from those that agree in the labels.
    AggregateLabels {
        /// What is aggregated.
        of: Box<Expr>,
        /// How the values of one bucket become one.
        aggregation: LabelAggregation,
        /// Labels that remain; empty: none.
        labels: Vec<String>,
    },
    /// `sort_values(e, n, order, aggregation)`.
    SortValues {
        /// What is sorted.
        of: Box<Expr>,
        /// How many label sets remain.
        n: u32,
        /// Which end comes first.
        order: Order,
        /// Required and ignored, as in SkyWalking: the average always decides.
        aggregation: Aggregation,
    },
    /// `sort_label_values(e, order, label, …)`.
    SortLabelValues {
        /// What is sorted.
        of: Box<Expr>,
        /// Which end comes first.
        order: Order,
        /// Labels by which to sort, the first decides first.
        labels: Vec<String>,
    },
}

impl Expr {
    /// What has to be read, each thing once, in the order in which the text names it first. The index into this list is the
    /// index into what [`crate::evaluate`] is given. At most [`crate::MAX_NEEDS`] for a parsed expression.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        self.collect_needs(&mut needs);
        needs
    }

    /// True for a comparison, and for `&&` and `||`: the values are 1 and 0 and mean true and false. An alarm rule must be
    /// one, and so must both operands of `&&` and `||`.
    pub fn is_bool(&self) -> bool {
        matches!(self, Self::Binary { operator, .. } if operator.family() != Family::Arithmetic)
    }

    fn collect_needs(&self, needs: &mut Vec<Need>) {
        let mut add = |need: Need| {
            if !needs.contains(&need) {
                needs.push(need);
            }
        };
        match self {
            Self::Number(_) => {}
            Self::Read(need) => add(need.clone()),
            Self::Trend { of, range, .. } => add(trend_need(of, *range)),
            Self::TopNOf { lists, .. } => lists.iter().for_each(|list| add(Need::TopN(list.clone()))),
            Self::Binary { left, right, .. } => {
                left.collect_needs(needs);
                right.collect_needs(needs);
            }
            Self::ViewAsSeq(list) | Self::IsPresent(list) => list.iter().for_each(|e| e.collect_needs(needs)),
            Self::Negate(of)
            | Self::Aggregate { of, .. }
            | Self::Math { of, .. }
            | Self::Relabels { of, .. }
            | Self::AggregateLabels { of, .. }
            | Self::SortValues { of, .. }
            | Self::SortLabelValues { of, .. } => of.collect_needs(needs),
        }
    }
}

/// What `increase` and `rate` read.
pub(crate) fn trend_need(metric: &Metric, range: u32) -> Need {
    Need::Series { metric: metric.clone(), before: range }
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
