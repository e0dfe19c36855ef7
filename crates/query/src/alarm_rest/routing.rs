//! The tree of routes, and what belongs to it: inhibitions and time intervals. They are one document with one revision.

use std::collections::BTreeMap;

use alarm::Stored;
use alarm::edit::{EditError, Edited as _};
use alarm::route::{Inhibition, Routing, TimeInterval};
use axum::http::StatusCode;
use model::item::Revision;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::documents::{self, written};
use super::op::{Answering, Body, Op, PAGE, Verb};
use super::openapi::named;
use super::problem::Problem;

pub(super) const OPS: &[Op] = &[
    Op::get("/routes", "The tree of routes with all that belongs to it; the ETag is its revision.", get),
    Op::change(
        Verb::Put,
        "/routes",
        "Replaces the tree. The first one is made with `If-None-Match: *`.",
        Body::Json(named::<Routing>),
        put,
    )
    .of(Routing::ID),
    Op::change(
        Verb::Patch,
        "/routes",
        "Changes some fields (JSON merge patch).",
        Body::Json(super::openapi::patch),
        documents::patch::<Routing>,
    )
    .of(Routing::ID),
    Op::change(
        Verb::Delete,
        "/routes",
        "Deletes the tree: then rules tell their own receivers, or the default ones.",
        Body::None,
        documents::delete::<Routing>,
    )
    .of(Routing::ID),
    Op::post(
        "/routes:restore",
        "Makes an earlier version the present one.",
        Body::Optional(documents::which),
        documents::restore::<Routing>,
    )
    .of(Routing::ID),
    Op::get("/routes/history", "Its changes, the newest first.", documents::history::<Routing>)
        .of(Routing::ID)
        .query(&PAGE),
    Op::post(
        "/routes:preview",
        "Says whom an alarm with these labels would be told.",
        Body::Json(labels_schema),
        preview,
    ),
    Op::get("/inhibitions", "All inhibitions; the ETag is that of the tree.", inhibitions),
    Op::get("/inhibitions/{id}", "One inhibition by its name.", inhibition),
    Op::change(
        Verb::Put,
        "/inhibitions/{id}",
        "Makes or replaces an inhibition.",
        Body::Json(named::<Inhibition>),
        put_inhibition,
    ),
    Op::change(Verb::Delete, "/inhibitions/{id}", "Deletes an inhibition.", Body::None, delete_inhibition),
    Op::get("/time-intervals", "All time intervals by name; the ETag is that of the tree.", intervals),
    Op::get("/time-intervals/{id}", "One time interval by its name.", interval),
    Op::change(
        Verb::Put,
        "/time-intervals/{id}",
        "Makes or replaces a time interval.",
        Body::Json(intervals_schema),
        put_interval,
    ),
    Op::change(
        Verb::Delete,
        "/time-intervals/{id}",
        "Deletes a time interval that no route names.",
        Body::None,
        delete_interval,
    ),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    labels: BTreeMap<String, String>,
}

fn labels_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}},
        "required": ["labels"],
        "additionalProperties": false,
    })
}

fn intervals_schema() -> Value {
    json!({"type": "array", "items": named::<TimeInterval>(), "description": "It holds while one of them does."})
}

async fn tree(call: &Call) -> Result<Stored<Routing>, Problem> {
    call.desk.edits.get::<Routing>(Routing::ID).await.map_err(|error| {
        let problem: Problem = error.into();
        problem.hint("there is none yet: PUT /alarm/v1/routes with If-None-Match: *")
    })
}

fn get(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let stored = tree(call).await?;
        Ok(Answer::of(&stored.doc.shown()).etag(stored.revision))
    })
}

