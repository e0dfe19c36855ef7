//! What can be asked for, as data.

use std::pin::Pin;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::call::{Answer, Call};
use super::problem::Problem;
use super::table;
use crate::actor::Role;

/// An answer under way.
pub(super) type Answering<'c> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'c>>;

/// The parameters of a page: what [`Call::page`] reads.
pub(super) const PAGE: [(&str, &str); 2] =
    [("skip", "How many entries are passed over."), ("limit", "How many are wanted: 100, at most 1,000.")];

/// What is done with what a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// As it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// One thing that can be asked for.
#[derive(Clone, Copy)]
pub(super) struct Op {
    /// What is done.
    pub(super) method: Verb,
    /// Its path behind [`super::BASE`]. `{id}` stands for one segment, and `:verb` behind it for what is done with it.
    pub(super) path: &'static str,
    /// The id of what it is about, where the path has none.
    pub(super) id: Option<&'static str>,
    /// What it takes.
    pub(super) role: Role,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
    /// Parameters of the query: name and what they mean.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// What its body is.
    pub(super) body: Body,
    /// Whether it changes a document that the caller must have seen: it names the revision.
    pub(super) if_match: bool,
    /// Answers.
    pub(super) run: for<'c> fn(&'c Call) -> Answering<'c>,
}

/// What the body of a request is.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// There is none.
    None,
    /// JSON of this schema.
    Json(fn() -> Value),
    /// JSON of this schema; an empty one does as well.
    Optional(fn() -> Value),
    /// JSON of this schema, or the text of a file as it is.
    File(fn() -> Value),
}

impl Op {
    /// The usual one: a viewer reads.
    pub(super) const fn get(path: &'static str, about: &'static str, run: for<'c> fn(&'c Call) -> Answering<'c>) -> Op {
        let (method, role, body) = (Verb::Get, Role::Viewer, Body::None);
        Op { method, path, id: None, role, about, query: &[], body, if_match: false, run }
    }

    /// An editor does something.
    pub(super) const fn post(
        path: &'static str,
        about: &'static str,
        body: Body,
        run: for<'c> fn(&'c Call) -> Answering<'c>,
    ) -> Op {
        let (method, role) = (Verb::Post, Role::Editor);
        Op { method, path, id: None, role, about, query: &[], body, if_match: false, run }
    }

    /// An editor changes a document.
    pub(super) const fn change(
        method: Verb,
        path: &'static str,
        about: &'static str,
        body: Body,
        run: for<'c> fn(&'c Call) -> Answering<'c>,
    ) -> Op {
        Op { method, path, id: None, role: Role::Editor, about, query: &[], body, if_match: true, run }
    }

    /// The caller need not have seen what is changed.
    pub(super) const fn unseen(self) -> Op {
        Op { if_match: false, ..self }
    }

    /// It is about this one.
    pub(super) const fn of(self, id: &'static str) -> Op {
        Op { id: Some(id), ..self }
    }

    pub(super) const fn takes(self, role: Role) -> Op {
        Op { role, ..self }
    }

    pub(super) const fn query(self, query: &'static [(&'static str, &'static str)]) -> Op {
        Op { query, ..self }
    }
}

/// What is asked for, and what stands in the place of each `{…}`.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Op, Vec<String>), Problem> {
    let here: Vec<(&Op, Vec<String>)> = table().filter_map(|op| Some((op, matches(op.path, path)?))).collect();
    // What names a verb is meant before an id that ends in its word.
    let best =
        here.iter().filter(|(op, _)| op.method.as_str() == method.as_str()).min_by_key(|(op, _)| wildness(op.path));
    if let Some((op, ids)) = best {
        return Ok((op, ids.clone()));
    }
    if here.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {}{path}", super::BASE))
            .hint("what there is stands in /alarm/v1/openapi.json"));
    }
    let allowed: Vec<&str> = here.iter().map(|(op, _)| op.method.as_str()).collect();
    let message = format!("{path} takes {}", allowed.join(", "));
    let allowed = HeaderValue::from_str(&allowed.join(", ")).expect("methods are ASCII");
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).header(header::ALLOW, allowed))
}

/// How many bare ids a path has.
fn wildness(path: &str) -> usize {
    path.split('/').filter(|part| part.starts_with('{') && part.ends_with('}')).count()
}

/// What stands in the place of each `{…}` of a pattern; `None`: the path is none of it.
fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut parts, mut ids) = (path.split('/'), Vec::new());
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        let Some(rest) = wanted.strip_prefix('{') else {
            if decoded(part)? == wanted {
                continue;
            }
            return None;
        };
        let (_, verb) = rest.split_once('}')?;
        let id = decoded(part)?;
        let id = id.strip_suffix(verb).filter(|id| !id.is_empty())?;
        ids.push(id.to_owned());
    }
    parts.next().is_none().then_some(ids)
}

/// A segment of a path without its escapes; `None`: it is none.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The same the other way: a text as a segment of a path.
pub(super) fn encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let escaped = |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_their_ids_and_verbs() {
        assert_eq!(matches("/rules/{id}", "/rules/a%2Fb"), Some(vec!["a/b".to_owned()]));
        assert_eq!(matches("/rules/{id}:enable", "/rules/x:enable"), Some(vec!["x".to_owned()]));
        assert_eq!(matches("/rules/{id}:enable", "/rules/:enable"), None);
        assert_eq!(matches("/rules/{id}", "/rules"), None);
        assert_eq!(matches("/rules", "/rules/x"), None);
        assert_eq!(matches("/rules/{id}", "/rules/%zz"), None);
        let found = find(&Method::POST, "/rules/x:enable").ok().map(|(op, ids)| (op.path, ids));
        assert_eq!(found, Some(("/rules/{id}:enable", vec!["x".to_owned()])));
        let found = find(&Method::GET, "/rules/x:enable").ok().map(|(op, _)| op.path);
        assert_eq!(found, Some("/rules/{id}"), "an id may end like that");
    }

    #[test]
    fn what_was_made_is_found_where_it_is_told_to_stand() {
        for id in ["webhook.ops", "webhook.a/b", "webhook.größe", "webhook.50%?#"] {
            let segment = encoded(id);
            assert!(segment.is_ascii(), "{segment}");
            assert_eq!(matches("/receivers/{id}", &format!("/receivers/{segment}")), Some(vec![id.to_owned()]));
        }
        assert_eq!(encoded("webhook.a/b"), "webhook.a%2Fb");
    }

    #[test]
    fn no_two_entries_of_the_table_are_the_same() {
        let all: Vec<_> = table().map(|op| (op.method, op.path)).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{one:?}");
        }
    }
}
