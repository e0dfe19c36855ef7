//! What rules would do, tried on what the store has: before they are saved, and after, for people who ask why.
//!
//! | question | answer |
//! |---|---|
//! | whom does it match now? | [`dry_run`] |
//! | what would it have done? | [`backtest`], as a job: [`jobs::Jobs`] |
//! | why did it fire, or why not? | [`explain`] |
//! | may it be saved, and what does it cost? | [`validate`] |
//!
//! All of them evaluate with the [`crate::pass`] that the engine runs, over minutes that are over; a trial writes nothing. Two things
//! differ from what the engine saw at the time: it may have fired some seconds earlier, on the running minute, and it did not know data
//! that came late. The hour that a window of hours ends in is whole here, where the engine saw its first minutes alone.

mod backtest;
mod dry_run;
mod explain;
pub mod jobs;
mod node;
mod notified;
mod replay;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::Arc;

use model::layer::Layers;
use model::metric::Catalogue;
use model::{Bucket, UnixMillis, Zone};
use serde::Serialize;
use storage::{SharedStore, StoreError};

use crate::check::{self, Checked, Surroundings};
use crate::doc::{self, Doc, Stored};
use crate::notify::told::About;
use crate::plan::{Plan, Planned};
use crate::rule::Rule;
use crate::state::Seen;

pub use self::backtest::{
    Backtest, BacktestInput, DEFAULT_MINUTES, Diff, Event, Limits, Line, MAX_EVENTS, MAX_LINE_EVENTS, MAX_LINES,
    MAX_MINUTES, Moment, Noisy, backtest,
};
pub use self::dry_run::{DryRun, MAX_MATCHES, Match, dry_run};
pub use self::explain::{Explanation, Heard, Next, OfIncident, Read, Samples, Step, explain};
pub use self::node::{Node, NodeResult};
pub use self::notified::Notified;
pub use self::validate::{Cost, LastDay, Validation, validate};

/// The id of a rule that has none yet.
const UNSAVED: &str = "unsaved";

/// What trials are made on.
#[derive(Clone)]
pub struct Ground {
    /// Where everything lies.
    pub store: SharedStore,
    /// All metrics.
    pub catalogue: Arc<Catalogue>,
    /// The zone of hours.
    pub zone: Zone,
    /// The layers that there are.
    pub layers: Layers,
    /// What texts of rules are filled in with.
    pub about: About,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrialError {
    /// The rule cannot be evaluated.
    #[error("the rule cannot be evaluated: {}", first(.0))]
    Invalid(Checked),
    /// The question is wrong: what it is about, and what is wrong with it.
    #[error("{0}: {1}")]
    Bad(&'static str, String),
    /// There is none.
    #[error("there is no {0}")]
    NotFound(String),
    /// There are as many jobs as there may be. Try later.
    #[error("{0} back-tests wait or run already")]
    Busy(usize),
    /// The store's. Try later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn first(checked: &Checked) -> String {
    let mut errors = checked.problems.iter().filter(|problem| problem.level == check::Level::Error);
    errors.next().map(ToString::to_string).unwrap_or_default()
}

/// What a minute shows of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The condition is true.
    Match,
    /// It is false, and so is the expression that says that it is over.
    Between,
    /// It is false.
    Mismatch,
    /// There is no value in the window, and not for long enough to mean something.
    Nothing,
    /// There has been no value for so long that the rule's policy holds.
    NoData,
    /// It cannot be computed.
    Error,
}

impl From<Seen> for Verdict {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Match => Verdict::Match,
            Seen::Between => Verdict::Between,
            Seen::Mismatch => Verdict::Mismatch,
            Seen::Nothing => Verdict::Nothing,
            Seen::NoData => Verdict::NoData,
            Seen::Error(_) => Verdict::Error,
        }
    }
}

/// A rule as it is evaluated though it may be paused, and have neither an id nor a name.
fn evaluated(rule: &Rule) -> Rule {
    let or_unsaved = |text: &str| if text.is_empty() { UNSAVED.to_owned() } else { text.to_owned() };
    Rule { paused: false, id: or_unsaved(&rule.id), name: or_unsaved(&rule.name), ..rule.clone() }
}

/// Compiles rules.
fn plan(ground: &Ground, rules: impl IntoIterator<Item = Rule>) -> Result<Plan, TrialError> {
    let mut all = Vec::new();
    for doc in rules {
        let checked = check::rule(&doc, &Surroundings::new(&ground.catalogue));
        if !checked.is_valid() {
            return Err(TrialError::Invalid(checked));
        }
        all.push(Stored { doc, revision: model::item::Revision(1), updated: UnixMillis(0) });
    }
    let (plan, healths) = Plan::new(&all, &ground.catalogue, None);
    match healths.into_iter().find_map(|health| health.error) {
        Some(error) => Err(TrialError::Bad("rule", error)),
        None => Ok(plan),
    }
}

/// The one rule of a plan.
fn only(plan: &Plan) -> Result<&Arc<Planned>, TrialError> {
    plan.rules().first().ok_or_else(|| TrialError::NotFound("rule".to_owned()))
}

/// The minute that a question is about: that of `at` if it is over, else the last one that is.
fn minute(at: Option<UnixMillis>, now: UnixMillis) -> Result<Bucket, TrialError> {
    let last = now.minute().and_then(|minute| minute.0.checked_sub(1)).map(Bucket);
    let last = last.ok_or_else(|| TrialError::Bad("now", "it is no time".to_owned()))?;
    match at.map(UnixMillis::minute) {
        None => Ok(last),
        Some(Some(minute)) => Ok(minute.min(last)),
        Some(None) => Err(TrialError::Bad("at", "it is no time".to_owned())),
    }
}

/// All documents of a kind; what cannot be read is left out.
async fn documents<T: Doc>(ground: &Ground) -> Result<Vec<T>, StoreError> {
    let all = doc::load(ground.store.as_ref(), Vec::new()).await?;
    Ok(all.into_iter().map(|stored| stored.doc).collect())
}

/// Computes where nobody else waits for it.
async fn compute<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, TrialError> {
    let stopped = |error: tokio::task::JoinError| TrialError::Store(StoreError::Unavailable(error.to_string()));
    tokio::task::spawn_blocking(f).await.map_err(stopped)
}
