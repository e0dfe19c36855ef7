//! Graphs of calls.

use std::collections::BTreeMap;

use model::{Agg, Scope, Step, UnixMillis, cell, id, layer};
use serde_json::{Value, json};

use crate::world::{MINUTE, World, minutes};

/// Component ids of the library.
const TOMCAT: i32 = 1;
const HTTP_CLIENT: i32 = 2;
const SPRING_MVC: i32 = 14;
const H2_DRIVER: i32 = 32;
const HTTP: i32 = 49;

fn real(name: &str) -> String {
    id::service(name, true)
}

async fn call(world: &World, minute: u32, source: &str, dest: &str, client: &[i32], server: &[i32]) {
    let mut cells = Vec::new();
    if !client.is_empty() {
        cells.push((cell::CLIENT_COMPONENTS, Agg::Ids(client.to_vec().into())));
    }
    if !server.is_empty() {
        cells.push((cell::SERVER_COMPONENTS, Agg::Ids(server.to_vec().into())));
    }
    world.row(Scope::ServiceRelation, Step::Minute, MINUTE + minute, &id::relation(source, dest), &cells).await;
}

/// User → web → pay → h2, and web → an address that turned out to be pay.
async fn world() -> World {
    let world = World::new();
    let (web, pay) = (real("web"), real("pay"));
    let user = id::service(id::USER, false);
    let general = [(cell::LAYERS, Agg::Ids(vec![layer::GENERAL.ordinal].into()))];
    world.life(Scope::Service, &web, (0, 1), &general).await;
    world.life(Scope::Service, &pay, (0, 1), &general).await;
    call(&world, 0, &user, &web, &[], &[TOMCAT]).await;
    call(&world, 1, &user, &web, &[], &[SPRING_MVC]).await;
    call(&world, 0, &web, &real("10.0.0.1:80"), &[HTTP_CLIENT], &[]).await;
    call(&world, 1, &web, &pay, &[HTTP_CLIENT], &[]).await;
    call(&world, 1, &web, &pay, &[], &[TOMCAT]).await;
    call(&world, 0, &pay, &id::service("localhost:-1", false), &[H2_DRIVER], &[]).await;
    let alias = Agg::Texts(BTreeMap::from([(String::new(), (UnixMillis(1), format!("{pay}\t{pay}_YQ==")))]));
    world.life(Scope::Address, "10.0.0.1:80", (0, 1), &[(cell::ALIAS, alias)]).await;
    world
}

/// `name:type[layers]` of each node and `source>target C(components)S(components)` of each call, sorted.
fn short(topology: &Value) -> Vec<String> {
    let name = |id: &Value| match id::parse_service(id.as_str().unwrap()) {
        Ok((name, _)) => name,
        Err(_) => id::parse_instance(id.as_str().unwrap()).unwrap().1,
    };
    let list = |list: &Value| {
        list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
    };
    let mut lines: Vec<String> = topology["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let real = if node["isReal"] == json!(true) { "" } else { "?" };
            format!("{}{real}:{}[{}]", node["name"].as_str().unwrap(), node["type"], list(&node["layers"]))
        })
        .collect();
    lines.extend(topology["calls"].as_array().unwrap().iter().map(|call| {
        let (client, server) = (list(&call["sourceComponents"]), list(&call["targetComponents"]));
        format!(
            "{}>{} {} ({client})({server})",
            name(&call["source"]),
            name(&call["target"]),
            list(&call["detectPoints"])
        )
    }));
    lines.sort();
    lines
}

const FIELDS: &str = "{ nodes { id name type isReal layers } calls { id source sourceComponents target targetComponents detectPoints } }";

async fn graph(world: &World, call: &str, duration: Value) -> Vec<String> {
    let data = world.ask(&format!("query q($d: Duration!) {{ t: {call} {FIELDS} }}"), json!({"d": duration})).await;
    short(&data["t"])
}

#[tokio::test]
async fn the_whole_graph_has_types_layers_and_both_sides() {
    let world = world().await;
    assert_eq!(
        graph(&world, "getGlobalTopology(duration: $d)", minutes(0, 1)).await,
        [
            "User>web SERVER ()(Tomcat,SpringMVC)",
            "User?:\"USER\"[UNDEFINED]",
            "localhost:-1?:\"H2\"[UNDEFINED]",
            "pay:\"Tomcat\"[GENERAL]",
            "pay>localhost:-1 CLIENT (h2-jdbc-driver)()",
            "web:\"SpringMVC\"[GENERAL]",
            // The address is pay, so both rows are one call.
            "web>pay CLIENT,SERVER (HttpClient)(Tomcat)",
        ]
    );
}

