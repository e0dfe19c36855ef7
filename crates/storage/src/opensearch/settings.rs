//! What an operator may set about OpenSearch.

use std::path::PathBuf;
use std::time::Duration;

use model::Secret;
use opensearch::http::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the store on OpenSearch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the cluster answers: `http://` or `https://`, host, port, and a path where a proxy wants one. Several are used in turn,
    /// and those that answer for those that do not.
    pub urls: Vec<String>,
    /// User of basic authentication; empty for none.
    pub username: String,
    /// Their password.
    #[schemars(with = "String")]
    pub password: Secret,
    /// PEM file of authorities that may have signed the cluster's certificate, beside those that the system trusts; empty for
    /// none.
    pub ca_file: PathBuf,
    /// PEM file of the certificate that is shown to the cluster; empty for none.
    pub client_certificate: PathBuf,
    /// PEM file of its key.
    pub client_key: PathBuf,
    /// What the names of all indices and templates begin with. Nodes that share it share their data.
    pub index_prefix: String,
    /// Primary shards of each index; new ones get them.
    pub shards: u16,
    /// Replicas of each shard; new indices get them.
    pub replicas: u16,
    /// Seconds a query may take, with waiting for its turn.
    pub query_timeout_seconds: u64,
    /// Seconds one write may take before it is tried again from the beginning.
    pub write_timeout_seconds: u64,
    /// Seconds for which a start waits until the cluster answers.
    pub start_timeout_seconds: u64,
    /// Bytes of documents in one bulk request.
    pub bulk_bytes: usize,
    /// Bulk requests of records at the same time. Each takes about twice its bytes in memory.
    pub bulk_in_flight: usize,
    /// Queries at the same time; others wait for their turn.
    pub queries_in_flight: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            urls: vec!["http://localhost:9200".to_owned()],
            username: String::new(),
            password: Secret::default(),
            ca_file: PathBuf::new(),
            client_certificate: PathBuf::new(),
            client_key: PathBuf::new(),
            index_prefix: "skylark".to_owned(),
            shards: 1,
            replicas: 1,
            query_timeout_seconds: 10,
            write_timeout_seconds: 30,
            start_timeout_seconds: 60,
            bulk_bytes: 5 << 20,
            bulk_in_flight: 4,
            queries_in_flight: 32,
        }
    }
}

impl Config {
    /// Every problem with these settings, each as `setting: what is wrong`.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.urls.is_empty() {
            problems.push("urls: must name a node".to_owned());
        }
        problems.extend(self.urls.iter().filter_map(|url| Some(format!("urls: {url}: {}", bad_url(url)?))));
        if self.username.is_empty() && !self.password.reveal().is_empty() {
            problems.push("username: must be set where a password is".to_owned());
        }
        if self.client_certificate.as_os_str().is_empty() != self.client_key.as_os_str().is_empty() {
            problems.push("client_key: goes with client_certificate, and it with the key".to_owned());
        }
        problems.extend(bad_prefix(&self.index_prefix).map(|what| format!("index_prefix: {what}")));
        let bulk_bytes = u64::try_from(self.bulk_bytes).unwrap_or(u64::MAX);
        for (name, value, least, most) in [
            ("shards", u64::from(self.shards), 1, 1_024),
            ("replicas", u64::from(self.replicas), 0, 32),
            ("query_timeout_seconds", self.query_timeout_seconds, 1, 600),
            ("write_timeout_seconds", self.write_timeout_seconds, 1, 600),
            ("start_timeout_seconds", self.start_timeout_seconds, 0, 3_600),
            ("bulk_bytes", bulk_bytes, 64 << 10, 64 << 20),
            ("bulk_in_flight", self.bulk_in_flight as u64, 1, 64),
            ("queries_in_flight", self.queries_in_flight as u64, 1, 1_024),
        ] {
            if !(least..=most).contains(&value) {
                problems.push(format!("{name}: must be between {least} and {most}, is {value}"));
            }
        }
        problems
    }

    pub(super) fn query_timeout(&self) -> Duration {
        Duration::from_secs(self.query_timeout_seconds)
    }

    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }
}

fn bad_url(text: &str) -> Option<String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(error.to_string()),
    };
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Some("must begin with http:// or https:// and name a host".to_owned());
    }
    // Settings are shown; a password has a place where it is not.
    (!url.username().is_empty() || url.password().is_some())
        .then(|| "must not hold a user or a password: use username and password".to_owned())
}

/// What OpenSearch lets an index be called; letters are few so that a prefix never needs quoting in a URL.
fn bad_prefix(prefix: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(plain) {
        return Some("must be 1 to 64 of a-z, 0-9, - and _");
    }
    prefix.starts_with(['-', '_']).then_some("must begin with a letter or a digit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_every_problem_is_named() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
        let wrong = Config {
            urls: vec!["localhost:9200".to_owned(), "http://u:p@h:1".to_owned(), "https://ok/path".to_owned()],
            password: Secret::new("p"),
            client_key: PathBuf::from("key.pem"),
            index_prefix: "Sky*".to_owned(),
            shards: 0,
            bulk_bytes: 1,
            ..Config::default()
        };
        let names: Vec<_> =
            wrong.validate().iter().map(|p| p.split(':').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(names, ["urls", "urls", "username", "client_key", "index_prefix", "shards", "bulk_bytes"]);
        assert_eq!(Config { urls: Vec::new(), ..Config::default() }.validate().len(), 1);
    }

    #[test]
    fn the_password_is_never_shown() {
        let config = Config { username: "u".to_owned(), password: Secret::new("s3cret"), ..Config::default() };
        assert!(!format!("{config:?}").contains("s3cret"));
        assert!(serde_json::to_string(&config).unwrap().contains(r#""password":"***""#));
    }
}
