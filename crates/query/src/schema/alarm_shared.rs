//! What the areas of alarm management have in common: documents in the shapes of GraphQL, errors, pages, who asks.
//!
//! The engine's documents and views are JSON as well, and the GraphQL types mirror it field by field (`mirrored`); where the two
//! differ, maps are lists of keys and values, minutes are milliseconds.

use std::collections::BTreeMap;

use alarm::{
    Desk,
    check::{Checked, Level, Problem},
    desk::{self, DeskError},
    edit::{By, EditError},
};
use async_graphql::{Context, Enum, Error, ErrorExtensions as _, InputObject, Result, SimpleObject};
use model::item::Revision;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap as _};
use serde_json::Value;

use super::common::{KeyValue, Long, Pagination};
use crate::{actor, app::app, page::Page};

/// The desk behind a resolver.
pub(crate) fn desk<'c>(ctx: &Context<'c>) -> &'c Desk {
    &app(ctx).sources.alarm
}

/// Who asks, and why they say they do.
pub(crate) fn by(ctx: &Context<'_>, reason: Option<String>) -> By {
    actor::of(ctx).by("graphql", &reason.unwrap_or_default())
}

/// The page that is asked for.
pub(crate) fn page_of(paging: &Pagination) -> desk::Page {
    let Page { offset, limit } = Page::of(paging);
    desk::Page { skip: offset, limit }
}

/// The revision that is expected.
///
/// # Errors
/// When no version can have that number.
pub(crate) fn revision(expected: Option<Long>) -> Result<Option<Revision>> {
    let number = |Long(number)| {
        let number =
            u64::try_from(number).map_err(|_| refused("OUT_OF_RANGE", "expectedRevision", "revisions begin with 1"));
        number.map(Revision)
    };
    expected.map(number).transpose()
}

/// The same in another shape.
///
/// # Errors
/// When the shapes differ, which tests find.
pub(crate) fn mirrored<T: DeserializeOwned>(value: &impl Serialize) -> Result<T> {
    let mirrored = serde_json::to_value(value).and_then(serde_json::from_value);
    mirrored.map_err(|error| refused("INTERNAL", "", &format!("the answer has another shape than the schema: {error}")))
}

