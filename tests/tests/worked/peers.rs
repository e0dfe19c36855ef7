//! E2, E3 and E4: databases, brokers and caches, which nobody reports from, and work in another thread.

use e2e::store::Store;
use serde_json::{Value, json};

use crate::world::{World, between, endpoint, instance, parent, segment, service, span, tagged, virtual_service, with};

pub(crate) async fn e2_a_database_call(store: Store) {
    let mut world = World::start(&store).await;
    let call = |id: &str, at: i64, latency: i64| {
        let exit = span(1, "Exit", "Database", 33, "Mysql/JDBI/Statement/executeQuery", (at + 10, at + 10 + latency));
        let exit =
            tagged(with(exit, json!({ "peer": "mysql:3306" })), &[("db.type", "sql"), ("db.statement", "select 1")]);
        segment(id, "A", "a1", vec![exit, span(0, "Entry", "Http", 1, "/a", (at, at + 300))])
    };
    // The second is as slow as may be, and not slower.
    world.send(&[call("A1", 60_000, 250), call("A2", 120_000, 200)]).await;
    let (a, mysql) = (service("A"), virtual_service("mysql:3306"));
    world
        .check(
            1,
            &[
                (a.clone(), "service_cpm=1; service_resp_time=300; service_sla=10000; service_apdex=10000; service_percentile=300"),
                (
                    between(a.clone(), &mysql),
                    "service_relation_client_cpm=1; service_relation_client_resp_time=250; service_relation_client_call_sla=10000; service_relation_client_percentile=250",
                ),
                (
                    between(instance(a.clone(), "a1"), &instance(mysql.clone(), "mysql:3306")),
                    "service_instance_relation_client_cpm=1; service_instance_relation_client_resp_time=250",
                ),
                (
                    mysql.clone(),
                    "database_access_cpm=1; database_access_resp_time=250; database_access_sla=10000; database_access_percentile=250; top_n(top_n_database_statement,10,des)=select 1 250",
                ),
                (a.clone(), "top_n(top_n_service_database_statement,10,des)=select 1 250"),
            ],
        )
        .await;
    world
        .check(
            2,
            &[
                (mysql.clone(), "database_access_resp_time=200; top_n(top_n_database_statement,10,des)=-"),
                (a, "top_n(top_n_service_database_statement,10,des)=-"),
            ],
        )
        .await;
    world
        .check_list("databases", &["bXlzcWw6MzMwNg==.0"], async |world: &World| {
            world.services("VIRTUAL_DATABASE").await
        })
        .await;
    let nothing_inside = async |world: &World| {
        [world.endpoints("bXlzcWw6MzMwNg==.0").await, world.instances("bXlzcWw6MzMwNg==.0", 1).await].concat()
    };
    world.check_list("endpoints and instances of the database", &[], nothing_inside).await;
    assert_eq!(world.server.metrics().await.count("skylark_aliases", &[]), 0);
    world
        .check_topology(
            1,
            &[
                "VXNlcg==.0 USER false [UNDEFINED]",
                "QQ==.1 Tomcat true [GENERAL]",
                "bXlzcWw6MzMwNg==.0 Mysql false [VIRTUAL_DATABASE]",
                "VXNlcg==.0-QQ==.1 [] [Tomcat] [SERVER]",
                "QQ==.1-bXlzcWw6MzMwNg==.0 [mysql-connector-java] [] [CLIENT]",
            ],
        )
        .await;
    world.server.stop().await;
}

fn produced() -> Value {
    let exit =
        with(span(1, "Exit", "MQ", 40, "Kafka/orders/Producer", (120_005, 120_009)), json!({ "peer": "kafka:9092" }));
    let exit = tagged(exit, &[("mq.broker", "kafka:9092"), ("mq.topic", "orders")]);
    segment("P1", "P", "p1", vec![exit, span(0, "Entry", "Http", 14, "POST:/order", (120_000, 120_020))])
}

