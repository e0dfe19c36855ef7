//! The listener of own telemetry: gathers what every part counts when it is asked.

use std::sync::Arc;

use analysis::naming::Naming;
use analysis::{alias, rollup, windows};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::routing::get;
use model::ledger::Ledger;
use model::{Clock, UnixMillis};
use receiver::Ingest;
use storage::SharedStore;
use storage::writer::WriterStats;

use crate::alarm_telemetry::Told;
use crate::auth::Auth;
use crate::net::Places;
use crate::process;
use crate::telemetry::{self, Family};
use crate::watch::Reloads;

/// The parts that count.
#[derive(Clone)]
pub struct Sources {
    /// Connections of each listener.
    pub connections: [(&'static str, Places); 4],
    /// What became of every element.
    pub ledger: Arc<Ledger>,
    /// Sizes and commits.
    pub store: SharedStore,
    /// Queues and retries of the writer.
    pub writer: Arc<WriterStats>,
    /// Rows and flushes.
    pub rollup: Arc<rollup::Stats>,
    /// Summaries of traces.
    pub windows: Arc<windows::Stats>,
    /// Known addresses.
    pub aliases: Arc<alias::Table>,
    /// Queues and budget of the receivers.
    pub ingest: Ingest,
    /// Endpoints that were folded.
    pub naming: Arc<Naming>,
    /// Files that are followed.
    pub reloads: Vec<Arc<Reloads>>,
    /// The time.
    pub clock: Clock,
    /// Logins that failed.
    pub auth: Auth,
    /// The alarm engine.
    pub alarm: Told,
    /// When the server started.
    pub started: UnixMillis,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("started", &self.started).finish_non_exhaustive()
    }
}

/// `/metrics`.
pub fn routes(sources: Sources) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(sources)
}

async fn scrape(State(sources): State<Sources>) -> ([(HeaderName, &'static str); 1], String) {
    let mut families = telemetry::ledger(&sources.ledger);
    // After the counts: what they hold was there at that time, so an age can be told from two scrapes.
    let now = sources.clock.now();
    families.extend(telemetry::store(&sources.store.stats().await));
    let uptime = std::time::Duration::from_millis(u64::try_from(now.0 - sources.started.0).unwrap_or(0));
    families.extend(telemetry::process(&process::usage(), uptime.as_secs_f64()));
    families.extend(flow(&sources, now));
    families.extend(telemetry::endpoints(&sources.naming.folded(telemetry::EXPLODERS)));
    families.extend(telemetry::reloads(&sources.reloads));
    families.push(telemetry::logins(sources.auth.failures()));
    families.extend(sources.alarm.families(now));
    ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], telemetry::render(families))
}

/// Queues, flushes and ages: where something may pile up.
#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
fn flow(sources: &Sources, now: UnixMillis) -> Vec<Family> {
    let one = |value: u64| vec![(Vec::new(), value as f64)];
    let seconds = |micros: u64| vec![(Vec::new(), micros as f64 / 1e6)];
    let (rollup, windows) = (sources.rollup.read(), sources.windows.read());
    let writer = &sources.writer;
    let oldest = writer.oldest_age(now).as_secs_f64();
    let queues = [("ingest", sources.ingest.queued() as u64), ("records", writer.queued_batches() as u64)]
        .map(|(queue, n)| (vec![("queue", queue.to_owned())], n as f64));
    let connections = sources
        .connections
        .iter()
        .map(|(listener, it)| (vec![("listener", (*listener).to_owned())], it.taken() as f64));
    vec![
        Family::gauge("skylark_connections", "Connections that are open, by listener.", connections.collect()),
        Family::gauge("skylark_queue_depth", "Messages waiting in a queue.", queues.into()),
        Family::gauge(
            "skylark_budget_bytes_free",
            "Bytes of telemetry that may still be taken before agents wait.",
            one(sources.ingest.free_bytes() as u64),
        ),
        Family::gauge(
            "skylark_oldest_unstored_seconds",
            "Time since the oldest record was accepted that the writer holds and the store has not answered for.",
            vec![(Vec::new(), oldest)],
        ),
        Family::counter("skylark_write_retries", "Writes tried again.", one(writer.retries())),
        Family::gauge("skylark_rollup_rows", "Rows the rollup holds.", one(rollup.rows)),
        Family::gauge("skylark_rollup_entities", "Entities the rollup holds.", one(rollup.entities)),
        Family::gauge("skylark_rollup_dirty", "Entities with something unwritten.", one(rollup.dirty)),
        Family::counter("skylark_rollup_evicted", "Rows evicted.", one(rollup.evicted)),
        Family::counter("skylark_flushes", "Flushes answered.", one(rollup.flushes)),
        Family::counter("skylark_flush_seconds", "Time that flushes took.", seconds(rollup.flush_micros)),
        Family::gauge("skylark_last_flush_seconds", "Time the last flush took.", seconds(rollup.last_flush_micros)),
        Family::gauge("skylark_trace_windows", "Traces that are watched for their summaries.", one(windows.open)),
        Family::gauge("skylark_trace_window_bytes", "Memory that they take.", one(windows.bytes)),
        Family::counter("skylark_trace_summaries_written", "Summaries handed to the writer.", one(windows.written)),
        Family::counter("skylark_trace_windows_evicted", "Written early: too many.", one(windows.evicted)),
        Family::counter("skylark_trace_windows_late", "Opened again: late segments.", one(windows.late)),
        Family::gauge("skylark_aliases", "Addresses whose service is known.", one(sources.aliases.load().len() as u64)),
    ]
}
