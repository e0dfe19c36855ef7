//! Rules: listed, changed, paused, their history.

use alarm::{desk::RuleFilter, edit::Version, rule::Rule};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use model::{item::Revision, kinds::ItemKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    alarm_config::{AlarmRevision, entries},
    alarm_rule_types::{AlarmRule, AlarmRuleInput},
    alarm_shared::{
        AlarmProblem, AlarmSeverity, by, desk, document, failed, found, listed, mirrored, page_of, problems, refused,
        revision, version,
    },
    common::{Long, Pagination},
};

/// Queries: alarm rules.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmRulesQuery;

#[Object]
impl AlarmRulesQuery {
    /// Rules by name.
    async fn alarm_rules(
        &self,
        ctx: &Context<'_>,
        filter: Option<AlarmRuleFilter>,
        paging: Pagination,
    ) -> Result<AlarmRulePage> {
        let filter: RuleFilter = filter.map(|filter| document(&filter)).transpose()?.unwrap_or_default();
        let (total, rules) = listed(desk(ctx).rules(&filter, page_of(&paging)).await)?;
        Ok(AlarmRulePage { total, rules })
    }

    /// A rule as it is, or as it was with a revision; null where there is none.
    async fn alarm_rule(&self, ctx: &Context<'_>, id: ID, revision: Option<i32>) -> Result<Option<AlarmRule>> {
        let Some(revision) = revision else {
            return found(desk(ctx).rule(&id).await);
        };
        // Revisions begin with 1, so there is no version of another number.
        let Ok(revision) = u64::try_from(revision) else { return Ok(None) };
        let changes = match desk(ctx).edits.history(ItemKind::AlarmRule, &id, 0, usize::MAX).await {
            Err(alarm::edit::EditError::NotFound(_)) => return Ok(None),
            changes => changes.map_err(failed)?,
        };
        let found = changes.iter().find(|entry| entry.change.revision == revision && !entry.change.body.is_empty());
        let Some(entry) = found else { return Ok(None) };
        let rule: Rule = serde_json::from_str(&entry.change.body)
            .map_err(|error| refused("DAMAGED", "", &format!("the version cannot be read: {error}")))?;
        let mut shown: AlarmRule = mirrored(&rule)?;
        (shown.revision, shown.updated) = (version(Revision(revision)), Long(entry.change.at.0));
        Ok(Some(shown))
    }

    /// What was changed of a rule, by whom and why, the newest first.
    async fn alarm_rule_history(&self, ctx: &Context<'_>, id: ID, paging: Pagination) -> Result<Vec<AlarmRevision>> {
        let page = page_of(&paging);
        let history = desk(ctx).edits.history(ItemKind::AlarmRule, &id, page.skip, page.limit);
        entries(&history.await.map_err(failed)?)
    }
}

/// Mutations: alarm rules.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmRulesMutation;

