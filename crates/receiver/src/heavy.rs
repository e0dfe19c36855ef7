//! Work that grows with a message, kept off the threads that serve others where the message is large.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Up to this many bytes work is done where it comes up: some half a millisecond of it.
const LIGHT: usize = 32 << 10;
/// How many large messages are worked on at once. Decoding one of 50 MiB takes a second and a hundred megabytes for that time;
/// those beyond wait, and keep their share of the byte budget meanwhile.
const AT_ONCE: usize = 2;

/// Where large messages are worked on. Clones share their places.
#[derive(Clone, Debug)]
pub(crate) struct Heavy(Arc<Semaphore>);

impl Default for Heavy {
    fn default() -> Self {
        Heavy(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Heavy {
    /// What `job` answers, which takes time in proportion to `bytes`. A panic in it is the caller's.
    ///
    /// A caller who gives up leaves a job behind that began: it keeps its place until it ends, so that the bound holds.
    pub(crate) async fn run<T: Send + 'static>(&self, bytes: usize, job: impl FnOnce() -> T + Send + 'static) -> T {
        if bytes <= LIGHT {
            return job();
        }
        let place = Arc::clone(&self.0).acquire_owned().await.expect("nobody closes this semaphore");
        let done = tokio::task::spawn_blocking(move || {
            let answer = job();
            drop(place);
            answer
        });
        match done.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime is going, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use futures_util::poll;

    use super::*;

    /// A job that has begun once the first channel says so, and ends once the second is dropped.
    fn held_up(begun: std::sync::mpsc::Sender<()>, until: Receiver<()>) -> impl FnOnce() -> bool {
        move || begun.send(()).is_ok() && until.recv().is_err()
    }

    #[tokio::test]
    async fn no_more_large_jobs_than_there_are_places_run_at_once() {
        let heavy = Heavy::default();
        let (begun, has_begun) = channel();
        let (ends, mut jobs): (Vec<_>, Vec<_>) = (0..=AT_ONCE)
            .map(|_| {
                let (end, until) = channel();
                (end, Box::pin(heavy.run(LIGHT + 1, held_up(begun.clone(), until))))
            })
            .unzip();
        for job in &mut jobs {
            assert!(poll!(job).is_pending());
        }
        for _ in 0..AT_ONCE {
            has_begun.recv().unwrap();
        }
        assert_eq!(heavy.0.available_permits(), 0);
        assert!(has_begun.try_recv().is_err(), "the last waits for a place");
        assert!(heavy.run(LIGHT, || true).await, "small ones do not wait");
        drop(ends);
        for job in jobs {
            assert!(job.await);
        }
        has_begun.recv().unwrap();
    }

    #[tokio::test]
    async fn a_job_that_was_given_up_keeps_its_place_until_it_ends() {
        let heavy = Heavy::default();
        let (begun, has_begun) = channel();
        let (end, until) = channel();
        let mut job = Box::pin(heavy.run(LIGHT + 1, held_up(begun, until)));
        assert!(poll!(&mut job).is_pending());
        has_begun.recv().unwrap();
        drop(job);
        assert_eq!(heavy.0.available_permits(), AT_ONCE - 1);
        drop(end);
        for _ in 0..AT_ONCE {
            heavy.0.acquire().await.unwrap().forget();
        }
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_panic_is_the_callers() {
        Heavy::default().run(LIGHT + 1, || panic!("a bug")).await;
    }
}
