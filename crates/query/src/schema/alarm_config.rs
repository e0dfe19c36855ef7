//! The configuration of alarms as a whole: applied, imported, exported, audited, and how far the nodes have come with it.

use alarm::{
    desk::Format,
    edit::{AuditEntry as Entry, AuditFilter as Filter, Bundle, Step},
    import::Mode,
};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use super::{
    alarm_rules::AlarmScope,
    alarm_shared::{AlarmProblem, by, desk, failed, mirrored, page_of, problems, refused},
    common::{Long, Pagination},
};

/// Queries: the configuration of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmConfigQuery;

#[Object]
impl AlarmConfigQuery {
    /// What was changed, by whom and why, the newest first.
    async fn alarm_audit(&self, ctx: &Context<'_>, filter: AuditFilter, paging: Pagination) -> Result<Vec<AuditEntry>> {
        let at = |time: Option<Long>| time.map(|Long(at)| model::UnixMillis(at));
        let AuditFilter { kind, target, actor, from, before } = filter;
        let target = target.map(|id| id.to_string());
        let filter = Filter { kind, target, actor, from: at(from), before: at(before) };
        let page = page_of(&paging);
        let (found, _) = desk(ctx).edits.audit(&filter, page.skip, page.limit).await.map_err(failed)?;
        entries(&found)
    }

    /// How the configuration stands on this node and the others.
    async fn alarm_config_status(&self, ctx: &Context<'_>) -> Result<ClusterAlarmConfig> {
        mirrored(&desk(ctx).config_status().await.map_err(failed)?)
    }

    /// Metrics that expressions may name, for editors.
    async fn mqe_catalog(
        &self,
        ctx: &Context<'_>,
        prefix: Option<String>,
        scope: Option<AlarmScope>,
    ) -> Result<Vec<MetricInfo>> {
        let scope: Option<String> = scope.map(|scope| mirrored(&scope)).transpose()?;
        mirrored(&desk(ctx).metrics(&prefix.unwrap_or_default(), scope.as_deref()).map_err(failed)?)
    }

    /// The rules of these ids, or all, as a file; of all also receivers, routes and silences, as far as the form has words for them.
    async fn export_alarm_settings(
        &self,
        ctx: &Context<'_>,
        format: AlarmSettingsFormat,
        ids: Option<Vec<ID>>,
    ) -> Result<Export> {
        let ids: Vec<String> = ids.into_iter().flatten().map(|id| id.to_string()).collect();
        let format = match format {
            AlarmSettingsFormat::SkywalkingYaml => Format::SkywalkingYaml,
            AlarmSettingsFormat::PrometheusRules => Format::PrometheusRules,
            AlarmSettingsFormat::Json => Format::Json,
        };
        mirrored(&desk(ctx).export(format, &ids).await.map_err(failed)?)
    }
}

/// Mutations: the configuration of alarms.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmConfigMutation;

#[Object]
impl AlarmConfigMutation {
    /// Makes documents be as they are in a bundle, as the export in JSON writes one. All are checked before the first is written;
    /// then each is written for itself and told of. A plan says what would be done.
    async fn apply_alarm_config(
        &self,
        ctx: &Context<'_>,
        bundle: serde_json::Value,
        #[graphql(default)] plan_only: bool,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<ApplyReport> {
        let bundle: Bundle = serde_json::from_value(bundle)
            .map_err(|error| refused("BAD_DOCUMENT", "bundle", &format!("it is no bundle: {error}")))?;
        let steps = desk(ctx).edits.apply(bundle, plan_only, &by(ctx, reason)).await.map_err(failed)?;
        let is_good = steps.iter().all(Step::is_good);
        Ok(ApplyReport { client_mutation_id, applied: is_good && !plan_only, steps: steps.iter().map(step).collect() })
    }

    /// Imports a file. What cannot be taken is told of and does not keep the rest from being imported.
    #[allow(
        clippy::too_many_arguments,
        reason = "the arguments are the mutation's, and the macro makes several functions of them"
    )]
    async fn import_alarm_settings(
        &self,
        ctx: &Context<'_>,
        source: AlarmSettingsSource,
        text: String,
        mode: Option<AlarmImportMode>,
        #[graphql(default)] dry_run: bool,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<ImportReport> {
        let (edits, by) = (&desk(ctx).edits, by(ctx, reason));
        let mode = match mode {
            Some(AlarmImportMode::Replace) => Mode::Replace,
            Some(AlarmImportMode::Merge) | None => Mode::Merge,
        };
        let imported = match source {
            AlarmSettingsSource::Yaml | AlarmSettingsSource::Pre96Yaml => edits.import(&text, mode, dry_run, &by).await,
            AlarmSettingsSource::AlertmanagerYaml => edits.import_alertmanager(&text, dry_run, &by).await,
            AlarmSettingsSource::PrometheusRules => edits.import_prometheus(&text, mode, dry_run, &by).await,
        };
        let imported = imported.map_err(failed)?;
        Ok(ImportReport {
            client_mutation_id,
            verdict: mirrored(&imported.report.verdict())?,
            entries: mirrored(&imported.report.entries)?,
            steps: imported.steps.iter().map(step).collect(),
        })
    }
}

