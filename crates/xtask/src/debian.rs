//! Debian's packages: installed where a tool wants its place on the machine, unpacked where it does not.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::cache::own_uid;
use crate::shell::{Shell, say};

/// Installs a package with what it depends on. `Err` where this user may not.
pub(crate) fn install(shell: &Shell, package: &str) -> anyhow::Result<()> {
    say(format_args!("installing Debian's {package}"));
    update(shell)?;
    let install = ["-qq", "-y", "--no-install-recommends", "install", package];
    shell.cmd("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive").read().map(drop)
}

/// Renews the list of packages, which only root may: the list that is there may do for others.
pub(crate) fn update(shell: &Shell) -> anyhow::Result<()> {
    if own_uid() == 0 { shell.cmd("apt-get").args(["-qq", "update"]).read().map(drop) } else { Ok(()) }
}

/// The packages that this one depends on, as the list of packages names them.
pub(crate) fn depends(shell: &Shell, package: &str) -> anyhow::Result<Vec<String>> {
    let said = shell.cmd("apt-cache").args(["depends", package]).read()?;
    let names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.map(str::to_owned).collect())
}

/// Unpacks packages into the folder `root`, with those that they depend on and the machine has not installed, all as this
/// machine's apt offers them now. Nothing is installed, so nothing of them starts, and any user may do so who has a list of
/// packages: see [`update`].
pub(crate) fn unpack(shell: &Shell, packages: &[&str], root: &Path) -> anyhow::Result<()> {
    say(format_args!("fetching Debian's {}", packages.join(", ")));
    // Named ones come also where they are installed: those would be started there, and may be of another version.
    let simulate = ["-qq", "--simulate", "--no-install-recommends", "--reinstall", "install"];
    let plan = shell.cmd("apt-get").args(simulate).args(packages).read()?;
    let wanted: Vec<String> = plan.lines().filter_map(to_be_unpacked).collect();
    ensure!(!wanted.is_empty(), "apt knows no way to {}:\n{plan}", packages.join(", "));
    let downloaded = root.join("packages");
    fs::create_dir_all(&downloaded).with_context(|| format!("cannot make {}", downloaded.display()))?;
    // Root's folders are closed to the user that apt would fetch as.
    let download = ["-qq", "-o", "APT::Sandbox::User=root", "download"];
    shell.cmd("apt-get").args(download).args(wanted).within(&downloaded).read()?;
    for package in fs::read_dir(&downloaded)? {
        shell.cmd("dpkg").arg("--extract").arg(package?.path()).arg(root).read()?;
    }
    fs::remove_dir_all(&downloaded).with_context(|| format!("cannot remove {}", downloaded.display()))
}

/// The package and its version in a line of apt's plan, as `apt-get download` takes them: `Inst redis-server (5:7.0.15-1 …)`, or
/// with the version that it would replace, `Inst libpq5 [15.18-0] (15.20-0 …)`.
fn to_be_unpacked(line: &str) -> Option<String> {
    let (package, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let version = rest.split_once('(')?.1.split_whitespace().next()?;
    Some(format!("{package}={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_what_is_fetched() {
        for (line, expected) in [
            (
                "Inst redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/stable [amd64])",
                Some("redis-server=5:7.0.15-1~deb12u10"),
            ),
            ("Inst libpq5 [15.18-0] (15.20-0 Debian-Security:12/stable [amd64]) []", Some("libpq5=15.20-0")),
            ("Conf redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/stable [amd64])", None),
            ("Remv exim4 [4.96-1]", None),
        ] {
            assert_eq!(to_be_unpacked(line).as_deref(), expected, "{line}");
        }
    }
}
