//! Back-tests that run beside everything else, a few at a time, and whose results are kept for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Clock, UnixMillis};
use serde::{Serialize, Serializer};
use storage::chance::Chance;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::{Backtest, BacktestInput, Ground, TrialError, backtest};

/// Back-tests that run at once.
pub const MAX_RUNNING: usize = 1;
/// Back-tests that wait or run at once; beyond it a new one is refused.
pub const MAX_UNFINISHED: usize = 8;
/// Finished back-tests that are kept: the newest ones.
pub const MAX_KEPT: usize = 20;
/// How long a finished one is kept.
pub const KEPT_MS: i64 = 3_600_000;

/// How far a back-test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// It waits for its turn.
    Waiting,
    /// It runs.
    Running,
    /// There is a result.
    Done,
    /// There is none, and it says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// A back-test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// How far it is.
    pub state: JobState,
    /// How much of it is done, from 0 to 1.
    pub progress: f64,
    /// When it was asked for.
    pub asked: UnixMillis,
    /// When it was over.
    pub finished: Option<UnixMillis>,
    /// What came of it.
    #[serde(serialize_with = "shared")]
    pub result: Option<Arc<Backtest>>,
    /// Why nothing did.
    pub error: Option<String>,
}

fn shared<S: Serializer>(result: &Option<Arc<Backtest>>, serializer: S) -> Result<S::Ok, S::Error> {
    result.as_deref().serialize(serializer)
}

impl Job {
    fn is_finished(&self) -> bool {
        !matches!(self.state, JobState::Waiting | JobState::Running)
    }
}

/// All back-tests of this node. Dropping it ends those that are not finished.
pub struct Jobs {
    ground: Ground,
    clock: Clock,
    turns: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
}

struct Known {
    chance: Chance,
    jobs: BTreeMap<String, (Job, AbortHandle)>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("n", &lock(&self.known).jobs.len()).finish_non_exhaustive()
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        lock(&self.known).jobs.values().for_each(|(_, task)| task.abort());
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs {
    /// None yet. `seed` makes their ids.
    pub fn new(ground: Ground, clock: Clock, seed: u64) -> Jobs {
        let known = Known { chance: Chance::new(seed), jobs: BTreeMap::new() };
        Jobs { ground, clock, turns: Arc::new(Semaphore::new(MAX_RUNNING)), known: Arc::new(Mutex::new(known)) }
    }

    /// Starts one. It must be called within a runtime, in which it then runs.
    pub fn start(&self, input: BacktestInput) -> Result<Job, TrialError> {
        let now = self.clock.now();
        let mut known = lock(&self.known);
        known.forget(now);
        let n_unfinished = known.jobs.values().filter(|(job, _)| !job.is_finished()).count();
        if n_unfinished >= MAX_UNFINISHED {
            return Err(TrialError::Busy(n_unfinished));
        }
        let id = format!("{:016x}", known.chance.bits());
        let job = Job {
            id: id.clone(),
            rule: input.rule.name.clone(),
            state: JobState::Waiting,
            progress: 0.0,
            asked: now,
            finished: None,
            result: None,
            error: None,
        };
        let work = Work {
            id: id.clone(),
            ground: self.ground.clone(),
            clock: self.clock.clone(),
            turns: Arc::clone(&self.turns),
            known: Arc::clone(&self.known),
        };
        let task = tokio::spawn(work.run(input));
        known.jobs.insert(id, (job.clone(), task.abort_handle()));
        Ok(job)
    }

    /// One, as it is now; `None`: there is none, or it is too long ago.
    pub fn get(&self, id: &str) -> Option<Job> {
        let mut known = lock(&self.known);
        known.forget(self.clock.now());
        known.jobs.get(id).map(|(job, _)| job.clone())
    }

    /// All of them without their results, the newest first.
    pub fn list(&self) -> Vec<Job> {
        let mut known = lock(&self.known);
        known.forget(self.clock.now());
        let mut jobs: Vec<Job> = known.jobs.values().map(|(job, _)| Job { result: None, ..job.clone() }).collect();
        jobs.sort_by(|one, other| (other.asked, &other.id).cmp(&(one.asked, &one.id)));
        jobs
    }

    /// Ends one. What is finished stays as it is.
    pub fn cancel(&self, id: &str) -> Option<Job> {
        let now = self.clock.now();
        let mut known = lock(&self.known);
        let (job, task) = known.jobs.get_mut(id)?;
        if !job.is_finished() {
            task.abort();
            (job.state, job.finished) = (JobState::Cancelled, Some(now));
        }
        Some(job.clone())
    }
}

impl Known {
    /// Lets go of what is finished and was kept long enough, or is too much.
    fn forget(&mut self, now: UnixMillis) {
        self.jobs.retain(|_, (job, _)| job.finished.is_none_or(|finished| finished.plus(KEPT_MS) > now));
        let mut finished: Vec<(UnixMillis, String)> =
            self.jobs.values().filter_map(|(job, _)| Some((job.finished?, job.id.clone()))).collect();
        finished.sort_unstable();
        let surplus = finished.len().saturating_sub(MAX_KEPT);
        for (_, id) in finished.into_iter().take(surplus) {
            self.jobs.remove(&id);
        }
    }
}

/// One back-test on its way.
struct Work {
    id: String,
    ground: Ground,
    clock: Clock,
    turns: Arc<Semaphore>,
    known: Arc<Mutex<Known>>,
}

impl Work {
    async fn run(self, input: BacktestInput) {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        self.change(|job| job.state = JobState::Running);
        let progress = |done: f64| self.change(|job| job.progress = done);
        let result = backtest(&self.ground, &input, self.clock.now(), &progress).await;
        let finished = Some(self.clock.now());
        self.change(|job| {
            job.finished = finished;
            match result {
                Ok(result) => (job.state, job.progress, job.result) = (JobState::Done, 1.0, Some(Arc::new(result))),
                Err(error) => (job.state, job.error) = (JobState::Failed, Some(error.to_string())),
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        if let Some((job, _)) = lock(&self.known).jobs.get_mut(&self.id).filter(|(job, _)| !job.is_finished()) {
            change(job);
        }
    }
}
