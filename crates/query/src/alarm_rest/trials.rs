//! What rules would do, tried before they are saved; and why one did or did not.

use alarm::rule::Rule;
use alarm::trial::{self, BacktestInput, TrialError};
use axum::http::{HeaderValue, StatusCode, header};
use model::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::op::{Answering, Body, Op, Verb};
use super::openapi::named;
use super::problem::{Problem, problems};
use crate::actor::Role;

pub(super) const OPS: &[Op] = &[
    Op::post(
        "/rules:validate",
        "Says what is wrong with a rule, what it would watch and cost, and what it would have said the last day.",
        Body::Json(named::<Rule>),
        validate,
    )
    .takes(Role::Viewer),
    Op::post("/rules:dryRun", "Says who would match now, or at another time.", Body::Json(dry_run_schema), dry_run)
        .takes(Role::Viewer),
    Op::post(
        "/rules:backtest",
        "Starts a back-test: what would have fired, by default in the last seven days.",
        Body::Json(backtest_schema),
        backtest,
    ),
    Op::get("/backtests", "The back-tests of this node without their results, the newest first.", backtests),
    Op::get("/backtests/{id}", "One back-test: how far it is, and its result.", backtest_job),
    Op::change(Verb::Delete, "/backtests/{id}", "Ends a back-test.", Body::None, cancel).unseen(),
    Op::post(
        "/rules/{id}:explain",
        "Says why a rule fired for an entity, or why not.",
        Body::Json(explain_schema),
        explain,
    )
    .takes(Role::Viewer),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRun {
    rule: Rule,
    #[serde(default)]
    at: Option<UnixMillis>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    entity: String,
    #[serde(default)]
    at: Option<UnixMillis>,
}

fn at() -> Value {
    json!({"type": ["integer", "null"], "description": "When, in milliseconds; nothing: in the last minute that is over."})
}

fn dry_run_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"rule": named::<Rule>(), "at": at()},
        "required": ["rule"],
        "additionalProperties": false,
    })
}

fn explain_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"entity": {"type": "string", "description": "The id of the entity."}, "at": at()},
        "required": ["entity"],
        "additionalProperties": false,
    })
}

fn backtest_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "rule": named::<Rule>(),
            "from": {"type": ["integer", "null"], "description": "The first minute, in milliseconds; nothing: seven days before the last one."},
            "to": {"type": ["integer", "null"], "description": "The last minute, in milliseconds; nothing: the last one that is over."},
            "diffAgainst": {"type": ["string", "null"], "description": "The id of a stored rule to compare with."},
            "limits": {
                "type": "object",
                "properties": {"lines": {"type": "integer"}, "events": {"type": "integer"}},
                "additionalProperties": false,
            },
        },
        "required": ["rule"],
        "additionalProperties": false,
    })
}

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Problem {
        let message = error.to_string();
        match error {
            TrialError::Invalid(checked) => Problem::checked(&checked),
            TrialError::Bad(path, what) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_question", what).path(path)
            }
            TrialError::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, "not_found", message),
            TrialError::Busy(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", message)
                .header(header::RETRY_AFTER, HeaderValue::from_static("10")),
            TrialError::Store(error) => alarm::desk::DeskError::from(error).into(),
        }
    }
}

fn validate(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let rule: Rule = call.json()?;
        let found = trial::validate(&call.desk.ground, &rule, call.desk.clock.now()).await?;
        let mut json = serde_json::to_value(&found).expect("answers have texts as keys");
        json["problems"] = problems(&found.problems);
        Ok(Answer::of(&json))
    })
}

fn dry_run(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let DryRun { rule, at } = call.json()?;
        Ok(Answer::of(&trial::dry_run(&call.desk.ground, &rule, at, call.desk.clock.now()).await?))
    })
}

fn backtest(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let input: BacktestInput = call.json()?;
        let job = call.desk.jobs.start(input)?;
        let location = format!("{}/backtests/{}", super::BASE, job.id);
        Ok(Answer::of(&job).created(&location).status(StatusCode::ACCEPTED))
    })
}

fn backtests(call: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&json!({ "items": call.desk.jobs.list() }))) })
}

fn backtest_job(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let job = call.desk.jobs.get(call.id()).ok_or_else(|| missing(call))?;
        Ok(Answer::of(&job))
    })
}

fn cancel(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let job = call.desk.jobs.cancel(call.id()).ok_or_else(|| missing(call))?;
        Ok(Answer::of(&job))
    })
}

fn missing(call: &Call) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no back-test {} on this node", call.id()))
        .hint("each node keeps its own, for an hour")
}

fn explain(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Explain { entity, at } = call.json()?;
        let rule = call.desk.edits.get::<Rule>(call.id()).await?.doc;
        Ok(Answer::of(&trial::explain(&call.desk.ground, &rule, &entity, at, call.desk.clock.now()).await?))
    })
}
