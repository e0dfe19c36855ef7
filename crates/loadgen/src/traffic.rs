//! The stream of segments: trace after trace through the imagined system, the same for the same seed and times.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::rng::Rng;
use crate::template::{ID_LEN, Lengths, Parent, Shape, Template, Values, WireTime, wire_time};
use crate::world::{Place, World};

/// How slow and broken the imagined system is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) n_spans: usize,
    /// Share of traces in which something fails.
    pub(crate) error_share: f64,
    /// Share of traces that take [`SLOWER`] times as long.
    pub(crate) slow_share: f64,
}

/// How much longer a slow trace takes.
const SLOWER: usize = 15;
/// How many trace ids are kept for queries.
const N_KEPT: usize = 1_000;

/// Makes segments, a whole trace at a time.
#[derive(Debug)]
pub(crate) struct Traffic {
    world: World,
    manners: Manners,
    templates: Vec<Template>,
    rng: Rng,
    /// Number of the last id: ten thousand times its millisecond, and a sequence.
    last_id: u64,
    pending: VecDeque<Bytes>,
    n_traces: usize,
    kept: Vec<String>,
    latest: Option<Latest>,
}

/// Where the newest trace began: what a log line refers to.
#[derive(Clone, Debug)]
pub(crate) struct Latest {
    pub(crate) root: Place,
    pub(crate) instance: usize,
    pub(crate) trace_id: String,
    pub(crate) segment_id: String,
}

/// One segment of a trace that is about to be made.
struct Hop {
    place: Place,
    instance: usize,
    segment_id: [u8; ID_LEN],
    entry: (i64, i64),
    exit: (i64, i64),
    is_error: bool,
}

impl Traffic {
    pub(crate) fn new(world: World, manners: Manners, seed: u64) -> Self {
        let templates = (0..8).map(|number| shape(number, manners.n_spans).template(&lengths(&world))).collect();
        let (pending, kept) = (VecDeque::new(), Vec::new());
        let rng = Rng::new(seed.wrapping_add(1));
        Traffic { world, manners, templates, rng, last_id: 0, pending, n_traces: 0, kept, latest: None }
    }

    /// The next segment, encoded. Its trace ends about `now_ms`, or when its first segment was made.
    pub(crate) fn next(&mut self, now_ms: i64) -> Bytes {
        loop {
            if let Some(segment) = self.pending.pop_front() {
                return segment;
            }
            self.make_trace(now_ms);
        }
    }

    /// The imagined system.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Ids of traces, drawn evenly from all that were made; at most [`N_KEPT`].
    pub(crate) fn kept(&self) -> &[String] {
        &self.kept
    }

    /// The newest trace; `None` before the first.
    pub(crate) fn latest(&self) -> Option<&Latest> {
        self.latest.as_ref()
    }

    fn make_trace(&mut self, now_ms: i64) {
        let root = self.world.draw_root(&mut self.rng);
        let hops = self.hops(root, now_ms);
        let trace_id = self.id(hops[0].place.service, hops[0].instance, now_ms);
        for (i, hop) in hops.iter().enumerate() {
            let caller = i.checked_sub(1).map(|before| &hops[before]);
            let segment = self.render(&trace_id, hop, caller, hops.get(i + 1));
            // Callees end and report first.
            self.pending.push_front(segment);
        }
        let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        let segment_id = text(&hops[0].segment_id);
        self.latest = Some(Latest { root, instance: hops[0].instance, trace_id: text(&trace_id), segment_id });
        self.keep(text(&trace_id));
    }

