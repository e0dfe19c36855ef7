//! Where notifications may go. Operators name addresses; what answers on the machine's own network for machines alone, such as a
//! cloud's metadata, is none of them.
//!
//! A name is checked by what it resolves to, at the moment of connecting, so that it cannot resolve to one address for the check and
//! to another for the connection. Redirects are checked as the first address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// What notifications may connect to. Link-local addresses and those of clouds' metadata never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether private and loopback addresses may be connected to: most receivers on one's own premises have such.
    pub allow_private: bool,
    /// Networks that may be connected to whatever else is refused: `10.1.0.0/16`, `fd00::/8`.
    pub allow: Vec<String>,
    /// Networks that may not be connected to.
    pub refuse: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { allow_private: true, allow: Vec::new(), refuse: Vec::new() }
    }
}

impl Config {
    /// What is wrong with it, each as path and sentence.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let bad = |key, all: &[String]| -> Vec<_> {
            all.iter().filter_map(|text| Some((key, text.parse::<Network>().err()?))).collect()
        };
        bad("allow", &self.allow).into_iter().chain(bad("refuse", &self.refuse)).collect()
    }
}

/// Why an address may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL of HTTP.
    #[error("{0:?} is no http or https URL")]
    NoUrl(String),
    /// It is refused.
    #[error("{host} is {what}, which notifications may not be sent to (alarm.egress)")]
    Address {
        /// The host as it was named.
        host: String,
        /// What it is.
        what: &'static str,
    },
}

/// Checks addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    allow_private: bool,
    allow: Vec<Network>,
    refuse: Vec<Network>,
}

impl Guard {
    /// The guard of a configuration that was validated; what cannot be read of it is left out.
    pub fn new(config: &Config) -> Guard {
        let read = |all: &[String]| all.iter().filter_map(|text| text.parse().ok()).collect();
        Guard(Arc::new(Rules {
            allow_private: config.allow_private,
            allow: read(&config.allow),
            refuse: read(&config.refuse),
        }))
    }

    /// Whether an address may be connected to; else what it is.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        // What an IPv6 address only wraps is what is connected to.
        let address = unwrapped(address);
        if self.0.refuse.iter().any(|network| network.contains(address)) {
            return Err("an address in alarm.egress.refuse");
        }
        if self.0.allow.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        match class(address) {
            Class::Public => Ok(()),
            Class::Private if self.0.allow_private => Ok(()),
            Class::Private => Err("a private address"),
            Class::Never(what) => Err(what),
        }
    }

    /// Whether a URL may be asked for, as far as it can be told without resolving its name.
    pub fn check_url(&self, url: &str) -> Result<Url, Refused> {
        let parsed = Url::parse(url).map_err(|_| Refused::NoUrl(shortened(url)))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(Refused::NoUrl(shortened(url)));
        }
        self.check_host(&parsed)?;
        Ok(parsed)
    }

    fn check_host(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(address) => self.check(address).map_err(|what| Refused::Address { host: host.to_owned(), what }),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of a host that may be connected to. Errors where there are none, or one of them is refused: a name that
    /// answers with a good and a bad address is not to be trusted.
    pub async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((bare, port)).await?.collect();
        for address in &addresses {
            self.check(address.ip())
                .map_err(|what| std::io::Error::other(Refused::Address { host: host.to_owned(), what }))?;
        }
        if addresses.is_empty() {
            return Err(std::io::Error::other(format!("{host} has no address")));
        }
        Ok(addresses)
    }

    /// What reqwest is to do about redirects: a few, each checked.
    pub fn redirects(&self) -> Policy {
        let guard = self.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                return attempt.error("too many redirects");
            }
            match guard.check_host(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(refused) => attempt.error(refused),
            }
        })
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = Guard::resolve(&guard, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A network as an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.bits & self.mask
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let bad = || format!("{text:?} is no network; write 10.1.0.0/16 or fd00::/8");
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = length.map_or(Ok(width), |length| length.parse().map_err(|_| bad()))?;
        if length > width {
            return Err(bad());
        }
        let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
        Ok(Network { bits: bits(address), mask })
    }
}

