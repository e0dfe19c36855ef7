//! What became of each part of a file.

use serde::Serialize;

/// A place in a file: lines and columns begin with 1, and a column is a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct At {
    /// The line.
    pub line: u64,
    /// The character within it.
    pub column: u64,
}

/// Something to say of a part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where.
    #[serde(flatten)]
    pub at: At,
    /// What.
    pub message: String,
}

/// What an [`Entry`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Part {
    /// The file as a whole.
    File,
    /// A rule.
    Rule,
    /// A hook: a receiver.
    Receiver,
    /// The tree of routes, or a node of it.
    Route,
    /// An inhibition.
    Inhibition,
    /// An interval.
    TimeInterval,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// As it is.
    Ok,
    /// Taken, and there is something to know.
    Warned,
    /// Not taken.
    Rejected,
}

/// A part of a file and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    pub part: Part,
    /// Its name in the file; empty of the whole.
    pub name: String,
    /// Where it begins.
    #[serde(flatten)]
    pub at: At,
    /// How it went.
    pub verdict: Verdict,
    /// What there is to know of it.
    pub warnings: Vec<Note>,
    /// Why it was rejected.
    pub errors: Vec<Note>,
}

impl Entry {
    /// An entry with nothing said.
    pub(crate) fn new(part: Part, name: &str, at: At) -> Self {
        let (warnings, errors) = (Vec::new(), Vec::new());
        Entry { part, name: name.to_owned(), at, verdict: Verdict::Ok, warnings, errors }
    }

    pub(crate) fn warn(&mut self, at: At, message: impl Into<String>) {
        self.warnings.push(Note { at, message: message.into() });
        self.verdict = self.verdict.max(Verdict::Warned);
    }

    pub(crate) fn reject(&mut self, at: At, message: impl Into<String>) {
        self.errors.push(Note { at, message: message.into() });
        self.verdict = Verdict::Rejected;
    }

    /// Whether it was not taken.
    pub fn is_rejected(&self) -> bool {
        self.verdict == Verdict::Rejected
    }
}

/// What became of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its parts. One of [`Part::File`] is there where something is to be said of the whole.
    pub entries: Vec<Entry>,
}

impl Report {
    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.entries.iter().map(|entry| entry.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// The entry of a part; made where it is not there.
    pub(crate) fn entry(&mut self, part: Part, name: &str, at: At) -> &mut Entry {
        let index = self.entries.iter().position(|entry| entry.part == part && entry.name == name);
        let index = index.unwrap_or_else(|| {
            self.entries.push(Entry::new(part, name, at));
            self.entries.len() - 1
        });
        &mut self.entries[index]
    }
}

impl std::fmt::Display for Report {
    /// A line for each thing said: `3:5 rule a_rule: rejected: …`, and one for each part of which nothing is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for entry in &self.entries {
            let part = match entry.part {
                Part::File => "file",
                Part::Rule => "rule",
                Part::Receiver => "receiver",
                Part::Route => "route",
                Part::Inhibition => "inhibition",
                Part::TimeInterval => "time interval",
            };
            let name = if entry.name.is_empty() { String::new() } else { format!(" {}", entry.name) };
            if entry.verdict == Verdict::Ok {
                writeln!(f, "{}:{} {part}{name}: ok", entry.at.line, entry.at.column)?;
            }
            let said = entry.errors.iter().map(|note| ("rejected", note));
            for (word, Note { at, message }) in said.chain(entry.warnings.iter().map(|note| ("warning", note))) {
                writeln!(f, "{}:{} {part}{name}: {word}: {message}", at.line, at.column)?;
            }
        }
        Ok(())
    }
}
