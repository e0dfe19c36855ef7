//! `cargo xtask test`, and what generates the files that tests compare with.

use std::env;
use std::ffi::OsString;

use crate::fixtures;
use crate::opensearch::{self, ForTests};
use crate::shell::{Shell, say};
use crate::tidy::graph::Metadata;

/// Builds the server, fetches what the suites need, and runs all tests: those of `args`, or else of the whole workspace.
pub(crate) fn test(shell: &Shell, args: &[String]) -> anyhow::Result<()> {
    suites(shell, args, &[])?;
    say("test passed");
    Ok(())
}

/// Runs the tests once more, each `expect!` and golden file taking over what it is compared with.
pub(crate) fn golden(shell: &Shell, args: &[String]) -> anyhow::Result<()> {
    schema(shell)?;
    suites(shell, args, &[("UPDATE_EXPECT", "1".into())])?;
    say("golden files are as the code has them now: read `git diff`");
    Ok(())
}

/// Writes the GraphQL schema, one file for each area.
pub(crate) fn schema(shell: &Shell) -> anyhow::Result<()> {
    shell.cargo("run").args(["--quiet", "-p", "query", "--example", "schema", "--", "ui-api"]).run()
}

/// Runs tests with all they need, and with these variables set.
fn suites(shell: &Shell, args: &[String], extra: &[(&'static str, OsString)]) -> anyhow::Result<()> {
    // It starts while the workspace compiles, and ends with this function.
    let mut opensearch = opensearch::is_wanted(args).then(|| ForTests::start(shell)).transpose()?;
    let mut environment = prepare(shell)?;
    if let Some(urls) = opensearch.as_mut().map(ForTests::urls).transpose()?.filter(|urls| !urls.is_empty()) {
        environment.push(("SKYLARK_OPENSEARCH", urls.into()));
    }
    let what = if args.is_empty() { &["--workspace".to_owned(), "--no-fail-fast".to_owned()] } else { args };
    shell.cargo("test").arg("--locked").args(what).envs(&environment).envs(extra).run()
}

/// The environment that the suites are told about their programs with.
fn prepare(shell: &Shell) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    // Everything in one go: building the server by itself would choose other features for shared dependencies, and
    // compile those twice.
    shell.cargo("build").args(["--workspace", "--locked", "--bins", "--tests", "--examples"]).run()?;
    let built = Metadata::read(shell)?.target_directory.join("debug");
    let binary = |name: &str| built.join(name).with_extension(env::consts::EXE_EXTENSION).into();
    // Suites that stop and kill OpenSearch start one of their own with this program: as it was just built, which may have replaced
    // the file that runs.
    let mut environment = vec![("SKYLARK_BIN", binary("skylark")), ("SKYLARK_XTASK", binary("xtask"))];
    environment.extend(fixtures::fetch(shell).into_iter().map(|(name, path)| (name, path.into())));
    Ok(environment)
}
