//! The files of `config/`, those of the operator's over those that are compiled in.

use std::path::{Path, PathBuf};

use analysis::naming;
use analysis::oal::{self, Rules};
use analysis::prices::{PriceFile, Prices};
use anyhow::{Context as _, anyhow};
use query::Components;
use tracing::warn;

use crate::config::Config;
use crate::layering::Layering;
use crate::policies::Policies;
use crate::watch::Watched;
use crate::{alarms, assets};

/// The files of `config/`, read and understood.
#[derive(Debug)]
pub struct Files {
    pub(crate) rules: Rules,
    pub(crate) components: Components,
    pub(crate) prices: Prices,
    pub(crate) policies: Policies,
    pub(crate) names: Watched<naming::Rules>,
    pub(crate) layering: Layering,
    pub(crate) alarms: PathBuf,
}

impl Files {
    /// Reads the files that are compiled in or in `dir`; some of them go over what `config` says. Errors name file, line and column.
    pub fn load(dir: Option<&Path>, config: &Config) -> anyhow::Result<Files> {
        let rules = metrics(&assets::oal(dir)?)?;
        let files = assets::components(dir)?;
        let components = Components::read(files.iter().map(|(name, text)| (*name, text.as_str())))
            .map_err(|problems| anyhow!(problems.join("\n  ")))?;
        let prices: PriceFile = serde_saphyr::from_str(&assets::prices(dir)?).context("gen-ai-config.yml")?;
        let prices = Prices::new(prices).map_err(|problems| anyhow!("gen-ai-config.yml: {}", problems.join("\n  ")))?;
        let policies = Policies::open(dir, &config.analysis)?;
        let names = crate::naming::open(dir, &config.analysis.naming)?;
        let layering = Layering::load(dir)?;
        let alarms = alarms::settings_file(dir, &config.alarm)?;
        Ok(Files { rules, components, prices, policies, names, layering, alarms })
    }

    /// What would become of the alarm settings, rule by rule, with line and column. `Err` holds the same where something would be
    /// rejected; the server starts nevertheless, without that.
    pub fn check_alarms(&self) -> anyhow::Result<String> {
        alarms::check(&self.alarms, &self.rules)
    }
}

pub(crate) fn metrics(files: &assets::Oal) -> anyhow::Result<Rules> {
    fn texts(files: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
        files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
    let rules = oal::read_over(texts(&files.shipped), texts(&files.own))
        .map_err(|errors| anyhow!(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")))?;
    for name in &rules.unknown_disabled {
        warn!(name, "nothing of this name can be disabled");
    }
    Ok(rules)
}
