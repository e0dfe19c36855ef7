//! Laws of derivation, which the machine tries to break: nothing panics, every element ends in one way, order means nothing.

mod cost;
mod nodes;

use bytes::Bytes;
use model::ByteString;
use model::ledger::{Reason, Stage};
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use model::telemetry::{Event, Jvm, JvmGc, JvmMemory, JvmPool, KeepAlive, Log, Properties, Signal, Telemetry};
use proptest::prelude::*;

use crate::context::{Config, Sampling};
use crate::testing::{Bench, T0};

/// Names of all sorts: few, so that things meet; blank, long, and such as take more UTF-16 units or bytes than characters.
fn name() -> impl Strategy<Value = ByteString> {
    prop_oneof![
        4 => "[ab]{0,2}".prop_map(ByteString::from),
        1 => "\\PC{0,200}".prop_map(ByteString::from),
        1 => Just(ByteString::from("😀".repeat(80))),
        1 => prop::sample::select(vec!["GENERAL", "VIRTUAL_MQ", "NOWHERE", " ", "b:80"]).prop_map(ByteString::from),
    ]
}

/// Times of all sorts, most of them near.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![6 => T0..T0 + 200_000, 1 => any::<i64>(), 1 => prop::sample::select(vec![0, -1, i64::MIN, i64::MAX])]
}

fn tag() -> impl Strategy<Value = Tag> {
    let key = prop::sample::select(vec![
        "http.method",
        "http.status_code",
        "x-le",
        "transmission.latency",
        "k",
        "level",
        "db.type",
        "db.statement",
        "cache.type",
        "cache.op",
        "cache.key",
        "mq.topic",
        "mq.queue",
        "gen_ai.response.model",
        "mq.broker",
        "cache.cmd",
        "gen_ai.provider.name",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.server.time_to_first_token",
    ]);
    let value = prop_oneof![
        name(),
        prop::sample::select(vec![
            r#"{"logic-span":true}"#,
            r#"{"name":"n","latency":3,"status":true}"#,
            "{",
            "[]",
            "35",
            "read",
            "write",
            "mongodb"
        ])
        .prop_map(ByteString::from),
    ];
    (key, value).prop_map(|(key, value)| Tag { key: key.into(), value })
}

fn reference() -> impl Strategy<Value = SpanRef> {
    (any::<bool>(), name(), name(), name(), name()).prop_map(|(cross_thread, service, instance, endpoint, address)| {
        SpanRef { cross_thread, service, instance, endpoint, address, ..SpanRef::default() }
    })
}

/// Components of servers, clients, databases, brokers and proxies, and any number.
fn component() -> impl Strategy<Value = i32> {
    prop_oneof![3 => prop::sample::select(vec![0, 1, 2, 14, 30, 33, 40, 41, 6_000, 9_000]), 1 => any::<i32>()]
}

fn span() -> impl Strategy<Value = Span> {
    let which = (0..4i32, 0..4i32, 0..9i32, component(), any::<bool>(), prop::bool::weighted(0.1));
    let parts = (prop::collection::vec(reference(), 0..3), prop::collection::vec(tag(), 0..6));
    (which, parts, time(), time(), name(), name()).prop_map(
        |((id, kind, layer, component, is_error, skip_analysis), (refs, tags), start, end, operation, peer)| Span {
            id,
            parent_id: id - 1,
            start,
            end,
            refs,
            operation,
            peer,
            kind: SpanKind::from_wire(kind),
            layer: SpanLayer::from_wire(layer),
            component,
            is_error,
            tags,
            skip_analysis,
            ..Span::default()
        },
    )
}

fn segment() -> impl Strategy<Value = Telemetry> {
    let parts = (name(), name(), name(), "[a-z]{1,8}", prop::collection::vec(span(), 0..5));
    parts.prop_map(|(segment_id, service, instance, trace_id, spans)| {
        let trace_id = trace_id.into();
        Telemetry::Segment(Box::new(Segment { trace_id, segment_id, service, instance, spans, ..Segment::default() }))
    })
}

fn jvm() -> impl Strategy<Value = Telemetry> {
    (name(), name(), time(), any::<f64>(), any::<i32>(), any::<i64>()).prop_map(
        |(service, instance, time, cpu_usage_percent, code, number)| {
            Telemetry::Jvm(Box::new(Jvm {
                service,
                instance,
                time,
                cpu_usage_percent,
                memory: vec![JvmMemory { used: number, max: number, ..JvmMemory::default() }],
                pools: vec![JvmPool { pool: code, used: number, ..JvmPool::default() }; 70],
                gc: vec![JvmGc { phase: code, count: number, time: number }],
                ..Jvm::default()
            }))
        },
    )
}

fn telemetry() -> impl Strategy<Value = Telemetry> {
    let log = (name(), name(), name(), name(), time(), prop::collection::vec(tag(), 0..3)).prop_map(
        |(service, instance, endpoint, layer, time, tags)| {
            Telemetry::Log(Box::new(Log { service, instance, endpoint, layer, time, tags, ..Log::default() }))
        },
    );
    let event = (name(), name(), time(), time()).prop_map(|(uuid, service, start, end)| {
        Telemetry::Event(Box::new(Event {
            uuid,
            service,
            start,
            end,
            body: Bytes::from_static(b"b"),
            ..Event::default()
        }))
    });
    let properties =
        (name(), name(), prop::collection::vec(tag(), 0..3)).prop_map(|(service, instance, properties)| {
            Telemetry::Properties(Box::new(Properties { service, instance, properties }))
        });
    let keep_alive = (name(), name(), name())
        .prop_map(|(service, instance, layer)| Telemetry::KeepAlive(Box::new(KeepAlive { service, instance, layer })));
    prop_oneof![6 => segment(), 1 => jvm(), 1 => log, 1 => event, 1 => properties, 1 => keep_alive]
}