/// Changes in the shape of GraphQL.
pub(crate) fn entries<T: for<'d> Deserialize<'d>>(entries: &[Entry]) -> Result<Vec<T>> {
    entries.iter().map(mirrored).collect()
}

fn step(step: &Step) -> ApplyStep {
    let difference = |one: &alarm::edit::Difference| AlarmDifference {
        path: one.path.clone(),
        before: one.before.clone(),
        after: one.after.clone(),
    };
    ApplyStep {
        kind: step.kind.to_owned(),
        name: step.name.clone(),
        step: match step.step {
            alarm::edit::StepKind::Create => ApplyStepKind::Create,
            alarm::edit::StepKind::Update => ApplyStepKind::Update,
            alarm::edit::StepKind::Unchanged => ApplyStepKind::Unchanged,
            alarm::edit::StepKind::Delete => ApplyStepKind::Delete,
        },
        differences: step.differences.iter().map(difference).collect(),
        problems: problems(&step.checked.problems),
        failed: step.failed.clone(),
    }
}

/// Which changes to list; everything given must hold.
#[derive(InputObject, Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this kind of document: `alarm_rule`, `alarm_receiver`, `alarm_routing`, `alarm_silence`, `alarm_incident`,
    /// `alarm_notification`.
    pub kind: Option<String>,
    /// Of the document of this id.
    pub target: Option<ID>,
    pub actor: Option<String>,
    /// From then on.
    pub from: Option<Long>,
    /// Before then.
    pub before: Option<Long>,
}

/// What was done to a document.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmChangeOp {
    Create,
    Update,
    Delete,
    Restore,
    Import,
    Acknowledge,
    Unacknowledge,
    Assign,
    Comment,
    Close,
    Redrive,
    Discard,
    Fire,
}

/// One change of one document.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AuditEntry {
    pub id: ID,
    /// Kind of the document.
    pub kind: String,
    /// Id of the document.
    pub target: ID,
    /// Its name then.
    pub name: String,
    pub op: AlarmChangeOp,
    /// The revision that the document has with it.
    pub revision: Long,
    /// Who did it: a user, `loopback`, or `file`.
    pub actor: String,
    /// By what: `graphql`, `rest`, `file`.
    pub source: String,
    /// Why, in the actor's words.
    pub reason: String,
    pub at: Long,
    /// What it changed, secrets hidden.
    pub differences: Vec<AlarmDifference>,
}

/// One change of a rule.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmRevision {
    /// The revision that the rule has with it.
    pub revision: Long,
    /// Id of the change.
    pub id: ID,
    /// The rule's name then.
    pub name: String,
    pub op: AlarmChangeOp,
    pub actor: String,
    pub source: String,
    pub reason: String,
    pub at: Long,
    /// The rule with it, as JSON; empty where it was deleted.
    pub body: String,
    /// What it changed.
    pub differences: Vec<AlarmDifference>,
}

/// A field that a change changed.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmDifference {
    /// The field: `selector.includeNames[0]`.
    pub path: String,
    /// What it was; null: it was not there.
    pub before: Option<serde_json::Value>,
    /// What it became; null: it is not there any more.
    pub after: Option<serde_json::Value>,
}

/// What became of a bundle.
#[derive(SimpleObject, Debug, Clone)]
pub struct ApplyReport {
    pub client_mutation_id: Option<String>,
    /// Whether all of it was written.
    pub applied: bool,
    /// One for each document.
    pub steps: Vec<ApplyStep>,
}

/// What is done to a document.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyStepKind {
    Create,
    Update,
    Unchanged,
    Delete,
}

/// One document of a bundle or file.
#[derive(SimpleObject, Debug, Clone)]
pub struct ApplyStep {
    pub kind: String,
    pub name: String,
    pub step: ApplyStepKind,
    pub differences: Vec<AlarmDifference>,
    /// What is wrong with it, and what is to be known of it.
    pub problems: Vec<AlarmProblem>,
    /// Why it was not done; empty: it was, or is only planned.
    pub failed: String,
}

