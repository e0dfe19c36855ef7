//! Metrics Query Expressions: what a dashboard or an alarm rule computes from metrics.
//!
//! The crate is pure: it reads no store, no clock and no configuration. A caller goes through three steps:
//!
//! 1. [`parse`] turns the text into an [`Expr`], or says where it is wrong;
//! 2. [`Expr::needs`] lists what has to be read, each thing once; the caller reads it, in any order and at once;
//! 3. [`evaluate`] computes an [`Outcome`] from the answers, given in the order of the needs.
//!
//! An alarm engine has many expressions and many entities, and the same evaluator: [`condition::compile`] checks that a text
//! can be a condition and says what it is about, a [`Program`] of all conditions computes what they share once, and
//! [`Program::run`] does so for a whole batch of entities. [`explain()`] says what each part of one came to.
//!
//! Read [`ast`] for the language, `eval::pair` for the rules by which two operands meet. Where the language comes from:
//! SkyWalking's `MQELexer.g4` and `MQEParser.g4` (version 11), and what its 10.4 server answers. What is ours and how much of it
//! SkyWalking can be told in its own words is in [`portable`]. And one rule is stricter: an empty value is empty everywhere, it
//! never counts as 0.

pub mod ast;
mod column;
pub mod condition;
mod error;
mod eval;
pub mod explain;
mod format;
pub mod frame;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod lexer;
pub mod need;
mod parser;
pub mod portable;
mod print;
mod program;
#[cfg(test)]
mod tests;

pub use ast::{Expr, Op};
pub use column::Column;
pub use condition::Condition;
pub use error::{ParseError, Place};
pub use eval::value::{Labelled, Loaded, Outcome, Owner, Point, Ranked, RankedRecord, ResultType, Row, Series, Value};
pub use explain::explain;
pub use format::format_value;
pub use frame::{Frame, Span};
pub use need::Need;
pub use parser::{parse, parse_whole};
pub use program::{Batch, Program, evaluate};

/// Longest text that is parsed, in bytes. What people and dashboards write has some hundred.
pub const MAX_LENGTH: usize = 16_384;

/// Deepest nesting, both of parentheses in the text and of operators in the tree (`1+1+1` is 3 deep). It bounds the
/// recursion of the parser, the printer and the evaluator, so that half a megabyte of stack is plenty.
pub const MAX_DEPTH: usize = 128;

/// Most operands and operators in one expression. Each may copy a whole series while it is evaluated.
pub const MAX_TERMS: usize = 1_000;

/// Most different things one expression may read. Each is a query to the store.
pub const MAX_NEEDS: usize = 100;

/// Most steps in the evaluation of one expression: `change_pct` computes its operand twice, so that nested ones double each
/// time.
pub const MAX_STEPS: usize = 2_000;

/// Most values of one entity (or of one label set of it) that the condition of an alarm may read each time it is evaluated.
pub const MAX_CONDITION_VALUES: usize = 10_000;
