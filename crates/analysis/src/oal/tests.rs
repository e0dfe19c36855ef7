//! The language as tables: every construct once as it works, once as it fails.

use expect_test::expect;
use model::cell::CellId;
use model::segment::Tag;
use model::{Cells, UnixMillis};

use super::{Program, read};
use crate::source::{DetectPoint, End, RequestType, Source, SourceKind, Traffic};

#[test]
fn the_shipped_metrics_are_these() {
    let core = include_str!("../../../../config/oal/core.oal");
    let java = include_str!("../../../../config/oal/java-agent.oal");
    let dotnet = include_str!("../../../../config/oal/dotnet-agent.oal");
    let gen_ai = include_str!("../../../../config/oal/virtual-gen-ai.oal");
    let files =
        [("core.oal", core), ("java-agent.oal", java), ("dotnet-agent.oal", dotnet), ("virtual-gen-ai.oal", gen_ai)];
    let rules = read(files).unwrap();
    let mut lines: Vec<_> = rules
        .iter()
        .map(|r| {
            let runs = if r.run.is_some() { "" } else { " (no source yet)" };
            let ranked = if r.decorated { " by layer" } else { "" };
            format!("{} {:?} {:?}{ranked}{runs}", r.name, r.scope, r.function)
        })
        .collect();
    lines.sort();
    expect_test::expect_file!["../../tests/catalogue.txt"].assert_eq(&(lines.join("\n") + "\n"));
}

fn tags() -> Vec<Tag> {
    [("http.method", " GET "), ("rpc.status_code", "OK"), ("status_code", "x"), ("http.status_code", "404"), ("n", "7")]
        .map(|(k, v)| Tag { key: k.into(), value: v.into() })
        .into()
}

