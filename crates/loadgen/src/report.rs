//! The report: what was sent, what became of it, and what it cost. Pure arithmetic over what was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::options::Options;
use crate::probe::Visibility;
use crate::process::{Cpu, MemoryUse};
use crate::prom::Scrape;
use crate::queries::Timing;
use crate::stats::rounded;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) offered: Offered,
    pub(crate) n_cores: usize,
    pub(crate) elements: BTreeMap<&'static str, Fate>,
    pub(crate) sending: Sending,
    pub(crate) settling: Settling,
    pub(crate) store: StoreUse,
    /// Absent where no process was named.
    pub(crate) cpu: Option<CpuUse>,
    pub(crate) memory: Option<MemoryUse>,
    /// Times until something new was visible, from before it was sent.
    pub(crate) visible: Visibility,
    /// Times of queries after all was stored.
    pub(crate) queries: BTreeMap<&'static str, Timing>,
    /// What every counter of the server grew by, from the start until all was settled.
    pub(crate) telemetry: BTreeMap<String, f64>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Offered {
    segments_per_second: u32,
    logs_per_second: u32,
    jvm_per_second: u32,
    seconds: u64,
    streams: u16,
    services: u32,
    instances: u32,
    endpoints: u32,
    depth: u32,
    spans: u32,
    error_share: f64,
    slow_share: f64,
    seed: u64,
    probes: u32,
}

/// How it was sent.
#[derive(Debug, Serialize)]
pub(crate) struct Sending {
    pub(crate) seconds: f64,
    pub(crate) segments_per_second: f64,
    /// Segments that were due and not sent, since the server held back.
    pub(crate) backlog_at_end: u64,
    pub(crate) backlog_max: u64,
    /// What this program itself used, for each segment.
    pub(crate) own_cpu_us_per_segment: f64,
    /// How often probes asked: what the server spent on that is part of its CPU here.
    pub(crate) n_probe_queries: u64,
    pub(crate) stream_errors: Vec<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Settling {
    /// Everything sent was stored, refused or sampled out, and the processes had come to rest.
    pub(crate) settled: bool,
    /// From the end of sending.
    pub(crate) seconds: f64,
}

/// What became of the elements of one kind, by the server's own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fate {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) stored: u64,
    pub(crate) sampled_out: u64,
    /// At the edge: never accepted.
    pub(crate) refused_at_receive: u64,
    /// By analysis or store: accepted before.
    pub(crate) refused_later: u64,
}

/// What the store says of itself, over stored segments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct StoreUse {
    /// CPU of its threads and of what it does in the runtime's.
    cpu_us_per_segment: f64,
    /// Time, not CPU, spent in commits.
    commit_us_per_segment: f64,
    /// What it grew by on disk; merges may still shrink it.
    bytes_per_segment: f64,
}

/// CPU of the processes from the start until all was settled.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CpuUse {
    /// All of it, over accepted segments; log lines and JVM samples cost too where they were sent.
    us_per_segment: f64,
    /// The part of it in threads of the store, merges among them.
    commit_us_per_segment: f64,
    commit_share: f64,
    total_us: u64,
    /// Cores busy while sending, on average.
    cores_while_sending: f64,
    by_thread_us: BTreeMap<String, u64>,
    /// Of threads that nobody saw alive.
    unseen_us: u64,
}

impl Offered {
    pub(crate) fn of(options: &Options) -> Self {
        Offered {
            segments_per_second: options.rate,
            logs_per_second: options.logs_per_second,
            jvm_per_second: options.jvm_per_second,
            seconds: options.seconds,
            streams: options.streams,
            services: options.services,
            instances: options.instances,
            endpoints: options.endpoints,
            depth: options.depth,
            spans: options.spans,
            error_share: options.error_share,
            slow_share: options.slow_share,
            seed: options.seed,
            probes: options.probes,
        }
    }
}

impl Fate {
    /// Of one kind, between two looks at the server's telemetry.
    pub(crate) fn between(kind: &str, sent: u64, before: &Scrape, after: &Scrape) -> Self {
        let grown =
            |name: &str, labels: &[(&str, &str)]| after.count(name, labels).saturating_sub(before.count(name, labels));
        let refused = grown("skylark_refused_total", &[("kind", kind)]);
        let refused_at_receive = grown("skylark_refused_total", &[("kind", kind), ("stage", "receive")]);
        Fate {
            sent,
            accepted: grown("skylark_accepted_total", &[("kind", kind)]),
            stored: grown("skylark_stored_total", &[("kind", kind)]),
            sampled_out: grown("skylark_sampled_out_total", &[("kind", kind)]),
            refused_at_receive,
            refused_later: refused - refused_at_receive,
        }
    }

    /// Whether the server has said of every element what became of it. Others may send too, so more is fine.
    pub(crate) fn is_decided(&self) -> bool {
        let decided = self.stored + self.sampled_out + self.refused_later;
        self.accepted + self.refused_at_receive >= self.sent && decided >= self.accepted
    }
}

