//! The project's one tool: sets up what a machine lacks, builds, tests, generates, tidies.
//!
//! `cargo xtask --help` lists the commands. Nothing here is needed to build or run Skylark itself.

mod bench;
mod cache;
mod daemon;
mod debian;
mod fixtures;
mod lint;
mod middleware;
mod opensearch;
mod probe;
mod shell;
mod tests;
mod tidy;
mod tools;

use clap::Parser;

/// Build, check and try Skylark.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
enum Task {
    /// Start the server; what follows `--` goes to it.
    Run {
        /// With optimisations, as users run it.
        #[arg(long)]
        release: bool,
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run every test, fetching what the suites need; what follows `--` goes to `cargo test` instead of `--workspace`.
    Test {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check format, lints, documentation, dependencies and tidiness.
    Lint,
    /// Write the GraphQL schema of the code to `ui-api/`.
    Schema,
    /// Accept what the tests see now as what they expect. Read the difference before you commit it.
    Golden {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Measure: micro-benchmarks, then a release server under the load generator.
    Bench(bench::Bench),
    Opensearch(opensearch::Alone),
    Middleware(middleware::Alone),
    /// Check what no compiler checks: file length, crate graph, links, leftovers.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    let shell = shell::Shell::new()?;
    match Task::parse() {
        Task::Run { release, args } => {
            let profile: &[&str] = if release { &["--release"] } else { &[] };
            shell.cargo("run").args(["-p", "server"]).args(profile).arg("--").args(args).run()
        }
        Task::Test { args } => tests::test(&shell, &args),
        Task::Lint => lint::lint(&shell),
        Task::Schema => tests::schema(&shell),
        Task::Golden { args } => tests::golden(&shell, &args),
        Task::Bench(bench) => bench.run(&shell),
        Task::Opensearch(alone) => alone.run(&shell),
        Task::Middleware(alone) => alone.run(&shell),
        Task::Tidy => tidy::tidy(&shell),
    }
}
