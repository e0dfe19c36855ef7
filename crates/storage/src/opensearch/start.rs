//! Starting: is it there, is it one of ours, was it filled under this zone.

use std::time::Duration;

use model::{UnixMillis, Zone};
use opensearch::http::Method;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::client::Client;
use super::json::read;
use super::names::Names;
use super::settings::Config;
use super::templates::{Templates, create};
use super::{OpenSearch, items};
use crate::{ItemQuery, StoreError, Swapped, about};

/// The pause between two looks for a cluster that does not answer yet.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Default, Deserialize)]
struct Banner {
    #[serde(default)]
    version: Version,
}

#[derive(Debug, Default, Deserialize)]
struct Version {
    #[serde(default)]
    distribution: String,
    #[serde(default)]
    number: String,
}

/// Waits for the cluster; answers what it is, for people.
pub(super) async fn connect(client: &Client, config: &Config) -> Result<String, StoreError> {
    let until = Instant::now() + Duration::from_secs(config.start_timeout_seconds);
    let mut told = false;
    let banner: Banner = loop {
        let answer = async { client.send(Method::Get, "/", None, config.query_timeout()).await?.ok() }.await;
        match answer {
            Ok(body) => break read(&body)?,
            Err(error) if Instant::now() + PAUSE >= until => return Err(error),
            Err(error) => {
                if !told {
                    info!(%error, "waiting for OpenSearch");
                }
                told = true;
            }
        }
        sleep(PAUSE).await;
    };
    let Version { distribution, number } = banner.version;
    let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
    // In its compatibility mode a cluster says that it is 7.10.
    if distribution != "opensearch" || major.is_none_or(|major| major < 2) {
        return Err(StoreError::Damaged(format!(
            "{} is {distribution:?} {number:?}, not OpenSearch 2 or newer",
            client.places()
        )));
    }
    Ok(format!("OpenSearch {number} at {}", client.places()))
}

/// Makes what is missing.
pub(super) async fn prepare(client: &Client, templates: &Templates, names: &Names) -> Result<(), StoreError> {
    for template in &templates.all {
        template.ensure(client).await?;
    }
    for index in [names.life(), names.items()] {
        create(client, &index).await?;
    }
    Ok(())
}

/// Records the zone at the first start and refuses another one later.
pub(super) async fn check_zone(store: &OpenSearch, zone: &Zone, now: UnixMillis) -> Result<(), StoreError> {
    let item = about::item(zone, now, store.chance().bits());
    let query = ItemQuery { kind: item.kind, ids: vec![item.id.clone()], tombstones: false };
    let stored = items::query(&store.client, &store.names, &query, store.config.query_timeout()).await?;
    let stored = match stored.into_iter().next() {
        Some(stored) => stored,
        None => {
            let swap = [(item.clone(), model::item::Revision(0))];
            let swapped =
                items::swap_many(&store.client, &store.names, &swap, store.terms(true), store.chance()).await?;
            match swapped.into_iter().next() {
                Some(Swapped::Conflict(Some(stored))) => stored,
                _ => item,
            }
        }
    };
    about::check_zone(&stored, zone, "use another index_prefix")
}
