//! What is sent next, and when it is tried again. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::UnixMillis;
use storage::chance::Chance;

use crate::doc::Stored;
use crate::notification::Notification;

/// The first pause after a failure.
const FIRST_PAUSE_MS: u64 = 1_000;
/// The longest one.
const MAX_PAUSE_MS: u64 = 300_000;
/// Failures in a row after which a receiver is left alone for a while.
const BREAKS_AFTER: u32 = 5;

/// The pause before attempt `n + 1`: one second, doubled each time up to five minutes, of which a random part; never less than the
/// receiver asks for.
pub(super) fn pause(n_attempts: u32, after: Option<Duration>, chance: &mut Chance) -> i64 {
    let most = FIRST_PAUSE_MS.saturating_mul(1 << n_attempts.saturating_sub(1).min(20)).min(MAX_PAUSE_MS);
    let jittered = chance.below(most) + 1;
    let asked = after.map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    i64::try_from(jittered.max(asked)).unwrap_or(i64::MAX)
}

/// Where a notification stands among those of its receiver: when it was made, its number, its id.
pub(super) type Place = (UnixMillis, u64, String);

/// What waits for one receiver.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, Entry>,
    breaker: Breaker,
}

#[derive(Debug)]
struct Entry {
    stored: Stored<Notification>,
    is_busy: bool,
}

/// Leaves a receiver alone that failed again and again, then lets one notification try.
#[derive(Debug, Default)]
struct Breaker {
    n_failures: u32,
    until: UnixMillis,
}

impl Queue {
    /// Takes in a notification, or its newer version.
    pub(super) fn put(&mut self, stored: Stored<Notification>) {
        let doc = &stored.doc;
        let place = (doc.made, doc.sequence, doc.id.clone());
        let is_busy = self.waiting.get(&place).is_some_and(|entry| entry.is_busy);
        let is_newer = self.waiting.get(&place).is_none_or(|entry| entry.stored.revision <= stored.revision);
        if is_newer {
            self.waiting.insert(place, Entry { stored, is_busy });
        }
    }

    /// Forgets one: it is done with, or not ours any more.
    pub(super) fn remove(&mut self, place: &Place) {
        self.waiting.remove(place);
    }

    /// An attempt ended, and this is what is stored now.
    pub(super) fn ended(&mut self, place: &Place, stored: Stored<Notification>) {
        self.waiting.insert(place.clone(), Entry { stored, is_busy: false });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the oldest one was made.
    pub(super) fn oldest(&self) -> Option<UnixMillis> {
        self.waiting.keys().next().map(|(made, ..)| *made)
    }

    /// Whether the receiver took what was sent. After failures it is left alone as long as the last one is not tried again.
    pub(super) fn told(&mut self, is_ok: bool, pause_ms: i64, must_wait: bool, now: UnixMillis) {
        if is_ok {
            self.breaker = Breaker::default();
            return;
        }
        self.breaker.n_failures = self.breaker.n_failures.saturating_add(1);
        if must_wait || self.breaker.n_failures >= BREAKS_AFTER {
            self.breaker.until = self.breaker.until.max(now.plus(pause_ms));
        }
    }

    /// Those to be tried now, which are busy from then on: the oldest first, none before an older one that tells of the same
    /// incident or group, at most `concurrency` at once.
    pub(super) fn start(&mut self, now: UnixMillis, concurrency: usize) -> Vec<(Place, Stored<Notification>)> {
        if self.breaker.until > now {
            return Vec::new();
        }
        let n_at_once = if self.breaker.n_failures >= BREAKS_AFTER { 1 } else { concurrency };
        let mut n_busy = self.waiting.values().filter(|entry| entry.is_busy).count();
        let mut held: BTreeSet<&str> = BTreeSet::new();
        let mut due = Vec::new();
        for (place, entry) in &self.waiting {
            if n_busy >= n_at_once {
                break;
            }
            let doc = &entry.stored.doc;
            let subjects = || doc.told.iter().map(|told| told.incident.as_str()).chain([doc.group.as_str()]);
            let is_held = subjects().any(|subject| held.contains(subject));
            if !is_held && !entry.is_busy && doc.next <= now {
                due.push(place.clone());
                n_busy += 1;
            }
            held.extend(subjects());
        }
        due.into_iter()
            .filter_map(|place| {
                let entry = self.waiting.get_mut(&place)?;
                entry.is_busy = true;
                Some((place, entry.stored.clone()))
            })
            .collect()
    }

    /// When something may be due, as far as it is known.
    pub(super) fn next(&self) -> Option<UnixMillis> {
        let next = self.waiting.values().filter(|entry| !entry.is_busy).map(|entry| entry.stored.doc.next).min()?;
        Some(next.max(self.breaker.until))
    }
}

#[cfg(test)]
mod tests {
    use model::item::Revision;

