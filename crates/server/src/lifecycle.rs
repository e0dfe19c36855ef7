//! The tasks of the server and the order in which they end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use model::ledger::{Ledger, Reason, Stage};
use model::telemetry::Signal;
use receiver::Ingest;
use storage::SharedStore;
use storage::nodes::Registry;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info, warn};

/// After the deadline the writer is told to give up, and has this long to count what it holds.
const COUNTING: Duration = Duration::from_secs(1);

/// All tasks, by what their end means.
pub(crate) struct Tasks {
    /// Listeners: end when told to stop.
    edges: JoinSet<&'static str>,
    /// Workers, rollup, writer: end when their senders are gone, never before.
    core: JoinSet<&'static str>,
    /// What only looks after things: ends when told to stop.
    background: JoinSet<&'static str>,
    stop: watch::Sender<bool>,
    give_up: watch::Sender<bool>,
    /// Says to other nodes that this one is there, and at the end, when all is stored, that it has gone.
    registry: JoinSet<Registry>,
    /// Closed first, so that streams without end do not hold up the stop.
    ingest: Option<Ingest>,
    store: SharedStore,
    ledger: Arc<Ledger>,
    deadline: Duration,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("core", &self.core.len()).finish_non_exhaustive()
    }
}

/// What a core task answers (what it could not hand on) is in the ledger already.
async fn named<T>(name: &'static str, task: impl Future<Output = T>) -> &'static str {
    let _counted: T = task.await;
    name
}

impl Tasks {
    pub(crate) fn new(store: SharedStore, ledger: Arc<Ledger>, deadline: Duration) -> Tasks {
        Tasks {
            edges: JoinSet::new(),
            core: JoinSet::new(),
            background: JoinSet::new(),
            registry: JoinSet::new(),
            stop: watch::Sender::new(false),
            give_up: watch::Sender::new(false),
            ingest: None,
            store,
            ledger,
            deadline,
        }
    }

    /// What is closed first at the stop.
    pub(crate) fn intake(&mut self, ingest: Ingest) {
        self.ingest = Some(ingest);
    }

    pub(crate) fn edge(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.edges.spawn(named(name, task));
    }

    pub(crate) fn core<T>(&mut self, name: &'static str, task: impl Future<Output = T> + Send + 'static)
    where
        T: Send + 'static,
    {
        self.core.spawn(named(name, task));
    }

    pub(crate) fn registry(&mut self, registry: Registry) {
        self.registry.spawn(registry.run(self.stopped()));
    }

    pub(crate) fn background(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(named(name, task));
    }

    /// Turns true when the server stops.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Done when the server stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop();
        async move {
            // An error means that the server is gone, which is a stop too.
            drop(stop.wait_for(|stop| *stop).await);
        }
    }

    /// Turns true when the writer must stop trying.
    pub(crate) fn give_up(&self) -> watch::Receiver<bool> {
        self.give_up.subscribe()
    }

    /// Waits for the signal, or for a core task to end before its time, and stops in order within the deadline.
    pub(crate) async fn run(mut self, signal: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failure = tokio::select! {
            () = signal => None,
            Some(ended) = self.core.join_next() => Some(early(ended)),
            Some(ended) = self.background.join_next() => Some(early(ended)),
            Some(ended) = self.edges.join_next() => Some(early(ended)),
            Some(ended) = self.registry.join_next() => Some(early(ended.map(|_| "nodes"))),
        };
        if let Some(failure) = &failure {
            error!(%failure, "a task ended that never should; what can be stored is stored");
        }
        if let Some(ingest) = self.ingest.take() {
            ingest.close();
        }
        self.stop.send_replace(true);
        let drained = match tokio::time::timeout(self.deadline, self.drain()).await {
            Ok(drained) => drained,
            Err(_) => self.abandon().await,
        };
        match failure {
            Some(failure) => Err(failure),
            None => drained,
        }
    }

    async fn drain(&mut self) -> anyhow::Result<()> {
        let mut failure = None;
        for set in [&mut self.edges, &mut self.background, &mut self.core] {
            while let Some(ended) = set.join_next().await {
                failure = failure.or_else(|| ended.err().map(|e| early(Err(e))));
            }
        }
        while let Some(ended) = self.registry.join_next().await {
            match ended {
                // The others find out without it, fifteen seconds later.
                Ok(registry) => registry.leave().await.unwrap_or_else(|error| {
                    warn!(%error, "the other nodes could not be told that this one ends");
                }),
                Err(error) => failure = failure.or_else(|| Some(early(Err(error)))),
            }
        }
        self.store.close().await?;
        let lost = self.unstored();
        if lost > 0 {
            bail!("{lost} accepted elements were not stored");
        }
        info!(segments = self.ledger.stored(Signal::Segment), "everything accepted is stored");
        failure.map_or(Ok(()), Err)
    }

    /// The deadline has passed: the writer counts what it holds as lost, and so does whatever else is left.
    async fn abandon(&mut self) -> anyhow::Result<()> {
        self.give_up.send_replace(true);
        let counted = async { while self.core.join_next().await.is_some() {} };
        // Whether it came in time or not: what is not counted by then is in flight still, and told below.
        drop(tokio::time::timeout(COUNTING, counted).await);
        let (deadline, rows) = (self.deadline.as_secs(), self.ledger.rows_refused(Reason::Shutdown));
        Err(anyhow!(
            "the stop took longer than {deadline} s; lost: {} accepted elements, {rows} rows of totals",
            self.lost()
        ))
    }

    fn unstored(&self) -> u64 {
        Signal::ALL.into_iter().map(|s| self.ledger.in_flight(s)).sum()
    }

    fn lost(&self) -> u64 {
        let refused: u64 =
            Signal::ALL.into_iter().map(|s| self.ledger.refused(Stage::Store, s, Reason::Shutdown)).sum();
        refused + self.unstored()
    }
}

