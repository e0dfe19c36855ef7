//! Removes what is long over: incidents and notifications, after [`KEPT_DAYS`], or earlier where there are more than
//! [`KEPT_AT_MOST`]. They are buried; the store forgets what is buried a day later.

use model::UnixMillis;
use model::item::Item;
use model::kinds::ItemKind;
use storage::{ItemQuery, StoreError};
use tracing::{info, warn};

use super::keep::{AT_ONCE, Keeper, Known};
use crate::doc::{self, Stored};
use crate::incident::Incident;
use crate::notification::Notification;

/// Days for which closed incidents and finished notifications are kept.
const KEPT_DAYS: i64 = 30;
/// How many of either are kept, whatever their age.
const KEPT_AT_MOST: usize = 50_000;

/// Buries. Answers open incidents that are not known: written by a holder that froze and woke, they must not stay open for ever.
pub(super) async fn bury(keeper: &mut Keeper, known: &Known) -> Result<Vec<Stored<Incident>>, StoreError> {
    let mut over = Vec::new();
    let mut strangers = Vec::new();
    for item in items(keeper, ItemKind::AlarmIncident).await? {
        match doc::read::<Incident>(&item) {
            Ok(stored) => match stored.doc.closed {
                Some(closed) if stored.doc.transitions.iter().all(|t| t.dispatched) => over.push((closed, item)),
                None if !known.contains_key(&item.id) => strangers.push(stored),
                _ => {}
            },
            Err(error) => warn!(%error, "left out"),
        }
    }
    remove(keeper, over).await?;
    let mut over = Vec::new();
    for item in items(keeper, ItemKind::AlarmNotification).await? {
        if let Ok(stored) = doc::read::<Notification>(&item)
            && let Some(finished) = stored.doc.finished
        {
            over.push((finished, item));
        }
    }
    remove(keeper, over).await?;
    Ok(strangers)
}

async fn items(keeper: &Keeper, kind: ItemKind) -> Result<Vec<Item>, StoreError> {
    keeper.store.items(&ItemQuery { kind, ids: Vec::new(), tombstones: false }).await
}

async fn remove(keeper: &mut Keeper, mut over: Vec<(UnixMillis, Item)>) -> Result<(), StoreError> {
    over.sort_by_key(|(at, _)| *at);
    let now = keeper.clock.now();
    let oldest = now.plus(-KEPT_DAYS * 24 * 3_600_000);
    let too_many = over.len().saturating_sub(KEPT_AT_MOST);
    let old = over.iter().take_while(|(at, _)| *at < oldest).count();
    over.truncate(too_many.max(old));
    let n = over.len();
    while !over.is_empty() {
        let part: Vec<_> = over.drain(..over.len().min(AT_ONCE)).collect();
        let mut bury = |(_, item): (UnixMillis, Item)| {
            let revision = item.revision;
            (Item { tombstone: true, nonce: keeper.chance.bits(), updated: now, ..item }, revision)
        };
        let swaps: Vec<_> = part.into_iter().map(&mut bury).collect();
        keeper.check()?;
        // Who changed one meanwhile keeps it for another hour.
        keeper.store.swap_many(&swaps).await?;
    }
    if n > 0 {
        info!(n, "what was long over was removed");
    }
    Ok(())
}
