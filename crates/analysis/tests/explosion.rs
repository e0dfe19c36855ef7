//! A service that is called by a million different URLs: every call counts, memory does not grow with them, and what was folded is
//! there to be seen.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic, as tests do")]

use std::sync::Arc;

use analysis::catalogue::{Metrics, numbered};
use analysis::context::{Config, Context, Serial, Settings};
use analysis::delta::Delta;
use analysis::derive::derive;
use analysis::naming::{ABANDONED, Folded, Names, Naming, NamingConfig, Templates};
use analysis::oal;
use analysis::policy::Policies;
use analysis::rollup::{Limits, Totals, Turns};
use model::ledger::{Ledger, Reason};
use model::metric::Value;
use model::record::Record;
use model::row::Row;
use model::segment::{Segment, Span, SpanKind, SpanLayer};
use model::telemetry::Telemetry;
use model::{Scope, Step, UnixMillis, Zone, id};

const T0: i64 = 1_705_320_000_000;
const CALLS: u64 = 1_000_000;
/// Spans of a segment: what a segment costs is not what is looked at here.
const SPANS: u64 = 5_000;
/// Segments, each of which is listed under an endpoint, too: one more name.
const SEGMENTS: u64 = CALLS / SPANS;
/// What a row takes in memory at the most, cells and all: see `Limits`.
const ROW_BYTES: usize = 512;

/// All that a million calls left.
struct After {
    metrics: Metrics,
    rows: Vec<Row>,
    entities: usize,
    folded: Folded,
    refused: u64,
}

/// Lets one service be called `CALLS` times, each time under the name that `name` gives.
fn explode(config: NamingConfig, name: impl Fn(u64) -> String) -> After {
    let rules = oal::read([("core.oal", include_str!("../../../config/oal/core.oal"))]).unwrap();
    let metrics = numbered(&rules).unwrap();
    let naming = Arc::new(Naming::new(&config, Arc::default()));
    let context = Context {
        program: Arc::clone(&metrics.program),
        aliases: Arc::default(),
        settings: Arc::new(Settings::new(&Config::default(), Zone::utc(), 7)),
        policies: Policies::new(&Config::default()),
        names: Names::new(Arc::clone(&naming)),
        serial: Arc::new(Serial::new(1)),
    };
    let ledger = Ledger::default();
    let mut totals = Totals::new(7, Zone::utc(), Limits::default(), Turns::ALWAYS);
    for segment in 0..SEGMENTS {
        let (mut delta, mut records) = (Delta::default(), Vec::<Record>::new());
        let spans = (segment * SPANS..(segment + 1) * SPANS).map(|n| call(n, &name(n))).collect();
        let segment = Segment {
            trace_id: "t".into(),
            segment_id: segment.to_string().into(),
            service: "shop".into(),
            instance: "shop-1".into(),
            spans,
            ..Segment::default()
        };
        let telemetry = Telemetry::Segment(Box::new(segment));
        derive(telemetry, UnixMillis(T0 + 60_000), &context, &mut delta, &mut records, &ledger);
        for (key, cells) in delta.rows() {
            assert!(totals.merge(key, cells, UnixMillis(T0 + 60_000)), "{key:?} was refused");
        }
    }
    let entities = totals.entities();
    let mut rows = Vec::new();
    assert!(totals.begin_flush().is_empty(), "segments are counted with their records");
    while totals.take_rows(1_000, &mut rows) {}
    assert_eq!(rows.len(), totals.rows());
    let refused = Reason::ALL.into_iter().map(|reason| ledger.rows_refused(reason)).sum();
    After { metrics, rows, entities, folded: naming.folded(10), refused }
}

fn call(n: u64, name: &str) -> Span {
    let start = T0 + i64::try_from(n % 60_000).unwrap();
    Span {
        id: 0,
        parent_id: -1,
        start,
        end: start + 7,
        operation: name.into(),
        kind: SpanKind::Entry,
        layer: SpanLayer::Http,
        ..Span::default()
    }
}

impl After {
    /// Calls in the minute by entity, as a metric counts them.
    fn calls(&self, metric: &str, scope: Scope) -> Vec<(String, u64)> {
        let def = self.metrics.catalogue.get(metric).unwrap();
        let minutes = self.rows.iter().filter(|row| row.key.step == Step::Minute && row.key.scope == scope);
        let count = |row: &Row| match row.cells.get(def.cell).and_then(|agg| def.function.value(agg, Step::Minute)) {
            Some(Value::Int(n)) => u64::try_from(n).unwrap(),
            other => panic!("{metric} of {:?} is {other:?}", row.key),
        };
        minutes.map(|row| (row.key.entity.to_string(), count(row))).collect()
    }

    fn of(&self, endpoint: &str) -> u64 {
        let entity = id::endpoint(&id::service("shop", true), endpoint);
        let all = self.calls("endpoint_cpm", Scope::Endpoint);
        all.into_iter().find(|(known, _)| *known == entity).map_or(0, |(_, n)| n)
    }

    /// Every call counts once: for the service, over its endpoints, and over the calls between endpoints.
    #[track_caller]
    fn check(&self, most_bytes: usize) {
        let total = |metric, scope| self.calls(metric, scope).iter().map(|(_, n)| n).sum::<u64>();
        assert_eq!(total("service_cpm", Scope::Service), CALLS);
        assert_eq!(total("endpoint_cpm", Scope::Endpoint), CALLS);
        assert_eq!(total("endpoint_relation_cpm", Scope::EndpointRelation), CALLS);
        assert_eq!(self.refused, 0);
        let bytes = self.rows.len() * ROW_BYTES;
        assert!(bytes <= most_bytes, "{} entities, {} rows, {bytes} bytes", self.entities, self.rows.len());
    }
}

#[test]
fn a_million_urls_with_ids_are_one_endpoint_and_some() {
    let after = explode(NamingConfig::default(), |n| format!("GET:/orders/{n}/lines"));
    after.check(25 << 20);
    // Those that came before there were many, and the rest under their template.
    let template = after.of("GET:/orders/{var}/lines");
    assert!((CALLS - 1_500..CALLS).contains(&template), "{template}");
    assert_eq!((after.of("GET:/orders/7/lines"), after.of("GET:/orders/700000/lines")), (1, 0));
    assert_eq!((after.folded.templated, after.folded.abandoned), (template + SEGMENTS, 0));
    let worst = &after.folded.services[0];
    assert_eq!((worst.service.as_str(), worst.names, worst.templates), ("shop", 1, true));
}

#[test]
fn a_million_urls_that_nothing_folds_are_bounded_by_the_limit() {
    // Words without end, such as titles: no form tells them from the names of pages.
    let word = |mut n: u64| {
        let mut word = String::new();
        while n > 0 {
            word.push(char::from(b'g' + u8::try_from(n % 16).unwrap()));
            n /= 16;
        }
        word
    };
    let after = explode(NamingConfig::default(), |n| format!("/pages/{}", word(n)));
    after.check(25 << 20);
    assert_eq!((after.folded.templated, after.folded.n_full), (0, 1));
    assert_eq!(after.of(ABANDONED) + SEGMENTS, after.folded.abandoned);
    assert_eq!(after.of(ABANDONED), CALLS - 3_000);
}

#[test]
fn without_templates_the_limit_alone_holds() {
    let never = NamingConfig { templates: Templates::Never, ..NamingConfig::default() };
    let after = explode(never, |n| format!("GET:/orders/{n}/lines"));
    after.check(25 << 20);
    assert_eq!((after.of(ABANDONED), after.folded.abandoned), (CALLS - 3_000, CALLS - 3_000 + SEGMENTS));
}