impl StoreUse {
    pub(crate) fn between(before: &Scrape, after: &Scrape, segments: Fate) -> Self {
        let over = |name: &str, factor: f64| match segments.stored {
            0 => 0.0,
            n => rounded((after.sum(name, &[]) - before.sum(name, &[])) * factor / float(n)),
        };
        StoreUse {
            cpu_us_per_segment: over("skylark_store_cpu_seconds_total", 1e6),
            commit_us_per_segment: over("skylark_commit_seconds_total", 1e6),
            bytes_per_segment: over("skylark_store_bytes", 1.0),
        }
    }
}

impl CpuUse {
    /// `at_end_us`: the total at the end of sending, `seconds` after the start.
    pub(crate) fn of(cpu: Cpu, at_end_us: u64, seconds: f64, segments: Fate) -> Self {
        let (commits_us, unseen_us) = (cpu.commits_us(), cpu.unseen_us());
        CpuUse {
            us_per_segment: ratio(cpu.total_us, segments.accepted),
            commit_us_per_segment: ratio(commits_us, segments.accepted),
            commit_share: ratio(commits_us, cpu.total_us),
            total_us: cpu.total_us,
            cores_while_sending: if seconds > 0.0 { rounded(float(at_end_us) / 1e6 / seconds) } else { 0.0 },
            by_thread_us: cpu.groups_us,
            unseen_us,
        }
    }
}

/// 0 where there is nothing to divide by.
pub(crate) fn ratio(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { rounded(float(part) / float(of)) }
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds stay far below 2^53")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
skylark_accepted_total{kind="segment"} 1000
skylark_stored_total{kind="segment"} 990
skylark_refused_total{stage="store",kind="segment",reason="store"} 10
"#;
    const AFTER: &str = r#"
skylark_accepted_total{kind="segment"} 1100
skylark_accepted_total{kind="log"} 7
skylark_stored_total{kind="segment"} 1081
skylark_stored_total{kind="log"} 6
skylark_sampled_out_total{kind="segment"} 4
skylark_refused_total{stage="receive",kind="segment",reason="overload"} 3
skylark_refused_total{stage="derive",kind="segment",reason="too_many"} 5
skylark_refused_total{stage="store",kind="segment",reason="store"} 10
"#;

    fn fate(kind: &str, sent: u64) -> Fate {
        Fate::between(kind, sent, &Scrape::parse(BEFORE), &Scrape::parse(AFTER))
    }

    #[test]
    fn fates_are_what_counters_grew_by() {
        let expected =
            Fate { sent: 103, accepted: 100, stored: 91, sampled_out: 4, refused_at_receive: 3, refused_later: 5 };
        assert_eq!(fate("segment", 103), expected);
        assert_eq!(fate("log", 7), Fate { sent: 7, accepted: 7, stored: 6, ..Fate::default() });
        assert_eq!(fate("jvm", 0), Fate::default());
    }

    #[test]
    fn all_is_decided_when_nothing_is_on_its_way() {
        // 91 + 4 + 5 of the 100 accepted, and 3 were not accepted.
        assert!(fate("segment", 103).is_decided());
        assert!(!fate("segment", 104).is_decided(), "one has not arrived");
        assert!(!fate("log", 7).is_decided(), "one is not stored");
        assert!(fate("jvm", 0).is_decided());
    }

    #[test]
    fn what_the_store_used_is_over_stored_segments() {
        let scrape = |cpu, commit, bytes| {
            Scrape::parse(&format!(
                "skylark_store_cpu_seconds_total {cpu}\nskylark_commit_seconds_total{{part=\"rows\"}} {commit}\n\
                 skylark_store_bytes{{part=\"rows\"}} {bytes}\nskylark_store_bytes{{part=\"items\"}} 7\n"
            ))
        };
        let segments = Fate { stored: 1_000, ..Fate::default() };
        let used = StoreUse::between(&scrape(1.0, 0.5, 2_000), &scrape(1.02, 0.6, 502_000), segments);
        let expected = StoreUse { cpu_us_per_segment: 20.0, commit_us_per_segment: 100.0, bytes_per_segment: 500.0 };
        assert_eq!(used, expected);
    }

    #[test]
    fn cpu_is_over_accepted_segments_commits_apart() {
        let groups = [("tokio-runtime-w".to_owned(), 5_000), ("segment-records".to_owned(), 2_500)];
        let cpu = Cpu { total_us: 8_000, groups_us: groups.clone().into() };
        let expected = CpuUse {
            us_per_segment: 80.0,
            commit_us_per_segment: 25.0,
            commit_share: 0.313,
            total_us: 8_000,
            cores_while_sending: 0.003,
            by_thread_us: groups.into(),
            unseen_us: 500,
        };
        assert_eq!(CpuUse::of(cpu, 6_000, 2.0, fate("segment", 103)), expected);
        assert_eq!(CpuUse::of(Cpu::default(), 0, 0.0, Fate::default()).us_per_segment, 0.0);
    }
}
