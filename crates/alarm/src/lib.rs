//! The alarm engine: rules that operators edit while it runs, evaluated over what the store has, and notifications that are not lost.
//!
//! Start with the documents, which are all there is to keep: [`rule`], [`receiver`], [`route`], [`silence`], [`incident`],
//! [`notification`], [`change`]. Each is an item of its kind ([`doc`]), so it has a revision and is written by compare-and-set, and a
//! node that takes over finds everything it needs.
//!
//! From decision to delivery, each step written before the next begins:
//!
//! 1. A pass over a minute turns rules and values into [`incident::Transition`]s, kept in their incidents.
//! 2. The dispatch pass turns transitions that are not dispatched yet into [`notification::Notification`]s, by the route tree.
//! 3. The sender notes an attempt, sends, and notes what became of it.

pub mod bits;
pub mod change;
pub mod check;
pub mod columns;
pub mod config;
pub mod deliver;
pub mod desk;
pub mod dispatch;
pub mod doc;
pub mod edit;
pub mod egress;
pub mod engine;
pub mod entity;
pub mod growth;
pub mod import;
pub mod incident;
pub mod minutes;
pub mod notification;
pub mod notify;
pub mod pass;
pub mod pattern;
pub mod payload;
pub mod plan;
pub mod receiver;
pub mod records;
pub mod route;
pub mod rule;
pub mod seal;
pub mod select;
pub mod settings;
pub mod silence;
pub mod skywalking_status;
pub mod start;
pub mod state;
pub mod template;
#[cfg(test)]
mod testing;
pub mod trial;
pub mod variables;
pub mod window;

pub use config::Config;
pub use desk::Desk;
pub use doc::{Doc, Stored};
pub use entity::Entity;
pub use start::{Alarm, start};
