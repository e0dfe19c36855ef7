//! The open windows: one for each trace that was seen lately.
//!
//! There are tens of thousands, each for a dozen seconds, so they are small: segments are 32 bytes each in one piece of memory and
//! chained by their places, ids of services and endpoints are there once and named by a number.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use model::ByteString;
use model::summary::{MAX_SEGMENTS, Piece, Seen};
use storage::traces::{Head, Sheaves};

use super::Config;
use super::names::Names;

/// Seconds since some moment: windows are due to the second.
pub type Seconds = u64;

/// What a window takes beside itself and the id of its trace: its place in each of the collections, and what memory is rounded up by.
const WINDOW_OVERHEAD: usize = 64;
/// No segment.
const NONE: u32 = u32::MAX;
/// Traces that are remembered after their windows closed, at most and at least.
const RECENT: (usize, usize) = (1 << 10, 1 << 17);

/// Windows by trace. A window closes when its trace was idle for long enough, when it is old, or when it has as many segments as a
/// summary tells apart, and becomes a partial. Above a limit those that would be due next close early: nothing is lost, such a trace
/// merely gets another partial.
#[derive(Debug)]
pub struct Windows {
    config: Config,
    hasher: RandomState,
    index: HashTable<usize>,
    slots: Vec<Option<Window>>,
    free: Vec<usize>,
    segments: Segments,
    /// Ids of services and endpoints.
    names: Names,
    /// Windows by the second in which they are to be looked at, the first at `turned`. Each is in one place. One that was touched since
    /// it was put there moves on when its turn comes; one that closed before leaves its place empty.
    wheel: VecDeque<VecDeque<Turn>>,
    turned: Seconds,
    /// How many windows there were.
    lives: u32,
    /// Those of the window that closes; kept for their memory.
    links: Vec<Link>,
    /// Of windows; segments and names count theirs.
    bytes: usize,
    recent: Recent,
    counts: Counts,
}

/// A window's place, and which of those that had it is meant: the window may have closed early.
#[derive(Clone, Copy, Debug)]
struct Turn {
    at: u32,
    life: u32,
}

#[derive(Debug)]
struct Window {
    trace_id: Box<str>,
    hash: u64,
    opened: Seconds,
    touched: Seconds,
    start: i64,
    end: i64,
    root_start: i64,
    root_segment: u64,
    root_service: u32,
    root_endpoint: u32,
    /// The segment that was added last, and how many there are.
    last: u32,
    segments: u32,
    life: u32,
    is_called: bool,
    is_error: bool,
}

impl Window {
    fn due(&self, config: &Config) -> Seconds {
        (self.touched + config.idle_seconds).min(self.opened + config.max_age_seconds)
    }

    fn weight(&self) -> usize {
        size_of::<Window>() + WINDOW_OVERHEAD + self.trace_id.len()
    }
}

/// A segment of a window.
#[derive(Clone, Copy, Debug)]
struct Link {
    seen: Seen,
    service: u32,
    /// The one that was added before it.
    before: u32,
}

/// The segments of all windows.
#[derive(Debug)]
struct Segments {
    links: Vec<Link>,
    /// The first that is free; each names the next.
    free: u32,
    used: usize,
}

impl Segments {
    fn put(&mut self, link: Link) -> u32 {
        self.used += 1;
        if let Some(place) = usize::try_from(self.free).ok().and_then(|at| self.links.get_mut(at)) {
            let at = std::mem::replace(&mut self.free, place.before);
            *place = link;
            return at;
        }
        if self.links.len() == self.links.capacity() {
            // By a quarter, not by as much again: it is most of what the windows take.
            self.links.reserve_exact(1_024.max(self.links.len() / 4));
        }
        self.links.push(link);
        u32::try_from(self.links.len() - 1).expect("windows are closed before there are four thousand million segments")
    }

    /// Gives a place back; answers what was there.
    fn take(&mut self, at: u32) -> Option<Link> {
        let place = usize::try_from(at).ok().and_then(|at| self.links.get_mut(at))?;
        let link = *place;
        place.before = std::mem::replace(&mut self.free, at);
        self.used -= 1;
        Some(link)
    }

