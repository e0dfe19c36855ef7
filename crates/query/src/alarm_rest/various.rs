//! What is about everything at once: status, audit, metrics, import and export, bundles, test alarms.

use alarm::desk::{Export, Fire, Format};
use alarm::edit::{AuditFilter, Bundle};
use alarm::import::Mode;
use model::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::op::{Answering, Body, Op, PAGE};
use super::openapi::named;
use super::problem::{Problem, problems};
use crate::actor::Role;

const AUDIT: &[(&str, &str)] = &[
    PAGE[0],
    PAGE[1],
    (
        "kind",
        "Of this kind of document: `alarm_rule`, `alarm_receiver`, `alarm_routing`, `alarm_silence`, `alarm_incident`, `alarm_notification`.",
    ),
    ("target", "Of the document of this id."),
    ("actor", "By this one."),
    ("from", "At that time or later, in milliseconds."),
    ("before", "Before that time, in milliseconds."),
];
const IMPORT: &[(&str, &str)] = &[
    ("format", "Where the body is a file: `SKYWALKING_YAML` (of today or before 9.6), `ALERTMANAGER_YAML`."),
    ("mode", "`MERGE`: rules that the file does not have stay; `REPLACE`: they are deleted."),
    ("dryRun", "Whether it is only said what would be done."),
];
const EXPORT: &[(&str, &str)] = &[
    ("format", "`SKYWALKING_YAML`, `JSON`, `PROMETHEUS_RULES`."),
    ("ids", "Ids of rules, with commas between; none: all."),
    ("raw", "Whether the file alone is answered, without remarks."),
];

pub(super) const OPS: &[Op] = &[
    Op::get("/status", "How the engine, its settings file and the nodes stand.", status),
    Op::get("/metrics", "Metrics that an expression may name.", metrics)
        .query(&[("prefix", "Whose names begin so."), ("scope", "About entities of this scope: `SERVICE`.")]),
    Op::get("/audit", "Who changed what, the newest first.", audit).query(AUDIT),
    Op::get("/export", "Rules, receivers, routes and silences as a file.", export).query(EXPORT),
    Op::post(
        "/import",
        "Takes a file: as JSON with its text, or as it is with the parameters of the query.",
        Body::File(import_schema),
        import,
    )
    .takes(Role::Admin)
    .query(IMPORT),
    Op::post(
        "/apply",
        "Makes documents be as they are in a bundle; nothing is written when one has an error.",
        Body::Json(apply_schema),
        apply,
    )
    .takes(Role::Admin),
    Op::post(
        "/fire",
        "Fires a test alarm through the whole route. No incident is touched.",
        Body::Json(named::<Fire>),
        fire,
    ),
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Metrics {
    prefix: String,
    scope: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Audit {
    kind: Option<String>,
    target: Option<String>,
    actor: Option<String>,
    from: Option<UnixMillis>,
    before: Option<UnixMillis>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Exported {
    format: Format,
    ids: String,
    raw: bool,
}

/// The forms of files that are taken.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Source {
    /// SkyWalking's file, of whichever form.
    #[default]
    SkywalkingYaml,
    AlertmanagerYaml,
    PrometheusRules,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Import {
    format: Source,
    mode: Mode,
    dry_run: bool,
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Apply {
    bundle: Bundle,
    plan_only: bool,
}

fn import_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "format": {"enum": ["SKYWALKING_YAML", "ALERTMANAGER_YAML", "PROMETHEUS_RULES"], "default": "SKYWALKING_YAML"},
            "mode": {"enum": ["MERGE", "REPLACE"], "default": "MERGE"},
            "dryRun": {"type": "boolean", "default": false},
            "text": {"type": "string", "description": "The file."},
        },
        "required": ["text"],
        "additionalProperties": false,
    })
}

fn apply_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "bundle": named::<Bundle>(),
            "planOnly": {"type": "boolean", "default": false, "description": "Whether it is only said what would be done."},
        },
        "required": ["bundle"],
        "additionalProperties": false,
    })
}

fn status(call: &Call) -> Answering<'_> {
    Box::pin(async { Ok(Answer::of(&call.desk.config_status().await?)) })
}

fn metrics(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Metrics { prefix, scope } = call.filter()?;
        let all = call.desk.metrics(&prefix, scope.as_deref())?;
        Ok(Answer::of(&json!({ "total": all.len(), "items": all })))
    })
}

fn audit(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Audit { kind, target, actor, from, before } = call.filter()?;
        let page = call.page()?;
        let filter = AuditFilter { kind, target, actor, from, before };
        let (items, total) = call.desk.edits.audit(&filter, page.skip, page.limit).await?;
        Ok(Answer::of(&json!({ "total": total, "items": items })))
    })
}

fn export(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Exported { format, ids, raw } = call.filter()?;
        let ids: Vec<String> = ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        let export = call.desk.export(format, &ids).await?;
        if raw {
            let Export { text, content_type, .. } = export;
            return Ok(Answer::text(text, content_type));
        }
        Ok(Answer::of(&export))
    })
}

fn import(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let import: Import = if call.is_yaml() {
            let mut import: Import = call.filter()?;
            import.text = call.text()?;
            import
        } else {
            call.json()?
        };
        if import.text.trim().is_empty() {
            return Err(Problem::bad("bad_document", "there is no file in it").path("text"));
        }
        let (edits, by) = (&call.desk.edits, call.by());
        let imported = match import.format {
            Source::SkywalkingYaml => edits.import(&import.text, import.mode, import.dry_run, &by).await?,
            Source::AlertmanagerYaml => edits.import_alertmanager(&import.text, import.dry_run, &by).await?,
            Source::PrometheusRules => edits.import_prometheus(&import.text, import.mode, import.dry_run, &by).await?,
        };
        Ok(Answer::of(&json!({
            "dryRun": import.dry_run,
            "verdict": imported.report.verdict(),
            "report": imported.report.entries,
            "steps": steps(&imported.steps),
        })))
    })
}

fn apply(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let Apply { bundle, plan_only } = call.json()?;
        let done = call.desk.edits.apply(bundle, plan_only, &call.by()).await?;
        let applied = !plan_only && done.iter().all(alarm::edit::Step::is_good);
        Ok(Answer::of(&json!({ "applied": applied, "steps": steps(&done) })))
    })
}

/// What became of each document.
fn steps(steps: &[alarm::edit::Step]) -> Value {
    let one = |step: &alarm::edit::Step| {
        json!({
            "kind": step.kind,
            "name": step.name,
            "step": step.step,
            "differences": step.differences,
            "problems": problems(&step.checked.problems),
            "failed": step.failed,
        })
    };
    steps.iter().map(one).collect()
}

fn fire(call: &Call) -> Answering<'_> {
    Box::pin(async {
        let fire: Fire = call.json()?;
        Ok(Answer::of(&call.desk.fire(&fire, &call.by()).await?))
    })
}
