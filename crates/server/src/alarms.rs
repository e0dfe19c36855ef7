//! The alarm engine of this node: its settings file, the key of its secrets, its tasks, and what it tells of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alarm::seal::Key;
use alarm::settings::report::Verdict;
use alarm::start::Alarm;
use analysis::catalogue;
use analysis::oal::Rules;
use anyhow::{Context as _, anyhow};
use model::metric::Catalogue;
use storage::Backend;
use storage::nodes::{self, Nodes};

use crate::app::Shared;
use crate::assets;
use crate::config::Config;
use crate::lifecycle::Tasks;

/// The name of the settings file in a configuration folder.
const FILE: &str = "alarm-settings.yml";

/// The settings file that is followed: the one that is named, or that of the configuration folder; empty: what is compiled in.
pub(crate) fn settings_file(dir: Option<&Path>, config: &alarm::Config) -> anyhow::Result<PathBuf> {
    if config.settings_file.as_os_str().is_empty() {
        let own = dir.map(|dir| dir.join(FILE)).filter(|path| path.is_file());
        return Ok(own.unwrap_or_default());
    }
    // What is named must be there at the start: later it may come and go.
    let path = &config.settings_file;
    std::fs::metadata(path).with_context(|| format!("alarm.settings_file: cannot read {}", path.display()))?;
    Ok(path.clone())
}

/// What would become of the settings file, a line for each rule and hook. `Err` holds the same where something would be rejected.
pub(crate) fn check(file: &Path, rules: &Rules) -> anyhow::Result<String> {
    let (name, text) = match file.as_os_str().is_empty() {
        true => (FILE.to_owned(), assets::ALARMS.to_owned()),
        false => {
            let read = std::fs::read_to_string(file);
            (file.display().to_string(), read.with_context(|| format!("cannot read {}", file.display()))?)
        }
    };
    let metrics = catalogue::numbered(rules)?;
    let mut settings = alarm::settings::read(&text);
    settings.check(&alarm::check::Surroundings::new(&metrics.catalogue));
    let lines: Vec<String> = settings.report.to_string().lines().map(|line| format!("{name}:{line}")).collect();
    let lines = lines.join("\n");
    match settings.report.verdict() {
        Verdict::Rejected => Err(anyhow!("{lines}")),
        Verdict::Ok | Verdict::Warned => Ok(lines),
    }
}

/// The key that seals secrets. `None`: none is taken before one is set, for every node must have the same.
fn key(config: &Config) -> anyhow::Result<Option<Arc<Key>>> {
    let set = config.security.secret_key.reveal();
    let key = match config.storage.backend {
        _ if !set.is_empty() => Key::of_setting(set).context("security.secret_key")?,
        Backend::Embedded => Key::beside(&config.storage.path).context("the key beside the store")?,
        // It is gone with what it sealed.
        Backend::Memory => Key::fleeting()?,
        Backend::OpenSearch => return Ok(None),
    };
    Ok(Some(Arc::new(key)))
}

/// Makes the engine and spawns what runs of it.
pub(crate) async fn start(
    shared: &Shared,
    tasks: &mut Tasks,
    file: PathBuf,
    catalogue: Arc<Catalogue>,
    nodes: Nodes,
) -> anyhow::Result<Alarm> {
    let parts = alarm::start::Parts {
        store: Arc::clone(&shared.store),
        backend: shared.config.storage.backend,
        clock: shared.clock.clone(),
        zone: shared.zone.clone(),
        layers: shared.layering.layers.clone(),
        catalogue,
        nodes,
        node: nodes::id(shared.writer),
        host: shared.config.server.node_host(),
        key: key(&shared.config)?,
        config: alarm::Config { settings_file: file, ..shared.config.alarm.clone() },
        shipped: assets::ALARMS,
    };
    let mut alarm = alarm::start::start(parts, || tasks.stopped()).await;
    for (name, task) in std::mem::take(&mut alarm.tasks) {
        tasks.background(name, task);
    }
    Ok(alarm)
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    #[test]
    fn secrets_are_sealed_where_every_node_can_open_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.path = folder.path().to_owned();
        let beside = key(&config).unwrap().unwrap();
        assert_eq!(key(&config).unwrap().unwrap().id(), beside.id(), "the same after a restart");
        config.storage.backend = Backend::OpenSearch;
        assert!(key(&config).unwrap().is_none());
        config.security.secret_key = Secret::new("ab".repeat(32));
        assert_ne!(key(&config).unwrap().unwrap().id(), beside.id());
        config.storage.backend = Backend::Memory;
        config.security.secret_key = Secret::default();
        assert_ne!(key(&config).unwrap().unwrap().id(), key(&config).unwrap().unwrap().id());
    }

    #[test]
    fn the_shipped_file_is_good_and_a_bad_one_says_where_rule_by_rule() {
        let rules = crate::files::metrics(&assets::oal(None).unwrap()).unwrap();
        let report = check(Path::new(""), &rules).unwrap();
        assert!(report.lines().all(|line| line.ends_with(": ok")) && report.lines().count() == 6, "{report}");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let text = "rules:\n  good_rule:\n    expression: sum(service_sla < 8000) >= 2\n    period: 2\n  bad_rule:\n    expression: avg(no_such_metric) > 1\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(settings_file(Some(folder.path()), &alarm::Config::default()).unwrap(), file);
        let report = check(&file, &rules).unwrap_err().to_string();
        let lines: Vec<&str> = report.lines().collect();
        assert!(lines.iter().any(|line| line.contains(":2:3 rule good_rule: ok")), "{report}");
        assert!(lines.iter().any(|line| line.contains(":6:21 rule bad_rule: rejected: ")), "{report}");

        let named = alarm::Config { settings_file: folder.path().join("none.yml"), ..alarm::Config::default() };
        assert!(settings_file(None, &named).unwrap_err().to_string().starts_with("alarm.settings_file: "));
    }
}
