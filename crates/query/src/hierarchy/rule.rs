//! Matching rules: small functions of two services, in the form that SkyWalking's `hierarchy-definition.yml` has them.
//!
//! ```text
//! { (u, l) -> u.name == l.name }
//! { (u, l) -> { if(l.shortName.lastIndexOf('.') > 0) return …; return false; } }
//! ```
//!
//! Services have a `name` and a `shortName`; texts have the methods of [`Method`]; conditions may be joined. Types are checked when a rule is
//! read, so that all that can go wrong later is an index beyond a text, and then nothing matches. [`super::parse`] reads, [`super::matching`]
//! evaluates.

/// One of the two services that a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Upper,
    Lower,
}

/// What a rule may ask of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    ShortName,
}

/// Methods of texts, by the names that Java has for them. Positions count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Substring,
    IndexOf,
    LastIndexOf,
    Concat,
    Replace,
    ToLowerCase,
    ToUpperCase,
    Trim,
    Length,
    StartsWith,
    EndsWith,
    Contains,
    Equals,
    EqualsIgnoreCase,
    IsEmpty,
}

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Number,
    Truth,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Text => "a text",
            Type::Number => "a number",
            Type::Truth => "true or false",
        }
    }
}

impl Method {
    /// The method of a name, with what it takes and what it is; an optional last argument may be left out.
    pub(crate) fn by_name(name: &str) -> Option<Method> {
        Some(match name {
            "substring" => Method::Substring,
            "indexOf" => Method::IndexOf,
            "lastIndexOf" => Method::LastIndexOf,
            "concat" => Method::Concat,
            "replace" => Method::Replace,
            "toLowerCase" => Method::ToLowerCase,
            "toUpperCase" => Method::ToUpperCase,
            "trim" => Method::Trim,
            "length" => Method::Length,
            "startsWith" => Method::StartsWith,
            "endsWith" => Method::EndsWith,
            "contains" => Method::Contains,
            "equals" => Method::Equals,
            "equalsIgnoreCase" => Method::EqualsIgnoreCase,
            "isEmpty" => Method::IsEmpty,
            _ => return None,
        })
    }

    /// What it takes.
    pub(crate) fn takes(self) -> &'static [Type] {
        match self {
            Method::Substring => &[Type::Number, Type::Number],
            Method::Replace => &[Type::Text, Type::Text],
            Method::ToLowerCase | Method::ToUpperCase | Method::Trim | Method::Length | Method::IsEmpty => &[],
            _ => &[Type::Text],
        }
    }

    /// How many of these it needs.
    pub(crate) fn needs(self) -> usize {
        if self == Method::Substring { 1 } else { self.takes().len() }
    }

    /// What it answers.
    pub(crate) fn ty(self) -> Type {
        match self {
            Method::IndexOf | Method::LastIndexOf | Method::Length => Type::Number,
            Method::StartsWith
            | Method::EndsWith
            | Method::Contains
            | Method::Equals
            | Method::EqualsIgnoreCase
            | Method::IsEmpty => Type::Truth,
            _ => Type::Text,
        }
    }
}

/// A value, still to be found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Text(String),
    Number(i64),
    Truth(bool),
    Field(Side, Field),
    Call(Box<Expr>, Method, Vec<Expr>),
    /// Of numbers the sum, of texts one behind the other.
    Add(Box<Expr>, Box<Expr>),
    Subtract(Box<Expr>, Box<Expr>),
}

impl Expr {
    /// What it is: types were checked when it was read.
    pub(crate) fn ty(&self) -> Type {
        match self {
            Expr::Text(_) | Expr::Field(..) => Type::Text,
            Expr::Number(_) | Expr::Subtract(..) => Type::Number,
            Expr::Truth(_) => Type::Truth,
            Expr::Call(_, method, _) => method.ty(),
            Expr::Add(left, _) => left.ty(),
        }
    }

    /// Whether it speaks of this service.
    pub(crate) fn mentions(&self, side: Side) -> bool {
        match self {
            Expr::Text(_) | Expr::Number(_) | Expr::Truth(_) => false,
            Expr::Field(own, _) => *own == side,
            Expr::Call(on, _, arguments) => on.mentions(side) || arguments.iter().any(|a| a.mentions(side)),
            Expr::Add(left, right) | Expr::Subtract(left, right) => left.mentions(side) || right.mentions(side),
        }
    }
}

/// How two values may stand to each other. All but the first two are for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

/// Something that holds or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Comparison, Expr, Expr),
    Value(Expr),
}

impl Condition {
    /// Whether it speaks of this service.
    pub(crate) fn mentions(&self, side: Side) -> bool {
        match self {
            Condition::And(left, right) | Condition::Or(left, right) => left.mentions(side) || right.mentions(side),
            Condition::Not(inner) => inner.mentions(side),
            Condition::Compare(_, left, right) => left.mentions(side) || right.mentions(side),
            Condition::Value(value) => value.mentions(side),
        }
    }
}

/// A step of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    /// The first branch whose condition holds, else the last one.
    If(Vec<(Condition, Vec<Statement>)>, Vec<Statement>),
    Return(Condition),
}

/// A matching rule. Where no `return` is reached, nothing matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) body: Vec<Statement>,
}
