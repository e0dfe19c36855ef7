//! One OpenSearch as a process: on free ports of loopback, in a folder of its own, as a user who is not root.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::fetch::{Fetched, own_uid, reachable};
use crate::probe::{answers, now};
use crate::shell::Shell;

/// Who runs it where this program is root. The number needs no name.
const USER: u32 = 64_123;
/// A start takes 15 s on an idle machine. It is waited for while the workspace compiles on the same cores.
const READY_WITHIN: Duration = Duration::from_secs(300);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// Ports below those that the system gives to connections, so that nobody gets one of them while the node is stopped.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// What the names of folders begin with; the process id follows.
const FOLDER: &str = "skylark-opensearch-";
/// Answers 200 when the node does what it is asked for.
const READY: &str = "/_cluster/health?wait_for_status=yellow&timeout=1s";
/// Options of a line of `jvm.options` that would write beside the programs, or need a whole JDK.
const OPTIONS_LEFT_OUT: &[&str] = &["gc.log", "HeapDump", "ErrorFile", "jdk.incubator"];
/// How much of a log is worth reading after a failed start.
const LOG_SHOWN: u64 = 4_000;

/// A node that can be started again after it was stopped. Dropping it kills it and forgets its data.
#[derive(Debug)]
pub(crate) struct Node {
    fetched: Fetched,
    folder: PathBuf,
    address: SocketAddr,
    java_options: &'static str,
    child: Option<Child>,
}

impl Node {
    /// A node without data that does not run yet, with these options of Java beside those it is shipped with.
    pub(crate) fn new(fetched: Fetched, java_options: &'static str) -> anyhow::Result<Self> {
        let folder = new_folder()?;
        let [http, transport] = free_ports()?;
        let node = Self { fetched, folder, address: (Ipv4Addr::LOCALHOST, http).into(), java_options, child: None };
        node.configure(transport)
            .with_context(|| format!("cannot configure OpenSearch in {}", node.folder.display()))?;
        Ok(node)
    }

    /// Where it answers HTTP.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn configure(&self, transport: u16) -> anyhow::Result<()> {
        let folder = self.folder.display();
        let (config, shipped) = (self.folder.join("config"), self.fetched.home.join("config"));
        for name in ["config", "data", "logs", "tmp"] {
            fs::create_dir(self.folder.join(name))?;
        }
        fs::copy(shipped.join("log4j2.properties"), config.join("log4j2.properties"))?;
        fs::write(config.join("jvm.options"), jvm_options(&fs::read_to_string(shipped.join("jvm.options"))?))?;
        let http = self.address.port();
        let settings = format!(
            "cluster.name: skylark-test\nnode.name: n1\ndiscovery.type: single-node\nnetwork.host: 127.0.0.1\n\
             http.port: {http}\ntransport.port: {transport}\npath.data: {folder}/data\npath.logs: {folder}/logs\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n"
        );
        fs::write(config.join("opensearch.yml"), settings)?;
        if own_uid() == 0 { give_away(&self.folder) } else { Ok(()) }
    }

    /// Starts it and waits until it answers; its process id. `Err` with the end of its log when it does not start.
    pub(crate) fn start(&mut self, shell: &Shell) -> anyhow::Result<u32> {
        ensure!(self.child.is_none(), "OpenSearch runs already");
        let path = self.folder.join("log");
        let log = File::options().create(true).append(true).open(&path)?;
        let mut command = self.command(shell);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = self.child.insert(command.spawn().context("cannot start OpenSearch")?);
        let since = now();
        while !answers(self.address, READY) {
            if let Some(status) = child.try_wait()? {
                bail!("OpenSearch ended with {status}:\n{}", end_of(&path)?);
            }
            ensure!(since.elapsed() < READY_WITHIN, "OpenSearch does not answer:\n{}", end_of(&path)?);
            thread::sleep(POLL);
        }
        Ok(child.id())
    }

    /// The script that comes with OpenSearch, which becomes its Java. Whoever dies first, the node ends when this program does.
    fn command(&self, shell: &Shell) -> std::process::Command {
        let script = self.fetched.home.join("bin/opensearch");
        let command = if !Path::new("/proc/self").exists() {
            shell.cmd("bash")
        } else {
            let command = shell.cmd("setpriv").args(["--pdeathsig", "TERM"]);
            let user = [format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".to_owned()];
            if own_uid() == 0 { command.args(user) } else { command }.arg("bash")
        };
        let command = command.arg(script).env("HOME", &self.folder).env("OPENSEARCH_JAVA_HOME", &self.fetched.java);
        let command = command.env("OPENSEARCH_PATH_CONF", self.folder.join("config"));
        let command = command.env("OPENSEARCH_TMPDIR", self.folder.join("tmp"));
        command.env("OPENSEARCH_JAVA_OPTS", self.java_options).within(&self.folder).into_inner()
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self, shell: &Shell) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        shell.cmd("kill").args(["-TERM", &child.id().to_string()]).read()?;
        let since = now();
        while child.try_wait()?.is_none() {
            if since.elapsed() > STOPPED_WITHIN {
                return self.kill();
            }
            thread::sleep(POLL);
        }
        self.child = None;
        Ok(())
    }

    /// Ends it as a crash of the machine would.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // `Err` from here is that it has ended by itself.
        child.kill().unwrap_or_default();
        child.wait().map(drop).context("cannot wait for OpenSearch")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What fails here has ended or is gone already.
        self.kill().unwrap_or_default();
        fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

/// The options that the version is shipped with, less those that mean paths of its own folder.
fn jvm_options(shipped: &str) -> String {
    let kept = shipped.lines().filter(|line| OPTIONS_LEFT_OUT.iter().all(|option| !line.contains(option)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// A new folder, named after this process. Those of processes that were killed go first.
fn new_folder() -> anyhow::Result<PathBuf> {
    let parent = Some(std::env::temp_dir()).filter(|path| reachable(path)).unwrap_or_else(|| "/var/tmp".into());
    for entry in fs::read_dir(&parent)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse::<u32>().ok());
        let is_of_the_dead = |pid: u32| pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists();
        if Path::new("/proc/self").exists() && owner.is_some_and(is_of_the_dead) {
            // `Err`: it is somebody else's.
            fs::remove_dir_all(entry.path()).unwrap_or_default();
        }
    }
    let folder = parent.join(format!("{FOLDER}{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
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

/// Ports that nobody listens on. Where the search begins depends on the process, so that two that start at once seldom meet.
fn free_ports() -> anyhow::Result<[u16; 2]> {
    let n_ports = u32::from(PORTS.end - PORTS.start);
    let begin = u16::try_from(std::process::id().wrapping_mul(7) % n_ports).expect("it is below the number of ports");
    let ports = (PORTS.start + begin..PORTS.end).chain(PORTS.start..PORTS.start + begin);
    let mut free = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    match (free.next(), free.next()) {
        (Some(http), Some(transport)) => Ok([http, transport]),
        _ => bail!("no port of {PORTS:?} is free"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_about_files_are_left_to_the_node() {
        let shipped = "-Xms1g\n9-:-Xlog:gc*:file=logs/gc.log:pid\n-XX:HeapDumpPath=data\n21-:-javaagent:agent/a.jar\n";
        assert_eq!(jvm_options(shipped), "-Xms1g\n21-:-javaagent:agent/a.jar\n");
    }

    #[test]
    fn ports_are_free_and_differ() {
        let [http, transport] = free_ports().unwrap();
        assert_ne!(http, transport);
        assert!(PORTS.contains(&http) && PORTS.contains(&transport));
    }
}
