//! Summaries of traces: how partials are stored, and what readers get of them.
//!
//! Each partial is a record of its own, so that late segments add one and overwrite none. What is read is merged; it lacks what
//! nobody has written a partial of: segments of the last seconds, and what a process that was killed had not written yet. Who must
//! be right lets [`complete`] add the stored segments that a summary does not know.

use std::collections::{BTreeMap, HashSet};

use model::kinds::{RecordKind, segment, trace as field};
use model::record::{FieldValue, Format, Record};
use model::summary::{Numbers, Piece, Root, Seen, Service, Summary, segment_number};
use model::{ByteString, UnixMillis};

use crate::codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::{Condition, Order, RecordOrder, RecordQuery, Store, StoreError, Test};

/// The version of the partials' bytes.
const VERSION: u8 = 1;
const IS_ERROR: u8 = 1;
const IS_CUT: u8 = 2;
const ROOT_IS_CALLED: u8 = 4;
/// Partials that are read of the traces of one question. A trace has one for each process that saw it, and one for each time that it
/// came back after it was idle.
const MAX_PARTIALS: usize = 20_000;

/// Segments that are looked for to complete the summaries of one question.
const MAX_STORED: usize = 50_000;
/// Segments that are read to complete the summaries of one question.
pub const MAX_ADDED: usize = 5_000;
/// Segments that are read at a time: their bodies come with them.
const ADDED_AT_A_TIME: usize = 500;

/// Traces by id, each merged from all its partials that are stored.
pub type Summaries = BTreeMap<ByteString, Summary>;

/// The record of a partial. `partial` must be another one for each record of the trace: the same id means the same content.
pub fn record(trace_id: &str, partial: (u64, u64), summary: &Summary) -> Record {
    let services = summary.services.iter().map(|service| ByteString::from(&*service.id)).collect();
    let mut fields = vec![FieldValue::Absent; RecordKind::Trace.def().fields.len()];
    fields[field::TRACE_ID] = FieldValue::keyword(trace_id);
    fields[field::SERVICES] = FieldValue::Texts(services);
    fields[field::DURATION] = FieldValue::Int(summary.duration_ms());
    fields[field::IS_ERROR] = FieldValue::Bool(summary.is_error);
    Record {
        kind: RecordKind::Trace,
        id: format!("{trace_id}.{:016x}.{:x}", partial.0, partial.1).into(),
        time: summary.time(),
        fields,
        format: Format::Summary,
        body: encode(summary).into(),
    }
}

/// The trace and the partial of a record; `None` where it is not one that this version reads.
pub fn partial(record: &Record) -> Option<(ByteString, Summary)> {
    let trace_id = record.fields.get(field::TRACE_ID).map(FieldValue::text).filter(|id| !id.is_empty())?;
    match record.format {
        Format::Summary => Some((trace_id.into(), decode(&record.body).ok()?)),
        Format::None | Format::Segment | Format::Log | Format::Event => None,
    }
}

/// The summaries of these traces; those of which no partial is stored are left out.
pub async fn of_traces(store: &dyn Store, trace_ids: &[ByteString]) -> Result<Summaries, StoreError> {
    let mut summaries = Summaries::new();
    if trace_ids.is_empty() {
        return Ok(summaries);
    }
    let trace_ids = Test::OneOf(trace_ids.to_vec());
    let conditions = vec![Condition { field: field::TRACE_ID, test: trace_ids, negate: false }];
    let query = RecordQuery { conditions, ..RecordQuery::oldest(RecordKind::Trace, MAX_PARTIALS) };
    for record in store.records(&query).await?.records {
        let Some((trace_id, summary)) = partial(&record) else {
            tracing::warn!(id = %record.id, "a stored summary of a trace is unreadable");
            continue;
        };
        match summaries.get_mut(&trace_id) {
            Some(known) => known.merge(&summary),
            None => drop(summaries.insert(trace_id, summary)),
        }
    }
    Ok(summaries)
}

/// The summaries of traces of which a partial begins within `time` and meets all conditions, at most `limit` of them, those whose
/// partials come first in the order. Each is whole: merged from all its partials, wherever they begin.
///
/// What holds for a partial need not hold for the whole: it may be longer, begin earlier or have failed elsewhere. Who must be exact
/// looks at what comes back.
pub async fn of_range(
    store: &dyn Store,
    time: (UnixMillis, UnixMillis),
    conditions: Vec<Condition>,
    order: RecordOrder,
    limit: usize,
) -> Result<Summaries, StoreError> {
    let (mut trace_ids, mut offset) = (Vec::new(), 0);
    while trace_ids.len() < limit {
        let query = RecordQuery {
            kind: RecordKind::Trace,
            time: Some(time),
            ids: Vec::new(),
            conditions: conditions.clone(),
            order,
            offset,
            limit,
        };
        let records = store.records(&query).await?.records;
        offset += records.len();
        let is_last = records.len() < limit;
        trace_ids.extend(records.iter().filter_map(partial).map(|(trace_id, _)| trace_id));
        // In the order in which they were first seen.
        let mut seen = HashSet::new();
        trace_ids.retain(|trace_id| seen.insert(trace_id.clone()));
        if is_last {
            break;
        }
    }
    trace_ids.truncate(limit);
    of_traces(store, &trace_ids).await
}

