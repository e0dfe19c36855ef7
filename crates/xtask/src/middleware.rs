//! PostgreSQL, Redis and RabbitMQ for the suites whose applications have agents: Debian's packages, unpacked and not installed.
//!
//! `cargo xtask middleware` runs all three and ends them, with their data, when its own input ends: so nothing stays behind,
//! however the tests, or whoever started them, came to their end.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::daemon::{Daemon, Folder, unprivileged};
use crate::probe::{free_ports, says};
use crate::shell::{Cmd, Shell};
use crate::{cache, debian};

/// What the names of folders begin with; the process id follows.
const FOLDER: &str = "skylark-middleware-";
/// Nobody else's business.
const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// A new connection of the user `skylark` to the database `postgres`: length, version 3.0, and settings with a zero after each.
const POSTGRESQL_ASKED: &[u8] = b"\0\0\0\x28\0\x03\0\0user\0skylark\0database\0postgres\0\0\0\0";
/// That user is let in. A server that is still starting answers with an error.
const POSTGRESQL_READY: &[u8] = b"R";
const REDIS_ASKED: &[u8] = b"PING\r\n";
const REDIS_READY: &[u8] = b"+PONG";
/// The header of AMQP 0-9-1.
const RABBITMQ_ASKED: &[u8] = b"AMQP\0\0\x09\x01";
/// A frame with a method, the first of a connection.
const RABBITMQ_READY: &[u8] = b"\x01";

/// Run PostgreSQL, Redis and RabbitMQ on free ports until standard input ends, then remove them and their data. One line says
/// their addresses, in this order.
#[derive(Debug, Args)]
pub(crate) struct Alone {}

impl Alone {
    #[expect(clippy::unused_self, reason = "commands are alike")]
    pub(crate) fn run(&self, shell: &Shell) -> anyhow::Result<()> {
        let servers = Servers::start(shell, &fetch(shell)?)?;
        let [postgresql, redis, rabbitmq] = servers.addresses;
        let mut stdout = io::stdout();
        writeln!(stdout, "ready {postgresql} {redis} {rabbitmq}")?;
        stdout.flush()?;
        io::copy(&mut io::stdin(), &mut io::sink())?;
        servers.stop(shell)
    }
}

/// Finds or fetches the programs; the folder with their `usr`, where nothing is ever written.
pub(crate) fn fetch(shell: &Shell) -> anyhow::Result<PathBuf> {
    let folder = cache::folder()?.join("middleware");
    if !folder.is_dir() {
        debian::update(shell)?;
        // Its package is named after its version; another one, without programs, depends on the version that Debian means.
        let postgresql = debian::depends(shell, "postgresql")?;
        let postgresql = postgresql.first().context("Debian has no PostgreSQL")?;
        cache::making(&folder, |root| {
            // Redis is a link to a program of its tools.
            debian::unpack(shell, &[postgresql, "redis-server", "redis-tools", "rabbitmq-server"], root)?;
            shell.cmd("chmod").args(["-R", "go+rX"]).arg(root).read().map(drop)
        })?;
    }
    Ok(folder)
}

/// All three. Dropping it kills them and forgets their data.
#[derive(Debug)]
struct Servers {
    postgresql: Daemon,
    _redis: Daemon,
    _rabbitmq: [Daemon; 2],
    addresses: [SocketAddr; 3],
    _folder: Folder,
}

impl Servers {
    fn start(shell: &Shell, root: &Path) -> anyhow::Result<Self> {
        let folder = Folder::new(FOLDER)?;
        let ports: [u16; 5] = free_ports()?;
        for name in ["postgresql", "redis", "rabbitmq", "bin"] {
            fs::create_dir(folder.path().join(name))?;
        }
        let run = Run { shell, root, folder: folder.path() };
        run.write_erl()?;
        folder.give_away()?;
        // All are starting while the first is waited for. What starts them is this thread, which lives as long as they do.
        let mut rabbitmq = run.rabbitmq([ports[2], ports[3], ports[4]])?;
        let mut redis = run.redis(ports[1])?;
        let mut postgresql = run.postgresql(ports[0])?;
        let addresses = [ports[0], ports[1], ports[2]].map(|port| SocketAddr::from((HOST, port)));
        postgresql.wait(|| says(addresses[0], POSTGRESQL_ASKED, POSTGRESQL_READY))?;
        redis.wait(|| says(addresses[1], REDIS_ASKED, REDIS_READY))?;
        rabbitmq[1].wait(|| says(addresses[2], RABBITMQ_ASKED, RABBITMQ_READY))?;
        Ok(Self { postgresql, _redis: redis, _rabbitmq: rabbitmq, addresses, _folder: folder })
    }

    /// Only PostgreSQL leaves something on the machine when it is killed: a piece of shared memory.
    fn stop(self, shell: &Shell) -> anyhow::Result<()> {
        self.postgresql.stop(shell, "QUIT")
    }
}

/// One start of all.
#[derive(Debug)]
struct Run<'a> {
    shell: &'a Shell,
    root: &'a Path,
    folder: &'a Path,
}

