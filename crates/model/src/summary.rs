//! What is known of a whole trace without reading its segments.
//!
//! A [`Summary`] is a set of segments and what follows from it: whoever saw some of the segments has a partial, and partials
//! merge. Merging commutes, associates and is idempotent, so that neither the order of arrival, nor how segments were spread over
//! workers and processes, nor what is sent or stored twice can change what readers get. A partial can always be completed with the
//! segments themselves ([`Piece::of`]).

use crate::UnixMillis;
use crate::kinds::segment as field;
use crate::record::{FieldValue, Record};
use crate::segment::Segment;

/// Segments that a summary tells apart. Of more it keeps those with the smallest ids and is [`Summary::is_cut`].
pub const MAX_SEGMENTS: usize = 1_000;

/// Stands for a segment id: 64 bits, the same in every process and version, never 0.
///
/// Two segments of one trace with the same number would count as one; among a thousand that happens once in 10^13 traces.
pub fn segment_number(id: &str) -> u64 {
    const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
    const STEP: u64 = 0xa076_1d64_78bd_642f;
    let mut state = FIRST ^ id.len() as u64;
    for chunk in id.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        state = fold(state ^ u64::from_le_bytes(word), STEP);
    }
    fold(state, FIRST).max(1)
}

/// Both halves of the product: every bit of the factors reaches every bit of it.
#[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// What a segment says of its trace that its record's fields do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The segment that called this one, by [`segment_number`]: that of the last reference of the first span, as in
    /// [`crate::trace::assemble`]. 0: nobody did.
    pub parent: u64,
    /// Its spans.
    pub spans: u32,
    /// Those of them that failed.
    pub errors: u32,
}

impl Numbers {
    /// The numbers of a segment.
    pub fn of(segment: &Segment) -> Numbers {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let first = segment.spans.iter().find(|span| span.id == 0).or(segment.spans.first());
        let parent = first.and_then(|span| span.refs.last()).filter(|parent| !parent.segment_id.is_empty());
        Numbers {
            parent: parent.map_or(0, |parent| segment_number(&parent.segment_id)),
            spans: count(segment.spans.len()),
            errors: count(segment.spans.iter().filter(|span| span.is_error).count()),
        }
    }
}

/// One segment as a summary sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The segment, by [`segment_number`].
    pub segment: u64,
    /// Its numbers.
    pub numbers: Numbers,
    /// When it began, in milliseconds since 1970.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Whether it failed, by the rule that the server goes by.
    pub is_error: bool,
    /// Its service's id.
    pub service: &'a str,
    /// The id of the endpoint that it is listed under; empty: none.
    pub endpoint: &'a str,
}

impl<'a> Piece<'a> {
    /// The piece that a segment's record is, with the trace's id; `None` where the record names no trace.
    pub fn of(record: &'a Record, numbers: Numbers) -> Option<(&'a str, Piece<'a>)> {
        let text = |at: usize| record.fields.get(at).map_or("", FieldValue::text);
        let trace_id = text(field::TRACE_ID);
        let latency = record.fields.get(field::LATENCY).map_or(0, FieldValue::int);
        let piece = Piece {
            segment: segment_number(&record.id),
            numbers,
            start: record.time.0,
            end: record.time.plus(latency).0,
            is_error: record.fields.get(field::IS_ERROR).is_some_and(FieldValue::bool),
            service: text(field::SERVICE),
            endpoint: text(field::ENDPOINT),
        };
        if trace_id.is_empty() { None } else { Some((trace_id, piece)) }
    }
}

/// A segment of a summary: its number, and what is added up. Ordered by the number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The segment, by [`segment_number`].
    pub segment: u64,
    /// Who called it; 0: nobody.
    pub parent: u64,
    /// Its spans.
    pub spans: u32,
    /// Those of them that failed.
    pub errors: u32,
}

/// The segments of one service in a trace, ascending, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service's id.
    pub id: Box<str>,
    /// Never empty.
    pub segments: Vec<Seen>,
}

/// Where a trace begins: the least wins, so one that nobody called before one that somebody did, then the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// Somebody called it: its caller may not have been seen yet, or never reports.
    pub is_called: bool,
    /// When it began.
    pub start: i64,
    /// The segment, by [`segment_number`].
    pub segment: u64,
    /// Its service's id.
    pub service: Box<str>,
    /// Its endpoint's id; empty: none.
    pub endpoint: Box<str>,
}

/// A trace, or the part of it that somebody saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The earliest start of its segments.
    pub start: i64,
    /// The latest end of its segments.
    pub end: i64,
    /// Whether one of its segments failed.
    pub is_error: bool,
    /// There were more than [`MAX_SEGMENTS`]: numbers and services are those of the ones that were kept. Start, end, root and
    /// whether it failed are those of all.
    pub is_cut: bool,
    /// Where it begins.
    pub root: Root,
    /// Ascending by id.
    pub services: Vec<Service>,
}