/// Adds what is stored of these traces and not in their summaries: segments of the last seconds, or of a process that was killed.
/// `numbers` reads what only the body of a segment's record says.
///
/// A summary that is cut stays as it is. Of all traces together [`MAX_ADDED`] segments are added at most, the earliest.
pub async fn complete(
    store: &dyn Store,
    trace_ids: &[ByteString],
    summaries: &mut Summaries,
    numbers: impl Fn(&Record) -> Numbers,
) -> Result<(), StoreError> {
    let is_cut = |trace_id: &&ByteString| summaries.get(*trace_id).is_some_and(|summary| summary.is_cut);
    let open: Vec<_> = trace_ids.iter().filter(|trace_id| !is_cut(trace_id)).cloned().collect();
    if open.is_empty() {
        return Ok(());
    }
    let of_traces = Condition { field: segment::TRACE_ID, test: Test::OneOf(open), negate: false };
    let query = RecordQuery { conditions: vec![of_traces], ..RecordQuery::oldest(RecordKind::Segment, MAX_STORED) };
    let known = summaries.values().flat_map(|summary| &summary.services).flat_map(|service| &service.segments);
    let known: HashSet<u64> = known.map(|seen| seen.segment).collect();
    let mut missing = store.record_ids(&query).await?;
    missing.retain(|id| !known.contains(&segment_number(id)));
    missing.truncate(MAX_ADDED);
    for ids in missing.chunks(ADDED_AT_A_TIME) {
        let query = RecordQuery { ids: ids.to_vec(), limit: ids.len(), ..query.clone() };
        for record in store.records(&query).await?.records {
            let Some((trace_id, piece)) = Piece::of(&record, numbers(&record)) else { continue };
            match summaries.get_mut(trace_id) {
                Some(known) => known.add(&piece),
                None => drop(summaries.insert(trace_id.into(), Summary::new(&piece))),
            }
        }
    }
    Ok(())
}

/// The order in which the latest come first.
pub const LATEST: RecordOrder = RecordOrder::Time(Order::Desc);
/// The order in which the longest come first.
pub const LONGEST: RecordOrder = RecordOrder::Field(field::DURATION, Order::Desc);

