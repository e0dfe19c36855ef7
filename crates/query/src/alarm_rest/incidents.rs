//! Incidents, and the instances that are not normal.

use alarm::desk::{Act, IncidentFilter, InstanceFilter};
use alarm::incident::Incident;
use model::UnixMillis;
use model::item::Revision;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::documents;
use super::op::{Answering, Body, Op, PAGE};
use super::problem::Problem;

const FILTER: &[(&str, &str)] = &[
    PAGE[0],
    PAGE[1],
    ("rule", "Of the rule of this id or name."),
    ("service", "Of this service."),
    ("entity", "Of the entity of this id."),
    ("severity", "`INFO`, `WARNING`, `CRITICAL`."),
    ("state", "`FIRING`, `SILENCED_FIRING`, `OBSERVING_RECOVERY`, `RECOVERED`, `NO_DATA`, `ERROR`."),
    ("open", "Whether they are open."),
    ("acknowledged", "Whether somebody takes care of them."),
    ("assignee", "Given to this one; empty: to nobody."),
    ("from", "Open at that time or later, in milliseconds."),
    ("before", "Begun before that time, in milliseconds."),
    ("text", "With this in the rule's name, the entity's, or a message."),
];
const INSTANCES: &[(&str, &str)] = &[
    PAGE[0],
    PAGE[1],
    ("rule", "Of the rule of this id or name."),
    ("entity", "Of the entity of this id."),
    ("state", "In this state."),
    ("text", "With this in the name of the rule or the entity."),
];

pub(super) const OPS: &[Op] = &[
    Op::get("/instances", "What is not normal at present, by rule and entity.", instances).query(INSTANCES),
    Op::get("/incidents", "Incidents, the newest first, without what was seen.", list).query(FILTER),
    Op::get("/incidents/{id}", "One incident with its transitions, what was seen, and what became of each.", get),
    Op::get("/incidents/{id}/history", "What people did with it, the newest first.", documents::history::<Incident>)
        .query(&PAGE),
    Op::post(
        "/incidents/{id}:acknowledge",
        "Somebody takes care of it: it is not told again.",
        Body::Optional(until_schema),
        acknowledge,
    ),
    Op::post("/incidents/{id}:unacknowledge", "Nobody takes care of it any more.", Body::None, unacknowledge),
    Op::post(
        "/incidents/{id}:assign",
        "Gives it to somebody; an empty name: to nobody.",
        Body::Json(assignee_schema),
        assign,
    ),
    Op::post("/incidents/{id}:comment", "Says something of it.", Body::Json(text_schema), comment),
    Op::post(
        "/incidents/{id}:close",
        "Ends it, told like a recovery. A condition that is true still opens another one.",
        Body::None,
        close,
    ),
];

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Until {
    until: Option<UnixMillis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assignee {
    assignee: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

fn until_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"until": {"type": ["integer", "null"], "description": "Until when, in milliseconds; nothing: until it is over."}},
        "additionalProperties": false,
    })
}

fn one_text(field: &str) -> Value {
    json!({
        "type": "object",
        "properties": {field: {"type": "string"}},
        "required": [field],
        "additionalProperties": false,
    })
}

fn assignee_schema() -> Value {
    one_text("assignee")
}

fn text_schema() -> Value {
    one_text("text")
}

fn instances(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let filter: InstanceFilter = call.filter()?;
        Ok(Answer::of(&call.desk.instances(&filter, call.page()?).await?))
    })
}

fn list(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let filter: IncidentFilter = call.filter()?;
        Ok(Answer::of(&call.desk.incidents(&filter, call.page()?).await?))
    })
}

fn get(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let incident = call.desk.incident(call.id()).await?;
        let revision = Revision(incident.revision);
        Ok(Answer::of(&incident).etag(revision))
    })
}

async fn act(call: &Call, act: &Act) -> Result<Answer, Problem> {
    let incident = call.desk.act(call.id(), act, &call.by()).await?;
    let revision = Revision(incident.revision);
    Ok(Answer::of(&incident).etag(revision))
}

fn acknowledge(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Until { until } = call.json()?;
        act(call, &Act::Acknowledge { until }).await
    })
}

fn unacknowledge(call: &Call) -> Answering<'_> {
    Box::pin(async { act(call, &Act::Unacknowledge).await })
}

fn assign(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Assignee { assignee } = call.json()?;
        act(call, &Act::Assign { assignee }).await
    })
}

fn comment(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Text { text } = call.json()?;
        act(call, &Act::Comment { text }).await
    })
}

fn close(call: &Call) -> Answering<'_> {
    Box::pin(async { act(call, &Act::Close).await })
}
