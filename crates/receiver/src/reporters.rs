//! Who reports: services, when they were last heard, by which protocol, how much. For people, not for analysis.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::UnixMillis;

/// How telemetry came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SkyWalking's own over gRPC.
    Grpc,
    /// Its twins over HTTP.
    Http,
}

impl Protocol {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        }
    }
}

/// One service that reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Reporter {
    /// Its name, cut to 128 characters.
    pub service: String,
    /// The protocol of its latest element.
    pub protocol: Protocol,
    /// When its latest element was accepted.
    pub last_seen: UnixMillis,
    /// How many elements of it were accepted since it is known here.
    pub accepted: u64,
    /// Elements per second over the last minute.
    pub rate: f64,
}

/// Ten-second pieces of the last minute, and the one that is running.
const SLOTS: usize = 7;
const SLOT_MILLIS: i64 = 10_000;
/// Longer names are shown cut: the list is for people, and its memory must have a bound.
const NAME_CHARS: usize = 128;

#[derive(Debug)]
struct Entry {
    protocol: Protocol,
    last_seen: UnixMillis,
    accepted: u64,
    /// The running slot's number since 1970.
    slot: i64,
    counts: [u64; SLOTS],
}

/// A bounded list of services. When it is full, the one silent for longest makes room.
#[derive(Debug)]
pub(crate) struct Reporters {
    most: usize,
    entries: Mutex<HashMap<String, Entry>>,
}

impl Reporters {
    pub(crate) fn new(most: usize) -> Self {
        Reporters { most: most.max(1), entries: Mutex::default() }
    }

    /// An element of `service` was accepted.
    pub(crate) fn saw(&self, service: &str, protocol: Protocol, now: UnixMillis) {
        let service = cut(service);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(service) {
            return entry.count(protocol, now);
        }
        if entries.len() >= self.most {
            // A whole scan for each new name of a full list: names that many and that short-lived are an attack or a
            // mistake, and the bound keeps even that cheap.
            let silent = entries.iter().min_by_key(|(_, e)| e.last_seen).map(|(name, _)| name.clone());
            silent.and_then(|name| entries.remove(&name));
        }
        let mut entry = Entry::new(protocol, now);
        entry.count(protocol, now);
        entries.insert(service.to_owned(), entry);
    }

    /// Everybody, by name.
    pub(crate) fn list(&self, now: UnixMillis) -> Vec<Reporter> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<Reporter> = entries
            .iter()
            .map(|(service, entry)| Reporter {
                service: service.clone(),
                protocol: entry.protocol,
                last_seen: entry.last_seen,
                accepted: entry.accepted,
                rate: entry.rate(now),
            })
            .collect();
        drop(entries);
        list.sort_by(|a, b| a.service.cmp(&b.service));
        list
    }
}

fn cut(name: &str) -> &str {
    if name.len() <= NAME_CHARS {
        return name;
    }
    name.char_indices().nth(NAME_CHARS).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

impl Entry {
    fn new(protocol: Protocol, now: UnixMillis) -> Self {
        Entry { protocol, last_seen: now, accepted: 0, slot: now.0.div_euclid(SLOT_MILLIS), counts: [0; SLOTS] }
    }

    fn count(&mut self, protocol: Protocol, now: UnixMillis) {
        self.turn(now);
        self.protocol = protocol;
        self.last_seen = self.last_seen.max(now);
        self.accepted += 1;
        self.counts[0] += 1;
    }

    /// Moves on to the slot of `now`; slot 0 is the running one.
    fn turn(&mut self, now: UnixMillis) {
        let slot = now.0.div_euclid(SLOT_MILLIS);
        let passed = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(0).min(SLOTS);
        if passed > 0 {
            self.counts.rotate_right(passed % SLOTS);
            self.counts[..passed].fill(0);
            self.slot = slot;
        }
    }

    fn rate(&self, now: UnixMillis) -> f64 {
        let passed = usize::try_from(now.0.div_euclid(SLOT_MILLIS).saturating_sub(self.slot)).unwrap_or(0);
        // The six full slots before the running one.
        let full: u64 = (1..SLOTS).filter_map(|back| self.counts.get(back.checked_sub(passed)?)).sum();
        #[expect(clippy::cast_precision_loss, reason = "shown to people, and 2^53 elements a minute do not happen")]
        let full = full as f64;
        full / 60.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn the_rate_is_that_of_the_last_full_minute() {
        let reporters = Reporters::new(10);
        for second in 0..120 {
            reporters.saw("shop", Protocol::Grpc, at(second));
            reporters.saw("shop", Protocol::Http, at(second));
        }
        let rate = |seconds| reporters.list(at(seconds))[0].rate;
        assert!((rate(119) - 2.0).abs() < 1e-9, "{}", rate(119));
        assert!((rate(150) - 1.0).abs() < 1e-9, "{}", rate(150));
        assert!(rate(200).abs() < 1e-9, "{}", rate(200));
        let shop = &reporters.list(at(200))[0];
        assert_eq!((shop.accepted, shop.protocol, shop.last_seen), (240, Protocol::Http, at(119)));
    }

    #[test]
    fn a_pause_counts_as_nothing() {
        let reporters = Reporters::new(10);
        for second in [0, 1, 35, 70, 200] {
            reporters.saw("shop", Protocol::Grpc, at(second));
            let full_minute = match second {
                0 | 1 => 0.0,
                35 => 2.0,
                70 => 1.0,
                _ => 0.0,
            };
            let rate = reporters.list(at(second))[0].rate;
            assert!((rate * 60.0 - full_minute).abs() < 1e-9, "after {second} s: {rate}");
        }
    }

    #[test]
    fn a_full_list_forgets_the_one_silent_for_longest() {
        let reporters = Reporters::new(2);
        for (second, service) in ["a", "b", "a", "c"].into_iter().enumerate() {
            reporters.saw(service, Protocol::Grpc, at(i64::try_from(second).unwrap()));
        }
        let names: Vec<_> = reporters.list(at(9)).into_iter().map(|r| r.service).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let reporters = Reporters::new(2);
        reporters.saw(&"é".repeat(5_000), Protocol::Grpc, at(0));
        assert_eq!(reporters.list(at(0))[0].service, "é".repeat(NAME_CHARS));
    }
}
