//! The open windows: one for each trace that was seen lately.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};
use model::record::Record;
use model::summary::{Piece, Summary};

use super::Config;

/// Seconds since some moment: windows are due to the second.
pub type Seconds = u64;

/// What a window takes beside its summary and the id of its trace: its place in each of the collections.
const WINDOW_OVERHEAD: usize = 64;

/// Windows by trace. A window closes when its trace was idle for long enough or when it is old, and becomes a record. Above a limit
/// those that would be due next close early: nothing is lost, such a trace merely gets another partial.
#[derive(Debug)]
pub struct Windows {
    config: Config,
    writer: u64,
    /// How many records there were: each has a number of its own.
    written: u64,
    hasher: RandomState,
    index: HashTable<usize>,
    slots: Vec<Option<Window>>,
    free: Vec<usize>,
    /// Windows by the second in which they are to be looked at, the first at `turned`. Each is in one place. One that was touched since
    /// it was put there moves on when its turn comes.
    wheel: VecDeque<VecDeque<usize>>,
    turned: Seconds,
    bytes: usize,
    recent: Recent,
    counts: Counts,
}

#[derive(Debug)]
struct Window {
    trace_id: Box<str>,
    hash: u64,
    opened: Seconds,
    touched: Seconds,
    summary: Summary,
}

impl Window {
    fn due(&self, config: &Config) -> Seconds {
        (self.touched + config.idle_seconds).min(self.opened + config.max_age_seconds)
    }