pub(crate) async fn e3_a_producer_and_a_consumer(store: Store) {
    let mut world = World::start(&store).await;
    let name = "Kafka/orders/Consumer/g1";
    let consumed = |refs: Value, tags: &[(&str, &str)], at: i64| {
        tagged(with(span(0, "Entry", "MQ", 41, name, (at + 44, at + 74)), refs), tags)
    };
    let refs = json!({ "refs": [parent("P1", 1, ("P", "p1", "POST:/order"), "kafka:9092")] });
    let c1 = consumed(refs, &[("mq.topic", "orders"), ("transmission.latency", "35")], 120_000);
    // A consumer that only knows its broker, three minutes later.
    let c2 = consumed(json!({ "peer": "kafka:9092" }), &[("mq.topic", "orders"), ("mq.queue", "q1")], 300_000);
    world.send(&[produced(), segment("C1", "C", "c1", vec![c1]), segment("C2", "C", "c1", vec![c2])]).await;

    numbers_of_e3(&world, name).await;
    let topics = ["a2Fma2E6OTA5Mg==.0_b3JkZXJz", "a2Fma2E6OTA5Mg==.0_b3JkZXJzL3Ex"];
    world.check_list("topics", &topics, async |world: &World| world.endpoints("a2Fma2E6OTA5Mg==.0").await).await;
    assert_eq!(world.server.metrics().await.count("skylark_aliases", &[]), 0);
    world
        .check_topology(
            2,
            &[
                "VXNlcg==.0 USER false [UNDEFINED]",
                "UA==.1 SpringMVC true [GENERAL]",
                "Qw==.1 kafka-consumer true [GENERAL]",
                "a2Fma2E6OTA5Mg==.0 Kafka false [VIRTUAL_MQ]",
                "VXNlcg==.0-UA==.1 [] [SpringMVC] [SERVER]",
                "UA==.1-a2Fma2E6OTA5Mg==.0 [kafka-producer] [] [CLIENT]",
                "a2Fma2E6OTA5Mg==.0-Qw==.1 [] [kafka-consumer] [SERVER]",
            ],
        )
        .await;
    world.server.stop().await;
}

/// What E3 counts for its producer, its consumer and the broker between them; `name` is the consumer's endpoint.
async fn numbers_of_e3(world: &World, name: &str) {
    let (p, c, kafka, user) = (service("P"), service("C"), virtual_service("kafka:9092"), virtual_service("User"));
    let from_broker =
        "service_relation_server_cpm=1; service_relation_server_resp_time=30; service_relation_server_call_sla=10000";
    let between_instances = between(instance(kafka.clone(), "kafka:9092"), &instance(c.clone(), "c1"));
    let mq = |scope: &str| {
        [
            "produce_cpm=1",
            "produce_sla=10000",
            "consume_cpm=1",
            "consume_sla=10000",
            "consume_latency=35",
            "consume_percentile=30",
        ]
        .map(|value| format!("mq_{scope}_{value}"))
        .join("; ")
    };
    let producing_and_consuming = between(endpoint(p.clone(), "POST:/order"), &endpoint(c.clone(), name));
    world
        .check(
            2,
            &[
                (p.clone(), "service_cpm=1; service_resp_time=20; service_apdex=10000; service_percentile=20"),
                (between(user, &p), "service_relation_server_cpm=1; service_relation_server_resp_time=20"),
                (
                    between(p.clone(), &kafka),
                    "service_relation_client_cpm=1; service_relation_client_resp_time=4; service_relation_client_call_sla=10000; service_relation_client_percentile=0",
                ),
                (
                    c.clone(),
                    "service_cpm=1; service_resp_time=30; service_sla=10000; service_apdex=10000; service_percentile=30; service_mq_consume_count=1; service_mq_consume_latency=35",
                ),
                (
                    endpoint(c.clone(), name),
                    "endpoint_cpm=1; endpoint_resp_time=30; endpoint_sla=10000; endpoint_mq_consume_latency=35",
                ),
                (between(kafka.clone(), &c), from_broker),
                (between_instances.clone(), "service_instance_relation_server_cpm=1; service_instance_relation_server_resp_time=30"),
                (between(p.clone(), &c), "service_relation_server_cpm=-; service_relation_client_cpm=-"),
                (
                    producing_and_consuming.clone(),
                    "endpoint_relation_cpm=1; endpoint_relation_resp_time=30; endpoint_relation_sla=10000",
                ),
                (kafka.clone(), &mq("service")),
                (endpoint(kafka.clone(), "orders"), &mq("endpoint")),
            ],
        )
        .await;
    world
        .check(
            5,
            &[
                (between(kafka.clone(), &c), from_broker),
                (between_instances, "service_instance_relation_server_cpm=1"),
                (producing_and_consuming, "endpoint_relation_cpm=-"),
                (c, "service_mq_consume_count=1; service_mq_consume_latency=-"),
                (kafka.clone(), "mq_service_consume_cpm=1; mq_service_consume_latency=0; mq_service_produce_cpm=-"),
                (endpoint(kafka, "orders/q1"), "mq_endpoint_consume_cpm=1; mq_endpoint_consume_latency=0"),
            ],
        )
        .await;
}

