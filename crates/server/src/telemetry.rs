//! Own telemetry: what this server counts about itself, as Prometheus text.

use std::fmt;
use std::sync::Arc;

use analysis::naming::{Exploder, Folded};
use model::ledger::Ledger;
use model::telemetry::Signal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use storage::Stats;

use crate::process::Usage;
use crate::watch::Reloads;

/// The content type of [`render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels and value of one point of a family.
type Point = (Vec<(&'static str, String)>, f64);

/// One metric with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name without the suffix that counters get.
    pub name: &'static str,
    /// What it counts, and in which unit.
    pub help: &'static str,
    /// Only ever grows.
    pub counter: bool,
    /// By label set.
    pub points: Vec<Point>,
}

impl Family {
    /// A counter.
    pub fn counter(name: &'static str, help: &'static str, points: Vec<Point>) -> Self {
        Family { name, help, counter: true, points }
    }

    /// A value that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, points: Vec<Point>) -> Self {
        Family { name, help, counter: false, points }
    }
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let kind = match family.counter {
                true => ConstCounter::new(0.0f64).metric_type(),
                false => ConstGauge::new(0.0f64).metric_type(),
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in &family.points {
                let point = metric.encode_family(labels)?;
                match family.counter {
                    true => ConstCounter::new(*value).encode(point)?,
                    false => ConstGauge::new(*value).encode(point)?,
                }
            }
        }
        Ok(())
    }
}

/// The families as Prometheus (OpenMetrics) text.
pub fn render(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(families)));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("writing to a String cannot fail");
    out
}

/// A number as Prometheus has it.
#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

/// What the ledger holds.
pub fn ledger(ledger: &Ledger) -> Vec<Family> {
    let by_kind = |of: &dyn Fn(Signal) -> u64| {
        Signal::ALL.into_iter().map(|s| (vec![("kind", s.name().to_owned())], float(of(s)))).collect::<Vec<_>>()
    };
    let refused = ledger.refusals().map(|(stage, kind, reason, n)| {
        let labels = vec![
            ("stage", stage.name().to_owned()),
            ("kind", kind.name().to_owned()),
            ("reason", reason.name().to_owned()),
        ];
        (labels, float(n))
    });
    let rows = model::ledger::Reason::ALL.into_iter().map(|r| (r, ledger.rows_refused(r))).filter(|&(_, n)| n > 0);
    let rows = rows.map(|(reason, n)| (vec![("reason", reason.name().to_owned())], float(n)));
    vec![
        Family::counter("skylark_accepted", "Elements that entered an ingest queue.", by_kind(&|s| ledger.accepted(s))),
        Family::counter("skylark_stored", "Elements the store has answered for.", by_kind(&|s| ledger.stored(s))),
        Family::counter("skylark_sampled_out", "Elements left out by sampling.", by_kind(&|s| ledger.sampled_out(s))),
        Family::gauge(
            "skylark_in_flight",
            "Elements accepted and not yet stored, refused or sampled out.",
            by_kind(&|s| ledger.in_flight(s)),
        ),
        Family::counter("skylark_refused", "Elements refused, by stage and reason.", refused.collect()),
        Family::counter("skylark_rows_refused", "Rows and new entities refused.", rows.collect()),
    ]
}

/// Services that are named with how many endpoints they bring.
pub const EXPLODERS: usize = 10;

/// How many endpoints there are, and what was folded: of all services, and by name of those it was most of. Those change; who asks
/// for rates takes the counters without names.
pub fn endpoints(folded: &Folded) -> Vec<Family> {
    let into = |into: &str, n: u64| (vec![("into", into.to_owned())], float(n));
    let one = |n: usize| vec![(Vec::new(), float(n as u64))];
    let points = |value: &dyn Fn(&Exploder) -> u64| {
        let point = |e: &Exploder| (vec![("service", e.service.clone())], float(value(e)));
        folded.services.iter().map(point).collect::<Vec<_>>()
    };
    vec![
        Family::counter(
            "skylark_endpoint_names_folded",
            "Names of endpoints that became a template, or `_abandoned`, each time one was reported.",
            vec![into("template", folded.templated), into("abandoned", folded.abandoned)],
        ),
        Family::gauge(
            "skylark_services_templated",
            "Services in which names become templates because there are so many.",
            one(folded.n_templates),
        ),
        Family::gauge("skylark_services_full", "Services at their limit on endpoints.", one(folded.n_full)),
        Family::gauge(
            "skylark_service_endpoints",
            "Endpoints of ten minutes that no rule covers, of the services with the most names folded or the most endpoints.",
            points(&|e| e.names),
        ),
        Family::gauge(
            "skylark_service_endpoint_names_folded",
            "Names of these services' endpoints that were folded.",
            points(&|e| e.templated + e.abandoned),
        ),
    ]
}

