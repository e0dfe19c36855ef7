//! `cargo xtask lint`: everything that can be said about the code without running it.

use anyhow::bail;

use crate::shell::{Shell, say};
use crate::{tidy, tools};

type Check = fn(&Shell) -> anyhow::Result<()>;

/// Runs all checks, also after one failed, so that one round shows everything. `Err` names those that failed.
pub(crate) fn lint(shell: &Shell) -> anyhow::Result<()> {
    let checks: [(&str, Check); 6] = [
        ("format", format),
        ("clippy", clippy),
        ("doc", doc),
        ("deny", deny),
        ("machete", machete),
        ("tidy", tidy::tidy),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        if let Err(error) = check(shell) {
            say(format_args!("{name}: {error:#}"));
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    say("lint passed");
    Ok(())
}

fn format(shell: &Shell) -> anyhow::Result<()> {
    shell.cargo("fmt").args(["--all", "--check"]).run()
}

fn clippy(shell: &Shell) -> anyhow::Result<()> {
    shell.cargo("clippy").args(["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()
}

fn doc(shell: &Shell) -> anyhow::Result<()> {
    shell.cargo("doc").args(["--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

/// The advisory database is left out: it is fetched from the network on each run, so that an unchanged commit may fail.
fn deny(shell: &Shell) -> anyhow::Result<()> {
    let cargo_deny = tools::cargo_deny(shell)?;
    shell.cmd(cargo_deny).args(["--locked", "check", "--deny", "warnings", "bans", "licenses", "sources"]).run()
}

fn machete(shell: &Shell) -> anyhow::Result<()> {
    let cargo_machete = tools::cargo_machete(shell)?;
    shell.cmd(cargo_machete).arg(".").run()
}
