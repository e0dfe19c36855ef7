//! Silences.

use alarm::route::Matcher;
use alarm::silence::Silence;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::documents;
use super::op::{Answering, Body, Op, PAGE, Verb};
use super::openapi::named;

const SILENCE: Body = Body::Json(named::<Silence>);
const INSIST: &[(&str, &str)] =
    &[("override", "Whether it is made though it would hit more than `alarm.desk.silence_limit`.")];

pub(super) const OPS: &[Op] = &[
    Op::get("/silences", "Silences that are not over, those that end last first.", list).query(&[
        ("over", "Also those that are over."),
        PAGE[0],
        PAGE[1],
    ]),
    Op::post("/silences", "Makes a silence.", SILENCE, create).query(INSIST),
    Op::post(
        "/silences:preview",
        "What a silence with these matchers would hit.",
        Body::Json(matchers_schema),
        preview,
    ),
    Op::get("/silences/{id}", "One silence.", documents::get::<Silence>),
    Op::change(Verb::Put, "/silences/{id}", "Replaces a silence.", SILENCE, replace).query(INSIST),
    Op::change(
        Verb::Delete,
        "/silences/{id}",
        "Deletes a silence. To end it, expire it: then it is still to be seen.",
        Body::None,
        documents::delete::<Silence>,
    ),
    Op::get("/silences/{id}/history", "Its changes, the newest first.", documents::history::<Silence>).query(&PAGE),
    Op::post("/silences/{id}:expire", "Ends a silence now.", Body::None, expire),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Over {
    over: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Insist {
    r#override: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matchers {
    matchers: Vec<Matcher>,
}

fn matchers_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"matchers": {"type": "array", "items": named::<Matcher>()}},
        "required": ["matchers"],
        "additionalProperties": false,
    })
}

fn list(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Over { over } = call.filter()?;
        Ok(Answer::of(&call.desk.silences(over, call.page()?).await?))
    })
}

fn create(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Insist { r#override } = call.filter()?;
        let done = call.desk.create_silence(call.json()?, r#override, &call.by()).await;
        documents::created(call, done)
    })
}

fn preview(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Matchers { matchers } = call.json()?;
        Ok(Answer::of(&call.desk.preview_silence(&matchers).await?))
    })
}

fn replace(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let (expected, Insist { r#override }) = (call.if_match()?, call.filter()?);
        let silence = documents::body::<Silence>(call)?;
        let done = call.desk.update_silence(silence, expected, r#override, &call.by()).await?;
        Ok(documents::written(&done))
    })
}

fn expire(call: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&call.desk.expire_silence(call.id(), &call.by()).await?)) })
}
