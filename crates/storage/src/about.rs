//! What a store knows of itself: one item, so that every backend keeps it alike.

use model::item::{Item, Revision};
use model::kinds::ItemKind;
use model::{UnixMillis, Zone};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// The id of the one item of [`ItemKind::Meta`].
pub(crate) const STORE: &str = "store";

#[derive(Serialize, Deserialize)]
struct About {
    zone: String,
}

/// The item of a store that is filled under this zone.
pub(crate) fn item(zone: &Zone, now: UnixMillis, nonce: u64) -> Item {
    let about = About { zone: zone.name() };
    Item {
        kind: ItemKind::Meta,
        id: STORE.to_owned(),
        revision: Revision(0),
        nonce,
        tombstone: false,
        updated: now,
        body: serde_json::to_string(&about).expect("a text is JSON"),
    }
}

/// Refuses a zone that is not the item's: hours and days that were counted in one zone cannot be read in another. `otherwise` says
/// what an operator who wants this zone can do.
pub(crate) fn check_zone(stored: &Item, zone: &Zone, otherwise: &str) -> Result<(), StoreError> {
    let about: About = serde_json::from_str(&stored.body)
        .map_err(|e| StoreError::Damaged(format!("the item that names the store's zone is not readable: {e}")))?;
    if about.zone == zone.name() {
        return Ok(());
    }
    Err(StoreError::Damaged(format!(
        "it was filled under the time zone {}, and {} is configured: configure {0} again, or {otherwise}",
        about.zone,
        zone.name()
    )))
}
