//! Summaries of traces: how partials are stored, and what readers get of them.
//!
//! Partials of many traces are a record together, a sheaf; late segments add a partial and overwrite none. What is read is merged; it
//! lacks what nobody has written a partial of: segments of the last seconds, and what a process that was killed had not written yet.
//! Who must be right lets [`complete`] add the stored segments that a summary does not know.

mod sheaf;

use std::collections::{BTreeMap, HashMap, HashSet};

use model::kinds::{RecordKind, segment, trace as field};
use model::record::{FieldValue, Record};
use model::summary::{Numbers, Piece, Seen, Summary, segment_number};
use model::{ByteString, UnixMillis};

pub use self::sheaf::{Head, MOST_PARTIALS, Sheaves, partials_in};
use self::sheaf::{Opened, Partial};
use crate::codec::Malformed;
use crate::{Condition, Order, RecordOrder, RecordQuery, Store, StoreError, Test};

/// Sheaves that are read at a time: each takes up to some 100 KB.
const SHEAVES_AT_A_TIME: usize = 64;
/// Sheaves that are read for one question: about a million traces.
const MAX_SHEAVES: usize = 4_096;

/// Segments that are looked for to complete the summaries of one question.
const MAX_STORED: usize = 50_000;
/// Segments that are read to complete the summaries of one question.
pub const MAX_ADDED: usize = 5_000;
/// Segments that are read at a time: their bodies come with them.
const ADDED_AT_A_TIME: usize = 500;

/// Traces by id, each merged from all its partials that are stored.
pub type Summaries = BTreeMap<ByteString, Summary>;

/// The record of a single partial. `partial` must be another one for each record: the same id means the same content.
pub fn record(trace_id: &str, (writer, number): (u64, u64), summary: &Summary) -> Record {
    let mut sheaves = Sheaves::numbered(writer, number);
    let segments: Vec<(&str, Seen)> =
        summary.services.iter().flat_map(|of| of.segments.iter().map(|seen| (&*of.id, *seen))).collect();
    sheaves.add(trace_id.into(), &Head::of(summary), segments.into_iter());
    sheaves.take().remove(0)
}

/// The partials of a record, each with its trace; `None` where it is not one that this version reads.
pub fn partials(record: &Record) -> Option<Vec<(ByteString, Summary)>> {
    let mut all = Vec::new();
    let mut add = |trace_id: &ByteString, sheaf: &Opened<'_>, partial: &Partial<'_>| {
        all.push((trace_id.clone(), sheaf.summary(partial)?));
        Ok(())
    };
    each(record, &mut add).ok()?;
    Some(all)
}

