//! One node: writer, rollup and workers over a store that others may share, wired as the server wires them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use analysis::context::Context;
use analysis::rollup::{self, DELTAS_PER_WORKER, Rollup};
use analysis::windows::{self, Watch};
use analysis::worker::{self, Worker};
use analysis::{alias, policy};
use model::ledger::Ledger;
use model::permit::Permit;
use model::telemetry::{Envelope, Signal, Telemetry};
use model::{Clock, Zone};
use storage::SharedStore;
use storage::writer::{WriterStats, writer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Elements that may wait for a worker, as the receiver's default has it.
pub(crate) const INGEST_QUEUE: usize = 4_096;

/// What all nodes of a world share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: SharedStore,
    pub(crate) context: Context,
    pub(crate) zone: Zone,
    pub(crate) clock: Clock,
    pub(crate) windows: windows::Config,
    /// Bytes of permits that are out.
    pub(crate) budget: Arc<AtomicI64>,
}

pub(crate) struct Node {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stats: Arc<rollup::Stats>,
    pub(crate) windows: Arc<windows::Stats>,
    writes: Arc<WriterStats>,
    pub(crate) aliases: Arc<alias::Table>,
    around: Surroundings,
    ingest: Vec<mpsc::Sender<Envelope>>,
    tasks: JoinSet<()>,
    give_up: watch::Sender<bool>,
}

impl Node {
    pub(crate) fn start(around: &Surroundings, id: u64, workers: usize) -> Node {
        let around = around.clone();
        let ledger = Arc::new(Ledger::default());
        let stats = Arc::new(rollup::Stats::default());
        let aliases = Arc::new(alias::Table::default());
        let (handle, task) = writer(around.store.clone(), ledger.clone(), id);
        let writes = task.stats();
        let (give_up, told) = watch::channel(false);
        let (deltas, from_workers) = mpsc::channel(DELTAS_PER_WORKER * workers);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            task.run(told).await;
        });
        let (flush_near, told_near) = watch::channel(());
        let rollup = Rollup {
            deltas: from_workers,
            flush_near,
            rows: handle.rows,
            writer: id,
            zone: around.zone.clone(),
            clock: around.clock.clone(),
            ledger: ledger.clone(),
            stats: stats.clone(),
            config: rollup::Config::default(),
        };
        tasks.spawn(async move {
            rollup::run(rollup).await;
        });
        let policies = policy::Table::new(around.context.policies.clone());
        let windows = Arc::new(windows::Stats::default());
        let (sightings, seen) = mpsc::channel(windows::SIGHTINGS_PER_WORKER * workers);
        tasks.spawn(windows::run(Watch {
            sightings: seen,
            records: handle.records.clone(),
            writer: id,
            ledger: ledger.clone(),
            stats: windows.clone(),
            config: around.windows,
        }));
        let mut ingest = Vec::new();
        for _ in 0..workers {
            let (submit, elements) = mpsc::channel(INGEST_QUEUE);
            ingest.push(submit);
            let worker = Worker {
                ingest: elements,
                context: around.context.clone(),
                aliases: aliases.clone(),
                policies: policies.clone(),
                deltas: deltas.clone(),
                flush_near: told_near.clone(),
                records: handle.records.clone(),
                sightings: sightings.clone(),
                ledger: ledger.clone(),
            };
            tasks.spawn(async move {
                worker::run(worker).await;
            });
        }
        Node { ledger, stats, windows, writes, aliases, around, ingest, tasks, give_up }
    }

    /// Hands an element to one of the workers, as a receiver does.
    pub(crate) async fn submit(&self, worker: usize, telemetry: Telemetry) {
        let budget = self.around.budget.clone();
        budget.fetch_add(100, Ordering::Relaxed);
        let permit = Permit::new(
            100,
            Arc::new(move |bytes| {
                budget.fetch_sub(i64::from(bytes), Ordering::Relaxed);
            }),
        );
        self.ledger.accept(telemetry.signal());
        let envelope = Envelope { telemetry, permit, received: self.around.clock.now() };
        self.ingest[worker % self.ingest.len()].send(envelope).await.expect("workers live as long as the node");
    }

    /// Elements that have no end yet.
    pub(crate) fn in_flight(&self) -> u64 {
        Signal::ALL.into_iter().map(|signal| self.ledger.in_flight(signal)).sum()
    }

    fn summaries_are_written(&self) -> bool {
        let windows::Reading { open, waiting, .. } = self.windows.read();
        open == 0 && waiting == 0 && self.writes.queued_batches() == 0 && self.writes.records_in_flight() == 0
    }

    /// Waits until everything that was submitted is stored, rows and summaries of traces too.
    pub(crate) async fn at_rest(&self) {
        loop {
            // Longer than a delta waits in a worker.
            sleep(worker::DELTA_AFTER + Duration::from_millis(100)).await;
            if self.in_flight() == 0 && self.stats.read().dirty == 0 && self.summaries_are_written() {
                return;
            }
        }
    }

    /// Stops as a node is stopped: no more elements, and every stage drains.
    pub(crate) async fn stop(self) -> Arc<Ledger> {
        let Node { ledger, ingest, mut tasks, give_up, .. } = self;
        drop(ingest);
        while let Some(end) = tasks.join_next().await {
            end.expect("no task panics");
        }
        drop(give_up);
        ledger
    }

    /// Stops in a hurry: what the store has not taken yet is lost, and counted.
    pub(crate) async fn stop_in_a_hurry(self) -> Arc<Ledger> {
        self.give_up.send_replace(true);
        self.stop().await
    }

    /// Ends at once, as with `kill -9`.
    pub(crate) async fn kill(mut self) -> Arc<Ledger> {
        self.tasks.shutdown().await;
        self.ledger
    }
}
