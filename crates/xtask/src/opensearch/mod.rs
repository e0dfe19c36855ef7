//! Real OpenSearch for the tests: one of each version for all suites, and `cargo xtask opensearch` for whoever needs one alone.
//!
//! Each runs below a process of `cargo xtask opensearch`, which ends it and removes its data when its own input ends: so
//! nothing stays behind, however the tests, or whoever started them, came to their end.

mod fetch;
mod node;

use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::shell::{Shell, say};
use fetch::{VERSIONS, Version};
pub(crate) use node::Node;

/// Begins the line that says that OpenSearch answers: `ready URL PID`.
const READY: &str = "ready ";
/// Enough for tests; code that is compiled soon and not well, since most of a test's time is the start.
const FOR_TESTS: &str = "-Xms512m -Xmx512m -XX:-AlwaysPreTouch -XX:TieredStopAtLevel=1";
/// What a small installation would give it.
const FOR_BENCH: &str = "-Xms1g -Xmx1g";

/// Run an OpenSearch on a free port until standard input ends, then remove it and its data. Each line of the input is an
/// order: `stop` and `kill` end it, `start` starts it again with the same port and data. Each is answered with a line.
#[derive(Debug, Args)]
pub(crate) struct Alone {
    /// The newest when not said.
    #[arg(long)]
    version: Option<String>,
}

impl Alone {
    pub(crate) fn run(&self, shell: &Shell) -> anyhow::Result<()> {
        let version = match &self.version {
            None => VERSIONS[0],
            Some(number) => *VERSIONS.iter().find(|version| version.number == *number).with_context(|| {
                format!("no version {number}; there are {}", VERSIONS.map(|version| version.number).join(", "))
            })?,
        };
        let mut node = Node::new(fetch::fetch(shell, version)?, FOR_TESTS)?;
        start(shell, &mut node)?;
        for order in io::stdin().lines() {
            match order?.trim() {
                "start" => start(shell, &mut node)?,
                "stop" => {
                    node.stop(shell)?;
                    answer("stopped")?;
                }
                "kill" => {
                    node.kill();
                    answer("killed")?;
                }
                other => bail!("{other:?} is no order"),
            }
        }
        node.stop(shell)
    }
}

/// The newest OpenSearch, started for a benchmark, with its process id.
pub(crate) fn for_bench(shell: &Shell) -> anyhow::Result<(Node, u32)> {
    let mut node = Node::new(fetch::fetch(shell, VERSIONS[0])?, FOR_BENCH)?;
    let pid = node.start(shell)?;
    Ok((node, pid))
}

fn start(shell: &Shell, node: &mut Node) -> anyhow::Result<()> {
    let pid = node.start(shell)?;
    answer(&format!("{READY}{} {pid}", node.url()))
}

fn answer(line: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Whether the tests that cargo is asked to run with these arguments have any that want OpenSearch.
pub(crate) fn is_wanted(args: &[String]) -> bool {
    let follows_flag = |pair: &[String]| matches!(pair[0].as_str(), "-p" | "--package").then(|| pair[1].clone());
    let mut packages = args.windows(2).filter_map(follows_flag).peekable();
    packages.peek().is_none() || packages.any(|package| ["e2e", "storage"].contains(&package.as_str()))
}

/// One of each version, for all suites. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct ForTests(Vec<Starting>);

/// A process of `cargo xtask opensearch`.
#[derive(Debug)]
struct Starting {
    version: Version,
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl ForTests {
    /// Fetches and starts them, and returns while they are still starting. A version that this machine cannot have is said
    /// and left out; in CI that is an error.
    pub(crate) fn start(shell: &Shell) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for version in VERSIONS {
            // Here, one after the other: two package managers at once would wait for each other or fail.
            match fetch::fetch(shell, version).and_then(|_| Starting::new(shell, version)) {
                Ok(starting) => all.push(starting),
                Err(error) => cannot(version, &error)?,
            }
        }
        Ok(Self(all))
    }

    /// Waits until they answer; their URLs with commas between them.
    pub(crate) fn urls(&mut self) -> anyhow::Result<String> {
        let mut urls = Vec::new();
        for starting in &mut self.0 {
            match starting.url() {
                Ok(url) => urls.push(url),
                Err(error) => cannot(starting.version, &error)?,
            }
        }
        Ok(urls.join(","))
    }
}

fn cannot(version: Version, error: &anyhow::Error) -> anyhow::Result<()> {
    let line = format!("no OpenSearch {}: {error:#}", version.number);
    ensure!(env::var_os("CI").is_none(), line);
    say(line);
    Ok(())
}

impl Starting {
    fn new(shell: &Shell, version: Version) -> anyhow::Result<Self> {
        let mut command = shell.cmd(env::current_exe()?).args(["opensearch", "--version", version.number]).into_inner();
        // An interrupt of the terminal is for the tests; this one ends with its input.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start `cargo xtask opensearch`")?;
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { version, child, answers })
    }

    fn url(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let url = line.strip_prefix(READY).and_then(|rest| rest.split_whitespace().next());
        Ok(url.context("it did not start")?.to_owned())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has ended already, or does now.
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opensearch_is_wanted_by_those_who_store() {
        for (args, expected) in [
            (&[][..], true),
            (&["--workspace"], true),
            (&["-p", "model"], false),
            (&["-p", "model", "--package", "e2e", "--", "golden"], true),
            (&["--package", "storage"], true),
        ] {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(is_wanted(&args), expected, "{args:?}");
        }
    }
}
