//! Every construct of the language: a row that works, with what it shows, and a row that fails, with what is told.

use super::super::{Op, read};
use super::value;

/// Construct, statements that work, statements that do not.
const CONSTRUCTS: &[(&str, &str, &str)] = &[
    ("a metric", "m = from(Service.*).count();", "m from(Service.*).count();"),
    ("the last `;` may be missing", "m = from(Service.*).count()", "m = from(Service.*).count() n"),
    ("empty statements", ";; m = from(Service.*).count();;", "m = ;"),
    ("a name", "$m_1ä = from(Service.*).count();", "1m = from(Service.*).count();"),
    (
        "a comment to the end of the line",
        "// m = x\nm = from(Service.*).count(); // x",
        "/ m = from(Service.*).count();",
    ),
    ("a comment", "/* m */ m /* = */ = from(Service.*).count();", "m = from(Service.*).count(); /* x"),
    ("a comment with another in it", "/* a /* b */ c */ m = from(Service.*).count();", "/* a /* b c m = 1;"),
    ("a comment with a beginning alone in it", "/* a /* b */ m = from(Service.*).count();", "/*/ m = 1;"),
    ("disable", "m = from(Service.*).count(); disable(m);", "disable();"),
    ("disable, without a bracket", "disable(x); m = from(Service.*).count();", "disable x;"),
    ("a source", "m = from(Endpoint.*).count(); disable(n);", "m = from(Enpoint.*).count();"),
    (
        "a source that nothing emits",
        "m = from(BrowserAppTraffic.x).longAvg();",
        "m = from(BrowserAppTraffic).longAvg();",
    ),
    ("an attribute", "m = from(Service.latency).sum();", "m = from(Service.late).sum();"),
    ("all of a source", "m = from(Service.*).cpm();", "m = from(Service.*).sum();"),
    (
        "an attribute of an attribute",
        "m = from(Service.sideCar.internalRequestLatencyNanos).sum();",
        "m = from(Service.sideCar.latency).sum();",
    ),
    (
        "an attribute with attributes",
        "m = from(Service.*).filter(sideCar == null).filter(tcpInfo == null).count();",
        "m = from(Service.*).filter(sideCar == 5).count();",
    ),
    (
        "a tag",
        r#"m = from(Service.*).filter(tag["n"] == "7").count();"#,
        "m = from(Service.*).filter(tag[n] == 7).count();",
    ),
    (
        "a tag of what has tags",
        r#"m = from(ServiceRelation.*).filter(tag["n"] != null).count();"#,
        r#"m = from(CacheAccess.*).filter(tag["n"] != null).count();"#,
    ),
    (
        "(str->long) of the attribute",
        r#"m = from((str->long)Service.tag["n"]).sum();"#,
        r#"m = from((str->double)Service.tag["n"]).sum();"#,
    ),
    (
        "(str->int) of the attribute",
        r#"m = from((str->int)Service.tag["n"]).max();"#,
        r#"m = from((str-int)Service.tag["n"]).max();"#,
    ),
    (
        "(long) of the attribute",
        r#"m = from((long)Service.tag["n"]).min();"#,
        r#"m = from((double)Service.tag["n"]).min();"#,
    ),
    (
        "(int) of the attribute",
        r#"m = from((int)Service.tag["n"]).longAvg();"#,
        r#"m = from((int Service.tag["n"]).longAvg();"#,
    ),
    (
        "a cast of what is no number",
        r#"m = from((long)Service.tag["http.method"]).sum();"#,
        "m = from((long)Service.status).sum();",
    ),
    ("a cast of what is not there", r#"m = from((long)Service.tag["m"]).sum();"#, "m = from((long)Service.*).sum();"),
    (
        "a cast in a filter",
        r#"m = from(Service.*).filter((str->long)tag["n"] > 6).count();"#,
        r#"m = from(Service.*).filter((str->long)tag["n"] > "6").count();"#,
    ),
    (
        "a cast in an argument",
        r#"m = from(Service.*).labelAvg(name, (long)tag["n"]);"#,
        "m = from(Service.*).labelAvg(name, (long)status);",
    ),
    ("a filter", "m = from(Service.*).filter(latency > 5).count();", "m = from(Service.*).filter().count();"),
    (
        "several filters, of which all must hold",
        "m = from(Service.*).filter(latency > 5).filter(latency < 9).count();",
        "m = from(Service.*).filter(latency > 5), filter(latency < 9).count();",
    ),
    (
        "a filter that does not hold",
        "m = from(Service.*).filter(latency < 5).count();",
        "m = from(Service.*).filter(latency).count();",
    ),
    (
        "== true",
        "m = from(Service.*).filter(status == false).count();",
        "m = from(Service.*).filter(status == 1).count();",
    ),
    (
        "!= true",
        "m = from(Service.*).filter(status != true).count();",
        "m = from(Service.*).filter(status != \"true\").count();",
    ),
    (
        "== number",
        "m = from(Service.*).filter(latency == 1_234).count();",
        "m = from(Service.*).filter(latency == 1.5).count();",
    ),
    (
        "!= number",
        "m = from(Service.*).filter(latency != -1).count();",
        "m = from(Service.*).filter(latency != true).count();",
    ),
    (
        "== text",
        r#"m = from(Service.*).filter(name == "Frontend").count();"#,
        r#"m = from(Service.*).filter(name == Frontend).count();"#,
    ),
    (
        "!= text",
        r#"m = from(Service.*).filter(name != "\u0046\"\\\t").count();"#,
        r#"m = from(Service.*).filter(name != "\x").count();"#,
    ),
    (
        "a text ends on its line",
        r#"m = from(Service.*).filter(name != "'").count();"#,
        "m = from(Service.*).filter(name != \"Front).count();\n",
    ),
    (
        "a letter by its number",
        r#"m = from(Service.*).filter(name == "\u0046rontend").count();"#,
        r#"m = from(Service.*).filter(name == "\u46rontend").count();"#,
    ),
    (
        "== constant",
        "m = from(Service.*).filter(type == RequestType.HTTP).count();",
        "m = from(Service.*).filter(type == RequestType.FTP).count();",
    ),
    (
        "!= constant",
        "m = from(Service.*).filter(type != RequestType.MQ).count();",
        "m = from(Service.*).filter(type != DetectPoint.CLIENT).count();",
    ),
    (
        "== null",
        r#"m = from(Service.*).filter(tag["m"] == null).count();"#,
        "m = from(Service.*).filter(latency == null).count();",
    ),
    (
        "!= null",
        r#"m = from(Service.*).filter(tag["n"] != null).count();"#,
        "m = from(Service.*).filter(status != null).count();",
    ),
    (">", "m = from(Service.*).filter(latency > 1233).count();", "m = from(Service.*).filter(name > 5).count();"),
    ("<", "m = from(Service.*).filter(latency < 1235).count();", "m = from(Service.*).filter(status < 5).count();"),
    (
        ">=",
        "m = from(Service.*).filter(latency >= 1234).count();",
        "m = from(Service.*).filter(latency >= name).count();",
    ),
    (
        "<=",
        "m = from(Service.*).filter(latency <= 1234).count();",
        "m = from(Service.*).filter(type <= RequestType.HTTP).count();",
    ),
    (
        "a comparison with a fraction",
        "m = from(ServiceInstanceJVMCPU.usePercent).filter(usePercent > 2.25).doubleAvg();",
        "m = from(ServiceInstanceJVMCPU.usePercent).filter(usePercent > \"2\").doubleAvg();",
    ),
    (
        "in numbers",
        "m = from(Service.*).filter(latency in [1, 1_234]).count();",
        "m = from(Service.*).filter(latency in [1, \"2\"]).count();",
    ),
    (
        "in texts",
        r#"m = from(Service.*).filter(name in ["a", "Frontend"]).count();"#,
        r#"m = from(Service.*).filter(name in ["a", 1]).count();"#,
    ),
    (
        "in constants",
        "m = from(Service.*).filter(type in [RequestType.MQ, RequestType.HTTP]).count();",
        "m = from(Service.*).filter(type in [RequestType.MQ, 1]).count();",
    ),
    (
        "in a list",
        "m = from(Service.*).filter(latency in [1234]).count();",
        "m = from(Service.*).filter(latency in 1234).count();",
    ),
    (
        "in a list with an end",
        "m = from(Service.*).filter(latency in [1, 1234]).count();",
        "m = from(Service.*).filter(latency in [1, 1234).count();",
    ),
    (
        "like a beginning",
        r#"m = from(Service.*).filter(name like "Fron%").count();"#,
        r#"m = from(Service.*).filter(name like Fron).count();"#,
    ),
    (
        "like an end",
        r#"m = from(Service.*).filter(name like "%end").count();"#,
        r#"m = from(Service.*).filter(latency like "%end").count();"#,
    ),
    (
        "like a middle",
        r#"m = from(Service.*).filter(name like "%onte%").count();"#,
        r#"m = from(Service.*).filter(name like ["%onte%"]).count();"#,
    ),
    (
        "contain",
        r#"m = from(Service.*).filter(tags contain "http.method:GET").count();"#,
        r#"m = from(Service.*).filter(name contain "Front").count();"#,
    ),
    (
        "not contain",
        r#"m = from(Service.*).filter(tags not contain "http.method:POST").count();"#,
        r#"m = from(Service.*).filter(tags not "http.method:POST").count();"#,
    ),
    (
        "and",
        "m = from(Service.*).filter(latency > 5 and status == false).count();",
        "m = from(Service.*).filter(latency > 5 and status).count();",
    ),
    (
        "or",
        "m = from(Service.*).filter(latency < 5 or status == false).count();",
        "m = from(Service.*).filter(latency < 5 or).count();",
    ),
    (
        "brackets",
        "m = from(Service.*).filter((latency < 5 or status == false) and (name == \"x\" or latency > 5)).count();",
        "m = from(Service.*).filter((latency < 5 or status == false).count();",
    ),
    ("cpm", "m = from(Service.*).cpm();", "m = from(Service.*).cpm(1);"),
    ("count", "m = from(Service.*).count();", "m = from(Service.*).count(name);"),
    ("sum", "m = from(Service.latency).sum();", "m = from(Service.name).sum();"),
    ("longAvg", "m = from(Service.latency).longAvg();", "m = from(ServiceInstanceJVMCPU.usePercent).longAvg();"),
    ("doubleAvg", "m = from(ServiceInstanceJVMCPU.usePercent).doubleAvg();", "m = from(Service.name).doubleAvg();"),
    ("max", "m = from(Service.latency).max();", "m = from(Service.*).max();"),
    ("min", "m = from(Service.latency).min();", "m = from(Service.latency).min(5);"),
    ("maxDouble", "m = from(ServiceInstanceJVMCPU.usePercent).maxDouble();", "m = from(Service.tags).maxDouble();"),
    ("minDouble", "m = from(ServiceInstanceJVMCPU.usePercent).minDouble();", "m = from(Service.status).minDouble();"),
    ("percent", "m = from(Service.*).percent(status == false);", "m = from(Service.*).percent(status);"),
    (
        "percent, with its condition",
        "m = from(Service.*).percent((status == true or latency > 5) and latency > 5);",
        "m = from(Service.*).percent();",
    ),
    ("rate", "m = from(Service.*).rate(status == false, latency > 1);", "m = from(Service.*).rate(status == false);"),
    ("apdex", "m = from(Service.latency).apdex(name, status);", "m = from(Service.latency).apdex(status, name);"),
    ("percentile2", "m = from(Service.latency).percentile2(10);", "m = from(Service.latency).percentile2(0);"),
    ("percentile", "m = from(Service.latency).percentile(10);", "m = from(Service.latency).percentile(x);"),
    ("histogram", "m = from(Service.latency).histogram(100, 20);", "m = from(Service.latency).histogram(100);"),
    ("labelCount", "m = from(Service.*).labelCount(name);", "m = from(Service.*).labelCount(latency);"),
    (
        "labelCount, with its most labels",
        "m = from(Service.*).labelCount(name, 50);",
        "m = from(Service.*).labelCount(name, x);",
    ),
    ("labelAvg", "m = from(Service.*).labelAvg(name, latency);", "m = from(Service.*).labelAvg();"),
    (
        "labelAvg of the attribute",
        "m = from(Service.latency).labelAvg(endpointName);",
        "m = from(Service.*).labelAvg(endpointName);",
    ),
    (
        "labelAvg, with its most labels",
        "m = from(Service.*).labelAvg(name, latency, 50);",
        "m = from(Service.*).labelAvg(name, latency, 50, 1);",
    ),
    ("a function", "m = from(Service.*).count();", "m = from(Service.*).cnt();"),
    ("a function's brackets", "m = from(Service.*).count();", "m = from(Service.*).count;"),
    ("arguments", "m = from(Service.latency).histogram(100, 20);", "m = from(Service.latency).histogram(100 20);"),
    (
        "ServiceDecorator",
        r#"m = from(Service.*).cpm().decorator("ServiceDecorator");"#,
        "m = from(Service.*).cpm().decorator(ServiceDecorator);",
    ),
    (
        "EndpointDecorator",
        r#"m = from(Endpoint.*).cpm().decorator("EndpointDecorator");"#,
        r#"m = from(Endpoint.*).cpm().decorator("ServiceDecorator");"#,
    ),
    (
        "K8SServiceDecorator",
        r#"m = from(K8SService.*).cpm().decorator("K8SServiceDecorator");"#,
        r#"m = from(ServiceInstance.*).cpm().decorator("ServiceDecorator");"#,
    ),
    (
        "a decorator is the last",
        r#"m = from(Service.*).cpm().decorator("ServiceDecorator");"#,
        r#"m = from(Service.*).decorator("ServiceDecorator").cpm();"#,
    ),
    ("a mark of the order of bytes", "\u{feff}m = from(Service.*).count();", "m = from(Service.*).count() #;"),
];

#[test]
fn every_construct_works_and_fails_as_told() {
    let told = CONSTRUCTS.iter().map(|&(construct, works, fails)| {
        let Err(errors) = read([("x.oal", fails)]) else { panic!("{construct}: {fails} is read") };
        format!("{construct}\n    {works}\n        {}\n    {}\n        {}\n", value(works), fails.trim_end(), errors[0])
    });
    expect_test::expect_file!["../../../tests/constructs.txt"].assert_eq(&told.collect::<String>());
}

/// The table is whole: whatever the reader knows by name stands in a row that works.
#[test]
fn no_operator_and_no_function_is_missing() {
    let Err(errors) = read([("x.oal", "m = from(Service.*).x();")]) else { panic!("there is no x") };
    let (_, known) = errors[0].message.split_once('(').unwrap();
    let functions = known.split_once(')').unwrap().0.split(", ").map(|function| format!(".{function}("));
    let operators = Op::NAMES.iter().map(|(name, _)| format!(" {name} "));
    for construct in functions.chain(operators) {
        assert!(CONSTRUCTS.iter().any(|(_, works, _)| works.contains(&construct)), "no row has `{construct}`");
    }
}