/// An address as a number, IPv4 in IPv6's wrapping.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The IPv4 address in one that only wraps it: mapped, compatible, NAT64, 6to4.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] => v4(g, h),
        [0, 0, 0, 0, 0, 0] if u32::from(g) << 16 | u32::from(h) > 1 => v4(g, h),
        [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

enum Class {
    Public,
    Private,
    Never(&'static str),
}

/// Addresses that clouds give to their metadata or to the host under a machine, outside of the link-local ranges: Alibaba, Azure,
/// Oracle, and AWS over IPv6.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            if METADATA_V4.contains(&v4) {
                Class::Never("an address of a cloud's metadata")
            } else if v4.is_link_local() {
                Class::Never("a link-local address, or a cloud's metadata")
            } else if a == 0 || v4.is_broadcast() || v4.is_multicast() || a >= 240 {
                Class::Never("no address of a single host")
            } else if v4.is_private() || v4.is_loopback() || (a == 100 && (64..128).contains(&b)) {
                Class::Private
            } else {
                Class::Public
            }
        }
        IpAddr::V6(v6) => {
            if v6 == METADATA_V6 {
                Class::Never("an address of a cloud's metadata")
            } else if v6.is_unicast_link_local() {
                Class::Never("a link-local address")
            } else if v6.is_unspecified() || v6.is_multicast() {
                Class::Never("no address of a single host")
            } else if v6.is_loopback() || v6.is_unique_local() {
                Class::Private
            } else {
                Class::Public
            }
        }
    }
}

/// The beginning of a text for an error.
fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_serves_machines_alone_is_refused_in_every_spelling() {
        let guard = Guard::new(&Config::default());
        let strict = Guard::new(&Config { allow_private: false, ..Config::default() });
        let all = [
            "8.8.8.8",
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fd12::1",
            "2606:4700::1111",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:10.0.0.1",
        ];
        let shown: String = all
            .map(|text| {
                let address = text.parse().unwrap();
                let word = |result: Result<(), &'static str>| result.err().unwrap_or("ok");
                format!("{text}: {} | {}\n", word(guard.check(address)), word(strict.check(address)))
            })
            .concat();
        expect![[r#"
            8.8.8.8: ok | ok
            10.0.0.1: ok | a private address
            127.0.0.1: ok | a private address
            100.64.0.1: ok | a private address
            169.254.169.254: a link-local address, or a cloud's metadata | a link-local address, or a cloud's metadata
            100.100.100.200: an address of a cloud's metadata | an address of a cloud's metadata
            168.63.129.16: an address of a cloud's metadata | an address of a cloud's metadata
            0.0.0.0: no address of a single host | no address of a single host
            224.0.0.1: no address of a single host | no address of a single host
            255.255.255.255: no address of a single host | no address of a single host
            ::: no address of a single host | no address of a single host
            ::1: ok | a private address
            fe80::1: a link-local address | a link-local address
            fd00:ec2::254: an address of a cloud's metadata | an address of a cloud's metadata
            fd12::1: ok | a private address
            2606:4700::1111: ok | ok
            ::ffff:169.254.169.254: a link-local address, or a cloud's metadata | a link-local address, or a cloud's metadata
            ::169.254.169.254: a link-local address, or a cloud's metadata | a link-local address, or a cloud's metadata
            64:ff9b::a9fe:a9fe: a link-local address, or a cloud's metadata | a link-local address, or a cloud's metadata
            2002:a9fe:a9fe::1: a link-local address, or a cloud's metadata | a link-local address, or a cloud's metadata
            ::ffff:10.0.0.1: ok | a private address
        "#]].assert_eq(&shown);
    }

    #[test]
    fn networks_are_allowed_and_refused_by_name() {
        let config = Config {
            allow_private: false,
            allow: vec!["10.1.0.0/16".to_owned(), "fd00::/8".to_owned()],
            refuse: vec!["10.1.2.3".to_owned(), "93.184.0.0/15".to_owned()],
        };
        assert_eq!(config.validate(), []);
        let guard = Guard::new(&config);
        for (text, is_ok) in [
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("10.1.2.3", false),
            ("fd00::5", true),
            ("93.185.0.1", false),
            ("93.186.0.1", true),
        ] {
            assert_eq!(guard.check(text.parse().unwrap()).is_ok(), is_ok, "{text}");
        }
        let bad = Config { allow: vec!["10.0.0.0/33".to_owned(), "example.com".to_owned()], ..config };
        assert_eq!(bad.validate().len(), 2);
    }

    #[test]
    fn urls_are_checked_by_their_host() {
        let guard = Guard::new(&Config::default());
        for bad in [
            "ftp://example.com",
            "example.com/hook",
            "http://169.254.169.254/latest",
            "http://[::ffff:a9fe:a9fe]/",
            // Other spellings of 169.254.169.254.
            "http://2852039166/",
            "http://0xa9fea9fe/",
        ] {
            assert!(guard.check_url(bad).is_err(), "{bad}");
        }
        assert!(guard.check_url("https://hooks.example.com/a").is_ok());
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        let strict = Guard::new(&Config { allow_private: false, ..Config::default() });
        let error = Guard::resolve(&strict, "localhost", 80).await.unwrap_err().to_string();
        assert!(error.contains("localhost is a private address"), "{error}");
        assert!(Guard::resolve(&Guard::new(&Config::default()), "localhost", 80).await.is_ok());
    }
}
