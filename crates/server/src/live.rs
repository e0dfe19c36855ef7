//! The status page at `/` and the figures it shows: what runs, who reports, what was refused, how to connect an agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use analysis::naming::{Exploder, Naming};
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use model::ledger::Ledger;
use model::telemetry::Signal;
use model::{Clock, UnixMillis};
use receiver::Ingest;
use serde::Serialize;
use storage::SharedStore;

use crate::alarm_telemetry::{Line, Told};
use crate::process;
use crate::telemetry::EXPLODERS;

/// The page. Nothing in it comes from elsewhere.
const PAGE: &str = include_str!("page/index.html");
/// Scripts and styles of the page itself only, and nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      frame-ancestors 'none'";

/// What the page is filled from.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

/// The parts that the page is about.
pub struct Parts {
    /// The zone of hours and days.
    pub zone: String,
    /// What is served where.
    pub addresses: Vec<Address>,
    /// The ports that agents need.
    pub ports: Ports,
    /// Who reports.
    pub ingest: Ingest,
    /// What became of every element.
    pub ledger: Arc<Ledger>,
    /// Where data are kept.
    pub store: SharedStore,
    /// Which services bring too many endpoints.
    pub naming: Arc<Naming>,
    /// How the alarm engine stands.
    pub alarm: Told,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    started: UnixMillis,
    parts: Parts,
    /// Elements accepted and when that was, at the last look: for the rate.
    last: (AtomicU64, AtomicU64),
    rate: AtomicU64,
}

/// The ports that agents need, as they are bound.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// gRPC.
    pub grpc: u16,
    /// HTTP.
    pub http: u16,
}

/// One address that is served.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// What it serves.
    pub what: &'static str,
    /// Where.
    pub url: String,
}

#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    started: UnixMillis,
    zone: String,
    addresses: Vec<Address>,
    grpc_port: u16,
    http_port: u16,
    segments_stored: u64,
    rate: f64,
    store: StoreStatus,
    process: ProcessStatus,
    services: Vec<Service>,
    refused: Vec<Refused>,
    endpoints: Vec<Endpoints>,
    alarm: Line,
}

/// A service some of whose endpoints' names were folded.
#[derive(Debug, Serialize)]
struct Endpoints {
    service: String,
    names: u64,
    near_limit: bool,
    full: bool,
    templated: u64,
    abandoned: u64,
}

#[derive(Debug, Serialize)]
struct StoreStatus {
    ok: bool,
    detail: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct ProcessStatus {
    cpu_seconds: f64,
    resident_bytes: u64,
    anonymous_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Service {
    name: String,
    protocol: &'static str,
    seconds_ago: f64,
    rate: f64,
    elements: u64,
}

#[derive(Debug, Serialize)]
struct Refused {
    kind: &'static str,
    stage: &'static str,
    reason: &'static str,
    count: u64,
}

impl Live {
    /// A page about these parts.
    pub fn new(clock: Clock, parts: Parts) -> Live {
        let started = clock.now();
        let last = (AtomicU64::new(0), AtomicU64::new(u64::try_from(started.0).unwrap_or(0)));
        Live(Arc::new(Inner { clock, started, parts, last, rate: AtomicU64::new(0f64.to_bits()) }))
    }

    async fn status(&self) -> Status {
        let (inner, parts) = (&self.0, &self.0.parts);
        let now = inner.clock.now();
        let (health, stats, usage) = (parts.store.health().await, parts.store.stats().await, process::usage());
        let refused = parts.ledger.refusals().map(|(stage, kind, reason, count)| Refused {
            kind: kind.name(),
            stage: stage.name(),
            reason: reason.name(),
            count,
        });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started: inner.started,
            zone: parts.zone.clone(),
            addresses: parts.addresses.clone(),
            grpc_port: parts.ports.grpc,
            http_port: parts.ports.http,
            segments_stored: parts.ledger.stored(Signal::Segment),
            rate: inner.rate(now),
            store: StoreStatus {
                ok: health.ok,
                detail: health.detail,
                bytes: stats.bytes.iter().map(|(_, n)| n).sum(),
            },
            process: ProcessStatus {
                cpu_seconds: std::time::Duration::from_micros(usage.cpu_micros).as_secs_f64(),
                resident_bytes: usage.resident_bytes,
                anonymous_bytes: usage.anonymous_bytes,
            },
            services: inner.services(now),
            refused: refused.collect(),
            endpoints: inner.endpoints(),
            alarm: parts.alarm.line(now),
        }
    }
}

fn seconds(from: UnixMillis, to: UnixMillis) -> f64 {
    std::time::Duration::from_millis(u64::try_from(to.0 - from.0).unwrap_or(0)).as_secs_f64()
}

impl Inner {
    fn services(&self, now: UnixMillis) -> Vec<Service> {
        let reporters = self.parts.ingest.reporters().into_iter();
        let service = |r: receiver::Reporter| Service {
            name: r.service,
            protocol: r.protocol.name(),
            seconds_ago: seconds(r.last_seen, now),
            rate: r.rate,
            elements: r.accepted,
        };
        reporters.map(service).collect()
    }

    /// The services with the most names folded; none where nothing was.
    fn endpoints(&self) -> Vec<Endpoints> {
        let worst = self.parts.naming.folded(EXPLODERS).services.into_iter();
        let shown = |e: Exploder| Endpoints {
            service: e.service,
            names: e.names,
            near_limit: e.templates,
            full: e.full,
            templated: e.templated,
            abandoned: e.abandoned,
        };
        worst.filter(|e| e.templated + e.abandoned > 0).map(shown).collect()
    }

    /// Elements a second since the last look that lies a second back; between two looks the same figure.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self, now: UnixMillis) -> f64 {
        let accepted: u64 = Signal::ALL.into_iter().map(|s| self.parts.ledger.accepted(s)).sum();
        let then = UnixMillis(i64::try_from(self.last.1.load(Ordering::Relaxed)).unwrap_or(0));
        let elapsed = seconds(then, now);
        if elapsed >= 1.0 {
            let before = self.last.0.swap(accepted, Ordering::Relaxed);
            self.last.1.store(u64::try_from(now.0).unwrap_or(0), Ordering::Relaxed);
            self.rate.store((accepted.saturating_sub(before) as f64 / elapsed).to_bits(), Ordering::Relaxed);
        }
        f64::from_bits(self.rate.load(Ordering::Relaxed))
    }
}

/// `/` and `/status/live`.
pub fn routes(live: Live) -> Router {
    Router::new().route("/", get(page)).route("/status/live", get(status)).with_state(live)
}

async fn page() -> ([(HeaderName, &'static str); 2], Html<&'static str>) {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-cache")];
    (headers, Html(PAGE))
}

async fn status(State(live): State<Live>) -> Json<Status> {
    Json(live.status().await)
}
