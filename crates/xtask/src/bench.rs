//! `cargo xtask bench`: measures pure functions, then the whole server under load.

use clap::Args;

use crate::shell::Shell;
use crate::tidy::graph::Metadata;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Only the micro-benchmarks.
    #[arg(long)]
    micro: bool,
}

impl Bench {
    pub(crate) fn run(&self, shell: &Shell) -> anyhow::Result<()> {
        micro(shell)
    }
}

/// Runs every benchmark target of the workspace.
fn micro(shell: &Shell) -> anyhow::Result<()> {
    for (name, package) in Metadata::read(shell)?.packages {
        for bench in package.benches {
            shell.cargo("bench").args(["--locked", "-p", &name, "--bench", &bench]).run()?;
        }
    }
    Ok(())
}
