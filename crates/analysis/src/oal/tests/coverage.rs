//! The shipped files against the metrics that SkyWalking defines.

use std::collections::{BTreeMap, BTreeSet};

use model::metric::Function;

use super::super::{Rules, read};
use crate::source::lookup;

fn shipped() -> Rules {
    let files = [
        ("core.oal", include_str!("../../../../../config/oal/core.oal")),
        ("java-agent.oal", include_str!("../../../../../config/oal/java-agent.oal")),
        ("dotnet-agent.oal", include_str!("../../../../../config/oal/dotnet-agent.oal")),
        ("virtual-gen-ai.oal", include_str!("../../../../../config/oal/virtual-gen-ai.oal")),
    ];
    read(files).unwrap()
}

#[test]
fn the_shipped_metrics_are_these() {
    let rules = shipped();
    let mut lines: Vec<_> = rules
        .iter()
        .map(|r| {
            let runs = if r.run.is_some() { "" } else { " (no source yet)" };
            let ranked = if r.decorated { " by layer" } else { "" };
            format!("{} {:?} {:?}{ranked}{runs}", r.name, r.scope, r.function)
        })
        .collect();
    lines.sort();
    expect_test::expect_file!["../../../tests/catalogue.txt"].assert_eq(&(lines.join("\n") + "\n"));
}

/// One metric as `upstream.txt` writes it.
fn line(name: &str, scope: impl std::fmt::Debug, function: Function) -> String {
    let function = match function {
        Function::Percentile { precision } => format!("percentile2({precision})"),
        other => {
            let name = format!("{other:?}");
            name.chars().next().unwrap().to_lowercase().chain(name.chars().skip(1)).collect()
        }
    };
    format!("{name} {scope:?} {function}")
}

#[test]
fn every_metric_of_the_reference_is_here_or_waits_for_a_reason() {
    let ours: BTreeMap<String, bool> =
        shipped().iter().map(|rule| (line(&rule.name, rule.scope, rule.function), rule.run.is_some())).collect();
    let text = include_str!("../../../tests/upstream.txt");
    let mut waits = None;
    let mut theirs = BTreeSet::new();
    for listed in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(heading) = listed.strip_prefix('[') {
            waits = Some(heading.contains(", "));
            continue;
        }
        let waits = waits.expect("a heading stands above every line");
        if let Some(source) = listed.strip_suffix(" source") {
            assert!(matches!(lookup(source), Ok((None, _))), "{source} is emitted, or unknown");
            continue;
        }
        let runs = ours.get(listed).copied().unwrap_or(false);
        assert_eq!(runs, !waits, "{listed}: kept, or not, against what its heading says");
        assert!(theirs.insert(listed), "{listed} stands there twice");
    }
    let more: Vec<_> = ours.keys().filter(|line| !theirs.contains(line.as_str())).collect();
    assert!(more.is_empty(), "not of the reference: {more:?}");
}

/// Whatever a source has can be written in a rule, and comes from the source: no attribute is only a name.
#[test]
fn every_attribute_of_every_source_is_read() {
    let mut n = 0;
    for (source, attribute, wanted) in crate::source::every_attribute() {
        let rule = match wanted {
            "truth" => format!("from({source}.*).percent({attribute} == true)"),
            "whole number" => format!("from({source}.{attribute}).sum()"),
            "fraction" => format!("from({source}.{attribute}).doubleAvg()"),
            "text" => format!("from({source}.*).labelCount({attribute})"),
            "tags" => format!("from({source}.*).filter({attribute} contain \"a:b\").count()"),
            "constant" => continue,
            _ => format!("from({source}.*).filter({attribute} != null).count()"),
        };
        if let Err(errors) = read([("x.oal", &*format!("m = {rule};"))]) {
            panic!("{rule}: {}", errors[0]);
        }
        n += 1;
    }
    assert!(n > 80, "{n}");
}
