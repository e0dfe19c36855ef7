//! What the end-to-end suites need from package registries: the agents' languages, their packages, a browser, a balancer.
//!
//! Each folder of `tests/agents/` says what it needs in its own language's way (`requirements.txt`, `package.json`,
//! `Cargo.toml`). What is fetched lies in `.cache/`, and is fetched again when that file changes. A machine without the
//! language or the network gets one line about it; the suite itself decides what that means (in CI it fails).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::shell::{Shell, say};
use crate::{debian, middleware};

/// Fetches all of it, and returns the variables by which the suites find it. What cannot be had is said, and left out.
pub(crate) fn fetch(shell: &Shell) -> Vec<(&'static str, PathBuf)> {
    let mut environment = Vec::new();
    let agents: [(&'static str, &str, Fetch); 3] = [
        ("SKYLARK_PYTHON", "python/requirements.txt", python),
        ("SKYLARK_NODE_MODULES", "node/package.json", node),
        ("SKYLARK_RUST_AGENT", "rust/Cargo.toml", rust),
    ];
    for (variable, manifest, fetch) in agents {
        let manifest = shell.root().join("tests/agents").join(manifest);
        if manifest.is_file() {
            environment.extend(told(fetch(shell, &manifest), variable));
        }
    }
    if shell.root().join("tests/tests/browser.rs").is_file() {
        environment.extend(told(chromium(shell), "SKYLARK_CHROMIUM"));
    }
    if shell.root().join("deploy/balancer/haproxy.cfg").is_file() {
        environment.extend(told(haproxy(shell), "SKYLARK_HAPROXY"));
    }
    if shell.root().join("tests/src/middleware.rs").is_file() {
        environment.extend(told(middleware::fetch(shell), "SKYLARK_MIDDLEWARE"));
    }
    environment
}

type Fetch = fn(&Shell, &Path) -> anyhow::Result<PathBuf>;

fn told(fetched: anyhow::Result<PathBuf>, variable: &'static str) -> Option<(&'static str, PathBuf)> {
    fetched.inspect_err(|error| say(format_args!("no {variable}: {error:#}"))).ok().map(|path| (variable, path))
}

/// A virtual environment with the packages; the path of its interpreter.
fn python(shell: &Shell, requirements: &Path) -> anyhow::Result<PathBuf> {
    let folder = shell.cache().join("agents/python");
    let python = folder.join("bin/python");
    unless_fresh(&folder, &[requirements], || {
        shell.cmd("python3").args(["-m", "venv", "--clear"]).arg(&folder).run()?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--requirement",
        ];
        shell.cmd(&python).args(pip).arg(requirements).run()
    })?;
    Ok(python)
}

/// The packages of `package.json` as its lock file has them; the path of `node_modules`.
fn node(shell: &Shell, manifest: &Path) -> anyhow::Result<PathBuf> {
    let folder = shell.cache().join("agents/node");
    let lock = manifest.with_file_name("package-lock.json");
    unless_fresh(&folder, &[manifest, &lock], || {
        fs::create_dir_all(&folder)?;
        fs::copy(manifest, folder.join("package.json"))?;
        fs::copy(&lock, folder.join("package-lock.json"))?;
        shell.cmd("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&folder).run()
    })?;
    Ok(folder.join("node_modules"))
}

/// The application of its own manifest, outside the workspace; the path of its program. Cargo itself knows what is fresh. The
/// agent's build script wants a `protoc`: the manifest's other program knows one that came as a package.
fn rust(shell: &Shell, manifest: &Path) -> anyhow::Result<PathBuf> {
    let target = shell.cache().join("agents/rust");
    let cargo = |subcommand: &str| {
        let command = shell.cargo(subcommand).args(["--quiet", "--locked", "--manifest-path"]).arg(manifest);
        command.arg("--target-dir").arg(&target)
    };
    let protoc = cargo("run").args(["--bin", "protoc"]).read()?;
    cargo("build").args(["--features", "agent", "--bin", "agent"]).env("PROTOC", protoc.trim()).run()?;
    Ok(target.join("debug/agent").with_extension(std::env::consts::EXE_EXTENSION))
}

/// Chromium from the machine, or from Debian's packages where this user may install them.
fn chromium(shell: &Shell) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from("/usr/bin/chromium");
    if !path.is_file() {
        debian::install(shell, "chromium")?;
    }
    Ok(path)
}

/// HAProxy from the machine, or else from Debian's packages: unpacked, not installed, since installing it starts it.
fn haproxy(shell: &Shell) -> anyhow::Result<PathBuf> {
    let installed = PathBuf::from("/usr/sbin/haproxy");
    if installed.is_file() {
        return Ok(installed);
    }
    let folder = shell.cache().join("tools/haproxy");
    let program = folder.join("haproxy");
    if program.is_file() {
        return Ok(program);
    }
    debian::update(shell)?;
    debian::unpack(shell, &["haproxy"], &folder.join("root"))?;
    // Its libraries lie beside it.
    let script = "#!/bin/sh\nroot=$(dirname \"$0\")/root\n\
                  LD_LIBRARY_PATH=$(echo \"$root\"/usr/lib/*-linux-gnu* | tr ' ' :) exec \"$root/usr/sbin/haproxy\" \"$@\"\n";
    // Under its name only when it is whole: a broken attempt is no success.
    let half = folder.join("haproxy.half");
    fs::write(&half, script)?;
    shell.cmd("chmod").arg("+x").arg(&half).read()?;
    fs::rename(&half, &program)?;
    Ok(program)
}

/// Runs `make` unless `folder` was made from these very files. The stamp is written last, so a broken attempt is no success.
fn unless_fresh(folder: &Path, from: &[&Path], make: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut wanted = String::new();
    for path in from {
        wanted += &fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let stamp = folder.join("made-from");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    make()?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_fetched_is_kept_until_its_manifest_changes_or_its_making_failed() {
        let folder = std::env::temp_dir().join(format!("skylark-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let manifest = folder.join("manifest");
        let n_made = Cell::new(0);
        let make = |outcome: anyhow::Result<()>| {
            unless_fresh(&folder, &[&manifest], || {
                n_made.set(n_made.get() + 1);
                outcome
            })
        };

        fs::write(&manifest, "one").unwrap();
        make(Err(anyhow::anyhow!("no network"))).unwrap_err();
        make(Ok(())).unwrap();
        make(Ok(())).unwrap();
        assert_eq!(n_made.get(), 2);

        fs::write(&manifest, "two").unwrap();
        make(Ok(())).unwrap();
        assert_eq!(n_made.get(), 3);
        fs::remove_dir_all(&folder).unwrap();
    }
}