fn each(
    record: &Record,
    f: &mut impl FnMut(&ByteString, &Opened<'_>, &Partial<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut sheaf = Opened::of(record)?;
    while let Some((trace_id, partial)) = sheaf.next()? {
        f(trace_id, &sheaf, &partial)?;
    }
    Ok(())
}

/// Of a record that cannot be read what came before the damage counts.
fn warn_if(unreadable: Result<(), Malformed>, record: &Record) {
    if unreadable.is_err() {
        tracing::warn!(id = %record.id, "stored summaries of traces are unreadable");
    }
}

/// The summaries of these traces; those of which no partial is stored are left out.
///
/// # Errors
/// When the store fails.
pub async fn of_traces(store: &dyn Store, trace_ids: &[ByteString]) -> Result<Summaries, StoreError> {
    let mut summaries = Summaries::new();
    if trace_ids.is_empty() {
        return Ok(summaries);
    }
    let wanted: HashSet<&ByteString> = trace_ids.iter().collect();
    let test = Test::OneOf(wanted.iter().map(|id| (*id).clone()).collect());
    let conditions = vec![Condition { field: field::TRACE_IDS, test, negate: false }];
    let query = RecordQuery { conditions, ..RecordQuery::oldest(RecordKind::Trace, SHEAVES_AT_A_TIME) };
    let mut offset = 0;
    while offset < MAX_SHEAVES {
        let records = store.records(&RecordQuery { offset, ..query.clone() }).await?.records;
        offset += records.len();
        for record in &records {
            let read = each(record, &mut |trace_id, sheaf, partial| {
                if wanted.contains(trace_id) {
                    merge(&mut summaries, trace_id, sheaf.summary(partial)?);
                }
                Ok(())
            });
            warn_if(read, record);
        }
        if records.len() < SHEAVES_AT_A_TIME {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(summaries)
}

fn merge(into: &mut Summaries, trace_id: &ByteString, summary: Summary) {
    match into.get_mut(trace_id) {
        Some(known) => known.merge(&summary),
        None => drop(into.insert(trace_id.clone(), summary)),
    }
}

/// What must hold for a partial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The id of a service that has one of its segments.
    pub service: Option<ByteString>,
    /// Whether it failed.
    pub is_error: Option<bool>,
}

/// Which traces come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The latest start.
    Start,
    /// The longest duration.
    Duration,
}

/// The summaries of traces of which a partial begins within `time` and meets the filter, at most `limit` of them, those of whose
/// partials one comes first. Each is whole: merged from all its partials, wherever they begin. Where there are very many traces,
/// about a million are looked at.
///
/// What holds for a partial need not hold for the whole: it may be longer, begin earlier or have failed elsewhere. Who must be exact
/// looks at what comes back.
///
/// # Errors
/// When the store fails.
pub async fn of_range(
    store: &dyn Store,
    time: (UnixMillis, UnixMillis),
    filter: &Filter,
    by: By,
    limit: usize,
) -> Result<Summaries, StoreError> {
    let mut query = sheaves_of_range(time, filter, by);
    let mut best: HashMap<ByteString, i64> = HashMap::new();
    while limit > 0 && query.offset < MAX_SHEAVES {
        let records = store.records(&query).await?.records;
        query.offset += records.len();
        for record in &records {
            warn_if(look(record, time, filter, by, &mut best), record);
        }
        let least = cut(&mut best, limit);
        // What is still to come is in no sheaf that comes before the last one.
        let is_reached = |last: &Record| least.is_some_and(|least| least >= bound(last, by));
        if records.len() < SHEAVES_AT_A_TIME || records.last().is_some_and(is_reached) {
            break;
        }
        tokio::task::yield_now().await;
    }
    of_traces(store, &best.into_keys().collect::<Vec<_>>()).await
}

fn sheaves_of_range((from, to): (UnixMillis, UnixMillis), filter: &Filter, by: By) -> RecordQuery {
    let begun = Condition { field: field::FIRST, test: Test::Within(i64::MIN, to.0), negate: false };
    let equal = |field, value| Condition { field, test: Test::Equal(value), negate: false };
    let service = filter.service.as_ref().map(|id| equal(field::SERVICES, FieldValue::Text(id.clone())));
    // A sheaf in which one failed has others that did not.
    let failed = filter.is_error.filter(|is| *is).map(|is| equal(field::IS_ERROR, FieldValue::Bool(is)));
    RecordQuery {
        kind: RecordKind::Trace,
        time: Some((from, UnixMillis(i64::MAX))),
        ids: Vec::new(),
        conditions: [Some(begun), service, failed].into_iter().flatten().collect(),
        order: match by {
            By::Start => RecordOrder::Time(Order::Desc),
            By::Duration => RecordOrder::Field(field::LONGEST, Order::Desc),
        },
        offset: 0,
        limit: SHEAVES_AT_A_TIME,
    }
}

/// What no partial of a sheaf exceeds.
fn bound(sheaf: &Record, by: By) -> i64 {
    match by {
        By::Start => sheaf.time.0,
        By::Duration => sheaf.fields.get(field::LONGEST).map_or(i64::MAX, FieldValue::int),
    }
}

/// Notes the traces of a sheaf with what they are ordered by.
fn look(
    record: &Record,
    (from, to): (UnixMillis, UnixMillis),
    filter: &Filter,
    by: By,
    best: &mut HashMap<ByteString, i64>,
) -> Result<(), Malformed> {
    let mut sheaf = Opened::of(record)?;
    let service = filter.service.as_ref().map(|id| sheaf.service(id));
    while let Some((trace_id, partial)) = sheaf.next()? {
        let is_wanted = (from.0..=to.0).contains(&partial.start)
            && filter.is_error.is_none_or(|is| is == partial.is_error())
            && match service {
                None => true,
                Some(None) => false,
                Some(Some(place)) => partial.has(place)?,
            };
        if is_wanted {
            let key = match by {
                By::Start => partial.start,
                By::Duration => partial.end.saturating_sub(partial.start),
            };
            best.entry(trace_id.clone()).and_modify(|known| *known = key.max(*known)).or_insert(key);
        }
    }
    Ok(())
}

/// Keeps the first so many; answers by what the last of them is ordered, where there are as many.
fn cut(best: &mut HashMap<ByteString, i64>, limit: usize) -> Option<i64> {
    if best.len() < limit {
        return None;
    }
    let mut order: Vec<_> = best.drain().collect();
    order.sort_unstable_by(|(a_id, a), (b_id, b)| b.cmp(a).then_with(|| a_id.cmp(b_id)));
    order.truncate(limit);
    let least = order.last().map(|(_, key)| *key);
    best.extend(order);
    least
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
            prop_assert_eq!(partials(&record), Some(vec![("t".into(), summary)]));
            prop_assert_eq!(&record.id, "0000000000000007.1");
            let body = |bytes: Vec<u8>| Record { body: bytes.into(), ..record.clone() };
            drop(partials(&body(garbage.clone())));
            prop_assert_eq!(partials(&body(record.body[..at.index(record.body.len())].to_vec())), None);
            let mut bytes = record.body.to_vec();
            bytes[at.index(record.body.len())] ^= garbage.first().copied().unwrap_or(1);
            drop(partials(&body(bytes)));
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

        let range = |filter: Filter, by, limit| {
            let store = &store;
            async move {
                let found = of_range(store, (UnixMillis(1_000), UnixMillis(2_000)), &filter, by, limit).await;
                found.unwrap()
            }
        };
        let found = range(Filter::default(), By::Start, 9).await;
        assert_eq!(found.keys().map(|id| &**id).collect::<Vec<_>>(), ["t1", "t2"]);
        assert_eq!(found["t1"], t1, "also what lies outside of the range");
        assert_eq!(range(Filter::default(), By::Start, 1).await.keys().map(|id| &**id).collect::<Vec<_>>(), ["t2"]);
        assert_eq!(range(Filter::default(), By::Duration, 1).await.keys().map(|id| &**id).collect::<Vec<_>>(), ["t1"]);
        let failed = |is| Filter { is_error: Some(is), ..Filter::default() };
        assert_eq!(range(failed(true), By::Start, 9).await.len(), 1);
        assert_eq!(range(failed(false), By::Start, 9).await.keys().map(|id| &**id).collect::<Vec<_>>(), ["t2"]);
        let of = |service: &str| Filter { service: Some(service.into()), ..Filter::default() };
        assert_eq!(range(of("a"), By::Start, 9).await.len(), 2);
        assert_eq!(range(of("b"), By::Start, 9).await.len(), 1);
        assert_eq!(range(of("c"), By::Start, 9).await.len(), 0, "only partials outside of the range have it");
    }

    #[tokio::test]
    async fn of_many_traces_in_many_sheaves_the_first_come_and_no_more_is_read_than_must_be() {
        let (store, mut sheaves, mut chance) = (Memory::new(), Sheaves::new(1), crate::chance::Chance::new(1));
        let mut all = Vec::new();
        for n in 0..20_000u64 {
            // They come about in the order of their starts.
            let start = i64::try_from(n * 10 + chance.bits() % 3_000).unwrap();
            let duration = i64::try_from(chance.bits() % 1_000_000).unwrap();
            let mut summary = summary(&[(n + 2, start, "a")]);
            summary.end = start + duration;
            sheaves.add(
                format!("t{n}").into(),
                &Head::of(&summary),
                [("a", summary.services[0].segments[0])].into_iter(),
            );
            all.push((start, duration, format!("t{n}")));
        }
        assert_eq!(sheaves.waiting(), 20_000);
        store.write(&Batch { rows: Vec::new(), records: sheaves.take() }).await.unwrap();
        let time = (UnixMillis(20_000), UnixMillis(150_000));
        all.retain(|(start, ..)| (time.0.0..=time.1.0).contains(start));
        for (by, limit) in [(By::Start, 50), (By::Duration, 50), (By::Start, 3_000), (By::Duration, 40_000)] {
            all.sort_by_key(|(start, duration, id)| {
                (std::cmp::Reverse(if by == By::Start { *start } else { *duration }), ByteString::from(&**id))
            });
            let mut expected: Vec<_> = all.iter().take(limit).map(|(.., id)| id.as_str()).collect();
            expected.sort_unstable();
            let found = of_range(&store, time, &Filter::default(), by, limit).await.unwrap();
            assert!(found.keys().map(|id| &**id).eq(expected), "{by:?} {limit}");
        }
    }
}
