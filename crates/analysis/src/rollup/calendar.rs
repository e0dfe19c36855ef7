//! Which buckets a minute belongs to, remembered: asking the calendar costs more than merging a row.

use hashbrown::HashMap;
use model::{Bucket, Step, Zone};

/// Remembered answers after which the memory starts afresh: a week of minutes, so only a flood of late data reaches it.
const MAX_REMEMBERED: usize = 10_080;
/// Minutes for which an ended bucket counts as running: until then data for it are the rule, not the exception.
pub(super) const LATE_MINUTES: u32 = 10;

/// The hour and the day of a minute, in one zone, and where buckets end.
#[derive(Debug)]
pub(super) struct Calendar {
    zone: Zone,
    buckets: HashMap<(Step, Bucket), Bucket>,
    ends: HashMap<(Step, Bucket), Bucket>,
}

impl Calendar {
    pub(super) fn new(zone: Zone) -> Self {
        Calendar { zone, buckets: HashMap::new(), ends: HashMap::new() }
    }

    /// The bucket of `step` that holds the minute.
    pub(super) fn bucket(&mut self, step: Step, minute: Bucket) -> Bucket {
        match step {
            Step::Minute => minute,
            Step::Life => Bucket(0),
            Step::Hour | Step::Day => remembered(&mut self.buckets, (step, minute), || self.zone.bucket(step, minute)),
        }
    }

    /// Whether the bucket ended over [`LATE_MINUTES`] ago. A life row's never does.
    pub(super) fn is_past(&mut self, step: Step, bucket: Bucket, now: Bucket) -> bool {
        let end = match step {
            Step::Life => return false,
            Step::Minute => self.zone.next(step, bucket),
            Step::Hour | Step::Day => remembered(&mut self.ends, (step, bucket), || self.zone.next(step, bucket)),
        };
        end.0.saturating_add(LATE_MINUTES) < now.0
    }
}

fn remembered(
    memory: &mut HashMap<(Step, Bucket), Bucket>,
    key: (Step, Bucket),
    ask: impl FnOnce() -> Bucket,
) -> Bucket {
    if memory.len() >= MAX_REMEMBERED {
        memory.clear();
    }
    *memory.entry(key).or_insert_with(ask)
}
