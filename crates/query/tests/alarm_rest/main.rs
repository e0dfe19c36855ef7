//! Alarms over REST, in process over a store in memory.

mod documents;
mod incidents;
mod world;
