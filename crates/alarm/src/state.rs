//! The state of one instance of a rule (rule, entity, label set), and how a minute changes it. Pure: it knows no rule, no store and no
//! clock.
//!
//! Everything that counts is a minute, not a counter, so that the fields of an [`Incident`] are all there is to know: the last minute
//! of silence, the last one of observation, the one in which the state was entered. A minute that was stepped already changes nothing
//! when it is stepped again, and a node that takes over decides what the one before would have decided.
//!
//! | state | match | mismatch |
//! |---|---|---|
//! | NORMAL, RECOVERED | `for` is 0 and there is no silence: FIRING; else PENDING | NORMAL |
//! | PENDING | long enough, and no silence: FIRING; else it stays | NORMAL |
//! | FIRING, SILENCED_FIRING | silent: SILENCED_FIRING; else SkyWalking's: FIRING again, ours: it stays | observed long enough: RECOVERED; else OBSERVING_RECOVERY |
//! | OBSERVING_RECOVERY, NO_DATA, ERROR | silent, or ours: SILENCED_FIRING; else FIRING again | as above |
//!
//! SkyWalking's machine keeps what is left of an observation over a match that is silenced; here an observation that was interrupted
//! begins anew, so that `recovery_observation + 1` mismatches always stand in a row before a recovery.

use model::Bucket;

use crate::incident::{Incident, State, What};
use crate::rule::{NoDataPolicy, OnError, Profile, Rule};

/// What a minute shows of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The condition is true.
    Match,
    /// The condition is false, but that it is over is not true either: of a rule with an expression of its own for that.
    Between,
    /// The condition is false.
    Mismatch,
    /// There is no value in the window, and not for so long that it means something.
    Nothing,
    /// There has been no value for so long that the rule's policy says what it means.
    NoData,
    /// The expression cannot be computed, for so many minutes in a row.
    Error(u32),
}

/// Whether a minute is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// It is: it is stepped once, in order.
    Closed,
    /// It runs: it may only make PENDING or FIRING earlier.
    Running,
}

/// What of a rule the state depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Whose way of repeating and recovering.
    pub profile: Profile,
    /// Minutes that it must have matched before it fires.
    pub for_minutes: u32,
    /// Minutes after a firing without another one.
    pub silence: u32,
    /// Further mismatches before it has recovered.
    pub recovery_observation: u32,
    /// Minutes after the first firing in which it cannot begin to recover.
    pub keep_firing_for: u32,
    /// What it means that there are no values.
    pub no_data: NoDataPolicy,
    /// What an error means.
    pub on_error: OnError,
    /// After how many minutes of errors it means that.
    pub period: u32,
}

impl Params {
    /// Those of a rule.
    pub fn of(rule: &Rule) -> Params {
        Params {
            profile: rule.profile,
            for_minutes: rule.for_minutes,
            silence: rule.silence,
            recovery_observation: rule.recovery_observation,
            keep_firing_for: rule.keep_firing_for,
            no_data: rule.no_data.policy,
            on_error: rule.on_error,
            period: rule.period.max(1),
        }
    }

    /// Those of the alarm that stands for the instances beyond a rule's limit: nothing delays it, and it has values always.
    pub fn of_overflow(rule: &Rule) -> Params {
        Params { for_minutes: 0, keep_firing_for: 0, ..Params::of(rule) }
    }
}

/// The state of one instance. The default is one of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// The state.
    pub state: State,
    /// The minute in which it was entered; of [`State::Pending`] the first one that matched.
    pub entered: Bucket,
    /// The minute of the first firing.
    pub opened: Bucket,
    /// The last minute of silence; it is not forgotten with the recovery.
    pub silent_until: Bucket,
    /// The last minute of observation, of [`State::ObservingRecovery`].
    pub observed_until: Bucket,
}

impl Live {
    /// What an incident says.
    pub fn of(incident: &Incident) -> Live {
        Live {
            state: incident.state,
            entered: incident.entered,
            opened: incident.opened,
            silent_until: incident.silent_until,
            observed_until: incident.observed_until,
        }
    }

    /// Whether it fired and has not recovered: whether there is an open incident of it.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Normal | State::Pending | State::Recovered)
    }

    /// Whether there is anything to know that the next minute needs.
    pub fn is_worth_keeping(&self, minute: Bucket) -> bool {
        self.is_open()
            || match self.state {
                State::Pending => true,
                State::Recovered => self.entered >= minute || self.silent_until > minute,
                _ => self.silent_until > minute,
            }
    }

    fn enter(&mut self, state: State, minute: Bucket) {
        if self.state != state {
            (self.state, self.entered) = (state, minute);
        }
    }
}

