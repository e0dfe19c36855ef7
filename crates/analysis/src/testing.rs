//! For tests: spans in one line, and what was derived as text.

use std::fmt::Write as _;
use std::sync::Arc;

use model::ledger::Ledger;
use model::metric::{MetricDef, Value};
use model::record::{FieldValue, Record};
use model::segment::{Segment, Span, SpanKind, SpanLayer, SpanRef, Tag};
use model::telemetry::Telemetry;
use model::{Agg, Cells, RowKey, Step, UnixMillis, Zone, cell};

use crate::catalogue::{Metrics, numbered};
use crate::context::{Aliases, Config, Context, Serial, Settings};
use crate::delta::Delta;
use crate::derive::derive;
use crate::naming::Names;
use crate::oal;
use crate::policy::Policies;

/// 2024-01-15T12:00:00Z, on which the worked examples stand.
pub(crate) const T0: i64 = 1_705_320_000_000;

/// A span of the worked examples: times are milliseconds after [`T0`].
pub(crate) fn span(
    id: i32,
    kind: SpanKind,
    layer: SpanLayer,
    component: i32,
    operation: &str,
    times: (i64, i64),
) -> Span {
    Span {
        id,
        parent_id: id - 1,
        start: T0 + times.0,
        end: T0 + times.1,
        operation: operation.into(),
        kind,
        layer,
        component,
        ..Span::default()
    }
}

pub(crate) fn tags(tags: &[(&str, &str)]) -> Vec<Tag> {
    tags.iter().map(|&(key, value)| Tag { key: key.into(), value: value.into() }).collect()
}

pub(crate) fn segment(id: &str, service: &str, instance: &str, spans: Vec<Span>) -> Segment {
    Segment {
        trace_id: "t-1".into(),
        segment_id: id.into(),
        service: service.into(),
        instance: instance.into(),
        spans,
        ..Segment::default()
    }
}

/// A reference from another process.
pub(crate) fn parent(service: &str, instance: &str, endpoint: &str, address: &str) -> SpanRef {
    SpanRef {
        trace_id: "t-1".into(),
        service: service.into(),
        instance: instance.into(),
        endpoint: endpoint.into(),
        address: address.into(),
        ..SpanRef::default()
    }
}

/// What the shipped metrics make of what it is given.
pub(crate) struct Bench {
    pub(crate) metrics: Metrics,
    pub(crate) context: Context,
    pub(crate) delta: Delta,
    pub(crate) records: Vec<Record>,
    pub(crate) ledger: Ledger,
    pub(crate) received: UnixMillis,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&Config::default())
    }

    pub(crate) fn with(config: &Config) -> Self {
        let rules = oal::read([
            ("core.oal", include_str!("../../../config/oal/core.oal")),
            ("java-agent.oal", include_str!("../../../config/oal/java-agent.oal")),
            ("virtual-gen-ai.oal", include_str!("../../../config/oal/virtual-gen-ai.oal")),
        ]);
        let metrics = numbered(&rules.unwrap()).unwrap();
        let context = Context {
            program: Arc::clone(&metrics.program),
            aliases: Arc::default(),
            settings: Arc::new(Settings::new(config, Zone::utc(), 7)),
            policies: Policies::new(config),
            names: Names::without_rules(&config.naming),
            serial: Arc::new(Serial::new(0xabc)),
        };
        let received = UnixMillis(T0 + 300_000);
        Bench { metrics, context, delta: Delta::default(), records: Vec::new(), ledger: Ledger::default(), received }
    }

    /// Knows what stands behind an address.
    pub(crate) fn alias(mut self, address: &str, service_id: &str, instance_id: &str) -> Self {
        let mut aliases = Aliases::clone(&self.context.aliases);
        assert!(aliases.insert(address, &format!("{service_id}\t{instance_id}")));
        self.context.aliases = Arc::new(aliases);
        self
    }

    pub(crate) fn derive(mut self, telemetry: impl Into<Telemetry>) -> Self {
        let telemetry = telemetry.into();
        derive(telemetry, self.received, &self.context, &mut self.delta, &mut self.records, &self.ledger);
        self
    }

    pub(crate) fn segment(self, segment: Segment) -> Self {
        self.derive(Telemetry::Segment(Box::new(segment)))
    }

    /// Rows (minutes, then days, then lives), records, then what was refused.
    pub(crate) fn show(&self) -> String {
        let mut rows: Vec<_> = self.delta.rows().iter().collect();
        rows.sort_by_key(|(key, _)| (key.step, key.bucket, key.scope, &key.entity));
        let mut text = String::new();
        for (key, cells) in rows {
            writeln!(text, "{}", self.row(key, cells)).unwrap();
        }
        for record in &self.records {
            writeln!(text, "{}", show_record(record)).unwrap();
        }
        for (stage, signal, reason, n) in self.ledger.refusals() {
            writeln!(text, "refused {} {} {}: {n}", stage.name(), signal.name(), reason.name()).unwrap();
        }
        for reason in model::ledger::Reason::ALL {
            let n = self.ledger.rows_refused(reason);
            if n > 0 {
                writeln!(text, "pieces refused {}: {n}", reason.name()).unwrap();
            }
        }
        for (signal, n) in self.delta.elements().iter() {
            writeln!(text, "elements {}: {n}", signal.name()).unwrap();
        }
        text
    }

    /// Only the lines that contain one of the words.
    pub(crate) fn show_only(&self, words: &[&str]) -> String {
        let lines = self.show();
        lines.lines().filter(|l| words.iter().any(|w| l.contains(w))).fold(String::new(), |all, l| all + l + "\n")
    }

    fn row(&self, key: &RowKey, cells: &Cells) -> String {
        let bucket = match key.step {
            Step::Life => "life".to_owned(),
            step => Zone::utc().bucket_text(step, key.bucket),
        };
        let mut text = format!("{bucket} {:?} {}:", key.scope, key.entity);
        let mut metrics = Vec::new();
        for (id, agg) in cells.iter() {
            match self.metrics.catalogue.iter().find(|def| def.cell == id) {
                Some(def) => metrics.push(show_metric(def, agg, key.step)),
                None => write!(text, " {}", show_structure(id, agg)).unwrap(),
            }
        }
        metrics.sort();
        metrics.iter().for_each(|m| write!(text, " {m}").unwrap());
        text
    }
}

