//! Trials: what a rule would do, would have done, and why it did what it did; and test alarms.

use alarm::{
    desk::{DeskError, Fire, FireState},
    edit::EditError,
    rule::Rule,
    trial::{self, BacktestInput, Limits, TrialError},
};
use async_graphql::{Context, Enum, Error, ID, InputObject, Object, Result};
use serde::Serialize;

use super::{
    alarm_rule_types::AlarmRuleInput,
    alarm_shared::{by, desk, document, failed, mirrored, problems, refused},
    alarm_trial_types::{AlarmExplanation, BacktestJob, DryRunReport, TestFireReport, ValidationReport},
    common::{Duration, Entity, Long},
};
use crate::{alarms, app::app, duration};

/// Queries: trials of rules.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmTrialsQuery;

#[Object]
impl AlarmTrialsQuery {
    /// Why a rule fires for an entity, or does not: at the last minute that is over, or at that of a time.
    async fn explain_alarm(
        &self,
        ctx: &Context<'_>,
        rule_id: ID,
        entity: Entity,
        at: Option<Long>,
    ) -> Result<AlarmExplanation> {
        let desk = desk(ctx);
        let rule = desk.get::<Rule>(&rule_id).await.map_err(failed)?.doc;
        let entity = alarms::entity(&entity).map_err(crate::Error::into_graphql)?;
        let explained = trial::explain(&desk.ground, &rule, &entity, at.map(time), desk.clock.now()).await;
        mirrored(&explained.map_err(unanswered)?)
    }

    /// A back-test as it is now; null where there is none, or it is too long ago.
    async fn alarm_backtest(&self, ctx: &Context<'_>, id: ID) -> Result<Option<BacktestJob>> {
        desk(ctx).jobs.get(&id).map(|job| mirrored(&job)).transpose()
    }

    /// The back-tests of this node without their results, the newest first.
    async fn alarm_backtests(&self, ctx: &Context<'_>) -> Result<Vec<BacktestJob>> {
        desk(ctx).jobs.list().iter().map(mirrored).collect()
    }
}

/// Mutations: trials of rules. They change nothing but what they say.
#[derive(Debug, Default, Clone, Copy)]
pub struct AlarmTrialsMutation;

#[Object]
impl AlarmTrialsMutation {
    /// Whether a rule may be saved, and what there is to know of it before. The id names the rule that it would replace.
    async fn validate_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: AlarmRuleInput,
        id: Option<ID>,
        client_mutation_id: Option<String>,
    ) -> Result<ValidationReport> {
        let (desk, rule) = (desk(ctx), rule(&input, id)?);
        let validation = trial::validate(&desk.ground, &rule, desk.clock.now()).await.map_err(unanswered)?;
        let problems = problems(&validation.problems);
        Ok(ValidationReport { client_mutation_id, problems, ..mirrored(&validation)? })
    }

    /// Whom a rule would match at the last minute that is over, or at that of a time.
    async fn dry_run_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: AlarmRuleInput,
        id: Option<ID>,
        at: Option<Long>,
        client_mutation_id: Option<String>,
    ) -> Result<DryRunReport> {
        let (desk, rule) = (desk(ctx), rule(&input, id)?);
        let dry = trial::dry_run(&desk.ground, &rule, at.map(time), desk.clock.now()).await.map_err(unanswered)?;
        Ok(DryRunReport { client_mutation_id, ..mirrored(&dry)? })
    }

    /// Begins to try a rule on the past; alarmBacktest tells how far it is and what came of it.
    async fn backtest_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: AlarmRuleInput,
        duration: Duration,
        limits: Option<BacktestLimits>,
        diff_against: Option<ID>,
        client_mutation_id: Option<String>,
    ) -> Result<BacktestJob> {
        let range = duration::parse(&duration, app(ctx).zone()).map_err(crate::Error::into_graphql)?;
        let limits: Limits = limits.map(|limits| document(&limits)).transpose()?.unwrap_or_default();
        let input = BacktestInput {
            rule: rule(&input, diff_against.clone())?,
            from: Some(range.start),
            to: Some(range.end),
            diff_against: diff_against.map(|id| id.to_string()),
            limits,
        };
        let job = desk(ctx).jobs.start(input).map_err(unanswered)?;
        Ok(BacktestJob { client_mutation_id, ..mirrored(&job)? })
    }

    /// Ends a back-test. What is finished stays as it is.
    async fn cancel_alarm_backtest(
        &self,
        ctx: &Context<'_>,
        id: ID,
        client_mutation_id: Option<String>,
    ) -> Result<BacktestJob> {
        let job = desk(ctx).jobs.cancel(&id);
        let job = job.ok_or_else(|| failed(EditError::NotFound(format!("back-test {}", *id))))?;
        Ok(BacktestJob { client_mutation_id, ..mirrored(&job)? })
    }

    /// Fires a test alarm of a rule for an entity through the whole route: its notifications are flagged as tests and sent as any
    /// other. The entity need not exist.
    async fn test_fire_alarm(
        &self,
        ctx: &Context<'_>,
        rule_id: ID,
        entity: Entity,
        state: Option<AlarmFireState>,
        reason: Option<String>,
        client_mutation_id: Option<String>,
    ) -> Result<TestFireReport> {
        let state = match state {
            Some(AlarmFireState::Recovered) => FireState::Recovered,
            Some(AlarmFireState::Firing) | None => FireState::Firing,
        };
        let entity = alarms::entity(&entity).map_err(crate::Error::into_graphql)?;
        let fire = Fire { rule: rule_id.to_string(), entity, state };
        let fired = desk(ctx).fire(&fire, &by(ctx, reason)).await.map_err(failed)?;
        Ok(TestFireReport { client_mutation_id, ..mirrored(&fired)? })
    }
}

/// A rule that is tried; with the id of a stored one it is that rule changed.
fn rule(input: &AlarmRuleInput, id: Option<ID>) -> Result<Rule> {
    let rule: Rule = document(input)?;
    Ok(Rule { id: id.map(|id| id.to_string()).unwrap_or_default(), ..rule })
}

fn time(Long(at): Long) -> model::UnixMillis {
    model::UnixMillis(at)
}

/// Why a trial has no answer.
fn unanswered(error: TrialError) -> Error {
    match error {
        TrialError::Invalid(checked) => failed(EditError::Invalid(checked)),
        TrialError::Bad(path, message) => refused("BAD_REQUEST", path, &message),
        TrialError::NotFound(what) => failed(EditError::NotFound(what)),
        TrialError::Busy(_) => refused("BUSY", "", &error.to_string()),
        TrialError::Store(error) => failed(DeskError::from(error)),
    }
}

/// How much of a back-test is listed; 0 and nothing: as much as may be.
#[derive(InputObject, Debug, Clone, Default, Serialize)]
pub struct BacktestLimits {
    /// Instances.
    #[graphql(default)]
    pub lines: u32,
    /// Transitions of each.
    #[graphql(default)]
    pub events: u32,
}

/// What a test alarm does.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmFireState {
    /// It fires.
    Firing,
    /// It is over.
    Recovered,
}
