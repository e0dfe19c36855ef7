//! The table of states, and laws that hold whatever is seen.

use expect_test::expect;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq};

use super::*;

fn skywalking(silence: u32, recovery_observation: u32) -> Params {
    let rule = Rule { profile: Profile::Skywalking, silence, recovery_observation, period: 10, ..Rule::default() };
    Params::of(&rule)
}

/// One letter for each minute, as the reference's vectors have them.
fn letters(params: &Params, seen: &[Seen]) -> String {
    let mut live = Live::default();
    (100..)
        .zip(seen)
        .map(|(minute, seen)| {
            step(&mut live, Bucket(minute), Of::Closed, *seen, params);
            letter(live.state)
        })
        .collect()
}

fn letter(state: State) -> char {
    match state {
        State::Normal => 'N',
        State::Pending => 'P',
        State::Firing => 'F',
        State::SilencedFiring => 'S',
        State::ObservingRecovery => 'O',
        State::Recovered => 'R',
        State::NoData => 'D',
        State::Error => 'E',
    }
}

/// `1` match, `0` mismatch, `b` between, `n` nothing, `d` no data, `e` the first minute of an error, `E` the tenth.
fn read(text: &str) -> Vec<Seen> {
    let seen = |letter| match letter {
        '1' => Seen::Match,
        'b' => Seen::Between,
        'n' => Seen::Nothing,
        'd' => Seen::NoData,
        'e' => Seen::Error(1),
        'E' => Seen::Error(10),
        _ => Seen::Mismatch,
    };
    text.chars().map(seen).collect()
}

#[test]
fn a_rule_of_skywalking_goes_through_the_states_of_skywalking() {
    let vectors = [
        ((10, 0), "1".repeat(24), "FSSSSSSSSSSFSSSSSSSSSSFS"),
        ((3, 0), "1".repeat(12), "FSSSFSSSFSSS"),
        ((0, 0), "1111110000".to_owned(), "FFFFFFRNNN"),
        ((3, 0), "1000000000".to_owned(), "FOOORNNNNN"),
        ((10, 0), format!("1{}", "0".repeat(14)), "FOOOOOOOOOORNNN"),
        ((3, 2), "10000000000".to_owned(), "FOOORNNNNNN"),
        ((0, 2), "100000000".to_owned(), "FOORNNNNN"),
        ((0, 1), "100000".to_owned(), "FORNNN"),
        ((3, 0), "1101000001".to_owned(), "FSOSRNNNNF"),
        ((0, 0), "10101010".to_owned(), "FRFRFRFR"),
        ((0, 2), "1101001000000".to_owned(), "FFOFOOFOORNNN"),
        ((5, 3), "1110110111000000000".to_owned(), "FSSOSSOFSSOOORNNNNN"),
    ];
    for ((silence, observation), matches, states) in vectors {
        assert_eq!(
            letters(&skywalking(silence, observation), &read(&matches)),
            states,
            "{silence},{observation} {matches}"
        );
    }
}

