//! `skylark`: the observability server in one binary.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use server::auth::password;
use server::config::{self, Config, LogFormat};
use server::files::Files;
use server::storage_command::{self, StorageCommand};
use server::{app, healthcheck, process};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a configuration that cannot be used (sysexits: EX_USAGE).
const BAD_CONFIGURATION: u8 = 64;

/// Skylark: agents report to it, it analyses and stores, UIs query it.
#[derive(Debug, Parser)]
#[command(name = "skylark", version, about)]
struct Arguments {
    /// The configuration file, YAML.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A folder whose files replace those that are compiled in (default: ./config where it exists).
    #[arg(long, value_name = "DIR", global = true)]
    config_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what happens without a command, too).
    Run,
    /// Read the configuration and the files it names, report every problem, and end.
    CheckConfig,
    /// Print the configuration in force, with its documentation; secrets are hidden.
    PrintConfig,
    /// Ask the server that runs here with the same settings whether it is well; ends with 1 when it is not.
    Healthcheck,
    /// Read a password from standard input and print its hash for `security.users`.
    HashPassword,
    /// Make a token for `security.tokens`, and print it and its hash.
    NewToken,
    /// Look at the store, or copy one into another.
    #[command(subcommand)]
    Storage(StorageCommand),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whoever makes what a configuration lacks has none that is whole yet.
    match arguments.command {
        Some(Command::HashPassword) => return print(hash_password()),
        Some(Command::NewToken) => return print(new_token()),
        _ => {}
    }
    let dir = config::config_dir(arguments.config_dir);
    let file = arguments.config.or_else(|| dir.as_ref().map(|d| d.join("skylark.yml")).filter(|f| f.is_file()));
    // What is not UTF-8 cannot name a setting.
    let env: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = match config::load(file.as_deref(), &env) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems.to_string()),
    };
    let files = match Files::load(dir.as_deref(), &config) {
        Ok(files) => files,
        Err(error) => return refuse(&format!("the configuration is not usable:\n  {error:#}")),
    };
    match arguments.command.unwrap_or(Command::Run) {
        Command::PrintConfig => say(&config.to_yaml()),
        Command::CheckConfig => match files.check_alarms() {
            Ok(report) => say(&format!("{report}\nthe configuration is fine\n")),
            Err(report) => {
                refuse(&format!("the configuration is not usable:\n  {}", report.to_string().replace('\n', "\n  ")))
            }
        },
        Command::Healthcheck => answer(healthcheck::ask(&config.server.http)),
        Command::Storage(command) => answer(storage_command::run(command, &config)),
        Command::HashPassword | Command::NewToken | Command::Run => run(config, files),
    }
}

/// The hash of the one line of standard input.
fn hash_password() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the password cannot be read from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("write the password into standard input, as one line");
    }
    password::hash(password)
}

fn new_token() -> anyhow::Result<String> {
    let token = password::new_token()?;
    let hash = password::hash_of_token(&token);
    Ok(format!("token:      {token}\ntoken_hash: {hash}"))
}

/// Runs a command that answers with a text: 0 and the text, or 1 and what is wrong.
fn answer(command: impl Future<Output = anyhow::Result<String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    print(runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(command)))
}

#[expect(clippy::print_stderr, reason = "the answer of the command, for whoever typed it and for a container's log")]
fn print(answer: anyhow::Result<String>) -> ExitCode {
    match answer {
        Ok(words) => say(&format!("{words}\n")),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "logs are not set up yet, and this is for the one who typed the command")]
fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(BAD_CONFIGURATION)
}

#[expect(clippy::print_stdout, reason = "this is what the command was asked for")]
fn say(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn start_logs(config: &Config) {
    let filter = EnvFilter::try_new(&config.server.log_level).expect("validated with the configuration");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.server.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

fn run(config: Config, files: Files) -> ExitCode {
    start_logs(&config);
    if let Some(limit) = process::raise_descriptor_limit() {
        info!(limit, "open descriptors allowed");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(serve(config, files));
    // What still blocks a thread after the deadline must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = format!("{error:#}"), "skylark ends with an error");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, files: Files) -> anyhow::Result<()> {
    // Before anything else, so that a signal during the start is not lost.
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = app::start(config, files, model::Clock::system()).await?;
    announce(&app);
    app.run(async move {
        tokio::select! {
            _ = term.recv() => info!("told to terminate"),
            _ = interrupt.recv() => info!("interrupted"),
        }
    })
    .await
}

#[expect(clippy::print_stdout, reason = "the first thing a person sees: where everything is")]
fn announce(app: &app::App) {
    println!("{}", app.greeting());
}
