//! One request, read and held against what it must be; and its answer.

use std::sync::Arc;

use alarm::Desk;
use alarm::desk::{MAX_PAGE, Page};
use alarm::edit::By;
use axum::body::to_bytes;
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::item::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::BASE;
use super::op::{self, Body, Op, PAGE};
use super::problem::Problem;
use crate::actor::Actor;
use crate::http::content_type;

/// Bytes of a body.
const MAX_BODY: usize = 1 << 20;
/// Bytes of a file.
const MAX_FILE: usize = 16 << 20;

/// A request that may be answered.
pub(super) struct Call {
    /// Does what is asked for.
    pub(super) desk: Arc<Desk>,
    op: &'static Op,
    ids: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    actor: Actor,
}

/// An answer.
pub(super) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    content_type: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Call {
    /// Reads a request, and refuses what its operation does not take.
    pub(super) async fn read(
        desk: Arc<Desk>,
        op: &'static Op,
        ids: Vec<String>,
        request: Request,
    ) -> Result<Call, Problem> {
        let (parts, body) = request.into_parts();
        let actor = parts.extensions.get::<Actor>().cloned().unwrap_or_default();
        actor.may(op.role).map_err(|refused| Problem::new(StatusCode::FORBIDDEN, "forbidden", refused.to_string()))?;
        let (takes, is_file) = match op.body {
            Body::None => (false, false),
            Body::Json(_) | Body::Optional(_) => (true, false),
            Body::File(_) => (true, true),
        };
        let most = if is_file { MAX_FILE } else { MAX_BODY };
        let body = to_bytes(body, most).await.map_err(|_| {
            let message = format!("the body is cut off, or longer than {most} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
        })?;
        let call = Call {
            desk,
            op,
            ids,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
            actor,
        };
        let is_readable = call.body.is_empty() || call.is_json() || (is_file && call.is_yaml());
        if takes && !is_readable {
            let message = "the content type must be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        if !takes && !call.body.is_empty() {
            return Err(Problem::bad("bad_body", "this takes no body"));
        }
        Ok(call)
    }

    fn is_any_of(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| content_type(&self.headers).eq_ignore_ascii_case(kind))
    }

    fn is_json(&self) -> bool {
        self.is_any_of(&["application/json", "application/merge-patch+json"])
    }

    /// Whether the body is the text of a file as it is.
    pub(super) fn is_yaml(&self) -> bool {
        self.is_any_of(&["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"])
    }

    /// What stands in the place of the first `{…}`, or what the operation is about without one.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map(String::as_str).or(self.op.id).unwrap_or_default()
    }

    /// Where the document of an id stands that this makes.
    pub(super) fn location(&self, id: &str) -> String {
        let place = format!("{BASE}{}", self.op.path);
        if self.op.id.is_some() { place } else { format!("{place}/{}", op::encoded(id)) }
    }

    /// Who asks, and why: the header `X-Reason`.
    pub(super) fn by(&self) -> By {
        let reason = self.headers.get("x-reason").map(HeaderValue::as_bytes).unwrap_or_default();
        self.actor.by("rest", &String::from_utf8_lossy(reason))
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = if self.body.is_empty() { &b"{}"[..] } else { &self.body };
        serde_json::from_slice(text).map_err(|error| {
            let code = if error.is_data() { "bad_document" } else { "bad_json" };
            Problem::bad(code, error.to_string()).at(error.line(), error.column())
        })
    }

    /// The body as text.
    pub(super) fn text(&self) -> Result<String, Problem> {
        String::from_utf8(self.body.to_vec()).map_err(|_| Problem::bad("bad_body", "the body is no text in UTF-8"))
    }

    /// The revision that the caller has seen; `None`: any, for `*`.
    pub(super) fn if_match(&self) -> Result<Option<Revision>, Problem> {
        let Some(value) = self.headers.get(header::IF_MATCH) else {
            return Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "If-Match must name the revision that is changed",
            )
            .hint("it is the ETag of the answer to GET; * takes any"));
        };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let bare = text.strip_prefix("W/").unwrap_or(text);
        let number = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(bare).parse();
        number.map(|number| Some(Revision(number))).map_err(|_| {
            Problem::bad("bad_if_match", format!("If-Match is a revision, \"12\", or *, and this is {text}"))
        })
    }

    /// Whether the caller names a revision.
    pub(super) fn has_if_match(&self) -> bool {
        self.headers.contains_key(header::IF_MATCH)
    }

    /// Whether the caller wants a document that is not there yet to be made: `If-None-Match: *`.
    pub(super) fn if_none(&self) -> bool {
        self.headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == b"*")
    }

    /// What the query asks for, the parts that [`Call::page`] reads left out.
    pub(super) fn filter<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let rest: Vec<&str> = self.pairs().filter(|pair| !is_page(pair)).collect();
        parsed(&rest.join("&"))
    }

    /// Which page, of [`MAX_PAGE`] entries at most.
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let own: Vec<&str> = self.pairs().filter(|pair| is_page(pair)).collect();
        let Page { skip, limit } = parsed(&own.join("&"))?;
        Ok(Page { skip, limit: limit.min(MAX_PAGE) })
    }

    fn pairs(&self) -> impl Iterator<Item = &str> {
        self.query.split('&').filter(|pair| !pair.is_empty())
    }
}

fn is_page(pair: &str) -> bool {
    let key = pair.split('=').next().unwrap_or_default();
    PAGE.iter().any(|(name, _)| *name == key)
}

fn parsed<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let bad = |what: String| Problem::bad("bad_query", format!("the query cannot be read: {what}"));
    let uri: Uri = format!("/?{query}").parse().map_err(|_| bad("it is no query".to_owned()))?;
    Query::<T>::try_from_uri(&uri).map(|Query(value)| value).map_err(|error| {
        let mut text = error.body_text();
        if let Some((_, rest)) = text.split_once(": ") {
            text = rest.to_owned();
        }
        bad(text)
    })
}

impl Answer {
    /// JSON.
    pub(super) fn of(value: &impl Serialize) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: serde_json::to_vec(value).expect("answers have texts as keys"),
            content_type: "application/json",
            headers: Vec::new(),
        }
    }

    /// A text of that type.
    pub(super) fn text(text: String, content_type: &'static str) -> Answer {
        Answer { body: text.into_bytes(), content_type, ..Answer::of(&json!(null)) }
    }

    /// A document that was written, with what is to be known of it.
    pub(super) fn written(document: &Value, revision: Revision, warnings: &alarm::check::Checked) -> Answer {
        let body = json!({
            "document": document,
            "revision": revision.0,
            "warnings": super::problem::problems(&warnings.problems),
        });
        Answer::of(&body).etag(revision)
    }

    pub(super) fn etag(mut self, revision: Revision) -> Answer {
        self.headers.push((header::ETAG, etag(revision)));
        self
    }

    /// It stands there now.
    pub(super) fn created(mut self, location: &str) -> Answer {
        let location = HeaderValue::from_str(location).expect("paths are ASCII, and ids in them escaped");
        self.headers.push((header::LOCATION, location));
        Answer { status: StatusCode::CREATED, ..self }
    }

    pub(super) fn status(self, status: StatusCode) -> Answer {
        Answer { status, ..self }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A revision as a header.
pub(super) fn etag(revision: Revision) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", revision.0)).expect("digits in quotes")
}
