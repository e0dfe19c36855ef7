//! E7: small rules, each with services of its own.
//!
//! Of the rules in that list, names beyond the limit and sampling are tested where their settings are, and what meters and browsers send
//! waits for those to be analysed.

use e2e::store::Store;
use serde_json::{Value, json};

use crate::world::{World, between, endpoint, instance, parent, segment, service, span, tagged, virtual_service, with};

/// When the calls begin, in the first minute.
const AT: i64 = 5_000;

fn entry(name: &str, latency: i64) -> Value {
    span(0, "Entry", "Http", 1, name, (AT, AT + latency))
}

fn exit(id: i32, layer: &str, component: i32, peer: &str) -> Value {
    with(span(id, "Exit", layer, component, "call", (AT + 1, AT + 11)), json!({ "peer": peer }))
}

pub(crate) async fn e7_small_rules(store: Store) {
    let mut world = World::start(&store).await;
    let long = "n".repeat(80);
    world.send(&segments(&long)).await;
    world.wait_aliases(1).await;
    // With the address known: through a proxy of their own, and not.
    world
        .send(&[
            segment("px", "Caller", "c1", vec![exit(0, "Http", 6000, "callee:80")]),
            segment("pu", "Caller", "c1", vec![exit(0, "Http", 6000, "stranger:80")]),
        ])
        .await;
    let jvm = |time: i64, cpu: f64, count: i64| json!({ "time": time, "cpu": { "usagePercent": cpu }, "gc": [{ "phase": "NEW", "count": count, "time": 1 }] });
    world.send_jvm("Runtime", "r1", &[jvm(AT, 0.2, 2), jvm(AT + 1_000, 3.0, 3)]).await;

    calls_are_counted_as_the_rules_say(&world).await;
    peers_are_what_the_spans_say(&world).await;

    let short = "n".repeat(70);
    // In ids names are cut; whoever asks for the whole one asks for another service.
    world.check(0, &[(service(&short), "service_cpm=1"), (service(&long), "service_cpm=-")]).await;
    world.check_trace("t-long", &["longS0"]).await;
    let query = "query{l:queryTrace(traceId:\"t-long\"){spans{serviceCode}}}";
    assert_eq!(world.server.data(query, json!({})).await["l"]["spans"][0]["serviceCode"], long.as_str());

    world.check(0, &[(instance(service("Runtime"), "r1"), "instance_jvm_cpu=2; instance_jvm_young_gc_count=5")]).await;
    world.server.stop().await;
}