impl Summary {
    /// The summary of one segment.
    pub fn new(piece: &Piece<'_>) -> Summary {
        let seen = seen(piece);
        Summary {
            start: piece.start,
            end: piece.end,
            is_error: piece.is_error,
            is_cut: false,
            root: root(piece),
            services: vec![Service { id: piece.service.into(), segments: vec![seen] }],
        }
    }

    /// Adds a segment: the same as merging its own summary.
    pub fn add(&mut self, piece: &Piece<'_>) {
        self.start = self.start.min(piece.start);
        self.end = self.end.max(piece.end);
        self.is_error |= piece.is_error;
        let (is_called, root) = (piece.numbers.parent != 0, &self.root);
        // Texts are compared, and copied, only where the numbers leave it open.
        if (is_called, piece.start, piece.segment) <= (root.is_called, root.start, root.segment) {
            self.root = self.root.clone().min(self::root(piece));
        }
        self.insert(piece.service, seen(piece));
    }

    /// Merges what somebody else saw of the same trace.
    pub fn merge(&mut self, other: &Summary) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.is_error |= other.is_error;
        self.is_cut |= other.is_cut;
        if other.root < self.root {
            self.root = other.root.clone();
        }
        for service in &other.services {
            service.segments.iter().for_each(|seen| self.insert(&service.id, *seen));
        }
    }

    /// Takes a segment in, and nothing else that follows from it: for who knows start, end and root already. Segments with a repeated
    /// number must say the same; should they not, the greater one stays, whatever came first.
    pub fn insert(&mut self, service: &str, seen: Seen) {
        let at = match self.services.binary_search_by(|known| (*known.id).cmp(service)) {
            Ok(at) => at,
            Err(at) => {
                self.services.insert(at, Service { id: service.into(), segments: Vec::new() });
                at
            }
        };
        let segments = &mut self.services[at].segments;
        match segments.binary_search_by_key(&seen.segment, |known| known.segment) {
            Ok(known) => segments[known] = segments[known].max(seen),
            Err(place) => {
                segments.insert(place, seen);
                self.cut();
            }
        }
    }

    /// Lets the greatest segment go where there is one too many.
    fn cut(&mut self) {
        if self.segments() <= MAX_SEGMENTS {
            return;
        }
        self.is_cut = true;
        let last = |service: &Service| service.segments.last().map(|seen| seen.segment);
        // Services ascend, and of equals the last one is taken: the order is total.
        let greatest = self.services.iter().enumerate().max_by_key(|(_, service)| last(service)).map(|(at, _)| at);
        if let Some(at) = greatest {
            self.services[at].segments.pop();
            if self.services[at].segments.is_empty() {
                self.services.remove(at);
            }
        }
    }

    /// How many segments it knows.
    pub fn segments(&self) -> usize {
        self.services.iter().map(|service| service.segments.len()).sum()
    }

    /// Their spans.
    pub fn spans(&self) -> u64 {
        self.services.iter().map(Service::spans).sum()
    }

    /// Those spans that failed.
    pub fn errors(&self) -> u64 {
        self.services.iter().map(Service::errors).sum()
    }

    /// From its start to its end in milliseconds; negative where clocks disagreed.
    pub fn duration_ms(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }

    /// When it began.
    pub fn time(&self) -> UnixMillis {
        UnixMillis(self.start)
    }

    /// Whether it knows a segment, by [`segment_number`].
    pub fn knows(&self, segment: u64) -> bool {
        self.services.iter().any(|s| s.segments.binary_search_by_key(&segment, |seen| seen.segment).is_ok())
    }

    /// Segments whose caller is not among those it knows: it was lost, is on its way, or never reports.
    pub fn orphans(&self) -> usize {
        let all = || self.services.iter().flat_map(|service| &service.segments);
        all().filter(|seen| seen.parent != 0 && !self.knows(seen.parent)).count()
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let service = |service: &Service| {
            size_of::<Service>() + service.id.len() + service.segments.capacity() * size_of::<Seen>()
        };
        let root = self.root.service.len() + self.root.endpoint.len();
        size_of::<Summary>() + root + self.services.iter().map(service).sum::<usize>()
    }
}

impl Service {
    /// The spans of its segments.
    pub fn spans(&self) -> u64 {
        self.segments.iter().map(|seen| u64::from(seen.spans)).sum()
    }

    /// Those that failed.
    pub fn errors(&self) -> u64 {
        self.segments.iter().map(|seen| u64::from(seen.errors)).sum()
    }
}

fn seen(piece: &Piece<'_>) -> Seen {
    let Numbers { parent, spans, errors } = piece.numbers;
    Seen { segment: piece.segment, parent, spans, errors }
}

