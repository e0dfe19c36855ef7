//! Which segments are kept: by a share of the traces, by how long a segment took, by whether it failed, each per service.
//!
//! Sampling decides on the segment alone: its record, and the values of its tags for completion. Its metrics, its relations and
//! its slow statements are there whatever is decided. The share is taken by a hash of the trace id, so that every node decides
//! alike on every segment of a trace; SkyWalking's servers decide by the same hash, and may stand beside ours.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::{Problems, read};

/// Every trace: rates are parts of so many.
const ALL: u32 = 10_000;
/// The time of a slow rule that is off.
const OFF: i32 = -1;

/// Which segments are kept. A segment is kept when any of these wants it; metrics count every segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Of 10,000 traces, how many are kept.
    pub rate: u32,
    /// A segment that took so many milliseconds or more is kept; -1: none is for its time.
    pub slow_segment_ms: i32,
    /// Whether a segment that failed is kept.
    pub force_error: bool,
    /// File of rates and times per service, in SkyWalking's form, in the configuration folder or by its whole path. Where it is,
    /// its defaults take the place of `rate` and `slow_segment_ms`. It is read again when it changes.
    pub policy_file: String,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            rate: ALL,
            slow_segment_ms: OFF,
            force_error: true,
            policy_file: "trace-sampling-policy-settings.yml".to_owned(),
        }
    }
}

impl Sampling {
    /// Every problem, each as `setting: what is wrong`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.rate > ALL {
            problems.push(format!("sampling.rate: must be at most {ALL}, is {}", self.rate));
        }
        if self.slow_segment_ms < OFF {
            problems.push(format!("sampling.slow_segment_ms: must be at least {OFF}, is {}", self.slow_segment_ms));
        }
        if self.policy_file.is_empty() {
            problems.push("sampling.policy_file: must name a file, which need not exist".to_owned());
        }
        problems
    }
}

/// The policy file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    default: Option<Rule>,
    #[serde(default)]
    services: Option<Vec<Service>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    rate: Option<Spanned<i64>>,
    #[serde(default)]
    duration: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    name: Spanned<String>,
    #[serde(default)]
    rate: Option<Spanned<i64>>,
    #[serde(default)]
    duration: Option<Spanned<i64>>,
}

/// What one service says of its own; the default holds for what it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    rate: Option<u32>,
    duration: Option<i32>,
}

/// Decides on segments.
#[derive(Clone, Debug)]
pub struct Sampler {
    rate: u32,
    duration: i32,
    force_error: bool,
    services: HashMap<Box<str>, Policy, RandomState>,
}

impl Sampler {
    /// What the settings say, where there is no policy file.
    #[must_use]
    pub fn new(settings: &Sampling) -> Self {
        Sampler {
            rate: settings.rate,
            duration: settings.slow_segment_ms,
            force_error: settings.force_error,
            services: HashMap::default(),
        }
    }

    /// What the settings and a policy file say; an empty text says nothing.
    ///
    /// # Errors
    /// Every problem of the file, each as `name:line:column: what is wrong`.
    pub fn read(settings: &Sampling, name: &str, text: &str) -> Result<Self, Vec<String>> {
        let file: File = read(name, text)?;
        let mut problems = Problems::new(name);
        let mut sampler = Sampler::new(settings);
        if let Some(Rule { rate, duration }) = file.default {
            sampler.rate = problems.rate(rate).unwrap_or(sampler.rate);
            sampler.duration = problems.duration(duration).unwrap_or(sampler.duration);
        }
        for Service { name, rate, duration } in file.services.unwrap_or_default() {
            let policy = Policy { rate: problems.rate(rate), duration: problems.duration(duration) };
            if name.value.trim().is_empty() {
                problems.push(&name, "a service has no name");
            } else if sampler.services.insert(name.value.as_str().into(), policy).is_some() {
                problems.push(&name, format_args!("the service {} stands here a second time", name.value));
            }
        }
        problems.into_result(sampler)
    }

