//! What statements are made of. Names are as they were written; whether they exist is checked afterwards.

use super::Position;

/// One statement.
#[derive(Debug)]
pub(super) enum Statement {
    Metric(Box<Metric>),
    Disable { name: String },
}

/// `name = from(…)…;`
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) at: Position,
    pub(super) name: String,
    pub(super) source_at: Position,
    pub(super) source: String,
    /// `None` for `*`.
    pub(super) attribute: Option<Attribute>,
    pub(super) filters: Vec<Expr>,
    pub(super) function_at: Position,
    pub(super) function: String,
    pub(super) args: Vec<Arg>,
    /// Where, and the name.
    pub(super) decorator: Option<(Position, String)>,
}

/// `(str->long)sideCar.x` or `tag["key"]`.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) at: Position,
    pub(super) cast: bool,
    /// With its dots.
    pub(super) path: String,
    pub(super) key: Option<String>,
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Like,
    In,
    Contain,
    NotContain,
}

impl Op {
    /// How they are written.
    pub(super) const NAMES: [(&'static str, Op); 10] = [
        ("==", Op::Equal),
        ("!=", Op::NotEqual),
        (">", Op::Greater),
        ("<", Op::Less),
        (">=", Op::GreaterEqual),
        ("<=", Op::LessEqual),
        ("like", Op::Like),
        ("in", Op::In),
        ("contain", Op::Contain),
        ("not contain", Op::NotContain),
    ];
}

/// `attribute op value`
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) left: Attribute,
    pub(super) op: Op,
    pub(super) at: Position,
    pub(super) right: Literal,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    /// `RequestType.MQ`
    Constant(String, String),
    List(Vec<Literal>),
}

/// Comparisons put together with `and`, `or` and brackets.
#[derive(Debug)]
pub(super) enum Expr {
    One(Comparison),
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

/// An argument of a function.
#[derive(Debug)]
pub(super) enum Arg {
    Condition(Position, Expr),
    Attribute(Attribute),
    Literal(Position, Literal),
}

impl Arg {
    pub(super) fn at(&self) -> Position {
        match self {
            Arg::Condition(at, _) | Arg::Literal(at, _) => *at,
            Arg::Attribute(a) => a.at,
        }
    }
}