fn root(piece: &Piece<'_>) -> Root {
    Root {
        is_called: piece.numbers.parent != 0,
        start: piece.start,
        segment: piece.segment,
        service: piece.service.into(),
        endpoint: piece.endpoint.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::{Span, SpanRef};

    type Owned = (u64, Numbers, (i64, i64), bool, String, String);

    fn piece(owned: &Owned) -> Piece<'_> {
        let (segment, numbers, (start, end), is_error, service, endpoint) = owned;
        let (segment, numbers, start, end, is_error) = (*segment, *numbers, *start, *end, *is_error);
        Piece { segment, numbers, start, end, is_error, service, endpoint }
    }

    /// Few values, so that everything meets everything; also segments that contradict themselves.
    fn owned(segments: u64) -> impl Strategy<Value = Owned> {
        let numbers = (0u64..4, 1u32..9, 0u32..3).prop_map(|(parent, spans, errors)| Numbers { parent, spans, errors });
        let times = (0i64..9, 0i64..90);
        (1..=segments, numbers, times, any::<bool>(), "[abc]", "[xy]?")
    }

    fn all(pieces: &[Owned]) -> Summary {
        let (first, rest) = pieces.split_first().unwrap();
        let mut summary = Summary::new(&piece(first));
        rest.iter().for_each(|more| summary.add(&piece(more)));
        summary
    }

    proptest! {
        #[test]
        fn order_split_and_repeats_change_nothing(
            pieces in prop::collection::vec(owned(12), 1..40),
            order in any::<[prop::sample::Index; 40]>(),
            parts in 1usize..6,
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let whole = all(&pieces);
            let mut shuffled = pieces.clone();
            for (i, with) in order.iter().enumerate().take(pieces.len()) {
                shuffled.swap(i, with.index(pieces.len()));
            }
            shuffled.extend(again.iter().map(|at| pieces[at.index(pieces.len())].clone()));
            let partials: Vec<_> = shuffled.chunks(shuffled.len().div_ceil(parts)).map(all).collect();
            let forwards = partials.iter().skip(1).fold(partials[0].clone(), |mut a, b| { a.merge(b); a });
            let (last, before) = partials.split_last().unwrap();
            let backwards = before.iter().rev().fold(last.clone(), |mut a, b| { a.merge(b); a });
            prop_assert_eq!(&forwards, &whole);
            prop_assert_eq!(&backwards, &whole);
            let mut twice = whole.clone();
            twice.merge(&whole);
            prop_assert_eq!(twice, whole);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_cut_does_not_depend_on_the_order_either(
            pieces in prop::collection::vec(owned(u64::MAX), MAX_SEGMENTS..MAX_SEGMENTS + 300),
            at in any::<prop::sample::Index>(),
        ) {
            let whole = all(&pieces);
            let (a, b) = pieces.split_at(1 + at.index(pieces.len() - 1));
            let mut merged = if b.is_empty() { all(a) } else { all(b) };
            merged.merge(&all(a));
            prop_assert_eq!(&merged, &whole);
            prop_assert!(whole.segments() <= MAX_SEGMENTS);
            prop_assert_eq!(whole.is_cut, pieces.len() > MAX_SEGMENTS);
            prop_assert_eq!(whole.end, pieces.iter().map(|piece| piece.2.1).max().unwrap());
        }
    }

    fn segment(id: &'static str, caller: Option<&'static str>) -> Segment {
        let refs = caller.map(|id| SpanRef { segment_id: id.into(), ..SpanRef::default() }).into_iter().collect();
        let spans = vec![Span { id: 1, is_error: true, ..Span::default() }, Span { refs, ..Span::default() }];
        Segment { segment_id: id.into(), spans, ..Segment::default() }
    }

    #[test]
    fn a_trace_begins_where_nobody_called_and_counts_whose_caller_is_missing() {
        let piece = |id, caller, start, service| Piece {
            segment: segment_number(id),
            numbers: Numbers::of(&segment(id, caller)),
            start,
            end: start + 10,
            is_error: false,
            service,
            endpoint: "",
        };
        let mut summary = Summary::new(&piece("s2", Some("s1"), 5, "b"));
        assert_eq!((&*summary.root.service, summary.orphans()), ("b", 1));
        summary.add(&piece("s1", None, 7, "a"));
        assert_eq!((&*summary.root.service, summary.orphans()), ("a", 0));
        summary.add(&piece("s3", Some("s9"), 1, "c"));
        assert_eq!((&*summary.root.service, summary.orphans()), ("a", 1));
        assert_eq!((summary.start, summary.duration_ms()), (1, 16));
        assert_eq!((summary.segments(), summary.spans(), summary.errors()), (3, 6, 3));
        assert!(summary.knows(segment_number("s3")) && !summary.knows(segment_number("s9")));
    }

    #[test]
    fn numbers_of_segments_stay_what_they_are_for_they_are_stored() {
        assert_eq!(segment_number(""), 13_730_537_811_256_138_321);
        assert_eq!(segment_number("5d3c9b7a64f14f5cb1a2.61.17053200000010001"), 15_512_922_051_166_903_694);
    }
}