impl Run<'_> {
    /// A command of the user who runs servers, in a folder of its own that is its home as well.
    fn command(&self, signal: &str, name: &str, program: &Path) -> anyhow::Result<Cmd> {
        let folder = self.folder.join(name);
        let command = unprivileged(self.shell, signal, program).env("LD_LIBRARY_PATH", libraries(self.root)?);
        Ok(command.env("HOME", &folder).env("TZ", "GMT").within(&folder))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn postgresql(&self, port: u16) -> anyhow::Result<Daemon> {
        let programs = only(&self.root.join("usr/lib/postgresql"), "")?.join("bin");
        let data = self.folder.join("postgresql/data");
        let options = ["--username=skylark", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        let initdb = self.command("KILL", "postgresql", &programs.join("initdb"))?;
        initdb.args(options).arg("--pgdata").arg(&data).read()?;
        let command = self.command("QUIT", "postgresql", &programs.join("postgres"))?;
        let command = command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        // Data that are nowhere but in its own folder, and need not outlive it.
        let settings =
            ["fsync=off", "dynamic_shared_memory_type=mmap", "unix_socket_directories=", "listen_addresses=127.0.0.1"];
        let command = settings.iter().fold(command, |command, setting| command.args(["-c", setting]));
        Daemon::start("PostgreSQL", command, self.log("postgresql"))
    }

    fn redis(&self, port: u16) -> anyhow::Result<Daemon> {
        let command = self.command("KILL", "redis", &self.root.join("usr/bin/redis-server"))?;
        let port = port.to_string();
        let command = command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        Daemon::start("Redis", command, self.log("redis"))
    }

    /// The directory of Erlang's nodes, and the broker, which would otherwise start a directory that outlives it.
    fn rabbitmq(&self, [port, distribution, directory]: [u16; 3]) -> anyhow::Result<[Daemon; 2]> {
        let own = |command: Cmd| {
            let command = command.env("ERL_EPMD_PORT", directory.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
            command.env("ERL_LIBS", both_erlangs(self.root)).env("PATH", self.path())
        };
        let epmd = only(&self.erlang(), "erts-")?.join("bin/epmd");
        let epmd = Daemon::start("epmd", own(self.command("KILL", "rabbitmq", &epmd)?), self.log("epmd"))?;

        let script = only(&self.root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-")?.join("sbin/rabbitmq-server");
        let folder = self.folder.join("rabbitmq");
        let command = own(self.command("KILL", "rabbitmq", Path::new("sh"))?).arg(script);
        // For the script this means to become the broker instead of staying beside it.
        let command = command.env("RUNNING_UNDER_SYSTEMD", "true");
        let command = command.env("RABBITMQ_NODENAME", "skylark@localhost");
        let command = command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1").env("RABBITMQ_NODE_PORT", port.to_string());
        let command = command.env("RABBITMQ_DIST_PORT", distribution.to_string());
        let on_loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        let command = command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", on_loopback).env("RABBITMQ_LOGS", "-");
        let places = [
            ("RABBITMQ_MNESIA_BASE", "mnesia"),
            ("RABBITMQ_LOG_BASE", "logs"),
            ("RABBITMQ_PID_FILE", "pid"),
            // These are not there, and neither are those of the machine then.
            ("RABBITMQ_CONF_ENV_FILE", "environment"),
            ("RABBITMQ_CONFIG_FILE", "config"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ];
        let command = places.iter().fold(command, |command, (name, place)| command.env(name, folder.join(place)));
        Ok([epmd, Daemon::start("RabbitMQ", command, self.log("rabbitmq"))?])
    }

    /// The folder of Erlang's virtual machine: it is not unpacked where it is installed.
    fn erlang(&self) -> PathBuf {
        let [unpacked, installed] = erlangs(self.root);
        if unpacked.join("bin/erl").is_file() { unpacked } else { installed }
    }

    /// Debian's `erl` knows no other place than that where it is installed; this one stands before it.
    fn write_erl(&self) -> anyhow::Result<()> {
        let erlang = self.erlang();
        let machine = only(&erlang, "erts-")?.join("bin");
        let script = format!(
            "#!/bin/sh\nexport ROOTDIR='{}' BINDIR='{}' EMU=beam PROGNAME=erl\nexec \"$BINDIR/erlexec\" \"$@\"\n",
            erlang.display(),
            machine.display()
        );
        let path = self.folder.join("bin/erl");
        fs::write(&path, script)?;
        self.shell.cmd("chmod").arg("+x").arg(path).read().map(drop)
    }

    /// `PATH` with the folder of that `erl` before all others.
    fn path(&self) -> OsString {
        let mut path = self.folder.join("bin").into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        path
    }
}

/// Where Erlang may lie: among what was unpacked, and on the machine.
fn erlangs(root: &Path) -> [PathBuf; 2] {
    [root.join("usr/lib/erlang"), "/usr/lib/erlang".into()]
}

/// The libraries of both, as a machine may have installed some of them.
fn both_erlangs(root: &Path) -> OsString {
    let libraries = erlangs(root).map(|erlang| erlang.join("lib"));
    env::join_paths(libraries).unwrap_or_default()
}

/// The folders of libraries among what was unpacked, with colons between them.
pub(crate) fn libraries(root: &Path) -> anyhow::Result<OsString> {
    let mut found = Vec::new();
    for parent in [root.join("usr/lib"), root.join("lib")] {
        let folders = fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
        found.extend(folders.filter(|folder| folder.to_string_lossy().contains("-linux-gnu")));
    }
    Ok(env::join_paths(found)?)
}

/// The only entry of this folder whose name begins like this.
fn only(folder: &Path, prefix: &str) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
    ensure!(found.len() == 1, "{} has {} entries {prefix}*", folder.display(), found.len());
    found.into_iter().next().context("there is one")
}
