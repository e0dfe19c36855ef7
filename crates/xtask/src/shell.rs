//! Running other programs from the root of the repository.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// What `cargo run` sets for this program alone. Build scripts that watch one of these would run again, and with them all
/// that depends on them, each time somebody changes between `cargo test` and `cargo xtask test`.
const OF_THIS_PROGRAM: &[&str] = &[
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
];

/// The repository, and the way to run programs in it.
#[derive(Debug)]
pub(crate) struct Shell {
    root: PathBuf,
}

impl Shell {
    /// Finds the repository from where this program was built.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).context("crates/xtask lies two folders below the root")?;
        ensure!(root.join("Cargo.lock").is_file(), "{} is no checkout of Skylark any more", root.display());
        Ok(Self { root: root.to_owned() })
    }

    /// The root of the repository, absolute.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where fetched tools and test fixtures are kept; git ignores it.
    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join(".cache")
    }

    /// A cargo command in the root.
    pub(crate) fn cargo(&self, subcommand: &str) -> Cmd {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.cmd(cargo).arg(subcommand)
    }

    /// A command in the root.
    pub(crate) fn cmd(&self, program: impl AsRef<OsStr>) -> Cmd {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for name in OF_THIS_PROGRAM {
            command.env_remove(name);
        }
        Cmd(command)
    }
}

/// A command that is said aloud before it runs.
#[derive(Debug)]
pub(crate) struct Cmd(Command);

impl Cmd {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn envs<'a>(mut self, pairs: impl IntoIterator<Item = &'a (&'static str, OsString)>) -> Self {
        for (name, value) in pairs {
            self.0.env(name, value);
        }
        self
    }

    /// In another folder than the root.
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs to the end with this program's own input and output. `Err` unless it exits 0.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        say(&self);
        let status = self.0.status().with_context(|| format!("cannot start `{self}`"))?;
        ensure!(status.success(), "`{self}` failed: {status}");
        Ok(())
    }

    /// Runs quietly and returns what it wrote to its standard output. `Err` unless it exits 0 and wrote UTF-8.
    pub(crate) fn read(mut self) -> anyhow::Result<String> {
        let output = self.0.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{self}`"))?;
        ensure!(output.status.success(), "`{self}` failed: {}", output.status);
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` wrote something that is not UTF-8"))
    }

    /// The command itself, for what runs beside this program.
    pub(crate) fn into_inner(self) -> Command {
        self.0
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The full path of cargo says nothing that its name does not.
        write!(f, "{}", Path::new(self.0.get_program()).file_name().unwrap_or_default().to_string_lossy())?;
        self.0.get_args().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// Says one line to whoever started this program, beside what the programs it runs print.
pub(crate) fn say(line: impl fmt::Display) {
    // Nobody listening is no reason to stop.
    writeln!(std::io::stderr(), "xtask: {line}").unwrap_or_default();
}
