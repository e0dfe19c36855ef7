//! Metrics as an operator writes them: SkyWalking's metric language, read and made ready to run.
//!
//! [`read`] turns files into [`Rules`], checked against what sources there are; the catalogue gives each rule the number of its
//! cell; [`Program::compile`] makes both into what a worker runs for every source, without looking anything up by name.

mod check;
mod condition;
mod lexer;
mod parser;
mod program;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;

use model::Scope;
use model::cell::CellId;
use model::metric::Function;

use condition::Filter;
pub use program::Program;
#[cfg(test)]
use syntax::Op;

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
    filters: Vec<Filter>,
    input: Input,
}

/// What a metric takes from a source.
#[derive(Clone, Debug)]
enum Input {
    One,
    Int(Access),
    Float(Access),
    Match(Filter),
    Rate(Filter, Filter),
    Apdex { latency: Access, ok: Access },
    Label { label: Access, value: Option<Access> },
}

/// Checked metrics.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Lists of slow statements that are not to be kept.
    disabled: Vec<CellId>,
    /// Names in `disable(…)` that neither a metric nor a list of slow statements bears. SkyWalking's other tables have names, too,
    /// and to disable one of them changes nothing here.
    pub unknown_disabled: Vec<String>,
}

impl Rules {
    /// The metrics, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

/// Reads files, each `(name, text)`, as [`read_over`] reads an operator's.
pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Rules, Vec<OalError>> {
    read_over([], files)
}

/// Reads the shipped files and an operator's own over them, each `(name, text)`: a metric of an operator's file replaces the shipped
/// one of its name, and `disable(…)` holds whatever file it stands in.
///
/// Errors: every mistake in every file, in the order in which they stand there; the operator must mend the files.
pub fn read_over<'a>(
    shipped: impl IntoIterator<Item = (&'a str, &'a str)>,
    own: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Rules, Vec<OalError>> {
    let mut files = Vec::new();
    let mut mistakes = Vec::new();
    let mut statements = Vec::new();
    let shipped = shipped.into_iter().map(|file| (file, true));
    for (n, ((name, text), is_shipped)) in shipped.chain(own.into_iter().map(|file| (file, false))).enumerate() {
        files.push((name, is_shipped));
        let (parsed, wrong) = parser::parse(text);
        statements.extend(parsed.into_iter().map(|statement| (n, statement)));
        mistakes.extend(wrong.into_iter().map(|mistake| (n, mistake)));
    }
    let (rules, misfits) = check::check(&files, statements);
    mistakes.extend(misfits);
    mistakes.sort();
    let told = mistakes.into_iter().map(|(n, (at, message))| OalError { file: files[n].0.to_owned(), at, message });
    let errors: Vec<OalError> = told.collect();
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}
