//! Pacing: how much should have been sent by now. A pure function of time, so that a late timer or a slow server never lowers
//! the rate that was asked for.

use std::time::Duration;

/// A constant rate for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) per_second: u32,
    pub(crate) length: Duration,
}

impl Schedule {
    /// How many should have been sent this long after the start. Never falls, and stays what it is after the end.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        let due = u128::from(self.per_second) * elapsed.min(self.length).as_nanos() / Duration::from_secs(1).as_nanos();
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// Whether nothing more becomes due.
    pub(crate) fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends what is due at each time, as the sender does; returns how many after each.
    fn sent(schedule: Schedule, at_us: &[u64]) -> Vec<u64> {
        at_us.iter().map(|&us| schedule.due(Duration::from_micros(us))).collect()
    }

    #[test]
    fn the_rate_is_kept_whatever_the_timer_does() {
        let schedule = Schedule { per_second: 2_000, length: Duration::from_secs(10) };
        assert_eq!(sent(schedule, &[0, 499, 500, 5_000, 10_000]), [0, 0, 1, 10, 20]);
        // A tick a second late brings all that was missed.
        assert_eq!(sent(schedule, &[5_000, 1_005_000]), [10, 2_010]);
        // Ticks that divide nothing lose nothing.
        let uneven: Vec<u64> = (1..=3_001).map(|i| i * 333).collect();
        assert_eq!(sent(schedule, &uneven).last(), Some(&1_998));
    }

    #[test]
    fn nothing_becomes_due_after_the_end() {
        let schedule = Schedule { per_second: 7, length: Duration::from_secs(3) };
        assert_eq!(sent(schedule, &[2_999_999, 3_000_000, 90_000_000]), [20, 21, 21]);
        assert!(!schedule.is_over(Duration::from_micros(2_999_999)));
        assert!(schedule.is_over(Duration::from_secs(3)));
        assert_eq!(sent(Schedule { per_second: 0, ..schedule }, &[3_000_000]), [0]);
    }
}
