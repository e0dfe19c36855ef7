//! Removes what is long over: incidents and notifications ([`OVER`]), and what was changed long ago ([`CHANGES`]). They are buried; the
//! store forgets what is buried a day later.

use std::collections::BTreeSet;

use model::UnixMillis;
use model::item::Item;
use model::kinds::ItemKind;
use storage::{ItemQuery, StoreError};
use tracing::{info, warn};

use super::keep::{AT_ONCE, Keeper, Known};
use crate::change::Change;
use crate::doc::{self, Stored};
use crate::incident::Incident;
use crate::notification::Notification;

const DAY_MS: i64 = 24 * 3_600_000;

/// How long something is kept, and how much of it.
struct Bound {
    /// Days, whatever there is.
    days: i64,
    /// How many at most, whatever their age: the latest stay.
    most: usize,
}

/// Closed incidents, and finished notifications.
const OVER: Bound = Bound { days: 30, most: 50_000 };
/// Changes: histories and the audit. The last change of a living document stays beside them, however old it is.
const CHANGES: Bound = Bound { days: 180, most: 10_000 };
/// Documents that name their last change.
const CHANGED: [ItemKind; 6] = [
    ItemKind::AlarmRule,
    ItemKind::AlarmReceiver,
    ItemKind::AlarmRouting,
    ItemKind::AlarmSilence,
    ItemKind::AlarmIncident,
    ItemKind::AlarmNotification,
];

/// What of a document says which change it has seen last.
#[derive(serde::Deserialize)]
struct Head {
    #[serde(default)]
    change: String,
}

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
    remove(keeper, over, &OVER).await?;
    let mut over = Vec::new();
    for item in items(keeper, ItemKind::AlarmNotification).await? {
        if let Ok(stored) = doc::read::<Notification>(&item)
            && let Some(finished) = stored.doc.finished
        {
            over.push((finished, item));
        }
    }
    remove(keeper, over, &OVER).await?;
    changes(keeper).await?;
    Ok(strangers)
}

/// Buries changes. What one that stays names as the one before it may be gone: a history ends there.
async fn changes(keeper: &mut Keeper) -> Result<(), StoreError> {
    let mut old = Vec::new();
    for item in items(keeper, ItemKind::AlarmChange).await? {
        if let Ok(stored) = doc::read::<Change>(&item) {
            old.push((stored.doc.at, item));
        }
    }
    let oldest = keeper.clock.now().plus(-CHANGES.days * DAY_MS);
    if old.len() <= CHANGES.most && old.iter().all(|(at, _)| *at >= oldest) {
        return Ok(());
    }
    // Read after the changes: a document that is written meanwhile names a change that is younger than these.
    let mut heads = BTreeSet::new();
    for kind in CHANGED {
        let living = items(keeper, kind).await?;
        heads.extend(living.iter().filter_map(|item| Some(serde_json::from_str::<Head>(&item.body).ok()?.change)));
    }
    old.retain(|(_, item)| !heads.contains(&item.id));
    remove(keeper, old, &CHANGES).await
}

async fn items(keeper: &Keeper, kind: ItemKind) -> Result<Vec<Item>, StoreError> {
    keeper.store.items(&ItemQuery { kind, ids: Vec::new(), tombstones: false }).await
}

/// Buries what lies beyond a bound.
async fn remove(keeper: &mut Keeper, mut over: Vec<(UnixMillis, Item)>, bound: &Bound) -> Result<(), StoreError> {
    over.sort_by_key(|(at, _)| *at);
    let now = keeper.clock.now();
    let oldest = now.plus(-bound.days * DAY_MS);
    let too_many = over.len().saturating_sub(bound.most);
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
