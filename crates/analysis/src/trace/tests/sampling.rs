//! What sampling leaves out, and what it does not.

use model::segment::{Segment, Span, SpanKind, SpanLayer};
use model::telemetry::Signal;

use crate::context::{Config, Sampling, SegmentStatus};
use crate::policy::Sampler;
use crate::testing::{Bench, parent, segment, span, tags};

/// A call of 250 ms with a searchable tag, from B, with a slow statement of a database.
fn call(trace_id: &str) -> Segment {
    let entry = Span {
        refs: vec![parent("B", "b1", "/b", "a:80")],
        tags: tags(&[("http.method", "GET")]),
        ..span(0, SpanKind::Entry, SpanLayer::Http, 1, "/a", (0, 250))
    };
    let statement = Span {
        peer: "db:5432".into(),
        tags: tags(&[("db.type", "sql"), ("db.statement", "select 1")]),
        ..span(1, SpanKind::Exit, SpanLayer::Database, 37, "PG/query", (10, 240))
    };
    Segment { trace_id: trace_id.to_owned().into(), ..segment("S", "A", "a1", vec![entry, statement]) }
}

fn sampled(sampling: Sampling, segment: Segment) -> Bench {
    Bench::with(&Config { sampling, ..Config::default() }).segment(segment)
}

fn rate(rate: u32) -> Sampling {
    Sampling { rate, ..Sampling::default() }
}

#[test]
fn what_is_left_out_leaves_metrics_and_no_record_and_no_tags() {
    let (kept, dropped) = (sampled(rate(1_000), call("trace-0001")), sampled(rate(1_000), call("t-1")));
    assert_eq!((kept.records.len(), kept.ledger.sampled_out(Signal::Segment)), (1, 0));
    assert_eq!((dropped.records.len(), dropped.ledger.sampled_out(Signal::Segment)), (0, 1));

    let is_tag = |line: &&str| line.contains(" Tag ");
    let rows = |bench: &Bench| bench.show().replace("trace-0001", "t-1");
    let metrics = |bench: &Bench| {
        let rows = rows(bench);
        rows.lines()
            .filter(|line| !is_tag(line) && !line.starts_with("segment "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(metrics(&kept), metrics(&dropped));
    assert_eq!((rows(&kept).lines().filter(is_tag).count(), rows(&dropped).lines().filter(is_tag).count()), (2, 0));
    // Its slow statement points at a trace that is not there, as the reference has it.
    assert!(rows(&dropped).contains(r#"top_n_database_statement=[230 S-1 "select 1" t-1"#), "{}", rows(&dropped));
}

#[test]
fn the_time_of_a_segment_is_from_its_first_start_to_its_last_end() {
    let kept = |slow_segment_ms, segment| {
        sampled(Sampling { rate: 0, slow_segment_ms, ..Sampling::default() }, segment).records.len() == 1
    };
    assert!(kept(250, call("t-1")) && !kept(251, call("t-1")));
    let mut late = call("t-1");
    late.spans[1].end += 100;
    assert!(kept(340, late.clone()) && !kept(341, late));
}

#[test]
fn a_segment_that_failed_is_kept_by_the_rule_that_says_which_failed() {
    let failed_exit = || {
        let mut segment = call("t-1");
        segment.spans[1].is_error = true;
        segment
    };
    let kept = |segment_status, force_error| {
        let sampling = Sampling { force_error, ..rate(0) };
        let config = Config { sampling, segment_status, ..Config::default() };
        Bench::with(&config).segment(failed_exit()).records.len() == 1
    };
    assert!(kept(SegmentStatus::AnySpan, true) && !kept(SegmentStatus::AnySpan, false));
    assert!(!kept(SegmentStatus::EntrySpan, true) && !kept(SegmentStatus::FirstSpan, true));
}

#[test]
fn a_policy_is_found_by_the_whole_name_that_was_reported() {
    let (long, cut) = ("s".repeat(80), "s".repeat(70));
    for (named, expected) in [(&long, 1), (&cut, 0)] {
        let mut bench = Bench::with(&Config { sampling: rate(0), ..Config::default() });
        let text = format!("services: [{{name: {named}, rate: 10000}}]");
        bench.context.policies.sampler = Sampler::read(&rate(0), "p.yml", &text).unwrap().into();
        let bench = bench.segment(Segment { service: long.clone().into(), ..call("t-1") });
        assert_eq!(bench.records.len(), expected, "{named}");
    }
}

#[test]
fn what_is_refused_is_not_sampled_out() {
    let empty = sampled(rate(0), segment("S", "A", "a1", vec![]));
    assert_eq!(empty.ledger.sampled_out(Signal::Segment), 0);
    assert!(empty.show().contains("refused derive segment empty: 1"));
}

#[test]
fn logs_and_events_are_not_sampled() {
    use model::telemetry::{Log, Telemetry};
    let bench = Bench::with(&Config { sampling: rate(0), ..Config::default() });
    let log = Log { service: "A".into(), time: crate::testing::T0, ..Log::default() };
    let bench = bench.derive(Telemetry::Log(Box::new(log)));
    assert_eq!((bench.records.len(), bench.ledger.sampled_out(Signal::Log)), (1, 0));
}
