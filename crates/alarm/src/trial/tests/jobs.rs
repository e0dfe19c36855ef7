//! Back-tests as jobs.

use model::Clock;

use super::*;
use crate::trial::jobs::{Job, JobState, Jobs, KEPT_MS, MAX_KEPT, MAX_UNFINISHED};

fn input(name: &str) -> BacktestInput {
    BacktestInput { rule: Rule { name: name.to_owned(), ..rule("avg(resp_time) > 50") }, ..BacktestInput::default() }
}

fn jobs(ground: Ground) -> (Jobs, std::sync::Arc<std::sync::atomic::AtomicI64>) {
    let time = Arc::new(std::sync::atomic::AtomicI64::new(after(3).0));
    let told = Arc::clone(&time);
    let clock = Clock::from_fn(move || UnixMillis(told.load(std::sync::atomic::Ordering::Relaxed)));
    (Jobs::new(ground, clock, 1), time)
}

async fn finished(jobs: &Jobs, id: &str) -> Job {
    loop {
        let job = jobs.get(id).unwrap();
        if job.finished.is_some() {
            return job;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_runs_and_its_result_is_kept_for_a_while() {
    let (jobs, time) = jobs(ground(store(&[("a", "10 90 90")]).await));
    let job = jobs.start(input("one")).unwrap();
    assert_eq!((job.state, job.progress), (JobState::Waiting, 0.0));
    let done = finished(&jobs, &job.id).await;
    assert_eq!((done.state, done.progress), (JobState::Done, 1.0));
    assert_eq!(done.result.as_ref().unwrap().n_incidents, 1);
    assert!(jobs.list()[0].result.is_none(), "lists are small");
    time.fetch_add(KEPT_MS, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(jobs.get(&job.id), None);
}

#[tokio::test]
async fn a_job_that_cannot_be_done_says_why() {
    let (jobs, _) = jobs(ground(store(&[]).await));
    let bad = BacktestInput { diff_against: Some("x".to_owned()), ..input("bad") };
    let job = jobs.start(bad).unwrap();
    let failed = finished(&jobs, &job.id).await;
    assert_eq!((failed.state, failed.error.as_deref()), (JobState::Failed, Some("there is no rule x")));
}

#[tokio::test]
async fn there_are_only_so_many_at_once_and_one_can_be_ended() {
    let (jobs, _) = jobs(ground(store(&[("a", "10 90")]).await));
    // None of them runs before this test waits for something.
    let started: Vec<Job> = (0..MAX_UNFINISHED).map(|_| jobs.start(input("one")).unwrap()).collect();
    assert_eq!(jobs.start(input("more")), Err(TrialError::Busy(MAX_UNFINISHED)));
    let ended = jobs.cancel(&started[0].id).unwrap();
    assert_eq!(ended.state, JobState::Cancelled);
    assert!(jobs.start(input("more")).is_ok(), "there is room again");
    for job in &started[1..] {
        assert_eq!(finished(&jobs, &job.id).await.state, JobState::Done);
    }
    assert_eq!(jobs.get(&started[0].id).unwrap().state, JobState::Cancelled);
    assert_eq!(jobs.cancel(&started[1].id).unwrap().state, JobState::Done, "what is finished stays");
    assert_eq!(jobs.cancel("none"), None);
}

#[tokio::test]
async fn the_newest_results_are_kept() {
    let (jobs, time) = jobs(ground(store(&[]).await));
    let mut ids = Vec::new();
    for _ in 0..=MAX_KEPT {
        time.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let job = jobs.start(input("one")).unwrap();
        finished(&jobs, &job.id).await;
        ids.push(job.id);
    }
    assert_eq!(jobs.get(&ids[0]), None);
    assert_eq!(jobs.list().len(), MAX_KEPT);
    assert_eq!(jobs.list()[0].id, ids[MAX_KEPT]);
}