    /// Whether a segment is kept. `service` is its name as it was reported, whole; `latency` from its first start to its last end.
    #[must_use]
    pub fn keeps(&self, service: &str, trace_id: &str, latency: i64, is_error: bool) -> bool {
        if is_error && self.force_error {
            return true;
        }
        let policy = if self.services.is_empty() { None } else { self.services.get(service) };
        let rate = policy.and_then(|policy| policy.rate).unwrap_or(self.rate);
        let duration = policy.and_then(|policy| policy.duration).unwrap_or(self.duration);
        rate >= ALL || (duration > OFF && latency >= i64::from(duration)) || sample(trace_id) < i64::from(rate)
    }
}

/// The lot of a trace: below its rate it is kept. Java's hash of the id as it writes texts, in UTF-16 units; its absolute value
/// is negative for the least of all numbers, so that trace is always kept.
fn sample(trace_id: &str) -> i64 {
    let hash = trace_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    i64::from(hash.wrapping_abs() % 10_000)
}

impl Problems<'_> {
    fn rate(&mut self, rate: Option<Spanned<i64>>) -> Option<u32> {
        let rate = rate?;
        let valid = u32::try_from(rate.value).ok().filter(|&rate| rate <= ALL);
        if valid.is_none() {
            self.push(&rate, format_args!("rate must be between 0 and {ALL}, is {}", rate.value));
        }
        valid
    }

    fn duration(&mut self, duration: Option<Spanned<i64>>) -> Option<i32> {
        let duration = duration?;
        let valid = i32::try_from(duration.value).ok().filter(|&duration| duration >= OFF);
        if valid.is_none() {
            self.push(&duration, format_args!("duration must be {OFF} or milliseconds, is {}", duration.value));
        }
        valid
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampler(text: &str) -> Sampler {
        Sampler::read(&Sampling::default(), "p.yml", text).unwrap()
    }

    #[test]
    fn the_lot_of_a_trace_is_that_of_skywalking() {
        let lots = [
            ("t-1", 2_920),
            ("abc", 6_354),
            ("trace-0001", 809),
            ("a.1.b", 536),
            ("", 0),
            // Two units of UTF-16 each: 0xD83D · 31 + 0xDE00.
            ("😀", 1_772_899 % 10_000),
            // Its hash is the least number, which has no absolute value.
            ("polygenelubricants", -3_648),
        ];
        for (id, lot) in lots {
            assert_eq!(sample(id), lot, "{id}");
        }
    }

    /// A file; then for a segment of (service, trace, milliseconds, failed) whether it is kept.
    #[test]
    fn a_segment_is_kept_when_any_rule_wants_it() {
        type Case = (&'static str, &'static str, i64, bool, bool);
        let check = |text: &str, cases: &[Case]| {
            let sampler = sampler(text);
            for &(service, trace, latency, is_error, kept) in cases {
                let case = format!("{text}: {service} {trace} {latency} {is_error}");
                assert_eq!(sampler.keeps(service, trace, latency, is_error), kept, "{case}");
            }
        };
        check("", &[("A", "t-1", 0, false, true)]);
        check("# nothing\n", &[("A", "t-1", 0, false, true)]);
        check("default:\nservices:\n", &[("A", "t-1", 0, false, true)]);
        // The rate, strictly above the lot; a failed segment whatever its lot.
        check("default: {rate: 2920}", &[("A", "t-1", 9, false, false), ("A", "t-1", 9, true, true)]);
        check("default: {rate: 2921}", &[("A", "t-1", 9, false, true), ("A", "abc", 9, false, false)]);
        check("default: {rate: 0}", &[("A", "", 9, false, false), ("A", "polygenelubricants", 0, false, true)]);
        // As slow as; -1 is off, 0 is all but those that end before they start.
        check(
            "default: {rate: 0, duration: 100}",
            &[("A", "t-1", 99, false, false), ("A", "t-1", 100, false, true), ("A", "t-1", i64::MAX, false, true)],
        );
        check("default: {rate: 0, duration: 0}", &[("A", "t-1", 0, false, true), ("A", "t-1", -1, false, false)]);
        check("default: {rate: 0, duration: -1}", &[("A", "t-1", i64::MAX, false, false)]);
        // A service's own rate and time each take the place of the default's; what it does not say is the default's.
        let text = "default: {rate: 1000, duration: 500}
services:
  - {name: all, rate: 10000}
  - {name: none, rate: 0}
  - {name: quick, duration: 10}
  - {name: never slow, duration: -1}
  - {name: silent}
";
        check(
            text,
            &[
                ("A", "trace-0001", 0, false, true),
                ("A", "t-1", 0, false, false),
                ("A", "t-1", 500, false, true),
                ("all", "t-1", 0, false, true),
                ("none", "trace-0001", 0, false, false),
                ("none", "t-1", 500, false, true),
                ("none", "t-1", 499, true, true),
                ("quick", "t-1", 10, false, true),
                ("quick", "t-1", 9, false, false),
                ("quick", "trace-0001", 0, false, true),
                ("never slow", "t-1", 100_000, false, false),
                ("never slow", "trace-0001", 0, false, true),
                ("silent", "t-1", 500, false, true),
                ("silent", "t-1", 499, false, false),
                ("ALL", "t-1", 0, false, false),
            ],
        );
    }

    #[test]
    fn settings_hold_where_the_file_says_nothing() {
        let settings = Sampling { rate: 0, slow_segment_ms: 100, force_error: false, ..Sampling::default() };
        let own = Sampler::new(&settings);
        assert!(own.keeps("A", "t-1", 100, false) && !own.keeps("A", "t-1", 99, true));
        let file = |text| Sampler::read(&settings, "p.yml", text).unwrap();
        assert!(!file("").keeps("A", "t-1", 99, true));
        assert!(file("default: {duration: 50}").keeps("A", "t-1", 50, false));
        assert!(!file("default: {duration: 50}").keeps("A", "t-1", 49, false), "the rate stays");
        assert!(file("services: [{name: A, rate: 10000}]").keeps("A", "t-1", 0, false));
    }

    #[test]
    fn every_problem_of_a_file_is_told_with_its_place() {
        let text = "default:\n  rate: 10001\n  duration: -2\nservices:\n  - name: ' '\n  - {name: A, rate: -1}\n  - name: A\n    duration: 4294967296\n";
        assert_eq!(
            Sampler::read(&Sampling::default(), "p.yml", text).unwrap_err(),
            [
                "p.yml:2:9: rate must be between 0 and 10000, is 10001",
                "p.yml:3:13: duration must be -1 or milliseconds, is -2",
                "p.yml:5:11: a service has no name",
                "p.yml:6:21: rate must be between 0 and 10000, is -1",
                "p.yml:8:15: duration must be -1 or milliseconds, is 4294967296",
                "p.yml:7:11: the service A stands here a second time",
            ]
        );
        let one = |text| Sampler::read(&Sampling::default(), "p.yml", text).unwrap_err().join("|");
        assert_eq!(one("default: {rate: many}"), "p.yml:1:17: invalid i64");
        assert!(one("defaults: {}").starts_with("p.yml:1:1: "), "{}", one("defaults: {}"));
        assert!(one("services:\n  - {rate: 1}").starts_with("p.yml:2:"), "{}", one("services:\n  - {rate: 1}"));
        assert!(one("default: [\n").starts_with("p.yml:1:10: "), "{}", one("default: [\n"));
    }

    #[test]
    fn problems_of_settings_are_told() {
        assert_eq!(Sampling::default().problems(), Vec::<String>::new());
        let bad = Sampling { rate: 10_001, slow_segment_ms: -2, policy_file: String::new(), ..Sampling::default() };
        assert_eq!(
            bad.problems(),
            [
                "sampling.rate: must be at most 10000, is 10001",
                "sampling.slow_segment_ms: must be at least -1, is -2",
                "sampling.policy_file: must name a file, which need not exist"
            ]
        );
    }

    proptest! {
        /// Whoever decides, and in whatever order: a trace's lot depends on its id, and a greater rate keeps what a smaller one does.
        #[test]
        fn a_greater_rate_keeps_more(id in "\\PC{0,40}", less in 0..=10_000_u32, more in 0..=10_000_u32) {
            let (less, more) = (less.min(more), less.max(more));
            let kept = |rate| Sampler::new(&Sampling { rate, ..Sampling::default() }).keeps("A", &id, 0, false);
            prop_assert!(!kept(less) || kept(more));
            prop_assert!(kept(10_000));
            prop_assert!((-10_000..10_000).contains(&sample(&id)));
        }
    }
}
