//! What an element costs: no more than in proportion to its size. Counted in rows, cells and bytes kept, which do not depend on the machine.

use model::Agg;
use model::record::FieldValue;
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use model::telemetry::Telemetry;

use super::derived;
use crate::testing::{Bench, T0};

/// Rows, their cells with all that lies in them, and the bytes of records.
fn kept(bench: &Bench) -> usize {
    let cells = |agg: &Agg| match agg {
        Agg::Top(top) => top.len(),
        Agg::Ids(ids) => ids.len(),
        Agg::Texts(texts) => texts.len(),
        Agg::Labeled(labels) => labels.len(),
        Agg::Percentile(buckets) | Agg::Histogram(buckets) => buckets.len(),
        _ => 1,
    };
    let rows = bench.delta.rows().values().map(|row| 1 + row.iter().map(|(_, agg)| cells(agg)).sum::<usize>());
    let fields = bench.records.iter().flat_map(|record| &record.fields).map(|field| match field {
        FieldValue::Text(text) => text.len(),
        FieldValue::Texts(texts) => texts.iter().map(|text| text.len()).sum(),
        _ => 1,
    });
    rows.sum::<usize>() + fields.sum::<usize>()
}

fn span(i: i32, kind: SpanKind, layer: SpanLayer) -> Span {
    Span { id: i, start: T0, end: T0 + 1_000, operation: format!("o{i}").into(), kind, layer, ..Span::default() }
}

fn tag(key: &'static str, value: String) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

fn parent(i: i32, cross_thread: bool) -> SpanRef {
    let address = if cross_thread { String::new() } else { format!("broker{}:9092", i % 7) };
    SpanRef {
        cross_thread,
        service: format!("s{i}").into(),
        instance: "i".into(),
        endpoint: format!("e{i}").into(),
        address: address.into(),
        ..SpanRef::default()
    }
}

/// A kind of segment that grows, by what grows in it.
type Shape = (&'static str, fn(i32) -> Vec<Span>);

const SHAPES: [Shape; 8] = [
    ("entry spans, each with a caller", |n| {
        (0..n).map(|i| Span { refs: vec![parent(i, false)], ..span(i, SpanKind::Entry, SpanLayer::Http) }).collect()
    }),
    ("callers of one entry span", |n| {
        vec![Span { refs: (0..n).map(|i| parent(i, false)).collect(), ..span(0, SpanKind::Entry, SpanLayer::Http) }]
    }),
    ("producers of one batch of messages", |n| {
        let refs = (0..n).map(|i| parent(i, false)).collect();
        let tags = vec![tag("mq.topic", "orders".to_owned()), tag("transmission.latency", "5".to_owned())];
        vec![Span { refs, tags, ..span(0, SpanKind::Entry, SpanLayer::Mq) }]
    }),
    ("work that other threads began", |n| {
        (0..n).map(|i| Span { refs: vec![parent(i, true)], ..span(i, SpanKind::Local, SpanLayer::Unknown) }).collect()
    }),
    ("threads that began one work", |n| {
        vec![Span { refs: (0..n).map(|i| parent(i, true)).collect(), ..span(0, SpanKind::Local, SpanLayer::Unknown) }]
    }),
    ("slow statements of databases", |n| {
        let tags = |i: i32| vec![tag("db.type", "sql".to_owned()), tag("db.statement", format!("select {i}"))];
        (0..n)
            .map(|i| Span {
                peer: format!("db{i}:1").into(),
                tags: tags(i),
                ..span(i, SpanKind::Exit, SpanLayer::Database)
            })
            .collect()
    }),
    ("tags of a cache", |n| {
        let mut tags = vec![tag("cache.type", "redis".to_owned()), tag("cache.op", "read".to_owned())];
        tags.extend((0..n).map(|i| tag("cache.cmd", format!("get{i}"))));
        vec![Span { peer: "redis:1".into(), tags, ..span(0, SpanKind::Exit, SpanLayer::Cache) }]
    }),
    ("tags that name logic endpoints", |n| {
        let logic = |i: i32| tag("x-le", format!(r#"{{"name":"l{i}","latency":3,"status":true}}"#));
        vec![Span { tags: (0..n).map(logic).collect(), ..span(0, SpanKind::Entry, SpanLayer::Http) }]
    }),
];

#[test]
fn twice_the_size_costs_twice_as_much_at_most() {
    for (shape, spans) in SHAPES {
        let cost = |n: i32| {
            let segment = Segment {
                trace_id: "t".into(),
                segment_id: "S".into(),
                service: "A".into(),
                instance: "a".into(),
                spans: spans(n),
                ..Segment::default()
            };
            kept(&derived([Telemetry::Segment(Box::new(segment))]))
        };
        let (one, two, four) = (cost(500), cost(1_000), cost(2_000));
        assert!(one > 0 && two <= 2 * one && four <= 2 * two, "{shape}: {one}, {two}, {four}");
    }
}