fn segments(long: &str) -> [Value; 8] {
    let skip = |span: Value| with(span, json!({ "skipAnalysis": true }));
    let logic = |value: &str, span: Value| tagged(span, &[("x-le", value)]);
    let refs = json!({ "refs": [parent("x", 0, ("Left", "l1", "/l"), "both:1"), parent("y", 0, ("Right", "r1", "/r"), "both:1")] });
    let cross = json!({ "refs": [parent("z", 0, ("Caller", "c1", "/c"), "callee:80")] });
    [
        segment("skip", "Skipped", "s1", vec![skip(entry("/s", 20)), skip(exit(1, "Database", 33, "skipped:3306"))]),
        segment(
            "logic",
            "Logic",
            "l1",
            vec![
                logic(r#"{"name":"gql","latency":100,"status":false}"#, entry("/graphql", 60)),
                logic(r#"{"logic-span":true}"#, span(1, "Local", "Unknown", 0, "calc", (AT, AT + 40))),
            ],
        ),
        segment("both", "Both", "b1", vec![with(entry("/b", 10), refs)]),
        segment("faas", "Function", "f1", vec![span(0, "Entry", "FAAS", 1, "/f", (AT, AT + 10))]),
        segment(
            "peers",
            "Peers",
            "p1",
            vec![
                exit(1, "Http", 2, ""),
                exit(2, "Unknown", 2, "odd:1"),
                exit(3, "RPCFramework", 2, "rpc:1"),
                exit(4, "Http", 2, "web:1"),
                entry("/p", 30),
            ],
        ),
        segment("callee", "Callee", "e1", vec![with(entry("/e", 10), cross)]),
        with(segment("long", long, "i1", vec![entry("/n", 10)]), json!({ "traceId": "t-long" })),
        with(segment("skip2", "Skipped", "s1", vec![skip(entry("/s", 20))]), json!({ "traceId": "t-skip" })),
    ]
}

async fn calls_are_counted_as_the_rules_say(world: &World) {
    let (logic, both) = (service("Logic"), service("Both"));
    let function = service("Function");
    world
        .check(
            0,
            &[
                // Left out of everything but the record and the database.
                (service("Skipped"), "service_cpm=-"),
                (endpoint(service("Skipped"), "/s"), "endpoint_cpm=-"),
                (between(virtual_service("User"), &service("Skipped")), "service_relation_server_cpm=-"),
                (virtual_service("skipped:3306"), "database_access_cpm=1; database_access_resp_time=10"),
                // Logic endpoints count as endpoints and not as calls of the service.
                (logic.clone(), "service_cpm=1; service_resp_time=60"),
                (endpoint(logic.clone(), "/graphql"), "endpoint_cpm=1; endpoint_resp_time=60; endpoint_sla=10000"),
                (endpoint(logic.clone(), "gql"), "endpoint_cpm=1; endpoint_resp_time=100; endpoint_sla=0"),
                (endpoint(logic, "calc"), "endpoint_cpm=1; endpoint_resp_time=40; endpoint_sla=10000"),
                // Each reference is a call.
                (both.clone(), "service_cpm=2"),
                (endpoint(both.clone(), "/b"), "endpoint_cpm=2"),
                (between(service("Left"), &both), "service_relation_server_cpm=1"),
                (between(service("Right"), &both), "service_relation_server_cpm=1"),
                // A function has no endpoints.
                (function.clone(), "service_cpm=1"),
                (instance(function.clone(), "f1"), "service_instance_cpm=1"),
                (endpoint(function.clone(), "/f"), "endpoint_cpm=-"),
                (between(virtual_service("User"), &function), "service_relation_server_cpm=1"),
            ],
        )
        .await;
    world.check_list("functions", &["RnVuY3Rpb24=.1"], async |world: &World| world.services("FAAS").await).await;
    world
        .check_list("endpoints of a function", &[], async |world: &World| world.endpoints("RnVuY3Rpb24=.1").await)
        .await;
    world.check_trace("t-skip", &["skip2S0"]).await;
}

async fn peers_are_what_the_spans_say(world: &World) {
    let (peers, caller) = (service("Peers"), service("Caller"));
    let resolved = between(instance(caller.clone(), "c1"), &instance(service("Callee"), "e1"));
    let unresolved = between(instance(caller.clone(), "c1"), &instance(service("stranger:80"), "stranger:80"));
    let calls = async |world: &World| {
        let query = "query($d:Duration!,$s:ID!){t:getServiceTopology(serviceId:$s,duration:$d){calls{id}}}";
        let asked = json!({ "d": world.duration("MINUTE", 0), "s": "UGVlcnM=.1" });
        let answer = world.server.data(query, asked).await;
        answer["t"]["calls"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    // No peer, no call; odd:1 belongs to a layer that says nothing.
    let expected = ["UGVlcnM=.1-b2RkOjE=.0", "UGVlcnM=.1-cnBjOjE=.1", "UGVlcnM=.1-d2ViOjE=.1", "VXNlcg==.0-UGVlcnM=.1"];
    world.check_list("calls of a service", &expected, calls).await;
    world
        .check(
            0,
            &[
                (between(peers.clone(), &virtual_service("odd:1")), "service_relation_client_cpm=1"),
                (between(peers.clone(), &service("odd:1")), "service_relation_client_cpm=-"),
                (between(peers.clone(), &service("rpc:1")), "service_relation_client_cpm=1"),
                (between(peers, &service("web:1")), "service_relation_client_cpm=1"),
                // Behind a proxy of its own a client does not know the instance.
                (between(caller.clone(), &service("Callee")), "service_relation_client_cpm=1"),
                (resolved, "service_instance_relation_client_cpm=-; service_instance_relation_server_cpm=1"),
                (between(caller, &service("stranger:80")), "service_relation_client_cpm=1"),
                (unresolved, "service_instance_relation_client_cpm=1"),
            ],
        )
        .await;
}
