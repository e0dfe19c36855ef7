//! `cargo xtask test`, and what generates the files that tests compare with.

use std::path::PathBuf;

use crate::fixtures;
use crate::shell::{Shell, say};
use crate::tidy::graph::Metadata;

/// Builds the server, fetches what the suites need, and runs all tests: those of `args`, or else of the whole workspace.
pub(crate) fn test(shell: &Shell, args: &[String]) -> anyhow::Result<()> {
    let environment = prepare(shell)?;
    cargo_test(shell, args).envs(&environment).run()?;
    say("test passed");
    Ok(())
}

/// Runs the tests once more, each `expect!` and golden file taking over what it is compared with.
pub(crate) fn golden(shell: &Shell, args: &[String]) -> anyhow::Result<()> {
    schema(shell)?;
    let environment = prepare(shell)?;
    cargo_test(shell, args).envs(&environment).env("UPDATE_EXPECT", "1").run()?;
    say("golden files are as the code has them now: read `git diff`");
    Ok(())
}

/// Writes the GraphQL schema, one file for each area.
pub(crate) fn schema(shell: &Shell) -> anyhow::Result<()> {
    shell.cargo("run").args(["--quiet", "-p", "query", "--example", "schema", "--", "ui-api"]).run()
}

fn cargo_test(shell: &Shell, args: &[String]) -> crate::shell::Cmd {
    let what = if args.is_empty() { &["--workspace".to_owned(), "--no-fail-fast".to_owned()] } else { args };
    shell.cargo("test").arg("--locked").args(what)
}

/// The environment that the suites are told about their programs with.
fn prepare(shell: &Shell) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    // Everything in one go: building the server by itself would choose other features for shared dependencies, and
    // compile those twice.
    shell.cargo("build").args(["--workspace", "--locked", "--bins", "--tests", "--examples"]).run()?;
    let binary =
        Metadata::read(shell)?.target_directory.join("debug/skylark").with_extension(std::env::consts::EXE_EXTENSION);
    let mut environment = vec![("SKYLARK_BIN", binary)];
    environment.extend(fixtures::fetch(shell));
    Ok(environment)
}
