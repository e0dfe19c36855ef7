//! Receivers. Secrets are written and never read: `***` stands in their places, and written back leaves them as they are.

use alarm::desk::Sample;
use alarm::edit::Edited as _;
use alarm::receiver::Receiver;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::documents;
use super::op::{Answering, Body, Op, PAGE, Verb};
use super::openapi::named;
use crate::actor::Role;

const RECEIVER: Body = Body::Json(named::<Receiver>);

pub(super) const OPS: &[Op] = &[
    Op::get("/receivers", "All receivers, secrets hidden.", list).query(&PAGE),
    Op::post("/receivers", "Makes a receiver.", RECEIVER, documents::create::<Receiver>).takes(Role::Admin),
    Op::get("/receivers/{id}", "One receiver, secrets hidden.", documents::get::<Receiver>),
    Op::change(
        Verb::Put,
        "/receivers/{id}",
        "Replaces a receiver. `***` keeps a secret.",
        RECEIVER,
        documents::replace::<Receiver>,
    )
    .takes(Role::Admin),
    Op::change(
        Verb::Patch,
        "/receivers/{id}",
        "Changes some fields (JSON merge patch).",
        Body::Json(super::openapi::patch),
        documents::patch::<Receiver>,
    )
    .takes(Role::Admin),
    Op::change(
        Verb::Delete,
        "/receivers/{id}",
        "Deletes a receiver that no rule and no route names.",
        Body::None,
        documents::delete::<Receiver>,
    )
    .takes(Role::Admin),
    Op::get(
        "/receivers/{id}/history",
        "Its changes, the newest first. Secrets are in none of them.",
        documents::history::<Receiver>,
    )
    .query(&PAGE),
    Op::post(
        "/receivers/{id}:restore",
        "Makes an earlier version the present one, or a deleted receiver living again.",
        Body::Optional(documents::which),
        documents::restore::<Receiver>,
    )
    .takes(Role::Admin),
    Op::post("/receivers/{id}:test", "Sends it a sample.", Body::Optional(sample_schema), test).takes(Role::Admin),
    Op::post(
        "/receivers:test",
        "Sends a sample to a receiver that is not saved.",
        Body::Json(unsaved_schema),
        test_unsaved,
    )
    .takes(Role::Admin),
];

fn list(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let all = call.desk.all::<Receiver>().await?;
        let page = call.page()?;
        let shown = |stored: &alarm::Stored<Receiver>| {
            let mut json = stored.doc.shown();
            json["revision"] = stored.revision.0.into();
            json["updated"] = stored.updated.0.into();
            json
        };
        let items: Vec<Value> = all.iter().skip(page.skip).take(page.limit).map(shown).collect();
        Ok(Answer::of(&json!({ "total": all.len(), "items": items })))
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    sample: Sample,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsaved {
    receiver: Receiver,
    #[serde(default)]
    sample: Sample,
}

fn sample_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"sample": {"enum": ["FIRING", "RECOVERY"], "default": "FIRING"}},
        "additionalProperties": false,
    })
}

fn unsaved_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "receiver": named::<Receiver>(),
            "sample": {"enum": ["FIRING", "RECOVERY"], "default": "FIRING"},
        },
        "required": ["receiver"],
        "additionalProperties": false,
    })
}

fn test(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Wanted { sample } = call.json()?;
        Ok(Answer::of(&call.desk.test_receiver(call.id(), sample).await?))
    })
}

fn test_unsaved(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Unsaved { receiver, sample } = call.json()?;
        Ok(Answer::of(&call.desk.test_unsaved(receiver, sample, &call.by()).await?))
    })
}
