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

use model::{Clock, UnixMillis};
use storage::lease::Tenure;
use storage::nodes::Nodes;
use storage::snapshot::Snapshots;

use crate::deliver::{Outbox, Transport};
use crate::doc::{Doc, Stored};
use crate::edit::Edits;
use crate::engine::Views;
use crate::trial::Ground;
use crate::trial::jobs::Jobs;

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

/// The desk. One for a node, shared by its interfaces.
pub struct Desk {
    /// What it looks at, and what rules are tried on.
    pub ground: Ground,
    /// Tells the time.
    pub clock: Clock,
    /// Changes documents.
    pub edits: Arc<Edits>,
    /// Documents as this node knows them.
    pub snapshots: Snapshots,
    /// Whether this node evaluates and sends.
    pub tenure: Tenure,
    /// The nodes that share the store.
    pub nodes: Nodes,
    /// Sends tests.
    pub transport: Arc<Transport>,
    /// Wakes the sender of this node.
    pub outbox: Outbox,
    /// How the engine of this node stands.
    pub engine: Views,
    /// What an operator may set.
    pub config: Config,
    /// Back-tests of this node.
    pub jobs: Jobs,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Desk {
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
