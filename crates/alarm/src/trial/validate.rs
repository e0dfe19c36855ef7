//! Whether a rule may be saved, and what there is to know of it before.

use model::{Bucket, UnixMillis};
use serde::Serialize;

use crate::check::{self, Checked, Level, Problem, Surroundings};
use crate::columns::Columns;
use crate::entity::{Entity, scope_name};
use crate::plan::Planned;
use crate::receiver::Receiver;
use crate::rule::Rule;

use super::backtest::{Measured, measured, share};
use super::{
    Backtest, BacktestInput, DryRun, Ground, Match, TrialError, documents, dry_run, evaluated, minute, only, plan,
};

/// Minutes of the back-test: a day.
const LAST_DAY: u32 = 1_440;
/// Pairs of entity and minute that the back-test looks at, at most: with more entities it is shorter.
const MAX_PAIRS: u32 = 1_500_000;
/// Entities that are shown.
const SAMPLES: usize = 10;
/// Instances that match now beyond which it is worth a warning.
const MANY_MATCHES: usize = 1_000;
/// Notifications a day beyond which it is worth a warning.
const MANY_NOTIFICATIONS: f64 = 100.0;
/// What a pass costs for each pair of rule and entity, and for each value that the expression reads of it. In nanoseconds: the benchmark
/// `pass` takes 39 for a pair over ten values. A machine of another kind takes another time, and rules that share parts take less.
const PAIR_NS: u64 = 10;
const VALUE_NS: u64 = 3;

/// What there is to know of a rule before it is saved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Whether it may be saved.
    pub valid: bool,
    /// What is wrong with it, and what is worth to be known.
    pub problems: Vec<Problem>,
    /// What it is about; `None`: that cannot be told, and nothing below neither.
    pub scope: Option<&'static str>,
    /// How many entities it watches.
    pub n_watched: usize,
    /// The first of them, by name.
    pub samples: Vec<Entity>,
    /// How many instances match now.
    pub n_matched: usize,
    /// The first of them.
    pub matches: Vec<Match>,
    /// What it costs.
    pub cost: Option<Cost>,
    /// What it would have done lately.
    pub last_day: Option<LastDay>,
}

/// What a pass over one minute costs for a rule. An estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Entities.
    pub n_entities: u64,
    /// Values that are read of each.
    pub n_values: u64,
    /// Nanoseconds of one processor for one pass.
    pub ns_per_pass: u64,
}

/// What a rule would have done in the last day, or in a shorter time where there are many entities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastDay {
    /// How many minutes were looked at.
    pub n_minutes: u32,
    /// Incidents.
    pub n_incidents: u64,
    /// Firings.
    pub n_firings: u64,
    /// Of the pairs of entity and minute with values those in which the condition was true, from 0 to 1.
    pub matched: f64,
    /// Notifications.
    pub n_notifications: usize,
    /// Notifications a day.
    pub notifications_per_day: f64,
}

