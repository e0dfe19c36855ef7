//! What is the same for all documents: read, made, replaced, patched, deleted, their history and earlier versions.

use alarm::Doc;
use alarm::edit::{Done, EditError, Edited, Version};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::op::Answering;
use super::problem::Problem;

/// Which version of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Which {
    revision: Option<u64>,
    change: Option<String>,
}

/// The schema of [`Which`].
pub(super) fn which() -> Value {
    json!({
        "type": "object",
        "description": "One of the two; neither: the last version before it was deleted.",
        "properties": {
            "revision": {"type": "integer", "description": "The version with this revision."},
            "change": {"type": "string", "description": "The version of the change with this id."},
        },
        "additionalProperties": false,
    })
}

/// One document, its revision as `ETag`.
pub(super) fn get<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let stored = call.desk.edits.get::<T>(call.id()).await?;
        Ok(Answer::of(&stored.doc.shown()).etag(stored.revision))
    })
}

/// Makes one.
pub(super) fn create<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async { created(call, call.desk.edits.create(call.json::<T>()?, &call.by()).await) })
}

/// What is answered for a document that was made, or was not.
pub(super) fn created<T: Edited, E: Into<Problem>>(call: &Call, done: Result<Done<T>, E>) -> Result<Answer, Problem> {
    match done {
        Ok(done) => Ok(written(&done).created(&call.location(done.stored.doc.id()))),
        Err(error) => {
            let problem: Problem = error.into();
            Err(problem.of_creation())
        }
    }
}

/// What is answered for a document that was written.
pub(super) fn written<T: Edited>(done: &Done<T>) -> Answer {
    Answer::written(&done.stored.doc.shown(), done.stored.revision, &done.warnings)
}

/// The document of the body, with the id of the path.
pub(super) fn body<T: Edited>(call: &Call) -> Result<T, Problem> {
    let mut json: Value = call.json()?;
    let Some(fields) = json.as_object_mut() else {
        return Err(Problem::bad("bad_document", "a document is a JSON object"));
    };
    let id = fields.entry("id").or_insert_with(|| call.id().into());
    if id.as_str() == Some("") {
        *id = call.id().into();
    }
    if id.as_str() != Some(call.id()) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_document", "an id never changes").path("id"));
    }
    completed(call, json)
}

/// The document of a body that was completed. It is read again as a text, so that what is wrong is told with its place in it.
pub(super) fn completed<T: Edited>(call: &Call, json: Value) -> Result<T, Problem> {
    serde_json::from_value::<T>(json).map_err(|error| match call.json::<T>() {
        Err(placed) => placed,
        Ok(_) => Problem::bad("bad_document", error.to_string()),
    })
}

/// Replaces one.
pub(super) fn replace<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let expected = call.if_match()?;
        Ok(written(&call.desk.edits.update(body::<T>(call)?, expected, &call.by()).await?))
    })
}

/// Changes some fields of one.
pub(super) fn patch<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let expected = call.if_match()?;
        Ok(written(&call.desk.edits.patch::<T>(call.id(), &call.json()?, expected, &call.by()).await?))
    })
}

/// Deletes one.
pub(super) fn delete<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let expected = call.if_match()?;
        Ok(written(&call.desk.edits.delete::<T>(call.id(), expected, &call.by()).await?))
    })
}

/// Makes an earlier version the present one. A deleted document needs no `If-Match`: nobody sees its revision.
pub(super) fn restore<T: Edited>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let version = match call.json()? {
            Which { revision: Some(revision), change: None } => Version::Revision(revision),
            Which { change: Some(change), revision: None } => Version::Change(change),
            Which { revision: None, change: None } => Version::Last,
            _ => return Err(Problem::bad("bad_document", "either a revision or a change")),
        };
        let edits = &call.desk.edits;
        let expected = match edits.get::<T>(call.id()).await {
            Err(EditError::NotFound(_)) => None,
            _ => call.if_match()?,
        };
        Ok(written(&edits.restore::<T>(call.id(), &version, expected, &call.by()).await?))
    })
}

/// The changes of one, the newest first.
pub(super) fn history<T: Doc>(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let page = call.page()?;
        let entries = call.desk.edits.history(T::KIND, call.id(), page.skip, page.limit).await?;
        Ok(Answer::of(&json!({ "items": entries })))
    })
}
