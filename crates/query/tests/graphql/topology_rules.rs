//! Every rule by which graphs of services are drawn (analysis, section 5), on each store that runs within the process.

use std::collections::BTreeMap;

use model::{
    Agg, Scope, Step, UnixMillis,
    cell::{self, CellId},
    id, layer,
};
use serde_json::{Value, json};

use crate::world::{MINUTE, World, minutes};

/// Component ids of the library. `PLAIN` (http) has the priority 45, `TLS` 11 and `TCP` 10; all others that are used here 50.
const TOMCAT: i32 = 1;
const HTTP_CLIENT: i32 = 2;
const TCP: i32 = 110;
const SPRING_MVC: i32 = 14;
const H2_DRIVER: i32 = 32;
const KAFKA_PRODUCER: i32 = 40;
const KAFKA_CONSUMER: i32 = 41;
const PLAIN: i32 = 49;
const TLS: i32 = 130;
const NOBODY: i32 = 987_654;

/// A relation of services: caller, called, components of the calling side and of the called side. Empty: that side did not report it.
type Call = (&'static str, &'static str, &'static [i32], &'static [i32]);

/// The id of `web`, or of the conjectured `h2:1?`.
fn service(name: &str) -> String {
    id::service(name.trim_end_matches('?'), !name.ends_with('?') && name != id::USER)
}

type Written = (Scope, Step, u32, String, Vec<(CellId, Agg)>);

/// The rows of calls.
fn rows(step: Step, bucket: u32, calls: &[Call]) -> Vec<Written> {
    let row = |(source, dest, client, server): &Call| {
        let sides = [(cell::CLIENT_COMPONENTS, client), (cell::SERVER_COMPONENTS, server)];
        let said = sides.into_iter().filter(|(_, ids)| !ids.is_empty());
        let cells = said.map(|(cell, ids)| (cell, Agg::Ids(ids.to_vec().into()))).collect();
        (Scope::ServiceRelation, step, bucket, id::relation(&service(source), &service(dest)), cells)
    };
    calls.iter().map(row).collect()
}

async fn alias(world: &World, address: &str, name: &str) {
    let text = format!("{0}\t{0}_YQ==", service(name));
    let alias = Agg::Texts(BTreeMap::from([(String::new(), (UnixMillis(1), text))]));
    world.life(Scope::Address, address, (0, 1), &[(cell::ALIAS, alias)]).await;
}

async fn seen_in(world: &World, name: &str, layers: &[&str]) {
    let ordinals: Vec<i32> = layers.iter().map(|name| layer::by_name(name).unwrap().ordinal).collect();
    world.life(Scope::Service, &service(name), (0, 1), &[(cell::LAYERS, Agg::Ids(ordinals.into()))]).await;
}

/// `name:type` of each node and `source>target C(components) S(components)` of each call, sorted.
fn short(graph: &Value) -> Vec<String> {
    let list = |list: &Value| {
        list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
    };
    let name = |id: &Value| {
        let (name, normal) = id::parse_service(id.as_str().unwrap()).unwrap();
        if normal || name == id::USER { name } else { format!("{name}?") }
    };
    let node = |node: &Value| format!("{}:{}", name(&node["id"]), node["type"].as_str().unwrap_or("null"));
    let call = |call: &Value| {
        let points = list(&call["detectPoints"]);
        let mut line = format!("{}>{}", name(&call["source"]), name(&call["target"]));
        for (point, letter, field) in [("CLIENT", "C", "sourceComponents"), ("SERVER", "S", "targetComponents")] {
            let components = list(&call[field]);
            if points.contains(point) {
                line += &format!(" {letter}({components})");
            } else {
                assert_eq!(components, "", "{call}");
            }
        }
        assert_eq!(
            call["id"].as_str().unwrap(),
            id::relation(call["source"].as_str().unwrap(), call["target"].as_str().unwrap())
        );
        line
    };
    let mut lines: Vec<String> = graph["nodes"].as_array().unwrap().iter().map(node).collect();
    lines.extend(graph["calls"].as_array().unwrap().iter().map(call));
    lines.sort();
    lines
}

const FIELDS: &str = "{ nodes { id name type isReal layers } calls { id source sourceComponents target targetComponents detectPoints } }";

async fn graph(world: &World, question: &str, duration: Value) -> Value {
    let query = format!("query q($d: Duration!) {{ t: {question} {FIELDS} }}");
    world.ask(&query, json!({"d": duration})).await["t"].take()
}

