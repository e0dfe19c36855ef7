//! Metrics as an operator writes them: SkyWalking's metric language, read and made ready to run.
//!
//! [`read`] turns files into [`Rules`], checked against what sources there are; the catalogue gives each rule the number of its
//! cell; [`Program::compile`] makes both into what a worker runs for every source, without looking anything up by name.

mod check;
mod condition;
mod lexer;
mod parser;
mod program;
#[cfg(test)]
mod tests;

use std::fmt;

use model::Scope;
use model::metric::Function;

use condition::Condition;
pub use program::Program;

use crate::source::{Access, SourceKind};

/// Where something stands in a file. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// What is wrong with a file of metrics, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OalError {
    /// The file, as it was named to [`read`].
    pub file: String,
    /// Where.
    pub at: Position,
    /// What was expected, and what was found.
    pub message: String,
}

impl fmt::Display for OalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.at.line, self.at.column, self.message)
    }
}

/// One metric: of which sources it sees what, and how it remembers it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in expressions.
    pub name: String,
    /// What its rows are about.
    pub scope: Scope,
    /// How it remembers.
    pub function: Function,
    /// Whether rankings may be cut to one layer. The layer lies in the row either way.
    pub decorated: bool,
    /// What it sees; `None` while nothing emits the source: the metric is known and never has a value.
    run: Option<Run>,
}

/// The part of a rule that runs.
#[derive(Clone, Debug)]
struct Run {
    source: SourceKind,
    /// All must hold.
    filters: Vec<Condition>,
    input: Input,
}

/// What a metric takes from a source.
#[derive(Clone, Debug)]
enum Input {
    One,
    Int(Access),
    Float(Access),
    Match(Condition),
    Rate(Condition, Condition),
    Apdex { latency: Access, ok: Access },
    Label { label: Access, value: Option<Access> },
}

/// Checked metrics.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Names in `disable(…)` that no metric bears; SkyWalking's own files may name its tables there, which changes nothing here.
    pub unknown_disabled: Vec<String>,
}

impl Rules {
    /// The metrics, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

/// Reads files, each `(name, text)`. Errors: every file's first mistake in syntax, or else everything that does not fit the
/// sources; the operator must mend the files.
pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Rules, Vec<OalError>> {
    let mut errors = Vec::new();
    let mut statements = Vec::new();
    for (file, text) in files {
        match parser::parse(text) {
            Ok(parsed) => statements.extend(parsed.into_iter().map(|statement| (file, statement))),
            Err((at, message)) => errors.push(OalError { file: file.to_owned(), at, message }),
        }
    }
    if errors.is_empty() { check::check(statements) } else { Err(errors) }
}