    fn hops(&mut self, root: Place, now_ms: i64) -> Vec<Hop> {
        let places: Vec<Place> = self.world.chain(root).collect();
        let n = places.len();
        // What fails takes its callers with it; what it called is fine.
        let n_failing = if self.rng.happens(self.manners.error_share) { 1 + self.rng.below(n) } else { 0 };
        let latency_ms = self.draw_latency_ms(root, n);
        // Four margins for each segment, so that half of the time is left for the innermost span.
        let margin = latency_ms / (8 * n) + 1;
        let mut around = (now_ms - i64::try_from(latency_ms).unwrap_or(0), now_ms);
        let mut hops = Vec::with_capacity(n);
        for (i, place) in places.into_iter().enumerate() {
            let entry = self.within(around, if i == 0 { 1 } else { margin });
            let exit = self.within(entry, margin);
            around = exit;
            let instance = self.rng.below(self.world.size().n_instances);
            let segment_id = self.id(place.service, instance, now_ms);
            hops.push(Hop { place, instance, segment_id, entry, exit, is_error: i < n_failing });
        }
        hops
    }

    fn draw_latency_ms(&mut self, root: Place, n_segments: usize) -> usize {
        let mean = self.world.endpoint(root).latency_ms;
        let drawn = mean * (60 + self.rng.below(80)) / 100;
        let slower = if self.rng.happens(self.manners.slow_share) { SLOWER } else { 1 };
        (drawn * slower).max(8 * n_segments)
    }

    /// A little less than `around`, on both sides.
    fn within(&mut self, around: (i64, i64), margin: usize) -> (i64, i64) {
        let mut less = || i64::try_from(self.rng.below(margin)).unwrap_or(0);
        (around.0 + less(), around.1 - less())
    }

    /// An id as agents make them. Ascending, so never the same again.
    fn id(&mut self, service: usize, instance: usize, now_ms: i64) -> [u8; ID_LEN] {
        self.last_id = (self.last_id + 1).max(now_ms.cast_unsigned() * 10_000);
        let process = &self.world.service(service).instances[instance].process;
        let thread = 10 + self.rng.below(90);
        let id = format!("{process}.{thread}.{:017}", self.last_id);
        id.into_bytes().try_into().expect("32, 2 and 17 digits and two points, for times before the year 2286")
    }

    fn render(&self, trace_id: &[u8], hop: &Hop, caller: Option<&Hop>, callee: Option<&Hop>) -> Bytes {
        let world = &self.world;
        let service = world.service(hop.place.service);
        let instance = &service.instances[hop.instance];
        let endpoint = world.endpoint(hop.place);
        let parent = caller.map(|caller| Parent {
            segment_id: &caller.segment_id,
            service: &world.service(caller.place.service).name,
            instance: &world.service(caller.place.service).instances[caller.instance].name,
            endpoint: &world.endpoint(caller.place).name,
            address: &instance.address,
        });
        let (peer, exit) = match callee {
            Some(callee) => (
                world.service(callee.place.service).instances[callee.instance].address.as_str(),
                world.endpoint(callee.place).path.as_str(),
            ),
            None => (world.database(hop.place.service), ""),
        };
        let values = Values {
            trace_id,
            segment_id: &hop.segment_id,
            service: &service.name,
            instance: &instance.name,
            endpoint: &endpoint.name,
            peer,
            exit,
            parent,
            times: &span_times(hop, self.manners.n_spans),
        };
        let number = number(caller.is_some(), callee.is_some(), hop.is_error);
        self.templates[number].fill(&values).into()
    }

    /// Reservoir sampling: each trace stays with the same probability, however many there are.
    fn keep(&mut self, trace_id: String) {
        self.n_traces += 1;
        if self.kept.len() < N_KEPT {
            self.kept.push(trace_id);
        } else if let Some(slot) = self.kept.get_mut(self.rng.below(self.n_traces)) {
            *slot = trace_id;
        }
    }
}

/// Start and end by span id: the local spans take as long as the exit span that the innermost one makes.
fn span_times(hop: &Hop, n_spans: usize) -> Vec<(WireTime, WireTime)> {
    let wire = |(start, end)| (wire_time(start), wire_time(end));
    std::iter::once(wire(hop.entry)).chain(std::iter::repeat_n(wire(hop.exit), n_spans - 1)).collect()
}