/// The value that `service_x = from(…)…` has after one failed HTTP call of 1,234 ms from User to /shop of Frontend.
fn value(rule: &str) -> String {
    let rules = read([("x.oal", &*format!("m = {rule};"))]).unwrap_or_else(|e| panic!("{rule}: {}", e[0]));
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
    for kind in [SourceKind::Service, SourceKind::ServiceRelation, SourceKind::EndpointRelation] {
        unreadable += program.observe(kind, &Source::Traffic(&traffic), UnixMillis(0), &mut cells);
    }
    unreadable += program.observe(SourceKind::JvmCpu, &Source::JvmCpu(2.5), UnixMillis(0), &mut cells);
    let function = rules.iter().next().unwrap().function;
    match cells.get(CellId(64)).and_then(|cell| function.value(cell, model::Step::Minute)) {
        Some(value) => format!("{value:?}"),
        None if unreadable > 0 => "unreadable".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn seen(filter: &str) -> bool {
    match value(&format!("from(Service.*).filter({filter}).count()")).as_str() {
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
        "sideCar.internalErrorCode == 1",
    ] {
        assert!(!seen(fails), "{fails}");
    }
}

#[test]
fn functions_see_what_they_are_given() {
    let table = [
        "from(Service.*).cpm()",
        "from(Service.latency).sum()",
        "from(Service.latency).longAvg().decorator(\"ServiceDecorator\")",
        "from(Service.latency).doubleAvg()",
        "from(Service.latency).max()",
        "from(Service.latency).min()",
        "from(Service.*).percent(status == false)",
        "from(Service.*).rate(status == false, latency > 1)",
        "from(Service.latency).apdex(name, status)",
        "from(Service.latency).percentile2(10)",
        "from(Service.latency).percentile(10)",
        "from(Service.latency).histogram(100, 20)",
        "from(Service.*).labelCount(name)",
        "from(Service.latency).labelAvg(endpointName)",
        "from(Service.*).labelAvg(endpointName, latency)",
        "from((str->long)Service.tag[\"n\"]).sum()",
        "from((str->long)Service.tag[\"http.method\"]).sum()",
        "from((str->long)Service.tag[\"m\"]).sum()",
        "from(Service.sideCar.internalRequestLatencyNanos).longAvg()",
        "from(ServiceRelation.*).filter(detectPoint == DetectPoint.SERVER).filter(componentId == 1).count()",
        "from(ServiceRelation.*).filter(detectPoint == DetectPoint.CLIENT).count()",
        "from(EndpointRelation.rpcLatency).filter(endpoint == \"User\").filter(childEndpoint == \"/shop\").sum()",
        "from(ServiceInstanceJVMCPU.usePercent).filter(usePercent > 2).doubleAvg()",
        "from(BrowserAppTraffic.anything).filter(operation == SomeSet.Some).longAvg()",
    ];
    let lines: Vec<_> = table.iter().map(|rule| format!("{rule}: {}", value(rule))).collect();
    expect![[r#"
        from(Service.*).cpm(): Int(1)
        from(Service.latency).sum(): Int(1234)
        from(Service.latency).longAvg().decorator("ServiceDecorator"): Int(1234)
        from(Service.latency).doubleAvg(): Float(1234.0)
        from(Service.latency).max(): Int(1234)
        from(Service.latency).min(): Int(1234)
        from(Service.*).percent(status == false): Int(10000)
        from(Service.*).rate(status == false, latency > 1): Int(10000)
        from(Service.latency).apdex(name, status): Int(0)
        from(Service.latency).percentile2(10): Labeled([(("p", "50"), 1230), (("p", "75"), 1230), (("p", "90"), 1230), (("p", "95"), 1230), (("p", "99"), 1230)])
        from(Service.latency).percentile(10): Labeled([(("p", "50"), 1230), (("p", "75"), 1230), (("p", "90"), 1230), (("p", "95"), 1230), (("p", "99"), 1230)])
        from(Service.latency).histogram(100, 20): Histogram([(1200, 1)])
        from(Service.*).labelCount(name): Labeled([(("n", "Frontend"), 1)])
        from(Service.latency).labelAvg(endpointName): Labeled([(("n", "/shop"), 1234)])
        from(Service.*).labelAvg(endpointName, latency): Labeled([(("n", "/shop"), 1234)])
        from((str->long)Service.tag["n"]).sum(): Int(7)
        from((str->long)Service.tag["http.method"]).sum(): unreadable
        from((str->long)Service.tag["m"]).sum(): nothing
        from(Service.sideCar.internalRequestLatencyNanos).longAvg(): nothing
        from(ServiceRelation.*).filter(detectPoint == DetectPoint.SERVER).filter(componentId == 1).count(): Int(1)
        from(ServiceRelation.*).filter(detectPoint == DetectPoint.CLIENT).count(): nothing
        from(EndpointRelation.rpcLatency).filter(endpoint == "User").filter(childEndpoint == "/shop").sum(): Int(1234)
        from(ServiceInstanceJVMCPU.usePercent).filter(usePercent > 2).doubleAvg(): Float(2.5)
        from(BrowserAppTraffic.anything).filter(operation == SomeSet.Some).longAvg(): nothing
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let table = [
        "a = from(Service.*).cpm()\nb = from(Service.*).cpm();",
        "a = frm(Service.*).cpm();",
        "a = from(Servic.*).cpm();",
        "a = from(Service.*)\n  .cmp();",
        "a = from(Service.late).sum();",
        "a = from(Service.name).sum();",
        "a = from(Service.*).longAvg();",
        "a = from((str->long)Service.status).longAvg();",
        "a = from((str->double)Service.name).longAvg();",
        "a = from(Service.*).filter(status == 1).cpm();",
        "a = from(Service.*).filter(status true).cpm();",
        "a = from(Service.*).filter(type == DetectPoint.CLIENT).cpm();",
        "a = from(Service.*).filter(type == RequestType.FTP).cpm();",
        "a = from(Service.*).filter(latency == 1.5).cpm();",
        "a = from(Service.*).filter(latency like \"x\").cpm();",
        "a = from(Service.*).filter(name > 5).cpm();",
        "a = from(Service.*).filter(tags == \"x\").cpm();",
        "a = from(Service.*).filter(tag[n] == \"x\").cpm();",
        "a = from(Service.*).filter(name in [\"a\", 1]).cpm();",
        "a = from(Service.*).percent(status);",
        "a = from(Service.*).percent();",
        "a = from(Service.latency).apdex(status, name);",
        "a = from(Service.latency).percentile2(0);",
        "a = from(Service.latency).percentile2(x);",
        "a = from(Service.*).cpm().decorator(ServiceDecorator);",
        "a = from(Service.*).cpm();\na = from(Service.*).count();",
        "a = from(Service.*).filter(name == \"x).cpm();\n",
        "/* a = 1;",
        "a = from(Service.*).cpm() ä",
        "disable();",
        "a =",
    ];
    let told = table.iter().map(|text| {
        let errors = read([("x.oal", *text)]).unwrap_err();
        format!("{text}\n    {}\n", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    "))
    });
    expect![[r#"
        a = from(Service.*).cpm()
        b = from(Service.*).cpm();
            x.oal:2:1: expected `;`, found `b`
        a = frm(Service.*).cpm();
            x.oal:1:5: expected `from`, found `frm`
        a = from(Servic.*).cpm();
            x.oal:1:10: expected a source (Service, ServiceInstance, Endpoint, ServiceRelation, ServiceInstanceRelation, EndpointRelation, DatabaseAccess, CacheAccess, MQAccess, MQEndpointAccess, GenAIProviderAccess, GenAIModelAccess, ServiceInstanceJVMCPU, ServiceInstanceJVMMemory, ServiceInstanceJVMMemoryPool, ServiceInstanceJVMGC, ServiceInstanceJVMThread, ServiceInstanceJVMClass, ServiceInstanceCLRCPU, ServiceInstanceCLRGC, ServiceInstanceCLRThread, BrowserAppTraffic, BrowserAppSingleVersionTraffic, BrowserAppPageTraffic, BrowserAppPagePerf, BrowserAppWebVitalsPerf, BrowserAppWebInteractionPerf, BrowserAppResourcePerf, BrowserErrorLog, Event, EnvoyInstanceMetric, TCPService, TCPServiceInstance, TCPServiceRelation, TCPServiceInstanceRelation, K8SService, K8SServiceInstance, K8SEndpoint, K8SServiceRelation, K8SServiceInstanceRelation, CiliumService, CiliumServiceInstance, CiliumEndpoint, CiliumServiceRelation, CiliumServiceInstanceRelation, CiliumEndpointRelation, Process, ProcessRelation), found `Servic`
        a = from(Service.*)
          .cmp();
            x.oal:2:4: expected `filter` or a function (cpm, count, sum, longAvg, doubleAvg, max, min, percent, rate, apdex, percentile2, histogram, labelCount, labelAvg), found `cmp`
        a = from(Service.late).sum();
            x.oal:1:18: expected an attribute of this source (latency, layer, name, serviceInstanceName, endpointName, status, type, httpResponseStatusCode, responseCode, rpcStatusCode, tags, tag["…"]), found `late`
        a = from(Service.name).sum();
            x.oal:1:18: expected an attribute that is a whole number for `sum`, found `name`
        a = from(Service.*).longAvg();
            x.oal:1:10: expected an attribute that is a whole number for `longAvg`, found `*`
        a = from((str->long)Service.status).longAvg();
            x.oal:1:29: expected a text to cast, found `status`
        a = from((str->double)Service.name).longAvg();
            x.oal:1:16: expected `long` or `int`, found `double`
        a = from(Service.*).filter(status == 1).cpm();
            x.oal:1:35: expected `== true`, `== false`, `!= true` or `!= false` for `status`
        a = from(Service.*).filter(status true).cpm();
            x.oal:1:35: expected `==`, `!=`, `>`, `<`, `>=`, `<=`, `in`, `like`, `contain` or `not contain`, found `true`
        a = from(Service.*).filter(type == DetectPoint.CLIENT).cpm();
            x.oal:1:33: expected a constant of RequestType, found `DetectPoint.CLIENT`
        a = from(Service.*).filter(type == RequestType.FTP).cpm();
            x.oal:1:33: expected a constant of RequestType (DATABASE, HTTP, RPC, gRPC, TCP, MQ, LOGIC, GenAI), found `FTP`
        a = from(Service.*).filter(latency == 1.5).cpm();
            x.oal:1:36: expected a whole number, found `1.5`
        a = from(Service.*).filter(latency like "x").cpm();
            x.oal:1:36: expected a comparison with a number, or `in` with numbers for `latency`
        a = from(Service.*).filter(name > 5).cpm();
            x.oal:1:33: expected `==`, `!=` with a text or null, `like` with a text, or `in` with texts for `name`
        a = from(Service.*).filter(tags == "x").cpm();
            x.oal:1:33: expected `contain` or `not contain` with a text `key:value` for `tags`
        a = from(Service.*).filter(tag[n] == "x").cpm();
            x.oal:1:32: expected a key in quotes, found `n`
        a = from(Service.*).filter(name in ["a", 1]).cpm();
            x.oal:1:33: expected a list of texts
        a = from(Service.*).percent(status);
            x.oal:1:29: expected a condition such as `status == true`
        a = from(Service.*).percent();
            x.oal:1:21: expected `percent` with a condition, found 0 arguments
        a = from(Service.latency).apdex(status, name);
            x.oal:1:33: expected the name of a service, found `status`
        a = from(Service.latency).percentile2(0);
            x.oal:1:39: expected a whole number above 0, found `0`
        a = from(Service.latency).percentile2(x);
            x.oal:1:39: expected a whole number above 0
        a = from(Service.*).cpm().decorator(ServiceDecorator);
            x.oal:1:37: expected the decorator's name in quotes, found `ServiceDecorator`
        a = from(Service.*).cpm();
        a = from(Service.*).count();
            x.oal:2:1: expected a name of its own, found `a` again; it is defined at x.oal:1:1
        a = from(Service.*).filter(name == "x).cpm();

            x.oal:1:36: expected `"` to end this text, found the end of the line
        /* a = 1;
            x.oal:1:1: expected `*/` to end this comment, found the end of the file
        a = from(Service.*).cpm() ä
            x.oal:1:27: expected a name, a number, a text or a sign, found `ä`
        disable();
            x.oal:1:9: expected the name of what is disabled, found `)`
        a =
            x.oal:1:4: expected `from`, found the end of the file
    "#]].assert_eq(&told.collect::<String>());
}

#[test]
fn every_mistake_of_every_file_is_told() {
    let errors =
        read([("a.oal", "a = from(X.*).cpm();\nb = from(Y.*).cpm();"), ("b.oal", "c = from(Z.*).cpm();")]).unwrap_err();
    let places: Vec<_> = errors.iter().map(|e| format!("{}:{}:{}", e.file, e.at.line, e.at.column)).collect();
    assert_eq!(places, ["a.oal:1:10", "a.oal:2:10", "b.oal:1:10"]);
}

#[test]
fn what_is_disabled_is_left_out() {
    let text = "// two metrics\na = from(Service.*).cpm(); /* and\n one less */ b = from(Service.*).cpm();\ndisable(a); disable(segment)";
    let rules = read([("x.oal", text)]).unwrap();
    assert_eq!(rules.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(rules.unknown_disabled, ["segment"]);
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
