//! What the windows over traces cost a segment: in the worker, which notes it, and in their own task, with the records of windows that
//! close; four segments in a trace, twenty thousand traces watched.

use analysis::windows::{Config, Sightings, Windows};
use divan::{Bencher, counter::ItemsCount};
use model::kinds::{RecordKind, segment as field};
use model::record::{FieldValue, Format, Record};
use model::summary::Numbers;
use model::{UnixMillis, id};
use storage::traces::Sheaves;

const SEGMENTS_PER_TRACE: usize = 4;
const WATCHED: usize = 20_000;
/// Segments in a batch: what a worker notes in a tenth of a second.
const BATCH: usize = 400;

fn main() {
    divan::main();
}

/// The n-th segment of a stream in which traces overlap: four segments of one come within eight.
fn record(n: usize) -> (Record, Numbers) {
    let (trace, place) = (n / 8 * 2 + n % 2, n / 2 % SEGMENTS_PER_TRACE);
    let service = id::service(["gateway", "orders", "stock", "payment"][place], true);
    let mut fields = vec![FieldValue::Absent; RecordKind::Segment.def().fields.len()];
    fields[field::TRACE_ID] = FieldValue::keyword(format!("5d3c9b7a64f14f5cb1a2.61.1705320000{trace:07}"));
    fields[field::ENDPOINT] = FieldValue::keyword(id::endpoint(&service, "GET:/orders/{id}"));
    fields[field::SERVICE] = FieldValue::keyword(service);
    fields[field::LATENCY] = FieldValue::Int(12);
    fields[field::IS_ERROR] = FieldValue::Bool(false);
    let record = Record {
        kind: RecordKind::Segment,
        id: format!("5d3c9b7a64f14f5cb1a2.61.1705320001{n:07}").into(),
        time: UnixMillis(1_705_320_000_000),
        fields,
        format: Format::Segment,
        body: bytes::Bytes::new(),
    };
    (record, Numbers { parent: n as u64, spans: 2, errors: 0 })
}

fn batch(first: usize) -> Sightings {
    let mut seen = Sightings::default();
    (first..first + BATCH).map(record).for_each(|(record, numbers)| seen.note(&record, numbers));
    seen
}

#[divan::bench]
fn note(bencher: Bencher<'_, '_>) {
    let records: Vec<_> = (0..BATCH).map(record).collect();
    let mut seen = Sightings::default();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        records.iter().for_each(|(record, numbers)| seen.note(record, *numbers));
        seen.take().len()
    });
}

/// Everything: finding, opening, folding, and the record of the window that closes for each that opens.
#[divan::bench]
fn watch(bencher: Bencher<'_, '_>) {
    let config = Config { max_open: WATCHED, ..Config::default() };
    let (mut windows, mut next, mut closed) = (Windows::new(config, 0), 0, Sheaves::new(1));
    let mut feed = |seen: Sightings| {
        seen.iter().for_each(|(trace_id, piece)| windows.add(trace_id, &piece, 0, &mut closed));
        if closed.full() > 0 { closed.take().len() } else { 0 }
    };
    while next < WATCHED * SEGMENTS_PER_TRACE {
        feed(batch(next));
        next += BATCH;
    }
    let batches = std::cell::Cell::new(next);
    let following = || batch(batches.replace(batches.get() + BATCH));
    bencher.counter(ItemsCount::new(BATCH)).with_inputs(following).bench_local_values(feed);
}