/// Takes an instance one minute further. Minutes come in order; one that was stepped already changes nothing. Answers what others are
/// to be told.
pub fn step(live: &mut Live, minute: Bucket, of: Of, seen: Seen, params: &Params) -> Option<What> {
    if of == Of::Running && seen != Seen::Match {
        return None;
    }
    let seen = meaning(seen, params);
    match (live.is_open(), of) {
        (true, Of::Closed) if minute > live.entered => step_open(live, minute, seen, params),
        (true, _) => None,
        (false, _) if live.state == State::Recovered && minute <= live.entered => None,
        (false, _) => step_closed(live, minute, seen, params),
    }
}

/// Lets an instance know again what a minute before showed of it, so that it is as long pending as it was. Nothing is fired: what
/// fired then is in its incident.
pub fn recall(live: &mut Live, minute: Bucket, seen: Seen, params: &Params) {
    let is_done = live.state == State::Recovered && minute <= live.entered;
    if !live.is_open() && !is_done {
        step_closed(live, minute, meaning(seen, params), &Params { for_minutes: u32::MAX, ..*params });
    }
}

/// What the policies of the rule make of it.
fn meaning(seen: Seen, params: &Params) -> Seen {
    match (seen, params.no_data, params.on_error) {
        (Seen::NoData, NoDataPolicy::Ok, _) => Seen::Mismatch,
        (Seen::NoData, NoDataPolicy::Alert, _) => Seen::Match,
        (Seen::Error(minutes), _, OnError::Alert) if minutes >= params.period => Seen::Match,
        _ => seen,
    }
}

/// An instance that has no open incident.
fn step_closed(live: &mut Live, minute: Bucket, seen: Seen, params: &Params) -> Option<What> {
    let holds = match seen {
        Seen::Match => false,
        Seen::Nothing | Seen::Error(_) => true,
        Seen::NoData => params.no_data == NoDataPolicy::Keep,
        Seen::Between | Seen::Mismatch => false,
    };
    if holds {
        return None;
    }
    if seen != Seen::Match {
        live.enter(State::Normal, minute);
        return None;
    }
    live.enter(State::Pending, minute);
    let matched = minute.0.saturating_sub(live.entered.0);
    if matched < params.for_minutes || minute <= live.silent_until {
        return None;
    }
    *live = Live { opened: minute, ..Live::default() };
    fire(live, minute, params);
    Some(What::Fired)
}

fn fire(live: &mut Live, minute: Bucket, params: &Params) {
    (live.state, live.entered) = (State::Firing, minute);
    live.silent_until = Bucket(minute.0.saturating_add(params.silence));
}

/// An instance with an open incident, in a minute that is closed and was not stepped.
fn step_open(live: &mut Live, minute: Bucket, seen: Seen, params: &Params) -> Option<What> {
    let kept = minute.0 <= live.opened.0.saturating_add(params.keep_firing_for);
    match seen {
        Seen::Match => step_match(live, minute, params),
        Seen::Between => still(live, minute),
        Seen::Mismatch if kept && params.keep_firing_for > 0 => still(live, minute),
        Seen::Mismatch => step_mismatch(live, minute, params),
        Seen::Nothing => None,
        Seen::NoData if params.no_data == NoDataPolicy::Keep => {
            live.enter(State::NoData, minute);
            None
        }
        Seen::NoData => {
            live.enter(State::Recovered, minute);
            Some(What::Recovered)
        }
        Seen::Error(_) => {
            live.enter(State::Error, minute);
            None
        }
    }
}

fn step_match(live: &mut Live, minute: Bucket, params: &Params) -> Option<What> {
    match params.profile {
        Profile::Skywalking if minute > live.silent_until => {
            fire(live, minute, params);
            Some(What::FiredAgain)
        }
        Profile::Skywalking => {
            live.enter(State::SilencedFiring, minute);
            None
        }
        Profile::Native => still(live, minute),
    }
}

/// It goes on, and nobody is told.
fn still(live: &mut Live, minute: Bucket) -> Option<What> {
    if live.state != State::Firing {
        live.enter(State::SilencedFiring, minute);
    }
    None
}

fn step_mismatch(live: &mut Live, minute: Bucket, params: &Params) -> Option<What> {
    if live.state != State::ObservingRecovery {
        live.observed_until = Bucket(minute.0.saturating_add(params.recovery_observation).saturating_sub(1));
    }
    let silent = params.profile == Profile::Skywalking && minute <= live.silent_until;
    if silent || minute <= live.observed_until {
        live.enter(State::ObservingRecovery, minute);
        return None;
    }
    live.enter(State::Recovered, minute);
    Some(What::Recovered)
}

#[cfg(test)]
mod tests;