fn put(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let mut json: Value = call.json()?;
        if let Some(fields) = json.as_object_mut() {
            fields.entry("id").or_insert_with(|| Routing::ID.into());
        }
        let routing: Routing = documents::completed(call, json)?;
        if call.if_none() {
            if let Ok(present) = call.desk.edits.get::<Routing>(Routing::ID).await {
                let there = EditError::Conflict(Some((present.doc.shown(), present.revision)));
                return Err(Problem::from(there).of_creation());
            }
            return documents::created(call, call.desk.edits.create(routing, &call.by()).await);
        }
        let expected = call.if_match()?;
        tree(call).await?;
        Ok(written(&call.desk.edits.update(routing, expected, &call.by()).await?))
    })
}

fn preview(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Labels { labels } = call.json()?;
        Ok(Answer::of(&call.desk.preview_route(&labels).await?))
    })
}

fn inhibitions(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let (all, revision) = part(call, |routing| routing.inhibitions).await?;
        Ok(Answer::of(&json!({"total": all.len(), "items": all})).etag(revision))
    })
}

fn intervals(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let (all, revision) = part(call, |routing| routing.time_intervals).await?;
        Ok(Answer::of(&json!({"total": all.len(), "items": all})).etag(revision))
    })
}

/// A part of the tree; the default one where there is no tree.
async fn part<T: Default>(call: &Call, part: impl FnOnce(Routing) -> T) -> Result<(T, Revision), Problem> {
    match call.desk.edits.get::<Routing>(Routing::ID).await {
        Ok(stored) => Ok((part(stored.doc), stored.revision)),
        Err(EditError::NotFound(_)) => Ok((T::default(), Revision(0))),
        Err(error) => Err(error.into()),
    }
}

fn missing(call: &Call, what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} {}", call.id()))
}

fn inhibition(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let stored = tree(call).await?;
        let found = stored.doc.inhibitions.iter().find(|one| one.name == call.id());
        Ok(Answer::of(found.ok_or_else(|| missing(call, "inhibition"))?).etag(stored.revision))
    })
}

fn interval(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let stored = tree(call).await?;
        let found = stored.doc.time_intervals.get(call.id());
        Ok(Answer::of(found.ok_or_else(|| missing(call, "time interval"))?).etag(stored.revision))
    })
}

/// Changes the tree, and nothing but what `change` changes of it.
async fn changed(call: &Call, change: impl FnOnce(&mut Routing) -> Result<(), Problem>) -> Result<Answer, Problem> {
    let expected = call.if_match()?;
    let mut routing = tree(call).await?;
    if expected.is_none_or(|expected| expected == routing.revision) {
        change(&mut routing.doc)?;
    }
    // Without an expected revision, that which was changed here is the one.
    let expected = Some(expected.unwrap_or(routing.revision));
    Ok(written(&call.desk.edits.update(routing.doc, expected, &call.by()).await?))
}

fn put_inhibition(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let mut inhibition: Inhibition = call.json()?;
        if inhibition.name.is_empty() {
            call.id().clone_into(&mut inhibition.name);
        }
        if inhibition.name != call.id() {
            let what = "the name is that of the path";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_document", what).path("name"));
        }
        changed(call, |routing| {
            match routing.inhibitions.iter_mut().find(|one| one.name == inhibition.name) {
                Some(present) => *present = inhibition,
                None => routing.inhibitions.push(inhibition),
            }
            Ok(())
        })
        .await
    })
}

fn delete_inhibition(call: &Call) -> Answering<'_> {
    Box::pin(changed(call, |routing| {
        let before = routing.inhibitions.len();
        routing.inhibitions.retain(|one| one.name != call.id());
        if routing.inhibitions.len() == before { Err(missing(call, "inhibition")) } else { Ok(()) }
    }))
}

fn put_interval(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let parts: Vec<TimeInterval> = call.json()?;
        changed(call, |routing| {
            routing.time_intervals.insert(call.id().to_owned(), parts);
            Ok(())
        })
        .await
    })
}

fn delete_interval(call: &Call) -> Answering<'_> {
    Box::pin(changed(call, |routing| {
        let gone = routing.time_intervals.remove(call.id());
        gone.map(drop).ok_or_else(|| missing(call, "time interval"))
    }))
}