    fn bytes(&self) -> usize {
        self.used * size_of::<Link>()
    }
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Windows that closed before they were due, since there were too many.
    pub evicted: u64,
    /// Windows that were opened for a trace that had one shortly before: segments came late.
    pub late: u64,
}

impl Windows {
    /// No windows.
    pub fn new(config: Config, now: Seconds) -> Windows {
        Windows {
            hasher: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            segments: Segments { links: Vec::new(), free: NONE, used: 0 },
            names: Names::default(),
            wheel: VecDeque::new(),
            turned: now,
            lives: 0,
            links: Vec::new(),
            bytes: 0,
            recent: Recent::new(config.max_open),
            counts: Counts::default(),
            config,
        }
    }

    /// Adds a segment to the window of its trace. What closes because there is too much goes to `closed`.
    pub fn add(&mut self, trace_id: &str, piece: &Piece<'_>, now: Seconds, closed: &mut Sheaves) {
        let hash = self.hasher.hash_one(trace_id);
        let is_same = |&at: &usize| self.slots[at].as_ref().is_some_and(|window| *window.trace_id == *trace_id);
        let at = match self.index.find(hash, is_same) {
            Some(&at) => at,
            None => self.open((trace_id, hash), piece, now),
        };
        let Some(window) = &mut self.slots[at] else { return };
        window.touched = now;
        window.start = window.start.min(piece.start);
        window.end = window.end.max(piece.end);
        window.is_error |= piece.is_error;
        window.begin_if_less(piece, &mut self.names);
        let model::summary::Numbers { parent, spans, errors } = piece.numbers;
        let seen = Seen { segment: piece.segment, parent, spans, errors };
        window.last = self.segments.put(Link { seen, service: self.names.get(piece.service), before: window.last });
        window.segments += 1;
        if usize::try_from(window.segments).is_ok_and(|n| n >= MAX_SEGMENTS) {
            self.close(at, closed);
        }
        while self.open_windows() > self.config.max_open || self.bytes() > self.config.max_bytes {
            self.evict(closed);
        }
    }