fn number(has_parent: bool, calls_on: bool, is_error: bool) -> usize {
    usize::from(has_parent) | usize::from(calls_on) << 1 | usize::from(is_error) << 2
}

fn shape(number: usize, n_spans: usize) -> Shape {
    Shape { has_parent: number & 1 != 0, calls_on: number & 2 != 0, is_error: number & 4 != 0, n_spans }
}

fn lengths(world: &World) -> Lengths {
    let service = world.service(0);
    Lengths {
        service: service.name.len(),
        instance: service.instances[0].name.len(),
        endpoint: service.endpoints[0].name.len(),
        address: service.instances[0].address.len(),
        path: service.endpoints[0].path.len(),
        database: world.database(0).len(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use prost::Message as _;
    use proto::v3::{RefType, SegmentObject, SpanLayer, SpanObject, SpanType};

    use super::*;
    use crate::world::Size;

    const NOW_MS: i64 = 1_790_000_000_000;

    fn traffic(n_spans: usize, seed: u64) -> Traffic {
        let size = Size { n_services: 12, n_instances: 3, n_endpoints: 7, n_segments: 5 };
        let manners = Manners { n_spans, error_share: 0.2, slow_share: 0.1 };
        Traffic::new(World::new(size, seed), manners, seed)
    }

    fn segments(n_spans: usize, n_traces: i64) -> Vec<SegmentObject> {
        let mut traffic = traffic(n_spans, 3);
        let times = (0..n_traces * 5).map(|i| NOW_MS + i / 5);
        times.map(|now_ms| SegmentObject::decode(traffic.next(now_ms)).unwrap()).collect()
    }

    fn span(segment: &SegmentObject, kind: SpanType) -> &SpanObject {
        segment.spans.iter().find(|span| span.span_type() == kind).unwrap()
    }

    #[test]
    fn the_same_seed_and_times_make_the_same_bytes() {
        let (mut one, mut same, mut other) = (traffic(2, 3), traffic(2, 3), traffic(2, 4));
        let mut n_different = 0;
        for i in 0..1_000 {
            let segment = one.next(NOW_MS + i);
            assert_eq!(segment, same.next(NOW_MS + i));
            n_different += usize::from(segment != other.next(NOW_MS + i));
        }
        assert_eq!(n_different, 1_000);
        assert_eq!(one.kept(), same.kept());
    }

    #[test]
    fn ids_are_unique_even_within_a_millisecond_and_when_the_clock_steps_back() {
        let mut traffic = traffic(2, 3);
        let mut ids = HashSet::new();
        for i in 0..30_000 {
            let now_ms = if i % 2 == 0 { NOW_MS } else { NOW_MS - 60_000 };
            assert!(ids.insert(SegmentObject::decode(traffic.next(now_ms)).unwrap().trace_segment_id));
        }
    }

    #[test]
    fn every_reference_names_its_caller_and_the_address_that_the_caller_used() {
        for n_spans in [2, 4] {
            let segments = segments(n_spans, 200);
            let by_id: HashMap<_, _> = segments.iter().map(|s| (s.trace_segment_id.as_str(), s)).collect();
            assert_eq!(by_id.len(), 1_000);
            let mut n_roots = 0;
            for segment in &segments {
                assert_eq!(segment.spans.len(), n_spans);
                let entry = span(segment, SpanType::Entry);
                let Some(reference) = entry.refs.first() else {
                    n_roots += 1;
                    continue;
                };
                let caller = by_id[reference.parent_trace_segment_id.as_str()];
                let exit = span(caller, SpanType::Exit);
                assert_eq!(reference.ref_type(), RefType::CrossProcess);
                assert_eq!(reference.trace_id, segment.trace_id);
                assert_eq!(caller.trace_id, segment.trace_id);
                assert_eq!(reference.parent_service, caller.service);
                assert_eq!(reference.parent_service_instance, caller.service_instance);
                assert_eq!(reference.parent_endpoint, span(caller, SpanType::Entry).operation_name);
                assert_eq!(reference.parent_span_id, exit.span_id);
                assert_eq!(reference.network_address_used_at_peer, exit.peer);
                assert!(entry.operation_name.ends_with(&exit.operation_name));
                assert!(exit.start_time <= entry.start_time && entry.end_time <= exit.end_time);
            }
            assert_eq!(n_roots, 200);
        }
    }

    #[test]
    fn an_address_stands_for_one_instance_of_one_service() {
        let mut known = HashMap::new();
        for segment in segments(2, 500) {
            for reference in &span(&segment, SpanType::Entry).refs {
                let who = (segment.service.clone(), segment.service_instance.clone());
                let address = reference.network_address_used_at_peer.clone();
                assert_eq!(known.entry(address).or_insert_with(|| who.clone()), &who);
            }
        }
        // Tiers of 3, 3, 2, 2 and 2 services; the first is called by users alone. Three instances each.
        assert_eq!(known.len(), 27);
    }

    #[test]
    fn spans_form_one_tree_with_times_in_order_and_nothing_left_of_the_template() {
        for segment in segments(4, 200) {
            let ids: Vec<(i32, i32)> = segment.spans.iter().map(|s| (s.span_id, s.parent_span_id)).collect();
            assert_eq!(ids, [(3, 2), (1, 0), (2, 1), (0, -1)]);
            for span in &segment.spans {
                assert!(span.start_time <= span.end_time && span.end_time <= NOW_MS + 200, "{span:?}");
                assert!(span.start_time > NOW_MS - 10_000, "{span:?}");
                assert!(span.logs.iter().all(|log| log.time == span.end_time));
            }
            let text = format!("{segment:?}");
            assert!(!text.contains("\\u{"), "a control character is a hole that nobody filled: {text}");
        }
    }

    #[test]
    fn the_last_segment_of_a_trace_calls_a_database() {
        let segments = segments(2, 100);
        let databases = segments.iter().filter(|s| span(s, SpanType::Exit).span_layer() == SpanLayer::Database);
        assert_eq!(databases.filter(|s| span(s, SpanType::Exit).peer.starts_with("mysql-")).count(), 100);
    }

    #[test]
    fn errors_and_slow_traces_have_their_shares_and_errors_reach_the_root() {
        let segments = segments(2, 2_000);
        let roots: Vec<_> = segments.iter().filter(|s| span(s, SpanType::Entry).refs.is_empty()).collect();
        let n_failed = roots.iter().filter(|s| span(s, SpanType::Entry).is_error).count();
        assert!((320..480).contains(&n_failed), "{n_failed} of 2,000 at 20 %");
        let failed: HashSet<_> =
            segments.iter().filter(|s| span(s, SpanType::Exit).is_error).map(|s| s.trace_id.as_str()).collect();
        assert_eq!(failed.len(), n_failed);
        // The slowest usual trace takes 300 ms and 40 % more.
        let n_slow = roots.iter().map(|s| span(s, SpanType::Entry)).filter(|s| s.end_time - s.start_time > 420).count();
        assert!((100..=240).contains(&n_slow), "{n_slow} of 2,000 at 10 %, the fastest of them not counted");
    }

    #[test]
    fn kept_traces_are_drawn_from_all() {
        let mut traffic = traffic(2, 3);
        (0..20_000).for_each(|i| drop(traffic.next(NOW_MS + i)));
        assert_eq!(traffic.kept().len(), N_KEPT);
        let early = format!("{}", (NOW_MS + 5_000) * 10_000);
        let n_early = traffic.kept().iter().filter(|id| id.rsplit('.').next().unwrap() < early.as_str()).count();
        assert!((200..300).contains(&n_early), "{n_early} of the first quarter");
    }
}