/// Checks a rule against what there is, and tries it on the last day.
pub async fn validate(ground: &Ground, rule: &Rule, now: UnixMillis) -> Result<Validation, TrialError> {
    let receivers: Vec<Receiver> = documents(ground).await?;
    let receivers: Vec<String> = receivers.into_iter().map(|receiver| receiver.id).collect();
    let around = Surroundings { catalogue: &ground.catalogue, receivers: Some(&receivers), entities: None };
    let checked = check::rule(rule, &around);
    let compiled = match plan(ground, [evaluated(rule)]) {
        Err(TrialError::Invalid(_)) => return Ok(unknown(checked)),
        compiled => compiled?,
    };
    let planned = only(&compiled)?;
    let dry = dry_run(ground, rule, None, now).await?;
    let n_entities = u32::try_from(dry.n_watched).unwrap_or(u32::MAX).max(1);
    let n_minutes = (MAX_PAIRS / n_entities).clamp(1, LAST_DAY);
    let to = minute(None, now)?;
    let from = Some(Bucket(to.0.saturating_sub(n_minutes - 1)).start());
    let input = BacktestInput { rule: rule.clone(), from, ..BacktestInput::default() };
    let measured = measured(ground, &input, now, &|_| ()).await?;

    let Measured { backtest, n_heard, mut entities } = measured;
    entities.sort_by(|one, other| one.0.cmp(&other.0));
    let all: Vec<Entity> = entities.iter().map(|(entity, _)| entity.clone()).collect();
    let samples = entities.into_iter().filter(|(_, watched)| *watched).map(|(entity, _)| entity);
    let mut checked = check::rule(rule, &Surroundings { entities: Some(&all), ..around });
    remarks(&mut checked, &dry, &backtest, n_heard);
    let n_values = n_values(ground, planned, to);
    let n_watched = u64::try_from(dry.n_watched).unwrap_or(u64::MAX);
    Ok(Validation {
        valid: checked.is_valid(),
        problems: checked.problems,
        scope: Some(scope_name(planned.scope)),
        n_watched: dry.n_watched,
        samples: samples.take(SAMPLES).collect(),
        n_matched: dry.n_matched,
        matches: dry.matches.into_iter().take(SAMPLES).collect(),
        cost: Some(Cost {
            n_entities: n_watched,
            n_values,
            ns_per_pass: n_watched.saturating_mul(PAIR_NS.saturating_add(VALUE_NS.saturating_mul(n_values))),
        }),
        last_day: Some(LastDay {
            n_minutes: backtest.n_minutes,
            n_incidents: backtest.n_incidents,
            n_firings: backtest.n_firings,
            matched: share(backtest.n_matched, n_heard),
            n_notifications: backtest.notifications.total,
            notifications_per_day: backtest.notifications.per_day,
        }),
    })
}

/// What can be said of a rule that cannot be evaluated.
fn unknown(checked: Checked) -> Validation {
    Validation {
        valid: checked.is_valid(),
        problems: checked.problems,
        scope: None,
        n_watched: 0,
        samples: Vec::new(),
        n_matched: 0,
        matches: Vec::new(),
        cost: None,
        last_day: None,
    }
}

/// What the trials show to be worth a warning.
fn remarks(checked: &mut Checked, dry: &DryRun, backtest: &Backtest, n_heard: u64) {
    let minutes = backtest.n_minutes;
    let mut warn = |code, path: &str, message: String| {
        let path = path.to_owned();
        checked.problems.push(Problem { level: Level::Warning, code, path, at: None, message });
    };
    if dry.n_watched == 0 {
        warn("watches_nothing", "selector", "there is no entity with values that it watches".to_owned());
    } else if backtest.n_matched == 0 {
        warn("never_true", "expression", format!("it was true of nothing in the last {minutes} minutes"));
    } else if backtest.n_matched >= n_heard {
        warn("always_true", "expression", format!("it was true of everything in the last {minutes} minutes"));
    }
    if dry.n_matched > MANY_MATCHES {
        warn("many_matches", "expression", format!("it is true of {} instances now", dry.n_matched));
    }
    if backtest.notifications.per_day > MANY_NOTIFICATIONS {
        let what = format!("it would have made {} notifications a day", backtest.notifications.per_day);
        warn("many_notifications", "expression", what);
    }
    if let Some(error) = &backtest.error {
        warn("cannot_be_computed", "expression", format!("it cannot be computed for some entities: {error}"));
    }
}

/// How many values an evaluation reads of an entity; of labels each counts one set.
fn n_values(ground: &Ground, planned: &Planned, minute: Bucket) -> u64 {
    let columns = Columns::new(ground.zone.clone());
    let n =
        planned.needs().map(|(need, _)| columns.buckets(need, planned.params.period, minute).1.len()).sum::<usize>();
    u64::try_from(n).unwrap_or(u64::MAX)
}
