//! Conditions: one attribute against a constant, and what is put together of them.

use crate::source::{Access, Datum, Field, NotANumber, Source};

/// Conditions put together. Read from left to right, no further than it takes to know.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    One(Condition),
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

impl Filter {
    /// Whether it holds for a source.
    pub(super) fn holds(&self, source: &Source<'_>) -> Result<bool, NotANumber> {
        let (parts, decided_by) = match self {
            Filter::One(condition) => return condition.holds(source),
            Filter::All(parts) => (parts, false),
            Filter::Any(parts) => (parts, true),
        };
        for part in parts {
            if part.holds(source)? == decided_by {
                return Ok(decided_by);
            }
        }
        Ok(!decided_by)
    }
}

/// One attribute against a constant.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) access: Access,
    pub(super) test: Test,
}

/// How an attribute is tested.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// It is null, or it is not.
    Null(bool),
    /// It is (or is not) this truth.
    Bool(bool),
    /// It compares so to a number.
    Int(Compare, i64),
    /// It compares so to a fraction.
    Float(Compare, f64),
    /// It equals this text, or (`false`) does not. Null equals no text.
    Text(bool, Box<str>),
    /// It begins with, ends with or contains a text.
    Like {
        /// Anything may stand before.
        before: bool,
        /// Anything may stand behind.
        after: bool,
        /// The text.
        text: Box<str>,
    },
    /// It is one of these numbers.
    InInts(Vec<i64>),
    /// It is one of these texts.
    InTexts(Vec<Box<str>>),
    /// The list of tags contains `key:value`, or (`false`) does not.
    Contain(bool, Box<str>),
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterEqual,
    /// `<=`
    LessEqual,
}

impl Compare {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Greater => left > right,
            Compare::Less => left < right,
            Compare::GreaterEqual => left >= right,
            Compare::LessEqual => left <= right,
        }
    }
}

impl Condition {
    /// Whether it holds for a source. What is null, or cannot be compared, holds only where the condition is a negation.
    pub(super) fn holds(&self, source: &Source<'_>) -> Result<bool, NotANumber> {
        if let Test::Contain(wanted, tag) = &self.test {
            return Ok(contains(source, &self.access.field, tag) == *wanted);
        }
        Ok(match (&self.test, self.access.read(source)?) {
            (Test::Null(wanted), datum) => (datum == Datum::Null) == *wanted,
            (Test::Bool(wanted), Datum::Bool(value)) => value == *wanted,
            (Test::Int(op, right), Datum::Int(left)) => op.holds(left, *right),
            (Test::Float(op, right), Datum::Float(left)) => op.holds(left, *right),
            #[expect(clippy::cast_precision_loss, reason = "a whole number is compared with a fraction the rule gives")]
            (Test::Float(op, right), Datum::Int(left)) => op.holds(left as f64, *right),
            (Test::Text(wanted, right), Datum::Text(left)) => (left == &**right) == *wanted,
            (Test::Text(wanted, _), Datum::Null) => !wanted,
            (Test::Like { before, after, text }, Datum::Text(left)) => match (before, after) {
                (true, true) => left.contains(&**text),
                (true, false) => left.ends_with(&**text),
                (false, true) => left.starts_with(&**text),
                (false, false) => left == &**text,
            },
            (Test::InInts(any), Datum::Int(value)) => any.contains(&value),
            (Test::InTexts(any), Datum::Text(value)) => any.iter().any(|text| **text == *value),
            _ => false,
        })
    }
}

fn contains(source: &Source<'_>, field: &Field, wanted: &str) -> bool {
    *field == Field::Tags
        && source.tags().iter().any(|tag| {
            let rest = wanted.strip_prefix(tag.key.trim()).and_then(|rest| rest.strip_prefix(':'));
            rest == Some(tag.value.trim())
        })
}
