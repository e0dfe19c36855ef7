//! Which minutes can be evaluated. Pure, over how far the live nodes have flushed and the time.
//!
//! A minute is *complete* when every live node has flushed through it. It is *closed*, and evaluated, when it is complete or
//! [`Timing::timeout_ms`] after its end, then marked incomplete. Rules that missing data could make true wait longer for it to be
//! complete, [`Timing::patience_ms`] at most. The first minute that is not closed is the *running* one; averages, ratios and
//! percentiles of it are fair once it holds [`Timing::settled_ms`] of data.

use model::{Bucket, UnixMillis};

/// Closed minutes that are replayed at most; those before were missed.
pub const MAX_REPLAY: u32 = 60;

/// How long is waited for what. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// After the end of a minute, before it is closed without having been flushed by all.
    pub timeout_ms: i64,
    /// The same, for rules that missing data could make true.
    pub patience_ms: i64,
    /// From the start of the running minute until its means and shares say something.
    pub settled_ms: i64,
}

impl Timing {
    /// For a store that answers at once what was written.
    pub const NEAR: Timing = Timing { timeout_ms: 10_000, patience_ms: 60_000, settled_ms: 10_000 };
    /// For a store that takes its time to show what was written, as OpenSearch does.
    pub const FAR: Timing = Timing { timeout_ms: 15_000, ..Timing::NEAR };
}

/// Which rules a turn is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// All of them.
    All,
    /// Those that missing data cannot make true.
    Impatient,
    /// Those that missing data could make true.
    Patient,
}

/// A minute to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The minute.
    pub minute: Bucket,
    /// Whether data may be missing.
    pub incomplete: bool,
    /// For which rules.
    pub who: Who,
}

/// The minute that is not closed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The minute.
    pub minute: Bucket,
    /// Whether its means and shares say something already.
    pub settled: bool,
}

/// How far evaluation has come. `None`: nothing was evaluated yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    impatient: Option<Bucket>,
    patient: Option<Bucket>,
}

impl Cursor {
    /// Where the stored progress says that evaluation was.
    pub fn at(evaluated: Bucket) -> Cursor {
        Cursor { impatient: Some(evaluated), patient: Some(evaluated) }
    }

    /// The last minute that all rules have seen: what the stored progress may say.
    pub fn evaluated(&self) -> Option<Bucket> {
        self.impatient.min(self.patient)
    }

    /// After the transitions of a turn are written.
    pub fn done(&mut self, turn: &Turn) {
        if turn.who != Who::Patient {
            self.impatient = self.impatient.max(Some(turn.minute));
        }
        if turn.who != Who::Impatient {
            self.patient = self.patient.max(Some(turn.minute));
        }
    }
}

/// What can be evaluated now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Closed minutes, in the order in which they are to be evaluated, each to be told to [`Cursor::done`].
    pub turns: Vec<Turn>,
    /// The running minute, once those are done. `None` while nothing was ever closed.
    pub running: Option<Running>,
    /// Closed minutes that are too long ago to be replayed.
    pub n_missed: u32,
}

/// What can be evaluated at `now`. `flushed_before` has an entry for each live node: every minute that starts before that one (in
/// minutes since 1970) is in the store. Without any node nothing is complete.
pub fn look(now: UnixMillis, flushed_before: impl IntoIterator<Item = u64>, cursor: &Cursor, timing: &Timing) -> Look {
    let flushed = flushed_before.into_iter().min().unwrap_or_default();
    let complete = u32::try_from(flushed).unwrap_or(u32::MAX).checked_sub(1).map(Bucket);
    let ended = |before_ms: i64| now.plus(-before_ms).minute().and_then(|minute| minute.0.checked_sub(1)).map(Bucket);
    let closed = complete.max(ended(timing.timeout_ms));
    let patient = complete.max(ended(timing.patience_ms));
    let (from, n_missed) = first(cursor.impatient, closed);
    let (patient_from, _) = first(cursor.patient, patient);
    let last = closed.max(cursor.impatient);
    let turns = match (closed, from.min(patient_from)) {
        (Some(closed), from_either) => (from_either.0..=closed.0)
            .filter_map(|minute| {
                let minute = Bucket(minute);
                let is_patient = minute >= patient_from && Some(minute) <= patient;
                let who = match (minute >= from, is_patient) {
                    (true, true) => Who::All,
                    (true, false) => Who::Impatient,
                    (false, true) => Who::Patient,
                    (false, false) => return None,
                };
                Some(Turn { minute, incomplete: Some(minute) > complete, who })
            })
            .collect(),
        (None, _) => Vec::new(),
    };
    let running = last.map(|last| Bucket(last.0.saturating_add(1))).filter(|minute| now >= minute.start());
    let settled = |minute: Bucket| now >= minute.start().plus(timing.settled_ms);
    Look { turns, running: running.map(|minute| Running { minute, settled: settled(minute) }), n_missed }
}

