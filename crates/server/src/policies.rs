//! The files of sampling and of thresholds, followed while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::context::Config;
use analysis::policy::{ApdexThresholds, Sampler, SlowThresholds, Table};
use anyhow::anyhow;

use crate::lifecycle::Tasks;
use crate::watch::{self, Reloads, Texts, Watched};

/// File of Apdex thresholds, in SkyWalking's form.
const APDEX: &str = "service-apdex-threshold.yml";
/// File of thresholds from when on statements and commands are slow.
const SLOW: &str = "slow-thresholds.yml";

/// The files, each followed by itself: what is wrong with one holds up no other.
#[derive(Debug)]
pub struct Policies {
    sampler: Watched<Sampler>,
    apdex: Watched<ApdexThresholds>,
    slow: Watched<SlowThresholds>,
}

impl Policies {
    /// Reads the files that are in `dir`; what is not there is what `config` says. Errors name file, line and column.
    pub fn open(dir: Option<&Path>, config: &Config) -> anyhow::Result<Policies> {
        let (sampling, apdex, slow) = (config.sampling.clone(), config.apdex.clone(), config.slow.clone());
        Ok(Policies {
            sampler: open("sampling", dir, &config.sampling.policy_file, move |name, text| {
                Sampler::read(&sampling, name, text)
            })?,
            apdex: open("apdex", dir, APDEX, move |name, text| ApdexThresholds::read(&apdex, name, text))?,
            slow: open("slow", dir, SLOW, move |name, text| SlowThresholds::read(&slow, name, text))?,
        })
    }

    /// What workers look at.
    pub(crate) fn table(&self) -> Table {
        Table { sampler: self.sampler.current(), apdex: self.apdex.current(), slow: self.slow.current() }
    }

    /// What own telemetry tells.
    pub(crate) fn reloads(&self) -> [Arc<Reloads>; 3] {
        [self.sampler.reloads(), self.apdex.reloads(), self.slow.reloads()]
    }

    /// Follows the files until the server stops.
    pub(crate) fn follow(self, tasks: &mut Tasks) {
        let (sampler, apdex, slow) = (tasks.stopped(), tasks.stopped(), tasks.stopped());
        tasks.background("sampling", self.sampler.run(sampler));
        tasks.background("apdex", self.apdex.run(apdex));
        tasks.background("slow", self.slow.run(slow));
    }
}

/// One file; where it is not, its text is empty.
fn open<T: Send + Sync + 'static>(
    what: &'static str,
    dir: Option<&Path>,
    name: &str,
    read: impl Fn(&str, &str) -> Result<T, Vec<String>> + Send + Sync + 'static,
) -> anyhow::Result<Watched<T>> {
    let (dir, name) = (dir.map(PathBuf::from), name.to_owned());
    let look = move || {
        // A whole path means the same from any folder, and where there is none.
        let root = Some(Path::new("/")).filter(|_| Path::new(&name).is_absolute());
        watch::file(dir.as_deref().or(root), &name, "")
    };
    let parse = move |texts: &Texts| {
        let (name, text) = texts.first().map_or(("", ""), |(name, text)| (name, text));
        read(name, text).map_err(|problems| anyhow!(problems.join("\n  ")))
    };
    Watched::open(what, look, parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_found_and_goes_over_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("trace-sampling-policy-settings.yml", "default: {rate: 0}");
        put("elsewhere.yml", "default: {rate: 0, duration: 7}");
        put(APDEX, "A: 50");
        put(SLOW, "slowDBAccessThreshold: default:1000");
        let mut config = Config::default();
        let table = |dir, config: &Config| Policies::open(dir, config).unwrap().table().load();

        let none = table(None, &config);
        assert!(none.sampler.keeps("A", "t-1", 0, false));
        assert_eq!(none.apdex.of("A"), 500);
        let found = table(Some(dir.path()), &config);
        assert!(!found.sampler.keeps("A", "t-1", 7, false));
        assert_eq!(found.apdex.of("A"), 50);
        config.sampling.policy_file = "elsewhere.yml".to_owned();
        assert!(table(Some(dir.path()), &config).sampler.keeps("A", "t-1", 7, false));
        config.sampling.policy_file = dir.path().join("elsewhere.yml").to_str().unwrap().to_owned();
        for folder in [None, Some(Path::new("nowhere"))] {
            let found = table(folder, &config);
            assert!(found.sampler.keeps("A", "t-1", 7, false) && !found.sampler.keeps("A", "t-1", 6, false));
        }
    }

    #[test]
    fn a_start_with_a_broken_file_says_where_it_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(APDEX), "A: 1\nB: 0\nC: 0\n").unwrap();
        let error = Policies::open(Some(dir.path()), &Config::default()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "service-apdex-threshold.yml:2:4: B must be milliseconds of at least 1, is 0\n  service-apdex-threshold.yml:3:4: C must be milliseconds of at least 1, is 0"
        );
    }
}