fn show_metric(def: &MetricDef, agg: &Agg, step: Step) -> String {
    let value = match def.function.value(agg, step) {
        None => "none".to_owned(),
        Some(Value::Int(v)) => v.to_string(),
        Some(Value::Float(v)) => format!("{v:?}"),
        Some(Value::Labeled(labels)) => match &labels[..] {
            [(_, first), rest @ ..] if rest.iter().all(|(_, v)| v == first) => format!("all:{first}"),
            labels => labels.iter().map(|((_, l), v)| format!("{l}:{v}")).collect::<Vec<_>>().join(","),
        },
        Some(Value::Histogram(buckets)) => format!("{buckets:?}"),
    };
    format!("{}={value}", def.name)
}

fn show_structure(id: cell::CellId, agg: &Agg) -> String {
    let minute = |v: i64| Zone::utc().bucket_text(Step::Minute, model::Bucket(u32::try_from(v).unwrap()));
    match (id, agg) {
        (cell::FIRST_SEEN, Agg::Min(v)) => format!("first_seen={}", minute(*v)),
        (cell::LAST_PING, Agg::Max(v)) => format!("last_ping={}", minute(*v)),
        (cell::LAYERS, Agg::Ids(ids)) => {
            let names = ids.iter().map(|&id| model::layer::by_ordinal(id).map_or("?", |l| l.name));
            format!("layers={}", names.collect::<Vec<_>>().join(","))
        }
        (cell::CLIENT_COMPONENTS, Agg::Ids(ids)) => format!("client={ids:?}"),
        (cell::SERVER_COMPONENTS, Agg::Ids(ids)) => format!("server={ids:?}"),
        (id, Agg::Top(top)) => {
            let name = cell::SLOW.iter().find(|(_, cell)| *cell == id).map_or("?", |(name, _)| name);
            let one = |s: &model::agg::Statement| {
                format!("{} {} {:?} {} @{}", s.latency, s.id, s.statement, s.trace_id, s.at.0 - T0)
            };
            format!("{name}=[{}]", top.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        (cell::VALUES, Agg::Texts(texts)) => format!("values={:?}", texts.keys().collect::<Vec<_>>()),
        (_, Agg::Texts(texts)) => {
            let texts = texts.iter().map(|(k, (at, t))| format!("{k}@{}={}", at.0 - T0, t.replace('\t', " ")));
            format!("texts={:?}", texts.collect::<Vec<_>>())
        }
        (id, agg) => format!("{id:?}={agg:?}"),
    }
}

fn show_record(record: &Record) -> String {
    let mut text = format!("{} {} @{}", record.kind.def().name, record.id, record.time.0 - T0);
    for (field, value) in record.kind.def().fields.iter().zip(&record.fields) {
        match value {
            FieldValue::Absent => {}
            FieldValue::Text(t) => write!(text, " {}={t}", field.name).unwrap(),
            FieldValue::Texts(t) => {
                write!(text, " {}=[{}]", field.name, t.iter().map(|t| &**t).collect::<Vec<_>>().join(" ")).unwrap();
            }
            FieldValue::Int(v) => write!(text, " {}={v}", field.name).unwrap(),
            FieldValue::Bool(v) => write!(text, " {}={v}", field.name).unwrap(),
        }
    }
    text
}