fn early(ended: Result<&'static str, JoinError>) -> anyhow::Error {
    match ended {
        Ok(name) => anyhow!("task {name} ended"),
        Err(error) => anyhow!("a task failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use storage::memory::Memory;
    use tokio::sync::mpsc;

    use super::*;

    fn tasks(ledger: &Arc<Ledger>) -> Tasks {
        Tasks::new(Arc::new(Memory::new()), Arc::clone(ledger), Duration::from_secs(25))
    }

    async fn until(mut told: watch::Receiver<bool>) {
        told.wait_for(|told| *told).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn everything_ends_in_order_and_what_was_accepted_is_stored() {
        let ledger = Arc::new(Ledger::default());
        let mut tasks = tasks(&ledger);
        let (sender, mut elements) = mpsc::channel(4);
        let (stop, accepted) = (tasks.stop(), Arc::clone(&ledger));
        tasks.edge("listener", async move {
            until(stop).await;
            accepted.accept(Signal::Segment);
            sender.send(()).await.unwrap();
        });
        let stored = Arc::clone(&ledger);
        tasks.core("writer", async move {
            while elements.recv().await.is_some() {
                stored.store(Signal::Segment, 1);
            }
        });
        tasks.run(async {}).await.unwrap();
        assert_eq!((ledger.stored(Signal::Segment), ledger.in_flight(Signal::Segment)), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_stays_away_costs_the_deadline_and_is_told() {
        let ledger = Arc::new(Ledger::default());
        let mut tasks = tasks(&ledger);
        ledger.accept(Signal::Segment);
        ledger.accept(Signal::Log);
        let (give_up, counted) = (tasks.give_up(), Arc::clone(&ledger));
        tasks.core("writer", async move {
            until(give_up).await;
            counted.refuse(Stage::Store, Signal::Segment, Reason::Shutdown, 1);
        });
        let begun = tokio::time::Instant::now();
        let error = tasks.run(async {}).await.unwrap_err().to_string();
        assert_eq!(error, "the stop took longer than 25 s; lost: 2 accepted elements, 0 rows of totals");
        assert_eq!(begun.elapsed(), Duration::from_secs(25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_core_task_that_fails_ends_the_server() {
        let ledger = Arc::new(Ledger::default());
        let mut tasks = tasks(&ledger);
        tasks.core("rollup", async { panic!("a bug") });
        let error = tasks.run(std::future::pending()).await.unwrap_err().to_string();
        assert!(error.contains("a task failed") && error.contains("a bug"), "{error}");
    }
}
