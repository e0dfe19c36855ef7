//! What is asked of a run.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use clap::Parser;
use reqwest::Url;

use crate::traffic::Manners;
use crate::world::Size;

/// Sends realistic telemetry to a Skylark on this machine and prints one JSON report of what it cost.
#[derive(Debug, Parser)]
#[command(name = "loadgen", disable_version_flag = true)]
pub(crate) struct Options {
    /// Where agents report.
    #[arg(long, default_value = "http://127.0.0.1:11800")]
    pub(crate) grpc: Target,
    /// Where queries are answered.
    #[arg(long, default_value = "http://127.0.0.1:12800")]
    pub(crate) http: Target,
    /// Where the server's own telemetry is.
    #[arg(long, default_value = "http://127.0.0.1:1234/metrics")]
    pub(crate) metrics: Target,
    /// A process whose CPU and memory count; may be given more than once.
    #[arg(long)]
    pub(crate) pid: Vec<u32>,
    /// Segments a second.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// How long to send.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How long to wait, after that, until all is stored and the server is quiet; probes and answers may take as long.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) settle_seconds: u64,
    /// Streams of segments, each on a connection of its own.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) streams: u16,
    /// Services of the imagined system.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) services: u32,
    /// Instances of each service.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) instances: u32,
    /// Endpoints of each service.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) endpoints: u32,
    /// Segments of a trace, each in the service that the one before calls.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) depth: u32,
    /// Spans of a segment: an entry, an exit, and local ones between them.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=50))]
    pub(crate) spans: u32,
    /// Share of traces in which something fails.
    #[arg(long, default_value_t = 0.01, value_parser = share)]
    pub(crate) error_share: f64,
    /// Share of traces that are slow.
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    pub(crate) slow_share: f64,
    /// The same seed makes the same traffic.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Log lines a second.
    #[arg(long, default_value_t = 0)]
    pub(crate) logs_per_second: u32,
    /// JVM samples a second, each of another instance.
    #[arg(long, default_value_t = 0)]
    pub(crate) jvm_per_second: u32,
    /// How often, evenly over the run, to measure when something new becomes visible. Polling costs the server a little.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub(crate) probes: u32,
    /// How many queries of each kind to time at the end, one after the other.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) queries: u32,
}

impl Options {
    pub(crate) fn size(&self) -> Size {
        Size {
            n_services: usize_of(self.services),
            n_instances: usize_of(self.instances),
            n_endpoints: usize_of(self.endpoints),
            n_segments: usize_of(self.depth),
        }
    }

    pub(crate) fn manners(&self) -> Manners {
        Manners { n_spans: usize_of(self.spans), error_share: self.error_share, slow_share: self.slow_share }
    }

    /// What no single option can tell.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let n_endpoints = u64::from(self.services) * u64::from(self.endpoints);
        ensure!(n_endpoints <= 1_000_000, "{n_endpoints} endpoints are more names than fit: at most 1,000,000");
        Ok(())
    }
}

fn usize_of(n: u32) -> usize {
    usize::try_from(n).expect("usize has 32 bits at least")
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

/// An address on this machine. A load generator that can be pointed elsewhere is a weapon, so this one cannot.
#[derive(Clone, Debug)]
pub(crate) struct Target(Url);

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).context("expected an address like http://127.0.0.1:11800")?;
        ensure!(url.scheme() == "http", "only plain http is spoken here, not {}", url.scheme());
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        ensure!(
            is_loopback,
            "{host} is not this machine: load goes to a loopback address (127.0.0.1, [::1], localhost)"
        );
        Ok(Target(url))
    }
}

impl Target {
    /// The address as it was given.
    pub(crate) fn into_url(self) -> Url {
        self.0
    }

    /// The address of a page there.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_goes_to_this_machine_alone() {
        for good in ["http://127.0.0.1:11800", "http://127.9.9.9:1", "http://[::1]:11800/metrics", "http://localhost"] {
            assert!(good.parse::<Target>().is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1:11800",
            "http://0.0.0.0:11800",
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1@example.com",
            "http://[2001:db8::1]:80",
            "https://127.0.0.1:11800",
            "127.0.0.1:11800",
            "",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
        let refused = Options::try_parse_from(["loadgen", "--grpc", "http://192.0.2.1:11800"]).unwrap_err().to_string();
        assert!(refused.contains("192.0.2.1 is not this machine"), "{refused}");
    }

    #[test]
    fn sizes_have_bounds() {
        let parse = |args: &[&str]| {
            let options = Options::try_parse_from(["loadgen"].iter().chain(args))?;
            options
                .validate()
                .map(|()| options)
                .map_err(|e| clap::Error::raw(clap::error::ErrorKind::ValueValidation, e))
        };
        let defaults = parse(&[]).unwrap();
        assert_eq!((defaults.size().n_segments, defaults.manners().n_spans), (5, 2));
        for bad in [
            ["--spans", "1"],
            ["--depth", "0"],
            ["--error-share", "1.5"],
            ["--slow-share", "NaN"],
            ["--services", "10001"],
            ["--seconds", "0"],
        ] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
        assert!(parse(&["--services", "10000", "--endpoints", "1000"]).is_err());
    }
}