    use super::*;
    use crate::notify::samples;

    fn stored(sequence: u64, incident: &str) -> Stored<Notification> {
        let mut doc = samples::notification("webhook.a", &[samples::incident(samples::entities().remove(0), false)]);
        doc.id = format!("n{sequence}");
        doc.group = format!("g-{incident}");
        doc.sequence = sequence;
        doc.told[0].incident = incident.to_owned();
        Stored { doc, revision: Revision(1), updated: samples::NOON }
    }

    fn started(queue: &mut Queue, now: UnixMillis, concurrency: usize) -> Vec<String> {
        queue.start(now, concurrency).into_iter().map(|(place, _)| place.2).collect()
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_never_undercut_what_is_asked() {
        let mut chance = Chance::new(1);
        let most = |n, chance: &mut Chance| (0..500).map(|_| pause(n, None, chance)).max().unwrap();
        let seconds: Vec<i64> = [1, 2, 3, 9, 10, 40].map(|n| (most(n, &mut chance) + 500) / 1_000).into();
        assert_eq!(seconds[..3], [1, 2, 4]);
        assert!(
            (240..=256).contains(&seconds[3]) && seconds[4..].iter().all(|s| (280..=300).contains(s)),
            "{seconds:?}"
        );
        assert!(pause(1, Some(Duration::from_secs(7)), &mut chance) >= 7_000);
    }

    #[test]
    fn a_recovery_waits_for_its_firing_and_nothing_else_does() {
        let mut queue = Queue::default();
        for (sequence, incident) in [(1, "a"), (2, "a"), (3, "b")] {
            queue.put(stored(sequence, incident));
        }
        let now = samples::NOON;
        assert_eq!(started(&mut queue, now, 4), ["n1", "n3"]);
        assert_eq!(started(&mut queue, now, 4), [""; 0]);
        let place = |sequence, incident: &str| {
            let doc = stored(sequence, incident).doc;
            (doc.made, doc.sequence, doc.id)
        };
        // The firing failed: it is tried later, and its recovery after it.
        let mut failed = stored(1, "a");
        failed.doc.next = now.plus(5_000);
        queue.ended(&place(1, "a"), failed);
        queue.told(false, 5_000, false, now);
        assert_eq!(started(&mut queue, now.plus(4_000), 4), [""; 0]);
        assert_eq!(started(&mut queue, now.plus(5_000), 4), ["n1"]);
        queue.remove(&place(1, "a"));
        assert_eq!(started(&mut queue, now.plus(5_000), 4), ["n2"]);
    }

    #[test]
    fn a_receiver_that_fails_again_and_again_is_probed_by_one() {
        let mut queue = Queue::default();
        for sequence in 1..=8 {
            queue.put(stored(sequence, &format!("i{sequence}")));
        }
        let now = samples::NOON;
        for _ in 0..BREAKS_AFTER {
            queue.told(false, 60_000, false, now);
        }
        assert_eq!(started(&mut queue, now.plus(59_999), 4), [""; 0]);
        assert_eq!(started(&mut queue, now.plus(60_000), 4), ["n1"]);
        queue.told(true, 0, false, now.plus(60_000));
        assert_eq!(started(&mut queue, now.plus(60_000), 4), ["n2", "n3", "n4"]);
    }

    #[test]
    fn too_many_requests_holds_all_of_the_receiver() {
        let mut queue = Queue::default();
        queue.put(stored(1, "a"));
        queue.told(false, 30_000, true, samples::NOON);
        assert_eq!(queue.next(), Some(samples::NOON.plus(30_000)));
        assert_eq!(started(&mut queue, samples::NOON.plus(29_999), 4), [""; 0]);
        assert_eq!(started(&mut queue, samples::NOON.plus(30_000), 4), ["n1"]);
    }
}
