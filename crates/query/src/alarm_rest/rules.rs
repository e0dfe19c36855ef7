//! Rules.

use alarm::desk::RuleFilter;
use alarm::rule::{Mode, Rule};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::documents;
use super::op::{Answering, Body, Op, PAGE, Verb};
use super::openapi::named;
use super::problem::Problem;

const FILTER: &[(&str, &str)] = &[
    PAGE[0],
    PAGE[1],
    ("name", "Of this name."),
    ("scope", "About entities of this scope: `SERVICE`, `ENDPOINT_RELATION`."),
    ("severity", "`INFO`, `WARNING`, `CRITICAL`."),
    ("paused", "Whether they are paused."),
    ("mode", "`LIVE`, `SHADOW`."),
    ("provenance", "`FILE`, `API`, `IMPORT`."),
    ("tag", "With this tag: `key` or `key=value`."),
    ("text", "With this in the name, the expression or the message."),
];
const RULE: Body = Body::Json(named::<Rule>);

pub(super) const OPS: &[Op] = &[
    Op::get("/rules", "Rules by name, each with its health, its open incidents and its cost.", list).query(FILTER),
    Op::post("/rules", "Makes a rule.", RULE, documents::create::<Rule>),
    Op::get("/rules/{id}", "One rule; the ETag is its revision.", documents::get::<Rule>),
    Op::change(Verb::Put, "/rules/{id}", "Replaces a rule.", RULE, documents::replace::<Rule>),
    Op::change(
        Verb::Patch,
        "/rules/{id}",
        "Changes some fields (JSON merge patch).",
        Body::Json(super::openapi::patch),
        documents::patch::<Rule>,
    ),
    Op::change(
        Verb::Delete,
        "/rules/{id}",
        "Deletes a rule. It can be restored.",
        Body::None,
        documents::delete::<Rule>,
    ),
    Op::get("/rules/{id}/status", "The rule with its health, its open incidents and its cost.", status),
    Op::get("/rules/{id}/history", "Its changes with what they changed, the newest first.", documents::history::<Rule>)
        .query(&PAGE),
    Op::post("/rules/{id}:enable", "Lets a paused rule go on.", Body::None, enable),
    Op::post("/rules/{id}:disable", "Pauses a rule.", Body::None, disable),
    Op::post("/rules/{id}:mode", "Says whether a rule notifies.", Body::Json(mode_schema), mode),
    Op::post(
        "/rules/{id}:restore",
        "Makes an earlier version the present one, or a deleted rule living again.",
        Body::Optional(documents::which),
        documents::restore::<Rule>,
    ),
    Op::post("/rules/{id}:revertToFile", "Takes the settings file's version.", Body::None, revert),
];

fn list(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let filter: RuleFilter = call.filter()?;
        Ok(Answer::of(&call.desk.rules(&filter, call.page()?).await?))
    })
}

fn status(call: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&call.desk.rule(call.id()).await?)) })
}

/// Sets fields of a rule, whatever its revision is.
async fn set(call: &Call, fields: &Value) -> Result<Answer, Problem> {
    Ok(documents::written(&call.desk.edits.patch::<Rule>(call.id(), fields, None, &call.by()).await?))
}

fn enable(call: &Call) -> Answering<'_> {
    Box::pin(async { set(call, &json!({"paused": false})).await })
}

fn disable(call: &Call) -> Answering<'_> {
    Box::pin(async { set(call, &json!({"paused": true})).await })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMode {
    mode: Mode,
}

fn mode_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"mode": {"enum": ["LIVE", "SHADOW"]}},
        "required": ["mode"],
        "additionalProperties": false,
    })
}

fn mode(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let NewMode { mode } = call.json()?;
        set(call, &json!({ "mode": mode })).await
    })
}

fn revert(call: &Call) -> Answering<'_> {
    Box::pin(async {
        // One that was deleted has no revision to name.
        let expected = if call.has_if_match() { call.if_match()? } else { None };
        Ok(documents::written(&call.desk.edits.revert_to_file(call.id(), expected, &call.by()).await?))
    })
}