/// What became of changed files.
pub fn reloads(all: &[Arc<Reloads>]) -> Vec<Family> {
    let of = |what: &'static str| vec![("what", what.to_owned())];
    let points = |value: &dyn Fn(&Reloads) -> f64| all.iter().map(|r| (of(r.what), value(r))).collect::<Vec<_>>();
    vec![
        Family::counter("skylark_reloads", "Changes of files that took effect.", points(&|r| float(r.taken()))),
        Family::counter(
            "skylark_reloads_failed",
            "Changes of files that could not be read: the last good ones stay in use.",
            points(&|r| float(r.failed())),
        ),
        Family::gauge(
            "skylark_files_unusable",
            "Whether the files as they are now are not those in use; the log says why.",
            points(&|r| f64::from(u8::from(r.problem().is_some()))),
        ),
    ]
}

/// Requests that were turned away because nobody who may ask made them.
pub fn logins(failures: [(&'static str, u64); 3]) -> Family {
    let points = failures.map(|(reason, n)| (vec![("reason", reason.to_owned())], float(n)));
    Family::counter("skylark_logins_failed", "Requests of operators turned away, by why.", points.into())
}

/// What the store says of itself.
pub fn store(stats: &Stats) -> Vec<Family> {
    let part = |name: &String| vec![("part", name.clone())];
    let commits = stats.commits.iter();
    vec![
        Family::gauge(
            "skylark_store_bytes",
            "Bytes on disk.",
            stats.bytes.iter().map(|(name, n)| (part(name), float(*n))).collect(),
        ),
        Family::counter(
            "skylark_commits",
            "Commits made.",
            commits.clone().map(|(name, n, _)| (part(name), float(*n))).collect(),
        ),
        Family::counter(
            "skylark_commit_seconds",
            "Time spent in commits.",
            commits.map(|(name, _, micros)| (part(name), float(*micros) / 1e6)).collect(),
        ),
        Family::counter(
            "skylark_store_cpu_seconds",
            "CPU time of the store's own threads.",
            vec![(Vec::new(), float(stats.cpu_micros) / 1e6)],
        ),
    ]
}

/// What the operating system says of the process.
pub fn process(usage: &Usage, uptime_seconds: f64) -> Vec<Family> {
    let one = |value: f64| vec![(Vec::new(), value)];
    vec![
        Family::counter("process_cpu_seconds", "User and system time.", one(float(usage.cpu_micros) / 1e6)),
        Family::gauge("process_resident_memory_bytes", "Resident memory.", one(float(usage.resident_bytes))),
        Family::gauge(
            "process_anonymous_memory_bytes",
            "Resident memory that no file backs.",
            one(float(usage.anonymous_bytes)),
        ),
        Family::gauge("process_open_fds", "Open descriptors.", one(float(usage.descriptors))),
        Family::gauge("skylark_uptime_seconds", "Time since the start.", one(uptime_seconds)),
        Family::gauge(
            "skylark_build_info",
            "1; the label tells the version.",
            vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use model::ledger::{Reason, Stage};

    use super::*;

    #[test]
    fn counts_come_out_as_prometheus_text() {
        let counts = Ledger::default();
        counts.accept(Signal::Segment);
        counts.refuse(Stage::Receive, Signal::Log, Reason::MissingName, 2);
        let text = render(ledger(&counts));
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("skylark_re") || l.contains("segment")).collect();
        expect![[r#"
            skylark_accepted_total{kind="segment"} 1.0
            skylark_stored_total{kind="segment"} 0.0
            skylark_sampled_out_total{kind="segment"} 0.0
            skylark_in_flight{kind="segment"} 1.0
            skylark_refused_total{stage="receive",kind="log",reason="missing_name"} 2.0"#]]
        .assert_eq(&lines.join("\n"));
    }
}
