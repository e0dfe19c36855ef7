//! The server's answers: GraphQL, and its own telemetry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::Offset;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::clock;
use crate::options::Options;
use crate::prom::Scrape;

/// A query that takes longer has failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Asks one server, and knows its time zone.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    graphql: Url,
    metrics: Url,
    zone: Offset,
    n_asked: AtomicU64,
}

impl Api {
    /// `Err` when the server does not answer.
    pub(crate) async fn connect(options: &Options) -> anyhow::Result<Self> {
        let redirects = reqwest::redirect::Policy::none();
        let client = Client::builder().no_proxy().redirect(redirects).timeout(ANSWERED_WITHIN).build()?;
        let mut api = Api {
            client,
            graphql: options.http.join("/graphql"),
            metrics: options.metrics.clone().into_url(),
            zone: Offset::UTC,
            n_asked: AtomicU64::new(0),
        };
        let data = api.ask("{ r: getTimeInfo { timezone } }", Value::Null).await?;
        api.zone = zone(data["r"]["timezone"].as_str().unwrap_or_default())?;
        Ok(api)
    }

    /// The `data` of an answer. `Err` when it carries any error.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "query": query, "variables": variables });
        let answer = self.client.post(self.graphql.clone()).json(&body).send().await.context("no answer to a query")?;
        let mut answer: Value = answer.json().await.context("the answer to a query is not JSON")?;
        if let Some(error) = answer["errors"].get(0) {
            bail!("a query failed: {}", error["message"]);
        }
        Ok(answer["data"].take())
    }

    /// How many queries it was asked.
    pub(crate) fn n_asked(&self) -> u64 {
        self.n_asked.load(Ordering::Relaxed)
    }

    /// What the server says about itself.
    pub(crate) async fn scrape(&self) -> anyhow::Result<Scrape> {
        let context = || format!("no telemetry from {}", self.metrics);
        let answer = self.client.get(self.metrics.clone()).send().await.with_context(context)?;
        ensure!(answer.status().is_success(), "{}: {}", context(), answer.status());
        Ok(Scrape::parse(&answer.text().await.with_context(context)?))
    }

    /// A range from this time until now, in minutes, as queries take it.
    pub(crate) fn since(&self, from_ms: i64) -> Value {
        let now_ms = clock::now_ms();
        json!({ "start": minute(from_ms, self.zone), "end": minute(now_ms, self.zone), "step": "MINUTE" })
    }
}

/// The id of a service that an agent reported.
pub(crate) fn service_id(name: &str) -> String {
    format!("{}.1", STANDARD.encode(name))
}

/// The zone of an offset such as `+0530`.
fn zone(text: &str) -> anyhow::Result<Offset> {
    let digits = text.strip_prefix(['+', '-']).filter(|digits| digits.len() == 4);
    let number: i32 =
        digits.and_then(|digits| digits.parse().ok()).with_context(|| format!("no time zone: {text:?}"))?;
    let seconds = (number / 100 * 60 + number % 100) * 60;
    Ok(Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds })?)
}

/// `2026-11-24 0621`. Times that no calendar has read as 1970.
fn minute(time_ms: i64, zone: Offset) -> String {
    let time = Timestamp::from_millisecond(time_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_datetime(time).strftime("%Y-%m-%d %H%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes_in_the_servers_zone() {
        let check = |offset, expected| assert_eq!(minute(1_790_000_000_000, zone(offset).unwrap()), expected);
        check("+0000", "2026-09-21 1413");
        check("+0530", "2026-09-21 1943");
        check("-0930", "2026-09-21 0443");
        for bad in ["", "0000", "+00", "+00:00", "+9999"] {
            assert!(zone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn service_ids_are_those_of_agents_services() {
        assert_eq!(service_id("A"), "QQ==.1");
    }
}
