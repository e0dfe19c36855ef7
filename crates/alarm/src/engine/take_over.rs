//! How a new holder begins. First everything that the one before might still change is touched, so that its writes fail; then what it
//! decided is read. What is pending is recalled with the first evaluation.

use std::sync::Arc;

use model::kinds::ItemKind;
use storage::chance::Chance;
use storage::lease::{Term, touch};
use storage::{StoreError, snapshot};
use tokio::time::Instant;

use super::Engine;
use super::documents::Documents;
use super::held::Held;
use super::keep::{Keeper, Known, concerns};
use super::work::Work;
use crate::dispatch::Dispatcher;
use crate::dispatch::flap::WINDOW_MS;
use crate::doc;
use crate::incident::{Incident, Progress};
use crate::minutes::Cursor;
use crate::notification::{Notification, Status};

/// Takes over; `None`: what operators have set was not read yet.
pub(super) async fn take_over(engine: &Arc<Engine>, term: Term) -> Result<Option<Held>, StoreError> {
    let Some(documents) = Documents::of(&engine.snapshots.now()) else { return Ok(None) };
    let tenure = engine.tenure.clone();
    let mut keeper = Keeper {
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        zone: engine.zone.clone(),
        searchable: engine.searchable.clone(),
        held: Box::new(move || tenure.term() == Some(term)),
        // Another term draws other nonces.
        chance: Chance::new(engine.seed ^ storage::chance::random()),
    };
    fence(engine, &mut keeper.chance).await?;
    keeper.check()?;
    engine.fenced.send_replace(Some(term));

    let document = snapshot::document(&*engine.store, ItemKind::AlarmIncident).await?;
    let (evaluated, progress) = keeper.progress().await?;
    let now = engine.clock.now();
    let mut work =
        Work::new(engine.catalogue.clone(), engine.about.clone(), engine.zone.clone(), engine.layers.clone());
    let mut all = keeper.read(Vec::new()).await?;
    // Of several of one instance the last one counts.
    all.sort_by_key(|stored| stored.doc.opened);
    let mut again = Vec::new();
    for stored in &all {
        let incident = &stored.doc;
        work.put(incident);
        let unheard = |minute| evaluated.is_none_or(|evaluated| minute >= evaluated);
        if incident.closed.is_some() && (unheard(incident.entered) || unheard(incident.silent_until)) {
            work.memory.ended(incident);
        }
        // The holder before may have stopped between a transition and its record.
        let late = incident.transitions.iter().filter(|transition| unheard(transition.minute));
        again.extend(late.map(|transition| (incident.id.clone(), transition.seq)));
    }
    let mut incidents: Known = all.into_iter().map(|stored| (stored.doc.id.clone(), stored)).collect();
    keeper.records(&again, &incidents).await?;
    incidents.retain(|_, stored| concerns(stored, now.plus(-WINDOW_MS)));
    let mut dispatcher = Dispatcher::new(engine.store.clone(), keeper.chance.bits());
    dispatcher.forget();
    Ok(Some(Held {
        engine: Arc::clone(engine),
        keeper,
        dispatcher,
        documents,
        unplanned: true,
        work: Some(Box::new(work)),
        incidents,
        cursor: evaluated.map(Cursor::at).unwrap_or_default(),
        progress,
        noted: evaluated,
        document,
        recalled: Vec::new(),
        pending: None,
        dirty: true,
        next: None,
        over: Vec::new(),
        edges: Vec::new(),
        due: super::held::Due::at(Instant::now()),
    }))
}

/// Raises the revision of all that a holder writes and that is not done with.
async fn fence(engine: &Engine, chance: &mut Chance) -> Result<(), StoreError> {
    let (store, now) = (&*engine.store, engine.clock.now());
    let is_open = |incident: &Incident| incident.closed.is_none() || incident.transitions.iter().any(|t| !t.dispatched);
    let is_on_its_way = |notification: &Notification| matches!(notification.status, Status::Waiting | Status::Sending);
    touch(
        store,
        ItemKind::AlarmIncident,
        |item| doc::read::<Incident>(item).is_ok_and(|stored| is_open(&stored.doc)),
        chance,
        now,
    )
    .await?;
    touch(store, ItemKind::AlarmGroup, |_| true, chance, now).await?;
    touch(
        store,
        ItemKind::AlarmNotification,
        |item| doc::read::<Notification>(item).is_ok_and(|stored| is_on_its_way(&stored.doc)),
        chance,
        now,
    )
    .await?;
    touch(store, ItemKind::AlarmProgress, |item| item.id == Progress::ID, chance, now).await?;
    Ok(())
}
