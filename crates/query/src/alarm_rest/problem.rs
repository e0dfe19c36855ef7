//! Errors as callers see them.

use alarm::check::{self, Checked};
use alarm::desk::{DeskError, Kind};
use alarm::edit::EditError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::item::Revision;
use serde_json::{Value, json};

use super::call::etag;

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    path: String,
    at: Option<(usize, usize)>,
    message: String,
    hint: Option<String>,
    /// All that is wrong, where it is more than one thing.
    problems: Option<Value>,
    /// The document as it is now.
    present: Option<(Value, Revision)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Codes of what is refused because of what is there, not because of what was sent.
const CONFLICTS: [&str; 4] = ["name_taken", "in_use", "over", "done"];

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Problem {
        Problem(Box::new(Parts {
            status,
            code,
            path: String::new(),
            at: None,
            message: message.into(),
            hint: None,
            problems: None,
            present: None,
            headers: Vec::new(),
        }))
    }

    /// A request that cannot be read.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.0.hint = Some(hint.into());
        self
    }

    pub(super) fn path(mut self, path: impl Into<String>) -> Problem {
        self.0.path = path.into();
        self
    }

    pub(super) fn at(mut self, line: usize, column: usize) -> Problem {
        self.0.at = Some((line, column));
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    /// The same of a document that was to be made: one is there already.
    pub(super) fn of_creation(mut self) -> Problem {
        if self.0.status == StatusCode::PRECONDITION_FAILED {
            self.0.status = StatusCode::CONFLICT;
            self.0.code = "exists";
            self.0.message = "there is one already".to_owned();
        }
        self
    }

    pub(super) fn checked(checked: &Checked) -> Problem {
        let errors = || checked.problems.iter().filter(|problem| problem.level == check::Level::Error);
        let is_conflict = errors().all(|problem| CONFLICTS.contains(&problem.code));
        let status = if is_conflict { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
        let Some(first) = errors().next() else {
            return Problem::new(status, "invalid", "it may not be saved");
        };
        let mut problem = Problem::new(status, first.code, first.message.clone()).path(first.path.clone());
        if let Some(at) = first.at {
            problem = problem.at(at.line, at.column + 1);
        }
        problem.0.hint = hint(first.code).map(str::to_owned);
        problem.0.problems = Some(problems(&checked.problems));
        problem
    }
}

/// All that was found, each as `{level, code, path, line, column, start, end, message}`.
pub(super) fn problems(problems: &[check::Problem]) -> Value {
    let one = |problem: &check::Problem| {
        json!({
            "level": problem.level,
            "code": problem.code,
            "path": problem.path,
            "line": problem.at.map(|at| at.line),
            "column": problem.at.map(|at| at.column + 1),
            "start": problem.at.map(|at| at.start),
            "end": problem.at.map(|at| at.end),
            "message": problem.message,
            "hint": hint(problem.code),
        })
    };
    problems.iter().map(one).collect()
}

fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "unknown_receiver" => "make it with POST /alarm/v1/receivers first",
        "name_taken" => "change the one that has the name, or take another",
        "in_use" => "take it out of the rules and routes that name it first",
        "not_sealed" => "set security.secret_key, so that secrets can be kept",
        "missing_secret" => "*** keeps a secret that is stored; there is none yet",
        "bad_expression" | "unknown_variable" => "GET /alarm/v1/metrics lists what an expression may name",
        _ => return None,
    })
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Problem {
        let (kind, message) = (error.kind(), error.to_string());
        match error {
            DeskError::Edit(EditError::Invalid(checked)) => Problem::checked(&checked),
            DeskError::Edit(EditError::Conflict(present)) => {
                let mut problem = Problem::new(StatusCode::PRECONDITION_FAILED, "conflict", message)
                    .hint("look at what it is now, and change that");
                problem.0.present = present;
                problem
            }
            DeskError::Refused { code, path, message } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).path(path)
            }
            DeskError::TooBroad { preview, .. } => {
                let mut problem =
                    Problem::new(StatusCode::CONFLICT, "too_broad", message).hint("add ?override=true to insist");
                problem.0.problems = Some(serde_json::to_value(&*preview).expect("previews have texts as keys"));
                problem
            }
            _ => match kind {
                Kind::NotFound => Problem::new(StatusCode::NOT_FOUND, "not_found", message),
                Kind::Unavailable => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                    .hint("whether it was done is not known; with the same If-Match it is safe to ask again")
                    .header(header::RETRY_AFTER, HeaderValue::from_static("1")),
                Kind::Invalid => Problem::bad("invalid", message),
                _ => {
                    // This is the edge: what the operator must know is logged here, once.
                    tracing::warn!(error = message, "a request about alarms failed");
                    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", message)
                }
            },
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Problem {
        DeskError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let parts = *self.0;
        let mut body = json!({
            "code": parts.code,
            "path": parts.path,
            "line": parts.at.map(|(line, _)| line),
            "column": parts.at.map(|(_, column)| column),
            "message": parts.message,
            "hint": parts.hint,
        });
        if let Some(problems) = parts.problems {
            body["problems"] = problems;
        }
        let mut response = (parts.status, [(header::CONTENT_TYPE, "application/json")], String::new()).into_response();
        if let Some((present, revision)) = parts.present {
            body["present"] = present;
            body["revision"] = revision.0.into();
            response.headers_mut().insert(header::ETAG, etag(revision));
        }
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body.to_string().into();
        response
    }
}