/// What a rule says, calls, who is asked for (nobody: all), and the graph.
type Rule<'r> = (&'r str, &'r [Call], &'r [&'r str], &'r [&'r str]);

/// Draws the graph of each rule's calls. Every rule has a minute of its own.
async fn check(rules: &[Rule<'_>]) {
    for world in World::each() {
        let minutes_of = rules.iter().zip(MINUTE..);
        world.rows(minutes_of.flat_map(|((_, calls, ..), minute)| rows(Step::Minute, minute, calls))).await;
        alias(&world, "10.0.0.1:80", "pay").await;
        for ((rule, _, asked, expected), minute) in rules.iter().zip(0..) {
            let ids: Vec<String> = asked.iter().map(|name| service(name)).collect();
            let question = match asked {
                [] => "getGlobalTopology(duration: $d)".to_owned(),
                _ => format!("getServicesTopology(serviceIds: {}, duration: $d)", json!(ids)),
            };
            let mut expected: Vec<&str> = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(short(&graph(&world, &question, minutes(minute, minute)).await), expected, "{rule}");
        }
        world.close().await;
    }
}

/// What a rule says, calls of all services, and the graph.
const RULES: [(&str, &[Call], &[&str]); 14] = [
    (
        "a call has the components of the side that reported it",
        &[("a", "b", &[HTTP_CLIENT], &[])],
        &["a:null", "b:null", "a>b C(HttpClient)"],
    ),
    (
        "the called side's component names its node",
        &[("a", "b", &[], &[TOMCAT])],
        &["a:null", "b:Tomcat", "a>b S(Tomcat)"],
    ),
    (
        "both reports are one call",
        &[("a", "b", &[HTTP_CLIENT], &[]), ("a", "b", &[], &[TOMCAT])],
        &["a:null", "b:Tomcat", "a>b C(HttpClient) S(Tomcat)"],
    ),
    (
        "the user has no component of its own",
        &[(id::USER, "a", &[], &[TOMCAT])],
        &["User:USER", "a:Tomcat", "User>a S(Tomcat)"],
    ),
    (
        "the server of a client names what is conjectured",
        &[("a", "h2:1?", &[H2_DRIVER], &[])],
        &["a:null", "h2:1?:H2", "a>h2:1? C(h2-jdbc-driver)"],
    ),
    (
        "what is real is not named after its client",
        &[("a", "bank:443", &[HTTP_CLIENT], &[])],
        &["a:null", "bank:443:null", "a>bank:443 C(HttpClient)"],
    ),
    (
        "a broker is named after its consumers too",
        &[("mq:1?", "c", &[], &[KAFKA_CONSUMER])],
        &["mq:1?:Kafka", "c:kafka-consumer", "mq:1?>c S(kafka-consumer)"],
    ),
    (
        "and they win over its producers",
        &[("p", "mq:1?", &[H2_DRIVER], &[]), ("mq:1?", "c", &[], &[KAFKA_PRODUCER])],
        &["p:null", "mq:1?:Kafka", "c:kafka-producer", "p>mq:1? C(h2-jdbc-driver)", "mq:1?>c S(kafka-producer)"],
    ),
    (
        "the component with the higher priority names a node, whoever calls",
        &[("a", "x", &[], &[TLS]), ("b", "x", &[], &[TOMCAT, PLAIN]), ("c", "x", &[], &[TCP])],
        &["a:null", "b:null", "c:null", "x:Tomcat", "a>x S(tls)", "b>x S(Tomcat,http)", "c>x S(tcp)"],
    ),
    (
        "of equals the first does, which is the lowest of the first caller",
        &[("a", "x", &[], &[SPRING_MVC]), ("b", "x", &[], &[TOMCAT])],
        &["a:null", "b:null", "x:SpringMVC", "a>x S(SpringMVC)", "b>x S(Tomcat)"],
    ),
    (
        "what no library lists has the name of 0",
        &[("a", "x", &[NOBODY], &[NOBODY])],
        &["a:null", "x:Unknown", "a>x C(Unknown) S(Unknown)"],
    ),
    (
        "an address is whoever stands behind it now",
        &[("a", "10.0.0.1:80", &[HTTP_CLIENT], &[]), ("a", "pay", &[], &[TOMCAT])],
        &["a:null", "pay:Tomcat", "a>pay C(HttpClient) S(Tomcat)"],
    ),
    (
        "also one that was taken for something conjectured",
        &[("a", "10.0.0.1:80?", &[HTTP_CLIENT], &[])],
        &["a:null", "pay:null", "a>pay C(HttpClient)"],
    ),
    (
        "but not where the called side reported it",
        &[("a", "10.0.0.1:80", &[], &[TOMCAT])],
        &["a:null", "10.0.0.1:80:Tomcat", "a>10.0.0.1:80 S(Tomcat)"],
    ),
];

#[tokio::test]
async fn nodes_and_calls_follow_the_reports_of_both_sides() {
    check(&RULES.map(|(rule, calls, expected)| (rule, calls, [].as_slice(), expected))).await;
}

#[tokio::test]
async fn services_are_shown_with_what_is_one_call_away() {
    let chain: &[Call] = &[
        (id::USER, "web", &[], &[TOMCAT]),
        ("web", "cart", &[HTTP_CLIENT], &[SPRING_MVC]),
        ("cart", "pay", &[HTTP_CLIENT], &[TOMCAT]),
        ("pay", "h2:1?", &[H2_DRIVER], &[]),
    ];
    let bank: &[Call] =
        &[("a", "x", &[HTTP_CLIENT], &[]), ("x", "bank", &[HTTP_CLIENT], &[]), ("a", "bank", &[], &[TOMCAT])];
    check(&[
        (
            "who calls from outside is named by a second look",
            chain,
            &["h2:1?"],
            &["pay:Tomcat", "h2:1?:H2", "pay>h2:1? C(h2-jdbc-driver)"],
        ),
        (
            "callers and called",
            chain,
            &["pay"],
            &[
                "cart:SpringMVC",
                "pay:Tomcat",
                "h2:1?:H2",
                "cart>pay C(HttpClient) S(Tomcat)",
                "pay>h2:1? C(h2-jdbc-driver)",
            ],
        ),
        ("the user", chain, &["User"], &["User:USER", "web:Tomcat", "User>web S(Tomcat)"]),
        (
            "several",
            chain,
            &["User", "h2:1?"],
            &["User:USER", "web:Tomcat", "pay:Tomcat", "h2:1?:H2", "User>web S(Tomcat)", "pay>h2:1? C(h2-jdbc-driver)"],
        ),
        ("nobody", chain, &["nobody"], &[]),
        ("not a real one", chain, &["pay?"], &[]),
        (
            "the second look names everybody whom callers outside call",
            bank,
            &["x"],
            &["a:null", "x:null", "bank:Tomcat", "a>x C(HttpClient)", "x>bank C(HttpClient)"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn nodes_have_the_layers_of_their_services() {
    for mut world in World::each() {
        world.layers = "layers: [{name: IOT, ordinal: 10000}]".to_owned();
        let calls = rows(
            Step::Minute,
            MINUTE,
            &[("web", "pay", &[HTTP_CLIENT], &[TOMCAT]), ("pay", "h2:1?", &[H2_DRIVER], &[])],
        );
        world.rows(calls).await;
        seen_in(&world, "web", &["GENERAL", "K8S_SERVICE"]).await;
        world.life(Scope::Service, &service("pay"), (0, 1), &[(cell::LAYERS, Agg::id(10_000))]).await;
        let all = graph(&world, "getGlobalTopology(duration: $d)", minutes(0, 0)).await;
        let mut nodes: Vec<_> = all["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| (node["name"].clone(), node["isReal"].clone(), node["layers"].clone()))
            .collect();
        nodes.sort_by_key(|(name, ..)| name.to_string());
        assert_eq!(
            nodes,
            [
                (json!("h2:1"), json!(false), json!(["UNDEFINED"])),
                (json!("pay"), json!(true), json!(["IOT"])),
                (json!("web"), json!(true), json!(["GENERAL", "K8S_SERVICE"])),
            ]
        );
        // Of a layer: whatever its services call or are called by.
        for (layer, expected) in
            [("K8S_SERVICE", 1), ("IOT", 2), ("UNDEFINED", 0), ("NGINX", 0), ("NOWHERE", 0), ("", 2)]
        {
            let graph =
                graph(&world, &format!("getGlobalTopology(layer: \"{layer}\", duration: $d)"), minutes(0, 0)).await;
            assert_eq!(graph["calls"].as_array().unwrap().len(), expected, "{layer}");
        }
        world.close().await;
    }
}

#[tokio::test]
async fn each_step_reads_its_own_rows() {
    for world in World::each() {
        let called = [(Step::Minute, MINUTE, "minute"), (Step::Hour, MINUTE, "hour"), (Step::Day, MINUTE - 720, "day")];
        world
            .rows(
                called
                    .into_iter()
                    .flat_map(|(step, bucket, dest)| rows(step, bucket, &[("a", dest, &[HTTP_CLIENT], &[])])),
            )
            .await;
        let at = |text: &str, step: &str| json!({"start": text, "end": text, "step": step});
        for (duration, called) in [
            (at("2024-01-15 1200", "MINUTE"), "minute"),
            (at("2024-01-15 12", "HOUR"), "hour"),
            (at("2024-01-15", "DAY"), "day"),
        ] {
            let graph = graph(&world, "getGlobalTopology(duration: $d)", duration).await;
            assert!(short(&graph).contains(&format!("{called}:null")), "{called}: {graph}");
            assert_eq!(graph["calls"].as_array().unwrap().len(), 1);
        }
        world.close().await;
    }
}

#[tokio::test]
async fn questions_beyond_the_limits_are_errors() {
    let world = World::new();
    let error = async |ids: Vec<String>| {
        let query =
            "query q($d: Duration!, $s: [ID!]!) { getServicesTopology(serviceIds: $s, duration: $d) { nodes { id } } }";
        world.error(query, json!({"d": minutes(0, 0), "s": ids})).await
    };
    let too_many = (0..10_001).map(|n| service(&n.to_string())).collect();
    assert_eq!(error(too_many).await, "more than 10000 services");
    assert_eq!(error(vec![service("a"), "a".to_owned()]).await, "malformed service id \"a\"");
}
