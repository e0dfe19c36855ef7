//! E1 and E5: calls between services, and many calls of one.

use e2e::store::Store;
use serde_json::{Value, json};

use crate::world::{World, between, endpoint, instance, parent, segment, service, span, tagged, virtual_service, with};

fn a1(id: &str, trace: &str, at: i64) -> Value {
    let exit = with(span(1, "Exit", "Http", 2, "/b", (at + 20, at + 220)), json!({ "peer": "b:8080" }));
    let entry = tagged(span(0, "Entry", "Http", 1, "/a", (at, at + 250)), &[("http.status_code", "200")]);
    with(segment(id, "A", "a1", vec![exit, entry]), json!({ "traceId": trace }))
}

fn b1() -> Value {
    let refs = json!({ "refs": [parent("A1", 1, ("A", "a1", "/a"), "b:8080")] });
    segment("B1", "B", "b1", vec![with(span(0, "Entry", "Http", 1, "/b", (10_040, 10_200)), refs)])
}

/// Calls a minute, time, success and ranks of a relation, as `check` takes them.
fn relation(scope: &str, values: &str) -> String {
    let metrics = values.split(' ').zip(["cpm", "resp_time", "call_sla", "percentile"]);
    metrics.map(|(value, metric)| format!("{scope}_{metric}={value}")).collect::<Vec<_>>().join("; ")
}

pub(crate) async fn e1_two_services_over_http(store: Store) {
    let mut world = World::start(&store).await;
    // Nobody knows yet who answers at b:8080: it is a service by itself.
    world.send(&[a1("A1", "t-1", 10_000)]).await;
    world
        .check_topology(
            0,
            &[
                "VXNlcg==.0 USER false [UNDEFINED]",
                "QQ==.1 Tomcat true [GENERAL]",
                "Yjo4MDgw.1 - true [UNDEFINED]",
                "VXNlcg==.0-QQ==.1 [] [Tomcat] [SERVER]",
                "QQ==.1-Yjo4MDgw.1 [HttpClient] [] [CLIENT]",
            ],
        )
        .await;
    world.send(&[b1()]).await;
    world.wait_aliases(1).await;

    numbers_of_e1(&world).await;
    what_there_is(&world).await;

    // Now the alias is known: the same call is one to B at once, and the earlier one is drawn so, too.
    let (a, b, user, address) = (service("A"), service("B"), virtual_service("User"), service("b:8080"));
    let on = |entity: &Value, name: &str| instance(entity.clone(), name);
    world.send(&[a1("A1x", "t-1x", 370_000)]).await;
    world
        .check(
            6,
            &[
                (between(a.clone(), &b), &relation("service_relation_client", "1 200 10000 200")),
                (
                    between(on(&a, "a1"), &on(&b, "b1")),
                    &relation("service_instance_relation_client", "1 200 10000 200"),
                ),
                (between(a.clone(), &address), "service_relation_client_cpm=-"),
                (between(user.clone(), &a), &relation("service_relation_server", "1 250 10000 250")),
                (
                    between(on(&user, "User"), &on(&a, "a1")),
                    &relation("service_instance_relation_server", "1 250 10000 250"),
                ),
            ],
        )
        .await;
    world
        .check_topology(
            0,
            &[
                "VXNlcg==.0 USER false [UNDEFINED]",
                "QQ==.1 Tomcat true [GENERAL]",
                "Qg==.1 Tomcat true [GENERAL]",
                "VXNlcg==.0-QQ==.1 [] [Tomcat] [SERVER]",
                "QQ==.1-Qg==.1 [HttpClient] [Tomcat] [CLIENT,SERVER]",
            ],
        )
        .await;
    world.server.stop().await;
}

/// What E1 counts while nobody knows the address.
async fn numbers_of_e1(world: &World) {
    let (a, b, user) = (service("A"), service("B"), virtual_service("User"));
    let address = service("b:8080");
    let on = |entity: &Value, instance_name: &str| instance(entity.clone(), instance_name);
    let at = |entity: &Value, endpoint_name: &str| endpoint(entity.clone(), endpoint_name);
    let (server_250, server_160) = (
        relation("service_relation_server", "1 250 10000 250"),
        relation("service_relation_server", "1 160 10000 160"),
    );
    let client_200 = relation("service_relation_client", "1 200 10000 200");
    let (instance_250, instance_160) = (
        relation("service_instance_relation_server", "1 250 10000 250"),
        relation("service_instance_relation_server", "1 160 10000 160"),
    );
    let instance_client_200 = relation("service_instance_relation_client", "1 200 10000 200");
    world
        .check(
            0,
            &[
                (a.clone(), "service_cpm=1; service_resp_time=250; service_sla=10000; service_apdex=10000; service_percentile=250"),
                (b.clone(), "service_cpm=1; service_resp_time=160; service_sla=10000; service_apdex=10000; service_percentile=160"),
                (on(&a, "a1"), "service_instance_cpm=1; service_instance_resp_time=250; service_instance_sla=10000"),
                (on(&b, "b1"), "service_instance_cpm=1; service_instance_resp_time=160; service_instance_sla=10000"),
                (at(&a, "/a"), "endpoint_cpm=1; endpoint_resp_time=250; endpoint_sla=10000; endpoint_percentile=250"),
                (at(&b, "/b"), "endpoint_cpm=1; endpoint_resp_time=160; endpoint_sla=10000; endpoint_percentile=160"),
                (between(user.clone(), &a), &server_250),
                (between(a.clone(), &b), &server_160),
                (between(a.clone(), &b), "service_relation_client_cpm=-"),
                (between(a.clone(), &address), &client_200),
                (between(on(&user, "User"), &on(&a, "a1")), &instance_250),
                (between(on(&a, "a1"), &on(&b, "b1")), &instance_160),
                (between(on(&a, "a1"), &on(&address, "b:8080")), &instance_client_200),
                (
                    between(at(&user, "User"), &at(&a, "/a")),
                    "endpoint_relation_cpm=1; endpoint_relation_resp_time=250; endpoint_relation_sla=10000; endpoint_relation_percentile=250",
                ),
                (
                    between(at(&a, "/a"), &at(&b, "/b")),
                    "endpoint_relation_cpm=1; endpoint_relation_resp_time=160; endpoint_relation_sla=10000; endpoint_relation_percentile=160",
                ),
            ],
        )
        .await;
}