#[tokio::test]
async fn a_range_shows_only_its_calls() {
    let world = world().await;
    let mut first = graph(&world, "getGlobalTopology(duration: $d)", minutes(0, 0)).await;
    first.retain(|line| line.contains('>'));
    assert_eq!(
        first,
        ["User>web SERVER ()(Tomcat)", "pay>localhost:-1 CLIENT (h2-jdbc-driver)()", "web>pay CLIENT (HttpClient)()"]
    );
    assert_eq!(graph(&world, "getGlobalTopology(duration: $d)", minutes(2, 5)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_service_is_shown_with_its_neighbours_and_their_types_are_looked_up() {
    let world = world().await;
    let h2 = id::service("localhost:-1", false);
    assert_eq!(
        graph(&world, &format!("getServiceTopology(serviceId: \"{h2}\", duration: $d)"), minutes(0, 1)).await,
        ["localhost:-1?:\"H2\"[UNDEFINED]", "pay:\"Tomcat\"[GENERAL]", "pay>localhost:-1 CLIENT (h2-jdbc-driver)()"]
    );
    let web = real("web");
    let both = format!("getServicesTopology(serviceIds: [\"{web}\", \"{h2}\"], duration: $d)");
    let calls: Vec<_> =
        graph(&world, &both, minutes(0, 1)).await.into_iter().filter(|line| line.contains('>')).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    for empty in
        ["getServicesTopology(serviceIds: [], duration: $d)", "getGlobalTopology(layer: \"NGINX\", duration: $d)"]
    {
        assert_eq!(graph(&world, empty, minutes(0, 1)).await, Vec::<String>::new());
    }
    let layer = graph(&world, "getGlobalTopology(layer: \"GENERAL\", duration: $d)", minutes(0, 1)).await;
    assert_eq!(layer, graph(&world, "getGlobalTopology(layer: \"\", duration: $d)", minutes(0, 1)).await);
    let by_name =
        "getServiceTopologyByName(service: {serviceName: \"localhost:-1\", layer: \"VIRTUAL_DATABASE\"}, duration: $d)";
    assert_eq!(graph(&world, by_name, minutes(0, 1)).await.len(), 3);
}

#[tokio::test]
async fn the_component_with_the_higher_priority_names_a_node() {
    let world = World::new();
    call(&world, 0, &real("a"), &real("b"), &[], &[HTTP, SPRING_MVC]).await;
    call(&world, 0, &real("c"), &real("b"), &[], &[TOMCAT]).await;
    let lines = graph(&world, "getGlobalTopology(duration: $d)", minutes(0, 0)).await;
    assert!(lines.contains(&"b:\"SpringMVC\"[UNDEFINED]".to_owned()), "{lines:?}");
    // Nobody says what a caller is that is never called.
    assert!(lines.contains(&"a:null[UNDEFINED]".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn instances_of_two_services_are_shown_in_both_directions() {
    let world = World::new();
    let (web, pay) = (real("web"), real("pay"));
    let (w1, p1) = (id::instance(&web, "w1"), id::instance(&pay, "p1"));
    let client = (cell::CLIENT_COMPONENTS, Agg::Ids(vec![HTTP_CLIENT].into()));
    let server = (cell::SERVER_COMPONENTS, Agg::Ids(vec![TOMCAT].into()));
    for (source, dest, cells) in [
        (&w1, &p1, vec![client.clone(), server]),
        (&p1, &w1, vec![client.clone()]),
        (&w1, &id::instance(&real("other"), "o"), vec![client]),
    ] {
        world.row(Scope::ServiceInstanceRelation, Step::Minute, MINUTE, &id::relation(source, dest), &cells).await;
    }
    let query = "query q($d: Duration!, $a: ID!, $b: ID!) { getServiceInstanceTopology(clientServiceId: $a, serverServiceId: $b, duration: $d) \
                 { nodes { id name serviceId serviceName type isReal } calls { id source target detectPoints sourceComponents } } }";
    let data = world.ask(query, json!({"d": minutes(0, 0), "a": web, "b": pay})).await;
    let node = |id: &str, name: &str, service: &str, service_name: &str| json!({"id": id, "name": name, "serviceId": service, "serviceName": service_name, "type": "", "isReal": true});
    let edge = |source: &str, dest: &str, points: Value| json!({"id": id::relation(source, dest), "source": source, "target": dest, "detectPoints": points, "sourceComponents": []});
    assert_eq!(
        data["getServiceInstanceTopology"],
        json!({
            "nodes": [node(&p1, "p1", &pay, "pay"), node(&w1, "w1", &web, "web")],
            "calls": [edge(&p1, &w1, json!(["CLIENT"])), edge(&w1, &p1, json!(["CLIENT", "SERVER"]))],
        })
    );
}

#[tokio::test]
async fn endpoints_are_shown_with_their_neighbours() {
    let world = World::new();
    let (web, pay, user) = (real("web"), real("pay"), id::service(id::USER, false));
    let cells = [(cell::SERVER_COMPONENTS, Agg::Ids(vec![TOMCAT].into()))];
    let inward = id::endpoint_relation(&user, id::USER, &web, "/cart");
    let outward = id::endpoint_relation(&web, "/cart", &pay, "/pay");
    for relation in [&inward, &outward, &id::endpoint_relation(&pay, "/pay", &pay, "/other")] {
        world.row(Scope::EndpointRelation, Step::Minute, MINUTE, relation, &cells).await;
    }
    let query = "query q($d: Duration!, $e: ID!) { getEndpointDependencies(endpointId: $e, duration: $d) { nodes { id name serviceName type isReal } \
                 calls { id source target detectPoints targetComponents } } }";
    let cart = id::endpoint(&web, "/cart");
    let (caller, callee) = (id::endpoint(&user, id::USER), id::endpoint(&pay, "/pay"));
    let data = world.ask(query, json!({"d": minutes(0, 0), "e": cart})).await;
    let edge = |id: &str, source: &str, dest: &str| json!({"id": id, "source": source, "target": dest, "detectPoints": ["SERVER"], "targetComponents": []});
    let mut calls = data["getEndpointDependencies"]["calls"].as_array().unwrap().clone();
    calls.sort_by_key(Value::to_string);
    let mut expected = vec![edge(&inward, &caller, &cart), edge(&outward, &cart, &callee)];
    expected.sort_by_key(Value::to_string);
    assert_eq!(calls, expected);
    let nodes: Vec<String> =
        data["getEndpointDependencies"]["nodes"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(nodes.len(), 3);
    assert!(nodes.iter().any(|node| node.contains(&caller) && node.contains("\"isReal\":false")), "{nodes:?}");
    assert!(nodes.iter().all(|node| node.contains("\"type\":\"\"")), "{nodes:?}");
}
