//! The vocabulary of Skylark: time, ids, layers, scopes, telemetry as it arrives, and the rows, records and items it becomes.
//!
//! Everything here is data and pure functions: no I/O, no tasks, and one place that asks the operating system for the time
//! ([`clock`]). Read [`agg`] first: how a metric remembers and merges is what the rest of the system is built around.

pub mod agg;
pub mod buckets;
pub mod cell;
pub mod clock;
pub mod few;
pub mod id;
pub mod item;
pub mod kinds;
pub mod layer;
pub mod ledger;
pub mod metric;
pub mod permit;
pub mod process;
pub mod record;
pub mod row;
pub mod scope;
pub mod secret;
pub mod segment;
pub mod summary;
pub mod telemetry;
pub mod time;
pub mod trace;

pub use agg::Agg;
pub use bytestring::ByteString;
pub use clock::Clock;
pub use few::Few;
pub use row::{Cells, Partial, Row, RowKey};
pub use scope::Scope;
pub use secret::Secret;
pub use time::{Bucket, Step, UnixMillis, Zone};
