//! Metrics Query Expressions: what a dashboard or an alarm rule computes from metrics.
//!
//! The crate is pure: it reads no store, no clock and no configuration. A caller goes through three steps:
//!
//! 1. [`parse`] turns the text into an [`Expr`], or says where it is wrong;
//! 2. [`Expr::needs`] lists what has to be read, each thing once; the caller reads it, in any order and at once;
//! 3. [`evaluate`] computes an [`Outcome`] from the answers, given in the order of the needs.
//!
//! Read [`ast`] for the language, `eval::pair` for the rules by which two operands meet. Where the language comes from:
//! SkyWalking's `MQELexer.g4` and `MQEParser.g4` (version 11), and what its 10.4 server answers.
//!
//! Two things are ours: a minus sign in front of an operand, and exponents (`1.5e3`). And one rule is stricter: an empty
//! value is empty everywhere, it never counts as 0.

pub mod ast;
mod eval;
mod format;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod lexer;
pub mod need;
mod parser;
mod print;
#[cfg(test)]
mod tests;

pub use ast::Expr;
pub use eval::evaluate;
pub use eval::value::{Labelled, Loaded, Outcome, Owner, Point, Ranked, RankedRecord, ResultType, Series};
pub use format::format_value;
pub use lexer::ParseError;
pub use need::Need;
pub use parser::{parse, parse_whole};

/// Longest text that is parsed, in bytes. What people and dashboards write has some hundred.
pub const MAX_LENGTH: usize = 16_384;

/// Deepest nesting, both of parentheses in the text and of operators in the tree (`1+1+1` is 3 deep). It bounds the
/// recursion of the parser, the printer and the evaluator, so that half a megabyte of stack is plenty.
pub const MAX_DEPTH: usize = 128;

/// Most operands and operators in one expression. Each may copy a whole series while it is evaluated.
pub const MAX_TERMS: usize = 1_000;

/// Most different things one expression may read. Each is a query to the store.
pub const MAX_NEEDS: usize = 100;
