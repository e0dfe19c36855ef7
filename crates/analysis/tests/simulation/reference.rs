//! What the store must hold in the end: every accepted element by itself, folded one after the other. No worker, no node, no
//! flush, no partial.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use analysis::context::Context;
use analysis::delta::Delta;
use analysis::derive::derive;
use model::kinds::RecordKind;
use model::ledger::Ledger;
use model::metric::Catalogue;
use model::record::Record;
use model::summary::{Numbers, Piece, Summary};
use model::telemetry::Telemetry;
use model::{Agg, Bucket, Cells, Scope, Step, UnixMillis, Zone};
use storage::traces::{self, Summaries};
use storage::{Entities, RecordQuery, ScanQuery, Store};

type Key = (Scope, Step, Bucket, Arc<str>);

/// Rows merged, how many records of each kind, with the ids of those that agents gave one, and summaries of traces merged.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) rows: BTreeMap<Key, Cells>,
    pub(crate) records: BTreeMap<&'static str, usize>,
    pub(crate) segments: BTreeSet<String>,
    pub(crate) traces: Summaries,
}

impl Contents {
    fn merge(&mut self, key: Key, cells: &Cells) {
        self.rows.entry(key).or_default().merge(cells);
    }

    fn record(&mut self, record: &Record) {
        if record.kind == RecordKind::Trace {
            let partials = traces::partials(record).expect("every partial can be read");
            return partials.into_iter().for_each(|(trace_id, summary)| self.summary(&trace_id, summary));
        }
        *self.records.entry(record.kind.def().name).or_default() += 1;
        if record.kind == RecordKind::Segment {
            self.segments.insert(record.id.to_string());
        }
    }

    fn summary(&mut self, trace_id: &str, summary: Summary) {
        match self.traces.get_mut(trace_id) {
            Some(known) => known.merge(&summary),
            None => drop(self.traces.insert(trace_id.into(), summary)),
        }
    }

    /// The first difference to what is expected, for people.
    pub(crate) fn difference(&self, expected: &Contents) -> Option<String> {
        for key in self.rows.keys().chain(expected.rows.keys()) {
            let (found, wanted) = (self.rows.get(key), expected.rows.get(key));
            if found != wanted {
                return Some(format!("{key:?}\n  stored: {found:?}\n  wanted: {wanted:?}"));
            }
        }
        if self.traces != expected.traces {
            return Some(format!("traces\n  stored: {:?}\n  wanted: {:?}", self.traces, expected.traces));
        }
        if self != expected {
            return Some(format!(
                "records\n  stored: {:?} {:?}\n  wanted: {:?} {:?}",
                self.records, self.segments, expected.records, expected.segments
            ));
        }
        None
    }
}

/// What these elements, each with its time of receipt, come to.
pub(crate) fn expected(accepted: &[(Telemetry, UnixMillis)], context: &Context, zone: &Zone) -> Contents {
    let mut contents = Contents::default();
    for (telemetry, received) in accepted {
        let (mut delta, mut records) = (Delta::default(), Vec::new());
        derive(telemetry.clone(), *received, context, &mut delta, &mut records, &Ledger::default());
        for (key, cells) in delta.rows() {
            let entity = &key.entity;
            let steps: &[Step] =
                if key.step == Step::Minute { &[Step::Minute, Step::Hour, Step::Day] } else { &[key.step] };
            for &step in steps {
                contents.merge((key.scope, step, zone.bucket(step, key.bucket), entity.clone()), cells);
            }
        }
        for record in records {
            contents.record(&record);
            if let Telemetry::Segment(segment) = telemetry
                && let Some((trace_id, piece)) = Piece::of(&record, Numbers::of(segment))
            {
                contents.summary(trace_id, Summary::new(&piece));
            }
        }
    }
    contents
}

/// What the store answers.
pub(crate) async fn stored(store: &dyn Store) -> Contents {
    let mut contents = Contents::default();
    for scope in Scope::ALL {
        for step in Step::ALL {
            let mut after = None;
            loop {
                let query = ScanQuery {
                    scope,
                    step,
                    from: Bucket(0),
                    to: Bucket(u32::MAX),
                    entities: Entities::All,
                    cells: Vec::new(),
                    changed_since: None,
                    after,
                    limit: 50,
                };
                let page = store.scan(&query).await.expect("the store behind the faults has none");
                for row in page.rows {
                    contents.merge((scope, step, row.bucket, row.entity), &row.cells);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    for kind in RecordKind::ALL {
        let query = RecordQuery::oldest(kind, usize::MAX);
        let page = store.records(&query).await.expect("the store behind the faults has none");
        page.records.iter().for_each(|record| contents.record(record));
    }
    contents
}

/// Calls of a service and the milliseconds they took, by step, bucket and service: counted from the segments alone, without
/// `derive`.
pub(crate) type Calls = BTreeMap<(Step, Bucket, Arc<str>), (u64, i64)>;

const DAY_MS: i64 = 86_400_000;

/// What the entry spans of these segments count to.
pub(crate) fn calls(accepted: &[(Telemetry, UnixMillis)], zone: &Zone) -> Calls {
    let mut calls = Calls::new();
    for (telemetry, received) in accepted {
        let Telemetry::Segment(segment) = telemetry else { continue };
        let first = &segment.spans[0];
        let in_range = (received.0 - 7 * DAY_MS..=received.0 + 600_000).contains(&first.start);
        let Some(minute) = UnixMillis(first.start).minute().filter(|_| in_range) else { continue };
        for step in [Step::Minute, Step::Hour, Step::Day] {
            let service = model::id::service(&segment.service, true).into();
            let (n, sum) = calls.entry((step, zone.bucket(step, minute), service)).or_default();
            (*n, *sum) = (*n + 1, *sum + (first.end - first.start));
        }
    }
    calls
}

/// The same, as the rows say it.
pub(crate) fn calls_stored(contents: &Contents, catalogue: &Catalogue) -> Calls {
    let cell = |name: &str| catalogue.get(name).expect("the shipped metrics have it").cell;
    let (cpm, resp_time) = (cell("service_cpm"), cell("service_resp_time"));
    let mut calls = Calls::new();
    for ((scope, step, bucket, entity), cells) in &contents.rows {
        if let (Scope::Service, Some(Agg::Count(n)), Some(Agg::Avg { sum, .. })) =
            (scope, cells.get(cpm), cells.get(resp_time))
        {
            calls.insert((*step, *bucket, entity.clone()), (*n, *sum));
        }
    }
    calls
}