/// What was looked for; null where there is none.
///
/// # Errors
/// When it cannot be told whether there is one.
pub(crate) fn found<T: DeserializeOwned>(answer: Result<impl Serialize, DeskError>) -> Result<Option<T>> {
    match answer {
        Ok(view) => mirrored(&view).map(Some),
        Err(error) if error.kind() == desk::Kind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// A page of a list: how many there are in all, and those of the page.
///
/// # Errors
/// When there is none.
pub(crate) fn listed<T: DeserializeOwned>(
    answer: Result<desk::Listed<impl Serialize>, DeskError>,
) -> Result<(Long, Vec<T>)> {
    let desk::Listed { total, items } = answer.map_err(failed)?;
    Ok((count(total), items.iter().map(mirrored).collect::<Result<_>>()?))
}

/// A document as the engine has it, of what somebody wrote.
///
/// # Errors
/// When a number does not fit.
pub(crate) fn document<T: DeserializeOwned>(input: &impl Serialize) -> Result<T> {
    let document = serde_json::to_value(input).and_then(serde_json::from_value);
    document.map_err(|error| refused("BAD_DOCUMENT", "", &error.to_string()))
}

/// A number of the engine as GraphQL has it.
pub(crate) fn count(n: usize) -> Long {
    Long(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The error of one cause.
pub(crate) fn refused(code: &str, path: &str, message: &str) -> Error {
    Error::new(message).extend_with(|_, values| {
        values.set("code", code);
        values.set("path", path);
        values.set("hint", message);
    })
}

/// The error as clients see it: `extensions` say what kind it is (`code`), the field (`path`), where in its text (`line`, `column`,
/// both from 1), and what to do (`hint`). A document with several problems has all of them in `problems`; a conflict says what is
/// there now (`current`, `revision`).
pub(crate) fn failed(error: impl Into<DeskError>) -> Error {
    let error = error.into();
    if matches!(error.kind(), desk::Kind::Unavailable | desk::Kind::Damaged) {
        tracing::warn!(%error, "a request about alarms failed");
    }
    let told = Error::new(error.to_string());
    match error {
        DeskError::Edit(EditError::Invalid(checked)) => invalid(told, &checked),
        DeskError::Edit(EditError::Conflict(current)) => told.extend_with(|_, values| {
            values.set("code", "CONFLICT");
            values.set("hint", "read what is there now, and repeat the change with its revision");
            if let Some((current, Revision(revision))) = &current {
                values.set("revision", *revision);
                values.set("current", as_graphql(current));
            }
        }),
        DeskError::Edit(EditError::NotFound(what)) => told.extend_with(|_, values| {
            values.set("code", "NOT_FOUND");
            values.set("hint", format!("there is no {what}; it may have been deleted, and be restored"));
        }),
        DeskError::Refused { code, path, message } => told.extend_with(|_, values| {
            values.set("code", code.to_uppercase());
            values.set("path", path.clone());
            values.set("hint", message.clone());
        }),
        DeskError::TooBroad { limit, preview } => told.extend_with(|_, values| {
            values.set("code", "TOO_BROAD");
            values.set("path", "matchers");
            values.set("limit", limit as u64);
            values.set("alarms", preview.n_alarms as u64);
            values.set("entities", preview.n_entities as u64);
            values.set("hint", "be more exact, or insist with force: true");
        }),
        DeskError::Edit(EditError::Unreadable(_)) => told.extend_with(|_, values| {
            values.set("code", "DAMAGED");
            values.set("hint", "another version of the server may have written it");
        }),
        DeskError::Edit(EditError::Store(_)) => told.extend_with(|_, values| {
            values.set("code", "UNAVAILABLE");
            values.set("hint", "ask again later; with the expected revision that is safe");
        }),
    }
}

fn invalid(told: Error, checked: &Checked) -> Error {
    let problems = serde_json::to_value(&checked.problems).expect("problems have texts as keys");
    let first = checked.problems.iter().find(|problem| problem.level == Level::Error);
    told.extend_with(|_, values| {
        values.set("code", first.map_or_else(|| "INVALID".to_owned(), |first| first.code.to_uppercase()));
        values.set("problems", as_graphql(&problems));
        if let Some(Problem { path, at, message, .. }) = first {
            values.set("path", path.clone());
            values.set("hint", message.clone());
            if let Some(at) = at {
                values.set("line", at.line as u64);
                values.set("column", at.column as u64 + 1);
            }
        }
    })
}

fn as_graphql(value: &Value) -> async_graphql::Value {
    async_graphql::Value::from_json(value.clone()).expect("GraphQL has all values of JSON")
}

/// A key and its value, both given.
#[derive(InputObject, Debug, Clone)]
pub struct KeyValueInput {
    pub key: String,
    pub value: String,
}

/// A list of keys and values as a map.
pub(crate) fn map_of<S: Serializer>(
    list: &Option<Vec<KeyValueInput>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let list = list.as_deref().unwrap_or_default();
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for KeyValueInput { key, value } in list {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// A map as a list of keys and values.
pub(crate) fn pairs<'d, D: Deserializer<'d>>(deserializer: D) -> std::result::Result<Vec<KeyValue>, D::Error> {
    let map = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect())
}

/// Pairs as a list of keys and values.
pub(crate) fn tuples<'d, D: Deserializer<'d>>(deserializer: D) -> std::result::Result<Vec<KeyValue>, D::Error> {
    let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
    Ok(pairs.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect())
}

/// A minute as the milliseconds of its start.
pub(crate) fn minute<'d, D: Deserializer<'d>>(deserializer: D) -> std::result::Result<Long, D::Error> {
    Ok(Long(i64::from(u32::deserialize(deserializer)?) * 60_000))
}

/// Whether a problem stands in the way.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmProblemLevel {
    /// It may not be saved.
    Error,
    /// It may.
    Warning,
}

/// Something that is wrong with a document, or worth to be known.
#[derive(SimpleObject, Debug, Clone, PartialEq)]
pub struct AlarmProblem {
    /// Whether it stands in the way.
    pub level: AlarmProblemLevel,
    /// What kind of problem, for programs.
    pub code: String,
    /// The field: `overrides[1].variables`.
    pub path: String,
    /// The line in the field's text, from 1.
    pub line: Option<i32>,
    /// The character in that line, from 1.
    pub column: Option<i32>,
    /// What, for people.
    pub message: String,
}

/// Problems in the shape of GraphQL.
pub(crate) fn problems(problems: &[Problem]) -> Vec<AlarmProblem> {
    let small = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let problem = |problem: &Problem| AlarmProblem {
        level: match problem.level {
            Level::Error => AlarmProblemLevel::Error,
            Level::Warning => AlarmProblemLevel::Warning,
        },
        code: problem.code.to_uppercase(),
        path: problem.path.clone(),
        line: problem.at.map(|at| small(at.line)),
        column: problem.at.map(|at| small(at.column + 1)),
        message: problem.message.clone(),
    };
    problems.iter().map(problem).collect()
}

/// How bad it is, the worst last.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmSeverity {
    /// To be known.
    Info,
    /// To be looked at.
    Warning,
    /// To be looked at now.
    Critical,
}

/// How a label is compared.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmMatchOp {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
    /// The whole value matches the regular expression.
    #[serde(rename = "=~")]
    Matches,
    /// The whole value does not match it.
    #[serde(rename = "!~")]
    MatchesNot,
}

/// A test of one label of an alarm. A label that is not there is an empty text.
#[derive(SimpleObject, InputObject, Debug, Clone, Serialize, Deserialize)]
#[graphql(input_name = "AlarmMatcherInput")]
pub struct AlarmMatcher {
    /// The label: `rule`, `severity`, `scope`, `layer`, `service`, `instance`, `endpoint`, `group`, `entity`, or a tag of the rule.
    pub label: String,
    /// How it is compared.
    pub op: AlarmMatchOp,
    /// With what.
    pub value: String,
}

/// What an alarm is about.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmEntity {
    /// Its scope.
    pub scope: super::common::Scope,
    /// Its id.
    pub id: String,
    /// Its name as messages show it.
    pub name: String,
}

/// The number of a version.
pub(crate) fn version(Revision(number): Revision) -> Long {
    Long(i64::try_from(number).unwrap_or(i64::MAX))
}
