//! Routes, inhibitions and silences.

use std::collections::BTreeSet;

use model::UnixMillis;

use crate::dispatch::interval::Interval;
use crate::dispatch::silence::{BadSilence, Compiled};
use crate::pattern::Pattern;
use crate::route::{MatchOp, Matcher, Route, Routing};
use crate::silence::Silence;

use super::{Checked, MAX_MESSAGE, MAX_NAME, MAX_NAMES, Surroundings};

/// Nodes of the tree of routes.
const MAX_ROUTES: usize = 5_000;
/// How deep the tree may be.
const MAX_DEPTH: usize = 32;
/// Seconds of waits and intervals: 30 days.
const MAX_SECONDS: u64 = 30 * 86_400;
/// Milliseconds that a silence lasts at most: three years.
const MAX_SILENCE: i64 = 3 * 366 * 86_400_000;

/// Checks the tree and all that belongs to it.
pub fn routing(routing: &Routing, around: &Surroundings<'_>) -> Checked {
    let mut checked = Checked::default();
    if routing.id != Routing::ID {
        checked.error("bad_name", "id", format!("there is one tree, and its id is {}", Routing::ID));
    }
    if !routing.root.matchers.is_empty() {
        checked.error("bad_route", "root.matchers", "the root takes every alarm and has no matchers");
    }
    if routing.root.goes_on {
        checked.error("bad_route", "root.continue", "nothing stands beside the root");
    }
    let mut walk = Walk { routing, around, n: 0, checked: &mut checked };
    walk.route("root", &routing.root, 1);
    let n = walk.n;
    checked.count("root", n, MAX_ROUTES);
    checked.count("timeIntervals", routing.time_intervals.len(), MAX_NAMES);
    for (name, intervals) in &routing.time_intervals {
        for (n, each) in intervals.iter().enumerate() {
            if let Err(error) = Interval::new(each) {
                checked.error("bad_interval", format!("timeIntervals.{name}[{n}]"), error.to_string());
            }
        }
    }
    checked.count("inhibitions", routing.inhibitions.len(), MAX_NAMES);
    for (n, each) in routing.inhibitions.iter().enumerate() {
        let path = format!("inhibitions[{n}]");
        for (field, all) in [("sourceMatchers", &each.source_matchers), ("targetMatchers", &each.target_matchers)] {
            let path = format!("{path}.{field}");
            if all.is_empty() {
                checked.error("missing", &*path, "without matchers it would be about every alarm");
            }
            matchers(&path, all, &mut checked);
        }
    }
    checked
}

struct Walk<'a> {
    routing: &'a Routing,
    around: &'a Surroundings<'a>,
    n: usize,
    checked: &'a mut Checked,
}

impl Walk<'_> {
    fn route(&mut self, path: &str, route: &Route, depth: usize) {
        self.n += 1;
        if depth > MAX_DEPTH {
            self.checked.error("too_many", path, format!("the tree is at most {MAX_DEPTH} deep"));
            return;
        }
        self.checked.length(&format!("{path}.name"), &route.name, MAX_NAME);
        matchers(&format!("{path}.matchers"), &route.matchers, self.checked);
        if let Some(known) = self.around.receivers {
            for name in route.receivers.iter().flatten().filter(|name| !known.contains(name)) {
                self.checked.error(
                    "unknown_receiver",
                    format!("{path}.receivers"),
                    format!("there is no receiver {name}"),
                );
            }
        }
        let group_by = route.group_by.as_deref().unwrap_or_default();
        if group_by.len() > 1 && group_by.iter().any(|label| label == "...") {
            self.checked.error("bad_route", format!("{path}.groupBy"), "... stands for all labels and stands alone");
        }
        let waits = [
            ("groupWait", route.group_wait),
            ("groupInterval", route.group_interval),
            ("repeatInterval", route.repeat_interval),
        ];
        for (field, seconds) in waits {
            if seconds.is_some_and(|seconds| seconds > MAX_SECONDS) {
                self.checked.error(
                    "out_of_range",
                    format!("{path}.{field}"),
                    format!("it is at most {MAX_SECONDS} seconds"),
                );
            }
        }
        let intervals =
            [("muteTimeIntervals", &route.mute_time_intervals), ("activeTimeIntervals", &route.active_time_intervals)];
        for (field, names) in intervals {
            for name in names.iter().filter(|name| !self.routing.time_intervals.contains_key(*name)) {
                let what = format!("there is no time interval {name}");
                self.checked.error("unknown_interval", format!("{path}.{field}"), what);
            }
        }
        let mut names = BTreeSet::new();
        for (n, child) in route.routes.iter().enumerate() {
            let path = format!("{path}.routes[{n}]");
            if child.name.is_empty() || !names.insert(&child.name) {
                let what = "a route has a name that none of its siblings has, by which its groups are found again";
                self.checked.error("bad_name", format!("{path}.name"), what);
            }
            self.route(&path, child, depth + 1);
        }
    }
}

/// Checks a silence; `now` is when it is made or changed.
pub fn silence(silence: &Silence, now: UnixMillis) -> Checked {
    let mut checked = Checked::default();
    if silence.matchers.is_empty() {
        checked.error("missing", "matchers", "a silence has one matcher at least");
    }
    matchers("matchers", &silence.matchers, &mut checked);
    let is_empty = |matcher: &Matcher| match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Matches => Pattern::new(&matcher.value).is_ok_and(|pattern| pattern.matches("") == Some(true)),
        MatchOp::MatchesNot => Pattern::new(&matcher.value).is_ok_and(|pattern| pattern.matches("") == Some(false)),
    };
    if !silence.matchers.is_empty() && silence.matchers.iter().all(is_empty) {
        checked.warning("broad", "matchers", "every matcher also takes alarms that do not have its label");
    }
    if silence.ends <= silence.starts {
        checked.error("out_of_range", "ends", "it ends before it starts");
    } else if silence.ends <= now {
        checked.warning("over", "ends", "it is over already");
    }
    if silence.ends.0.saturating_sub(silence.starts.0) > MAX_SILENCE {
        checked.error("out_of_range", "ends", "a silence lasts three years at most; make it come back instead");
    }
    // What it says of the rest was said above, at its place.
    if let Err(error @ (BadSilence::Cron(..) | BadSilence::Zone(_) | BadSilence::Minutes(_))) = Compiled::new(silence) {
        checked.error("bad_recurrence", "recurrence", error.to_string());
    }
    if silence.comment.trim().is_empty() {
        checked.error("missing", "comment", "say why");
    }
    checked.length("comment", &silence.comment, MAX_MESSAGE);
    checked
}

fn matchers(path: &str, all: &[Matcher], checked: &mut Checked) {
    checked.count(path, all.len(), MAX_NAMES);
    for (n, matcher) in all.iter().enumerate() {
        let path = format!("{path}[{n}]");
        if matcher.label.is_empty() {
            checked.error("missing", format!("{path}.label"), "a matcher wants a label");
        }
        if matches!(matcher.op, MatchOp::Matches | MatchOp::MatchesNot)
            && let Err(error) = Pattern::new(&matcher.value)
        {
            checked.error("bad_regex", format!("{path}.value"), error.to_string());
        }
    }
}
