//! The engine: on the one node that holds the lease it evaluates the rules, keeps what they decide, and has it told.
//!
//! It looks every second. A closed minute is evaluated as soon as there is one, the running one every [`EVERY`], or less often where
//! that would cost more than half a core. Whatever it does is written before the next step begins, so what breaks off goes on where it
//! was: here after an error, on another node after a crash.
//!
//! - `documents`: rules, receivers, routing and silences, of the last snapshot.
//! - `work`: what passes work on.
//! - `keep`: incidents, records and progress, written.
//! - `take_over`: how a new holder begins.
//! - `held`: one look after the other.
//! - [`view`]: what it tells of itself. [`watchdog`] watches that.

mod bury;
mod documents;
mod edges;
mod held;
mod keep;
mod take_over;
#[cfg(test)]
mod tests;
pub mod texts;
pub mod view;
pub mod watchdog;
mod work;

use std::sync::Arc;
use std::time::Duration;

use model::layer::Layers;
use model::metric::Catalogue;
use model::{Clock, Zone};
use storage::lease::{Tenure, Term};
use storage::nodes::Nodes;
use storage::snapshot::Snapshots;
use storage::{SharedStore, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::deliver::Outbox;
use crate::edit::Edits;
use crate::minutes::Timing;
use crate::notify::told::About;
use held::Held;
use take_over::take_over;

pub use texts::render;
pub use view::{Cost, Instance, Pass, Teller, View, Views};

/// How often the running minute is evaluated.
pub const EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether there is anything to do.
const LOOK: Duration = Duration::from_secs(1);

/// What the engine needs.
pub struct Engine {
    /// Where everything lies.
    pub store: SharedStore,
    /// Tells the time.
    pub clock: Clock,
    /// The zone of the store.
    pub zone: Zone,
    /// What layers are called.
    pub layers: Layers,
    /// All metrics.
    pub catalogue: Arc<Catalogue>,
    /// The lease of the alarm engine.
    pub tenure: Tenure,
    /// The nodes, and how far each has flushed.
    pub nodes: Nodes,
    /// Follows rules, receivers, routing and silences.
    pub snapshots: Snapshots,
    /// Ends silences that are over.
    pub edits: Arc<Edits>,
    /// What is the same for all notifications.
    pub about: About,
    /// Where notifications are handed over.
    pub outbox: Outbox,
    /// How long is waited for what.
    pub timing: Timing,
    /// Tags by which alarms are found.
    pub searchable: Vec<String>,
    /// Told how it stands.
    pub teller: Teller,
    /// Told the term whose holder has protected everything from the one before.
    pub fenced: watch::Sender<Option<Term>>,
    /// For nonces.
    pub seed: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("tenure", &self.tenure).field("timing", &self.timing).finish_non_exhaustive()
    }
}

/// Evaluates while this node holds the lease, until `stop` is done.
pub async fn run(engine: Engine, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let engine = Arc::new(engine);
    let mut tenure = engine.tenure.clone();
    loop {
        let term = tokio::select! {
            biased;
            () = &mut stop => return,
            term = tenure.held() => term,
        };
        let since = engine.clock.now();
        engine.teller.tell(|view| view.since = Some(since));
        let stops = tokio::select! {
            biased;
            () = &mut stop => true,
            () = tenancy(&engine, term) => false,
        };
        engine.teller.tell(View::rest);
        if stops {
            return;
        }
    }
}

/// One tenure, until the lease is lost.
async fn tenancy(engine: &Arc<Engine>, term: Term) {
    let mut held: Option<Held> = None;
    let mut snapshots = engine.snapshots.clone();
    let mut failing = Failing::default();
    while engine.tenure.term() == Some(term) {
        let looked = match &mut held {
            None => take_over(engine, term).await.map(|taken| {
                if taken.is_some() {
                    info!("alarm rules are evaluated here");
                }
                held = taken;
            }),
            Some(holding) => holding.look().await,
        };
        failing.tell(engine, looked.err());
        if held.as_ref().is_some_and(|held| !held.is_whole()) {
            // What a pass that panicked had in its hands is gone: all is read again, and not over and over.
            held = None;
            sleep(EVERY).await;
        }
        tokio::select! {
            _ = snapshots.changed() => {}
            () = sleep(LOOK) => {}
        }
    }
    info!("alarm rules are not evaluated here any more");
}

/// Says an error when it begins, not at every look.
#[derive(Debug, Default)]
struct Failing(bool);

impl Failing {
    fn tell(&mut self, engine: &Engine, error: Option<StoreError>) {
        if let (Some(error), false) = (&error, self.0) {
            warn!(%error, "alarm rules cannot be evaluated or told; it goes on where it is as soon as that is over");
        }
        if error.is_some() || self.0 {
            engine.teller.tell(|view| view.failing = error.as_ref().map(ToString::to_string));
        }
        self.0 = error.is_some();
    }
}