#[test]
fn a_rule_of_ours_fires_once_and_recovers_without_waiting_for_silence() {
    let native = |silence, recovery_observation, for_minutes, keep_firing_for| {
        let rule = Rule { silence, recovery_observation, for_minutes, keep_firing_for, period: 10, ..Rule::default() };
        Params::of(&rule)
    };
    let all = [
        ("nothing set", native(0, 0, 0, 0), "1111001"),
        ("observed", native(0, 2, 0, 0), "1100100001"),
        ("pending", native(0, 0, 3, 0), "1110111110"),
        ("pending over gaps", native(0, 0, 3, 0), "1nn1bn111d11"),
        ("silence after a recovery", native(5, 0, 0, 0), "1011111"),
        ("silence and pending", native(5, 0, 2, 0), "111001111111"),
        ("kept firing", native(0, 1, 0, 4), "1000000"),
        ("hysteresis", native(0, 1, 0, 0), "1bbb0b0b00b"),
    ];
    let shown: String = all
        .into_iter()
        .map(|(name, params, text)| format!("{name:26}{text}\n{:26}{}\n", "", letters(&params, &read(text))))
        .collect();
    expect![[r#"
        nothing set               1111001
                                  FFFFRNF
        observed                  1100100001
                                  FFOOSOORNF
        pending                   1110111110
                                  PPPNPPPFFR
        pending over gaps         1nn1bn111d11
                                  PPPFFFFFFRPP
        silence after a recovery  1011111
                                  FRPPPPF
        silence and pending       111001111111
                                  PPFRNPPPFFFF
        kept firing               1000000
                                  FFFFFOR
        hysteresis                1bbb0b0b00b
                                  FFFFOSOSORN
    "#]]
    .assert_eq(&shown);
}

/// What each input makes of each state, in a minute after which silence is over and in one in which it is not.
fn table(profile: Profile, policies: [(NoDataPolicy, OnError); 2]) -> String {
    let states = [
        State::Normal,
        State::Pending,
        State::Firing,
        State::SilencedFiring,
        State::ObservingRecovery,
        State::Recovered,
        State::NoData,
        State::Error,
    ];
    let mut shown = String::new();
    for (no_data, on_error) in policies {
        let params = Params { profile, no_data, on_error, for_minutes: 1, ..skywalking(0, 1) };
        shown.push_str(&format!("{no_data:?}, {on_error:?}\n     1   b   0   n   d   e   E   running 1 0 d\n"));
        for (state, silent) in states.into_iter().flat_map(|state| [(state, false), (state, true)]) {
            let closed = read("1b0ndeE").into_iter().map(|seen| (seen, Of::Closed));
            let running = read("10d").into_iter().map(|seen| (seen, Of::Running));
            let cells: Vec<String> =
                closed.chain(running).map(|(seen, of)| one_step(state, silent, of, seen, &params)).collect();
            let line = format!("{}{} {}", letter(state), if silent { "s" } else { " " }, cells.concat());
            shown.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    shown
}

#[test]
fn every_state_of_skywalking_answers_every_input() {
    let shown =
        table(Profile::Skywalking, [(NoDataPolicy::Resolve, OnError::Keep), (NoDataPolicy::Keep, OnError::Alert)]);
    expect![[r#"
        Resolve, Keep
             1   b   0   n   d   e   E   running 1 0 d
        N    P   N   N   N   N   N   N   P   N   N
        Ns   P   N   N   N   N   N   N   P   N   N
        P    F!  N   N   P   N   P   P   F!  P   P
        Ps   P   N   N   P   N   P   P   P   P   P
        F    F+  F   O   F   R.  E   E   F   F   F
        Fs   S   F   O   F   R.  E   E   F   F   F
        S    F+  S   O   S   R.  E   E   S   S   S
        Ss   S   S   O   S   R.  E   E   S   S   S
        O    F+  S   R.  O   R.  E   E   O   O   O
        Os   S   S   O   O   R.  E   E   O   O   O
        R    P   N   N   R   N   R   R   P   R   R
        Rs   P   N   N   R   N   R   R   P   R   R
        D    F+  S   O   D   R.  E   E   D   D   D
        Ds   S   S   O   D   R.  E   E   D   D   D
        E    F+  S   O   E   R.  E   E   E   E   E
        Es   S   S   O   E   R.  E   E   E   E   E
        Keep, Alert
             1   b   0   n   d   e   E   running 1 0 d
        N    P   N   N   N   N   N   P   P   N   N
        Ns   P   N   N   N   N   N   P   P   N   N
        P    F!  N   N   P   P   P   F!  F!  P   P
        Ps   P   N   N   P   P   P   P   P   P   P
        F    F+  F   O   F   D   E   F+  F   F   F
        Fs   S   F   O   F   D   E   S   F   F   F
        S    F+  S   O   S   D   E   F+  S   S   S
        Ss   S   S   O   S   D   E   S   S   S   S
        O    F+  S   R.  O   D   E   F+  O   O   O
        Os   S   S   O   O   D   E   S   O   O   O
        R    P   N   N   R   R   R   P   P   R   R
        Rs   P   N   N   R   R   R   P   P   R   R
        D    F+  S   O   D   D   E   F+  D   D   D
        Ds   S   S   O   D   D   E   S   D   D   D
        E    F+  S   O   E   D   E   F+  E   E   E
        Es   S   S   O   E   D   E   S   E   E   E
    "#]]
    .assert_eq(&shown);
}

#[test]
fn every_state_of_ours_answers_every_input() {
    let shown = table(Profile::Native, [(NoDataPolicy::Ok, OnError::Keep), (NoDataPolicy::Alert, OnError::Alert)]);
    expect![[r#"
        Ok, Keep
             1   b   0   n   d   e   E   running 1 0 d
        N    P   N   N   N   N   N   N   P   N   N
        Ns   P   N   N   N   N   N   N   P   N   N
        P    F!  N   N   P   N   P   P   F!  P   P
        Ps   P   N   N   P   N   P   P   P   P   P
        F    F   F   O   F   O   E   E   F   F   F
        Fs   F   F   O   F   O   E   E   F   F   F
        S    S   S   O   S   O   E   E   S   S   S
        Ss   S   S   O   S   O   E   E   S   S   S
        O    S   S   R.  O   R.  E   E   O   O   O
        Os   S   S   R.  O   R.  E   E   O   O   O
        R    P   N   N   R   N   R   R   P   R   R
        Rs   P   N   N   R   N   R   R   P   R   R
        D    S   S   O   D   O   E   E   D   D   D
        Ds   S   S   O   D   O   E   E   D   D   D
        E    S   S   O   E   O   E   E   E   E   E
        Es   S   S   O   E   O   E   E   E   E   E
        Alert, Alert
             1   b   0   n   d   e   E   running 1 0 d
        N    P   N   N   N   P   N   P   P   N   N
        Ns   P   N   N   N   P   N   P   P   N   N
        P    F!  N   N   P   F!  P   F!  F!  P   P
        Ps   P   N   N   P   P   P   P   P   P   P
        F    F   F   O   F   F   E   F   F   F   F
        Fs   F   F   O   F   F   E   F   F   F   F
        S    S   S   O   S   S   E   S   S   S   S
        Ss   S   S   O   S   S   E   S   S   S   S
        O    S   S   R.  O   S   E   S   O   O   O
        Os   S   S   R.  O   S   E   S   O   O   O
        R    P   N   N   R   P   R   P   P   R   R
        Rs   P   N   N   R   P   R   P   P   R   R
        D    S   S   O   D   S   E   S   D   D   D
        Ds   S   S   O   D   S   E   S   D   D   D
        E    S   S   O   E   S   E   S   E   E   E
        Es   S   S   O   E   S   E   S   E   E   E
    "#]]
    .assert_eq(&shown);
}

/// The state after a minute, and what is told: `!` fired, `+` fired again, `.` recovered.
fn one_step(state: State, silent: bool, of: Of, seen: Seen, params: &Params) -> String {
    let mut live = Live {
        state,
        entered: Bucket(9),
        opened: Bucket(5),
        silent_until: Bucket(if silent { 10 } else { 9 }),
        observed_until: Bucket(9),
    };
    let told = match step(&mut live, Bucket(10), of, seen, params) {
        Some(What::Fired) => "!",
        Some(What::FiredAgain) => "+",
        Some(What::Recovered) => ".",
        None => " ",
    };
    format!("  {}{told}", letter(live.state))
}

fn params() -> impl Strategy<Value = Params> {
    let policy = prop_oneof![
        Just(NoDataPolicy::Ok),
        Just(NoDataPolicy::Keep),
        Just(NoDataPolicy::Alert),
        Just(NoDataPolicy::Resolve)
    ];
    (any::<bool>(), 0..4u32, 0..6u32, 0..4u32, 0..4u32, policy, any::<bool>()).prop_map(
        |(native, for_minutes, silence, recovery_observation, keep_firing_for, no_data, alert)| Params {
            profile: if native { Profile::Native } else { Profile::Skywalking },
            for_minutes,
            silence,
            recovery_observation,
            keep_firing_for,
            no_data,
            on_error: if alert { OnError::Alert } else { OnError::Keep },
            period: 2,
        },
    )
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        5 => Just(Seen::Match),
        4 => Just(Seen::Mismatch),
        1 => Just(Seen::Between),
        1 => Just(Seen::Nothing),
        1 => Just(Seen::NoData),
        1 => (1..4u32).prop_map(Seen::Error),
    ]
}

/// Each minute's transition and the state after it.
fn told(params: &Params, minutes: &[Seen]) -> Vec<(Option<What>, Live)> {
    let mut live = Live::default();
    (1..)
        .zip(minutes)
        .map(|(minute, seen)| (step(&mut live, Bucket(minute), Of::Closed, *seen, params), live))
        .collect()
}

proptest! {
    #[test]
    fn no_two_firings_are_within_silence(params in params(), minutes in vec(seen(), 1..60)) {
        let mut last: Option<u32> = None;
        for (minute, (what, _)) in (1..).zip(told(&params, &minutes)) {
            if matches!(what, Some(What::Fired | What::FiredAgain)) {
                prop_assert!(last.is_none_or(|last| minute > last + params.silence), "{last:?} {minute}");
                last = Some(minute);
            }
        }
    }

    #[test]
    fn ours_fires_once_for_each_recovery(params in params(), minutes in vec(seen(), 1..60)) {
        let params = Params { profile: Profile::Native, ..params };
        let mut open = false;
        for (what, live) in told(&params, &minutes) {
            match what {
                Some(What::Fired) => prop_assert!(!std::mem::replace(&mut open, true)),
                Some(What::Recovered) => prop_assert!(std::mem::replace(&mut open, false)),
                Some(What::FiredAgain) => prop_assert!(false, "ours does not fire again"),
                None => {}
            }
            prop_assert_eq!(live.is_open(), open);
        }
    }

    #[test]
    fn a_recovery_comes_after_observation_or_without_data(params in params(), minutes in vec(seen(), 1..60)) {
        let observed = usize::try_from(params.recovery_observation).unwrap() + 1;
        for (at, (what, _)) in told(&params, &minutes).into_iter().enumerate() {
            if what != Some(What::Recovered) || minutes[at] == Seen::NoData {
                continue;
            }
            // What holds the state is no observation, but does not end one either.
            let mut run = minutes[..=at].iter().rev().filter(|seen| !matches!(seen, Seen::Nothing));
            let mismatches = run.by_ref().take_while(|seen| matches!(meaning(**seen, &params), Seen::Mismatch)).count();
            let minutes_observed = minutes[..=at].iter().rev().take_while(|seen| {
                matches!(meaning(**seen, &params), Seen::Mismatch | Seen::Nothing)
            }).count();
            prop_assert!(mismatches >= 1 && minutes_observed >= observed, "{at}: {mismatches} {minutes_observed}");
        }
    }

    #[test]
    fn a_pending_instance_fires_after_as_many_minutes(params in params(), minutes in vec(seen(), 1..60)) {
        let mut since = None;
        for (minute, (what, live)) in (1u32..).zip(told(&params, &minutes)) {
            if what == Some(What::Fired) {
                let matched = since.map_or(0, |since| minute - since);
                prop_assert!(matched >= params.for_minutes, "{matched}");
            }
            since = (live.state == State::Pending).then_some(since.unwrap_or(minute));
        }
    }

    #[test]
    fn minutes_done_already_change_nothing(params in params(), minutes in vec(seen(), 1..40), back in 1..40u32) {
        let mut live = Live::default();
        for (minute, seen) in (1u32..).zip(&minutes) {
            step(&mut live, Bucket(minute), Of::Closed, *seen, &params);
            let done = minute.saturating_sub(back).max(1)..=minute;
            for again in done.filter(|_| live.is_open() || live.state == State::Recovered) {
                let mut copy = live;
                let seen = minutes[usize::try_from(again).unwrap() - 1];
                let what = step(&mut copy, Bucket(again), Of::Closed, seen, &params);
                prop_assert_eq!((what, copy.is_open()), (None, live.is_open()), "{}", again);
                prop_assert!(copy == live || (live.state == State::Recovered && again > live.entered.0), "{}", again);
            }
        }
    }

    #[test]
    fn who_takes_over_decides_the_same(params in params(), minutes in vec(seen(), 1..60), at in 0..60usize) {
        let all = told(&params, &minutes);
        let at = at.min(minutes.len());
        let mut live = at.checked_sub(1).map(|last| all[last].1).unwrap_or_default();
        if !live.is_open() {
            // Kept are incidents, the last one among them; what is pending is told by the minutes before again.
            let closed = all[..at].iter().rev().find(|(what, _)| *what == Some(What::Recovered));
            live = closed.map(|(_, live)| *live).unwrap_or_default();
            for minute in 1..=at {
                let bucket = Bucket(u32::try_from(minute).unwrap());
                recall(&mut live, bucket, minutes[minute - 1], &params);
            }
        }
        for minute in at..minutes.len() {
            let bucket = Bucket(u32::try_from(minute).unwrap() + 1);
            let what = step(&mut live, bucket, Of::Closed, minutes[minute], &params);
            prop_assert_eq!(what, all[minute].0, "minute {}", minute);
        }
    }

    #[test]
    fn the_running_minute_only_makes_a_firing_earlier(params in params(), minutes in vec((seen(), any::<bool>()), 1..60)) {
        let mut live = Live::default();
        for (minute, (seen, early)) in (1u32..).zip(minutes) {
            let before = live;
            let told = if early { step(&mut live, Bucket(minute), Of::Running, Seen::Match, &params) } else { None };
            prop_assert!(matches!(told, None | Some(What::Fired)));
            prop_assert!(told.is_none() || live.state == State::Firing);
            prop_assert!(!before.is_open() || live == before);
            for _ in 0..2 {
                let mut again = live;
                prop_assert_eq!(step(&mut again, Bucket(minute), Of::Running, Seen::NoData, &Params { no_data: NoDataPolicy::Resolve, ..params }), None);
                prop_assert_eq!(again, live);
            }
            let closed = step(&mut live, Bucket(minute), Of::Closed, seen, &params);
            prop_assert!(told.is_none() || closed.is_none(), "what fired early is not stepped twice");
        }
    }
}
