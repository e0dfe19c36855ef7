//! One OpenSearch as a process: on free ports of loopback, in a folder of its own, as a user who is not root.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::fetch::Fetched;
use crate::daemon::{Daemon, Folder, unprivileged};
use crate::probe::{answers, free_ports};
use crate::shell::{Cmd, Shell};

/// What the names of folders begin with; the process id follows.
const FOLDER: &str = "skylark-opensearch-";
/// Answers 200 when the node does what it is asked for.
const READY: &str = "/_cluster/health?wait_for_status=yellow&timeout=1s";
/// Options of a line of `jvm.options` that would write beside the programs, or need a whole JDK.
const OPTIONS_LEFT_OUT: &[&str] = &["gc.log", "HeapDump", "ErrorFile", "jdk.incubator"];
/// A node that can be started again after it was stopped. Dropping it kills it and forgets its data.
#[derive(Debug)]
pub(crate) struct Node {
    /// Before the folder, as it must end before that goes.
    daemon: Option<Daemon>,
    fetched: Fetched,
    folder: Folder,
    address: SocketAddr,
    java_options: &'static str,
}

impl Node {
    /// A node without data that does not run yet, with these options of Java beside those it is shipped with.
    pub(crate) fn new(fetched: Fetched, java_options: &'static str) -> anyhow::Result<Self> {
        let folder = Folder::new(FOLDER)?;
        let [http, transport] = free_ports()?;
        let node = Self { daemon: None, fetched, folder, address: (Ipv4Addr::LOCALHOST, http).into(), java_options };
        node.configure(transport)
            .with_context(|| format!("cannot configure OpenSearch in {}", node.folder.path().display()))?;
        Ok(node)
    }

    /// Where it answers HTTP.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn configure(&self, transport: u16) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let (config, shipped) = (folder.join("config"), self.fetched.home.join("config"));
        for name in ["config", "data", "logs", "tmp"] {
            fs::create_dir(folder.join(name))?;
        }
        let folder = folder.display();
        fs::copy(shipped.join("log4j2.properties"), config.join("log4j2.properties"))?;
        fs::write(config.join("jvm.options"), jvm_options(&fs::read_to_string(shipped.join("jvm.options"))?))?;
        let http = self.address.port();
        let settings = format!(
            "cluster.name: skylark-test\nnode.name: n1\ndiscovery.type: single-node\nnetwork.host: 127.0.0.1\n\
             http.port: {http}\ntransport.port: {transport}\npath.data: {folder}/data\npath.logs: {folder}/logs\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n"
        );
        fs::write(config.join("opensearch.yml"), settings)?;
        self.folder.give_away()
    }

    /// Starts it and waits until it answers; its process id. `Err` with the end of its log when it does not start.
    pub(crate) fn start(&mut self, shell: &Shell) -> anyhow::Result<u32> {
        ensure!(self.daemon.is_none(), "OpenSearch runs already");
        let daemon = Daemon::start("OpenSearch", self.command(shell), self.folder.path().join("log"))?;
        let daemon = self.daemon.insert(daemon);
        daemon.wait(|| answers(self.address, READY))?;
        Ok(daemon.pid())
    }

    /// The script that comes with OpenSearch, which becomes its Java.
    fn command(&self, shell: &Shell) -> Cmd {
        let folder = self.folder.path();
        let command = unprivileged(shell, "TERM", Path::new("bash")).arg(self.fetched.home.join("bin/opensearch"));
        let command = command.env("HOME", folder).env("OPENSEARCH_JAVA_HOME", &self.fetched.java);
        let command = command.env("OPENSEARCH_PATH_CONF", folder.join("config"));
        let command = command.env("OPENSEARCH_TMPDIR", folder.join("tmp"));
        command.env("OPENSEARCH_JAVA_OPTS", self.java_options).within(folder)
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self, shell: &Shell) -> anyhow::Result<()> {
        self.daemon.take().map_or(Ok(()), |daemon| daemon.stop(shell, "TERM"))
    }

    /// Ends it as a crash of the machine would.
    pub(crate) fn kill(&mut self) {
        self.daemon = None;
    }
}

/// The options that the version is shipped with, less those that mean paths of its own folder.
fn jvm_options(shipped: &str) -> String {
    let kept = shipped.lines().filter(|line| OPTIONS_LEFT_OUT.iter().all(|option| !line.contains(option)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_about_files_are_left_to_the_node() {
        let shipped = "-Xms1g\n9-:-Xlog:gc*:file=logs/gc.log:pid\n-XX:HeapDumpPath=data\n21-:-javaagent:agent/a.jar\n";
        assert_eq!(jvm_options(shipped), "-Xms1g\n21-:-javaagent:agent/a.jar\n");
    }
}