    fn open(&mut self, (trace_id, hash): (&str, u64), piece: &Piece<'_>, now: Seconds) -> usize {
        self.counts.late += u64::from(self.recent.contains(hash));
        let window = Window {
            trace_id: trace_id.into(),
            hash,
            opened: now,
            touched: now,
            start: piece.start,
            end: piece.end,
            root_start: piece.start,
            root_segment: piece.segment,
            root_service: self.names.get(piece.service),
            root_endpoint: self.names.get(piece.endpoint),
            last: NONE,
            segments: 0,
            life: self.lives,
            is_called: piece.numbers.parent != 0,
            is_error: false,
        };
        self.lives = self.lives.wrapping_add(1);
        self.bytes += window.weight();
        let (due, life) = (window.due(&self.config), window.life);
        let at = self.free.pop().unwrap_or(self.slots.len());
        if at == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[at] = Some(window);
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| slots[at].as_ref().map_or(0, |window| window.hash));
        self.schedule(Turn { at: u32::try_from(at).expect("fewer windows than that are allowed"), life }, due);
        at
    }

    fn schedule(&mut self, turn: Turn, due: Seconds) {
        // Not further than a window may be old, and by how much the wheel is behind.
        let ahead = usize::try_from(due.saturating_sub(self.turned)).expect("a wheel that fits into memory");
        while self.wheel.len() <= ahead {
            self.wheel.push_back(VecDeque::new());
        }
        self.wheel[ahead].push_back(turn);
    }

    /// Closes what is due. Looks at no more than `most` windows and answers whether that was all.
    pub fn turn(&mut self, now: Seconds, most: usize, closed: &mut Sheaves) -> bool {
        for _ in 0..most {
            if self.turned > now {
                return true;
            }
            match self.wheel.front_mut().and_then(VecDeque::pop_front) {
                Some(turn) => {
                    self.close_if_due(turn, self.turned, closed);
                }
                None => {
                    // A second that is over gives its place in the wheel to one that is to come.
                    let over = self.wheel.pop_front().filter(|_| self.wheel.len() < self.needed());
                    self.wheel.extend(over);
                    self.turned += 1;
                }
            }
        }
        false
    }

    /// Seconds that the wheel has places for while most traces are short.
    fn needed(&self) -> usize {
        usize::try_from(self.config.idle_seconds + 1).unwrap_or(usize::MAX)
    }

    /// Closes the window that is due first.
    fn evict(&mut self, closed: &mut Sheaves) {
        let first = self.wheel.iter_mut().zip(self.turned..).find_map(|(due, second)| Some((due.pop_front()?, second)));
        if let Some((turn, second)) = first {
            self.counts.evicted += u64::from(self.close_if_due(turn, second, closed));
        }
    }

    /// Closes a window unless it was touched since it was scheduled; then it is scheduled anew. Answers whether it closed.
    fn close_if_due(&mut self, turn: Turn, second: Seconds, closed: &mut Sheaves) -> bool {
        let at = usize::try_from(turn.at).expect("it was made of one");
        let window = self.slots[at].as_ref().filter(|window| window.life == turn.life);
        match window.map(|window| window.due(&self.config)) {
            Some(due) if due > second => {
                self.schedule(turn, due);
                false
            }
            Some(_) => {
                self.close(at, closed);
                true
            }
            None => false,
        }
    }

    fn close(&mut self, at: usize, closed: &mut Sheaves) {
        let Some(window) = self.slots[at].take() else { return };
        if let Ok(entry) = self.index.find_entry(window.hash, |&other| other == at) {
            entry.remove();
        }
        self.free.push(at);
        self.bytes -= window.weight();
        self.recent.insert(window.hash);
        self.links.clear();
        let mut next = window.last;
        while let Some(link) = self.segments.take(next) {
            self.links.push(link);
            next = link.before;
        }
        let head = Head {
            start: window.start,
            end: window.end,
            is_error: window.is_error,
            is_cut: false,
            is_called: window.is_called,
            root_start: window.root_start,
            root_segment: window.root_segment,
            root_service: self.names.text(window.root_service),
            root_endpoint: self.names.text(window.root_endpoint),
        };
        // Those added last come first: the first ones that are added come in order again.
        let segments = self.links.iter().rev().map(|link| (self.names.text(link.service), link.seen));
        closed.add(ByteString::from(String::from(window.trace_id)), &head, segments);
        self.names.release(window.root_service);
        self.names.release(window.root_endpoint);
        for link in &self.links {
            self.names.release(link.service);
        }
    }

    /// Closes everything: the process ends.
    pub fn close_all(&mut self, closed: &mut Sheaves) {
        self.wheel.clear();
        (0..self.slots.len()).for_each(|at| self.close(at, closed));
    }

    /// How many are open.
    pub fn open_windows(&self) -> usize {
        self.index.len()
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes + self.segments.bytes() + self.names.bytes()
    }

    /// What happened since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl Window {
    /// Begins with a segment where that is less than what it began with, as [`model::summary::Root`] orders.
    fn begin_if_less(&mut self, piece: &Piece<'_>, names: &mut Names) {
        let is_called = piece.numbers.parent != 0;
        // Texts are compared only where the numbers leave it open.
        let order = (is_called, piece.start, piece.segment).cmp(&(self.is_called, self.root_start, self.root_segment));
        let is_less = order.then_with(|| {
            let root = (names.text(self.root_service), names.text(self.root_endpoint));
            (piece.service, piece.endpoint).cmp(&root)
        });
        if is_less.is_lt() {
            (self.is_called, self.root_start, self.root_segment) = (is_called, piece.start, piece.segment);
            let root = (names.get(piece.service), names.get(piece.endpoint));
            names.release(std::mem::replace(&mut self.root_service, root.0));
            names.release(std::mem::replace(&mut self.root_endpoint, root.1));
        }
    }
}

/// Traces whose windows closed lately, by hash. Each has one place that it may take from another: it is for a number that is watched,
/// not for what is written.
#[derive(Debug)]
struct Recent(Vec<u64>);

