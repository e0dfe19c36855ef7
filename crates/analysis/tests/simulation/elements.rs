//! Random telemetry of a small world, in which everything meets everything: few services, instances and endpoints, and times
//! from a moment to days ago.

use model::segment::{Segment, Span, SpanLayer};
use model::telemetry::{Event, Jvm, JvmGc, JvmMemory, KeepAlive, Log, Properties, Telemetry};
use model::{ByteString, UnixMillis};
use storage::testing::Chance;
use testkit::segments::{entry, exit, segment, tags};

const SERVICES: [&str; 3] = ["front", "pay", "stock"];
const INSTANCES: [&str; 2] = ["i1", "i2"];
const ENDPOINTS: [&str; 3] = ["/buy", "/pay", "/list"];
const PEERS: [&str; 3] = ["pay:80", "db:3306", "stock:80"];
const LAYERS_OF_PEERS: [SpanLayer; 5] =
    [SpanLayer::Http, SpanLayer::Database, SpanLayer::Cache, SpanLayer::Mq, SpanLayer::GenAi];
/// Databases, caches, brokers and models: what a span says of its peer.
const STATEMENTS: [&[(&str, &str)]; 6] = [
    &[("db.type", "sql"), ("db.statement", "select * from orders")],
    &[("db.type", "mongodb"), ("db.statement", "find")],
    &[("cache.type", "redis"), ("cache.op", "read"), ("cache.cmd", "get"), ("cache.key", "k")],
    &[("cache.type", "redis"), ("cache.op", "write"), ("cache.cmd", "set"), ("cache.key", "k")],
    &[("mq.topic", "orders"), ("mq.queue", "q"), ("transmission.latency", "35")],
    &[("gen_ai.response.model", "gpt-4o"), ("gen_ai.usage.input_tokens", "12")],
];
const LAYERS: [&str; 3] = ["", "GENERAL", "no such layer"];

/// One element, as a receiver would hand it in at `now`. `n` tells it from all others of its world.
pub(crate) fn element(chance: &mut Chance, n: usize, now: UnixMillis) -> Telemetry {
    let at = now.0 - lateness(chance);
    let (service, instance) = (text(chance, &SERVICES), text(chance, &INSTANCES));
    match chance.below(100) {
        0..60 => Telemetry::Segment(Box::new(random_segment(chance, n, at))),
        60..70 => Telemetry::Jvm(Box::new(Jvm {
            service,
            instance,
            time: at,
            cpu_usage_percent: f64::from(u32::try_from(chance.below(1_000)).expect("below 1,000")) / 7.0,
            memory: vec![JvmMemory { is_heap: true, used: number(chance, 1 << 30), ..JvmMemory::default() }],
            gc: vec![JvmGc { phase: 0, count: number(chance, 5), time: number(chance, 90) }],
            ..Jvm::default()
        })),
        70..78 => Telemetry::KeepAlive(Box::new(KeepAlive { service, instance, layer: text(chance, &LAYERS) })),
        78..84 => {
            let value = chance.below(3).to_string();
            let properties = tags(&[("os", "linux"), ("build", &value)]);
            Telemetry::Properties(Box::new(Properties { service, instance, properties }))
        }
        84..92 => Telemetry::Log(Box::new(Log {
            service,
            instance,
            endpoint: text(chance, &ENDPOINTS),
            time: at,
            content: "it rained".into(),
            tags: tags(&[("level", pick(chance, &["INFO", "ERROR"]))]),
            body: vec![1, 2, 3].into(),
            ..Log::default()
        })),
        _ => Telemetry::Event(Box::new(Event {
            uuid: format!("e{n}").into(),
            service,
            name: "Reboot".into(),
            layer: text(chance, &["GENERAL", "no such layer"]),
            start: at,
            body: format!("event {n}").into(),
            ..Event::default()
        })),
    }
}

/// How late it comes, in milliseconds: mostly at once, sometimes by minutes, hours or days, and now and then out of all range.
fn lateness(chance: &mut Chance) -> i64 {
    match chance.below(100) {
        0..55 => number(chance, 20_000),
        55..75 => number(chance, 20 * 60_000),
        75..90 => number(chance, 5 * 3_600_000),
        90..97 => number(chance, 3 * 86_400_000),
        97 => -number(chance, 9 * 60_000),
        98 => number(chance, 1 << 45),
        _ => -number(chance, 1 << 47),
    }
}

fn random_segment(chance: &mut Chance, n: usize, at: i64) -> Segment {
    let tagged = tags(&[("http.method", pick(chance, &["GET", "PUT"]))]);
    let endpoint = pick(chance, &ENDPOINTS);
    let first = Span {
        component: pick(chance, &[1, 2, 14]),
        layer: if chance.per_mille(200) { SpanLayer::Mq } else { SpanLayer::Http },
        is_error: chance.per_mille(200),
        tags: tagged,
        refs: if chance.per_mille(400) { vec![reference(chance)] } else { Vec::new() },
        ..entry(0, endpoint, at, number(chance, 3_000))
    };
    let mut spans = vec![first];
    if chance.per_mille(500) {
        let layer = pick(chance, &LAYERS_OF_PEERS);
        let tags = tags(pick(chance, &STATEMENTS));
        let peer = pick(chance, &PEERS);
        let latency = number(chance, 900);
        spans.push(Span { layer, component: 2, tags, ..exit(1, 0, "call", at + number(chance, 90), latency, peer) });
    }
    let (service, instance) = (pick(chance, &SERVICES), pick(chance, &INSTANCES));
    segment(service, instance, &format!("t{}", n % 7), &format!("s{n}"), spans)
}

fn reference(chance: &mut Chance) -> model::segment::SpanRef {
    model::segment::SpanRef {
        trace_id: "t".into(),
        segment_id: "elsewhere".into(),
        service: text(chance, &SERVICES),
        instance: text(chance, &INSTANCES),
        endpoint: text(chance, &ENDPOINTS),
        address: text(chance, &PEERS),
        ..Default::default()
    }
}

fn text(chance: &mut Chance, of: &[&'static str]) -> ByteString {
    ByteString::from_static(pick(chance, of))
}

fn number(chance: &mut Chance, below: u64) -> i64 {
    i64::try_from(chance.below(below)).expect("the bounds are small")
}

/// One of these.
pub(crate) fn pick<T: Copy>(chance: &mut Chance, of: &[T]) -> T {
    of[usize::try_from(chance.below(of.len() as u64)).expect("an index")]
}