/// Short: it is written for every trace. Numbers of segments are random, so they are written as they are.
fn encode(summary: &Summary) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 24 * summary.segments());
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let Root { is_called, start, segment, service, endpoint } = &summary.root;
    out.push(VERSION);
    out.push(flag(summary.is_error, IS_ERROR) | flag(summary.is_cut, IS_CUT) | flag(*is_called, ROOT_IS_CALLED));
    put_signed(&mut out, summary.start);
    put_signed(&mut out, summary.end);
    put_signed(&mut out, *start);
    out.extend_from_slice(&segment.to_le_bytes());
    put_bytes(&mut out, service.as_bytes());
    put_bytes(&mut out, endpoint.as_bytes());
    put_varint(&mut out, summary.services.len() as u64);
    for service in &summary.services {
        put_bytes(&mut out, service.id.as_bytes());
        put_varint(&mut out, service.segments.len() as u64);
        for seen in &service.segments {
            out.extend_from_slice(&seen.segment.to_le_bytes());
            out.extend_from_slice(&seen.parent.to_le_bytes());
            put_varint(&mut out, u64::from(seen.spans));
            put_varint(&mut out, u64::from(seen.errors));
        }
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Summary, Malformed> {
    let mut from = Reader(bytes);
    if from.byte()? != VERSION {
        return Err(Malformed);
    }
    let flags = from.byte()?;
    let (start, end) = (from.signed()?, from.signed()?);
    let root = Root {
        is_called: flags & ROOT_IS_CALLED != 0,
        start: from.signed()?,
        segment: number(&mut from)?,
        service: from.text()?.into(),
        endpoint: from.text()?.into(),
    };
    let mut services: Vec<Service> = Vec::new();
    for _ in 0..from.count()? {
        let id: Box<str> = from.text()?.into();
        let segments = (0..from.count()?).map(|_| seen(&mut from)).collect::<Result<Vec<_>, _>>()?;
        let ascends = segments.is_sorted_by(|a, b| a.segment < b.segment);
        if segments.is_empty() || !ascends || services.last().is_some_and(|last| last.id >= id) {
            return Err(Malformed);
        }
        services.push(Service { id, segments });
    }
    let (is_error, is_cut) = (flags & IS_ERROR != 0, flags & IS_CUT != 0);
    if from.is_empty() { Ok(Summary { start, end, is_error, is_cut, root, services }) } else { Err(Malformed) }
}

fn seen(from: &mut Reader<'_>) -> Result<Seen, Malformed> {
    let (segment, parent) = (number(from)?, number(from)?);
    let mut count = || u32::try_from(from.varint()?).map_err(|_| Malformed);
    Ok(Seen { segment, parent, spans: count()?, errors: count()? })
}

fn number(from: &mut Reader<'_>) -> Result<u64, Malformed> {
    let (number, rest) = from.0.split_first_chunk().ok_or(Malformed)?;
    from.0 = rest;
    Ok(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Batch;
    use crate::memory::Memory;

    fn piece(segment: u64, start: i64, service: &str) -> Piece<'_> {
        let numbers = Numbers { parent: segment / 2, spans: 3, errors: u32::from(segment == 1) };
        Piece { segment, numbers, start, end: start + 10, is_error: segment == 1, service, endpoint: "e" }
    }

    fn summary(pieces: &[(u64, i64, &'static str)]) -> Summary {
        let mut pieces = pieces.iter().map(|&(segment, start, service)| piece(segment, start, service));
        let mut summary = Summary::new(&pieces.next().unwrap());
        pieces.for_each(|piece| summary.add(&piece));
        summary
    }

    proptest! {
        #[test]
        fn a_partial_comes_back_and_bytes_never_panic(
            pieces in prop::collection::vec((1u64.., any::<i64>(), prop::sample::select(vec!["a", "b", "ü"])), 1..9),
            garbage in prop::collection::vec(any::<u8>(), 0..60),
            at in any::<prop::sample::Index>(),
        ) {
            let pieces: Vec<_> = pieces.into_iter().map(|(n, at, service)| (n, at / 2, service)).collect();
            let summary = summary(&pieces);
            let record = record("t", (7, 1), &summary);
            prop_assert_eq!(partial(&record), Some(("t".into(), summary)));
            prop_assert_eq!(record.id, "t.0000000000000007.1");
            drop(decode(&garbage));
            drop(decode(&record.body[..at.index(record.body.len())]));
            let mut bytes = record.body.to_vec();
            bytes[at.index(record.body.len())] ^= garbage.first().copied().unwrap_or(1);
            drop(decode(&bytes));
        }
    }

    #[tokio::test]
    async fn partials_of_a_trace_are_one_summary_wherever_they_begin() {
        let store = Memory::new();
        let records = vec![
            record("t1", (1, 0), &summary(&[(1, 1_000, "a"), (2, 1_001, "b")])),
            record("t1", (2, 0), &summary(&[(2, 1_001, "b"), (3, 500, "c")])),
            record("t1", (2, 1), &summary(&[(4, 9_000, "c")])),
            record("t2", (1, 1), &summary(&[(9, 1_500, "a")])),
            record("t3", (1, 2), &summary(&[(9, 3_000, "a")])),
        ];
        store.write(&Batch { rows: Vec::new(), records }).await.unwrap();
        let t1 = summary(&[(1, 1_000, "a"), (2, 1_001, "b"), (3, 500, "c"), (4, 9_000, "c")]);
        assert_eq!(
            of_traces(&store, &["t1".into(), "nobody".into()]).await.unwrap(),
            [("t1".into(), t1.clone())].into()
        );
        assert_eq!(of_traces(&store, &[]).await.unwrap(), Summaries::new());

        let range = |conditions, order, limit| {
            let store = &store;
            async move {
                let found = of_range(store, (UnixMillis(1_000), UnixMillis(2_000)), conditions, order, limit).await;
                found.unwrap()
            }
        };
        let found = range(Vec::new(), LATEST, 9).await;
        assert_eq!(found.keys().map(|id| &**id).collect::<Vec<_>>(), ["t1", "t2"]);
        assert_eq!(found["t1"], t1, "also what lies outside of the range");
        assert_eq!(range(Vec::new(), LATEST, 1).await.keys().map(|id| &**id).collect::<Vec<_>>(), ["t2"]);
        assert_eq!(range(Vec::new(), LONGEST, 1).await.keys().map(|id| &**id).collect::<Vec<_>>(), ["t1"]);
        let failed = Condition { field: field::IS_ERROR, test: Test::Equal(FieldValue::Bool(true)), negate: false };
        assert_eq!(range(vec![failed], LATEST, 9).await.len(), 1);
    }
}