impl Recent {
    fn new(most: usize) -> Recent {
        Recent(vec![0; most.clamp(RECENT.0, RECENT.1).next_power_of_two()])
    }

    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash % self.0.len() as u64).unwrap_or(0)
    }

    fn contains(&self, hash: u64) -> bool {
        self.0[self.place(hash)] == hash
    }

    fn insert(&mut self, hash: u64) {
        let place = self.place(hash);
        self.0[place] = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use model::record::Record;
    use model::summary::{Numbers, Summary};
    use proptest::prelude::*;
    use storage::traces::partials;

    use super::*;

    const ALL: usize = usize::MAX;

    fn piece(segment: u64) -> Piece<'static> {
        let (numbers, at) = (Numbers { parent: 0, spans: 2, errors: 0 }, i64::try_from(segment).unwrap());
        Piece { segment, numbers, start: at, end: at + 5, is_error: false, service: "s", endpoint: "" }
    }

    fn windows(config: Config) -> Windows {
        Windows::new(config, 0)
    }

    /// All that closed.
    fn all_of(records: &[Record]) -> Vec<(ByteString, Summary)> {
        records.iter().flat_map(|record| partials(record).unwrap()).collect()
    }

    /// Adds, at each second, segments of traces, and answers what closes when.
    fn closes(config: Config, added: &[(Seconds, &str, u64)], until: Seconds) -> Vec<(Seconds, String, usize)> {
        let (mut windows, mut all) = (windows(config), Vec::new());
        for now in 0..=until {
            let mut closed = Sheaves::new(7);
            assert!(windows.turn(now, ALL, &mut closed));
            for (_, trace_id, segment) in added.iter().filter(|(at, ..)| *at == now) {
                windows.add(trace_id, &piece(*segment), now, &mut closed);
            }
            let closed = all_of(&closed.take()).into_iter();
            all.extend(closed.map(|(id, summary)| (now, id.to_string(), summary.segments())));
        }
        all
    }

    #[test]
    fn a_window_closes_when_its_trace_was_idle_or_when_it_is_old() {
        let config = Config { idle_seconds: 3, max_age_seconds: 8, ..Config::default() };
        let once = closes(config, &[(1, "a", 1), (2, "a", 2), (2, "b", 3)], 20);
        assert_eq!(once, [(5, "b".into(), 1), (5, "a".into(), 2)]);
        let busy: Vec<_> = (1..12).map(|now| (now, "a", now)).collect();
        assert_eq!(closes(config, &busy, 30), [(9, "a".into(), 8), (14, "a".into(), 3)]);
    }

    #[test]
    fn above_a_limit_what_would_be_due_next_closes_early_and_nothing_is_lost() {
        let config = Config { max_open: 2, ..Config::default() };
        let added = [(0, "a", 1), (1, "b", 2), (2, "a", 3), (3, "c", 4), (4, "b", 5)];
        assert_eq!(
            closes(config, &added, 60),
            [(3, "b".into(), 1), (4, "a".into(), 2), (13, "c".into(), 1), (14, "b".into(), 1)]
        );
        let mut windows = windows(config);
        let mut closed = Sheaves::new(7);
        added.iter().for_each(|(now, id, segment)| windows.add(id, &piece(*segment), *now, &mut closed));
        assert_eq!(windows.counts(), Counts { evicted: 2, late: 1 });
    }

    #[test]
    fn bytes_are_bounded_too_by_one_window_that_is_too_large() {
        let config = Config { max_bytes: 4_000, ..Config::default() };
        let (mut windows, mut closed) = (windows(config), Sheaves::new(7));
        for segment in 1..1_000 {
            windows.add("a", &piece(segment), 0, &mut closed);
            assert!(windows.bytes() <= config.max_bytes);
        }
        windows.close_all(&mut closed);
        let all = all_of(&closed.take());
        let segments: usize = all.iter().map(|(_, summary)| summary.segments()).sum();
        assert!(all.len() > 5 && segments == 999, "{} partials", all.len());
        assert_eq!((windows.bytes(), windows.open_windows()), (0, 0));
    }

    proptest! {
        #[test]
        fn however_windows_close_partials_merge_to_all_that_was_added(
            added in prop::collection::vec((0u64..4, "[ab]{1,2}", 1u64..30), 1..200),
            (idle_seconds, more, max_open, nodes) in (1u64..9, 0u64..9, 1usize..5, 1usize..4),
            turns in 1usize..20,
        ) {
            let config = Config { idle_seconds, max_age_seconds: idle_seconds + more, max_open, ..Config::default() };
            let mut all: Vec<_> = (0..nodes).map(|node| (Windows::new(config, 0), Sheaves::new(node as u64))).collect();
            let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
            let mut now = 0;
            let merge = |into: &mut BTreeMap<String, Summary>, id: &str, summary: Summary| match into.get_mut(id) {
                Some(known) => known.merge(&summary),
                None => drop(into.insert(id.to_owned(), summary)),
            };
            for (n, (pause, trace_id, segment)) in added.iter().enumerate() {
                now += pause;
                for (windows, closed) in &mut all {
                    windows.turn(now, turns, closed);
                }
                merge(&mut expected, trace_id, Summary::new(&piece(*segment)));
                let (windows, closed) = &mut all[n % nodes];
                windows.add(trace_id, &piece(*segment), now, closed);
                prop_assert!(all.iter().all(|(windows, _)| windows.open_windows() <= max_open));
            }
            let mut records = Vec::new();
            for (windows, closed) in &mut all {
                while !windows.turn(now + 100, turns, closed) {}
                prop_assert_eq!((windows.open_windows(), windows.bytes()), (0, 0));
                records.extend(closed.take());
            }
            let ids: HashSet<_> = records.iter().map(|record| record.id.clone()).collect();
            prop_assert_eq!(ids.len(), records.len());
            for (trace_id, summary) in all_of(&records) {
                merge(&mut found, &trace_id, summary);
            }
            prop_assert_eq!(found, expected);
        }
    }

    /// Few values, so that everything meets everything.
    fn any_piece() -> impl Strategy<Value = (u64, u64, i64, i64, bool, &'static str, &'static str)> {
        let texts = (prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(vec!["", "x", "y"]));
        (1u64..9, 0u64..4, 0i64..5, 0i64..90, any::<bool>(), texts).prop_map(
            |(segment, parent, start, took, is_error, (service, endpoint))| {
                (segment, parent, start, start + took, is_error, service, endpoint)
            },
        )
    }

    proptest! {
        #[test]
        fn a_window_says_what_the_summary_of_its_segments_says(all in prop::collection::vec(any_piece(), 1..30)) {
            let (mut windows, mut closed, mut expected) = (windows(Config::default()), Sheaves::new(7), None::<Summary>);
            for (segment, parent, start, end, is_error, service, endpoint) in all {
                let numbers = Numbers { parent, spans: 2, errors: 1 };
                let piece = Piece { segment, numbers, start, end, is_error, service, endpoint };
                windows.add("t", &piece, 0, &mut closed);
                match &mut expected {
                    Some(known) => known.add(&piece),
                    None => expected = Some(Summary::new(&piece)),
                }
            }
            windows.close_all(&mut closed);
            prop_assert_eq!(windows.bytes(), 0);
            prop_assert_eq!(all_of(&closed.take()), vec![("t".into(), expected.unwrap())]);
        }
    }

    #[test]
    fn a_window_that_is_full_closes_and_its_turn_closes_no_other() {
        let config = Config { idle_seconds: 3, ..Config::default() };
        let (mut windows, mut closed) = (windows(config), Sheaves::new(7));
        for segment in 1..=1_000 {
            windows.add("a", &piece(segment), 0, &mut closed);
        }
        assert_eq!((windows.open_windows(), closed.waiting()), (0, 1));
        windows.add("b", &piece(1), 2, &mut closed);
        windows.turn(4, ALL, &mut closed);
        assert_eq!((windows.open_windows(), closed.waiting()), (1, 1));
        windows.turn(5, ALL, &mut closed);
        assert_eq!((windows.open_windows(), closed.waiting(), windows.bytes()), (0, 2, 0));
    }
}
