//! Servers of other projects as processes: in a folder of their own, on free ports of loopback, as a user who is not root.
//! Whoever dies first, they end when this program does.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::cache::{own_uid, reachable};
use crate::probe::now;
use crate::shell::{Cmd, Shell};

/// Who runs servers where this program is root: `nobody`, as PostgreSQL insists on a user with a name.
const USER: u32 = 65_534;
/// The slowest start takes 15 s on an idle machine. It is waited for while the workspace compiles on the same cores.
const READY_WITHIN: Duration = Duration::from_secs(300);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// How much of a log is worth reading after a failed start.
const LOG_SHOWN: u64 = 4_000;

/// A folder of this process, for data that nobody wants afterwards. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, named `prefix` and this process. Those of this prefix whose processes were killed go first.
    pub(crate) fn new(prefix: &str) -> anyhow::Result<Self> {
        let parent = Some(std::env::temp_dir()).filter(|path| reachable(path)).unwrap_or_else(|| "/var/tmp".into());
        for entry in fs::read_dir(&parent)?.flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u32>().ok());
            let is_of_the_dead =
                |pid: u32| pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists();
            if Path::new("/proc/self").exists() && owner.is_some_and(is_of_the_dead) {
                // `Err`: it is somebody else's.
                fs::remove_dir_all(entry.path()).unwrap_or_default();
            }
        }
        let folder = parent.join(format!("{prefix}{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it and all that is in it to the user who runs servers.
    pub(crate) fn give_away(&self) -> anyhow::Result<()> {
        if own_uid() == 0 { give_away(&self.0) } else { Ok(()) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What fails here is gone already.
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn give_away(path: &Path) -> anyhow::Result<()> {
    chown(path, Some(USER), Some(USER))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

/// A command of the user who runs servers. It gets `signal` when the thread of this program ends that has started it.
pub(crate) fn unprivileged(shell: &Shell, signal: &str, program: &Path) -> Cmd {
    if !Path::new("/proc/self").exists() {
        return shell.cmd(program);
    }
    let command = shell.cmd("setpriv").args(["--pdeathsig", signal]);
    let user = [format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".to_owned()];
    if own_uid() == 0 { command.args(user) } else { command }.arg(program)
}

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it. All that it says goes to the end of the file `log`.
    pub(crate) fn start(name: &'static str, command: Cmd, log: PathBuf) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = command.into_inner();
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Waits until it is ready. `Err` with the end of its log when it ends before that, or takes too long.
    pub(crate) fn wait(&mut self, mut is_ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let (name, since) = (self.name, now());
        while !is_ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{name} ended with {status}:\n{}", end_of(&self.log)?);
            }
            ensure!(since.elapsed() < READY_WITHIN, "{name} does not answer:\n{}", end_of(&self.log)?);
            thread::sleep(POLL);
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end with this signal, and waits until it has; kills it when that takes too long.
    pub(crate) fn stop(mut self, shell: &Shell, signal: &str) -> anyhow::Result<()> {
        shell.cmd("kill").args(["-s", signal, &self.pid().to_string()]).read()?;
        let since = now();
        while self.child.try_wait()?.is_none() && since.elapsed() < STOPPED_WITHIN {
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `Err` from here is that it has ended by itself.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn end_of(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}
