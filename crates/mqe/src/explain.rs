//! What each part of an expression came to, for people who ask why.

use crate::ast::Expr;
use crate::error::Place;
use crate::eval::value::{Loaded, Outcome};
use crate::program::{Batch, Program};

/// A part of an expression and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Where it stands in the text.
    pub place: Place,
    /// How it is written, without white space.
    pub text: String,
    /// What it came to, at the time of which the expression asks: inside `offset(…, 1d)` yesterday.
    pub outcome: Outcome,
}

/// Evaluates an expression for one entity and tells of each part, in the order of [`Expr::parts`]: the first is the whole.
/// `loaded` and `step_seconds` are as for [`crate::evaluate`].
pub fn explain(expr: &Expr, loaded: &[Loaded], step_seconds: u32) -> Vec<Part> {
    let parts = expr.parts();
    let mut explained = Vec::new();
    Program::of_parts(expr).run(Batch { loaded, width: 1, step_seconds }, |number, _, value| {
        // The first answer is the one that the needs come from; it is among the parts again.
        let Some(part) = number.checked_sub(1).and_then(|number| parts.get(number)) else { return };
        explained.push(Part { place: part.place, text: part.to_string(), outcome: Outcome::of(value) });
    });
    explained
}
