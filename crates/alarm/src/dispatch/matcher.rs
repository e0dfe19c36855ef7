//! Matchers, compiled once.

use crate::dispatch::labels::{self, Labels};
use crate::pattern::{BadPattern, Pattern};
use crate::route::{MatchOp, Matcher};

/// Matchers that must all hold.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<Test>);

/// Why a matcher cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matcher of `{label}` is no regular expression: {why}")]
pub struct BadMatcher {
    /// Its label.
    pub label: String,
    /// What is wrong.
    pub why: BadPattern,
}

#[derive(Clone, Debug)]
struct Test {
    label: String,
    is: Is,
    /// Whether the label must not be so.
    negated: bool,
}

#[derive(Clone, Debug)]
enum Is {
    Equal(String),
    /// Of [`labels::SEVERITY`], which the interface writes in capitals and people do not.
    EqualInAnyCase(String),
    Matching(Pattern),
}

impl Matchers {
    /// Compiles matchers; a regular expression is for the whole value.
    pub fn new(matchers: &[Matcher]) -> Result<Matchers, BadMatcher> {
        matchers.iter().map(compiled).collect::<Result<_, _>>().map(Matchers)
    }

    /// Whether all hold. An expression that takes too many steps to tell holds neither plain nor negated.
    pub fn hold(&self, labels: &Labels) -> bool {
        self.0.iter().all(|test| test.holds(labels::get(labels, &test.label)))
    }

    /// Whether there is none, so that everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn compiled(matcher: &Matcher) -> Result<Test, BadMatcher> {
    let negated = matches!(matcher.op, MatchOp::NotEqual | MatchOp::MatchesNot);
    let any_case = matcher.label == labels::SEVERITY;
    let is = match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual if any_case => Is::EqualInAnyCase(matcher.value.clone()),
        MatchOp::Equal | MatchOp::NotEqual => Is::Equal(matcher.value.clone()),
        MatchOp::Matches | MatchOp::MatchesNot => {
            let bad = |why| BadMatcher { label: matcher.label.clone(), why };
            let plain = Pattern::new(&matcher.value).map_err(bad)?;
            let bad = |why| BadMatcher { label: matcher.label.clone(), why };
            let pattern = if any_case { Pattern::new(&format!("(?i:{})", matcher.value)).map_err(bad)? } else { plain };
            Is::Matching(pattern)
        }
    };
    Ok(Test { label: matcher.label.clone(), is, negated })
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        let holds = match &self.is {
            Is::Equal(text) => Some(value == text),
            Is::EqualInAnyCase(text) => Some(value.eq_ignore_ascii_case(text)),
            Is::Matching(pattern) => pattern.matches(value),
        };
        holds.is_some_and(|holds| holds != self.negated)
    }
}
