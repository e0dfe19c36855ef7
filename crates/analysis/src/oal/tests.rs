//! The language as tables: every construct once as it works, once as it fails.

mod constructs;
mod coverage;
mod files;

use model::cell::CellId;
use model::segment::Tag;
use model::{Cells, UnixMillis};

use super::{Program, read};
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

fn tags() -> Vec<Tag> {
    [("http.method", " GET "), ("rpc.status_code", "OK"), ("status_code", "x"), ("http.status_code", "404"), ("n", "7")]
        .map(|(k, v)| Tag { key: k.into(), value: v.into() })
        .into()
}

/// What the metric `m` of these statements shows after one failed HTTP call of 1,234 ms from User to /shop of Frontend, and one sample
/// of a JVM's processor.
fn value(text: &str) -> String {
    let rules = read([("x.oal", text)]).unwrap_or_else(|e| panic!("{text}: {}", e[0]));
    let program = Program::compile(&rules, |_| Some(CellId(64)));
    let tags = tags();
    let traffic = Traffic {
        latency: 1_234,
        ok: false,
        kind: RequestType::Http,
        detect: DetectPoint::Server,
        component: 1,
        tags: &tags,
        source: End { service: "User", instance: "User", endpoint: "User" },
        dest: End { service: "Frontend", instance: "f1", endpoint: "/shop" },
        layer: 2,
        apdex_threshold: 500,
    };
    let mut cells = Cells::default();
    let mut unreadable = 0;
    for kind in [SourceKind::Service, SourceKind::Endpoint, SourceKind::ServiceRelation, SourceKind::EndpointRelation] {
        unreadable += program.observe(kind, &Source::Traffic(&traffic), UnixMillis(0), &mut cells);
    }
    unreadable += program.observe(SourceKind::JvmCpu, &Source::JvmCpu(2.5), UnixMillis(0), &mut cells);
    let Some(function) = rules.iter().next().map(|rule| rule.function) else { return "no metric".to_owned() };
    match cells.get(CellId(64)).and_then(|cell| function.value(cell, model::Step::Minute)) {
        Some(value) => format!("{value:?}"),
        None if unreadable > 0 => "unreadable".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn seen(filter: &str) -> bool {
    match value(&format!("m = from(Service.*).filter({filter}).count();")).as_str() {
        "Int(1)" => true,
        "nothing" => false,
        other => panic!("{filter}: {other}"),
    }
}

#[test]
fn filters_hold_or_not() {
    for holds in [
        "status == false",
        "status != true",
        "type == RequestType.HTTP",
        "type != RequestType.MQ",
        "type in [RequestType.MQ, RequestType.HTTP]",
        "latency > 1233",
        "latency >= 1234",
        "latency < 1235",
        "latency <= 1234",
        "latency == 1234",
        "latency != 1",
        "latency in [1, 1234]",
        "name == \"Frontend\"",
        "name != \"x\"",
        "name like \"Fron%\"",
        "name like \"%end\"",
        "name like \"%onte%\"",
        "name in [\"a\", \"Frontend\"]",
        "tag[\"n\"] != null",
        "tag[\"m\"] == null",
        "tag[\"m\"] != \"x\"",
        "(str->long)tag[\"n\"] > 6",
        "(int)tag[\"n\"] == 7",
        "tags contain \"http.method:GET\"",
        "tags not contain \"http.method:POST\"",
        "httpResponseStatusCode == 404",
        "responseCode >= 400",
        "rpcStatusCode == \"OK\"",
        "layer == Layer.GENERAL",
        "endpointName == \"/shop\"",
        "sideCar == null",
        "status == true or latency > 1_000",
        "status == false and (type == RequestType.MQ or (name like \"F%\" and latency > 5))",
        "(type == RequestType.MQ or type == RequestType.HTTP) and (long)tag[\"n\"] == 7",
        "tag[\"m\"] == null or (str->long)tag[\"http.method\"] == 7",
        "httpResponseStatusCode > -1",
    ] {
        assert!(seen(holds), "{holds}");
    }
    for fails in [
        "status == true",
        "type == RequestType.MQ",
        "type in [RequestType.MQ]",
        "latency > 1234",
        "latency < 1234",
        "latency == -5",
        "latency in [1]",
        "name == \"x\"",
        "name like \"end%\"",
        "name like \"%Fron\"",
        "name like \"x\"",
        "name in [\"a\"]",
        "tag[\"n\"] == null",
        "tag[\"m\"] == \"x\"",
        "tag[\"m\"] like \"%\"",
        "(str->long)tag[\"m\"] > 6",
        "tags contain \"http.method:POST\"",
        "tags contain \"http.method\"",
        "sideCar.internalErrorCode == \"1\"",
        "sideCar != null",
        "status == true and latency > 5",
        "status == false and (type == RequestType.MQ or latency < 5)",
        "status == true or latency < 5 or name == \"x\"",
        "tag[\"m\"] != null and (str->long)tag[\"http.method\"] == 7",
    ] {
        assert!(!seen(fails), "{fails}");
    }
}

#[test]
fn mistakes_are_told_with_their_line_and_column() {
    let told = |text: &str| read([("x.oal", text)]).unwrap_err()[0].to_string();
    assert_eq!(told("a = from(Service.*).cpm()\nb = from(Service.*).cpm();"), "x.oal:2:1: expected `;`, found `b`");
    assert!(told("a = from(Service.*)\n  .cmp();").starts_with("x.oal:2:4: expected `filter` or a function"));
    assert_eq!(told("/* ä\n */ ä = 1;"), "x.oal:2:9: expected `from`, found `1`");
    assert_eq!(told("a =\n"), "x.oal:2:1: expected `from`, found the end of the file");
    let deep = format!("a = from(Service.*).filter({}latency > 1", "(".repeat(100));
    assert_eq!(told(&deep), "x.oal:1:60: expected at most 32 brackets in each other, found `(`");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z =().;\"*\\[\\],/<>!%0-9-]{0,80}") {
        let whole = format!("a = from(Service.latency).{text}");
        for text in [text.as_str(), whole.as_str()] {
            if let Err(errors) = read([("x", text)]) {
                proptest::prop_assert!(!errors.is_empty());
            }
        }
    }
}
