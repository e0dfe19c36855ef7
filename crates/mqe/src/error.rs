//! Where in a text something stands, and what is wrong there.

use std::hash::{Hash, Hasher};

/// The bytes of the text that a part of an expression was read from: from `start` up to `end`.
///
/// It says where, not what: two places are always equal, so that expressions are compared, hashed and shared by their
/// meaning alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Why a text is no expression, or none for its purpose, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}:{column} {message}")]
pub struct ParseError {
    /// The first byte of what is wrong; the length of the text where something is missing at its end.
    pub start: usize,
    /// The byte behind it, at least `start`.
    pub end: usize,
    /// Line of `start`, the first is 1.
    pub line: usize,
    /// Characters in front of `start` in its line, so the first is 0.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
    /// What would have been right in its place, where the grammar can tell.
    pub expected: Option<String>,
}

impl ParseError {
    /// An error at a place of the text.
    pub(crate) fn at(text: &str, place: Place, message: String) -> Self {
        let before = text.get(..place.start).unwrap_or(text);
        let last_line = before.rsplit('\n').next().unwrap_or(before);
        Self {
            start: before.len(),
            end: place.end.clamp(before.len(), text.len()),
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count(),
            message,
            expected: None,
        }
    }
}
