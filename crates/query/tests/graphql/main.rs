//! Questions as clients ask them, over a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alarms;
mod alarms_live;
mod alarms_manage;
mod alarms_tried;
#[path = "../../src/testing.rs"]
mod desk;
mod hierarchy;
mod http;
mod metadata;
mod metrics;
mod processes;
mod signals;
mod statements;
mod templates;
mod topology;
mod topology_rules;
mod traces;
mod world;
