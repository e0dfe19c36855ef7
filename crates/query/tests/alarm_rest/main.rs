//! Alarms over REST, in process over a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod documents;
mod incidents;
mod world;
