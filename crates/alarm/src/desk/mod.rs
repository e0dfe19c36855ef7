//! The desk: everything that an interface may do with alarms beside changing documents, which [`Edits`] does. GraphQL and REST are
//! two doors to it, and say the same things in their own words.
//!
//! Lists read the documents of a kind and filter them here. That is bounded: rules, receivers and silences have their most
//! ([`crate::check`]), and closed incidents and finished notifications leave the store after 30 days. A page has [`MAX_PAGE`] entries.

mod act;
mod config;
mod deliveries;
mod error;
mod export;
mod fire;
mod incidents;
mod instances;
mod metrics;
mod page;
mod preview;
pub(crate) mod prometheus;
mod rules;
mod silences;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::layer::Layers;
use model::metric::Catalogue;
use model::{Clock, UnixMillis, Zone};
use storage::SharedStore;
use storage::lease::Tenure;
use storage::nodes::Nodes;
use storage::snapshot::{Editor, Snapshots};

use crate::deliver::{Counters, Outbox, Transport};
use crate::doc::{Doc, Stored};
use crate::edit::Edits;
use crate::engine::Views;
use crate::notify::told::About;
use crate::trial::Ground;
use crate::trial::jobs::Jobs;

pub(crate) use self::fire::imagined;
pub(crate) use self::preview::way;

pub use self::act::{Act, MAX_COMMENT};
pub use self::config::Config;
pub use self::deliveries::{Delivery, DeliveryFilter, Redriven};
pub use self::error::{DeskError, Kind};
pub use self::export::{Export, Format, Remark};
pub use self::fire::{Fire, FireState, Fired, Sample, Tested, ToldTo};
pub use self::incidents::{IncidentFilter, IncidentView};
pub use self::instances::{Instance, InstanceFilter};
pub use self::metrics::MetricInfo;
pub use self::page::{Listed, MAX_PAGE, Page};
pub use self::preview::{RoutePreview, RouteTarget, SilencePreview, Silenced};
pub use self::rules::{Health, RuleCost, RuleFilter, RuleView};
pub use self::silences::SilenceView;
pub use self::status::{ConfigStatus, FileStatus, NodeStatus};

/// What a desk is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where everything lies.
    pub store: SharedStore,
    /// Tells the time.
    pub clock: Clock,
    /// The zone in which times are written for people.
    pub zone: Zone,
    /// All metrics.
    pub catalogue: Arc<Catalogue>,
    /// The layers that there are.
    pub layers: Layers,
    /// Changes documents.
    pub edits: Arc<Edits>,
    /// Writes items and tells the nodes.
    pub editor: Arc<Editor>,
    /// Documents as this node knows them.
    pub snapshots: Snapshots,
    /// Whether this node evaluates and sends.
    pub tenure: Tenure,
    /// The nodes that share the store.
    pub nodes: Nodes,
    /// Sends tests.
    pub transport: Arc<Transport>,
    /// What is the same for all notifications.
    pub about: About,
    /// Wakes the sender of this node.
    pub outbox: Outbox,
    /// What the sender of this node counts.
    pub counters: Arc<Counters>,
    /// How the engine of this node stands.
    pub engine: Views,
    /// What an operator may set.
    pub config: Config,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The desk. One for a node, shared by its interfaces.
pub struct Desk {
    /// Where everything lies.
    pub store: SharedStore,
    /// Tells the time.
    pub clock: Clock,
    /// The zone in which times are written for people.
    pub zone: Zone,
    /// All metrics.
    pub catalogue: Arc<Catalogue>,
    /// The layers that there are.
    pub layers: Layers,
    /// Changes documents.
    pub edits: Arc<Edits>,
    /// Writes items and tells the nodes.
    pub editor: Arc<Editor>,
    /// Documents as this node knows them.
    pub snapshots: Snapshots,
    /// Whether this node evaluates and sends.
    pub tenure: Tenure,
    /// The nodes that share the store.
    pub nodes: Nodes,
    /// Sends tests.
    pub transport: Arc<Transport>,
    /// What is the same for all notifications.
    pub about: About,
    /// Wakes the sender of this node.
    pub outbox: Outbox,
    /// What the sender of this node counts.
    pub counters: Arc<Counters>,
    /// How the engine of this node stands.
    pub engine: Views,
    /// What an operator may set.
    pub config: Config,
    /// What rules are tried on.
    pub ground: Ground,
    /// Back-tests of this node.
    pub jobs: Jobs,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk over its parts.
    pub fn new(parts: Parts) -> Desk {
        let ground = Ground {
            store: Arc::clone(&parts.store),
            catalogue: Arc::clone(&parts.catalogue),
            zone: parts.zone.clone(),
            layers: parts.layers.clone(),
            about: parts.about.clone(),
        };
        Desk {
            jobs: Jobs::new(ground.clone(), parts.clock.clone(), storage::chance::random()),
            ground,
            store: parts.store,
            clock: parts.clock,
            zone: parts.zone,
            catalogue: parts.catalogue,
            layers: parts.layers,
            edits: parts.edits,
            editor: parts.editor,
            snapshots: parts.snapshots,
            tenure: parts.tenure,
            nodes: parts.nodes,
            transport: parts.transport,
            about: parts.about,
            outbox: parts.outbox,
            counters: parts.counters,
            engine: parts.engine,
            config: parts.config,
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// The living documents of a kind, ascending by id, as the store has them now.
    pub async fn all<T: Doc>(&self) -> Result<Vec<Stored<T>>, DeskError> {
        Ok(self.edits.all::<T>().await?)
    }

    /// The living document of an id.
    pub async fn get<T: Doc>(&self, id: &str) -> Result<Stored<T>, DeskError> {
        Ok(self.edits.get::<T>(id).await?)
    }
}
