//! Silences, compiled: whether one holds at a moment, and for which alarms.

use cron::{Schedule, TimeUnitSpec as _};
use model::{UnixMillis, Zone};

use crate::dispatch::labels::Labels;
use crate::dispatch::matcher::{BadMatcher, Matchers};
use crate::silence::{Recurrence, Silence};

/// The longest that one turn of a silence that comes back lasts: four weeks.
pub const MAX_TURN_MINUTES: u32 = 28 * 24 * 60;

/// A silence, compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its id.
    pub id: String,
    /// Whether it ends when nothing that it silences is open any more.
    pub ends_on_recovery: bool,
    matchers: Matchers,
    starts: UnixMillis,
    ends: UnixMillis,
    turns: Option<Turns>,
}

/// Why a silence cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSilence {
    /// It would silence everything.
    #[error("it has no matcher")]
    NoMatcher,
    /// A matcher is wrong.
    #[error(transparent)]
    Matcher(#[from] BadMatcher),
    /// Its cron expression is wrong.
    #[error("`{0}` is no cron expression with seconds, such as `0 0 2 * * Sun`: {1}")]
    Cron(String, String),
    /// Nobody knows its zone.
    #[error("{0}")]
    Zone(String),
    /// It lasts too long, or no time at all.
    #[error("a turn of {0} minutes is out of range, 1 to {MAX_TURN_MINUTES} are allowed")]
    Minutes(u32),
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Never,
}

#[derive(Clone, Debug)]
struct Turns {
    schedule: Schedule,
    zone: Zone,
    minutes: u32,
}

impl Compiled {
    /// Compiles a silence.
    pub fn new(silence: &Silence) -> Result<Compiled, BadSilence> {
        if silence.matchers.is_empty() {
            return Err(BadSilence::NoMatcher);
        }
        if silence.ends < silence.starts {
            return Err(BadSilence::Never);
        }
        Ok(Compiled {
            id: silence.id.clone(),
            ends_on_recovery: silence.ends_on_recovery,
            matchers: Matchers::new(&silence.matchers)?,
            starts: silence.starts,
            ends: silence.ends,
            turns: silence.recurrence.as_ref().map(Turns::new).transpose()?,
        })
    }

    /// Whether it holds at a moment: its end is not in it.
    pub fn holds(&self, now: UnixMillis) -> bool {
        (self.starts..self.ends).contains(&now) && self.turns.as_ref().is_none_or(|turns| turns.hold(now))
    }

    /// Whether it is for an alarm.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.hold(labels)
    }
}

impl Turns {
    fn new(recurrence: &Recurrence) -> Result<Turns, BadSilence> {
        let schedule = recurrence
            .cron
            .parse::<Schedule>()
            .map_err(|error| BadSilence::Cron(recurrence.cron.clone(), error.to_string()))?;
        let zone = if recurrence.zone.is_empty() { Ok(Zone::utc()) } else { Zone::named(&recurrence.zone) };
        let zone = zone.map_err(|error| BadSilence::Zone(error.to_string()))?;
        if !(1..=MAX_TURN_MINUTES).contains(&recurrence.minutes) {
            return Err(BadSilence::Minutes(recurrence.minutes));
        }
        Ok(Turns { schedule, zone, minutes: recurrence.minutes })
    }

    fn hold(&self, now: UnixMillis) -> bool {
        self.began(now).is_some_and(|began| now < began.plus(i64::from(self.minutes) * 60_000))
    }

    /// The last beginning at or before `now`, as far back as it matters.
    ///
    /// The zone is that of the machine's calendar, not of the schedule's own: days are walked on the wall clock, and each beginning
    /// is the moment at which that clock shows it, the earlier one where it does so twice, the next one where it never does.
    fn began(&self, now: UnixMillis) -> Option<UnixMillis> {
        let local = self.zone.civil(now);
        let mut date = local.date();
        // A clock that was set back shows an hour that is later than now.
        let mut hours = u32::from(local.hour().unsigned_abs()) + 1;
        for _ in 0..=self.minutes / (24 * 60) + 1 {
            let weekday = u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs()) + 1;
            let matches = self.schedule.years().includes(u32::from(date.year().unsigned_abs()))
                && self.schedule.months().includes(u32::from(date.month().unsigned_abs()))
                && self.schedule.days_of_month().includes(u32::from(date.day().unsigned_abs()))
                && self.schedule.days_of_week().includes(weekday);
            let part = |number: u32| i8::try_from(number).unwrap_or(i8::MAX);
            let times = self.schedule.hours().iter().rev().filter(|hour| *hour <= hours).flat_map(|hour| {
                let minutes = self.schedule.minutes().iter().rev();
                minutes.flat_map(move |minute| {
                    self.schedule.seconds().iter().rev().map(move |second| (part(hour), part(minute), part(second)))
                })
            });
            let mut moments =
                times.filter_map(|(hour, minute, second)| self.zone.instant(date.at(hour, minute, second, 0)));
            if matches && let Some(moment) = moments.find(|moment| *moment <= now) {
                return Some(moment);
            }
            date = date.yesterday().ok()?;
            hours = 23;
        }
        None
    }
}
