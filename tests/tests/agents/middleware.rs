//! A shop whose services use a database, a cache and messaging: what their agents say of those is there, exactly.
//!
//! Some of it is what agents leave out: that for Node names no type of a cache, so that its calls are in the topology and not in
//! the metrics of the cache; and it sends no address with its messages, which that for Python then takes for nonsense, so the
//! producer is in Python.

use std::collections::BTreeSet;

use e2e::application::Application;
use e2e::middleware::{self, Middleware};
use e2e::server::Server;
use e2e::store::Store;
use e2e::{on_stores, wait_for};
use model::id;
use serde_json::{Value, json};

use super::{apps, lately, single, sum};

/// How often something is bought.
const N_CALLS: u64 = 3;
/// What the service `orders` asks PostgreSQL.
const SLOW: &str = "SELECT pg_sleep(0.15)";
/// From when on it is slow: below the 200 ms of other databases.
const SLOW_FROM_MS: &str = "100";
const SLEPT_MS: u64 = 150;
/// Spans of one purchase.
const N_SPANS: usize = 16;

on_stores!(a_database_a_cache_and_messaging_are_what_their_clients_say: memory, embedded, opensearch_3, opensearch_2);

async fn a_database_a_cache_and_messaging_are_what_their_clients_say(store: Store) {
    let Some(middleware) = middleware::shared() else { return };
    let settings = store.settings().with("analysis.slow.database_ms.postgresql", SLOW_FROM_MS);
    let server = Server::start(&settings).await;
    let shop = Shop::open(&server, middleware).await;
    for _ in 0..N_CALLS {
        let answer = reqwest::get(&shop.url).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    // One of each service.
    let stored = server.wait_stored("segment", 4 * N_CALLS).await;
    assert_eq!(stored.stored("segment"), 4 * N_CALLS);

    let traces = shop.traces(&server).await;
    let trace_ids = traces.iter().map(|spans| text(&spans[0], "traceId")).collect();
    traces.iter().for_each(|spans| shop.check_trace(spans));
    shop.check_services(&server).await;
    shop.check_topology(&server).await;
    shop.check_counts(&server).await;
    shop.check_slow_statements(&server, &trace_ids).await;
    shop.check_transmission(&server, &traces).await;

    for application in &shop.applications {
        application.assert_no_errors();
    }
    // Python's meters are taken and wait for their analysis; nothing else was turned down.
    let metrics = server.metrics().await;
    assert_eq!(metrics.count("skylark_refused_total", &[]), metrics.refused("not_supported_yet"));
    for application in shop.applications {
        application.kill().await;
    }
    server.stop().await;
}

/// The services in the order of a purchase, `shop`, `orders`, `stock` and `mail`, and what they use.
struct Shop {
    applications: [Application; 4],
    /// What a customer calls.
    url: String,
    orders: String,
    exchange: String,
    postgresql: &'static str,
    redis: &'static str,
    rabbitmq: &'static str,
}

impl Shop {
    async fn open(server: &Server, middleware: &'static Middleware) -> Self {
        let Middleware { postgresql, redis, rabbitmq, .. } = middleware;
        // Stores are tested side by side, with the same broker.
        let exchange = format!("orders-{}", server.pid());
        let environment = [
            ("APP_POSTGRESQL", &**postgresql),
            ("APP_REDIS", redis),
            ("APP_RABBITMQ", rabbitmq),
            ("APP_EXCHANGE", &exchange),
        ];
        // It makes the exchange that the others wait at.
        let mut orders = apps::python_program("orders", "orders", &server.grpc, &environment);
        let orders_address = format!("127.0.0.1:{}", orders.port().await);
        let mut stock = apps::python_program("stock", "stock", &server.grpc, &environment);
        let mut mail = apps::node_program("mail", "mail", &server.grpc, &environment);
        let next = format!("http://{orders_address}/order");
        let with_next = [&environment[..], &[("APP_NEXT", &next)]].concat();
        let mut shop = apps::node_program("shop", "shop", &server.grpc, &with_next);
        for consumer in [&mut stock, &mut mail] {
            consumer.says(|line| (line == "taking orders").then_some(())).await;
        }
        let url = format!("http://127.0.0.1:{}/buy", shop.port().await);
        let applications = [shop, orders, stock, mail];
        Self { applications, url, orders: orders_address, exchange, postgresql, redis, rabbitmq }
    }

    /// The spans of each purchase, all in one trace.
    async fn traces(&self, server: &Server) -> Vec<Vec<Value>> {
        let query = "query($c:TraceQueryCondition){queryTraces(condition:$c){traces{spans{traceId segmentId spanId \
                     serviceCode type endpointName component layer peer isError tags{key value} \
                     refs{parentSegmentId parentSpanId type}}}}}";
        let condition = json!({ "c": {
            "queryDuration": lately(),
            "traceState": "ALL",
            "queryOrder": "BY_START_TIME",
            "paging": { "pageNum": 1, "pageSize": 100 },
        }});
        wait_for("the traces of all purchases", async || {
            let data = server.data(query, condition.clone()).await;
            let traces = data["queryTraces"]["traces"].as_array().unwrap();
            let traces: Vec<Vec<Value>> =
                traces.iter().map(|trace| trace["spans"].as_array().unwrap().clone()).collect();
            let n_spans: Vec<usize> = traces.iter().map(Vec::len).collect();
            if n_spans.len() as u64 == N_CALLS && n_spans.iter().all(|n| *n == N_SPANS) {
                Ok(traces)
            } else {
                Err(format!("{n_spans:?} spans"))
            }
        })
        .await
    }

    fn check_trace(&self, spans: &[Value]) {
        let fields = ["serviceCode", "type", "endpointName", "component", "layer", "peer"];
        // Which consumer is first is chance, and so are the ports of who calls.
        let mut shown: Vec<String> = spans
            .iter()
            .map(|span| {
                let is_called = span["type"] == "Entry" && span["layer"] == "Http";
                let fields = fields.iter().filter(|field| !(is_called && **field == "peer"));
                fields.map(|field| text(span, field)).collect::<Vec<_>>().join(" ")
            })
            .collect();
        shown.sort();
        let Self { orders, exchange, postgresql, redis, rabbitmq, .. } = self;
        let mut expected = [
            "shop Entry GET:/buy http Http".to_owned(),
            format!("shop Exit pg/query PostgreSQL Database {postgresql}"),
            format!("shop Exit redis/set Redis Cache {redis}"),
            format!("shop Exit /order HttpClient Http {orders}"),
            "orders Entry /order Flask Http".to_owned(),
            format!("orders Exit PostgreSQL/Psycopg/execute Psychopg Database {postgresql}"),
            format!("orders Exit PostgreSQL/Psycopg/execute Psychopg Database {postgresql}"),
            format!("orders Exit Redis/SET Redis Cache {redis}"),
            format!("orders Exit Redis/GET Redis Cache {redis}"),
            format!("orders Exit RabbitMQ/Topic/{exchange}/Queue/placed/Producer rabbitmq-producer MQ {rabbitmq}"),
            format!("stock Entry RabbitMQ/Topic/{exchange}/Queue/placed/Consumer rabbitmq-consumer MQ "),
            format!("stock Exit PostgreSQL/Psycopg/execute Psychopg Database {postgresql}"),
            format!("stock Exit Redis/GET Redis Cache {redis}"),
            format!("mail Entry RabbitMQ/{exchange}/placed/Consumer rabbitmq-consumer MQ {rabbitmq}"),
            format!("mail Exit pg/query PostgreSQL Database {postgresql}"),
            format!("mail Exit redis/get Redis Cache {redis}"),
        ];
        expected.sort();
        assert_eq!(shown, expected);
        let producer = spans.iter().find(|span| span["component"] == "rabbitmq-producer").unwrap();
        let sent = json!([{
            "parentSegmentId": producer["segmentId"],
            "parentSpanId": producer["spanId"],
            "type": "CROSS_PROCESS",
        }]);
        for consumer in spans.iter().filter(|span| span["component"] == "rabbitmq-consumer") {
            assert_eq!(consumer["refs"], sent, "{consumer}");
        }
        assert!(
            spans.iter().all(|span| span["isError"] == false && span["traceId"] == spans[0]["traceId"]),
            "{spans:?}"
        );
    }

    /// Who serves but does not report is a service of its kind all the same.
    async fn check_services(&self, server: &Server) {
        let query = "query($l:String){listServices(layer:$l){id name normal layers}}";
        for (layer, peer) in
            [("VIRTUAL_DATABASE", self.postgresql), ("VIRTUAL_CACHE", self.redis), ("VIRTUAL_MQ", self.rabbitmq)]
        {
            let service = json!({ "id": id::service(peer, false), "name": peer, "normal": false, "layers": [layer] });
            wait_for("a service that does not report", async || {
                let data = server.data(query, json!({ "l": layer })).await;
                if data["listServices"] == json!([service]) { Ok(()) } else { Err(format!("{layer}: {data}")) }
            })
            .await;
        }
    }

    async fn check_topology(&self, server: &Server) {
        let query = "query($d:Duration!){getGlobalTopology(duration:$d){nodes{name type isReal layers} \
                     calls{source target detectPoints sourceComponents targetComponents}}}";
        let node = |name: &str, kind: &str, layer: &str| {
            let is_real = layer == "GENERAL";
            json!({ "name": name, "type": kind, "isReal": is_real, "layers": [layer] }).to_string()
        };
        let call = |source: &str, target: &str, points: &[&str], from: &[&str], to: &[&str]| {
            json!({ "source": source, "target": target, "detectPoints": points, "sourceComponents": from, "targetComponents": to })
                .to_string()
        };
        let [shop, orders, stock, mail] = ["shop", "orders", "stock", "mail"].map(|name| id::service(name, true));
        let [database, cache, broker] =
            [self.postgresql, self.redis, self.rabbitmq].map(|peer| id::service(peer, false));
        let uses = |service: &str, peer: &str, component: &str| call(service, peer, &["CLIENT"], &[component], &[]);
        let nodes = BTreeSet::from([
            json!({ "name": "User", "type": "USER", "isReal": false, "layers": ["UNDEFINED"] }).to_string(),
            node("shop", "http", "GENERAL"),
            node("orders", "Flask", "GENERAL"),
            node("stock", "rabbitmq-consumer", "GENERAL"),
            node("mail", "rabbitmq-consumer", "GENERAL"),
            node(self.postgresql, "PostgreSQL", "VIRTUAL_DATABASE"),
            node(self.redis, "Redis", "VIRTUAL_CACHE"),
            node(self.rabbitmq, "RabbitMQ", "VIRTUAL_MQ"),
        ]);
        let calls = BTreeSet::from([
            call(&id::service("User", false), &shop, &["SERVER"], &[], &["http"]),
            call(&shop, &orders, &["CLIENT", "SERVER"], &["HttpClient"], &["Flask"]),
            uses(&orders, &broker, "rabbitmq-producer"),
            call(&broker, &stock, &["SERVER"], &[], &["rabbitmq-consumer"]),
            call(&broker, &mail, &["SERVER"], &[], &["rabbitmq-consumer"]),
            uses(&shop, &database, "PostgreSQL"),
            uses(&orders, &database, "Psychopg"),
            uses(&stock, &database, "Psychopg"),
            uses(&mail, &database, "PostgreSQL"),
            uses(&shop, &cache, "Redis"),
            uses(&orders, &cache, "Redis"),
            uses(&stock, &cache, "Redis"),
            uses(&mail, &cache, "Redis"),
        ]);
        wait_for("the topology", async || {
            let data = server.data(query, json!({ "d": lately() })).await;
            let topology = &data["getGlobalTopology"];
            let all = |of: &str| topology[of].as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
            if all("nodes") == nodes && all("calls") == calls { Ok(()) } else { Err(format!("{topology:#}")) }
        })
        .await;
    }

    /// Every access and every message counts once.
    async fn check_counts(&self, server: &Server) {
        let peer = |name: &str| json!({ "serviceName": name, "normal": false });
        let service = |name: &str| json!({ "serviceName": name, "normal": true });
        let place = format!("{}/placed", self.exchange);
        let place = json!({ "serviceName": self.rabbitmq, "normal": false, "endpointName": place });
        let relation = |from: &str, to: &str, is_sent: bool| json!({ "serviceName": from, "normal": is_sent, "destServiceName": to, "destNormal": !is_sent });
        let mut failed = Vec::new();
        for (metric, entity, per_call) in [
            ("database_access_cpm", peer(self.postgresql), 5),
            ("cache_access_cpm", peer(self.redis), 3),
            ("cache_read_cpm", peer(self.redis), 2),
            ("cache_write_cpm", peer(self.redis), 1),
            ("mq_service_produce_cpm", peer(self.rabbitmq), 1),
            ("mq_service_consume_cpm", peer(self.rabbitmq), 2),
            ("mq_endpoint_produce_cpm", place.clone(), 1),
            ("mq_endpoint_consume_cpm", place, 2),
            ("service_mq_consume_count", service("stock"), 1),
            ("service_mq_consume_count", service("mail"), 1),
            ("service_cpm", service("orders"), 1),
            ("service_relation_client_cpm", relation("orders", self.postgresql, true), 2),
            ("service_relation_client_cpm", relation("mail", self.redis, true), 1),
            ("service_relation_client_cpm", relation("orders", self.rabbitmq, true), 1),
            ("service_relation_server_cpm", relation(self.rabbitmq, "stock", false), 1),
        ] {
            let n = sum(server, metric, &entity, per_call * N_CALLS).await;
            if n != Some(per_call * N_CALLS) {
                failed.push(format!("{metric} of {entity}: {n:?}"));
            }
        }
        for (metric, name) in [
            ("database_access_sla", self.postgresql),
            ("cache_access_sla", self.redis),
            ("mq_service_produce_sla", self.rabbitmq),
            ("mq_service_consume_sla", self.rabbitmq),
        ] {
            let sla = single(server, &format!("avg({metric})"), &peer(name)).await;
            if sla != Some(10_000) {
                failed.push(format!("{metric} of {name}: {sla:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    /// The database has the slow statements of all who asked it, and `orders` those it asked.
    async fn check_slow_statements(&self, server: &Server, trace_ids: &BTreeSet<String>) {
        let query = "query($c:RecordCondition!,$d:Duration!){readRecords(condition:$c,duration:$d){name value refId}}";
        for (name, entity) in [
            ("top_n_database_statement", json!({ "serviceName": self.postgresql, "normal": false })),
            ("top_n_service_database_statement", json!({ "serviceName": "orders", "normal": true })),
        ] {
            let condition = json!({ "name": name, "parentEntity": entity, "topN": 20, "order": "DES" });
            wait_for("the slow statements", async || {
                let data = server.data(query, json!({ "c": condition, "d": lately() })).await;
                let records = data["readRecords"].as_array().unwrap();
                // On a busy machine any statement may be slow.
                let records: Vec<&Value> = records.iter().filter(|record| record["name"] == SLOW).collect();
                let of: BTreeSet<String> = records.iter().map(|record| text(record, "refId")).collect();
                let slept = |record: &&Value| text(record, "value").parse().is_ok_and(|ms: u64| ms >= SLEPT_MS);
                let all = records.len() as u64 == N_CALLS && of == *trace_ids && records.iter().all(slept);
                if all { Ok(()) } else { Err(format!("{name}: {data}")) }
            })
            .await;
        }
    }

    /// Only `stock` says how long its messages were under way. For the broker `mail` counts too, with 0.
    async fn check_transmission(&self, server: &Server, traces: &[Vec<Value>]) {
        let tags = traces.iter().flatten().flat_map(|span| span["tags"].as_array().unwrap());
        let said = tags.filter(|tag| tag["key"] == "transmission.latency");
        let said: Vec<u64> = said.map(|tag| text(tag, "value").parse().unwrap()).collect();
        assert_eq!(said.len() as u64, N_CALLS);
        let (least, most) = (*said.iter().min().unwrap(), *said.iter().max().unwrap());
        let latency = "max(service_mq_consume_latency)";
        let of_stock = single(server, latency, &json!({ "serviceName": "stock", "normal": true })).await;
        assert!(of_stock.is_some_and(|ms| (least..=most).contains(&ms)), "{of_stock:?} of {said:?}");
        let of_mail = single(server, latency, &json!({ "serviceName": "mail", "normal": true })).await;
        assert_eq!(of_mail, None);
        let broker = json!({ "serviceName": self.rabbitmq, "normal": false });
        let of_all = single(server, "max(mq_service_consume_latency)", &broker).await;
        assert!(of_all.is_some_and(|ms| ms <= most), "{of_all:?} of {said:?}");
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