    fn weight(&self) -> usize {
        size_of::<Window>() + WINDOW_OVERHEAD + self.trace_id.len() + self.summary.weight()
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
    /// No windows. `writer` is drawn at each start: the records of two processes, or of two lives of one, are different partials.
    pub fn new(config: Config, writer: u64, now: Seconds) -> Windows {
        Windows {
            writer,
            written: 0,
            hasher: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            wheel: VecDeque::new(),
            turned: now,
            bytes: 0,
            recent: Recent::new(config.max_open),
            counts: Counts::default(),
            config,
        }
    }

    /// Adds a segment to the window of its trace. What closes because there is too much becomes a record in `closed`.
    pub fn add(&mut self, trace_id: &str, piece: &Piece<'_>, now: Seconds, closed: &mut Vec<Record>) {
        let hash = self.hasher.hash_one(trace_id);
        let is_same = |&at: &usize| self.slots[at].as_ref().is_some_and(|window| *window.trace_id == *trace_id);
        match self.index.find(hash, is_same) {
            Some(&at) => {
                let Some(window) = &mut self.slots[at] else { return };
                window.touched = now;
                let before = window.summary.weight();
                window.summary.add(piece);
                self.bytes = self.bytes - before + window.summary.weight();
            }
            None => {
                let summary = Summary::new(piece);
                self.open(Window { trace_id: trace_id.into(), hash, opened: now, touched: now, summary });
            }
        }
        while self.open_windows() > self.config.max_open || self.bytes > self.config.max_bytes {
            self.evict(closed);
        }
    }

    fn open(&mut self, window: Window) {
        self.counts.late += u64::from(self.recent.contains(window.hash));
        self.bytes += window.weight();
        let (hash, due) = (window.hash, window.due(&self.config));
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = Some(window);
                at
            }
            None => {
                self.slots.push(Some(window));
                self.slots.len() - 1
            }
        };
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| slots[at].as_ref().map_or(0, |window| window.hash));
        self.schedule(at, due);
    }

    fn schedule(&mut self, at: usize, due: Seconds) {
        // Not further than a window may be old, and by how much the wheel is behind.
        let ahead = usize::try_from(due.saturating_sub(self.turned)).expect("a wheel that fits into memory");
        while self.wheel.len() <= ahead {
            self.wheel.push_back(VecDeque::new());
        }
        self.wheel[ahead].push_back(at);
    }

    /// Closes what is due. Looks at no more than `most` windows and answers whether that was all.
    pub fn turn(&mut self, now: Seconds, most: usize, closed: &mut Vec<Record>) -> bool {
        for _ in 0..most {
            if self.turned > now {
                return true;
            }
            match self.wheel.front_mut().and_then(VecDeque::pop_front) {
                Some(at) => {
                    self.close_if_due(at, self.turned, closed);
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

    /// Seconds that the wheel has places for while it is not behind.
    fn needed(&self) -> usize {
        usize::try_from(self.config.max_age_seconds).unwrap_or(usize::MAX)
    }

    /// Closes the window that is due first.
    fn evict(&mut self, closed: &mut Vec<Record>) {
        let first = self.wheel.iter_mut().zip(self.turned..).find_map(|(due, second)| Some((due.pop_front()?, second)));
        if let Some((at, second)) = first {
            self.counts.evicted += u64::from(self.close_if_due(at, second, closed));
        }
    }

    /// Closes a window unless it was touched since it was scheduled; then it is scheduled anew. Answers whether it closed.
    fn close_if_due(&mut self, at: usize, second: Seconds, closed: &mut Vec<Record>) -> bool {
        match self.slots[at].as_ref().map(|window| window.due(&self.config)) {
            Some(due) if due > second => {
                self.schedule(at, due);
                false
            }
            Some(_) => {
                self.close(at, closed);
                true
            }
            None => false,
        }
    }

    fn close(&mut self, at: usize, closed: &mut Vec<Record>) {
        let Some(window) = self.slots[at].take() else { return };
        if let Ok(entry) = self.index.find_entry(window.hash, |&other| other == at) {
            entry.remove();
        }
        self.free.push(at);
        self.bytes -= window.weight();
        self.recent.insert(window.hash);
        closed.push(storage::traces::record(&window.trace_id, (self.writer, self.written), &window.summary));
        self.written += 1;
    }

    /// Closes everything: the process ends.
    pub fn close_all(&mut self, closed: &mut Vec<Record>) {
        self.wheel.clear();
        (0..self.slots.len()).for_each(|at| self.close(at, closed));
    }

    /// How many are open.
    pub fn open_windows(&self) -> usize {
        self.index.len()
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What happened since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

/// Traces whose windows closed lately, the last so many, by hash.
#[derive(Debug)]
struct Recent {
    most: usize,
    known: HashSet<u64, RandomState>,
    order: VecDeque<u64>,
}

impl Recent {
    fn new(most: usize) -> Recent {
        Recent { most, known: HashSet::default(), order: VecDeque::new() }
    }

    fn contains(&self, hash: u64) -> bool {
        self.known.contains(&hash)
    }

    fn insert(&mut self, hash: u64) {
        if !self.known.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::summary::Numbers;
    use proptest::prelude::*;
    use storage::traces::partial;

    use super::*;

    const ALL: usize = usize::MAX;

    fn piece(segment: u64) -> Piece<'static> {
        let (numbers, at) = (Numbers { parent: 0, spans: 2, errors: 0 }, i64::try_from(segment).unwrap());
        Piece { segment, numbers, start: at, end: at + 5, is_error: false, service: "s", endpoint: "" }
    }

    fn windows(config: Config) -> Windows {
        Windows::new(config, 7, 0)
    }

    /// Adds, at each second, segments of traces, and answers what closes when.
    fn closes(config: Config, added: &[(Seconds, &str, u64)], until: Seconds) -> Vec<(Seconds, String, usize)> {
        let (mut windows, mut all) = (windows(config), Vec::new());
        for now in 0..=until {
            let mut closed = Vec::new();
            assert!(windows.turn(now, ALL, &mut closed));
            for (_, trace_id, segment) in added.iter().filter(|(at, ..)| *at == now) {
                windows.add(trace_id, &piece(*segment), now, &mut closed);
            }
            let named =
                |record| partial(record).map(|(id, summary)| (now, id.to_string(), summary.segments())).unwrap();
            all.extend(closed.iter().map(named));
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
        let mut closed = Vec::new();
        added.iter().for_each(|(now, id, segment)| windows.add(id, &piece(*segment), *now, &mut closed));
        assert_eq!(windows.counts(), Counts { evicted: 2, late: 1 });
    }

    #[test]
    fn bytes_are_bounded_too_by_one_window_that_is_too_large() {
        let config = Config { max_bytes: 4_000, ..Config::default() };
        let (mut windows, mut closed) = (windows(config), Vec::new());
        for segment in 1..1_000 {
            windows.add("a", &piece(segment), 0, &mut closed);
            assert!(windows.bytes() <= config.max_bytes);
        }
        windows.close_all(&mut closed);
        let segments: usize = closed.iter().map(|record| partial(record).unwrap().1.segments()).sum();
        assert!(closed.len() > 5 && segments == 999, "{} records", closed.len());
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
            let mut all: Vec<_> = (0..nodes).map(|node| Windows::new(config, node as u64, 0)).collect();
            let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
            let (mut now, mut closed) = (0, Vec::new());
            let merge = |into: &mut BTreeMap<String, Summary>, id: &str, summary: Summary| match into.get_mut(id) {
                Some(known) => known.merge(&summary),
                None => drop(into.insert(id.to_owned(), summary)),
            };
            for (n, (pause, trace_id, segment)) in added.iter().enumerate() {
                now += pause;
                for windows in &mut all {
                    windows.turn(now, turns, &mut closed);
                }
                merge(&mut expected, trace_id, Summary::new(&piece(*segment)));
                all[n % nodes].add(trace_id, &piece(*segment), now, &mut closed);
                prop_assert!(all.iter().all(|windows| windows.open_windows() <= max_open));
            }
            for windows in &mut all {
                while !windows.turn(now + 100, turns, &mut closed) {}
                prop_assert_eq!((windows.open_windows(), windows.bytes()), (0, 0));
            }
            let ids: HashSet<_> = closed.iter().map(|record| record.id.clone()).collect();
            prop_assert_eq!(ids.len(), closed.len());
            for (trace_id, summary) in closed.iter().map(|record| partial(record).unwrap()) {
                merge(&mut found, &trace_id, summary);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
