//! Whose turn it is: rows of minutes go with every flush, those of hours and days take turns, so that every flush is about as long.

use model::Step;

/// Flushes from one turn of an hour's row to its next one.
pub const HOUR_EVERY: u32 = 6;
/// Flushes from one turn of a day's row to its next one. A multiple of [`HOUR_EVERY`], so that both come at once.
pub const DAY_EVERY: u32 = 30;

/// With which flushes the rows go that grow with every minute: an hour's and a day's. Others go with the next flush.
///
/// At two seconds between flushes a node that is killed loses 2 s of a minute, 12 s of an hour and 60 s of a day at most: a thirtieth of
/// the first, less of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// Flushes from one turn of an hour to the next; at least 1.
    pub hour: u32,
    /// Flushes from one turn of a day to the next; at least 1.
    pub day: u32,
}

impl Default for Turns {
    fn default() -> Self {
        Turns { hour: HOUR_EVERY, day: DAY_EVERY }
    }
}

impl Turns {
    /// Everything goes with every flush.
    pub const ALWAYS: Turns = Turns { hour: 1, day: 1 };

    fn every(self, step: Step) -> u64 {
        match step {
            Step::Minute | Step::Life => 1,
            Step::Hour => u64::from(self.hour.max(1)),
            Step::Day => u64::from(self.day.max(1)),
        }
    }

    /// Flushes after that one until it is the turn of rows of `step` again, of the entities of this phase; 0: it is.
    pub(super) fn until(self, step: Step, phase: u32, flush: u64) -> u64 {
        let every = self.every(step);
        let since = flush.wrapping_add(u64::from(phase)) % every;
        (every - since) % every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_always_go_and_hours_and_days_once_in_their_period() {
        let turns = Turns::default();
        for phase in 0..60 {
            let due = |step| (1..=60).filter(|&flush| turns.until(step, phase, flush) == 0).count();
            assert_eq!([Step::Minute, Step::Life, Step::Hour, Step::Day].map(due), [60, 60, 10, 2], "phase {phase}");
            for flush in 1..=60 {
                for step in Step::ALL {
                    assert_eq!(turns.until(step, phase, flush + turns.until(step, phase, flush)), 0);
                }
            }
        }
    }

    #[test]
    fn phases_share_the_flushes_evenly() {
        let turns = Turns::default();
        for flush in 1..=30 {
            let due = |step| (0..300).filter(|&phase| turns.until(step, phase, flush) == 0).count();
            assert_eq!([Step::Hour, Step::Day].map(due), [50, 10], "flush {flush}");
        }
    }
}
