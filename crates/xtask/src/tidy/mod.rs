//! `cargo xtask tidy`: the rules of docs/STYLE.md and docs/ARCHITECTURE.md that neither compiler nor clippy checks.
//!
//! It also runs as a test of this crate, so that `cargo test` holds the rules.

pub(crate) mod graph;
mod links;
mod text;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::shell::{Shell, say};

/// Says every finding; `Err` when one of them is more than advice.
pub(crate) fn tidy(shell: &Shell) -> anyhow::Result<()> {
    let findings = findings(shell)?;
    for advice in &findings.advice {
        say(format_args!("advice: {advice}"));
    }
    for problem in &findings.problems {
        say(problem);
    }
    if !findings.problems.is_empty() {
        bail!("{} things are untidy", findings.problems.len());
    }
    Ok(())
}

/// What is wrong, and what deserves a look. Each is one line that begins with the place.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<String>,
    advice: Vec<String>,
}

impl Findings {
    fn problem(&mut self, line: String) {
        self.problems.push(line);
    }
}

fn findings(shell: &Shell) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for path in files(shell)? {
        let bytes = fs::read(shell.root().join(&path)).with_context(|| format!("cannot read {path}"))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) if !bytes.contains(&0) => {
                text::check(&path, text, &mut findings);
                links::check(&path, text, |target| shell.root().join(target).exists(), &mut findings);
            }
            _ => findings.problem(format!("{path}: not text; what is binary does not belong into git")),
        }
    }
    let architecture = fs::read_to_string(shell.root().join(graph::TABLE)).context(graph::TABLE)?;
    graph::check(&graph::Metadata::read(shell)?, &architecture, &mut findings);
    Ok(findings)
}

/// The paths of all files that git knows or would take, from the root, with `/`.
fn files(shell: &Shell) -> anyhow::Result<Vec<String>> {
    let listed = shell.cmd("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).read()?;
    let mut paths: Vec<String> = listed.split_terminator('\0').map(str::to_owned).collect();
    paths.sort_unstable();
    paths.dedup();
    // A file that was removed and not yet committed is still listed.
    paths.retain(|path| shell.root().join(Path::new(path)).is_file());
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = findings(&Shell::new().unwrap()).unwrap();
        assert!(findings.problems.is_empty(), "{:#?}", findings.problems);
    }

    #[test]
    fn files_lists_what_git_takes_and_nothing_it_ignores() {
        let files = files(&Shell::new().unwrap()).unwrap();
        assert!(files.iter().any(|path| path == "crates/xtask/src/tidy/mod.rs"));
        assert!(!files.iter().any(|path| path.starts_with("target/") || path.starts_with(".cache/")));
    }
}