#[Object]
impl AlarmRulesMutation {
    /// Makes a rule.
    async fn create_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: AlarmRuleInput,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let done = desk(ctx).edits.create(document::<Rule>(&input)?, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Replaces a rule: what the input leaves out is as in a new rule.
    async fn update_alarm_rule(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: AlarmRuleInput,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let rule = Rule { id: id.to_string(), ..document(&input)? };
        let expected = revision(expected_revision)?;
        let done = desk(ctx).edits.update(rule, expected, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Changes the fields of a rule that the input has. A list that is given replaces the present one; of the selector and the other
    /// parts, fields that are left out stay.
    async fn patch_alarm_rule(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: AlarmRuleInput,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let edits = &desk(ctx).edits;
        let present = edits.get::<Rule>(&id).await.map_err(failed)?;
        let expected = revision(expected_revision)?.unwrap_or(present.revision);
        let mut patch: Value = document(&input)?;
        // Of a map the patch changes the keys it has; a list replaces the whole.
        let present: Value = mirrored(&present.doc)?;
        for map in ["variables", "tags", "annotations"] {
            let (Some(Value::Object(wanted)), Some(Value::Object(there))) = (patch.get_mut(map), present.get(map))
            else {
                continue;
            };
            for key in there.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect::<Vec<_>>() {
                wanted.insert(key, Value::Null);
            }
        }
        let done = edits.patch::<Rule>(&id, &patch, Some(expected), &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Deletes a rule. Its open incidents end; it can be restored.
    async fn delete_alarm_rule(
        &self,
        ctx: &Context<'_>,
        id: ID,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<DeletedPayload> {
        let expected = revision(expected_revision)?;
        desk(ctx).edits.delete::<Rule>(&id, expected, &by(ctx, reason)).await.map_err(failed)?;
        Ok(DeletedPayload { client_mutation_id, id })
    }

    /// Makes an earlier version of a rule the present one, or a deleted rule living again. Without a revision: the last one.
    async fn restore_alarm_rule(
        &self,
        ctx: &Context<'_>,
        id: ID,
        revision: Option<Long>,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let version = match self::revision(revision)? {
            Some(revision) => Version::Revision(revision.0),
            None => Version::Last,
        };
        let expected = self::revision(expected_revision)?;
        let done = desk(ctx).edits.restore::<Rule>(&id, &version, expected, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Lets a rule be evaluated, or pauses it.
    async fn set_alarm_rule_enabled(
        &self,
        ctx: &Context<'_>,
        id: ID,
        enabled: bool,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let (patch, expected) = (serde_json::json!({"paused": !enabled}), revision(expected_revision)?);
        let done = desk(ctx).edits.patch::<Rule>(&id, &patch, expected, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Says whether a rule notifies.
    async fn set_alarm_rule_mode(
        &self,
        ctx: &Context<'_>,
        id: ID,
        mode: AlarmRuleMode,
        expected_revision: Option<Long>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<AlarmRulePayload> {
        let (patch, expected) = (serde_json::json!({"mode": mode}), revision(expected_revision)?);
        let done = desk(ctx).edits.patch::<Rule>(&id, &patch, expected, &by(ctx, reason)).await.map_err(failed)?;
        payload(ctx, done, client_mutation_id).await
    }

    /// Does the same kind of thing to many rules, each for itself: one that fails does not keep the others from it.
    async fn bulk_alarm_rules(
        &self,
        ctx: &Context<'_>,
        ops: Vec<AlarmRuleOp>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<BulkPayload> {
        if ops.len() > MAX_BULK {
            return Err(refused(
                "TOO_MANY",
                "ops",
                &format!("there are {}, at most {MAX_BULK} are allowed", ops.len()),
            ));
        }
        let (edits, by) = (&desk(ctx).edits, by(ctx, reason));
        let mut results = Vec::with_capacity(ops.len());
        for AlarmRuleOp { id, op, expected_revision } in ops {
            let expected = revision(expected_revision)?;
            let patch = match op {
                AlarmRuleOpKind::Enable => Some(serde_json::json!({"paused": false})),
                AlarmRuleOpKind::Disable => Some(serde_json::json!({"paused": true})),
                AlarmRuleOpKind::Live => Some(serde_json::json!({"mode": AlarmRuleMode::Live})),
                AlarmRuleOpKind::Shadow => Some(serde_json::json!({"mode": AlarmRuleMode::Shadow})),
                AlarmRuleOpKind::Delete => None,
            };
            let done = match patch {
                Some(patch) => edits.patch::<Rule>(&id, &patch, expected, &by).await,
                None => edits.delete::<Rule>(&id, expected, &by).await,
            };
            results.push(match done {
                Ok(done) => BulkResult { id, revision: Some(version(done.stored.revision)), error: None },
                Err(error) => BulkResult { id, revision: None, error: Some(error.to_string()) },
            });
        }
        Ok(BulkPayload { client_mutation_id, results })
    }
}

/// Rules in one request that does something to many.
const MAX_BULK: usize = 1_000;

async fn payload(
    ctx: &Context<'_>,
    done: alarm::edit::Done<Rule>,
    client_mutation_id: Option<String>,
) -> Result<AlarmRulePayload> {
    let views = desk(ctx).rule_views(vec![done.stored]).await.map_err(failed)?;
    let rule = views.first().ok_or_else(|| refused("INTERNAL", "", "the rule is not shown"))?;
    Ok(AlarmRulePayload { client_mutation_id, rule: mirrored(rule)?, warnings: problems(&done.warnings.problems) })
}

/// Which rules to list; everything given must hold.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmRuleFilter {
    /// Of this name.
    pub name: Option<String>,
    /// About entities of this scope.
    pub scope: Option<AlarmScope>,
    /// As bad as this.
    pub severity: Option<AlarmSeverity>,
    /// Whether they are paused.
    pub paused: Option<bool>,
    /// In this mode.
    pub mode: Option<AlarmRuleMode>,
    /// From there.
    pub provenance: Option<AlarmProvenance>,
    /// With this tag: `key`, or `key=value`.
    pub tag: Option<String>,
    /// With this in the name, the expression or the message.
    pub text: Option<String>,
}

/// A page of rules.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmRulePage {
    /// How many there are in all.
    pub total: Long,
    pub rules: Vec<AlarmRule>,
}

/// A rule that was changed.
#[derive(SimpleObject, Debug, Clone)]
pub struct AlarmRulePayload {
    pub client_mutation_id: Option<String>,
    /// As it is now.
    pub rule: AlarmRule,
    /// What is worth to be known of it.
    pub warnings: Vec<AlarmProblem>,
}

/// Something that was deleted.
#[derive(SimpleObject, Debug, Clone)]
pub struct DeletedPayload {
    pub client_mutation_id: Option<String>,
    pub id: ID,
}

/// What became of many rules.
#[derive(SimpleObject, Debug, Clone)]
pub struct BulkPayload {
    pub client_mutation_id: Option<String>,
    /// One for each, in their order.
    pub results: Vec<BulkResult>,
}

/// What became of one rule.
#[derive(SimpleObject, Debug, Clone)]
pub struct BulkResult {
    pub id: ID,
    /// The version it has now; null where nothing was done.
    pub revision: Option<Long>,
    /// Why nothing was done.
    pub error: Option<String>,
}

/// What is done to a rule.
#[derive(InputObject, Debug, Clone)]
pub struct AlarmRuleOp {
    pub id: ID,
    pub op: AlarmRuleOpKind,
    pub expected_revision: Option<Long>,
}

/// What may be done to many rules.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmRuleOpKind {
    Enable,
    Disable,
    Live,
    Shadow,
    Delete,
}

/// The scopes that alarms know, in the words of SkyWalking's payloads.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmScope {
    Service,
    ServiceInstance,
    Endpoint,
    ServiceRelation,
    ServiceInstanceRelation,
    EndpointRelation,
}

/// Whether a rule notifies.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmRuleMode {
    /// It does.
    Live,
    /// It is evaluated and its incidents are kept, and nobody is told.
    Shadow,
}

/// Whose rules of repeating and recovering hold.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmProfile {
    /// SkyWalking's: it fires again every `silence + 1` minutes while it lasts.
    Skywalking,
    /// Ours: one firing for an incident; routes repeat it.
    Native,
}

/// Which minutes a rule sees.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmWindow {
    /// The closed ones, and the running one where that is fair.
    Running,
    /// The closed ones alone.
    Complete,
}

/// What it means that an entity has no value in the whole window.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmNoDataPolicy {
    /// All is well.
    Ok,
    /// The state stays.
    Keep,
    /// That is the alarm.
    Alert,
    /// An open incident ends.
    Resolve,
}

/// What it means that an expression cannot be computed.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmOnError {
    /// The state stays.
    Keep,
    /// As if the condition were true.
    Alert,
}

/// What becomes of labels in the result.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmLabelMode {
    /// One instance for an entity.
    Any,
    /// One instance for each set of labels.
    Each,
}

/// Where a rule comes from.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmProvenance {
    /// The settings file, untouched since.
    File,
    /// Made or changed through the interface.
    Api,
    /// Brought in through the interface.
    Import,
}