/// The forms of files that are read.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmSettingsSource {
    /// SkyWalking's `alarm-settings.yml`.
    Yaml,
    /// The same as it was before SkyWalking 9.6; told apart from the file itself.
    #[graphql(name = "PRE96_YAML")]
    Pre96Yaml,
    /// `alertmanager.yml`: routes, inhibitions, intervals, receivers.
    AlertmanagerYaml,
    /// Rules of Prometheus, as far as they are about metrics that are here.
    PrometheusRules,
}

/// What happens to rules that a file does not have.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmImportMode {
    /// They stay.
    Merge,
    /// They are deleted.
    Replace,
}

/// What became of a file.
#[derive(SimpleObject, Debug, Clone)]
pub struct ImportReport {
    pub client_mutation_id: Option<String>,
    /// The worst of its parts.
    pub verdict: ImportVerdict,
    /// Its parts, in the order of the file.
    pub entries: Vec<ImportEntry>,
    /// What became of each document.
    pub steps: Vec<ApplyStep>,
}

/// How it went with a part of a file.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ImportVerdict {
    /// Taken as it is.
    Ok,
    /// Taken, and there is something to know.
    Warned,
    /// Not taken.
    Rejected,
}

/// What a part of a file is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ImportPart {
    File,
    Rule,
    Receiver,
    Route,
    Inhibition,
    TimeInterval,
}

/// A part of a file and what became of it.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct ImportEntry {
    pub part: ImportPart,
    /// Its name in the file.
    pub name: String,
    /// The line where it begins, from 1.
    pub line: Long,
    /// The character where it begins, from 1.
    pub column: Long,
    pub verdict: ImportVerdict,
    pub warnings: Vec<ImportNote>,
    pub errors: Vec<ImportNote>,
}

/// Something to say of a part of a file.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct ImportNote {
    pub line: Long,
    pub column: Long,
    pub message: String,
}

/// The forms of files that are written.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmSettingsFormat {
    /// `alarm-settings.yml`.
    SkywalkingYaml,
    /// Rules of Prometheus.
    PrometheusRules,
    /// A bundle of documents, as applyAlarmConfig takes it.
    Json,
}

/// A file.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    pub format: AlarmSettingsFormat,
    /// Its media type.
    pub content_type: String,
    /// The file. Secrets are `***`.
    pub text: String,
    /// What it does not say.
    pub remarks: Vec<ExportRemark>,
}

/// Something that a file does not say.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct ExportRemark {
    /// The rule or receiver.
    pub name: String,
    pub message: String,
}

/// A metric that a rule may be about.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct MetricInfo {
    pub name: String,
    /// What its entities are.
    pub scope: AlarmScope,
    /// `REGULAR`: a value for a minute; `LABELED`: one for each set of labels; `HEATMAP`: counts by value.
    pub kind: String,
    /// Names of its labels, where they are known beforehand.
    pub labels: Vec<String>,
}

/// How the configuration of alarms stands.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAlarmConfig {
    /// Whether this node evaluates rules and sends notifications.
    pub holder: bool,
    /// Since when.
    pub since: Option<Long>,
    /// When the last closed minute began that was evaluated, where this node evaluates.
    pub evaluated: Option<Long>,
    /// What keeps the engine of this node from its work.
    pub failing: Option<String>,
    /// The version of each kind of document that this node knows: nodes that say the same know the same.
    #[serde(deserialize_with = "super::alarm_shared::pairs")]
    pub epochs: Vec<super::common::KeyValue>,
    /// How many rules there are.
    #[serde(rename = "nRules")]
    pub rule_count: Long,
    /// Rules that are broken, by name, and why.
    #[serde(deserialize_with = "super::alarm_shared::pairs")]
    pub broken: Vec<super::common::KeyValue>,
    /// Routes, inhibitions and silences that cannot be used, and why.
    pub problems: Vec<String>,
    /// The settings file as it was imported last.
    pub file: Option<AlarmFileStatus>,
    pub nodes: Vec<AlarmNodeStatus>,
}

/// The settings file as it was imported last.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmFileStatus {
    /// The hash of its text.
    pub hash: String,
    pub at: Long,
    /// By which node.
    pub node: String,
    #[serde(rename = "nRules")]
    pub rule_count: Long,
    #[serde(rename = "nReceivers")]
    pub receiver_count: Long,
    /// Ids of what it has and operators deleted.
    pub deleted: Vec<String>,
}

/// A node that shares the store.
#[derive(SimpleObject, Debug, Clone, Deserialize)]
pub struct AlarmNodeStatus {
    pub id: ID,
    pub host: String,
    pub version: String,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it was seen lately.
    pub live: bool,
    /// The hash of its settings file; empty: it has none.
    pub file: String,
    /// Whether its settings file is another than the one that was imported last.
    pub differs: bool,
}
