//! Apdex thresholds: from when on a service's calls no longer satisfy.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::{Problems, read};

/// The entry of a file that holds for every service without one of its own.
const DEFAULT: &str = "default";

/// Apdex thresholds in milliseconds: a call is satisfied up to T, tolerated up to 4 T. A file `service-apdex-threshold.yml` in the
/// configuration folder, in SkyWalking's form, goes over them and is read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Apdex {
    /// T of every service that has none of its own.
    pub default_ms: u32,
    /// T by service name.
    pub services: BTreeMap<String, u32>,
}

impl Default for Apdex {
    fn default() -> Self {
        Apdex { default_ms: 500, services: BTreeMap::new() }
    }
}

impl Apdex {
    /// Every problem, each as `setting: what is wrong`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let services = self.services.iter().map(|(name, &t)| (format!("services.{name}"), t));
        let all = [("default_ms".to_owned(), self.default_ms)].into_iter().chain(services);
        all.filter(|&(_, t)| t == 0).map(|(name, _)| format!("apdex.{name}: must be at least 1, is 0")).collect()
    }
}

/// Apdex thresholds, ready to be asked.
#[derive(Clone, Debug)]
pub struct ApdexThresholds {
    default: i64,
    services: HashMap<Box<str>, i64, RandomState>,
}

impl ApdexThresholds {
    /// What the settings say, where there is no file.
    #[must_use]
    pub fn new(settings: &Apdex) -> Self {
        let services = settings.services.iter().map(|(name, &t)| (name.as_str().into(), i64::from(t)));
        ApdexThresholds { default: i64::from(settings.default_ms), services: services.collect() }
    }

    /// What the settings and a file say; an empty text says nothing. The file has a line `service: milliseconds` for each, and
    /// `default` for the others.
    ///
    /// # Errors
    /// Every problem of the file, each as `name:line:column: what is wrong`.
    pub fn read(settings: &Apdex, name: &str, text: &str) -> Result<Self, Vec<String>> {
        let file: BTreeMap<String, Spanned<i64>> = read(name, text)?;
        let mut problems = Problems::new(name);
        let mut thresholds = ApdexThresholds::new(settings);
        for (service, t) in file {
            if u32::try_from(t.value).is_ok_and(|t| t > 0) {
                match service.as_str() {
                    DEFAULT => thresholds.default = t.value,
                    service => drop(thresholds.services.insert(service.into(), t.value)),
                }
            } else {
                problems.push(&t, format_args!("{service} must be milliseconds of at least 1, is {}", t.value));
            }
        }
        problems.into_result(thresholds)
    }

    /// T of a service in milliseconds, by its name as it enters ids.
    #[must_use]
    pub fn of(&self, service: &str) -> i64 {
        if self.services.is_empty() { self.default } else { *self.services.get(service).unwrap_or(&self.default) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_over_the_settings() {
        let settings = Apdex { default_ms: 700, services: [("A".to_owned(), 50), ("B".to_owned(), 60)].into() };
        let asked = ["A", "B", "C", "D"];
        let check = |text: &str, expected: [i64; 4]| {
            let thresholds = ApdexThresholds::read(&settings, "t.yml", text).unwrap();
            assert_eq!(asked.map(|service| thresholds.of(service)), expected, "{text}");
        };
        assert_eq!(asked.map(|service| ApdexThresholds::new(&settings).of(service)), [50, 60, 700, 700]);
        check("", [50, 60, 700, 700]);
        check("# default: 1\n", [50, 60, 700, 700]);
        check("default: 800\n", [50, 60, 800, 800]);
        check("default: 800\nA: 10\n'C': 20\n", [10, 60, 20, 800]);
        assert_eq!(ApdexThresholds::new(&Apdex::default()).of("A"), 500);
    }

    #[test]
    fn problems_of_a_file_are_told_with_their_places() {
        let problems = |text| ApdexThresholds::read(&Apdex::default(), "t.yml", text).unwrap_err();
        assert_eq!(
            problems("default: 0\nA: 1\nB: -1\nC: 4294967296\n"),
            [
                "t.yml:3:4: B must be milliseconds of at least 1, is -1",
                "t.yml:4:4: C must be milliseconds of at least 1, is 4294967296",
                "t.yml:1:10: default must be milliseconds of at least 1, is 0",
            ]
        );
        let one = |text| problems(text).join("|");
        assert!(one("A: 1\nB: soon\n").starts_with("t.yml:2:4: "), "{}", one("A: 1\nB: soon\n"));
        assert!(one("A: 1\nA: 2\n").starts_with("t.yml:2:1: "), "{}", one("A: 1\nA: 2\n"));
        assert!(one("- A\n").starts_with("t.yml:1:1: "), "{}", one("- A\n"));
    }
}
