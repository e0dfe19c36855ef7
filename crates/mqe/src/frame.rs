//! Which stretch of time a part of an expression is about: lengths of time, and frames made of them.

use std::fmt::{Display, Formatter, Result};

/// A length of time as the language writes it: `5m`, `1h`, `1d`, `1w`. Whole minutes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(u32);

/// Units, the longest first.
const UNITS: [(char, u32); 4] = [('w', 7 * DAY), ('d', DAY), ('h', 60), ('m', 1)];
const DAY: u32 = 24 * 60;
/// Up to this long a window has a value for each minute, beyond it one for each hour.
const LONGEST_BY_MINUTE: Span = Span(120);

impl Span {
    /// One day.
    pub(crate) const DAY: Self = Self(DAY);
    /// The longest that is understood: no store keeps metrics longer.
    pub const LONGEST: Self = Self(400 * DAY);
    /// The longest window of `over` and `burn_rate`: 768 hours.
    pub const LONGEST_WINDOW: Self = Self(32 * DAY);

    /// So many minutes; `None` for 0 and beyond [`Span::LONGEST`].
    pub fn minutes(n: u32) -> Option<Self> {
        (n > 0 && n <= Self::LONGEST.0).then_some(Self(n))
    }

    /// Its length in minutes.
    pub fn in_minutes(self) -> u32 {
        self.0
    }

    /// `n` times as long, at most [`u32::MAX`] minutes.
    pub(crate) fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(n))
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let (unit, minutes) = UNITS.into_iter().find(|(unit, _)| word.ends_with(*unit))?;
        let digits = word.strip_suffix(unit)?;
        let n: u32 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Self::minutes(n.checked_mul(minutes)?)
    }

    /// Whether a window may be so long: to two hours whole minutes, to 32 days whole hours.
    pub fn is_window(self) -> bool {
        self <= LONGEST_BY_MINUTE || (self <= Self::LONGEST_WINDOW && self.0.is_multiple_of(60))
    }

    /// Minutes from one value of such a window to the next: 1 or 60.
    pub fn step_minutes(self) -> u32 {
        if self <= LONGEST_BY_MINUTE { 1 } else { 60 }
    }

    /// How many values such a window has.
    pub fn n_buckets(self) -> u32 {
        self.0 / self.step_minutes()
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (unit, minutes) =
            UNITS.into_iter().find(|(_, minutes)| self.0.is_multiple_of(*minutes)).unwrap_or(('m', 1));
        write!(f, "{}{unit}", self.0 / minutes)
    }
}

/// Which buckets are read, told from the duration of the query (or the window of the alarm rule).
///
/// The default is that duration, in its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Frame {
    /// How many minutes earlier. Must be whole buckets: what cannot be answered is [`crate::Loaded::Failed`].
    pub back_minutes: u32,
    /// Not the duration but this long a time up to its end, in the window's own step. The bucket in which the duration
    /// ends is the last one, also when it is an hour that still runs.
    pub window: Option<Span>,
}

impl Frame {
    /// The same, so much earlier.
    #[must_use]
    pub(crate) fn back(self, by: Span) -> Self {
        Self { back_minutes: self.back_minutes.saturating_add(by.0), ..self }
    }

    /// The end of it, so long.
    #[must_use]
    pub(crate) fn over(self, window: Span) -> Self {
        Self { window: Some(window), ..self }
    }
}
