//! Several files: an operator's own over the shipped ones, what is disabled, and mistakes in all of them.

use std::sync::Arc;

use model::segment::{Span, SpanKind, SpanLayer};

use super::super::{OalError, Rules, read, read_over};
use crate::catalogue::numbered;
use crate::testing::{Bench, segment, span, tags};

fn names(rules: &Rules) -> Vec<String> {
    rules.iter().map(|rule| format!("{} {:?}", rule.name, rule.function)).collect()
}

fn told(errors: &[OalError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

const SHIPPED: [(&str, &str); 2] = [
    ("a.oal", "one = from(Service.*).cpm();\ntwo = from(Service.*).cpm();"),
    ("b.oal", "three = from(Endpoint.*).cpm();"),
];

#[test]
fn an_operators_metric_replaces_the_shipped_one_of_its_name_and_others_are_added() {
    let own = [("mine.oal", "two = from(Service.latency).longAvg(); four = from(Service.*).count();")];
    assert_eq!(names(&read_over(SHIPPED, own).unwrap()), ["one Cpm", "two LongAvg", "three Cpm", "four Count"]);
    assert_eq!(names(&read_over(SHIPPED, []).unwrap()), ["one Cpm", "two Cpm", "three Cpm"]);
}

#[test]
fn an_operators_own_files_do_not_replace_each_other_and_neither_do_the_shipped_ones() {
    let own = [("mine.oal", "two = from(Service.*).count();"), ("yours.oal", "\n  two = from(Service.*).cpm();")];
    let message = "yours.oal:2:3: expected a name of its own, found `two` again; it is defined at mine.oal:1:1";
    assert_eq!(told(&read_over(SHIPPED, own).unwrap_err()), [message]);
    let twice = [("a.oal", "one = from(Service.*).cpm();"), ("b.oal", "one = from(Service.*).cpm();")];
    let message = "b.oal:1:1: expected a name of its own, found `one` again; it is defined at a.oal:1:1";
    assert_eq!(told(&read_over(twice, []).unwrap_err()), [message]);
}

#[test]
fn what_is_disabled_is_left_out_whatever_file_says_so() {
    let text = "// two metrics\na = from(Service.*).cpm(); /* and\n one less */ b = from(Service.*).cpm();\ndisable(a); disable(segment)";
    let rules = read([("x.oal", text)]).unwrap();
    assert_eq!(names(&rules), ["b Cpm"]);
    assert_eq!(rules.unknown_disabled, ["segment"]);

    let own = [("disable.oal", "disable(one); disable(four);"), ("mine.oal", "four = from(Service.*).count();")];
    assert_eq!(names(&read_over(SHIPPED, own).unwrap()), ["two Cpm", "three Cpm"]);
    let own = [("disable.oal", "disable(top_n_database_statement); disable(top_n_cache_read_command);")];
    let rules = read_over(SHIPPED, own).unwrap();
    assert_eq!(rules.unknown_disabled, Vec::<String>::new());
    assert_eq!(rules.disabled, [model::cell::SLOW_DATABASE, model::cell::SLOW_CACHE_READ]);
}

#[test]
fn a_disabled_list_keeps_no_slow_statements() {
    let lists = |rules: &str| {
        let mut bench = Bench::new();
        bench.context.program = Arc::clone(&numbered(&read([("x.oal", rules)]).unwrap()).unwrap().program);
        let statement = tags(&[("db.type", "sql"), ("db.statement", "select 1")]);
        let exit = span(1, SpanKind::Exit, SpanLayer::Database, 33, "call", (0, 1_000));
        let bench = bench.segment(segment("S", "A", "a1", vec![Span { peer: "db:1".into(), tags: statement, ..exit }]));
        bench.show().matches("select 1").count()
    };
    assert_eq!(lists(""), 2);
    assert_eq!(lists("disable(top_n_database_statement);"), 1);
    assert_eq!(lists("disable(top_n_database_statement); disable(top_n_service_database_statement);"), 0);
}

#[test]
fn every_mistake_of_every_file_is_told_in_the_order_of_the_files() {
    let own = [
        ("a.oal", "a = from(X.*).cpm();\nb = from(Service.*).cpm(;\nc = fro(Service.*).cpm();\nd = from(Y.*).cpm();"),
        ("b.oal", "e = from(Z.*).cpm();\n\"x;\nf = from(Z.*).cpm();"),
        ("c.oal", "g = from(Service.*).cpm();"),
    ];
    let errors = read_over([], own).unwrap_err();
    let places: Vec<_> = errors.iter().map(|e| format!("{}:{}:{}", e.file, e.at.line, e.at.column)).collect();
    assert_eq!(places, ["a.oal:1:10", "a.oal:2:25", "a.oal:3:5", "a.oal:4:10", "b.oal:2:1"]);
}

/// What the manual shows is read over the shipped files as it says.
#[test]
fn the_example_of_the_manual_works() {
    let manual = include_str!("../../../../../docs/configuration.md");
    let example = manual.split("```").find(|block| block.contains("oal/mine.oal")).unwrap();
    let core = include_str!("../../../../../config/oal/core.oal");
    let rules = read_over([("core.oal", core)], [("mine.oal", example.trim_start_matches("text"))]).unwrap();
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    for name in ["checkout_errors", "checkout_slow", "tenant_cpm"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(names.iter().filter(|name| **name == "service_apdex").count(), 1);
    assert_eq!((rules.disabled.len(), rules.unknown_disabled.len()), (1, 0));
}