fn derived(elements: impl IntoIterator<Item = Telemetry>) -> Bench {
    sampled(&Sampling::default(), elements)
}

fn sampled(sampling: &Sampling, elements: impl IntoIterator<Item = Telemetry>) -> Bench {
    let config = Config { sampling: sampling.clone(), ..Config::default() };
    let bench = Bench::with(&config).alias("b:80", "Yg==.1", "Yg==.1_Yg==");
    elements.into_iter().fold(bench, Bench::derive)
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (0..=10_000_u32, -1..300_000, any::<bool>()).prop_map(|(rate, slow_segment_ms, force_error)| Sampling {
        rate,
        slow_segment_ms,
        force_error,
        ..Sampling::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The conservation law at this stage: a record, a count, a refusal, or sampled out, and only one of them.
    #[test]
    fn every_element_ends_in_exactly_one_way(element in telemetry(), sampling in sampling()) {
        let signal = element.signal();
        let bench = sampled(&sampling, [element]);
        let refused: u64 = Reason::ALL.iter().map(|&r| bench.ledger.refused(Stage::Derive, signal, r)).sum();
        let counted: u64 = bench.delta.elements().iter().map(|(_, n)| n).sum();
        let sampled_out: u64 = Signal::ALL.iter().map(|&signal| bench.ledger.sampled_out(signal)).sum();
        prop_assert!(sampled_out == 0 || signal == Signal::Segment);
        prop_assert_eq!(bench.records.len() as u64 + counted + refused + sampled_out, 1);
        let leaves_a_record = matches!(signal, Signal::Segment | Signal::Log | Signal::Event);
        prop_assert_eq!(counted > 0 && leaves_a_record, false);
    }

    /// Whatever sampling leaves out: no row but those of tags knows of it, and what is kept is kept as it is without.
    #[test]
    fn metrics_do_not_depend_on_sampling(elements in prop::collection::vec(telemetry(), 1..8), sampling in sampling()) {
        let (all, some) = (derived(elements.clone()), sampled(&sampling, elements));
        let rows = |bench: &Bench| {
            let metrics = bench.delta.rows().iter().filter(|(key, _)| key.scope != model::Scope::Tag);
            metrics.map(|(key, cells)| (key.clone(), cells.clone())).collect::<std::collections::HashMap<_, _>>()
        };
        prop_assert_eq!(rows(&all), rows(&some));
        prop_assert_eq!(all.delta.elements(), some.delta.elements());
        let sampled_out = some.ledger.sampled_out(Signal::Segment);
        prop_assert_eq!(all.records.len() as u64, some.records.len() as u64 + sampled_out);
        let mut rest = all.records.iter();
        for kept in &some.records {
            // Ids of logs are numbers of a series, which goes on alike.
            prop_assert!(rest.any(|record| record == kept), "{:?}", kept);
        }
    }

    #[test]
    fn order_and_split_change_no_row(elements in prop::collection::vec(telemetry(), 1..8), at in any::<prop::sample::Index>()) {
        let (whole, back) = (derived(elements.clone()), derived(elements.iter().rev().cloned()));
        prop_assert_eq!(whole.delta.rows(), back.delta.rows());
        let (left, right) = elements.split_at(at.index(elements.len()));
        let (left, mut right) = (derived(left.to_vec()), derived(right.to_vec()));
        right.delta.merge(left.delta);
        prop_assert_eq!(whole.delta.rows(), right.delta.rows());
        prop_assert_eq!(whole.delta.elements(), right.delta.elements());
    }

    /// Rows lie where the contract of a delta says: minutes of accepted times, lives, days of tags.
    #[test]
    fn rows_lie_where_they_may(elements in prop::collection::vec(telemetry(), 1..8)) {
        use model::{Scope, Step};
        let bench = derived(elements);
        for key in bench.delta.rows().keys() {
            match key.step {
                Step::Minute => prop_assert!(bench.context.settings.minute(key.bucket.start().0, bench.received).is_some()),
                Step::Day => prop_assert_eq!(key.scope, Scope::Tag),
                Step::Life => prop_assert_eq!(key.bucket.0, 0),
                Step::Hour => prop_assert!(false, "hours are the rollup's"),
            }
        }
    }
}

/// Twenty times as many spans, references and tags make about twenty times as much, and not four hundred times: counted in rows
/// touched and tags kept, which do not depend on the machine.
#[test]
fn a_great_segment_costs_what_its_parts_cost() {
    let great = |n: i32| {
        let parent = |i: i32| SpanRef { service: format!("s{i}").into(), instance: "i".into(), ..SpanRef::default() };
        let tag = |i: i32| Tag { key: "http.method".into(), value: format!("v{i}").into() };
        let spans = (0..n).map(|i| Span {
            id: i,
            start: T0,
            end: T0 + 5,
            refs: vec![parent(i)],
            tags: vec![tag(i)],
            ..Span::default()
        });
        let segment = Segment {
            segment_id: "S".into(),
            service: "A".into(),
            instance: "a".into(),
            spans: spans.collect(),
            ..Segment::default()
        };
        derived([Telemetry::Segment(Box::new(segment))])
    };
    let (small, large) = (great(1_000), great(20_000));
    assert_eq!(
        large.delta.rows().len() - small.delta.rows().len(),
        19_000 * 2,
        "a relation of services and of instances for each"
    );
    let tags = |bench: &Bench| bench.records[0].fields[model::kinds::segment::TAGS].texts().len();
    assert_eq!((tags(&small), tags(&large)), (512, 512));
    assert_eq!(large.ledger.rows_refused(Reason::TooMany), 20_000 - 512);
}
