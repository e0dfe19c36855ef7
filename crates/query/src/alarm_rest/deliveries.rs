//! Notifications on their way.

use alarm::desk::DeliveryFilter;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::op::{Answering, Body, Op, PAGE};
use super::problem::Problem;

const FILTER: &[(&str, &str)] = &[
    PAGE[0],
    PAGE[1],
    ("status", "`WAITING`, `SENDING`, `SENT`, `DEAD`, `DISCARDED`."),
    ("receiver", "To this receiver."),
    ("incident", "That tell of the incident of this id."),
    ("test", "Whether they are tests."),
    ("from", "Made at that time or later, in milliseconds."),
    ("before", "Made before that time, in milliseconds."),
];

pub(super) const OPS: &[Op] = &[
    Op::get("/deliveries", "Notifications with their attempts, the newest first.", list).query(FILTER),
    Op::get("/deliveries/{id}", "One notification.", get),
    Op::post(
        "/deliveries:redrive",
        "Has dead notifications sent again: those of these ids, or those that meet a filter, as many as `alarm.desk.redrive_limit`.",
        Body::Json(redrive_schema),
        redrive,
    ),
    Op::post(
        "/deliveries:discard",
        "Gives notifications up that the receiver does not have yet.",
        Body::Json(ids_schema),
        discard,
    ),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    ids: Option<Vec<String>>,
    filter: Option<DeliveryFilter>,
}

fn ids_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"ids": {"type": "array", "items": {"type": "string"}}},
        "required": ["ids"],
        "additionalProperties": false,
    })
}

fn redrive_schema() -> Value {
    json!({
        "type": "object",
        "description": "One of the two.",
        "properties": {
            "ids": {"type": "array", "items": {"type": "string"}},
            "filter": {
                "type": "object",
                "properties": {
                    "status": {"enum": ["DEAD", "DISCARDED"], "default": "DEAD"},
                    "receiver": {"type": "string"},
                    "incident": {"type": "string"},
                    "test": {"type": "boolean"},
                    "from": {"type": "integer"},
                    "before": {"type": "integer"},
                },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

fn list(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let filter: DeliveryFilter = call.filter()?;
        Ok(Answer::of(&call.desk.deliveries(&filter, call.page()?).await?))
    })
}

fn get(call: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&call.desk.delivery(call.id()).await?)) })
}

fn redrive(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let (desk, by) = (&call.desk, call.by());
        let redriven = match call.json()? {
            Which { ids: Some(ids), filter: None } => desk.redrive(&ids, &by).await?,
            Which { filter: Some(filter), ids: None } => desk.redrive_all(&filter, &by).await?,
            _ => return Err(Problem::bad("bad_document", "either ids or a filter")),
        };
        Ok(Answer::of(&redriven))
    })
}

fn discard(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Ids { ids } = call.json()?;
        Ok(Answer::of(&call.desk.discard(&ids, &call.by()).await?))
    })
}