/// The first minute to evaluate of those up to `last`, and how many are left out. Who never evaluated begins with the last.
fn first(done: Option<Bucket>, last: Option<Bucket>) -> (Bucket, u32) {
    let Some(last) = last else { return (Bucket(u32::MAX), 0) };
    let next = done.map_or(last.0, |done| done.0.saturating_add(1));
    let earliest = last.0.saturating_sub(MAX_REPLAY - 1);
    (Bucket(next.max(earliest)), earliest.saturating_sub(next))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::collection::vec;
    use proptest::prelude::proptest;
    use proptest::prop_assert_eq;

    use super::*;

    /// What can be evaluated so many seconds after minute 100 began.
    fn at(seconds: i64, flushed: &[u64], cursor: &Cursor) -> String {
        let look = look(Bucket(100).start().plus(seconds * 1_000), flushed.iter().copied(), cursor, &Timing::NEAR);
        let turn = |turn: &Turn| {
            format!("{}{} {:?}, ", turn.minute.0, if turn.incomplete { " incomplete" } else { "" }, turn.who)
        };
        let turns: String = look.turns.iter().map(turn).collect();
        let running = look.running.map_or("nothing".to_owned(), |running| {
            format!("{}{}", running.minute.0, if running.settled { " settled" } else { "" })
        });
        let missed = if look.n_missed > 0 { format!(", {} missed", look.n_missed) } else { String::new() };
        format!("{turns}running {running}{missed}\n")
    }

    #[test]
    fn a_minute_is_closed_when_all_have_flushed_it_or_waited_for_long_enough() {
        let cursor = Cursor::at(Bucket(98));
        let mut shown = String::new();
        for (seconds, flushed) in [
            (0, [99, 99]),
            (4, [100, 99]),
            (5, [100, 100]),
            (9, [100, 99]),
            (10, [100, 99]),
            (59, [100, 99]),
            (60, [100, 99]),
            (70, [100, 100]),
        ] {
            shown.push_str(&format!("+{seconds:<3}{flushed:?}: {}", at(seconds, &flushed, &cursor)));
        }
        expect![[r#"
            +0  [99, 99]: running 99 settled
            +4  [100, 99]: running 99 settled
            +5  [100, 100]: 99 All, running 100
            +9  [100, 99]: running 99 settled
            +10 [100, 99]: 99 incomplete Impatient, running 100 settled
            +59 [100, 99]: 99 incomplete Impatient, running 100 settled
            +60 [100, 99]: 99 incomplete All, running 100 settled
            +70 [100, 100]: 99 All, 100 incomplete Impatient, running 101 settled
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn the_running_minute_is_the_first_one_that_is_not_closed() {
        let cursor = Cursor::at(Bucket(99));
        let shown = [0, 9, 10, 59].map(|seconds| at(seconds, &[100], &cursor)).concat();
        expect![[r#"
            running 100
            running 100
            running 100 settled
            running 100 settled
        "#]]
        .assert_eq(&shown);
        // It may be over and not closed yet.
        expect![[r#"
            running 99 settled
        "#]]
        .assert_eq(&at(3, &[99], &Cursor::at(Bucket(98))));
    }

    #[test]
    fn who_never_evaluated_begins_now_and_who_was_away_replays_an_hour() {
        let long = at(5, &[100], &Cursor::at(Bucket(20)));
        let (first, _) = long.split_once(", ").unwrap();
        let (_, running) = long.rsplit_once("running").unwrap();
        let never = Cursor::default();
        let behind = Cursor::at(Bucket(97));
        let (now, long_ago) = (at(5, &[100], &never), at(-6_000_000, &[0], &never));
        let (replayed, alone) = (at(5, &[100], &behind), at(5, &[], &behind));
        let shown = format!("{now}{long_ago}{replayed}{first}{running}{alone}");
        expect![[r#"
            99 All, running 100
            running nothing
            98 All, 99 All, running 100
            40 All 100, 19 missed
            98 incomplete All, running 99 settled
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn patient_rules_lag_and_catch_up_and_the_stored_progress_is_theirs() {
        let mut cursor = Cursor::at(Bucket(98));
        let now = |seconds: i64| Bucket(100).start().plus(seconds * 1_000);
        let first = look(now(10), [90], &cursor, &Timing::NEAR);
        first.turns.iter().for_each(|turn| cursor.done(turn));
        assert_eq!((first.turns.len(), cursor.evaluated()), (1, Some(Bucket(98))));
        let second = look(now(30), [100], &cursor, &Timing::NEAR);
        assert_eq!(second.turns, [Turn { minute: Bucket(99), incomplete: false, who: Who::Patient }]);
        second.turns.iter().for_each(|turn| cursor.done(turn));
        assert_eq!(cursor.evaluated(), Some(Bucket(99)));
    }

    proptest! {
        #[test]
        fn each_minute_has_one_turn_for_each_rule(looks in vec((0..25_000i64, 0..3u64), 1..40)) {
            let mut cursor = Cursor::at(Bucket(999));
            let (mut now, mut impatient, mut patient) = (Bucket(1_000).start(), 999, 999);
            for (later, behind) in looks {
                now = now.plus(later);
                let flushed = u64::from(now.minute().unwrap().0).saturating_sub(behind);
                for turn in look(now, [flushed, 2_000_000], &cursor, &Timing::NEAR).turns {
                    if turn.who != Who::Patient {
                        impatient += 1;
                        prop_assert_eq!(turn.minute.0, impatient);
                    }
                    if turn.who != Who::Impatient {
                        patient += 1;
                        prop_assert_eq!(turn.minute.0, patient);
                    }
                    cursor.done(&turn);
                }
                // Of what has ended a minute and ten seconds ago nothing is left.
                prop_assert_eq!(Some(Bucket(patient)) >= now.plus(-120_001).minute(), true);
            }
        }
    }
}
