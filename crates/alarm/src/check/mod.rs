//! Whether a document may be saved, and what there is to know of it before: all problems at once, each with its place.

mod noise;
mod receiver;
mod rule;
#[cfg(test)]
mod tests;

use model::metric::{Catalogue, Shape};
use mqe::condition::{Known, ValueKind};
use serde::Serialize;

use crate::entity::Entity;

pub use self::noise::{routing, silence};
pub use self::receiver::receiver;
pub use self::rule::rule;

/// Rules that there may be.
pub const MAX_RULES: usize = 20_000;
/// Receivers that there may be.
pub const MAX_RECEIVERS: usize = 1_000;
/// Silences that there may be.
pub const MAX_SILENCES: usize = 10_000;
/// Characters of a name.
pub const MAX_NAME: usize = 200;
/// Characters of a message, or of another template of a rule.
pub const MAX_MESSAGE: usize = 4_096;
/// Tags of a rule, and annotations.
pub const MAX_TAGS: usize = 64;
/// Characters of a tag's name.
pub const MAX_TAG_NAME: usize = 100;
/// Names in one list of a selector, and hooks of a rule.
pub const MAX_NAMES: usize = 10_000;
/// Overrides of a rule.
pub const MAX_OVERRIDES: usize = 1_000;
/// Minutes of `period` and `for`: what has to be read again and again.
pub const MAX_PERIOD: u32 = 1_440;
/// Minutes of all else: a year.
pub const MAX_MINUTES: u32 = 527_040;

/// Whether something may be saved with a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// It may not.
    Error,
    /// It may.
    Warning,
}

/// Where something stands in the text of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The characters in front of it in its line.
    pub column: usize,
}

impl Place {
    /// The place of some bytes of a text.
    pub(crate) fn of(text: &str, start: usize, end: usize) -> Place {
        let before = text.get(..start).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        let (start, column) = (before.len(), line.chars().count());
        Place { start, end: end.clamp(start, text.len()), line: before.matches('\n').count() + 1, column }
    }
}

/// Something that is wrong, or worth to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it stands in the way.
    pub level: Level,
    /// What kind of problem, for programs.
    pub code: &'static str,
    /// The field: `expression`, `selector.includeNames`, `overrides[1].variables`.
    pub path: String,
    /// Where in its text.
    pub at: Option<Place>,
    /// What, for people.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        if let Some(Place { line, column, .. }) = self.at {
            write!(f, ":{line}:{}", column + 1)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Problems, in the order of the fields.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether it may be saved.
    pub fn is_valid(&self) -> bool {
        self.problems.iter().all(|problem| problem.level != Level::Error)
    }

    pub(crate) fn error(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        let (path, message) = (path.into(), message.into());
        self.problems.push(Problem { level: Level::Error, code, path, at: None, message });
    }

    fn warning(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        let (path, message) = (path.into(), message.into());
        self.problems.push(Problem { level: Level::Warning, code, path, at: None, message });
    }

    /// An error where a text is longer than it may be.
    fn length(&mut self, path: &str, text: &str, most: usize) {
        let n = text.chars().count();
        if n > most {
            self.error("too_long", path, format!("it has {n} characters, at most {most} are allowed"));
        }
    }

    fn number(&mut self, path: &str, number: u32, least: u32, most: u32) {
        if !(least..=most).contains(&number) {
            self.error("out_of_range", path, format!("it is between {least} and {most}, and this is {number}"));
        }
    }

    fn count(&mut self, path: &str, n: usize, most: usize) {
        if n > most {
            self.error("too_many", path, format!("there are {n}, at most {most} are allowed"));
        }
    }
}

/// What documents are held against. What is not given is not checked.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// All metrics.
    pub catalogue: &'a Catalogue,
    /// The names of all receivers.
    pub receivers: Option<&'a [String]>,
    /// What there is to watch at present, to say which filters find nothing.
    pub entities: Option<&'a [Entity]>,
}

impl<'a> Surroundings<'a> {
    /// Metrics alone.
    pub fn new(catalogue: &'a Catalogue) -> Self {
        Surroundings { catalogue, receivers: None, entities: None }
    }
}

/// What is known of a metric before any value is read; `None`: there is none of that name, or alarms know nothing of its scope.
pub fn known(catalogue: &Catalogue, name: &str) -> Option<Known> {
    let def = catalogue.get(name)?;
    let kind = match def.function.shape() {
        Shape::Labelled => ValueKind::Labelled,
        Shape::HeatMap => ValueKind::HeatMap,
        Shape::Regular => ValueKind::Regular,
    };
    (1..=6).contains(&def.scope.code()).then_some(Known { scope: def.scope, kind })
}