/// Services, instances, endpoints, segments and tags of E1.
async fn what_there_is(world: &World) {
    world.check_list("services", &["QQ==.1", "Qg==.1"], async |world: &World| world.services("GENERAL").await).await;
    let instances = async |world: &World| {
        [world.instances("QQ==.1", 0).await, world.instances("Qg==.1", 0).await, world.instances("Qg==.1", 1).await]
            .concat()
    };
    world.check_list("instances", &["QQ==.1_YTE=", "Qg==.1_YjE="], instances).await;
    let endpoints = async |world: &World| [world.endpoints("QQ==.1").await, world.endpoints("Qg==.1").await].concat();
    world.check_list("endpoints", &["QQ==.1_L2E=", "Qg==.1_L2I="], endpoints).await;
    world.check_traces("QQ==.1", &["A1 [/a] 250 false 10000"]).await;
    world.check_traces("Qg==.1", &["B1 [/b] 160 false 10040"]).await;
    world.check_trace("t-1", &["A1S0", "A1S1", "B1S0"]).await;
    let tags = async |world: &World| {
        let query = "query($d:Duration!){l:queryTraceTagAutocompleteValues(tagKey:\"http.status_code\",duration:$d)}";
        let answer = world.server.data(query, json!({ "d": world.duration("MINUTE", 0) })).await;
        answer["l"].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    world.check_list("values of a tag", &["200"], tags).await;
}

pub(crate) async fn e5_ten_calls_and_one_error(store: Store) {
    let mut world = World::start(&store).await;
    let call = |service: &str, i: i64, latency: i64| {
        let start = 240_000 + i * 1_000;
        let entry =
            with(span(0, "Entry", "Http", 1, "/a", (start, start + latency)), json!({ "isError": latency == 130 }));
        segment(&format!("{service}{i}"), service, "a1", vec![entry])
    };
    let latencies = [12, 87, 130, 250, 499, 500, 501, 1999, 2000, 2001];
    let mut calls: Vec<Value> = (0..).zip(latencies).map(|(i, latency)| call("A", i, latency)).collect();
    // Few calls show the lower edges of their buckets.
    calls.extend((0..).zip([5, 15, 25, 35, 45, 55, 65]).map(|(i, latency)| call("Seven", i, latency)));
    calls.extend((0..).zip([40, 500]).map(|(i, latency)| call("Two", i, latency)));
    calls.push(call("One", 0, 123));
    world.send(&calls).await;
    let (a, user) = (service("A"), virtual_service("User"));
    let ranks = "490,1990,2000,2000,2000";
    world
        .check(
            4,
            &[
                (a.clone(), &format!("service_cpm=10; service_resp_time=797; service_sla=9000; service_apdex=6500; service_percentile={ranks}")),
                (
                    endpoint(a.clone(), "/a"),
                    &format!("endpoint_cpm=10; endpoint_resp_time=797; endpoint_sla=9000; endpoint_percentile={ranks}"),
                ),
                (
                    between(user, &a),
                    &format!("service_relation_server_cpm=10; service_relation_server_resp_time=797; service_relation_server_call_sla=9000; service_relation_server_percentile={ranks}"),
                ),
                (service("Seven"), "service_percentile=30,40,50,60,60"),
                (service("Two"), "service_percentile=40,500,500,500,500"),
                (service("One"), "service_percentile=120"),
            ],
        )
        .await;
    let failed = async |world: &World| {
        let query = "query($s:ID!,$d:Duration!){l:queryBasicTraces(condition:{serviceId:$s,queryDuration:$d,traceState:ERROR,\
                     queryOrder:BY_DURATION,paging:{pageNum:1,pageSize:20}}){traces{segmentId isError}}}";
        let answer = world.server.data(query, json!({ "s": "QQ==.1", "d": world.duration("MINUTE", 4) })).await;
        answer["l"]["traces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| format!("{} {}", t["segmentId"].as_str().unwrap(), t["isError"]))
            .collect()
    };
    world.check_list("failed segments", &["A2 true"], failed).await;
    world.server.stop().await;
}