pub(crate) async fn e4_work_in_another_thread_and_a_cache_write(store: Store) {
    let mut world = World::start(&store).await;
    let exit = with(span(1, "Exit", "Cache", 30, "Jedis/set", (180_015, 180_030)), json!({ "peer": "redis:6379" }));
    let tags = [("cache.type", "Redis"), ("cache.op", "write"), ("cache.cmd", "set"), ("cache.key", "k1")];
    let hop = with(parent("A1", 0, ("A", "a1", "/order"), ""), json!({ "refType": "CrossThread" }));
    let local = with(span(0, "Local", "Unknown", 65, "Async/execute", (180_010, 180_090)), json!({ "refs": [hop] }));
    let a1 = segment("A1", "A", "a1", vec![span(0, "Entry", "Http", 1, "/order", (180_000, 180_030))]);
    world.send(&[a1, segment("A2", "A", "a1", vec![tagged(exit, &tags), local])]).await;

    let (a, redis) = (service("A"), virtual_service("redis:6379"));
    let thread = endpoint(a.clone(), "Async/execute");
    let cache = |operation: &str| {
        let metrics =
            ["cpm=1", "resp_time=15", "sla=10000", "percentile=10"].map(|value| format!("cache_{operation}_{value}"));
        metrics.join("; ")
    };
    world
        .check(
            3,
            &[
                (a.clone(), "service_cpm=1; service_resp_time=30"),
                (endpoint(a.clone(), "/order"), "endpoint_cpm=1; endpoint_resp_time=30"),
                (thread.clone(), "endpoint_cpm=1; endpoint_resp_time=80; endpoint_sla=10000; endpoint_percentile=80"),
                (
                    between(endpoint(a.clone(), "/order"), &thread),
                    "endpoint_relation_cpm=1; endpoint_relation_resp_time=80; endpoint_relation_sla=10000",
                ),
                (between(a.clone(), &a), "service_relation_server_cpm=-; service_relation_client_cpm=-"),
                (between(instance(a.clone(), "a1"), &instance(a.clone(), "a1")), "service_instance_relation_server_cpm=-"),
                (
                    between(a, &redis),
                    "service_relation_client_cpm=1; service_relation_client_resp_time=15; service_relation_client_call_sla=10000; service_relation_client_percentile=10",
                ),
                (redis.clone(), &cache("write")),
                (redis.clone(), &cache("access")),
                (redis, "cache_read_cpm=-; top_n(top_n_cache_write_command,10,des)=set k1 15; top_n(top_n_cache_read_command,10,des)=-"),
            ],
        )
        .await;
    // What the other thread did does not make its endpoint younger than the call was.
    let query = "query($d:Duration!){l:findEndpoint(serviceId:\"QQ==.1\",limit:9,duration:$d){name}}";
    let endpoints = async |world: &World| world.names(query, json!({ "d": world.duration("MINUTE", 3) }), "name").await;
    world.check_list("endpoints", &["/order", "Async/execute"], endpoints).await;
    assert_eq!(world.server.metrics().await.count("skylark_aliases", &[]), 0);
    world.check_traces("QQ==.1", &["A1 [/order] 30 false 180000", "A2 [Async/execute] 80 false 180010"]).await;
    world.check_trace("t-1", &["A1S0", "A2S0", "A2S1"]).await;
    world.server.stop().await;
}
